//! `cargo xtask mutants`: breaks the code in every small way and lists what no test notices.
//!
//! A mutant that survives is a gap in the tests, or changes nothing that anybody could notice. Those of the second kind
//! stand in `xtask/mutants` with a reason; the others may be one in twenty.

mod explained;
mod outcome;

use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};

use anyhow::{Result, ensure};
use tokio::process::Command;
use xtask::{Cache, Progress, mutator};

use super::cargo::{Cargo, DECODER, workspace};
use explained::Explained;
use outcome::{Mutant, Outcome};

/// Of a hundred mutants that can be built, so many may survive without an explanation.
const MOST_SURVIVORS: f64 = 5.0;

/// Seconds for the tests of one mutant: it may loop for ever. They take three to six, and longer beside other work.
const TIMEOUT: &str = "60";

/// Memory for a file system, where the copy of the tree is built if it is there.
const MEMORY: &str = "/dev/shm";

/// Tests run mostly in the dependencies' code: these are built once, what is mutated for every mutant.
const DEPENDENCIES: &str = "--cargo-arg=--config=profile.dev.package.\"*\".opt-level=1";

/// What cargo-mutants exits with where every mutant was tried: all caught, some survived, some ran out of time.
const TRIED: [i32; 3] = [0, 2, 3];

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
    fn cargo(self) -> &'static [&'static str] {
        match self {
            Self::Core => &["--cargo-arg=--lib"],
            Self::Decoder => &["--cargo-arg=--lib", "--cargo-arg=--test=it", "--all-features"],
        }
    }

    fn explained(self) -> Result<PathBuf> {
        let file = match self {
            Self::Core => "core.toml",
            Self::Decoder => "decoder.toml",
        };
        Ok(workspace()?.join("xtask/mutants").join(file))
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
    let folder = workspace()?.join("target/mutants").join(package.name());
    std::fs::create_dir_all(&folder)?;
    let status = Cargo::spawn(command(&tool, package, &files, &folder)?)?.wait().await?;
    let tried = status.code().is_some_and(|code| TRIED.contains(&code));
    ensure!(tried, "cargo-mutants: {status}; do the tests pass without a mutant?");
    judge(&Outcome::read(&folder.join("mutants.out/outcomes.json"))?, explained, package, files.is_empty())
}

/// Nothing optimised but the dependencies, one test binary, few random cases: what is built again after every change takes
/// a second. Optimised a little, it takes three times as long, and its tests hardly less.
fn command(tool: &Path, package: Package, files: &[String], output: &Path) -> Result<Command> {
    let mut command = Command::new(tool);
    command.args(["mutants", "--package", package.name(), "--jobs", "1", "--timeout", TIMEOUT]);
    command.args(["--output"]).arg(output).args(package.cargo());
    command.args(files.iter().flat_map(|file| ["--file", file]));
    command.arg(DEPENDENCIES).env("PROPTEST_CASES", "16");
    command.env("CARGO_INCREMENTAL", "1").env("CARGO_PROFILE_DEV_DEBUG", "0");
    if Path::new(MEMORY).is_dir() {
        command.env("TMPDIR", MEMORY);
    }
    // It builds a copy of the tree: what is built of the tree itself must not be mixed with that.
    command.env_remove("CARGO_TARGET_DIR");
    // Stdout belongs to the result.
    command.current_dir(workspace()?).stdin(Stdio::null()).stdout(std::io::stderr());
    Ok(command)
}

/// Says what survived, and whether that is too much.
fn judge(outcome: &Outcome, mut explained: Explained, package: Package, whole: bool) -> Result<ExitCode> {
    let (known, gaps): (Vec<_>, Vec<_>) = outcome
        .survivors
        .iter()
        .map(|mutant| (mutant, explained.reason(mutant)))
        .partition(|(_, reason)| reason.is_some());
    println!("{}: {outcome}", package.name());
    for (mutant, reason) in known {
        println!("  explained: {mutant}\n             {}", reason.unwrap_or_default());
    }
    let gaps: Vec<&Mutant> = gaps.into_iter().map(|(mutant, _)| mutant).collect();
    for gap in &gaps {
        println!("  not explained: {gap}");
    }
    for unused in explained.unused().filter(|_| whole) {
        println!("  does not survive any more, take it out of the list: {unused}");
    }
    let share = outcome.share(gaps.len());
    println!("{} survivors without an explanation: {share:.1} % of {}", gaps.len(), outcome.viable());
    ensure!(
        share <= MOST_SURVIVORS,
        "more than {MOST_SURVIVORS} % survive: write tests, or explain them in {}",
        package.explained()?.display()
    );
    Ok(ExitCode::SUCCESS)
}
