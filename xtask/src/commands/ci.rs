//! `cargo xtask ci`: what a change must pass.

use std::process::ExitCode;

use anyhow::{Result, ensure};
use xtask::{Cache, Need, Progress, ensure as ensure_machine, sweep};

use super::bench_tokens::compare_instructions;
use super::book;
use super::cargo::{self, Cargo, DECODER};
use super::test;

/// Cheap ones first.
/// `--all-targets` leaves out what `cargo test` leaves out, so the tests on the real stack are looked at by themselves: of two packages
/// with a target of that name, `--workspace` takes the one that it has already.
const BEFORE_TESTS: [&[&str]; 3] = [
    &["fmt", "--all", "--check"],
    &["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"],
    &["clippy", "--package", "resumeguard", "--test", "real", "--", "--deny", "warnings"],
];

const DOCS: &[&str] = &["doc", "--workspace", "--no-deps"];

/// Builds what would be published, by itself. Changes need not be committed before they are checked.
const PACKAGE: &[&str] = &["package", "--allow-dirty", "--package", DECODER];

/// The fuzz targets, which the workspace does not know and nobody else would build.
const FUZZ: [&[&str]; 2] = [
    &["check", "--locked", "--manifest-path", "crates/mongodb-resume-token/fuzz/Cargo.toml"],
    &["check", "--locked", "--manifest-path", "crates/resumeguard-core/fuzz/Cargo.toml"],
];

/// What a published package must bring along.
const PACKAGED: [&str; 4] = ["LICENSE-APACHE", "LICENSE-MIT", "README.md", "src/lib.rs"];

pub(crate) async fn run(tests: test::Arguments) -> Result<ExitCode> {
    let progress = Progress::to_stderr();
    sweep(&Cache::from_environment()?, &progress)?;
    ensure_machine(&Need::BUILD, &progress).await?;
    for check in BEFORE_TESTS {
        passed(check, &progress).await?;
    }
    for check in FUZZ {
        passed(check, &progress).await?;
    }
    passed(DOCS, &progress).await?;
    packaged().await?;
    passed(PACKAGE, &progress).await?;
    compare_instructions(&progress).await?;
    book::run(book::Arguments { check: true }).await?;
    // Last, so that the last line is the tests' sum.
    test::run(tests).await
}

/// Nothing that belongs into the package is left out.
async fn packaged() -> Result<()> {
    let output = cargo::command(&[PACKAGE, &["--list"]].concat())?.output().await?;
    ensure!(output.status.success(), "cargo package: {}", String::from_utf8_lossy(&output.stderr));
    let list = String::from_utf8(output.stdout)?;
    for file in PACKAGED {
        ensure!(list.lines().any(|line| line == file), "{file} is not in the package {DECODER}");
    }
    Ok(())
}

async fn passed(check: &[&str], progress: &Progress) -> Result<()> {
    let call = format!("cargo {}", check.join(" "));
    progress.line(&call);
    let mut command = cargo::command(check)?;
    command.env("RUSTDOCFLAGS", "-D warnings");
    ensure!(Cargo::spawn(command)?.wait().await?.success(), "failed: {call}");
    Ok(())
}
