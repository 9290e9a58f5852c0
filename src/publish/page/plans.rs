//! One plan: what it does and loses, what keeps it, what clears that, and who may decide.

use super::frame::Frame;
use super::words::{address, encoded, plain, tag, with_query};
use crate::publish::recovery::{PlannedFor, Proposal};
use maud::{Markup, html};

/// The plan for a connector, and what would do as well.
pub(super) fn card(planned: &PlannedFor, frame: &Frame) -> Markup {
    let plan = &planned.plan;
    html! {
        section class="card plan" id={ "plan/" (encoded(&plan.id)) } {
            header {
                h2 { a href={ "/recovery/plans/" (encoded(&plan.id)) } { (plain(&plan.strategy)) } " for "
                    a href=(address(&planned.connect_cluster, &planned.connector)) { bdi { (planned.id()) } } }
                (tag(&plan.state))
                span class="dim small" { "because of " (plain(&planned.trigger)) " · plan " code { (plan.id) } }
            }
            (details(plan, frame))
            @for other in &planned.alternatives {
                details id={ "plan/" (encoded(&other.id)) } {
                    summary { "Or " (plain(&other.strategy)) ": loses " (other.loses) }
                    (details(other, frame))
                }
            }
        }
    }
}

/// What it loses, what it does, what keeps it.
pub(super) fn details(plan: &Proposal, frame: &Frame) -> Markup {
    html! {
        p { b { "Loses " } (plan.loses) "." }
        @if !plan.blockers.is_empty() {
            h3 { "Not now, because" }
            ul { @for why in &plan.blockers { li { (commanded(&why.says)) } } }
        }
        h3 { "Steps" }
        ol { @for step in &plan.steps { li { (step) } } }
        @if !plan.effects.is_empty() {
            h3 { "It follows that" }
            ul { @for effect in &plan.effects { li { (effect) } } }
        }
        (actions(plan, frame))
    }
}

/// A sentence of which the part from `resumeguard` on is a command.
fn commanded(says: &str) -> Markup {
    let (before, command) = match says.find("resumeguard ") {
        Some(at) => says.split_at(at),
        None => (says, ""),
    };
    let (command, after) = match command.find(" ends it") {
        Some(at) => command.split_at(at),
        None => (command, ""),
    };
    html! { (before) @if !command.is_empty() { code { (command) } } (after) }
}

/// What whoever looks may do about it.
fn actions(plan: &Proposal, frame: &Frame) -> Markup {
    let has = |word: &str| plan.blockers.iter().any(|why| why.blocker == word);
    let (approvable, discarded) = (has("awaits_approval"), has("discarded"));
    let ask = |verb: &str| with_query(&format!("/recovery/{verb}"), &[("plan", &plan.id)]);
    html! {
        @if approvable || !discarded && !has("off") && !has("plan_only") {
            @if frame.may_change() {
                div class="actions" {
                    @if approvable { a class="button primary" href=(ask("approve")) { "Approve…" } }
                    @if !discarded { a class="button" href=(ask("discard")) { "Discard…" } }
                }
            } @else { (decide_elsewhere(frame, &format!("resumeguard recovery approve {} --reason …", plan.id))) }
        }
    }
}

/// Whoever may not decide here is told how to.
pub(super) fn decide_elsewhere(frame: &Frame, command: &str) -> Markup {
    html! {
        p class="dim small" {
            @if frame.visitor().0.is_some() { "You may look only; " code { "rights = \"change\"" } " may decide, and so does " }
            @else if frame.ways().browser() { a href=(frame.login()) { "Sign in" } " to decide, or on the daemon's machine: " }
            @else { "To decide, on the daemon's machine: " }
            code { (command) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_in_sentences_are_marked() {
        let marked = |says: &str| commanded(says).into_string();
        assert_eq!(
            marked("a person has to approve it: resumeguard recovery approve x --reason …"),
            "a person has to approve it: <code>resumeguard recovery approve x --reason …</code>"
        );
        assert_eq!(
            marked("wait; resumeguard recovery acknowledge c --reason … ends it"),
            "wait; <code>resumeguard recovery acknowledge c --reason …</code> ends it"
        );
        assert_eq!(marked("set recovery.mode"), "set recovery.mode");
    }
}
