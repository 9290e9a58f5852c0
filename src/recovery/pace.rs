//! How fast the oplog loses its beginning, as this attempt sees it, and how far ahead of it a mark has to be.

use resumeguard_core::domain::Timestamp;
use std::time::Duration;

/// From writing a mark to an open stream: the connector is resumed, its task assigned, its driver connected. 1 to 3 s on two
/// loaded cores; somewhat more costs a little history where the oplog rolls, too little costs a whole round.
const OPENING_SECONDS: f64 = 5.0;

/// What the looks of one attempt have seen of the oldest entry.
#[derive(Debug, Default)]
pub(super) struct Pace {
    first: Option<(Duration, Timestamp)>,
    last: Option<(Duration, Timestamp)>,
}

impl Pace {
    /// One more look, at that uptime.
    pub(super) fn note(&mut self, uptime: Duration, oldest: Timestamp) {
        self.first.get_or_insert((uptime, oldest));
        self.last = Some((uptime, oldest));
    }

    /// Seconds of oplog time by which the mark has to lie after the oldest entry.
    ///
    /// Where the oldest entry has not moved during this attempt, none in the first round: nothing that survives is given up
    /// for a danger that nobody has seen. MongoDB deletes the oplog by chunks, so that it may jump all the same; then the
    /// stream cannot be opened, and another round begins. Where it moves, it is expected to go on at that speed until the
    /// stream is open; and every round that was lost shows that this was too little, so it is doubled.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    pub(super) fn margin_seconds(&self, round: u32) -> u32 {
        let measured = self.seconds_per_second().map(|speed| (speed * OPENING_SECONDS).ceil() as u32);
        match (measured, round) {
            (None, 0) => 0,
            (measured, round) => measured.unwrap_or(0).max(1).saturating_mul(1 << round.min(16)),
        }
    }

    /// `None` where it has not moved.
    fn seconds_per_second(&self) -> Option<f64> {
        let ((begun, from), (ended, to)) = self.first.zip(self.last)?;
        let seconds = ended.saturating_sub(begun).as_secs_f64();
        (to > from && seconds > 0.0).then(|| f64::from(to.t.saturating_sub(from.t)) / seconds.max(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(looks: &[(u64, u32, u32)]) -> Pace {
        let mut pace = Pace::default();
        for (uptime, t, i) in looks {
            pace.note(Duration::from_secs(*uptime), Timestamp { t: *t, i: *i });
        }
        pace
    }

    #[test]
    fn none_where_nothing_moves_and_more_with_each_round() {
        let still = pace(&[(10, 1000, 1), (14, 1000, 1)]);
        assert_eq!([0, 1, 2].map(|round| still.margin_seconds(round)), [0, 2, 4]);
        assert_eq!(pace(&[]).margin_seconds(0), 0);
        // Two seconds of oplog a second.
        let rolling = pace(&[(10, 1000, 1), (14, 1008, 7)]);
        assert_eq!([0, 1, 2].map(|round| rolling.margin_seconds(round)), [10, 20, 40]);
        let within_a_second = pace(&[(10, 1000, 1), (14, 1000, 2)]);
        assert_eq!(within_a_second.margin_seconds(0), 1);
        assert_eq!(pace(&[(10, 1000, 1), (11, u32::MAX, 1)]).margin_seconds(40), u32::MAX, "no overflow");
    }
}
