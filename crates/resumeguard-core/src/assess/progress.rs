//! What a connector's position is doing, from what a sliding window of it shows.

use super::evidence::Living;
use super::findings::Case;
use crate::domain::{OnRestart, Progress};

/// Passes without a living stream before it counts as stalled; the same as in RG006.
const DEAD_PASSES: u32 = 2;

/// A position that stands still proves nothing by itself: an open stream that is read tells idle from stalled, and so
/// does a heartbeat that should have moved it.
pub(super) fn progress(case: &Case<'_>) -> Progress {
    if !case.connector.is_running() {
        return if case.connector.state.is_ok() { Progress::Stopped } else { Progress::Unknown };
    }
    let dead = case.living == Living::None && case.memory.dead_passes() >= DEAD_PASSES;
    if dead || case.judgement.on_restart == OnRestart::Stalls {
        return Progress::Stalled;
    }
    if case.memory.rewound_from().is_some() {
        return Progress::Rewound;
    }
    if case.stands_still_for().is_none() {
        return if case.memory.has_moved() { Progress::Advancing } else { Progress::Unknown };
    }
    if case.heartbeat_is_overdue() {
        return Progress::Stalled;
    }
    if matches!(case.living, Living::One(_)) { Progress::Idle } else { Progress::Unknown }
}
