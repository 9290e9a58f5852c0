//! A plain `/` that lists verdicts; works without JavaScript and loads nothing.

use super::recovery::{Overview, PlannedFor, Tried};
use super::status::{Connector, Status};
use super::table::{known, sentence, state};
use super::words::{duration, percent};
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = "
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
body { margin: 2rem auto; max-width: 75rem; padding: 0 1rem }
.scroll { overflow-x: auto } table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid #8884; vertical-align: top }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
.verdict { font-weight: 600; white-space: nowrap } .lost, .critical { color: #c62828 } .at_risk { color: #b26a00 }
.unknown { color: #6a1b9a } .safe { color: #2e7d32 }
@media (prefers-color-scheme: dark) { .lost, .critical { color: #ff8a80 } .at_risk { color: #ffcc80 } .unknown { color: #ce93d8 } .safe { color: #a5d6a7 } }
small { display: block; opacity: .8 } details { margin: .6rem 0 } summary { cursor: pointer }
";

/// Attempts that the page lists.
const ATTEMPTS: usize = 20;

/// Draws the page; it asks to be loaded again after `refresh_seconds`.
#[must_use]
pub fn render(status: &Status, recovery: &Overview, refresh_seconds: u64) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="refresh" content=(refresh_seconds);
                title { "resumeguard" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "resumeguard" }
                p { "Judged at " time datetime=(status.at) { (status.at) } ", worst first." }
                (connectors(status))
                (plans(recovery))
                (attempts(recovery))
                (oplogs(status))
                (sources(status))
                p { a href="/metrics" { "/metrics" } " · " a href="/api/v1/status" { "/api/v1/status" } }
            }
        }
    };
    page.into_string()
}

fn connectors(status: &Status) -> Markup {
    html! {
        @if status.connectors.is_empty() {
            p { "No MongoDB source connector was found." }
        } @else {
            div class="scroll" { table {
                thead { tr {
                    th { "Verdict" } th { "Connector" } th { "State" } th { "Headroom" } th { "Of window" } th { "On restart" } th { "Findings" }
                } }
                tbody { @for connector in &status.connectors { (row(connector)) } }
            } }
        }
    }
}

fn row(connector: &Connector) -> Markup {
    html! {
        tr {
            td class={ "verdict " (connector.verdict) } { (connector.verdict) }
            td { (connector.connect_cluster) "/" (connector.connector) small { (connector.mongodb_namespace) } }
            td { (state(connector)) }
            td class="number" { (known(connector.headroom_seconds.map(duration))) }
            td class="number" { (known(connector.headroom_ratio.filter(|ratio| *ratio >= 0.0).map(percent))) }
            td { (connector.on_restart) }
            td {
                @if let Some(why) = &connector.why { div { (sentence(why)) } }
                @for finding in &connector.findings {
                    div { b { (finding.rule) } " " (finding.summary) small { (finding.advice) } }
                }
            }
        }
    }
}

fn plans(recovery: &Overview) -> Markup {
    html! {
        h2 { "Recovery" }
        p { "Mode " b { (recovery.mode) } "."
            @if let Some(reason) = &recovery.frozen { " " b class="critical" { "Frozen" } ": " (reason) "." }
            @if let Some(reason) = &recovery.no_journal { " No journal: " (reason) "." }
        }
        @for planned in &recovery.plans { (plan(planned)) }
    }
}

fn plan(planned: &PlannedFor) -> Markup {
    let plan = &planned.plan;
    html! {
        details {
            summary { b { (planned.id()) } ": " (plan.strategy) ", " (plan.state.replace('_', " ")) "; loses " (plan.loses) }
            ol { @for step in &plan.steps { li { (step) } } }
            ul {
                @for why in &plan.blockers { li { "Not now: " (why.says) } }
                @for effect in &plan.effects { li { "Also: " (effect) } }
                @for other in &planned.alternatives { li { "Or " (other.strategy) " (plan " (other.id) "), which loses " (other.loses) } }
            }
            small { "Plan " (plan.id) ", for " (planned.trigger) "." }
        }
    }
}

fn attempts(recovery: &Overview) -> Markup {
    html! {
        @if !recovery.attempts.is_empty() {
            div class="scroll" { table {
                thead { tr { th { "Attempt" } th { "Connector" } th { "Strategy" } th { "Outcome" } th { "Lost" } th { "By" } } }
                tbody { @for attempt in recovery.attempts.iter().take(ATTEMPTS) { (attempt_row(attempt)) } }
            } }
        }
    }
}

fn attempt_row(attempt: &Tried) -> Markup {
    html! {
        tr {
            td { (attempt.attempt) small { (attempt.begun) } }
            td { (attempt.connect_cluster) "/" (attempt.connector) }
            td { (attempt.strategy) @if let Some(restored) = &attempt.restores { small { "restores " (restored) } } }
            td { (attempt.outcome.as_deref().unwrap_or("under way")) small { (attempt.says.as_deref().unwrap_or("")) } }
            td class="number" { (known(attempt.lost.as_ref().map(|lost| duration(lost.seconds)))) }
            td { (attempt.by) small { (attempt.reason) } }
        }
    }
}

fn oplogs(status: &Status) -> Markup {
    html! {
        h2 { "Oplogs" }
        div class="scroll" { table {
            thead { tr { th { "Deployment" } th { "Member" } th { "Role" } th { "Window" } } }
            tbody { @for oplog in &status.oplogs {
                tr {
                    td { (oplog.deployment) } td { (oplog.member) } td { (oplog.role) }
                    td class="number" { (known(oplog.window_seconds.map(duration))) }
                }
            } }
        } }
    }
}

fn sources(status: &Status) -> Markup {
    html! {
        h2 { "Sources" }
        ul { @for source in &status.sources {
            li {
                (source.source) " " (source.name) ": "
                @if source.up { "readable" @if let Some(lacking) = &source.error { "; " (lacking) } }
                @else { (source.error.as_deref().unwrap_or("not read yet")) }
            }
        } }
    }
}
