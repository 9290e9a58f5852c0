//! Paused for longer than the oplog reaches back.

use anyhow::Result;
use serde_json::json;

use super::super::expected::Expected;
use super::super::scene::{Scene, roll_oplog};
use super::AT_ONCE;

const LOST: Expected = Expected {
    verdict: Some("lost"),
    why: None,
    on_restart: Some("fails"),
    code: None,
    class: None,
    findings: &["RG004 critical"],
    without: &["RG005"],
    losses: 0,
    rescued: false,
};

const FAILED: Expected =
    Expected { class: Some("history_lost"), findings: &["RG005 critical"], without: &["RG004"], ..LOST };

/// Lost before the restart, 286 after it.
pub(super) async fn restart(scene: &Scene<'_>) -> Result<()> {
    let set = scene.small_set().await?;
    let name = scene.connector("orders", &set, &json!({})).await?;
    scene.pause(&name).await?;
    scene.fault("paused, oplog rolled", &name, LOST, AT_ONCE, roll_oplog(set.mongo())).await?;
    let failed = Expected { code: Some(286), ..FAILED };
    let restarted = async {
        scene.connect().restart(&name).await?;
        // A paused connector stays paused through its restart; the loss shows when it resumes.
        scene.connect().wait_until(&name, super::super::ground::LONG, |status| status.all("PAUSED")).await?;
        scene.connect().resume(&name).await?;
        scene.fails_with(&name, 286).await
    };
    scene.fault("restarted, resumed", &name, failed, AT_ONCE, restarted).await
}

/// Its old cursor dies first.
pub(super) async fn resume(scene: &Scene<'_>) -> Result<()> {
    let set = scene.small_set().await?;
    let name = scene.connector("orders", &set, &json!({})).await?;
    scene.pause(&name).await?;
    scene.fault("paused, oplog rolled", &name, LOST, AT_ONCE, roll_oplog(set.mongo())).await?;
    let failed = Expected { code: Some(136), ..FAILED };
    let resumed = async {
        scene.connect().resume(&name).await?;
        scene.fails_with(&name, 136).await
    };
    scene.fault("resumed", &name, failed, AT_ONCE, resumed).await
}
