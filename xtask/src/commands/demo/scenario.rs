//! What is done to the connectors.

use std::time::Duration;

use anyhow::Result;
use mongodb::bson::doc;
use serde_json::json;
use xtask::{Connect, Mongo, Progress, Seen, Stack, Step, source_config, wait_until};

/// Gets an insert every half second for as long as the demo lasts.
pub(super) const HEALTHY: &str = "healthy";
/// Gets one insert, and then nothing any more.
pub(super) const IDLE: &str = "idle";
/// Paused before the oplog rolls.
pub(super) const PAUSED: &str = "paused";
/// Restarted and resumed after the oplog rolled.
pub(super) const FAILED_286: &str = "failed-286";
/// Only resumed after the oplog rolled: its old cursor dies first.
pub(super) const FAILED_136: &str = "failed-136";
/// Idle, and told to tolerate errors.
pub(super) const TOLERANT: &str = "tolerant";

const ALL: [&str; 6] = [HEALTHY, IDLE, PAUSED, FAILED_286, FAILED_136, TOLERANT];

const TRAFFIC_EVERY: Duration = Duration::from_millis(500);

/// A task starts within seconds, a position is stored within one flush (2 s) more.
const LIMIT: Duration = Duration::from_secs(90);

/// The healthy connector is at most one flush and one poll behind; the window must be several times that before
/// its headroom counts as safe.
const WINDOW_SECONDS: u32 = 15;

fn namespace(connector: &str) -> String {
    format!("demo.{connector}")
}

/// Inserts into the healthy connector's collection until dropped.
pub(super) async fn traffic(mongo: &Mongo) -> Result<()> {
    loop {
        mongo.insert(&namespace(HEALTHY), doc! { "of": HEALTHY }).await?;
        tokio::time::sleep(TRAFFIC_EVERY).await;
    }
}

/// Drives all connectors to where the daemon shall find them.
pub(super) async fn drive(stack: &Stack, progress: &Progress) -> Result<()> {
    let (mongo, connect) = (stack.mongod(), stack.connect()?);
    let step = progress.bar("drive connectors", 5);
    create(mongo, connect, &step).await?;
    step.set(1);
    step.note("pause three");
    for name in [PAUSED, FAILED_286, FAILED_136] {
        connect.pause(name).await?;
        connect.wait_until(name, LIMIT, |status| status.all("PAUSED")).await?;
    }
    step.set(2);
    step.note("roll the oplog past every stored position");
    mongo.roll_oplog_past(mongo.last().await?).await?;
    step.set(3);
    step.note("restart and resume one, resume another");
    fail(connect).await?;
    step.set(4);
    step.note("let the window grow");
    recover_window(mongo, connect).await?;
    step.done("healthy, idle, paused, failed with 286, failed with 136, tolerant");
    Ok(())
}

async fn create(mongo: &Mongo, connect: &Connect, step: &Step) -> Result<()> {
    for name in ALL {
        step.note(format!("create {name}"));
        let tolerance = if name == TOLERANT { "all" } else { "none" };
        let more = json!({ "errors.tolerance": tolerance });
        connect.put_config(name, &source_config(mongo.uri(), &namespace(name), &more)).await?;
    }
    for name in ALL {
        step.note(format!("wait for {name}'s first stored position"));
        connect.wait_until(name, LIMIT, |status| status.all("RUNNING")).await?;
        // RUNNING does not mean that the cursor is open; an insert before that goes unseen.
        let feed = async {
            loop {
                mongo.insert(&namespace(name), doc! { "of": name }).await?;
                tokio::time::sleep(TRAFFIC_EVERY).await;
            }
        };
        tokio::select! {
            stored = connect.wait_until_stored(name, LIMIT, |_| true) => { stored?; }
            failed = feed => { let failed: Result<()> = failed; failed?; }
        }
    }
    Ok(())
}

async fn fail(connect: &Connect) -> Result<()> {
    // A paused connector stays paused through its restart; the loss shows when it resumes.
    connect.restart(FAILED_286).await?;
    connect.wait_until(FAILED_286, LIMIT, |status| status.all("PAUSED")).await?;
    connect.resume(FAILED_286).await?;
    connect.resume(FAILED_136).await?;
    connect.wait_until(FAILED_286, LIMIT, |status| status.failed_with(286)).await?;
    connect.wait_until(FAILED_136, LIMIT, |status| status.failed_with(136)).await?;
    for name in [HEALTHY, IDLE, TOLERANT] {
        connect.wait_until(name, LIMIT, |status| status.all("RUNNING")).await?;
    }
    Ok(())
}

/// Right after the roll the window is a blink, and nobody in it is safe.
async fn recover_window(mongo: &Mongo, connect: &Connect) -> Result<()> {
    wait_until("the healthy connector to be safe", LIMIT, async || {
        let (first, last) = (mongo.first().await?, mongo.last().await?);
        let window = last.time.saturating_sub(first.time);
        let stored = connect.wait_until_stored(HEALTHY, LIMIT, |stored| stored > first).await?;
        let headroom = stored.time.saturating_sub(first.time);
        Ok(if window >= WINDOW_SECONDS && headroom * 4 > window * 3 {
            Seen::Yes(())
        } else {
            Seen::Not(format!("window {window} s, headroom {headroom} s"))
        })
    })
    .await
}
