//! What people decide, on the real stack: a plan approved by the control socket, and one carried out by the command itself,
//! without a daemon.

use crate::auto::fail;
use crate::daemon::Daemon;
use crate::leaks::Leaks;
use crate::proxy::Proxy;
use crate::shared::{LONG, Shared, nothing, quick};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// How a command ended: exit status, standard output and error.
type Ended = (i32, String, String);

async fn run(arguments: &[&str], config: &Path) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_resumeguard"));
    command.arg("--config").arg(config).args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (said, error) = (text(output.stdout), text(output.stderr));
    Leaks::of_file(config).none_in(&format!("{arguments:?}"), &format!("{said}{error}"));
    (output.status.code().unwrap_or(-1), said, error)
}

/// A configuration file in which a person decides, with its state in a directory of its own.
fn configured(connect: &str) -> (tempfile::TempDir, std::path::PathBuf, String) {
    let directory = tempfile::tempdir().unwrap();
    let text = quick(connect).replace("[poll]", "managed_by = \"none\"\n[poll]");
    let state = directory.path().join("state");
    let text = format!("{text}[recovery]\nmode = \"approve\"\ndirectory = {state:?}\nstable_for = \"3s\"\n");
    // Other tests lose positions at the same time.
    let text = text + "mass_failure = 1000\nmass_failure_ratio = 1.0\n";
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
    let (_directory, config, text) = configured(shared.connect().url());
    let daemon = Daemon::start(&text);
    daemon.passes_until(&["connector_verdict{", "connector=\"approved\""]).await;
    fail(&shared, "approved").await;
    // While it was paused there was another plan, which nobody could approve any more.
    daemon.passes_until(&["connector_task_failed{", "connector=\"approved\"", "code=\"286\""]).await;
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
    let (_directory, config, _) = configured(shared.connect().url());
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
    // What was shown is what is decided on: paused since, it is another matter.
    let (code, shown, error) = run(&["recovery", "restore", &attempt, "--look"], &config).await;
    assert!(code == 0 && shown.contains("by-hand is running now"), "{code} {shown}{error}");
    let mark = shown.trim_end().rsplit(' ').next().unwrap();
    shared.connect().pause("by-hand").await.unwrap();
    shared.connect().wait_until("by-hand", LONG, |status| status.all("PAUSED")).await.unwrap();
    let (code, _, error) =
        run(&["recovery", "restore", &attempt, "--reason", "to see it", "--seen", mark], &config).await;
    assert!(code == 1 && error.contains("changed since this was shown; look again"), "{code} {error}");
    assert_eq!(shared.connect().offsets("by-hand").await.unwrap()[0].time(), before[0].time());
    shared.connect().resume("by-hand").await.unwrap();
    shared.connect().wait_until("by-hand", LONG, |status| status.all("RUNNING")).await.unwrap();
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

/// Ended in the middle, a command that acts itself says how the connector stands; the next one brings it to its end.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_ended_in_the_middle_is_gone_on_with_by_the_next() {
    let shared = Shared::take().await;
    shared.connector("broken-off", nothing()).await;
    let mut proxy = Proxy::start(shared.connect().url()).await;
    let (_directory, config, _) = configured(&proxy.url);
    fail(&shared, "broken-off").await;
    proxy.hold("PATCH /offsets");
    let mut command = Command::new(env!("CARGO_BIN_EXE_resumeguard"));
    command.arg("--config").arg(&config).args(["recovery", "run", "broken-off", "--reason", "pager 4711"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    proxy.held().await;
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let output = tokio::task::spawn_blocking(move || child.wait_with_output()).await.unwrap().unwrap();
    let says = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{says}");
    let last = says.lines().last().unwrap();
    assert!(last.contains("ended by SIGTERM") && last.contains("it stands STOPPED"), "{says}");
    assert!(last.contains("`resumeguard recovery run` or `restore` goes on with it"), "{says}");
    println!("{last}");
    proxy.release();
    let status = shared.connect().status("broken-off").await.unwrap().unwrap();
    assert_eq!(status.connector.state, "STOPPED");

    assert_eq!(run(&["freeze", "--reason", "first a look"], &config).await.0, 0);
    let (code, _, error) = run(&["recovery", "run", "broken-off", "--reason", "y"], &config).await;
    assert!(
        code == 1 && error.contains("recovery is frozen") && error.contains("it stands STOPPED"),
        "{error}"
    );
    assert_eq!(run(&["unfreeze", "--reason", "looked"], &config).await.0, 0);
    let (code, story, error) = run(&["recovery", "run", "broken-off", "--reason", "y"], &config).await;
    assert!(error.contains("is brought to its end first"), "{error}");
    assert!(
        code == 0 && story.contains("pager 4711") && story.contains("recovered"),
        "{code} {story}{error}"
    );
    shared.connect().wait_until("broken-off", LONG, |status| status.all("RUNNING")).await.unwrap();
    let (_, list, _) = run(&["recovery", "list", "--json"], &config).await;
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 1, "it is the same attempt: {list}");
}

/// By a file, by the command, over HTTP: a second later no step is begun any more.
#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_freeze_halts_an_attempt_within_a_second() {
    let shared = Shared::take().await;
    shared.connector("halted", nothing()).await;
    fail(&shared, "halted").await;
    let mut proxy = Proxy::start(shared.connect().url()).await;
    let (directory, config, text) = configured(&proxy.url);
    let token = "0123456789abcdef0123456789abcdef";
    let daemon = Daemon::start(&format!("{text}[http]\ntoken = \"{token}\"\n"));
    daemon.passes_until(&["recovery_plans{", "state=\"awaits_approval\"", "} 1"]).await;
    let file = directory.path().join("state/freeze");
    let over_http = async |verb: &str| {
        let url = format!("http://{}/api/v1/recovery/{verb}", daemon.address);
        let body = serde_json::json!({ "reason": "measured" });
        let answer = reqwest::Client::new().post(url).bearer_auth(token).json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
    };
    let ways = ["PUT /stop", "PATCH /offsets", "PUT /resume"];
    let changes = |proxy: &Proxy| {
        let calls = proxy.calls().into_iter().filter(|call| !call.starts_with("GET"));
        calls.collect::<Vec<_>>()
    };
    proxy.hold(ways[0]);
    let (path, by) = (config.clone(), ["recovery", "run", "halted", "--reason", "measured"]);
    let running = tokio::spawn(async move { run(&by, &path).await });
    for (number, way) in ways.iter().enumerate() {
        proxy.held().await;
        changes(&proxy);
        let begun = xtask::Stopwatch::start();
        match number {
            0 => std::fs::write(&file, "measured").unwrap(),
            1 => assert_eq!(run(&["freeze", "--reason", "measured"], &config).await.0, 0),
            _ => over_http("freeze").await,
        }
        let answered = begun.elapsed();
        tokio::time::sleep(Duration::from_secs(1).saturating_sub(answered)).await;
        let allowed = begun.elapsed();
        proxy.release();
        // Long enough for what follows, were it not frozen.
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(changes(&proxy), Vec::<String>::new(), "after {way}");
        println!("{way}: frozen, answered after {answered:?}; {allowed:?} later nothing more was sent");
        if let Some(next) = ways.get(number + 1) {
            proxy.hold(next);
        }
        match number {
            0 => std::fs::remove_file(&file).unwrap(),
            1 => assert_eq!(run(&["unfreeze", "--reason", "measured"], &config).await.0, 0),
            _ => over_http("unfreeze").await,
        }
    }
    let (code, story, error) = running.await.unwrap();
    assert_eq!(code, 0, "{story}{error}");
    shared.connect().wait_until("halted", LONG, |status| status.all("RUNNING")).await.unwrap();
}
