//! What was seen, kept in one SQLite file: samples, changes, failures, events, and what judgement remembers.
//!
//! One thread owns the file; a pass hands it what it saw and goes on. Whatever the file does, monitoring does not wait for it,
//! and the source `history` says so.

mod bounds;
mod error;
mod file;
mod keeper;
mod memory;
mod offline;
mod record;
mod schema;
mod store;
mod story;

pub use error::HistoryError;
pub use memory::Restored;
pub use offline::read as read_offline;
pub use record::{DETAIL_BYTES, Happening};
pub use story::{
    Event, EventsQuery, FailureSpan, MOST_ENTRIES, MOST_SAMPLES, OplogSample, Query, Sample, Story,
    VerdictChange,
};

use crate::clock::Clock;
use crate::config;
use crate::sources::Meter;
use keeper::{Desk, Job, Keeper, Question};
use record::Record;
use resumeguard_core::assess::Memory;
use resumeguard_core::domain::{Now, Snapshot, SourceFacts};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};

/// Passes and questions that wait for the thread at most.
const QUEUE: usize = 8;
/// Questions among them at most: the rest is for passes.
const QUESTIONS: usize = 2;
/// How long the first pass waits for what is remembered. A disk that takes longer is not waited for.
const OPENING: Duration = Duration::from_secs(10);
/// How long a question is waited for.
const ANSWERING: Duration = Duration::from_secs(2);
/// What the source says while samples are kept and the memory is not.
const FORGETFUL: &str = "what judgement remembers takes over a quarter of history.max_size and is not kept: raise it, or waits, forecasts and counters begin anew after a restart";
/// How long an orderly end waits for the last writing.
const CLOSING: Duration = Duration::from_secs(5);
/// Events that wait for a pass that can be written; the oldest go first.
const WAITING: usize = 256;

/// The writing side, with the passes.
#[derive(Debug)]
pub struct History {
    reader: Reader,
    meter: Meter,
    /// With when they happened; none before they were handed over once.
    happenings: Vec<(Option<i64>, Happening)>,
    dropped: u64,
    /// The thread has ended by itself.
    gone: bool,
}

/// The asking side; may be cloned.
#[derive(Debug, Clone)]
pub struct Reader {
    jobs: SyncSender<Job>,
    desk: Arc<Desk>,
    questions: Arc<Semaphore>,
    ended: Arc<Semaphore>,
    clock: Clock,
}

impl History {
    /// Starts the thread, and waits some seconds at the most for what judgement remembered. Never fails: what is wrong with the
    /// file is told by the source.
    pub async fn open(config: &config::History, clock: Clock) -> (Self, Option<Restored>) {
        let (jobs, queue) = sync_channel(QUEUE);
        let desk = Arc::new(Desk::default());
        let keeper = Keeper::new(config.clone(), clock, Arc::clone(&desk));
        let (restored, waiting) = oneshot::channel();
        let ended = Arc::new(Semaphore::new(0));
        let over = Arc::clone(&ended);
        let started = std::thread::Builder::new().name("history".to_owned()).spawn(move || {
            keeper.run(&queue, restored);
            over.add_permits(1);
        });
        let reader = Reader { jobs, desk, questions: Arc::new(Semaphore::new(QUESTIONS)), ended, clock };
        let meter = Meter::new("history", file::NAME);
        let mut history = Self { reader, meter, happenings: Vec::new(), dropped: 0, gone: false };
        if let Err(error) = started {
            history.meter.conclude(&clock, Err(format!("its thread could not be started: {error}")));
            return (history, None);
        }
        let Ok(answer) = tokio::time::timeout(OPENING, waiting).await else {
            let line = format!("the disk does not answer within {OPENING:?}: judgement begins anew");
            history.meter.conclude(&clock, Err(line));
            return (history, None);
        };
        history.settle(&clock);
        (history, answer.ok().flatten())
    }

    /// The asking side.
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.reader.clone()
    }

    /// Adds something that happened to what the next pass leaves behind.
    pub fn tell(&mut self, happening: Happening) {
        self.happenings.push((None, happening));
        let surplus = self.happenings.len().saturating_sub(WAITING);
        self.happenings.drain(..surplus);
    }

    /// Hands over a pass. Never waits: where the thread is behind, the pass is not kept, and that is told.
    pub fn keep(&mut self, snapshot: &Snapshot, memory: &Arc<Memory>, now: Now) {
        let mut record = Record::new(snapshot, Arc::clone(memory), now, self.reader.clock.since_1970());
        let told = std::mem::take(&mut self.happenings).into_iter();
        record.happenings = told.map(|(at, happening)| (at.unwrap_or(snapshot.at), happening)).collect();
        let refused = match self.reader.jobs.try_send(Job::Pass(Box::new(record))) {
            Ok(()) => return,
            Err(TrySendError::Full(job)) => job,
            Err(TrySendError::Disconnected(job)) => {
                self.gone = true;
                job
            }
        };
        self.dropped += 1;
        if let Job::Pass(record) = refused {
            self.happenings =
                record.happenings.into_iter().map(|(at, happening)| (Some(at), happening)).collect();
        }
    }

    /// Takes note of what the thread has done since it was last asked; the source as a fact.
    pub fn settle(&mut self, clock: &Clock) -> SourceFacts {
        let outcomes = self.reader.desk.take();
        for outcome in &outcomes {
            self.meter.count(outcome.took, outcome.result.is_ok());
        }
        for _pass in 0..self.dropped {
            self.meter.count(Duration::ZERO, false);
        }
        let failed = outcomes.iter().rev().find_map(|outcome| outcome.result.clone().err());
        if std::mem::take(&mut self.dropped) > 0 {
            let line = if self.gone {
                "its thread has ended: passes are not kept; restart resumeguard, and report what the log says"
            } else {
                "writing takes longer than a pass: passes are not kept; look at its disk"
            };
            self.meter.conclude(clock, Err(line.to_owned()));
        } else if let Some(line) = failed {
            self.meter.conclude(clock, Err(line));
        } else if self.reader.desk.forgetful.load(Ordering::SeqCst) {
            self.meter.conclude(clock, Err(FORGETFUL.to_owned()));
        } else if !outcomes.is_empty() {
            self.meter.conclude(clock, Ok(()));
        }
        self.meter.facts()
    }

    /// Success, failure and duration of writing and reading.
    #[must_use]
    pub fn meter(&self) -> &Meter {
        &self.meter
    }
}

impl Reader {
    /// Asks. The answer comes within two seconds, or a line that says why not.
    ///
    /// # Errors
    /// Where the thread is busy, the file cannot be read, or the time is over.
    pub async fn story(&self, query: Query) -> Result<Story, String> {
        self.ask(query, Job::Story).await
    }

    /// Events, the newest first, and the number to ask on with where there are more.
    ///
    /// # Errors
    /// As [`story`](Self::story).
    pub async fn events(&self, query: EventsQuery) -> Result<(Vec<Event>, Option<i64>), String> {
        self.ask(query, Job::Events).await
    }

    async fn ask<Q, A>(&self, query: Q, job: fn(Question<Q, A>) -> Job) -> Result<A, String> {
        let busy = || "the history is busy; ask again in some seconds".to_owned();
        let permit = Arc::clone(&self.questions).try_acquire_owned().map_err(|_| busy())?;
        let (reply, answer) = oneshot::channel();
        self.jobs.try_send(job(Question { query, reply, _permit: permit })).map_err(|_| busy())?;
        match tokio::time::timeout(ANSWERING, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(busy()),
        }
    }

    /// The time that queries count back from, seconds since 1970.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.clock.now().unix_seconds
    }

    /// Has the thread write what it put off and end; waits some seconds for it.
    pub async fn close(&self) {
        self.desk.stopping.store(true, Ordering::SeqCst);
        // A full queue wakes it as well.
        self.jobs.try_send(Job::Wake).ok();
        if tokio::time::timeout(CLOSING, self.ended.acquire()).await.is_err() {
            tracing::warn!("the history's disk does not answer: the last seconds may not be kept");
        }
    }
}
