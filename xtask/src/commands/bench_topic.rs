//! `cargo xtask bench-topic`: how fast a real offsets topic is read from its beginning, beside kcat on the same topic.

use std::process::{ExitCode, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::json;
use tokio::process::Command;
use xtask::{Broker, Need, Progress, Stopwatch};

use super::cargo::build_root_example;

const TOPIC: &str = "bench-offsets";
/// An odd number, so that there is a round in the middle. Rounds are taken in turns.
const ROUNDS: usize = 7;
/// Our share of kcat's rate.
const GOAL: f64 = 0.8;
const MEMORY_GOAL_MIB: f64 = 128.0;

/// What is measured.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Records of the topic.
    #[arg(long, default_value_t = 1_000_000)]
    records: u32,
    /// Keys among them.
    #[arg(long, default_value_t = 10_000)]
    keys: u32,
}

/// What our reader says of itself.
#[derive(Debug, Deserialize)]
struct Replay {
    peak_kib: f64,
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    let progress = Progress::to_stderr();
    xtask::ensure(&[Need::Kcat], &progress).await?;
    let step = progress.step("build the reader");
    let reader = build_root_example("replay_topic", &step).await?;
    step.done("built");
    let step = progress.step("start Kafka");
    let broker = Broker::start("bench-topic", false, &progress).await?;
    let servers = broker.bootstrap();
    step.done(&servers);
    let step = progress.step("fill the topic");
    let (records, keys) = (arguments.records.to_string(), arguments.keys.to_string());
    let mut fill = Command::new(&reader);
    output(fill.args(["fill", &servers, TOPIC, &records, &keys])).await?;
    let found = output(kcat(&servers).args(["-f", "x"])).await?.len();
    ensure!(found == arguments.records as usize, "kcat finds {found} records");
    // Not measured: what is read is what was written last.
    output(Command::new(&reader).args(["check", &servers, TOPIC, &records, &keys])).await?;
    step.done(&format!("{records} records, {keys} keys"));

    let step = progress.step("measure");
    let (mut ours, mut theirs, mut peak_kib) = (Vec::new(), Vec::new(), 0.0_f64);
    for round in 1..=ROUNDS {
        step.note(format!("round {round} of {ROUNDS}"));
        let watch = Stopwatch::start();
        let said = output(Command::new(&reader).args(["replay", &servers, TOPIC])).await?;
        ours.push(watch.elapsed().as_secs_f64());
        peak_kib = peak_kib.max(serde_json::from_slice::<Replay>(&said)?.peak_kib);
        let watch = Stopwatch::start();
        let status = kcat(&servers).stdout(Stdio::null()).status().await.context("cannot run kcat")?;
        theirs.push(watch.elapsed().as_secs_f64());
        ensure!(status.success(), "kcat failed");
    }
    step.done("measured");
    Ok(report(f64::from(arguments.records), median(ours), median(theirs), peak_kib / 1024.0))
}

fn report(records: f64, ours: f64, theirs: f64, peak_mib: f64) -> ExitCode {
    let rate = |seconds: f64| records / seconds;
    let ratio = theirs / ours;
    let met = ratio >= GOAL && peak_mib < MEMORY_GOAL_MIB;
    println!("median of {ROUNDS} rounds in turns, whole processes");
    println!(
        "ours  {ours:>7.3} s  {:>10.0} records/s  {peak_mib:.0} MiB at most (goal below {MEMORY_GOAL_MIB:.0})",
        rate(ours)
    );
    println!("kcat  {theirs:>7.3} s  {:>10.0} records/s", rate(theirs));
    println!("ratio {ratio:.2} (goal {GOAL}){}", if met { "" } else { "  missed" });
    println!(
        "{}",
        json!({ "ours_seconds": ours, "kcat_seconds": theirs, "ratio": ratio, "peak_mib": peak_mib, "met": met })
    );
    if met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn kcat(servers: &str) -> Command {
    let mut command = Command::new("kcat");
    command
        .args(["-C", "-e", "-q", "-X", "fetch.wait.max.ms=10", "-b", servers, "-t", TOPIC])
        .stdin(Stdio::null());
    command.kill_on_drop(true);
    command
}

/// What it prints.
async fn output(command: &mut Command) -> Result<Vec<u8>> {
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_goal_is_a_failure() {
        assert_eq!(report(1e6, 1.0, 0.8, 100.0), ExitCode::SUCCESS);
        assert_eq!(report(1e6, 1.0, 0.79, 100.0), ExitCode::FAILURE);
        assert_eq!(report(1e6, 1.0, 2.0, 128.0), ExitCode::FAILURE);
    }
}
