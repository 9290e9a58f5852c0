//! From the journal's entries to attempts, words and waits. Total: any sequence of entries gives a state.

use super::attempt::{Attempt, Taken};
use super::{Actor, AttemptId, Ended, Entry, Event, Lost, Outcome, Plan, PlanId, Step, Strategy, Tally};
use crate::domain::ConnectorId;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A person's word on a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Word {
    /// Who.
    pub by: Actor,
    /// Why.
    pub reason: String,
    /// When, milliseconds since 1970.
    pub at_ms: i64,
    /// It lets the plan be carried out.
    pub approves: bool,
    /// So many positions were lost at once before their eyes; `None` where it was no mass failure then.
    pub mass_failure: Option<usize>,
}

/// Everything that the journal says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ledger {
    /// Attempts, oldest first.
    pub attempts: Vec<Attempt>,
    /// The last word on each plan.
    pub words: BTreeMap<PlanId, Word>,
    /// When a person last acknowledged what failed, milliseconds since 1970.
    pub acknowledged: BTreeMap<ConnectorId, i64>,
    /// Who froze recovery, and why.
    pub frozen: Option<(Actor, String)>,
    /// When the journal was begun, milliseconds since 1970.
    pub opened_ms: Option<i64>,
    /// How many attempts are not in the journal any more.
    pub forgotten: BTreeMap<Strategy, Tally>,
    /// When the last of those succeeded, milliseconds since 1970.
    pub last_forgotten_success_ms: Option<i64>,
}

impl Ledger {
    /// Folds all entries.
    #[must_use]
    pub fn of<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let mut ledger = Self::default();
        entries.into_iter().for_each(|entry| ledger.apply(entry));
        ledger
    }

    /// Folds one more entry.
    pub fn apply(&mut self, entry: &Entry) {
        let at_ms = entry.at_ms;
        self.opened_ms.get_or_insert(at_ms);
        match &entry.event {
            Event::Opened => {}
            Event::Approved { plan, by, reason, mass_failure, .. } => {
                let (by, reason, mass_failure) = (by.clone(), reason.clone(), *mass_failure);
                self.words.insert(plan.clone(), Word { by, reason, at_ms, approves: true, mass_failure });
            }
            Event::Discarded { plan, by, reason, .. } => {
                let (by, reason) = (by.clone(), reason.clone());
                let word = Word { by, reason, at_ms, approves: false, mass_failure: None };
                self.words.insert(plan.clone(), word);
            }
            Event::Acknowledged { connector, .. } => {
                self.acknowledged.insert(connector.clone(), at_ms);
            }
            Event::Frozen { by, reason } => self.frozen = Some((by.clone(), reason.clone())),
            Event::Unfrozen { .. } => self.frozen = None,
            Event::Forgotten { attempts, last_success_ms } => {
                for (strategy, tally) in attempts {
                    self.forgotten.entry(*strategy).or_default().add(*tally);
                }
                self.last_forgotten_success_ms = self.last_forgotten_success_ms.max(*last_success_ms);
            }
            Event::Begun { attempt, plan, by, reason } => {
                // An approval is for one attempt.
                self.words.remove(&plan.id);
                let source = plan.restores.as_ref().and_then(|id| self.attempt(id)?.saved.clone());
                self.attempts.push(Attempt {
                    id: attempt.clone(),
                    plan: (**plan).clone(),
                    by: by.clone(),
                    reason: reason.clone(),
                    begun_ms: at_ms,
                    saved: None,
                    source,
                    taken: Vec::new(),
                    ended: None,
                    lost: Lost::Unknown,
                });
            }
            Event::Saved { attempt, saved } => {
                if let Some(attempt) = self.open(attempt) {
                    attempt.saved = Some((**saved).clone());
                }
            }
            Event::Intent { attempt, phase, index, round, step, will } => {
                let taken = Taken::new(*phase, *index, *round, step, at_ms);
                self.took(attempt, Taken { will: will.clone(), ..taken });
            }
            Event::Skipped { attempt, phase, index, round, step, outcome } => {
                let taken = Taken::new(*phase, *index, *round, step, at_ms);
                let outcome = Some((outcome.clone(), at_ms));
                self.took(attempt, Taken { outcome, acted: false, ..taken });
            }
            Event::Outcome { attempt, outcome, untouched } => {
                let last = self.open(attempt).and_then(|attempt| attempt.taken.last_mut());
                if let Some(taken) = last.filter(|taken| taken.outcome.is_none()) {
                    taken.acted &= !untouched && !matches!(outcome, Outcome::NotSent { .. });
                    taken.outcome = Some((outcome.clone(), at_ms));
                }
            }
            Event::Ended { attempt, ended, says, lost } => {
                if let Some(attempt) = self.open(attempt) {
                    attempt.ended = Some((*ended, says.clone(), at_ms));
                    attempt.lost = *lost;
                }
            }
        }
    }

    fn took(&mut self, attempt: &AttemptId, taken: Taken) {
        if let Some(attempt) = self.open(attempt) {
            attempt.taken.push(taken);
        }
    }

    fn open(&mut self, id: &AttemptId) -> Option<&mut Attempt> {
        self.attempts.iter_mut().rev().find(|attempt| attempt.id == *id && attempt.ended.is_none())
    }

    /// One attempt.
    #[must_use]
    pub fn attempt(&self, id: &AttemptId) -> Option<&Attempt> {
        self.attempts.iter().rev().find(|attempt| attempt.id == *id)
    }

    /// Attempts that have not ended.
    pub fn open_attempts(&self) -> impl Iterator<Item = &Attempt> {
        self.attempts.iter().filter(|attempt| attempt.ended.is_none())
    }

    /// Attempts at one connector, oldest first.
    pub fn attempts_at(&self, connector: &ConnectorId) -> impl Iterator<Item = &Attempt> {
        self.attempts.iter().filter(move |attempt| attempt.plan.connector == *connector)
    }

    /// How many attempts at a connector failed since a person last acknowledged, or since the last that succeeded; restarts,
    /// which cannot do harm, are not counted.
    #[must_use]
    pub fn failures(&self, connector: &ConnectorId) -> usize {
        self.endings(connector, |strategy| strategy != Strategy::Restart).fold(0, |failures, (ended, _)| {
            match ended {
                Ended::Recovered => 0,
                Ended::NotNeeded => failures,
                Ended::PutBack | Ended::NeedsPerson => failures + 1,
            }
        })
    }

    /// How attempts at a connector ended since a person last acknowledged, and when, oldest first.
    fn endings(
        &self,
        connector: &ConnectorId,
        by: impl Fn(Strategy) -> bool,
    ) -> impl Iterator<Item = (Ended, i64)> {
        let since = self.acknowledged.get(connector).copied().unwrap_or(i64::MIN);
        self.attempts_at(connector)
            .filter(move |attempt| by(attempt.plan.strategy))
            .filter_map(|attempt| attempt.ended.as_ref().map(|(ended, _, at_ms)| (*ended, *at_ms)))
            .filter(move |(_, at_ms)| *at_ms > since)
    }

    /// A person has to look at this connector: the last attempt could not be put back, and nobody has acknowledged it.
    #[must_use]
    pub fn needs_person(&self, connector: &ConnectorId) -> bool {
        self.endings(connector, |_| true).last().is_some_and(|(ended, _)| ended == Ended::NeedsPerson)
    }

    /// How often a connector was recovered within the last day and lost history by it, since a person last acknowledged. Each of
    /// these succeeded; together they say that the trouble comes again. What a person has restored is not counted.
    #[must_use]
    pub fn losing_recoveries(&self, connector: &ConnectorId, now_ms: i64) -> usize {
        const DAY_MS: i64 = 86_400_000;
        let since = self.acknowledged.get(connector).copied().unwrap_or(i64::MIN);
        let losing = |attempt: &&Attempt| attempt.plan.restores.is_none() && attempt.lost != Lost::Nothing;
        let recent = |at_ms: i64| at_ms > since && now_ms.saturating_sub(at_ms) < DAY_MS;
        self.attempts_at(connector)
            .filter(losing)
            .filter_map(|attempt| attempt.ended.as_ref())
            .filter(|(ended, _, at_ms)| *ended == Ended::Recovered && recent(*at_ms))
            .count()
    }

    /// Until when the cooldown after the last attempt at a connector lasts, milliseconds since 1970; a restart begins none. One that
    /// was not needed begins a short one, which grows with those before it: what is seen and what is found then disagree, and would
    /// in every pass.
    #[must_use]
    pub fn cooldown_until(&self, connector: &ConnectorId, cooldown: Duration) -> Option<i64> {
        const FIRST_MS: i64 = 20_000;
        const HOUR_MS: i64 = 3_600_000;
        let cooldown = i64::try_from(cooldown.as_millis()).unwrap_or(i64::MAX);
        let (mut idle, mut before_ms) = (0_u32, i64::MIN);
        let until = |(ended, at_ms): (Ended, i64)| {
            let in_a_row = at_ms.saturating_sub(std::mem::replace(&mut before_ms, at_ms)) < HOUR_MS;
            idle = match ended {
                Ended::NotNeeded if in_a_row => idle.saturating_add(1),
                Ended::NotNeeded => 1,
                Ended::Recovered | Ended::PutBack | Ended::NeedsPerson => 0,
            };
            let short = FIRST_MS.saturating_mul(1 << idle.saturating_sub(1).min(20));
            at_ms.saturating_add(if idle == 0 { cooldown } else { cooldown.min(short) })
        };
        self.endings(connector, |strategy| strategy != Strategy::Restart).map(until).max()
    }

    /// Connectors of a Connect cluster other than `lost` whose lost position an attempt was begun for within a cooldown: what comes
    /// one after the other may have one cause as well.
    #[must_use]
    pub fn lost_lately(
        &self,
        connect_cluster: &str,
        lost: impl Fn(&ConnectorId) -> bool,
        now_ms: i64,
        cooldown: Duration,
    ) -> usize {
        let cooldown = i64::try_from(cooldown.as_millis()).unwrap_or(i64::MAX);
        let lately = |attempt: &&Attempt| {
            let plan = &attempt.plan;
            plan.connector.connect_cluster == connect_cluster
                && plan.restores.is_none()
                && plan.trigger.is_of_the_position()
                && now_ms.saturating_sub(attempt.begun_ms) < cooldown
                && !lost(&plan.connector)
        };
        let found: BTreeSet<&ConnectorId> =
            self.attempts.iter().filter(lately).map(|attempt| &attempt.plan.connector).collect();
        found.len()
    }

    /// When a connector may be restarted again, milliseconds since 1970: after n restarts within an hour, n² + n minutes after
    /// the last (Strimzi's rule), an hour at the most.
    #[must_use]
    pub fn restart_again_at(&self, connector: &ConnectorId, now_ms: i64) -> Option<i64> {
        const MINUTE: i64 = 60_000;
        let recent = |(_, at_ms): &(Ended, i64)| now_ms.saturating_sub(*at_ms) < 60 * MINUTE;
        let restarts: Vec<i64> = self
            .endings(connector, |strategy| strategy == Strategy::Restart)
            .filter(recent)
            .map(|(_, at_ms)| at_ms)
            .collect();
        let n = i64::try_from(restarts.len()).unwrap_or(i64::MAX).min(10);
        restarts.into_iter().max().map(|last| last.saturating_add((n * n + n).min(60).saturating_mul(MINUTE)))
    }

    /// This token was dropped once, by removing the offset that holds it or by giving its key another name: it is not dropped a
    /// second time.
    #[must_use]
    pub fn was_removed(&self, connector: &ConnectorId, plan: &Plan) -> bool {
        let same = |attempt: &Attempt| attempt.plan.expects.token == plan.expects.token;
        plan.steps.iter().any(Step::drops_its_offset)
            && self.attempts_at(connector).any(|attempt| same(attempt) && attempt.has_dropped_its_offset())
    }

    /// A person's approval of this plan that still counts.
    #[must_use]
    pub fn approval(&self, plan: &PlanId, now_ms: i64, expires: Duration) -> Option<&Word> {
        let expires = i64::try_from(expires.as_millis()).unwrap_or(i64::MAX);
        self.words.get(plan).filter(|word| word.approves && now_ms.saturating_sub(word.at_ms) <= expires)
    }

    /// A person has discarded this plan.
    #[must_use]
    pub fn discarded(&self, plan: &PlanId) -> Option<&Word> {
        self.words.get(plan).filter(|word| !word.approves)
    }

    /// When an attempt last succeeded, milliseconds since 1970.
    #[must_use]
    pub fn last_success_ms(&self) -> Option<i64> {
        let ended = self.attempts.iter().filter_map(|attempt| attempt.ended.as_ref());
        let known =
            ended.filter(|(ended, _, _)| *ended == Ended::Recovered).map(|(_, _, at_ms)| *at_ms).max();
        known.max(self.last_forgotten_success_ms)
    }

    /// How many attempts were made by this strategy, and failed, those that are forgotten included.
    #[must_use]
    pub fn tally(&self, strategy: Strategy) -> Tally {
        let mut tally = self.forgotten.get(&strategy).copied().unwrap_or_default();
        let known = self.attempts.iter().filter(|attempt| attempt.plan.strategy == strategy);
        known.for_each(|attempt| tally.add(Tally::of(attempt)));
        tally
    }
}
