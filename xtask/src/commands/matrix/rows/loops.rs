//! RUNNING, and the cursor cannot be created: the connector asks for it again and again.

use anyhow::Result;
use mongodb::bson::doc;
use serde_json::json;
use xtask::ReplicaSetSpec;

use super::super::expected::Expected;
use super::super::scene::Scene;
use super::AT_ONCE;

/// A document, so that the connector takes it for a token; no hexadecimal digits, so that the server does not.
const MALFORMED: &str = "{\"_data\": \"82ZZ\"}";

/// Refused aggregates, hundreds a second.
pub(super) async fn malformed(scene: &Scene<'_>) -> Result<()> {
    let set = scene.set(ReplicaSetSpec::default().with_oplog_mib(50)).await?;
    scene.bystander(&set).await?;
    let name = scene.connector("orders", &set, &json!({})).await?;
    let dead = Expected {
        verdict: Some("unknown"),
        why: Some("position_malformed"),
        on_restart: Some("stalls"),
        findings: &["RG006 critical"],
        without: &["RG005"],
        ..Expected::default()
    };
    scene.stop(&name).await?;
    scene.patch(&name, MALFORMED).await?;
    scene.fault("resumed from a malformed token", &name, dead, AT_ONCE, scene.resume(&name)).await
}

/// The position is as good as ever; nothing is delivered.
pub(super) async fn unauthorized(scene: &Scene<'_>) -> Result<()> {
    let spec = ReplicaSetSpec::default().with_oplog_mib(50).with_root("root", "root-pw");
    let set = scene.set(spec).await?;
    scene.bystander(&set).await?;
    let role = |role: &str, db: &str| doc! { "role": role, "db": db };
    let reads = role("read", &scene.namespace("").replace('.', ""));
    let roles = vec![reads.clone(), role("clusterMonitor", "admin")];
    set.mongo().create_user("orders", "orders-pw", roles).await?;
    let uri = set.uri_as("orders", "orders-pw");
    let name = scene.connector_at("orders", &uri, set.mongo(), &json!({})).await?;
    let dead = Expected { findings: &["RG006 critical"], without: &["RG005"], ..Expected::default() };
    scene.stop(&name).await?;
    set.mongo().admin(doc! { "revokeRolesFromUser": "orders", "roles": [reads] }).await?;
    scene.fault("resumed without the right to read", &name, dead, AT_ONCE, scene.resume(&name)).await
}
