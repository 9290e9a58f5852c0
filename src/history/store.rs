//! The open file: one transaction a pass.

use super::bounds::{self, Limits};
use super::record::{Bounds, DETAIL_BYTES, Happening, Record, Seen};
use super::{HistoryError, memory, schema};
use crate::config;
use crate::database::Claim;
use resumeguard_core::domain::{ConnectorId, Failure, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};
use std::collections::{BTreeMap, HashSet};
use std::path::Path;

/// The open file, and what must be known of it to write the next pass. After any failure it is dropped and opened again: what is
/// known here is then read anew.
#[derive(Debug)]
pub(super) struct Store {
    claim: Claim,
    connection: Connection,
    known: Known,
    limits: Limits,
}

/// What the file holds already.
#[derive(Debug, Default)]
struct Known {
    last_pass_at: Option<i64>,
    connectors: BTreeMap<ConnectorId, Entry>,
    members: BTreeMap<(String, String), i64>,
    /// Failures that stand: their row, by connector and task.
    standing: BTreeMap<(i64, Option<u32>), Standing>,
    saved: memory::Saved,
}

/// The row of a failure that stands, its code and its class.
type Standing = (i64, Option<u32>, String);

#[derive(Debug, Clone)]
struct Entry {
    id: i64,
    deployment: Option<String>,
    verdict: Option<String>,
    why: Option<String>,
}

impl Store {
    /// Claims, opens and reads what the next pass must know.
    pub(super) fn open(config: &config::History) -> Result<Self, HistoryError> {
        let claim = Claim::stake(&config.directory, "history")
            .map_err(|why| HistoryError::unclaimed(&config.directory, why))?;
        let connection = schema::open(&claim.path)?;
        let known = Known::read(&connection).map_err(|cause| HistoryError::sqlite(&claim.path, cause))?;
        let limits = Limits {
            keep_seconds: i64::try_from(config.keep.as_secs()).unwrap_or(i64::MAX),
            max_size_bytes: i64::try_from(config.max_size_bytes).unwrap_or(i64::MAX),
        };
        Ok(Self { claim, connection, known, limits })
    }

    /// The connection, for reading.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The path, for what is said of it.
    pub(super) fn path(&self) -> &Path {
        &self.claim.path
    }

    /// Writes a pass, whole or not at all, and removes what need not be kept.
    pub(super) fn write(&mut self, record: &Record) -> Result<(), HistoryError> {
        if !self.claim.holds() {
            return Err(HistoryError::Vanished(self.claim.path.display().to_string()));
        }
        self.transact(record).map_err(|cause| HistoryError::sqlite(&self.claim.path, cause))
    }

    /// The memory was too large to be kept when it was last due.
    pub(super) fn leaves_memory_out(&self) -> bool {
        self.known.saved.is_left_out()
    }

    /// Writes the memory of the last pass, where it was put off.
    pub(super) fn save_memory(&mut self, record: &Record) -> Result<(), HistoryError> {
        let saved = memory::save(&self.connection, record, self.limits.max_size_bytes, self.known.saved);
        saved.map(drop).map_err(|cause| HistoryError::sqlite(&self.claim.path, cause))
    }

    fn transact(&mut self, record: &Record) -> rusqlite::Result<()> {
        let Self { connection, known, limits, .. } = self;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let grade = bounds::grade(known.last_pass_at, record.at);
        let mut pass = Pass { transaction: &transaction, known, at: record.at, id: 0, hourly: grade == 2 };
        pass.begin(grade, record.connectors.len())?;
        record.connectors.iter().try_for_each(|seen| pass.connector(seen))?;
        pass.end_failures_of_the_gone(record)?;
        record.oplogs.iter().try_for_each(|oplog| pass.oplog(oplog))?;
        record.happenings.iter().try_for_each(|(at, happening)| pass.happening(*at, happening))?;
        if known.saved.is_due(record) {
            known.saved = memory::save(&transaction, record, limits.max_size_bytes, known.saved)?;
        }
        let series = record.connectors.len() + record.oplogs.len();
        bounds::trim(&transaction, record.at, i64::try_from(series).unwrap_or(i64::MAX), *limits)?;
        if grade == 2 {
            bounds::forget(&transaction, record.at, *limits)?;
        }
        transaction.commit()?;
        known.last_pass_at = Some(record.at);
        if grade == 2 {
            // Names that were forgotten must not be written to.
            *known = Known { saved: known.saved, ..Known::read(connection)? };
        }
        bounds::shrink(connection, *limits)
    }
}

impl Known {
    fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let last_pass_at = connection
            .query_row("SELECT at FROM pass ORDER BY id DESC LIMIT 1", [], |row| row.get(0))
            .optional()?;
        let mut all = connection
            .prepare("SELECT id, connect_cluster, connector, deployment, verdict, why FROM connector")?;
        let connectors = all.query_map([], |row| {
            let id = ConnectorId { connect_cluster: row.get(1)?, connector: row.get(2)? };
            let entry =
                Entry { id: row.get(0)?, deployment: row.get(3)?, verdict: row.get(4)?, why: row.get(5)? };
            Ok((id, entry))
        })?;
        let mut members = connection.prepare("SELECT id, deployment, member FROM member")?;
        let members = members.query_map([], |row| Ok(((row.get(1)?, row.get(2)?), row.get(0)?)))?;
        let mut standing =
            connection.prepare("SELECT connector, task, id, code, class FROM failure WHERE ended IS NULL")?;
        let standing = standing.query_map([], |row| {
            Ok(((row.get(0)?, schema::task(row.get(1)?)), (row.get(2)?, row.get(3)?, row.get(4)?)))
        })?;
        Ok(Self {
            last_pass_at,
            connectors: connectors.collect::<Result<_, _>>()?,
            members: members.collect::<Result<_, _>>()?,
            standing: standing.collect::<Result<_, _>>()?,
            saved: memory::Saved::default(),
        })
    }
}

/// One pass being written. If it fails half-way, everything here and in `known` is thrown away with the transaction.
struct Pass<'a, 'c> {
    transaction: &'a Transaction<'c>,
    known: &'a mut Known,
    at: i64,
    id: i64,
    hourly: bool,
}

impl Pass<'_, '_> {
    fn begin(&mut self, grade: i64, connectors: usize) -> rusqlite::Result<()> {
        let connectors = i64::try_from(connectors).unwrap_or(i64::MAX);
        self.id = self
            .transaction
            .prepare_cached("INSERT INTO pass (at, grade, connectors) VALUES (?1, ?2, ?3)")?
            .insert(params![self.at, grade, connectors])?;
        Ok(())
    }

    fn connector(&mut self, seen: &Seen) -> rusqlite::Result<()> {
        let entry = self.entry(seen)?;
        let ((t, i), why) = (parts(seen.position), seen.why);
        self.transaction
            .prepare_cached("INSERT INTO sample VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?
            .execute(params![
                self.id,
                entry.id,
                seen.verdict,
                why,
                t,
                i,
                seen.headroom_seconds,
                seen.lag_seconds
            ])?;
        let same = entry.verdict.as_deref() == Some(seen.verdict) && entry.why.as_deref() == why;
        if !same {
            self.transaction
                .prepare_cached(
                    "INSERT INTO verdict_change (at, connector, before, verdict, why, headroom_seconds)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute(params![
                    self.at,
                    entry.id,
                    entry.verdict,
                    seen.verdict,
                    why,
                    seen.headroom_seconds
                ])?;
        }
        if !same || self.hourly || seen.deployment.is_some() && entry.deployment != seen.deployment {
            // The deployment last known stays: it is where the oplogs of the story are.
            let deployment = seen.deployment.clone().or(entry.deployment);
            self.transaction
                .prepare_cached(
                    "UPDATE connector SET verdict = ?2, why = ?3, deployment = ?4, seen = ?5 WHERE id = ?1",
                )?
                .execute(params![entry.id, seen.verdict, why, deployment, self.at])?;
            let (verdict, why) = (Some(seen.verdict.to_owned()), why.map(str::to_owned));
            self.known.connectors.insert(seen.id.clone(), Entry { id: entry.id, deployment, verdict, why });
        }
        match &seen.failures {
            Some(failures) => self.failures(entry.id, failures),
            None => Ok(()),
        }
    }

    fn entry(&mut self, seen: &Seen) -> rusqlite::Result<Entry> {
        if let Some(entry) = self.known.connectors.get(&seen.id) {
            return Ok(entry.clone());
        }
        let id = self
            .transaction
            .prepare_cached("INSERT INTO connector (connect_cluster, connector, seen) VALUES (?1, ?2, ?3)")?
            .insert(params![seen.id.connect_cluster, seen.id.connector, self.at])?;
        Ok(Entry { id, deployment: None, verdict: None, why: None })
    }

    /// Failures that begin and end.
    fn failures(&mut self, connector: i64, now: &[(Option<u32>, Failure)]) -> rusqlite::Result<()> {
        let stands = |task: Option<u32>, code: Option<u32>, class: &str| {
            now.iter()
                .any(|(of, failure)| *of == task && failure.code == code && failure.class.code() == class)
        };
        let of_this = self.known.standing.range((connector, None)..=(connector, Some(u32::MAX)));
        let ended = of_this.filter(|((_, task), (_, code, class))| !stands(*task, *code, class));
        let ended: Vec<_> = ended.map(|(key, _)| *key).collect();
        self.end(&ended)?;
        for (task, failure) in now {
            if self.known.standing.contains_key(&(connector, *task)) {
                continue;
            }
            let class = failure.class.code();
            let row = self
                .transaction
                .prepare_cached(
                    "INSERT INTO failure (at, connector, task, code, class) VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .insert(params![self.at, connector, schema::number(*task), failure.code, class])?;
            self.known.standing.insert((connector, *task), (row, failure.code, class.to_owned()));
        }
        Ok(())
    }

    /// Who is listed no more does not stand failed; where nobody could be listed, nobody knows.
    fn end_failures_of_the_gone(&mut self, record: &Record) -> rusqlite::Result<()> {
        if self.known.standing.is_empty() {
            return Ok(());
        }
        let here: HashSet<&ConnectorId> = record.connectors.iter().map(|seen| &seen.id).collect();
        let gone = self
            .known
            .connectors
            .iter()
            .filter(|(id, _)| !here.contains(id) && !record.unlisted.contains(&id.connect_cluster));
        let gone: HashSet<i64> = gone.map(|(_, entry)| entry.id).collect();
        let ended = self.known.standing.keys().filter(|(connector, _)| gone.contains(connector));
        let ended: Vec<_> = ended.copied().collect();
        self.end(&ended)
    }

    fn end(&mut self, failures: &[(i64, Option<u32>)]) -> rusqlite::Result<()> {
        for failure in failures {
            let Some((row, ..)) = self.known.standing.remove(failure) else { continue };
            self.transaction
                .prepare_cached("UPDATE failure SET ended = ?2 WHERE id = ?1")?
                .execute([row, self.at])?;
        }
        Ok(())
    }

    fn oplog(&mut self, oplog: &Bounds) -> rusqlite::Result<()> {
        let key = (oplog.deployment.clone(), oplog.member.clone());
        let member = match self.known.members.get(&key) {
            Some(member) => *member,
            None => self
                .transaction
                .prepare_cached("INSERT INTO member (deployment, member, seen) VALUES (?1, ?2, ?3)")?
                .insert(params![key.0, key.1, self.at])?,
        };
        self.known.members.insert(key, member);
        if self.hourly {
            self.transaction
                .prepare_cached("UPDATE member SET seen = ?2 WHERE id = ?1")?
                .execute([member, self.at])?;
        }
        let ((first_t, first_i), (last_t, last_i)) = (parts(oplog.first), parts(oplog.last));
        let size = oplog.size_bytes.and_then(|size| i64::try_from(size).ok());
        self.transaction
            .prepare_cached("INSERT INTO bounds VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
            .execute(params![self.id, member, first_t, first_i, last_t, last_i, size])?;
        Ok(())
    }

    fn happening(&mut self, at: i64, happening: &Happening) -> rusqlite::Result<()> {
        let id = happening.connector.as_ref();
        let (cluster, connector) =
            id.map_or(("", ""), |id| (id.connect_cluster.as_str(), id.connector.as_str()));
        let mut detail = happening.detail.to_string();
        if detail.len() > DETAIL_BYTES {
            detail = r#"{"left_out":"longer than 4096 bytes"}"#.to_owned();
        }
        self.transaction
            .prepare_cached(
                "INSERT INTO event (at, connect_cluster, connector, kind, detail) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![at, cluster, connector, happening.kind, detail])?;
        Ok(())
    }
}

fn parts(time: Option<Timestamp>) -> (Option<u32>, Option<u32>) {
    (time.map(|time| time.t), time.map(|time| time.i))
}
