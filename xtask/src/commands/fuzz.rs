//! `cargo xtask fuzz`: random input to the decoder and to the reader of offsets files, for as long as one likes. `cargo test`
//! replays what was found.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;
use xtask::{Cache, Progress, fuzzer};

use super::cargo::{Cargo, DECODER, workspace};

/// A package with a folder `fuzz`, one of its targets, and what that starts from.
const TARGETS: [(&str, &str, &str); 3] = [
    (DECODER, "decode", "fuzz-corpus.hex"),
    (DECODER, "text", "fuzz-corpus.txt"),
    ("resumeguard-core", "java_map", "java-map-corpus.hex"),
];

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
    for (package, target, corpus) in TARGETS {
        let package = workspace()?.join("crates").join(package);
        plant(&package, target, seeds(&package, corpus)?)?;
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

/// What earlier runs were found to reach most with, and every form that is known, a line each: bytes in hex, or text.
fn seeds(package: &Path, corpus: &str) -> Result<Vec<Vec<u8>>> {
    let path = package.join("tests/data").join(corpus);
    let lines = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    if !corpus.ends_with(".hex") {
        return Ok(lines.lines().map(|line| line.as_bytes().to_vec()).collect());
    }
    let bytes = |line: &str| {
        let pair = |at| u8::from_str_radix(line.get(at..at + 2)?, 16).ok();
        (0..line.len()).step_by(2).map(pair).collect::<Option<Vec<u8>>>()
    };
    lines.lines().map(|line| bytes(line).with_context(|| format!("{corpus} is not hex"))).collect()
}

fn plant(package: &Path, target: &str, seeds: Vec<Vec<u8>>) -> Result<()> {
    let folder = package.join("fuzz/corpus").join(target);
    std::fs::create_dir_all(&folder)?;
    for (index, bytes) in seeds.iter().enumerate() {
        std::fs::write(folder.join(format!("seed-{index}")), bytes)?;
    }
    Ok(())
}
