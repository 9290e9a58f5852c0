//! A disk that does not answer in time, shown with locks: SQLite waits for them as it would for the disk.

use super::*;
use resumeguard_core::recovery::Actor;
use rusqlite::Connection;

fn frozen(reason: &str) -> Event {
    Event::Frozen { by: Actor::Auto, reason: reason.to_owned() }
}

async fn impatient(directory: &Path) -> Journal {
    let journal = Journal::open(directory, Clock::start()).await.unwrap();
    Journal { patience: Duration::from_millis(50), ..journal }
}

async fn until(what: impl Fn() -> bool) {
    for _attempt in 0..2_000 {
        if what() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("not within ten seconds");
}

fn check_stuck(result: Result<Entry, JournalError>) {
    assert!(matches!(result, Err(JournalError::Stuck { .. })), "{result:?}");
}

#[tokio::test]
async fn what_is_given_up_before_it_is_written_is_never_written() {
    let directory = tempfile::tempdir().unwrap();
    let journal = impatient(directory.path()).await;
    let holder = Connection::open(directory.path().join(FILE)).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    check_stuck(journal.append(frozen("given up in mid-writing")).await);
    check_stuck(journal.append(frozen("given up in the queue")).await);
    assert!(journal.problem().unwrap().contains("look at the disk"));
    drop(holder);
    until(|| journal.problem().is_none()).await;
    assert!(journal.ledger().frozen.is_none());
    let journal = Journal { patience: PATIENCE, ..journal };
    assert_eq!(journal.append(frozen("written")).await.unwrap().seq, 2);
}

/// A reader holds up the very commit. The entry is written after its writer was told that it is not.
#[tokio::test]
async fn what_is_written_late_is_in_the_ledger_and_refuses_what_was_decided_without_it() {
    let directory = tempfile::tempdir().unwrap();
    let journal = impatient(directory.path()).await;
    let reader = Connection::open(directory.path().join(FILE)).unwrap();
    reader.execute_batch("BEGIN; SELECT * FROM entry").unwrap();
    check_stuck(journal.append(frozen("late")).await);
    // Decided before that one is in the ledger, handed over before as well.
    let patient = Journal { patience: PATIENCE, ..journal.clone() };
    let decided = tokio::spawn(async move { patient.append(frozen("decided without it")).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    reader.execute_batch("COMMIT").unwrap();
    let refused = decided.await.unwrap();
    assert!(matches!(refused, Err(JournalError::Late)), "{refused:?}");
    assert_eq!(journal.ledger().frozen.as_ref().unwrap().1, "late");
    assert_eq!(journal.problem(), None);
    let journal = Journal { patience: PATIENCE, ..journal };
    assert_eq!(journal.append(frozen("decided with it")).await.unwrap().seq, 3);
    journal.close().await;
    let journal = Journal::open(directory.path(), Clock::start()).await.unwrap();
    assert_eq!(journal.ledger().frozen.as_ref().unwrap().1, "decided with it");
}
