//! The only place that reads a clock. Everything else is handed a [`Now`] or a [`Clock`].
#![expect(clippy::disallowed_methods, reason = "this is the place")]

use resumeguard_core::domain::Now;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A clock that counts from when it was started, or goes on where another has stopped.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
    /// What had passed by then.
    before: Duration,
}

impl Clock {
    /// Starts counting.
    #[must_use]
    pub fn start() -> Self {
        Self { started: Instant::now(), before: Duration::ZERO }
    }

    /// Goes on from an earlier process's clock: from the `uptime` that it showed when the wall clock showed `since_1970`.
    ///
    /// Only the wall clock can tell what has passed between two processes. Where it went back, nothing has.
    #[must_use]
    pub fn resumed(uptime: Duration, since_1970: Duration) -> Self {
        let passed = wall().saturating_sub(since_1970);
        Self { started: Instant::now(), before: uptime.saturating_add(passed) }
    }

    /// Monotonic time since the start, and before it.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.before.saturating_add(self.started.elapsed())
    }

    /// The moment, for one judgement.
    #[must_use]
    pub fn now(&self) -> Now {
        let unix_seconds = i64::try_from(wall().as_secs()).unwrap_or(i64::MAX);
        Now { unix_seconds, uptime: self.uptime() }
    }

    /// What the wall clock shows, since 1970.
    #[must_use]
    pub fn since_1970(&self) -> Duration {
        wall()
    }
}

fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resumed_clock_goes_on_by_the_wall_clock_and_never_back() {
        let hour = Duration::from_secs(3600);
        let later = Clock::resumed(hour, wall() - Duration::from_secs(30)).uptime();
        assert!(
            (hour + Duration::from_secs(30)..hour + Duration::from_secs(60)).contains(&later),
            "{later:?}"
        );
        // The wall clock stood an hour further when the uptime was saved.
        let back = Clock::resumed(hour, wall() + hour).uptime();
        assert!((hour..hour + Duration::from_secs(30)).contains(&back), "{back:?}");
    }
}
