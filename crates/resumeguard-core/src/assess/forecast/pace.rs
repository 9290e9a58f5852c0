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
