//! Not the daemon but a worker dies: one of two, with Connect's own default of what happens then.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use xtask::{Cache, Progress, ReplicaSet, ReplicaSetSpec, Roster, Stack, StackSpec, Stopwatch};

use super::faults::{MODE, carried_out, salvage};
use super::rows::Trouble;
use super::scene::{LONG, Lane, Scene, killed};

/// Connect's default: for so long nobody gets what the dead one held.
const DELAY: (&str, &str) = ("scheduled.rebalance.max.delay.ms", "300000");

/// That, and what an attempt takes.
const ENDS: Duration = Duration::from_secs(460);

/// Every second one is on the other worker.
const CONNECTORS: u32 = 4;

/// The worker that holds a connector is killed once the connector is stopped: nobody starts it for five minutes, its state in
/// Connect is an old one, and the attempt goes on all the same.
pub(super) async fn worker_dies(lane: &Lane) -> Result<String> {
    let cache = Cache::from_environment()?;
    let spec = StackSpec::unique("kill-group").with_workers(2).with_worker_property(DELAY.0, DELAY.1);
    let stack = Stack::start(spec, &Progress::to_stderr()).await?;
    let roster = Arc::new(Roster::claim_unique(&cache, "kill-group-set")?);
    let set = ReplicaSet::start_in(Arc::clone(&roster), ReplicaSetSpec::default(), &lane.parts).await?;
    let (parts, binary) = (lane.parts.clone(), lane.binary.clone());
    let (connect, bootstrap) = (stack.connect()?.clone(), stack.kafka_bootstrap()?.to_owned());
    let own = Lane { connect, roster, parts, set, binary, bootstrap, rows: AtomicU32::new(0) };
    let scene = held_by(&own, stack.workers()[1].url()).await?;
    let name = scene.name.clone();
    let daemon = scene.daemon(MODE, None).await?;
    scene.relay.hold("/stop");
    let order = salvage(&name);
    let (asked, held) = tokio::join!(scene.ask(&daemon, &order, 0), scene.relay.held(LONG));
    asked.and(held)?;
    // Accepted is not done: its worker has to see it. Who dies before that is another matter.
    own.connect.wait_until(&name, LONG, |status| status.connector.state == "STOPPED").await?;
    let watch = Stopwatch::start();
    stack.kill_worker(1)?;
    scene.relay.release();
    let told = scene.ends_within(&daemon, 1, ENDS).await?;
    let took = watch.elapsed().as_secs();
    let outcome = told.attempts.first().map(|attempt| attempt.outcome.clone()).unwrap_or_default();
    ensure!(outcome == "recovered", "{outcome}:\n    {}", told.story());
    let written = carried_out(&scene, "PATCH offsets");
    // The dead worker's last word on its task, FAILED, is Connect's until another has it: that may cost one more round.
    let rounds = told.steps.iter().filter(|step| step.step == "write_mark" && step.outcome == "done").count();
    ensure!(
        written <= rounds,
        "offsets were written {written} times in {rounds} rounds:\n    {}",
        told.story()
    );
    scene.is_well().await?;
    scene.is_as_before(&[]).await?;
    killed(&own);
    Ok(format!("recovered {took} s after the worker died"))
}

/// A failed connector that this worker holds.
async fn held_by<'a>(lane: &'a Lane, worker: &str) -> Result<Scene<'a>> {
    for number in 0..CONNECTORS {
        let name = format!("worker-dies-{number}");
        let scene = Scene::begin(lane, &name, Trouble::Failed).await?;
        let status = lane.connect.status(&name).await?.context("it has no status")?;
        if worker.ends_with(&status.connector.worker_id) {
            return Ok(scene);
        }
    }
    bail!("the worker at {worker} holds none of {CONNECTORS} connectors")
}
