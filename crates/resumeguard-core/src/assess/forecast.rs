//! How long until a position falls out of an oplog: pure arithmetic on readings of the server's own clock.
//!
//! Two estimators, each only where it can be measured:
//!
//! - **erosion**: how fast the oldest entry moves, measured from jump to jump, since truncation goes in steps (a server
//!   truncates at its checkpoints, and whole stretches of the oplog at once).
//! - **bytes**: a position goes once more than the configured maximum stands after it. What stands after it is known
//!   where it was seen being written; how fast more comes is measured as well. It is the only one for an oplog that still fills.
//!
//! The budget is the shorter of both by the recent pace. Day and night differ: the range goes from the fastest to the
//! slowest stretch of the same amount in the last eight days.

#[cfg(test)]
mod exact;
mod oplog;
mod pace;
mod position;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
mod track;

pub use oplog::{OplogTrack, Sample};
pub use position::PositionTrack;

use crate::domain::Timestamp;
use serde::{Deserialize, Serialize};

/// No forecast reaches further, seconds: the server's clock has 32 bits.
const FURTHEST: f64 = 4_294_967_295.0;

/// Older points stand this share of their age apart: what a range may be off.
const TOLERANCE: f64 = 1.0 / 24.0;

/// Why there is no forecast. A closed list: dashboards and programs match on [`NoForecast::code`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum NoForecast {
    /// The readings are not enough yet.
    TooFewSamples,
    /// The oldest entry has moved, yet too seldom to tell a pace.
    TooFewTruncations,
    /// The oldest entry stands still, and the oplog does not grow.
    NothingErodes,
    /// The oldest entry stands still, and how much the oplog still takes is not known.
    SizeUnknown,
    /// The server's clock went back; measuring began anew.
    ClockWentBack,
    /// The member holds another oplog than before (resynchronised or replaced); measuring began anew.
    OplogReplaced,
    /// The position moves as fast as the oplog is written or eroded. Of `until_lost` only.
    KeepsUp,
}

impl NoForecast {
    /// Every value, in the order of declaration.
    pub const ALL: [Self; 7] = [
        Self::TooFewSamples,
        Self::TooFewTruncations,
        Self::NothingErodes,
        Self::SizeUnknown,
        Self::ClockWentBack,
        Self::OplogReplaced,
        Self::KeepsUp,
    ];

    /// The word that metrics and JSON carry.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::TooFewSamples => "too_few_samples",
            Self::TooFewTruncations => "too_few_truncations",
            Self::NothingErodes => "nothing_erodes",
            Self::SizeUnknown => "size_unknown",
            Self::ClockWentBack => "clock_went_back",
            Self::OplogReplaced => "oplog_replaced",
            Self::KeepsUp => "keeps_up",
        }
    }

    /// One clause for people.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::TooFewSamples => "too few readings so far",
            Self::TooFewTruncations => "the oplog's oldest entry has moved too seldom to tell a pace",
            Self::NothingErodes => "nothing erodes: the oplog neither grows nor loses its oldest entry",
            Self::SizeUnknown => "how much the oplog still takes is not known",
            Self::ClockWentBack => "the server's clock went back, and measuring began anew",
            Self::OplogReplaced => "the member holds another oplog than before, and measuring began anew",
            Self::KeepsUp => "it keeps up",
        }
    }
}

/// A span of seconds that the truth is expected in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// If it goes as fast as it ever went.
    pub low: i64,
    /// If it goes as slowly as it ever went; absent where the position then keeps up.
    pub high: Option<i64>,
}

/// When a position will be lost, as far as anybody can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forecast {
    /// Seconds until it falls out of the oplog if it stands still from now on; by the recent pace. 0 once lost.
    pub outage_budget_seconds: Result<i64, NoForecast>,
    /// The same as a range over the paces of the last days: the budget lies in it, and under a load with days and nights
    /// the truth does.
    pub standing_still: Result<Range, NoForecast>,
    /// Seconds until it falls out with its own advance counted.
    pub until_lost: Result<Range, NoForecast>,
}

/// Forecasts one position against the oplog that decides over it.
///
/// `min_retention_seconds` is `oplogMinRetentionHours`: by its own clock the server keeps what is younger, whatever the
/// size ([`replSetResizeOplog`](https://www.mongodb.com/docs/manual/reference/command/replSetResizeOplog/)).
#[must_use]
pub fn forecast(
    oplog: &OplogTrack,
    position: Timestamp,
    advance: &PositionTrack,
    min_retention_seconds: Option<u64>,
) -> Forecast {
    let Some(newest) = oplog.newest() else {
        return Forecast::none(NoForecast::TooFewSamples);
    };
    if position < newest.first && !newest.initiating {
        let lost = Ok(Range { low: 0, high: Some(0) });
        return Forecast { outage_budget_seconds: Ok(0), standing_still: lost, until_lost: lost };
    }
    let ahead = Ahead::of(oplog, newest, position);
    let Some(mut still) = shorter(by_erosion(oplog, &ahead), by_bytes(oplog, &ahead)) else {
        return Forecast::none(oplog.reason());
    };
    if let Some(retention) = min_retention_seconds {
        let kept = (f64::from(ahead.position) + oplog::as_f64(retention) - f64::from(newest.last.t)).max(0.0);
        still = still.map(|seconds| seconds.max(kept));
    }
    let range = Range { low: whole(still.fastest), high: Some(whole(still.slowest)) };
    Forecast {
        outage_budget_seconds: Ok(whole(still.recent)),
        standing_still: Ok(range),
        until_lost: advancing(&still, &ahead, advance),
    }
}

impl Forecast {
    fn none(reason: NoForecast) -> Self {
        Self { outage_budget_seconds: Err(reason), standing_still: Err(reason), until_lost: Err(reason) }
    }
}

/// The way that is left. Seconds of the server's clock.
struct Ahead {
    /// Never newer than the newest entry.
    position: u32,
    last: u32,
    headroom: f64,
    /// The headroom as of the reading before: how far back to look must not depend on the newest one.
    way: f64,
    max_size_bytes: Option<f64>,
}

impl Ahead {
    fn of(oplog: &OplogTrack, newest: &Sample, position: Timestamp) -> Self {
        let position = position.t.min(newest.last.t);
        let before = oplog.first_before().unwrap_or(newest.first.t);
        Self {
            position,
            last: newest.last.t,
            headroom: (f64::from(position) - f64::from(newest.first.t)).max(0.0),
            way: (f64::from(position) - f64::from(before)).max(1.0),
            max_size_bytes: newest.max_size_bytes.map(oplog::as_f64),
        }
    }
}

/// Seconds until a position that stands still is lost.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Still {
    fastest: f64,
    recent: f64,
    slowest: f64,
}

impl Still {
    fn map(self, change: impl Fn(f64) -> f64) -> Self {
        Self { fastest: change(self.fastest), recent: change(self.recent), slowest: change(self.slowest) }
    }

    /// The time until `curve` has grown by `need`: by the recent pace, or by yesterday's from this hour on if that was faster;
    /// by the fastest and the slowest of the track, where it may be a `step` less or more. The range holds the recent one.
    fn new(need: f64, step: f64, pace: f64, curve: &[(f64, f64)]) -> Self {
        let recent = need / pace;
        let recent = pace::since_yesterday(curve, need).map_or(recent, |yesterday| recent.min(yesterday));
        let fastest = pace::spread(curve, (need - step).max(0.0)).map_or(recent, |(fastest, _)| fastest);
        let slowest = pace::spread(curve, need + step).map_or(recent, |(_, slowest)| slowest);
        Self {
            fastest: (fastest * (1.0 - TOLERANCE)).min(recent).max(0.0),
            recent: recent.max(0.0),
            slowest: (slowest * (1.0 + TOLERANCE)).max(recent).max(0.0),
        }
    }
}

/// The shorter budget, and the range that holds both.
fn shorter(a: Option<Still>, b: Option<Still>) -> Option<Still> {
    match (a, b) {
        (Some(a), Some(b)) => Some(Still {
            fastest: a.fastest.min(b.fastest),
            recent: a.recent.min(b.recent),
            slowest: a.slowest.max(b.slowest),
        }),
        (one, other) => one.or(other),
    }
}

/// By the pace of the oldest entry. What it says now is up to one jump old: the edge is where it would be if it moved evenly.
///
/// Nothing that is measured depends on the newest reading in a way that an older edge could lengthen the result.
fn by_erosion(oplog: &OplogTrack, ahead: &Ahead) -> Option<Still> {
    let now = f64::from(ahead.last);
    let first = f64::from(ahead.position) - ahead.headroom;
    let mut jumps = oplog.jumps();
    jumps.retain(|jump| jump.0 < now);
    let (oldest, latest) = (*jumps.first()?, *jumps.last()?);
    let before = pace::recent(&jumps, latest, ahead.way)?;
    let pace = pace::recent(&jumps, (now, first), ahead.way)?;
    let intervals = jumps.len().saturating_sub(1).max(1);
    let intervals = f64::from(u32::try_from(intervals).unwrap_or(u32::MAX));
    let interval = (latest.0 - oldest.0) / intervals;
    let due = (now - latest.0).min(interval);
    let edge = (latest.1 + before * due).max(first);
    let need = (f64::from(ahead.position) - edge).max(0.0);
    let step = pace::largest_step(&jumps);
    jumps.push((now, edge));
    let still = Still::new(need, step, pace, &jumps);
    // The end comes with a jump, up to one interval after the edge has passed.
    Some(Still { slowest: still.slowest + interval, ..still })
}

/// By what may still be written before more than the maximum stands after the position.
fn by_bytes(oplog: &OplogTrack, ahead: &Ahead) -> Option<Still> {
    let room = (ahead.max_size_bytes? - oplog.bytes_after(ahead.position)?).max(0.0);
    let written = oplog.written();
    let (newest, before) = written.split_last()?;
    let pace = pace::recent(before, *newest, ahead.way)?;
    let since = f64::from(ahead.last) - newest.0;
    Some(Still::new(room, 0.0, pace, &written).map(|seconds| (seconds - since).max(0.0)))
}

/// The same with the position's own advance: it takes as long again as it wins.
fn advancing(still: &Still, ahead: &Ahead, advance: &PositionTrack) -> Result<Range, NoForecast> {
    let advance = advance.advance(ahead.headroom).ok_or(NoForecast::TooFewSamples)?;
    if advance.keeps_up {
        return Err(NoForecast::KeepsUp);
    }
    let with = |seconds: f64, rate: f64| {
        let won = rate * seconds / ahead.headroom.max(1.0);
        (won < 1.0).then(|| whole(seconds / (1.0 - won)))
    };
    let low = with(still.fastest, advance.slowest).ok_or(NoForecast::KeepsUp)?;
    Ok(Range { low, high: with(still.slowest, advance.fastest) })
}

/// Whole seconds, rounded down: never more than there are.
#[expect(clippy::cast_possible_truncation, reason = "clamped to 32 bits")]
fn whole(seconds: f64) -> i64 {
    seconds.clamp(0.0, FURTHEST) as i64
}
