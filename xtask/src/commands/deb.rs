//! `cargo xtask deb`: the Debian package, as `[package.metadata.deb]` describes it.

use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;
use xtask::{Cache, Need, Progress, ensure as ensure_machine, packager};

use super::cargo::{build_release, workspace};
use super::{dist, licences};

/// Where the package finds what is made for it.
const DIST: &str = "target/dist";

/// Where cargo-deb finds the program.
const TARGET: &str = "target/packaged";

/// What is packaged.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The folder that gets it.
    #[arg(long, default_value = "target/debian", value_name = "FOLDER")]
    output: PathBuf,
    /// A program that is built already; else one is built, as it is released.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Have lintian look at it.
    #[arg(long)]
    lintian: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    let progress = Progress::to_stderr();
    let package = Packager::ready(arguments.binary, &Cache::from_environment()?, &progress).await?;
    let built = package.build(&arguments.output, None).await?;
    if arguments.lintian {
        lint(&built, &progress).await?;
    }
    println!("{}", built.display());
    Ok(ExitCode::SUCCESS)
}

/// The built program with everything that goes beside it.
#[derive(Debug)]
pub(crate) struct Packager {
    cargo_deb: PathBuf,
}

impl Packager {
    /// Builds the program as users get it, and writes what is installed beside it.
    pub(crate) async fn ready(binary: Option<PathBuf>, cache: &Cache, progress: &Progress) -> Result<Self> {
        ensure_machine(&[&Need::BUILD[..], &[Need::DpkgDev]].concat(), progress).await?;
        let cargo_deb = packager(&cache.tools(), progress).await?;
        let binary = match binary {
            Some(binary) => binary,
            None => released(progress).await?,
        };
        // Where cargo-deb looks, and nobody else builds.
        let target = workspace()?.join(TARGET);
        std::fs::create_dir_all(target.join("release"))?;
        std::fs::copy(&binary, target.join("release/resumeguard"))?;
        let folder = workspace()?.join(DIST);
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        dist::write(&binary, &folder).await?;
        licences::write(&folder.join(licences::FILE), cache, progress).await?;
        Ok(Self { cargo_deb })
    }

    /// Makes the package, under another version if one is given.
    pub(crate) async fn build(&self, output: &Path, version: Option<&str>) -> Result<PathBuf> {
        let workspace = workspace()?;
        let output = workspace.join(output);
        std::fs::create_dir_all(&output)?;
        let mut command = Command::new(&self.cargo_deb);
        // Started by itself it takes `deb` for its first argument, as cargo gives it.
        command.args(["deb", "--no-build", "--locked", "--quiet", "--output"]).arg(&output);
        // One that nobody keeps need not be small.
        command.args(version.iter().flat_map(|version| ["--fast", "--deb-version", version]));
        command.current_dir(&workspace).env_remove("CARGO_MANIFEST_DIR");
        command.env("CARGO_TARGET_DIR", workspace.join(TARGET));
        let said = command.stdin(Stdio::null()).kill_on_drop(true).output().await?;
        ensure!(said.status.success(), "cargo-deb: {}", String::from_utf8_lossy(&said.stderr));
        let text = String::from_utf8(said.stdout)?;
        let path = text.lines().last().context("cargo-deb does not say what it has made")?;
        Ok(PathBuf::from(path.trim()))
    }
}

async fn released(progress: &Progress) -> Result<PathBuf> {
    let step = progress.step("build resumeguard as it is released");
    let binary = build_release(&step).await?;
    step.done(&format!("{}, {}", binary.display(), megabytes(&binary)?));
    Ok(binary)
}

/// Fails for every error and warning of lintian that is not explained.
async fn lint(package: &Path, progress: &Progress) -> Result<()> {
    ensure_machine(&[Need::Lintian], progress).await?;
    let step = progress.step("lintian");
    let mut command = Command::new("lintian");
    command.args(["--allow-root", "--fail-on", "error,warning", "--tag-display-limit", "0"]).arg(package);
    let said =
        command.stdin(Stdio::null()).kill_on_drop(true).output().await.context("cannot run lintian")?;
    let text = String::from_utf8_lossy(&said.stdout);
    ensure!(said.status.success(), "lintian:\n{text}");
    step.done("nothing found");
    Ok(())
}

/// How large a file is.
pub(crate) fn megabytes(file: &Path) -> Result<String> {
    let bytes = std::fs::metadata(file)?.len();
    Ok(format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10))
}
