//! The tables, by version.

use super::HistoryError;
use crate::database::Form;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::time::Duration;

/// Marked with `RSGD`.
pub(super) const FORM: Form = Form { application_id: 0x5253_4744, steps: &STEPS };

const STEPS: [&str; 1] = ["
    -- `grade`: 0 any pass, 1 the first of its minute, 2 the first of its hour. `connectors` were seen, as many samples there are.
    -- Times are seconds since 1970 by our clock.
    CREATE TABLE pass (
        id INTEGER PRIMARY KEY, at INTEGER NOT NULL, grade INTEGER NOT NULL, connectors INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX pass_at ON pass (at);
    CREATE INDEX pass_grade ON pass (grade, at);
    -- `verdict` and `why` as they are now; `seen` is brought up to date once an hour.
    CREATE TABLE connector (
        id INTEGER PRIMARY KEY, connect_cluster TEXT NOT NULL, connector TEXT NOT NULL, deployment TEXT,
        verdict TEXT, why TEXT, seen INTEGER NOT NULL, UNIQUE (connect_cluster, connector)
    ) STRICT;
    CREATE TABLE member (
        id INTEGER PRIMARY KEY, deployment TEXT NOT NULL, member TEXT NOT NULL, seen INTEGER NOT NULL,
        UNIQUE (deployment, member)
    ) STRICT;
    -- By pass: a pass is appended and thinned out as one piece.
    CREATE TABLE sample (
        pass INTEGER NOT NULL, connector INTEGER NOT NULL, verdict TEXT NOT NULL, why TEXT, position_t INTEGER,
        position_i INTEGER, headroom_seconds INTEGER, lag_seconds INTEGER, PRIMARY KEY (pass, connector)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE bounds (
        pass INTEGER NOT NULL, member INTEGER NOT NULL, first_t INTEGER, first_i INTEGER, last_t INTEGER,
        last_i INTEGER, size_bytes INTEGER, PRIMARY KEY (pass, member)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE verdict_change (
        id INTEGER PRIMARY KEY, at INTEGER NOT NULL, connector INTEGER NOT NULL, before TEXT, verdict TEXT NOT NULL,
        why TEXT, headroom_seconds INTEGER
    ) STRICT;
    CREATE INDEX verdict_change_connector ON verdict_change (connector, at);
    -- `ended` is null while it still stands failed; `task` is -1 for the connector itself.
    CREATE TABLE failure (
        id INTEGER PRIMARY KEY, at INTEGER NOT NULL, ended INTEGER, connector INTEGER NOT NULL, task INTEGER NOT NULL,
        code INTEGER, class TEXT NOT NULL
    ) STRICT;
    CREATE INDEX failure_connector ON failure (connector, at);
    CREATE INDEX failure_standing ON failure (ended) WHERE ended IS NULL;
    -- Both names are empty for an event of the daemon itself. `detail` is JSON.
    CREATE TABLE event (
        id INTEGER PRIMARY KEY, at INTEGER NOT NULL, connect_cluster TEXT NOT NULL, connector TEXT NOT NULL,
        kind TEXT NOT NULL, detail TEXT NOT NULL
    ) STRICT;
    CREATE INDEX event_connector ON event (connect_cluster, connector, at);
    -- One row: what judgement remembers, and what the clocks showed, milliseconds since 1970 and of uptime.
    CREATE TABLE memory (
        one INTEGER PRIMARY KEY CHECK (one = 1), layout INTEGER NOT NULL, at_ms INTEGER NOT NULL,
        uptime_ms INTEGER NOT NULL, json TEXT NOT NULL
    ) STRICT;
"];

/// What stands for the connector itself in `failure.task`.
const ITSELF: i64 = -1;

/// The number of a task, or of the connector itself, in the file.
pub(super) fn number(task: Option<u32>) -> i64 {
    task.map_or(ITSELF, i64::from)
}

/// The task behind a number in the file.
pub(super) fn task(number: i64) -> Option<u32> {
    u32::try_from(number).ok()
}

/// How long a write waits for a reader of the same file.
const PATIENCE: Duration = Duration::from_secs(1);

/// Opens the file for reading and writing, and brings an older one up to date. A newer or foreign one is left as it is.
pub(super) fn open(path: &Path) -> Result<Connection, HistoryError> {
    let failed = |cause| HistoryError::sqlite(path, cause);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(PATIENCE).map_err(failed)?;
    let version = FORM.version(&connection).map_err(|why| HistoryError::unfit(path, why))?;
    prepare(&mut connection, version).map_err(failed)?;
    Ok(connection)
}

/// A write-ahead log with `NORMAL`: whatever was committed outlives a kill; a loss of power may take the last passes and damages
/// nothing (<https://sqlite.org/pragma.html#pragma_synchronous>).
fn prepare(connection: &mut Connection, version: u32) -> rusqlite::Result<()> {
    connection.execute_batch(
        "PRAGMA synchronous = NORMAL; PRAGMA cell_size_check = ON;
         PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 4194304;",
    )?;
    // A file that is up to date is not written to before there is something to write.
    if version == 0 {
        connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL")?;
    }
    if version < FORM.newest() {
        FORM.upgrade(connection, version, |_| Ok(()))?;
    }
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))
}
