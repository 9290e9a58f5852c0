//! Ways to bring a connector back: each is a pure function from what is known to steps.

mod cures;
mod gentle;
mod salvage;
mod topic;
mod worker;

use super::{
    Blocker, Expects, Fingerprint, Loses, Plan, PlanId, Policies, Situation, Step, StoredToken, Strategy,
    Trigger,
};
use crate::domain::{LiveKey, OnRestart, Timestamp};
use std::collections::BTreeMap;

/// Keys of the settings that strategies change.
pub(super) const HEARTBEAT: &str = "heartbeat.interval.ms";
pub(super) const STARTUP_MODE: &str = "startup.mode";
pub(super) const START_AT: &str = "startup.mode.timestamp.start.at.operation.time";
pub(super) const PARTITION: &str = "offset.partition.name";
pub(super) const TOLERANCE: &str = "errors.tolerance";
pub(super) const OWN_TOLERANCE: &str = "mongo.errors.tolerance";
/// A connector's own offsets topic: on an exactly-once worker a removal of offsets hangs there (Kafka 3.8 to 4.2).
pub(super) const OWN_TOPIC: &str = "offsets.storage.topic";

/// Every strategy that is made for this trouble, the one that loses least first.
#[must_use]
pub fn suited(trigger: Trigger) -> &'static [Strategy] {
    match trigger {
        Trigger::HistoryLost | Trigger::WrongStream | Trigger::TokenMalformed => {
            &[Strategy::Salvage, Strategy::TolerateErrors, Strategy::ResetOffsets, Strategy::Resnapshot]
        }
        Trigger::LostWhileRunning => &[
            Strategy::Salvage,
            Strategy::Nudge,
            Strategy::TolerateErrors,
            Strategy::ResetOffsets,
            Strategy::Resnapshot,
        ],
        Trigger::LostWhileStopped => &[Strategy::Salvage, Strategy::ResetOffsets, Strategy::Resnapshot],
        Trigger::TransientFailure => &[Strategy::Restart],
        Trigger::LowHeadroom => &[Strategy::Resume, Strategy::Nudge, Strategy::ExtendOplog],
    }
}

/// Every plan that applies to this trouble, the one that loses least first.
fn candidates(situation: &Situation<'_>, trigger: Trigger, policies: &Policies) -> Vec<Plan> {
    let of = |strategy| draft(strategy, situation, trigger, policies);
    // The others write what MongoDB's own connector stores, or its settings.
    let debezium = situation.facts.settings.debezium.is_some();
    let theirs = [Strategy::ResetOffsets, Strategy::Restart, Strategy::ExtendOplog];
    let fits = |strategy: &&Strategy| !debezium || theirs.contains(strategy);
    suited(trigger).iter().filter(fits).filter_map(|strategy| of(*strategy)).map(Plan::named).collect()
}

/// The plan that policy chooses, and the others that would apply.
#[must_use]
pub fn plan(situation: &Situation<'_>, trigger: Trigger, policies: &Policies) -> Option<(Plan, Vec<Plan>)> {
    let mut candidates = candidates(situation, trigger, policies);
    let wanted = policies.rule(&situation.report.id, trigger).strategy;
    let at =
        wanted.and_then(|wanted| candidates.iter().position(|plan| plan.strategy == wanted)).unwrap_or(0);
    (!candidates.is_empty()).then(|| (candidates.remove(at), candidates))
}

fn draft(
    strategy: Strategy,
    situation: &Situation<'_>,
    trigger: Trigger,
    policies: &Policies,
) -> Option<Plan> {
    let base = base(strategy, situation, trigger)?;
    match strategy {
        Strategy::Salvage => salvage::draft(base, situation, policies),
        Strategy::TolerateErrors => cures::tolerate(base, situation, policies),
        Strategy::ResetOffsets => cures::reset(base, situation),
        Strategy::Resnapshot => cures::resnapshot(base, situation),
        Strategy::Nudge => gentle::nudge(base, situation, policies),
        Strategy::Restart => Some(gentle::restart(base, situation)),
        Strategy::Resume => gentle::resume(base, situation),
        Strategy::ExtendOplog => gentle::extend_oplog(base, situation),
    }
}

/// What all plans for one connector share.
fn base(strategy: Strategy, situation: &Situation<'_>, trigger: Trigger) -> Option<Plan> {
    let time = situation.facts.token_time();
    let token = situation.stored.map(|text| StoredToken { time, text: Fingerprint::of_text(text) });
    // A legacy key holds credentials, which a plan would show.
    let partition = situation.partition.filter(|_| situation.facts.key != Some(LiveKey::Legacy));
    Some(Plan {
        id: PlanId(String::new()),
        connector: situation.report.id.clone(),
        strategy,
        trigger,
        expects: Expects {
            token,
            state: situation.report.state?,
            config: Fingerprint::of_config(situation.config),
            partition: partition.map(str::to_owned),
        },
        steps: Vec::new(),
        restores: None,
        loses: Loses::Unknown,
        rescans_bytes: None,
        effects: Vec::new(),
    })
}

/// What keeps this strategy from being carried out.
pub(super) fn blockers(plan: &Plan, situation: &Situation<'_>, policies: &Policies) -> Vec<Blocker> {
    let can = situation.capabilities();
    let lacks = |lacks: &str| Blocker::ConnectTooOld { lacks: lacks.to_owned() };
    let has = |step| plan.steps.contains(&step);
    let by_rest = !has(Step::StopWorker) && !has(Step::AwaitStill);
    let mut all = Vec::new();
    for step in &plan.steps {
        match step {
            Step::Stop if !can.stop => all.push(lacks("PUT /connectors/…/stop (it came with 3.5)")),
            Step::WriteMark { .. } | Step::RemoveOffset { .. } if !can.alter_offsets && by_rest => {
                all.push(lacks("PATCH /connectors/…/offsets (it came with 3.6)"));
            }
            Step::Restart if !can.restart_tasks => {
                all.push(lacks("POST /connectors/…/restart?includeTasks=true (it came with 3.0)"));
            }
            Step::Configure { to } => all.extend(to.keys().filter_map(|key| hidden(key, situation))),
            Step::InsertMarker { .. } if !policies.allow_source_writes => all.push(Blocker::SourceWrites),
            Step::InsertMarker { .. } => all.extend(cures::useless_marker(situation)),
            Step::Save
            | Step::Stop
            | Step::StopWorker
            | Step::StartWorker
            | Step::AwaitStill
            | Step::Restart
            | Step::WriteMark { .. }
            | Step::RemoveOffset { .. }
            | Step::StartAtOldest { .. }
            | Step::Resume
            | Step::Pause
            | Step::RestartTasks
            | Step::RemoveMarker { .. }
            | Step::AwaitStored
            | Step::Verify
            | Step::RestoreOffset { .. }
            | Step::ResizeOplog { .. } => {}
        }
    }
    let harmless = matches!(plan.strategy, Strategy::Restart | Strategy::Resume | Strategy::ExtendOplog);
    if situation.facts.settings.debezium.is_some() && !harmless {
        all.push(Blocker::Debezium);
    }
    if plan.strategy.may_be_automatic() && needs_a_person(plan, situation) {
        all.push(Blocker::NeverAutomatic);
    }
    if !harmless && situation.oplog.is_none() {
        all.push(Blocker::OplogUnread);
    }
    let moves_a_position = plan
        .steps
        .iter()
        .any(|step| matches!(step, Step::WriteMark { .. } | Step::RemoveOffset { .. } | Step::AwaitStored));
    if moves_a_position && plan.expects.partition.is_none() {
        all.push(Blocker::LiveKeyUnknown);
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// A strategy that policy may have done, in a case in which it may not.
fn needs_a_person(plan: &Plan, situation: &Situation<'_>) -> bool {
    let elsewhere = matches!(plan.strategy, Strategy::ResetOffsets | Strategy::TolerateErrors)
        && cures::begins_elsewhere(situation);
    let not_in_this_stream = matches!(plan.trigger, Trigger::WrongStream | Trigger::TokenMalformed);
    let restarts = plan.strategy == Strategy::Restart && situation.report.on_restart != OnRestart::Resumes;
    // Everything that the worker runs stops with it: what is paused starts, what only its stream still holds is lost.
    let with_others = plan.steps.contains(&Step::StopWorker);
    // What Connect keeps for itself is written to past it.
    let past_connect = plan.steps.contains(&Step::AwaitStill);
    elsewhere || not_in_this_stream || restarts || with_others || past_connect
}

fn hidden(key: &str, situation: &Situation<'_>) -> Option<Blocker> {
    let value = situation.setting(key)?;
    value.contains("${").then(|| Blocker::SettingHidden { key: key.to_owned() })
}

fn set(pairs: &[(&str, Option<&str>)]) -> Step {
    let to = pairs.iter().map(|(key, value)| ((*key).to_owned(), value.map(str::to_owned)));
    Step::Configure { to: to.collect::<BTreeMap<_, _>>() }
}

/// Bytes of oplog from a time on, by its share of the window.
fn bytes_from(situation: &Situation<'_>, from: Timestamp) -> Option<u64> {
    let oplog = situation.oplog?;
    let (last, size) = (oplog.last?, oplog.size_bytes?);
    let window = u64::from(last.t.saturating_sub(oplog.first.t)).max(1);
    let rest = u64::from(last.t.saturating_sub(from.t)).min(window);
    Some(u64::try_from(u128::from(size) * u128::from(rest) / u128::from(window)).unwrap_or(u64::MAX))
}
