//! `[recovery]`: what is dangerous, or would never act as its author believes, is refused with a sentence.

use crate::config::load_with;
use resumeguard_core::domain::ConnectorId;
use resumeguard_core::recovery::{ManagedBy, Mode, Strategy, Trigger};
use std::path::PathBuf;
use std::time::Duration;

#[track_caller]
fn refused(text: &str, expected: &str) {
    let error = load_with(text, &[]).map(drop).expect_err(text);
    assert_eq!(error, expected);
}

#[test]
fn by_default_plans_are_shown_and_nothing_is_ever_done() {
    let config = load_with("", &[]).unwrap().1;
    let recovery = config.recovery;
    assert_eq!((recovery.policies.greatest_mode(), recovery.directory), (Mode::Plan, None));
    assert!(!recovery.policies.allow_source_writes && recovery.freeze_files.is_empty());
    assert!(config.http.credentials.is_empty(), "nothing is changed over HTTP");
}

#[test]
fn what_is_written_is_what_holds() {
    let text = r#"
[history]
directory = "/h"
[connect.main]
url = "http://h"
managed_by = "none"
[recovery]
mode = "approve"
cooldown = "10m"
set_heartbeat = "10s"
freeze_files = ["/etc/freeze"]
marker = '{"kind": "x"}'
[recovery.hooks]
before = ["/bin/may", "--now"]
[recovery.policies.10-billing]
connectors = ["billing-*"]
on = ["history_lost"]
mode = "auto"
strategy = "salvage"
[recovery.policies.20-low]
connectors = ["*"]
on = ["low_headroom"]
threshold = "4h"
"#;
    let config = load_with(text, &[("RESUMEGUARD__RECOVERY__ATTEMPTS", "1")]).unwrap().1;
    let recovery = config.recovery;
    assert_eq!(recovery.directory, Some(PathBuf::from("/h")), "history.directory where it is left out");
    assert_eq!(recovery.freeze_files, [PathBuf::from("/h/freeze"), PathBuf::from("/etc/freeze")]);
    assert_eq!(recovery.hooks.before, Some(vec!["/bin/may".to_owned(), "--now".to_owned()]));
    assert_eq!((recovery.hooks.after, recovery.hooks.timeout), (None, Duration::from_secs(30)));
    let policies = recovery.policies;
    assert_eq!((policies.attempts, policies.cooldown), (1, Duration::from_secs(600)));
    assert_eq!(policies.set_heartbeat, Some(Duration::from_secs(10)));
    assert_eq!(policies.tolerate.marker, Some(serde_json::json!({ "kind": "x" })));
    let (billing, orders) = (ConnectorId::new("main", "billing-eu"), ConnectorId::new("main", "orders"));
    let rule = policies.rule(&billing, Trigger::HistoryLost);
    assert_eq!((rule.mode, rule.strategy), (Mode::Auto, Some(Strategy::Salvage)));
    assert_eq!(policies.rule(&orders, Trigger::HistoryLost).mode, Mode::Approve);
    assert_eq!(policies.threshold_seconds(&orders), Some(4 * 3600));
    assert_eq!(config.connect[0].managed_by, Some(ManagedBy::None));
}

#[test]
fn acting_needs_a_place_for_the_journal() {
    let expected =
        "recovery.mode: nothing is done without a journal; set recovery.directory (or history.directory)";
    refused("[recovery]\nmode = \"auto\"", expected);
    refused("[recovery]\nmode = \"approve\"\ndirectory = \"\"", expected);
    refused("[recovery.policies.a]\nconnectors = [\"*\"]\nmode = \"auto\"", expected);
    assert!(load_with("[recovery]\nmode = \"auto\"\ndirectory = \"/x\"", &[]).is_ok());
}

#[test]
fn policies_that_could_never_act_as_written_are_refused() {
    let policy = |rest: &str| {
        format!("[recovery]\ndirectory = \"/x\"\n[recovery.policies.a]\nconnectors = [\"*\"]\n{rest}")
    };
    let never = |code: &str| {
        format!(
            "recovery.policies.a.strategy: {code} is never done without a person; write mode = \"approve\" for this policy"
        )
    };
    for code in ["nudge", "resnapshot", "resume", "extend-oplog"] {
        refused(&policy(&format!("mode = \"auto\"\nstrategy = \"{code}\"")), &never(code));
    }
    // The mode that it inherits counts as well.
    refused(
        "[recovery]\nmode = \"auto\"\ndirectory = \"/x\"\n[recovery.policies.a]\nconnectors = [\"*\"]\nstrategy = \"resnapshot\"",
        &never("resnapshot"),
    );
    refused(
        &policy("mode = \"auto\"\nstrategy = \"tolerate-errors\""),
        "recovery.policies.a.strategy: tolerate-errors writes into a source collection; set recovery.allow_source_writes = true as well",
    );
    refused(
        &policy("mode = \"auto\"\non = [\"low_headroom\"]\nthreshold = \"1h\""),
        "recovery.policies.a.mode: is auto, and nothing is ever done about low_headroom without a person; write mode = \"approve\"",
    );
    refused(
        &policy("on = [\"low_headroom\"]\nmode = \"approve\""),
        "recovery.policies.a.on: low_headroom needs threshold, such as \"4h\"",
    );
    refused(
        &policy("on = [\"history_lost\"]\nthreshold = \"1h\""),
        "recovery.policies.a.threshold: is about low_headroom, which `on` leaves out; add it there",
    );
    refused(&policy(""), "recovery.policies.a: changes nothing; set mode, strategy or threshold");
    refused(
        "[recovery.policies.a]\nconnectors = []\nmode = \"plan\"",
        "recovery.policies.a.connectors: names nobody; write for example [\"billing-*\"]",
    );
}

#[test]
fn words_sizes_and_paths_are_checked() {
    let recovery = |rest: &str| format!("[recovery]\n{rest}");
    for (rest, expected) in [
        ("mode = \"yes\"", "recovery.mode: `yes` is no mode; write one of off, plan, approve, auto"),
        ("cooldown = \"0s\"", "recovery.cooldown: 0s is not between 1s and 30days"),
        ("attempts = 0", "recovery.attempts: must be at least 1"),
        ("mass_failure = 0", "recovery.mass_failure: must be at least 1"),
        ("mass_failure_ratio = 40", "recovery.mass_failure_ratio: must be from 0 to 1"),
        ("freeze_files = [\"freeze\"]", "recovery.freeze_files: `freeze` is no absolute path"),
        ("marker = '[1]'", "recovery.marker: must be a JSON object, such as '{\"kind\": \"marker\"}'"),
        (
            "marker = '{\"_id\": 1}'",
            "recovery.marker: must not set _id: resumeguard finds the document again by its own",
        ),
        ("hooks.before = [\"may\"]", "recovery.hooks.before: `may` is no absolute path"),
        ("hooks.timeout = \"1h\"", "recovery.hooks.timeout: 1h is not between 1s and 10m"),
        (
            "policies.a = { connectors = [\"*\"], strategy = \"guess\" }",
            "recovery.policies.a.strategy: `guess` is no strategy; write one of salvage, nudge, restart, tolerate-errors, reset-offsets, resnapshot, resume, extend-oplog",
        ),
        (
            "policies.a = { connectors = [\"*\"], on = [\"rain\"], mode = \"plan\" }",
            "recovery.policies.a.on: `rain` is no trouble; write one of history_lost, lost_while_running, lost_while_stopped, transient_failure, wrong_stream, token_malformed, low_headroom",
        ),
    ] {
        refused(&recovery(rest), expected);
    }
    refused(
        "[connect.a]\nurl = \"http://h\"\nmanaged_by = \"me\"",
        "connect.a.managed_by: `me` is no word for who keeps connectors as they are; write one of none, strimzi, gitops",
    );
    refused(
        "[http]\ntoken = \"hunter2\"",
        "http.token: must have at least 16 characters, letters and digits; `openssl rand -hex 32` makes one",
    );
}
