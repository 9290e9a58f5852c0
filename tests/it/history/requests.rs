//! The endpoint and `explain`, with the real program; and a disk that takes no more.

use crate::cli::{Run, resumeguard};
use crate::fake_connect::{FakeConnect, listing, offsets};
use crate::leaks::Leaks;
use resumeguard::history::Story;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const URI: &str = "mongodb://127.0.0.1:9/?replicaSet=rs0";

/// A running daemon; killed when it is dropped.
struct Daemon {
    child: Child,
    address: String,
    log: Option<std::thread::JoinHandle<String>>,
    leaks: Leaks,
}

impl Daemon {
    /// `limit` is the largest file it may write, in blocks of 512 bytes; writing more fails as on a full disk.
    fn start(url: &str, directory: &str, limit: &str) -> Self {
        let script = format!("trap '' XFSZ; ulimit -f {limit}; exec \"$0\" run --connect \"$1\"");
        let mut child = Command::new("/bin/sh")
            .args(["-c", &script, env!("CARGO_BIN_EXE_resumeguard"), url])
            .env_remove("RUST_LOG")
            .env("RESUMEGUARD__HTTP__LISTEN", "127.0.0.1:0")
            .env("RESUMEGUARD__POLL__INTERVAL", "500ms")
            .env("RESUMEGUARD__HISTORY__DIRECTORY", directory)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let address =
            first.split("listen=").nth(1).and_then(|rest| rest.split(' ').next()).unwrap().to_owned();
        let log = std::thread::spawn(move || {
            lines.map_while(Result::ok).fold(String::new(), |log, line| log + &line + "\n")
        });
        let mut leaks = Leaks::default();
        leaks.connect(url);
        Self { child, address, log: Some(log), leaks }
    }

    async fn get(&self, path: &str) -> (u16, serde_json::Value) {
        let _first = rustls::crypto::ring::default_provider().install_default().is_ok();
        let response = reqwest::get(format!("http://{}{path}", self.address)).await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap_or_default())
    }

    /// Asks until the answer is as wanted.
    async fn until(&self, path: &str, wanted: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        let mut last = Default::default();
        for _attempt in 0..300 {
            last = self.get(path).await.1;
            if wanted(&last) {
                return last;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{path}: {last}");
    }

    /// Stops it in an orderly way; its log.
    fn stop(mut self) -> String {
        self.leaks.sweep(&self.address, "");
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
        let log = self.log.take().unwrap().join().unwrap();
        self.leaks.nor_tokens_in("the log", &log);
        log
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Already ended where the test went well.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn cluster(url: &str) -> &str {
    url.trim_start_matches("http://")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_endpoint_and_explain_tell_what_was_seen_with_a_daemon_and_without() {
    let fake = FakeConnect::start(listing("orders", URI), offsets(&[])).await;
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().display().to_string();
    let daemon = Daemon::start(&fake.url, &state, "unlimited");
    let path = format!("/api/v1/history?connect_cluster={}&connector=orders&since=1h", cluster(&fake.url));
    let told = daemon.until(&path, |story| story["samples"].as_array().is_some_and(|s| s.len() > 1)).await;
    let story: Story = serde_json::from_value(told.clone()).unwrap();
    assert_eq!(story.verdict_changes.len(), 1, "{told}");
    assert_eq!(
        (&*story.samples[0].verdict, story.samples[0].why.as_deref()),
        ("unknown", Some("no_position"))
    );
    assert_eq!((&*story.events[0].kind, &story.events[0].detail["memory"]), ("started", &"none".into()));
    for (path, status) in [
        ("/api/v1/history", 200),
        ("/api/v1/history?since=2026-01-01T00:00:00Z", 200),
        ("/api/v1/history?since=yesterday", 400),
        ("/api/v1/history?conector=orders", 400),
    ] {
        assert_eq!(daemon.get(path).await.0, status, "{path}");
    }
    // Asked of the daemon; afterwards of the file, the connector itself by a pass of its own.
    let (address, url) = (daemon.address.clone(), fake.url.clone());
    let explained = explain(&url, &address, &state).await;
    assert!(explained.contains("first seen -> unknown (no_position)"), "{explained}");
    daemon.stop();
    let offline = explain(&url, &address, &state).await;
    assert!(offline.contains("first seen -> unknown (no_position)"), "{offline}");
    assert!(offline.contains("event") && offline.contains("started"), "{offline}");
    assert_eq!(
        beside(directory.path()),
        ["history.db", "history.lock", "journal.db", "journal.lock"],
        "reading leaves nothing behind"
    );

    // With Connect down there is nothing to see but what was seen.
    let down = explain_line("http://127.0.0.1:9", &address, &state).await;
    assert_eq!((down.code, down.stderr.lines().count()), (69, 1), "{down:?}");
    assert!(down.stdout.contains("first seen -> unknown (no_position)"), "{down:?}");

    // The next life goes on: no verdict has changed.
    let daemon = Daemon::start(&fake.url, &state, "unlimited");
    let two = |story: &serde_json::Value| story["events"].as_array().is_some_and(|events| events.len() == 2);
    let told = daemon.until(&path, two).await;
    assert_eq!(told["events"][1]["detail"]["memory"], "restored", "{told}");
    assert_eq!(told["verdict_changes"].as_array().unwrap().len(), 1, "{told}");
    daemon.stop();
}

async fn explain(url: &str, address: &str, state: &str) -> String {
    let run = explain_line(url, address, state).await;
    assert_eq!(run.code, 0, "{run:?}");
    run.stdout
}

async fn explain_line(url: &str, address: &str, state: &str) -> Run {
    let line = resumeguard(&["explain", "orders", "--connect", url])
        .env("RESUMEGUARD__HTTP__LISTEN", address)
        .env("RESUMEGUARD__POLL__INTERVAL", "2s")
        .env("RESUMEGUARD__HISTORY__DIRECTORY", state);
    tokio::task::spawn_blocking(move || line.run()).await.unwrap()
}

fn beside(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_directory_nothing_is_kept_and_that_is_said() {
    let fake = FakeConnect::start(listing("orders", URI), offsets(&[])).await;
    let daemon = Daemon::start(&fake.url, "", "unlimited");
    let status = daemon.until("/api/v1/status", |status| status["connectors"].is_array()).await;
    assert!(!status["sources"].to_string().contains("history"), "{status}");
    let (code, problem) = daemon.get("/api/v1/history").await;
    assert_eq!((code, &problem["detail"]), (404, &"no history is kept; set history.directory".into()));
    let log = daemon.stop();
    assert!(log.contains("no history is kept: judgement begins anew; set history.directory"), "{log}");
}

/// As on a full disk: writes beyond a limit fail. One line of log, passes go on, `/metrics` says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_takes_no_more_stops_nothing() {
    let fake = FakeConnect::start(listing("orders", URI), offsets(&[])).await;
    let directory = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(&fake.url, &directory.path().display().to_string(), "400");
    let history = |status: &serde_json::Value| {
        let sources = status["sources"].as_array().cloned().unwrap_or_default();
        sources.into_iter().find(|source| source["source"] == "history")
    };
    let down = |status: &serde_json::Value| history(status).is_some_and(|source| source["up"] == false);
    let status = daemon.until("/api/v1/status", down).await;
    let error = history(&status).unwrap()["error"].to_string();
    assert!(error.contains("disk"), "{error}");
    let (first, at) = (status["connectors"].clone(), status["at"].clone());
    // It stays so, and passes go on.
    let later = daemon.until("/api/v1/status", |status| status["at"].is_string() && status["at"] != at).await;
    assert_eq!(later["connectors"], first);
    assert_eq!(daemon.get("/healthz").await.0, 200);
    let log = daemon.stop();
    assert!(log.lines().filter(|line| line.contains("cannot be read")).count() >= 1, "{log}");
}
