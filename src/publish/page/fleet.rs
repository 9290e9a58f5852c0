//! `/`: all connectors, worst first.

use super::asked::{Filter, Said, slice};
use super::frame::{Frame, Section};
use super::words::{address, count, encoded, link, plain, span, span_or_none, tag, verdict};
use super::{bands, page as answer, readable};
use crate::publish::headline::{Clause, VERDICTS};
use crate::publish::http::fresh;
use crate::publish::recovery::Overview;
use crate::publish::status::{Connector, Finding, Source, Status};
use crate::publish::table::{sentence, state};
use crate::publish::tally::Tally;
use crate::publish::{Board, Published};
use crate::recovery::Desk;
use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

/// Sources that are listed, the unreadable ones first.
const SOURCES: usize = 100;
/// Findings of a connector that the list shows; its own page shows them all.
const FINDINGS: usize = 2;

pub(super) async fn page(
    State(board): State<Board>,
    State(desk): State<Desk>,
    frame: Frame,
    Said(filter): Said<Filter>,
) -> Response {
    let frame = frame.of(Section::Fleet).live();
    let newest = match fresh(&board) {
        Ok(newest) => newest,
        Err(problem) => return readable::drawn(&frame, problem).await,
    };
    let overview = desk.show(|seen| seen.overview_of(&|_, _| false));
    let body = body(&newest, &overview, &filter);
    answer(&frame, &title(&newest), body)
}

fn body(pass: &Published, recovery: &Overview, filter: &Filter) -> Markup {
    let status = &*pass.seen;
    let of_any = filter.of_any_verdict(pass);
    let of_verdict = |one: &&&Connector| filter.only_verdict().is_none_or(|wanted| one.verdict == wanted);
    let shown: Vec<&Connector> = of_any.iter().filter(of_verdict).copied().collect();
    html! {
        h1 class="hidden" { "Fleet" }
        p class="say" id="say" { (headline(&pass.tally.clauses)) }
        (facts(pass, recovery))
        (notices(status, recovery))
        @if !status.connectors.is_empty() {
            @if !filter.is_set() { (bands::draw(pass)) }
            @else if !filter.deployment.is_empty() { (bands::deployment(&filter.deployment, status, &shown)) }
            (filters(&pass.tally, filter, &of_any))
            (list(filter, &shown))
        }
        (sources(&status.sources))
    }
}

/// What a tab says.
fn title(pass: &Published) -> String {
    let counts = VERDICTS[..4].iter().map(|verdict| (pass.tally.verdict(verdict), plain(verdict)));
    let counts: Vec<String> =
        counts.filter(|(count, _)| *count > 0).map(|(count, verdict)| format!("{count} {verdict}")).collect();
    match (counts.is_empty(), pass.seen.connectors.len()) {
        (false, _) => counts.join(", "),
        (true, 0) => "no connectors".to_owned(),
        (true, all) => format!("{all} safe"),
    }
}

fn headline(clauses: &[Clause]) -> Markup {
    html! {
        @for (number, clause) in clauses.iter().enumerate() {
            @if number > 0 { "; " }
            span class=(clause.verdict) { (clause.says) } (clause.rest)
        }
        "."
    }
}

fn facts(pass: &Published, recovery: &Overview) -> Markup {
    let (status, tally) = (&pass.seen, &pass.tally);
    html! {
        p class="facts" {
            span { b { (status.connectors.len()) } @if status.connectors.len() == 1 { " connector" } @else { " connectors" } }
            span { (count(tally.clusters.len(), "Connect cluster", "Connect clusters")) }
            span { (count(tally.with_oplog, "deployment", "deployments")) }
            span { a href="/recovery" { "Recovery" } ": mode " b { (mode(recovery)) }
                @if recovery.frozen.is_some() { ", " b class="tone lost" { "frozen" } } @else if recovery.no_journal.is_none() { ", not frozen" } }
        }
    }
}

fn mode(recovery: &Overview) -> &str {
    if recovery.mode.is_empty() { "off" } else { &recovery.mode }
}

fn notices(status: &Status, recovery: &Overview) -> Markup {
    let down = |source: &&Source| !source.up;
    html! {
        @for source in status.sources.iter().filter(down).take(5) {
            div class="notice bad" {
                p { b { (plain(&source.source)) " " bdi { (source.name) } " cannot be read" } ": " (source.error.as_deref().unwrap_or("not read yet")) }
                p class="dim small" { (consequence(&source.source)) }
            }
        }
        @if let Some(reason) = &recovery.frozen {
            div class="notice warn" { p { b { "Recovery is frozen" } ": " bdi { (reason) } " " a href="/recovery" { "Let it go on…" } } }
        }
    }
}

fn consequence(source: &str) -> &'static str {
    match source {
        "connect" => "Its connectors are unknown, and new ones are not seen, until it answers.",
        "mongodb" => "What is judged by this member's oplog is unknown until it answers.",
        "history" => "Judgement goes on; what is seen meanwhile is not kept.",
        _ => "What depends on it is unknown until it can be read.",
    }
}

fn filters(tally: &Tally, filter: &Filter, of_any: &[&Connector]) -> Markup {
    let clusters = &tally.clusters;
    let narrowed = !filter.q.is_empty()
        || [&filter.connect_cluster, &filter.deployment, &filter.rule]
            .iter()
            .any(|wanted| !wanted.is_empty());
    let of = |verdict: &str| match narrowed {
        true => of_any.iter().filter(|one| one.verdict == verdict).count(),
        false => tally.verdict(verdict),
    };
    let current = |verdict: &str| (filter.verdict == verdict).then_some("true");
    html! {
        nav aria-label="By verdict" { ul class="tags" {
            li { a href=(filter.with_verdict("")) aria-current=[current("")] { "All " b { (of_any.len()) } } }
            @for verdict in VERDICTS { li {
                a href=(filter.with_verdict(verdict)) aria-current=[current(verdict)] {
                    span class={ "dot " (verdict) } {} (plain(verdict)) " " b { (of(verdict)) }
                }
            } }
        } }
        form class="filter" id="filter" action="/" method="get" role="search" {
            div class="grow" {
                label for="q" { "Name, namespace or deployment" }
                input id="q" name="q" type="search" value=(filter.q) autocomplete="off" spellcheck="false";
            }
            @if clusters.len() > 1 { div {
                label for="connect_cluster" { "Connect cluster" }
                select id="connect_cluster" name="connect_cluster" {
                    option value="" { "all" }
                    @for cluster in clusters { option value=(cluster) selected[filter.connect_cluster == *cluster] { (cluster) } }
                }
            } }
            @for (name, value) in [("verdict", &filter.verdict), ("deployment", &filter.deployment), ("rule", &filter.rule)] {
                @if !value.is_empty() { input type="hidden" name=(name) value=(value); }
            }
            div { button type="submit" { "Show" } }
            @if filter.is_set() { div { a class="button" href="/" { "Show all" } } }
        }
        @for (what, value) in [("deployment", &filter.deployment), ("rule", &filter.rule)] {
            @if !value.is_empty() { p class="dim small" { "Only of the " (what) " " b { bdi { (value) } } "." } }
        }
    }
}

fn list(filter: &Filter, shown: &[&Connector]) -> Markup {
    if shown.is_empty() {
        return html! { div class="card" id="list" data-found="No connector fits." { p { "Nothing fits. " a href="/" { "Show all connectors" } } } };
    }
    let (page, pages, range) = slice(&filter.page, shown.len());
    let here = shown.get(range.clone()).unwrap_or_default();
    let found = if shown.len() == 1 {
        "1 connector fits.".to_owned()
    } else {
        format!("{} connectors fit.", shown.len())
    };
    html! {
        section class="card" id="list" aria-label="Connectors" data-found=(found) {
            table class="fleet stack" role="table" {
                thead role="rowgroup" { tr role="row" {
                    th scope="col" role="columnheader" { "After a restart" } th scope="col" role="columnheader" { "Connector" }
                    th class="num" scope="col" role="columnheader" { "Headroom" } th class="num" scope="col" role="columnheader" { "Lost in" } th class="num" scope="col" role="columnheader" { "Lag" }
                    th scope="col" role="columnheader" { "Why, and what to do" }
                } }
                tbody role="rowgroup" { @for connector in here { (row(connector)) } }
            }
            @if pages > 1 {
                nav class="pager" aria-label="Pages" {
                    span { @if page > 1 { a class="button" rel="prev" href=(filter.on_page(page - 1)) { "‹ Worse" } } }
                    span class="dim small num" { (range.start + 1) "–" (range.end) " of " (shown.len()) ", worst first" }
                    span { @if page < pages { a class="button" rel="next" href=(filter.on_page(page + 1)) { "Better ›" } } }
                }
            }
        }
    }
}

fn row(connector: &Connector) -> Markup {
    let id = format!("c/{}/{}", encoded(&connector.connect_cluster), encoded(&connector.connector));
    html! {
        tr id=(id) role="row" {
            td role="cell" { (verdict(&connector.verdict))
                @if connector.on_restart != "unknown" { div class="dim small restart" { (on_restart(&connector.on_restart)) } } }
            td role="cell" {
                div class="name" { (link(&connector.connect_cluster, &connector.connector)) }
                div class="dim small" {
                    bdi { (connector.connect_cluster) } " · " (state(connector)) " · " bdi { (namespace(connector)) }
                }
            }
            td class="num" data-label="headroom" role="cell" { (span_or_none(connector.headroom_seconds)) (bar(connector)) }
            td class="num" data-label="lost in" role="cell" { (lost_in(connector)) }
            td class="num" data-label="lag" role="cell" { (span_or_none(connector.lag_seconds)) }
            (why(connector))
        }
    }
}

/// What a restart would do, after the words "after a restart".
pub(super) fn on_restart(word: &str) -> &str {
    match word {
        "fails" => "it fails",
        "skips" => "it skips history",
        "replays" => "it replays",
        "resnapshots" => "it copies all again",
        "stalls" => "it stalls",
        "resumes" => "it resumes",
        other => other,
    }
}

pub(super) fn namespace(connector: &Connector) -> &str {
    if connector.mongodb_namespace.is_empty() { "all namespaces" } else { &connector.mongodb_namespace }
}

/// How much of the window is left, as a bar.
fn bar(connector: &Connector) -> Markup {
    let Some(ratio) = connector.headroom_ratio else { return html! {} };
    let width = format!("{:.0}%", ratio.clamp(0.0, 1.0) * 100.0);
    html! {
        svg class="bar" aria-hidden="true" {
            rect class="all" width="100%" height="100%" {}
            rect class={ "fill " (connector.verdict) } width=(width) height="100%" {}
        }
    }
}

/// When it is lost, in a word or two.
pub(super) fn lost_in(connector: &Connector) -> Markup {
    if connector.verdict == "lost" {
        return html! { b class="tone lost" { "lost" } };
    }
    match (connector.seconds_until_lost, connector.outage_budget_seconds) {
        (Some(range), _) => html! {
            b class={ "tone " (connector.verdict) } {
                (span(range.low)) @match range.high { Some(high) if high == range.low => {} Some(high) => { " – " (span(high)) } None => " or never" }
            }
        },
        (None, Some(budget)) => html! { (span(budget)) div class="dim small" { "if it stood still" } },
        (None, None) => html! { "–" },
    }
}

fn why(connector: &Connector) -> Markup {
    let (muted, told): (Vec<&Finding>, Vec<&Finding>) =
        connector.findings.iter().partition(|found| found.muted.is_some());
    let more = told.len().saturating_sub(FINDINGS) + muted.len();
    let nothing = connector.why.is_none() && connector.findings.is_empty() && connector.plan.is_none();
    html! {
        td class=[nothing.then_some("none")] role="cell" {
            @if let Some(why) = &connector.why { div class="find" { p { (sentence(why)) } } }
            @for found in told.iter().take(FINDINGS) { (finding(found, false)) }
            @if more > 0 { p class="small" { a href=(address(&connector.connect_cluster, &connector.connector)) { (count(more, "more finding", "more findings")) } } }
            @if let Some(plan) = &connector.plan {
                p class="small" { "Recovery: " a href={ "/recovery/plans/" (encoded(&plan.id)) } { (plain(&plan.strategy)) } ", " (plain(&plan.state)) "; loses " (plan.loses) }
            }
        }
    }
}

/// What was found, and what to do about it.
pub(super) fn finding(found: &Finding, severity: bool) -> Markup {
    html! {
        div class="find" {
            p { @if severity { (tag(&found.severity)) } a href={ "/findings/" (found.rule) } { (found.rule) } " " b { (found.summary) } }
            p class="dim" { (found.advice) }
            @if let Some(reason) = &found.muted { p class="dim small" { "muted: " bdi { (reason) } } }
        }
    }
}

fn sources(sources: &[Source]) -> Markup {
    let up = sources.iter().filter(|source| source.up).count();
    let down = sources.iter().filter(|source| !source.up);
    let worst: Vec<&Source> = down.chain(sources.iter().filter(|source| source.up)).take(SOURCES).collect();
    html! {
        details id="sources" {
            summary { "Sources: " (up) " of " (sources.len()) " readable" }
            div class="scroll" role="region" tabindex="0" aria-label="Sources" { table class="tight" {
                thead { tr { th { "Source" } th { "Name" } th { "Readable" } } }
                tbody { @for source in worst.iter().take(SOURCES) { tr {
                    td { (plain(&source.source)) } td { bdi { (source.name) } }
                    td { @if source.up { "yes" } @else { b class="tone lost" { "no" } } @if let Some(error) = &source.error { ": " (error) } }
                } } }
            } }
            @if sources.len() > SOURCES { p class="dim small" { "The first " (SOURCES) "; " code { "/api/v1/sources" } " has them all." } }
        }
    }
}
