//! `/recovery`: what would be done and what was, step by step.

use super::asked::{Said, slice};
use super::frame::{Frame, Section, crumbs};
use super::plans::{card, decide_elsewhere, details};
use super::words::{address, count, encoded, link, moment, plain, span, tag, with_query};
use super::{page as answer, readable, see};
use crate::control::story;
use crate::publish::Board;
use crate::publish::http::problem;
use crate::publish::recovery::{Overview, PlannedFor, Proposal, Told, Tried, Walked};
use crate::publish::tally::Tally;
use crate::recovery::Desk;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use maud::{Markup, html};
use serde::Deserialize;

/// Attempts that the list shows.
const ATTEMPTS: usize = 50;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Pages {
    page: String,
}

pub(super) async fn page(
    State(desk): State<Desk>,
    State(board): State<Board>,
    frame: Frame,
    Said(Pages { page }): Said<Pages>,
) -> Response {
    let frame = frame.of(Section::Recovery).live();
    let of = |all: usize| slice(&page, all).2;
    let (overview, (plans, all)) = desk.show(|seen| (seen.without_plans(), seen.plans_at(&of)));
    let (page, pages, range) = slice(&page, all);
    let counts = board.newest().filter(|newest| !board.is_stale(newest));
    let body = html! {
        h1 { "Recovery" }
        (state(&overview))
        (switch(&overview, &frame))
        h2 { @if all == 0 { "No plans" } @else { (count(all, "plan", "plans")) } }
        @if let Some(newest) = &counts { (at_a_look(&newest.tally)) }
        @if !frame.is_fresh() { div class="notice warn" { p { b { "Not known" } ": no pass has ended lately. What is below was planned when one last did, and begins nothing before the next one." } } }
        @if plans.is_empty() { p class="dim" { (no_plans(&overview.mode, frame.is_fresh())) } }
        @for planned in &plans { (card(planned, &frame)) }
        @if pages > 1 { nav class="pager" aria-label="Pages" {
            span { @if page > 1 { a class="button" rel="prev" href=(with_query("/recovery", &[("page", &(page - 1).to_string())])) { "‹ Before" } } }
            span class="dim small num" { (range.start + 1) "–" (range.end) " of " (all) ", those that wait for a person first" }
            span { @if page < pages { a class="button" rel="next" href=(with_query("/recovery", &[("page", &(page + 1).to_string())])) { "After ›" } } }
        } }
        section class="card" { h2 { "Attempts" } (attempts(&overview.attempts)) }
    };
    let title = match overview.frozen {
        Some(_) => "Recovery, frozen",
        None => "Recovery",
    };
    answer(&frame, title, body)
}

/// How far the plans are, and what keeps them.
fn at_a_look(tally: &Tally) -> Markup {
    html! {
        @if !tally.plans.is_empty() {
            p class="facts" { @for (state, number) in &tally.plans { span { b { (number) } " " (plain(state)) } } }
            @if !tally.blockers.is_empty() {
                details id="blockers" { summary { "What keeps them" }
                    ul { @for (blocker, number) in &tally.blockers { li { (plain(blocker)) ": " (count(*number, "plan", "plans")) } } }
                }
            }
        }
    }
}

/// Why there is no plan.
fn no_plans(mode: &str, fresh: bool) -> &'static str {
    match mode {
        "" | "off" => "In mode off none is made, whatever trouble there is.",
        _ if fresh => "No connector is in trouble that a plan is made for.",
        _ => "Whether one is needed is not known.",
    }
}

fn state(overview: &Overview) -> Markup {
    let mode = if overview.mode.is_empty() { "off" } else { &overview.mode };
    let means = match mode {
        "off" => "nothing is planned and nothing is done",
        "plan" => "plans are shown, nothing is done",
        "approve" => "each plan waits for a person",
        "auto" => "policy lets plans begin by themselves",
        _ => "as this version does not know",
    };
    html! { p class="facts" { span { "Mode " b { (mode) } ": " (means) } }
    @if let Some(reason) = &overview.no_journal { div class="notice bad" { p { b { "No journal" } ": " (reason) ". Nothing is done without one." } } } }
}

fn switch(overview: &Overview, frame: &Frame) -> Markup {
    let off = overview.mode == "off" || overview.mode.is_empty();
    html! {
        @match &overview.frozen {
            Some(reason) => div class="notice warn" {
                p { b { "Frozen" } ": " bdi { (reason) } }
                p class="small" { "Nothing begins, and what is under way has stopped before its next step." }
                @if frame.may_change() { div class="actions" { a class="button" href="/recovery/unfreeze" { "Unfreeze…" } } }
                @else { (decide_elsewhere(frame, "resumeguard unfreeze --reason …")) }
            },
            None if !off => {
                @if frame.may_change() { div class="actions" { a class="button" href="/recovery/freeze" { "Freeze all recovery…" } } }
                @else { p class="dim small" { "In an emergency, on the daemon's machine: " code { "resumeguard freeze --reason …" } } }
            }
            None => {}
        }
    }
}

/// A list of attempts, the newest first.
pub(super) fn attempts(attempts: &[Tried]) -> Markup {
    html! {
        @if attempts.is_empty() { p class="dim" { "None so far." } } @else {
            table class="stack tight" role="table" {
                thead role="rowgroup" { tr role="row" { th role="columnheader" { "Begun" } th role="columnheader" { "Connector" } th role="columnheader" { "What" } th role="columnheader" { "Outcome" } th class="num" role="columnheader" { "Lost" } th role="columnheader" { "By whom, and why" } } }
                tbody role="rowgroup" { @for attempt in attempts.iter().take(ATTEMPTS) { tr id={ "a/" (encoded(&attempt.attempt)) } role="row" {
                    td role="cell" { a href=(attempt_address(&attempt.attempt)) { (moment(&attempt.begun)) } }
                    td role="cell" { (link(&attempt.connect_cluster, &attempt.connector)) div class="dim small" { bdi { (attempt.connect_cluster) } } }
                    td role="cell" { (plain(&attempt.strategy)) }
                    td role="cell" { (outcome(attempt)) @if let Some(says) = &attempt.says { div class="dim small" { (says) } } }
                    td class="num" data-label="lost" role="cell" { (lost(attempt)) }
                    td role="cell" { bdi { (attempt.by) } div class="dim small" { bdi { (attempt.reason) } } }
                } } }
            }
            @if attempts.len() > ATTEMPTS { p class="dim small" { "The newest " (ATTEMPTS) "; " code { "/api/v1/recovery/attempts" } " has them all." } }
        }
    }
}

fn attempt_address(attempt: &str) -> String {
    format!("/recovery/attempts/{}", encoded(attempt))
}

fn outcome(attempt: &Tried) -> Markup {
    match attempt.outcome.as_deref() {
        None => html! { b { "under way" } },
        Some("recovered") => html! { b class="tone safe" { "✓ recovered" } },
        Some("needs_person") => html! { b class="tone lost" { "✕ needs a person" } },
        Some(other) => html! { (plain(other)) },
    }
}

fn lost(attempt: &Tried) -> Markup {
    match (&attempt.lost, attempt.loss.as_deref()) {
        (Some(lost), _) => html! { (span(lost.seconds)) },
        (None, Some(word)) => html! { (word) },
        (None, None) => html! { "–" },
    }
}

/// A plan, whichever of a connector's it is.
pub(super) fn find(desk: &Desk, id: &str) -> Option<(PlannedFor, Proposal)> {
    let planned = desk.show(|seen| seen.plan(id))?;
    let mut all = std::iter::once(&planned.plan).chain(&planned.alternatives);
    let plan = all.find(|plan| plan.id == id)?.clone();
    Some((planned, plan))
}

const TRAIL: (&str, &str) = ("Recovery", "/recovery");

pub(super) async fn plan(State(desk): State<Desk>, Path(id): Path<String>, frame: Frame) -> Response {
    let frame = frame.of(Section::Recovery).live();
    let Some((planned, plan)) = find(&desk, &id) else {
        let ledger = desk.ledger();
        if let Some(begun) = ledger.attempts.iter().rev().find(|attempt| attempt.plan.id.0 == id) {
            return see(&attempt_address(&begun.id.0));
        }
        let gone = format!(
            "no plan is called {id} any more: its connector is well, or something about it has changed and there is another plan; see the attempts below Recovery"
        );
        return readable::drawn(&frame, problem(StatusCode::NOT_FOUND, &gone)).await;
    };
    let body = html! {
        (crumbs(&[TRAIL], &format!("plan {id}")))
        h1 { (plain(&plan.strategy)) " for " a href=(address(&planned.connect_cluster, &planned.connector)) { bdi { (planned.id()) } } }
        p class="facts" { (tag(&plan.state)) span { "because of " (plain(&planned.trigger)) } span { "mode " b { (planned.mode) } } }
        @if plan.state == "approved" { div class="notice good" { p { b { "Approved." } " It begins after the next pass, if the world is still as the plan expects." } } }
        @if plan.state == "discarded" { div class="notice" { p { b { "Discarded." } " It is not carried out." } } }
        section class="card plan" { h2 { "The plan" } (details(&plan, &frame)) }
    };
    answer(&frame, &format!("{} for {}", plain(&plan.strategy), planned.id()), body)
}

pub(super) async fn attempt(State(desk): State<Desk>, Path(id): Path<String>, frame: Frame) -> Response {
    let frame = frame.of(Section::Recovery);
    let told = match story(&desk, &id) {
        Ok(told) => told,
        Err(problem) => return readable::drawn(&frame, problem.into_response()).await,
    };
    let tried = &told.attempt;
    // What has ended stays as it is.
    let frame = if tried.ended.is_none() { frame.close() } else { frame };
    let body = html! {
        (crumbs(&[TRAIL], &format!("attempt {id}")))
        h1 { (plain(&tried.strategy)) " for " a href=(address(&tried.connect_cluster, &tried.connector)) { bdi { (tried.connect_cluster) "/" (tried.connector) } } }
        p class="facts" { span { (outcome(tried)) } span { "begun " (moment(&tried.begun)) } @if let Some(ended) = &tried.ended { span { "ended " (moment(ended)) } } }
        @if let Some(says) = &tried.says { p { (says) } }
        (about(&told))
        section class="card" { h2 { "Steps" } ol class="steps" {
            @for walked in &told.steps { (step(walked)) }
            @for next in &told.steps_to_come { li class="later" { span class="at" aria-hidden="true" { "○" } p { (next) span class="hidden" { ", to come" } } } }
        } }
        (afterwards(&told, &frame))
    };
    answer(
        &frame,
        &format!("{} for {}/{}", plain(&tried.strategy), tried.connect_cluster, tried.connector),
        body,
    )
}

fn about(told: &Told) -> Markup {
    let tried = &told.attempt;
    html! {
        section class="card" { dl class="pairs" {
            div { dt { "Lost" } dd class="big" { (lost(tried)) } dd class="dim small" { @if let Some(lost) = &tried.lost { (moment(&lost.from)) " to " (moment(&lost.to)) } @else { "expected: " (told.expected_to_lose) } } }
            div { dt { "Wanted by" } dd { bdi { (tried.by) } } dd class="dim small" { bdi { (tried.reason) } } }
            div { dt { "Because of" } dd { (plain(&tried.trigger)) } }
            div { dt { "Plan" } dd { code { (told.plan) } } @if let Some(restored) = &tried.restores { dd class="small" { "puts back " a href=(attempt_address(restored)) { (restored) } } } }
        } }
    }
}

fn step(walked: &Walked) -> Markup {
    let (class, sign, word) = match walked.outcome.as_deref() {
        Some("done") => ("did", "✓", "done"),
        Some("not_needed") => ("did", "✓", "not needed"),
        Some("over") => ("did", "✓", "the trouble is over"),
        Some("again") => ("open", "↻", "begun again"),
        Some("not_sent") => ("open", "–", "not sent"),
        Some("failed") => ("failed", "✕", "failed"),
        Some(other) => ("open", "?", other),
        None => ("open", "…", "under way, or its outcome is not known"),
    };
    let took = |ms: i64| if ms < 10_000 { format!("{ms} ms") } else { span(ms / 1000) };
    html! {
        li class=(class) {
            span class="at" aria-hidden="true" { (sign) }
            div {
                p { (walked.does) @if walked.phase == "back" { " " (tag("put back")) } span class="hidden" { ": " (word) } }
                @if let Some(says) = walked.says.as_deref().filter(|says| !says.is_empty()) { p class="dim small" { (says) } }
                @if let Some(reached) = &walked.reached { p class="dim small" { "reached " (moment(reached)) } }
            }
            p class="dim small num" { @if let Some(ms) = walked.took_ms { (took(ms)) } }
        }
    }
}

/// What a person may do once it has ended.
fn afterwards(told: &Told, frame: &Frame) -> Markup {
    let id = &told.attempt.attempt;
    let connector = format!("{}/{}", told.attempt.connect_cluster, told.attempt.connector);
    let failed = told.attempt.outcome.as_deref() == Some("needs_person");
    html! {
        @if told.can_be_restored || failed {
            @if frame.may_change() { div class="actions" {
                @if failed { a class="button" href=(with_query("/recovery/acknowledge", &[("connector", &connector)])) { "Acknowledge…" } }
                @if told.can_be_restored { a class="button" href=(with_query("/recovery/restore", &[("attempt", id)])) { "Put back what it replaced…" } }
            } } @else { (decide_elsewhere(frame, &format!("resumeguard recovery show {id}"))) }
        }
    }
}
