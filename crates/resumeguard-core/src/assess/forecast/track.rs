//! A bounded memory of readings, dense where recent and coarse where old.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Nothing older than this enters a forecast, seconds: a week, so that every day of it was seen once, and a day to spare.
const MAX_AGE: f64 = 8.0 * 86_400.0;

/// A value at a second of the server's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Point<V> {
    pub(super) at: u32,
    pub(super) value: V,
}

/// As a pair: there are hundreds of them in what is written down.
impl<V: Serialize> Serialize for Point<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.at, &self.value).serialize(serializer)
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Point<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <(u32, V)>::deserialize(deserializer).map(|(at, value)| Self { at, value })
    }
}

/// Points in the order of time, one a second at most.
///
/// The gap between two neighbours is at most `1/GRAIN` of their age, wherever readings were that dense: the last minutes
/// stand as they were read, yesterday at the same hour to one hour. It has no unit of its own, so that an oplog of a minute
/// is followed as well as one of a week. Two gaps in a row are longer than `1/GRAIN` of their age; hence there are at most
/// `2·GRAIN·(1 + ln(MAX_AGE / GRAIN))` points with one reading a second, 540 for a grain of 24 and 195 for one of 8. `CAP`
/// holds that bound even where the argument should fail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Track<V, const GRAIN: u32, const CAP: usize> {
    points: Vec<Point<V>>,
}

impl<V, const GRAIN: u32, const CAP: usize> Default for Track<V, GRAIN, CAP> {
    fn default() -> Self {
        Self { points: Vec::new() }
    }
}

impl<V: Copy, const GRAIN: u32, const CAP: usize> Track<V, GRAIN, CAP> {
    pub(super) fn points(&self) -> &[Point<V>] {
        &self.points
    }

    /// With one point more, which takes the place of a newest one of the same second. The caller has seen to it that time
    /// does not go back.
    pub(super) fn after(&self, at: u32, value: V) -> Self {
        let older = self.points.iter().take_while(|point| point.at < at);
        let mut newest_first: Vec<Point<V>> = Vec::with_capacity(self.points.len() + 1);
        newest_first.push(Point { at, value });
        let mut older: Vec<Point<V>> = older.copied().collect();
        while let Some(point) = older.pop() {
            let age = f64::from(at) - f64::from(point.at);
            if age > MAX_AGE || newest_first.len() == CAP {
                break;
            }
            let newer = newest_first.last().map_or(at, |newer| newer.at);
            let gap = older.last().map(|before| f64::from(newer) - f64::from(before.at));
            // The oldest has no older neighbour and stays.
            if gap.is_none_or(|gap| gap > age / f64::from(GRAIN)) {
                newest_first.push(point);
            }
        }
        newest_first.reverse();
        Self { points: newest_first }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments<const GRAIN: u32, const CAP: usize>(readings: &[u32]) -> Vec<u32> {
        let track =
            readings.iter().fold(Track::<u32, GRAIN, CAP>::default(), |track, at| track.after(*at, 0));
        track.points().iter().map(|point| point.at).collect()
    }

    #[test]
    fn neighbours_stand_no_further_apart_than_a_share_of_their_age() {
        // 92 is 8 s old at 100, and without it its neighbours stand 2 s apart: a quarter of that.
        assert_eq!(moments::<4, 99>(&[91, 92, 93, 100]), [91, 93, 100]);
        assert_eq!(moments::<4, 99>(&[90, 92, 93, 100]), [90, 92, 93, 100]);
    }

    #[test]
    fn nothing_is_older_than_eight_days() {
        const DAYS: u32 = 8 * 86_400;
        assert_eq!(moments::<4, 99>(&[7, DAYS + 7]), [7, DAYS + 7]);
        assert_eq!(moments::<4, 99>(&[7, DAYS + 8]), [DAYS + 8]);
    }

    #[test]
    fn the_number_of_points_is_bounded_whatever_the_grain() {
        assert_eq!(moments::<1000, 5>(&[1, 2, 3, 4, 5, 6, 7, 8]), [4, 5, 6, 7, 8]);
    }

    #[test]
    fn a_newer_reading_of_a_second_takes_the_place_of_the_older() {
        let track = Track::<u32, 4, 99>::default().after(5, 1).after(6, 2).after(6, 3);
        assert_eq!(track.points(), [Point { at: 5, value: 1 }, Point { at: 6, value: 3 }]);
    }
}
