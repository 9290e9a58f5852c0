//! What one pass leaves behind, cut to what is kept. No token is among it: tokens contain document keys.

use resumeguard_core::assess::Memory;
use resumeguard_core::domain::{
    ConnectorId, ConnectorReport, Failure, Now, OplogReport, Snapshot, Timestamp,
};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Something that happened, for whoever asks later.
#[derive(Debug, Clone, PartialEq)]
pub struct Happening {
    /// To whom; `None` for the daemon itself.
    pub connector: Option<ConnectorId>,
    /// What, one word.
    pub kind: &'static str,
    /// Everything else. Longer than [`DETAIL_BYTES`] as JSON, it is left out.
    pub detail: serde_json::Value,
}

/// Longest detail of an event, bytes of JSON.
pub const DETAIL_BYTES: usize = 4096;

/// One pass.
#[derive(Debug)]
pub(super) struct Record {
    /// Seconds since 1970.
    pub(super) at: i64,
    /// What the clocks showed: the wall clock since 1970, and the uptime that the memory counts in.
    pub(super) clocks: (Duration, Duration),
    pub(super) connectors: Vec<Seen>,
    pub(super) oplogs: Vec<Bounds>,
    /// With when they happened, seconds since 1970.
    pub(super) happenings: Vec<(i64, Happening)>,
    /// Connect clusters whose connectors could not be listed.
    pub(super) unlisted: BTreeSet<String>,
    pub(super) memory: Arc<Memory>,
}

/// One connector in it.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) id: ConnectorId,
    pub(super) deployment: Option<String>,
    pub(super) verdict: &'static str,
    pub(super) why: Option<&'static str>,
    pub(super) position: Option<Timestamp>,
    pub(super) headroom_seconds: Option<i64>,
    pub(super) lag_seconds: Option<i64>,
    /// Failures that stand, by task, and of the connector itself; `None` where Connect could not be read.
    pub(super) failures: Option<Vec<(Option<u32>, Failure)>>,
}

/// One member's oplog in it.
#[derive(Debug)]
pub(super) struct Bounds {
    pub(super) deployment: String,
    pub(super) member: String,
    pub(super) first: Option<Timestamp>,
    pub(super) last: Option<Timestamp>,
    pub(super) size_bytes: Option<u64>,
}

impl Record {
    pub(super) fn new(snapshot: &Snapshot, memory: Arc<Memory>, now: Now, since_1970: Duration) -> Self {
        Self {
            at: snapshot.at,
            clocks: (since_1970, now.uptime),
            connectors: snapshot.connectors.iter().map(seen).collect(),
            oplogs: snapshot.oplogs.iter().map(bounds).collect(),
            happenings: Vec::new(),
            unlisted: unlisted(snapshot),
            memory,
        }
    }
}

fn unlisted(snapshot: &Snapshot) -> BTreeSet<String> {
    let down = snapshot.sources.iter().filter(|source| source.source == "connect" && !source.up);
    down.map(|source| source.name.clone()).collect()
}

fn seen(report: &ConnectorReport) -> Seen {
    let failures = || {
        let own = report.failure.map(|failure| (None, failure));
        let tasks = report.tasks.iter().filter_map(|task| Some((Some(task.id), task.failure?)));
        own.into_iter().chain(tasks).collect()
    };
    Seen {
        id: report.id.clone(),
        deployment: report.deployment.clone(),
        verdict: report.verdict.code(),
        why: report.why().map(|why| why.code()),
        position: report.position.as_ref().map(|position| position.time),
        headroom_seconds: report.headroom_seconds,
        lag_seconds: report.lag_seconds,
        failures: report.state.is_some().then(failures),
    }
}

fn bounds(oplog: &OplogReport) -> Bounds {
    Bounds {
        deployment: oplog.deployment.clone(),
        member: oplog.member.clone(),
        first: oplog.first,
        last: oplog.last,
        size_bytes: oplog.sizes.size_bytes,
    }
}
