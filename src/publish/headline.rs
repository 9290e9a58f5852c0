//! One sentence for somebody who has just been woken up: what is wrong, and how long is left.

use super::status::{Connector, Status};
use super::words::duration;

/// The verdicts, worst first.
pub(super) const VERDICTS: [&str; 5] = ["lost", "critical", "at_risk", "unknown", "safe"];

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
    for (verdict, word) in [("critical", "critical"), ("at_risk", "at risk")] {
        let number = number(status, verdict);
        if number > 0 {
            let first = if number > 1 { " for the first" } else { "" };
            let rest = soonest(status, verdict).map(|left| format!(", {} left{first}", duration(left)));
            say(verdict, format!("{number} {} {word}", is(number)), rest.unwrap_or_default());
        }
    }
    let unknown = number(status, "unknown");
    if unknown > 0 {
        say("unknown", format!("{unknown} {} unknown", is(unknown)), String::new());
    }
    if clauses.is_empty() {
        clauses.push(Clause { verdict: "", says: well(status), rest: String::new() });
    }
    clauses
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
