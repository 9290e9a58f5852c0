//! A copy of the code that is changed and built.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::process::Command;

use super::super::cargo::{self, Cargo};
use super::subject::Subject;

/// Tests run mostly in the dependencies' code: these are built once, what is mutated again and again.
const DEPENDENCIES: &str = "profile.dev.package.\"*\".opt-level=1";

/// How cargo says that a compiler was killed by its limit, with SIGXCPU.
const OUT_OF_TIME: &str = "(signal: 24";

/// The copy.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    subject: &'a Subject,
    root: PathBuf,
}

/// What came of building the tests.
#[derive(Debug)]
pub(super) enum Built {
    /// The test programs.
    Programs(Vec<PathBuf>),
    Refused(Vec<Refusal>),
    /// The compiler used up its time: it evaluates constants, which may go on for ever.
    Endless,
}

/// One error of the compiler.
#[derive(Debug)]
pub(super) struct Refusal {
    /// Files from the root and lines, what matters most first.
    pub(super) places: Vec<(String, usize)>,
    /// For people.
    pub(super) text: String,
}

impl<'a> Tree<'a> {
    /// Makes the copy, or brings one that is there up to date: what has not changed is not written, nor built, again.
    /// Files that are to be written otherwise are left alone.
    pub(super) fn copied(subject: &'a Subject, name: &str, except: &BTreeSet<&Path>) -> Result<Self> {
        let tree = Self { subject, root: subject.output.join(name) };
        for file in subject.files.iter().filter(|file| !except.contains(file.as_path())) {
            let from = subject.root.join(file);
            let bytes = std::fs::read(&from).with_context(|| format!("cannot read {}", from.display()))?;
            tree.write(file, &bytes)?;
        }
        tree.forget_others(&tree.root.join(&subject.folder))?;
        Ok(tree)
    }

    /// Where the package lies in the copy: its tests expect to be run there.
    pub(super) fn package(&self) -> PathBuf {
        self.root.join(&self.subject.folder)
    }

    /// A source that no longer exists may still be found by the compiler or a test.
    fn forget_others(&self, folder: &Path) -> Result<()> {
        let files: BTreeSet<_> = self.subject.files.iter().map(|file| self.root.join(file)).collect();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                self.forget_others(&path)?;
            } else if !files.contains(&path) {
                std::fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    pub(super) fn read(&self, file: &Path) -> Result<String> {
        let path = self.root.join(file);
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    pub(super) fn write(&self, file: &Path, bytes: &[u8]) -> Result<()> {
        let path = self.root.join(file);
        if std::fs::read(&path).is_ok_and(|there| there == bytes) {
            return Ok(());
        }
        let folder = path.parent().context("a file without a folder")?;
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Builds the tests; a compiler may take so many seconds of a processor. All copies share what is built of the
    /// dependencies.
    ///
    /// Nothing of our own is optimised: it is built more often than run. No lint makes a mutant one that does not compile.
    pub(super) async fn build(&self, seconds: u64) -> Result<Built> {
        let mut command = cargo::gentle("prlimit", &self.root);
        // The second is the hard limit, at which the kernel kills without a word.
        command.arg(format!("--cpu={seconds}:{}", seconds + 5)).arg("--").arg(cargo::program());
        command.args(["test", "--no-run", "--message-format=json", "--package", &self.subject.package]);
        command.args(&self.subject.tests).args(["--config", DEPENDENCIES]);
        command.env("CARGO_TARGET_DIR", self.subject.output.join("build"));
        command.env("RUSTFLAGS", "--cap-lints=allow").env_remove("CARGO_ENCODED_RUSTFLAGS");
        command.env("CARGO_INCREMENTAL", "1").env("CARGO_PROFILE_DEV_DEBUG", "0");
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        outcome(command).await
    }
}

async fn outcome(command: Command) -> Result<Built> {
    let mut cargo = Cargo::spawn(command)?;
    let (mut messages, mut chatter) = (cargo.stdout()?, cargo.stderr()?);
    let (mut programs, mut refusals, mut said) = (Vec::new(), Vec::new(), String::new());
    let artefacts = async {
        while let Some(line) = messages.next_line().await? {
            let message: Value = serde_json::from_str(&line).unwrap_or_default();
            programs.extend(message["executable"].as_str().map(PathBuf::from));
            refusals.extend(refusal(&message));
        }
        anyhow::Ok(())
    };
    let rest = async {
        while let Some(line) = chatter.next_line().await? {
            said.push_str(&line);
            said.push('\n');
        }
        anyhow::Ok(())
    };
    tokio::try_join!(artefacts, rest)?;
    if cargo.wait().await?.success() {
        return Ok(Built::Programs(programs));
    }
    if said.contains(OUT_OF_TIME) {
        return Ok(Built::Endless);
    }
    // A disk that is full says nothing about a mutant.
    ensure!(!refusals.is_empty(), "the tests do not build:\n{said}");
    Ok(Built::Refused(refusals))
}

fn refusal(message: &Value) -> Option<Refusal> {
    let message = &message["message"];
    if message["level"] != "error" {
        return None;
    }
    let spans = message["spans"].as_array()?;
    let (primary, others): (Vec<_>, Vec<_>) = spans.iter().partition(|span| span["is_primary"] == true);
    let mut places = Vec::new();
    for span in primary.into_iter().chain(others) {
        // What stands in a macro is pointed at there, then where it is called.
        let mut span = span;
        while let (Some(file), Some(line)) = (span["file_name"].as_str(), span["line_start"].as_u64()) {
            places.push((file.to_owned(), usize::try_from(line).ok()?));
            span = &span["expansion"]["span"];
        }
    }
    Some(Refusal { places, text: message["rendered"].as_str().unwrap_or_default().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_error_is_where_its_first_span_points_at() {
        let span = |line: u64, primary: bool| json!({ "file_name": "a.rs", "line_start": line, "is_primary": primary });
        let mut expanded = span(3, true);
        expanded["expansion"] = json!({ "span": span(2, false) });
        let message =
            json!({ "message": { "level": "error", "rendered": "no", "spans": [span(1, false), expanded] } });
        let places = refusal(&message).unwrap().places;
        assert_eq!(places.iter().map(|(_, line)| *line).collect::<Vec<_>>(), [3, 2, 1]);
        assert!(refusal(&json!({ "message": { "level": "warning", "spans": [] } })).is_none());
        assert!(refusal(&json!({ "reason": "compiler-artifact" })).is_none());
    }
}
