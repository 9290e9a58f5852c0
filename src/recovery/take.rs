//! Taking one step: sent, and waited for until its effect shows.

use super::actions::{BUSY, Sent, Writer, is_whole};
use super::away::Away;
use super::edit::Edit;
use super::marker::Marker;
use super::wait::Wait;
use super::walk::{Turn, Walk};
use super::world::Kept;
use super::{Hands, world};
use resumeguard_core::domain::{ConnectorState, TaskFacts, TaskState, Timestamp};
use resumeguard_core::recovery::check::{Seen, verified};
use resumeguard_core::recovery::{Attempt, Outcome, Phase, RawOffset, Step, Will, World};
use serde_json::{Map, Value};
use std::time::Duration;

/// A worker gives its tasks `task.shutdown.graceful.timeout.ms` (5 s); a rebalance may come in between. Given up on the way on, it
/// has changed nothing yet: somebody may have resumed it meanwhile.
const STOPS: Duration = Duration::from_secs(90);
/// What a worker held that has died is nobody's until `scheduled.rebalance.max.delay.ms` (5 min) is over: whatever is accepted
/// meanwhile shows only then (seen on 4.1.1).
const SETTLES: Duration = BUSY;
/// The same, and a task connects to MongoDB (`serverSelectionTimeoutMS` is 30 s) before it runs.
const STARTS: Duration = Duration::from_secs(420);
/// What was accepted is to be read at once, or a moment later.
const SHOWS: Duration = Duration::from_secs(20);

/// How long a newest entry that is not told is asked for.
const NEWEST: Duration = Duration::from_secs(10);

/// A task that failed before it was started anew shows its old failure until the new one reports.
const OLD_FAILURE: Duration = Duration::from_secs(10);
/// A task that ran before its configuration changed shows its old state until it is stopped.
const OLD_RUN: Duration = Duration::from_secs(5);

/// Since the task was last told to start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Started {
    at: Duration,
    /// It was seen in a state that was none of before.
    seen_unfailed: bool,
    seen_not_running: bool,
}

impl Started {
    pub(super) fn at(uptime: Duration) -> Self {
        Self { at: uptime, seen_unfailed: false, seen_not_running: false }
    }

    /// One more look.
    pub(super) fn see(&mut self, tasks: &[TaskFacts]) {
        self.seen_unfailed |= tasks.iter().all(|task| task.state != TaskState::Failed);
        self.seen_not_running |= tasks.iter().all(|task| task.state != TaskState::Running);
    }

    /// Whether a failure is one since.
    pub(super) fn failure_counts(&self, uptime: Duration) -> bool {
        self.seen_unfailed || uptime.saturating_sub(self.at) >= OLD_FAILURE
    }

    fn run_counts(&self, uptime: Duration) -> bool {
        self.seen_not_running || uptime.saturating_sub(self.at) >= OLD_RUN
    }
}

pub(super) fn done(says: impl Into<String>) -> Outcome {
    Outcome::Done { says: says.into(), reached: None }
}

pub(super) fn failed(says: impl Into<String>) -> Outcome {
    Outcome::Failed { says: says.into() }
}

impl Walk<'_> {
    /// Takes a step, for the `first` time or another; `None` where nobody can tell how it ended.
    pub(super) async fn take(
        &mut self,
        attempt: &Attempt,
        (turn, first): (&Turn, bool),
        will: &Will,
        world: &World,
        hands: &Hands,
    ) -> Option<Outcome> {
        if starts(&turn.step) {
            self.started = Started::at(self.uptime());
        }
        if let Some(outcome) = self.unless_still(attempt, (turn, first), hands).await {
            return Some(outcome);
        }
        let delivered = self.delivered(turn, hands).await;
        match self.send(attempt, turn, will, world, hands).await {
            Sent::Accepted => {
                let outcome = self.effect(attempt, turn, will, world, hands).await;
                Some(self.with_positions(outcome, attempt, turn, hands, delivered).await)
            }
            Sent::Needless(says) => {
                self.untouched = true;
                Some(Outcome::NotNeeded { says })
            }
            Sent::Refused(says) => {
                self.untouched = is_whole(&turn.step);
                Some(failed(says))
            }
            Sent::Uncertain(line) => {
                tracing::warn!(connector = %attempt.plan.connector, attempt = %attempt.id, step = turn.step.code(), "{line}: looking at what has come of it");
                self.uncertain = Some(line);
                None
            }
            Sent::Held if first => {
                Some(Outcome::NotSent { says: "recovery was frozen before it was sent".to_owned() })
            }
            Sent::NotNow(says) if first => Some(Outcome::NotSent { says }),
            // To have been refused for the moment counts for nothing.
            Sent::NotNow(_) => {
                self.times = self.times.saturating_sub(1);
                None
            }
            // What was sent before this may still come into effect.
            Sent::Held => None,
        }
    }

    /// What a live stream has delivered before it is stopped ends here: what is written later may not be.
    async fn delivered(&self, turn: &Turn, hands: &Hands) -> Option<Timestamp> {
        let stops = matches!(turn.step, Step::Stop | Step::StopWorker) && turn.phase == Phase::Forward;
        if stops { hands.newest_within(NEWEST, self.executor.clock).await } else { None }
    }

    /// Positions that only who is there at this moment can tell.
    async fn with_positions(
        &self,
        outcome: Outcome,
        attempt: &Attempt,
        turn: &Turn,
        hands: &Hands,
        delivered: Option<Timestamp>,
    ) -> Outcome {
        let Outcome::Done { says, reached: None } = outcome else { return outcome };
        let looks = matches!(turn.step, Step::AwaitStored | Step::Verify);
        // Where nobody could tell when it was resumed: what is newest now is no less.
        let late = looks && !is_known(attempt);
        let reached = if late { self.goes_on_at(attempt, turn, hands).await } else { delivered };
        Outcome::Done { says, reached }
    }

    async fn send(&self, attempt: &Attempt, turn: &Turn, will: &Will, world: &World, hands: &Hands) -> Sent {
        let frozen = || self.frozen().is_some();
        let name = &attempt.plan.connector.connector;
        let away = Away::new(attempt, turn.phase);
        let writer = Writer { hands, name, clock: self.executor.clock, frozen: &frozen, away: &away };
        match &turn.step {
            Step::Stop => writer.order("stop").await,
            Step::Resume => writer.order("resume").await,
            Step::Pause => writer.order("pause").await,
            Step::RestartTasks => writer.restart_failed().await,
            Step::Restart => writer.restart().await,
            Step::StopWorker | Step::StartWorker => self.order_worker(attempt, turn, hands, &writer).await,
            Step::WriteMark { partition, .. } => {
                let text = will.text.clone().unwrap_or_default();
                let offset = Map::from_iter([("_id".to_owned(), Value::String(text))]);
                self.alter(attempt, turn, (partition, Some(&offset)), world, &writer).await
            }
            Step::RemoveOffset { partition } => {
                self.alter(attempt, turn, (partition, None), world, &writer).await
            }
            Step::RestoreOffset { partition } => {
                // What was written down is what is sent: on its way back, a restore puts back what it has found itself.
                let meant = saved(attempt, partition).find(|saved| saved.text() == will.text.as_deref());
                let offset = meant.and_then(|saved| saved.offset.as_ref());
                self.alter(attempt, turn, (partition, offset), world, &writer).await
            }
            Step::Configure { .. } | Step::StartAtOldest { .. } => {
                writer.configure(&world.config, &will.config).await
            }
            Step::InsertMarker { namespace, fields } => match marker(attempt, namespace, fields.as_ref()) {
                Ok(marker) => writer.insert_marker(&marker).await,
                Err(line) => Sent::Refused(line),
            },
            Step::RemoveMarker { namespace } => match marker(attempt, namespace, None) {
                Ok(marker) => writer.remove_marker(&marker).await,
                Err(line) => Sent::Refused(line),
            },
            Step::ResizeOplog { size_mb } => writer.resize_oplog(*size_mb).await,
            // Nothing is sent for these.
            Step::Save | Step::AwaitStill | Step::AwaitStored | Step::Verify => Sent::Accepted,
        }
    }

    /// Alters what is stored under a key: by REST, in the file of a worker that is down, or in the topic.
    async fn alter(
        &self,
        attempt: &Attempt,
        turn: &Turn,
        (partition, offset): (&str, Option<&Map<String, Value>>),
        world: &World,
        writer: &Writer<'_>,
    ) -> Sent {
        let partition = &key(attempt, partition, world);
        if attempt.is_by_topic() {
            return self.alter_record(attempt, partition, offset, writer).await;
        }
        match &writer.hands.worker {
            Some(worker) if world.down => {
                let edit = Edit { attempt: &attempt.id, step: &turn.step, partition, offset };
                writer.edit(worker, edit).await
            }
            _ => writer.store(partition, offset).await,
        }
    }

    /// Waits for what was accepted.
    async fn effect(
        &mut self,
        attempt: &Attempt,
        turn: &Turn,
        will: &Will,
        before: &World,
        hands: &Hands,
    ) -> Outcome {
        match &turn.step {
            Step::Stop => self.until_state(attempt, turn, hands, ConnectorState::Stopped).await,
            Step::Pause => self.until_state(attempt, turn, hands, ConnectorState::Paused).await,
            Step::StopWorker => self.until_down(attempt, hands).await,
            Step::StartWorker => match self.until_up(attempt, hands).await {
                Ok(()) => self.until_started(attempt, turn, hands).await,
                Err(outcome) => outcome,
            },
            Step::AwaitStill => self.until_still(attempt, turn, hands).await,
            // It stays paused, and its task begins with what is stored once it is resumed: Connect keeps their order.
            Step::Restart if before.state == Some(ConnectorState::Paused) => {
                done("its restart was asked for")
            }
            Step::Resume | Step::Restart | Step::RestartTasks => {
                self.until_started(attempt, turn, hands).await
            }
            Step::WriteMark { partition, .. } | Step::RestoreOffset { partition } => {
                let at = Kept::of(attempt, before);
                self.until_stored(attempt, turn, (hands, at), partition, will.text.as_deref()).await
            }
            Step::RemoveOffset { partition } => {
                self.until_stored(attempt, turn, (hands, Kept::of(attempt, before)), partition, None).await
            }
            Step::Configure { .. } | Step::StartAtOldest { .. } => {
                let configured = self.until_configured(attempt, turn, hands, will).await;
                let stands = matches!(before.state, Some(ConnectorState::Stopped | ConnectorState::Paused));
                if stands || turn.phase == Phase::Back || matches!(configured, Outcome::Failed { .. }) {
                    return configured;
                }
                // A new configuration restarts what runs.
                self.until_started(attempt, turn, hands).await
            }
            Step::InsertMarker { namespace, .. } => done(format!("a marker stands in {namespace}")),
            Step::RemoveMarker { namespace } => done(format!("no marker stands in {namespace} any more")),
            Step::ResizeOplog { size_mb } => done(format!("the oplog may grow to {size_mb} MB")),
            Step::Save => done("its offsets and configuration are in the journal"),
            Step::AwaitStored => self.await_stored(attempt).await,
            Step::Verify if turn.phase == Phase::Back => self.settle(attempt).await,
            Step::Verify => self.verify(attempt).await,
        }
    }

    async fn until_state(
        &mut self,
        attempt: &Attempt,
        turn: &Turn,
        hands: &Hands,
        wanted: ConnectorState,
    ) -> Outcome {
        let away = Away::new(attempt, turn.phase);
        let gives_way = wanted == ConnectorState::Stopped && turn.phase == Phase::Forward;
        let limit = if gives_way { STOPS } else { SETTLES };
        let mut wait = Wait::new(self.executor.clock, limit, &away);
        loop {
            let says = match world::status(hands, &attempt.plan.connector.connector).await {
                Ok(Some((state, tasks))) => {
                    let stands = wanted != ConnectorState::Stopped || tasks.is_empty();
                    if state == wanted && stands {
                        return done(format!("it is {}", wanted.code()));
                    }
                    wait.was_read();
                    format!("it is {} with {} tasks", state.code(), tasks.len())
                }
                Ok(None) => {
                    wait.was_read();
                    "the connector is gone".to_owned()
                }
                Err(says) => says,
            };
            if !wait.goes_on().await {
                return failed(format!("not {} within {}: {says}", wanted.code(), wait.limit()));
            }
        }
    }

    /// Until its task runs. On the way back it may fail as it did before.
    pub(super) async fn until_started(&mut self, attempt: &Attempt, turn: &Turn, hands: &Hands) -> Outcome {
        let away = Away::new(attempt, turn.phase);
        let mut wait = Wait::new(self.executor.clock, STARTS, &away);
        loop {
            let says = match world::status(hands, &attempt.plan.connector.connector).await {
                Ok(Some((state, tasks))) => {
                    wait.was_read();
                    self.started.see(&tasks);
                    if let Some(outcome) = self.started_as(attempt, turn, hands, state, &tasks).await {
                        return outcome;
                    }
                    let states: Vec<&str> = tasks.iter().map(|task| task.state.code()).collect();
                    format!("it is {}, its tasks are [{}]", state.code(), states.join(", "))
                }
                Ok(None) => {
                    wait.was_read();
                    "the connector is gone".to_owned()
                }
                Err(says) => says,
            };
            if !wait.goes_on().await {
                return failed(format!("no task runs after {}: {says}", wait.limit()));
            }
        }
    }

    async fn started_as(
        &mut self,
        attempt: &Attempt,
        turn: &Turn,
        hands: &Hands,
        state: ConnectorState,
        tasks: &[TaskFacts],
    ) -> Option<Outcome> {
        let uptime = self.uptime();
        let in_state = |wanted| tasks.iter().any(|task| task.state == wanted);
        if in_state(TaskState::Failed) {
            if !self.started.failure_counts(uptime) {
                return None;
            }
            if turn.phase == Phase::Back {
                return Some(done("its task was started, and failed"));
            }
            let world =
                world::read(hands, &attempt.plan.connector.connector, &self.executor.clock, Some(attempt))
                    .await
                    .ok()?;
            return match verified(attempt, &world) {
                Seen::Rolled(says) => Some(Outcome::Again { says }),
                Seen::Broken(says) => Some(failed(says)),
                Seen::NotYet(says) if turn.step == Step::RestartTasks => Some(failed(says)),
                // Seen in another state meanwhile, or it may yet be restarted by whoever does that.
                Seen::NotYet(_) | Seen::Well { .. } => None,
            };
        }
        if state != ConnectorState::Running
            || !in_state(TaskState::Running)
            || !self.started.run_counts(uptime)
        {
            return None;
        }
        let reached = self.goes_on_at(attempt, turn, hands).await;
        Some(Outcome::Done { says: "its task runs".to_owned(), reached })
    }

    /// Where a connector that was left without an offset goes on: what was written up to now, the newest entry included, may not
    /// be delivered.
    pub(super) async fn goes_on_at(
        &self,
        attempt: &Attempt,
        turn: &Turn,
        hands: &Hands,
    ) -> Option<Timestamp> {
        if turn.phase == Phase::Back || !dropped(attempt) {
            return None;
        }
        let newest = hands.newest_within(NEWEST, self.executor.clock).await?;
        Some(Timestamp { i: newest.i.saturating_add(1), ..newest })
    }

    async fn until_stored(
        &mut self,
        attempt: &Attempt,
        turn: &Turn,
        (hands, at): (&Hands, Kept),
        partition: &str,
        wanted: Option<&str>,
    ) -> Outcome {
        let away = Away::new(attempt, turn.phase);
        let mut wait = Wait::new(self.executor.clock, SHOWS, &away);
        loop {
            let name = &attempt.plan.connector.connector;
            let says = match world::offsets(hands, name, self.executor.clock, at).await {
                Ok(offsets) => {
                    wait.was_read();
                    let stored = offsets
                        .iter()
                        .find(|stored| stored.ns() == Some(partition) && stored.offset.is_some());
                    if stored.and_then(RawOffset::text) == wanted {
                        let says = if wanted.is_some() { "it is stored" } else { "nothing is stored" };
                        return done(format!("{says} under its live key"));
                    }
                    "something else is stored under its live key".to_owned()
                }
                Err(says) => says,
            };
            if !wait.goes_on().await {
                return failed(format!("it was accepted, and {} later {says}", wait.limit()));
            }
        }
    }

    async fn until_configured(
        &mut self,
        attempt: &Attempt,
        turn: &Turn,
        hands: &Hands,
        will: &Will,
    ) -> Outcome {
        let away = Away::new(attempt, turn.phase);
        let mut wait = Wait::new(self.executor.clock, SHOWS, &away);
        loop {
            let says = match hands.connect.config(&attempt.plan.connector.connector, world::LOOK).await {
                Ok(Some(config)) => {
                    wait.was_read();
                    if will.config.iter().all(|(key, value)| config.get(key) == value.as_ref()) {
                        return done("it is configured so");
                    }
                    "it is configured otherwise".to_owned()
                }
                Ok(None) => {
                    wait.was_read();
                    "the connector is gone".to_owned()
                }
                Err(error) => error.to_string(),
            };
            if !wait.goes_on().await {
                return failed(format!("it was accepted, and {} later {says}", wait.limit()));
            }
        }
    }
}

/// Steps after which a task begins anew.
fn starts(step: &Step) -> bool {
    matches!(
        step,
        Step::Resume
            | Step::StartWorker
            | Step::Restart
            | Step::RestartTasks
            | Step::Configure { .. }
            | Step::StartAtOldest { .. }
    )
}

/// It was told where the connector went on.
fn is_known(attempt: &Attempt) -> bool {
    attempt.taken.iter().any(|taken| {
        let told = matches!(taken.outcome, Some((Outcome::Done { reached: Some(_), .. }, _)));
        told && taken.phase == Phase::Forward && !matches!(taken.step, Step::Stop | Step::StopWorker)
    })
}

/// It was left without an offset: the key's was removed, or the key has a new name and no start of its own.
fn dropped(attempt: &Attempt) -> bool {
    let mut acted = attempt.taken.iter().filter(|taken| taken.acted && taken.phase == Phase::Forward);
    acted.any(|taken| taken.step.drops_its_offset())
}

fn marker(attempt: &Attempt, namespace: &str, fields: Option<&Value>) -> Result<Marker, String> {
    Marker::new(&attempt.id, namespace, fields)
}

/// What the attempt that this one restores, and this one itself, have found under this key.
fn saved<'a>(attempt: &'a Attempt, partition: &'a str) -> impl Iterator<Item = &'a RawOffset> {
    let found = attempt.source.iter().chain(&attempt.saved);
    found.flat_map(|saved| &saved.offsets).filter(move |offset| offset.ns() == Some(partition))
}

/// The key as it was found; one that is not there any more as it was saved. A key is never put together anew, except where there
/// is none to be found.
fn key(attempt: &Attempt, partition: &str, world: &World) -> Map<String, Value> {
    let found = world.offsets.iter().find(|offset| offset.ns() == Some(partition));
    let own = || attempt.saved.as_ref()?.offsets.iter().find(|offset| offset.ns() == Some(partition));
    match found.or_else(own).or_else(|| saved(attempt, partition).next()) {
        Some(known) => known.partition.clone(),
        None => Map::from_iter([("ns".to_owned(), Value::String(partition.to_owned()))]),
    }
}
