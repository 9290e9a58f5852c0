//! Three healthy connectors beside everything else, on an oplog that rolls.

use std::time::Duration;

use anyhow::{Context as _, Result};
use mongodb::bson::doc;
use serde_json::{Value, json};
use xtask::{Mongo, Progress, source_config};

use super::expected::Expected;
use super::ground::{Ground, LONG};
use super::scene::HEARTBEAT;
use super::watcher::Vow;

/// Changes all the time.
const BUSY: &str = "healthy-busy";
/// Nothing happens in its collection; a heartbeat keeps its position new.
const IDLE: &str = "healthy-idle";
/// Everything that happens in its collection is left out by its pipeline; a heartbeat again.
const FILTERED: &str = "healthy-filtered";

const EVERY: Duration = Duration::from_millis(200);

/// Some 15 kB a second with what is written about it: the oplog of 1 MiB is full
/// after a minute, and holds about one from then on.
const PAYLOAD: usize = 1_000;

fn namespace(name: &str) -> String {
    format!("healthy.{name}")
}

/// Writes into two of the collections until dropped.
pub(super) async fn traffic(mongo: &Mongo) -> Result<()> {
    let payload = "x".repeat(PAYLOAD);
    loop {
        for name in [BUSY, FILTERED] {
            mongo.insert(&namespace(name), doc! { "kind": "everyday", "payload": &payload }).await?;
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Creates them, waits until all are safe, and holds the daemon to it from then on.
pub(super) async fn begin(ground: &Ground, progress: &Progress) -> Result<()> {
    let step = progress.step("healthy connectors");
    let mongo = ground.healthy.mongo();
    let pipeline = r#"[{"$match": {"fullDocument.kind": "wanted"}}]"#;
    for (name, more) in [
        (BUSY, json!({})),
        (IDLE, json!({ HEARTBEAT: "1000" })),
        (FILTERED, json!({ HEARTBEAT: "1000", "pipeline": pipeline })),
    ] {
        create(ground, mongo, name, &more).await?;
    }
    for name in [BUSY, IDLE, FILTERED] {
        let safe = Expected { verdict: Some("safe"), ..Expected::default() };
        let told = ground.watcher.expect(name, safe);
        let seen = || format!("{name} does not become safe: {}", ground.watcher.seen(name));
        tokio::time::timeout(LONG, told).await.with_context(seen)??;
        ground.watcher.vow(name, Vow::Calm);
    }
    step.done("busy, idle with a heartbeat, filtered with a heartbeat: all safe");
    Ok(())
}

async fn create(ground: &Ground, mongo: &Mongo, name: &str, more: &Value) -> Result<()> {
    let config = source_config(mongo.uri(), &namespace(name), more);
    ground.connect.put_config(name, &config).await?;
    ground.connect.wait_until(name, LONG, |status| status.all("RUNNING")).await.map(drop)
}

/// Deletes them: the stack may be somebody else's.
pub(super) async fn end(ground: &Ground) -> Result<()> {
    for name in [BUSY, IDLE, FILTERED] {
        ground.watcher.release(name);
        ground.connect.delete(name).await?;
    }
    Ok(())
}
