//! Running tests against a mutant.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::Signal;
use xtask::Stopwatch;

use super::super::cargo;

/// Random cases of each property, at first: a mutant that any of them notices needs no more.
const FEW_CASES: &str = "16";

/// The same random cases in every run: what is caught is caught again.
const SEED: &str = "20240229";

/// Address space, in bytes. A mutant may take memory for ever.
const MEMORY: u64 = 3 << 30;

/// Stack of a test's thread, in bytes: all copies of a body have their own variables.
const STACK: &str = "67108864";

/// Time by the clock for one program, for mutants that wait for ever, on a machine that is busy with other things.
const WAIT: Duration = Duration::from_secs(300);

/// A test program, called once.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) program: &'a Path,
    /// The package's own folder.
    pub(super) folder: &'a Path,
    pub(super) tests: Vec<&'a str>,
    pub(super) mode: Mode<'a>,
    /// Every random case, not only some.
    pub(super) thorough: bool,
    /// Seconds of a processor.
    pub(super) limit: u64,
}

/// What the switch is told.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mode<'a> {
    Off,
    On(u32),
    /// Functions that are reached are written down in this file.
    Recording(&'a Path),
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    Passed,
    /// With the test that failed, if it is known.
    Failed(Option<String>),
    /// It used up its time.
    Endless,
}

impl Call<'_> {
    pub(super) async fn run(&self) -> Result<(End, Duration)> {
        let watch = Stopwatch::start();
        let mut command = cargo::gentle(Some("prlimit"), self.folder);
        // The second is the hard limit, at which the kernel kills.
        command.arg(format!("--cpu={}:{}", self.limit, self.limit + 1));
        command.args([format!("--as={MEMORY}"), "--core=0".to_owned(), "--".to_owned()]);
        command.arg(self.program).args(["--test-threads=1", "--exact"]).args(&self.tests);
        command
            .env("CARGO_MANIFEST_DIR", self.folder)
            .env("RUST_BACKTRACE", "0")
            .env("RUST_MIN_STACK", STACK);
        command.env("PROPTEST_RNG_SEED", SEED).env("PROPTEST_MAX_SHRINK_ITERS", "0");
        command.env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1").env_remove("PROPTEST_CASES");
        if !self.thorough {
            command.env("PROPTEST_CASES", FEW_CASES);
        }
        match self.mode {
            Mode::Off => {}
            Mode::On(mutant) => drop(command.env("MUTANT", mutant.to_string())),
            Mode::Recording(file) => drop(command.env("MUTANTS_REACHED", file)),
        }
        command.stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let child = command.spawn().context("cannot run prlimit (package util-linux)")?;
        let Ok(output) = tokio::time::timeout(WAIT, child.wait_with_output()).await else {
            return Ok((End::Endless, watch.elapsed()));
        };
        let output = output?;
        Ok((end(output.status, &String::from_utf8_lossy(&output.stderr)), watch.elapsed()))
    }
}

fn end(status: ExitStatus, said: &str) -> End {
    if status.success() {
        return End::Passed;
    }
    let used_up = [Signal::XCPU, Signal::KILL].map(Signal::as_raw);
    if status.signal().is_some_and(|signal| used_up.contains(&signal)) {
        return End::Endless;
    }
    let by = said.lines().find_map(|line| line.strip_prefix("mutant caught by "));
    End::Failed(by.filter(|name| !name.is_empty()).map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_status_tells_how_it_ended() {
        assert_eq!(end(ExitStatus::from_raw(0), ""), End::Passed);
        let said = "noise\nmutant caught by rules::first\n";
        assert_eq!(end(ExitStatus::from_raw(101 << 8), said), End::Failed(Some("rules::first".to_owned())));
        assert_eq!(end(ExitStatus::from_raw(101 << 8), "mutant caught by \n"), End::Failed(None));
        assert_eq!(end(ExitStatus::from_raw(6), ""), End::Failed(None), "aborted");
        assert_eq!([9, 24].map(|signal| end(ExitStatus::from_raw(signal), "")), [End::Endless, End::Endless]);
    }
}
