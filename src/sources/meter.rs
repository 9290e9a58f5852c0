//! Success, failure and duration of one source.

use crate::clock::Clock;
use prometheus::{Histogram, HistogramOpts};
use resumeguard_core::domain::SourceFacts;
use std::time::Duration;

/// Upper bounds of the duration buckets, seconds: from a find on an idle member to a listing that runs into its deadline.
pub(crate) const BUCKETS: [f64; 10] = [0.001, 0.0025, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0];

/// Counts one source's readings.
#[derive(Debug, Clone)]
pub struct Meter {
    /// Kind of source: `connect`, `offsets`, `offsets_topic`, `offsets_file`, `status_topic`, `mongodb`, `probe`, `history`.
    pub source: &'static str,
    /// Which one.
    pub name: String,
    /// Readings begun.
    pub reads: u64,
    /// Readings that failed.
    pub failures: u64,
    /// When the last one succeeded, seconds since 1970.
    pub last_success: Option<i64>,
    /// How long they took, seconds.
    pub durations: Histogram,
    /// Why the last one failed: one line with what to do.
    pub error: Option<String>,
    /// What it cannot read and could do without: one line with what to do.
    pub lacking: Option<String>,
}

impl Meter {
    /// A meter that has counted nothing.
    ///
    /// # Panics
    /// Never: the options are constants that the `prometheus` crate accepts.
    #[must_use]
    #[expect(clippy::expect_used, reason = "constant options; covered by every test that makes a meter")]
    pub fn new(source: &'static str, name: &str) -> Self {
        let options = HistogramOpts::new("durations", "Durations.").buckets(BUCKETS.to_vec());
        Self {
            source,
            name: name.to_owned(),
            reads: 0,
            failures: 0,
            last_success: None,
            durations: Histogram::with_opts(options).expect("constant options"),
            error: None,
            lacking: None,
        }
    }

    /// Counts one reading.
    pub fn count(&mut self, took: Duration, ok: bool) {
        self.reads += 1;
        self.failures += u64::from(!ok);
        self.durations.observe(took.as_secs_f64());
    }

    /// The outcome of a pass, which may have made several readings. A failure is logged when it begins and when its
    /// text changes, not at every pass.
    pub fn conclude(&mut self, clock: &Clock, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => {
                if self.error.take().is_some() {
                    tracing::info!(source = self.source, name = self.name, "readable again");
                }
                self.last_success = Some(clock.now().unix_seconds);
            }
            Err(error) => {
                if self.error.as_ref() != Some(&error) {
                    tracing::warn!(source = self.source, name = self.name, error, "cannot be read");
                }
                self.error = Some(error);
            }
        }
    }

    /// The meter as a fact.
    #[must_use]
    pub fn facts(&self) -> SourceFacts {
        let up = self.last_success.is_some() && self.error.is_none();
        SourceFacts {
            source: self.source,
            name: self.name.clone(),
            up,
            error: self.error.clone().or_else(|| self.lacking.clone()),
        }
    }
}
