//! The thread that owns the file. Whatever happens to the file, the thread goes on: it opens it again at the next pass.

use super::record::Record;
use super::store::Store;
use super::story::{Event, EventsQuery, Query, Story, events_page};
use super::{HistoryError, Restored, WAITING, file, memory};
use crate::clock::Clock;
use crate::config;
use rusqlite::Connection;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// What the thread is asked to do.
pub(super) enum Job {
    Pass(Box<Record>),
    Story(Question<Query, Story>),
    Events(Question<EventsQuery, (Vec<Event>, Option<i64>)>),
    /// Nothing: it looks whether it is to stop.
    Wake,
}

/// A question with its way back. The permit goes with it: questions can never fill the queue.
pub(super) struct Question<Q, A> {
    pub(super) query: Q,
    pub(super) reply: oneshot::Sender<Result<A, String>>,
    pub(super) _permit: OwnedSemaphorePermit,
}

/// What the thread leaves for whoever publishes.
#[derive(Debug, Default)]
pub(super) struct Desk {
    outcomes: Mutex<Vec<Outcome>>,
    pub(super) stopping: AtomicBool,
    /// What judgement remembers is too large to be kept.
    pub(super) forgetful: AtomicBool,
}

/// One access to the file.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) took: Duration,
    pub(super) result: Result<(), String>,
}

impl Desk {
    fn put(&self, took: Duration, result: Result<(), String>) {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).push(Outcome { took, result });
    }

    pub(super) fn take(&self) -> Vec<Outcome> {
        std::mem::take(&mut self.outcomes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

pub(super) struct Keeper {
    config: config::History,
    clock: Clock,
    desk: Arc<Desk>,
    store: Option<Store>,
    /// The last pass: its memory, and what happened if it could not be written, may still have to be.
    last: Option<Box<Record>>,
}

impl Keeper {
    pub(super) fn new(config: config::History, clock: Clock, desk: Arc<Desk>) -> Self {
        Self { config, clock, desk, store: None, last: None }
    }

    /// Opens the file, hands back what judgement remembered, and works until told to stop.
    pub(super) fn run(mut self, jobs: &Receiver<Job>, restored: oneshot::Sender<Option<Restored>>) {
        let clock = self.clock;
        let opened = self.attempt(|store| {
            memory::restore(store.connection(), clock.since_1970())
                .map_err(|cause| HistoryError::sqlite(store.path(), cause))
        });
        // Who waited too long begins without it.
        restored.send(opened.unwrap_or_default()).ok();
        while let Ok(job) = jobs.recv() {
            match job {
                Job::Pass(record) => self.pass(record),
                Job::Story(question) => self.answer(question, Story::read),
                Job::Events(question) => self.answer(question, events_page),
                Job::Wake => {}
            }
            if self.desk.stopping.load(Ordering::SeqCst) {
                break;
            }
        }
        if let Some(record) = self.last.take() {
            // The outcome is of no interest to anybody any more but the log.
            if let Err(error) = self.attempt(|store| store.save_memory(&record)) {
                tracing::warn!(error, "what judgement remembers could not be kept");
            }
        }
    }

    /// Samples of a pass that cannot be written are lost; what happened is told with the next.
    fn pass(&mut self, mut record: Box<Record>) {
        let untold = self.last.take().map(|last| last.happenings).unwrap_or_default();
        record.happenings.splice(..0, untold);
        let surplus = record.happenings.len().saturating_sub(WAITING);
        record.happenings.drain(..surplus);
        let desk = Arc::clone(&self.desk);
        let written = self.attempt(|store| {
            store.write(&record)?;
            desk.forgetful.store(store.leaves_memory_out(), Ordering::SeqCst);
            Ok(())
        });
        if written.is_ok() {
            record.happenings.clear();
        }
        self.last = Some(record);
    }

    fn answer<Q, A>(&mut self, question: Question<Q, A>, read: fn(&Connection, &Q) -> rusqlite::Result<A>) {
        let Question { query, reply, _permit } = question;
        if reply.is_closed() {
            return;
        }
        let answer = self.attempt(|store| {
            read(store.connection(), &query).map_err(|cause| HistoryError::sqlite(store.path(), cause))
        });
        reply.send(answer).ok();
    }

    /// Does something with the file, which is opened for it where it is not. After a failure it is closed: the next attempt
    /// begins with a fresh look at it.
    fn attempt<T>(&mut self, work: impl FnOnce(&mut Store) -> Result<T, HistoryError>) -> Result<T, String> {
        let begun = self.clock.uptime();
        let result = match self.store.take() {
            Some(store) => Ok(store),
            None => Store::open(&self.config),
        };
        let result = result.and_then(|mut store| {
            let done = work(&mut store)?;
            self.store = Some(store);
            Ok(done)
        });
        let result = result.map_err(|error| self.explain(error).to_string());
        let took = self.clock.uptime().saturating_sub(begun);
        self.desk.put(took, result.as_ref().map(drop).map_err(Clone::clone));
        result
    }

    /// A damaged file is moved out of the way, so that the next attempt finds none.
    fn explain(&self, error: HistoryError) -> HistoryError {
        if !error.is_damage() {
            return error;
        }
        let HistoryError::Sqlite { path, cause } = error else { return error };
        let aside =
            file::set_aside(&self.config.directory.join(file::NAME), self.clock.since_1970().as_secs());
        HistoryError::Damaged { path, aside, cause }
    }
}
