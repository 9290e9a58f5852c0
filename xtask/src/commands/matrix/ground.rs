//! What all rows stand on: one Connect, one daemon, one watcher; every row starts replica sets of its own.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use mongodb::bson::Timestamp;
use xtask::{Cache, Connect, Parts, Progress, ReplicaSet, ReplicaSetSpec, Roster, Stack, StackSpec};

use super::super::daemon::Daemon;
use super::super::relay::Relay;
use super::watcher::Watcher;

/// The daemon's interval. What is counted is passes; a shorter one would leave a worker that starts and stops
/// connectors all the time less than half a second to tell its offsets.
pub(super) const INTERVAL: Duration = Duration::from_secs(2);

/// `offset.flush.interval.ms` of the workers, and what the daemon is told of it (J4).
pub(super) const FLUSH: Duration = Duration::from_secs(2);

/// Generous: two loaded cores.
pub(super) const LONG: Duration = Duration::from_secs(90);

/// One Connect, and a roster for what is started besides.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) connect: Connect,
    /// Between it and the daemon.
    pub(super) relay: Relay,
    /// Of the healthy connectors: its oplog is new, so that it begins to roll while the rows are under way.
    pub(super) healthy: ReplicaSet,
    healthy_first: Timestamp,
    pub(super) roster: Arc<Roster>,
    pub(super) parts: Parts,
    pub(super) watcher: Arc<Watcher>,
    /// Ends last, if it is ours.
    _stack: Stack,
}

impl Ground {
    /// Starts a stack, or uses one that runs.
    pub(super) async fn start(stack: Option<&Path>, progress: &Progress) -> Result<Self> {
        let cache = Cache::from_environment()?;
        let parts = Parts::obtain(&cache, progress).await?;
        let roster = Arc::new(Roster::claim_unique(&cache, "matrix-sets")?);
        let stack = match stack {
            Some(folder) => Stack::attach(folder).await?,
            None => Stack::start(StackSpec::unique("matrix"), progress).await?,
        };
        let connect = stack.connect()?.clone();
        let relay = Relay::start(connect.url(), None, None).await?;
        let spec = ReplicaSetSpec { name: "healthy".to_owned(), ..ReplicaSetSpec::default() };
        let healthy = ReplicaSet::start_in(Arc::clone(&roster), spec, &parts).await?;
        let healthy_first = healthy.mongo().first().await?;
        Ok(Self {
            connect,
            relay,
            healthy,
            healthy_first,
            roster,
            parts,
            watcher: Watcher::new(),
            _stack: stack,
        })
    }

    /// Whether the oplog of the healthy connectors has been truncated meanwhile.
    pub(super) async fn healthy_oplog_rolled(&self) -> Result<bool> {
        Ok(self.healthy.mongo().first().await? > self.healthy_first)
    }

    /// Starts the daemon on it.
    pub(super) async fn daemon(&self, binary: &Path, progress: &Progress) -> Result<Daemon> {
        let state = self.roster.folder().join("state");
        Daemon::start(&self.roster, binary, &settings(&self.relay.url, &state), progress).await
    }
}

fn settings(connect_url: &str, state: &Path) -> String {
    let (interval, flush) = (INTERVAL.as_secs(), FLUSH.as_secs());
    // Sizes at every pass: a smaller oplog is to be seen at once. Recovery as it is by default: all that an installation adds is a
    // directory.
    format!(
        "[connect.main]\nurl = \"{connect_url}\"\n\n[poll]\ninterval = \"{interval}s\"\n\
         offset_flush = \"{flush}s\"\nsizes_every = \"1s\"\n[recovery]\ndirectory = {state:?}\n"
    )
}
