//! The loop: what the ledger says comes next is looked at, written down and done, until the attempt has ended.

use super::walk::Walk;
use super::{Freeze, Reach, world};
use crate::clock::Clock;
use crate::config::{Config, Hooks};
use crate::journal::{Journal, JournalError};
use arc_swap::ArcSwap;
use resumeguard_core::domain::ConnectorId;
use resumeguard_core::recovery::{Actor, AttemptId, Ended, Event, Plan, World};
use std::sync::Arc;
use std::time::Duration;

/// What execution needs of the configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The workers' `offset.flush.interval.ms`: a stored token lags its stream by up to that.
    pub offset_flush: Duration,
    /// For how long a connector must be well before a recovery counts.
    pub stable_for: Duration,
    /// Commands before and after.
    pub hooks: Hooks,
}

impl Settings {
    /// Those of a configuration.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self {
            offset_flush: config.thresholds.offset_flush,
            stable_for: config.recovery.policies.stable_for,
            hooks: config.recovery.hooks.clone(),
        }
    }
}

/// Carries plans out; may be cloned. One attempt at a time in each Connect cluster is whoever calls it to see to.
#[derive(Debug, Clone)]
pub struct Executor {
    pub(super) journal: Journal,
    pub(super) freeze: Freeze,
    pub(super) reach: Reach,
    settings: Arc<ArcSwap<Settings>>,
    pub(super) clock: Clock,
}

impl Executor {
    /// Everything is written down in this journal, and nothing is done while this freezes. The settings may be replaced at any
    /// moment.
    #[must_use]
    pub fn new(
        journal: Journal,
        freeze: Freeze,
        reach: Reach,
        settings: Arc<ArcSwap<Settings>>,
        clock: Clock,
    ) -> Self {
        Self { journal, freeze, reach, settings, clock }
    }

    /// The settings as they are now.
    pub(super) fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    /// Writes down that a plan is going to be carried out, and nothing else.
    ///
    /// # Errors
    /// Where it cannot be written: then there is no attempt.
    pub async fn begin(&self, plan: Plan, by: Actor, reason: String) -> Result<AttemptId, JournalError> {
        let attempt = AttemptId(format!("{}-{}", plan.id, self.clock.since_1970().as_millis()));
        let (connector, strategy) = (plan.connector.clone(), plan.strategy.code());
        let begun = Event::Begun { attempt: attempt.clone(), plan: Box::new(plan), by: by.clone(), reason };
        self.journal.append(begun).await?;
        tracing::warn!(%connector, %attempt, strategy, %by, "recovery begins");
        Ok(attempt)
    }

    /// One connector and its deployment as they are now.
    ///
    /// # Errors
    /// What keeps them from being read, one line.
    pub async fn look(&self, connector: &ConnectorId) -> Result<World, String> {
        let hands = self.reach.load().get(connector).cloned();
        let hands = hands.ok_or("it was not seen in the last pass")?;
        world::read(&hands, &connector.connector, &self.clock, None).await
    }

    /// Walks an attempt to its end, also one that another process has left open. It waits while recovery is frozen; apart from that
    /// every wait is bounded, and so is the number of steps. Where it `forbids` that, and why, nothing leads on: what was changed is put
    /// back.
    ///
    /// # Errors
    /// Where the journal cannot be written: nothing more was done then, and it can be driven again once that is over.
    pub async fn drive(
        &self,
        id: &AttemptId,
        forbids: &(dyn Fn(&Plan) -> Option<String> + Send + Sync),
    ) -> Result<Ended, JournalError> {
        let mut walk = Walk::new(self, id.clone(), forbids);
        loop {
            if let Some(ended) = Box::pin(walk.advance()).await? {
                return Ok(ended);
            }
        }
    }
}
