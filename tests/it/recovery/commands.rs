//! The commands without a daemon: the journal is enough for them.

use super::{desk, sample};
use crate::cli::{Run, resumeguard};
use resumeguard::clock::Clock;
use resumeguard::journal::Journal;
use std::path::Path;

async fn run(directory: &Path, arguments: &[&str]) -> Run {
    let state = directory.display().to_string();
    let line = resumeguard(&[arguments, &["--state", &state]].concat());
    tokio::task::spawn_blocking(move || line.run()).await.unwrap()
}

#[track_caller]
fn ended(run: &Run, code: i32, says: &str) {
    assert_eq!(run.code, code, "{run:?}");
    assert!(run.stdout.contains(says) || run.stderr.contains(says), "{says} in {run:?}");
    assert!(run.stderr.lines().count() <= 1, "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn freezing_needs_only_the_journal() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let frozen = run(at, &["freeze", "--reason", "rain"]).await;
    ended(&frozen, 0, "recovery is frozen: uid ");
    let elsewhere =
        format!("no daemon answers in {}: this holds for the next one that starts there", at.display());
    assert_eq!(frozen.stderr.trim_end(), elsewhere, "nobody may believe that a daemon elsewhere has stopped");
    let journal = Journal::open(at, Clock::start()).await.unwrap();
    let (by, reason) = journal.ledger().frozen.clone().unwrap();
    assert!(by.to_string().starts_with("uid ") && reason == "rain", "{by} {reason}");
    // Whoever holds the journal without answering is not pushed aside.
    let refused = run(at, &["unfreeze", "--reason", "sun"]).await;
    assert!(
        refused.code == 69 && refused.stderr.contains("another resumeguard keeps its journal"),
        "{refused:?}"
    );
    journal.close().await;
    ended(&run(at, &["unfreeze", "--reason", "sun"]).await, 0, "recovery is not frozen");
    std::fs::write(at.join("freeze"), "by hand\n").unwrap();
    ended(&run(at, &["unfreeze", "--reason", "sun"]).await, 1, "still frozen");
    ended(&run(at, &["unfreeze", "--reason", "sun"]).await, 1, "by hand");
    assert_eq!(run(at, &["freeze"]).await.code, 64, "nobody freezes without a reason");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_is_told_from_the_journal() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    ended(&run(at, &["recovery", "list"]).await, 0, "no recovery was attempted");
    ended(&run(at, &["recovery", "show", "a1"]).await, 1, "no recovery was attempted");
    assert_eq!(std::fs::read_dir(at).unwrap().count(), 0, "to ask begins no journal");
    let journal = Journal::open(at, Clock::start()).await.unwrap();
    for event in sample::events() {
        journal.append(event).await.unwrap();
    }
    journal.close().await;
    let list = run(at, &["recovery", "list"]).await;
    ended(&list, 0, "needs_person");
    assert_eq!(list.stdout.lines().count(), 4, "{list:?}");
    let json = run(at, &["recovery", "list", "--json"]).await;
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&json[0]["attempt"], &json[2]["outcome"]), (&"a3".into(), &"recovered".into()), "{json}");
    let shown = run(at, &["recovery", "show", "a1"]).await;
    ended(&shown, 0, "resumeguard recovery restore a1 --reason");
    assert!(shown.stdout.contains("2023-11-14T22:13:20Z to 2023-11-14T23:17:20Z, 1h 4m"), "{shown:?}");
    assert!(!shown.stdout.contains("hunter2") && !shown.stdout.contains("8265"), "{shown:?}");
    let json = run(at, &["recovery", "show", "a1", "--json"]).await;
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&json["attempt"], &json["steps"][1]["step"]), (&"a1".into(), &"stop".into()), "{json}");
    ended(&run(at, &["recovery", "show", "a9"]).await, 1, "no attempt a9");
    let who = "orders \"eu\"\\";
    ended(&run(at, &["recovery", "acknowledge", who, "--reason", "seen"]).await, 0, "may be made again");
    ended(&run(at, &["recovery", "acknowledge", "nobody", "--reason", "seen"]).await, 1, "no attempt");
    let journal = Journal::open(at, Clock::start()).await.unwrap();
    let ledger = journal.ledger();
    assert!(
        ledger.acknowledged.contains_key(&sample::plans()[0].plan.connector),
        "{:?}",
        ledger.acknowledged
    );
}

/// Where there is nothing to read, or nobody may read it, nobody says that nothing was done.
#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_is_not_there_is_no_empty_journal() {
    let directory = tempfile::tempdir().unwrap();
    let elsewhere = directory.path().join("nosuch");
    for command in [&["recovery", "list"][..], &["recovery", "list", "--json"], &["recovery", "show", "a1"]] {
        let asked = run(&elsewhere, command).await;
        ended(&asked, 78, "there is no directory");
        assert!(asked.stdout.is_empty() && asked.stderr.contains("--state DIR"), "{asked:?}");
    }
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert_eq!(run(&file, &["recovery", "list"]).await.code, 69);
    assert!(!elsewhere.exists(), "to ask makes nothing");
}

/// Recovery that was switched off has its story all the same.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_is_told_though_recovery_is_off_by_now() {
    let directory = tempfile::tempdir().unwrap();
    let (at, config) = (directory.path(), directory.path().join("off.toml"));
    std::fs::write(&config, "[recovery]\nmode = \"off\"\n").unwrap();
    let off = |more: &[&'static str]| {
        [&["--config", config.to_str().unwrap()], more]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let asked = async |more: &[&'static str]| {
        let arguments = off(more);
        run(at, &arguments.iter().map(String::as_str).collect::<Vec<_>>()).await
    };
    ended(&asked(&["recovery", "list"]).await, 0, "no recovery was attempted");
    let journal = Journal::open(at, Clock::start()).await.unwrap();
    for event in sample::events() {
        journal.append(event).await.unwrap();
    }
    journal.close().await;
    ended(&asked(&["recovery", "list"]).await, 0, "needs_person");
    ended(&asked(&["recovery", "show", "a1"]).await, 0, "resumeguard recovery restore a1 --reason");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_daemon_there_is_no_plan_to_decide_on() {
    let directory = tempfile::tempdir().unwrap();
    for verb in ["approve", "discard"] {
        let run = run(directory.path(), &["recovery", verb, "1a2b3c4d5e6f", "--reason", "x"]).await;
        ended(&run, 69, "resumeguard recovery run CONNECTOR");
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_directory_there_is_nobody_to_ask() {
    for arguments in [
        &["freeze", "--reason", "x"][..],
        &["recovery", "list"],
        &["recovery", "approve", "x", "--reason", "y"],
    ] {
        let line = resumeguard(arguments);
        let run = tokio::task::spawn_blocking(move || line.run()).await.unwrap();
        ended(&run, 78, "add --state DIR");
    }
}

/// A desk elsewhere in this process holds the journal: nobody acts beside it.
#[tokio::test(flavor = "multi_thread")]
async fn two_desks_never_act_in_one_directory() {
    let (directory, held) = desk("").await;
    ended(&run(directory.path(), &["recovery", "list"]).await, 69, "another resumeguard keeps its journal");
    held.close().await;
    ended(&run(directory.path(), &["recovery", "list"]).await, 0, "no recovery was attempted");
}
