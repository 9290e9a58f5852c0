//! The journal and who writes into it, once it could be opened.

use crate::clock::Clock;
use crate::config::Recovery;
use crate::journal::{self, Bounds, Journal};
use crate::recovery::Executor;
use arc_swap::ArcSwap;
use resumeguard_core::recovery::Mode;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

type Opened = Result<(Journal, Executor), String>;

/// Between two looks for what ended long ago, seconds; reading a journal of 64 MiB takes a second.
const FORGETS: u64 = 12 * 3600;
/// A command that acts by itself ends before that.
const FIRST_FORGETS: u64 = 600;

/// How an executor is made for a journal.
type Make = Box<dyn Fn(Journal) -> Executor + Send + Sync>;

/// A journal that cannot be opened is tried again after each pass: somebody else may have held it for a moment, or the disk may
/// have been away.
pub(super) struct Books {
    /// `None` where there is nothing to be opened.
    directory: Option<PathBuf>,
    opened: ArcSwap<Opened>,
    opening: AtomicBool,
    make: Make,
    bounds: Bounds,
    /// Uptime in seconds when what ended long ago was last looked for; 0: not yet.
    forgot: AtomicU64,
    clock: Clock,
}

impl std::fmt::Debug for Books {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Books").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl Books {
    /// Opens the journal of this configuration. With mode `off` none is begun; one that is there may hold an attempt that is to
    /// be put back.
    pub(super) async fn open(config: &Recovery, make: Make, clock: Clock) -> Self {
        let off = config.policies.greatest_mode() == Mode::Off;
        let begun = |directory: &Path| directory.join(journal::FILE).exists();
        let (directory, why) = match &config.directory {
            None => (None, "recovery.directory is not set"),
            Some(directory) if off && !begun(directory) => (None, "recovery.mode is off"),
            Some(directory) => (Some(directory.clone()), "it is being opened"),
        };
        let opened = ArcSwap::from_pointee(Err(why.to_owned()));
        let (opening, bounds, forgot) = (AtomicBool::new(false), config.journal, AtomicU64::new(0));
        let books = Self { directory, opened, opening, make, bounds, forgot, clock };
        if let Err(why) = books.try_open().await
            && config.policies.greatest_mode() >= Mode::Approve
        {
            tracing::error!(
                why,
                "no recovery is done until the journal can be opened; that is tried again after each pass"
            );
        }
        books
    }

    /// Tries once; what is open stays.
    pub(super) async fn try_open(&self) -> Result<(), String> {
        let Some(directory) = &self.directory else { return Err(self.journal().err().unwrap_or_default()) };
        if self.opened.load().is_ok() || self.opening.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        let opened = Journal::open(directory, self.clock).await.map_err(|error| error.to_string());
        let outcome = opened.as_ref().map(|_| ()).map_err(Clone::clone);
        self.opened.store(Arc::new(opened.map(|journal| (journal.clone(), (self.make)(journal)))));
        self.opening.store(false, Ordering::SeqCst);
        outcome
    }

    /// Has the journal forget what ended long ago, twice a day; the first time some passes after the start.
    pub(super) async fn forget(&self) {
        let (now, last) = (self.clock.uptime().as_secs(), self.forgot.load(Ordering::SeqCst));
        let due = now.saturating_sub(last) >= if last == 0 { FIRST_FORGETS } else { FORGETS };
        let taken = || self.forgot.compare_exchange(last, now, Ordering::SeqCst, Ordering::SeqCst).is_ok();
        let Ok(journal) = self.journal() else { return };
        if !due || !taken() {
            return;
        }
        match journal.forget(self.bounds).await {
            Ok(true) => tracing::info!("attempts that ended long ago have left the journal"),
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "what ended long ago stays in the journal for now"),
        }
    }

    /// Whether there is one that could not be opened yet.
    pub(super) fn wait(&self) -> bool {
        self.directory.is_some() && self.opened.load().is_err()
    }

    pub(super) fn journal(&self) -> Result<Journal, String> {
        self.opened.load().as_ref().as_ref().map(|(journal, _)| journal.clone()).map_err(Clone::clone)
    }

    pub(super) fn executor(&self) -> Result<Executor, String> {
        self.opened.load().as_ref().as_ref().map(|(_, executor)| executor.clone()).map_err(Clone::clone)
    }
}
