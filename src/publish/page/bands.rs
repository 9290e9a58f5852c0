//! Each deployment's oplog as a band from its oldest entry to its newest, every connector a mark on it: how near the left
//! edge, how fast the edge moves, when it arrives.

use super::words::{count, encoded, plain, second, span, with_query};
use crate::publish::Published;
use crate::publish::headline::{self, VERDICTS};
use crate::publish::status::{Connector, Oplog, Status, Time};
use maud::{Markup, html};
use std::collections::BTreeSet;

/// Per cent of the width that stand for what has been deleted already.
const GONE: f64 = 14.0;
/// Names written at their marks.
const NAMED: usize = 5;
/// Bands shown; the rest is folded away, and linked to.
const SHOWN: usize = 4;
/// Deployments that are linked to.
const LINKED: usize = 100;
/// Per cent that a character takes on a wide screen; names are hidden on a narrow one.
const CHARACTER: f64 = 0.66;

/// The bands, those with the worst connectors first.
pub(super) fn draw(pass: &Published) -> Markup {
    let names = &pass.tally.deployments;
    let (first, rest) = names.split_at(names.len().min(SHOWN));
    html! {
        @for name in first { (deployment(name, &pass.seen, &pass.tally.at(name, &pass.seen).collect::<Vec<_>>())) }
        @if !rest.is_empty() {
            details id="more-bands" {
                summary { (count(rest.len(), "more deployment", "more deployments")) }
                ul class="links" { @for name in rest.iter().take(LINKED) {
                    li { a href=(with_query("/", &[("deployment", name)])) { bdi { (name) } } }
                } }
                @if rest.len() > LINKED { p class="dim small" { "And " (rest.len() - LINKED) " more: by name, in the field below." } }
            }
        }
    }
}

/// One deployment's band, with these connectors on it.
pub(super) fn deployment(name: &str, status: &Status, connectors: &[&Connector]) -> Markup {
    let oplogs: Vec<&Oplog> = status.oplogs.iter().filter(|oplog| oplog.deployment == name).collect();
    let of_it = |connector: &&&Connector| connector.deployment.as_deref() == Some(name);
    let connectors: Vec<&Connector> = connectors.iter().filter(of_it).copied().collect();
    let judged = judged(&oplogs);
    html! {
        section class="card" id={ "band/" (encoded(name)) } {
            header {
                h2 { a href=(with_query("/", &[("deployment", name)])) { bdi { (name) } } }
                span class="dim small" { (summary(&oplogs, judged, connectors.len())) }
            }
            @match judged {
                Some((oplog, window)) => (band(name, oplog, window, &connectors)),
                None => p class="dim" { "No member's oplog bounds are known: nothing can be said of how long is left." }
            }
            @if !oplogs.is_empty() { (members(name, &oplogs)) }
        }
    }
}

/// The oplog that the band shows: the primary's, of several (shards) the shortest; else the shortest that is known.
fn judged<'a>(oplogs: &[&'a Oplog]) -> Option<(&'a Oplog, i64)> {
    let known = oplogs.iter().filter_map(|oplog| Some((*oplog, oplog.window_seconds?)));
    known.min_by_key(|(oplog, window)| (oplog.role != "primary", *window))
}

fn summary(oplogs: &[&Oplog], judged: Option<(&Oplog, i64)>, connectors: usize) -> Markup {
    let shortest = oplogs.iter().filter_map(|oplog| oplog.window_seconds).min();
    html! {
        @if let Some((oplog, window)) = judged {
            (plain(&oplog.role)) " " bdi { (oplog.member) } " · window " b class="num" { (span(window)) }
            @if oplog.never_truncated == Some(true) { " · nothing deleted so far" }
            @else if let Some(erosion) = oplog.erosion_ratio { " · its edge moves " (format!("{erosion:.1}")) " s a second" }
            @if let Some(shortest) = shortest.filter(|shortest| *shortest < window) {
                " · another member holds only " b class="num" { (span(shortest)) }
            }
            " · "
        }
        (count(oplogs.len(), "member", "members")) " · " (count(connectors, "connector", "connectors"))
    }
}

/// Where a connector stands, per cent of the width.
fn place(headroom: i64, window: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "pixels")]
    let ratio = headroom as f64 / window.max(1) as f64;
    if ratio < 0.0 { (GONE * (1.0 + ratio)).max(1.0) } else { (GONE + (100.0 - GONE) * ratio).min(99.6) }
}

fn band(name: &str, oplog: &Oplog, window: i64, connectors: &[&Connector]) -> Markup {
    let placed = connectors.iter().filter_map(|one| Some((place(one.headroom_seconds?, window), *one)));
    let placed: Vec<(f64, &Connector)> = placed.collect();
    let unplaced = connectors.len() - placed.len();
    let percent = |x: f64| format!("{x:.1}%");
    html! {
        svg class="band" role="img" aria-label=(spoken(name, connectors)) {
            rect class="gone" x="0" y="36" width=(percent(GONE)) height="24" rx="4" {}
            rect class="live" x=(percent(GONE)) y="36" width=(percent(100.0 - GONE)) height="24" rx="4" {}
            line class="edge" x1=(percent(GONE)) x2=(percent(GONE)) y1="30" y2="66" {}
            text x="6" y="80" { "deleted" }
            text x=(percent(GONE + 0.6)) y="80" { "oldest entry " (clock(oplog.first)) }
            text x="100%" y="80" text-anchor="end" { "newest " (clock(oplog.last)) }
            @for (verdict, x) in marks(&placed) {
                line class={ "mark " (verdict) } x1=(percent(x)) x2=(percent(x)) y1="32" y2="64" {}
            }
            @for label in labels(&placed) {
                text class={ "label " (label.verdict) } x=(percent(label.x)) y=(label.y) text-anchor=(label.anchor) { (label.text) }
            }
        }
        p class="ends" {
            span class="narrow" { "oldest entry " (clock(oplog.first)) }
            @if unplaced > 0 { span { (count(unplaced, "connector", "connectors")) " without a known place" } }
            span class="narrow" { "newest " (clock(oplog.last)) }
        }
    }
}

/// The moment of an entry, with as much of its day as is needed.
fn clock(time: Option<Time>) -> String {
    time.map_or_else(
        || "?".to_owned(),
        |time| {
            let at = crate::publish::words::time(i64::from(time.t));
            at.get(5..).unwrap_or(&at).replace('T', " ").replace('Z', " UTC")
        },
    )
}

fn spoken(name: &str, connectors: &[&Connector]) -> String {
    let of = |verdict: &str| connectors.iter().filter(|connector| connector.verdict == verdict).count();
    let counts = VERDICTS.iter().map(|verdict| (of(verdict), plain(verdict))).filter(|(count, _)| *count > 0);
    let counts: Vec<String> = counts.map(|(count, verdict)| format!("{count} {verdict}")).collect();
    let counts = if counts.is_empty() { "no connector".to_owned() } else { counts.join(", ") };
    format!(
        "The oplog of {name} and where each connector stands in it: {counts}. The list below has the numbers."
    )
}

/// The marks that can be told apart, the worst ones last: they lie on top.
fn marks<'a>(placed: &[(f64, &'a Connector)]) -> Vec<(&'a str, f64)> {
    #[expect(clippy::cast_possible_truncation, reason = "per mille of the width")]
    let bucket = |x: f64| (x * 4.0).round() as i64;
    let mut seen = BTreeSet::new();
    let new = |(x, connector): &&(f64, &Connector)| seen.insert((connector.verdict.clone(), bucket(*x)));
    let mut marks: Vec<_> =
        placed.iter().filter(new).map(|(x, connector)| (connector.verdict.as_str(), *x)).collect();
    marks.sort_by_key(|(verdict, _)| {
        std::cmp::Reverse(VERDICTS.iter().position(|known| known == verdict).unwrap_or(VERDICTS.len()))
    });
    marks
}

struct Label<'a> {
    verdict: &'a str,
    x: f64,
    y: i32,
    anchor: &'static str,
    text: String,
}

/// Names of the worst, where there is room for them.
fn labels<'a>(placed: &[(f64, &'a Connector)]) -> Vec<Label<'a>> {
    let mut taken: Vec<(i32, f64, f64)> = Vec::new();
    let mut labels = Vec::new();
    for (x, connector) in placed.iter().filter(|(_, connector)| connector.verdict != "safe").take(NAMED) {
        let left = match connector.headroom_seconds {
            Some(seconds) if seconds < 0 => format!("lost by {}", span(seconds.saturating_neg())),
            _ => left(connector).map(|left| format!("{left} left")).unwrap_or_default(),
        };
        let name: String = connector.connector.chars().take(28).collect();
        let text = if left.is_empty() { name } else { format!("{name} · {left}") };
        #[expect(clippy::cast_precision_loss, reason = "per cent of a width")]
        let width = text.chars().count() as f64 * CHARACTER;
        let (from, to, anchor) =
            if x + width < 100.0 { (*x, x + width, "start") } else { (x - width, *x, "end") };
        let free = |y: &i32| taken.iter().all(|(other, a, b)| other != y || to < *a || from > *b);
        if let Some(y) = [26, 11].into_iter().find(free) {
            taken.push((y, from, to));
            labels.push(Label { verdict: &connector.verdict, x: *x, y, anchor, text });
        }
    }
    labels
}

/// How long is left, in the fewest words.
pub(super) fn left(connector: &Connector) -> Option<String> {
    headline::left(connector).map(span)
}

fn members(name: &str, oplogs: &[&Oplog]) -> Markup {
    html! {
        details id={ "members/" (encoded(name)) } {
            summary { (count(oplogs.len(), "member", "members")) }
            div class="scroll" role="region" tabindex="0" aria-label={ "Members of " (name) } { table class="tight" {
                thead { tr { th { "Member" } th { "Role" } th class="num" { "Window" } th { "Oldest entry" } th { "Newest entry" } th class="num" { "Size" } th class="num" { "Of" } } }
                tbody { @for oplog in oplogs { tr {
                    td { bdi { (oplog.member) } @if let Some(shard) = &oplog.shard { " " span class="dim small" { (shard) } } }
                    td { (plain(&oplog.role)) }
                    td class="num" { (super::words::span_or_none(oplog.window_seconds)) }
                    td { @if let Some(first) = oplog.first { (second(first.t)) } @else { "–" } }
                    td { @if let Some(last) = oplog.last { (second(last.t)) } @else { "–" } }
                    td class="num" { (bytes(oplog.size_bytes)) }
                    td class="num" { (bytes(oplog.max_size_bytes)) }
                } } }
            } }
        }
    }
}

fn bytes(bytes: Option<u64>) -> String {
    let Some(bytes) = bytes else { return "–".to_owned() };
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.into_iter().find(|(power, _)| bytes >> power > 0) {
        #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
        Some((power, unit)) => format!("{:.1} {unit}", bytes as f64 / f64::from(1_u32 << power)),
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_within_the_band() {
        for (headroom, window, at) in [
            (0, 100, 14.0),
            (100, 100, 99.6),
            (500, 100, 99.6),
            (-50, 100, 7.0),
            (-9_999, 100, 1.0),
            (5, 0, 99.6),
        ] {
            assert!(
                (place(headroom, window) - at).abs() < 1e-9,
                "{headroom} of {window}: {}",
                place(headroom, window)
            );
        }
    }

    #[test]
    fn sizes_have_their_unit() {
        let shown = [None, Some(900), Some(1 << 20), Some(3 << 29)].map(bytes);
        assert_eq!(shown, ["–", "900 B", "1.0 MiB", "1.5 GiB"]);
    }
}
