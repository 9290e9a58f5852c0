//! The built daemon, run as one more process of a stack and asked over HTTP.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;
use xtask::{Identity, Progress, Roster, Seen, Start, free_ports, wait_until};

/// A command that waits for the end of an attempt takes as long as that.
const COMMAND_LIMIT: Duration = Duration::from_secs(180);

/// What the process is called among those of a stack.
pub(crate) const ROLE: &str = "resumeguard";

const START_LIMIT: Duration = Duration::from_secs(30);

/// `status` speaks with the exit code of a monitoring plugin: 2 is lost.
const STATUS_LOST: i32 = 2;

/// The running daemon.
#[derive(Debug)]
pub(crate) struct Daemon {
    pub(crate) url: String,
    binary: PathBuf,
    folder: PathBuf,
    process: Identity,
    http: reqwest::Client,
}

impl Daemon {
    /// Starts it with that configuration, to which the address that it listens on is added.
    pub(crate) async fn start(
        roster: &Roster,
        binary: &Path,
        settings: &str,
        progress: &Progress,
    ) -> Result<Self> {
        let step = progress.step("start resumeguard");
        let daemon = Self::begin(roster, binary, settings, &[]).await?;
        step.done(&daemon.url);
        Ok(daemon)
    }

    /// The same without a word, and with these variables in its environment.
    pub(crate) async fn begin(
        roster: &Roster,
        binary: &Path,
        settings: &str,
        environment: &[(&str, &str)],
    ) -> Result<Self> {
        let [port] = free_ports()?;
        let folder = roster.folder().to_owned();
        let listen = format!("{settings}\n[http]\nlisten = \"127.0.0.1:{port}\"\n");
        fs::write(config_path(&folder), listen)?;
        let mut command = command(binary, &folder);
        command.arg("run").arg("--config").arg(config_path(&folder));
        command.envs(environment.iter().copied());
        let start = Start { role: ROLE.to_owned(), command, ports: vec![port], data: None };
        let process = roster.spawn(start)?;
        let url = format!("http://127.0.0.1:{port}");
        let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).no_proxy().build()?;
        let daemon = Self { url, binary: binary.to_owned(), folder, process, http };
        wait_until("resumeguard to serve", START_LIMIT, async || {
            ensure!(daemon.is_alive(), "resumeguard ended:\n{}", roster.log_end(ROLE));
            Ok(match daemon.status().await {
                Ok(_) => Seen::Yes(()),
                Err(error) => Seen::Not(format!("{error:#}")),
            })
        })
        .await?;
        Ok(daemon)
    }

    /// Which process it is.
    pub(crate) fn process(&self) -> Identity {
        self.process
    }

    /// Asks it something by its own command line: exit status, and what was said.
    pub(crate) async fn command(&self, arguments: &[&str]) -> Result<(Option<i32>, String)> {
        let mut command = command(&self.binary, &self.folder);
        command.args(arguments).arg("--config").arg(config_path(&self.folder));
        let mut command = tokio::process::Command::from(command);
        let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
        let output = tokio::time::timeout(COMMAND_LIMIT, output).await;
        let Ok(output) = output else { return Ok((None, "it did not end".to_owned())) };
        let output = output?;
        let said = [output.stdout, output.stderr].concat();
        Ok((output.status.code(), String::from_utf8_lossy(&said).into_owned()))
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(&self) -> bool {
        self.process.is_alive()
    }

    /// What `resumeguard status` prints: it asks the running daemon.
    pub(crate) async fn table(&self) -> Result<String> {
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
    pub(crate) async fn outlives<T>(&self) -> Result<T> {
        while self.is_alive() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        anyhow::bail!("resumeguard ended by itself")
    }

    /// What it says of everything.
    pub(crate) async fn status(&self) -> Result<Value> {
        Ok(serde_json::from_str(&self.get("/api/v1/status").await?)?)
    }

    /// Any of its pages.
    pub(crate) async fn get(&self, path: &str) -> Result<String> {
        let answer = self.http.get(format!("{}{path}", self.url)).send().await?;
        Ok(answer.error_for_status()?.text().await?)
    }
}

fn config_path(folder: &Path) -> PathBuf {
    folder.join("resumeguard.toml")
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
