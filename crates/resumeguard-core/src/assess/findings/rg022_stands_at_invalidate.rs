//! RG022: a restart from the stored token meets the end of the stream.

use super::{Case, Matched};
use crate::assess::collection::ended_since;
use crate::domain::{Severity, StreamEnd};

/// Matches a token of a drop, rename, dropDatabase or invalidate that ends a stream of this connector's scope: the
/// server answers a restart from it with another invalidate, and the connector opens again without a token. A position
/// from before the collection was dropped or renamed leads there as well.
pub(super) fn matches(case: &Case<'_>) -> Option<Matched> {
    let position = case.connector.position()?;
    let at_the_end = case.connector.settings.ends_at(position.ends);
    if !at_the_end && !ended_since(position, case.connector, case.facts, case.memory.behind()) {
        return None;
    }
    let summary = if at_the_end {
        let event = match position.ends {
            StreamEnd::OfCollection => "its collection was dropped or renamed",
            StreamEnd::OfDatabase => "its database was dropped",
            StreamEnd::Every | StreamEnd::None => "its stream was invalidated",
        };
        format!(
            "its stored position is the very event at which {event}: the next restart begins at that moment and skips what lies between"
        )
    } else {
        "its collection was dropped, renamed or created anew after its stored position: the next restart reads up to there, then begins at that moment and skips what lies between".to_owned()
    };
    Some(Matched {
        severity: Severity::Critical,
        summary,
        advice: "if the namespace exists again, let the running task see one event there before any restart; else set the position by hand".to_owned(),
    })
}
