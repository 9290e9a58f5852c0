//! What ended long ago leaves the file; everything else stays in it, and nothing else can be removed.

use super::*;
use resumeguard::journal::Bounds;
use std::time::Duration;

const DAY_MS: i64 = 86_400_000;

fn now_ms() -> i64 {
    i64::try_from(Clock::start().since_1970().as_millis()).unwrap()
}

/// One attempt that succeeded, with so much in it.
fn attempt(number: usize, connector: &str, words: usize) -> Vec<Event> {
    let attempt = AttemptId(format!("a{number}"));
    let mut plan = plan();
    plan.connector = ConnectorId::new("main", connector);
    plan.steps = vec![Step::Save, Step::Stop];
    let (by, reason, says) = (person(), "w ".repeat(words), String::new());
    let (phase, index, round, step, will) = (Phase::Forward, 1, 0, Step::Stop, Will::default());
    vec![
        Event::Begun { attempt: attempt.clone(), plan: Box::new(plan), by, reason },
        Event::Intent { attempt: attempt.clone(), phase, index, round, step, will },
        Event::Outcome {
            attempt: attempt.clone(),
            outcome: Outcome::Done { says: says.clone(), reached: None },
            untouched: false,
        },
        Event::Ended { attempt, ended: Ended::Recovered, says, lost: Lost::Nothing },
    ]
}

/// Adds entries of another time, as an earlier life has.
fn add(directory: &Path, at_ms: i64, events: impl IntoIterator<Item = Event>) {
    let mut connection = Connection::open(file_in(directory)).unwrap();
    let transaction = connection.transaction().unwrap();
    for event in events {
        let connector = event.connector().map(|id| id.connector.clone());
        let (attempt, json) =
            (event.attempt().map(ToString::to_string), serde_json::to_string(&event).unwrap());
        let sql = "INSERT INTO entry SELECT max(seq) + 1, ?1, ?2, ?3, 'main', ?4, ?5 FROM entry";
        transaction.execute(sql, (at_ms, event.code(), attempt, connector, json)).unwrap();
    }
    transaction.commit().unwrap();
}

fn names(journal: &Journal) -> Vec<String> {
    journal.ledger().attempts.iter().map(|attempt| attempt.id.to_string()).collect()
}

#[tokio::test]
async fn what_ended_long_ago_leaves_the_file_and_nothing_else_does() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    opened(at).await.close().await;
    add(at, now_ms() - 401 * DAY_MS, attempt(1, "orders", 3));
    add(at, now_ms() - 401 * DAY_MS, attempt(2, "billing", 3));
    add(at, now_ms() - 401 * DAY_MS, [frozen("long ago")]);
    add(at, now_ms() - 401 * DAY_MS, attempt(3, "orders", 3));
    add(at, now_ms() - 399 * DAY_MS, attempt(4, "orders", 3));
    add(at, now_ms() - DAY_MS, attempt(5, "orders", 3));
    let journal = opened(at).await;
    assert_eq!(names(&journal), ["a1", "a2", "a3", "a4", "a5"]);
    assert!(journal.forget(Bounds::default()).await.unwrap());
    let check = |journal: &Journal| {
        assert_eq!(names(journal), ["a2", "a4", "a5"], "the last at a connector stays, and what is younger");
        let ledger = journal.ledger();
        assert_eq!(ledger.tally(Strategy::Salvage), Tally { attempts: 5, failures: 0 });
        assert!(ledger.frozen.is_some() && journal.problem().is_none());
    };
    check(&journal);
    assert!(!journal.forget(Bounds::default()).await.unwrap(), "once is enough");
    // It goes on behind the gap, in this life and in the next.
    journal.append(frozen("now")).await.unwrap();
    journal.close().await;
    let journal = opened(at).await;
    check(&journal);
    let (gone, kept) = (AttemptId("a1".into()), AttemptId("a4".into()));
    assert_eq!(journal.entries_of(&gone).await.unwrap(), []);
    assert_eq!(journal.entries_of(&kept).await.unwrap().len(), 4);
    journal.close().await;

    let file = file_in(at);
    let audit = texts(&file, "SELECT event FROM audit WHERE event = 'forgotten'");
    assert_eq!(audit, ["forgotten"], "and the journal says so");
    for sql in [
        "DELETE FROM entry WHERE seq = 1",
        "DELETE FROM entry",
        "DELETE FROM forgotten",
        "UPDATE forgotten SET last = 99",
    ] {
        let refused = Connection::open(&file).unwrap().execute_batch(sql).unwrap_err().to_string();
        assert!(refused.contains("entries are never"), "{sql}: {refused}");
    }
    // What is missing without having been declared is damage, also beside such a gap.
    let sql = "DROP TRIGGER entry_stays; DELETE FROM entry WHERE seq = 6";
    Connection::open(&file).unwrap().execute_batch(sql).unwrap();
    let error = Journal::open(at, Clock::start()).await.unwrap_err().to_string();
    assert!(error.contains("entry 6 cannot be read (it is missing)"), "{error}");
}

#[tokio::test]
async fn a_journal_that_is_too_large_forgets_earlier_and_never_within_a_month() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    opened(at).await.close().await;
    let days_ago = |days: i64| now_ms() - days * DAY_MS;
    for number in 0..40 {
        let days = if number < 30 { 100 } else { 30 };
        add(at, days_ago(days), attempt(number, "orders", 20_000));
    }
    let journal = opened(at).await;
    let large = Bounds { max_size: 4 << 20, ..Bounds::default() };
    assert!(!journal.forget(large).await.unwrap(), "there is room for all of it");
    let bounds = Bounds { max_size: 1 << 20, ..Bounds::default() };
    assert!(journal.forget(bounds).await.unwrap());
    let left = names(&journal);
    println!("{} of 40 attempts are left", left.len());
    assert!(
        (15..=24).contains(&left.len()) && left.last().unwrap() == "a39",
        "the oldest have gone: {left:?}"
    );
    let least = Bounds { max_size: 0, keep: Duration::ZERO };
    assert!(journal.forget(least).await.unwrap());
    assert_eq!(names(&journal).len(), 10, "a month is kept, whatever is configured");
    assert!(!journal.forget(least).await.unwrap());
}

/// A file of the first version, with the trigger that let nothing go.
#[tokio::test]
async fn an_older_journal_is_read_and_may_forget() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    opened(at).await.close().await;
    for number in 1..=3 {
        add(at, now_ms() - 500 * DAY_MS, attempt(number, "orders", 3));
    }
    let back = "DROP TABLE forgotten; DROP TRIGGER entry_stays;
        CREATE TRIGGER entry_stays BEFORE DELETE ON entry BEGIN SELECT RAISE(ABORT, 'entries are never removed'); END;
        PRAGMA user_version = 1;";
    Connection::open(file_in(at)).unwrap().execute_batch(back).unwrap();
    let journal = opened(at).await;
    assert_eq!(names(&journal).len(), 3);
    assert!(journal.forget(Bounds::default()).await.unwrap());
    assert_eq!(names(&journal), ["a3"]);
}
