//! What judgement remembers comes back, with the clock that it counts in.

use super::{BEGIN, Kept, file_in, kept_in, number, snapshot};
use resumeguard::clock::Clock;
use resumeguard_core::assess::{Memory, Thresholds, assess};
use resumeguard_core::domain::*;
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

fn connector(name: &str, tasks: Vec<TaskFacts>) -> ConnectorFacts {
    ConnectorFacts {
        id: ConnectorId::new("main", name),
        class: String::new(),
        version: None,
        state: Ok(ConnectorState::Running),
        tasks,
        settings: Settings::from_config(&BTreeMap::new()),
        deployment: Err(Why::UriInvalid),
        selection: Err(Why::UriInvalid),
        offset: Err(Why::NoPosition),
        key: None,
        offsets_from: None,
        offsets_told: None,
        stale_keys: 0,
        failure: None,
        offset_age: Duration::ZERO,
        probe: None,
    }
}

fn memory_of(connectors: Vec<ConnectorFacts>) -> Arc<Memory> {
    let facts = Facts { connectors, ..Facts::default() };
    let now = Now { unix_seconds: BEGIN, uptime: Duration::from_secs(5) };
    Arc::new(assess(&Memory::default(), &facts, &Thresholds::default(), now).1)
}

/// A memory with something in it: a failed task.
fn memory() -> Arc<Memory> {
    let failure = Some(Failure { code: Some(286), class: FailureClass::HistoryLost });
    memory_of(vec![connector(
        "orders",
        vec![TaskFacts {
            id: 0,
            state: TaskState::Failed,
            failure,
            trace: None,
            worker: None,
            started: None,
        }],
    )])
}

#[tokio::test]
async fn it_comes_back_with_the_uptime_it_counts_in() {
    let directory = tempfile::tempdir().unwrap();
    let (mut kept, _) = Kept::open(kept_in(directory.path())).await;
    kept.clock = Clock::resumed(Duration::from_secs(1_000), kept.clock.since_1970());
    let memory = memory();
    assert_ne!(*memory, Memory::default());
    kept.remember(&snapshot(BEGIN, vec![]), &memory).await;
    let saved_at = kept.clock.since_1970();
    let config = kept.close().await;
    let (_kept, restored) = Kept::open(config).await;
    let restored = restored.unwrap();
    assert_eq!(restored.memory, *memory);
    assert!((1_000..1_060).contains(&restored.uptime.as_secs()), "{:?}", restored.uptime);
    let off = saved_at.saturating_sub(restored.since_1970);
    assert!(off < Duration::from_secs(30), "{off:?}");
}

/// Of a large memory not every pass is written; an orderly end writes the last one.
#[tokio::test]
async fn what_was_put_off_is_written_at_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let (mut kept, _) = Kept::open(kept_in(directory.path())).await;
    let many =
        |from: usize| memory_of((from..from + 2_000).map(|i| connector(&format!("c{i}"), vec![])).collect());
    let (first, second) = (many(0), many(1));
    kept.remember(&snapshot(BEGIN, vec![]), &first).await;
    kept.remember(&snapshot(BEGIN + 1, vec![]), &second).await;
    let stored = || -> String {
        let connection = Connection::open(file_in(directory.path())).unwrap();
        connection.query_row("SELECT json FROM memory", [], |row| row.get(0)).unwrap()
    };
    assert!(
        stored().contains("\"c0\"") && stored().len() > 64 << 10,
        "the second was put off: {}",
        stored().len()
    );
    kept.close().await;
    assert!(!stored().contains("\"c0\"") && stored().contains("\"c2000\""));
}

#[tokio::test]
async fn one_that_would_crowd_out_the_samples_is_not_kept() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = kept_in(directory.path());
    config.max_size_bytes = 1 << 20;
    let (mut kept, _) = Kept::open(config).await;
    let large = memory_of((0..2_000).map(|i| connector(&format!("c{i}"), vec![])).collect());
    let rows = |kept: &Kept| number(&kept.file(), "SELECT count(*) FROM memory");
    assert!(kept.remember(&snapshot(BEGIN, vec![]), &memory()).await.up);
    assert_eq!(rows(&kept), 1);
    let source = kept.remember(&snapshot(BEGIN + 15, vec![]), &large).await;
    assert!(
        !source.up && source.error.as_deref().unwrap_or_default().contains("history.max_size"),
        "{source:?}"
    );
    assert_eq!(rows(&kept), 0, "an older one would be wrong");
    assert_eq!(number(&kept.file(), "SELECT count(*) FROM pass"), 2, "the samples are kept");
    let (_kept, restored) = Kept::open(kept.close().await).await;
    assert!(restored.is_none());
}

#[tokio::test]
async fn another_layout_another_form_and_one_too_old_are_dropped_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let (mut kept, _) = Kept::open(kept_in(directory.path())).await;
    kept.remember(&snapshot(BEGIN, vec![]), &memory()).await;
    kept.close().await;
    let file = file_in(directory.path());
    for (change, restorable) in [
        ("UPDATE memory SET layout = layout", true),
        ("UPDATE memory SET layout = layout + 1", false),
        ("UPDATE memory SET layout = layout - 1, at_ms = at_ms - 9 * 86400000", false),
        ("UPDATE memory SET at_ms = -5", false),
        ("UPDATE memory SET at_ms = unixepoch() * 1000, json = '{\"connectors\": 5}'", false),
        ("UPDATE memory SET json = 'torn'", false),
        ("UPDATE memory SET json = '{\"connectors\":[],\"oplogs\":[]}'", true),
    ] {
        let connection = Connection::open(&file).unwrap();
        connection.execute(change, []).unwrap();
        drop(connection);
        let (mut kept, restored) = Kept::open(kept_in(directory.path())).await;
        assert_eq!(restored.is_some(), restorable, "{change}");
        let source = kept.history.settle(&kept.clock);
        assert!(source.up, "{change}: {source:?}");
        kept.close().await;
    }
    assert_eq!(number(&file, "SELECT count(*) FROM pass"), 1, "the samples stay");
}
