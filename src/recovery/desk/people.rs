//! What people want, and why they do not get it.

use super::{Desk, candidates};
use resumeguard_core::domain::ConnectorId;
use resumeguard_core::recovery::{
    Actor, AttemptId, Blocker, Entry, Event, ManagedBy, Mode, Plan, PlanId, Strategy, World,
};

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
    /// It is not what was shown any more.
    #[error("{} changed since this was shown; look again, and decide then", have(.0))]
    Changed(Vec<String>),
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

fn have(changed: &[String]) -> String {
    format!("{} {}", changed.join(", "), if changed.len() == 1 { "has" } else { "have" })
}

fn lost_at_once(blocker: &Blocker) -> Option<(usize, &Blocker)> {
    if let Blocker::MassFailure { lost } = blocker { Some((*lost, blocker)) } else { None }
}

impl Desk {
    /// How many positions were lost at once, where that keeps this plan back.
    #[must_use]
    pub fn mass_failure(&self, plan: &PlanId) -> Option<usize> {
        let (_, blockers) = self.find(plan).ok()?;
        blockers.iter().find_map(lost_at_once).map(|(lost, _)| lost)
    }

    /// A person lets a plan be carried out. It begins after the next pass, if nothing else blocks it then. `seen`: of how many
    /// positions that were lost at once they know.
    ///
    /// # Errors
    /// Where there is no such plan, modes or the journal do not allow it, or more are lost than they know of.
    pub async fn approve(
        &self,
        plan: &PlanId,
        by: Actor,
        reason: String,
        seen: Option<usize>,
    ) -> Result<(), Refused> {
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
        let mass_failure = blockers.iter().find_map(lost_at_once);
        if mass_failure.is_some_and(|(lost, _)| seen.is_none_or(|seen| seen < lost)) {
            let sentences = mass_failure.map(|(_, blocker)| blocker.sentence(&plan));
            return Err(Refused::Blocked(sentences.into_iter().collect()));
        }
        let mass_failure = mass_failure.map(|(lost, _)| lost);
        let Plan { id, connector, .. } = plan;
        self.append(Event::Approved { plan: id, connector, by, reason, mass_failure }).await
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

    /// A person wants this done now: what they may decide themselves is decided by that, everything else still blocks. `seen` as for
    /// [`Desk::approve`].
    ///
    /// # Errors
    /// Where there is no such plan, or something blocks it.
    pub async fn run(
        &self,
        connector: &ConnectorId,
        strategy: Option<Strategy>,
        by: Actor,
        reason: String,
        seen: Option<usize>,
    ) -> Result<AttemptId, Refused> {
        let (plan, blockers) = self.chosen(connector, strategy)?;
        let hard = blockers.iter().filter(|blocker| match lost_at_once(blocker) {
            Some((lost, _)) => seen.is_none_or(|seen| seen < lost),
            None => !blocker.yields_to_approval(),
        });
        let sentences: Vec<String> = hard.map(|blocker| blocker.sentence(&plan)).collect();
        if !sentences.is_empty() {
            return Err(Refused::Blocked(sentences));
        }
        self.begin(plan, by, reason).await
    }

    /// The plan for a connector by this strategy, or the one that policy chooses.
    pub(super) fn chosen(
        &self,
        connector: &ConnectorId,
        strategy: Option<Strategy>,
    ) -> Result<(Plan, Vec<Blocker>), Refused> {
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
        Ok((plan.clone(), blockers.to_vec()))
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
        self.restore_as_seen(attempt, by, reason, None).await
    }

    /// The same, where it is still as it was seen: by the mark of [`Desk::standing_to_restore`].
    ///
    /// # Errors
    /// The same, and where something has changed since.
    pub async fn restore_as_seen(
        &self,
        attempt: &AttemptId,
        by: Actor,
        reason: String,
        seen: Option<&str>,
    ) -> Result<AttemptId, Refused> {
        let (plan, world) = self.restoring(attempt).await?;
        self.of_restoring(&plan, &world).still(seen)?;
        self.begin(plan, by, reason).await
    }

    /// The plan that puts back what an attempt has replaced, and the world that it was made in.
    pub(super) async fn restoring(&self, attempt: &AttemptId) -> Result<(Plan, World), Refused> {
        let ledger = self.ledger();
        let known = ledger.attempt(attempt).ok_or_else(|| Refused::NoSuchAttempt(attempt.clone()))?;
        let connector = known.plan.connector.clone();
        let mut blocked = Vec::new();
        let rule = self.orders().policies.rule(&connector, known.plan.trigger);
        if rule.mode < Mode::Approve {
            blocked.push(Blocker::PlanOnly);
        }
        match self.orders().managed_by.get(&connector.connect_cluster).copied().flatten() {
            Some(ManagedBy::None) => {}
            Some(by) => blocked.push(Blocker::Managed { by }),
            None => blocked.push(Blocker::ManagedByUnset),
        }
        if !blocked.is_empty() {
            return Err(Refused::Blocked(
                blocked.iter().map(|blocker| blocker.sentence(&known.plan)).collect(),
            ));
        }
        let unreadable = |cause: String| Refused::Unreadable { connector: connector.clone(), cause };
        let executor = self.0.books.executor().map_err(Refused::Journal)?;
        let world = executor.look(&connector).await.map_err(unreadable)?;
        let plan = known.restoring(&world).map_err(|why| Refused::Blocked(vec![why]))?;
        Ok((plan, world))
    }

    /// What the journal says of one attempt.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub async fn entries_of(&self, attempt: &AttemptId) -> Result<Vec<Entry>, Refused> {
        let journal = self.0.books.journal().map_err(Refused::Journal)?;
        journal.entries_of(attempt).await.map_err(|error| Refused::Journal(error.to_string()))
    }

    pub(super) fn find(&self, id: &PlanId) -> Result<(Plan, Vec<Blocker>), Refused> {
        let plans = self.plans();
        let found = plans.iter().flat_map(candidates).find(|(plan, _)| plan.id == *id);
        found
            .map(|(plan, blockers)| (plan.clone(), blockers.to_vec()))
            .ok_or_else(|| Refused::NoSuchPlan(id.clone()))
    }

    pub(super) async fn append(&self, event: Event) -> Result<(), Refused> {
        let journal = self.0.books.journal().map_err(Refused::Journal)?;
        journal.append(event).await.map(|_| ()).map_err(|error| Refused::Journal(error.to_string()))
    }
}
