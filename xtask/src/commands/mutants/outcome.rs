//! What cargo-mutants writes down.

use std::fmt;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

/// One change to the code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mutant {
    pub(super) file: String,
    /// Line and column.
    pub(super) place: String,
    /// As `replace > with >= in Look<'_>::jump`.
    pub(super) change: String,
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.place, self.change)
    }
}

/// What became of all mutants.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    caught: usize,
    /// Their tests did not end, which people would notice.
    timed_out: usize,
    /// They do not compile.
    unviable: usize,
    pub(super) survivors: Vec<Mutant>,
}

impl Outcome {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text)
            .with_context(|| format!("{} is not what cargo-mutants 27.1 writes", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let all: Value = serde_json::from_str(text)?;
        let mut outcome = Self { caught: 0, timed_out: 0, unviable: 0, survivors: Vec::new() };
        for one in all["outcomes"].as_array().context("no outcomes")? {
            // The tree as it is comes first.
            let Some(mutant) = one["scenario"].get("Mutant") else { continue };
            match one["summary"].as_str() {
                Some("CaughtMutant") => outcome.caught += 1,
                Some("Timeout") => outcome.timed_out += 1,
                Some("Unviable") => outcome.unviable += 1,
                Some("MissedMutant") => {
                    let name = mutant["name"].as_str().context("a mutant without a name")?;
                    outcome.survivors.push(parse_name(name).with_context(|| name.to_owned())?);
                }
                other => anyhow::bail!("an outcome {other:?}"),
            }
        }
        Ok(outcome)
    }

    /// Mutants that could be built.
    pub(super) fn viable(&self) -> usize {
        self.caught + self.timed_out + self.survivors.len()
    }

    /// So many of the viable ones, of a hundred.
    pub(super) fn share(&self, count: usize) -> f64 {
        let thousands = u32::try_from(count * 100_000 / self.viable().max(1)).unwrap_or(u32::MAX);
        f64::from(thousands) / 1000.0
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { caught, timed_out, unviable, survivors } = self;
        let survived = survivors.len();
        write!(
            f,
            "{caught} mutants caught, {timed_out} timed out, {survived} survived ({:.1} %), {unviable} do not compile",
            self.share(survived)
        )
    }
}

/// `src/a.rs:12:3: replace + with -`
fn parse_name(name: &str) -> Option<Mutant> {
    let (place, change) = name.split_once(": ")?;
    let mut parts = place.splitn(2, ':');
    let (file, place) = (parts.next()?, parts.next()?);
    Some(Mutant { file: file.to_owned(), place: place.to_owned(), change: change.to_owned() })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn mutant(name: &str) -> Mutant {
        parse_name(name).unwrap()
    }

    #[test]
    fn what_cargo_mutants_writes() {
        let text = r#"{"outcomes": [
            {"scenario": "Baseline", "summary": "Success"},
            {"scenario": {"Mutant": {"name": "src/a.rs:1:2: replace + with -"}}, "summary": "CaughtMutant"},
            {"scenario": {"Mutant": {"name": "src/a.rs:1:2: replace + with *"}}, "summary": "Timeout"},
            {"scenario": {"Mutant": {"name": "src/a.rs:3:4: replace f -> A::B with C"}}, "summary": "MissedMutant"},
            {"scenario": {"Mutant": {"name": "src/a.rs:5:6: delete !"}}, "summary": "Unviable"}
        ]}"#;
        let outcome = Outcome::parse(text).unwrap();
        assert_eq!(outcome.survivors[0].to_string(), "src/a.rs:3:4: replace f -> A::B with C");
        assert_eq!(outcome.survivors[0].place, "3:4");
        assert_eq!(
            outcome.to_string(),
            "1 mutants caught, 1 timed out, 1 survived (33.3 %), 1 do not compile"
        );
        assert_eq!((outcome.viable(), outcome.share(0)), (3, 0.0));
    }
}
