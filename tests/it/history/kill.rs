//! Killed at any moment, the real program leaves a whole file behind.

use super::{file_in, number};
use crate::fake_connect::{FakeConnect, listing_of, offsets};
use resumeguard::clock::Clock;
use rusqlite::{Connection, OptionalExtension as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const ROUNDS: u64 = 30;

/// It says nothing that could be looked at for `leaks`.
fn daemon(url: &str, directory: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_resumeguard"))
        .args(["run", "--connect", url])
        .env_remove("RUST_LOG")
        .env("RESUMEGUARD__HTTP__LISTEN", "127.0.0.1:0")
        .env("RESUMEGUARD__POLL__INTERVAL", "100ms")
        .env("RESUMEGUARD__HISTORY__DIRECTORY", directory)
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The moments are random: in every third life from its beginning, where the file is opened, in the others once it writes.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_moments_the_file_is_whole() {
    let names = ["first", "second", "third"];
    let fake =
        FakeConnect::start(listing_of(&names, "mongodb://127.0.0.1:9/?replicaSet=rs0"), offsets(&[])).await;
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    let (mut newest, mut seed) = (0, Clock::start().since_1970().subsec_nanos().into());
    println!("seed {seed}");
    for round in 0..ROUNDS {
        let mut child = daemon(&fake.url, &state);
        seed = next(seed);
        if round % 3 > 0 {
            written_to(&state).await;
        }
        tokio::time::sleep(Duration::from_micros(seed % 1_000_000)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        newest = check_whole(&state, newest, round);
    }
    // Every life that was waited for wrote something, or nothing was tested.
    assert!(newest > i64::try_from(ROUNDS / 2).unwrap(), "{newest} passes");
    println!("{newest} passes written in {ROUNDS} lives");
}

/// Waits until this life writes: looking at the file after the last one has left no log beside it.
async fn written_to(state: &Path) {
    for _attempt in 0..20_000 {
        if std::fs::metadata(state.join("history.db-wal")).is_ok_and(|log| log.len() > 0) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it wrote nothing for twenty seconds");
}

/// Splitmix's step: good enough to spread the moments.
pub(crate) fn next(seed: u64) -> u64 {
    let mixed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed ^ (mixed >> 27)
}

/// Nothing half-written, nothing lost that an earlier life had written. The newest pass.
fn check_whole(state: &Path, before: i64, round: u64) -> i64 {
    let file = file_in(state);
    if !file.exists() || std::fs::metadata(&file).unwrap().len() == 0 {
        assert_eq!(before, 0, "round {round}: it is gone");
        return 0;
    }
    let connection = Connection::open(&file).unwrap();
    let check: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok", "round {round}");
    let tables = number(&file, "SELECT count(*) FROM sqlite_schema");
    if tables == 0 {
        assert_eq!(before, 0, "round {round}: the tables are gone");
        return 0;
    }
    // The first pass of a life may have run into its deadlines, and know no name yet: it says how many it knew.
    for sql in [
        "SELECT count(*) FROM pass p WHERE connectors != (SELECT count(*) FROM sample s WHERE s.pass = p.id)",
        "SELECT count(*) FROM pass WHERE connectors NOT IN (0, 3)",
        "SELECT count(*) FROM sample WHERE pass NOT IN (SELECT id FROM pass)",
        "SELECT count(*) FROM sample WHERE connector NOT IN (SELECT id FROM connector)",
        "SELECT count(*) FROM verdict_change WHERE connector NOT IN (SELECT id FROM connector)",
    ] {
        assert_eq!(number(&file, sql), 0, "round {round}: {sql}");
    }
    let json: Option<String> =
        connection.query_row("SELECT json FROM memory", [], |row| row.get(0)).optional().unwrap();
    let newest = number(&file, "SELECT coalesce(max(id), 0) FROM pass");
    assert_eq!(json.is_some(), newest > 0, "round {round}: the memory goes with the pass");
    if let Some(json) = json {
        serde_json::from_str::<resumeguard_core::assess::Memory>(&json).unwrap();
    }
    assert!(newest >= before, "round {round}: {newest} after {before}");
    newest
}
