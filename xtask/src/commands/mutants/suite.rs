//! The tests of a package: what each costs, and which functions it reaches.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use tokio::process::Command;
use xtask::Progress;

use super::lanes::in_lanes;
use super::ledger::Verdict;
use super::subject::Subject;
use super::trial::{Call, End, Mode};

/// Tests are run together up to this cost: a process takes a few milliseconds by itself.
const TOGETHER: Duration = Duration::from_millis(200);

/// What has used up its time is given so many times as much before it is said not to end: a busy machine makes slow, and
/// nothing endless.
const ONCE_MORE: u64 = 3;

/// A test that takes longer is not repeated in vain.
const LONG: Duration = Duration::from_secs(1);

/// The tests that passed without a mutant.
#[derive(Clone, Debug)]
pub(super) struct Suite {
    programs: Vec<PathBuf>,
    /// The package's own.
    folder: PathBuf,
    tests: Vec<Test>,
    /// See [`super::subject::Subject::patience`].
    patience: u64,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Test {
    /// One of the suite's.
    program: usize,
    name: String,
    /// With few random cases.
    quick: Duration,
    /// With all random cases.
    thorough: Duration,
    /// Functions, by their first mutants; `None` where that could not be written down.
    reached: Option<BTreeSet<u32>>,
}

impl Test {
    /// Whether all random cases are more than a few. What takes long and no longer with all of them has none: with the
    /// same seed it would do the same once more. Of what is short nothing can be told, nor saved.
    fn has_more_cases(&self) -> bool {
        self.quick < LONG || self.thorough > self.quick.mul_f64(1.3)
    }
}

/// Tests of one program that are run together.
#[derive(Debug, Default)]
struct Batch {
    program: usize,
    tests: Vec<String>,
    cost: Duration,
}

impl Suite {
    /// Runs every test by itself, twice; or recalls what was measured of this very program.
    pub(super) async fn measured(
        programs: Vec<PathBuf>,
        folder: PathBuf,
        subject: &Subject,
        build: &str,
        progress: &Progress,
    ) -> Result<Self> {
        let memo = subject.output.join("tests.json");
        let known: Option<(String, Vec<Test>)> =
            std::fs::read(&memo).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let mut suite = Self { programs, folder, tests: Vec::new(), patience: subject.patience };
        suite.programs.sort();
        match known {
            Some((of, tests)) if of == build => suite.tests = tests,
            _ => {
                suite.measure_all(&subject.output.join("reached"), progress).await?;
                std::fs::write(&memo, serde_json::to_vec(&(build, &suite.tests))?)?;
            }
        }
        Ok(suite)
    }

    async fn measure_all(&mut self, scratch: &Path, progress: &Progress) -> Result<()> {
        let mut names = Vec::new();
        for (program, path) in self.programs.iter().enumerate() {
            names.extend(named(path).await?.into_iter().map(|name| (program, name)));
        }
        ensure!(!names.is_empty(), "there are no tests");
        std::fs::create_dir_all(scratch)?;
        let step = progress.bar(format!("{} tests without a mutant", names.len()), names.len() as u64);
        let bare = Arc::new(self.clone());
        let measure = |(number, (program, name))| {
            let (bare, scratch) = (Arc::clone(&bare), scratch.join(format!("reached-{number}")));
            async move { bare.measure(program, name, &scratch).await }
        };
        let tests = &mut self.tests;
        in_lanes(names.into_iter().enumerate(), measure, |test| {
            tests.push(test);
            step.set(tests.len() as u64);
            Ok(())
        })
        .await?;
        let sum = |cost: fn(&Test) -> Duration| self.tests.iter().map(cost).sum::<Duration>().as_secs();
        step.done(&format!(
            "{} s, with all random cases {} s",
            sum(|test| test.quick),
            sum(|test| test.thorough)
        ));
        Ok(())
    }

    async fn measure(&self, program: usize, name: String, scratch: &Path) -> Result<Test> {
        let path = self.programs.get(program).context("no such program")?;
        let call = |mode, thorough| Call {
            program: path,
            folder: &self.folder,
            tests: vec![&name],
            mode,
            thorough,
            limit: 60 * self.patience,
        };
        let mut reached = None;
        let mut thorough = call(Mode::Recording(scratch), true).cost().await?;
        if thorough.is_some() {
            // A test that reaches none of the code has not asked the switch.
            let bytes = std::fs::read(scratch).unwrap_or_default();
            reached = Some(bytes.as_chunks().0.iter().copied().map(u32::from_le_bytes).collect());
        } else {
            thorough = call(Mode::Off, true).cost().await?;
        }
        std::fs::remove_file(scratch).ok();
        let quick = call(Mode::On(0), false).cost().await?;
        let (thorough, quick) =
            thorough.zip(quick).with_context(|| format!("{name} fails without a mutant"))?;
        Ok(Test { program, name, quick, thorough, reached })
    }

    /// The same tests, in programs that were built anew, without a switch.
    pub(super) fn rebuilt(&self, mut programs: Vec<PathBuf>) -> Result<Self> {
        programs.sort();
        let stems = |paths: &[PathBuf]| paths.iter().map(|path| stem(path)).collect::<Vec<_>>();
        ensure!(stems(&programs) == stems(&self.programs), "other test programs: {programs:?}");
        Ok(Self { programs, ..self.clone() })
    }

    /// What they make of a mutant: all of them, or those that reach its function. Cheap ones first, and before them the one
    /// that `likely` names; few random cases first, and all of them before it is said that nothing notices.
    pub(super) async fn judge(
        &self,
        mutant: u32,
        function: Option<u32>,
        likely: Option<&str>,
    ) -> Result<(Verdict, Option<String>)> {
        let mut tests: Vec<&Test> = self.reaching(function).collect();
        for thorough in [false, true] {
            tests.retain(|test| !thorough || test.has_more_cases());
            for batch in batches(&tests, likely, thorough) {
                let mut end = self.call(&batch, mutant, thorough, 1).await?;
                if end == End::Endless {
                    end = self.call(&batch, mutant, thorough, ONCE_MORE).await?;
                }
                match end {
                    End::Passed => {}
                    End::Endless => return Ok((Verdict::Endless, batch.tests.into_iter().next())),
                    End::Failed(by) => return Ok((Verdict::Caught, by.or(batch.tests.into_iter().next()))),
                }
            }
        }
        Ok((Verdict::Missed, None))
    }

    /// Whether all of them pass with few random cases.
    ///
    /// # Errors
    /// Where one does not.
    pub(super) async fn passes(&self) -> Result<()> {
        let tests: Vec<&Test> = self.tests.iter().collect();
        for batch in batches(&tests, None, false) {
            let end = self.call(&batch, 0, false, 1).await?;
            ensure!(end == End::Passed, "{end:?} without any mutant, one of {:?}", batch.tests);
        }
        Ok(())
    }

    /// What it costs at most to judge a mutant in that function, but for further random cases.
    pub(super) fn price(&self, function: u32) -> Duration {
        self.reaching(Some(function)).map(|test| test.quick).sum()
    }

    fn reaching(&self, function: Option<u32>) -> impl Iterator<Item = &Test> {
        self.tests.iter().filter(move |test| match (&test.reached, function) {
            (Some(reached), Some(function)) => reached.contains(&function),
            _ => true,
        })
    }

    async fn call(&self, batch: &Batch, mutant: u32, thorough: bool, times: u64) -> Result<End> {
        let call = Call {
            program: self.programs.get(batch.program).context("no such program")?,
            folder: &self.folder,
            tests: batch.tests.iter().map(String::as_str).collect(),
            mode: Mode::On(mutant),
            thorough,
            limit: times * (self.patience + (10 * batch.cost).as_secs()),
        };
        call.run().await
    }
}

/// The cheapest first, together while that costs little; by itself before all the likely one.
fn batches(tests: &[&Test], likely: Option<&str>, thorough: bool) -> Vec<Batch> {
    let cost = |test: &Test| if thorough { test.thorough } else { test.quick };
    let mut tests = tests.to_vec();
    tests.sort_by_key(|test| (Some(test.name.as_str()) != likely, test.program, cost(test)));
    let mut batches: Vec<Batch> = Vec::new();
    for test in tests {
        let first = batches.len() == 1 && likely.is_some();
        match batches.last_mut() {
            Some(batch) if !first && batch.program == test.program && batch.cost + cost(test) <= TOGETHER => {
                batch.cost += cost(test);
                batch.tests.push(test.name.clone());
            }
            _ => batches.push(Batch {
                program: test.program,
                tests: vec![test.name.clone()],
                cost: cost(test),
            }),
        }
    }
    // The sort is stable: the likely one stays where it is.
    batches.sort_by_key(|batch| (batch.tests.first().map(String::as_str) != likely, batch.cost));
    batches
}

/// A test program's name without cargo's hash.
fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.rsplit_once('-').map_or(name.to_string(), |(stem, _)| stem.to_owned())
}

/// The names of a program's tests.
async fn named(program: &Path) -> Result<Vec<String>> {
    let output = Command::new(program)
        .args(["--list", "--format=terse"])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("cannot run {}", program.display()))?;
    if !output.status.success() {
        bail!("{} lists no tests: {}", program.display(), String::from_utf8_lossy(&output.stderr));
    }
    let list = String::from_utf8(output.stdout)?;
    Ok(list.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(program: usize, name: &str, quick: u64) -> Test {
        let quick = Duration::from_millis(quick);
        Test { program, name: name.to_owned(), quick, thorough: quick * 10, reached: None }
    }

    #[test]
    fn cheap_tests_are_run_together_and_first_but_for_the_likely_one() {
        let tests = [
            test(0, "long", 900),
            test(1, "other", 5),
            test(0, "a", 90),
            test(0, "b", 20),
            test(0, "c", 100),
        ];
        let run = |likely, thorough| -> Vec<String> {
            let tests: Vec<&Test> = tests.iter().collect();
            batches(&tests, likely, thorough).into_iter().map(|batch| batch.tests.join(" ")).collect()
        };
        assert_eq!(run(None, false), ["other", "c", "b a", "long"]);
        assert_eq!(run(Some("long"), false), ["long", "other", "c", "b a"]);
        assert_eq!(run(Some("b"), true), ["b", "other", "a", "c", "long"]);
    }
}
