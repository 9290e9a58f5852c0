//! A running daemon, as a user would start it.

use crate::leaks::Leaks;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use xtask::{Seen, wait_until};

/// The program, its address and its log; it is stopped when this is dropped.
pub(crate) struct Daemon {
    child: Child,
    pub(crate) address: String,
    pub(crate) log: Arc<Mutex<String>>,
    _config: tempfile::NamedTempFile,
    killed: bool,
    leaks: Leaks,
}

impl Daemon {
    pub(crate) fn start(config: &str) -> Self {
        let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
        let listen = "[http]\nlisten = \"127.0.0.1:0\"\n";
        let text = if config.contains("[http]\n") {
            config.replace("[http]\n", listen)
        } else {
            format!("{config}\n{listen}")
        };
        std::fs::write(file.path(), &text).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_resumeguard"))
            .args(["--config", file.path().to_str().unwrap(), "run"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let address = first.split("listen=").nth(1).and_then(|rest| rest.split(' ').next());
        let address = address.unwrap_or_else(|| panic!("no address in {first}")).to_owned();
        let log = Arc::new(Mutex::new(first + "\n"));
        let copy = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                copy.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        Self { child, address, log, _config: file, killed: false, leaks: Leaks::of_config(&text) }
    }

    /// Kills it at once, as a crash does.
    pub(crate) fn kill(mut self) {
        self.sweep();
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.killed = true;
    }

    /// Runs a command that asks this daemon: its exit status and what it printed.
    pub(crate) fn ask(&self, arguments: &[&str]) -> (i32, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_resumeguard"))
            .args(arguments)
            .env("RESUMEGUARD__HTTP__LISTEN", &self.address)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        self.leaks.none_in(&format!("{arguments:?}"), &said);
        (output.status.code().unwrap_or(-1), said)
    }

    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<String> {
        let response = reqwest::get(format!("http://{}{path}", self.address)).await?;
        Ok(response.error_for_status()?.text().await?)
    }

    pub(crate) async fn metrics(&self) -> String {
        self.get("/metrics").await.unwrap()
    }

    /// Looks for secrets in everything that it tells anybody.
    fn sweep(&mut self) {
        let log = self.log.lock().unwrap().clone();
        self.leaks.sweep(&self.address, &log);
    }

    /// Passes made so far.
    pub(crate) async fn passes(&self) -> u64 {
        let page = self.metrics().await;
        let line = page.lines().find(|line| line.starts_with("resumeguard_passes_total "));
        line.and_then(|line| line.split(' ').nth(1)?.parse().ok()).unwrap_or(0)
    }

    /// Waits until a line of `/metrics` is there (with every one of `parts` in it), and says after how many passes
    /// that began after this call at the latest.
    pub(crate) async fn passes_until(&self, parts: &[&str]) -> u64 {
        let begun = self.passes().await;
        let present = |page: &str| page.lines().any(|line| parts.iter().all(|part| line.contains(part)));
        wait_until(&format!("{parts:?} in /metrics"), Duration::from_secs(60), async || {
            let page = self.metrics().await;
            Ok(if present(&page) { Seen::Yes(()) } else { Seen::Not(relevant(&page, parts[0])) })
        })
        .await
        .unwrap();
        // One pass may have been under way when the call was made: it may have read before.
        (self.passes().await - begun).saturating_sub(1)
    }
}

fn relevant(page: &str, part: &str) -> String {
    page.lines().filter(|line| line.contains(part) && !line.starts_with('#')).collect::<Vec<_>>().join("\n")
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.killed {
            return;
        }
        // Where a test has ended it, what it logged is all that it can still tell; and its number may be another's by now.
        let lives = matches!(self.child.try_wait(), Ok(None));
        if lives && !std::thread::panicking() {
            self.sweep();
        } else if !std::thread::panicking() {
            self.leaks.nor_tokens_in("the log", &self.log.lock().unwrap());
        }
        let pid = rustix::process::Pid::from_child(&self.child);
        let told = !lives || rustix::process::kill_process(pid, rustix::process::Signal::TERM).is_ok();
        let ended = self.child.wait().is_ok_and(|status| status.success());
        if (!told || !ended) && !std::thread::panicking() {
            panic!("the daemon did not end well: {}", self.log.lock().unwrap());
        }
        if std::thread::panicking() {
            eprintln!("--- the daemon's log\n{}", self.log.lock().unwrap());
        }
    }
}
