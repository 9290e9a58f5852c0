//! `cargo xtask mutants`: breaks the code in every small way and lists what no test notices.
//!
//! A mutant that survives is a gap in the tests, or changes nothing that anybody could notice. Those of the second kind
//! stand in `xtask/mutants` with a reason.
//!
//! cargo-mutants says what can be broken (`list`). To build anew for each takes seconds a mutant, hours for all: so all are
//! built into one program (`weave`, `bodies`), in a copy of the code (`tree`), and switched on one at a time. What the
//! compiler evaluates itself cannot be switched, and is built one by one (`survey`). For each mutant those tests are run that
//! reach its function (`suite`, `trial`). Results are kept (`ledger`).

mod bodies;
mod explained;
mod lanes;
mod ledger;
mod list;
mod outcome;
mod subject;
mod suite;
mod survey;
#[cfg(test)]
mod tests;
mod tree;
mod trial;
mod weave;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use xtask::{Cache, Progress, mutator};

use super::cargo::{DECODER, workspace};
use explained::{Explained, Judgement};
use list::list;
use subject::{Subject, tracked};

/// Of a hundred mutants that can be built, so many may survive, with an explanation.
const MOST_SURVIVORS: f64 = 5.0;

/// Seconds of a processor for tests that take less than one.
const PATIENCE: u64 = 10;

/// Seconds of a processor for one mutant that is built by itself, which takes a few.
const COMPILER: u64 = 60;

/// Whose code is broken.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Package {
    /// resumeguard-core.
    Core,
    /// mongodb-resume-token.
    Decoder,
}

impl Package {
    fn name(self) -> &'static str {
        match self {
            Self::Core => "resumeguard-core",
            Self::Decoder => DECODER,
        }
    }

    /// What is built and run for each mutant. The core's tests stand beside its code; the decoder has others as well.
    fn tests(self) -> &'static [&'static str] {
        match self {
            Self::Core => &["--lib"],
            Self::Decoder => &["--lib", "--test=it", "--all-features"],
        }
    }

    /// Packages whose code is part of what its tests run, from `crates`.
    fn decisive(self) -> &'static [&'static str] {
        match self {
            Self::Core => &["resumeguard-core", DECODER],
            Self::Decoder => &[DECODER],
        }
    }

    fn explained(self) -> Result<PathBuf> {
        let file = match self {
            Self::Core => "core.toml",
            Self::Decoder => "decoder.toml",
        };
        Ok(workspace()?.join("xtask/mutants").join(file))
    }

    async fn subject(self) -> Result<Subject> {
        let root = workspace()?;
        let parts = |name: &&str| {
            ["Cargo.toml", "src", "tests"].map(|part| PathBuf::from("crates").join(name).join(part))
        };
        Ok(Subject {
            files: tracked(&root).await?,
            package: self.name().to_owned(),
            library: PathBuf::from("crates").join(self.name()).join("src/lib.rs"),
            folder: PathBuf::from("crates").join(self.name()),
            decisive: self.decisive().iter().flat_map(parts).chain(["Cargo.lock".into()]).collect(),
            tests: self.tests().iter().map(|argument| (*argument).to_owned()).collect(),
            output: root.join("target/mutants").join(self.name()),
            patience: PATIENCE,
            compiler: COMPILER,
            root,
        })
    }
}

/// What to break.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Whose code is broken.
    #[arg(long, value_enum, default_value = "core")]
    package: Package,
    /// Only what lies in these files, as `**/judge.rs`; everything where none is named.
    #[arg(long = "file", value_name = "GLOB")]
    files: Vec<String>,
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    let Arguments { package, files } = arguments;
    let explained = Explained::read(&package.explained()?)?;
    let progress = Progress::to_stderr();
    let tool = mutator(&Cache::from_environment()?.tools(), &progress).await?;
    let subject = package.subject().await?;
    let mutants = list(&tool, &subject.root, &subject.package, &files).await?;
    ensure!(!mutants.is_empty(), "nothing to break in {files:?}");
    let outcome = survey::survey(&subject, &mutants, &progress).await?;
    println!("{outcome}");
    let judgement = Judgement::of(&outcome, explained);
    print!("{judgement}");
    // Of a few mutants, one is many of a hundred.
    let few = outcome.share() <= MOST_SURVIVORS || !files.is_empty();
    ensure!(few, "more than {MOST_SURVIVORS} % survive: write tests that catch them");
    let gaps = judgement.gaps.len();
    ensure!(
        gaps == 0,
        "{gaps} survive unexplained: write tests that catch them, or explain them in {}",
        package.explained()?.display()
    );
    Ok(ExitCode::SUCCESS)
}
