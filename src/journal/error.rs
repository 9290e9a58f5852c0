//! What can be wrong with the journal: one line each, with what to do. Each means that nothing may be done.

use super::schema;
use crate::database::{self, Unclaimed, Unfit};
use std::path::Path;
use std::time::Duration;

/// Why the journal cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file or its directory cannot be made or opened.
    #[error(
        "{path} cannot be opened: {cause}; make its directory writable for this user or set another recovery.directory"
    )]
    Unopenable {
        /// The file.
        path: String,
        /// What the system says.
        cause: std::io::Error,
    },
    /// Another process holds the lock.
    #[error(
        "another resumeguard keeps its journal in {0}: ask it instead, end it, or set another recovery.directory"
    )]
    InUse(String),
    /// A newer version has written it.
    #[error(
        "{path} has schema {found} and this version knows {known}: run the newer resumeguard or set another recovery.directory"
    )]
    Newer {
        /// The file.
        path: String,
        /// Its schema.
        found: u32,
        /// The newest that is known.
        known: u32,
    },
    /// A database of something else.
    #[error("{0} is a database of something else; set another recovery.directory")]
    Foreign(String),
    /// It was removed or replaced while it was in use, or another has written to it.
    #[error(
        "{0} was removed, replaced or written to by something else while in use; put it back and restart resumeguard"
    )]
    Changed(String),
    /// Its content is not what was written. It is left as it is: it says what was done, and what to put back.
    #[error(
        "{path} is damaged ({cause}); put a copy back, or look at what it tells (sqlite3 FILE .recover) and move it away: a new one is begun, and a freeze made by command or API goes with the old one"
    )]
    Damaged {
        /// The file.
        path: String,
        /// What showed it.
        cause: String,
    },
    /// An entry cannot be understood. It is not skipped: what follows depends on it.
    #[error(
        "{path}: entry {seq} cannot be read ({cause}); run the version that wrote it, put a copy of the file back, or move it away: a new one is begun, and a freeze made by command or API goes with the old one"
    )]
    Entry {
        /// The file.
        path: String,
        /// Number of the entry.
        seq: i64,
        /// What is wrong with it.
        cause: String,
    },
    /// Reading or writing failed.
    #[error("{path}: {cause}; {}", database::advice(.cause).unwrap_or("look at what else uses it"))]
    Sqlite {
        /// The file.
        path: String,
        /// What SQLite says.
        cause: rusqlite::Error,
    },
    /// The disk did not answer in time. The entry may have been written, or may still be.
    #[error("{path} was not answered for by its disk within {after:?}: look at the disk")]
    Stuck {
        /// The file.
        path: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// An entry whose writer had given up was written after all: what is to be written was decided without knowing it.
    #[error("an earlier entry was written late: look at the journal again before anything is added to it")]
    Late,
    /// It was closed, or its thread could not go on.
    #[error("the journal is closed: resumeguard is ending, or its log says why not")]
    Closed,
}

impl JournalError {
    pub(super) fn unclaimed(directory: &Path, why: Unclaimed) -> Self {
        match why {
            Unclaimed::InUse => Self::InUse(directory.display().to_string()),
            Unclaimed::Failed(cause) => {
                Self::Unopenable { path: directory.join(super::FILE).display().to_string(), cause }
            }
        }
    }

    pub(super) fn unfit(path: &Path, why: Unfit) -> Self {
        let path = path.display().to_string();
        match why {
            Unfit::Foreign => Self::Foreign(path),
            Unfit::Newer(found) => Self::Newer { path, found, known: schema::FORM.newest() },
            Unfit::Sqlite(cause) => Self::sqlite(Path::new(&path), cause),
        }
    }

    pub(super) fn sqlite(path: &Path, cause: rusqlite::Error) -> Self {
        let path = path.display().to_string();
        if database::is_damage(&cause) {
            return Self::Damaged { path, cause: cause.to_string() };
        }
        Self::Sqlite { path, cause }
    }

    pub(super) fn entry(path: &Path, seq: i64, cause: impl std::fmt::Display) -> Self {
        Self::Entry { path: path.display().to_string(), seq, cause: cause.to_string() }
    }
}
