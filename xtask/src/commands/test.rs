//! `cargo xtask test`: every test, those on the real stack included.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::process::Command;
use xtask::{
    Cache, Need, Progress, Stack, StackSpec, Stopwatch, alertmanager, ensure as ensure_machine, promtool,
    sweep,
};

use super::cargo::{self, Cargo};

/// The tests on the real stack are a target of that name, with `test = false` so that `cargo test` leaves it alone.
const REAL: &str = "real";

/// What is tested.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A filter and options for the test programs.
    #[arg(last = true)]
    filter: Vec<String>,
}

/// What the test programs counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Counts {
    /// Adds a line `test result: ok. 3 passed; 0 failed; 1 ignored; …`; any other line adds nothing.
    fn add_line(&mut self, line: &str) {
        let Some((_, result)) = line.split_once("test result: ") else { return };
        let count = |word: &str| -> u64 {
            let before = result.split_once(word).map(|(before, _)| before.trim_end());
            before.and_then(|before| before.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
        };
        self.passed += count("passed");
        self.failed += count("failed");
        self.skipped += count("ignored");
    }

    /// Nothing executed is no success: a filter that matches nothing, or targets that are gone.
    fn is_success(&self) -> bool {
        self.failed == 0 && self.passed > 0
    }
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    let watch = Stopwatch::start();
    let progress = Progress::to_stderr();
    let cache = Cache::from_environment()?;
    sweep(&cache, &progress)?;
    ensure_machine(&Need::BUILD, &progress).await?;
    let promtool = promtool(&cache.tools(), &progress).await?;
    // The tests find it in the cache.
    alertmanager(&cache.tools(), &progress).await?;
    ensure_real_target().await?;
    // Built before the stack starts: a mistake in the code costs no wait, and rustc and Java do not fight.
    for run in RUNS {
        let status = Cargo::spawn(cargo::command(&[run, &["--no-run"]].concat())?)?.wait().await?;
        ensure!(status.success(), "the tests do not build");
    }
    // Connectors may hide their URI behind `${file:…}`, as many real ones do.
    let spec =
        StackSpec::unique("test").with_worker_property("config.providers", "file").with_worker_property(
            "config.providers.file.class",
            "org.apache.kafka.common.config.provider.FileConfigProvider",
        );
    let stack = Stack::start(spec, &progress).await?;
    let mut counts = Counts::default();
    let mut failed_runs = 0;
    for run in RUNS {
        let environment =
            [("RESUMEGUARD_TEST_STACK", stack.folder().into()), ("RESUMEGUARD_PROMTOOL", promtool.clone())];
        let well = tested(run, &arguments.filter, &environment, &mut counts).await?;
        failed_runs += u32::from(!well);
    }
    let step = progress.step("stop everything");
    drop(stack);
    // A test program that was aborted left its own stacks behind.
    sweep(&cache, &progress)?;
    step.done("done");
    progress.line(&format!("{} s in all", watch.elapsed().as_secs()));
    println!("{} passed, {} failed, {} skipped", counts.passed, counts.failed, counts.skipped);
    // A test program that died has no result line; then only its run failed.
    let well = counts.is_success() && failed_runs == 0;
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Ordinary tests of every package, then those on the real stack.
const RUNS: [&[&str]; 2] = [&["test", "--workspace"], &["test", "--workspace", "--test", REAL]];

/// One `cargo test`; its stdout is passed on line by line and counted.
async fn tested(
    run: &[&str],
    filter: &[String],
    environment: &[(&str, PathBuf); 2],
    counts: &mut Counts,
) -> Result<bool> {
    let mut command = cargo::command(run)?;
    command.arg("--no-fail-fast").arg("--");
    if std::io::stdout().is_terminal() {
        command.args(["--color", "always"]);
    }
    command.args(filter).envs(environment.iter().map(|(name, value)| (name, value))).stdout(Stdio::piped());
    let mut cargo = Cargo::spawn(command)?;
    let mut lines = cargo.stdout()?;
    while let Some(line) = lines.next_line().await? {
        counts.add_line(&line);
        writeln!(std::io::stdout(), "{line}")?;
    }
    Ok(cargo.wait().await?.success())
}

/// Were the target lost, its tests would silently not run.
async fn ensure_real_target() -> Result<()> {
    let mut command: Command = cargo::command(&["metadata", "--no-deps", "--format-version", "1"])?;
    let output = command.output().await.context("cannot run cargo metadata")?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    ensure!(has_real_target(&metadata), "the package resumeguard has no test target {REAL:?}");
    Ok(())
}

fn has_real_target(metadata: &Value) -> bool {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let packages = list(&metadata["packages"]);
    let mut targets = packages
        .iter()
        .filter(|package| package["name"] == "resumeguard")
        .flat_map(|package| list(&package["targets"]));
    targets.any(|target| target["name"] == REAL && list(&target["kind"]).contains(&Value::from("test")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn result_lines_are_summed_up() {
        let mut counts = Counts::default();
        for line in [
            "running 3 tests",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0.10s",
            "test result: \u{1b}[31mFAILED\u{1b}(B\u{1b}[m. 10 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out",
            "test the_word_passed ... ok",
        ] {
            counts.add_line(line);
        }
        assert_eq!(counts, Counts { passed: 13, failed: 2, skipped: 1 });
    }

    #[test]
    fn nothing_executed_is_no_success() {
        assert!(!Counts::default().is_success());
        assert!(!Counts { skipped: 5, ..Counts::default() }.is_success());
        assert!(!Counts { passed: 5, failed: 1, skipped: 0 }.is_success());
        assert!(Counts { passed: 1, ..Counts::default() }.is_success());
    }

    #[test]
    fn the_real_target_must_be_the_root_packages() {
        let of = |package: &str, kind: &str| json!({ "packages": [{ "name": package, "targets": [{ "name": "real", "kind": [kind] }] }] });
        assert!(has_real_target(&of("resumeguard", "test")));
        assert!(!has_real_target(&of("xtask", "test")));
        assert!(!has_real_target(&of("resumeguard", "bench")));
        assert!(!has_real_target(&json!({})));
    }
}
