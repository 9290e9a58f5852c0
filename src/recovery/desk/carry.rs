//! What is begun, and what is gone on with.

use super::people::Refused;
use super::{Desk, candidates, held};
use crate::journal::JournalError;
use resumeguard_core::recovery::{
    Actor, AttemptId, Blocker, Event, ManagedBy, Mode, Plan, Planned, blockers_of_history,
};
use std::sync::atomic::Ordering;

/// A Connect cluster that this process works at; let go when this is dropped.
struct Place {
    desk: Desk,
    cluster: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        held(&self.desk.0.walking).remove(&self.cluster);
    }
}

impl Desk {
    /// Begins what may begin, one in a Connect cluster, and goes on with what is open and nobody walks.
    pub fn act(&self) {
        let Ok(journal) = self.0.books.journal() else {
            if self.0.books.wait() {
                let desk = self.clone();
                tokio::spawn(async move { desk.0.books.try_open().await.ok() });
            }
            return;
        };
        if journal.problem().is_some() {
            return;
        }
        let desk = self.clone();
        tokio::spawn(async move { desk.0.books.forget().await });
        self.freeze_on_a_mass_failure();
        for attempt in journal.ledger().open_attempts() {
            if let Some(place) = self.place(&attempt.plan.connector.connect_cluster) {
                self.go_on(place, attempt.id.clone());
            }
        }
        for planned in self.plans().iter() {
            let Some((plan, by, reason)) = self.may_begin(planned) else { continue };
            let Some(place) = self.place(&plan.connector.connect_cluster) else { continue };
            let desk = self.clone();
            tokio::spawn(async move {
                let connector = plan.connector.clone();
                if let Err(why) = desk.begin_in(place, plan, by, reason).await {
                    tracing::warn!(%connector, %why, "recovery does not begin");
                }
            });
        }
    }

    /// Goes on with one attempt, where it is open and nobody walks it. Nothing else is begun.
    pub fn take_up(&self, id: &AttemptId) {
        if self.no_journal().is_some() {
            return;
        }
        let ledger = self.ledger();
        let Some(attempt) = ledger.open_attempts().find(|open| open.id == *id) else { return };
        if let Some(place) = self.place(&attempt.plan.connector.connect_cluster) {
            self.go_on(place, attempt.id.clone());
        }
    }

    /// What a person has approved goes before what policy chooses.
    fn may_begin(&self, planned: &Planned) -> Option<(Plan, Actor, String)> {
        let ledger = self.ledger();
        let word = |plan: &Plan| {
            ledger.approval(&plan.id, self.now_ms(), self.orders().policies.approval_expires).cloned()
        };
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

    /// Takes the only place in a Connect cluster; `None` where it is taken.
    fn place(&self, cluster: &str) -> Option<Place> {
        let free = held(&self.0.walking).insert(cluster.to_owned());
        free.then(|| Place { desk: self.clone(), cluster: cluster.to_owned() })
    }

    /// Begins a plan as soon as its Connect cluster is free for it.
    pub(super) async fn begin(&self, plan: Plan, by: Actor, reason: String) -> Result<AttemptId, Refused> {
        let busy = || Refused::Blocked(vec![Blocker::Busy.sentence(&plan)]);
        let place = self.place(&plan.connector.connect_cluster).ok_or_else(busy)?;
        self.begin_in(place, plan, by, reason).await
    }

    /// What the journal says is looked at again now that nobody else can begin anything in this cluster.
    async fn begin_in(
        &self,
        place: Place,
        plan: Plan,
        by: Actor,
        reason: String,
    ) -> Result<AttemptId, Refused> {
        let executor = self.0.books.executor().map_err(Refused::Journal)?;
        let ledger = self.ledger();
        let mut blockers = Vec::new();
        if plan.restores.is_some() {
            let of_it = |cluster: &str| *cluster == plan.connector.connect_cluster;
            let open = ledger.open_attempts().any(|open| of_it(&open.plan.connector.connect_cluster));
            blockers.extend(open.then_some(Blocker::Busy));
        } else {
            blockers.extend(blockers_of_history(&plan, &ledger, &self.orders().policies, self.now_ms()));
            let age = self.0.clock.uptime().saturating_sub(self.0.plans.load().1);
            blockers.extend((age > self.orders().stale_after).then_some(Blocker::StaleFacts));
        }
        blockers.extend(self.frozen().map(|reason| Blocker::Frozen { reason }));
        if !blockers.is_empty() {
            return Err(Refused::Blocked(blockers.iter().map(|blocker| blocker.sentence(&plan)).collect()));
        }
        let id = executor.begin(plan.clone(), by, reason).await;
        let id = id.map_err(|error: JournalError| Refused::Journal(error.to_string()))?;
        self.go_on(place, id.clone());
        Ok(id)
    }

    fn go_on(&self, place: Place, id: AttemptId) {
        let Ok(executor) = self.0.books.executor() else { return };
        let desk = self.clone();
        tokio::spawn(async move {
            match executor.drive(&id, &|plan| desk.forbids(plan)).await {
                // Closed by whoever ends this process.
                Ok(_) | Err(JournalError::Closed) => {}
                Err(error) => {
                    tracing::error!(attempt = %id, %error, "recovery stands still until the journal can be written");
                }
            }
            drop(place);
        });
    }

    /// Why an attempt that was begun may not lead on any more: what it has changed is only put back then.
    fn forbids(&self, plan: &Plan) -> Option<String> {
        let mode = self.orders().policies.rule(&plan.connector, plan.trigger).mode;
        if mode < Mode::Approve {
            return Some(format!("recovery.mode has become {}", mode.code()));
        }
        match self.orders().managed_by.get(&plan.connector.connect_cluster).copied().flatten() {
            Some(ManagedBy::None) => None,
            Some(by) => Some(format!("its Connect cluster is managed by {}", by.code())),
            None => Some("nobody says any more who keeps its connectors as they are".to_owned()),
        }
    }

    /// So many at once are somebody else's trouble: recovery stops until a person has looked. Once for each time: whoever unfreezes
    /// it meanwhile has looked.
    fn freeze_on_a_mass_failure(&self) {
        let plans = self.plans();
        let lost = plans.iter().filter(|planned| planned.mode == Mode::Auto).find_map(|planned| {
            let lost = planned.blockers.iter().find_map(|blocker| {
                if let Blocker::MassFailure { lost } = blocker { Some(*lost) } else { None }
            })?;
            Some((lost, planned.plan.connector.connect_cluster.clone()))
        });
        let Some((lost, cluster)) = lost else { return self.0.mass.store(false, Ordering::SeqCst) };
        if self.0.mass.swap(true, Ordering::SeqCst) || self.frozen().is_some() {
            return;
        }
        let reason = format!("{lost} connectors of {cluster} lost their position at once");
        tracing::error!(
            connect_cluster = cluster,
            lost,
            "recovery is frozen: so many connectors at once have one cause; resumeguard unfreeze --reason … once it is found"
        );
        let desk = self.clone();
        tokio::spawn(async move { desk.append(Event::Frozen { by: Actor::Auto, reason }).await.ok() });
    }
}
