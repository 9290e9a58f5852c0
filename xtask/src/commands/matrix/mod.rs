//! `cargo xtask matrix`: every fault that the daemon must detect, on real parts, and how long it takes.

mod expected;
mod ground;
mod healthy;
mod panels;
mod rows;
mod scene;
mod table;
mod watcher;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use xtask::{Cache, Need, Progress, Stopwatch, ensure as ensure_machine, sweep};

use super::cargo::build_daemon;
use ground::Ground;
use panels::Panels;
use rows::{ROWS, Row};
use scene::Scene;
use table::Line;
use watcher::Beside;

/// A row that takes longer hangs.
const ROW_LIMIT: Duration = Duration::from_secs(240);

/// Of the looks at a healthy connector so many may be honestly unknown: a busy machine misses a deadline of a fraction
/// of a second now and then.
const UNKNOWN_SHARE: u64 = 20;

/// How the matrix is run.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only rows whose name contains one of these.
    #[arg(long, num_args = 1.., value_name = "NAME")]
    only: Vec<String>,
    /// Write the outcome into this file as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Use the stack in this folder instead of starting one.
    #[arg(long, value_name = "FOLDER")]
    stack: Option<PathBuf>,
    /// Let a real Prometheus scrape the daemon meanwhile, and ask it everything that the dashboards ask.
    #[arg(long)]
    prometheus: bool,
    /// List the rows and end.
    #[arg(long)]
    list: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    let chosen: Vec<&'static Row> = ROWS.iter().filter(|row| is_chosen(row, &arguments.only)).collect();
    ensure!(!chosen.is_empty(), "no row is called like {}; see --list", arguments.only.join(" or "));
    if arguments.list {
        chosen.iter().for_each(|row| println!("{:<28} {}", row.name, row.about));
        return Ok(ExitCode::SUCCESS);
    }
    let (watch, progress) = (Stopwatch::start(), Progress::to_stderr());
    sweep(&Cache::from_environment()?, &progress)?;
    ensure_machine(&Need::BUILD, &progress).await?;
    let step = progress.step("build resumeguard");
    let binary = build_daemon(&step).await?;
    step.done(&binary.display().to_string());
    let ground = Ground::start(arguments.stack.as_deref(), &progress).await?;
    let daemon = Arc::new(ground.daemon(&binary, &progress).await?);
    let mut panels = None;
    if arguments.prometheus {
        panels = Some(Panels::start(&daemon, &progress).await?);
    }
    let (watcher, watched) = (Arc::clone(&ground.watcher), Arc::clone(&daemon));
    let mut looks = tokio::spawn(async move { watcher.run(&watched).await });
    let lines = tokio::select! {
        lines = brought_about(&ground, &chosen, &progress) => lines?,
        ended = &mut looks => { ended??; Vec::new() }
        ended = healthy::traffic(ground.healthy.mongo()) => { ended?; Vec::new() }
    };
    looks.abort();
    let beside = ground.watcher.beside();
    let passes = ground.watcher.passes();
    let as_expected = report(&lines, &beside, passes, &watch);
    let (calls, changes) = (ground.relay.calls(), ground.relay.changes());
    println!(
        "recovery by its defaults: {calls} requests to Kafka Connect, {} of them change anything",
        changes.len()
    );
    changes.iter().for_each(|change| println!("  {}", change.kind()));
    let mut ok = as_expected && calls > 0 && changes.is_empty();
    // What never rolls raises no alarm either; a few rows alone may not take long enough.
    let rolled = ground.healthy_oplog_rolled().await?;
    ok &= rolled || !arguments.only.is_empty();
    println!("the healthy connectors' oplog {}", if rolled { "rolled" } else { "did not roll" });
    let mut asked = Vec::new();
    if let Some(panels) = &mut panels {
        panels.encore(&ground, &binary, &progress).await?;
        asked = panels.ask().await?;
        ok &= panels::report(&asked, &panels.alerts().await?);
    }
    if let Some(path) = &arguments.json {
        let seconds = watch.elapsed().as_secs();
        let beside = json!({ "looks": beside.looks, "unknown": beside.unknown, "broken": beside.broken });
        let all = json!({ "ok": ok, "rows": lines, "beside": beside, "passes": passes, "seconds": seconds, "dashboards": asked });
        std::fs::write(path, format!("{all:#}\n"))?;
    }
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn is_chosen(row: &Row, only: &[String]) -> bool {
    only.is_empty() || only.iter().any(|part| row.name.contains(part.as_str()))
}

/// The healthy connectors first, then the rows, some at a time.
async fn brought_about(ground: &Ground, rows: &[&'static Row], progress: &Progress) -> Result<Vec<Line>> {
    healthy::begin(ground, progress).await?;
    let queue: Mutex<VecDeque<&'static Row>> = Mutex::new(rows.iter().copied().collect());
    let lane = || lane(ground, &queue, progress);
    let (one, two, three) = tokio::join!(lane(), lane(), lane());
    healthy::end(ground).await?;
    let mut lines = [one, two, three].concat();
    // In the order of the table, whoever ended first.
    lines.sort_by_key(|line| rows.iter().position(|row| row.name == line.row));
    Ok(lines)
}

/// One row after the other, until none is left.
async fn lane(ground: &Ground, queue: &Mutex<VecDeque<&'static Row>>, progress: &Progress) -> Vec<Line> {
    let mut lines = Vec::new();
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some(row) = next else { return lines };
        let step = progress.step(row.name);
        let scene = Scene::new(ground, row.name);
        let acted = tokio::time::timeout(ROW_LIMIT, (row.act)(&scene)).await;
        let outcome = acted.unwrap_or_else(|_| Err(anyhow::anyhow!("hangs: {} s", ROW_LIMIT.as_secs())));
        let shown = scene.end(outcome).await;
        step.done(if shown.iter().all(|line| line.ok) { "as expected" } else { "NOT as expected" });
        lines.extend(shown);
    }
}

/// Prints the outcome; true if all of it is as it must be.
fn report(lines: &[Line], beside: &Beside, passes: u64, watch: &Stopwatch) -> bool {
    print!("{}", table::text(lines));
    let failed = lines.iter().filter(|line| !line.ok).count();
    let calm = beside.broken.is_empty() && beside.looks > 0;
    let unknown: u64 = beside.unknown.values().sum();
    let known = unknown * UNKNOWN_SHARE <= beside.looks;
    println!(
        "{} of {} as expected; healthy connectors: {} looks in {passes} passes, {} unknown, {} alarms; {} s",
        lines.len() - failed,
        lines.len(),
        beside.looks,
        unknown,
        beside.broken.len(),
        watch.elapsed().as_secs()
    );
    beside.unknown.iter().for_each(|(why, looks)| println!("  unknown({why}): {looks}"));
    beside.broken.iter().for_each(|broken| println!("  {broken}"));
    failed == 0 && !lines.is_empty() && calm && known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_chosen_by_a_part_of_their_name() {
        let chosen = |only: &[&str]| {
            let only: Vec<String> = only.iter().map(|part| (*part).to_owned()).collect();
            ROWS.iter().filter(|row| is_chosen(row, &only)).count()
        };
        assert_eq!(chosen(&[]), ROWS.len());
        assert_eq!(chosen(&["no such row"]), 0);
        assert!((1..ROWS.len()).contains(&chosen(&["pause"])));
    }

    #[test]
    fn names_are_databases_and_replica_sets_and_differ() {
        let names: std::collections::BTreeSet<&str> = ROWS.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), ROWS.len());
        assert!(
            names
                .iter()
                .all(|name| name.len() < 30 && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
        );
    }
}
