//! `cargo xtask fuzz`: random input to the decoder, for as long as one likes. `cargo test` replays what was found.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;
use xtask::{Cache, Progress, fuzzer};

use super::cargo::{Cargo, DECODER, workspace};

/// The targets of `crates/mongodb-resume-token/fuzz`.
const TARGETS: [&str; 2] = ["decode", "text"];

/// How long.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// For each target.
    #[arg(default_value = "60")]
    seconds: u32,
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    let progress = Progress::to_stderr();
    let tool = fuzzer(&Cache::from_environment()?.tools(), &progress).await?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(tool).chain(std::env::split_paths(&path)))?;
    let package = workspace()?.join("crates").join(DECODER);
    seed(&package)?;
    for target in TARGETS {
        progress.line(&format!("fuzz {target} for {} s", arguments.seconds));
        let mut command = Command::new("rustup");
        command.args(["run", "nightly", "cargo", "fuzz", "run", target, "--"]);
        // Tokens are short; what nests deep or declares much is found in a few hundred bytes.
        command.args([format!("-max_total_time={}", arguments.seconds), "-max_len=4096".to_owned()]);
        command.args(["-print_final_stats=1"]).current_dir(&package).env("PATH", &path);
        let status = Cargo::spawn(command)?.wait().await?;
        ensure!(status.success(), "{target} has found something: see {}/fuzz/artifacts", package.display());
    }
    println!("{} targets, {} s each, nothing found", TARGETS.len(), arguments.seconds);
    Ok(ExitCode::SUCCESS)
}

/// Starts from what earlier runs were found to reach most with, and from every form in which tokens are stored.
fn seed(package: &Path) -> Result<()> {
    let corpus = lines(package, "fuzz-corpus.hex")?;
    let bytes = corpus.lines().map(|line| {
        let pair = |at| u8::from_str_radix(line.get(at..at + 2)?, 16).ok();
        (0..line.len())
            .step_by(2)
            .map(pair)
            .collect::<Option<Vec<u8>>>()
            .context("fuzz-corpus.hex is not hex")
    });
    plant(package, "decode", bytes.collect::<Result<Vec<_>>>()?)?;
    let corpus = lines(package, "fuzz-corpus.txt")?;
    plant(package, "text", corpus.lines().map(|line| line.as_bytes().to_vec()).collect())
}

fn lines(package: &Path, name: &str) -> Result<String> {
    let corpus = package.join("tests/data").join(name);
    std::fs::read_to_string(&corpus).with_context(|| format!("cannot read {}", corpus.display()))
}

fn plant(package: &Path, target: &str, seeds: Vec<Vec<u8>>) -> Result<()> {
    let folder = package.join("fuzz/corpus").join(target);
    std::fs::create_dir_all(&folder)?;
    for (index, bytes) in seeds.iter().enumerate() {
        std::fs::write(folder.join(format!("seed-{index}")), bytes)?;
    }
    Ok(())
}
