//! `cargo xtask licences`: whose code is in the program and on which terms, word for word, as packages have to hand it out.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use xtask::{Cache, Progress};

use super::cargo::workspace;
use super::tools::{crate_tool, run as run_tool};

const ABOUT: (&str, &str) = ("cargo-about", "0.9.3");

/// What packages call it.
pub(crate) const FILE: &str = "third-party-licences.txt";

/// Where to.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The file that gets them.
    #[arg(default_value = "target/third-party-licences.txt", value_name = "FILE")]
    output: std::path::PathBuf,
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    let output = workspace()?.join(arguments.output);
    write(&output, &Cache::from_environment()?, &Progress::to_stderr()).await?;
    println!("{}", output.display());
    Ok(ExitCode::SUCCESS)
}

/// Writes them into a file. Fails where the terms of a crate are not known, or are none that `deny.toml` allows.
pub(crate) async fn write(output: &Path, cache: &Cache, progress: &Progress) -> Result<()> {
    let (name, version) = ABOUT;
    let tool = crate_tool(name, version, &["--features", "cli"], cache, progress).await?;
    let workspace = workspace()?;
    let text = output.to_str().context("the file's name is no UTF-8")?;
    // Offline: what a crate says of itself and brings along, and no database's opinion of it.
    let arguments = [
        "generate",
        "--offline",
        "--locked",
        "--fail",
        "--config",
        "packaging/licences/about.toml",
        "--output-file",
        text,
        "packaging/licences/about.hbs",
    ];
    ensure!(run_tool(&tool, &arguments, &workspace).await?, "{name} has failed");
    let written = std::fs::read_to_string(output).context("no licences were written")?;
    for part in ["rdkafka", "mongodb", "Permission is hereby granted"] {
        ensure!(written.contains(part), "{part} is not in {}", output.display());
    }
    Ok(())
}
