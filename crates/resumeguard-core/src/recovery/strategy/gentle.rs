//! What loses nothing: one write, a restart, a resume, more room.

use crate::domain::{ConnectorState, OnRestart};
use crate::recovery::{Loses, Plan, Policies, Situation, Step};

/// MB in which `replSetResizeOplog` counts, and the least that it accepts (990).
const MB: u64 = 1 << 20;
const LEAST_MB: u64 = 990;

/// A live stream stores the token of the next change.
pub(super) fn nudge(plan: Plan, situation: &Situation<'_>, policies: &Policies) -> Option<Plan> {
    let namespace = situation.facts.settings.namespace.clone();
    if !situation.facts.is_running() {
        return None;
    }
    let steps = vec![
        Step::Save,
        Step::InsertMarker { namespace: namespace.clone(), fields: policies.tolerate.marker.clone() },
        Step::AwaitStored,
        Step::RemoveMarker { namespace: namespace.clone() },
        Step::Verify,
    ];
    let effects = vec![format!("consumers see an insert and a delete of one marker document in {namespace}")];
    Some(Plan { steps, loses: Loses::Nothing, effects, ..plan })
}

pub(super) fn restart(plan: Plan, situation: &Situation<'_>) -> Plan {
    let mut effects = vec!["what was delivered since its stored position is delivered again".to_owned()];
    let loses = of_a_restart(situation, &mut effects);
    Plan { steps: vec![Step::Save, Step::RestartTasks, Step::Verify], loses, effects, ..plan }
}

pub(super) fn resume(plan: Plan, situation: &Situation<'_>) -> Option<Plan> {
    if !matches!(plan.expects.state, ConnectorState::Paused | ConnectorState::Stopped) {
        return None;
    }
    let mut effects = vec!["somebody has paused or stopped it, and may have had a reason".to_owned()];
    let loses = of_a_restart(situation, &mut effects);
    // Idle, it has nothing newer to store, and is well where its position is inside the window.
    Some(Plan { steps: vec![Step::Save, Step::Resume, Step::Verify], loses, effects, ..plan })
}

/// What judgement says a restart would do.
fn of_a_restart(situation: &Situation<'_>, effects: &mut Vec<String>) -> Loses {
    let outcome = situation.report.on_restart;
    if outcome != OnRestart::Resumes {
        effects.push(format!("as it stands, a restart {}", outcome.code()));
    }
    let last = situation.oplog.and_then(|oplog| oplog.last);
    match outcome {
        OnRestart::Resumes | OnRestart::Fails | OnRestart::Stalls => Loses::Nothing,
        OnRestart::Skips => Loses::UpToNow { from: situation.facts.token_time(), to: last },
        OnRestart::Resnapshots => Loses::DeletesAndIntermediateStates,
        OnRestart::Replays | OnRestart::Unknown => Loses::Unknown,
    }
}

/// Twice the room: half again would be gone as soon as it is noticed.
pub(super) fn extend_oplog(plan: Plan, situation: &Situation<'_>) -> Option<Plan> {
    let size_mb = (situation.oplog?.max_size_bytes? / MB).saturating_mul(2).max(LEAST_MB);
    let effects = vec![
        format!(
            "by hand, on the primary: db.adminCommand({{replSetResizeOplog: 1, size: Double({size_mb})}})"
        ),
        "other members keep their size; the disk has to hold it".to_owned(),
    ];
    Some(Plan { steps: vec![Step::ResizeOplog { size_mb }], loses: Loses::Nothing, effects, ..plan })
}
