//! The daemon under demonstration.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;
use xtask::{Identity, Progress, Seen, Stack, Start, free_ports, wait_until};

use super::checks::{self, Check};

const ROLE: &str = "resumeguard";

const START_LIMIT: Duration = Duration::from_secs(30);

/// A pass every 5 s, one offset flush for a loss to count, two passes for what needs two: 90 s is plenty.
const WATCH_LIMIT: Duration = Duration::from_secs(90);

/// `status` speaks with the exit code of a monitoring plugin: 2 is lost.
const STATUS_LOST: i32 = 2;

/// The running daemon.
#[derive(Debug)]
pub(super) struct Daemon {
    pub(super) url: String,
    binary: PathBuf,
    folder: PathBuf,
    process: Identity,
    http: reqwest::Client,
}

impl Daemon {
    /// Starts it as one more process of the stack.
    pub(super) async fn start(stack: &Stack, binary: &Path, progress: &Progress) -> Result<Self> {
        let step = progress.step("start resumeguard");
        let [port] = free_ports()?;
        let folder = stack.folder().to_owned();
        fs::write(config_path(&folder), config(stack.connect_url()?, port))?;
        let mut command = command(binary, &folder);
        command.arg("run").arg("--config").arg(config_path(&folder));
        let start = Start { role: ROLE.to_owned(), command, ports: vec![port], data: None };
        let process = stack.roster()?.spawn(start)?;
        let url = format!("http://127.0.0.1:{port}");
        let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).no_proxy().build()?;
        let daemon = Self { url, binary: binary.to_owned(), folder, process, http };
        wait_until("resumeguard to serve", START_LIMIT, async || {
            ensure!(daemon.process.is_alive(), "{}", daemon.ended(stack));
            Ok(match daemon.status().await {
                Ok(_) => Seen::Yes(()),
                Err(error) => Seen::Not(format!("{error:#}")),
            })
        })
        .await?;
        step.done(&daemon.url);
        Ok(daemon)
    }

    /// Waits until the daemon has seen everything that there is to see, or long enough.
    pub(super) async fn watch(&self, progress: &Progress) -> Result<Vec<Check>> {
        let step = progress.step("watch");
        let mut seen = Vec::new();
        let outcome = wait_until("the daemon to see it all", WATCH_LIMIT, async || {
            ensure!(self.process.is_alive(), "resumeguard ended");
            seen = checks::of(&self.status().await?);
            let missing = seen.iter().filter(|check| !check.ok).count();
            step.note(format!("{} of {} as expected", seen.len() - missing, seen.len()));
            Ok(if missing == 0 { Seen::Yes(()) } else { Seen::Not(format!("{missing} not as expected")) })
        })
        .await;
        ensure!(self.process.is_alive(), "resumeguard ended");
        let text = outcome.map_or_else(|error| error.to_string(), |()| "as expected".to_owned());
        step.done(&format!("{} checks, {text}", seen.len()));
        Ok(seen)
    }

    /// What `resumeguard status` prints: it asks the running daemon.
    pub(super) async fn table(&self) -> Result<String> {
        let mut command = command(&self.binary, &self.folder);
        command.arg("status").arg("--config").arg(config_path(&self.folder));
        let mut command = tokio::process::Command::from(command);
        let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.code() == Some(STATUS_LOST),
            "`resumeguard status` ended with {}, not with {STATUS_LOST}:\n{said}",
            output.status
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Returns, with an error, only if the daemon ends.
    pub(super) async fn outlives<T>(&self) -> Result<T> {
        while self.process.is_alive() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        anyhow::bail!("resumeguard ended by itself")
    }

    async fn status(&self) -> Result<Value> {
        let answer = self.http.get(format!("{}/api/v1/status", self.url)).send().await?;
        Ok(answer.error_for_status()?.json().await?)
    }

    fn ended(&self, stack: &Stack) -> String {
        let log = stack.roster().map(|roster| roster.log_end(ROLE)).unwrap_or_default();
        format!("resumeguard ended:\n{log}")
    }
}

fn config_path(folder: &Path) -> PathBuf {
    folder.join("resumeguard.toml")
}

/// Short intervals, because the demo's oplog lives for seconds and not for days.
fn config(connect_url: &str, port: u16) -> String {
    format!(
        "[connect.demo]\nurl = \"{connect_url}\"\n\n\
         [poll]\ninterval = \"5s\"\noffset_flush = \"3s\"\n\n\
         [http]\nlisten = \"127.0.0.1:{port}\"\n"
    )
}

/// Whatever the daemon keeps goes into the stack's folder, and nothing of ours configures it by accident.
fn command(binary: &Path, folder: &Path) -> Command {
    let mut command = Command::new(binary);
    let state = folder.join("state");
    for variable in ["STATE_DIRECTORY", "RUNTIME_DIRECTORY", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"] {
        command.env(variable, &state);
    }
    command.env("HOME", folder).env_remove("RESUMEGUARD_CACHE");
    command
}
