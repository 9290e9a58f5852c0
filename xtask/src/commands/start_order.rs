//! `cargo xtask start-order`: the daemon is started while MongoDB, Kafka and Connect are down. They come up in every order; within two
//! passes after the last of them the verdict must be right.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use mongodb::bson::doc;
use serde_json::json;
use xtask::{
    Cache, Need, Progress, Seen, Stack, StackSpec, Stopwatch, ensure as ensure_machine, source_config, sweep,
    wait_until,
};

use super::cargo::build_daemon;
use super::daemon::{Daemon, ROLE};

/// So many passes may begin and end until the verdict is right.
const PASSES: u64 = 2;

const LIMIT: Duration = Duration::from_secs(180);

/// A worker that finds no broker waits for so long at the most, and ends: whoever supervises it starts it again.
const WORKER_STARTS: u32 = 3;

const CONNECTOR: &str = "orders";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    MongoDb,
    Kafka,
    Connect,
}

use Part::{Connect, Kafka, MongoDb};

const ORDERS: [[Part; 3]; 6] = [
    // The last first: the worker has to wait for its broker, and everything for MongoDB.
    [Connect, Kafka, MongoDb],
    [MongoDb, Kafka, Connect],
    [MongoDb, Connect, Kafka],
    [Kafka, MongoDb, Connect],
    [Kafka, Connect, MongoDb],
    [Connect, MongoDb, Kafka],
];

/// How it is run.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only the first order: the one in which everything is there last.
    #[arg(long)]
    short: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    let (watch, progress) = (Stopwatch::start(), Progress::to_stderr());
    let cache = Cache::from_environment()?;
    sweep(&cache, &progress)?;
    ensure_machine(&Need::BUILD, &progress).await?;
    let step = progress.step("build resumeguard");
    let binary = build_daemon(&step).await?;
    step.done(&binary.display().to_string());
    let stack = Stack::start(StackSpec::unique("order"), &progress).await?;
    let orders = if arguments.short { &ORDERS[..1] } else { &ORDERS[..] };
    for order in orders {
        let step = progress.step(format!("{order:?}"));
        // Anew for each: a position grows old beside an oplog that moves, and is at risk some day.
        stored(&stack).await?;
        let ports = all_down(&stack)?;
        let daemon = Daemon::begin(stack.roster()?, &binary, &settings(&stack)?, &[]).await?;
        knows_nothing(&daemon).await?;
        let (took, up) = (Stopwatch::start(), bring_up(&stack, order, &ports));
        up.await.with_context(|| format!("{order:?}"))?;
        let took = took.elapsed().as_secs();
        let passes = until_right(&daemon).await.with_context(|| format!("{order:?}"))?;
        step.done(&format!("all up after {took} s; right in pass {passes} after that"));
        stack.roster()?.stop(ROLE)?;
    }
    println!("{} of {} as they must be, in {} s", orders.len(), orders.len(), watch.elapsed().as_secs());
    Ok(ExitCode::SUCCESS)
}

/// A connector that runs and has stored a position.
async fn stored(stack: &Stack) -> Result<()> {
    let connect = stack.connect()?;
    connect.put_config(CONNECTOR, &source_config(stack.mongod().uri(), "order.c", &json!({}))).await?;
    connect.wait_until(CONNECTOR, LIMIT, |status| status.all("RUNNING")).await?;
    let before = stack.mongod().last().await?;
    stack.mongod().insert("order.c", doc! { "of": CONNECTOR }).await?;
    connect.wait_until_stored(CONNECTOR, LIMIT, |stored| stored > before).await.map(drop)
}

/// Positions from the topic: the daemon needs all three by itself.
fn settings(stack: &Stack) -> Result<String> {
    Ok(format!(
        "[connect.main]\nurl = \"{}\"\noffsets = \"topic\"\nkafka_bootstrap_servers = \"{}\"\noffsets_topic = \"connect-offsets\"\n\
         [poll]\ninterval = \"2s\"\noffset_flush = \"2s\"\n",
        stack.connect_url()?,
        stack.kafka_bootstrap()?
    ))
}

/// Stops everything; the broker's ports.
fn all_down(stack: &Stack) -> Result<Vec<u16>> {
    stack.stop_worker(0)?;
    let ports = stack.stop_broker()?;
    stack.replica_set()?.stop_member(0)?;
    Ok(ports)
}

/// With everything down it serves, passes advance, and no verdict is made up.
async fn knows_nothing(daemon: &Daemon) -> Result<()> {
    let page = wait_until("a second pass with everything down", LIMIT, async || {
        let page = daemon.get("/metrics").await?;
        Ok(if passes(&page)? >= 2 { Seen::Yes(page) } else { Seen::Not("fewer".to_owned()) })
    })
    .await?;
    ensure!(!page.contains("verdict=\"safe\"} 1"), "with everything down something is safe:\n{page}");
    ensure!(
        page.contains("resumeguard_source_up{source=\"connect\",name=\"main\"} 0"),
        "Connect is up:\n{page}"
    );
    daemon.get("/healthz").await?;
    daemon.get("/readyz").await.map(drop)
}

/// Starts them in that order, each once the one before serves. A worker serves once there is a broker, and not before.
async fn bring_up(stack: &Stack, order: &[Part], ports: &[u16]) -> Result<()> {
    let mut broker = false;
    for (index, part) in order.iter().enumerate() {
        match part {
            MongoDb => stack.replica_set()?.start_member(0).await?,
            Kafka => {
                stack.start_broker(ports).await?;
                broker = true;
            }
            Connect if broker => stack.start_worker(0).await?,
            Connect => {
                let rest = async {
                    // It has begun to look for its broker.
                    tokio::time::sleep(Duration::from_secs(3)).await;
                    Box::pin(bring_up(stack, &order[index + 1..], ports)).await
                };
                tokio::try_join!(supervised(stack), rest)?;
                return Ok(());
            }
        }
    }
    Ok(())
}

async fn supervised(stack: &Stack) -> Result<()> {
    for _ in 1..WORKER_STARTS {
        if stack.start_worker(0).await.is_ok() {
            return Ok(());
        }
        // Ended as it is; only its entry is there.
        stack.stop_worker(0).ok();
    }
    stack.start_worker(0).await
}

/// How many passes that began from now on it takes until the connector is safe: judged, with its position and its oplog.
async fn until_right(daemon: &Daemon) -> Result<u64> {
    // One may be under way, and may have begun before.
    let before = passes(&daemon.get("/metrics").await?)? + 1;
    let right = format!("connector=\"{CONNECTOR}\",verdict=\"safe\"}} 1");
    let known = format!(
        "resumeguard_connector_oplog_headroom_seconds{{connect_cluster=\"main\",connector=\"{CONNECTOR}\"}} "
    );
    let deadline = Stopwatch::start();
    let mut said = Vec::new();
    loop {
        let page = daemon.get("/metrics").await?;
        let now = passes(&page)?;
        let passed = now.saturating_sub(before);
        if page.contains(&right) && page.contains(&known) {
            ensure!(passed <= PASSES, "right in pass {passed} only; before that: {}", said.join("; "));
            return Ok(passed);
        }
        let wrong = page.lines().filter(|line| {
            line.ends_with(" 1")
                && (line.contains("connector_verdict{") || line.contains("connector_unknown{"))
                || line.ends_with(" 0") && line.contains("source_up{")
        });
        let wrong = wrong.collect::<Vec<_>>().join(", ");
        if said.last() != Some(&wrong) {
            said.push(wrong);
        }
        if deadline.elapsed() > LIMIT {
            bail!("never right:\n{}", daemon.get("/api/v1/status").await?);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn passes(page: &str) -> Result<u64> {
    let line = page.lines().find_map(|line| line.strip_prefix("resumeguard_passes_total "));
    line.context("no passes are counted")?.parse().context("no number of passes")
}
