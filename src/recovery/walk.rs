//! One attempt on its way: frozen or not, what the world looks like, what is written down.

use super::away::{Away, shown, stands};
use super::execute::Executor;
use super::pace::Pace;
use super::prepare::{Prepared, marks};
use super::still::Places;
use super::take::Started;
use super::{Hands, failpoint, world};
use crate::journal::JournalError;
use resumeguard_core::domain::ConnectorState;
use resumeguard_core::recovery::Plan;
use resumeguard_core::recovery::check::resolve;
use resumeguard_core::recovery::{
    Attempt, AttemptId, Ended, Event, Lost, Next, Outcome, Phase, Saved, Step, Taken, World,
};
use std::time::Duration;

/// Between two looks at something that is waited for.
pub(super) const AGAIN: Duration = Duration::from_millis(400);

/// How long an oplog that cannot be read is waited for where a mark depends on it: longer than an election takes.
const OPLOG: Duration = Duration::from_secs(60);

/// How long a request of unknown outcome may still come into effect before it is sent again, and after it was put back. The
/// status of a worker lags its leader's by a second or two.
pub(super) const SETTLES: Duration = Duration::from_secs(15);

/// How often one step is asked for when nobody knows whether it was taken.
const TIMES: u32 = 4;

/// Where a step stands in its attempt.
#[derive(Debug, Clone)]
pub(super) struct Turn {
    pub(super) phase: Phase,
    pub(super) index: usize,
    pub(super) round: u32,
    pub(super) step: Step,
}

/// What came of looking.
enum Look {
    Seen(Box<(Hands, World)>),
    Frozen,
    Not(String),
}

/// Why an attempt at this plan may not lead on any more. Asked before each step: a configuration may be replaced at any moment.
pub(super) type Forbids<'a> = &'a (dyn Fn(&Plan) -> Option<String> + Send + Sync);

/// One attempt on its way.
pub(super) struct Walk<'a> {
    pub(super) executor: &'a Executor,
    id: AttemptId,
    /// Why nothing may lead on, as it is decided at this moment.
    forbids: Forbids<'a>,
    /// As of the last look: whoever refreshes them may have forgotten a connector that is gone.
    hands: Option<Hands>,
    pub(super) pace: Pace,
    pub(super) started: Started,
    before_hook_ran: bool,
    pub(super) times: u32,
    /// What was answered when the outcome of the last request could not be known.
    pub(super) uncertain: Option<String>,
    /// What was about to be sent was refused, or was not sent.
    pub(super) untouched: bool,
    /// Where everything stood that is stored for the connector when it was found to stand still; forgotten as soon as it may not any more.
    pub(super) still: Option<Places>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(executor: &'a Executor, id: AttemptId, forbids: Forbids<'a>) -> Self {
        let started = Started::at(executor.clock.uptime());
        Self {
            executor,
            id,
            forbids,
            hands: None,
            pace: Pace::default(),
            started,
            before_hook_ran: false,
            times: 0,
            uncertain: None,
            untouched: false,
            still: None,
        }
    }

    pub(super) fn uptime(&self) -> Duration {
        self.executor.clock.uptime()
    }

    fn attempt(&self) -> Option<Attempt> {
        self.executor.journal.ledger().attempt(&self.id).cloned()
    }

    /// One move; `Some` once it has ended.
    pub(super) async fn advance(&mut self) -> Result<Option<Ended>, JournalError> {
        let Some(attempt) = self.attempt() else {
            tracing::error!(attempt = %self.id, "the journal knows no such attempt");
            return Ok(Some(Ended::NotNeeded));
        };
        match attempt.next() {
            Next::Nothing => Ok(attempt.ended.map(|(ended, _, _)| ended)),
            Next::End(ended) => self.end(&attempt, ended).await.map(Some),
            Next::Do { phase, index, round, step } => {
                self.turn(&attempt, Turn { phase, index, round, step }).await.map(|()| None)
            }
            Next::Resolve(taken) => self.resolve(attempt, &taken).await.map(|()| None),
        }
    }

    /// A step that is begun.
    async fn turn(&mut self, attempt: &Attempt, turn: Turn) -> Result<(), JournalError> {
        self.times = 0;
        self.until_unfrozen(attempt).await;
        match self.look(attempt, &turn).await {
            Look::Seen(seen) => self.attend(attempt, turn, &seen.0, seen.1, false).await,
            Look::Frozen => Ok(()),
            Look::Not(says) => self.close(attempt, &turn, Outcome::Failed { says }, false).await,
        }
    }

    /// A step of which nobody knows how it ended: the world tells, or it is taken again.
    async fn resolve(&mut self, attempt: Attempt, taken: &Taken) -> Result<(), JournalError> {
        let turn =
            Turn { phase: taken.phase, index: taken.index, round: taken.round, step: taken.step.clone() };
        let begun = self.uptime();
        let seen = loop {
            self.until_unfrozen(&attempt).await;
            let seen = match self.look(&attempt, &turn).await {
                Look::Seen(seen) => seen,
                Look::Frozen => continue,
                Look::Not(says) => return self.close(&attempt, &turn, Outcome::Failed { says }, true).await,
            };
            // What is not to be seen yet may still come.
            let settled = !shows(&turn.step) || self.uptime().saturating_sub(begun) >= SETTLES;
            match resolve(&attempt, taken, &seen.1) {
                Some(outcome) if settled || !matches!(outcome, Outcome::Failed { .. }) => {
                    let outcome = self.with_the_present(outcome, &attempt, &turn, &seen).await;
                    return self.close(&attempt, &turn, outcome, true).await;
                }
                None if settled => break seen,
                Some(_) | None => tokio::time::sleep(AGAIN).await,
            }
        };
        self.times += 1;
        if self.times >= TIMES {
            let last = self.uncertain.take().unwrap_or_else(|| "it was never seen to be taken".to_owned());
            let outcome = Outcome::Failed { says: format!("asked for {TIMES} times: {last}") };
            return self.close(&attempt, &turn, outcome, true).await;
        }
        self.attend(&attempt, turn, &seen.0, seen.1, true).await
    }

    /// A connector without an offset goes on at the present; who has seen it resume has to say when that was.
    async fn with_the_present(
        &self,
        outcome: Outcome,
        attempt: &Attempt,
        turn: &Turn,
        (hands, world): &(Hands, World),
    ) -> Outcome {
        let runs = world.state == Some(ConnectorState::Running);
        // Of one that stands, nobody knows yet where it goes on.
        let configured = matches!(turn.step, Step::Configure { .. }) && runs;
        if let Outcome::Done { says, reached: None } = &outcome
            && (matches!(turn.step, Step::Resume | Step::StartWorker | Step::Restart) || configured)
        {
            return Outcome::Done {
                says: says.clone(),
                reached: self.goes_on_at(attempt, turn, hands).await,
            };
        }
        outcome
    }

    /// Decides about a step in this world; if it may be, writes it down and takes it.
    async fn attend(
        &mut self,
        attempt: &Attempt,
        turn: Turn,
        hands: &Hands,
        world: World,
        begun: bool,
    ) -> Result<(), JournalError> {
        if let Some(says) = self.forbidden(attempt, &turn) {
            tracing::warn!(connector = %attempt.plan.connector, attempt = %self.id, says, "what this attempt has changed is put back");
            return self.close(attempt, &turn, Outcome::Failed { says }, begun).await;
        }
        match self.before_hook(attempt, &turn).await {
            Ok(false) => {}
            // A person may have used the time that it took: the next move looks again.
            Ok(true) => return Ok(()),
            Err(says) => return self.close(attempt, &turn, Outcome::Failed { says }, begun).await,
        }
        let (will, world) = match self.prepare(attempt, &turn, hands, world).await {
            Prepared::Go(will, world) => (will, *world),
            Prepared::Ends(outcome) => return self.close(attempt, &turn, outcome, begun).await,
            Prepared::LookAgain => return Ok(()),
        };
        // The last moment at which nothing has been done.
        if self.frozen().is_some() {
            return Ok(());
        }
        failpoint::reached(&turn.step, failpoint::BEFORE_INTENT);
        let Turn { phase, index, round, step } = turn.clone();
        let intent =
            Event::Intent { attempt: self.id.clone(), phase, index, round, step, will: will.clone() };
        self.executor.journal.append(intent).await?;
        failpoint::reached(&turn.step, failpoint::AFTER_INTENT);
        // A slow disk leaves time to forbid it, and to freeze.
        if let Some(says) = self.forbidden(attempt, &turn).filter(|_| !begun) {
            self.untouched = true;
            return self.close(attempt, &turn, Outcome::Failed { says }, true).await;
        }
        if self.frozen().is_some() && !begun {
            let says = "recovery was frozen before it was sent".to_owned();
            return self.close(attempt, &turn, Outcome::NotSent { says }, true).await;
        }
        if turn.step == Step::Save {
            self.save(&world).await?;
        }
        let Some(attempt) = self.attempt() else { return Ok(()) };
        let outcome = self.take(&attempt, (&turn, !begun), &will, &world, hands).await;
        failpoint::reached(&turn.step, failpoint::AFTER_EFFECT);
        match outcome {
            Some(outcome) => self.close(&attempt, &turn, outcome, true).await,
            // The next move looks at the world.
            None => Ok(()),
        }
    }

    /// Why this step may not be taken any more, where it leads on.
    fn forbidden(&self, attempt: &Attempt, turn: &Turn) -> Option<String> {
        (turn.phase == Phase::Forward).then(|| (self.forbids)(&attempt.plan)).flatten()
    }

    async fn save(&self, world: &World) -> Result<(), JournalError> {
        let Some(state) = world.state else { return Ok(()) };
        let saved = Saved { state, config: world.config.clone(), offsets: world.offsets.clone() };
        let event = Event::Saved { attempt: self.id.clone(), saved: Box::new(saved) };
        self.executor.journal.append(event).await.map(drop)
    }

    /// Writes down how a step ended, and whether it was `begun` at all.
    async fn close(
        &mut self,
        attempt: &Attempt,
        turn: &Turn,
        outcome: Outcome,
        begun: bool,
    ) -> Result<(), JournalError> {
        let (id, Turn { phase, index, round, step }) = (self.id.clone(), turn.clone());
        let untouched = std::mem::take(&mut self.untouched);
        let event = if begun {
            Event::Outcome { attempt: id, outcome: outcome.clone(), untouched }
        } else {
            Event::Skipped { attempt: id, phase, index, round, step, outcome: outcome.clone() }
        };
        self.executor.journal.append(event).await?;
        let (connector, step) = (&attempt.plan.connector, turn.step.code());
        let back = turn.phase == Phase::Back;
        tracing::info!(%connector, attempt = %self.id, step, back, outcome = outcome.code(), "{}", outcome.says());
        Ok(())
    }

    async fn end(&mut self, attempt: &Attempt, ended: Ended) -> Result<Ended, JournalError> {
        let mut says = conclusion(attempt, ended);
        if let Some(taken) = attempt.unsettled().filter(|_| ended == Ended::NeedsPerson) {
            says = format!("{says}; {} was sent, and may still come into effect", taken.step.code());
        }
        if let Some(stands) = self.stands(attempt, ended).await {
            says = format!("{says}; {stands}: resume it once that is mended");
        }
        // A position that was put back has lost nothing by us.
        let lost = match ended {
            Ended::Recovered | Ended::NeedsPerson => attempt.lost(),
            Ended::NotNeeded | Ended::PutBack => Lost::Nothing,
        };
        let event = Event::Ended { attempt: self.id.clone(), ended, says: says.clone(), lost };
        self.executor.journal.append(event).await?;
        let (connector, strategy) = (&attempt.plan.connector, attempt.plan.strategy.code());
        let lost_seconds = match lost {
            Lost::Nothing => "0".to_owned(),
            Lost::Stretch(stretch) => stretch.seconds().to_string(),
            Lost::Unknown => "unknown".to_owned(),
        };
        if ended.is_failure() {
            tracing::error!(%connector, attempt = %self.id, strategy, ended = ended.code(), "recovery failed: {says}");
        } else {
            tracing::warn!(%connector, attempt = %self.id, strategy, ended = ended.code(), lost_seconds, "recovery ended: {says}");
        }
        self.executor.settings().hooks.after(attempt, ended, lost).await;
        Ok(ended)
    }

    /// How a connector stands that this attempt has stopped and not started again.
    async fn stands(&self, attempt: &Attempt, ended: Ended) -> Option<&'static str> {
        if ended == Ended::Recovered {
            return None;
        }
        stands(attempt)?;
        let Some(hands) = &self.hands else { return shown(attempt, None) };
        let status = world::status(hands, &attempt.plan.connector.connector).await;
        shown(attempt, Some(status.map(|status| status.map(|(state, _)| state))))
    }

    /// Before the first change of an attempt, a person's command may still say no. Whether it ran just now.
    async fn before_hook(&mut self, attempt: &Attempt, turn: &Turn) -> Result<bool, String> {
        let changed = attempt.taken.iter().any(|taken| taken.acted && taken.step.changes());
        if self.before_hook_ran || changed || !turn.step.changes() || turn.phase == Phase::Back {
            return Ok(false);
        }
        self.before_hook_ran = true;
        self.executor.settings().hooks.before(attempt).await
    }

    /// Why nothing may be done now.
    pub(super) fn frozen(&self) -> Option<String> {
        self.executor.freeze.reason(&self.executor.journal.ledger())
    }

    async fn until_unfrozen(&self, attempt: &Attempt) {
        let Some(reason) = self.frozen() else { return };
        let (connector, attempt_id) = (&attempt.plan.connector, &self.id);
        if let Some(stands) = stands(attempt) {
            tracing::warn!(%connector, attempt = %attempt_id, reason, "recovery is frozen: {stands} until recovery is unfrozen, or somebody resumes it");
        } else {
            tracing::warn!(%connector, attempt = %attempt_id, reason, "recovery is frozen: this attempt waits");
        }
        let (begun, away) = (self.uptime(), Away::new(attempt, Phase::Forward));
        while let Some(reason) = self.frozen() {
            away.tell(self.uptime().saturating_sub(begun), &reason);
            tokio::time::sleep(AGAIN).await;
        }
        tracing::info!(%connector, attempt = %attempt_id, "recovery is not frozen any more: everything is read again");
    }

    /// Reads the connector and its deployment, again and again where that fails.
    async fn look(&mut self, attempt: &Attempt, turn: &Turn) -> Look {
        let (begun, needs_members) = (self.uptime(), needs_members(turn));
        let away = Away::new(attempt, turn.phase);
        loop {
            let says = match self.seen(attempt).await {
                Ok((_, world))
                    if needs_members && world.state.is_some() && self.may_yet_tell(&world, begun) =>
                {
                    "its oplog cannot be read".to_owned()
                }
                Ok(seen) => return Look::Seen(Box::new(seen)),
                Err(says) => says,
            };
            let since = self.uptime().saturating_sub(begun);
            if since > away.unread() {
                return Look::Not(format!(
                    "it could not be looked at for {} min: {says}",
                    since.as_secs() / 60
                ));
            }
            away.tell(since, &says);
            tokio::time::sleep(AGAIN).await;
            if self.frozen().is_some() {
                return Look::Frozen;
            }
        }
    }

    fn may_yet_tell(&self, world: &World, since: Duration) -> bool {
        world.oldest.is_err() && self.uptime().saturating_sub(since) < OPLOG
    }

    pub(super) async fn seen(&mut self, attempt: &Attempt) -> Result<(Hands, World), String> {
        let id = &attempt.plan.connector;
        if let Some(hands) = self.executor.reach.load().get(id) {
            let mut hands = hands.clone();
            // A pass that fell into an election knows no members; they are still there.
            if let (Err(_), Some(before)) = (&hands.members, self.hands.take()) {
                hands.members = before.members;
            }
            self.hands = Some(hands);
        }
        let hands = self.hands.clone().ok_or_else(|| "its Connect cluster is not watched".to_owned())?;
        let world = world::read(&hands, &id.connector, &self.executor.clock, Some(attempt)).await?;
        self.note(&world);
        Ok((hands, world))
    }

    /// Everything that a look tells besides itself.
    pub(super) fn note(&mut self, world: &World) {
        if let Ok(oldest) = world.oldest {
            self.pace.note(self.executor.clock.uptime(), oldest);
        }
        self.started.see(&world.tasks);
    }
}

/// Whether a step needs the deployment itself. Just started, nobody has met it yet, which is no answer.
fn needs_members(turn: &Turn) -> bool {
    let writes_there = |step: &Step| {
        matches!(step, Step::InsertMarker { .. } | Step::RemoveMarker { .. } | Step::ResizeOplog { .. })
    };
    marks(turn) || writes_there(&turn.step)
}

/// Whether the world shows that a step was taken.
fn shows(step: &Step) -> bool {
    match step {
        Step::Stop
        | Step::StopWorker
        | Step::StartWorker
        | Step::WriteMark { .. }
        | Step::RemoveOffset { .. }
        | Step::Configure { .. }
        | Step::StartAtOldest { .. }
        | Step::Resume
        | Step::Pause
        | Step::RestoreOffset { .. } => true,
        Step::Save
        | Step::AwaitStill
        | Step::Restart
        | Step::RestartTasks
        | Step::InsertMarker { .. }
        | Step::RemoveMarker { .. }
        | Step::AwaitStored
        | Step::Verify
        | Step::ResizeOplog { .. } => false,
    }
}

/// The line that says why it ended as it did: of what went wrong the first, else of what was done the last.
fn conclusion(attempt: &Attempt, ended: Ended) -> String {
    let outcomes = || attempt.taken.iter().filter_map(|taken| Some((taken, &taken.outcome.as_ref()?.0)));
    let wrong = |outcome: &Outcome| matches!(outcome, Outcome::Failed { .. } | Outcome::Over { .. });
    let first_wrong = outcomes().find(|(_, outcome)| wrong(outcome));
    let tells = if ended == Ended::Recovered { None } else { first_wrong }.or_else(|| outcomes().next_back());
    tells.map_or_else(String::new, |(taken, outcome)| format!("{}: {}", taken.step.code(), outcome.says()))
}
