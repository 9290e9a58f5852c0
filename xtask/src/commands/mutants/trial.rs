//! Running tests against a mutant.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::Signal;

use super::super::cargo;

/// Random cases of each property, at first: a mutant that any of them notices needs no more.
const FEW_CASES: &str = "16";

/// The same random cases in every run: what is caught is caught again.
const SEED: &str = "20240229";

/// Address space, in bytes. A mutant may take memory for ever.
const MEMORY: u64 = 3 << 30;

/// Stack of a test's thread, in bytes: all copies of a body have their own variables.
const STACK: &str = "67108864";

/// Time by the clock for one program. What counts is the processor's time: other work on the machine must not make a
/// mutant look caught.
const WAIT: Duration = Duration::from_secs(3600);

/// Runs what follows and says what it took.
const TIMED: &str = "\"$@\"; status=$?; times >&2; exit $status";

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
    pub(super) async fn run(&self) -> Result<End> {
        let output = self.output(&[]).await?;
        Ok(end(output.status, &String::from_utf8_lossy(&output.stderr)))
    }

    /// What it takes of a processor, if it passes: by the clock it takes as long as other work on the machine lets it.
    pub(super) async fn cost(&self) -> Result<Option<Duration>> {
        let output = self.output(&["sh", "-c", TIMED, "sh"]).await?;
        if !output.status.success() {
            return Ok(None);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let children = said.lines().last().and_then(processor_time);
        Ok(Some(children.with_context(|| format!("not what a shell says of times: {said}"))?))
    }

    async fn output(&self, shell: &[&str]) -> Result<Output> {
        let mut command = cargo::gentle("prlimit", self.folder);
        // The second is the hard limit, at which the kernel kills.
        command.arg(format!("--cpu={}:{}", self.limit, self.limit + 1));
        command.args([format!("--as={MEMORY}"), "--core=0".to_owned(), "--".to_owned()]).args(shell);
        command.arg(self.program).args(["--test-threads=1", "--exact"]).args(&self.tests);
        command.env("CARGO_MANIFEST_DIR", self.folder);
        command.env("RUST_BACKTRACE", "0").env("RUST_MIN_STACK", STACK);
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
        let child = command.spawn().context("cannot run nice")?;
        let output = tokio::time::timeout(WAIT, child.wait_with_output()).await;
        Ok(output.with_context(|| format!("{self:?} waits for something that does not come"))??)
    }
}

/// Two spans of time as `0m1.250000s`, one in our code and one in the kernel: the last line that a shell's `times` writes,
/// of its children.
fn processor_time(line: &str) -> Option<Duration> {
    let span = |text: &str| {
        let (minutes, seconds) = text.strip_suffix('s')?.split_once('m')?;
        let seconds = Duration::try_from_secs_f64(seconds.parse().ok()?).ok()?;
        Some(Duration::from_secs(minutes.parse::<u64>().ok()? * 60) + seconds)
    };
    let (user, kernel) = line.split_once(' ')?;
    Some(span(user)? + span(kernel)?)
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
    fn a_shell_tells_what_its_children_took() {
        assert_eq!(processor_time("1m2.250000s 0m0.500000s"), Some(Duration::from_millis(62_750)));
        assert_eq!([processor_time("1m2s"), processor_time("1.5s 0m0s"), processor_time("")], [None; 3]);
    }

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
