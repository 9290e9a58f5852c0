//! RG022: the stored token is that of an event at which the stream ended.

use super::{Case, Matched};
use crate::domain::{Severity, StoredOffset, StreamEnd};

/// Matches a token of a drop, rename, dropDatabase or invalidate that ends a stream of this connector's scope: the
/// server answers a restart from it with another invalidate, and the connector opens again without a token.
pub(super) fn matches(case: &Case<'_>) -> Option<Matched> {
    let Ok(StoredOffset::Token(position)) = &case.connector.offset else { return None };
    if !case.connector.settings.ends_at(position.ends) {
        return None;
    }
    let event = match position.ends {
        StreamEnd::OfCollection => "its collection was dropped or renamed",
        StreamEnd::OfDatabase => "its database was dropped",
        StreamEnd::Every | StreamEnd::None => "its stream was invalidated",
    };
    Some(Matched {
        severity: Severity::Critical,
        summary: format!("its stored position is the very event at which {event}: the next restart begins at that moment and skips what lies between"),
        advice: "if the namespace exists again, let the running task see one event there before any restart; else set the position by hand".to_owned(),
    })
}
