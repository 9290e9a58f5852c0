//! Reading the file where no daemon runs: nothing is written, nothing is made.

use super::{HistoryError, Query, Story, file, schema};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use rusqlite::{Connection, OpenFlags};
use std::path::Path;

/// What has a meaning in SQLite's URIs (<https://sqlite.org/uri.html>).
const SPECIAL: &AsciiSet = &CONTROLS.add(b'?').add(b'#').add(b'%').add(b' ');

/// Reads the history in a directory.
///
/// # Errors
/// Where there is none that this version and this user can read.
pub fn read(directory: &Path, query: &Query) -> Result<Story, HistoryError> {
    let path = directory.join(file::NAME);
    std::fs::File::open(&path).map_err(|cause| HistoryError::unopenable(&path, cause))?;
    let failed = |cause| HistoryError::sqlite(&path, cause);
    // After an orderly end there is no log beside the file, and SQLite would make one to share it with other readers: told that
    // nobody writes, it leaves that. After a crash the newest passes are in the log, and it has to.
    let log = std::fs::metadata(format!("{}-wal", path.display()));
    let immutable = if log.is_ok_and(|log| log.len() > 0) { "" } else { "&immutable=1" };
    let uri =
        format!("file:{}?mode=ro{immutable}", utf8_percent_encode(&path.display().to_string(), SPECIAL));
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(uri, flags).map_err(failed)?;
    let version = schema::FORM.version(&connection).map_err(|why| HistoryError::unfit(&path, why))?;
    if version < schema::FORM.newest() {
        return Err(HistoryError::Foreign(path.display().to_string()));
    }
    Story::read(&connection, query).map_err(failed)
}
