//! RG019: deleted, created again under its name, and still at its old position.

use super::{Case, Matched};
use crate::domain::{Severity, Verdict};

/// Matches for a day after a connector that was seen deleted has come back and taken up the position that it left
/// behind: Connect does not delete offsets with a connector.
pub(super) fn matches(case: &Case<'_>) -> Option<Matched> {
    let reused = case.memory.reused().filter(|reused| case.is_recent(reused.noticed))?;
    let behind = i64::from(reused.noticed.t) - i64::from(reused.position.t);
    let lost = case.judgement.verdict == Verdict::Lost;
    Some(Matched {
        severity: if lost { Severity::Critical } else { Severity::Warning },
        summary: format!(
            "it was deleted and created again, and took up its old position, {behind} s behind the oplog's newest entry"
        ),
        advice:
            "if it was meant to begin anew: stop it, DELETE its offsets, resume; another name does it as well"
                .to_owned(),
    })
}
