//! The thread that owns the file. Whatever happens to the file, the thread goes on: it opens it again for the next entry, and
//! looks by itself, while it cannot write, whether it can again.

use super::store::Store;
use super::{Bounds, Desk, JournalError};
use crate::clock::Clock;
use resumeguard_core::recovery::{AttemptId, Entry, Event, Ledger};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;
use tokio::sync::oneshot;

/// How long a file that cannot be written is left alone.
const RETRY: Duration = Duration::from_secs(2);

pub(super) type Reply<T> = oneshot::Sender<Result<T, JournalError>>;

/// What the thread is asked to do.
pub(super) enum Job {
    Append(Box<Append>),
    Entries(AttemptId, Reply<Vec<Entry>>),
    Forget(Bounds, Reply<bool>),
    /// Nothing: it looks whether it is to stop.
    Wake,
}

/// An event, with the number of the newest entry that whoever wants it written could know of.
pub(super) struct Append {
    pub(super) event: Event,
    pub(super) known: u64,
    pub(super) reply: Reply<Entry>,
}

pub(super) struct Keeper {
    directory: PathBuf,
    clock: Clock,
    desk: Arc<Desk>,
    /// The newest entry that was written after its writer had given up.
    late: u64,
}

impl Keeper {
    pub(super) fn new(directory: PathBuf, clock: Clock, desk: Arc<Desk>) -> Self {
        Self { directory, clock, desk, late: 0 }
    }

    /// Claims and reads the file, says so, and works until told to stop. The lock is given back at the end.
    pub(super) fn run(mut self, jobs: &Receiver<Job>, opened: Reply<()>) {
        let store = Store::claim(&self.directory).and_then(|mut store| {
            self.ready(&mut store)?;
            Ok(store)
        });
        let mut store = match store {
            Ok(store) => store,
            Err(error) => {
                opened.send(Err(error)).ok();
                return;
            }
        };
        if opened.send(Ok(())).is_err() {
            return;
        }
        loop {
            // A problem may be told by whoever waited for this thread too long, just after it has looked for one.
            match jobs.recv_timeout(RETRY) {
                Ok(Job::Append(append)) => self.append(&mut store, *append),
                Ok(Job::Entries(attempt, reply)) => self.answer(&mut store, &attempt, reply),
                Ok(Job::Forget(bounds, reply)) => self.forget(&mut store, bounds, reply),
                Ok(Job::Wake) => {}
                Err(RecvTimeoutError::Timeout) if self.desk.problem().is_some() => {
                    self.look_again(&mut store)
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if self.desk.stopping.load(Ordering::SeqCst) {
                return;
            }
        }
    }

    /// What the file holds, after a failure, is what counts: an entry may be in it of which nobody was told.
    fn ready(&self, store: &mut Store) -> Result<(), JournalError> {
        if let Some(entries) = store.ready(self.now_ms())? {
            let newest = entries.last().map_or(0, |entry| entry.seq);
            self.desk.show(Ledger::of(&entries), newest);
        }
        Ok(())
    }

    fn append(&mut self, store: &mut Store, append: Append) {
        let Append { event, known, reply } = append;
        // Whoever gave up has been told that nothing was written; so nothing is.
        if reply.is_closed() {
            return;
        }
        let result = self.write(store, event, known, &reply);
        self.desk.tell(result.as_ref().err());
        if let Err(Ok(entry)) = reply.send(result) {
            self.late = entry.seq;
        }
    }

    fn write(
        &self,
        store: &mut Store,
        event: Event,
        known: u64,
        reply: &Reply<Entry>,
    ) -> Result<Entry, JournalError> {
        self.ready(store)?;
        if known < self.late {
            return Err(JournalError::Late);
        }
        let (ledger, newest) = self.desk.shown();
        let entry = Entry { seq: newest.saturating_add(1), at_ms: self.now_ms(), event };
        let attempt = entry.event.attempt().and_then(|id| ledger.attempt(id));
        let connector = entry.event.connector().or_else(|| Some(&attempt?.plan.connector));
        store.append(&entry, connector, || !reply.is_closed())?;
        let mut next = (*ledger).clone();
        next.apply(&entry);
        self.desk.show(next, entry.seq);
        Ok(entry)
    }

    fn answer(&self, store: &mut Store, attempt: &AttemptId, reply: Reply<Vec<Entry>>) {
        if !reply.is_closed() {
            let entries = self.ready(store).and_then(|()| store.entries_of(attempt));
            reply.send(entries).ok();
        }
    }

    fn forget(&self, store: &mut Store, bounds: Bounds, reply: Reply<bool>) {
        if reply.is_closed() {
            return;
        }
        let forgot = self.ready(store).and_then(|()| store.forget(bounds, self.now_ms()));
        let read = forgot.and_then(|forgot| self.ready(store).map(|()| forgot));
        self.desk.tell(read.as_ref().err());
        reply.send(read).ok();
    }

    fn look_again(&self, store: &mut Store) {
        let result = self.ready(store).and_then(|()| store.touch());
        if result.is_ok() {
            tracing::info!(directory = %self.directory.display(), "the journal can be written again");
        }
        self.desk.tell(result.as_ref().err());
    }

    fn now_ms(&self) -> i64 {
        i64::try_from(self.clock.since_1970().as_millis()).unwrap_or(i64::MAX)
    }
}
