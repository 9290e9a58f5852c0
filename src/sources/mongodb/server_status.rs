//! `serverStatus`: retention, and the oplog's bounds where `local` may not be read.

use super::commands::{ReadError, any_member, millis, number, whole};
use super::rights::Right;
use mongodb::Client;
use mongodb::bson::{Document, doc};
use resumeguard_core::domain::{FirstEntry, OplogSizes, Timestamp, Why};
use std::collections::BTreeSet;
use std::time::Duration;

/// Every section that can be left out is: the whole reply costs the server fourteen times as much.
async fn server_status(
    client: &Client,
    oplog: bool,
    deadline: Duration,
) -> Result<Document, mongodb::error::Error> {
    let command = doc! {
        "serverStatus": 1, "maxTimeMS": millis(deadline), "oplogTruncation": 1, "oplog": i32::from(oplog),
        "metrics": 0, "wiredTiger": 0, "locks": 0, "tcmalloc": 0, "repl": 0, "opLatencies": 0, "network": 0, "connections": 0,
        "globalLock": 0, "asserts": 0, "extra_info": 0, "flowControl": 0, "indexBulkBuilder": 0, "indexStats": 0,
        "logicalSessionRecordCache": 0, "mirroredReads": 0, "opcounters": 0, "opcountersRepl": 0, "queryAnalyzers": 0,
        "readConcernCounters": 0, "readPreferenceCounters": 0, "scramCache": 0, "security": 0, "storageEngine": 0,
        "tenantMigrations": 0, "trafficRecording": 0, "transactions": 0, "transportSecurity": 0, "twoPhaseCommitCoordinator": 0,
        "watchdog": 0, "batchedDeletes": 0, "catalogStats": 0, "collectionCatalog": 0, "defaultRWConcern": 0,
        "electionMetrics": 0, "featureCompatibilityVersion": 0, "hedgingMetrics": 0, "internalTransactions": 0,
    };
    client.database("admin").run_command(command).selection_criteria(any_member()).await
}

/// Size, maximum and retention; what may not be read stays unknown, and is named.
pub(super) async fn sizes(client: &Client, deadline: Duration) -> (OplogSizes, BTreeSet<Right>) {
    let stats = doc! { "collStats": "oplog.rs", "maxTimeMS": millis(deadline) };
    let stats = client.database("local").run_command(stats).selection_criteria(any_member()).await;
    let status = server_status(client, false, deadline).await;
    let missing = [
        Right::CollStats.missing_in(stats.as_ref().err()),
        Right::ServerStatus.missing_in(status.as_ref().err()),
    ];
    let status_came = status.is_ok();
    let (stats, status) = (stats.unwrap_or_default(), status.unwrap_or_default());
    let hours = status
        .get_document("oplogTruncation")
        .ok()
        .and_then(|section| number(section, "oplogMinRetentionHours"));
    let sizes = OplogSizes {
        size_bytes: number(&stats, "size").and_then(whole),
        max_size_bytes: number(&stats, "maxSize").and_then(whole),
        // The section is there from 4.4 on, with 0 where none is configured; an older server knows no retention.
        min_retention_seconds: hours.map_or(status_came.then_some(0), |hours| whole(hours.max(0.0) * 3600.0)),
    };
    (sizes, missing.into_iter().flatten().collect())
}

/// After so many readings that failed what was known is known no longer.
const KEPT: u32 = 3;

/// The sizes that were read last. Both commands fail by themselves: what one has told stays for a while where only the other does.
#[derive(Debug, Default)]
pub(super) struct LastSizes {
    sizes: OplogSizes,
    failed: Failed,
    asked_at: Option<Duration>,
}

/// Readings in a row that told nothing of it.
#[derive(Debug, Default)]
struct Failed {
    stats: u32,
    status: u32,
}

impl LastSizes {
    pub(super) fn sizes(&self) -> OplogSizes {
        self.sizes
    }

    /// Whether `every` has passed since they were asked for; asking counts from now on.
    pub(super) fn fall_due(&mut self, now: Duration, every: Duration) -> bool {
        let due = self.asked_at.is_none_or(|at| now.saturating_sub(at) >= every);
        if due {
            self.asked_at = Some(now);
        }
        due
    }

    /// After one more reading; `None` where it did not end in time.
    pub(super) fn after(&mut self, read: Option<OplogSizes>) {
        let read = read.unwrap_or_default();
        let (sizes, failed) = (&mut self.sizes, &mut self.failed);
        if read.size_bytes.is_some() {
            (sizes.size_bytes, sizes.max_size_bytes) = (read.size_bytes, read.max_size_bytes);
            failed.stats = 0;
        } else {
            failed.stats = failed.stats.saturating_add(1);
        }
        if read.min_retention_seconds.is_some() {
            sizes.min_retention_seconds = read.min_retention_seconds;
            failed.status = 0;
        } else {
            failed.status = failed.status.saturating_add(1);
        }
        if failed.stats >= KEPT {
            (sizes.size_bytes, sizes.max_size_bytes) = (None, None);
        }
        if failed.status >= KEPT {
            sizes.min_retention_seconds = None;
        }
    }
}

/// What is said instead of the oplog's own entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) first: FirstEntry,
    pub(super) last: Timestamp,
}

/// The oplog's bounds where it may not be read itself. `refusal` is what came when it was read.
///
/// # Errors
/// `refusal`, where the user may not do this either, or what is said proves nothing.
pub(super) async fn bounds(
    client: &Client,
    deadline: Duration,
    refusal: ReadError,
) -> Result<Bounds, ReadError> {
    match server_status(client, true, deadline).await {
        Ok(status) => bounds_in(&status, refusal),
        Err(_) => Err(refusal),
    }
}

/// Two traps, both measured on 6.0.5 or read in the server's source. `earliestOptime` is the last entry that was truncated,
/// not the first that is left, unless nothing was since the process began: it is taken for gone, one tick on the safe side. (`truncateCount` does not tell:
/// it was seen at 0 after dozens of truncations.) Nor does anybody tell whether the oplog was ever truncated, so that what is
/// older may still be accepted: judgement does not call it lost by this alone. And a server that cannot look at once says
/// `Timestamp(0, 0)`.
fn bounds_in(status: &Document, refusal: ReadError) -> Result<Bounds, ReadError> {
    let time = |key: &str| {
        let time = status.get_document("oplog").ok()?.get_timestamp(key).ok()?;
        Some(Timestamp { t: time.time, i: time.increment })
    };
    match (time("earliestOptime"), time("latestOptime")) {
        (Some(Timestamp { t: 0, .. }), _) | (_, Some(Timestamp { t: 0, .. })) => {
            let text = "was too busy to say where its oplog begins (serverStatus)";
            Err(ReadError::new(Why::MemberUnreadable, text))
        }
        (Some(gone), Some(last)) => {
            let time = Timestamp { i: gone.i.saturating_add(1), ..gone };
            Ok(Bounds { first: FirstEntry { time, initiating: false }, last })
        }
        _ => Err(refusal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::bson::Timestamp as BsonTimestamp;

    fn said(earliest: (u32, u32)) -> Result<Timestamp, Why> {
        let time = |(time, increment)| BsonTimestamp { time, increment };
        let status = doc! { "oplog": { "earliestOptime": time(earliest), "latestOptime": time((300, 1)) } };
        let refusal = ReadError::new(Why::OplogUnauthorized, "may not");
        bounds_in(&status, refusal).map(|bounds| bounds.first.time).map_err(|error| error.why)
    }

    /// Measured: the first entry was (1795404234, 140), `earliestOptime` (1795404234, 139).
    #[test]
    fn the_entry_that_is_named_is_gone() {
        assert_eq!(said((1_795_404_234, 139)), Ok(Timestamp { t: 1_795_404_234, i: 140 }));
    }

    #[test]
    fn what_proves_nothing_is_not_used() {
        assert_eq!(said((0, 0)), Err(Why::MemberUnreadable));
        let nothing = bounds_in(&Document::new(), ReadError::new(Why::OplogUnauthorized, "may not"));
        assert_eq!(nothing.unwrap_err().why, Why::OplogUnauthorized);
    }

    #[test]
    fn sizes_stay_for_a_while_where_a_command_fails_and_not_for_ever() {
        let read = |size, retention| OplogSizes {
            size_bytes: size,
            max_size_bytes: size.map(|_| 900),
            min_retention_seconds: retention,
        };
        let mut last = LastSizes::default();
        let second = Duration::from_secs(1);
        assert!(last.fall_due(second, 60 * second) && !last.fall_due(60 * second, 60 * second));
        assert!(last.fall_due(61 * second, 60 * second));
        last.after(Some(read(Some(1), Some(7))));
        assert_eq!(last.sizes(), read(Some(1), Some(7)));
        last.after(Some(read(Some(2), None)));
        assert_eq!(last.sizes(), read(Some(2), Some(7)), "not 0: nobody has said so");
        last.after(None);
        assert_eq!(last.sizes(), read(Some(2), Some(7)));
        last.after(Some(read(None, Some(0))));
        assert_eq!(last.sizes(), read(Some(2), Some(0)));
        last.after(None);
        assert_eq!(last.sizes(), read(None, Some(0)), "how full it was tells nothing any more");
        last.after(None);
        last.after(None);
        assert_eq!(last.sizes(), OplogSizes::default());
    }
}
