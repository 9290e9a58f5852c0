//! One execution of a plan: what was done, what comes next, and what would put it back.

use super::entry::Will;
use super::unsettled::About;
use super::world::{RawOffset, World};
use super::{
    Actor, AttemptId, Ended, Expects, Fingerprint, Loses, Lost, Outcome, Phase, Plan, Saved, Step,
    StoredToken, Strategy, Stretch, Trigger,
};
use crate::domain::ConnectorState;
use std::collections::{BTreeMap, BTreeSet};

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
    /// `false` where it ended without being taken, or was refused: nothing of it can be there.
    pub acted: bool,
}

impl Taken {
    /// One that was begun, and of which nothing else is known.
    pub(super) fn new(phase: Phase, index: usize, round: u32, step: &Step, at_ms: i64) -> Self {
        let (step, will) = (step.clone(), Will::default());
        Self { phase, index, round, step, will, at_ms, outcome: None, acted: true }
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self.outcome, Some((Outcome::Done { .. }, _)))
    }

    /// It was carried out, or may have been in part. What was sent and then found needless may still come.
    fn may_have_changed(&self) -> bool {
        self.acted && self.step.changes()
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
    pub lost: Lost,
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
            return match outcome {
                Outcome::NotSent { .. } => self.back(last.index, last.round),
                // Something has come after it was put back.
                Outcome::Again { .. } if last.round.saturating_add(1) < ROUNDS => {
                    self.back(0, last.round.saturating_add(1))
                }
                Outcome::Done { .. }
                | Outcome::NotNeeded { .. }
                | Outcome::Again { .. }
                | Outcome::Over { .. }
                | Outcome::Failed { .. } => self.back(last.index.saturating_add(1), last.round),
            };
        }
        match outcome {
            Outcome::NotSent { .. } => self.forward(last.index, last.round),
            Outcome::Done { .. } | Outcome::NotNeeded { .. } => {
                self.forward(last.index.saturating_add(1), last.round)
            }
            Outcome::Again { .. } if last.round.saturating_add(1) < ROUNDS => {
                self.forward(self.repeat_from(), last.round.saturating_add(1))
            }
            Outcome::Again { .. } | Outcome::Over { .. } | Outcome::Failed { .. } => self.back(0, 0),
        }
    }

    fn forward(&self, index: usize, round: u32) -> Next {
        match self.plan.steps.get(index) {
            Some(step) => Next::Do { phase: Phase::Forward, index, round, step: step.clone() },
            None => Next::End(Ended::Recovered),
        }
    }

    fn back(&self, index: usize, round: u32) -> Next {
        match self.put_back().get(index) {
            Some(step) => Next::Do { phase: Phase::Back, index, round, step: step.clone() },
            None => Next::End(self.end_of_way_back()),
        }
    }

    fn end_of_way_back(&self) -> Ended {
        let back = || self.taken.iter().filter(|taken| taken.phase == Phase::Back);
        let round = back().map(|taken| taken.round).max();
        let last = back().filter(|taken| Some(taken.round) == round);
        let mut outcomes = last.filter_map(|taken| taken.outcome.as_ref());
        let wrong = |outcome: &Outcome| matches!(outcome, Outcome::Failed { .. } | Outcome::Again { .. });
        if outcomes.any(|(outcome, _)| wrong(outcome)) || self.unsettled().is_some() {
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
                if let Step::InsertMarker { namespace, .. } = &taken.step { Some(namespace) } else { None }
            })
            .collect();
        for namespace in namespaces {
            let removed = Step::RemoveMarker { namespace: namespace.clone() };
            if !self.changed().any(|taken| taken.step == removed && taken.is_done()) {
                steps.push(removed);
            }
        }
        let partition = self.changed().find_map(|taken| taken.step.partition().map(str::to_owned));
        let config = self.config_before();
        let stopped = self.changed().any(|taken| taken.step == Step::Stop);
        // Whoever stopped it: it is waited for until it is up again.
        let worker = self.plan.steps.contains(&Step::StopWorker);
        if let Some(partition) = partition {
            steps.extend(self.holds_still(worker));
            steps.push(Step::RestoreOffset { partition });
            steps.extend(self.begins_anew(self.plan.expects.state));
        } else if self.changed().any(|taken| taken.step == Step::Pause) && self.by_topic_unstopped() {
            steps.push(Step::Resume);
        }
        if worker && self.reached(&Step::StopWorker) {
            steps.push(Step::StartWorker);
            steps.extend(Self::paused_again(self.plan.expects.state));
        }
        if !config.is_empty() {
            steps.push(Step::Configure { to: config });
        }
        if stopped {
            steps.extend(Step::back_to(self.plan.expects.state));
        } else if !worker && self.changed().any(|taken| taken.step == Step::Resume) {
            // It stood, and nobody but this attempt has started it.
            let stands = Step::standing(self.plan.expects.state);
            steps.extend(stands.filter(|step| !steps.contains(step)));
        }
        if !steps.is_empty() && self.leaves_unsettled() {
            steps.push(Step::Verify);
        }
        steps
    }

    /// It alters the offsets topic itself.
    #[must_use]
    pub fn is_by_topic(&self) -> bool {
        self.plan.steps.contains(&Step::AwaitStill)
    }

    /// The same before a Connect that can stop nothing: it is paused instead, or has failed.
    #[must_use]
    pub fn by_topic_unstopped(&self) -> bool {
        self.is_by_topic() && !self.plan.steps.contains(&Step::Stop)
    }

    /// What keeps everybody from writing its offset while that is put back.
    fn holds_still(&self, worker: bool) -> Vec<Step> {
        if worker {
            return vec![Step::StopWorker];
        }
        let halt = if self.by_topic_unstopped() { Step::Pause } else { Step::Stop };
        std::iter::once(halt).chain(self.is_by_topic().then_some(Step::AwaitStill)).collect()
    }

    /// What was only paused has to be told to begin with what is stored by then.
    fn begins_anew(&self, state: ConnectorState) -> Vec<Step> {
        if !self.by_topic_unstopped() {
            return Vec::new();
        }
        let resumes = (state != ConnectorState::Paused).then_some(Step::Resume);
        std::iter::once(Step::Restart).chain(resumes).collect()
    }

    /// A worker that is started again has forgotten that a connector of it was paused.
    fn paused_again(state: ConnectorState) -> Option<Step> {
        (state == ConnectorState::Paused).then_some(Step::Pause)
    }

    fn reached(&self, step: &Step) -> bool {
        self.taken.iter().any(|taken| taken.phase == Phase::Forward && taken.step == *step)
    }

    /// Keys that this attempt has changed, with what they were.
    fn config_before(&self) -> BTreeMap<String, Option<String>> {
        let Some(saved) = &self.saved else { return BTreeMap::new() };
        let keys = self.changed().flat_map(|taken| taken.will.config.keys());
        let before = keys.map(|key| (key.clone(), saved.config.get(key).cloned()));
        let now = self.expected_config();
        let differs = |key: &String, value: &Option<String>| {
            now.as_ref().is_some_and(|now| now.get(key) != value.as_ref())
        };
        before.filter(|(key, value)| differs(key, value) || self.leaves_unsettled_setting(key)).collect()
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

    /// What is not delivered, as far as the steps tell: from the last position that is known to be delivered to where the
    /// connector went on.
    #[must_use]
    pub fn lost(&self) -> Lost {
        // The cures change settings; what salvage sets beside its mark, or a restore puts back, moves nothing.
        let by_settings = self.plan.strategy != Strategy::Salvage && self.plan.restores.is_none();
        let moves = |taken: &&Taken| {
            let step = &taken.step;
            let keys = step.partition().is_some() && !matches!(step, Step::RestoreOffset { .. });
            let start = matches!(step, Step::StartAtOldest { .. });
            keys || start || (by_settings && matches!(step, Step::Configure { .. }))
        };
        // What was found needless has moved nothing, whether it was sent or not.
        let needless = |taken: &&Taken| matches!(taken.outcome, Some((Outcome::NotNeeded { .. }, _)));
        let mut changed = self.changed().filter(|taken| !needless(taken));
        let Some(moved) = changed.find(moves) else { return Lost::Nothing };
        // Of another stream's position, or a start at a configured time, two ends are no stretch.
        if self.plan.loses == Loses::Unknown {
            return Lost::Unknown;
        }
        let done = |taken: &&Taken| taken.phase == Phase::Forward && taken.is_done();
        let reached = |taken: &Taken| match &taken.outcome {
            Some((Outcome::Done { reached, .. }, _)) => *reached,
            _ => None,
        };
        // A live stream has delivered everything until it was stopped, and nothing after that.
        let from = if self.plan.loses == Loses::Nothing && self.plan.trigger == Trigger::LostWhileRunning {
            let stops = |taken: &&Taken| matches!(taken.step, Step::Stop | Step::StopWorker);
            self.taken.iter().filter(done).find(stops).and_then(reached)
        } else {
            self.plan.expects.token.as_ref().and_then(|token| token.time)
        };
        let mark = self.taken.iter().rev().filter(done).find_map(|taken| taken.will.time());
        let after = self.taken.iter().filter(done).skip_while(|taken| taken.at_ms < moved.at_ms);
        let to = mark.or_else(|| after.filter_map(reached).min());
        match (from, to) {
            (Some(from), Some(to)) if from < to => Lost::Stretch(Stretch { from, to }),
            (Some(_), Some(_)) => Lost::Nothing,
            _ => Lost::Unknown,
        }
    }

    /// The plan that puts back what this attempt has replaced, in the world as it is now.
    ///
    /// # Errors
    /// One line, where nothing was saved or nothing is to be put back.
    pub fn restoring(&self, world: &World) -> Result<Plan, String> {
        let (Some(saved), Some(state)) = (&self.saved, world.state) else {
            return Err(if self.saved.is_none() {
                "it has saved nothing: it changed nothing"
            } else {
                "the connector is gone"
            }
            .to_owned());
        };
        if let Some(says) = super::stood::doubt(state, &world.tasks) {
            return Err(super::stood::unclear(&says, "ask again in a moment"));
        }
        let partition = self.changed().find_map(|taken| taken.step.partition().map(str::to_owned));
        let keys: BTreeSet<&String> = self.taken.iter().flat_map(|taken| taken.will.config.keys()).collect();
        let to: BTreeMap<String, Option<String>> = keys
            .into_iter()
            .filter(|key| world.config.get(*key) != saved.config.get(*key))
            .map(|key| (key.clone(), saved.config.get(key).cloned()))
            .collect();
        let stored = partition.as_deref().and_then(|partition| world.under(partition));
        let same = partition
            .as_deref()
            .is_none_or(|partition| stored.and_then(RawOffset::text) == self.saved_text(partition));
        if same && to.is_empty() {
            return Err("nothing is to be put back: offset and settings are as they were saved".to_owned());
        }
        let worker = self.plan.steps.contains(&Step::StopWorker);
        let mut steps = vec![Step::Save];
        if let Some(partition) = partition.clone().filter(|_| !same) {
            steps.extend(self.holds_still(worker));
            steps.push(Step::RestoreOffset { partition });
            steps.extend(self.begins_anew(state));
            if worker {
                steps.push(Step::StartWorker);
                steps.extend(Self::paused_again(state));
            }
        }
        steps.extend((!to.is_empty()).then_some(Step::Configure { to }));
        if !same && !worker && !self.by_topic_unstopped() {
            steps.extend(Step::back_to(state));
        }
        let token = stored.and_then(|stored| {
            Some(StoredToken { time: stored.time(), text: Fingerprint::of_text(stored.text()?) })
        });
        let plan = Plan {
            expects: Expects { token, state, config: Fingerprint::of_config(&world.config), partition },
            steps,
            restores: Some(self.id.clone()),
            loses: Loses::Unknown,
            rescans_bytes: None,
            effects: vec!["it goes on from the position that was saved, wherever that leads".to_owned()],
            ..self.plan.clone()
        };
        Ok(plan.named())
    }

    /// It has stopped the connector, or paused it instead, and not started it again.
    #[must_use]
    pub fn leaves_it_stopped(&self) -> bool {
        let stood = self.plan.expects.state;
        let stops = matches!(self.last_order(), Some(Step::Stop | Step::StopWorker));
        let pauses = self.holds_it_paused() && stood != ConnectorState::Paused;
        (stops || pauses) && stood != ConnectorState::Stopped
    }

    /// It was paused by this attempt, and not resumed since.
    pub(super) fn holds_it_paused(&self) -> bool {
        self.by_topic_unstopped() && matches!(self.last_order(), Some(Step::Pause))
    }

    /// The last state that it has asked for.
    fn last_order(&self) -> Option<&Step> {
        self.last_ordered().map(|taken| &taken.step)
    }

    fn last_ordered(&self) -> Option<&Taken> {
        let order = |taken: &&Taken| {
            matches!(
                taken.step,
                Step::Stop | Step::StopWorker | Step::Resume | Step::Pause | Step::StartWorker
            )
        };
        self.taken.iter().rev().filter(order).find(|taken| taken.may_have_changed())
    }

    /// The last that it has asked for is that it runs.
    pub(super) fn has_started_it(&self) -> bool {
        matches!(self.last_order(), Some(Step::Resume | Step::StartWorker))
    }

    pub(super) fn has_asked_for_a_stop(&self) -> bool {
        self.taken.iter().any(|taken| taken.acted && taken.step == Step::Stop)
    }

    /// It has given this setting this value, or may have.
    pub(super) fn has_set(&self, key: &str, value: Option<&String>) -> bool {
        let mut sent = self.taken.iter().filter(|taken| taken.acted);
        sent.any(|taken| taken.will.config.get(key).is_some_and(|set| set.as_ref() == value))
    }

    /// It has asked for it to run, or to be paused, and not to be stopped since.
    pub(super) fn has_told_it_to_start(&self) -> bool {
        matches!(self.last_order(), Some(Step::Resume | Step::Pause | Step::StartWorker))
    }

    /// It has asked for another order than this, and nobody has seen that one carried out: it may still come, after whatever
    /// Connect shows now. A worker that died holding a connector shows RUNNING until it is replaced, and whoever replaces it finds
    /// the connector stopped.
    pub(super) fn another_order_may_come(&self, step: &Step) -> bool {
        self.may_come(About::Order).is_some_and(|taken| taken.step != *step)
    }

    /// It has removed what was stored under this key, or may have.
    pub(super) fn has_removed(&self, partition: &str) -> bool {
        // Where nothing was stored before, to put that back is to remove.
        let removes = |taken: &Taken| {
            let restores = matches!(taken.step, Step::RestoreOffset { .. });
            matches!(taken.step, Step::RemoveOffset { .. }) || (restores && taken.will.text.is_none())
        };
        let mut acted = self.taken.iter().filter(|taken| taken.acted);
        acted.any(|taken| taken.step.partition() == Some(partition) && removes(taken))
    }

    /// It has changed where the connector goes on, or may have.
    pub(super) fn has_moved_it(&self) -> bool {
        let moves = |taken: &Taken| {
            let configures = matches!(taken.step, Step::Configure { .. } | Step::StartAtOldest { .. });
            configures || taken.step.partition().is_some()
        };
        self.changed().any(moves)
    }

    /// It has left the connector without an offset, or may have.
    pub(super) fn has_dropped_its_offset(&self) -> bool {
        let mut acted = self.taken.iter().filter(|taken| taken.phase == Phase::Forward && taken.acted);
        acted.any(|taken| taken.step.drops_its_offset())
    }
}
