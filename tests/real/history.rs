//! What a restart of the daemon goes on with.

use crate::daemon::Daemon;
use crate::shared::{LONG, Shared, nothing, quick};
use resumeguard::clock::Clock;
use resumeguard::history::Story;
use std::time::Duration;
use xtask::{Seen, wait_until};

/// Long enough that a loaded machine starts a daemon well within half of it.
const FLUSH: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_wait_half_over_when_the_daemon_is_killed_ends_at_the_right_time() {
    let shared = Shared::take().await;
    let connect = shared.connect();
    shared.connector("half-way", nothing()).await;
    let directory = tempfile::tempdir().unwrap();
    let config = quick(connect.url()).replace("offset_flush = \"2s\"", "offset_flush = \"30s\"");
    let config = format!("{config}[history]\ndirectory = \"{}\"\n", directory.path().display());

    let first = Daemon::start(&config);
    let verdict = |word: &'static str| ["connector_verdict{", "connector=\"half-way\"", word, "} 1"];
    first.passes_until(&verdict("verdict=\"safe\"")).await;
    let last = shared.stack.mongod().last().await.unwrap();
    shared.stack.mongod().roll_oplog_past(last).await.unwrap();
    first.passes_until(&verdict("verdict=\"lost\"")).await;
    let clock = Clock::start();
    wait_until("half of the flush", LONG, async || {
        let left = (FLUSH / 2).saturating_sub(clock.uptime());
        Ok(if left.is_zero() { Seen::Yes(()) } else { Seen::Not(format!("{left:?} to go")) })
    })
    .await
    .unwrap();
    assert!(!first.metrics().await.contains("rule=\"RG001\""), "it has not waited long enough");
    first.kill();

    let restarted = clock.uptime();
    let second = Daemon::start(&config);
    second.passes_until(&["connector_finding{", "connector=\"half-way\"", "rule=\"RG001\""]).await;
    let (whole, own) = (clock.uptime(), clock.uptime() - restarted);
    println!("RG001 {whole:?} after the loss was seen, {own:?} after the restart");
    // Seen lost up to a pass before we saw it.
    assert!(whole + Duration::from_secs(3) >= FLUSH, "cut short: {whole:?}");
    assert!(own < FLUSH, "begun anew: {own:?} after the restart");

    // The story has both lives in it, and no change that did not happen.
    let path = "/api/v1/history?connect_cluster=main&connector=half-way";
    let story: Story = serde_json::from_str(&second.get(path).await.unwrap()).unwrap();
    let changes: Vec<&str> = story.verdict_changes.iter().map(|change| change.verdict.as_str()).collect();
    assert!(changes.ends_with(&["safe", "lost"]), "{changes:?}");
    assert_eq!(changes.iter().filter(|verdict| **verdict == "lost").count(), 1, "{changes:?}");
    let memories: Vec<&str> =
        story.events.iter().filter_map(|event| event.detail["memory"].as_str()).collect();
    assert_eq!(memories, ["none", "restored"]);
    let lost = story.samples.iter().rev().find_map(|sample| sample.headroom_seconds).unwrap();
    // Less than a second behind is a headroom of 0.
    assert!(lost <= 0 && !story.oplogs.is_empty(), "{lost}");
    let (code, explained) = second.ask(&["explain", "half-way"]);
    assert!(code == 0 && explained.contains("-> lost, headroom "), "{explained}");
    println!("{explained}");
}
