//! Whose file it is, and in which version.

use rusqlite::{Connection, Transaction, TransactionBehavior};

/// The form of one kind of file.
#[derive(Debug)]
pub(crate) struct Form {
    /// Marks the file as ours.
    pub(crate) application_id: i32,
    /// What leads from one version to the next; the newest version is their number. A step that was released is never
    /// changed.
    pub(crate) steps: &'static [&'static str],
}

/// Why a file is none that this version can use.
#[derive(Debug)]
pub(crate) enum Unfit {
    /// A database of something else.
    Foreign,
    /// A newer version has written it.
    Newer(u32),
    /// It cannot be read or written.
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Unfit {
    fn from(cause: rusqlite::Error) -> Self {
        Self::Sqlite(cause)
    }
}

impl Form {
    /// Version of the newest schema.
    pub(crate) fn newest(&self) -> u32 {
        u32::try_from(self.steps.len()).unwrap_or(u32::MAX)
    }

    /// The file's schema; 0 for an empty one. Nothing is written.
    pub(crate) fn version(&self, connection: &Connection) -> Result<u32, Unfit> {
        let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
        let (application, found) = (pragma("application_id")?, pragma("user_version")?);
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if application != self.application_id && (tables > 0 || application != 0) {
            return Err(Unfit::Foreign);
        }
        let found = u32::try_from(found).unwrap_or(u32::MAX);
        if found > self.newest() {
            return Err(Unfit::Newer(found));
        }
        Ok(found)
    }

    /// Brings an older file up to date, by every step or none: a kill in between leaves the older version. `last` is done in
    /// the same transaction.
    pub(crate) fn upgrade(
        &self,
        connection: &mut Connection,
        version: u32,
        last: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for step in self.steps.iter().skip(usize::try_from(version).unwrap_or(usize::MAX)) {
            transaction.execute_batch(step)?;
        }
        transaction.pragma_update(None, "application_id", self.application_id)?;
        transaction.pragma_update(None, "user_version", self.newest())?;
        last(&transaction)?;
        transaction.commit()
    }
}
