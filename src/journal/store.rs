//! The open file: one transaction an entry.

use super::forget::{after, forgotten};
use super::{JournalError, schema};
use crate::database::Claim;
use resumeguard_core::domain::ConnectorId;
use resumeguard_core::recovery::{AttemptId, Entry, Event};
use rusqlite::{Connection, Row, Transaction, TransactionBehavior, params};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// The file. The lock is held for as long as this lives; the connection is given up after any failure, and what the file
/// holds is then read anew.
#[derive(Debug)]
pub(super) struct Store {
    claim: Claim,
    open: Option<Open>,
    /// Number of the newest entry that was ever seen: a file that holds less is not the same any more.
    newest: u64,
}

#[derive(Debug)]
struct Open {
    connection: Connection,
    newest: u64,
}

impl Store {
    /// Claims the directory. The file is not read yet.
    pub(super) fn claim(directory: &Path) -> Result<Self, JournalError> {
        let claim =
            Claim::stake(directory, super::NAME).map_err(|why| JournalError::unclaimed(directory, why))?;
        // A copy that was put back may be readable for others; it holds configurations with what is secret in them.
        std::fs::set_permissions(&claim.path, Permissions::from_mode(0o600))
            .map_err(|cause| JournalError::Unopenable { path: claim.path.display().to_string(), cause })?;
        Ok(Self { claim, open: None, newest: 0 })
    }

    /// Opens the file and reads all of it, where that has not been done since the last failure; all entries then.
    pub(super) fn ready(&mut self, now_ms: i64) -> Result<Option<Vec<Entry>>, JournalError> {
        if !self.claim.holds() {
            self.open = None;
            return Err(self.changed());
        }
        if self.open.is_some() {
            return Ok(None);
        }
        let path = &self.claim.path;
        if self.newest > 0 && std::fs::metadata(path).is_ok_and(|file| file.len() == 0) {
            return Err(self.changed());
        }
        let first = Entry { seq: 1, at_ms: now_ms, event: Event::Opened };
        let connection = schema::open(path, |transaction| insert(transaction, &first, None))?;
        let entries = read(&connection, path, None)?;
        let newest = entries.last().map_or(0, |entry| entry.seq);
        if newest < self.newest {
            return Err(self.changed());
        }
        self.newest = newest;
        self.open = Some(Open { connection, newest });
        Ok(Some(entries))
    }

    /// Appends one entry; it is on the disk when this returns. `wanted` is asked once more just before that is so.
    pub(super) fn append(
        &mut self,
        entry: &Entry,
        connector: Option<&ConnectorId>,
        wanted: impl FnOnce() -> bool,
    ) -> Result<(), JournalError> {
        let result = self.transact(entry, connector, wanted);
        match result {
            Ok(()) => self.newest = entry.seq,
            Err(_) => self.open = None,
        }
        result
    }

    fn transact(
        &mut self,
        entry: &Entry,
        connector: Option<&ConnectorId>,
        wanted: impl FnOnce() -> bool,
    ) -> Result<(), JournalError> {
        let failed = |cause| JournalError::sqlite(&self.claim.path, cause);
        let Some(Open { connection, newest }) = &mut self.open else { return Err(JournalError::Closed) };
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let found: i64 = transaction
            .query_row("SELECT coalesce(max(seq), 0) FROM entry", [], |row| row.get(0))
            .map_err(failed)?;
        if u64::try_from(found) != Ok(*newest) || entry.seq != newest.saturating_add(1) {
            return Err(JournalError::Changed(self.claim.path.display().to_string()));
        }
        insert(&transaction, entry, connector).map_err(failed)?;
        if !wanted() {
            return Err(JournalError::Closed);
        }
        transaction.commit().map_err(failed)?;
        *newest = entry.seq;
        Ok(())
    }

    /// Writes something that changes nothing, to see whether writing is possible again.
    pub(super) fn touch(&mut self) -> Result<(), JournalError> {
        let Some(Open { connection, .. }) = &mut self.open else { return Err(JournalError::Closed) };
        let version = schema::FORM.newest();
        let touched = connection.pragma_update(None, "user_version", version);
        touched.map_err(|cause| {
            self.open = None;
            JournalError::sqlite(&self.claim.path, cause)
        })
    }

    /// The entries of one attempt.
    pub(super) fn entries_of(&mut self, attempt: &AttemptId) -> Result<Vec<Entry>, JournalError> {
        self.with(|connection, path| read(connection, path, Some(attempt)))
    }

    /// Everything that the open file holds.
    pub(super) fn entries(&mut self) -> Result<Vec<Entry>, JournalError> {
        self.with(|connection, path| read(connection, path, None))
    }

    /// Bytes that are in use.
    pub(super) fn bytes(&mut self) -> Result<u64, JournalError> {
        const IN_USE: &str = "SELECT (page_count - freelist_count) * page_size
            FROM pragma_page_count, pragma_freelist_count, pragma_page_size";
        self.with(|connection, path| {
            let bytes = connection.query_row(IN_USE, [], |row| row.get::<_, i64>(0));
            let bytes = bytes.map_err(|cause| JournalError::sqlite(path, cause))?;
            Ok(u64::try_from(bytes).unwrap_or(0))
        })
    }

    /// Changes the file otherwise than by appending; what it holds is read anew after that.
    pub(super) fn changed_by(
        &mut self,
        change: impl FnOnce(&mut Connection) -> rusqlite::Result<bool>,
    ) -> Result<bool, JournalError> {
        let Some(Open { mut connection, .. }) = self.open.take() else { return Err(JournalError::Closed) };
        change(&mut connection).map_err(|cause| JournalError::sqlite(&self.claim.path, cause))
    }

    /// Reads; after a failure the file is opened anew.
    fn with<T>(
        &mut self,
        look: impl FnOnce(&Connection, &Path) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        let Some(Open { connection, .. }) = &self.open else { return Err(JournalError::Closed) };
        let seen = look(connection, &self.claim.path);
        if seen.is_err() {
            self.open = None;
        }
        seen
    }

    fn changed(&self) -> JournalError {
        JournalError::Changed(self.claim.path.display().to_string())
    }
}

pub(super) fn insert(
    transaction: &Transaction<'_>,
    entry: &Entry,
    connector: Option<&ConnectorId>,
) -> rusqlite::Result<()> {
    let unfit = |error| rusqlite::Error::ToSqlConversionFailure(error);
    let json = serde_json::to_string(&entry.event).map_err(|error| unfit(error.into()))?;
    let seq = i64::try_from(entry.seq).map_err(|error| unfit(error.into()))?;
    transaction
        .prepare_cached(
            "INSERT INTO entry (seq, at_ms, event, attempt, connect_cluster, connector, json)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            seq,
            entry.at_ms,
            entry.event.code(),
            entry.event.attempt().map(|attempt| &attempt.0),
            connector.map(|id| &id.connect_cluster),
            connector.map(|id| &id.connector),
            json
        ])
        .map(drop)
}

/// A row as it stands in the file.
struct Raw {
    seq: i64,
    at_ms: i64,
    code: String,
    json: String,
}

impl Raw {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { seq: row.get(0)?, at_ms: row.get(1)?, code: row.get(2)?, json: row.get(3)? })
    }

    fn entry(self, path: &Path) -> Result<Entry, JournalError> {
        let Self { seq, at_ms, code, json } = self;
        // The parser's own words may quote what stands there, and that may be a secret.
        let event: Event = serde_json::from_str(&json).map_err(|cause| {
            let cause = format!("{code}: {:?} error at column {}", cause.classify(), cause.column());
            JournalError::entry(path, seq, cause)
        })?;
        if event.code() != code {
            return Err(JournalError::entry(path, seq, format!("it is called {code} and is another")));
        }
        let seq = u64::try_from(seq).map_err(|cause| JournalError::entry(path, seq, cause))?;
        Ok(Entry { seq, at_ms, event })
    }
}

/// All entries, or those of one attempt, in order. Nothing is skipped: an entry that is missing or cannot be understood is an
/// error.
fn read(
    connection: &Connection,
    path: &Path,
    attempt: Option<&AttemptId>,
) -> Result<Vec<Entry>, JournalError> {
    let failed = |cause| JournalError::sqlite(path, cause);
    let mut select = connection
        .prepare("SELECT seq, at_ms, event, json FROM entry WHERE ?1 IS NULL OR attempt = ?1 ORDER BY seq")
        .map_err(failed)?;
    let forgotten = forgotten(connection).map_err(failed)?;
    let mut rows = select.query([attempt.map(|attempt| &attempt.0)]).map_err(failed)?;
    let (mut entries, mut last) = (Vec::new(), 0_i64);
    while let Some(row) = rows.next().map_err(failed)? {
        let seq = row.get(0).map_err(failed)?;
        let raw = Raw::of(row).map_err(|cause| JournalError::entry(path, seq, cause))?;
        let next = after(&forgotten, last);
        if attempt.is_none() && seq != next {
            return Err(JournalError::entry(path, next, "it is missing"));
        }
        last = seq;
        entries.push(raw.entry(path)?);
    }
    if attempt.is_none() && entries.is_empty() {
        return Err(JournalError::entry(path, 1, "it is missing"));
    }
    Ok(entries)
}
