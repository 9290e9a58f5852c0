//! How fast something grew: lately, at its fastest and at its slowest.

/// A growing quantity over seconds of the server's clock.
pub(super) type Curve = Vec<(f64, f64)>;

/// Steps that a rate is measured over, where as many were seen: truncation goes in jumps, and its jumps differ.
const STEPS: usize = 6;

/// Fewer steps than this are no rate.
const FEWEST_STEPS: usize = 2;

/// Spans that a recent rate is measured over, in times of the way ahead; the fastest average counts. The short ones see a
/// load that has risen; the long ones a night that will end.
const LOOK_BACK: [f64; 5] = [0.0625, 0.25, 1.0, 4.0, 16.0];

/// Seconds.
const DAY: f64 = 86_400.0;

/// Growth a second of late, measured over spans around `horizon` seconds.
///
/// `now` is looked at apart from the points before it: whatever it says, a higher value never makes the rate lower.
pub(super) fn recent(curve: &[(f64, f64)], now: (f64, f64), horizon: f64) -> Option<f64> {
    let end = *curve.last()?;
    let steps = curve.len() - 1;
    if steps < FEWEST_STEPS {
        return None;
    }
    let rates = LOOK_BACK.iter().filter_map(|times| {
        let since = end.0 - horizon.max(0.0) * times;
        let start = curve.partition_point(|point| point.0 < since).min(steps - STEPS.min(steps));
        let start = *curve.get(start)?;
        Some(slope(start, end).max(slope(start, now)))
    });
    rates.reduce(f64::max).filter(|rate| *rate > 0.0)
}

/// The largest of the last steps.
pub(super) fn largest_step(curve: &[(f64, f64)]) -> f64 {
    let pairs = curve.windows(2).rev().take(STEPS);
    pairs.fold(0.0, |largest, pair| match pair {
        [before, after] => largest.max(after.1 - before.1),
        _ => largest,
    })
}

/// Seconds in which the curve grew by `need` from one day before its end; in proportion, where that is longer than a day.
///
/// The load of most people has days. None before a day was seen.
pub(super) fn since_yesterday(curve: &[(f64, f64)], need: f64) -> Option<f64> {
    let (first, now) = (*curve.first()?, *curve.last()?);
    let then = now.0 - DAY;
    if then < first.0 {
        return None;
    }
    let next = curve.partition_point(|point| point.0 <= then);
    let (before, after) = (*curve.get(next.checked_sub(1)?)?, *curve.get(next)?);
    let start = (then, before.1 + slope(before, after) * (then - before.0));
    let goal = start.1 + need;
    let reached = curve.partition_point(|point| point.1 < goal).max(next);
    match curve.get(reached) {
        Some(end) => Some(crossing(*curve.get(reached.checked_sub(1)?)?, *end, goal).max(then) - then),
        None => Some(need / slope(start, now)).filter(|seconds| seconds.is_finite()),
    }
}

/// Seconds in which the curve grew by `need`, at the fastest and at the slowest.
///
/// Where it has not grown twice as much in all, by what is half of its growth, and in proportion.
pub(super) fn spread(curve: &[(f64, f64)], need: f64) -> Option<(f64, f64)> {
    let (first, now) = (*curve.first()?, *curve.last()?);
    let grown = now.1 - first.1;
    let span = need.min(grown / 2.0);
    if span <= 0.0 {
        return None;
    }
    let (mut fastest, mut slowest) = (f64::INFINITY, 0.0_f64);
    let mut reached = 0;
    for start in curve {
        let goal = start.1 + span;
        while curve.get(reached).is_some_and(|point| point.1 < goal) {
            reached += 1;
        }
        let Some(end) = curve.get(reached) else {
            // Still under way: it takes at least as long as it has taken.
            slowest = slowest.max(now.0 - start.0);
            continue;
        };
        let before = reached.checked_sub(1).and_then(|before| curve.get(before)).unwrap_or(start);
        let seconds = crossing(*before, *end, goal) - start.0;
        fastest = fastest.min(seconds);
        slowest = slowest.max(seconds);
    }
    let scale = need / span;
    fastest.is_finite().then_some((fastest * scale, slowest * scale))
}

/// When the line between two points reaches `goal`.
fn crossing(before: (f64, f64), after: (f64, f64), goal: f64) -> f64 {
    let share = if after.1 > before.1 { (goal - before.1) / (after.1 - before.1) } else { 1.0 };
    before.0 + share * (after.0 - before.0)
}

fn slope(from: (f64, f64), to: (f64, f64)) -> f64 {
    if to.0 > from.0 { (to.1 - from.1) / (to.0 - from.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points a second apart.
    fn every_second(values: impl IntoIterator<Item = u32>) -> Curve {
        values
            .into_iter()
            .enumerate()
            .map(|(t, value)| (f64::from(u32::try_from(t).unwrap()), f64::from(value)))
            .collect()
    }

    #[track_caller]
    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() <= 1e-9 * expected.abs(), "{found} instead of {expected}");
    }

    /// The recent rate with nothing newer than the curve.
    fn lately(curve: &[(f64, f64)], horizon: f64) -> f64 {
        recent(curve, *curve.last().unwrap(), horizon).unwrap()
    }

    #[test]
    fn a_rate_needs_two_steps_and_growth() {
        assert_eq!(recent(&[], (9.0, 9.0), 5.0), None);
        assert_eq!(recent(&every_second([1]), (9.0, 9.0), 5.0), None);
        assert_eq!(recent(&every_second([1, 2]), (9.0, 9.0), 5.0), None);
        assert_eq!(recent(&every_second([1, 4, 7]), (2.0, 7.0), 5.0), Some(3.0));
        assert_eq!(recent(&every_second([4, 4, 4]), (2.0, 4.0), 5.0), None);
    }

    #[test]
    fn the_fastest_of_the_spans_around_the_way_ahead_counts() {
        // Still for 4 s, two a second for 10 s, one a second for 6 s. Of 4 s ahead: the spans of up to 4 s take six steps,
        // the one of 16 s sees the fast stretch, the one of 64 s sees everything.
        let curve = every_second((0..=20).map(|t: u32| 2 * t.clamp(4, 14) - 8 + t.saturating_sub(14)));
        close(lately(&curve, 4.0), 26.0 / 16.0);
        // Of 2 s ahead: the span of 8 s sees little of the fast stretch, the one of 32 s all of it and the standstill.
        close(lately(&curve, 2.0), 26.0 / 20.0);
    }

    #[test]
    fn a_rate_is_measured_over_six_steps_however_short_the_way() {
        let mut curve = every_second(0..=10);
        curve[10].1 = 16.0;
        close(lately(&curve, 0.1), (16.0 - 4.0) / 6.0);
    }

    #[test]
    fn the_newest_reading_may_raise_a_rate_and_never_lowers_it() {
        let curve = every_second(0..=4);
        assert_eq!(recent(&curve, (5.0, 4.0), 4.0), Some(1.0));
        assert_eq!(recent(&curve, (5.0, 10.0), 4.0), Some(2.0));
    }

    #[test]
    fn the_largest_step_is_one_of_the_last_six() {
        let steps = |steps: &[u32]| {
            let sums = steps.iter().scan(100, |sum, step| {
                *sum += step;
                Some(*sum)
            });
            largest_step(&every_second(std::iter::once(100).chain(sums)))
        };
        assert_eq!(steps(&[]), 0.0);
        assert_eq!(steps(&[50, 1, 2, 9, 3, 2, 1]), 9.0);
        assert_eq!(steps(&[50, 2, 9, 3, 2, 1]), 50.0);
    }

    #[test]
    fn yesterday_from_this_hour_on() {
        let days = |points: &[(f64, f64)]| {
            points.iter().map(|(days, value)| (days * DAY, *value)).collect::<Curve>()
        };
        // A day ago it stood at 50, between two points.
        let curve = days(&[(0.0, 0.0), (0.75, 30.0), (1.25, 70.0), (2.0, 100.0)]);
        close(since_yesterday(&curve, 10.0).unwrap(), 0.125 * DAY);
        close(since_yesterday(&curve, 35.0).unwrap(), 0.625 * DAY);
        // More than yesterday had: as long in proportion.
        close(since_yesterday(&curve, 60.0).unwrap(), 1.2 * DAY);
        // It is reached when it is first reached, though nothing happens for a while after.
        let pause = days(&[(0.0, 0.0), (1.0, 10.0), (1.25, 20.0), (1.5, 20.0), (2.0, 40.0)]);
        close(since_yesterday(&pause, 10.0).unwrap(), 0.25 * DAY);
        let day = [(7.0, 0.0), (DAY + 7.0, 10.0)];
        close(since_yesterday(&day, 5.0).unwrap(), DAY / 2.0);
        assert_eq!(since_yesterday(&[(8.0, 0.0), (DAY + 7.0, 10.0)], 5.0), None, "a second less than a day");
        assert_eq!(since_yesterday(&[(7.0, 5.0), (DAY + 7.0, 5.0)], 5.0), None, "nothing was written");
    }

    #[test]
    fn the_fastest_and_the_slowest_stretch() {
        // From each point on, ten more: 10 s, 3.3 s, 10 s; from the last one nobody knows.
        let curve = [(0.0, 100.0), (10.0, 110.0), (20.0, 140.0), (30.0, 150.0)];
        let (fastest, slowest) = spread(&curve, 10.0).unwrap();
        close(fastest, 10.0 / 3.0);
        close(slowest, 10.0);
        // At most half of the growth is looked for, here 25 in 15 s and in 8.3 s, and the rest in proportion.
        let (fastest, slowest) = spread(&curve, 50.0).unwrap();
        close(fastest, 2.0 * 25.0 / 3.0);
        close(slowest, 2.0 * 15.0);
        // A stretch that is under way takes at least as long as it has taken.
        let night = [(0.0, 0.0), (10.0, 10.0), (20.0, 20.0), (100.0, 22.0)];
        assert_eq!(spread(&night, 10.0), Some((10.0, 80.0)));
        // It is reached when it is first reached.
        let pause = [(0.0, 0.0), (10.0, 10.0), (20.0, 10.0), (30.0, 30.0)];
        assert_eq!(spread(&pause, 10.0), Some((5.0, 15.0)));
        assert_eq!(spread(&[(0.0, 5.0), (10.0, 5.0)], 10.0), None, "nothing was written");
    }

    #[test]
    fn lines_between_points() {
        assert_eq!(slope((10.0, 1.0), (14.0, 9.0)), 2.0);
        assert_eq!(slope((10.0, 1.0), (10.0, 9.0)), 0.0, "one moment has no pace");
        assert_eq!(crossing((10.0, 20.0), (14.0, 28.0), 22.0), 11.0);
        assert_eq!(crossing((10.0, 20.0), (14.0, 20.0), 20.0), 14.0, "a standstill ends where it ends");
    }
}
