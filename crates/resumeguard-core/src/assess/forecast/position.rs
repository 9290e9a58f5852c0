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
