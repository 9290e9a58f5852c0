//! The whole page of metrics, held against a file: a name or label that changes is a change of contract. And every text
//! that a person reads.

use resumeguard::clock::Clock;
use resumeguard::publish::metrics;
use resumeguard::publish::status::{Status, Tokens};
use resumeguard::publish::terminal::{self, Terminal};
use resumeguard::publish::{recovery, table};
use resumeguard::sources::Meter;
use resumeguard_core::assess::forecast::{NoForecast, Range};
use resumeguard_core::domain::*;
use std::collections::BTreeMap;
use std::time::Duration;

fn failed_task() -> TaskFacts {
    TaskFacts {
        id: 0,
        state: TaskState::Failed,
        failure: Some(Failure { code: Some(286), class: FailureClass::HistoryLost }),
        trace: Some("ConnectException: no longer in the oplog".into()),
        worker: Some("10.0.0.1:8083".into()),
        started: None,
    }
}

pub(crate) fn snapshot() -> Snapshot {
    let lost = ConnectorReport {
        id: ConnectorId::new("main", "orders \"eu\"\\"),
        class: "com.mongodb.kafka.connect.MongoSourceConnector".into(),
        version: Some("2.0.1".into()),
        state: Some(ConnectorState::Running),
        failure: None,
        tasks: vec![failed_task()],
        deployment: Some("rs0".into()),
        mongodb_namespace: "shop.orders".into(),
        verdict: Verdict::Lost,
        basis: Some(Basis::Window),
        on_restart: OnRestart::Fails,
        offsets_from: Some(OffsetsFrom::Topic),
        offsets_told: Some("topic connect-offsets (Connect 3.4.1 has no endpoint for offsets)".into()),
        position: Some(heartbeat()),
        headroom_seconds: Some(-3_840),
        headroom_ratio: Some(-0.5),
        lag_seconds: Some(11_520),
        outage_budget_seconds: Some(0),
        outage_budget_range: Some(Range { low: 0, high: Some(0) }),
        until_lost: Some(Range { low: 0, high: Some(60) }),
        no_forecast: None,
        findings: vec![failed()],
        failures: BTreeMap::from([((Some(286), FailureClass::HistoryLost), 2)]),
        progress: Progress::Stopped,
        live_stream: LiveStream::Carries,
        discontinuities: vec![skipped()],
        discontinuities_now: 1,
        losses_of_late: 1,
        losses: BTreeMap::from([(LossCause::Tolerated, (1, 3_600))]),
    };
    let unknown = ConnectorReport {
        id: ConnectorId::new("main", "<script>"),
        verdict: Verdict::Unknown(Why::ConnectUnreadable),
        basis: None,
        on_restart: OnRestart::Unknown,
        version: None,
        state: None,
        failure: None,
        tasks: vec![],
        deployment: None,
        offsets_from: None,
        offsets_told: None,
        position: None,
        headroom_seconds: None,
        headroom_ratio: None,
        lag_seconds: None,
        outage_budget_seconds: None,
        outage_budget_range: None,
        until_lost: None,
        no_forecast: Some(NoForecast::TooFewSamples),
        findings: vec![],
        failures: BTreeMap::new(),
        progress: Progress::Unknown,
        live_stream: LiveStream::Unproven,
        discontinuities: vec![],
        discontinuities_now: 0,
        losses_of_late: 0,
        losses: BTreeMap::new(),
        ..lost.clone()
    };
    Snapshot {
        at: 1_700_011_520,
        connectors: vec![lost, unknown],
        oplogs: vec![oplog()],
        sources: vec![source()],
    }
}

fn failed() -> Finding {
    Finding {
        rule: "RG005",
        name: "task_failed",
        severity: Severity::Critical,
        summary: "the task has failed with error 286 (history_lost)".into(),
        advice: "a restart fails again".into(),
        muted: None,
    }
}

fn heartbeat() -> Position {
    Position {
        token: "{\"_data\": \"826B03B3E1000000012B0229296E04\"}".into(),
        time: Timestamp { t: 1_700_000_000, i: 7 },
        kind: TokenKind::HighWaterMark,
        ends: StreamEnd::None,
        collection: None,
        type_bits_missing: false,
        stored_at: None,
    }
}

fn skipped() -> Discontinuity {
    Discontinuity {
        at: 1_699_999_000,
        newest: Timestamp { t: 1_699_998_990, i: 1 },
        outcome: Outcome::Lost(LossCause::Tolerated),
        from: Timestamp { t: 1_699_990_000, i: 1 },
        to: Timestamp { t: 1_699_993_600, i: 1 },
        tolerance: Tolerance::All,
        startup_mode: StartupMode::Latest,
    }
}

fn oplog() -> OplogReport {
    OplogReport {
        deployment: "rs0".into(),
        shard: None,
        member: "db1.example:27017".into(),
        role: Role::Primary,
        first: Some(Timestamp { t: 1_700_003_840, i: 1 }),
        last: Some(Timestamp { t: 1_700_011_520, i: 1 }),
        window_seconds: Some(7_680),
        sizes: OplogSizes {
            size_bytes: Some(900),
            max_size_bytes: Some(1_000),
            min_retention_seconds: Some(5_400),
        },
        never_truncated: Some(false),
        erosion_ratio: Some(1.25),
    }
}

fn source() -> SourceFacts {
    let error = "no Kafka Connect at http://h:8083/: Connection refused".to_owned();
    SourceFacts { source: "connect", name: "main".into(), up: false, error: Some(error) }
}

#[track_caller]
pub(crate) fn same_as_file(name: &str, text: &str) {
    let path = format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        golden == text,
        "{path} differs; look at `UPDATE_GOLDEN=1 cargo test golden` and `git diff`. Now:\n{text}"
    );
}

#[test]
fn golden_metrics() {
    let mut meter = Meter::new("connect", "main");
    meter.count(Duration::from_millis(5), true);
    meter.conclude(&Clock::start(), Ok(()));
    meter.count(Duration::from_secs(2), false);
    meter.conclude(&Clock::start(), Err("down".into()));
    // The one figure that the clock decides.
    meter.last_success = Some(1_700_011_505);
    let own = metrics::Own {
        reload: Some(metrics::Reload { successful: true, at: 1_700_000_500 }),
        ..metrics::Own::default()
    };
    let (plans, ledger) = (crate::recovery::sample::plans(), crate::recovery::sample::ledger());
    let seen = crate::recovery::sample::seen(&plans, &ledger);
    let subjects = [metrics::subjects(&snapshot()), metrics::plans(&seen)].concat();
    let page = [subjects, metrics::own([&meter].into_iter(), &own), metrics::recovery(&seen)].concat();
    same_as_file("metrics.prom", &String::from_utf8(page).unwrap());
}

#[test]
fn golden_status_table_and_story() {
    let status = Status::new(&snapshot(), Tokens::Shown).with_plans(&overview());
    same_as_file("status.json", &(serde_json::to_string_pretty(&status).unwrap() + "\n"));
    let stories = status.connectors.iter().map(|connector| table::story(connector, &status));
    let text = terminal::fleet(&status, Terminal::default())
        + "\n---\n"
        + &stories.collect::<Vec<_>>().join("\n---\n");
    same_as_file("status.txt", &text);
    // As people see it, narrow and wide. Colours are written so that a person can read the file.
    for columns in [80, 140] {
        let text = terminal::fleet(&status, Terminal { columns: Some(columns), color: false });
        let table =
            text.lines().skip_while(|line| !line.starts_with("VERDICT")).take_while(|line| !line.is_empty());
        let bands = text.lines().filter(|line| line.contains('│'));
        assert!(table.chain(bands).all(|line| line.chars().count() <= columns), "{text}");
        let toned = terminal::fleet(&status, Terminal { columns: Some(columns), color: true });
        assert_eq!(plain(&toned), text, "colours change nothing else");
        same_as_file(&format!("status-{columns}.txt"), &toned.replace('\u{1b}', "<esc>"));
    }
}

/// Without colours.
fn plain(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').map_or("", |(_, rest)| rest))
}

pub(crate) fn overview() -> recovery::Overview {
    let (plans, ledger) = (crate::recovery::sample::plans(), crate::recovery::sample::ledger());
    crate::recovery::sample::seen(&plans, &ledger).overview()
}

#[test]
fn golden_plans_and_attempts() {
    let overview = overview();
    let ledger = crate::recovery::sample::ledger();
    let stories = ledger.attempts.iter().map(|one| recovery::told(&ledger, &one.id).unwrap());
    let stories: Vec<_> = stories.collect();
    let all = recovery::overview(&overview, |_| true) + "\n---\n" + &recovery::attempts(&overview.attempts);
    let all = stories.iter().fold(all, |all, told| all + "\n---\n" + &recovery::story(told));
    same_as_file("recovery.txt", &all);
    let json = serde_json::json!({ "overview": overview, "attempt": stories[0] });
    same_as_file("recovery.json", &(serde_json::to_string_pretty(&json).unwrap() + "\n"));
    // Saved offsets and configurations hold tokens and passwords.
    assert!(!all.contains("8265") && !json.to_string().contains("8265"), "{all}");
    assert!(
        format!("{:?}", ledger.attempts[0].stored_texts().next()).contains("8265"),
        "the sample has tokens"
    );
    assert!(!all.contains("hunter2") && !json.to_string().contains("hunter2"), "{all}");
}
