//! RG016: a copy of existing data is under way.

use super::{Case, Matched};
use crate::domain::{Severity, StoredOffset};

/// Matches while the stored position is the copy's. When the copy outlasts the oplog window, the token that was taken
/// at its beginning is gone before the stream starts; half a window is a warning.
pub(super) fn matches(case: &Case<'_>) -> Option<Matched> {
    if case.connector.offset != Ok(StoredOffset::Copying) {
        return None;
    }
    let copies_for = case.memory.copies_for(case.facts.newest_of(case.connector)).unwrap_or(0);
    let window = case.smallest_window();
    let long = window.is_some_and(|window| copies_for.saturating_mul(2) >= window && window > 0);
    Some(Matched {
        severity: if long { Severity::Warning } else { Severity::Info },
        summary: format!("existing data is being copied, seen for {copies_for} s; a restart copies all of it again"),
        advice: match long {
            true => "make the oplog larger now: the stream begins where the copy began, and that must still be there",
            false => "do not restart it until the copy has ended",
        }
        .to_owned(),
    })
}
