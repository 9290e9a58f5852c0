//! The collection goes away.

use anyhow::Result;
use mongodb::bson::doc;
use serde_json::json;
use xtask::ReplicaSetSpec;

use super::super::expected::Expected;
use super::super::scene::Scene;
use super::{AT_ONCE, STORED};

/// Inside the window, and yet a restart begins at that moment.
const SKIPS: Expected = Expected {
    verdict: Some("critical"),
    why: None,
    on_restart: Some("skips"),
    code: None,
    class: None,
    findings: &["RG022 critical"],
    without: &["RG005"],
    losses: 0,
    rescued: false,
};

/// What is stored is the drop's own token.
pub(super) async fn running(scene: &Scene<'_>) -> Result<()> {
    let set = scene.set(ReplicaSetSpec::default().with_oplog_mib(50)).await?;
    scene.bystander(&set).await?;
    let name = scene.connector("orders", &set, &json!({})).await?;
    let drop = async { Ok(set.mongo().collection(&scene.namespace("orders"))?.drop().await?) };
    scene.fault("collection dropped", &name, SKIPS, STORED, drop).await
}

/// What is stored is an ordinary token, of a collection that is no more.
pub(super) async fn recreated_while_stopped(scene: &Scene<'_>) -> Result<()> {
    let set = scene.set(ReplicaSetSpec::default().with_oplog_mib(50)).await?;
    scene.bystander(&set).await?;
    let name = scene.connector("orders", &set, &json!({})).await?;
    scene.stop(&name).await?;
    let recreate = async {
        let orders = set.mongo().collection(&scene.namespace("orders"))?;
        orders.insert_one(doc! { "missed": "before the drop" }).await?;
        orders.drop().await?;
        orders.insert_one(doc! { "missed": "after the drop" }).await?;
        Ok(())
    };
    scene.fault("dropped and re-created while stopped", &name, SKIPS, AT_ONCE, recreate).await
}
