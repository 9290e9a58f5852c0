//! What people and programs see. What is scraped is rendered once a pass and handed out as bytes; pages are drawn when they are
//! asked for. Nothing is computed here.

mod families;
mod headline;
pub mod http;
mod in_force;
mod log;
pub mod metrics;
pub(crate) mod page;
pub mod recovery;
pub mod status;
pub mod story;
pub mod systemd;
pub mod table;
mod tally;
pub mod terminal;
mod words;

pub(crate) use headline::has_failed;
pub use in_force::InForce;
pub use log::VerdictLog;
pub(crate) use words::time;

use crate::clock::Clock;
use arc_swap::ArcSwapOption;
use axum::body::Bytes;
use axum::http::HeaderValue;
use http::stream::Listeners;
use status::{Status, Tokens};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tally::Tally;

/// One pass, rendered.
#[derive(Debug)]
pub struct Published {
    /// Uptime at which it was rendered.
    pub at: Duration,
    /// Metrics of connectors and oplogs.
    pub subjects: Bytes,
    /// Metrics of sources and of the daemon itself.
    pub own: Bytes,
    /// `/api/v1/status` as everybody may see it.
    pub status: Bytes,
    /// Its ETag.
    pub etag: HeaderValue,
    /// The same with tokens and traces, to draw lists from.
    pub seen: Arc<Status>,
    /// What pages count of it.
    tally: Tally,
    /// Which pass it is, from 1 on; 0 where nobody counts.
    pub pass: u64,
    /// The settings that it was judged by.
    pub in_force: InForce,
}

impl Published {
    /// A pass at this uptime, with its metrics. `seen` holds tokens and traces.
    #[must_use]
    pub fn new(at: Duration, seen: Status, subjects: Vec<u8>, own: Vec<u8>) -> Self {
        let hidden = seen.clone().shown(Tokens::Hidden);
        let status = serde_json::to_vec(&hidden).unwrap_or_else(|error| {
            tracing::error!(%error, "the status could not be written as JSON");
            Vec::new()
        });
        Self {
            at,
            subjects: subjects.into(),
            own: own.into(),
            etag: http::etag(&status),
            status: status.into(),
            tally: Tally::of(&seen),
            seen: Arc::new(seen),
            pass: 0,
            in_force: InForce::default(),
        }
    }

    /// The same with its number, and the settings that it was judged by.
    #[must_use]
    pub fn judged_by(self, pass: u64, in_force: InForce) -> Self {
        Self { pass, in_force, ..self }
    }
}

/// The newest rendering, shared with whoever serves it.
#[derive(Debug, Clone)]
pub struct Board {
    newest: Arc<ArcSwapOption<Published>>,
    clock: Clock,
    /// Uptime at which it was hung up.
    begun: Duration,
    /// Older than this, nothing is said of connectors any more; milliseconds.
    stale_after: Arc<AtomicU64>,
    pub(in crate::publish) listeners: Listeners,
}

/// A rendering counts for three intervals.
fn stale_after(interval: Duration) -> u64 {
    u64::try_from((interval * 3).as_millis()).unwrap_or(u64::MAX)
}

impl Board {
    /// An empty board; a rendering counts for three intervals.
    #[must_use]
    pub fn new(clock: Clock, interval: Duration) -> Self {
        Self {
            newest: Arc::new(ArcSwapOption::empty()),
            clock,
            begun: clock.uptime(),
            stale_after: Arc::new(AtomicU64::new(stale_after(interval))),
            listeners: Listeners::default(),
        }
    }

    /// Passes come at another interval from now on.
    pub fn reconfigure(&self, interval: Duration) {
        self.stale_after.store(stale_after(interval), Ordering::Relaxed);
    }

    pub(in crate::publish) fn stale_after(&self) -> Duration {
        Duration::from_millis(self.stale_after.load(Ordering::Relaxed))
    }

    /// Replaces the newest rendering, and tells those who listen what has changed.
    pub fn put(&self, published: Published) {
        let published = Arc::new(published);
        let before = self.newest.swap(Some(Arc::clone(&published)));
        self.listeners.tell(before.as_ref().map(|before| &*before.seen), &published.seen);
    }

    /// The newest rendering, if there is one.
    #[must_use]
    pub fn newest(&self) -> Option<Arc<Published>> {
        self.newest.load_full()
    }

    /// Whether a rendering is so old that what it says of connectors may be wrong.
    #[must_use]
    pub fn is_stale(&self, published: &Published) -> bool {
        self.age(published) > self.stale_after()
    }

    /// Whether passes advance: the last one, or the start, is recent.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        let last = self.newest().map_or(self.begun, |published| published.at);
        self.clock.uptime().saturating_sub(last) <= self.stale_after()
    }

    pub(in crate::publish) fn age(&self, published: &Published) -> Duration {
        self.clock.uptime().saturating_sub(published.at)
    }
}
