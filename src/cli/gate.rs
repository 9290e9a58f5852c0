//! `gate`: before a deploy, a restart or an upgrade.

use super::{Failure, Outcome, status};
use crate::publish::status::{Connector, Range, Status};
use crate::publish::table::sentence;
use resumeguard_core::assess::forecast::NoForecast;
use std::time::Duration;
use wildmatch::WildMatch;

/// Which connectors are asked about.
#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// Only connectors whose name, or CONNECT_CLUSTER/CONNECTOR, matches this glob.
    #[arg(long, value_name = "GLOB", default_value = "*")]
    connector: String,
    /// Only connectors of this Connect cluster.
    #[arg(long, value_name = "NAME")]
    connect_cluster: Option<String>,
    /// How long the restart may take: what would be lost by then does not survive it.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = humantime::parse_duration)]
    duration: Duration,
}

impl Which {
    fn includes(&self, connector: &Connector) -> bool {
        let cluster = self.connect_cluster.as_ref().is_none_or(|name| *name == connector.connect_cluster);
        let glob = WildMatch::new(&self.connector);
        let full = format!("{}/{}", connector.connect_cluster, connector.connector);
        cluster && (glob.matches(&connector.connector) || glob.matches(&full))
    }

    fn time_of(&self, connector: &Connector) -> Time {
        let needed = i64::try_from(self.duration.as_secs()).unwrap_or(i64::MAX);
        if needed == 0 {
            return Time::Enough;
        }
        match (connector.outage_budget_range, connector.no_forecast.as_deref()) {
            (Some(Range { low, .. }), _) if low < needed => Time::TooShort(low.max(0).unsigned_abs()),
            (Some(_), _) => Time::Enough,
            (None, Some(reason)) if reason == NoForecast::NothingErodes.code() => Time::Enough,
            // Only the server was asked, and it has proven a margin: there will be no forecast either.
            (None, _) if connector.basis.as_deref() == Some("probe") => {
                if connector.verdict == "safe" {
                    Time::ByProbe
                } else {
                    Time::NeverKnown
                }
            }
            // Nobody knows how fast it melts: twice the time, at the pace of a clock.
            (None, _) => match connector.headroom_seconds {
                Some(headroom) if connector.verdict == "safe" && headroom >= needed.saturating_mul(2) => {
                    Time::ByHeadroom(headroom.unsigned_abs())
                }
                headroom => Time::Unknown(headroom.map(|seconds| seconds.max(0).unsigned_abs())),
            },
        }
    }
}

/// Whether a position that resumes now lasts as long as the restart.
enum Time {
    Enough,
    /// Seconds that are left, at the least.
    TooShort(u64),
    /// No forecast yet; as many seconds of oplog are behind it.
    ByHeadroom(u64),
    /// No forecast, and less than twice the time, or unknown, or not safe.
    Unknown(Option<u64>),
    /// The server says that it is well inside the oplog.
    ByProbe,
    /// The server says that it resumes now, and no more.
    NeverKnown,
}

/// Names every connector that would not survive a restart. A cluster that cannot be read may hold more of them.
pub(super) fn run(seen: &Status, which: &Which) -> Result<Outcome, Failure> {
    let (lines, outcome) = conclude(seen, which);
    status::print(&(lines.join("\n") + "\n")).map(|_| outcome)
}

fn conclude(seen: &Status, which: &Which) -> (Vec<String>, Outcome) {
    let asked: Vec<&Connector> =
        seen.connectors.iter().filter(|connector| which.includes(connector)).collect();
    let blind = seen
        .sources
        .iter()
        .filter(|s| s.source == "connect" && !s.up)
        .filter(|s| which.connect_cluster.as_ref().is_none_or(|name| *name == s.name));
    let mut lines: Vec<String> = blind
        .map(|source| {
            let error = source.error.as_deref().unwrap_or("not read yet");
            format!("unknown: Connect cluster {} cannot be read: {error}", source.name)
        })
        .collect();
    let mut outcome = if asked.is_empty() || !lines.is_empty() { Outcome::Unknown } else { Outcome::Done };
    for connector in &asked {
        let Some((line, of_this)) = remark(connector, which) else { continue };
        if of_this == Outcome::Bad || outcome == Outcome::Done {
            outcome = of_this;
        }
        lines.push(line);
    }
    lines.push(match (outcome, asked.is_empty()) {
        (Outcome::Done, _) => format!("go: all {} connectors would survive a restart", asked.len()),
        (_, true) => "unknown: no MongoDB source connector matches".to_owned(),
        (Outcome::Unknown, _) => "unknown: do not restart before the reasons above are cleared".to_owned(),
        _ => "stop: a restart would lose the connectors above".to_owned(),
    });
    (lines, outcome)
}

/// What speaks against a restart of this one, or should be known of it.
fn remark(connector: &Connector, which: &Which) -> Option<(String, Outcome)> {
    let id = format!("{}/{}", connector.connect_cluster, connector.connector);
    if connector.on_restart == "resumes" {
        let seconds = |seconds| humantime::format_duration(Duration::from_secs(seconds));
        let may_take = format!("the restart may take {}", humantime::format_duration(which.duration));
        let why = connector.no_forecast.as_deref().unwrap_or("none yet");
        return match which.time_of(connector) {
            Time::Enough => None,
            Time::TooShort(left) => {
                let left = seconds(left);
                let line = format!(
                    "too slow: {id} would be lost before the restart ends: it may have {left} left, and {may_take}"
                );
                Some((line, Outcome::Bad))
            }
            Time::ByHeadroom(headroom) => {
                let line =
                    format!("no forecast ({why}): {id} goes by its headroom alone, {}", seconds(headroom));
                Some((line, Outcome::Done))
            }
            Time::Unknown(headroom) => {
                let headroom = headroom.map_or_else(|| "unknown".to_owned(), |s| seconds(s).to_string());
                let line = format!(
                    "unknown: {id} resumes now, and nobody knows for how long ({why}): its headroom is {headroom}, and {may_take}; without a forecast it takes the verdict safe and twice the time; ask the daemon once it has one, or give a shorter --duration"
                );
                Some((line, Outcome::Unknown))
            }
            Time::ByProbe => {
                let line =
                    format!("no forecast: {id} goes by what the server itself has proven (basis probe)");
                Some((line, Outcome::Done))
            }
            Time::NeverKnown => {
                let line = format!(
                    "unknown: {id} resumes now by the server's own word (basis probe), and for how long cannot be told; --duration 0s asks for no more than that"
                );
                Some((line, Outcome::Unknown))
            }
        };
    }
    let outcome = if connector.on_restart == "unknown" { Outcome::Unknown } else { Outcome::Bad };
    let line = match &connector.why {
        Some(why) => format!("{}: {id}: {}", connector.on_restart, sentence(why)),
        None => format!("{}: {id} ({})", connector.on_restart, connector.verdict),
    };
    Some((line, outcome))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(budget: Option<i64>) -> Status {
        let golden = include_str!("../../tests/golden/status.json");
        let mut status: Status = serde_json::from_str(golden).unwrap();
        status.sources.clear();
        status.connectors.truncate(1);
        let connector = &mut status.connectors[0];
        connector.connector = "orders".to_owned();
        connector.on_restart = "resumes".to_owned();
        connector.no_forecast = budget.is_none().then(|| "too_few_samples".to_owned());
        connector.headroom_seconds = Some(600);
        connector.verdict = "safe".to_owned();
        connector.basis = Some("window".to_owned());
        connector.outage_budget_range = budget.map(|low| Range { low, high: Some(9_000) });
        status
    }

    #[track_caller]
    fn check(status: &Status, glob: &str, seconds: u64, outcome: Outcome, first: &str) {
        let duration = Duration::from_secs(seconds);
        let which = Which { connector: glob.to_owned(), connect_cluster: None, duration };
        let (lines, found) = conclude(status, &which);
        assert_eq!(found, outcome, "{lines:?}");
        assert!(lines[0].starts_with(first), "{lines:?}");
    }

    #[test]
    fn a_restart_takes_its_time() {
        check(&seen(Some(300)), "*", 300, Outcome::Done, "go: all 1");
        check(&seen(Some(299)), "*", 300, Outcome::Bad, "too slow: main/orders would be lost");
        check(&seen(Some(299)), "*", 60, Outcome::Done, "go: all 1");
        check(
            &seen(None),
            "*",
            300,
            Outcome::Done,
            "no forecast (too_few_samples): main/orders goes by its headroom",
        );
    }

    /// Unknown is not long enough.
    #[test]
    fn without_a_forecast_there_must_be_headroom_for_twice_as_long() {
        let unknown = "unknown: main/orders resumes now, and nobody knows for how long";
        let mut status = seen(None);
        check(&status, "*", 301, Outcome::Unknown, unknown);
        status.connectors[0].verdict = "at_risk".to_owned();
        check(&status, "*", 1, Outcome::Unknown, unknown);
        check(&status, "*", 0, Outcome::Done, "go: all 1");
        status.connectors[0].headroom_seconds = None;
        check(&status, "*", 1, Outcome::Unknown, unknown);
        status.connectors[0].no_forecast = Some("nothing_erodes".to_owned());
        check(&status, "*", 601, Outcome::Done, "go: all 1");
        // There is none where only the server itself can be asked, nor a headroom.
        (status.connectors[0].no_forecast, status.connectors[0].basis) = (None, Some("probe".to_owned()));
        check(
            &status,
            "*",
            601,
            Outcome::Unknown,
            "unknown: main/orders resumes now by the server's own word",
        );
        check(&status, "*", 0, Outcome::Done, "go: all 1");
        status.connectors[0].verdict = "safe".to_owned();
        check(&status, "*", 601, Outcome::Done, "no forecast: main/orders goes by what the server itself");
    }

    #[test]
    fn a_glob_names_a_connector_or_its_cluster_too() {
        for (glob, outcome) in [
            ("orders", Outcome::Done),
            ("main/*", Outcome::Done),
            ("main/orders", Outcome::Done),
            ("other/*", Outcome::Unknown),
        ] {
            check(&seen(None), glob, 1, outcome, "");
        }
    }

    /// A certain no outweighs what is not known, in any order.
    #[test]
    fn the_worst_decides() {
        let mut status = seen(Some(300));
        let mut other = status.connectors[0].clone();
        other.on_restart = "unknown".to_owned();
        status.connectors.push(other.clone());
        check(&status, "*", 1, Outcome::Unknown, "unknown: main/orders");
        status.connectors[0].on_restart = "skips".to_owned();
        check(&status, "*", 1, Outcome::Bad, "skips: main/orders");
        status.connectors.reverse();
        check(&status, "*", 1, Outcome::Bad, "unknown: main/orders");
    }
}
