//! Calls to cargo itself.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader, Lines};
use tokio::process::{Child, Command};
use xtask::{Deadline, Step};

/// How long a test run may take to end after SIGTERM before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// The package that others will use by itself.
pub(crate) const DECODER: &str = "mongodb-resume-token";

/// The repository, as cargo told us when it started this program.
pub(crate) fn workspace() -> Result<PathBuf> {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let package = package.context("CARGO_MANIFEST_DIR is not set: start this with `cargo xtask`")?;
    Ok(package.parent().context("xtask has no parent folder")?.to_owned())
}

/// A cargo in a process group of its own: its rustc and test binaries end with it.
#[derive(Debug)]
pub(crate) struct Cargo {
    child: Child,
}

/// A cargo call that is being put together.
pub(crate) fn command(arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(program());
    command.args(arguments).current_dir(workspace()?).stdin(Stdio::null());
    forget_package(&mut command);
    Ok(command)
}

/// A call that leaves the machine to whoever else wants it.
pub(crate) fn gentle(program: &str, folder: &Path) -> Command {
    let mut command = Command::new("nice");
    command.args(["-n", "19", program]);
    command.current_dir(folder).stdin(Stdio::null());
    forget_package(&mut command);
    command
}

/// Cargo itself.
pub(crate) fn program() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

fn forget_package(command: &mut Command) {
    // Set for the package xtask by `cargo run`; of no use, and wrong, for what is built now.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR" {
            command.env_remove(name);
        }
    }
}

impl Cargo {
    pub(crate) fn spawn(mut command: Command) -> Result<Self> {
        let child = command.process_group(0).spawn().context("cannot run cargo")?;
        Ok(Self { child })
    }

    pub(crate) async fn wait(&mut self) -> Result<ExitStatus> {
        Ok(self.child.wait().await?)
    }

    /// The lines of its stdout, which must be piped.
    pub(crate) fn stdout(&mut self) -> Result<Lines<BufReader<impl AsyncRead + Unpin + use<>>>> {
        Ok(BufReader::new(self.child.stdout.take().context("cargo's stdout is not piped")?).lines())
    }

    /// The lines of its stderr, which must be piped.
    pub(crate) fn stderr(&mut self) -> Result<Lines<BufReader<impl AsyncRead + Unpin + use<>>>> {
        Ok(BufReader::new(self.child.stderr.take().context("cargo's stderr is not piped")?).lines())
    }

    fn signal_group(&self, signal: Signal) {
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // An error means that nobody is left in the group.
            kill_process_group(pid, signal).ok();
        }
    }
}

impl Drop for Cargo {
    /// Does nothing once cargo has been waited for.
    fn drop(&mut self) {
        if self.child.id().is_none() {
            return;
        }
        self.signal_group(Signal::TERM);
        let deadline = Deadline::after(GRACE);
        while matches!(self.child.try_wait(), Ok(None)) {
            if deadline.passed() {
                self.signal_group(Signal::KILL);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Builds the daemon; returns where its binary is.
pub(crate) async fn build_daemon(step: &Step) -> Result<PathBuf> {
    build_daemon_with(&[], step).await
}

/// The same with these features.
pub(crate) async fn build_daemon_with(features: &[&str], step: &Step) -> Result<PathBuf> {
    let features = features.join(",");
    let arguments = ["--package", "resumeguard", "--bin", "resumeguard", "--features", &features];
    build(&arguments, "resumeguard", step).await
}

/// Builds the daemon as users get it, with its commit; returns where its binary is.
pub(crate) async fn build_release(step: &Step) -> Result<PathBuf> {
    let arguments = ["--release", "--locked", "--package", "resumeguard", "--bin", "resumeguard"];
    let commit = commit().await?;
    build_with(&arguments, "resumeguard", &[("RESUMEGUARD_COMMIT", &commit)], step).await
}

/// The commit, and whether there is more than it; what whoever builds has set wins, and without git nobody knows.
async fn commit() -> Result<String> {
    if let Ok(given) = std::env::var("RESUMEGUARD_COMMIT") {
        return Ok(given);
    }
    let mut command = Command::new("git");
    command.args(["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]);
    let output = command.current_dir(workspace()?).stdin(Stdio::null()).stderr(Stdio::null()).output().await;
    let said = output.ok().filter(|output| output.status.success());
    Ok(said.map_or_else(String::new, |output| String::from_utf8_lossy(&output.stdout).trim().to_owned()))
}

/// Builds an example of the decoder's crate as users would; returns where it is.
pub(crate) async fn build_example(name: &str, step: &Step) -> Result<PathBuf> {
    let example = ["--release", "--package", DECODER, "--features", "json", "--example", name];
    build(&example, name, step).await
}

/// Builds an example of the daemon's package as users would; returns where it is.
pub(crate) async fn build_root_example(name: &str, step: &Step) -> Result<PathBuf> {
    build(&["--release", "--package", "resumeguard", "--example", name], name, step).await
}

/// Builds what the arguments choose; returns where the executable `target` is.
async fn build(what: &[&str], target: &str, step: &Step) -> Result<PathBuf> {
    build_with(what, target, &[], step).await
}

async fn build_with(
    what: &[&str],
    target: &str,
    environment: &[(&str, &str)],
    step: &Step,
) -> Result<PathBuf> {
    let arguments = [&["build", "--message-format=json-render-diagnostics"], what].concat();
    let mut command = command(&arguments)?;
    command.envs(environment.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut cargo = Cargo::spawn(command)?;
    let (mut messages, mut chatter) = (cargo.stdout()?, cargo.stderr()?);
    let artefacts = async {
        let mut binary = None;
        while let Some(line) = messages.next_line().await? {
            let message: Value = serde_json::from_str(&line).unwrap_or_default();
            if message["target"]["name"] == target && message["executable"].is_string() {
                binary = message["executable"].as_str().map(PathBuf::from);
            }
        }
        anyhow::Ok(binary)
    };
    let said = async {
        let mut said = String::new();
        while let Some(line) = chatter.next_line().await? {
            step.note(line.trim().to_owned());
            if !line.trim_start().starts_with("Compiling") {
                said.push_str(&line);
                said.push('\n');
            }
        }
        anyhow::Ok(said)
    };
    let (binary, said) = tokio::try_join!(artefacts, said)?;
    ensure!(cargo.wait().await?.success(), "{target} does not build:\n{said}");
    binary.with_context(|| format!("cargo built no executable {target:?}"))
}
