//! What is remembered of one member's oplog.

use super::NoForecast;
use super::pace::{self, Curve};
use super::track::{Point, Track};
use crate::assess::written;
use crate::domain::Timestamp;
use serde::{Deserialize, Serialize};

/// Yesterday to one hour; see [`Track`] for what it costs.
const GRAIN: u32 = 24;
const CAP: usize = 544;

/// One reading of a member's oplog. Every time is the server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Newest entry.
    pub last: Timestamp,
    /// Oldest entry.
    pub first: Timestamp,
    /// The oldest entry is the no-op `initiating set`: nothing was ever truncated.
    pub initiating: bool,
    /// Logical size, bytes. One that equals the size before is taken for the same reading, carried along.
    pub size_bytes: Option<u64>,
    /// Configured maximum, bytes.
    pub max_size_bytes: Option<u64>,
}

/// The readings of one member's oplog, bounded: at most 2 × 544 points of 32 bytes or less.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct OplogTrack {
    newest: Option<Sample>,
    /// Why it does not reach back further, where something broke it off.
    broken_off: Option<NoForecast>,
    firsts: Track<u32, GRAIN, CAP>,
    volumes: Track<Volume, GRAIN, CAP>,
}

/// What was in an oplog and what had been written to it, at one reading of its size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Volume {
    first: u32,
    /// Logical size, bytes.
    #[serde(with = "written::exact")]
    size: f64,
    /// Bytes written since the track began.
    #[serde(with = "written::exact")]
    written: f64,
}

impl OplogTrack {
    /// The track after one more reading.
    ///
    /// It begins anew where the reading shows another oplog than the ones before: its clock or its oldest entry went back,
    /// or nothing that it held a pass ago is left (resynchronised). A reading of the same second is merged with the newest.
    #[must_use]
    pub fn after(&self, sample: Sample) -> Self {
        let Some(newest) = self.newest else {
            return Self::default().with(sample);
        };
        let broken_off = if sample.last.t < newest.last.t {
            Some(NoForecast::ClockWentBack)
        } else if sample.last.t == newest.last.t {
            return self.with(merged(newest, sample));
        } else if sample.first < newest.first || sample.first > newest.last {
            Some(NoForecast::OplogReplaced)
        } else {
            None
        };
        match broken_off {
            Some(_) => Self { broken_off, ..Self::default() }.with(sample),
            None => self.with(sample),
        }
    }

    /// Points kept; bounded.
    #[must_use]
    pub fn points(&self) -> usize {
        self.firsts.points().len() + self.volumes.points().len()
    }

    pub(super) fn newest(&self) -> Option<&Sample> {
        self.newest.as_ref()
    }

    /// Why there is no forecast, when there is nothing to measure.
    pub(super) fn reason(&self) -> NoForecast {
        const FEWEST: usize = 3;
        let moved = self.jumps().len();
        let Some(newest) = self.newest else { return NoForecast::TooFewSamples };
        match self.broken_off {
            Some(reason) if moved == 0 => reason,
            _ if self.firsts.points().len() < FEWEST => NoForecast::TooFewSamples,
            _ if moved > 0 => NoForecast::TooFewTruncations,
            _ if newest.size_bytes.is_none() || newest.max_size_bytes.is_none() => NoForecast::SizeUnknown,
            _ => NoForecast::NothingErodes,
        }
    }

    fn with(&self, sample: Sample) -> Self {
        let at = sample.last.t;
        let volumes = match sample.size_bytes {
            Some(size) => self.volumes_after(at, sample.first.t, as_f64(size)),
            None => self.volumes.clone(),
        };
        Self {
            newest: Some(sample),
            broken_off: self.broken_off,
            firsts: self.firsts.after(at, sample.first.t),
            volumes,
        }
    }

    /// Written is what the size grew by and what was truncated meanwhile. Never less than nothing, and never less where
    /// more was truncated.
    fn volumes_after(&self, at: u32, first: u32, size: f64) -> Track<Volume, GRAIN, CAP> {
        let before = self.volumes.points().iter().rev().find(|point| point.at < at);
        let Some(before) = before else {
            return self.volumes.after(at, Volume { first, size, written: 0.0 });
        };
        if before.value.size == size {
            return self.volumes.clone();
        }
        let truncated = self.bytes_before(before, first);
        let growth = (size - before.value.size + truncated).max(0.0);
        self.volumes.after(at, Volume { first, size, written: before.value.written + growth })
    }

    /// Where truncation has moved the oldest entry: the moments, and where to. The first point is none: nobody knows when
    /// that entry became the oldest.
    pub(super) fn jumps(&self) -> Curve {
        let pairs = self.firsts.points().windows(2);
        pairs
            .filter_map(|pair| match pair {
                [before, after] if after.value > before.value => {
                    Some((f64::from(after.at), f64::from(after.value)))
                }
                _ => None,
            })
            .collect()
    }

    /// Seconds of history that truncation takes away in a second, of late; `None` until it has been seen doing so.
    #[must_use]
    pub fn erosion(&self) -> Option<f64> {
        let newest = self.newest()?;
        let now = (f64::from(newest.last.t), f64::from(newest.first.t));
        pace::recent(&self.jumps(), now, now.0 - now.1)
    }

    /// The oldest entry's time at the reading before the newest.
    pub(super) fn first_before(&self) -> Option<u32> {
        self.firsts.points().iter().rev().nth(1).map(|point| point.value)
    }

    /// Bytes written, by time.
    pub(super) fn written(&self) -> Curve {
        self.volumes.points().iter().map(|point| (f64::from(point.at), point.value.written)).collect()
    }

    /// Bytes that stand after `position` at the newest reading of the size.
    pub(super) fn bytes_after(&self, position: u32) -> Option<f64> {
        let newest = self.volumes.points().last()?;
        Some(newest.value.size - self.bytes_before(newest, position))
    }

    /// Bytes between the oldest entry and `position`, as of `newest`: by what was seen being written since; for the part
    /// older than the track nobody knows where in it they stand, and they count as spread evenly.
    fn bytes_before(&self, newest: &Point<Volume>, position: u32) -> f64 {
        let Volume { first, size, written } = newest.value;
        let points = self.volumes.points();
        let oldest = points.first().unwrap_or(newest);
        let seen = (written - oldest.value.written).min(size);
        if position < oldest.at {
            let span = f64::from(oldest.at) - f64::from(first);
            let share = (f64::from(position) - f64::from(first)) / span.max(1.0);
            return (size - seen) * share.clamp(0.0, 1.0);
        }
        let until = points.partition_point(|point| point.at <= position);
        let before = until.checked_sub(1).and_then(|i| points.get(i)).unwrap_or(oldest);
        let after = points.get(until).unwrap_or(before);
        let span = (f64::from(after.at) - f64::from(before.at)).max(1.0);
        let share = ((f64::from(position) - f64::from(before.at)) / span).min(1.0);
        let then = before.value.written + share * (after.value.written - before.value.written);
        (size - (written - then)).clamp(0.0, size)
    }
}

/// Two readings of one second: the later one of both, whichever came first.
fn merged(a: Sample, b: Sample) -> Sample {
    Sample {
        last: a.last.max(b.last),
        first: a.first.max(b.first),
        initiating: a.initiating && b.initiating,
        size_bytes: a.size_bytes.max(b.size_bytes),
        max_size_bytes: a.max_size_bytes.max(b.max_size_bytes),
    }
}

/// Exact up to 2^53 bytes, eight petabytes.
#[expect(clippy::cast_precision_loss, reason = "sizes of oplogs fit 53 bits; beyond, the error is 1 in 2^53")]
pub(super) fn as_f64(bytes: u64) -> f64 {
    bytes as f64
}
