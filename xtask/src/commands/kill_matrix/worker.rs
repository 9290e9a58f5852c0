//! A standalone worker whose file is edited: the daemon is killed while the worker goes down, before and after the file is replaced,
//! and while it comes up again; the same on the way back.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use mongodb::bson::doc;
use serde_json::json;
use xtask::{Seen, Standalone, StoredOffset, is_listening, source_config, wait_until};

use super::super::daemon::{Daemon, ROLE};
use super::journal::Told;
use super::scene::{LONG, Lane, killed};

/// The worker is started once in it, on two loaded cores.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(240);

const OFTEN: Duration = Duration::from_millis(400);

/// One moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct WorkerRow {
    /// Also its connector's name.
    pub(super) name: &'static str,
    strategy: &'static str,
    /// As the daemon's fail-points have it.
    failpoint: &'static str,
    /// The attempt has recovered and is undone: its lost position is put back, which fails, and is put back in turn.
    undone: bool,
}

/// All of them.
pub(super) const ROWS: [WorkerRow; 13] = [
    row("file-reset-stop-worker-after-intent", "reset-offsets", "stop_worker:after_intent"),
    row("file-reset-stop-worker-after-effect", "reset-offsets", "stop_worker:after_effect"),
    row("file-reset-remove-offset-after-intent", "reset-offsets", "remove_offset:after_intent"),
    row("file-reset-remove-offset-before-rename", "reset-offsets", "remove_offset:before_rename"),
    row("file-reset-remove-offset-after-effect", "reset-offsets", "remove_offset:after_effect"),
    row("file-salvage-write-mark-before-rename", "salvage", "write_mark:before_rename"),
    row("file-salvage-write-mark-after-effect", "salvage", "write_mark:after_effect"),
    row("file-salvage-start-worker-after-intent", "salvage", "start_worker:after_intent"),
    undone("file-restore-restore-offset-before-rename", "restore_offset:before_rename"),
    undone("file-back-stop-worker-after-intent", "stop_worker:after_intent:2"),
    undone("file-back-restore-offset-before-rename", "restore_offset:before_rename:2"),
    undone("file-back-restore-offset-after-effect", "restore_offset:after_effect:2"),
    undone("file-back-start-worker-after-intent", "start_worker:after_intent:2"),
];

const fn row(name: &'static str, strategy: &'static str, failpoint: &'static str) -> WorkerRow {
    WorkerRow { name, strategy, failpoint, undone: false }
}

const fn undone(name: &'static str, failpoint: &'static str) -> WorkerRow {
    WorkerRow { name, strategy: "salvage", failpoint, undone: true }
}

/// A worker with one connector whose position is lost.
struct Bench<'a> {
    lane: &'a Lane,
    name: &'static str,
    namespace: String,
    worker: Standalone,
    state: PathBuf,
}

/// Kills, restarts, and holds the outcome against what must be so.
pub(super) async fn run(lane: &Lane, row: &WorkerRow) -> Result<String> {
    let bench = Bench::begin(lane, row.name).await?;
    let order = ["recovery", "run", row.name, "--strategy", row.strategy, "--reason", "kill matrix"];
    let shown = tokio::select! {
        shown = bench.killed_and_restarted(row, &order) => shown,
        error = bench.obeyed() => error.map(|()| String::new()),
    };
    lane.roster.kill(ROLE).ok();
    shown
}

impl<'a> Bench<'a> {
    async fn begin(lane: &'a Lane, name: &'static str) -> Result<Self> {
        let number = lane.rows.fetch_add(1, Ordering::SeqCst);
        let (namespace, mongo) = (format!("kill.worker{number}"), lane.set.mongo());
        let config = source_config(lane.set.uri(), &namespace, &json!({}));
        let worker = Standalone::start(&lane.bootstrap, &[(name, &config)]).await?;
        let state = lane.roster.folder().join(number.to_string());
        std::fs::create_dir_all(&state)?;
        let bench = Self { lane, name, namespace, worker, state };
        let connect = bench.worker.connect();
        connect.wait_until(name, LONG, |status| status.all("RUNNING")).await?;
        bench.stores().await?;
        connect.pause(name).await?;
        connect.wait_until(name, LONG, |status| status.all("PAUSED")).await?;
        mongo.roll_oplog_past(mongo.last().await?).await?;
        connect.restart(name).await?;
        connect.resume(name).await?;
        connect.wait_until(name, LONG, |status| status.failed_with(286)).await?;
        Ok(bench)
    }

    /// Something newer than what the oplog began with when this was called.
    async fn stores(&self) -> Result<()> {
        let begun = self.lane.set.mongo().last().await?;
        wait_until("a position to be stored", LONG, async || {
            self.lane.set.mongo().insert(&self.namespace, doc! { "of": self.name }).await?;
            let stored = self.worker.connect().offsets(self.name).await?;
            let newest = stored.iter().filter_map(StoredOffset::time).max();
            Ok(if newest > Some(begun) { Seen::Yes(()) } else { Seen::Not(format!("{newest:?}")) })
        })
        .await
    }

    async fn killed_and_restarted(&self, row: &WorkerRow, order: &[&str]) -> Result<String> {
        let mut order = order.to_vec();
        let mut known = 0;
        let first;
        if row.undone {
            let daemon = self.daemon(None).await?;
            self.begin_attempt(&daemon, &order, known).await?;
            let told = self.ends(&daemon).await?;
            killed(self.lane);
            first = told.attempts.first().map(|attempt| attempt.attempt.clone()).unwrap_or_default();
            order = vec!["recovery", "restore", &first, "--reason", "kill matrix"];
            known = told.attempts.len();
        }
        let daemon = self.daemon(Some(row.failpoint)).await?;
        self.begin_attempt(&daemon, &order, known).await?;
        wait_until("the daemon to die at its fail-point", ATTEMPT_LIMIT, async || {
            let told = self.told().await?;
            ensure!(!told.has_ended(), "the fail-point was not reached:\n    {}", told.story());
            Ok(if daemon.is_alive() { Seen::Not(told.story()) } else { Seen::Yes(()) })
        })
        .await?;
        killed(self.lane);
        let daemon = self.daemon(None).await?;
        let told = self.ends(&daemon).await?;
        let outcome = self.check(row, &told).await.with_context(|| told.story())?;
        Ok(format!("{outcome}, {} entries", told.entries))
    }

    async fn ends(&self, daemon: &Daemon) -> Result<Told> {
        wait_until("the attempt to end", ATTEMPT_LIMIT, async || {
            ensure!(daemon.is_alive(), "the daemon died:\n{}", self.lane.roster.log_end(ROLE));
            let told = self.told().await?;
            Ok(if told.has_ended() { Seen::Yes(told) } else { Seen::Not(told.story()) })
        })
        .await
    }

    async fn check(&self, row: &WorkerRow, told: &Told) -> Result<String> {
        ensure!(told.check == "ok", "the journal is damaged: {}", told.check);
        let ends: &[&str] = if row.undone { &["recovered", "put_back"] } else { &["recovered"] };
        let outcomes: Vec<&str> = told.attempts.iter().map(|attempt| attempt.outcome.as_str()).collect();
        ensure!(outcomes == ends, "they ended as {outcomes:?}, and not as {ends:?}");
        ensure!(told.done_twice().is_empty(), "done twice: {}", told.done_twice().join(", "));
        let beside = beside(&self.worker.offsets_file())?;
        ensure!(beside.len() == ends.len(), "beside the file stands {beside:?}, and not a copy an attempt");
        self.worker.connect().wait_until(self.name, LONG, |status| status.all("RUNNING")).await?;
        self.stores().await?;
        Ok(outcomes.join(", "))
    }

    async fn begin_attempt(&self, daemon: &Daemon, order: &[&str], known: usize) -> Result<()> {
        wait_until("an attempt to begin", LONG, async || {
            if !daemon.is_alive() || self.told().await?.attempts.len() > known {
                return Ok(Seen::Yes(()));
            }
            // The command waits until the attempt has ended.
            let begins = async {
                while self.told().await?.attempts.len() <= known {
                    tokio::time::sleep(OFTEN).await;
                }
                anyhow::Ok(())
            };
            let said = tokio::select! {
                answer = daemon.command(order) => answer?.1,
                begun = begins => begun.map(|()| String::new())?,
            };
            tokio::time::sleep(OFTEN).await;
            Ok(Seen::Not(said))
        })
        .await
    }

    async fn told(&self) -> Result<Told> {
        Told::read(&self.state).await
    }

    async fn daemon(&self, failpoint: Option<&str>) -> Result<Daemon> {
        let failpoint = failpoint.map(|at| ("RESUMEGUARD_FAILPOINT", at));
        let environment: Vec<(&str, &str)> = failpoint.into_iter().collect();
        Daemon::begin(&self.lane.roster, &self.lane.binary, &self.settings(), &environment).await
    }

    fn settings(&self) -> String {
        let command = |word: &str| {
            let flag = self.state.join(word);
            let script = format!("touch {0}; while [ -e {0} ]; do sleep 0.1; done", flag.display());
            format!("{word}_worker = [\"/bin/sh\", \"-c\", \"{script}\"]\n")
        };
        format!(
            "[connect.main]\nurl = \"{}\"\nmanaged_by = \"none\"\noffsets_file = \"{}\"\nedit_offsets_file = \"always\"\n{}{}\n\
             [poll]\ninterval = \"1s\"\noffset_flush = \"2s\"\nsizes_every = \"1s\"\n\n\
             [recovery]\ndirectory = \"{}\"\ncooldown = \"2s\"\nstable_for = \"2s\"\nmode = \"approve\"\n",
            self.worker.connect().url(),
            self.worker.offsets_file().display(),
            command("stop"),
            command("start"),
            self.state.display(),
        )
    }

    /// Stops and starts the worker as the commands want it, as a service manager would: again does no harm.
    async fn obeyed(&self) -> Result<()> {
        let url = reqwest::Url::parse(self.worker.connect().url())?;
        let port = url.port().context("a worker without a port")?;
        loop {
            for word in ["stop", "start"] {
                let flag = self.state.join(word);
                if !flag.exists() {
                    continue;
                }
                match word {
                    "stop" if is_listening(port) => tokio::task::block_in_place(|| self.worker.stop())?,
                    "start" if !is_listening(port) => self.worker.start_again().await?,
                    _ => {}
                }
                std::fs::remove_file(flag)?;
            }
            tokio::time::sleep(OFTEN).await;
        }
    }
}

/// What stands beside a file and has its name in its own.
fn beside(file: &Path) -> Result<Vec<String>> {
    let name = file.file_name().and_then(|name| name.to_str()).context("a file without a name")?;
    let folder = file.parent().context("a file without a folder")?;
    let names = std::fs::read_dir(folder)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.filter(|found| found != name && found.contains(name)).collect())
}
