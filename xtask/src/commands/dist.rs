//! `cargo xtask dist-files`: what packages install beside the program. The program itself writes it, from its command line.

use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;
use xtask::Progress;

use super::cargo::build_daemon;

/// Each shell by the name that `resumeguard completions` takes, and the file that the shell looks for.
const COMPLETIONS: [(&str, &str); 3] =
    [("bash", "resumeguard.bash"), ("zsh", "_resumeguard"), ("fish", "resumeguard.fish")];

/// Where to.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The folder that gets resumeguard.1 and those of every command, and completions/.
    directory: PathBuf,
    /// A program that is built already; else one is built.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    let progress = Progress::to_stderr();
    let binary = match arguments.binary {
        Some(binary) => binary,
        None => {
            let step = progress.step("build resumeguard");
            let binary = build_daemon(&step).await?;
            step.done(&binary.display().to_string());
            binary
        }
    };
    write(&binary, &arguments.directory).await?;
    println!("{}", arguments.directory.display());
    Ok(ExitCode::SUCCESS)
}

/// Writes manual pages and completions into the folder.
pub(crate) async fn write(binary: &Path, folder: &Path) -> Result<()> {
    let completions = folder.join("completions");
    std::fs::create_dir_all(&completions)
        .with_context(|| format!("cannot create {}", completions.display()))?;
    let folder = folder.to_str().context("the folder's name is no UTF-8")?;
    said(binary, &["man", "--directory", folder]).await?;
    for (shell, file) in COMPLETIONS {
        std::fs::write(completions.join(file), said(binary, &["completions", shell]).await?)?;
    }
    Ok(())
}

/// What the program prints.
pub(crate) async fn said(binary: &Path, arguments: &[&str]) -> Result<Vec<u8>> {
    let mut command = Command::new(binary);
    let output = command.args(arguments).stdin(Stdio::null()).kill_on_drop(true).output().await;
    let output = output.with_context(|| format!("cannot run {}", binary.display()))?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} {}: {error}", binary.display(), arguments.join(" "));
    Ok(output.stdout)
}
