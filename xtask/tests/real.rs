//! The stack's own promises, on the real parts.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::process::Command;
use std::time::Duration;

use mongodb::bson::doc;
use serde_json::json;
use xtask::{MemberSpec, Progress, ReplicaSet, ReplicaSetSpec, Stack, StackSpec, remains, source_config};

const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_set_with_access_control_hides_local_from_an_ordinary_user() {
    let set = ReplicaSet::start(ReplicaSetSpec::default().with_root("root", "secret")).await.unwrap();
    let roles = vec![doc! { "role": "readAnyDatabase", "db": "admin" }];
    set.mongo().create_user("connector", "pw", roles).await.unwrap();
    let user = xtask::Mongo::connect(&set.uri_as("connector", "pw")).await.unwrap();
    user.collection("shop.orders").unwrap().find_one(doc! {}).await.unwrap();
    let refused = format!("{:#}", user.first().await.unwrap_err());
    assert!(refused.contains("not authorized"), "{refused}");
    assert!(set.mongo().first().await.unwrap() <= set.mongo().last().await.unwrap());
}

#[tokio::test]
async fn members_can_be_hidden_arbiters_stopped_and_stepped_down() {
    let hidden = MemberSpec { priority: 0.0, hidden: true, ..MemberSpec::default() };
    let arbiter = MemberSpec { arbiter: true, ..MemberSpec::default() };
    let mut spec = ReplicaSetSpec::of(2).with_test_commands();
    spec.members.extend([hidden, arbiter]);
    let set = ReplicaSet::start(spec).await.unwrap();
    assert!(set.uri().matches("127.0.0.1").count() == 2, "{}", set.uri());
    let before = set.primary().await.unwrap();
    set.mongo().step_down().await.unwrap();
    let after = set.primary().await.unwrap();
    assert_ne!(before, after);
    set.member(2).await.unwrap().first().await.unwrap();
    set.stop_member(before).unwrap();
    set.mongo().insert("shop.orders", doc! { "number": 1 }).await.unwrap();
    set.start_member(before).await.unwrap();
    set.kill_member(after).unwrap();
    set.start_member(after).await.unwrap();
}

#[tokio::test]
async fn a_connector_stores_a_token_that_the_oplog_leaves_behind() {
    let stack = Stack::start(StackSpec::unique("xtask"), &Progress::silent()).await.unwrap();
    let (mongo, connect) = (stack.mongod(), stack.connect().unwrap());
    // A blank and a `#` must survive the way through the URL.
    let name = "an idle #1";
    connect.put_config(name, &source_config(mongo.uri(), "shop.orders", &json!({}))).await.unwrap();
    connect.wait_until(name, LIMIT, |status| status.all("RUNNING")).await.unwrap();
    let stored = async { connect.wait_until_stored(name, LIMIT, |_| true).await.unwrap() };
    let insert = async {
        loop {
            mongo.insert("shop.orders", doc! { "number": 1 }).await.unwrap();
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    let stored = tokio::select! { stored = stored => stored, () = insert => unreachable!() };
    let last = mongo.last().await.unwrap();
    assert!(mongo.first().await.unwrap() < stored && stored <= last);
    assert!(mongo.roll_oplog_past(last).await.unwrap() > stored);

    let attached = Stack::attach(stack.folder()).await.unwrap();
    assert_eq!(attached.connect_url().unwrap(), stack.connect_url().unwrap());
    assert!(attached.replica_set().is_err(), "an attached stack is not ours to change");
    drop(attached);

    stack.stop_worker(0).unwrap();
    stack.start_worker(0).await.unwrap();
    connect.wait_until(name, LIMIT, |status| status.failed_with(286)).await.unwrap();
    connect.stop(name).await.unwrap();
    connect.wait_until(name, LIMIT, |status| status.connector.state == "STOPPED").await.unwrap();
    connect.delete_offsets(name).await.unwrap();
    connect.delete(name).await.unwrap();
    assert_eq!(connect.names().await.unwrap(), Vec::<String>::new());

    let (folder, book) = (stack.folder().to_owned(), stack.book().unwrap());
    drop(stack);
    assert_eq!(remains(&folder, &book), Vec::<String>::new());
}

/// Rows of the detection matrix that take little; the whole of it is `cargo xtask matrix`.
const QUICK_ROWS: [&str; 6] =
    ["pause_restart", "pause_resume", "idle", "malformed", "namespace_changed", "future"];

/// Runs a command of `cargo xtask` on the stack that `cargo xtask test` has brought up, where there is one.
fn xtask(arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(arguments);
    if let Some(stack) = std::env::var_os("RESUMEGUARD_TEST_STACK") {
        command.arg("--stack").arg(stack);
    }
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    (output.status.code(), said.concat())
}

/// One after the other: they build the program, and what is built beside the first costs it its deadlines.
#[test]
fn the_matrices_hold_in_their_short_forms() {
    detects();
    outlives_kills();
    older_and_newer_parts_do_what_was_foretold();
}

/// Killed at the moments at which a second try would do harm, nothing is done twice and nothing stays half done.
fn outlives_kills() {
    let (code, said) = xtask(&["kill-matrix", "--short"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("4 of 4 as they must be"), "{said}");
    println!("{said}");
}

/// Faults are detected in time, and nothing is raised on healthy connectors.
fn detects() {
    let matrix = |rows: &[&str]| xtask(&[&["matrix", "--only"], rows].concat());
    let (code, said) = matrix(&["no such row"]);
    assert!(code == Some(1) && said.contains("no row is called like no such row"), "{code:?} {said}");
    let (code, said) = matrix(&QUICK_ROWS);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("11 of 11 as expected") && said.contains(" 0 alarms"), "{said}");
}

/// Two combinations of versions; all of them are `cargo xtask compat`.
fn older_and_newer_parts_do_what_was_foretold() {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask")).args(["compat", "--short"]).output().unwrap();
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("2 of 2 combinations as foretold"), "{said}");
}

/// Started while everything is down, the daemon is right as soon as everything is up; the other five orders are `cargo xtask start-order`.
#[test]
fn the_order_of_starts_does_not_matter() {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask")).args(["start-order", "--short"]).output().unwrap();
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success() && said.contains("1 of 1 as they must be"), "{said}");
    println!("{said}");
}
