//! `cargo xtask forecast`: the outage budget against an oplog that really rolls, by steady load and by day and night.
//!
//! Connectors are stopped one after the other while a writer fills the oplog. From then on the daemon's budget is
//! recorded until the position is lost, and what it said at half the remaining time is held against what came.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use mongodb::bson::doc;
use serde_json::{Value, json};
use xtask::{
    Cache, Mongo, Need, Progress, ReplicaSetSpec, Seen, Stack, StackSpec, Step, Stopwatch, ensure,
    source_config, sweep, wait_until,
};

use super::cargo::build_daemon;
use super::daemon::Daemon;

/// Truncated in 32 steps: a server cuts an oplog into pieces of 16 MiB, ten at the least.
const OPLOG_MIB: u32 = 512;
const DOCUMENT: usize = 128 * 1024;
const DOCUMENT_BYTES: f64 = 131_072.0;
const TICK: Duration = Duration::from_millis(250);
/// A day and a night.
const PERIOD: f64 = 48.0;
/// From one stop to the next: other parts of the day.
const APART: Duration = Duration::from_secs(13);
const STOPPED: [&str; 4] = ["first", "second", "third", "fourth"];
const LIMIT: Duration = Duration::from_secs(400);
/// By so much the budget may be off under a steady load.
const TOLERATED: f64 = 0.2;

/// A range that says anything holds everything: it may be as wide as so many times what came. The fastest hour of this load is
/// three times the slowest.
const WIDEST: f64 = 3.0;

/// What is run.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only this load.
    #[arg(long, value_enum)]
    only: Option<Load>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Load {
    Steady,
    DayAndNight,
}

impl Load {
    fn name(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::DayAndNight => "day and night",
        }
    }

    /// MiB a second.
    fn rate(self, seconds: f64) -> f64 {
        match self {
            Self::Steady => 8.0,
            Self::DayAndNight if seconds % PERIOD < PERIOD / 2.0 => 12.0,
            Self::DayAndNight => 4.0,
        }
    }
}

/// What the daemon said of one stopped connector, by seconds since the beginning.
#[derive(Debug, Default)]
struct Record {
    said: Vec<(f64, Value)>,
    lost_at: Option<f64>,
}

/// One connector's outcome.
struct Line {
    load: Load,
    connector: &'static str,
    remaining: f64,
    budget: f64,
    low: f64,
    high: f64,
}

impl Line {
    fn error(&self) -> f64 {
        (self.budget - self.remaining) / self.remaining
    }

    fn is_within(&self) -> bool {
        let width = self.high - self.low;
        (self.low..=self.high).contains(&self.remaining) && width <= WIDEST * self.remaining
    }

    fn ok(&self) -> bool {
        match self.load {
            Load::Steady => self.error().abs() <= TOLERATED,
            Load::DayAndNight => self.is_within(),
        }
    }
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    let progress = Progress::to_stderr();
    sweep(&Cache::from_environment()?, &progress)?;
    ensure(&Need::BUILD, &progress).await?;
    let step = progress.step("build resumeguard");
    let binary = build_daemon(&step).await?;
    step.done(&binary.display().to_string());
    let mut lines = Vec::new();
    for load in [Load::Steady, Load::DayAndNight] {
        if arguments.only.is_none_or(|only| only == load) {
            lines.extend(measure(load, &binary, &progress).await?);
        }
    }
    println!("at half the remaining time, seconds");
    println!(
        "{:<14} {:<8} {:>9} {:>7} {:>7} {:>15}  ok",
        "load", "stopped", "remaining", "budget", "error", "range"
    );
    for line in &lines {
        let range = format!("{:.0} to {:.0}", line.low, line.high);
        let (error, ok) = (line.error() * 100.0, if line.ok() { "yes" } else { "NO" });
        println!(
            "{:<14} {:<8} {:>9.1} {:>7.0} {error:>+6.1}% {range:>15}  {ok}",
            line.load.name(),
            line.connector,
            line.remaining,
            line.budget
        );
    }
    Ok(if lines.iter().all(Line::ok) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn measure(load: Load, binary: &std::path::Path, progress: &Progress) -> Result<Vec<Line>> {
    let mut spec = StackSpec::unique("forecast");
    spec.replica_set = ReplicaSetSpec::default().with_oplog_mib(OPLOG_MIB);
    let stack = Stack::start(spec, progress).await?;
    let connect = stack.connect()?;
    for name in STOPPED {
        let more = json!({ "heartbeat.interval.ms": "1000" });
        let config = source_config(stack.mongod().uri(), &format!("forecast.{name}"), &more);
        connect.put_config(name, &config).await?;
    }
    let settings = format!(
        "[connect.forecast]\nurl = \"{}\"\n[poll]\ninterval = \"1s\"\noffset_flush = \"2s\"\nsizes_every = \"1s\"\n",
        connect.url()
    );
    let daemon = Daemon::start(stack.roster()?, binary, &settings, progress).await?;
    let step = progress.step(format!("{} load", load.name()));
    let watch = Stopwatch::start();
    let writer = tokio::spawn(write(stack.mongod().clone(), load, watch));
    let outcome = follow(&stack, &daemon, watch, &step).await;
    writer.abort();
    let records = outcome?;
    step.done("measured");
    STOPPED.iter().zip(&records).map(|(connector, record)| line(load, connector, record)).collect()
}

/// Writes at the load's pace until it is told to end.
async fn write(mongo: Mongo, load: Load, watch: Stopwatch) -> Result<()> {
    let filler = "x".repeat(DOCUMENT);
    let scratch = mongo.collection("resumeguard_scratch.filler")?;
    let (mut owed, mut before) = (0.0, 0.0);
    loop {
        let now = watch.elapsed().as_secs_f64();
        owed += load.rate(now) * (now - before) * 1_048_576.0;
        before = now;
        while owed >= DOCUMENT_BYTES {
            scratch.insert_one(doc! { "filler": &filler }).await?;
            owed -= DOCUMENT_BYTES;
        }
        tokio::time::sleep(TICK).await;
    }
}

async fn follow(stack: &Stack, daemon: &Daemon, watch: Stopwatch, step: &Step) -> Result<Vec<Record>> {
    let connect = stack.connect()?;
    // Two days and nights are seen before anything is asked.
    let mut next_stop: Option<Duration> = None;
    let mut records: Vec<Record> = Vec::new();
    wait_until("every stopped connector to be lost", LIMIT, async || {
        tokio::time::sleep(Duration::from_millis(400)).await;
        let status = daemon.status().await?;
        let now = watch.elapsed();
        let rolls = status["oplogs"][0]["never_truncated"] == json!(false);
        if rolls && next_stop.is_none() {
            next_stop = Some(now + Duration::from_secs_f64(PERIOD * 1.5));
        }
        if next_stop.is_some_and(|at| now >= at) && records.len() < STOPPED.len() {
            connect.stop(STOPPED[records.len()]).await?;
            records.push(Record::default());
            next_stop = Some(now + APART);
        }
        for (name, record) in STOPPED.iter().zip(&mut records) {
            record.note(now.as_secs_f64(), name, &status);
        }
        let lost = records.iter().filter(|record| record.lost_at.is_some()).count();
        let text = format!("{:.0} s, {} stopped, {lost} lost", now.as_secs_f64(), records.len());
        step.note(text.clone());
        Ok(if lost == STOPPED.len() { Seen::Yes(()) } else { Seen::Not(text) })
    })
    .await?;
    Ok(records)
}

impl Record {
    fn note(&mut self, now: f64, name: &str, status: &Value) {
        let connectors = status["connectors"].as_array().map(Vec::as_slice).unwrap_or_default();
        let Some(found) = connectors.iter().find(|connector| connector["connector"] == name) else { return };
        if self.lost_at.is_none() && found["verdict"] == "lost" {
            self.lost_at = Some(now);
        }
        // The last flush of the task comes with its end.
        if found["state"] == "STOPPED" && self.lost_at.is_none() {
            self.said.push((now, found.clone()));
        }
    }
}

fn line(load: Load, connector: &'static str, record: &Record) -> Result<Line> {
    let lost_at = record.lost_at.context("never lost")?;
    let (begun, _) = record.said.first().with_context(|| format!("{connector} was never seen stopped"))?;
    let half = f64::midpoint(*begun, lost_at);
    let (then, said) =
        record.said.iter().find(|(at, _)| *at >= half).context("nothing was said at half time")?;
    let number = |value: &Value| value.as_f64().with_context(|| format!("no forecast in {said}"));
    Ok(Line {
        load,
        connector,
        remaining: lost_at - then,
        budget: number(&said["outage_budget_seconds"])?,
        low: number(&said["outage_budget_range"]["low"])?,
        high: number(&said["outage_budget_range"]["high"])?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_that_holds_everything_is_no_forecast() {
        let ok = |low, high| {
            let (load, connector) = (Load::DayAndNight, STOPPED[0]);
            Line { load, connector, remaining: 30.0, budget: 30.0, low, high }.ok()
        };
        assert!(ok(20.0, 90.0) && ok(30.0, 120.0) && ok(10.0, 30.0));
        assert!(!ok(29.0, 120.0), "as wide as three times what came, and a second");
        assert!(!ok(31.0, 90.0) && !ok(10.0, 29.0) && !ok(0.0, 4e9));
    }
}
