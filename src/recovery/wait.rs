//! Waiting with a bound that counts only while there is somebody to be waited for.

use super::away::Away;
use super::walk::AGAIN;
use crate::clock::Clock;
use std::time::Duration;

/// One wait.
#[derive(Debug)]
pub(super) struct Wait<'a> {
    clock: Clock,
    limit: Duration,
    away: &'a Away,
    /// Time that passed while it could be looked at.
    watched: Duration,
    /// Time since it was last looked at.
    blind: Duration,
    last: Duration,
}

impl<'a> Wait<'a> {
    pub(super) fn new(clock: Clock, limit: Duration, away: &'a Away) -> Self {
        Self { clock, limit, away, watched: Duration::ZERO, blind: Duration::ZERO, last: clock.uptime() }
    }

    /// The limit, for people.
    pub(super) fn limit(&self) -> String {
        format!("{} s", self.limit.as_secs())
    }

    /// A look succeeded.
    pub(super) fn was_read(&mut self) {
        // The time in which it could not be seen is no reason to believe that it will not come.
        let passed = self.passed();
        self.watched += passed.min(AGAIN * 4);
        self.blind = Duration::ZERO;
    }

    /// Whether the time is over.
    pub(super) fn is_over(&self) -> bool {
        self.watched >= self.limit || self.blind >= self.away.unread()
    }

    /// A moment's pause; `false` when the time is over.
    pub(super) async fn goes_on(&mut self) -> bool {
        let passed = self.passed();
        self.blind += passed;
        if self.is_over() {
            return false;
        }
        self.away.tell(self.blind, "its Connect cluster cannot be read");
        tokio::time::sleep(AGAIN).await;
        true
    }

    fn passed(&mut self) -> Duration {
        let now = self.clock.uptime();
        let passed = now.saturating_sub(self.last);
        self.last = now;
        passed
    }
}
