//! Whose code is broken, and how its tests are built.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use sha2::{Digest as _, Sha256};
use tokio::process::Command;

/// A package, in a workspace or by itself.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    /// Its workspace.
    pub(super) root: PathBuf,
    /// What is needed to build it, from the root.
    pub(super) files: Vec<PathBuf>,
    pub(super) package: String,
    /// Where it lies, from the root; empty where it is the root.
    pub(super) folder: PathBuf,
    /// Its root module, from the root.
    pub(super) library: PathBuf,
    /// What the outcome of its tests depends on: the beginning of paths.
    pub(super) decisive: Vec<PathBuf>,
    /// Which tests are built, and with which features: arguments for `cargo test`.
    pub(super) tests: Vec<String>,
    /// Where copies, programs and results lie.
    pub(super) output: PathBuf,
    /// Seconds of a processor, beyond what they need without a mutant, after which tests count as endless.
    pub(super) patience: u64,
    /// Seconds of a processor after which a compiler that builds one mutant counts as endless.
    pub(super) compiler: u64,
}

impl Subject {
    /// The name of this very code: what was found out about other code does not count.
    pub(super) fn code(&self) -> Result<String> {
        let mut hash = Sha256::new();
        let decides = |file: &&PathBuf| self.decisive.iter().any(|beginning| file.starts_with(beginning));
        for file in self.files.iter().filter(decides).collect::<BTreeSet<_>>() {
            let text = std::fs::read(self.root.join(file))
                .with_context(|| format!("cannot read {}", file.display()))?;
            hash.update(file.as_os_str().as_encoded_bytes());
            hash.update(text.len().to_le_bytes());
            hash.update(text);
        }
        Ok(shown(&hash.finalize()))
    }
}

/// A short name for bytes.
pub(super) fn hashed(bytes: &[u8]) -> String {
    shown(&Sha256::digest(bytes))
}

fn shown(hash: &[u8]) -> String {
    hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// All files of a repository that are not ignored, be they committed or not.
pub(super) async fn tracked(root: &Path) -> Result<Vec<PathBuf>> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root);
    let output = git.output().await.context("cannot run git")?;
    ensure!(output.status.success(), "git: {}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(output.stdout).context("a file name is not UTF-8")?;
    let there = |name: &&str| !name.is_empty() && root.join(name).is_file();
    Ok(names.split('\0').filter(there).map(PathBuf::from).collect())
}
