//! `cargo xtask ci`: what a change must pass.

use std::process::ExitCode;

use anyhow::{Result, ensure};
use xtask::{Cache, Need, Progress, ensure as ensure_machine, sweep};

use super::cargo::{self, Cargo};
use super::test;

/// Cheap ones first.
/// `--all-targets` leaves out what `cargo test` leaves out, so the tests on the real stack are named.
const BEFORE_TESTS: [&[&str]; 2] = [
    &["fmt", "--all", "--check"],
    &["clippy", "--workspace", "--all-targets", "--test", "real", "--", "--deny", "warnings"],
];

const DOCS: &[&str] = &["doc", "--workspace", "--no-deps"];

pub(crate) async fn run(tests: test::Arguments) -> Result<ExitCode> {
    let progress = Progress::to_stderr();
    sweep(&Cache::from_environment()?, &progress)?;
    ensure_machine(&Need::BUILD, &progress).await?;
    for check in BEFORE_TESTS {
        passed(check, &progress).await?;
    }
    passed(DOCS, &progress).await?;
    // Last, so that the last line is the tests' sum.
    test::run(tests).await
}

async fn passed(check: &[&str], progress: &Progress) -> Result<()> {
    let call = format!("cargo {}", check.join(" "));
    progress.line(&call);
    let mut command = cargo::command(check)?;
    command.env("RUSTDOCFLAGS", "-D warnings");
    ensure!(Cargo::spawn(command)?.wait().await?.success(), "failed: {call}");
    Ok(())
}
