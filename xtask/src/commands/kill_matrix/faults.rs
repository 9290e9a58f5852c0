//! What else happens to a process: it stands still for a minute, its disk is full or read-only, its journal is a newer one.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use xtask::{Seen, wait_until};

use super::super::relay::Change;
use super::group::worker_dies;
use super::journal::python;
use super::rows::Trouble;
use super::scene::{LONG, Lane, Scene, file_in, killed};

/// How long the process stands still.
const STILL: Duration = Duration::from_secs(60);

/// For so long nothing may be asked of Connect while nothing can be written down: three passes, and the journal's own wait.
const QUIET: Duration = Duration::from_secs(8);

pub(super) const MODE: &str = "mode = \"approve\"\n";

type Act = for<'a> fn(&'a Lane) -> Pin<Box<dyn Future<Output = Result<String>> + 'a>>;

/// One of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    pub(super) name: &'static str,
    pub(super) act: Act,
}

/// All of them.
pub(super) const FAULTS: [Fault; 5] = [
    Fault { name: "worker-dies-in-mid-attempt", act: |lane| Box::pin(worker_dies(lane)) },
    Fault { name: "stands-still-for-a-minute", act: |lane| Box::pin(stands_still(lane)) },
    Fault { name: "disk-full-in-mid-attempt", act: |lane| Box::pin(disk_full(lane)) },
    Fault { name: "disk-read-only", act: |lane| Box::pin(read_only(lane)) },
    Fault { name: "journal-of-a-newer-version", act: |lane| Box::pin(newer(lane)) },
];

pub(super) fn salvage(name: &str) -> [&str; 7] {
    ["recovery", "run", name, "--strategy", "salvage", "--reason", "kill matrix"]
}

/// SIGSTOP while the stop that it asked for is being carried out; a person resumes the connector meanwhile, which fails anew.
/// Woken, it must not write over what it has not looked at.
async fn stands_still(lane: &Lane) -> Result<String> {
    let scene = Scene::begin(lane, "stands-still-for-a-minute", Trouble::Failed).await?;
    let daemon = scene.daemon(MODE, None).await?;
    scene.relay.hold("/stop");
    let name = scene.name.clone();
    let order = salvage(&name);
    let (asked, held) = tokio::join!(scene.ask(&daemon, &order, 0), scene.relay.held(LONG));
    asked.and(held)?;
    daemon.process().signal(Signal::STOP)?;
    scene.relay.release();
    lane.connect.resume(&name).await?;
    lane.connect.wait_until(&name, LONG, |status| status.failed_with(286)).await?;
    tokio::time::sleep(STILL).await;
    daemon.process().signal(Signal::CONT)?;
    let told = scene.ends(&daemon, 1).await?;
    let outcome = told.attempts.first().map(|attempt| attempt.outcome.clone()).unwrap_or_default();
    let patches = carried_out(&scene, "PATCH offsets");
    // It may go on after a look, or give up: a connector that somebody else has resumed is not left stopped either way.
    ensure!(patches <= 1, "offsets were written {patches} times");
    let status = lane.connect.status(&name).await?.context("it has no status")?;
    ensure!(status.connector.state == "RUNNING", "it is left {}", status.connector.state);
    if outcome == "recovered" {
        scene.is_well().await?;
    }
    scene.is_as_before(&[]).await?;
    Ok(outcome)
}

/// The disk is full once the connector is stopped: nothing more is done until there is room, and then all of it.
async fn disk_full(lane: &Lane) -> Result<String> {
    let scene = Scene::begin(lane, "disk-full-in-mid-attempt", Trouble::Failed).await?;
    std::fs::create_dir_all(scene.state())?;
    let disk = Disk::mount(scene.state()).await?;
    let daemon = scene.daemon(MODE, None).await?;
    scene.relay.hold("/stop");
    let name = scene.name.clone();
    let order = salvage(&name);
    let (asked, held) = tokio::join!(scene.ask(&daemon, &order, 0), scene.relay.held(LONG));
    asked.and(held)?;
    let ballast = disk.fill()?;
    let before = scene.relay.changes().len();
    scene.relay.release();
    tokio::time::sleep(QUIET).await;
    let meanwhile = scene.relay.changes().len() - before;
    ensure!(meanwhile == 0, "{meanwhile} changes were made without a journal");
    let page = daemon.get("/metrics").await?;
    std::fs::remove_file(ballast)?;
    let told = scene.ends(&daemon, 1).await?;
    let outcome = told.attempts.first().map(|attempt| attempt.outcome.clone()).unwrap_or_default();
    ensure!(outcome == "recovered", "{outcome}:\n    {}", told.story());
    ensure!(told.check == "ok", "the journal is damaged: {}", told.check);
    ensure!(carried_out(&scene, "PATCH offsets") == 1, "{:?}", kinds(&scene));
    scene.is_well().await?;
    scene.is_as_before(&[]).await?;
    killed(lane);
    drop(disk);
    let told = page.lines().any(|line| line.contains("recovery_in_progress") && line.ends_with(" 1"));
    Ok(format!("recovered once there was room; in progress while full: {told}"))
}

/// Nothing is done, and that is said.
async fn read_only(lane: &Lane) -> Result<String> {
    let scene = Scene::begin(lane, "disk-read-only", Trouble::Failed).await?;
    std::fs::create_dir_all(scene.state())?;
    let disk = Disk::mount(scene.state()).await?;
    disk.remount("ro").await?;
    refused(&scene, "Read-only file system").await?;
    killed(lane);
    disk.remount("rw").await?;
    let daemon = scene.daemon(MODE, None).await?;
    let name = scene.name.clone();
    scene.ask(&daemon, &salvage(&name), 0).await?;
    let told = scene.ends(&daemon, 1).await?;
    scene.is_well().await?;
    killed(lane);
    drop(disk);
    Ok(format!("nothing while read-only, then {}", told.attempts[0].outcome))
}

/// It is left as it is, and nothing is done.
async fn newer(lane: &Lane) -> Result<String> {
    let scene = Scene::begin(lane, "journal-of-a-newer-version", Trouble::Failed).await?;
    let daemon = scene.daemon(MODE, None).await?;
    let file = file_in(scene.state());
    wait_until("a journal to be made", LONG, async || {
        Ok(if file.exists() { Seen::Yes(()) } else { Seen::Not("none".to_owned()) })
    })
    .await?;
    drop(daemon);
    killed(lane);
    let script = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('PRAGMA user_version = 99')";
    python(script, &file).await?;
    let before = std::fs::read(&file)?;
    refused(&scene, "schema 99").await?;
    ensure!(std::fs::read(&file)? == before, "it was changed");
    killed(lane);
    Ok("nothing is done, and the file is as it was".to_owned())
}

/// A daemon that cannot write its journal watches on, says why it does nothing, and does nothing. One that does not start at all
/// does nothing either, and says so in its log.
async fn refused(scene: &Scene<'_>, why: &str) -> Result<()> {
    let name = scene.name.clone();
    let said = match scene.daemon(MODE, None).await {
        Ok(daemon) => {
            let mut said = String::new();
            for _pass in 0..QUIET.as_secs() {
                said.push_str(&daemon.command(&salvage(&name)).await?.1);
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            said.push_str(&scene.lane.roster.log_end(super::super::daemon::ROLE));
            said
        }
        Err(error) => format!("{error:#}"),
    };
    ensure!(said.contains(why), "it does not say {why:?}:\n{said}");
    ensure!(scene.relay.changes().is_empty(), "{:?}", kinds(scene));
    Ok(())
}

pub(super) fn carried_out(scene: &Scene<'_>, kind: &str) -> usize {
    scene.relay.changes().iter().filter(|change| change.took_effect() && change.kind() == kind).count()
}

fn kinds(scene: &Scene<'_>) -> Vec<String> {
    scene.relay.changes().iter().map(Change::kind).collect()
}

/// A small file system of its own, which takes root to mount. Dropped, it is gone.
struct Disk {
    at: PathBuf,
}

impl Disk {
    async fn mount(at: &Path) -> Result<Self> {
        let disk = Self { at: at.to_owned() };
        let ok = run("mount", &["-t", "tmpfs", "-o", "size=512k", "tmpfs"], at).await?;
        ensure!(ok, "a small file system cannot be mounted: run this row as root");
        Ok(disk)
    }

    async fn remount(&self, how: &str) -> Result<()> {
        let ok = run("mount", &["-o", &format!("remount,{how}")], &self.at).await?;
        ensure!(ok, "{} cannot be remounted {how}", self.at.display());
        Ok(())
    }

    /// Until nothing more goes in; the file that is to be removed again.
    fn fill(&self) -> Result<PathBuf> {
        let path = self.at.join("ballast");
        let mut file = std::fs::File::create(&path)?;
        let mut size = 64 << 10;
        while size > 0 {
            if std::io::Write::write_all(&mut file, &vec![0; size]).is_err() {
                size /= 2;
            }
        }
        Ok(path)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let mut command = std::process::Command::new("umount");
        command.arg("--lazy").arg(&self.at).stderr(Stdio::null()).status().ok();
    }
}

async fn run(program: &str, arguments: &[&str], at: &Path) -> Result<bool> {
    let mut command = tokio::process::Command::new(program);
    let status = command.args(arguments).arg(at).stdin(Stdio::null()).kill_on_drop(true).status();
    Ok(tokio::time::timeout(LONG, status).await??.success())
}
