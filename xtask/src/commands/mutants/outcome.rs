//! What became of all mutants, in figures.

use std::collections::BTreeMap;
use std::fmt;

use super::ledger::Verdict;
use super::list::Mutant;

/// Of one file, or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    caught: usize,
    endless: usize,
    missed: usize,
    unviable: usize,
}

impl Counts {
    fn add(&mut self, verdict: Verdict) {
        *match verdict {
            Verdict::Caught => &mut self.caught,
            Verdict::Endless => &mut self.endless,
            Verdict::Missed => &mut self.missed,
            Verdict::Unviable => &mut self.unviable,
        } += 1;
    }

    /// Mutants that could be built.
    fn viable(&self) -> usize {
        self.caught + self.endless + self.missed
    }

    fn cells(&self) -> String {
        let Self { caught, endless, missed, unviable } = self;
        let all = self.viable() + unviable;
        let share = percent(*missed, self.viable());
        format!("{all} | {unviable} | {caught} | {endless} | {missed} | {share:.1} % |")
    }
}

/// What became of all.
#[derive(Debug)]
pub(super) struct Outcome {
    files: BTreeMap<String, Counts>,
    pub(super) survivors: Vec<Mutant>,
}

impl Outcome {
    pub(super) fn of<'a>(verdicts: impl IntoIterator<Item = (&'a Mutant, Verdict)>) -> Self {
        let mut outcome = Self { files: BTreeMap::new(), survivors: Vec::new() };
        for (mutant, verdict) in verdicts {
            outcome.files.entry(mutant.file.clone()).or_default().add(verdict);
            if verdict == Verdict::Missed {
                outcome.survivors.push(mutant.clone());
            }
        }
        outcome
    }

    fn sum(&self) -> Counts {
        let mut sum = Counts::default();
        for Counts { caught, endless, missed, unviable } in self.files.values() {
            sum.caught += caught;
            sum.endless += endless;
            sum.missed += missed;
            sum.unviable += unviable;
        }
        sum
    }

    /// Those that were looked at.
    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Survivors, of a hundred that could be built.
    pub(super) fn share(&self) -> f64 {
        let sum = self.sum();
        percent(sum.missed, sum.viable())
    }
}

fn percent(part: usize, whole: usize) -> f64 {
    let thousands = u32::try_from(part * 100_000 / whole.max(1)).unwrap_or(u32::MAX);
    f64::from(thousands) / 1000.0
}

/// A table in Markdown, a row a file.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| file | mutants | do not compile | caught | endless | survive | of those that compile |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|")?;
        for (file, counts) in &self.files {
            writeln!(f, "| {file} | {}", counts.cells())?;
        }
        write!(f, "| all | {}", self.sum().cells())
    }
}

#[cfg(test)]
mod tests {
    use super::super::list::tests::mutant;
    use super::*;

    #[test]
    fn what_does_not_compile_is_not_counted_against_the_tests() {
        let one = mutant("src/a.rs:1:2: replace + with -");
        let other = mutant("src/b.rs:3:4: delete !");
        let outcome = Outcome::of([
            (&one, Verdict::Caught),
            (&one, Verdict::Endless),
            (&other, Verdict::Missed),
            (&other, Verdict::Unviable),
        ]);
        let text = outcome.to_string();
        let rows: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(
            rows,
            [
                "| src/a.rs | 2 | 0 | 1 | 1 | 0 | 0.0 % |",
                "| src/b.rs | 2 | 1 | 0 | 0 | 1 | 100.0 % |",
                "| all | 4 | 1 | 1 | 1 | 1 | 33.3 % |",
            ]
        );
        assert_eq!(outcome.survivors, [other]);
    }
}
