//! The form for a Connect that cannot alter offsets: a tombstone in the topic that it keeps them in, while nothing writes there.

use crate::domain::{ConnectorState, TaskState};
use crate::recovery::{Plan, Situation, Step};

/// What removes the offset, with what has to come before and after it.
pub(super) fn steps(plan: &Plan, partition: String, situation: &Situation<'_>) -> Vec<Step> {
    let removes = [Step::AwaitStill, Step::RemoveOffset { partition }];
    let mut steps = vec![Step::Save];
    if situation.capabilities().stop {
        steps.push(Step::Stop);
        steps.extend(removes);
        steps.extend(Step::back_to(plan.expects.state));
    } else {
        // Before 3.5 nothing can be stopped: what has failed stands still by itself, and what runs is paused.
        let pauses = runs(situation);
        steps.extend(pauses.then_some(Step::Pause));
        steps.extend(removes);
        steps.push(Step::Restart);
        steps.extend(pauses.then_some(Step::Resume));
    }
    steps.push(Step::Verify);
    steps
}

/// What else comes of it.
pub(super) fn effects(plan: &Plan) -> Vec<String> {
    let mut effects =
        vec!["a tombstone is written to the offsets topic, past its Kafka Connect, under the very bytes of its key".to_owned()];
    if plan.expects.state != ConnectorState::Paused {
        effects.push("it stands still for longer than an offset flush".to_owned());
    }
    effects
}

fn runs(situation: &Situation<'_>) -> bool {
    let paused = situation.report.state == Some(ConnectorState::Paused);
    !paused && situation.report.tasks.iter().any(|task| task.state != TaskState::Failed)
}
