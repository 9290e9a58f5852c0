//! The journal on its own: what was appended is there, whatever happens to process, disk and file.

mod disk;
mod forget;
mod kill;
mod trouble;

use resumeguard::clock::Clock;
use resumeguard::journal::Journal;
use resumeguard_core::domain::{ConnectorId, ConnectorState, Timestamp};
use resumeguard_core::recovery::*;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

const SECRET: &str = "mongodb://reader:s3cret@db.example";

pub(crate) async fn opened(directory: &Path) -> Journal {
    Journal::open(directory, Clock::start()).await.unwrap()
}

pub(crate) fn file_in(directory: &Path) -> PathBuf {
    directory.join("journal.db")
}

pub(crate) fn person() -> Actor {
    Actor::Person("uid 1000 (ops)".into())
}

pub(crate) fn frozen(reason: &str) -> Event {
    Event::Frozen { by: person(), reason: reason.into() }
}

fn at(t: u32) -> Timestamp {
    Timestamp { t, i: 1 }
}

fn settings() -> BTreeMap<String, Option<String>> {
    BTreeMap::from([("errors.tolerance".into(), Some("all".into())), ("startup.mode".into(), None)])
}

/// With one step of every kind.
fn plan() -> Plan {
    let (partition, namespace) = ("mongodb://db/shop.orders".to_owned(), "shop.orders".to_owned());
    let steps = vec![
        Step::Save,
        Step::Stop,
        Step::WriteMark { partition: partition.clone(), mark: Mark::OldestSurviving },
        Step::RemoveOffset { partition: partition.clone() },
        Step::Configure { to: settings() },
        Step::StartAtOldest { partition: "shop.orders-2".into() },
        Step::Resume,
        Step::Pause,
        Step::RestartTasks,
        Step::InsertMarker { namespace: namespace.clone(), fields: None },
        Step::RemoveMarker { namespace },
        Step::AwaitStored,
        Step::Verify,
        Step::RestoreOffset { partition: partition.clone() },
        Step::ResizeOplog { size_mb: 990 },
    ];
    let token = StoredToken { time: Some(at(100)), text: Fingerprint::of_text("token") };
    Plan {
        id: PlanId(String::new()),
        connector: ConnectorId::new("main", "orders"),
        strategy: Strategy::Salvage,
        trigger: Trigger::HistoryLost,
        expects: Expects {
            token: Some(token),
            state: ConnectorState::Running,
            config: Fingerprint::of_config(&BTreeMap::new()),
            partition: Some(partition),
        },
        steps,
        restores: None,
        loses: Loses::Deleted { from: at(100), to: at(160) },
        rescans_bytes: Some(7),
        effects: vec!["duplicates of what it had read".into()],
    }
    .named()
}

fn raw_offset(text: &str) -> RawOffset {
    let serde_json::Value::Object(partition) = serde_json::json!({ "ns": "mongodb://db/shop.orders" }) else {
        panic!("an object")
    };
    let serde_json::Value::Object(offset) = serde_json::json!({ "_id": text }) else { panic!("an object") };
    RawOffset { partition, offset: Some(offset), record: None }
}

#[allow(clippy::too_many_lines, reason = "a table")]
/// One event of every kind and, within the attempts, one outcome, end, phase, actor and step of every kind.
pub(crate) fn every_event() -> Vec<Event> {
    let (attempt, plan) = (AttemptId("a1".into()), plan());
    let id = plan.id.clone();
    let connector = plan.connector.clone();
    let (by, reason) = (person(), "ticket 7".to_owned());
    let saved = Saved {
        state: ConnectorState::Running,
        config: BTreeMap::from([("connection.uri".into(), SECRET.into())]),
        offsets: vec![raw_offset(r#"{"_data": "8263"}"#), RawOffset { offset: None, ..raw_offset("") }],
    };
    let mut events = vec![
        Event::Approved {
            plan: id.clone(),
            connector: connector.clone(),
            by: by.clone(),
            reason: reason.clone(),
            mass_failure: Some(3),
        },
        Event::Discarded { plan: id, connector: connector.clone(), by: by.clone(), reason: reason.clone() },
        Event::Acknowledged { connector, by: by.clone(), reason: reason.clone() },
        frozen("maintenance"),
        Event::Unfrozen { by, reason: reason.clone() },
        Event::Begun {
            attempt: attempt.clone(),
            plan: Box::new(plan.clone()),
            by: Actor::Auto,
            reason: reason.clone(),
        },
        Event::Saved { attempt: attempt.clone(), saved: Box::new(saved) },
    ];
    let says = || "seen".to_owned();
    let outcomes = [
        Outcome::Done { says: says(), reached: Some(at(160)) },
        Outcome::Done { says: says(), reached: None },
        Outcome::NotNeeded { says: says() },
        Outcome::Again { says: says() },
        Outcome::Over { says: says() },
        Outcome::Failed { says: says() },
    ];
    for (index, step) in plan.steps.iter().enumerate() {
        let will = Will {
            text: (index % 2 == 0).then(|| SECRET.to_owned()),
            config: if index % 3 == 0 { settings() } else { BTreeMap::new() },
        };
        let phase = if index < 10 { Phase::Forward } else { Phase::Back };
        let round = u32::try_from(index % 3).unwrap();
        events.push(Event::Intent {
            attempt: attempt.clone(),
            phase,
            index,
            round,
            step: step.clone(),
            will,
        });
        // The last one is left open.
        if index + 1 < plan.steps.len() {
            let outcome = outcomes[index % outcomes.len()].clone();
            events.push(Event::Outcome { attempt: attempt.clone(), outcome, untouched: false });
        }
    }
    let skipped = Outcome::NotNeeded { says: says() };
    let step = Step::Pause;
    events.push(Event::Skipped { attempt, phase: Phase::Back, index: 15, round: 0, step, outcome: skipped });
    for (number, ended) in
        [Ended::Recovered, Ended::NotNeeded, Ended::PutBack, Ended::NeedsPerson].into_iter().enumerate()
    {
        let attempt = AttemptId(format!("b{number}"));
        let restores = Some(AttemptId("a1".into()));
        let plan = Box::new(Plan { restores, ..plan.clone() }.named());
        events.push(Event::Begun { attempt: attempt.clone(), plan, by: person(), reason: reason.clone() });
        let stretch = Stretch { from: at(100), to: at(160) };
        let lost = [Lost::Stretch(stretch), Lost::Nothing, Lost::Nothing, Lost::Unknown][number];
        events.push(Event::Ended { attempt, ended, says: says(), lost });
    }
    let attempts = BTreeMap::from([(Strategy::ResetOffsets, Tally { attempts: 3, failures: 1 })]);
    events.push(Event::Forgotten { attempts, last_success_ms: Some(7) });
    events
}

/// The rows, their columns with a space between them.
pub(crate) fn texts(file: &Path, sql: &str) -> Vec<String> {
    let connection = Connection::open(file).unwrap();
    let mut select = connection.prepare(sql).unwrap();
    let columns = select.column_count();
    let word = |value: ValueRef<'_>| match value {
        ValueRef::Null => "-".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
        ValueRef::Real(_) | ValueRef::Blob(_) => panic!("{value:?}"),
    };
    let row = |row: &rusqlite::Row<'_>| {
        let words: Vec<String> = (0..columns).map(|i| word(row.get_ref(i).unwrap())).collect();
        Ok(words.join(" "))
    };
    select.query_map([], row).unwrap().map(Result::unwrap).collect()
}

#[tokio::test]
async fn everything_that_was_appended_is_read_back_as_it_was() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("state");
    let journal = opened(&directory).await;
    let mut entries = Vec::new();
    for event in every_event() {
        let entry = journal.append(event.clone()).await.unwrap();
        assert_eq!(entry.event, event);
        entries.push(entry);
        assert_eq!(journal.ledger().attempts, Ledger::of(&entries).attempts, "up to date at once");
    }
    let numbers: Vec<u64> = entries.iter().map(|entry| entry.seq).collect();
    assert_eq!(numbers, (2..).take(entries.len()).collect::<Vec<u64>>());
    let (before, attempt) = (journal.ledger(), AttemptId("a1".into()));
    let of_a1: Vec<Entry> =
        entries.iter().filter(|entry| entry.event.attempt() == Some(&attempt)).cloned().collect();
    assert_eq!(journal.entries_of(&attempt).await.unwrap(), of_a1);
    assert_eq!(journal.entries_of(&AttemptId("nobody".into())).await.unwrap(), []);
    journal.close().await;

    let journal = opened(&directory).await;
    assert_eq!(*journal.ledger(), *before);
    assert!(before.opened_ms.is_some() && before.attempts.len() == 5, "{before:?}");
    assert!(before.attempts[1].source.is_some(), "what is restored is found");
    assert_eq!(journal.entries_of(&attempt).await.unwrap(), of_a1);
    let next = journal.append(frozen("again")).await.unwrap();
    assert_eq!(next.seq, entries.last().unwrap().seq + 1);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&directory), mode(&file_in(&directory))), (0o700, 0o600));
}

#[tokio::test]
async fn a_person_reads_it_with_sqlite_and_sees_no_secret() {
    let directory = tempfile::tempdir().unwrap();
    let journal = opened(directory.path()).await;
    for event in every_event() {
        journal.append(event).await.unwrap();
    }
    // While the daemon has it open.
    let file = file_in(directory.path());
    let attempts =
        texts(&file, "SELECT attempt, connector, strategy, by, outcome, lost_seconds FROM attempts");
    assert_eq!(attempts.len(), 5);
    assert_eq!(attempts[0], "a1 orders salvage auto open -");
    assert_eq!(attempts[1], "b0 orders salvage uid 1000 (ops) recovered 60");
    let steps = texts(&file, "SELECT connector, number, phase, step, outcome FROM steps");
    assert_eq!(steps.len(), 16);
    assert_eq!(steps[1], "orders 1 forward stop done");
    assert_eq!(steps[2], "orders 2 forward write_mark not_needed");
    assert_eq!(steps[14], "orders 14 back resize_oplog unknown");
    assert_eq!(steps[15], "orders 15 back pause not_needed");
    let begun = texts(&file, "SELECT count(*) FROM steps WHERE begun");
    assert_eq!(begun, ["15"]);
    let audit = texts(&file, "SELECT event, by, reason FROM audit WHERE event = 'frozen'");
    assert_eq!(audit, ["frozen uid 1000 (ops) maintenance"]);
    for view in ["attempts", "steps", "audit"] {
        let all = texts(&file, &format!("SELECT * FROM {view}")).join("\n");
        assert!(!all.is_empty() && !all.contains("s3cret") && !all.contains("8263"), "{view}: {all}");
    }
    for sql in ["DELETE FROM entry", "UPDATE entry SET at_ms = 0"] {
        let refused = Connection::open(&file).unwrap().execute_batch(sql).unwrap_err().to_string();
        assert!(refused.contains("entries are never"), "{refused}");
    }
}

/// The tables of a released version never change: an upgrade adds a step. Held against a file.
#[tokio::test]
async fn the_schema_is_that_of_the_golden_file() {
    let directory = tempfile::tempdir().unwrap();
    opened(directory.path()).await.close().await;
    let connection = Connection::open(file_in(directory.path())).unwrap();
    let mut all =
        connection.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").unwrap();
    let tables: Vec<String> = all.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    let text = format!("{};\n-- version {version}\n", tables.join(";\n"));
    let words: Vec<&str> = text.split_whitespace().collect();
    crate::golden::same_as_file("journal.sql", &(words.join(" ").replace("; ", ";\n") + "\n"));
}
