//! The position is there, and the connector looks elsewhere; or it finds one of its former life.

use anyhow::Result;
use serde_json::json;
use xtask::{ReplicaSetSpec, Seen, wait_until};

use super::super::expected::Expected;
use super::super::ground::LONG;
use super::super::scene::{Scene, roll_oplog};
use super::AT_ONCE;

const ELSEWHERE: Expected = Expected {
    verdict: Some("unknown"),
    why: Some("no_position"),
    on_restart: Some("skips"),
    code: None,
    class: None,
    findings: &["RG010 warning", "RG011 warning"],
    without: &[],
    losses: 0,
    rescued: false,
};

/// The namespace is part of the key.
pub(super) async fn namespace(scene: &Scene<'_>) -> Result<()> {
    let set = scene.set(ReplicaSetSpec::default().with_oplog_mib(50)).await?;
    scene.bystander(&set).await?;
    let name = scene.connector("orders", &set, &json!({})).await?;
    let other = json!({ "collection": "orders_v2" });
    let change = async { scene.configure("orders", set.uri(), &other).await.map(drop) };
    scene.fault("collection changed", &name, ELSEWHERE, AT_ONCE, change).await
}

/// The hosts are part of the key, as they are written.
pub(super) async fn hosts(scene: &Scene<'_>) -> Result<()> {
    let set = scene.set(ReplicaSetSpec::default().with_oplog_mib(50)).await?;
    scene.bystander(&set).await?;
    let name = scene.connector("orders", &set, &json!({})).await?;
    let uri = set.uri().replace("127.0.0.1", "localhost");
    let change = async { scene.configure("orders", &uri, &json!({})).await.map(drop) };
    scene.fault("host list changed", &name, ELSEWHERE, AT_ONCE, change).await
}

/// Connect keeps the offsets of a connector that is deleted; its namesake resumes from them, however old they are.
pub(super) async fn recreated(scene: &Scene<'_>) -> Result<()> {
    let set = scene.small_set().await?;
    let name = scene.connector("orders", &set, &json!({})).await?;
    scene.connect().delete(&name).await?;
    wait_until(&format!("{name} to be gone"), LONG, async || {
        let seen = scene.said_of(&name);
        Ok(if seen == "not listed" { Seen::Yes(()) } else { Seen::Not(seen) })
    })
    .await?;
    roll_oplog(set.mongo()).await?;
    let reused = Expected {
        verdict: Some("lost"),
        on_restart: Some("fails"),
        code: Some(286),
        findings: &["RG005 critical", "RG019"],
        ..Expected::default()
    };
    let recreate = async {
        let config = xtask::source_config(set.uri(), &scene.namespace("orders"), &json!({}));
        scene.connect().put_config(&name, &config).await?;
        scene.fails_with(&name, 286).await
    };
    scene.fault("re-created under its name", &name, reused, AT_ONCE, recreate).await
}
