//! A copy of existing data.

use anyhow::Result;
use mongodb::bson::{Document, doc};
use serde_json::json;

use super::super::expected::Expected;
use super::super::scene::{Scene, roll_oplog};
use super::{AT_ONCE, STORED};

/// So large that the server, which fetches 4 MB at a time, answers before it comes to the slow ones.
const PAYLOAD: usize = 100_000;

const DOCUMENTS: i32 = 200;

/// Slowed down by the server itself: the last 40 documents take 5 s each.
const SLOWLY: &str = r#"[{"$match": {"$expr": {"$function": {"lang": "js", "args": ["$number"],
    "body": "function(number) { if (number >= 160) sleep(5000); return true; }"}}}}]"#;

/// The stream begins where the copy began, and that must still be there.
pub(super) async fn outlasts(scene: &Scene<'_>) -> Result<()> {
    let set = scene.small_set().await?;
    let payload = "x".repeat(PAYLOAD);
    let documents: Vec<Document> =
        (0..DOCUMENTS).map(|number| doc! { "number": number, "payload": &payload }).collect();
    set.mongo().collection(&scene.namespace("orders"))?.insert_many(documents).await?;
    let more = json!({
        "startup.mode": "copy_existing", "startup.mode.copy.existing.pipeline": SLOWLY,
    });
    let name = scene.name("orders");
    let copying = Expected {
        verdict: Some("unknown"),
        why: Some("copying"),
        on_restart: Some("resnapshots"),
        findings: &["RG016 info"],
        ..Expected::default()
    };
    let begins = async { scene.configure("orders", set.uri(), &more).await.map(drop) };
    scene.fault("a copy begins", &name, copying, STORED, begins).await?;
    let long = Expected { findings: &["RG016 warning"], ..copying };
    scene.fault("it takes half the window", &name, long, AT_ONCE, roll_oplog(set.mongo())).await
}
