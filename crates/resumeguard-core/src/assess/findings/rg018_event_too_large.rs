//! RG018: the next event is larger than a BSON document may be.

use super::{Case, Matched};
use crate::domain::{FailureClass, Severity};

/// Matches on 10334: the token is fine, a restart meets the same event again.
pub(super) fn matches(case: &Case<'_>) -> Option<Matched> {
    let mut failures = case.connector.tasks.iter().filter_map(|task| task.failure);
    failures.any(|failure| failure.class == FailureClass::EventTooLarge).then(|| Matched {
        severity: Severity::Critical,
        summary: "the next event is larger than 16 MB: every restart meets it again".to_owned(),
        advice: "make events smaller (no full document, a projecting pipeline) or set the position behind that event; errors.tolerance=all would skip far more".to_owned(),
    })
}
