//! Why a plan is not carried out, and what clears that.

use super::{Around, Ledger, Loses, ManagedBy, Mode, Plan, Policies, Situation, Strategy, Trigger, Word};
use crate::domain::{FailureClass, LiveKey, Verdict, Why};
use serde::{Deserialize, Serialize};

/// Passes in a row that must show a loss before anything is done about it (J4).
pub const PASSES: u32 = 2;

/// Why a plan is not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "blocker", rename_all = "snake_case")]
pub enum Blocker {
    /// `recovery.mode` is `off`.
    Off,
    /// `recovery.mode` is `plan`.
    PlanOnly,
    /// A journal that was just begun stays in `plan` for one cooldown.
    NewJournal {
        /// So many seconds more.
        seconds: i64,
    },
    /// A person has to approve it.
    AwaitsApproval,
    /// A person has discarded it.
    Discarded {
        /// Why.
        reason: String,
    },
    /// All recovery is stopped.
    Frozen {
        /// By what, and why.
        reason: String,
    },
    /// There is no journal that could be written.
    NoJournal {
        /// Why.
        reason: String,
    },
    /// What was seen is too old.
    StaleFacts,
    /// The verdict, or something that the plan needs, is not known.
    Unknown {
        /// Why.
        reason: String,
    },
    /// It was seen in one pass only.
    OnePass,
    /// Neither the server nor a failed task has confirmed the loss.
    NoProof,
    /// The last attempt was made just now.
    Cooldown {
        /// So many seconds more.
        seconds: i64,
    },
    /// Attempts failed; a person has to look.
    Latched {
        /// So many.
        failures: usize,
    },
    /// Another recovery is under way in the same Connect cluster.
    Busy,
    /// So many connectors lost their position at once that the cause is another.
    MassFailure {
        /// So many.
        lost: usize,
    },
    /// Nobody has said who keeps this cluster's connectors as they are.
    ManagedByUnset,
    /// An operator would put back what is changed.
    Managed {
        /// Which.
        by: ManagedBy,
    },
    /// Connect's REST interface cannot address this name.
    Unaddressable,
    /// Its live key is not known, or holds credentials (connectors before 1.3).
    LiveKeyUnknown,
    /// Its copy of existing data is under way.
    Copying,
    /// Its Connect is too old for this.
    ConnectTooOld {
        /// What it lacks, and since when there is one.
        lacks: String,
    },
    /// The oplog, or a shard's, cannot be read.
    OplogUnread,
    /// This strategy writes into a source collection, and that is not allowed.
    SourceWrites,
    /// The collection, or the pipeline, would not let the marker through.
    MarkerUseless {
        /// Why.
        reason: String,
    },
    /// Policy never does this without a person.
    NeverAutomatic,
    /// This offset was removed once already.
    RemovedBefore,
    /// A setting that the plan would change is a placeholder.
    SettingHidden {
        /// Which.
        key: String,
    },
    /// It was recovered again and again, and lost history each time: what brings that about goes on.
    KeepsLosing {
        /// So often within a day.
        recoveries: usize,
    },
    /// What policy wants cannot be done here; this plan is another.
    StrategyUnfit {
        /// What it wants.
        wanted: Strategy,
    },
    /// Debezium's connector: what it stores is in a form of its own, and its settings are others.
    Debezium,
    /// What it was told to be is not known, so neither is what it is to be brought back to: what is said of it and of its tasks
    /// does not agree, or it has failed itself, which hides whether it was paused. Cleared by `pause`, `stop` or `resume`,
    /// whichever it is meant to be, then `POST …/restart?includeTasks=true&onlyFailed=true` (before Connect 3.0 `…/restart` and
    /// `…/tasks/N/restart`): of one that is paused that starts nothing.
    StateUnclear {
        /// What is said.
        says: String,
    },
}

impl Blocker {
    /// Every word of [`Blocker::code`].
    pub const CODES: [&'static str; 31] = [
        "off",
        "plan_only",
        "new_journal",
        "awaits_approval",
        "discarded",
        "frozen",
        "no_journal",
        "stale_facts",
        "unknown",
        "one_pass",
        "no_proof",
        "cooldown",
        "latched",
        "busy",
        "mass_failure",
        "managed_by_unset",
        "managed",
        "unaddressable",
        "live_key_unknown",
        "copying",
        "connect_too_old",
        "oplog_unread",
        "source_writes",
        "marker_useless",
        "never_automatic",
        "removed_before",
        "setting_hidden",
        "keeps_losing",
        "strategy_unfit",
        "debezium",
        "state_unclear",
    ];

    /// The word that metrics and JSON carry.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::PlanOnly => "plan_only",
            Self::NewJournal { .. } => "new_journal",
            Self::AwaitsApproval => "awaits_approval",
            Self::Discarded { .. } => "discarded",
            Self::Frozen { .. } => "frozen",
            Self::NoJournal { .. } => "no_journal",
            Self::StaleFacts => "stale_facts",
            Self::Unknown { .. } => "unknown",
            Self::OnePass => "one_pass",
            Self::NoProof => "no_proof",
            Self::Cooldown { .. } => "cooldown",
            Self::Latched { .. } => "latched",
            Self::Busy => "busy",
            Self::MassFailure { .. } => "mass_failure",
            Self::ManagedByUnset => "managed_by_unset",
            Self::Managed { .. } => "managed",
            Self::Unaddressable => "unaddressable",
            Self::LiveKeyUnknown => "live_key_unknown",
            Self::Copying => "copying",
            Self::ConnectTooOld { .. } => "connect_too_old",
            Self::OplogUnread => "oplog_unread",
            Self::SourceWrites => "source_writes",
            Self::MarkerUseless { .. } => "marker_useless",
            Self::NeverAutomatic => "never_automatic",
            Self::RemovedBefore => "removed_before",
            Self::SettingHidden { .. } => "setting_hidden",
            Self::KeepsLosing { .. } => "keeps_losing",
            Self::StrategyUnfit { .. } => "strategy_unfit",
            Self::Debezium => "debezium",
            Self::StateUnclear { .. } => "state_unclear",
        }
    }

    /// Why, and the command or setting that clears it: one line.
    #[must_use]
    pub fn sentence(&self, plan: &Plan) -> String {
        let (id, connector) = (&plan.id, &plan.connector);
        match self {
            Self::Off => "recovery is off; set recovery.mode".to_owned(),
            Self::PlanOnly => "plans are only shown; set recovery.mode = \"approve\" or \"auto\"".to_owned(),
            Self::NewJournal { seconds } => format!("the journal is new: plans are only shown for {seconds} s more"),
            Self::AwaitsApproval => format!("a person has to approve it: resumeguard recovery approve {id} --reason …"),
            Self::Discarded { reason } => format!("it was discarded ({reason}); to change that: resumeguard recovery approve {id} --reason …"),
            Self::Frozen { reason } => format!("recovery is frozen ({reason}); resumeguard unfreeze --reason … or remove the freeze file"),
            Self::NoJournal { reason } => format!("no journal can be written ({reason}); nothing is done without one"),
            Self::StaleFacts => "what was seen is older than three intervals; see the sources that are down".to_owned(),
            Self::Unknown { reason } => format!("not known enough: {reason}"),
            Self::OnePass => "seen in one pass only; the next one decides".to_owned(),
            Self::NoProof => format!("neither MongoDB nor a failed task has confirmed the loss; resumeguard probe {connector}"),
            Self::Cooldown { seconds } => format!("the last attempt was made less than a cooldown ago, {seconds} s are left; resumeguard recovery acknowledge {connector} --reason … ends it"),
            Self::Latched { failures } => format!("{failures} attempts failed; look at resumeguard recovery list, then: resumeguard recovery acknowledge {connector} --reason …"),
            Self::Busy => "another recovery is under way in this Connect cluster; it is next".to_owned(),
            Self::MassFailure { lost } => format!("{lost} connectors of this Connect cluster lost their position at once: look for the common cause; a person may still approve: resumeguard recovery approve {id} --mass-failure {lost} --reason …"),
            Self::ManagedByUnset => format!("who keeps these connectors as they are? set connect.{}.managed_by = \"none\", \"strimzi\" or \"gitops\"", connector.connect_cluster),
            Self::Managed { by } => format!("{} would put back what is changed; do it there, by the steps that are shown", by.code()),
            Self::Unaddressable => "Connect's REST interface cannot address this name; rename the connector".to_owned(),
            Self::LiveKeyUnknown => "the key under which it stores is not known; set offset.partition.name, or [mongodb.NAME] for its placeholder".to_owned(),
            Self::Copying => "its copy of existing data is under way; wait for it, or resnapshot by hand".to_owned(),
            Self::ConnectTooOld { lacks } => format!("its Kafka Connect has no {lacks}; upgrade it, or choose another strategy"),
            Self::OplogUnread => "the oplog cannot be read, so where it begins is not known; give resumeguard read on local".to_owned(),
            Self::SourceWrites => "it writes into a source collection; set recovery.allow_source_writes = true".to_owned(),
            Self::MarkerUseless { reason } => format!("the marker document would not help: {reason}"),
            Self::NeverAutomatic => format!("policy does not do this without a person: resumeguard recovery approve {id} --reason …"),
            Self::RemovedBefore => format!("this offset was removed once already; look at resumeguard recovery list, then choose another strategy for {connector}"),
            Self::SettingHidden { key } => format!("its {key} is a placeholder, which would be lost; change it by hand"),
            Self::KeepsLosing { recoveries } => format!("it was recovered {recoveries} times within a day and lost history each time; find what brings that about (an oplog too small, no heartbeat, outages), then: resumeguard recovery acknowledge {connector} --reason …"),
            Self::StrategyUnfit { wanted } => format!("policy wants {}, which cannot be done here; a person may approve this instead: resumeguard recovery approve {id} --reason …", wanted.code()),
            Self::Debezium => "what Debezium stores is not changed; by hand: snapshot.mode = when_needed (since 2.6) makes it copy existing data anew at a restart, so does deleting its offsets while it is stopped, with snapshot.mode = initial".to_owned(),
            Self::StateUnclear { says } => super::stood::unclear(says, "the next pass looks again"),
        }
    }

    /// A person's approval is enough to clear it.
    #[must_use]
    pub fn yields_to_approval(&self) -> bool {
        matches!(
            self,
            Self::AwaitsApproval
                | Self::NeverAutomatic
                | Self::MassFailure { .. }
                | Self::Discarded { .. }
                | Self::StrategyUnfit { .. }
        )
    }
}

/// What stands around a plan.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// What stands around all plans of the pass.
    pub all: &'a Around<'a>,
    /// What was seen is too old.
    pub stale: bool,
    /// So many connectors of the same Connect cluster have lost their position.
    pub losses: usize,
}

/// Everything that keeps a plan from being carried out now; a person's approval is counted.
#[must_use]
pub fn blockers(plan: &Plan, situation: &Situation<'_>, around: &Surroundings<'_>) -> Vec<Blocker> {
    let mut all = of_mode(plan, situation, around);
    all.extend(of_evidence(situation, plan, around));
    all.extend(blockers_of_history(plan, around.all.ledger, around.all.policies, around.all.now_ms));
    all.extend(of_cluster(situation, around));
    all.extend(super::strategy::blockers(plan, situation, around.all.policies));
    if let Some(word) = approval(plan, around.all) {
        all.retain(|blocker| !blocker.yields_to_approval() || is_news(blocker, word));
    }
    all
}

/// Whoever approved one connector's recovery has not approved that of one among many, nor that of one among more than they knew of.
fn is_news(blocker: &Blocker, word: &Word) -> bool {
    matches!(blocker, Blocker::MassFailure { lost } if word.mass_failure.is_none_or(|told| told < *lost))
}

fn approval<'a>(plan: &Plan, all: &Around<'a>) -> Option<&'a Word> {
    all.ledger.approval(&plan.id, all.now_ms, all.policies.approval_expires)
}

/// The plan that stands in for the one that policy wants is a person's to approve.
pub(super) fn unfit(chosen: &Plan, all: &Around<'_>) -> Option<Blocker> {
    let wanted = all.policies.rule(&chosen.connector, chosen.trigger).strategy?;
    (wanted != chosen.strategy && approval(chosen, all).is_none())
        .then_some(Blocker::StrategyUnfit { wanted })
}

fn of_mode(plan: &Plan, situation: &Situation<'_>, around: &Surroundings<'_>) -> Vec<Blocker> {
    let mut all = Vec::new();
    match situation.mode {
        Mode::Off => all.push(Blocker::Off),
        Mode::Plan => all.push(Blocker::PlanOnly),
        Mode::Approve => all.push(Blocker::AwaitsApproval),
        Mode::Auto if !plan.strategy.may_be_automatic() => all.push(Blocker::NeverAutomatic),
        Mode::Auto => all.extend(new_journal(around)),
    }
    if let Some(word) = around.all.ledger.discarded(&plan.id) {
        all.push(Blocker::Discarded { reason: word.reason.clone() });
    }
    if let Some(reason) = around.all.frozen {
        all.push(Blocker::Frozen { reason: reason.to_owned() });
    }
    if let Some(reason) = around.all.no_journal {
        all.push(Blocker::NoJournal { reason: reason.to_owned() });
    }
    all
}

fn new_journal(around: &Surroundings<'_>) -> Option<Blocker> {
    let begun = around.all.ledger.opened_ms?;
    let cooldown = i64::try_from(around.all.policies.cooldown.as_millis()).unwrap_or(i64::MAX);
    let left = begun.saturating_add(cooldown).saturating_sub(around.all.now_ms);
    (left > 0).then(|| Blocker::NewJournal { seconds: seconds(left) })
}

/// Rounded up.
fn seconds(ms: i64) -> i64 {
    ms.saturating_add(999).div_euclid(1000)
}

fn of_evidence(situation: &Situation<'_>, plan: &Plan, around: &Surroundings<'_>) -> Vec<Blocker> {
    let mut all = Vec::new();
    if around.stale {
        all.push(Blocker::StaleFacts);
    }
    if plan.strategy != Strategy::ExtendOplog {
        all.extend(state_unclear(plan, situation));
    }
    match situation.report.verdict {
        Verdict::Unknown(Why::Copying) => all.push(Blocker::Copying),
        // Where it stood is known to nobody: that is a person's to decide.
        Verdict::Unknown(Why::PositionMalformed) if plan.trigger == Trigger::TokenMalformed => {}
        Verdict::Unknown(why) => all.push(Blocker::Unknown { reason: why.sentence().to_owned() }),
        Verdict::Safe | Verdict::AtRisk | Verdict::Critical | Verdict::Lost => {}
    }
    if situation.passes < PASSES {
        all.push(Blocker::OnePass);
    }
    if plan.trigger.is_loss() && !is_proven(situation) {
        all.push(Blocker::NoProof);
    }
    all
}

/// How it stands is what it is brought back to.
fn state_unclear(plan: &Plan, situation: &Situation<'_>) -> Option<Blocker> {
    let says = super::stood::doubt_for(plan, situation.report.state?, &situation.report.tasks)?;
    Some(Blocker::StateUnclear { says })
}

/// The server refused the stored token, or its task failed with a code that says so.
fn is_proven(situation: &Situation<'_>) -> bool {
    let probed = situation.facts.probe.and_then(|probe| probe.answer.refusal());
    let failed = situation.report.tasks.iter().filter_map(|task| task.failure);
    probed
        .into_iter()
        .chain(failed)
        .any(|failure| failure.class == FailureClass::HistoryLost && failure.code.is_some())
}

/// What the journal alone says against a plan: to be looked at again immediately before it is begun.
#[must_use]
pub fn blockers_of_history(plan: &Plan, ledger: &Ledger, policies: &Policies, now_ms: i64) -> Vec<Blocker> {
    let connector = &plan.connector;
    let mut all = Vec::new();
    let failures = ledger.failures(connector);
    let limit = usize::try_from(policies.attempts).unwrap_or(usize::MAX);
    let exhausted = failures >= limit;
    // A restart is harmless: its waits grow, and it is never given up.
    let restarts = plan.strategy == Strategy::Restart;
    if ledger.needs_person(connector) || (exhausted && !restarts) {
        all.push(Blocker::Latched { failures });
    }
    let recoveries = ledger.losing_recoveries(connector, now_ms);
    if plan.loses != Loses::Nothing && recoveries >= limit {
        all.push(Blocker::KeepsLosing { recoveries });
    }
    let until = if restarts {
        ledger.restart_again_at(connector, now_ms)
    } else {
        ledger.cooldown_until(connector, policies.cooldown)
    };
    let left = until.map(|until| until.saturating_sub(now_ms));
    if let Some(left) = left.filter(|left| *left > 0) {
        all.push(Blocker::Cooldown { seconds: seconds(left) });
    }
    let busy = |attempt: &super::Attempt| attempt.plan.connector.connect_cluster == connector.connect_cluster;
    if ledger.open_attempts().any(busy) {
        all.push(Blocker::Busy);
    }
    if ledger.was_removed(connector, plan) {
        all.push(Blocker::RemovedBefore);
    }
    all
}

fn of_cluster(situation: &Situation<'_>, around: &Surroundings<'_>) -> Vec<Blocker> {
    let mut all = Vec::new();
    match situation.connect.managed_by {
        None => all.push(Blocker::ManagedByUnset),
        Some(ManagedBy::None) => {}
        Some(by) => all.push(Blocker::Managed { by }),
    }
    let connectors = situation.connect.connectors;
    #[expect(clippy::cast_precision_loss, reason = "numbers of connectors")]
    let share = around.losses as f64 / connectors.max(1) as f64;
    let many = connectors >= 3 && around.losses > 1 && share > around.all.policies.mass_failure_ratio;
    if around.losses > around.all.policies.mass_failure || many {
        all.push(Blocker::MassFailure { lost: around.losses });
    }
    if situation.report.why() == Some(Why::NameUnaddressable)
        || is_unaddressable(&situation.report.id.connector)
    {
        all.push(Blocker::Unaddressable);
    }
    if situation.facts.key == Some(LiveKey::Legacy) {
        all.push(Blocker::LiveKeyUnknown);
    }
    all
}

/// Names that a path cannot hold, or that Connect 4 refuses in one.
fn is_unaddressable(name: &str) -> bool {
    name == "." || name == ".." || name.is_empty() || name.contains(['/', '\\', '%'])
}
