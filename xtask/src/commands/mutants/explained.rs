//! Survivors that are no gap in the tests.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::outcome::Mutant;

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
    pub(super) fn reason(&mut self, mutant: &Mutant) -> Option<String> {
        let entry = self.entries.iter_mut().find(|entry| {
            Path::new(&mutant.file).ends_with(&entry.file)
                && mutant.change == entry.change
                && entry.used < entry.times
        })?;
        entry.used += 1;
        Some(entry.reason.clone())
    }

    /// Those that explain fewer survivors than they say.
    pub(super) fn unused(&self) -> impl Iterator<Item = String> {
        let unused = self.entries.iter().filter(|entry| entry.used < entry.times);
        unused.map(|entry| format!("{}: {}", entry.file, entry.change))
    }
}

#[cfg(test)]
mod tests {
    use super::super::outcome::tests::mutant;
    use super::*;

    #[test]
    fn an_entry_explains_as_many_as_it_says_in_its_own_file() {
        let list = "[[mutant]]\nfile = 'assess/pace.rs'\nchange = 'delete !'\nreason = 'why'\n";
        let mut explained: Explained = toml::from_str(list).unwrap();
        assert_eq!(explained.unused().collect::<Vec<_>>(), ["assess/pace.rs: delete !"]);
        assert_eq!(explained.reason(&mutant("src/assess/pace.rs:1:1: replace ! with ?")), None);
        assert_eq!(explained.reason(&mutant("src/reassess/pace.rs:1:1: delete !")), None);
        assert_eq!(explained.reason(&mutant("src/assess/pace.rs:1:1: delete !")).as_deref(), Some("why"));
        assert_eq!(explained.reason(&mutant("src/assess/pace.rs:2:2: delete !")), None, "a second one");
        assert_eq!(explained.unused().count(), 0);
    }

    #[test]
    fn the_lists_that_are_committed_can_be_read() {
        for name in ["core.toml", "decoder.toml"] {
            Explained::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("mutants").join(name)).unwrap();
        }
    }
}
