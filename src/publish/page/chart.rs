//! The headroom of one connector over time: lines for the eye, a table for everybody else.

use super::words::{moment, plain, span, span_or_none, verdict};
use crate::history::{Sample, Story};
use maud::{Markup, html};
use std::fmt::Write as _;

/// Rows of the table that says the same; the API has them all.
const ROWS: usize = 24;
/// The chart's own units; it is stretched to the page.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 200.0;

struct Point {
    at: i64,
    value: i64,
}

/// Two lines over one time: the headroom, and the window of its oplog.
pub(super) fn draw(story: &Story) -> Markup {
    let silence = silence(&story.samples);
    let headroom: Vec<Option<Point>> =
        story.samples.iter().map(|sample| point(&sample.at, sample.headroom_seconds)).collect();
    let member = story.oplogs.first().map(|oplog| oplog.member.as_str());
    let window =
        |oplog: &crate::history::OplogSample| Some(i64::from(oplog.last?.t) - i64::from(oplog.first?.t));
    let of_one = story.oplogs.iter().filter(|oplog| Some(oplog.member.as_str()) == member);
    let windows: Vec<Option<Point>> = of_one.map(|oplog| point(&oplog.at, window(oplog))).collect();
    let Some(frame) = Axes::of(&story.samples, headroom.iter().chain(&windows).flatten()) else {
        return html! { p class="dim" { "Nothing was kept of this time." } };
    };
    html! {
        div class="chart" {
            div class="y" aria-hidden="true" { span { (span(frame.top)) } span { (span(frame.bottom.midpoint(frame.top))) } span { (span(frame.bottom)) } }
            svg viewBox="0 0 1000 200" preserveAspectRatio="none" role="img" aria-label=(spoken(&story.samples)) {
                @for y in [0.0, HEIGHT / 2.0, HEIGHT] { path class="grid" d=(format!("M0 {y}H{WIDTH}")) {} }
                path class="win" d=(frame.line(&windows, silence)) {}
                @if frame.bottom < 0 { path class="zero" d=(format!("M0 {:.1}H{WIDTH}", frame.y(0))) {} }
                path class="head" d=(frame.line(&headroom, silence)) {}
            }
            svg class="strip" viewBox="0 0 1000 8" preserveAspectRatio="none" aria-hidden="true" {
                @for (word, from, to) in runs(&story.samples, silence) {
                    @if let (Some(from), Some(to)) = (seconds(from), seconds(to)) {
                        rect class={ "fill " (word) } x=(format!("{:.1}", frame.x(from))) width=(format!("{:.1}", (frame.x(to) - frame.x(from)).max(2.0))) height="8" {}
                    }
                }
            }
            p class="x" { @if let (Some(first), Some(last)) = (story.samples.first(), story.samples.last()) { (moment(&first.at)) (moment(&last.at)) } }
        }
        ul class="legend" {
            li { span class="key head" {} "headroom" }
            li { span class="key win" {} "window of " (member.unwrap_or("the oplog")) }
            @if frame.bottom < 0 { li { span class="key zero" {} "below: lost" } }
            li { "strip: the verdict" }
        }
        (table(&story.samples))
        @if story.truncated { p class="dim small" { "More was kept than is shown; /api/v1/history tells of a shorter time in full." } }
    }
}

fn point(at: &str, value: Option<i64>) -> Option<Point> {
    Some(Point { at: seconds(at)?, value: value? })
}

fn seconds(at: &str) -> Option<i64> {
    at.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second)
}

struct Axes {
    from: i64,
    to: i64,
    bottom: i64,
    top: i64,
}

impl Axes {
    fn of<'a>(samples: &[Sample], points: impl Iterator<Item = &'a Point>) -> Option<Self> {
        let from = seconds(&samples.first()?.at)?;
        let to = seconds(&samples.last()?.at)?;
        let (bottom, top) =
            points.fold((0, 1), |(low, high), point| (low.min(point.value), high.max(point.value)));
        Some(Self { from, to: to.max(from + 1), bottom, top })
    }

    #[expect(clippy::cast_precision_loss, reason = "pixels")]
    fn x(&self, at: i64) -> f64 {
        (at - self.from) as f64 / (self.to - self.from) as f64 * WIDTH
    }

    #[expect(clippy::cast_precision_loss, reason = "pixels")]
    fn y(&self, value: i64) -> f64 {
        (self.top - value) as f64 / (self.top - self.bottom) as f64 * HEIGHT
    }

    /// What is not known is a gap, and so is a time in which nobody looked.
    fn line(&self, points: &[Option<Point>], silence: i64) -> String {
        let mut path = String::new();
        let mut drawing = false;
        let mut last = None;
        for point in points {
            let Some(point) = point else {
                drawing = false;
                continue;
            };
            drawing &= last.replace(point.at).is_none_or(|last| point.at - last <= silence);
            let (x, y) = (self.x(point.at), self.y(point.value));
            // Writing to a text cannot fail.
            let _written = write!(path, "{}{x:.1} {y:.1}", if drawing { 'L' } else { 'M' });
            if !drawing {
                // A single one would not be seen.
                let _written = write!(path, "h0.1");
            }
            drawing = true;
        }
        path
    }
}

/// So many times the usual distance between two samples without one is a time in which nobody looked.
const MISSED: i64 = 4;

/// Longer than this between two samples, nobody looked.
fn silence(samples: &[Sample]) -> i64 {
    let times: Vec<i64> = samples.iter().filter_map(|sample| seconds(&sample.at)).collect();
    let mut steps: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    steps.sort_unstable();
    steps.get(steps.len() / 2).map_or(i64::MAX, |usual| usual.saturating_mul(MISSED).max(MISSED))
}

/// Stretches of the same verdict, each up to the beginning of the next, or of a time in which nobody looked.
fn runs(samples: &[Sample], silence: i64) -> Vec<(&str, &str, &str)> {
    let mut runs: Vec<(&str, &str, &str)> = Vec::new();
    for sample in samples {
        let apart = |since: &str| Some(seconds(&sample.at)? - seconds(since)?);
        let seen = |last: &&mut (&str, &str, &str)| apart(last.2).is_none_or(|apart| apart <= silence);
        if let Some(last) = runs.last_mut().filter(seen) {
            last.2 = &sample.at;
            if last.0 == sample.verdict {
                continue;
            }
        }
        runs.push((&sample.verdict, &sample.at, &sample.at));
    }
    runs
}

fn spoken(samples: &[Sample]) -> String {
    let known = || samples.iter().filter_map(|sample| sample.headroom_seconds);
    match (known().next(), known().next_back(), known().min()) {
        (Some(first), Some(last), Some(least)) => format!(
            "Headroom over time: from {} to {}, at least {}. The table below has the numbers.",
            span(first),
            span(last),
            span(least)
        ),
        _ => "Headroom over time: never known.".to_owned(),
    }
}

fn table(samples: &[Sample]) -> Markup {
    let step = samples.len().div_ceil(ROWS).max(1);
    html! {
        details id="chart-table" {
            summary { "As a table" }
            div class="scroll" role="region" tabindex="0" aria-label="Headroom over time" { table class="tight" {
                thead { tr { th { "When" } th { "Verdict" } th class="num" { "Headroom" } th class="num" { "Lag" } } }
                tbody { @for sample in samples.iter().rev().step_by(step) { tr {
                    td { (moment(&sample.at)) }
                    td { (verdict(&sample.verdict)) @if let Some(why) = &sample.why { " " span class="dim small" { (plain(why)) } } }
                    td class="num" { (span_or_none(sample.headroom_seconds)) } td class="num" { (span_or_none(sample.lag_seconds)) }
                } } }
            } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at: i64, verdict: &str, headroom: Option<i64>) -> Sample {
        let at = crate::publish::words::time(at);
        Sample {
            at,
            verdict: verdict.to_owned(),
            why: None,
            position: None,
            headroom_seconds: headroom,
            lag_seconds: None,
        }
    }

    #[test]
    fn what_is_not_known_is_a_gap() {
        let samples =
            [sample(0, "safe", Some(100)), sample(50, "unknown", None), sample(100, "lost", Some(-100))];
        let points: Vec<_> =
            samples.iter().map(|sample| point(&sample.at, sample.headroom_seconds)).collect();
        let axes = Axes::of(&samples, points.iter().flatten()).unwrap();
        assert_eq!(axes.line(&points, 60), "M0.0 0.0h0.1M1000.0 200.0h0.1");
        let runs: Vec<_> = runs(&samples, 60)
            .into_iter()
            .map(|(word, from, to)| (word, seconds(from), seconds(to)))
            .collect();
        assert_eq!(
            runs,
            [("safe", Some(0), Some(50)), ("unknown", Some(50), Some(100)), ("lost", Some(100), Some(100))]
        );
        assert!(
            draw(&Story { samples: vec![], oplogs: vec![], ..story() })
                .into_string()
                .contains("Nothing was kept")
        );
    }

    #[test]
    fn a_time_in_which_nobody_looked_is_a_gap() {
        let ats = [0, 10, 20, 30, 90, 100];
        let samples: Vec<Sample> = ats.iter().map(|at| sample(*at, "safe", Some(100))).collect();
        let silence = silence(&samples);
        assert_eq!(silence, 40);
        let runs: Vec<_> =
            runs(&samples, silence).into_iter().map(|(_, from, to)| (seconds(from), seconds(to))).collect();
        assert_eq!(runs, [(Some(0), Some(30)), (Some(90), Some(100))]);
        let points: Vec<_> =
            samples.iter().map(|sample| point(&sample.at, sample.headroom_seconds)).collect();
        let axes = Axes::of(&samples, points.iter().flatten()).unwrap();
        assert_eq!(axes.line(&points, silence).matches('M').count(), 2);
    }

    fn story() -> Story {
        let none = String::new;
        Story {
            since: none(),
            until: none(),
            samples: vec![],
            oplogs: vec![],
            verdict_changes: vec![],
            failures: vec![],
            events: vec![],
            truncated: false,
        }
    }
}
