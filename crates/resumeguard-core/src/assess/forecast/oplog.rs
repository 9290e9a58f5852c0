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
        // The bytes of the oldest entry's own second stand before it as well, and are still there.
        let truncated = if first > before.value.first { self.bytes_before(before, first) } else { 0.0 };
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

    /// Seconds until an oplog that still fills begins to truncate, if it goes on at its pace of late: over a part of its
    /// `window` seconds so far. `None` until that was measured.
    #[must_use]
    pub(crate) fn seconds_until_full(&self, window: i64) -> Option<i64> {
        let newest = self.newest()?;
        let room = newest.max_size_bytes?.saturating_sub(newest.size_bytes?);
        let written = self.written();
        let (latest, before) = written.split_last()?;
        let window = u32::try_from(window).unwrap_or(u32::MAX);
        let pace = pace::recent(before, *latest, f64::from(window))?;
        Some(super::whole(as_f64(room) / pace))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Newest entry, oldest entry, size.
    fn sample((last, first, size): (u32, u32, u64)) -> Sample {
        let at = |t| Timestamp { t, i: 1 };
        let (last, first) = (at(last), at(first));
        Sample { last, first, initiating: false, size_bytes: Some(size), max_size_bytes: Some(9000) }
    }

    fn track(readings: &[(u32, u32, u64)]) -> OplogTrack {
        readings.iter().fold(OplogTrack::default(), |track, reading| track.after(sample(*reading)))
    }

    #[track_caller]
    fn written(readings: &[(u32, u32, u64)], expected: &[(f64, f64)]) {
        assert_eq!(track(readings).written(), expected);
    }

    #[test]
    fn what_stands_after_a_position() {
        // The first 1000 bytes were there before anybody looked; 200 and 300 were seen being written.
        let track = track(&[(1000, 200, 1000), (1100, 200, 1200), (1200, 200, 1500)]);
        for (position, after) in [
            (1200, 0.0),
            (1150, 150.0),
            (1100, 300.0),
            (1000, 500.0),
            (600, 1000.0),
            (200, 1500.0),
            (100, 1500.0),
        ] {
            assert_eq!(track.bytes_after(position), Some(after), "{position}");
        }
        assert_eq!(track.bytes_after(1300), Some(0.0), "newer than the newest reading of the size");
        assert_eq!(OplogTrack::default().bytes_after(1000), None);
    }

    #[test]
    fn what_stands_after_a_position_once_the_first_readings_are_forgotten() {
        // The reading at 1000 is more than eight days old: 1200 bytes were there before the oldest that is known.
        let track = track(&[(1000, 200, 1000), (2000, 200, 1200), (692_500, 200, 1500)]);
        assert_eq!(track.written(), [(2000.0, 200.0), (692_500.0, 500.0)]);
        assert_eq!((track.bytes_after(1100), track.bytes_after(2000)), (Some(900.0), Some(300.0)));
    }

    #[test]
    fn an_oplog_seen_from_its_first_entry_on() {
        let track = track(&[(1000, 1000, 100), (1100, 1000, 300)]);
        assert_eq!(track.bytes_after(1000), Some(200.0), "all but that entry itself");
    }

    #[test]
    fn what_was_truncated_was_written_as_well() {
        written(&[(1000, 0, 1000), (1100, 0, 1400)], &[(1000.0, 0.0), (1100.0, 400.0)]);
        // Half of what was there at first is gone: 500 bytes.
        written(&[(1000, 0, 1000), (1100, 500, 700)], &[(1000.0, 0.0), (1100.0, 200.0)]);
        // And all of it, with half of the next 400: 1200 bytes.
        let readings = [(1000, 0, 1000), (1100, 0, 1400), (1200, 1050, 700)];
        written(&readings, &[(1000.0, 0.0), (1100.0, 400.0), (1200.0, 900.0)]);
        written(&[(1000, 0, 1000), (1100, 0, 900)], &[(1000.0, 0.0), (1100.0, 0.0)]);
    }

    #[test]
    fn a_size_is_taken_for_a_new_one_only_where_it_differs() {
        written(&[(1000, 0, 1000), (1100, 0, 1000), (1200, 0, 1200)], &[(1000.0, 0.0), (1200.0, 200.0)]);
    }

    #[test]
    fn two_readings_of_a_second_are_one() {
        // The later one has seen the truncation.
        let readings = [(1000, 0, 1000), (1100, 0, 1400), (1100, 500, 1400)];
        written(&readings, &[(1000.0, 0.0), (1100.0, 900.0)]);
        let begun = Sample { initiating: true, ..sample((1000, 0, 1000)) };
        let both = [begun, sample((1000, 500, 900))];
        for both in [both, [both[1], both[0]]] {
            let track = both.iter().fold(OplogTrack::default(), |track, sample| track.after(*sample));
            assert_eq!(track.newest(), Some(&sample((1000, 500, 1000))), "truncated, as one of them says");
        }
    }

    #[test]
    fn erosion_is_the_fastest_average_over_spans_around_the_window() {
        // Every 100 s; the window is 500 s at last. Twice as fast from 4000 to 2000 s ago, within 16 windows; three times as
        // fast long before.
        let mut first = 0;
        let readings = (0..=200_u32).map(|k| {
            first += if k < 60 {
                300
            } else if (160..180).contains(&k) {
                200
            } else {
                100
            };
            (14_800 + 100 * k, first, 1)
        });
        let erosion = track(&readings.collect::<Vec<_>>()).erosion().unwrap();
        assert!((1.2..1.3).contains(&erosion), "(8000 + 2000) / 8000, not {erosion}");
    }

    #[test]
    fn what_is_kept() {
        let track = track(&[(1000, 100, 1000), (1010, 150, 1000), (1020, 150, 1100)]);
        assert_eq!(track.points(), 3 + 2, "oldest entries and sizes");
        assert_eq!(track.first_before(), Some(150));
        assert_eq!(track.jumps(), [(1010.0, 150.0)]);
        assert_eq!(OplogTrack::default().after(sample((1000, 100, 1))).first_before(), None);
    }

    #[test]
    fn another_oplog_begins_anew() {
        let points =
            |last, first| track(&[(1000, 100, 1), (1100, 100, 1), (last, first, 1)]).firsts.points().len();
        assert_eq!(points(1200, 100), 3);
        assert_eq!(points(1200, 1100), 3, "what was the newest entry is the oldest");
        assert_eq!(points(1200, 1101), 1, "nothing is left");
        assert_eq!(points(1200, 99), 1, "it reaches back further");
        assert_eq!(points(1099, 100), 1, "its clock went back");
    }
}
