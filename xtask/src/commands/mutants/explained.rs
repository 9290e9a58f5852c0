//! Survivors that are no gap in the tests.

use std::fmt;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::list::Mutant;
use super::outcome::Outcome;

/// The list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Explained {
    #[serde(default, rename = "mutant")]
    entries: Vec<Entry>,
}

/// What explains mutants of one change in one file. Lines are left out: they move.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// The end of the path.
    file: String,
    /// As cargo-mutants calls it.
    change: String,
    reason: String,
    /// So many of that name; one more is a gap.
    #[serde(default = "once")]
    times: usize,
    #[serde(skip)]
    used: usize,
}

fn once() -> usize {
    1
}

impl Explained {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("{} is not a list of mutants", path.display()))
    }

    /// Why this one may survive. An entry that was used up explains nothing more.
    fn reason(&mut self, mutant: &Mutant) -> Option<String> {
        let entry = self.entries.iter_mut().find(|entry| {
            Path::new(&mutant.file).ends_with(&entry.file)
                && mutant.change == entry.change
                && entry.used < entry.times
        })?;
        entry.used += 1;
        Some(entry.reason.clone())
    }

    /// Those that explain fewer survivors than they say, in files that were looked at.
    fn unused(&self, outcome: &Outcome) -> impl Iterator<Item = String> {
        let unused = self.entries.iter().filter(|entry| {
            entry.used < entry.times && outcome.files().any(|file| Path::new(file).ends_with(&entry.file))
        });
        unused.map(|entry| format!("{}: {}", entry.file, entry.change))
    }
}

/// Survivors beside the list.
#[derive(Debug)]
pub(super) struct Judgement {
    explained: Vec<(Mutant, String)>,
    pub(super) gaps: Vec<Mutant>,
    /// Entries that explain nothing.
    stale: Vec<String>,
}

impl Judgement {
    pub(super) fn of(outcome: &Outcome, mut list: Explained) -> Self {
        let (mut explained, mut gaps) = (Vec::new(), Vec::new());
        for mutant in &outcome.survivors {
            match list.reason(mutant) {
                Some(reason) => explained.push((mutant.clone(), reason)),
                None => gaps.push(mutant.clone()),
            }
        }
        Self { explained, gaps, stale: list.unused(outcome).collect() }
    }
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (mutant, reason) in &self.explained {
            writeln!(f, "explained: {mutant}\n           {reason}")?;
        }
        for gap in &self.gaps {
            writeln!(f, "not explained: {gap}")?;
        }
        for stale in &self.stale {
            writeln!(f, "does not survive any more, take it out of the list: {stale}")?;
        }
        writeln!(f, "{} survivors explained, {} not", self.explained.len(), self.gaps.len())
    }
}

#[cfg(test)]
mod tests {
    use super::super::ledger::Verdict;
    use super::super::list::tests::mutant;
    use super::*;

    fn judged(survivors: &[&str]) -> Judgement {
        let list = "[[mutant]]\nfile = 'assess/pace.rs'\nchange = 'delete !'\nreason = 'why'\n";
        let survivors: Vec<_> = survivors.iter().map(|name| mutant(name)).collect();
        let outcome = Outcome::of(survivors.iter().map(|mutant| (mutant, Verdict::Missed)));
        Judgement::of(&outcome, toml::from_str(list).unwrap())
    }

    #[test]
    fn an_entry_explains_as_many_as_it_says_in_its_own_file() {
        let judged_text = judged(&["src/assess/pace.rs:1:1: delete !", "src/assess/pace.rs:2:2: delete !"]);
        assert_eq!(
            judged_text.to_string(),
            "explained: src/assess/pace.rs:1:1: delete !\n           why\n\
             not explained: src/assess/pace.rs:2:2: delete !\n1 survivors explained, 1 not\n"
        );
        assert_eq!(judged(&["src/reassess/pace.rs:1:1: delete !"]).gaps.len(), 1);
    }

    #[test]
    fn an_entry_that_explains_nothing_is_named_where_its_file_was_looked_at() {
        let stale = |survivor| judged(&[survivor]).stale;
        assert_eq!(stale("src/assess/pace.rs:1:1: replace ! with ?"), ["assess/pace.rs: delete !"]);
        assert!(stale("src/assess/other.rs:1:1: delete !").is_empty());
    }

    #[test]
    fn the_lists_that_are_committed_can_be_read() {
        for name in ["core.toml", "decoder.toml"] {
            Explained::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("mutants").join(name)).unwrap();
        }
    }
}
