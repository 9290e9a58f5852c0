//! Small things that every page says alike: addresses, verdicts, times.

use crate::publish::words::duration;
use maud::{Markup, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::fmt::Write as _;

/// All but what stands for itself in any part of an address (RFC 3986, unreserved).
const RESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// As a part of a path or a query.
pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, &RESERVED).to_string()
}

/// Where a connector's page is. Clients take the segments `.` and `..` away, encoded or not: those names go into the query.
pub(super) fn address(connect_cluster: &str, connector: &str) -> String {
    let plain = |name: &str| !matches!(name, "" | "." | "..");
    let (cluster, name) = (encoded(connect_cluster), encoded(connector));
    if plain(connect_cluster) && plain(connector) {
        format!("/connectors/{cluster}/{name}")
    } else {
        format!("/connectors?connect_cluster={cluster}&connector={name}")
    }
}

/// `path` with these in its query; what is empty is left out.
pub(super) fn with_query(path: &str, query: &[(&str, &str)]) -> String {
    let said = query.iter().filter(|(_, value)| !value.is_empty());
    said.enumerate().fold(path.to_owned(), |mut address, (number, (name, value))| {
        // Writing to a text cannot fail.
        let _written = write!(address, "{}{name}={}", if number == 0 { '?' } else { '&' }, encoded(value));
        address
    })
}

/// A link to a connector.
pub(super) fn link(connect_cluster: &str, connector: &str) -> Markup {
    html! { a href=(address(connect_cluster, connector)) { bdi { (connector) } } }
}

/// A word of a contract, as people write it.
pub(super) fn plain(word: &str) -> String {
    word.replace('_', " ")
}

/// A verdict: its word and its sign, besides its colour. A word that is not known has no style.
pub(super) fn verdict(word: &str) -> Markup {
    html! { span class={ "pill " (word) } data-verdict=(word) { (sign(word)) " " (plain(word)) } }
}

fn sign(verdict: &str) -> &'static str {
    match verdict {
        "safe" => "✓",
        "at_risk" => "◆",
        "critical" => "▲",
        "lost" => "✕",
        _ => "?",
    }
}

/// A word on its own, without a colour that means something.
pub(super) fn tag(word: &str) -> Markup {
    html! { span class="pill plain" { (plain(word)) } }
}

/// A span of time, with a minus sign that is one.
pub(super) fn span(seconds: i64) -> String {
    duration(seconds).replace('-', "\u{2212}")
}

/// The same, or what stands for a number that is not known.
pub(super) fn span_or_none(seconds: Option<i64>) -> String {
    seconds.map_or_else(|| "–".to_owned(), span)
}

/// RFC 3339 as people read it: `2026-11-23 19:05:00 UTC`.
pub(super) fn moment(at: &str) -> Markup {
    let shown =
        at.strip_suffix('Z').map_or_else(|| at.to_owned(), |at| format!("{} UTC", at.replace('T', " ")));
    html! { time class="num" datetime=(at) { (shown) } }
}

/// Seconds since 1970 as people read them.
pub(super) fn second(t: u32) -> Markup {
    moment(&crate::publish::words::time(i64::from(t)))
}

/// `1 connector`, `2 connectors`.
pub(super) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_has_an_address() {
        for (name, wanted) in [
            ("orders", "/connectors/main/orders"),
            ("a b/c%d\"", "/connectors/main/a%20b%2Fc%25d%22"),
            ("a\\b?#&=+", "/connectors/main/a%5Cb%3F%23%26%3D%2B"),
            ("..", "/connectors?connect_cluster=main&connector=.."),
            ("…", "/connectors/main/%E2%80%A6"),
            ("🛒", "/connectors/main/%F0%9F%9B%92"),
        ] {
            assert_eq!(address("main", name), wanted);
        }
        assert_eq!(address(".", "x"), "/connectors?connect_cluster=.&connector=x");
        assert_eq!(with_query("/", &[("q", ""), ("a", "b&c"), ("d", "e")]), "/?a=b%26c&d=e");
    }

    #[test]
    fn numbers_and_times_read_well() {
        assert_eq!((span(-3_840), span_or_none(None)), ("\u{2212}1h 4m".to_owned(), "–".to_owned()));
        assert!(moment("2026-11-23T19:05:00Z").into_string().contains(">2026-11-23 19:05:00 UTC<"));
        assert_eq!(
            (count(1, "plan", "plans"), count(0, "plan", "plans")),
            ("1 plan".into(), "0 plans".into())
        );
    }
}
