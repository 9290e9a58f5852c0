//! The numbered rules: one file and one predicate a rule. A new finding is a file here and a line in [`RULES`].

mod rg001_lost_while_running;
mod rg002_idle_without_heartbeat;
mod rg003_heartbeat_ineffective;
mod rg004_not_running;
mod rg005_task_failed;
pub(super) mod rg006_running_but_dead;
mod rg007_errors_tolerated;
mod rg008_history_skipped;
mod rg009_position_rewound;
mod rg010_no_position;
mod rg011_stale_position_key;
mod rg012_window_short;
mod rg013_failover_would_lose;
mod rg014_token_incomplete;
mod rg015_position_in_future;
mod rg016_copying;
mod rg017_wrong_stream;
mod rg018_event_too_large;
mod rg019_old_position_reused;
mod rg020_will_replay;
mod rg021_history_maybe_skipped;
mod rg022_stands_at_invalidate;
mod rg023_unaddressable_name;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wording;

use super::asked;
use super::evidence::Living;
use super::judge::{Judgement, STALE_INTERVALS};
use super::limits::Limits;
use super::memory::ConnectorMemory;
use super::oplogs::Oplogs;
use super::thresholds::Thresholds;
use crate::domain::{
    ConnectorFacts, Discontinuity, Facts, Failure, Finding, LiveStream, Now, Outcome, Severity, Timestamp,
    Verdict,
};
use std::cmp::Reverse;

/// Everything a rule may look at.
pub(super) struct Case<'a> {
    pub(super) connector: &'a ConnectorFacts,
    pub(super) judgement: &'a Judgement,
    pub(super) facts: &'a Facts,
    pub(super) living: Living<'a>,
    /// The memory that includes this pass.
    pub(super) memory: &'a ConnectorMemory,
    /// What the oplogs were allowed to hold, this pass included.
    pub(super) oplogs: &'a Oplogs,
    pub(super) thresholds: &'a Thresholds,
    pub(super) now: Now,
}

/// Passes for which a position must have stood still, besides one offset flush, before anything is said of it.
const STILL_PASSES: u32 = 3;

impl Case<'_> {
    /// A position is known, and not too old to say anything (J6).
    pub(super) fn is_fresh(&self) -> bool {
        let connector = self.connector;
        connector.token_time().is_some() && connector.offset_age <= self.facts.interval * STALE_INTERVALS
    }

    /// Seconds of oplog time for which the position has stood still, if that is long enough to mean something. What the
    /// last reading showed counts until it is stale: nothing comes and goes with the order in which positions are read.
    pub(super) fn stands_still_for(&self) -> Option<i64> {
        let still = self.memory.stands_still_for().filter(|_| self.is_fresh())?;
        let enough = self.thresholds.offset_flush + self.facts.interval * STILL_PASSES;
        u64::try_from(still).is_ok_and(|still| still >= enough.as_secs().max(1)).then_some(still)
    }

    /// What the open change streams show of it.
    pub(super) fn live_stream(&self) -> LiveStream {
        self.living.carries(self.memory.continuity().owned(), self.connector, self.facts)
    }

    /// A heartbeat is configured, and several of them have not moved the position.
    pub(super) fn heartbeat_is_overdue(&self) -> bool {
        let heartbeat_ms = self.connector.settings.heartbeat_ms;
        let several = i64::try_from(heartbeat_ms.saturating_mul(3) / 1000).unwrap_or(i64::MAX);
        heartbeat_ms > 0 && self.stands_still_for().is_some_and(|still| still > several)
    }

    /// By the deployment's own clock: not longer ago than what has happened is shown.
    fn is_recent(&self, then: Timestamp) -> bool {
        let shown = i64::try_from(self.thresholds.loss_shown_for.as_secs()).unwrap_or(i64::MAX);
        let newest = self.facts.newest_of(self.connector).unwrap_or(then);
        i64::from(newest.t).saturating_sub(i64::from(then.t)) < shown
    }

    /// Where it stood before it went back, of late.
    pub(super) fn rewound_from(&self) -> Option<Timestamp> {
        let (from, noticed) = self.memory.rewound()?;
        self.is_recent(noticed).then_some(from)
    }

    /// Discontinuities that are still shown, oldest first.
    fn recent(&self) -> impl DoubleEndedIterator<Item = &Discontinuity> {
        self.memory.continuity().found().iter().filter(|found| self.is_recent(found.newest))
    }

    /// Proven losses that are still shown.
    pub(super) fn losses_of_late(&self) -> usize {
        self.recent().filter(|found| matches!(found.outcome, Outcome::Lost(_))).count()
    }

    /// What one member's oplog was allowed to hold.
    fn limits(&self, deployment: &str, member: &str) -> Option<&Limits> {
        self.oplogs.get(deployment, member).map(|oplog| &oplog.limits)
    }

    /// For what does harm only once headroom is used up.
    fn severity_by_verdict(&self) -> Severity {
        match self.judgement.verdict {
            Verdict::Safe | Verdict::Unknown(_) => Severity::Info,
            Verdict::AtRisk => Severity::Warning,
            Verdict::Critical | Verdict::Lost => Severity::Critical,
        }
    }

    /// A failed task's errors, and what the server answered when it was asked about the token of late.
    fn refusals(&self) -> impl Iterator<Item = Failure> {
        let asked = asked::recent(self.connector, self.facts).and_then(|probe| probe.answer.refusal());
        self.connector.tasks.iter().filter_map(|task| task.failure).chain(asked)
    }

    /// The smallest window of the deployment's members, seconds.
    fn smallest_window(&self) -> Option<i64> {
        let members = self.facts.deployment_of(self.connector)?.members.as_deref().ok()?;
        members.iter().filter_map(|member| member.window_seconds()).min()
    }
}

/// A time of the oplog. The increment of one that was made of a whole second is none.
fn moment(time: Timestamp) -> String {
    if time.i == u32::MAX { format!("the end of second {}", time.t) } else { time.to_string() }
}

/// What a rule says when it matches.
struct Matched {
    severity: Severity,
    summary: String,
    advice: String,
}

/// One numbered rule.
pub struct Rule {
    /// Stable id, `RG001`.
    pub id: &'static str,
    /// Stable name.
    pub name: &'static str,
    predicate: fn(&Case<'_>) -> Option<Matched>,
}

/// Every rule, in the order of its number.
pub const RULES: [Rule; 23] = [
    Rule { id: "RG001", name: "lost_while_running", predicate: rg001_lost_while_running::matches },
    Rule { id: "RG002", name: "idle_without_heartbeat", predicate: rg002_idle_without_heartbeat::matches },
    Rule { id: "RG003", name: "heartbeat_ineffective", predicate: rg003_heartbeat_ineffective::matches },
    Rule { id: "RG004", name: "not_running", predicate: rg004_not_running::matches },
    Rule { id: "RG005", name: "task_failed", predicate: rg005_task_failed::matches },
    Rule { id: "RG006", name: "running_but_dead", predicate: rg006_running_but_dead::matches },
    Rule { id: "RG007", name: "errors_tolerated", predicate: rg007_errors_tolerated::matches },
    Rule { id: "RG008", name: "history_skipped", predicate: rg008_history_skipped::matches },
    Rule { id: "RG009", name: "position_rewound", predicate: rg009_position_rewound::matches },
    Rule { id: "RG010", name: "no_position", predicate: rg010_no_position::matches },
    Rule { id: "RG011", name: "stale_position_key", predicate: rg011_stale_position_key::matches },
    Rule { id: "RG012", name: "window_short", predicate: rg012_window_short::matches },
    Rule { id: "RG013", name: "failover_would_lose", predicate: rg013_failover_would_lose::matches },
    Rule { id: "RG014", name: "token_incomplete", predicate: rg014_token_incomplete::matches },
    Rule { id: "RG015", name: "position_in_future", predicate: rg015_position_in_future::matches },
    Rule { id: "RG016", name: "copying", predicate: rg016_copying::matches },
    Rule { id: "RG017", name: "wrong_stream", predicate: rg017_wrong_stream::matches },
    Rule { id: "RG018", name: "event_too_large", predicate: rg018_event_too_large::matches },
    Rule { id: "RG019", name: "old_position_reused", predicate: rg019_old_position_reused::matches },
    Rule { id: "RG020", name: "will_replay", predicate: rg020_will_replay::matches },
    Rule { id: "RG021", name: "history_maybe_skipped", predicate: rg021_history_maybe_skipped::matches },
    Rule { id: "RG022", name: "stands_at_invalidate", predicate: rg022_stands_at_invalidate::matches },
    Rule { id: "RG023", name: "unaddressable_name", predicate: rg023_unaddressable_name::matches },
];

/// What matched, worst first, then by number.
pub(super) fn all(case: &Case<'_>) -> Vec<Finding> {
    let matched = RULES.iter().filter_map(|rule| Some((rule, (rule.predicate)(case)?)));
    let mut findings: Vec<Finding> = matched
        .map(|(rule, Matched { severity, summary, advice })| Finding {
            rule: rule.id,
            name: rule.name,
            severity,
            summary,
            advice,
            muted: None,
        })
        .map(|finding| case.thresholds.muted(&case.connector.id, finding, case.now))
        .collect();
    findings.sort_by_key(|finding| Reverse(finding.severity));
    findings
}
