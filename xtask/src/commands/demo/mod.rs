//! `cargo xtask demo`: real connectors driven into every kind of trouble, and the daemon watching them.

mod checks;
mod scenario;

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use xtask::{
    Book, Cache, Need, Progress, Seen, Stack, StackSpec, Stopwatch, ensure, remains, sweep, wait_until,
};

use super::cargo::build_daemon;
use super::daemon::Daemon;
use super::interrupt::{INTERRUPTED, Interrupt};
use checks::Check;

/// A pass every 5 s, one offset flush for a loss to count, two passes for what needs two: 90 s is plenty.
const WATCH_LIMIT: Duration = Duration::from_secs(90);

/// How the demo is run.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Check every verdict and finding, print one JSON line and end, instead of going on until Ctrl-C.
    #[arg(long)]
    exit: bool,
    /// Keep the logs of all parts when the stack is removed.
    #[arg(long)]
    keep_logs: bool,
}

/// What stands at the end of the preparations.
struct Running {
    stack: Stack,
    daemon: Daemon,
    checks: Vec<Check>,
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    let watch = Stopwatch::start();
    let progress = Progress::to_stderr();
    let mut interrupt = Interrupt::listen()?;
    let Some(outcome) = interrupt.guard(perform(&arguments, &progress, &watch)).await else {
        return Ok(ExitCode::from(INTERRUPTED));
    };
    let outcome = match outcome {
        Ok(running) if arguments.exit => conclude(running, &arguments),
        Ok(running) => return go_on(running, &arguments, &progress, interrupt).await,
        Err(error) if arguments.exit => Err(error),
        Err(error) => return Err(error),
    };
    let seconds = watch.elapsed().as_secs();
    let (ok, summary) = match outcome {
        Ok(checks) => {
            let ok = checks.iter().all(|check| check.ok);
            (ok, json!({ "ok": ok, "checks": checks, "seconds": seconds }))
        }
        Err(error) => {
            let error = format!("{error:#}");
            progress.line(&format!("error: {error}"));
            (false, json!({ "ok": false, "error": error, "checks": [], "seconds": seconds }))
        }
    };
    println!("{summary}");
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Everything up to the moment when the daemon has seen it all.
async fn perform(arguments: &Arguments, progress: &Progress, watch: &Stopwatch) -> Result<Running> {
    let cache = Cache::from_environment()?;
    sweep(&cache, progress)?;
    ensure(&Need::BUILD, progress).await?;
    let step = progress.step("build resumeguard");
    let binary = build_daemon(&step).await?;
    step.done(&format!("{}", binary.display()));
    let stack = Stack::start(StackSpec::unique("demo"), progress).await?;
    let watched = async {
        scenario::drive(&stack, progress).await?;
        let daemon =
            Daemon::start(stack.roster()?, &binary, &settings(stack.connect_url()?), progress).await?;
        let checks = watch_until_seen(&daemon, progress).await?;
        anyhow::Ok((daemon, checks))
    };
    let outcome = alongside(scenario::traffic(stack.mongod()), watched).await;
    let (daemon, checks) = match outcome {
        Ok(watched) => watched,
        Err(error) => {
            keep_logs(arguments, stack.folder())?;
            return Err(error);
        }
    };
    println!("{}", daemon.table().await?);
    for check in checks.iter().filter(|check| !check.ok) {
        progress.line(&format!("not as expected: {}: {}", check.name, check.seen));
    }
    println!("page     {}/", daemon.url);
    println!("metrics  {}/metrics", daemon.url);
    println!("status   {}/api/v1/status", daemon.url);
    println!("connect  {}/connectors?expand=status", stack.connect_url()?);
    println!("mongodb  {}", stack.mongod().uri());
    progress.line(&format!("all up after {} s", watch.elapsed().as_secs()));
    Ok(Running { stack, daemon, checks })
}

/// Short intervals, because the demo's oplog lives for seconds and not for days.
fn settings(connect_url: &str) -> String {
    format!("[connect.demo]\nurl = \"{connect_url}\"\n\n[poll]\ninterval = \"5s\"\noffset_flush = \"3s\"\n")
}

/// Waits until the daemon has seen everything that there is to see, or long enough.
async fn watch_until_seen(daemon: &Daemon, progress: &Progress) -> Result<Vec<Check>> {
    let step = progress.step("watch");
    let mut seen = Vec::new();
    let outcome = wait_until("the daemon to see it all", WATCH_LIMIT, async || {
        anyhow::ensure!(daemon.is_alive(), "resumeguard ended");
        seen = checks::of(&daemon.status().await?);
        let missing = seen.iter().filter(|check| !check.ok).count();
        step.note(format!("{} of {} as expected", seen.len() - missing, seen.len()));
        Ok(if missing == 0 { Seen::Yes(()) } else { Seen::Not(format!("{missing} not as expected")) })
    })
    .await;
    anyhow::ensure!(daemon.is_alive(), "resumeguard ended");
    let text = outcome.map_or_else(|error| error.to_string(), |()| "as expected".to_owned());
    step.done(&format!("{} checks, {text}", seen.len()));
    Ok(seen)
}

/// Keeps the healthy connector healthy while something else is done.
async fn alongside<T>(
    traffic: impl Future<Output = Result<()>>,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    tokio::select! {
        done = work => done,
        ended = traffic => {
            ended?;
            anyhow::bail!("the healthy connector's traffic ended")
        }
    }
}

async fn go_on(
    running: Running,
    arguments: &Arguments,
    progress: &Progress,
    mut interrupt: Interrupt,
) -> Result<ExitCode> {
    progress.line("going on until Ctrl-C");
    let traffic = scenario::traffic(running.stack.mongod());
    if let Some(ended) = interrupt.guard(alongside(traffic, running.daemon.outlives())).await {
        return ended;
    }
    let step = progress.step("stop everything");
    let left = take_down(running.stack, arguments)?;
    anyhow::ensure!(left.is_empty(), "left behind: {}", left.join(", "));
    step.done("no process and no port left");
    Ok(ExitCode::SUCCESS)
}

/// Ends the stack and adds to the checks that nothing is left of it.
fn conclude(running: Running, arguments: &Arguments) -> Result<Vec<Check>> {
    let Running { stack, mut checks, .. } = running;
    let left = take_down(stack, arguments)?;
    checks.push(Check {
        name: "no process and no port left".to_owned(),
        ok: left.is_empty(),
        seen: Value::from(left),
    });
    Ok(checks)
}

fn take_down(stack: Stack, arguments: &Arguments) -> Result<Vec<String>> {
    let (folder, book): (_, Book) = (stack.folder().to_owned(), stack.book()?);
    keep_logs(arguments, &folder)?;
    drop(stack);
    Ok(remains(&folder, &book))
}

fn keep_logs(arguments: &Arguments, folder: &Path) -> Result<()> {
    if !arguments.keep_logs {
        return Ok(());
    }
    let name = folder.file_name().context("a stack's folder has a name")?;
    let target = Cache::from_environment()?.logs().join(name);
    fs::create_dir_all(&target)?;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if let (Some(name), Some("log" | "toml" | "properties")) =
            (path.file_name(), path.extension().and_then(|extension| extension.to_str()))
        {
            fs::copy(&path, target.join(name))?;
        }
    }
    eprintln!("logs kept in {}", target.display());
    Ok(())
}
