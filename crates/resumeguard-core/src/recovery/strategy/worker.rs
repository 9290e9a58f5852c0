//! The form for a standalone worker: its offsets file is edited while it is down.

use crate::domain::ConnectorState;
use crate::recovery::{Plan, Step};

/// What alters the offset, with what has to come before and after it. A worker starts all its connectors.
pub(super) fn steps(plan: &Plan, alters: Step) -> Vec<Step> {
    let mut steps = vec![Step::Save, Step::StopWorker, alters, Step::StartWorker];
    steps.extend((plan.expects.state == ConnectorState::Paused).then_some(Step::Pause));
    steps.push(Step::Verify);
    steps
}

/// What else comes of it.
pub(super) fn effects(plan: &Plan) -> Vec<String> {
    let mut effects = vec!["its worker is stopped and started, with every connector that it runs".to_owned()];
    if plan.expects.state == ConnectorState::Paused {
        effects.push("it runs for a moment before it is paused again".to_owned());
    }
    effects
}
