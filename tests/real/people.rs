//! What people decide, on the real stack: a plan approved by the control socket, and one carried out by the command itself,
//! without a daemon.

use crate::auto::fail;
use crate::daemon::Daemon;
use crate::shared::{LONG, Shared, nothing, quick};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// How a command ended: exit status, standard output and error.
type Ended = (i32, String, String);

async fn run(arguments: &[&str], config: &Path) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_resumeguard"));
    command.arg("--config").arg(config).args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

/// A configuration file in which a person decides, with its state in a directory of its own.
fn configured(shared: &Shared) -> (tempfile::TempDir, std::path::PathBuf, String) {
    let directory = tempfile::tempdir().unwrap();
    let text = quick(shared.connect().url()).replace("[poll]", "managed_by = \"none\"\n[poll]");
    let state = directory.path().join("state");
    let text = format!("{text}[recovery]\nmode = \"approve\"\ndirectory = {state:?}\nstable_for = \"3s\"\n");
    let file = directory.path().join("resumeguard.toml");
    std::fs::write(&file, &text).unwrap();
    (directory, file, text)
}

/// The plan for this connector, as `recovery plan --json` tells it.
async fn plan(config: &Path, name: &str) -> Value {
    let (code, plans, error) = run(&["recovery", "plan", name, "--json"], config).await;
    assert_eq!(code, 0, "{error}");
    let overview: Value = serde_json::from_str(&plans).unwrap();
    overview["plans"][0]["plan"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_carried_out_once_a_person_has_approved_it() {
    let shared = Shared::take().await;
    shared.connector("approved", nothing()).await;
    let (_directory, config, text) = configured(&shared);
    let daemon = Daemon::start(&text);
    daemon.passes_until(&["connector_verdict{", "connector=\"approved\""]).await;
    fail(&shared, "approved").await;
    daemon.passes_until(&["recovery_plans{", "state=\"awaits_approval\"", "} 1"]).await;
    let plan = plan(&config, "approved").await;
    assert_eq!((&plan["strategy"], &plan["state"]), (&"salvage".into(), &"awaits_approval".into()), "{plan}");
    let id = plan["id"].as_str().unwrap();
    assert!(
        shared.connect().status("approved").await.unwrap().unwrap().failed_with(286),
        "nothing was done yet"
    );

    let (code, told, error) = run(&["recovery", "approve", id, "--reason", "the team agrees"], &config).await;
    assert_eq!(code, 0, "{told}{error}");
    daemon.passes_until(&["recovery_last_success_timestamp_seconds "]).await;
    shared.connect().wait_until("approved", LONG, |status| status.all("RUNNING")).await.unwrap();
    let (_, list, _) = run(&["recovery", "list", "--json"], &config).await;
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
    assert_eq!(
        (&list[0]["outcome"], &list[0]["reason"]),
        (&"recovered".into(), &"the team agrees".into()),
        "{list}"
    );
    assert!(list[0]["by"].as_str().unwrap().starts_with("uid "), "{list}");
    assert!(list[0]["lost"]["seconds"].as_i64().unwrap() >= 0, "what is lost is said: {list}");
    let (code, story, _) = run(&["recovery", "show", list[0]["attempt"].as_str().unwrap()], &config).await;
    assert!(
        code == 0 && story.contains("the team agrees") && story.contains("store a high-water mark"),
        "{story}"
    );
    assert!(!story.contains("_data"), "{story}");
    println!("{story}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_daemon_the_command_carries_it_out_itself() {
    let shared = Shared::take().await;
    shared.connector("by-hand", nothing()).await;
    let (_directory, config, _) = configured(&shared);
    let (code, refused, error) = run(&["recovery", "run", "by-hand", "--reason", "x"], &config).await;
    assert_eq!(code, 1, "it is in no trouble: {refused}{error}");
    fail(&shared, "by-hand").await;
    let (code, frozen, _) = run(&["freeze", "--reason", "not yet"], &config).await;
    assert_eq!(code, 0, "{frozen}");
    let (code, _, error) = run(&["recovery", "run", "by-hand", "--reason", "x"], &config).await;
    assert!(code == 1 && error.contains("recovery is frozen"), "{error}");
    assert!(shared.connect().status("by-hand").await.unwrap().unwrap().failed_with(286), "nothing was done");
    assert_eq!(run(&["unfreeze", "--reason", "now"], &config).await.0, 0);
    let begun = xtask::Stopwatch::start();
    let (code, story, error) = run(&["recovery", "run", "by-hand", "--reason", "pager 4711"], &config).await;
    assert!(
        code == 0 && story.contains("recovered") && story.contains("pager 4711"),
        "{code} {story}{error}"
    );
    println!("by a command alone, two passes included: {:.1} s\n{story}", begun.elapsed().as_secs_f64());
    assert!(shared.connect().status("by-hand").await.unwrap().unwrap().all("RUNNING"));
    let (_, list, _) = run(&["recovery", "list"], &config).await;
    assert!(list.contains("main/by-hand") && list.contains("recovered"), "{list}");
    let attempt = list.lines().nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    let before = shared.connect().offsets("by-hand").await.unwrap();
    let (code, story, error) =
        run(&["recovery", "restore", &attempt, "--reason", "to see it"], &config).await;
    println!("{story}");
    // What it restores is lost: the connector fails of it again, and gets back what it had.
    assert!(code == 1 && story.contains(", put_back\n"), "{code} {story}{error}");
    assert!(story.contains(&format!("restores  {attempt}")), "{story}");
    let after = shared.connect().offsets("by-hand").await.unwrap();
    assert!(after[0].time() >= before[0].time(), "{before:?} {after:?}");
    shared.connect().wait_until("by-hand", LONG, |status| status.all("RUNNING")).await.unwrap();
}
