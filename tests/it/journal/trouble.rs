//! A file that is newer, foreign, damaged, incomplete, in use, locked or gone: nothing is written, and the error says what to do.

use super::{every_event, file_in, frozen, opened};
use resumeguard::clock::Clock;
use resumeguard::journal::Journal;
use rusqlite::Connection;
use std::path::Path;
use std::time::Duration;

async fn a_journal(directory: &Path) {
    let journal = opened(directory).await;
    for event in every_event() {
        journal.append(event).await.unwrap();
    }
    journal.close().await;
}

/// Refused, with this in one line, and the file is as it was.
async fn check_refused(directory: &Path, part: &str) {
    let before = std::fs::read(file_in(directory)).ok();
    let error = Journal::open(directory, Clock::start()).await.unwrap_err().to_string();
    assert!(error.contains(part) && error.lines().count() == 1, "{part}: {error}");
    assert!(!error.contains("s3cret"), "{error}");
    assert!(std::fs::read(file_in(directory)).ok() == before, "{part}: it was changed");
}

#[tokio::test]
async fn a_newer_foreign_or_tampered_file_is_refused_and_left_as_it_is() {
    let free = "DROP TRIGGER entry_stays; DROP TRIGGER entry_unchanged;";
    for (sql, part) in [
        (
            "PRAGMA user_version = 99",
            "journal.db has schema 99 and this version knows 2: run the newer resumeguard",
        ),
        ("PRAGMA application_id = 7", "is a database of something else; set another recovery.directory"),
        ("DELETE FROM entry WHERE seq = 4", "entry 4 cannot be read (it is missing)"),
        ("DELETE FROM entry", "entry 1 cannot be read (it is missing)"),
        (
            "UPDATE entry SET json = substr(json, 1, 40) WHERE seq = 7",
            "entry 7 cannot be read (begun: Eof error",
        ),
        (
            "UPDATE entry SET event = 'teleported', json = '{\"event\":\"teleported\"}' WHERE seq = 5",
            "entry 5 cannot be read (teleported: Data error at column",
        ),
        (
            "UPDATE entry SET event = 'ended' WHERE seq = 5",
            "entry 5 cannot be read (it is called ended and is another)",
        ),
        ("UPDATE entry SET json = x'00ff' WHERE seq = 9", "entry 9 cannot be read"),
        // What stands there is not quoted.
        (
            "UPDATE entry SET json = json_set(json, '$.saved.config', 's3cret') WHERE event = 'saved'",
            "entry 8 cannot be read (saved: Data error",
        ),
    ] {
        let directory = tempfile::tempdir().unwrap();
        a_journal(directory.path()).await;
        Connection::open(file_in(directory.path())).unwrap().execute_batch(&format!("{free}{sql}")).unwrap();
        check_refused(directory.path(), part).await;
    }
}

#[tokio::test]
async fn a_damaged_file_is_refused_and_left_as_it_is() {
    for damaged in [0..100, 4_096..4_096 * 2, 4_096 * 3..4_096 * 4] {
        let directory = tempfile::tempdir().unwrap();
        a_journal(directory.path()).await;
        let file = file_in(directory.path());
        let mut bytes = std::fs::read(&file).unwrap();
        assert!(bytes.len() > damaged.end, "{}", bytes.len());
        bytes[damaged].fill(0xA5);
        std::fs::write(&file, &bytes).unwrap();
        check_refused(directory.path(), "journal.db is damaged (").await;
    }
}

/// Tests may run as root, to whom no directory is read-only: something else that cannot be opened for writing stands there.
#[tokio::test]
async fn what_cannot_be_opened_is_told() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(file_in(directory.path())).unwrap();
    check_refused(directory.path(), "cannot be opened: Is a directory").await;
    let missing = directory.path().join("not/mounted");
    check_refused(&missing, "cannot be opened: No such file or directory").await;
    assert!(!missing.exists(), "a file system that is not mounted is not made up for");
    check_refused(Path::new("/proc/self"), "cannot be opened: ").await;
}

#[tokio::test]
async fn a_second_process_is_refused_and_takes_over_when_the_first_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let first = opened(directory.path()).await;
    let part = format!("another resumeguard keeps its journal in {}", directory.path().display());
    check_refused(directory.path(), &part).await;
    first.append(frozen("first")).await.unwrap();
    first.close().await;
    let closed = first.append(frozen("closed")).await.unwrap_err().to_string();
    assert!(closed.contains("is closed"), "{closed}");
    let second = opened(directory.path()).await;
    assert_eq!(second.append(frozen("second")).await.unwrap().seq, 3);
}

#[tokio::test]
async fn a_file_removed_replaced_or_written_under_our_hands_takes_no_entry() {
    type Change = fn(&Path);
    let changes: [Change; 3] = [
        |file| std::fs::remove_file(file).unwrap(),
        |file| {
            let copy = file.with_extension("copy");
            std::fs::copy(file, &copy).unwrap();
            std::fs::rename(copy, file).unwrap();
        },
        |file| {
            let sql = "INSERT INTO entry VALUES (3, 0, 'opened', NULL, NULL, NULL, '{\"event\":\"opened\"}')";
            Connection::open(file).unwrap().execute_batch(sql).unwrap();
        },
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let directory = tempfile::tempdir().unwrap();
        let journal = opened(directory.path()).await;
        journal.append(frozen("kept")).await.unwrap();
        let before = journal.ledger();
        change(&file_in(directory.path()));
        let error = journal.append(frozen("lost")).await.unwrap_err().to_string();
        assert!(error.contains("was removed, replaced or written to by something else"), "{number}: {error}");
        assert!(journal.problem().is_some(), "{number}");
        assert_eq!(*journal.ledger(), *before, "{number}: the ledger is not ahead of the file");
        let again = journal.append(frozen("again")).await;
        // What another has written in good order is read, and then counts.
        assert_eq!(again.is_ok(), number == 2, "{number}: {again:?}");
    }
}

/// Somebody holds the file: nothing is written, that is told, and it goes away by itself with the holder.
#[tokio::test]
async fn a_file_that_is_locked_is_told_and_written_again_when_it_is_free() {
    let directory = tempfile::tempdir().unwrap();
    let journal = opened(directory.path()).await;
    let holder = Connection::open(file_in(directory.path())).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = journal.append(frozen("locked out")).await.unwrap_err().to_string();
    assert!(error.contains("database is locked; close whatever else has it open"), "{error}");
    assert_eq!(journal.problem().as_deref(), Some(error.as_str()));
    assert!(journal.ledger().frozen.is_none());
    drop(holder);
    for _attempt in 0..2_000 {
        if journal.problem().is_none() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(journal.problem(), None, "nobody has to append to find that out");
    assert_eq!(journal.append(frozen("free")).await.unwrap().seq, 2);
}
