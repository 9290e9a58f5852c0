//! `cargo xtask kill-matrix`: the daemon is killed before, during and after every kind of step that recovery takes, on the real
//! stack, started again, and held to what must be so all the same.

mod faults;
mod group;
mod journal;
mod killed;
mod rows;
mod scene;
mod topic;
mod worker;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, ensure};
use xtask::{
    Cache, Need, Parts, Progress, ReplicaSet, ReplicaSetSpec, Roster, Stack, StackSpec, Stopwatch,
    ensure as ensure_machine, sweep,
};

use super::cargo::build_daemon_with;
use faults::{FAULTS, Fault};
use rows::{Row, rows};
use scene::{Lane, killed as kill};
use worker::WorkerRow;

/// A row that takes longer hangs.
const ROW_LIMIT: Duration = Duration::from_secs(700);

/// How the kill matrix is run.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only rows whose name contains one of these.
    #[arg(long, num_args = 1.., value_name = "NAME")]
    only: Vec<String>,
    /// Only four rows: the steps that must never be done twice, and the one that leaves a connector stopped.
    #[arg(long)]
    short: bool,
    /// Use the stack in this folder instead of starting one.
    #[arg(long, value_name = "FOLDER")]
    stack: Option<PathBuf>,
    /// List the rows and end.
    #[arg(long)]
    list: bool,
}

/// One thing to do.
#[derive(Clone, Debug)]
enum Job {
    Kill(Box<Row>),
    Fault(Fault),
    Worker(WorkerRow),
    /// The cure of a whole offsets topic, killed at one step after the other.
    Topic,
}

impl Job {
    fn name(&self) -> &str {
        match self {
            Self::Kill(row) => &row.name,
            Self::Fault(fault) => fault.name,
            Self::Worker(row) => row.name,
            Self::Topic => topic::NAME,
        }
    }
}

/// What one has shown.
struct Line {
    name: String,
    outcome: Result<String, String>,
    seconds: u64,
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    let chosen = chosen(&arguments);
    ensure!(!chosen.is_empty(), "no row is called like {}; see --list", arguments.only.join(" or "));
    if arguments.list {
        chosen.iter().for_each(|job| println!("{}", job.name()));
        return Ok(ExitCode::SUCCESS);
    }
    let (watch, progress) = (Stopwatch::start(), Progress::to_stderr());
    let cache = Cache::from_environment()?;
    sweep(&cache, &progress)?;
    ensure_machine(&Need::BUILD, &progress).await?;
    let step = progress.step("build resumeguard with fail-points");
    let binary = build_daemon_with(&["failpoints"], &step).await?;
    step.done(&binary.display().to_string());
    let parts = Parts::obtain(&cache, &progress).await?;
    let stack = match &arguments.stack {
        Some(folder) => Stack::attach(folder).await?,
        None => Stack::start(StackSpec::unique("kill"), &progress).await?,
    };
    let lane = async |name: &str| -> Result<Lane> {
        let roster = Arc::new(Roster::claim_unique(&cache, "kill-lane")?);
        let spec = ReplicaSetSpec { name: name.to_owned(), ..ReplicaSetSpec::default() };
        let set = ReplicaSet::start_in(Arc::clone(&roster), spec, &parts).await?;
        // Whoever builds the program while this runs puts one without fail-points there.
        let own = roster.folder().join("resumeguard-with-failpoints");
        std::fs::copy(&binary, &own)?;
        let (connect, parts, binary) = (stack.connect()?.clone(), parts.clone(), own);
        let bootstrap = stack.kafka_bootstrap()?.to_owned();
        Ok(Lane { connect, roster, parts, set, binary, bootstrap, rows: AtomicU32::new(0) })
    };
    let (one, two) = (lane("one").await?, lane("two").await?);
    let queue = Mutex::new(VecDeque::from(chosen.clone()));
    let (first, second) = tokio::join!(walk(&one, &queue, &progress), walk(&two, &queue, &progress));
    let mut lines: Vec<Line> = first.into_iter().chain(second).collect();
    lines.sort_by_key(|line| chosen.iter().position(|job| job.name() == line.name));
    Ok(if report(&lines, &watch) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn chosen(arguments: &Arguments) -> Vec<Job> {
    let kills = rows().into_iter().filter(|row| !arguments.short || row.short);
    let faults = FAULTS.into_iter().filter(|_| !arguments.short);
    // The fault that takes longest goes first.
    let workers = worker::ROWS.into_iter().filter(|_| !arguments.short).map(Job::Worker);
    let topic = (!arguments.short).then_some(Job::Topic);
    let all =
        faults.map(Job::Fault).chain(topic).chain(workers).chain(kills.map(|row| Job::Kill(Box::new(row))));
    let named = |job: &Job| arguments.only.iter().any(|part| job.name().contains(part.as_str()));
    all.filter(|job| arguments.only.is_empty() || named(job)).collect()
}

/// One row after the other, until none is left.
async fn walk(lane: &Lane, queue: &Mutex<VecDeque<Job>>, progress: &Progress) -> Vec<Line> {
    let mut lines = Vec::new();
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some(job) = next else { return lines };
        let (step, watch) = (progress.step(job.name().to_owned()), Stopwatch::start());
        let acted = tokio::time::timeout(ROW_LIMIT, act(lane, &job)).await;
        let outcome = acted.unwrap_or_else(|_| Err(anyhow::anyhow!("hangs: {} s", ROW_LIMIT.as_secs())));
        kill(lane);
        // One that was left behind would go on failing beside the next.
        lane.connect.delete(job.name()).await.ok();
        step.done(if outcome.is_ok() { "as it must be" } else { "NOT as it must be" });
        let outcome = outcome.map_err(|error| format!("{error:#}"));
        if let Err(wrong) = &outcome {
            progress.line(&format!("{}: {wrong}", job.name()));
        }
        lines.push(Line { name: job.name().to_owned(), outcome, seconds: watch.elapsed().as_secs() });
    }
}

async fn act(lane: &Lane, job: &Job) -> Result<String> {
    match job {
        Job::Kill(row) => {
            let shown = Box::pin(killed::run(lane, row)).await?;
            Ok(format!("{}, {} entries, {}", shown.outcome, shown.entries, shown.changes))
        }
        Job::Fault(fault) => (fault.act)(lane).await,
        Job::Worker(row) => Box::pin(worker::run(lane, row)).await,
        Job::Topic => Box::pin(topic::run(lane)).await,
    }
}

/// Prints the outcome; true if all of it is as it must be.
fn report(lines: &[Line], watch: &Stopwatch) -> bool {
    for line in lines {
        match &line.outcome {
            Ok(shown) => println!("ok    {:<44} {:>4} s  {shown}", line.name, line.seconds),
            Err(wrong) => println!("WRONG {:<44} {:>4} s  {wrong}", line.name, line.seconds),
        }
    }
    let wrong = lines.iter().filter(|line| line.outcome.is_err()).count();
    println!("{} of {} as they must be; {} s", lines.len() - wrong, lines.len(), watch.elapsed().as_secs());
    wrong == 0 && !lines.is_empty()
}
