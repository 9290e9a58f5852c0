//! Where plans, people's words and the journal meet: makes plans after each pass, lets begin what may, and goes on with what a
//! crash has left open.

mod books;
mod carry;
mod people;
mod standing;

pub use people::Refused;
pub use standing::{Matter, Standing};

use super::{Executor, Freeze, Hands, Reach, Settings};
use crate::clock::Clock;
use crate::config::{Config, Recovery};
use crate::publish::recovery::Seen;
use arc_swap::ArcSwap;
use books::Books;
use resumeguard_core::assess::STALE_INTERVALS;
use resumeguard_core::domain::{ConnectorId, Facts, Snapshot};
use resumeguard_core::recovery::{
    Around, Blocker, Details, Ledger, ManagedBy, Mode, Plan, Planned, Policies, Sightings, name_our_own,
    round,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// May be cloned; all clones are the same desk.
#[derive(Debug, Clone)]
pub struct Desk(Arc<Inner>);

/// What a configuration says of recovery; another one may take its place at any moment.
#[derive(Debug)]
struct Orders {
    policies: Policies,
    /// Who keeps each Connect cluster's connectors as they are.
    managed_by: BTreeMap<String, Option<ManagedBy>>,
    /// Uptime after which nobody acts on plans any more.
    stale_after: Duration,
}

impl Orders {
    fn of(config: &Config) -> Self {
        Self {
            policies: config.recovery.policies.clone(),
            managed_by: config.connect.iter().map(|one| (one.name.clone(), one.managed_by)).collect(),
            stale_after: config.poll.interval * STALE_INTERVALS,
        }
    }
}

#[derive(Debug)]
struct Inner {
    orders: ArcSwap<Orders>,
    settings: Arc<ArcSwap<Settings>>,
    books: Books,
    freeze: Freeze,
    reach: Reach,
    /// With the uptime at which they were made.
    plans: ArcSwap<(Arc<Vec<Planned>>, Duration)>,
    sightings: Mutex<Sightings>,
    /// Connect clusters in which an attempt is being begun or walked by this process.
    walking: Mutex<BTreeSet<String>>,
    /// So many at once that recovery was frozen for it; it is not frozen a second time for the same.
    mass: AtomicBool,
    clock: Clock,
}

impl Desk {
    /// The desk of a configuration, with the journal in its directory. Where there is none, plans are made all the same, and
    /// nothing is ever done.
    pub async fn open(config: &Config, clock: Clock) -> Self {
        let Recovery { freeze, freeze_files, .. } = &config.recovery;
        let freeze = Freeze::watch(freeze_files.clone(), *freeze, clock);
        let reach = Reach::default();
        let settings = Arc::new(ArcSwap::from_pointee(Settings::of(config)));
        let executor = {
            let (freeze, reach, settings) = (freeze.clone(), Arc::clone(&reach), Arc::clone(&settings));
            move |journal| {
                Executor::new(journal, freeze.clone(), Arc::clone(&reach), Arc::clone(&settings), clock)
            }
        };
        let books = Books::open(&config.recovery, Box::new(executor), clock).await;
        Self(Arc::new(Inner {
            orders: ArcSwap::from_pointee(Orders::of(config)),
            settings,
            books,
            freeze,
            reach,
            plans: ArcSwap::default(),
            sightings: Mutex::default(),
            walking: Mutex::default(),
            mass: AtomicBool::new(false),
            clock,
        }))
    }

    /// What another configuration says of recovery holds from now on: for plans that are made, for attempts under way before
    /// their next step. The journal stays the one that was opened.
    pub fn reconfigure(&self, config: &Config) {
        let before = self.mode();
        self.0.settings.store(Arc::new(Settings::of(config)));
        self.0.orders.store(Arc::new(Orders::of(config)));
        // Last: whoever waits for it to be lifted finds the new orders.
        self.0.freeze.reconfigure(&config.recovery);
        let after = self.mode();
        if before != after {
            tracing::warn!(
                before = before.code(),
                after = after.code(),
                "the greatest mode of recovery is another one from now on"
            );
        }
    }

    /// The plans of the last pass.
    #[must_use]
    pub fn plans(&self) -> Arc<Vec<Planned>> {
        Arc::clone(&self.0.plans.load().0)
    }

    /// What the journal says; empty where there is none.
    #[must_use]
    pub fn ledger(&self) -> Arc<Ledger> {
        self.0.books.journal().map_or_else(|_| Arc::default(), |journal| journal.ledger())
    }

    /// Connect clusters in which an attempt is open.
    #[must_use]
    pub fn busy(&self) -> BTreeSet<String> {
        let ledger = self.ledger();
        ledger.open_attempts().map(|open| open.plan.connector.connect_cluster.clone()).collect()
    }

    /// Why recovery is frozen, where it is.
    #[must_use]
    pub fn frozen(&self) -> Option<String> {
        self.0.freeze.reason(&self.ledger())
    }

    /// `recovery.freeze` was read again and is set: it counts before anything else of that configuration does.
    pub fn freeze_by_configuration(&self) {
        self.0.freeze.by_configuration();
    }

    /// Whether the freeze files have been looked at once.
    #[must_use]
    pub fn has_looked(&self) -> bool {
        self.0.freeze.has_looked()
    }

    /// What may be done at the most.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.orders().policies.greatest_mode()
    }

    fn orders(&self) -> Arc<Orders> {
        self.0.orders.load_full()
    }

    /// Why nothing could be written down, where that is so.
    #[must_use]
    pub fn no_journal(&self) -> Option<String> {
        match self.0.books.journal() {
            Ok(journal) => journal.problem(),
            Err(why) => Some(why),
        }
    }

    /// The moment, milliseconds since 1970 by the wall clock.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        i64::try_from(self.0.clock.since_1970().as_millis()).unwrap_or(i64::MAX)
    }

    /// Has what a pass has found name the recovery of ours that it shows.
    pub fn name_our_own(&self, snapshot: &mut Snapshot) {
        name_our_own(snapshot, &self.ledger(), self.frozen().as_deref());
    }

    /// Plans for what a pass has concluded. Nothing is begun.
    pub fn plan(
        &self,
        snapshot: &Snapshot,
        facts: &Facts,
        details: impl Fn(&ConnectorId) -> Option<Details>,
    ) {
        let (ledger, no_journal, frozen) = (self.ledger(), self.no_journal(), self.frozen());
        let orders = self.orders();
        let around = Around {
            policies: &orders.policies,
            ledger: &ledger,
            no_journal: no_journal.as_deref(),
            frozen: frozen.as_deref(),
            now_ms: self.now_ms(),
        };
        let mut sightings = held(&self.0.sightings);
        let (plans, next) = round(snapshot, facts, details, &sightings, &around);
        *sightings = next;
        self.0.plans.store(Arc::new((Arc::new(plans), self.0.clock.uptime())));
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
            approval_expires: self.orders().policies.approval_expires,
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

    /// Closes the journal: what is being walked stops before its next step.
    pub async fn close(&self) {
        if let Ok(journal) = self.0.books.journal() {
            journal.close().await;
        }
    }
}

/// The chosen plan and the others, each with what blocks it.
fn candidates(planned: &Planned) -> impl Iterator<Item = (&Plan, &[Blocker])> {
    let others = planned.alternatives.iter().map(|(plan, blockers)| (plan, blockers.as_slice()));
    std::iter::once((&planned.plan, planned.blockers.as_slice())).chain(others)
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
