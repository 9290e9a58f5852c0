//! Nothing happens in the namespace while the rest of the deployment is busy.

use anyhow::Result;
use mongodb::bson::doc;
use serde_json::json;
use xtask::ReplicaSetSpec;

use super::super::expected::Expected;
use super::super::scene::{Scene, roll_oplog};
use super::super::watcher::Vow;
use super::{J4, STORED};

const LOST: Expected = Expected {
    verdict: Some("lost"),
    why: None,
    on_restart: Some("fails"),
    code: None,
    class: None,
    findings: &["RG001 critical"],
    without: &["RG005"],
    losses: 0,
    rescued: false,
};

/// Everything is RUNNING, and a restart would fail.
pub(super) async fn lost(scene: &Scene<'_>) -> Result<()> {
    let set = scene.small_set().await?;
    let name = scene.connector("orders", &set, &json!({})).await?;
    scene.fault("oplog rolled while idle", &name, LOST, J4, roll_oplog(set.mongo())).await
}

/// The live cursor carried it over: no loss, and that is said.
pub(super) async fn rescued(scene: &Scene<'_>) -> Result<()> {
    let set = scene.small_set().await?;
    let name = scene.connector("orders", &set, &json!({})).await?;
    scene.vow(&name, Vow::NothingSkipped);
    scene.fault("oplog rolled while idle", &name, LOST, J4, roll_oplog(set.mongo())).await?;
    let rescued = Expected { rescued: true, without: &["RG001", "RG008", "RG021"], ..Expected::default() };
    let event = scene.fault("a natural event", &name, rescued, STORED, async {
        set.mongo().insert(&scene.namespace("orders"), doc! { "of": "nature" }).await
    });
    event.await
}

/// No fault at all: a deployment in which nothing happens. Its oplog moves by the server's no-op every 10 s and stands
/// still in between; a heartbeat follows each within moments, and the position is never called still.
pub(super) async fn quiet(scene: &Scene<'_>) -> Result<()> {
    let set = scene.quiet_set(ReplicaSetSpec::default()).await?;
    scene.bystander(&set).await?;
    scene.passes(QUIET_PASSES).await
}

/// Several of the server's no-ops.
const QUIET_PASSES: u64 = 20;
