//! The rows: one fault each, with what the daemon must say of it.

mod copying;
mod dropped;
mod events;
mod idle;
mod keys;
mod loops;
mod members;
mod outage;
mod paused;
mod strangers;
mod tolerated;

use std::pin::Pin;
use std::time::Duration;

use anyhow::Result;

use super::ground::{FLUSH, INTERVAL};
use super::scene::Scene;

/// What is done, and expected, on the way.
type Act = for<'a> fn(&'a Scene<'_>) -> Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

/// One row of the matrix.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// Also the name of its replica set, and of its database.
    pub(super) name: &'static str,
    /// What is done, in one line.
    pub(super) about: &'static str,
    pub(super) act: Act,
}

/// Nothing but passes.
const AT_ONCE: Duration = Duration::ZERO;

/// A running connector's newer token may take a flush to be stored (J4): RG001 waits for it.
const J4: Duration = FLUSH;

/// What happens to a running connector shows once the worker has flushed.
const STORED: Duration = FLUSH;

/// A position must stand still for a flush and three intervals before anything is said of it (RG002, RG003); before that
/// a last heartbeat comes, and is flushed.
const STILL: Duration = Duration::from_secs(FLUSH.as_secs() * 2 + INTERVAL.as_secs() * 3 + 1);

macro_rules! row {
    ($name:literal, $act:path, $about:literal) => {
        Row { name: $name, about: $about, act: |scene| Box::pin($act(scene)) }
    };
}

/// Every row, in the order in which they are begun: long ones first.
pub(super) const ROWS: [Row; 25] = [
    row!("failover", members::failover, "the primary's place is taken by a freshly synchronised member"),
    row!("outage", outage::down_and_up, "MongoDB goes down and comes back"),
    row!("copying", copying::outlasts, "a copy of existing data outlasts half the window"),
    row!("heartbeat_dead", tolerated::heartbeat_dead, "a tolerated loss in mid-stream ends the heartbeats"),
    row!("hidden_gap", tolerated::second_gap, "the second, hidden gap after a tolerated loss"),
    row!("tolerated_loss", tolerated::loss, "paused, rolled, restarted with errors tolerated"),
    row!("pause_restart", paused::restart, "paused, rolled, restarted: 286"),
    row!("pause_resume", paused::resume, "paused, rolled, only resumed: 136"),
    row!("idle", idle::lost, "an idle namespace, and the oplog rolls"),
    row!("rescued", idle::rescued, "lost while idle, then a natural event"),
    row!("quiet", idle::quiet, "no fault: a deployment in which nothing happens, and a heartbeat"),
    row!("recreated", keys::recreated, "deleted, rolled, re-created under its name"),
    row!("dropped", dropped::running, "its collection is dropped"),
    row!("dropped_recreated", dropped::recreated_while_stopped, "dropped and re-created while it is stopped"),
    row!("malformed", loops::malformed, "a malformed token: the null-cursor loop"),
    row!("unauthorized", loops::unauthorized, "rights taken away: the null-cursor loop"),
    row!("namespace_changed", keys::namespace, "another collection in its configuration"),
    row!("hosts_changed", keys::hosts, "another spelling of the host in its URI"),
    row!("oplog_shrunk", members::oplog_shrunk, "the oplog is made smaller"),
    row!("retention_lowered", members::retention_lowered, "the oplog's minimum retention is lowered"),
    row!("event_too_large", events::too_large, "the next event is over 16 MB"),
    row!("smt_drops_all", events::smt_drops_all, "an SMT drops everything, heartbeats as well"),
    row!("other_deployment", strangers::other_deployment, "another deployment behind the same URI"),
    row!("watched", strangers::watched, "no fault: somebody else watches its collection while it is stopped"),
    row!("future", strangers::future, "a token from the future"),
];
