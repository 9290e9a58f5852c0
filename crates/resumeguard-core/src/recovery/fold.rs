//! From the journal's entries to attempts, and to what comes next. Total: any sequence of entries gives a state.

use super::entry::Will;
use super::{
    Actor, AttemptId, Ended, Entry, Event, Loses, Outcome, Phase, Plan, PlanId, Saved, Step, Strategy,
    Stretch,
};
use crate::domain::{ConnectorId, ConnectorState};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How often the steps of one attempt may be begun: an oplog that rolls faster than a connector starts cannot be outrun.
pub const ROUNDS: u32 = 3;

/// One step that was begun.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// On or back.
    pub phase: Phase,
    /// Number of the step.
    pub index: usize,
    /// How often the steps had been begun anew.
    pub round: u32,
    /// The step.
    pub step: Step,
    /// What it was going to store.
    pub will: Will,
    /// When it was begun, milliseconds since 1970.
    pub at_ms: i64,
    /// How it ended, and when; `None` while nobody knows.
    pub outcome: Option<(Outcome, i64)>,
    /// `false` where it ended without being taken: nothing of it can be there.
    pub acted: bool,
}

impl Taken {
    fn is_done(&self) -> bool {
        matches!(self.outcome, Some((Outcome::Done { .. }, _)))
    }

    /// It was carried out, or may have been in part.
    fn may_have_changed(&self) -> bool {
        self.acted && self.step.changes() && !matches!(self.outcome, Some((Outcome::NotNeeded { .. }, _)))
    }
}

/// One execution of a plan, as far as it has come.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// Its name.
    pub id: AttemptId,
    /// What is carried out.
    pub plan: Plan,
    /// Who wanted it.
    pub by: Actor,
    /// Why.
    pub reason: String,
    /// When it was begun, milliseconds since 1970.
    pub begun_ms: i64,
    /// What was there before.
    pub saved: Option<Saved>,
    /// What the attempt that this one restores had saved.
    pub source: Option<Saved>,
    /// Its steps, in the order in which they were begun.
    pub taken: Vec<Taken>,
    /// How it ended, with one line, and when.
    pub ended: Option<(Ended, String, i64)>,
    /// What is not delivered, once it has ended.
    pub lost: Option<Stretch>,
}

/// What comes next in an attempt.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// This step.
    Do {
        /// On or back.
        phase: Phase,
        /// Number of the step.
        index: usize,
        /// How often the steps were begun anew.
        round: u32,
        /// The step.
        step: Step,
    },
    /// Nobody knows how the last step that was begun has ended: look at the world.
    Resolve(Box<Taken>),
    /// It ends.
    End(Ended),
    /// It has ended.
    Nothing,
}

impl Attempt {
    /// What comes next.
    #[must_use]
    pub fn next(&self) -> Next {
        if self.ended.is_some() {
            return Next::Nothing;
        }
        let Some(last) = self.taken.last() else { return self.forward(0, 0) };
        let Some((outcome, _)) = &last.outcome else { return Next::Resolve(Box::new(last.clone())) };
        if last.phase == Phase::Back {
            return self.back(last.index.saturating_add(1));
        }
        match outcome {
            Outcome::Done { .. } | Outcome::NotNeeded { .. } => {
                self.forward(last.index.saturating_add(1), last.round)
            }
            Outcome::Again { .. } if last.round.saturating_add(1) < ROUNDS => {
                self.forward(self.repeat_from(), last.round.saturating_add(1))
            }
            Outcome::Again { .. } | Outcome::Over { .. } | Outcome::Failed { .. } => self.back(0),
        }
    }

    fn forward(&self, index: usize, round: u32) -> Next {
        match self.plan.steps.get(index) {
            Some(step) => Next::Do { phase: Phase::Forward, index, round, step: step.clone() },
            None => Next::End(Ended::Recovered),
        }
    }

    fn back(&self, index: usize) -> Next {
        match self.put_back().get(index) {
            Some(step) => Next::Do { phase: Phase::Back, index, round: 0, step: step.clone() },
            None => Next::End(self.end_of_way_back()),
        }
    }

    fn end_of_way_back(&self) -> Ended {
        let back = self.taken.iter().filter(|taken| taken.phase == Phase::Back);
        let mut outcomes = back.filter_map(|taken| taken.outcome.as_ref());
        if outcomes.any(|(outcome, _)| matches!(outcome, Outcome::Failed { .. } | Outcome::Again { .. })) {
            return Ended::NeedsPerson;
        }
        let over = self.taken.iter().any(|taken| matches!(taken.outcome, Some((Outcome::Over { .. }, _))));
        if over { Ended::NotNeeded } else { Ended::PutBack }
    }

    /// The first step that can be repeated: what comes before it holds for all rounds.
    fn repeat_from(&self) -> usize {
        self.plan.steps.iter().position(|step| *step != Step::Save).unwrap_or(0)
    }

    /// Steps that lead on and changed something, or may have.
    fn changed(&self) -> impl Iterator<Item = &Taken> {
        self.taken.iter().filter(|taken| taken.phase == Phase::Forward && taken.may_have_changed())
    }

    /// What puts the connector back to where it was: a function of the steps that led on, so that it stays the same while it is
    /// walked.
    #[must_use]
    pub fn put_back(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let namespaces: BTreeSet<&String> = self
            .changed()
            .filter_map(|taken| {
                if let Step::InsertMarker { namespace } = &taken.step { Some(namespace) } else { None }
            })
            .collect();
        for namespace in namespaces {
            let removed = Step::RemoveMarker { namespace: namespace.clone() };
            if !self.changed().any(|taken| taken.step == removed && taken.is_done()) {
                steps.push(removed);
            }
        }
        let partition = self.changed().find_map(|taken| match &taken.step {
            Step::WriteMark { partition, .. }
            | Step::RemoveOffset { partition }
            | Step::RestoreOffset { partition } => Some(partition.clone()),
            Step::Save
            | Step::Stop
            | Step::Configure { .. }
            | Step::StartAtOldest { .. }
            | Step::Resume
            | Step::Pause
            | Step::RestartTasks
            | Step::InsertMarker { .. }
            | Step::RemoveMarker { .. }
            | Step::AwaitStored
            | Step::Verify
            | Step::ResizeOplog { .. } => None,
        });
        let config = self.config_before();
        let was_running =
            !matches!(self.plan.expects.state, ConnectorState::Stopped | ConnectorState::Paused);
        let stopped = self.changed().any(|taken| taken.step == Step::Stop);
        if let Some(partition) = partition {
            steps.push(Step::Stop);
            steps.push(Step::RestoreOffset { partition });
        }
        if !config.is_empty() {
            steps.push(Step::Configure { to: config });
        }
        if stopped && self.plan.expects.state == ConnectorState::Paused {
            steps.push(Step::Pause);
        } else if stopped && was_running {
            steps.push(Step::Resume);
        }
        steps
    }

    /// Keys that this attempt has changed, with what they were.
    fn config_before(&self) -> BTreeMap<String, Option<String>> {
        let Some(saved) = &self.saved else { return BTreeMap::new() };
        let keys = self.changed().flat_map(|taken| taken.will.config.keys());
        let before = keys.map(|key| (key.clone(), saved.config.get(key).cloned()));
        let now = self.expected_config();
        before.filter(|(key, value)| now.as_ref().is_some_and(|now| now.get(key) != value.as_ref())).collect()
    }

    /// What the configuration must be by now: as it was saved, with what this attempt has changed.
    #[must_use]
    pub fn expected_config(&self) -> Option<BTreeMap<String, String>> {
        let mut config = self.saved.as_ref()?.config.clone();
        for taken in self.changed() {
            for (key, value) in &taken.will.config {
                match value {
                    Some(value) => config.insert(key.clone(), value.clone()),
                    None => config.remove(key),
                };
            }
        }
        Some(config)
    }

    /// Texts that this attempt has stored, or may have.
    pub fn stored_texts(&self) -> impl Iterator<Item = &str> {
        self.taken.iter().filter_map(|taken| taken.will.text.as_deref())
    }

    /// What was stored under this key before.
    #[must_use]
    pub fn saved_text(&self, partition: &str) -> Option<&str> {
        self.saved.as_ref()?.offsets.iter().find(|offset| offset.ns() == Some(partition))?.text()
    }

    /// What the attempt that this one restores had found under this key; `None` where this one restores none.
    #[must_use]
    pub fn source_text(&self, partition: &str) -> Option<Option<&str>> {
        let source = self.source.as_ref()?;
        Some(
            source
                .offsets
                .iter()
                .find(|offset| offset.ns() == Some(partition))
                .and_then(|offset| offset.text()),
        )
    }

    /// What is not delivered, as far as the steps tell: from the plan's position to where the connector went on.
    #[must_use]
    pub fn stretch(&self) -> Option<Stretch> {
        // Its live stream was proven to have delivered what its stored position does not show.
        if self.plan.loses == Loses::Nothing {
            return None;
        }
        let from = self.plan.expects.token.as_ref()?.time?;
        let changed_where_it_goes_on = self.changed().any(|taken| {
            matches!(
                taken.step,
                Step::WriteMark { .. }
                    | Step::RemoveOffset { .. }
                    | Step::StartAtOldest { .. }
                    | Step::Configure { .. }
            )
        });
        if !changed_where_it_goes_on {
            return None;
        }
        let marks = self.taken.iter().rev().filter(|taken| taken.is_done());
        let mark = marks.clone().find_map(|taken| taken.will.time());
        let reached = marks.filter_map(|taken| match &taken.outcome {
            Some((Outcome::Done { reached, .. }, _)) => *reached,
            _ => None,
        });
        let to = mark.or_else(|| reached.min())?;
        Some(Stretch { from, to }).filter(|stretch| stretch.from < stretch.to)
    }

    /// It has stopped the connector and not started it again.
    #[must_use]
    pub fn leaves_it_stopped(&self) -> bool {
        let last = self.taken.iter().rev().find(|taken| {
            matches!(taken.step, Step::Stop | Step::Resume | Step::Pause) && taken.may_have_changed()
        });
        last.is_some_and(|taken| taken.step == Step::Stop)
            && self.plan.expects.state != ConnectorState::Stopped
    }

    fn took(&self, step: &Step) -> bool {
        self.taken.iter().any(|taken| taken.phase == Phase::Forward && taken.acted && taken.step == *step)
    }
}

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
            Event::Approved { plan, by, reason, .. } => self.word(plan, by, reason, at_ms, true),
            Event::Discarded { plan, by, reason, .. } => self.word(plan, by, reason, at_ms, false),
            Event::Acknowledged { connector, .. } => {
                self.acknowledged.insert(connector.clone(), at_ms);
            }
            Event::Frozen { by, reason } => self.frozen = Some((by.clone(), reason.clone())),
            Event::Unfrozen { .. } => self.frozen = None,
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
                    lost: None,
                });
            }
            Event::Saved { attempt, saved } => {
                if let Some(attempt) = self.open(attempt) {
                    attempt.saved = Some((**saved).clone());
                }
            }
            Event::Intent { attempt, phase, index, round, step, will } => {
                let taken = Taken {
                    phase: *phase,
                    index: *index,
                    round: *round,
                    step: step.clone(),
                    will: will.clone(),
                    at_ms,
                    outcome: None,
                    acted: true,
                };
                if let Some(attempt) = self.open(attempt) {
                    attempt.taken.push(taken);
                }
            }
            Event::Skipped { attempt, phase, index, round, step, outcome } => {
                let taken = Taken {
                    phase: *phase,
                    index: *index,
                    round: *round,
                    step: step.clone(),
                    will: Will::default(),
                    at_ms,
                    outcome: Some((outcome.clone(), at_ms)),
                    acted: false,
                };
                if let Some(attempt) = self.open(attempt) {
                    attempt.taken.push(taken);
                }
            }
            Event::Outcome { attempt, outcome } => {
                let last = self.open(attempt).and_then(|attempt| attempt.taken.last_mut());
                if let Some(taken) = last.filter(|taken| taken.outcome.is_none()) {
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

    fn word(&mut self, plan: &PlanId, by: &Actor, reason: &str, at_ms: i64, approves: bool) {
        let word = Word { by: by.clone(), reason: reason.to_owned(), at_ms, approves };
        self.words.insert(plan.clone(), word);
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

    /// Until when the cooldown after the last attempt at a connector lasts, milliseconds since 1970; a restart begins none.
    #[must_use]
    pub fn cooldown_until(&self, connector: &ConnectorId, cooldown: Duration) -> Option<i64> {
        let counts = |(ended, _): &(Ended, i64)| *ended != Ended::NotNeeded;
        let endings = self.endings(connector, |strategy| strategy != Strategy::Restart).filter(counts);
        let last = endings.map(|(_, at_ms)| at_ms).max()?;
        Some(last.saturating_add(i64::try_from(cooldown.as_millis()).unwrap_or(i64::MAX)))
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

    /// The offset under this key was removed with this token in it once: it is not removed a second time.
    #[must_use]
    pub fn was_removed(&self, connector: &ConnectorId, plan: &Plan) -> bool {
        let removal = plan.steps.iter().find(|step| matches!(step, Step::RemoveOffset { .. }));
        removal.is_some_and(|step| {
            self.attempts_at(connector)
                .any(|attempt| attempt.plan.expects.token == plan.expects.token && attempt.took(step))
        })
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
        ended.filter(|(ended, _, _)| *ended == Ended::Recovered).map(|(_, _, at_ms)| *at_ms).max()
    }
}
