//! The table, by version, and the views that make it readable for a person with `sqlite3`.

use super::JournalError;
use crate::database::Form;
use rusqlite::{Connection, OpenFlags, Transaction};
use std::path::Path;
use std::time::Duration;

/// Marked with `RSGJ`.
pub(super) const FORM: Form = Form { application_id: 0x5253_474A, steps: &STEPS };

/// No `STRICT` tables and no `->>`: the `sqlite3` of a distribution that is some years old reads the file as well.
/// The views show neither configurations nor tokens; those stand in `entry.json` alone, to be put back.
const STEPS: [&str; 2] = ["
    -- Appended, numbered without gaps, never changed. `at_ms` is milliseconds since 1970 by our clock.
    CREATE TABLE entry (
        seq INTEGER PRIMARY KEY CHECK (seq > 0), at_ms INTEGER NOT NULL, event TEXT NOT NULL, attempt TEXT,
        connect_cluster TEXT, connector TEXT, json TEXT NOT NULL
    );
    CREATE INDEX entry_attempt ON entry (attempt, seq);
    CREATE TRIGGER entry_stays BEFORE DELETE ON entry BEGIN SELECT RAISE(ABORT, 'entries are never removed'); END;
    CREATE TRIGGER entry_unchanged BEFORE UPDATE ON entry BEGIN SELECT RAISE(ABORT, 'entries are never changed'); END;
    CREATE VIEW attempts AS
        SELECT b.attempt, b.connect_cluster, b.connector, json_extract(b.json, '$.plan.strategy') AS strategy,
            coalesce(json_extract(b.json, '$.by.person'), json_extract(b.json, '$.by')) AS by,
            json_extract(b.json, '$.reason') AS reason,
            strftime('%Y-%m-%dT%H:%M:%SZ', b.at_ms / 1000, 'unixepoch') AS begun,
            strftime('%Y-%m-%dT%H:%M:%SZ', e.at_ms / 1000, 'unixepoch') AS ended,
            coalesce(json_extract(e.json, '$.ended'), 'open') AS outcome, json_extract(e.json, '$.says') AS says,
            json_extract(e.json, '$.lost.stretch.to.t') - json_extract(e.json, '$.lost.stretch.from.t') AS lost_seconds
        FROM entry b LEFT JOIN entry e ON e.attempt = b.attempt AND e.event = 'ended'
        WHERE b.event = 'begun' ORDER BY b.seq;
    CREATE VIEW steps AS
        SELECT i.attempt, i.connect_cluster, i.connector, i.seq, json_extract(i.json, '$.phase') AS phase,
            json_extract(i.json, '$.round') AS round, json_extract(i.json, '$.index') AS number,
            json_extract(i.json, '$.step.step') AS step, i.event = 'intent' AS begun,
            strftime('%Y-%m-%dT%H:%M:%SZ', i.at_ms / 1000, 'unixepoch') AS at,
            strftime('%Y-%m-%dT%H:%M:%SZ', o.at_ms / 1000, 'unixepoch') AS ended,
            coalesce(json_extract(o.json, '$.outcome.outcome'), 'unknown') AS outcome,
            json_extract(o.json, '$.outcome.says') AS says
        FROM entry i LEFT JOIN entry o ON o.event IN ('outcome', 'skipped') AND o.seq = (
            SELECT min(n.seq) FROM entry n WHERE n.attempt = i.attempt AND (n.seq = i.seq AND n.event = 'skipped'
                OR n.seq > i.seq AND n.event IN ('intent', 'outcome', 'skipped', 'ended'))) AND (
            o.event = 'outcome' OR o.seq = i.seq)
        WHERE i.event IN ('intent', 'skipped') ORDER BY i.seq;
    CREATE VIEW audit AS
        SELECT seq, strftime('%Y-%m-%dT%H:%M:%SZ', at_ms / 1000, 'unixepoch') AS at, event, connect_cluster, connector,
            coalesce(json_extract(json, '$.plan.id'), json_extract(json, '$.plan')) AS plan, attempt,
            coalesce(json_extract(json, '$.by.person'), json_extract(json, '$.by')) AS by,
            json_extract(json, '$.reason') AS reason
        FROM entry WHERE event NOT IN ('saved', 'intent', 'outcome', 'skipped') ORDER BY seq;
", "
    -- Entries that were there: attempts that ended long ago. An entry 'forgotten' says how many. Nothing else is ever removed.
    CREATE TABLE forgotten (first INTEGER NOT NULL, last INTEGER NOT NULL CHECK (first <= last), at_ms INTEGER NOT NULL);
    CREATE TRIGGER forgotten_stays BEFORE DELETE ON forgotten BEGIN SELECT RAISE(ABORT, 'entries are never removed'); END;
    CREATE TRIGGER forgotten_unchanged BEFORE UPDATE ON forgotten BEGIN SELECT RAISE(ABORT, 'entries are never changed'); END;
    DROP TRIGGER entry_stays;
    CREATE TRIGGER entry_stays BEFORE DELETE ON entry
        WHEN NOT EXISTS (SELECT 1 FROM forgotten WHERE OLD.seq BETWEEN first AND last)
        BEGIN SELECT RAISE(ABORT, 'entries are never removed'); END;
"];

/// How long a write waits for a reader of the same file.
const PATIENCE: Duration = Duration::from_secs(2);

/// Opens the file, and brings an empty or an older one up to date; an empty one gets its first entry in the same transaction.
/// A newer, foreign or damaged one is left as it is.
pub(super) fn open(
    path: &Path,
    first: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
) -> Result<Connection, JournalError> {
    let failed = |cause| JournalError::sqlite(path, cause);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(PATIENCE).map_err(failed)?;
    let version = FORM.version(&connection).map_err(|why| JournalError::unfit(path, why))?;
    prepare(&connection).map_err(failed)?;
    let check: String =
        connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(failed)?;
    if check != "ok" {
        let cause = check.lines().collect::<Vec<_>>().join(" ");
        return Err(JournalError::Damaged { path: path.display().to_string(), cause });
    }
    if version < FORM.newest() {
        let last = |transaction: &Transaction<'_>| if version == 0 { first(transaction) } else { Ok(()) };
        FORM.upgrade(&mut connection, version, last).map_err(failed)?;
    }
    Ok(connection)
}

/// A rollback journal and not a write-ahead log: the file is then all there is, so that a copy of it is a whole journal, and
/// whoever may only read it can. What that costs, some more waits for the disk with each entry, is of no account with
/// some entries a minute. `EXTRA` and not `FULL`: with a rollback journal, only `EXTRA` also syncs the directory once the
/// rollback journal is gone; with `FULL`, a loss of power just after a commit may bring it back and undo the entry
/// (<https://sqlite.org/pragma.html#pragma_synchronous>).
fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(()))?;
    connection.execute_batch(
        "PRAGMA synchronous = EXTRA; PRAGMA fullfsync = ON; PRAGMA cell_size_check = ON;
         PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY; PRAGMA secure_delete = ON;",
    )
}
