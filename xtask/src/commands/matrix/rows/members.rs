//! What the members of the set hold.

use anyhow::{Context as _, Result};
use mongodb::bson::{Document, doc};
use serde_json::json;
use std::sync::Arc;
use xtask::{ReplicaSet, ReplicaSetSpec, Seen, wait_until};

use super::super::expected::Expected;
use super::super::ground::LONG;
use super::super::scene::{HEARTBEAT, Scene};
use super::AT_ONCE;

/// A member that was synchronised anew begins its oplog there.
pub(super) async fn failover(scene: &Scene<'_>) -> Result<()> {
    let set = scene.set(ReplicaSetSpec::of(3)).await?;
    let name = scene.connector("orders", &set, &json!({})).await?;
    let primary = set.primary().await?;
    let fresh = (0..3).find(|member| *member != primary).context("one member only")?;
    scene.pause(&name).await?;
    let warned = Expected { verdict: Some("safe"), findings: &["RG013 warning"], ..Expected::default() };
    scene.fault("a member synchronised anew", &name, warned, AT_ONCE, resync(&set, fresh)).await?;
    let lost = Expected {
        verdict: Some("lost"),
        on_restart: Some("fails"),
        findings: &["RG004 critical"],
        ..Expected::default()
    };
    scene.fault("it becomes primary", &name, lost, AT_ONCE, set.step_up(fresh)).await
}

async fn resync(set: &Arc<ReplicaSet>, member: usize) -> Result<()> {
    let last = set.mongo().last().await?;
    set.resync_member(member).await?;
    wait_until("the member's new oplog", LONG, async || {
        Ok(match set.member(member).await?.first().await {
            Ok(first) if first >= last => Seen::Yes(()),
            other => Seen::Not(format!("{other:?}")),
        })
    })
    .await
}

/// Less is kept than was, whatever the reason.
const SHORT: Expected = Expected {
    verdict: None,
    why: None,
    on_restart: None,
    code: None,
    class: None,
    findings: &["RG012"],
    without: &[],
    losses: 0,
    rescued: false,
};

/// `replSetResizeOplog` takes no less than 990 MB: the set begins with more, which costs no space until it is used.
const LARGE_MIB: u32 = 2_000;

/// The oplog is made smaller while it runs.
pub(super) async fn oplog_shrunk(scene: &Scene<'_>) -> Result<()> {
    resized(scene, "oplog made smaller", doc! { "size": 990.0 }).await
}

/// The oplog may be as large as before and keeps entries for less long.
pub(super) async fn retention_lowered(scene: &Scene<'_>) -> Result<()> {
    resized(scene, "minimum retention lowered", doc! { "minRetentionHours": 1.0 }).await
}

async fn resized(scene: &Scene<'_>, fault: &str, change: Document) -> Result<()> {
    let set = scene.set(ReplicaSetSpec::default().with_oplog_mib(LARGE_MIB)).await?;
    let resize = async |change: Document| -> Result<()> {
        let mut command = doc! { "replSetResizeOplog": 1 };
        command.extend(change);
        set.mongo().admin(command).await.map(drop)
    };
    resize(doc! { "minRetentionHours": 48.0 }).await?;
    let name = scene.connector("orders", &set, &json!({ HEARTBEAT: "1000" })).await?;
    scene.fault(fault, &name, SHORT, AT_ONCE, resize(change)).await
}
