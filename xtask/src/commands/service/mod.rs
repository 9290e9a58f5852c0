//! `cargo xtask service`: the package's whole life under a real systemd, beside a real stack: installed, started, scraped, read
//! again, upgraded, stuck, stopped in mid-recovery, removed and purged.

mod begin;
mod scene;
mod trouble;
mod upgrade;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use xtask::{Cache, Need, Progress, Stack, StackSpec, Stopwatch, Suite, ensure as ensure_machine, sweep};

use super::cargo::{build_daemon_with, workspace};
use super::deb::{self, Packager};
use scene::Scene;

/// What an upgrade is from: the same program under an earlier version.
const PREVIOUS: &str = "0.0.9-1";

/// Where it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Debian {
    /// Debian 12, systemd 252.
    Bookworm,
    /// Debian 13, systemd 257.
    Trixie,
}

/// How it is done.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Which Debian; may be repeated. Both where none is named.
    #[arg(long, value_enum)]
    suite: Vec<Debian>,
    /// A program that is built already; else one is built, as it is released.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Install what an earlier run has packaged.
    #[arg(long)]
    packaged: bool,
    /// The same with the feature `failpoints`.
    #[arg(long, value_name = "FILE")]
    failpoints: Option<PathBuf>,
    /// Use the stack in this folder instead of starting one.
    #[arg(long, value_name = "FOLDER")]
    stack: Option<PathBuf>,
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    let (watch, progress) = (Stopwatch::start(), Progress::to_stderr());
    ensure!(rustix::process::geteuid().is_root(), "a real systemd in namespaces takes root");
    let cache = Cache::from_environment()?;
    sweep(&cache, &progress)?;
    ensure_machine(&Need::BUILD, &progress).await?;
    let folder = workspace()?.join("target/debian");
    if !arguments.packaged {
        let packager = Packager::ready(arguments.binary, &cache, &progress).await?;
        packager.build(&folder.join("previous"), Some(PREVIOUS)).await?;
        packager.build(&folder, None).await?;
    }
    let packages = Packages {
        previous: newest(&folder.join("previous"))?,
        current: newest(&folder)?,
        with_failpoints: match arguments.failpoints {
            Some(binary) => binary,
            None => failpoints(&progress).await?,
        },
    };
    progress.line(&format!("{}, {}", packages.current.display(), deb::megabytes(&packages.current)?));
    let stack = match &arguments.stack {
        Some(folder) => Stack::attach(folder).await?,
        None => Stack::start(StackSpec::unique("service"), &progress).await?,
    };
    for suite in suites(&arguments.suite) {
        let scene = Scene::set(&cache, suite, &stack, &progress).await?;
        lived(&scene, &packages).await?;
    }
    println!("as it must be, in {} s", watch.elapsed().as_secs());
    Ok(ExitCode::SUCCESS)
}

/// What is installed, one after the other.
struct Packages {
    previous: PathBuf,
    current: PathBuf,
    /// A program only.
    with_failpoints: PathBuf,
}

/// The package in a folder that was written last.
fn newest(folder: &Path) -> Result<PathBuf> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("no {}", folder.display()))?;
    let packages = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let packages = packages.filter(|path| path.extension().is_some_and(|extension| extension == "deb"));
    let newest = packages.max_by_key(|path| path.metadata().and_then(|data| data.modified()).ok());
    newest.with_context(|| format!("no package in {}", folder.display()))
}

async fn failpoints(progress: &Progress) -> Result<PathBuf> {
    let step = progress.step("build resumeguard with fail-points");
    let binary = build_daemon_with(&["failpoints"], &step).await?;
    step.done(&binary.display().to_string());
    Ok(binary)
}

fn suites(asked: &[Debian]) -> Vec<Suite> {
    let asked = if asked.is_empty() { &[Debian::Bookworm, Debian::Trixie] } else { asked };
    let suite = |debian: &Debian| match debian {
        Debian::Bookworm => Suite::Bookworm,
        Debian::Trixie => Suite::Trixie,
    };
    asked.iter().map(suite).collect()
}

/// From the installation to nothing left.
async fn lived(scene: &Scene<'_>, packages: &Packages) -> Result<()> {
    begin::installed(scene, &packages.previous).await?;
    begin::without_a_configuration(scene).await?;
    begin::unit_is_sound(scene).await?;
    begin::waits_for_a_secret(scene).await?;
    begin::watches(scene).await?;
    trouble::reloads(scene).await?;
    upgrade::keeps_its_state(scene, &packages.current).await?;
    trouble::stuck(scene, &packages.with_failpoints).await?;
    trouble::stopped_in_mid_recovery(scene).await?;
    upgrade::removed_and_purged(scene).await?;
    // The next one is to see its own alone.
    scene.stack.connect()?.delete(&scene.connector).await
}
