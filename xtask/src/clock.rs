//! The only file of this package that reads a clock, and the one way to wait: for a condition, with a bound.
#![expect(clippy::disallowed_methods, reason = "this is xtask's clock file")]

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How often a condition is looked at again. Everything waited for here takes seconds; a tenth is not noticed.
const LOOK_AGAIN_EVERY: Duration = Duration::from_millis(100);

/// A moment after which waiting is over.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    at: Instant,
}

impl Deadline {
    /// The moment `limit` from now.
    #[must_use]
    pub fn after(limit: Duration) -> Self {
        Self { at: Instant::now() + limit }
    }

    /// Whether the moment has come.
    #[must_use]
    pub fn passed(&self) -> bool {
        Instant::now() >= self.at
    }
}

/// Measures how long something took.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts measuring.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// What one look at a condition showed.
#[derive(Debug)]
pub enum Seen<T> {
    /// It holds, and this came with it.
    Yes(T),
    /// It does not hold yet; what was seen instead goes into the error if the wait runs out.
    Not(String),
}

/// Looks at a condition until it holds, an error makes waiting pointless, or `limit` has passed.
///
/// # Errors
/// The check's own error, or one that names what was waited for and what was seen last.
pub async fn wait_until<T>(
    what: &str,
    limit: Duration,
    mut check: impl AsyncFnMut() -> Result<Seen<T>>,
) -> Result<T> {
    let deadline = Deadline::after(limit);
    loop {
        match check().await? {
            Seen::Yes(value) => return Ok(value),
            Seen::Not(last) if deadline.passed() => {
                bail!("waited {} s for {what}; last seen: {last}", limit.as_secs())
            }
            Seen::Not(_) => tokio::time::sleep(LOOK_AGAIN_EVERY).await,
        }
    }
}
