//! RG006: it runs, and no change stream of it lives.

use super::{Case, Matched};
use crate::assess::evidence::Living;
use crate::domain::Severity;

/// A task that is being started, or a stream that is being opened anew, has no cursor for a moment.
const PASSES: u32 = 2;

/// One stream that ends and is followed by another is a restart or an election; so many in a row are a loop.
pub(in crate::assess) const REOPENED: u32 = 3;

/// Matches when every member that holds data shows its open change streams (`$currentOp`), and none of them is
/// on the connector's namespace, for two passes: its cursor could not be created, and the connector asks for it again
/// and again without failing. Or when each of several passes shows another stream and the position stands still: the
/// cursor is created, and ends before it delivers.
pub(super) fn matches(case: &Case<'_>) -> Option<Matched> {
    let times = case.memory.reopened_passes();
    let summary = if case.living == Living::None && case.memory.dead_passes() >= PASSES {
        "RUNNING, and no member shows an open change stream of it: nothing is delivered".to_owned()
    } else if times >= REOPENED && !matches!(case.living, Living::Unseen | Living::Ambiguous) {
        format!(
            "RUNNING, and its change stream was another one at each of the last {times} passes while its position stood still: nothing is delivered"
        )
    } else {
        return None;
    };
    Some(Matched {
        severity: Severity::Critical,
        summary,
        advice: "read its log for `Unable to recreate the cursor` and the error before it: a malformed token, missing rights, or a namespace that does not exist".to_owned(),
    })
}
