//! One row under way: its replica sets, its connectors, and what was detected of its faults.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use mongodb::bson::{DateTime, Timestamp, doc};
use serde_json::{Value, json};
use tokio::task::AbortHandle;
use xtask::{Connect, Mongo, ReplicaSet, ReplicaSetSpec, Seen, StoredOffset, source_config, wait_until};

use super::expected::Expected;
use super::ground::{Ground, INTERVAL, LONG};
use super::table::Line;
use super::watcher::{Detection, Vow};

/// Every fault is detected within so many passes, and whatever the rule itself waits for.
const PASSES: u64 = 2;

/// After the limit a row waits so long still, to tell late from never.
const PATIENCE: Duration = Duration::from_secs(15);

/// Keeps the oplog of a row's set moving, as any real one does.
const TRAFFIC_EVERY: Duration = Duration::from_millis(300);

/// With it a connector stores a newer position within each flush.
pub(super) const HEARTBEAT: &str = "heartbeat.interval.ms";

/// A row under way.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    ground: &'a Ground,
    row: &'static str,
    held: Mutex<Held>,
}

/// What ends with the row.
#[derive(Debug, Default)]
struct Held {
    connectors: Vec<String>,
    sets: Vec<Arc<ReplicaSet>>,
    traffic: Vec<AbortHandle>,
    vows: Vec<(String, Vow)>,
    lines: Vec<Line>,
}

impl<'a> Scene<'a> {
    pub(super) fn new(ground: &'a Ground, row: &'static str) -> Self {
        Self { ground, row, held: Mutex::default() }
    }

    pub(super) fn connect(&self) -> &Connect {
        &self.ground.connect
    }

    /// A replica set of the row's own, with a little traffic in a namespace that nobody watches.
    pub(super) async fn set(&self, spec: ReplicaSetSpec) -> Result<Arc<ReplicaSet>> {
        let set = self.quiet_set(spec).await?;
        self.locked().traffic.push(tokio::spawn(traffic(set.mongo().clone())).abort_handle());
        Ok(set)
    }

    /// A replica set of the row's own in which nothing happens by itself but the server's no-op every 10 s.
    pub(super) async fn quiet_set(&self, spec: ReplicaSetSpec) -> Result<Arc<ReplicaSet>> {
        let spec = ReplicaSetSpec { name: self.row.to_owned(), ..spec };
        let set = ReplicaSet::start_in(Arc::clone(&self.ground.roster), spec, &self.ground.parts).await?;
        let set = Arc::new(set);
        self.locked().sets.push(Arc::clone(&set));
        Ok(set)
    }

    /// A set of one member with an oplog of 1 MiB, which rolls in a second or two.
    pub(super) async fn small_set(&self) -> Result<Arc<ReplicaSet>> {
        self.set(ReplicaSetSpec::default()).await
    }

    /// The namespace of a connector of this row.
    pub(super) fn namespace(&self, what: &str) -> String {
        format!("{}.{what}", self.row)
    }

    /// The connector's name.
    pub(super) fn name(&self, what: &str) -> String {
        format!("{}-{what}", self.row)
    }

    /// Creates or changes a connector of this row on its namespace, and waits until it runs.
    pub(super) async fn configure(&self, what: &str, uri: &str, more: &Value) -> Result<String> {
        let name = self.name(what);
        self.held(&name);
        self.connect().put_config(&name, &source_config(uri, &self.namespace(what), more)).await?;
        self.connect().wait_until(&name, LONG, |status| status.all("RUNNING")).await?;
        Ok(name)
    }

    /// A running connector that has stored a position, of which the daemon says that it is safe.
    pub(super) async fn connector(&self, what: &str, set: &ReplicaSet, more: &Value) -> Result<String> {
        self.connector_at(what, set.uri(), set.mongo(), more).await
    }

    /// The same with a connection string of its own.
    pub(super) async fn connector_at(
        &self,
        what: &str,
        uri: &str,
        mongo: &Mongo,
        more: &Value,
    ) -> Result<String> {
        let begun = mongo.last().await?;
        let name = self.configure(what, uri, more).await?;
        self.stores(what, mongo, begun).await?;
        let safe = Expected { verdict: Some("safe"), ..Expected::default() };
        let told = self.ground.watcher.expect(&name, safe);
        let known = tokio::time::timeout(LONG, told).await;
        known.with_context(|| format!("{name} is not safe: {}", self.ground.watcher.seen(&name)))??;
        Ok(name)
    }

    /// A connector with a heartbeat beside the fault, which must stay untouched by it.
    pub(super) async fn bystander(&self, set: &ReplicaSet) -> Result<()> {
        let name = self.connector("beside", set, &json!({ HEARTBEAT: "1000" })).await?;
        self.vow(&name, Vow::Calm);
        Ok(())
    }

    /// Inserts into the connector's namespace until it has stored a position newer than `past`, and waits until it has
    /// stored the last of those events as well: from then on its position stands. RUNNING does not mean that the cursor
    /// is open: an insert before that goes unseen.
    pub(super) async fn stores(&self, what: &str, mongo: &Mongo, past: Timestamp) -> Result<()> {
        let (name, namespace) = (self.name(what), self.namespace(what));
        wait_until(&format!("{name} to store a position"), LONG, async || {
            mongo.insert(&namespace, doc! { "of": &name }).await?;
            tokio::time::sleep(TRAFFIC_EVERY).await;
            let newest = self.stored(&name).await?;
            Ok(if newest > Some(past) { Seen::Yes(()) } else { Seen::Not(format!("{newest:?}")) })
        })
        .await?;
        let oplog = mongo.collection("local.oplog.rs")?;
        let entry = oplog.find_one(doc! { "ns": &namespace }).sort(doc! { "$natural": -1 }).await?;
        let entry = entry.with_context(|| format!("no event of {namespace} in the oplog"))?;
        let last = entry.get_timestamp("ts")?;
        wait_until(&format!("{name} to store its last event"), LONG, async || {
            let newest = self.stored(&name).await?;
            Ok(if newest >= Some(last) { Seen::Yes(()) } else { Seen::Not(format!("{newest:?}")) })
        })
        .await
    }

    /// The newest position that the connector has stored.
    async fn stored(&self, name: &str) -> Result<Option<Timestamp>> {
        Ok(self.connect().offsets(name).await?.iter().filter_map(StoredOffset::time).max())
    }

    /// Waits until the only open change stream on the namespace began after `since` without a token: proof that the
    /// connector has skipped. Returns when that one was opened.
    pub(super) async fn opened_without_token(
        &self,
        what: &str,
        mongo: &Mongo,
        since: Option<DateTime>,
    ) -> Result<DateTime> {
        let namespace = self.namespace(what);
        wait_until(&format!("a stream on {namespace} without a token"), LONG, async || {
            let open = streams(mongo, &namespace).await?;
            Ok(match open.as_slice() {
                [(created, false)] if Some(*created) > since => Seen::Yes(*created),
                _ => Seen::Not(format!("{open:?}, since {since:?}")),
            })
        })
        .await
    }

    /// Stops a connector and waits until its tasks are gone.
    pub(super) async fn stop(&self, name: &str) -> Result<()> {
        self.connect().stop(name).await?;
        let stopped = self
            .connect()
            .wait_until(name, LONG, |status| status.connector.state == "STOPPED" && status.tasks.is_empty());
        stopped.await.map(drop)
    }

    /// Pauses a connector and waits until it is.
    pub(super) async fn pause(&self, name: &str) -> Result<()> {
        self.connect().pause(name).await?;
        self.connect().wait_until(name, LONG, |status| status.all("PAUSED")).await.map(drop)
    }

    /// Resumes a connector and waits until it runs, be it for a moment.
    pub(super) async fn resume(&self, name: &str) -> Result<()> {
        self.connect().resume(name).await?;
        self.connect().wait_until(name, LONG, |status| status.all("RUNNING")).await.map(drop)
    }

    /// Replaces the stored offset of a stopped connector.
    pub(super) async fn patch(&self, name: &str, id: &str) -> Result<()> {
        let offsets = self.connect().offsets(name).await?;
        let partition = &offsets.first().with_context(|| format!("{name} has stored nothing"))?.partition;
        self.connect().patch_offsets(name, partition, &json!({ "_id": id })).await
    }

    /// Waits until the connector's task has failed, with that code of MongoDB's.
    pub(super) async fn fails_with(&self, name: &str, code: i32) -> Result<()> {
        self.connect().wait_until(name, LONG, |status| status.failed_with(code)).await.map(drop)
    }

    /// Brings a fault about, and measures how long the daemon takes to say what is expected. `wait` is what the rule
    /// itself must wait for: the workers' flush, the time of J4.
    pub(super) async fn fault(
        &self,
        fault: &str,
        connector: &str,
        expected: Expected,
        wait: Duration,
        inject: impl Future<Output = Result<()>>,
    ) -> Result<()> {
        let limit_passes = PASSES + u64::try_from(wait.as_millis().div_ceil(INTERVAL.as_millis()))?;
        let watcher = &self.ground.watcher;
        // Were it true already, nothing would be shown.
        watcher.another_pass().await?;
        ensure!(!watcher.holds(connector, expected), "{fault}: `{expected}` holds before the fault");
        inject.await.with_context(|| fault.to_owned())?;
        let told = watcher.expect(connector, expected);
        let patience = INTERVAL * u32::try_from(limit_passes)? + PATIENCE;
        let detection = tokio::time::timeout(patience, told).await.ok().and_then(Result::ok);
        let line = self.line(fault, connector, &expected.to_string(), detection, limit_passes);
        self.locked().lines.push(line);
        Ok(())
    }

    fn line(
        &self,
        fault: &str,
        connector: &str,
        expected: &str,
        detection: Option<Detection>,
        limit_passes: u64,
    ) -> Line {
        let (seconds, passes) = detection.as_ref().map(|d| (d.after.as_secs_f64(), d.passes)).unzip();
        Line {
            row: self.row,
            fault: fault.to_owned(),
            expected: expected.to_owned(),
            ok: passes.is_some_and(|passes| passes <= limit_passes),
            seen: detection.map_or_else(|| self.ground.watcher.seen(connector), |detection| detection.seen),
            seconds,
            passes,
            limit_passes,
        }
    }

    /// What the daemon says now of a connector.
    pub(super) fn said_of(&self, connector: &str) -> String {
        self.ground.watcher.seen(connector)
    }

    /// Lets the daemon look for a while.
    pub(super) async fn passes(&self, count: u64) -> Result<()> {
        let until = self.ground.watcher.passes() + count;
        wait_until(&format!("{count} passes"), LONG, async || {
            let passes = self.ground.watcher.passes();
            Ok(if passes >= until { Seen::Yes(()) } else { Seen::Not(format!("{passes} of {until}")) })
        })
        .await
    }

    /// Holds the daemon to a vow about a connector until the row ends.
    pub(super) fn vow(&self, connector: &str, vow: Vow) {
        self.ground.watcher.vow(connector, vow);
        self.locked().vows.push((connector.to_owned(), vow));
    }

    /// Ends what the row has begun; returns what it has shown.
    pub(super) async fn end(self, outcome: Result<()>) -> Vec<Line> {
        let held = std::mem::take(&mut *self.locked());
        let mut lines = held.lines;
        let told = |fault: &str, expected: String, seen: String, ok: bool| Line {
            row: self.row,
            fault: fault.to_owned(),
            expected,
            seen,
            seconds: None,
            passes: None,
            limit_passes: 0,
            ok,
        };
        for (name, vow) in held.vows {
            let broken = self.ground.watcher.broken_by(&name);
            let seen = if broken.is_empty() { "kept".to_owned() } else { broken.join("; ") };
            lines.push(told("all the time", format!("{name}: {vow:?}"), seen, broken.is_empty()));
        }
        if let Err(error) = outcome {
            lines.push(told("could not be brought about", "-".to_owned(), format!("{error:#}"), false));
        }
        for name in &held.connectors {
            self.ground.watcher.release(name);
            if let Err(error) = self.connect().delete(name).await {
                eprintln!("{name}: {error:#}");
            }
        }
        held.traffic.iter().for_each(AbortHandle::abort);
        for set in held.sets {
            if let Err(error) = quietly(move || set.stop()).await {
                eprintln!("{}: {error:#}", self.row);
            }
        }
        lines
    }

    fn held(&self, name: &str) {
        let mut held = self.locked();
        if !held.connectors.iter().any(|known| known == name) {
            held.connectors.push(name.to_owned());
        }
    }

    fn locked(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stopping a process blocks, and other rows are under way.
pub(super) async fn quietly<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await?
}

/// Rolls the oplog past everything that is stored by now.
pub(super) async fn roll_oplog(mongo: &Mongo) -> Result<()> {
    mongo.roll_oplog_past(mongo.last().await?).await.map(drop)
}

/// The open change streams on a collection: when each was opened, and whether with a token.
async fn streams(mongo: &Mongo, namespace: &str) -> Result<Vec<(DateTime, bool)>> {
    let pipeline = [
        doc! { "$currentOp": { "allUsers": true, "idleCursors": true } },
        doc! { "$match": { "ns": namespace, "cursor.originatingCommand.pipeline.0.$changeStream": { "$exists": true } } },
        doc! { "$project": { "created": "$cursor.createdDate", "stage": { "$first": "$cursor.originatingCommand.pipeline" } } },
    ];
    let mut found = mongo.client().database("admin").aggregate(pipeline).await?;
    let mut streams = Vec::new();
    while found.advance().await? {
        let stream = found.deserialize_current()?;
        let options = stream.get_document("stage")?.get_document("$changeStream")?;
        let with_token = ["startAfter", "resumeAfter"].iter().any(|option| options.contains_key(*option));
        streams.push((*stream.get_datetime("created")?, with_token));
    }
    Ok(streams)
}

async fn traffic(mongo: Mongo) {
    loop {
        // A set that is down takes none.
        mongo.insert("elsewhere.traffic", doc! { "of": "everyday" }).await.ok();
        tokio::time::sleep(TRAFFIC_EVERY).await;
    }
}
