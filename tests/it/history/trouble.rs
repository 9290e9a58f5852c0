//! A file that is newer, foreign, damaged, in use, gone or in the way: monitoring goes on, and says so.

use super::{BEGIN, Kept, file_in, kept_in, number, report, settled, snapshot};
use crate::fake_connect::{FakeConnect, listing, offsets};
use resumeguard::clock::Clock;
use resumeguard::history::{Happening, Query};
use resumeguard::{config, daemon::Watch};
use resumeguard_core::domain::{Snapshot, SourceFacts, Verdict};
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;

fn history_of(snapshot: &Snapshot) -> &SourceFacts {
    snapshot.sources.iter().find(|source| source.source == "history").unwrap()
}

/// The first pass of a whole watch with its history in that directory, and one that knows what became of it.
async fn two_passes(directory: &Path) -> (Snapshot, Snapshot) {
    let _first = rustls::crypto::ring::default_provider().install_default().is_ok();
    let fake =
        FakeConnect::start(listing("orders", "mongodb://127.0.0.1:9/?replicaSet=rs0"), offsets(&[])).await;
    let environment = [
        ("RESUMEGUARD__POLL__INTERVAL".to_owned(), "500ms".to_owned()),
        ("RESUMEGUARD__HISTORY__DIRECTORY".to_owned(), directory.display().to_string()),
    ];
    let sources = config::Sources {
        connect: vec![fake.url.clone()],
        environment: environment.into(),
        ..Default::default()
    };
    let (mut watch, _) = Watch::resumed(&config::load(&sources).unwrap().1, Clock::start()).await.unwrap();
    let first = watch.pass().await;
    let page = String::from_utf8(watch.render(&first).own.to_vec()).unwrap();
    let up =
        format!("source_up{{source=\"history\",name=\"history.db\"}} {}", u8::from(history_of(&first).up));
    assert!(page.contains(&up), "{page}");
    // Once a question is answered, the pass before it has been written or refused.
    let _answered = watch.reader().unwrap().story(Query::default()).await.is_ok();
    let second = watch.pass().await;
    watch.reader().unwrap().close().await;
    (first, second)
}

/// Every connector is judged as ever, and the source says what is wrong in one line.
#[track_caller]
fn check_told(snapshot: &Snapshot, part: &str) {
    assert_eq!(snapshot.connectors.len(), 1, "{snapshot:?}");
    let source = history_of(snapshot);
    let error = source.error.as_deref().unwrap_or_default();
    assert!(!source.up && error.contains(part) && error.lines().count() == 1, "{part}: {source:?}");
}

async fn a_file_with_passes(directory: &Path, passes: i64) {
    let (mut kept, _) = Kept::open(kept_in(directory)).await;
    for pass in 0..passes {
        let connectors = (0..50).map(|i| report(&format!("connector-{i}"), Verdict::Safe)).collect();
        kept.pass(&snapshot(BEGIN + pass * 3_600, connectors)).await;
    }
    kept.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_or_foreign_file_is_refused_and_left_as_it_is() {
    for (sql, part) in [
        (
            "PRAGMA user_version = 99",
            "history.db has schema 99 and this version knows 1: run the newer resumeguard",
        ),
        ("PRAGMA application_id = 7", "is a database of something else; set another history.directory"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        a_file_with_passes(directory.path(), 1).await;
        let file = file_in(directory.path());
        Connection::open(&file).unwrap().execute_batch(sql).unwrap();
        let before = std::fs::read(&file).unwrap();
        let (first, second) = two_passes(directory.path()).await;
        check_told(&first, part);
        check_told(&second, part);
        assert!(std::fs::read(&file).unwrap() == before, "{part}: it was changed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_kept_aside_and_a_new_one_begun() {
    for damaged in [0..100, 0..4_096 * 30, 4_096..4_096 * 30] {
        let directory = tempfile::tempdir().unwrap();
        a_file_with_passes(directory.path(), 60).await;
        let file = file_in(directory.path());
        let mut bytes = std::fs::read(&file).unwrap();
        assert!(bytes.len() > damaged.end, "{}", bytes.len());
        bytes[damaged.clone()].fill(0xA5);
        std::fs::write(&file, &bytes).unwrap();
        let (first, second) = two_passes(directory.path()).await;
        check_told(&first, "was damaged");
        check_told(&first, "a new one is begun at the next pass");
        assert!(history_of(&second).up, "{damaged:?}: {second:?}");
        let aside: Vec<_> = std::fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.display().to_string().contains("history.db.damaged-"))
            .collect();
        assert_eq!(aside.len(), 1, "{aside:?}");
        assert!(std::fs::read(&aside[0]).unwrap() == bytes, "what was damaged is there to be looked at");
        assert!(number(&file, "SELECT count(*) FROM pass") >= 2);
    }
}

/// Tests may run as root, to whom no directory is read-only: something else that cannot be opened for writing stands there.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_opened_is_told_and_tried_again() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(file_in(directory.path())).unwrap();
    let (first, _) = two_passes(directory.path()).await;
    check_told(&first, "cannot be opened: Is a directory");
    let missing = directory.path().join("not/mounted");
    let (first, _) = two_passes(&missing).await;
    check_told(&first, "cannot be opened: No such file or directory");
    assert!(!missing.exists(), "a file system that is not mounted is not made up for");

    let (mut kept, _) = Kept::open(kept_in(directory.path())).await;
    let source = kept.pass(&snapshot(BEGIN, vec![])).await;
    assert!(!source.up, "{source:?}");
    std::fs::remove_dir(kept.file()).unwrap();
    let source = kept.pass(&snapshot(BEGIN + 15, vec![])).await;
    assert!(source.up && source.error.is_none(), "{source:?}");
}

#[tokio::test]
async fn a_second_process_is_refused_and_takes_over_when_the_first_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let (mut first, _) = Kept::open(kept_in(directory.path())).await;
    let (mut second, _) = Kept::open(kept_in(directory.path())).await;
    let source = second.pass(&snapshot(BEGIN, vec![])).await;
    assert!(
        source.error.as_deref().unwrap().starts_with("another resumeguard keeps its history in"),
        "{source:?}"
    );
    assert!(first.pass(&snapshot(BEGIN, vec![])).await.up);
    first.close().await;
    assert!(second.pass(&snapshot(BEGIN + 15, vec![])).await.up);
}

#[tokio::test]
async fn a_file_removed_under_our_hands_is_told_and_begun_anew() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    let (mut kept, _) = Kept::open(kept_in(&state)).await;
    assert!(kept.pass(&snapshot(BEGIN, vec![])).await.up);
    std::fs::remove_dir_all(&state).unwrap();
    kept.history.tell(Happening { connector: None, kind: "rescued", detail: serde_json::json!({}) });
    let source = kept.pass(&snapshot(BEGIN + 15, vec![])).await;
    assert!(source.error.as_deref().unwrap().contains("was removed or replaced while in use"), "{source:?}");
    assert!(kept.pass(&snapshot(BEGIN + 30, vec![])).await.up);
    assert_eq!(number(&kept.file(), "SELECT count(*) FROM pass"), 1);
    // What happened is told with the next pass that can be written.
    let told = format!("SELECT count(*) FROM event WHERE kind = 'rescued' AND at = {}", BEGIN + 15);
    assert_eq!(number(&kept.file(), &told), 1);
}

/// Somebody holds the file for longer than a pass takes: passes go on at once, what does not fit is dropped and counted.
#[tokio::test]
async fn a_file_that_does_not_answer_delays_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let (mut kept, _) = Kept::open(kept_in(directory.path())).await;
    let holder = Connection::open(kept.file()).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let begun = kept.clock.uptime();
    for pass in 0..20 {
        kept.history.keep(&snapshot(BEGIN + pass, vec![]), &Arc::default(), kept.clock.now());
    }
    let took = kept.clock.uptime() - begun;
    assert!(took.as_millis() < 500, "handing over takes no time: {took:?}");
    let source = kept.history.settle(&kept.clock);
    assert!(source.error.as_deref().unwrap().starts_with("writing takes longer than a pass"), "{source:?}");
    let failures = kept.history.meter().failures;
    assert!(failures >= 11, "eight wait and one is being written: {failures}");
    // The first that gives up says why.
    let reads = kept.history.meter().reads;
    let source = settled(&mut kept.history, kept.clock, reads + 1).await;
    assert!(
        source.error.as_deref().unwrap().contains("database is locked; close whatever else"),
        "{source:?}"
    );
    drop(holder);
    let reads = kept.history.meter().reads;
    settled(&mut kept.history, kept.clock, reads + 5).await;
    assert!(kept.pass(&snapshot(BEGIN + 60, vec![])).await.up);
}
