//! Stacks made of `sleep`: claimed, written down, stopped, left behind and swept.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use xtask::{Book, Cache, Deadline, Identity, Progress, Roster, Start, processes_of, remains, stacks, sweep};

/// A cache of its own for each test, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(test: &str) -> (Self, Cache) {
        let folder = std::env::temp_dir().join(format!("resumeguard-roster-{test}-{}", std::process::id()));
        (Self(folder.clone()), Cache::at(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn sleeper(role: &str) -> Start {
    let mut command = Command::new("sleep");
    command.arg("300");
    Start { role: role.to_owned(), command, ports: vec![], data: None }
}

/// Starts one and waits until its environment can be seen: the kernel shows it a moment after the program's start.
fn started(roster: &Roster, role: &str) -> Identity {
    let identity = roster.spawn(sleeper(role)).unwrap();
    let deadline = Deadline::after(Duration::from_secs(10));
    while !processes_of(roster.folder()).contains(&identity) {
        assert!(!deadline.passed(), "{role} does not carry the mark");
    }
    identity
}

/// What a killed run leaves behind: the book names an owner that is gone. The processes live on.
fn orphan(roster: Roster) -> PathBuf {
    let folder = roster.folder().to_owned();
    let mut book = roster.book();
    roster.detach().unwrap();
    let owner = book.owner.unwrap();
    book.owner = Some(Identity { started: owner.started - 1, ..owner });
    fs::write(folder.join("stack.json"), serde_json::to_vec(&book).unwrap()).unwrap();
    folder
}

#[test]
fn what_is_written_is_read_again() {
    let (_scratch, cache) = Scratch::new("round-trip");
    let roster = Roster::claim(&cache, "one").unwrap();
    let identity = roster.spawn(Start { ports: vec![1, 2], ..sleeper("kafka") }).unwrap();
    roster.publish(|services| services.kafka = Some("127.0.0.1:1".to_owned())).unwrap();
    let book = Book::read(roster.folder()).unwrap();
    assert_eq!(book, roster.book());
    assert_eq!(book.owner, Some(Identity::current().unwrap()));
    assert_eq!((book.processes[0].identity, &book.processes[0].ports[..]), (identity, &[1, 2][..]));
    assert_eq!(book.services.kafka.as_deref(), Some("127.0.0.1:1"));
}

#[test]
fn a_dropped_stack_leaves_nothing() {
    let (_scratch, cache) = Scratch::new("drop");
    let roster = Roster::claim_unique(&cache, "test").unwrap();
    let identity = started(&roster, "mongod-0");
    let (folder, book) = (roster.folder().to_owned(), roster.book());
    assert_eq!(remains(&folder, &book).len(), 3, "twice the process and the folder");
    drop(roster);
    assert!(!identity.is_alive());
    assert_eq!(remains(&folder, &book), Vec::<String>::new());
}

#[test]
fn a_name_is_claimed_once() {
    let (_scratch, cache) = Scratch::new("claim");
    let first = Roster::claim(&cache, "one").unwrap();
    assert!(Roster::claim(&cache, "one").unwrap_err().to_string().contains("already"));
    assert!(Roster::claim(&cache, "../one").is_err());
    drop(first);
    Roster::claim(&cache, "one").unwrap();
}

#[test]
fn a_stopped_part_can_be_started_again() {
    let (_scratch, cache) = Scratch::new("restart");
    let roster = Roster::claim(&cache, "one").unwrap();
    let first = started(&roster, "connect-0");
    roster.stop("connect-0").unwrap();
    assert!(!first.is_alive());
    assert!(roster.stop("connect-0").is_err());
    let second = started(&roster, "connect-0");
    roster.kill("connect-0").unwrap();
    assert!(!second.is_alive());
}

#[test]
fn leftovers_are_swept_and_living_stacks_are_not() {
    let (_scratch, cache) = Scratch::new("sweep");
    let ours = Roster::claim(&cache, "ours").unwrap();
    let ours_process = started(&ours, "kafka");
    let detached = Roster::claim(&cache, "detached").unwrap();
    let detached_process = started(&detached, "kafka");
    detached.detach().unwrap();
    drop(detached);
    let left = Roster::claim(&cache, "left").unwrap();
    let left_process = started(&left, "kafka");
    let folder = orphan(left);

    assert_eq!(sweep(&cache, &Progress::silent()).unwrap(), ["left"]);
    assert!(!left_process.is_alive() && !folder.exists());
    assert!(ours_process.is_alive() && detached_process.is_alive());
    let names: Vec<String> = stacks(&cache).unwrap().into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, ["detached", "ours"]);

    // Once nothing of it runs any more, a detached stack is a leftover too.
    xtask::stop(&[detached_process], Duration::from_secs(5)).unwrap();
    assert_eq!(sweep(&cache, &Progress::silent()).unwrap(), ["detached"]);
}

#[test]
fn a_process_that_was_not_written_down_is_swept_too() {
    let (_scratch, cache) = Scratch::new("unwritten");
    let roster = Roster::claim(&cache, "one").unwrap();
    let process = started(&roster, "kafka");
    let folder = orphan(roster);
    let mut book = Book::read(&folder).unwrap();
    book.processes.clear();
    fs::write(folder.join("stack.json"), serde_json::to_vec(&book).unwrap()).unwrap();
    assert_eq!(sweep(&cache, &Progress::silent()).unwrap(), ["one"]);
    assert!(!process.is_alive());
}

#[test]
fn a_half_made_claim_of_a_dead_process_is_swept() {
    let (_scratch, cache) = Scratch::new("half");
    let me = Identity::current().unwrap();
    let alive = cache.stacks().join(format!(".new-{}-{}-a", me.pid, me.started));
    let dead = cache.stacks().join(format!(".new-{}-{}-b", me.pid, me.started - 1));
    fs::create_dir_all(&alive).unwrap();
    fs::create_dir_all(&dead).unwrap();
    assert_eq!(sweep(&cache, &Progress::silent()).unwrap().len(), 1);
    assert!(alive.exists() && !dead.exists());
}
