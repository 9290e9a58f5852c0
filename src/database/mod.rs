//! What every SQLite file of ours has in common: a lock against a second process, an identity on the file system, a mark
//! that says whose it is, and versions of its tables.

mod claim;
mod form;

pub(crate) use claim::{Claim, Unclaimed};
pub(crate) use form::{Form, Unfit};

use rusqlite::ErrorCode;

/// What to do about an error that is the same for every file; `None` where that depends on the file.
pub(crate) fn advice(cause: &rusqlite::Error) -> Option<&'static str> {
    match cause.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Some("free space on its disk"),
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            Some("make the file and its directory writable for this user")
        }
        Some(ErrorCode::SystemIoFailure) => Some("look at its disk: is it full or failing?"),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Some("close whatever else has it open"),
        _ => None,
    }
}

/// Whether the content of the file is not what SQLite wrote.
pub(crate) fn is_damage(cause: &rusqlite::Error) -> bool {
    matches!(cause.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}
