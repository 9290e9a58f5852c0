//! Positions that do not belong to the deployment.

use anyhow::{Context as _, Result};
use mongodb::bson::doc;
use serde_json::json;
use xtask::ReplicaSetSpec;

use super::super::expected::Expected;
use super::super::ground::LONG;
use super::super::scene::Scene;
use super::super::watcher::Vow;
use super::{AT_ONCE, STORED};

const DAY: u32 = 86_400;

/// The set is replaced while the connector is paused: same name, same address, another history.
pub(super) async fn other_deployment(scene: &Scene<'_>) -> Result<()> {
    let set = scene.small_set().await?;
    let name = scene.connector("orders", &set, &json!({})).await?;
    scene.pause(&name).await?;
    let foreign = Expected {
        verdict: Some("lost"),
        on_restart: Some("fails"),
        findings: &["RG017 critical"],
        ..Expected::default()
    };
    scene.fault("another set behind the URI", &name, foreign, AT_ONCE, set.replace()).await?;
    // The server looks for the token's event from the first event of the stream on: until there is one, all seems well.
    let running = Expected { without: &["RG004", "RG005"], ..foreign };
    let restarted = async {
        scene.connect().restart(&name).await?;
        scene.connect().wait_until(&name, LONG, |status| status.all("PAUSED")).await?;
        scene.resume(&name).await
    };
    scene.fault("restarted, resumed", &name, running, AT_ONCE, restarted).await?;
    let refused = Expected { code: Some(280), class: Some("wrong_stream"), without: &[], ..foreign };
    let event = async {
        set.mongo().insert(&scene.namespace("orders"), doc! { "of": "the other deployment" }).await?;
        scene.fails_with(&name, 280).await
    };
    scene.fault("the first event", &name, refused, AT_ONCE, event).await
}

/// The server takes such a token and delivers nothing until its clock gets there.
pub(super) async fn future(scene: &Scene<'_>) -> Result<()> {
    let set = scene.set(ReplicaSetSpec::default().with_oplog_mib(50)).await?;
    scene.bystander(&set).await?;
    let name = scene.connector("orders", &set, &json!({})).await?;
    let ahead = Expected {
        verdict: Some("critical"),
        on_restart: Some("stalls"),
        findings: &["RG015 critical"],
        without: &["RG005"],
        ..Expected::default()
    };
    scene.stop(&name).await?;
    let last = set.mongo().last().await?;
    let tomorrow = last.time.checked_add(DAY).context("the clock is at its end")?;
    // A high-water mark of that time.
    let token = format!("{{\"_data\": \"82{tomorrow:08X}{:08X}2B0229296E04\"}}", 1);
    let resumed = async {
        scene.patch(&name, &token).await?;
        scene.resume(&name).await
    };
    scene.fault("resumed from tomorrow", &name, ahead, AT_ONCE, resumed).await
}

/// An application, or a person with `watch()`: what it opens is no stream of the connector's, and skips nothing of its.
pub(super) async fn watched(scene: &Scene<'_>) -> Result<()> {
    let set = scene.set(ReplicaSetSpec::default().with_oplog_mib(50)).await?;
    scene.bystander(&set).await?;
    let name = scene.connector("orders", &set, &json!({ "errors.tolerance": "all" })).await?;
    scene.vow(&name, Vow::NothingSkipped);
    scene.stop(&name).await?;
    let collection = set.mongo().collection(&scene.namespace("orders"))?;
    let foreign = collection.watch().await?;
    // Longer than a flush: by then it used to be a proven loss.
    scene.passes(WATCHED_PASSES).await?;
    let well = Expected { without: &["RG004", "RG006", "RG008", "RG021"], ..Expected::default() };
    let resumed = async {
        scene.resume(&name).await?;
        set.mongo().insert(&scene.namespace("orders"), doc! { "of": "after the stop" }).await
    };
    scene.fault("resumed beside another's stream", &name, well, STORED, resumed).await?;
    drop(foreign);
    scene.passes(WATCHED_PASSES).await
}

/// Several flushes.
const WATCHED_PASSES: u64 = 6;
