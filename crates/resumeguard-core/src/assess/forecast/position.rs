//! What is remembered of one connector's position.

use super::track::Track;
use crate::domain::Timestamp;
use serde::{Deserialize, Serialize};

/// An eighth of the age is enough: only averages are taken. See [`Track`] for what it costs.
const GRAIN: u32 = 8;
const CAP: usize = 200;

/// The shortest span that tells an advance, as a share of the time ahead.
const RECENT: f64 = 64.0;

/// Pauses that a span holds at least: with ten, the one that is under way makes a tenth of a difference.
const PAUSES: f64 = 10.0;

/// The positions of one connector over the server's time, bounded: at most 200 points of 8 bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PositionTrack {
    positions: Track<u32, GRAIN, CAP>,
    /// When it was last seen to move.
    moved_at: Option<u32>,
    /// How long it usually stands between two moves, seconds: rather the longest, but one long stop at most doubles it. Old
    /// points of the track are too far apart to tell.
    pause: Option<u32>,
}

/// How fast a position moves, seconds of oplog time a second; and whether it falls behind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Advance {
    pub(super) slowest: f64,
    pub(super) fastest: f64,
    pub(super) keeps_up: bool,
}

impl PositionTrack {
    /// The track after one more reading: the newest entry's time of the oplog it is judged by, and the position. It begins
    /// anew where either went back.
    #[must_use]
    pub fn after(&self, last: Timestamp, position: Timestamp) -> Self {
        let newest = self.positions.points().last();
        let Some(newest) = newest.filter(|newest| last.t >= newest.at && position.t >= newest.value) else {
            return Self { positions: Track::default().after(last.t, position.t), ..Self::default() };
        };
        let positions = self.positions.after(last.t, position.t);
        if position.t == newest.value {
            return Self { positions, moved_at: self.moved_at, pause: self.pause };
        }
        let stood = self.moved_at.map(|moved_at| last.t.saturating_sub(moved_at)).filter(|stood| *stood > 0);
        let pause = match (stood, self.pause) {
            (Some(stood), Some(pause)) => Some(stood.clamp(pause - pause / 8, pause.saturating_mul(2))),
            (stood, pause) => stood.or(pause),
        };
        Self { positions, moved_at: Some(last.t), pause }
    }

    /// Points kept; bounded.
    #[must_use]
    pub fn points(&self) -> usize {
        self.positions.points().len()
    }

    /// The advance over the last `horizon` seconds, and over the last sixty-fourth of them; none before the second reading.
    ///
    /// A position is stored now and then: it lags by up to one such pause more than it lagged, and that is no falling behind.
    /// A pause that has not ended does not count among them, or a connector that stands still would keep up for ever.
    pub(super) fn advance(&self, horizon: f64) -> Option<Advance> {
        let (long, short) = (self.over(horizon)?, self.over(horizon / RECENT)?);
        let pause = self.pause();
        let catches_up = short.growth < -pause;
        let keeps_up = catches_up || (long.growth <= pause && short.growth <= pause && long.rate > 0.0);
        Some(Advance { slowest: long.rate.min(short.rate), fastest: long.rate.max(short.rate), keeps_up })
    }

    fn pause(&self) -> f64 {
        f64::from(self.pause.unwrap_or(0))
    }

    fn over(&self, horizon: f64) -> Option<Over> {
        let points = self.positions.points();
        let now = points.last()?;
        let since = f64::from(now.at) - horizon.max(0.0);
        let start = points.partition_point(|point| f64::from(point.at) < since);
        // Far enough back that a pause between two stored positions does not look like standing still.
        let pause_back = f64::from(now.at) - PAUSES * self.pause();
        let start = start.min(points.partition_point(|point| f64::from(point.at) < pause_back));
        let start = points.get(start.min(points.len().checked_sub(2)?))?;
        let time = f64::from(now.at) - f64::from(start.at);
        let moved = f64::from(now.value) - f64::from(start.value);
        Some(Over { rate: moved / time, growth: time - moved })
    }
}

struct Over {
    rate: f64,
    /// By how much the lag grew, seconds.
    growth: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After readings of the newest entry's time and of the position.
    fn track(readings: impl IntoIterator<Item = (u32, u32)>) -> PositionTrack {
        let at = |t| Timestamp { t, i: 0 };
        readings
            .into_iter()
            .fold(PositionTrack::default(), |track, (last, position)| track.after(at(last), at(position)))
    }

    /// Slowest, fastest, and whether it keeps up.
    fn advance(readings: impl IntoIterator<Item = (u32, u32)>, horizon: f64) -> (f64, f64, bool) {
        let Advance { slowest, fastest, keeps_up } = track(readings).advance(horizon).unwrap();
        (slowest, fastest, keeps_up)
    }

    /// A reading every ten seconds, each with this much more than the one before.
    fn every_ten_seconds(steps: impl IntoIterator<Item = u32>) -> Vec<(u32, u32)> {
        let mut readings = vec![(0, 0)];
        for step in steps {
            let (at, position) = readings[readings.len() - 1];
            readings.push((at + 10, position + step));
        }
        readings
    }

    #[test]
    fn it_begins_anew_where_the_clock_or_the_position_went_back() {
        assert_eq!(track([(10, 5), (20, 6), (30, 6)]).points(), 3);
        assert_eq!(track([(10, 5), (20, 6), (15, 7)]).points(), 1);
        assert_eq!(track([(10, 5), (20, 6), (30, 5)]).points(), 1);
        assert_eq!(track([(10, 5)]).advance(100.0), None, "one reading shows no movement");
    }

    #[test]
    fn a_pause_follows_the_longest_and_one_stop_at_most_doubles_it() {
        let mut readings = vec![(0, 0), (80, 1)];
        assert_eq!(track(readings.clone()).pause, None, "it has moved once");
        for (at, pause) in [(160, 80), (240, 80), (315, 75), (316, 66), (1316, 132)] {
            readings.push((at, at));
            assert_eq!(track(readings.clone()).pause, Some(pause), "at {at}");
        }
        // Twice within a second of the server's clock.
        assert_eq!(track([(0, 0), (80, 1), (160, 2), (160, 3)]).pause, Some(80));
    }

    #[test]
    fn the_advance_over_the_way_ahead_and_over_a_64th_of_it() {
        // Over 640 s, from 360 on: 12 s. Over ten, from 991 on: the same 12.
        let readings = [(0, 0), (360, 0), (991, 0), (994, 12), (1000, 12)];
        assert_eq!(advance(readings, 640.0), (12.0 / 640.0, 12.0 / 9.0, true));
        // One second less far back, and the standstill since 991 is all there is.
        assert_eq!(advance(readings, 639.0), (12.0 / 9.0, 12.0 / 9.0, true));
    }

    #[test]
    fn a_span_holds_ten_pauses() {
        // Two a second, once ten, at last half a second a second. The position is stored every ten seconds: whatever is
        // asked for, the last hundred seconds count, and the step at their beginning with them.
        let steps = [20].repeat(10).into_iter().chain([100]).chain([5].repeat(9));
        assert_eq!(advance(every_ten_seconds(steps), 1.0), (1.45, 1.45, true));
    }

    #[test]
    fn catching_up_is_more_than_one_pause() {
        let behind =
            |last: u32| every_ten_seconds([1].repeat(100).into_iter().chain([11].repeat(9)).chain([last]));
        assert!(!advance(behind(11), 1100.0).2, "ten seconds won in a hundred may be where it was read");
        assert!(advance(behind(12), 1100.0).2);
    }

    #[test]
    fn it_keeps_up_only_if_it_does_so_lately_as_well() {
        let ahead = |stands: usize| every_ten_seconds([12].repeat(100).into_iter().chain([0].repeat(stands)));
        assert!(advance(ahead(0), 1000.0).2);
        assert!(!advance(ahead(11), 1110.0).2, "it has stood for longer than a pause");
    }

    #[test]
    fn one_that_was_not_seen_moving_since_a_gap_in_the_readings_does_not_keep_up() {
        let readings = [(0, 0), (10, 1), (20, 2), (5000, 2), (5005, 2)];
        assert_eq!(advance(readings, 1.0), (0.0, 0.0, false));
    }
}
