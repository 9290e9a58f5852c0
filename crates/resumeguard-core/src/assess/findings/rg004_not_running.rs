//! RG004: paused, stopped, unassigned or without a task while the oplog moves on.

use super::{Case, Matched};
use crate::domain::{ConnectorState, Severity, Verdict};

/// A connector that is being started or moved has no task for a moment.
const PASSES: u32 = 2;

/// Matches by the connector's own state or its task's, and for one that is RUNNING and has had no task for two passes. How bad it is depends on what is left.
pub(super) fn matches(case: &Case<'_>) -> Option<Matched> {
    use ConnectorState::{Paused, Stopped, Unassigned};
    let states =
        case.connector.state.iter().copied().chain(case.connector.tasks.iter().map(|task| task.state));
    let idle = states.into_iter().find(|state| matches!(state, Paused | Stopped | Unassigned));
    let without = case.memory.taskless_passes() >= PASSES;
    let idle = idle.map(ConnectorState::code).or_else(|| without.then_some("running without any task"))?;
    let left = match case.judgement.headroom_seconds {
        Some(seconds) if seconds >= 0 => format!("{seconds} s of headroom are left"),
        Some(seconds) => format!("its position left the oplog {} s ago", seconds.unsigned_abs()),
        None => "its headroom is not known".to_owned(),
    };
    let (severity, advice) = match case.judgement.verdict {
        Verdict::Safe => (Severity::Info, "resume it before the headroom is used up"),
        Verdict::AtRisk | Verdict::Unknown(_) => {
            (Severity::Warning, "resume it soon, or make the oplog larger")
        }
        Verdict::Critical => (Severity::Critical, "resume it now, or make the oplog larger now"),
        Verdict::Lost => (
            Severity::Critical,
            "do not just resume it: decide first how to recover, see `resumeguard explain`",
        ),
    };
    Some(Matched { severity, summary: format!("{idle}; {left}"), advice: advice.to_owned() })
}
