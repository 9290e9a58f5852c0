//! Tokens that name a point in time instead of an event.

use crate::Timestamp;

/// The token that resumes a stream at `time`, in the layout that every server since 4.0.7 reads.
///
/// It sorts before every event of that time, so the stream **delivers again** the events that carry exactly `time`.
/// MongoDB documents `startAtOperationTime` for this; the token says the same where only a token can be stored.
/// Equal, byte for byte, to what a server writes itself (checked against 6.0.5).
///
/// ```
/// # use mongodb_resume_token::{Timestamp, high_water_mark_v1};
/// let token = high_water_mark_v1(Timestamp { t: 1651836794, i: 1 });
/// assert_eq!(token, "826275077A000000012B0229296E04");
/// ```
#[must_use]
pub fn high_water_mark_v1(time: Timestamp) -> String {
    format!("82{:08X}{:08X}2B0229296E04", time.t, time.i)
}

/// As [`high_water_mark_v1`], in the layout that 6.1 and newer write themselves. Servers of the 4.2 era refuse it (50795).
///
/// ```
/// # use mongodb_resume_token::{Timestamp, high_water_mark_v2};
/// let token = high_water_mark_v2(Timestamp { t: 1651836794, i: 1 });
/// assert_eq!(token, "826275077A000000012B0429296E1404");
/// ```
#[must_use]
pub fn high_water_mark_v2(time: Timestamp) -> String {
    format!("82{:08X}{:08X}2B0429296E1404", time.t, time.i)
}
