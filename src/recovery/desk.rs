//! Where plans, people's words and the journal meet: makes plans after each pass, lets begin what may, and goes on with what a
//! crash has left open.

use super::{Executor, Freeze, Hands, Reach, Settings};
use crate::clock::Clock;
use crate::config::{Config, Recovery};
use crate::journal::Journal;
use crate::publish::recovery::Seen;
use arc_swap::ArcSwap;
use resumeguard_core::domain::{ConnectorId, Facts, Snapshot};
use resumeguard_core::recovery::{
    Actor, Around, AttemptId, Blocker, Details, Entry, Event, Ledger, Mode, Plan, PlanId, Planned, Policies,
    Sightings, Strategy, round,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Why something that a person wants is not done, and what to do: one line each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No plan of the last pass has this name.
    #[error("no plan {0} stands now; see resumeguard recovery plan")]
    NoSuchPlan(PlanId),
    /// No plan of the last pass is for this connector.
    #[error("{0} is in no trouble that a plan would be made for; see resumeguard explain {0}")]
    NoPlanFor(ConnectorId),
    /// There is a plan, by other strategies.
    #[error("{connector} has no plan by {strategy}; there are: {known}")]
    NoPlanBy {
        /// Whose.
        connector: ConnectorId,
        /// What was wanted.
        strategy: &'static str,
        /// What there is.
        known: String,
    },
    /// The journal has no such attempt.
    #[error("the journal has no attempt {0}; see resumeguard recovery list")]
    NoSuchAttempt(AttemptId),
    /// Something else keeps it from being done.
    #[error("{}", .0.join("; "))]
    Blocked(Vec<String>),
    /// Without a journal nothing is done.
    #[error("no journal can be written: {0}")]
    Journal(String),
    /// A connector that has to be looked at cannot be.
    #[error("{connector} cannot be looked at: {cause}")]
    Unreadable {
        /// Which.
        connector: ConnectorId,
        /// Why.
        cause: String,
    },
}

/// May be cloned; all clones are the same desk.
#[derive(Debug, Clone)]
pub struct Desk(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    policies: Policies,
    /// Or why there is none.
    journal: Result<Journal, String>,
    freeze: Freeze,
    executor: Option<Executor>,
    reach: Reach,
    plans: ArcSwap<Vec<Planned>>,
    sightings: Mutex<Sightings>,
    /// Connect clusters in which an attempt is being walked by this process.
    walking: Mutex<BTreeSet<String>>,
    clock: Clock,
}

impl Desk {
    /// The desk of a configuration, with the journal in its directory. Where there is none, plans are made all the same, and
    /// nothing is ever done.
    pub async fn open(config: &Config, clock: Clock) -> Self {
        let Recovery { directory, policies, freeze, freeze_files, hooks } = &config.recovery;
        let freeze = Freeze::watch(freeze_files.clone(), *freeze, clock);
        let journal = match directory {
            _ if policies.greatest_mode() == Mode::Off => Err("recovery.mode is off".to_owned()),
            None => Err("recovery.directory is not set".to_owned()),
            Some(directory) => Journal::open(directory, clock).await.map_err(|error| error.to_string()),
        };
        if let (Err(why), Mode::Approve | Mode::Auto) = (&journal, policies.greatest_mode()) {
            tracing::error!(why, "no recovery will be done: there is no journal");
        }
        let reach = Reach::default();
        let settings = Settings {
            offset_flush: config.thresholds.offset_flush,
            stable_for: policies.stable_for,
            marker: policies.tolerate.marker.clone(),
            hooks: hooks.clone(),
        };
        let executor = journal.as_ref().ok().map(|journal| {
            Executor::new(journal.clone(), freeze.clone(), Arc::clone(&reach), settings, clock)
        });
        Self::new(policies.clone(), journal, freeze, executor, reach, clock)
    }

    /// A desk without plans.
    #[must_use]
    pub fn new(
        policies: Policies,
        journal: Result<Journal, String>,
        freeze: Freeze,
        executor: Option<Executor>,
        reach: Reach,
        clock: Clock,
    ) -> Self {
        Self(Arc::new(Inner {
            policies,
            journal,
            freeze,
            executor,
            reach,
            plans: ArcSwap::default(),
            sightings: Mutex::default(),
            walking: Mutex::default(),
            clock,
        }))
    }

    /// The plans of the last pass.
    #[must_use]
    pub fn plans(&self) -> Arc<Vec<Planned>> {
        self.0.plans.load_full()
    }

    /// What the journal says; empty where there is none.
    #[must_use]
    pub fn ledger(&self) -> Arc<Ledger> {
        self.0.journal.as_ref().map_or_else(|_| Arc::default(), Journal::ledger)
    }

    /// Why recovery is frozen, where it is.
    #[must_use]
    pub fn frozen(&self) -> Option<String> {
        self.0.freeze.reason(&self.ledger())
    }

    /// Whether the freeze files have been looked at once.
    #[must_use]
    pub fn has_looked(&self) -> bool {
        self.0.freeze.has_looked()
    }

    /// What may be done at the most.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.0.policies.greatest_mode()
    }

    /// What is configured.
    #[must_use]
    pub fn policies(&self) -> &Policies {
        &self.0.policies
    }

    /// Why nothing could be written down, where that is so.
    #[must_use]
    pub fn no_journal(&self) -> Option<String> {
        match &self.0.journal {
            Ok(journal) => journal.problem(),
            Err(why) => Some(why.clone()),
        }
    }

    /// The moment, milliseconds since 1970 by the wall clock.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        i64::try_from(self.0.clock.since_1970().as_millis()).unwrap_or(i64::MAX)
    }

    /// Plans for what a pass has concluded. Nothing is begun.
    pub fn plan(
        &self,
        snapshot: &Snapshot,
        facts: &Facts,
        details: impl Fn(&ConnectorId) -> Option<Details>,
    ) {
        let (ledger, no_journal, frozen) = (self.ledger(), self.no_journal(), self.frozen());
        let around = Around {
            policies: &self.0.policies,
            ledger: &ledger,
            no_journal: no_journal.as_deref(),
            frozen: frozen.as_deref(),
            now_ms: self.now_ms(),
        };
        let mut sightings = held(&self.0.sightings);
        let (plans, next) = round(snapshot, facts, details, &sightings, &around);
        *sightings = next;
        self.0.plans.store(Arc::new(plans));
    }

    /// Everything that people and programs are shown of it, as it stands now.
    pub fn show<T>(&self, render: impl FnOnce(&Seen<'_>) -> T) -> T {
        let (plans, ledger) = (self.plans(), self.ledger());
        let (frozen, no_journal) = (self.frozen(), self.no_journal());
        render(&Seen {
            mode: self.mode(),
            frozen: frozen.as_deref(),
            no_journal: no_journal.as_deref(),
            plans: &plans,
            ledger: &ledger,
            approval_expires: self.0.policies.approval_expires,
            now_ms: self.now_ms(),
        })
    }

    /// Connectors that the next moments may need hands for: in trouble, or once worked at.
    #[must_use]
    pub fn wants_hands(&self) -> BTreeSet<ConnectorId> {
        let (plans, ledger) = (self.plans(), self.ledger());
        let planned = plans.iter().map(|planned| planned.plan.connector.clone());
        planned.chain(ledger.attempts.iter().map(|attempt| attempt.plan.connector.clone())).collect()
    }

    /// Hands for them.
    pub fn reach(&self, hands: BTreeMap<ConnectorId, Hands>) {
        self.0.reach.store(Arc::new(hands));
    }

    /// Begins what may begin, one in a Connect cluster, and goes on with what is open and nobody walks.
    pub fn act(&self) {
        let Ok(journal) = &self.0.journal else { return };
        if journal.problem().is_some() {
            return;
        }
        for attempt in journal.ledger().open_attempts() {
            self.walk(&attempt.plan.connector.connect_cluster, Walk::On(attempt.id.clone()));
        }
        for planned in self.plans().iter() {
            if let Some((plan, by, reason)) = self.may_begin(planned) {
                self.walk(&plan.connector.connect_cluster.clone(), Walk::Begin(Box::new(plan), by, reason));
            }
        }
    }

    /// What a person has approved goes before what policy chooses.
    fn may_begin(&self, planned: &Planned) -> Option<(Plan, Actor, String)> {
        let ledger = self.ledger();
        let word =
            |plan: &Plan| ledger.approval(&plan.id, self.now_ms(), self.0.policies.approval_expires).cloned();
        let approved =
            candidates(planned).filter(|(_, blockers)| blockers.is_empty()).find_map(|(plan, _)| {
                let word = word(plan)?;
                Some((plan.clone(), word.by, word.reason))
            });
        let policy = || {
            let free = planned.mode == Mode::Auto && planned.blockers.is_empty();
            free.then(|| {
                (planned.plan.clone(), Actor::Auto, format!("policy: {}", planned.plan.trigger.code()))
            })
        };
        approved.or_else(policy)
    }

    fn walk(&self, cluster: &str, walk: Walk) {
        let Some(executor) = &self.0.executor else { return };
        if !held(&self.0.walking).insert(cluster.to_owned()) {
            return;
        }
        let (desk, executor, cluster) = (self.clone(), executor.clone(), cluster.to_owned());
        tokio::spawn(async move {
            let walked = match walk {
                Walk::On(id) => executor.drive(&id).await.map(|_| ()),
                Walk::Begin(plan, by, reason) => match executor.begin(*plan, by, reason).await {
                    Ok(id) => executor.drive(&id).await.map(|_| ()),
                    Err(error) => Err(error),
                },
            };
            held(&desk.0.walking).remove(&cluster);
            if let Err(error) = walked {
                tracing::error!(connect_cluster = cluster, %error, "recovery stands still until the journal can be written");
            }
        });
    }

    /// A person lets a plan be carried out. It begins after the next pass, if nothing else blocks it then.
    ///
    /// # Errors
    /// Where there is no such plan, or modes or the journal do not allow it.
    pub async fn approve(&self, plan: &PlanId, by: Actor, reason: String) -> Result<(), Refused> {
        let (plan, blockers) = self.find(plan)?;
        let never = |blocker: &&Blocker| {
            matches!(
                blocker,
                Blocker::Off | Blocker::PlanOnly | Blocker::Managed { .. } | Blocker::ManagedByUnset
            )
        };
        let sentences: Vec<String> =
            blockers.iter().filter(never).map(|blocker| blocker.sentence(&plan)).collect();
        if !sentences.is_empty() {
            return Err(Refused::Blocked(sentences));
        }
        self.append(Event::Approved { plan: plan.id, connector: plan.connector, by, reason }).await
    }

    /// A person does not want a plan to be carried out.
    ///
    /// # Errors
    /// Where there is no such plan, or no journal.
    pub async fn discard(&self, plan: &PlanId, by: Actor, reason: String) -> Result<(), Refused> {
        let (plan, _) = self.find(plan)?;
        self.append(Event::Discarded { plan: plan.id, connector: plan.connector, by, reason }).await
    }

    /// A person has looked at what failed.
    ///
    /// # Errors
    /// Where there is no journal.
    pub async fn acknowledge(
        &self,
        connector: &ConnectorId,
        by: Actor,
        reason: String,
    ) -> Result<(), Refused> {
        self.append(Event::Acknowledged { connector: connector.clone(), by, reason }).await
    }

    /// Stops all recovery.
    ///
    /// # Errors
    /// Where there is no journal.
    pub async fn freeze(&self, by: Actor, reason: String) -> Result<(), Refused> {
        self.append(Event::Frozen { by, reason }).await
    }

    /// Lets recovery go on, as far as no file and no configuration stops it.
    ///
    /// # Errors
    /// Where there is no journal.
    pub async fn unfreeze(&self, by: Actor, reason: String) -> Result<(), Refused> {
        self.append(Event::Unfrozen { by, reason }).await
    }

    /// A person wants this done now: what they may decide themselves is decided by that, everything else still blocks.
    ///
    /// # Errors
    /// Where there is no such plan, or something blocks it.
    pub async fn run(
        &self,
        connector: &ConnectorId,
        strategy: Option<Strategy>,
        by: Actor,
        reason: String,
    ) -> Result<AttemptId, Refused> {
        let plans = self.plans();
        let planned = plans.iter().find(|planned| planned.plan.connector == *connector);
        let planned = planned.ok_or_else(|| Refused::NoPlanFor(connector.clone()))?;
        let wanted =
            candidates(planned).find(|(plan, _)| strategy.is_none_or(|wanted| plan.strategy == wanted));
        let (plan, blockers) = wanted.ok_or_else(|| Refused::NoPlanBy {
            connector: connector.clone(),
            strategy: strategy.map_or("policy", Strategy::code),
            known: candidates(planned).map(|(plan, _)| plan.strategy.code()).collect::<Vec<_>>().join(", "),
        })?;
        let hard = blockers.iter().filter(|blocker| !blocker.yields_to_approval());
        let sentences: Vec<String> = hard.map(|blocker| blocker.sentence(plan)).collect();
        if !sentences.is_empty() {
            return Err(Refused::Blocked(sentences));
        }
        self.begin(plan.clone(), by, reason).await
    }

    /// A person wants back what an attempt has replaced: the saved offset, and the settings that it changed.
    ///
    /// # Errors
    /// Where there is no such attempt, it has saved nothing, or something blocks it.
    pub async fn restore(
        &self,
        attempt: &AttemptId,
        by: Actor,
        reason: String,
    ) -> Result<AttemptId, Refused> {
        let ledger = self.ledger();
        let known = ledger.attempt(attempt).ok_or_else(|| Refused::NoSuchAttempt(attempt.clone()))?;
        let connector = known.plan.connector.clone();
        let mut blocked = Vec::new();
        if self.mode() < Mode::Approve {
            blocked.push(Blocker::PlanOnly.sentence(&known.plan));
        }
        blocked.extend(self.frozen().map(|reason| Blocker::Frozen { reason }.sentence(&known.plan)));
        if ledger.open_attempts().any(|open| open.plan.connector.connect_cluster == connector.connect_cluster)
        {
            blocked.push(Blocker::Busy.sentence(&known.plan));
        }
        if !blocked.is_empty() {
            return Err(Refused::Blocked(blocked));
        }
        let unreadable = |cause: String| Refused::Unreadable { connector: connector.clone(), cause };
        let executor = self
            .0
            .executor
            .as_ref()
            .ok_or_else(|| Refused::Journal(self.no_journal().unwrap_or_default()))?;
        let world = executor.look(&connector).await.map_err(unreadable)?;
        let plan = known.restoring(&world).map_err(|why| Refused::Blocked(vec![why]))?;
        self.begin(plan, by, reason).await
    }

    async fn begin(&self, plan: Plan, by: Actor, reason: String) -> Result<AttemptId, Refused> {
        let missing = || {
            Refused::Journal(self.no_journal().unwrap_or_else(|| "recovery.directory is not set".to_owned()))
        };
        let executor = self.0.executor.as_ref().ok_or_else(missing)?;
        let cluster = plan.connector.connect_cluster.clone();
        if held(&self.0.walking).contains(&cluster) {
            return Err(Refused::Blocked(vec![Blocker::Busy.sentence(&plan)]));
        }
        let begun = executor.begin(plan, by, reason).await;
        let id = begun.map_err(|error| Refused::Journal(error.to_string()))?;
        self.walk(&cluster, Walk::On(id.clone()));
        Ok(id)
    }

    /// What the journal says of one attempt.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub async fn entries_of(&self, attempt: &AttemptId) -> Result<Vec<Entry>, Refused> {
        let journal = self.0.journal.as_ref().map_err(|why| Refused::Journal(why.clone()))?;
        journal.entries_of(attempt).await.map_err(|error| Refused::Journal(error.to_string()))
    }

    fn find(&self, id: &PlanId) -> Result<(Plan, Vec<Blocker>), Refused> {
        let plans = self.plans();
        let found = plans.iter().flat_map(candidates).find(|(plan, _)| plan.id == *id);
        found
            .map(|(plan, blockers)| (plan.clone(), blockers.to_vec()))
            .ok_or_else(|| Refused::NoSuchPlan(id.clone()))
    }

    async fn append(&self, event: Event) -> Result<(), Refused> {
        let journal = self.0.journal.as_ref().map_err(|why| Refused::Journal(why.clone()))?;
        journal.append(event).await.map(|_| ()).map_err(|error| Refused::Journal(error.to_string()))
    }

    /// Closes the journal: what is being walked stops before its next step.
    pub async fn close(&self) {
        if let Ok(journal) = &self.0.journal {
            journal.close().await;
        }
    }
}

/// What is to be walked.
enum Walk {
    /// An attempt that was begun.
    On(AttemptId),
    /// A plan.
    Begin(Box<Plan>, Actor, String),
}

/// The chosen plan and the others, each with what blocks it.
fn candidates(planned: &Planned) -> impl Iterator<Item = (&Plan, &[Blocker])> {
    let others = planned.alternatives.iter().map(|(plan, blockers)| (plan, blockers.as_slice()));
    std::iter::once((&planned.plan, planned.blockers.as_slice())).chain(others)
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
