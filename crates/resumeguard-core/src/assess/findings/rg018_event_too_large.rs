//! RG018: the next event is larger than a BSON document may be.

use super::{Case, Matched};
use crate::domain::{FailureClass, Severity};

/// Matches on 10334, of a task or when the server was asked: the token is fine, a restart meets the same event again.
pub(super) fn matches(case: &Case<'_>) -> Option<Matched> {
    case.refusals().any(|failure| failure.class == FailureClass::EventTooLarge).then(|| Matched {
        severity: Severity::Critical,
        summary: "the next event is larger than 16 MB: every restart meets it again".to_owned(),
        advice: "make events smaller (no full document, a projecting pipeline) or set the position behind that event; errors.tolerance=all would skip far more".to_owned(),
    })
}
