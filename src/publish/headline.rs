//! One sentence for somebody who has just been woken up: what is wrong, and how long is left.

use super::status::{Connector, Status};
use super::words::duration;

/// The verdicts, worst first: as `Verdict::rank` has them.
pub(super) const VERDICTS: [&str; 5] = ["lost", "critical", "unknown", "at_risk", "safe"];

/// A part of the sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Clause {
    /// The verdict that it is about; empty where all is well, or nothing is known at all.
    pub(super) verdict: &'static str,
    /// What is wrong.
    pub(super) says: String,
    /// What follows it.
    pub(super) rest: String,
}

/// How many connectors have a verdict.
pub(super) fn number(status: &Status, verdict: &str) -> usize {
    status.connectors.iter().filter(|one| one.verdict == verdict).count()
}

/// The least time that is left to anyone of that verdict.
fn soonest(status: &Status, verdict: &str) -> Option<i64> {
    let of = status.connectors.iter().filter(|one| one.verdict == verdict);
    of.filter_map(left).min()
}

/// Seconds that are left before the position is lost: as forecast, else if it stood still. `None` once it is, or where nobody knows.
pub(super) fn left(one: &Connector) -> Option<i64> {
    let left = one.seconds_until_lost.map(|range| range.low).or(one.outage_budget_seconds);
    left.filter(|seconds| *seconds >= 0 && one.verdict != "lost")
}

/// The sentence.
pub(super) fn clauses(status: &Status) -> Vec<Clause> {
    let is = |number: usize| if number == 1 { "is" } else { "are" };
    let mut clauses = Vec::new();
    let mut say = |verdict, says: String, rest: String| clauses.push(Clause { verdict, says, rest });
    match number(status, "lost") {
        0 => {}
        1 => say("lost", "1 connector has lost its place".to_owned(), String::new()),
        many => say("lost", format!("{many} connectors have lost their place"), String::new()),
    }
    // Its position may be whole, and nothing comes of it.
    let failed = status.connectors.iter().filter(|one| one.verdict != "lost" && has_failed(one)).count();
    if failed > 0 {
        let have = if failed == 1 { "has" } else { "have" };
        say("critical", format!("{failed} {have} failed"), String::new());
    }
    let dead =
        status.connectors.iter().filter(|one| one.findings.iter().any(|found| found.rule == DEAD)).count();
    if dead > 0 {
        let run = if dead == 1 { "runs and reads" } else { "run and read" };
        say("critical", format!("{dead} {run} nothing"), String::new());
    }
    for (verdict, word) in [("critical", "critical"), ("unknown", "unknown"), ("at_risk", "at risk")] {
        let number = number(status, verdict);
        if number > 0 {
            let first = if number > 1 { " for the first" } else { "" };
            let left = soonest(status, verdict).filter(|_| verdict != "unknown");
            let rest = left.map(|left| format!(", {} left{first}", duration(left)));
            say(verdict, format!("{number} {} {word}", is(number)), rest.unwrap_or_default());
        }
    }
    // It may run connectors that nobody has seen.
    let unread = status.sources.iter().filter(|source| source.source == "connect" && !source.up).count();
    if unread > 0 && !status.connectors.is_empty() {
        let clusters = if unread == 1 { "Connect cluster" } else { "Connect clusters" };
        say("unknown", format!("{unread} {clusters} cannot be read"), String::new());
    }
    if clauses.is_empty() {
        clauses.push(Clause { verdict: "", says: well(status), rest: String::new() });
    }
    clauses
}

/// The rule of a connector that is RUNNING without an open change stream.
const DEAD: &str = "RG006";

/// Connect says FAILED, of it or of a task.
pub(crate) fn has_failed(one: &Connector) -> bool {
    one.state.as_deref() == Some("FAILED") || one.tasks.iter().any(|task| task.state == "FAILED")
}

fn well(status: &Status) -> String {
    match status.connectors.len() {
        0 if status.sources.iter().any(|source| source.source == "connect" && !source.up) => {
            "Kafka Connect cannot be read: no connector is known".to_owned()
        }
        0 => "No MongoDB source connector was found".to_owned(),
        1 => "The one connector would survive a restart".to_owned(),
        all => format!("All {all} connectors would survive a restart"),
    }
}
