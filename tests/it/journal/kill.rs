//! Killed at any moment, what was acknowledged is in the file, and the file is whole.

use super::{every_event, file_in, opened, texts};
use resumeguard::clock::Clock;
use resumeguard_core::recovery::Ledger;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};
use std::time::Duration;

const LIVES: u64 = 30;
const DIRECTORY: &str = "RESUMEGUARD_TEST_JOURNAL";

/// Not a test: the process that is killed. Says the number of every entry once it is acknowledged.
#[tokio::test]
#[ignore = "run by the test below"]
async fn writer() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let journal = opened(directory.as_ref()).await;
    loop {
        for event in every_event() {
            let entry = journal.append(event).await.unwrap();
            println!("acknowledged {}", entry.seq);
        }
    }
}

/// The moments are random: in every third life from its beginning, where the file is opened, in the others once it writes.
#[tokio::test]
async fn killed_at_random_moments_nothing_acknowledged_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    let (mut seed, mut newest): (u64, u64) = (Clock::start().since_1970().subsec_nanos().into(), 0);
    println!("seed {seed}");
    for life in 0..LIVES {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["journal::kill::writer", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
            .env(DIRECTORY, directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut text = String::new();
        while life % 3 > 0 && !text.contains("acknowledged") {
            assert!(said.read_line(&mut text).unwrap() > 0, "it ended by itself: {text}");
        }
        seed = crate::history::kill::next(seed);
        tokio::time::sleep(Duration::from_micros(seed % 100_000)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        said.read_to_string(&mut text).unwrap();
        newest = check_whole(directory.path(), newest, &text, life).await;
    }
    // Every life that was waited for wrote something, or nothing was tested.
    assert!(newest > LIVES / 2, "{newest} entries");
    println!("{newest} entries written in {LIVES} lives");
}

/// The newest entry.
async fn check_whole(directory: &std::path::Path, before: u64, said: &str, life: u64) -> u64 {
    let numbers = said.lines().filter_map(|line| line.rsplit_once("acknowledged ")?.1.parse().ok());
    let acknowledged: u64 = numbers.max().unwrap_or(0);
    let file = file_in(directory);
    // Opening it checks its structure, and that every entry is there and is understood.
    let journal = opened(directory).await;
    let newest: u64 = texts(&file, "SELECT max(seq) FROM entry")[0].parse().unwrap();
    assert!(newest >= acknowledged.max(before), "life {life}: {newest}, acknowledged {acknowledged}");
    assert!(newest <= acknowledged.max(before).max(1) + 1, "life {life}: one entry at most is unknown");
    assert_ne!(*journal.ledger(), Ledger::default(), "life {life}");
    journal.close().await;
    newest
}
