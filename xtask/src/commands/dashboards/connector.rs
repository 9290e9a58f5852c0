//! One connector: its position between the ends of its oplog, and what would become of it.

use serde_json::Value;

use super::fleet::{numbered, verdicts};
use super::panel::Panel;
use super::sheet::{CONNECT_CLUSTER, Sheet, TARGET, Variable};

const CONNECTOR: Variable = Variable {
    name: "connector",
    label: "Connector",
    of: r#"resumeguard_connector_info{job=~"$job", instance=~"$instance", connect_cluster=~"$connect_cluster"}"#,
    many: false,
};

const OUTCOMES: [(&str, &str); 7] = [
    ("resumes", "green"),
    ("fails", "red"),
    ("skips", "dark-red"),
    ("replays", "yellow"),
    ("resnapshots", "blue"),
    ("stalls", "orange"),
    ("unknown", "purple"),
];

const STATES: [(&str, &str); 7] = [
    ("running", "green"),
    ("paused", "yellow"),
    ("stopped", "orange"),
    ("failed", "red"),
    ("unassigned", "purple"),
    ("restarting", "blue"),
    ("other", "text"),
];

/// A timeline of a metric with one series a word.
fn words(
    title: &'static str,
    description: &'static str,
    metric: &str,
    label: &str,
    of: &str,
    all: &[(&str, &str)],
) -> Panel {
    let names: Vec<&str> = all.iter().map(|(word, _)| *word).collect();
    let numbers: Vec<String> = (1..=all.len()).map(|number| number.to_string()).collect();
    let mapped: Vec<(&str, &str, &str)> =
        numbers.iter().zip(all).map(|(number, (word, colour))| (number.as_str(), *word, *colour)).collect();
    Panel::timeline(title, description).over_time(&numbered(metric, of, label, &names), title).words(&mapped)
}

/// What is so now, and where it stands.
fn position(sheet: Sheet, of: &str) -> Sheet {
    // The oplog that it reads from: that of its deployment.
    let its_oplog = |metric: &str| {
        format!(
            "{metric}{{{TARGET}}} * 1000 and on (job, instance, deployment) resumeguard_connector_info{{{of}}}"
        )
    };
    sheet
        .row(
            4,
            [
                Panel::stat("Outage budget", "How long the oplog would still hold its position if it stood still from now on.", "s")
                    .now(&format!("resumeguard_connector_outage_budget_seconds{{{of}}}"), "{{connect_cluster}}/{{connector}}")
                    .seconds_left(),
                Panel::stat("Oplog headroom", "Stored position minus the oldest oplog entry, seconds of oplog time.", "s")
                    .now(&format!("resumeguard_connector_oplog_headroom_seconds{{{of}}}"), "{{connect_cluster}}/{{connector}}")
                    .seconds_left(),
                Panel::stat("Lag", "Newest oplog entry minus stored position: an upper bound while its namespace is idle.", "s")
                    .now(&format!("resumeguard_connector_lag_seconds{{{of}}}"), "{{connect_cluster}}/{{connector}}")
                    .thresholds("text", &[]),
                Panel::stat("History losses", "How often history was proven to have been skipped within the time shown.", "short")
                    .now(&format!("sum(increase(resumeguard_connector_history_losses_total{{{of}}}[$__range]))"), "Losses")
                    .none_is_good(),
            ],
        )
        .row(4, [verdicts("Verdict", of)])
        .row(
            4,
            [
                words(
                    "On restart",
                    "What a restart would do now.",
                    "resumeguard_connector_on_restart",
                    "outcome",
                    of,
                    &OUTCOMES,
                ),
                words(
                    "State in Connect",
                    "What Kafka Connect says of the connector, which says nothing of its task, nor of its position.",
                    "resumeguard_connector_state",
                    "state",
                    of,
                    &STATES,
                ),
            ],
        )
        .row(
            10,
            [Panel::series(
                "Position in the oplog",
                "Its stored position, and the oldest and newest entry of every member of its deployment. Where the position meets an oldest entry, it is lost on that member.",
                "dateTimeAsIso",
            )
            .over_time(&format!("resumeguard_connector_position_timestamp_seconds{{{of}}} * 1000"), "position of {{connector}}")
            .over_time(&its_oplog("resumeguard_oplog_first_timestamp_seconds"), "oldest of {{member}}")
            .over_time(&its_oplog("resumeguard_oplog_last_timestamp_seconds"), "newest of {{member}}")],
        )
}

/// How long that lasts, and what was wrong.
fn story(sheet: Sheet, of: &str) -> Sheet {
    sheet
        .row(
            9,
            [
                Panel::series("Time left", "The outage budget if it stood still; and, while it falls behind, until when it is lost with its own advance counted.", "s")
                    .over_time(&format!("resumeguard_connector_outage_budget_seconds{{{of}}}"), "outage budget")
                    .over_time(&format!("resumeguard_connector_seconds_until_lost{{{of}}}"), "until lost, {{bound}}")
                    .seconds_left(),
                Panel::series("Share of the oplog window left", "Headroom divided by the window.", "percentunit")
                    .over_time(&format!("resumeguard_connector_oplog_headroom_ratio{{{of}}}"), "{{connect_cluster}}/{{connector}}"),
            ],
        )
        .row(
            8,
            [
                Panel::timeline("Findings", "What was wrong when; each rule has a page under docs/findings.")
                    .over_time(
                        &format!("max by (rule, name, severity) (resumeguard_connector_finding{{{of}}})"),
                        "{{rule}} {{name}} ({{severity}})",
                    )
                    .words(&[("1", "matches", "orange")]),
                Panel::table("What it is", "Its class, version, deployment and namespace, and where its offsets are read from.", "short")
                    .now(&format!("resumeguard_connector_info{{{of}}}"), "")
                    .columns(&[
                        ("connect_cluster", "Connect cluster"),
                        ("connector", "Connector"),
                        ("deployment", "Deployment"),
                        ("mongodb_namespace", "Namespace"),
                        ("version", "Version"),
                        ("offsets", "Offsets from"),
                    ]),
            ],
        )
        .row(
            8,
            [
                Panel::series("Failures", "Task failures, by MongoDB's code and its class.", "short")
                    .over_time(
                        &format!("sum by (code, class) (increase(resumeguard_connector_failures_total{{{of}}}[$__rate_interval]))"),
                        "{{code}} {{class}}",
                    )
                    .begins_at_zero(),
                Panel::series("History lost", "Seconds of history that were skipped, at the most, by cause.", "s")
                    .over_time(
                        &format!("sum by (cause) (increase(resumeguard_connector_history_lost_seconds_total{{{of}}}[$__rate_interval]))"),
                        "{{cause}}",
                    )
                    .begins_at_zero(),
            ],
        )
}

pub(super) fn dashboard() -> Value {
    let of = format!(r#"{TARGET}, connect_cluster=~"$connect_cluster", connector=~"$connector""#);
    let sheet = Sheet::new(
        "connector",
        "connector",
        "One connector: where it stands in its oplog, how long that lasts, and what a restart would do.",
    )
    .variable(CONNECT_CLUSTER)
    .variable(CONNECTOR);
    story(position(sheet, &of), &of).json()
}
