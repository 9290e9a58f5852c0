//! `errors.tolerance=all`: history is skipped, and everything looks well.

use anyhow::Result;
use mongodb::bson::doc;
use serde_json::{Value, json};
use xtask::{ReplicaSet, ReplicaSetSpec};

use super::super::expected::Expected;
use super::super::ground::LONG;
use super::super::scene::{HEARTBEAT, Scene, roll_oplog};
use super::events::overflow;
use super::{AT_ONCE, STILL, STORED};

const LOST: Expected = Expected {
    verdict: Some("lost"),
    why: None,
    on_restart: Some("skips"),
    code: None,
    class: None,
    findings: &["RG004 critical", "RG007 warning"],
    without: &["RG008"],
    losses: 0,
    rescued: false,
};

/// The cursor was opened without the stored token.
const SKIPPED: Expected = Expected {
    findings: &["RG007", "RG008"],
    without: &[],
    losses: 1,
    verdict: None,
    on_restart: None,
    ..LOST
};

fn tolerant() -> Value {
    json!({ "errors.tolerance": "all" })
}

/// From a lost token to RUNNING.
async fn lose(scene: &Scene<'_>, set: &ReplicaSet, name: &str) -> Result<()> {
    scene.pause(name).await?;
    scene.fault("paused, oplog rolled", name, LOST, AT_ONCE, roll_oplog(set.mongo())).await?;
    let skipped = async {
        scene.connect().restart(name).await?;
        scene.connect().wait_until(name, LONG, |status| status.all("PAUSED")).await?;
        scene.resume(name).await?;
        // The time counts from here on: what the open stream sees is stored with the next flush.
        scene.opened_without_token("orders", set.mongo(), None).await?;
        set.mongo().insert(&scene.namespace("orders"), doc! { "of": "after the gap" }).await
    };
    scene.fault("restarted: skips in silence", name, SKIPPED, STORED, skipped).await
}

/// A loss that Connect never reports.
pub(super) async fn loss(scene: &Scene<'_>) -> Result<()> {
    let set = scene.small_set().await?;
    let name = scene.connector("orders", &set, &tolerant()).await?;
    lose(scene, &set, &name).await
}

/// The connector remembers that its cursor was invalidated until it opens one again: the next ordinary error makes it
/// open without a token, although a good one is stored (mongo-kafka `StartedMongoSourceTask.getResumeToken`).
pub(super) async fn second_gap(scene: &Scene<'_>) -> Result<()> {
    let set = scene.set(ReplicaSetSpec::default().with_test_commands()).await?;
    let name = scene.connector("orders", &set, &tolerant()).await?;
    lose(scene, &set, &name).await?;
    let twice = Expected { losses: 2, ..SKIPPED };
    let gap = async {
        let data =
            doc! { "failCommands": ["getMore"], "errorCode": 8, "namespace": scene.namespace("orders") };
        let fault = doc! { "configureFailPoint": "failCommand", "mode": { "times": 1 }, "data": data };
        let opened = scene.opened_without_token("orders", set.mongo(), None).await?;
        set.mongo().admin(fault).await?;
        scene.opened_without_token("orders", set.mongo(), Some(opened)).await?;
        set.mongo().insert(&scene.namespace("orders"), doc! { "of": "after the second gap" }).await
    };
    scene.fault("an ordinary error of getMore", &name, twice, STORED, gap).await
}

/// After a loss that was tolerated in mid-stream the heartbeats ask a cursor that is closed, for ever.
pub(super) async fn heartbeat_dead(scene: &Scene<'_>) -> Result<()> {
    let set = scene.set(ReplicaSetSpec::default().with_oplog_mib(200)).await?;
    scene.bystander(&set).await?;
    let large = overflow(scene, &set).await?;
    let more = json!({
        "errors.tolerance": "all", HEARTBEAT: "1000", "change.stream.full.document": "updateLookup",
    });
    let name = scene.connector("orders", &set, &more).await?;
    let dead = Expected { findings: &["RG003", "RG007"], ..Expected::default() };
    scene.fault("a tolerated 10334 in mid-stream", &name, dead, STILL, large.happens()).await
}
