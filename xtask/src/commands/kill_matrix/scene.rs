//! One connector under way: brought into trouble, watched by a daemon that is killed, and looked at when it is well again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use axum::http::Method;
use mongodb::bson::{Timestamp, doc};
use serde_json::{Value, json};
use xtask::{
    Connect, ConnectorStatus, Mongo, Parts, ReplicaSet, ReplicaSetSpec, Roster, Seen, StoredOffset,
    source_config, wait_until,
};

use super::super::daemon::{Daemon, ROLE};
use super::super::relay::Relay;
use super::journal::Told;
use super::rows::Trouble;

/// Generous: two loaded cores.
pub(super) const LONG: Duration = Duration::from_secs(90);

/// An attempt waits for the connector's stability, for flushes, and once in a while for a rebalance.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(150);

/// Two passes, an answer of the server, and a cooldown.
const BEGIN_LIMIT: Duration = Duration::from_secs(40);

/// Between two documents, and between two requests to begin.
const OFTEN: Duration = Duration::from_millis(400);

/// What several rows in a row use.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) connect: Connect,
    pub(super) roster: Arc<Roster>,
    pub(super) parts: Parts,
    pub(super) set: ReplicaSet,
    pub(super) binary: PathBuf,
    /// Kafka's.
    pub(super) bootstrap: String,
    /// Rows so far.
    pub(super) rows: AtomicU32,
}

/// One of them.
pub(super) struct Scene<'a> {
    pub(super) lane: &'a Lane,
    trouble: Trouble,
    pub(super) name: String,
    /// A number for a name: the path of a socket is short.
    state: PathBuf,
    /// A set of its own, where it changes it for good.
    own: Option<ReplicaSet>,
    pub(super) relay: Relay,
    /// The configuration before the daemon touched it, and what was stored.
    before: Value,
    stored: String,
}

impl Drop for Scene<'_> {
    fn drop(&mut self) {
        // Not running is what it mostly is by now.
        self.lane.roster.kill(ROLE).ok();
        if let Some(set) = &self.own {
            set.stop().ok();
        }
    }
}

impl<'a> Scene<'a> {
    /// Makes a connector and brings it into that trouble.
    pub(super) async fn begin(lane: &'a Lane, name: &str, trouble: Trouble) -> Result<Self> {
        let versions = [(Trouble::OldConnect, "3.5.1"), (Trouble::OldTopic, "3.4.1")];
        let version = versions.into_iter().find(|(of, _)| *of == trouble).map(|(_, version)| version);
        // Of an earlier run on the same stack; mostly there is none.
        lane.connect.delete(name).await.ok();
        let number = lane.rows.fetch_add(1, Ordering::SeqCst);
        let relay = Relay::start(lane.connect.url(), Some(name), version).await?;
        let own = if matches!(trouble, Trouble::LowHeadroom | Trouble::Outage) {
            let spec = ReplicaSetSpec { name: format!("own{number}"), ..ReplicaSetSpec::default() };
            Some(ReplicaSet::start_in(Arc::clone(&lane.roster), spec, &lane.parts).await?)
        } else {
            None
        };
        let name = name.to_owned();
        let state = lane.roster.folder().join(number.to_string());
        let mut scene =
            Self { lane, trouble, name, state, own, relay, before: Value::Null, stored: String::new() };
        scene.lay_out(trouble).await?;
        Ok(scene)
    }

    async fn lay_out(&mut self, trouble: Trouble) -> Result<()> {
        let (connect, mongo) = (&self.lane.connect, self.set().mongo());
        // A driver that gives up soon, so that an outage need not last.
        let uri = format!("{}&serverSelectionTimeoutMS=2000", self.set().uri());
        let config = source_config(&uri, &self.namespace(), &json!({}));
        connect.put_config(&self.name, &config).await?;
        connect.wait_until(&self.name, LONG, |status| status.all("RUNNING")).await?;
        self.stores(mongo).await?;
        if trouble == Trouble::Outage {
            tokio::task::block_in_place(|| self.set().stop_member(0))?;
            let failed = |status: &ConnectorStatus| status.tasks.iter().any(|task| task.state == "FAILED");
            connect.wait_until(&self.name, LONG, failed).await?;
            self.set().start_member(0).await?;
        }
        if !matches!(trouble, Trouble::LowHeadroom | Trouble::Running | Trouble::Outage) {
            connect.pause(&self.name).await?;
            connect.wait_until(&self.name, LONG, |status| status.all("PAUSED")).await?;
            mongo.roll_oplog_past(mongo.last().await?).await?;
        }
        let failed =
            [Trouble::Failed, Trouble::OldConnect, Trouble::OldTopic, Trouble::PutBack, Trouble::Refused]
                .contains(&trouble);
        if failed {
            connect.restart(&self.name).await?;
            connect.wait_until(&self.name, LONG, |status| status.all("PAUSED")).await?;
            connect.resume(&self.name).await?;
            connect.wait_until(&self.name, LONG, |status| status.failed_with(286)).await?;
        }
        if trouble == Trouble::Refused {
            self.refuses_the_marker().await?;
        } else if trouble == Trouble::Rejected {
            self.relay.refuse(Method::PATCH, "/offsets");
        }
        self.before = connect.config(&self.name).await?;
        self.stored = self.text().await?;
        Ok(())
    }

    /// No second document may have the note of a marker.
    async fn refuses_the_marker(&self) -> Result<()> {
        let namespace = self.namespace();
        let (database, collection) = namespace.split_once('.').context("no namespace")?;
        let database = self.set().mongo().client().database(database);
        let key = doc! { "key": { "note": 1 }, "name": "note", "unique": true, "sparse": true };
        database.run_command(doc! { "createIndexes": collection, "indexes": [key] }).await?;
        let taken = doc! { "of": &self.name, "note": "written by resumeguard, and removed again" };
        self.set().mongo().insert(&namespace, taken).await
    }

    pub(super) fn set(&self) -> &ReplicaSet {
        self.own.as_ref().unwrap_or(&self.lane.set)
    }

    pub(super) fn namespace(&self) -> String {
        format!("kill.{}", self.name)
    }

    /// Where the daemon keeps its journal.
    pub(super) fn state(&self) -> &Path {
        &self.state
    }

    /// Inserts into the connector's namespace until it has stored a newer position, and waits until it has stored the last of
    /// those events as well: from then on its position stands.
    pub(super) async fn stores(&self, mongo: &Mongo) -> Result<()> {
        let past = mongo.last().await?;
        let namespace = self.namespace();
        wait_until(&format!("{} to store a position", self.name), LONG, async || {
            mongo.insert(&namespace, doc! { "of": &self.name }).await?;
            tokio::time::sleep(OFTEN).await;
            let newest = self.stored_at().await?;
            Ok(if newest > Some(past) { Seen::Yes(()) } else { Seen::Not(format!("{newest:?}")) })
        })
        .await?;
        let oplog = mongo.collection("local.oplog.rs")?;
        let entry = oplog.find_one(doc! { "ns": &namespace }).sort(doc! { "$natural": -1 }).await?;
        let entry = entry.with_context(|| format!("no event of {namespace} in the oplog"))?;
        let last = entry.get_timestamp("ts")?;
        wait_until(&format!("{} to store its last event", self.name), LONG, async || {
            let newest = self.stored_at().await?;
            Ok(if newest >= Some(last) { Seen::Yes(()) } else { Seen::Not(format!("{newest:?}")) })
        })
        .await
    }

    /// The newest position that it has stored.
    async fn stored_at(&self) -> Result<Option<Timestamp>> {
        Ok(self.lane.connect.offsets(&self.name).await?.iter().filter_map(StoredOffset::time).max())
    }

    /// The text of what is stored under its first key.
    async fn text(&self) -> Result<String> {
        let offsets = self.lane.connect.offsets(&self.name).await?;
        let first = offsets.iter().find(|stored| !stored.offset.is_null());
        let first = first.with_context(|| format!("{} has stored nothing", self.name))?;
        Ok(first.offset["_id"].as_str().unwrap_or_default().to_owned())
    }

    /// Starts the daemon; `failpoint` as it understands it.
    pub(super) async fn daemon(&self, settings: &str, failpoint: Option<&str>) -> Result<Daemon> {
        let failpoint = failpoint.map(|at| ("RESUMEGUARD_FAILPOINT", at));
        let environment: Vec<(&str, &str)> = failpoint.into_iter().collect();
        std::fs::create_dir_all(self.state())?;
        let settings = format!("{}{settings}", self.settings());
        Daemon::begin(&self.lane.roster, &self.lane.binary, &settings, &environment).await
    }

    fn settings(&self) -> String {
        format!(
            "[connect.main]\nurl = \"{}\"\nmanaged_by = \"none\"\n{}\n\
             [poll]\ninterval = \"1s\"\noffset_flush = \"2s\"\nsizes_every = \"1s\"\n\n\
             [recovery]\ndirectory = \"{}\"\ncooldown = \"2s\"\nstable_for = \"2s\"\nallow_source_writes = true\n\
             mass_failure = 1000\nmass_failure_ratio = 1.0\n",
            self.relay.url,
            self.topic(),
            self.state().display()
        )
    }

    /// The offsets topic, for the rows in which it is written to.
    fn topic(&self) -> String {
        if self.trouble != Trouble::OldTopic {
            return String::new();
        }
        let bootstrap = &self.lane.bootstrap;
        format!(
            "kafka_bootstrap_servers = \"{bootstrap}\"\noffsets_topic = \"connect-offsets\"\nwrite_offsets_topic = \"when_needed\"\n"
        )
    }

    /// Asks by the command line until an attempt beyond `known` has begun, or the daemon has died.
    pub(super) async fn ask(&self, daemon: &Daemon, order: &[&str], known: usize) -> Result<()> {
        let what = format!("`resumeguard {}` to begin an attempt", order.join(" "));
        wait_until(&what, BEGIN_LIMIT, async || {
            if !daemon.is_alive() || self.told().await?.attempts.len() > known {
                return Ok(Seen::Yes(()));
            }
            // The command waits until the attempt has ended.
            let said = tokio::select! {
                answer = daemon.command(order) => answer?.1,
                begun = self.begins(known) => begun.map(|()| String::new())?,
            };
            tokio::time::sleep(OFTEN).await;
            Ok(Seen::Not(said))
        })
        .await
    }

    async fn begins(&self, known: usize) -> Result<()> {
        while self.told().await?.attempts.len() <= known {
            tokio::time::sleep(OFTEN).await;
        }
        Ok(())
    }

    pub(super) async fn told(&self) -> Result<Told> {
        Told::read(self.state()).await
    }

    /// Waits until the fail-point is reached.
    pub(super) async fn dies(&self, daemon: &Daemon) -> Result<()> {
        wait_until("the daemon to die at its fail-point", ATTEMPT_LIMIT, async || {
            if !daemon.is_alive() {
                return Ok(Seen::Yes(()));
            }
            self.set().mongo().insert(&self.namespace(), doc! { "of": &self.name }).await?;
            let told = self.told().await?;
            ensure!(
                !told.has_ended(),
                "the attempt ended and the fail-point was not reached:\n    {}",
                told.story()
            );
            Ok(Seen::Not(told.story()))
        })
        .await
    }

    /// Waits until so many attempts have ended. Meanwhile things happen in its namespace: without, a stream has nothing to store.
    pub(super) async fn ends(&self, daemon: &Daemon, attempts: usize) -> Result<Told> {
        self.ends_within(daemon, attempts, ATTEMPT_LIMIT).await
    }

    /// The same with another limit.
    pub(super) async fn ends_within(
        &self,
        daemon: &Daemon,
        attempts: usize,
        limit: Duration,
    ) -> Result<Told> {
        wait_until("the attempt to end", limit, async || {
            ensure!(daemon.is_alive(), "the daemon died:\n{}", self.lane.roster.log_end(ROLE));
            self.set().mongo().insert(&self.namespace(), doc! { "of": &self.name }).await?;
            let told = self.told().await?;
            let ended = told.has_ended() && told.attempts.len() >= attempts;
            Ok(if ended { Seen::Yes(told) } else { Seen::Not(told.story()) })
        })
        .await
    }

    /// Everything about it is as it was, but for its position and for `changed`.
    pub(super) async fn is_as_before(&self, changed: &[&str]) -> Result<()> {
        let mut now = self.lane.connect.config(&self.name).await?;
        let mut before = self.before.clone();
        for key in changed {
            [&mut now, &mut before].into_iter().filter_map(Value::as_object_mut).for_each(|config| {
                config.remove(*key);
            });
        }
        let differs = |key: &&String| now.get(key.as_str()) != before.get(key.as_str());
        let keys = [&now, &before].into_iter().filter_map(Value::as_object).flat_map(|config| config.keys());
        let different: Vec<&String> = keys.filter(differs).collect();
        ensure!(different.is_empty(), "its configuration differs in {different:?}");
        let namespace = self.set().mongo().collection(&self.namespace())?;
        let left = namespace.count_documents(doc! { "of": { "$exists": false } }).await?;
        ensure!(left == 0, "{left} marker documents are left in {}", self.namespace());
        Ok(())
    }

    /// It runs, and stores what happens from now on.
    pub(super) async fn is_well(&self) -> Result<()> {
        self.lane.connect.wait_until(&self.name, LONG, |status| status.all("RUNNING")).await?;
        self.stores(self.set().mongo()).await
    }

    /// It was started again, and fails as it did before: no worse, and to be seen by everybody.
    pub(super) async fn is_failed_again(&self) -> Result<()> {
        self.lane.connect.wait_until(&self.name, LONG, |status| status.failed_with(286)).await?;
        self.is_put_back().await
    }

    /// It was started again, and runs or fails as it did before: who has put it back cannot know what was stored meanwhile.
    pub(super) async fn is_started(&self) -> Result<()> {
        let started = |status: &ConnectorStatus| status.all("RUNNING") || status.failed_with(286);
        self.lane.connect.wait_until(&self.name, LONG, started).await.map(drop)
    }

    /// It is paused. Connect gives one that was stopped no task before it is resumed.
    pub(super) async fn is_paused(&self) -> Result<()> {
        let paused =
            self.lane.connect.wait_until(&self.name, LONG, |status| status.connector.state == "PAUSED");
        paused.await.map(drop)
    }

    /// Its position is one that the oplog still holds.
    pub(super) async fn is_inside(&self) -> Result<()> {
        let (stored, first) = (self.stored_at().await?, self.set().mongo().first().await?);
        ensure!(stored >= Some(first), "it stands at {stored:?}, before {first}");
        Ok(())
    }

    /// What was stored before everything is stored again.
    pub(super) async fn is_put_back(&self) -> Result<()> {
        let now = self.text().await?;
        ensure!(now == self.stored, "it has stored {now} and not {}", self.stored);
        Ok(())
    }

    /// So often a marker was written into its namespace.
    pub(super) async fn markers_written(&self) -> Result<u64> {
        let written = doc! { "ns": self.namespace(), "op": "i", "o.of": { "$exists": false } };
        Ok(self.set().mongo().collection("local.oplog.rs")?.count_documents(written).await?)
    }
}

/// Kills what runs of an earlier life.
pub(super) fn killed(lane: &Lane) {
    lane.roster.kill(ROLE).ok();
}

/// The journal's file.
pub(super) fn file_in(state: &Path) -> PathBuf {
    state.join("journal.db")
}
