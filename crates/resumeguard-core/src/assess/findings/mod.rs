//! The numbered rules: one file and one predicate a rule. A new finding is a file here and a line in [`RULES`].

mod rg001_lost_while_running;
mod rg004_not_running;
mod rg005_task_failed;
mod rg007_errors_tolerated;
mod rg010_no_position;
mod rg013_failover_would_lose;
mod rg014_token_incomplete;
mod rg015_position_in_future;
mod rg022_stands_at_invalidate;

use super::judge::Judgement;
use super::memory::ConnectorMemory;
use super::thresholds::Thresholds;
use crate::domain::{ConnectorFacts, Facts, Finding, Now, Severity};
use std::cmp::Reverse;

/// Everything a rule may look at.
pub(super) struct Case<'a> {
    pub(super) connector: &'a ConnectorFacts,
    pub(super) judgement: &'a Judgement,
    pub(super) facts: &'a Facts,
    /// The memory that includes this pass.
    pub(super) memory: &'a ConnectorMemory,
    pub(super) thresholds: &'a Thresholds,
    pub(super) now: Now,
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
pub const RULES: [Rule; 9] = [
    Rule { id: "RG001", name: "lost_while_running", predicate: rg001_lost_while_running::matches },
    Rule { id: "RG004", name: "not_running", predicate: rg004_not_running::matches },
    Rule { id: "RG005", name: "task_failed", predicate: rg005_task_failed::matches },
    Rule { id: "RG007", name: "errors_tolerated", predicate: rg007_errors_tolerated::matches },
    Rule { id: "RG010", name: "no_position", predicate: rg010_no_position::matches },
    Rule { id: "RG013", name: "failover_would_lose", predicate: rg013_failover_would_lose::matches },
    Rule { id: "RG014", name: "token_incomplete", predicate: rg014_token_incomplete::matches },
    Rule { id: "RG015", name: "position_in_future", predicate: rg015_position_in_future::matches },
    Rule { id: "RG022", name: "stands_at_invalidate", predicate: rg022_stands_at_invalidate::matches },
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
        })
        .collect();
    findings.sort_by_key(|finding| Reverse(finding.severity));
    findings
}
