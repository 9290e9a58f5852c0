//! RG006: it runs, and no change stream of it lives.

use super::{Case, Matched};
use crate::assess::evidence::Living;
use crate::domain::Severity;

/// A task that is being started, or a stream that is being opened anew, has no cursor for a moment.
const PASSES: u32 = 2;

/// Matches when every member that holds data shows its open change streams (`$currentOp`), and none of them is
/// on the connector's namespace, for two passes: its cursor could not be created, and the connector asks for it again
/// and again without failing.
pub(super) fn matches(case: &Case<'_>) -> Option<Matched> {
    (case.living == Living::None && case.memory.dead_passes() >= PASSES).then(|| Matched {
        severity: Severity::Critical,
        summary: "RUNNING, and no member shows an open change stream of it: nothing is delivered".to_owned(),
        advice: "read its log for `Unable to recreate the cursor` and the error before it: a malformed token, missing rights, or a namespace that does not exist".to_owned(),
    })
}
