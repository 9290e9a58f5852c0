//! Numbers as people read them.

/// `-1h 4m` for −3 840 s; the two largest units.
#[must_use]
pub(crate) fn duration(seconds: i64) -> String {
    let sign = if seconds < 0 { "-" } else { "" };
    let total = seconds.unsigned_abs();
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let mut left = total;
    let mut parts = Vec::new();
    for (size, unit) in units {
        let count = left / size;
        left %= size;
        if count > 0 || (unit == "s" && parts.is_empty()) {
            parts.push(format!("{count}{unit}"));
        }
        if parts.len() == 2 {
            break;
        }
    }
    format!("{sign}{}", parts.join(" "))
}

/// `37 %` for 0.3721.
#[must_use]
pub(crate) fn percent(ratio: f64) -> String {
    format!("{:.0} %", ratio * 100.0)
}

/// RFC 3339 in UTC.
#[must_use]
pub(crate) fn time(unix_seconds: i64) -> String {
    jiff::Timestamp::from_second(unix_seconds)
        .map_or_else(|_| unix_seconds.to_string(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_show_their_two_largest_units() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (3_840, "1h 4m"),
            (-3_840, "-1h 4m"),
            (90_061, "1d 1h"),
            (86_401, "1d 1s"),
        ] {
            assert_eq!(duration(seconds), text);
        }
        assert_eq!((percent(0.3721), time(0)), ("37 %".to_owned(), "1970-01-01T00:00:00Z".to_owned()));
    }
}
