//! MongoDB goes down and comes back.

use anyhow::Result;
use serde_json::json;
use std::sync::Arc;
use xtask::ReplicaSetSpec;

use super::super::expected::Expected;
use super::super::ground::LONG;
use super::super::scene::{Scene, quietly};
use super::super::watcher::Vow;
use super::AT_ONCE;

/// Unknown in between, right again afterwards, and at no moment lost.
pub(super) async fn down_and_up(scene: &Scene<'_>) -> Result<()> {
    let set = scene.set(ReplicaSetSpec::default().with_oplog_mib(50)).await?;
    // The driver's default would be 30 s.
    let uri = format!("{}&serverSelectionTimeoutMS=10000", set.uri());
    let name = scene.connector_at("orders", &uri, set.mongo(), &json!({})).await?;
    scene.vow(&name, Vow::NeverLost);
    let unknown = Expected { verdict: Some("unknown"), without: &["RG001"], ..Expected::default() };
    let down = async {
        let set = Arc::clone(&set);
        quietly(move || set.stop_member(0)).await
    };
    scene.fault("MongoDB down", &name, unknown, AT_ONCE, down).await?;
    let failed = Expected { class: Some("transient"), findings: &["RG005 warning"], ..unknown };
    let fails = async {
        let failed = |status: &xtask::ConnectorStatus| status.tasks.iter().any(|task| task.state == "FAILED");
        scene.connect().wait_until(&name, LONG, failed).await.map(drop)
    };
    scene.fault("the task fails", &name, failed, AT_ONCE, fails).await?;
    let known = Expected { verdict: Some("safe"), on_restart: Some("resumes"), ..failed };
    scene.fault("MongoDB up", &name, known, AT_ONCE, set.start_member(0)).await?;
    let well = Expected { without: &["RG001", "RG005"], class: None, findings: &[], ..known };
    let restarted = async {
        scene.connect().restart(&name).await?;
        scene.connect().wait_until(&name, LONG, |status| status.all("RUNNING")).await.map(drop)
    };
    scene.fault("the task restarted", &name, well, AT_ONCE, restarted).await
}
