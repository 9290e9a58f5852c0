//! An upgrade that keeps what was seen and decided, and an end that leaves nothing.

use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::Value;
use xtask::Stopwatch;

use super::scene::{CONFIGURATION, Scene, UNIT};

/// apt upgrades a running daemon: it is restarted once, and goes on with its history, its freeze, and the configuration that somebody
/// has edited.
pub(super) async fn keeps_its_state(scene: &Scene<'_>, package: &Path) -> Result<()> {
    scene.guest.must(&["resumeguard", "freeze", "--reason", "until it is upgraded"]).await?;
    let (process, edited) =
        (scene.property("MainPID").await?, scene.guest.must(&["cat", CONFIGURATION]).await?);
    let before = first_sample(scene).await?;
    scene.put(package, "/root/current.deb")?;
    let watch = Stopwatch::start();
    let said = scene.guest.must(&["apt-get", "install", "--yes", "/root/current.deb"]).await?;
    ensure!(!said.contains("does not run yet"), "a running one is told how to begin:\n{said}");
    let took = watch.elapsed();
    scene.until("ActiveState", |state| state == "active").await?;
    ensure!(scene.property("MainPID").await? != process, "the old program still runs");
    ensure!(scene.property("NRestarts").await? == "0", "it came up only after it was tried again");
    let version =
        scene.guest.must(&["dpkg-query", "--show", "--showformat", "${Version}", "resumeguard"]).await?;
    scene.until_verdict("safe").await?;
    let after = first_sample(scene).await?;
    scene.holds(before == after, &format!("the history begins at {before}, then at {after}")).await?;
    let freeze = scene.get("/api/v1/recovery/freeze").await?;
    scene
        .holds(freeze.contains("until it is upgraded"), &format!("it is frozen as before: {freeze}"))
        .await?;
    let log = scene.logged(&["--lines", "50"]).await?;
    scene.holds(log.contains("memory=\"restored\""), "judgement goes on with what it knew").await?;
    ensure!(
        scene.guest.must(&["cat", CONFIGURATION]).await? == edited,
        "the edited configuration is another"
    );
    let whose = scene.guest.must(&["stat", "--format", "%a %U:%G", CONFIGURATION]).await?;
    ensure!(whose.trim() == "640 root:resumeguard", "{CONFIGURATION} is {whose}");
    let enabled = scene.guest.must(&["systemctl", "is-enabled", UNIT]).await?;
    ensure!(enabled.trim() == "enabled", "{enabled}");
    scene.shown(&format!(
        "upgraded to {version} in {:.1} s: one restart; history, memory, freeze and configuration kept",
        took.as_secs_f64()
    ));
    Ok(())
}

/// When the oldest sample that is kept was taken.
async fn first_sample(scene: &Scene<'_>) -> Result<Value> {
    let path = format!("/api/v1/history?connect_cluster=main&connector={}&since=1h", scene.connector);
    let history = scene.json(&path).await?;
    let first = &history["samples"][0]["at"];
    ensure!(!first.is_null(), "no sample: {history}");
    Ok(first.clone())
}

/// Removed, it is stopped, and configuration and state stay; purged, nothing of it is left.
pub(super) async fn removed_and_purged(scene: &Scene<'_>) -> Result<()> {
    scene.guest.must(&["apt-get", "remove", "--yes", "resumeguard"]).await?;
    ensure!(scene.property("ActiveState").await? != "active", "it still runs");
    for (path, there) in [
        ("/usr/bin/resumeguard", false),
        (CONFIGURATION, true),
        ("/var/lib/resumeguard/history.db", true),
        ("/var/lib/resumeguard/journal.db", true),
    ] {
        ensure!(scene.guest.path(path).exists() == there, "after remove, {path}: {}", !there);
    }
    scene.guest.must(&["apt-get", "purge", "--yes", "resumeguard"]).await?;
    let search = ["find", "/etc", "/usr", "/var", "/opt", "/root", "/run", "-iname", "*resumeguard*"];
    let left = scene.guest.must(&search).await?;
    // Ours, not the package's.
    let left: Vec<&str> = left.lines().filter(|path| !path.starts_with("/run/systemd/system/")).collect();
    ensure!(left.is_empty(), "purged, and there is still:\n{}", left.join("\n"));
    let user = scene.guest.run(&["getent", "passwd", "resumeguard"]).await?;
    ensure!(user.code != Some(0), "the user is still there: {}", user.text);
    scene.shown("removed: configuration and state stay; purged: nothing is left");
    Ok(())
}
