//! What was found out about mutants, kept: a run that was interrupted goes on, and the next one knows which test to try first.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::list::Mutant;

/// What became of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    Caught,
    /// Its tests did not end, which people would notice.
    Endless,
    Missed,
    /// It does not compile.
    Unviable,
}

/// A line of the file.
#[derive(Debug, Deserialize, Serialize)]
struct Entry {
    /// See [`super::subject::Subject::code`].
    code: String,
    file: String,
    place: String,
    change: String,
    verdict: Verdict,
    /// The test that noticed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<String>,
}

/// A file with a line for each mutant, which only grows.
#[derive(Debug)]
pub(super) struct Ledger {
    file: File,
    code: String,
    /// Of this very code, by a mutant's whole name.
    verdicts: HashMap<String, Verdict>,
    /// Tests that noticed such a mutant, in whatever code: by file and change.
    noticed: HashMap<(String, String), String>,
}

impl Ledger {
    /// Reads what is there. A line that was torn when a run was killed is none.
    pub(super) fn open(path: &Path, code: String) -> Result<Self> {
        let shown = path.display();
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .with_context(|| format!("cannot open {shown}"))?;
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
        if !text.is_empty() && !text.ends_with('\n') {
            file.write_all(b"\n")?;
        }
        let mut ledger = Self { file, code, verdicts: HashMap::new(), noticed: HashMap::new() };
        for entry in text.lines().filter_map(|line| serde_json::from_str(line).ok()) {
            ledger.learn(entry);
        }
        Ok(ledger)
    }

    fn learn(&mut self, entry: Entry) {
        if entry.code == self.code {
            let name = format!("{}:{}: {}", entry.file, entry.place, entry.change);
            self.verdicts.insert(name, entry.verdict);
        }
        if let Some(by) = entry.by {
            self.noticed.insert((entry.file, entry.change), by);
        }
    }

    pub(super) fn verdict(&self, mutant: &Mutant) -> Option<Verdict> {
        self.verdicts.get(&mutant.to_string()).copied()
    }

    /// The test that is likely to notice.
    pub(super) fn likely(&self, mutant: &Mutant) -> Option<String> {
        self.noticed.get(&(mutant.file.clone(), mutant.change.clone())).cloned()
    }

    pub(super) fn add(&mut self, mutant: &Mutant, verdict: Verdict, by: Option<String>) -> Result<()> {
        let Mutant { file, place, change, .. } = mutant.clone();
        let entry = Entry { code: self.code.clone(), file, place, change, verdict, by };
        let line = serde_json::to_string(&entry)? + "\n";
        self.file.write_all(line.as_bytes()).context("cannot write down what became of a mutant")?;
        self.learn(entry);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::list::tests::mutant;
    use super::*;

    #[test]
    fn what_was_found_out_counts_for_the_same_code_only() {
        let folder = std::env::temp_dir().join(format!("resumeguard-ledger-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("results.jsonl");
        let (one, other) = (mutant("src/a.rs:1:1: delete !"), mutant("src/a.rs:2:1: delete !"));
        let mut ledger = Ledger::open(&path, "one".to_owned()).unwrap();
        ledger.add(&one, Verdict::Caught, Some("first".to_owned())).unwrap();
        ledger.add(&other, Verdict::Missed, None).unwrap();
        // A run was killed while it wrote.
        std::fs::write(&path, std::fs::read_to_string(&path).unwrap() + "{\"code\":").unwrap();
        let mut again = Ledger::open(&path, "one".to_owned()).unwrap();
        assert_eq!([&one, &other].map(|m| again.verdict(m)), [Some(Verdict::Caught), Some(Verdict::Missed)]);
        again.add(&other, Verdict::Unviable, None).unwrap();
        let changed = Ledger::open(&path, "two".to_owned()).unwrap();
        assert_eq!(changed.verdict(&one), None);
        assert_eq!(changed.likely(&other).as_deref(), Some("first"), "lines move");
        assert_eq!(Ledger::open(&path, "one".to_owned()).unwrap().verdict(&other), Some(Verdict::Unviable));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
