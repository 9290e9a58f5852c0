//! Events that do not pass: too large, or dropped on the way.

use anyhow::Result;
use mongodb::bson::{Bson, doc};
use serde_json::json;
use xtask::{Mongo, ReplicaSet, ReplicaSetSpec};

use super::super::expected::Expected;
use super::super::scene::{HEARTBEAT, Scene};
use super::{AT_ONCE, STILL};

const MIB: usize = 1 << 20;

/// A document whose update makes an event over 16 MB: what was updated, and the whole document looked up beside it.
#[derive(Debug)]
pub(super) struct Overflow {
    mongo: Mongo,
    namespace: String,
    id: Bson,
}

/// Inserts the document before the connector is there: by itself it is small enough for MongoDB, and too large for
/// Kafka.
pub(super) async fn overflow(scene: &Scene<'_>, set: &ReplicaSet) -> Result<Overflow> {
    let (mongo, namespace) = (set.mongo().clone(), scene.namespace("orders"));
    let document = doc! { "before": "x".repeat(5 * MIB) };
    let id = mongo.collection(&namespace)?.insert_one(document).await?.inserted_id;
    Ok(Overflow { mongo, namespace, id })
}

impl Overflow {
    /// Makes the event happen.
    pub(super) async fn happens(self) -> Result<()> {
        let change = doc! { "$set": { "after": "y".repeat(9 * MIB) } };
        self.mongo.collection(&self.namespace)?.update_one(doc! { "_id": self.id }, change).await?;
        Ok(())
    }
}

/// The token is fine; every restart meets the same event.
pub(super) async fn too_large(scene: &Scene<'_>) -> Result<()> {
    let set = scene.set(ReplicaSetSpec::default().with_oplog_mib(200)).await?;
    scene.bystander(&set).await?;
    let large = overflow(scene, &set).await?;
    let more = json!({ "change.stream.full.document": "updateLookup" });
    let name = scene.connector("orders", &set, &more).await?;
    let failed = Expected {
        verdict: Some("critical"),
        on_restart: Some("fails"),
        code: Some(10334),
        class: Some("event_too_large"),
        findings: &["RG005 critical", "RG018 critical"],
        ..Expected::default()
    };
    let happens = async {
        large.happens().await?;
        scene.fails_with(&name, 10334).await
    };
    scene.fault("an update over 16 MB", &name, failed, AT_ONCE, happens).await
}

/// What an SMT drops is never stored as a position, heartbeats included.
pub(super) async fn smt_drops_all(scene: &Scene<'_>) -> Result<()> {
    let set = scene.set(ReplicaSetSpec::default().with_oplog_mib(50)).await?;
    scene.bystander(&set).await?;
    let drops = ("transforms", "transforms.drop.type", "org.apache.kafka.connect.transforms.Filter");
    let with = json!({ HEARTBEAT: "1000" });
    let name = scene.connector("beating", &set, &with).await?;
    let still = Expected { verdict: Some("safe"), findings: &["RG003"], ..Expected::default() };
    let smt = json!({ HEARTBEAT: "1000", drops.0: "drop", drops.1: drops.2 });
    let change = async { busy(scene, &set, "beating", &smt).await };
    scene.fault("everything dropped, with a heartbeat", &name, still, STILL, change).await?;
    let name = scene.connector("silent", &set, &json!({})).await?;
    let still = Expected { verdict: Some("safe"), findings: &["RG002"], ..Expected::default() };
    let smt = json!({ drops.0: "drop", drops.1: drops.2 });
    let change = async { busy(scene, &set, "silent", &smt).await };
    scene.fault("everything dropped, without", &name, still, STILL, change).await
}

/// Another configuration, and something happens that it drops.
async fn busy(scene: &Scene<'_>, set: &ReplicaSet, what: &str, more: &serde_json::Value) -> Result<()> {
    scene.configure(what, set.uri(), more).await?;
    for number in 0..20 {
        set.mongo().insert(&scene.namespace(what), doc! { "number": number }).await?;
    }
    Ok(())
}
