//! One connector: what would happen at a restart and why, how long is left, what to do, what was seen of it.

use super::asked::Said;
use super::fleet::{finding, lost_in, namespace, on_restart};
use super::frame::{Frame, Section, crumbs};
use super::words::{address, moment, plain, second, span, span_or_none, verdict, with_query};
use super::{bands, chart, page as answer, plans, readable, recovery, see};
use crate::history::{Event, FailureSpan, Query as Asks, Reader, Story, VerdictChange};
use crate::publish::Board;
use crate::publish::http::{fresh, problem, tokens_for};
use crate::publish::in_force::Setting;
use crate::publish::recovery::Overview;
use crate::publish::status::{Connector, Loss, Status, Stretch};
use crate::publish::story::{DEFAULT_SPAN, since};
use crate::publish::table::{sentence, state};
use crate::publish::words::percent;
use crate::recovery::Desk;
use axum::Extension;
use axum::extract::{FromRef, Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use resumeguard_core::assess::forecast::NoForecast;
use resumeguard_core::domain::LiveStream;
use serde::Deserialize;

/// Entries of each kind that are listed, the newest.
const LISTED: usize = 30;
/// Times that can be chosen, and the one that is.
const SPANS: [&str; 5] = ["1h", "6h", "24h", "7d", "30d"];

/// What a page of one connector is drawn from.
#[derive(Debug, Clone)]
pub(super) struct Known {
    board: Board,
    desk: Desk,
    reader: Option<Reader>,
}

impl FromRef<crate::publish::http::Room> for Known {
    fn from_ref(room: &crate::publish::http::Room) -> Self {
        Self { board: room.board.clone(), desk: room.desk.clone(), reader: room.history.clone() }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Named {
    connect_cluster: String,
    connector: String,
    since: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Since {
    since: String,
}

pub(super) async fn by_path(
    State(known): State<Known>,
    Path((connect_cluster, connector)): Path<(String, String)>,
    Said(Since { since }): Said<Since>,
    frame: Frame,
) -> Response {
    page(known, Named { connect_cluster, connector, since }, frame).await
}

/// For names that no path can hold.
pub(super) async fn by_query(State(known): State<Known>, Said(named): Said<Named>, frame: Frame) -> Response {
    if named.connector.is_empty() { see("/") } else { page(known, named, frame).await }
}

async fn page(known: Known, named: Named, frame: Frame) -> Response {
    let frame = frame.of(Section::Fleet).live();
    let newest = match fresh(&known.board) {
        Ok(newest) => newest,
        Err(problem) => return readable::drawn(&frame, problem).await,
    };
    let is = |cluster: &str, name: &str| cluster == named.connect_cluster && name == named.connector;
    let Some(found) = newest.seen.connectors.iter().find(|one| is(&one.connect_cluster, &one.connector))
    else {
        let gone =
            format!("no MongoDB source connector is called {} in {}", named.connector, named.connect_cluster);
        return readable::drawn(&frame, problem(StatusCode::NOT_FOUND, &gone)).await;
    };
    let shown = found.clone().shown(tokens_for(Some(&Extension(frame.visitor().clone()))));
    let story = history(known.reader.as_ref(), &named).await;
    let overview = known.desk.show(|seen| seen.overview_of(&is));
    let settings = newest.in_force.of_connector(&shown.connect_cluster, &shown.connector);
    let body = body(&shown, &newest.seen, &overview, &story, &named, &frame, &settings);
    answer(&frame, &format!("{}: {}", shown.connector, plain(&shown.verdict)), body)
}

/// What was seen of it, or why that cannot be told.
async fn history(reader: Option<&Reader>, named: &Named) -> Result<Story, String> {
    let reader = reader.ok_or("No history is kept; set history.directory to keep one.")?;
    let now = reader.now();
    let from = if named.since.is_empty() { now - DEFAULT_SPAN } else { since(&named.since, now)? };
    let (connect_cluster, connector) = (named.connect_cluster.clone(), named.connector.clone());
    let asks =
        Asks { connect_cluster: Some(connect_cluster), connector: Some(connector), since: from, until: now };
    reader.story(asks).await
}

fn body(
    one: &Connector,
    status: &Status,
    recovery: &Overview,
    story: &Result<Story, String>,
    named: &Named,
    frame: &Frame,
    settings: &[Setting],
) -> Markup {
    let (muted, told): (Vec<_>, Vec<_>) = one.findings.iter().partition(|found| found.muted.is_some());
    let cluster = with_query("/", &[("connect_cluster", &one.connect_cluster)]);
    html! {
        (crumbs(&[("Fleet", "/"), (&one.connect_cluster, &cluster)], &one.connector))
        h1 { bdi { (one.connector) } " " (verdict(&one.verdict)) }
        p class="say" id="say" { (sentence_of(one)) }
        @if let Some(why) = &one.why { div class="notice" { p { b { "Not known" } ": " (sentence(why)) } } }
        section class="card" { (figures(one)) }
        section class="card" {
            h2 { "What was found" }
            @if told.is_empty() && muted.is_empty() { p class="dim" { "Nothing." } }
            @for found in told.iter().chain(&muted) { (finding(found, true)) }
        }
        @for planned in &recovery.plans { (plans::card(planned, frame)) }
        @if let Some(name) = &one.deployment { (bands::deployment(name, status, &[one])) }
        section class="card" { header { h2 { "History" } (spans(named)) } (seen(story)) }
        @if !one.losses.is_empty() || !one.rescued.is_empty() { (losses(one)) }
        @if !recovery.attempts.is_empty() { section class="card" { h2 { "Attempts" } (recovery::attempts(&recovery.attempts)) } }
        (in_force(one, settings))
        (secrets(one))
        p class="dim small" { "In a terminal: " code { "resumeguard explain " (one.connect_cluster) "/" (one.connector) } }
    }
}

/// What matters most of it, in one sentence.
fn sentence_of(one: &Connector) -> Markup {
    let behind =
        one.headroom_seconds.filter(|seconds| *seconds < 0).map(|seconds| span(seconds.saturating_neg()));
    let left = bands::left(one);
    html! {
        @match (one.verdict.as_str(), behind, left) {
            ("lost", Some(behind), _) => { span class="lost" { "Its place is lost by " (behind) " of oplog" } "; after a restart " (on_restart(&one.on_restart)) "." }
            ("lost", None, _) => { span class="lost" { "Its place is lost" } "; after a restart " (on_restart(&one.on_restart)) "." }
            ("unknown", ..) => { span class="unknown" { "Whether it would survive a restart is not known." } }
            ("critical" | "at_risk", _, Some(left)) => { span class=(one.verdict) { (left) " left" } " until its place is lost; now, after a restart " (on_restart(&one.on_restart)) "." }
            _ => { "After a restart " (on_restart(&one.on_restart)) "." }
        }
    }
}

fn figures(one: &Connector) -> Markup {
    let share = one.headroom_ratio.filter(|ratio| *ratio >= 0.0).map(percent);
    let ranged = one.outage_budget_range.and_then(|range| Some((range.low, range.high?)));
    let forecast = one.no_forecast.as_ref().map(|why| {
        let known = NoForecast::ALL.iter().find(|known| known.code() == why);
        known.map_or(why.as_str(), |known| known.sentence())
    });
    let stream = one.live_stream.as_ref().map(|stream| {
        let known = LiveStream::ALL.iter().find(|known| known.code() == stream);
        known.map_or(stream.as_str(), |known| known.sentence())
    });
    html! {
        dl class="pairs" {
            div { dt { "Headroom" } dd class="big num" { (span_or_none(one.headroom_seconds)) } @if let Some(share) = share { dd class="dim small" { (share) " of the window" } } }
            div { dt { "Lost in" } dd class="big num" { (lost_in(one)) } @if let Some(why) = forecast { dd class="dim small" { (why) } } }
            div { dt { "If it stood still from now on" } dd class="big num" { (span_or_none(one.outage_budget_seconds)) } @if let Some((low, high)) = ranged { dd class="dim small" { "from " (span(low)) " to " (span(high)) } } }
            div { dt { "Lag" } dd class="big num" { (span_or_none(one.lag_seconds)) } dd class="dim small" { (plain(&one.progress)) } }
            div { dt { "State" } dd { (state(one)) } }
            div { dt { "Reads" } dd { bdi { (namespace(one)) } } dd class="dim small" { @if let Some(name) = &one.deployment { "of " a href=(with_query("/", &[("deployment", name)])) { bdi { (name) } } } @else { "of a deployment that is not known" } } }
            div { dt { "Position" } @match &one.position {
                Some(position) => { dd { (second(position.time.t)) } dd class="dim small" { "(" (position.time.t) "," (position.time.i) ") " (plain(&position.kind)) @if let Some(at) = &position.stored_at { ", stored " (moment(at)) } } }
                None => dd { "–" },
            } }
            div { dt { "Judged by" } dd { @match one.basis.as_deref() { Some("probe") => "asking MongoDB", Some("window") => "the oplog's bounds", Some(other) => (other), None => "–" } } }
            div { dt { "Open stream" } dd { (stream.unwrap_or("–")) } }
            div { dt { "Class" } dd class="small" { (one.class) } @if let Some(version) = &one.version { dd class="dim small" { "version " (version) } } }
        }
    }
}

fn spans(named: &Named) -> Markup {
    let chosen = if named.since.is_empty() { "24h" } else { &named.since };
    let own = address(&named.connect_cluster, &named.connector);
    let join = if own.contains('?') { '&' } else { '?' };
    html! {
        ul class="links" { @for span in SPANS {
            li { a href={ (own) (join) "since=" (span) } aria-current=[(chosen == span).then_some("true")] { (span) } }
        } }
    }
}

fn seen(story: &Result<Story, String>) -> Markup {
    let story = match story {
        Ok(story) => story,
        Err(line) => return html! { p class="dim" { (line) } },
    };
    html! {
        (chart::draw(story))
        div class="two" {
            div { h3 { "Verdicts" } (changes(&story.verdict_changes)) }
            div { h3 { "Failures" } (failures(&story.failures)) }
        }
        h3 { "Events" } (events(&story.events))
    }
}

fn changes(changes: &[VerdictChange]) -> Markup {
    html! {
        @if changes.is_empty() { p class="dim" { "No change." } } @else { table class="tight" {
            thead class="hidden" role="rowgroup" { tr { th { "When" } th { "Change" } } }
            tbody { @for change in changes.iter().rev().take(LISTED) { tr {
                td { (moment(&change.at)) }
                td { @if let Some(before) = &change.before { (plain(before)) " → " } (verdict(&change.verdict)) @if let Some(why) = &change.why { " " span class="dim small" { (plain(why)) } } }
            } } }
        } }
    }
}

fn failures(failures: &[FailureSpan]) -> Markup {
    html! {
        @if failures.is_empty() { p class="dim" { "Nothing has failed." } } @else { table class="tight" {
            thead class="hidden" role="rowgroup" { tr { th { "When" } th { "What" } } }
            tbody { @for failure in failures.iter().rev().take(LISTED) { tr {
                td { (moment(&failure.at)) }
                td { @match failure.task { Some(task) => { "task " (task) } None => "the connector itself" } @if let Some(code) = failure.code { ", error " (code) } ", " (plain(&failure.class))
                    div class="dim small" { @match &failure.ended { Some(ended) => { "until " (moment(ended)) } None => "still" } } }
            } } }
        } }
    }
}

fn events(events: &[Event]) -> Markup {
    html! {
        @if events.is_empty() { p class="dim" { "None." } } @else { table class="tight" {
            thead class="hidden" role="rowgroup" { tr { th { "When" } th { "What" } th { "Detail" } } }
            tbody { @for event in events.iter().rev().take(LISTED) { tr {
                td { (moment(&event.at)) } td { (plain(&event.kind)) } td class="dim small" { (detail(&event.detail)) }
            } } }
        } }
    }
}

/// What an event was about, as people read it.
fn detail(of: &serde_json::Value) -> String {
    let said = |value: &serde_json::Value| match (&value["t"], value) {
        (serde_json::Value::Number(t), _) => crate::publish::time(t.as_i64().unwrap_or_default()),
        (_, serde_json::Value::String(text)) => plain(text),
        (_, other) => other.to_string(),
    };
    let Some(fields) = of.as_object() else { return said(of) };
    let told = fields.iter().filter(|(_, value)| !value.is_null());
    told.map(|(name, value)| format!("{} {}", plain(name), said(value))).collect::<Vec<_>>().join(" · ")
}

fn losses(one: &Connector) -> Markup {
    let line = |stretch: &Stretch| {
        let seconds = i64::try_from(stretch.seconds).unwrap_or(i64::MAX);
        html! { (second(stretch.from.t)) " to " (second(stretch.to.t)) ", " (span(seconds)) " at the most; noticed " (moment(&stretch.at)) }
    };
    let loss = |loss: &Loss| {
        html! {
            b class={ "tone " (if loss.proven { "lost" } else { "at_risk" }) } { @if loss.proven { "Skipped" } @else { "Maybe skipped" } } ": " (line(&loss.stretch))
            @if let Some(cause) = &loss.cause { " (" (plain(cause)) ")" }
        }
    };
    html! {
        section class="card" { h2 { "History that was not delivered" } ul {
            @for one in &one.losses { li { (loss(one)) } }
            @for stretch in &one.rescued { li { b class="tone safe" { "Rescued" } ": " (line(stretch)) } }
        } }
    }
}

/// What it was judged by and what may be done, each with where that comes from.
fn in_force(one: &Connector, settings: &[Setting]) -> Markup {
    html! {
        section class="card" {
            h2 { "Settings that count for it" }
            details id="settings" {
                summary { "Limits, where it is read, what may be done" }
                dl class="pairs wide" {
                    div { dt { "Deployment" } dd { @match &one.deployment { Some(name) => bdi { (name) }, None => "not known" } } }
                    @for Setting { name, value, from } in settings {
                        div { dt { (name) } dd { bdi { (value) } } dd class="dim small" { bdi { (from) } } }
                    }
                }
            }
        }
    }
}

/// What holds document keys: there for those who may see it.
fn secrets(one: &Connector) -> Markup {
    let token = one.position.as_ref().and_then(|position| position.token.as_deref());
    let traces: Vec<_> =
        one.tasks.iter().filter_map(|task| Some((task.id, task.trace.as_deref()?))).collect();
    html! {
        @if token.is_some() || !traces.is_empty() {
            section class="card" { h2 { "Token and traces" }
                @if let Some(token) = token { details id="token" { summary { "Stored token" } pre tabindex="0" { code { (token) } } } }
                @for (task, trace) in traces { details id={ "trace-" (task) } { summary { "Trace of task " (task) } pre tabindex="0" { code { (trace) } } } }
            }
        }
    }
}
