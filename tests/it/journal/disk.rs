//! A disk that is full or read-only: a real one, in a name space of its own.

use super::{file_in, frozen, opened};
use resumeguard::clock::Clock;
use resumeguard::journal::Journal;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const DIRECTORY: &str = "RESUMEGUARD_TEST_DISK";

/// Runs that test, on a small file system that nobody else sees.
fn run_on_a_small_disk(test: &str) {
    let directory = tempfile::tempdir().unwrap();
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-ec"])
        .arg(r#"mount -t tmpfs -o size=256k tmpfs "$1"; shift; exec "$@""#)
        .arg("sh")
        .arg(directory.path())
        .arg(std::env::current_exe().unwrap())
        .args([test, "--exact", "--ignored", "--nocapture"])
        .env(DIRECTORY, directory.path())
        .output()
        .unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // Some systems let nobody but root have a name space; elsewhere, what is to be shown is shown.
    if !said.contains("running 1 test") {
        println!("not shown, since no file system can be mounted here: {said}");
        return;
    }
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn a_full_disk_takes_no_entry_and_the_ledger_is_not_ahead() {
    run_on_a_small_disk("journal::disk::full");
}

#[test]
fn a_read_only_disk_takes_no_entry() {
    run_on_a_small_disk("journal::disk::read_only");
}

fn fill(path: &Path) {
    let mut size = 1 << 20;
    while size > 0 {
        let block = vec![0; size];
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        if std::io::Write::write_all(&mut file, &block).is_err() {
            size /= 2;
        }
    }
}

async fn writable_again(journal: &Journal) {
    for _attempt in 0..2_000 {
        if journal.problem().is_none() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("still {:?}", journal.problem());
}

#[tokio::test]
#[ignore = "run by a test above"]
async fn full() {
    let Some(disk) = std::env::var_os(DIRECTORY).map(std::path::PathBuf::from) else { return };
    let directory = disk.join("state");
    let journal = opened(&directory).await;
    let ballast = disk.join("ballast");
    fill(&ballast);
    let before = journal.ledger();
    for _attempt in 0..3 {
        let error = journal.append(frozen(&"x".repeat(9_000))).await.unwrap_err().to_string();
        assert!(error.contains("full") && error.contains("free space on its disk"), "{error}");
        assert_eq!(journal.problem().as_deref(), Some(error.as_str()));
        assert_eq!(*journal.ledger(), *before);
    }
    // Another that finds it full is refused as well.
    let other = disk.join("other");
    let error = Journal::open(&other, Clock::start()).await.unwrap_err().to_string();
    assert!(error.contains("free space on its disk") || error.contains("No space left"), "{error}");
    std::fs::remove_file(ballast).unwrap();
    writable_again(&journal).await;
    assert_eq!(journal.append(frozen("there is room")).await.unwrap().seq, 2);
    journal.close().await;
    let ledger = opened(&directory).await.ledger();
    assert_eq!(ledger.frozen.as_ref().unwrap().1, "there is room");
}

#[tokio::test]
#[ignore = "run by a test above"]
async fn read_only() {
    let Some(disk) = std::env::var_os(DIRECTORY).map(std::path::PathBuf::from) else { return };
    let directory = disk.join("state");
    let remount = |how: &str| {
        let done = Command::new("mount").args(["-o", how]).arg(&disk).status().unwrap();
        assert!(done.success(), "{how}");
    };
    opened(&directory).await.close().await;
    remount("remount,ro");
    let error = Journal::open(&directory, Clock::start()).await.unwrap_err().to_string();
    assert!(error.contains("cannot be opened: Read-only file system"), "{error}");
    assert!(error.contains("make its directory writable for this user"), "{error}");
    remount("remount,rw");
    let journal = opened(&directory).await;
    assert_eq!(journal.append(frozen("writable")).await.unwrap().seq, 2);
    assert!(file_in(&directory).exists());
}
