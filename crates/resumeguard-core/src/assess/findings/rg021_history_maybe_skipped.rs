//! RG021: history may have been skipped, and nothing proves it either way.

use super::{Case, Matched, moment};
use crate::domain::{Outcome, Severity};

/// Matches for a day after a lost position advanced while it could not be seen whether the open stream carried it over,
/// or after a stream was opened without the stored token that nothing links to the connector.
pub(super) fn matches(case: &Case<'_>) -> Option<Matched> {
    let last = case.recent().rev().find(|found| found.outcome == Outcome::MaybeLost)?;
    Some(Matched {
        severity: Severity::Warning,
        summary: format!(
            "between {} and {} history may have been skipped, up to {} s: its position was lost meanwhile, or a stream was opened without it, and nothing proves whose stream was open",
            moment(last.from),
            moment(last.to),
            last.seconds()
        ),
        advice: "compare source and topic for that stretch; let resumeguard see open change streams (the privilege inprog, part of clusterMonitor) so that it can tell next time".to_owned(),
    })
}
