//! The terminal's form of plans and attempts.

use super::{Overview, PlannedFor, Proposal, Skipped, Told, Tried, Walked};
use crate::publish::words::duration;
use comfy_table::{Table, presets};

/// What stands above the plans, and all of them or those for one connector.
#[must_use]
pub fn overview(overview: &Overview, only: impl Fn(&PlannedFor) -> bool) -> String {
    let mut lines = vec![format!("mode {}: {}", overview.mode, mode(&overview.mode))];
    lines.extend(overview.frozen.as_ref().map(|reason| format!("FROZEN: {reason}")));
    lines.extend(overview.no_journal.as_ref().map(|reason| format!("no journal: {reason}")));
    let open = overview.attempts.iter().filter(|attempt| attempt.ended.is_none());
    lines.extend(open.map(|attempt| {
        let (id, cluster, connector) = (&attempt.attempt, &attempt.connect_cluster, &attempt.connector);
        format!("under way: {id} at {cluster}/{connector} by {}", attempt.strategy)
    }));
    let mut shown = overview.plans.iter().filter(|planned| only(planned)).peekable();
    if shown.peek().is_none() && overview.mode != "off" {
        lines.push("no connector is in trouble that a plan would be made for".to_owned());
    }
    let text = lines.join("\n") + "\n";
    shown.fold(text, |text, plan| text + "\n" + &planned(plan))
}

fn mode(code: &str) -> &'static str {
    match code {
        "off" => "no plan is made",
        "plan" => "plans are shown, nothing is changed",
        "approve" => "a person approves each plan",
        "auto" => "what policy allows is done without asking",
        _ => "not known to this version",
    }
}

/// What would be done about one connector.
#[must_use]
pub fn planned(planned: &PlannedFor) -> String {
    let (plan, mode) = (&planned.plan, &planned.mode);
    let mut lines = vec![format!("{} ({}, mode {mode})", planned.id(), planned.trigger)];
    lines.push(format!("  plan {}: {}, {}", plan.id, plan.strategy, plan.state.replace('_', " ")));
    lines.push(format!("    loses: {}", plan.loses));
    lines.extend(
        plan.rescans_bytes.map(|bytes| format!("    the server reads {} of oplog again", size(bytes))),
    );
    lines.extend(plan.effects.iter().map(|effect| format!("    also: {effect}")));
    for (number, step) in plan.steps.iter().enumerate() {
        lines.push(format!("    {}. {step}", number + 1));
    }
    lines.extend(obstacles(plan, "    "));
    for other in &planned.alternatives {
        lines.push(format!("  or {} (plan {}), which loses {}", other.strategy, other.id, other.loses));
        // What keeps the chosen plan back as well was said there.
        let own = Proposal {
            blockers: other
                .blockers
                .iter()
                .filter(|one| {
                    let said = one.says.replace(&other.id, &plan.id);
                    plan.blockers.iter().all(|known| known.says != said)
                })
                .cloned()
                .collect(),
            ..other.clone()
        };
        lines.extend(obstacles(&own, "     "));
    }
    lines.join("\n") + "\n"
}

fn obstacles(plan: &Proposal, indent: &str) -> impl Iterator<Item = String> {
    plan.blockers.iter().map(move |why| format!("{indent}not now: {}", why.says))
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_048_576 => format!("{} KiB", bytes.div_ceil(1024)),
        1_048_576..1_073_741_824 => format!("{} MiB", bytes >> 20),
        _ => format!("{} GiB", bytes >> 30),
    }
}

/// A table of attempts, the newest first.
#[must_use]
pub fn attempts(attempts: &[Tried]) -> String {
    if attempts.is_empty() {
        return "no recovery was attempted\n".to_owned();
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["ATTEMPT", "BEGUN", "CONNECTOR", "STRATEGY", "OUTCOME", "LOST", "BY"]);
    for attempt in attempts {
        let strategy = match &attempt.restores {
            Some(restored) => format!("restore {restored}"),
            None => attempt.strategy.clone(),
        };
        table.add_row([
            attempt.attempt.clone(),
            attempt.begun.clone(),
            format!("{}/{}", attempt.connect_cluster, attempt.connector),
            strategy,
            attempt.outcome.clone().unwrap_or_else(|| "under way".to_owned()),
            attempt.lost.as_ref().map_or_else(|| "-".to_owned(), |lost| duration(lost.seconds)),
            attempt.by.clone(),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt() + "\n"
}

/// One attempt's story.
#[must_use]
pub fn story(told: &Told) -> String {
    let it = &told.attempt;
    let how = if it.restores.is_some() { "restore" } else { &it.strategy };
    let mut lines = vec![format!("{}: {how} at {}/{}", it.attempt, it.connect_cluster, it.connector)];
    let mut field = |name: &str, text: String| lines.push(format!("  {name:<9} {text}"));
    field("who", it.by.clone());
    field("why", format!("{} ({})", it.reason, it.trigger));
    field("plan", told.plan.clone());
    if let Some(restored) = &it.restores {
        field("restores", restored.clone());
    }
    field("begun", it.begun.clone());
    let ended = it.ended.as_deref().zip(it.outcome.as_deref());
    field("ended", ended.map_or_else(|| "not yet".to_owned(), |(at, how)| format!("{at}, {how}")));
    if let Some(says) = &it.says {
        field("outcome", says.clone());
    }
    field("lost", lost(told));
    lines.push(String::new());
    lines.extend(told.steps.iter().map(step));
    lines.extend(told.steps_to_come.iter().map(|step| format!("  {:<20} {step}", "to come")));
    if told.can_be_restored {
        let id = &it.attempt;
        lines.push(format!("\n  to put back what it replaced: resumeguard recovery restore {id} --reason …"));
    }
    if it.outcome.as_deref() == Some("needs_person") {
        let connector = format!("{}/{}", it.connect_cluster, it.connector);
        lines.push(format!(
            "\n  something could not be put back: look at it, then: resumeguard recovery acknowledge {connector} --reason …"
        ));
    }
    lines.join("\n") + "\n"
}

fn lost(told: &Told) -> String {
    match (&told.attempt.lost, told.attempt.loss.as_deref()) {
        (Some(Skipped { from, to, seconds }), _) => format!("{from} to {to}, {}", duration(*seconds)),
        (None, Some("nothing")) => "nothing".to_owned(),
        (None, Some(_)) => "not known: one end of it was never read".to_owned(),
        (None, None) => format!("it is expected to lose: {}", told.expected_to_lose),
    }
}

fn step(walked: &Walked) -> String {
    let back = if walked.phase == "back" { "back: " } else { "" };
    let round = if walked.round > 0 { format!(" (round {})", walked.round + 1) } else { String::new() };
    let outcome = match (&walked.outcome, walked.took_ms) {
        (Some(outcome), Some(took)) => format!("{} after {took} ms", outcome.replace('_', " ")),
        _ => "nobody knows yet how it ended".to_owned(),
    };
    let says = walked.says.as_ref().filter(|says| !says.is_empty()).map(|says| format!(": {says}"));
    let reached = walked.reached.as_ref().map(|time| format!(" (position {time})"));
    format!(
        "  {} {back}{}{round}\n    {outcome}{}{}",
        walked.at,
        walked.does,
        says.unwrap_or_default(),
        reached.unwrap_or_default()
    )
}
