//! What recovery wanted and did, in one SQLite file: written down before it is done.
//!
//! One thread owns the file. An entry is on the disk when [`Journal::append`] returns, or whoever wanted it does nothing.

mod error;
mod forget;
mod keeper;
mod schema;
mod store;
#[cfg(test)]
mod tests;

pub use error::JournalError;
pub use forget::Bounds;

use crate::clock::Clock;
use arc_swap::ArcSwap;
use keeper::{Append, Job, Keeper};
use resumeguard_core::recovery::{AttemptId, Entry, Event, Ledger};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};

/// Name of file and lock within the directory.
const NAME: &str = "journal";
/// Name of the file.
pub(crate) const FILE: &str = "journal.db";

/// Entries and questions that wait for the thread at most: one attempt in each Connect cluster, and some people.
const QUEUE: usize = 64;
/// How long the disk is waited for. Longer than another reader of the file is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// The journal; may be cloned. It is closed when all are gone.
#[derive(Debug, Clone)]
pub struct Journal {
    jobs: SyncSender<Job>,
    desk: Arc<Desk>,
    ended: Arc<Semaphore>,
    path: Arc<PathBuf>,
    patience: Duration,
}

/// What the thread leaves for everybody.
#[derive(Debug, Default)]
struct Desk {
    /// With the number of the newest entry in it.
    ledger: ArcSwap<(Arc<Ledger>, u64)>,
    problem: Mutex<Option<String>>,
    stopping: AtomicBool,
}

impl Desk {
    fn show(&self, ledger: Ledger, newest: u64) {
        self.ledger.store(Arc::new((Arc::new(ledger), newest)));
    }

    fn shown(&self) -> (Arc<Ledger>, u64) {
        let shown = self.ledger.load();
        (Arc::clone(&shown.0), shown.1)
    }

    fn problem(&self) -> Option<String> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes note of a writing that failed or succeeded. That it came too late for somebody says nothing of the file.
    fn tell(&self, error: Option<&JournalError>) {
        if matches!(error, Some(JournalError::Late | JournalError::Closed)) {
            return;
        }
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = error.map(ToString::to_string);
    }
}

impl Journal {
    /// Locks the directory against a second process, opens or makes `journal.db`, and folds all that it says; one that is made
    /// begins with [`Event::Opened`]. The directory is made where it is missing, its parents are not.
    ///
    /// # Errors
    /// Where there is no journal that this process may write, or its disk does not answer within ten seconds.
    pub async fn open(directory: &Path, clock: Clock) -> Result<Self, JournalError> {
        let (jobs, queue) = sync_channel(QUEUE);
        let (desk, ended) = (Arc::new(Desk::default()), Arc::new(Semaphore::new(0)));
        let keeper = Keeper::new(directory.to_owned(), clock, Arc::clone(&desk));
        let (opened, waiting) = oneshot::channel();
        let over = Arc::clone(&ended);
        let path = Arc::new(directory.join(FILE));
        let started = std::thread::Builder::new().name(NAME.to_owned()).spawn(move || {
            keeper.run(&queue, opened);
            over.add_permits(1);
        });
        started.map_err(|cause| JournalError::Unopenable { path: path.display().to_string(), cause })?;
        let journal = Self { jobs, desk, ended, path, patience: PATIENCE };
        journal.answer(waiting).await?;
        Ok(journal)
    }

    /// Writes an event down. It is on the disk when this returns `Ok`, and the ledger knows it.
    ///
    /// # Errors
    /// Where that is not so within ten seconds: nothing may be done then. The entry is then most probably not written; where a
    /// disk that was stuck has written it after all, the ledger shows it, and what was decided before that is refused
    /// ([`JournalError::Late`]). So: wait until [`Self::problem`] is `None`, read the ledger again, decide anew.
    pub async fn append(&self, event: Event) -> Result<Entry, JournalError> {
        let (reply, answer) = oneshot::channel();
        let (_, known) = self.desk.shown();
        self.hand_over(Job::Append(Box::new(Append { event, known, reply })))?;
        self.answer(answer).await
    }

    /// Everything that was written, folded.
    #[must_use]
    pub fn ledger(&self) -> Arc<Ledger> {
        self.desk.shown().0
    }

    /// Why nothing can be written, where the last writing failed. While that is so, the thread tries by itself every few
    /// seconds, and this goes away when it could.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        self.desk.problem()
    }

    /// Forgets attempts that ended long ago, as far as nothing that is decided depends on them; whether there were any.
    ///
    /// # Errors
    /// Where the file cannot be read or written.
    pub async fn forget(&self, bounds: Bounds) -> Result<bool, JournalError> {
        let (reply, answer) = oneshot::channel();
        self.hand_over(Job::Forget(bounds, reply))?;
        self.answer(answer).await
    }

    /// The entries of one attempt, in order; none where there is no such attempt.
    ///
    /// # Errors
    /// Where the file cannot be read within ten seconds.
    pub async fn entries_of(&self, attempt: &AttemptId) -> Result<Vec<Entry>, JournalError> {
        let (reply, answer) = oneshot::channel();
        self.hand_over(Job::Entries(attempt.clone(), reply))?;
        self.answer(answer).await
    }

    /// Has the thread finish what it was handed, and give the lock back; waits some seconds for it.
    pub async fn close(&self) {
        self.desk.stopping.store(true, Ordering::SeqCst);
        // A full queue wakes it as well.
        self.jobs.try_send(Job::Wake).ok();
        if tokio::time::timeout(PATIENCE, self.ended.acquire()).await.is_err() {
            tracing::warn!(path = %self.path.display(), "the journal's disk does not answer: it is left locked");
        }
    }

    fn hand_over(&self, job: Job) -> Result<(), JournalError> {
        self.jobs.try_send(job).map_err(|refused| match refused {
            std::sync::mpsc::TrySendError::Full(_) => self.stuck(),
            std::sync::mpsc::TrySendError::Disconnected(_) => JournalError::Closed,
        })
    }

    async fn answer<T>(&self, answer: oneshot::Receiver<Result<T, JournalError>>) -> Result<T, JournalError> {
        match tokio::time::timeout(self.patience, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(JournalError::Closed),
            Err(_) => Err(self.stuck()),
        }
    }

    fn stuck(&self) -> JournalError {
        let error = JournalError::Stuck { path: self.path.display().to_string(), after: self.patience };
        self.desk.tell(Some(&error));
        error
    }
}
