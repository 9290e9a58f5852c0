//! RG003: a heartbeat is configured, and the position stands still all the same.

use super::{Case, Matched};
use crate::domain::Severity;

/// Matches a running connector with heartbeat whose position has not moved for several heartbeats: the heartbeat died
/// with a tolerated failure, an SMT drops it, or its topic cannot be written.
pub(super) fn matches(case: &Case<'_>) -> Option<Matched> {
    let still = case.stands_still_for()?;
    let heartbeat_ms = case.connector.settings.heartbeat_ms;
    if !case.heartbeat_is_overdue() || !case.connector.is_running() {
        return None;
    }
    Some(Matched {
        severity: case.severity_by_verdict().max(Severity::Warning),
        summary: format!("its position has not moved for {still} s although it has a heartbeat every {} s", heartbeat_ms / 1000),
        advice: "see in its log whether heartbeats fail or are filtered; after a tolerated failure only a restart revives them, which needs a position still in the oplog".to_owned(),
    })
}
