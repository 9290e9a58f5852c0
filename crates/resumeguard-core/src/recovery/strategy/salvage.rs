//! Resume at the oldest surviving entry: only what MongoDB itself has deleted is lost.

use super::{HEARTBEAT, START_AT, STARTUP_MODE, bytes_from, set, worker};
use crate::domain::ConnectorState;
use crate::recovery::{Loses, Mark, Plan, Policies, Situation, Step, Trigger};

pub(super) fn draft(plan: Plan, situation: &Situation<'_>, policies: &Policies) -> Option<Plan> {
    let found_nowhere = plan.trigger == Trigger::WrongStream;
    let mark = if found_nowhere { Mark::OwnTime } else { Mark::OldestSurviving };
    let can = situation.capabilities();
    // Without a known version the usual form is planned, and a blocker says what is missing.
    let by_file = situation.by_file().is_some();
    let by_config = situation.connect.version.is_some()
        && !can.alter_offsets
        && mark == Mark::OldestSurviving
        && !by_file;
    let steps = if by_file {
        let partition = plan.expects.partition.clone().unwrap_or_default();
        worker::steps(&plan, Step::WriteMark { partition, mark })
    } else if by_config {
        by_configuration(&plan, situation)
    } else {
        by_offset(&plan, situation, mark, policies)
    };
    let (loses, from) = loses(&plan, situation, mark);
    let mut effects = effects(&plan, situation, mark);
    if by_file {
        effects.extend(worker::effects(&plan));
    }
    effects.extend(soon_again(&plan, situation, policies));
    if by_config {
        effects.push(
            "its offset.partition.name stays changed: Kafka Connect before 3.6 cannot alter stored offsets"
                .to_owned(),
        );
    }
    Some(Plan {
        steps,
        loses,
        rescans_bytes: from.and_then(|from| bytes_from(situation, from)),
        effects,
        ..plan
    })
}

/// Idle, nothing newer is stored: the mark leaves the oplog as its position has.
fn soon_again(plan: &Plan, situation: &Situation<'_>, policies: &Policies) -> Option<String> {
    let idle = plan.trigger == Trigger::LostWhileRunning && situation.facts.settings.heartbeat_ms == 0;
    let says = "it has no heartbeat: as long as nothing happens in its namespace, its position is lost again once the oplog has rolled on by a window; set recovery.set_heartbeat, or its heartbeat.interval.ms";
    (idle && policies.set_heartbeat.is_none()).then(|| says.to_owned())
}

fn by_offset(plan: &Plan, situation: &Situation<'_>, mark: Mark, policies: &Policies) -> Vec<Step> {
    let partition = plan.expects.partition.clone().unwrap_or_default();
    let mut steps = vec![Step::Save, Step::Stop, Step::WriteMark { partition, mark }];
    let without = situation.facts.settings.heartbeat_ms == 0;
    if let Some(heartbeat) = policies.set_heartbeat.filter(|_| without) {
        steps.push(set(&[(HEARTBEAT, Some(&heartbeat.as_millis().to_string()))]));
    }
    steps.extend(Step::back_to(plan.expects.state));
    steps.push(Step::Verify);
    steps
}

/// A new partition name has no offset: the connector begins at the configured time, and stores under the new name.
fn by_configuration(plan: &Plan, situation: &Situation<'_>) -> Vec<Step> {
    let partition = renamed(plan.expects.partition.as_deref().unwrap_or(&plan.connector.connector));
    let before = |key: &'static str| (key, situation.config.get(key).map(String::as_str));
    let mut steps = vec![Step::Save];
    if situation.capabilities().stop {
        steps.push(Step::Stop);
    }
    steps.push(Step::StartAtOldest { partition });
    if situation.capabilities().stop {
        steps.extend(Step::back_to(plan.expects.state));
    }
    // With the mode left in place, the next loss would replay from that time (RG020).
    steps.extend([Step::AwaitStored, set(&[before(STARTUP_MODE), before(START_AT)]), Step::Verify]);
    steps
}

/// `orders` becomes `orders.1`, `orders.1` becomes `orders.2`, as the connector's own documentation names them.
pub(super) fn renamed(partition: &str) -> String {
    let numbered =
        partition.rsplit_once('.').and_then(|(name, number)| Some((name, number.parse::<u32>().ok()?)));
    match numbered {
        Some((name, number)) => format!("{name}.{}", number.saturating_add(1)),
        None => format!("{partition}.1"),
    }
}

fn loses(plan: &Plan, situation: &Situation<'_>, mark: Mark) -> (Loses, Option<crate::domain::Timestamp>) {
    let token = plan.expects.token.as_ref().and_then(|token| token.time);
    let first = situation.oplog.map(|oplog| oplog.first);
    match (mark, token, first) {
        // Its event is not in this stream: of another deployment, a backup, a write that was rolled back, or another pipeline.
        (Mark::OwnTime, token, _) => (Loses::Unknown, token),
        (Mark::OldestSurviving, _, first)
            if situation.is_carried() && plan.trigger == Trigger::LostWhileRunning =>
        {
            (Loses::Nothing, first)
        }
        (Mark::OldestSurviving, Some(from), Some(to)) => (Loses::Deleted { from, to }, Some(to)),
        (Mark::OldestSurviving, _, first) => (Loses::Unknown, first),
    }
}

fn effects(plan: &Plan, situation: &Situation<'_>, mark: Mark) -> Vec<String> {
    let mut effects = Vec::new();
    if mark == Mark::OwnTime {
        effects.push("its position is of an event that this stream does not have: where another deployment or a backup stands behind its connection string, what it goes on with is not what it left".to_owned());
        effects.push("the events of the very moment of its position may be delivered once more".to_owned());
    }
    if plan.trigger == Trigger::TokenMalformed {
        effects.push(
            "everything that is still in the oplog is delivered, again where it was delivered before"
                .to_owned(),
        );
    }
    if plan.trigger == Trigger::LostWhileRunning && !situation.is_carried() {
        effects.push(
            "that its live stream carried it over is not proven: events may be delivered once more"
                .to_owned(),
        );
    }
    if plan.expects.state == ConnectorState::Running && plan.trigger == Trigger::LostWhileRunning {
        effects.push("its task is stopped and started".to_owned());
    }
    effects
}
