//! One connector's story in a terminal, and words that the fleet's table has in common with it.

use super::status::{Connector, Plan, Status, Stretch};
use super::words::{duration, percent};
use resumeguard_core::assess::forecast::NoForecast;
use resumeguard_core::domain::{LiveStream, Why};

/// How far a plan is, and what keeps it.
pub(super) fn plan_state(plan: &Plan) -> String {
    let why: Vec<&str> = plan.blockers.iter().map(|why| why.blocker.as_str()).collect();
    let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join(", ")) };
    format!("{}{why}", plan.state.replace('_', " "))
}

/// The connector's state, and its task's where that says more.
pub(super) fn state(connector: &Connector) -> String {
    let own = connector.state.as_deref().unwrap_or("?");
    match connector.tasks.iter().find(|task| Some(task.state.as_str()) != connector.state.as_deref()) {
        Some(task) => {
            let code = task.code.map(|code| format!(" {code}")).unwrap_or_default();
            format!("{own}, task {}{code}", task.state)
        }
        None => own.to_owned(),
    }
}

pub(super) fn known(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}

/// The sentence for a reason; a newer daemon may know reasons that this one does not.
pub(crate) fn sentence(why: &str) -> &'static str {
    Why::ALL
        .iter()
        .find(|known| known.code() == why)
        .map_or("for a reason that this version does not know", |w| w.sentence())
}

/// One connector's story, short form.
#[must_use]
pub fn story(connector: &Connector, status: &Status) -> String {
    let mut lines = Vec::new();
    let id = format!("{}/{}", connector.connect_cluster, connector.connector);
    let verdict = match &connector.why {
        Some(why) => format!("unknown: {}", sentence(why)),
        None => connector.verdict.clone(),
    };
    lines.push(format!("{id}: {verdict}"));
    let mut field = |name: &str, text: String| lines.push(format!("  {name:<13} {text}"));
    let version = connector.version.as_deref().map(|v| format!(" {v}")).unwrap_or_default();
    field("class", format!("{}{version}", connector.class));
    field("state", state(connector));
    field("reads", format!("{} of {}", namespace(connector), known(connector.deployment.clone())));
    if let Some(position) = &connector.position {
        let at = super::words::time(i64::from(position.time.t));
        field("position", format!("{at} ({},{}), {}", position.time.t, position.time.i, position.kind));
    }
    if let Some(told) = &connector.offsets_told {
        field("offsets", told.clone());
    }
    for oplog in status.oplogs.iter().filter(|oplog| Some(&oplog.deployment) == connector.deployment.as_ref())
    {
        let end = |time: Option<super::status::Time>| known(time.map(|t| super::words::time(i64::from(t.t))));
        let window = known(oplog.window_seconds.map(duration));
        let text = format!(
            "{} ({}) {} to {}, window {window}",
            oplog.member,
            oplog.role,
            end(oplog.first),
            end(oplog.last)
        );
        field("oplog", text);
    }
    if let Some(headroom) = connector.headroom_seconds {
        let share =
            connector.headroom_ratio.filter(|r| *r >= 0.0).map(|r| format!(", {} of the window", percent(r)));
        field("headroom", format!("{}{}", duration(headroom), share.unwrap_or_default()));
    }
    outlook(connector).into_iter().for_each(|(name, text)| field(name, text));
    if connector.basis.as_deref() == Some("probe") {
        field("basis", "MongoDB was asked".to_owned());
    }
    field("on restart", connector.on_restart.clone());
    for (number, text) in recovery(connector).into_iter().enumerate() {
        field(if number == 0 { "recovery" } else { "" }, text);
    }
    for loss in &connector.losses {
        let cause = loss.cause.as_deref().unwrap_or("not proven");
        field("skipped", format!("{} ({cause}, tolerance {})", stretch(&loss.stretch), loss.tolerance));
    }
    for rescued in &connector.rescued {
        field("rescued", format!("{}: its open stream carried it over", stretch(rescued)));
    }
    for finding in &connector.findings {
        let muted = finding.muted.as_ref().map(|reason| format!(", muted: {reason}")).unwrap_or_default();
        lines.push(format!(
            "\n  {} {} ({}{muted}): {}",
            finding.rule, finding.name, finding.severity, finding.summary
        ));
        lines.push(format!("    {}", finding.advice));
    }
    lines.join("\n") + "\n"
}

/// How long it has, what its position is doing, and what the open streams show of it.
fn outlook(connector: &Connector) -> Vec<(&'static str, String)> {
    let mut fields = Vec::new();
    if let Some(budget) = connector.outage_budget_seconds {
        let range = connector.outage_budget_range.and_then(|range| Some((range.low, range.high?)));
        let range = range.map(|(low, high)| format!(", from {} to {}", duration(low), duration(high)));
        let text = format!("{}{} if it stood still from now on", duration(budget), range.unwrap_or_default());
        fields.push(("budget", text));
    }
    if let Some(range) = connector.seconds_until_lost {
        let high = range.high.map_or_else(|| "never".to_owned(), duration);
        let text = format!("{} to {high}, with its own advance counted", duration(range.low));
        fields.push(("lost in", text));
    }
    if let Some(why) = &connector.no_forecast {
        let known = NoForecast::ALL.iter().find(|known| known.code() == why);
        fields.push(("no forecast", known.map_or(why.as_str(), |known| known.sentence()).to_owned()));
    }
    fields.push(("progress", connector.progress.clone()));
    if let Some(stream) = &connector.live_stream {
        let known = LiveStream::ALL.iter().find(|known| known.code() == stream);
        fields.push(("stream", known.map_or(stream.as_str(), |known| known.sentence()).to_owned()));
    }
    fields
}

/// What recovery would do: what it is, what it loses, what keeps it.
fn recovery(connector: &Connector) -> Vec<String> {
    let in_trouble = connector.verdict == "lost" || connector.tasks.iter().any(|task| task.state == "FAILED");
    match &connector.plan {
        Some(plan) => {
            let state = plan.state.replace('_', " ");
            let mut lines = vec![format!("{} (plan {}), {state}", plan.strategy, plan.id)];
            lines.push(format!("loses {}", plan.loses));
            lines.extend(plan.blockers.iter().map(|why| format!("not now: {}", why.says)));
            lines
        }
        None if in_trouble => {
            let id = format!("{}/{}", connector.connect_cluster, connector.connector);
            vec![format!("no plan so far; resumeguard recovery plan {id} looks twice")]
        }
        None => Vec::new(),
    }
}

fn stretch(stretch: &Stretch) -> String {
    let time = |time: super::status::Time| super::words::time(i64::from(time.t));
    let seconds = i64::try_from(stretch.seconds).unwrap_or(i64::MAX);
    format!("{} to {}, {} at the most", time(stretch.from), time(stretch.to), duration(seconds))
}

fn namespace(connector: &Connector) -> &str {
    if connector.mongodb_namespace.is_empty() { "everything" } else { &connector.mongodb_namespace }
}
