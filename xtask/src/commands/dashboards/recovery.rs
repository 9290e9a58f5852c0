//! Recovery: what it may do, what it wants to do, what keeps it from that, and what it did.

use serde_json::Value;

use super::panel::Panel;
use super::sheet::{Sheet, TARGET};

/// What it may do and wants to do.
fn plans(sheet: Sheet, of: &str) -> Sheet {
    sheet
        .row(
            4,
            [
                Panel::stat("Mode", "The most that recovery may do to any connector.", "short")
                    .now(&format!("max by (mode) (resumeguard_recovery_mode{{{of}}} == 1)"), "{{mode}}")
                    .text_of_name(),
                Panel::stat("Frozen", "Whether all recovery is stopped, by configuration, file, command or API.", "short")
                    .now(&format!("max(resumeguard_recovery_frozen{{{of}}})"), "Frozen")
                    .words(&[("0", "no", "green"), ("1", "FROZEN", "blue")]),
                Panel::stat("Await approval", "Plans for which a person's word is all that is missing.", "short")
                    .now(&format!(r#"sum(resumeguard_recovery_plans{{{of}, state="awaits_approval"}})"#), "Await approval")
                    .thresholds("green", &[("orange", 1.0)]),
                Panel::stat("Under way", "Attempts that were begun and have not ended.", "short")
                    .now(&format!("sum(resumeguard_recovery_in_progress{{{of}}})"), "Under way")
                    .thresholds("green", &[("blue", 1.0)]),
                Panel::stat("Failed", "Attempts that failed within the time shown.", "short")
                    .now(&format!("sum(increase(resumeguard_recovery_failures_total{{{of}}}[$__range]))"), "Failed")
                    .none_is_good(),
                Panel::stat("Last success", "When an attempt last brought its connector back; absent until one has.", "dateTimeFromNow")
                    .now(&format!("max(resumeguard_recovery_last_success_timestamp_seconds{{{of}}}) * 1000"), "Last success"),
            ],
        )
        .row(
            9,
            [
                Panel::series("Plans", "Connectors in trouble, by how far their plan is.", "short")
                    .over_time(&format!("sum by (state) (resumeguard_recovery_plans{{{of}}})"), "{{state}}")
                    .stacked(),
                Panel::series("Blocked", "What keeps plans from being carried out; one plan may have several reasons.", "short")
                    .over_time(&format!("sum by (reason) (resumeguard_recovery_blocked{{{of}}}) > 0"), "{{reason}}")
                    .begins_at_zero(),
            ],
        )
        .row(
            9,
            [
                Panel::series("Attempts", "Attempts that were begun, by strategy.", "short")
                    .over_time(
                        &format!("sum by (strategy) (increase(resumeguard_recovery_attempts_total{{{of}}}[$__rate_interval]))"),
                        "{{strategy}}",
                    )
                    .begins_at_zero(),
                Panel::series("Failures", "Attempts that failed, by strategy.", "short")
                    .over_time(
                        &format!("sum by (strategy) (increase(resumeguard_recovery_failures_total{{{of}}}[$__rate_interval]))"),
                        "{{strategy}}",
                    )
                    .begins_at_zero(),
            ],
        )
}

/// What it is about.
fn subjects(sheet: Sheet, of: &str) -> Sheet {
    sheet
        .row(
            9,
            [
                Panel::table("Lost", "Connectors whose stored position is gone: what recovery is about.", "short")
                    .now(
                        &format!(r#"max by (connect_cluster, connector) (resumeguard_connector_verdict{{{of}, verdict="lost"}} == 1)"#),
                        "",
                    )
                    .columns(&[("connect_cluster", "Connect cluster"), ("connector", "Connector")])
                    .leads_to_connector(),
                Panel::table("Failed tasks", "Connectors with a failed task, by MongoDB's code and its class.", "short")
                    .now(&format!("max by (connect_cluster, connector, code, class) (resumeguard_connector_task_failed{{{of}}})"), "")
                    .columns(&[
                        ("connect_cluster", "Connect cluster"),
                        ("connector", "Connector"),
                        ("code", "Code"),
                        ("class", "Class"),
                    ])
                    .leads_to_connector(),
            ],
        )
}

pub(super) fn dashboard() -> Value {
    let of = TARGET;
    let sheet = Sheet::new(
        "recovery",
        "recovery",
        "What recovery may do, wants to do and did, and what keeps it from doing more.",
    );
    subjects(plans(sheet, of), of).json()
}
