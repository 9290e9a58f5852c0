//! What can be wrong with the file: one line each, with what to do.

use super::schema;
use crate::database::{self, Unclaimed, Unfit};
use std::path::Path;

/// Why the history cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The file or its directory cannot be made or opened.
    #[error(
        "{path} cannot be opened: {cause}; make its directory writable for this user or set another history.directory"
    )]
    Unopenable {
        /// The file.
        path: String,
        /// What the system says.
        cause: std::io::Error,
    },
    /// Another process holds the lock.
    #[error("another resumeguard keeps its history in {0}; give each a history.directory of its own")]
    InUse(String),
    /// A newer version has written it.
    #[error(
        "{path} has schema {found} and this version knows {known}: run the newer resumeguard or set another history.directory"
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
    #[error("{0} is a database of something else; set another history.directory")]
    Foreign(String),
    /// It was removed or replaced while it was in use.
    #[error("{0} was removed or replaced while in use; a new one is begun at the next pass")]
    Vanished(String),
    /// It was damaged.
    #[error("{path} was damaged ({cause}) and is {}; a new one is begun at the next pass", kept(.aside.as_deref()))]
    Damaged {
        /// The file.
        path: String,
        /// Where it is now, if it could be moved.
        aside: Option<String>,
        /// What showed it.
        cause: rusqlite::Error,
    },
    /// Reading or writing failed.
    #[error("{path}: {cause}; {}", advice(.cause))]
    Sqlite {
        /// The file.
        path: String,
        /// What SQLite says.
        cause: rusqlite::Error,
    },
}

impl HistoryError {
    pub(super) fn unopenable(path: &Path, cause: std::io::Error) -> Self {
        Self::Unopenable { path: path.display().to_string(), cause }
    }

    pub(super) fn sqlite(path: &Path, cause: rusqlite::Error) -> Self {
        Self::Sqlite { path: path.display().to_string(), cause }
    }

    /// The content of the file is not what SQLite wrote.
    pub(super) fn is_damage(&self) -> bool {
        matches!(self, Self::Sqlite { cause, .. } if database::is_damage(cause))
    }

    pub(super) fn unclaimed(directory: &Path, why: Unclaimed) -> Self {
        match why {
            Unclaimed::InUse => Self::InUse(directory.display().to_string()),
            Unclaimed::Failed(cause) => Self::unopenable(&directory.join(super::file::NAME), cause),
        }
    }

    pub(super) fn unfit(path: &Path, why: Unfit) -> Self {
        let known = schema::FORM.newest();
        match why {
            Unfit::Foreign => Self::Foreign(path.display().to_string()),
            Unfit::Newer(found) => Self::Newer { path: path.display().to_string(), found, known },
            Unfit::Sqlite(cause) => Self::sqlite(path, cause),
        }
    }
}

fn kept(aside: Option<&str>) -> String {
    aside.map_or_else(
        || "left where it is: it could not be moved".to_owned(),
        |aside| format!("kept as {aside}"),
    )
}

fn advice(cause: &rusqlite::Error) -> &'static str {
    database::advice(cause).unwrap_or("if that stays, move it away: a new one is begun")
}
