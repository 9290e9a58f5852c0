//! The history on its own: what is kept, for how long, and what becomes of it when the file is in trouble.

mod bounds;
pub(crate) mod kill;
mod memory;
mod requests;
mod trouble;

use resumeguard::clock::Clock;
use resumeguard::config;
use resumeguard::history::{History, Query, Restored, Story};
use resumeguard_core::assess::Memory;
use resumeguard_core::domain::*;
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Some moment: the beginning of an hour.
pub(crate) const BEGIN: i64 = 1_700_000_000 / 3_600 * 3_600;

/// A history in a directory of its own.
pub(crate) struct Kept {
    pub(crate) history: History,
    pub(crate) config: config::History,
    pub(crate) clock: Clock,
}

pub(crate) fn kept_in(directory: &Path) -> config::History {
    config::History {
        directory: directory.to_owned(),
        keep: Duration::from_secs(30 * 86_400),
        max_size_bytes: 512 << 20,
    }
}

impl Kept {
    pub(crate) async fn open(config: config::History) -> (Self, Option<Restored>) {
        let clock = Clock::start();
        let (history, restored) = History::open(&config, clock).await;
        (Self { history, config, clock }, restored)
    }

    /// Hands over a pass and waits until it was written or could not be: the source afterwards.
    pub(crate) async fn pass(&mut self, snapshot: &Snapshot) -> SourceFacts {
        self.remember(snapshot, &Arc::default()).await
    }

    pub(crate) async fn remember(&mut self, snapshot: &Snapshot, memory: &Arc<Memory>) -> SourceFacts {
        let before = self.history.meter().reads;
        self.history.keep(snapshot, memory, self.clock.now());
        settled(&mut self.history, self.clock, before + 1).await
    }

    pub(crate) async fn story(&self, connector: &str) -> Story {
        let query = Query {
            connect_cluster: Some("main".into()),
            connector: Some(connector.into()),
            since: 0,
            until: i64::from(u32::MAX),
        };
        self.history.reader().story(query).await.unwrap()
    }

    pub(crate) async fn close(self) -> config::History {
        self.history.reader().close().await;
        self.config
    }

    pub(crate) fn file(&self) -> PathBuf {
        file_in(&self.config.directory)
    }
}

pub(crate) fn file_in(directory: &Path) -> PathBuf {
    directory.join("history.db")
}

/// Waits until the thread has done that many things.
pub(crate) async fn settled(history: &mut History, clock: Clock, reads: u64) -> SourceFacts {
    for _attempt in 0..20_000 {
        let facts = history.settle(&clock);
        if history.meter().reads >= reads {
            return facts;
        }
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
    panic!("the history did nothing for ten seconds");
}

/// One connector with a verdict.
pub(crate) fn report(name: &str, verdict: Verdict) -> ConnectorReport {
    ConnectorReport {
        id: ConnectorId::new("main", name),
        class: "com.mongodb.kafka.connect.MongoSourceConnector".into(),
        version: None,
        state: Some(ConnectorState::Running),
        failure: None,
        tasks: vec![],
        deployment: Some("rs0".into()),
        mongodb_namespace: "db.c".into(),
        verdict,
        basis: Some(Basis::Window),
        on_restart: OnRestart::Unknown,
        offsets_from: None,
        offsets_told: None,
        position: None,
        headroom_seconds: matches!(verdict, Verdict::Safe | Verdict::Lost).then_some(60),
        headroom_ratio: None,
        lag_seconds: None,
        outage_budget_seconds: None,
        outage_budget_range: None,
        until_lost: None,
        no_forecast: None,
        findings: vec![],
        failures: BTreeMap::new(),
        progress: Progress::Unknown,
        live_stream: LiveStream::Unproven,
        discontinuities: vec![],
        discontinuities_now: 0,
        losses_of_late: 0,
        losses: BTreeMap::new(),
    }
}

/// A pass with these connectors and one oplog.
pub(crate) fn snapshot(at: i64, connectors: Vec<ConnectorReport>) -> Snapshot {
    let end = |t: i64| Some(Timestamp { t: u32::try_from(t).unwrap(), i: 1 });
    let oplog = OplogReport {
        deployment: "rs0".into(),
        shard: None,
        member: "a:1".into(),
        role: Role::Primary,
        first: end(at - 100),
        last: end(at),
        window_seconds: Some(100),
        sizes: OplogSizes::default(),
        never_truncated: Some(false),
        erosion_ratio: None,
    };
    Snapshot { at, connectors, oplogs: vec![oplog], sources: vec![] }
}

/// One number from the file.
pub(crate) fn number(file: &Path, sql: &str) -> i64 {
    Connection::open(file).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Verdicts, failures and events as they change, and a name that comes back after a restart.
#[tokio::test]
async fn it_keeps_samples_changes_failures_and_events() {
    use resumeguard::history::Happening;
    let directory = tempfile::tempdir().unwrap();
    let (mut kept, restored) = Kept::open(kept_in(&directory.path().join("state"))).await;
    assert!(restored.is_none());
    let failed = |code| {
        let failure = Some(Failure { code: Some(code), class: FailureClass::of_code(code) });
        let tasks = vec![TaskFacts {
            id: 0,
            state: TaskState::Failed,
            failure,
            trace: None,
            worker: None,
            started: None,
        }];
        ConnectorReport { tasks, ..report("orders", Verdict::Lost) }
    };
    let connector = Some(ConnectorId::new("main", "orders"));
    kept.history.tell(Happening { connector, kind: "rescued", detail: serde_json::json!({ "seconds": 5 }) });
    kept.pass(&snapshot(BEGIN, vec![report("orders", Verdict::Safe), report("other", Verdict::Safe)])).await;
    kept.pass(&snapshot(BEGIN + 15, vec![report("orders", Verdict::Safe)])).await;
    kept.pass(&snapshot(BEGIN + 30, vec![failed(286)])).await;
    let (mut kept, _) = Kept::open(kept.close().await).await;
    let unread =
        ConnectorReport { state: None, ..report("orders", Verdict::Unknown(Why::ConnectUnreadable)) };
    kept.pass(&snapshot(BEGIN + 45, vec![unread])).await;
    kept.pass(&snapshot(BEGIN + 60, vec![failed(136)])).await;
    let source = kept.pass(&snapshot(BEGIN + 75, vec![report("orders", Verdict::Lost)])).await;
    assert!(source.up, "{source:?}");

    let story = kept.story("orders").await;
    let changes: Vec<(Option<&str>, &str)> =
        story.verdict_changes.iter().map(|c| (c.before.as_deref(), c.verdict.as_str())).collect();
    let expected =
        [(None, "safe"), (Some("safe"), "lost"), (Some("lost"), "unknown"), (Some("unknown"), "lost")];
    assert_eq!(changes, expected);
    let failures: Vec<_> =
        story.failures.iter().map(|f| (f.code, f.at.as_str(), f.ended.as_deref())).collect();
    let at = |seconds| jiff::Timestamp::from_second(BEGIN + seconds).unwrap().to_string();
    // What could not be read in between has not ended.
    assert_eq!(failures, [(Some(286), &*at(30), Some(&*at(60))), (Some(136), &*at(60), Some(&*at(75)))]);
    assert_eq!(story.events[0].kind, "rescued");
    assert_eq!(story.samples.len(), 6);
    assert_eq!((story.samples[0].headroom_seconds, story.samples[3].headroom_seconds), (Some(60), None));
    assert_eq!(story.oplogs.len(), 6);
    assert!(!story.truncated);
    assert_eq!(kept.story("other").await.samples.len(), 1);
    assert_eq!(kept.story("nobody").await.verdict_changes, []);
}

/// What the connector itself failed of is of no task; who is not listed any more does not stand failed, unless nobody was listed.
#[tokio::test]
async fn a_connector_may_have_failed_itself_and_be_deleted_so() {
    let directory = tempfile::tempdir().unwrap();
    let (mut kept, _) = Kept::open(kept_in(directory.path())).await;
    let failure = Some(Failure { code: None, class: FailureClass::Other });
    let failed = ConnectorReport { failure, ..report("orders", Verdict::Safe) };
    kept.pass(&snapshot(BEGIN, vec![failed, report("other", Verdict::Safe)])).await;
    let connect = |up| SourceFacts { source: "connect", name: "main".into(), up, error: None };
    let without = |at, up| Snapshot { sources: vec![connect(up)], ..snapshot(at, vec![]) };
    kept.pass(&without(BEGIN + 15, false)).await;
    let (mut kept, _) = Kept::open(kept.close().await).await;
    kept.pass(&without(BEGIN + 30, false)).await;
    let stands = kept.story("orders").await.failures;
    assert_eq!(stands.iter().map(|f| (f.task, &f.ended)).collect::<Vec<_>>(), [(None, &None)]);
    kept.pass(&without(BEGIN + 45, true)).await;
    let ended = kept.story("orders").await.failures;
    let at = jiff::Timestamp::from_second(BEGIN + 45).unwrap().to_string();
    assert_eq!(ended.iter().map(|f| (f.task, f.ended.clone())).collect::<Vec<_>>(), [(None, Some(at))]);
}

/// The tables of a released version never change: an upgrade adds a step. Held against a file.
#[tokio::test]
async fn the_schema_is_that_of_the_golden_file() {
    let directory = tempfile::tempdir().unwrap();
    let (kept, _) = Kept::open(kept_in(directory.path())).await;
    let connection = Connection::open(kept.file()).unwrap();
    let mut all =
        connection.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").unwrap();
    let tables: Vec<String> = all.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    let text = format!("{};\n-- version {version}\n", tables.join(";\n"));
    let words: Vec<&str> = text.split_whitespace().collect();
    crate::golden::same_as_file("history.sql", &(words.join(" ").replace("; ", ";\n") + "\n"));
    assert_eq!(
        number(&kept.file(), "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"),
        1
    );
}
