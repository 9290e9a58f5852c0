//! The oplogs: how much history each member holds, and how fast it loses it.

use serde_json::Value;

use super::panel::Panel;
use super::sheet::{Sheet, TARGET, Variable};

const DEPLOYMENT: Variable = Variable {
    name: "deployment",
    label: "Deployment",
    of: r#"resumeguard_oplog_window_seconds{job=~"$job", instance=~"$instance"}"#,
    many: true,
};

const MEMBER: &str = "{{deployment}} {{shard}} {{member}}";

/// How much history there is, and how fast it goes.
fn ends(sheet: Sheet, of: &str) -> Sheet {
    sheet
        .row(
            4,
            [
                Panel::stat("Shortest window", "The least history that any member holds.", "s")
                    .now(&format!("min by (deployment) (resumeguard_oplog_window_seconds{{{of}}})"), "{{deployment}}")
                    .seconds_left(),
                Panel::stat("Fastest erosion", "Seconds of history that an oplog loses in a second, of late. Above 1 its window shrinks.", "short")
                    .now(&format!("max by (deployment) (resumeguard_oplog_erosion_ratio{{{of}}})"), "{{deployment}}")
                    .thresholds("green", &[("yellow", 1.0), ("orange", 2.0), ("red", 10.0)]),
                Panel::stat("Shortest outage budget", "Of all connectors that read from there, the shortest.", "s")
                    .now(
                        &format!(
                            "min by (deployment) (resumeguard_connector_outage_budget_seconds{{{TARGET}}}
                             * on (job, instance, connect_cluster, connector) group_left (deployment)
                             resumeguard_connector_info{{{of}}})"
                        ),
                        "{{deployment}}",
                    )
                    .seconds_left(),
            ],
        )
        .row(
            9,
            [
                Panel::series("Window", "Newest minus oldest entry of each member. The shortest decides after a failover.", "s")
                    .over_time(&format!("resumeguard_oplog_window_seconds{{{of}}}"), MEMBER)
                    .begins_at_zero(),
                Panel::series("Erosion", "Seconds of history lost in a second. Above 1 the window shrinks; absent until the oplog truncates.", "short")
                    .over_time(&format!("resumeguard_oplog_erosion_ratio{{{of}}}"), MEMBER)
                    .begins_at_zero()
                    .thresholds("green", &[("yellow", 1.0)]),
            ],
        )
        .row(
            9,
            [
                Panel::series("Ends", "The oldest and the newest entry of each member.", "dateTimeAsIso")
                    .over_time(&format!("resumeguard_oplog_first_timestamp_seconds{{{of}}} * 1000"), &format!("oldest {MEMBER}"))
                    .over_time(&format!("resumeguard_oplog_last_timestamp_seconds{{{of}}} * 1000"), &format!("newest {MEMBER}")),
                Panel::series("Size", "How large each oplog is, and how large it may become; it may be overshot.", "bytes")
                    .over_time(&format!("resumeguard_oplog_size_bytes{{{of}}}"), &format!("size {MEMBER}"))
                    .over_time(&format!("resumeguard_oplog_max_size_bytes{{{of}}}"), &format!("limit {MEMBER}"))
                    .begins_at_zero(),
            ],
        )
}

/// What is kept at least, and who reads.
fn readers(sheet: Sheet, of: &str) -> Sheet {
    sheet
        .row(
            8,
            [
                Panel::series("Minimum retention", "What each member is told to keep at least; absent where nothing is.", "s")
                    .over_time(&format!("resumeguard_oplog_min_retention_seconds{{{of}}}"), MEMBER)
                    .begins_at_zero(),
                Panel::series("Connectors by verdict", "Of the connectors that read from there.", "short")
                    .over_time(
                        &format!(
                            "sum by (verdict) (resumeguard_connector_verdict{{{TARGET}}}
                             * on (job, instance, connect_cluster, connector) group_left (deployment)
                             resumeguard_connector_info{{{of}}})"
                        ),
                        "{{verdict}}",
                    )
                    .stacked()
                    .verdict_colours(),
            ],
        )
        .row(
            9,
            [Panel::table("Who reads from where", "Connectors, with the deployment and the namespace that they read.", "short")
                .now(&format!("max by (deployment, connect_cluster, connector, mongodb_namespace, version) (resumeguard_connector_info{{{of}}})"), "")
                .columns(&[
                    ("deployment", "Deployment"),
                    ("connect_cluster", "Connect cluster"),
                    ("connector", "Connector"),
                    ("mongodb_namespace", "Namespace"),
                    ("version", "Version"),
                ])
                .sorted_by("Deployment")
                .leads_to_connector()],
        )
}

pub(super) fn dashboard() -> Value {
    let of = format!(r#"{TARGET}, deployment=~"$deployment""#);
    let sheet = Sheet::new(
        "oplogs",
        "oplogs",
        "Every member's oplog: how much history it holds, how fast it loses it, and who reads from it.",
    )
    .variable(DEPLOYMENT);
    readers(ends(sheet, &of), &of).json()
}
