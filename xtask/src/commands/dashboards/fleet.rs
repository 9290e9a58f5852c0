//! All connectors: which are in danger, and how long is left.

use serde_json::Value;

use super::panel::{Panel, VERDICTS};
use super::sheet::{CONNECT_CLUSTER, Sheet, TARGET};

/// One number for a verdict, and its word: a row of a timeline. Each is 0 or 1, and one of them 1.
pub(super) fn numbered(metric: &str, matchers: &str, label: &str, words: &[&str]) -> String {
    let one = |(number, word): (usize, &&str)| {
        format!(
            "sum by (connect_cluster, connector) ({metric}{{{matchers}, {label}=\"{word}\"}}) * {}",
            number + 1
        )
    };
    words.iter().enumerate().map(one).collect::<Vec<_>>().join(" + ")
}

/// The verdict of each connector over time.
pub(super) fn verdicts(title: &'static str, matchers: &str) -> Panel {
    let words = VERDICTS.map(|(word, _)| word);
    let numbers: Vec<String> = (1..=VERDICTS.len()).map(|number| number.to_string()).collect();
    let mapped: Vec<(&str, &str, &str)> = numbers
        .iter()
        .zip(VERDICTS)
        .map(|(number, (word, colour))| (number.as_str(), word, colour))
        .collect();
    Panel::timeline(title, "Would the stored position survive a restart? What Connect says of the connector plays no part in it.")
        .over_time(
            &numbered("resumeguard_connector_verdict", matchers, "verdict", &words),
            "{{connect_cluster}}/{{connector}}",
        )
        .words(&mapped)
}

/// What one look tells, and what there is to be done.
fn at_a_glance(sheet: Sheet, of: &str) -> Sheet {
    let verdict = |word: &str| format!(r#"sum(resumeguard_connector_verdict{{{of}, verdict="{word}"}})"#);
    let stat = |title, word, description| Panel::stat(title, description, "short").now(&verdict(word), title);
    sheet
        .row(
            4,
            [
                stat("Lost", "lost", "Their stored position is no longer in the oplog: a restart fails, or skips in silence.")
                    .none_is_good(),
                stat("Critical", "critical", "Less left than thresholds.critical: two hours, or a fifth of the window.")
                    .thresholds("green", &[("orange", 1.0)]),
                stat("At risk", "at_risk", "Less left than thresholds.at_risk: twelve hours, or half the window.")
                    .thresholds("green", &[("yellow", 1.0)]),
                stat("Unknown", "unknown", "Nobody can say, and that is not safe. The reasons stand below.")
                    .thresholds("green", &[("purple", 1.0)]),
                stat("Safe", "safe", "They would resume."),
                Panel::stat("Sources down", "Readings that failed at the last pass: what nobody looked at.", "short")
                    .now(&format!("sum(1 - resumeguard_source_up{{{TARGET}}})"), "Sources down")
                    .none_is_good(),
            ],
        )
        .row(10, [verdicts("Verdicts", of)])
        .row(
            9,
            [
                Panel::table(
                    "Least time left",
                    "How long the oplog would still hold each position if it stood still from now on, the shortest first.",
                    "s",
                )
                .now(&format!("bottomk(50, min by (connect_cluster, connector) (resumeguard_connector_outage_budget_seconds{{{of}}}))"), "")
                .columns(&[("connect_cluster", "Connect cluster"), ("connector", "Connector"), ("Value", "Outage budget")])
                .sorted_by("Outage budget")
                .seconds_left()
                .leads_to_connector(),
                Panel::table("Findings", "What is wrong, by rule; each has a page under docs/findings.", "short")
                    .now(
                        &format!(r#"max by (connect_cluster, connector, rule, name, severity) (resumeguard_connector_finding{{{of}}})"#),
                        "",
                    )
                    .columns(&[
                        ("severity", "Severity"),
                        ("rule", "Rule"),
                        ("name", "Name"),
                        ("connect_cluster", "Connect cluster"),
                        ("connector", "Connector"),
                    ])
                    .sorted_by("Severity")
                    .leads_to_connector(),
            ],
        )
}

/// How long is left, and what was lost.
fn curves(sheet: Sheet, of: &str) -> Sheet {
    sheet
        .row(
            8,
            [
                Panel::table("Unknown, and why", "Where nothing can be said, the reason.", "short")
                    .now(&format!("max by (connect_cluster, connector, why) (resumeguard_connector_unknown{{{of}}})"), "")
                    .columns(&[("why", "Why"), ("connect_cluster", "Connect cluster"), ("connector", "Connector")])
                    .sorted_by("Why")
                    .leads_to_connector(),
                Panel::series("What a restart would do", "Connectors by what would become of them if they were restarted now.", "short")
                    .over_time(&format!("sum by (outcome) (resumeguard_connector_on_restart{{{of}}})"), "{{outcome}}")
                    .stacked()
                    .colour("resumes", "green")
                    .colour("fails", "red")
                    .colour("skips", "dark-red")
                    .colour("stalls", "orange")
                    .colour("replays", "yellow")
                    .colour("resnapshots", "blue")
                    .colour("unknown", "purple"),
            ],
        )
        .row(
            9,
            [
                Panel::series("Oplog headroom", "Stored position minus the oldest oplog entry, seconds of oplog time. Below 0 it is lost.", "s")
                    .over_time(&format!("resumeguard_connector_oplog_headroom_seconds{{{of}}}"), "{{connect_cluster}}/{{connector}}")
                    .seconds_left()
                    .leads_to_connector(),
                Panel::series("Share of the oplog window left", "Headroom divided by the window: 1 is new, 0 is about to be lost.", "percentunit")
                    .over_time(&format!("resumeguard_connector_oplog_headroom_ratio{{{of}}}"), "{{connect_cluster}}/{{connector}}")
                    .leads_to_connector(),
            ],
        )
        .row(
            8,
            [
                Panel::series("History lost", "Seconds of history that were skipped, at the most, in the time shown by one point.", "s")
                    .over_time(
                        &format!("sum by (connect_cluster, connector, cause) (increase(resumeguard_connector_history_lost_seconds_total{{{of}}}[$__rate_interval]))"),
                        "{{connect_cluster}}/{{connector}} {{cause}}",
                    )
                    .begins_at_zero()
                    .leads_to_connector(),
                Panel::series("Failed tasks", "Connectors with a failed task, by MongoDB's code and its class.", "short")
                    .over_time(&format!("count by (code, class) (resumeguard_connector_task_failed{{{of}}})"), "{{code}} {{class}}")
                    .stacked(),
            ],
        )
}

pub(super) fn dashboard() -> Value {
    let of = format!(r#"{TARGET}, connect_cluster=~"$connect_cluster""#);
    let sheet = Sheet::new(
        "fleet",
        "fleet",
        "Every connector: is its stored position still in the oplog, and how long would it be?",
    )
    .variable(CONNECT_CLUSTER);
    curves(at_a_glance(sheet, &of), &of).json()
}
