//! The documented cures, and the one that copies everything anew. All of them drop what is still in the oplog.

use super::salvage::renamed;
use super::{OWN_TOLERANCE, OWN_TOPIC, PARTITION, STARTUP_MODE, TOLERANCE, set, topic, worker};
use crate::domain::{StartupMode, Tolerance, major_and_minor};
use crate::recovery::{Blocker, Loses, Plan, Policies, Situation, Step, Trigger};

/// `mongo.errors.tolerance` came with 1.6.0 (mongo-kafka, KAFKA-215); unlike `errors.tolerance` it leaves records that cannot
/// be converted or sent alone with nobody but this connector.
const OWN_SINCE: (u32, u32) = (1, 6);

/// <https://www.mongodb.com/docs/kafka-connector/current/troubleshooting/recover-from-invalid-resume-token/>: tolerate the
/// error, let a change come by, wait until its token is stored, and tolerate no more.
pub(super) fn tolerate(plan: Plan, situation: &Situation<'_>, policies: &Policies) -> Option<Plan> {
    // Tolerant already: it would have gone on by itself.
    if situation.facts.settings.tolerance == Tolerance::All {
        return None;
    }
    let key = if knows_its_own(situation) { OWN_TOLERANCE } else { TOLERANCE };
    let before = situation.config.get(key).map(String::as_str);
    let mut steps = vec![Step::Save, set(&[(key, Some("all"))])];
    // Running and idle, it meets the error at its restart, which the change of configuration is.
    let heartbeat = situation.facts.settings.heartbeat_ms > 0;
    let namespace = &situation.facts.settings.namespace;
    if !heartbeat {
        steps.push(Step::Resume);
        let fields = policies.tolerate.marker.clone();
        steps.push(Step::InsertMarker { namespace: namespace.clone(), fields });
    }
    steps.push(Step::AwaitStored);
    if !heartbeat {
        steps.push(Step::RemoveMarker { namespace: namespace.clone() });
    }
    steps.extend([set(&[(key, before)]), Step::Verify]);
    let mut effects = vec!["its task is restarted twice".to_owned()];
    if key == TOLERANCE {
        effects.push("meanwhile, records that cannot be converted or sent are dropped as well".to_owned());
    }
    if !heartbeat {
        effects.push(format!("consumers see an insert and a delete of one marker document in {namespace}"));
    }
    effects.extend(where_it_begins(situation).filter(|_| reopens_at_a_time(situation)));
    let loses = if reopens_at_a_time(situation) { Loses::Unknown } else { up_to_now(&plan, situation) };
    Some(Plan { steps, loses, effects, ..plan })
}

fn knows_its_own(situation: &Situation<'_>) -> bool {
    let version = situation.report.version.as_deref().and_then(major_and_minor);
    version.is_none_or(|version| version >= OWN_SINCE)
}

/// Why one inserted document would not reach the connector's stream, as far as its configuration tells; the collection itself
/// is looked at when the marker is written.
pub(super) fn useless_marker(situation: &Situation<'_>) -> Option<Blocker> {
    let useless = |reason: &str| Some(Blocker::MarkerUseless { reason: reason.to_owned() });
    if !situation.facts.settings.namespace.contains('.') {
        return useless("it watches more than one collection; nobody has said into which it may be written");
    }
    let pipeline = situation.setting("pipeline").unwrap_or("[]");
    if pipeline != "[]" {
        return useless("its pipeline may filter it out");
    }
    None
}

/// The stored offset is removed, under its live key and no other.
pub(super) fn reset(plan: Plan, situation: &Situation<'_>) -> Option<Plan> {
    let mut effects = Vec::new();
    let loses = without_an_offset(&plan, situation);
    let steps = match situation.by_file() {
        Some(_) => {
            let partition = plan.expects.partition.clone()?;
            effects.extend(worker::effects(&plan));
            worker::steps(&plan, Step::RemoveOffset { partition })
        }
        None if situation.by_topic() => {
            let partition = plan.expects.partition.clone()?;
            effects.extend(topic::effects(&plan));
            topic::steps(&plan, partition, situation)
        }
        None => {
            let mut steps = vec![Step::Save, Step::Stop, removal(&plan, situation, &mut effects)?];
            steps.extend(Step::back_to(plan.expects.state));
            steps.push(Step::Verify);
            steps
        }
    };
    effects.extend(where_it_begins(situation));
    if situation.facts.settings.heartbeat_ms == 0 {
        effects.push(
            "nothing is stored until the next change in its namespace: a restart before that skips again"
                .to_owned(),
        );
    }
    Some(Plan { steps, loses, effects, ..plan })
}

/// On an exactly-once worker, a removal from a connector's own offsets topic hangs for 90 s and does nothing (seen on 4.1.1): a
/// new name has no offset either.
fn removal(plan: &Plan, situation: &Situation<'_>, effects: &mut Vec<String>) -> Option<Step> {
    let partition = plan.expects.partition.clone()?;
    if situation.setting(OWN_TOPIC).is_none() && situation.capabilities().alter_offsets {
        return Some(Step::RemoveOffset { partition });
    }
    effects.push(
        "its offset.partition.name stays changed: the offset under the old one is left where it is"
            .to_owned(),
    );
    Some(set(&[(PARTITION, Some(&renamed(&partition)))]))
}

/// As the reset, with a copy of all existing data before the stream goes on.
pub(super) fn resnapshot(plan: Plan, situation: &Situation<'_>) -> Option<Plan> {
    let mut effects = vec![
        "every existing document is delivered again".to_owned(),
        "it takes as long as the copy takes, and the oplog has to hold as long".to_owned(),
    ];
    let before = situation.config.get(STARTUP_MODE).map(String::as_str);
    let mut steps = vec![Step::Save, Step::Stop];
    steps.push(removal(&plan, situation, &mut effects)?);
    steps.push(set(&[(STARTUP_MODE, Some("copy_existing"))]));
    // A copy is what it is for: one that was paused is resumed.
    steps.extend([Step::Resume, Step::AwaitStored, set(&[(STARTUP_MODE, before)]), Step::Verify]);
    Some(Plan { steps, loses: Loses::DeletesAndIntermediateStates, effects, ..plan })
}

/// A stream without a token begins where the start-up mode says; only `latest` is what the cure is documented for.
pub(super) fn begins_elsewhere(situation: &Situation<'_>) -> bool {
    situation.facts.settings.startup_mode != StartupMode::Latest
}

/// A tolerated loss reopens at that time as well, and never copies (`StartedMongoSourceTask` in mongo-kafka).
fn reopens_at_a_time(situation: &Situation<'_>) -> bool {
    situation.facts.settings.startup_mode == StartupMode::Timestamp
}

fn where_it_begins(situation: &Situation<'_>) -> Option<String> {
    match situation.facts.settings.startup_mode {
        StartupMode::Latest => None,
        StartupMode::Timestamp => Some(
            "its startup.mode is timestamp: it begins at that time, delivers again what came since, and loses what lies before"
                .to_owned(),
        ),
        StartupMode::CopyExisting => {
            Some("its startup.mode is copy_existing: every existing document is delivered again".to_owned())
        }
    }
}

fn without_an_offset(plan: &Plan, situation: &Situation<'_>) -> Loses {
    match situation.facts.settings.startup_mode {
        StartupMode::Latest => up_to_now(plan, situation),
        StartupMode::Timestamp => Loses::Unknown,
        StartupMode::CopyExisting => Loses::DeletesAndIntermediateStates,
    }
}

fn up_to_now(plan: &Plan, situation: &Situation<'_>) -> Loses {
    // A live stream has delivered what its stored position does not show.
    if plan.trigger == Trigger::LostWhileRunning && situation.is_carried() {
        return Loses::UpToNow { from: None, to: None };
    }
    let from = plan.expects.token.as_ref().and_then(|token| token.time);
    Loses::UpToNow { from, to: situation.oplog.and_then(|oplog| oplog.last) }
}
