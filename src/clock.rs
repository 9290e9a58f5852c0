//! The only place that reads a clock. Everything else is handed a [`Now`] or a [`Clock`].
#![expect(clippy::disallowed_methods, reason = "this is the place")]

use resumeguard_core::domain::Now;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A clock that counts from when it was started.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    /// Starts counting.
    #[must_use]
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// Monotonic time since the start.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// The moment, for one judgement.
    #[must_use]
    pub fn now(&self) -> Now {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { unix_seconds: i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX), uptime: self.uptime() }
    }
}
