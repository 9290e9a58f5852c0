//! The second week: a configuration that is wrong, a loop that stands still, a stop in the middle of a recovery.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use xtask::{Stopwatch, Suite};

use super::scene::{CONFIGURATION, LIMIT, Scene, UNIT};

const GOOD: &str = "resumeguard_config_last_reload_successful 1";
const BROKEN: &str = "resumeguard_config_last_reload_successful 0";

/// The file that a daemon with fail-points looks at.
const STUCK: &str = "/var/lib/resumeguard/stuck";

/// A good file holds after `systemctl reload`; a broken one changes nothing, and is told by the log and a metric.
pub(super) async fn reloads(scene: &Scene<'_>) -> Result<()> {
    let process = scene.property("MainPID").await?;
    scene.configure("mode = \"approve\"")?;
    let said = scene.guest.run(&["systemctl", "reload", UNIT]).await?;
    scene.holds(said.code == Some(0), "a good file is taken").await?;
    scene.until_metric("resumeguard_recovery_mode{mode=\"approve\"} 1").await?;
    scene.until_metric(GOOD).await?;

    scene.configure("mode = \"perhaps\"")?;
    scene.systemctl(&["reload", UNIT]).await?;
    scene.until_metric(BROKEN).await?;
    scene.until_metric("resumeguard_recovery_mode{mode=\"approve\"} 1").await?;
    let errors = scene.logged(&["--priority", "err"]).await?;
    let told = errors.contains("nothing was changed") && errors.contains("perhaps");
    scene.holds(told, "the log names what is wrong").await?;

    scene.configure("mode = \"plan\"")?;
    scene.systemctl(&["reload", UNIT]).await?;
    scene.until_metric(GOOD).await?;
    ensure!(scene.property("ActiveState").await? == "active", "no service that is active");
    ensure!(scene.property("MainPID").await? == process, "it was restarted, not read again");
    scene.shown("reload: a good file holds; a broken one changes nothing: log and metric say so");
    if scene.suite == Suite::Trixie {
        notify_reload(scene).await?;
    }
    Ok(())
}

/// From 253 on systemd can wait for the end of it: the same unit with another type.
async fn notify_reload(scene: &Scene<'_>) -> Result<()> {
    scene.drop_in("type.conf", "Type=notify-reload\nExecReload=\n").await?;
    scene.restart().await?;
    scene.configure("mode = \"approve\"")?;
    let watch = Stopwatch::start();
    scene.systemctl(&["reload", UNIT]).await?;
    let (took, page) = (watch.elapsed(), scene.get("/metrics").await?);
    // Without waiting: the page is rendered once a pass, so this is asked of what is not.
    ensure!(page.contains("resumeguard_build_info"), "no page:\n{page}");
    scene.until_metric("resumeguard_recovery_mode{mode=\"approve\"} 1").await?;
    scene.undrop("type.conf").await?;
    scene.configure("mode = \"plan\"")?;
    scene.restart().await?;
    scene
        .shown(&format!("Type=notify-reload: read again, and systemd waited {} ms for it", took.as_millis()));
    Ok(())
}

/// A pass that never ends, and a process that stands still: systemd's watchdog starts another one.
pub(super) async fn stuck(scene: &Scene<'_>, with_failpoints: &Path) -> Result<()> {
    scene.put(with_failpoints, "/usr/local/bin/resumeguard-with-failpoints")?;
    let drop_in = format!(
        "ExecStart=\nExecStart=/usr/local/bin/resumeguard-with-failpoints run\nWatchdogSec=4s\nRestartSec=500ms\n\
         Environment=RESUMEGUARD_STUCK={STUCK}\n"
    );
    scene.drop_in("stuck.conf", &drop_in).await?;
    scene.restart().await?;
    scene.until_verdict("safe").await?;
    for (what, how) in [("a pass that does not end", Trouble::Pass), ("SIGSTOP", Trouble::Process)] {
        let (restarts, before) = (scene.property("NRestarts").await?, scene.property("MainPID").await?);
        let watch = Stopwatch::start();
        match how {
            Trouble::Pass => fs::write(scene.guest.path(STUCK), "")?,
            Trouble::Process => drop(scene.systemctl(&["kill", "--signal", "SIGSTOP", UNIT]).await?),
        }
        scene.until("NRestarts", |now| now != restarts).await?;
        let killed = watch.elapsed();
        if let Trouble::Pass = how {
            fs::remove_file(scene.guest.path(STUCK))?;
            // One that came up before that is stuck as well.
            scene.restart().await?;
        }
        scene.until("ActiveState", |state| state == "active").await?;
        ensure!(scene.property("MainPID").await? != before, "the same process");
        scene.until_verdict("safe").await?;
        let told = scene
            .guest
            .must(&["journalctl", "--unit", UNIT, "--output", "cat", "--grep", "Watchdog timeout"])
            .await?;
        ensure!(told.contains("Watchdog timeout"), "it was not the watchdog:\n{told}");
        scene.shown(&format!("{what}: restarted by the watchdog of 4 s after {:.1} s", killed.as_secs_f64()));
    }
    scene.undrop("stuck.conf").await?;
    scene.restart().await?;
    Ok(fs::remove_file(scene.guest.path("/usr/local/bin/resumeguard-with-failpoints"))?)
}

enum Trouble {
    Pass,
    Process,
}

/// `systemctl stop` while a lost connector is being recovered: it ends at once, and the next start ends the recovery.
pub(super) async fn stopped_in_mid_recovery(scene: &Scene<'_>) -> Result<()> {
    // Long enough to be stopped in: a connector must be well for so long before its recovery counts.
    let policy = "mode = \"plan\"\nstable_for = \"20s\"\ncooldown = \"1s\"";
    scene.configure(policy)?;
    let text = fs::read_to_string(scene.guest.path(CONFIGURATION))?;
    // Of the failure alone: while it is paused with its position lost, it is a person's.
    let text = text
        + "\n[recovery.policies.failed]\nconnectors = [\"*\"]\non = [\"history_lost\"]\nmode = \"auto\"\n";
    fs::write(scene.guest.path(CONFIGURATION), text)?;
    scene.restart().await?;
    scene.guest.must(&["resumeguard", "unfreeze", "--reason", "the upgrade is over"]).await?;
    fail(scene).await?;
    scene.until_metric("resumeguard_recovery_in_progress 1").await?;
    // It has been resumed, and is watched: a step that takes as long as `stable_for`.
    scene.stack.connect()?.wait_until(&scene.connector, LIMIT, |status| status.all("RUNNING")).await?;
    let watch = Stopwatch::start();
    scene.systemctl(&["stop", UNIT]).await?;
    let took = watch.elapsed();
    for (name, wanted) in [("Result", "success"), ("ExecMainStatus", "0"), ("ActiveState", "inactive")] {
        let value = scene.property(name).await?;
        scene.holds(value == wanted, &format!("{name} is {value}, not {wanted}")).await?;
    }
    // Credentials are there while the service is: without it, the journal is asked by its directory alone.
    fs::write(scene.guest.path("/root/journal.toml"), "[recovery]\ndirectory = \"/var/lib/resumeguard\"\n")?;
    let offline = ["resumeguard", "--config", "/root/journal.toml", "recovery", "list"];
    let journal = scene.guest.must(&[&offline[..], &["--json"]].concat()).await?;
    ensure!(journal.contains("\"ended\": null"), "it was not stopped in mid-recovery:\n{journal}");
    let journal = scene.guest.must(&offline).await?;
    scene.shown(&format!(
        "stopped in mid-recovery, in {} ms; the journal: {}",
        took.as_millis(),
        last(&journal)
    ));
    scene.systemctl(&["start", UNIT]).await?;
    scene.until_metric("resumeguard_recovery_in_progress 0").await?;
    scene.stack.connect()?.wait_until(&scene.connector, LIMIT, |status| status.all("RUNNING")).await?;
    // Not `safe`: where it was put back the oplog begins, and nothing is written that would take it further.
    let all = attempts(scene).await?;
    // That one, and no second.
    let once = all.matches("\"attempt\":").count() == 1 && all.contains("\"outcome\": \"recovered\"");
    scene.holds(once, &format!("the same attempt has recovered it:\n{all}")).await?;
    let journal = scene.guest.must(&["resumeguard", "recovery", "list"]).await?;
    scene.shown(&format!("started again it was ended: {}", last(&journal)));
    Ok(())
}

async fn attempts(scene: &Scene<'_>) -> Result<String> {
    scene.guest.must(&["resumeguard", "recovery", "list", "--json"]).await
}

fn last(text: &str) -> &str {
    text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().trim()
}

/// Stores a position, loses it, and lets the task fail of it.
async fn fail(scene: &Scene<'_>) -> Result<()> {
    let (connect, name, mongod) = (scene.stack.connect()?, &scene.connector, scene.stack.mongod());
    connect.pause(name).await?;
    connect.wait_until(name, LIMIT, |status| status.all("PAUSED")).await?;
    mongod.roll_oplog_past(mongod.last().await?).await?;
    connect.restart(name).await?;
    connect.resume(name).await?;
    connect.wait_until(name, LIMIT, |status| status.failed_with(286)).await.context("it does not fail")?;
    Ok(())
}
