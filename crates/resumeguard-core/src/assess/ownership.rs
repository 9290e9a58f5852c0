//! Whose the one stream on a namespace is. Being the only one is no proof: an application, or a person with `watch()`,
//! may watch the same collection while the connector has no stream at all.

#[cfg(test)]
mod tests;

use super::evidence::Living;
use crate::domain::{ChangeStream, ConnectorFacts, StoredOffset, StreamStart, Timestamp, Why};
use serde::{Deserialize, Serialize};

/// A task that starts opens its stream within this time; milliseconds between Kafka's clock and the server's.
const WITH_THE_TASK: u64 = 10_000;

/// Before every position: what stands under a key where nothing is stored.
const NOWHERE: Timestamp = Timestamp { t: 0, i: 0 };

/// What links a stream to a connector, from pass to pass. Streams are known by the moment of their creation,
/// milliseconds since 1970 by the server's clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Ownership {
    proven: Option<i64>,
    alone: Option<Alone>,
}

/// A stream that has been the only one since it was seen first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Alone {
    created_ms: i64,
    /// Where the position stood when it was first read since.
    stood: Option<Timestamp>,
}

/// What else is known when a stream is seen.
pub(super) struct Signs {
    /// The position that was read last.
    pub(super) stood: Option<Timestamp>,
    /// The stream was not there in the last pass, which saw what was there.
    pub(super) fresh: bool,
    /// The stream was opened since the last pass, and so was the task started.
    pub(super) opened_with_the_task: bool,
    /// Passes in a row in which no task could run.
    pub(super) at_rest: u32,
}

impl Ownership {
    /// Whether this one is the connector's beyond doubt.
    pub(crate) fn of(self, created_ms: i64) -> bool {
        self.proven == Some(created_ms)
    }

    /// The same for the one that is seen.
    pub(crate) fn proves(self, living: Living<'_>) -> bool {
        matches!(living, Living::One(stream) if self.of(stream.created_ms))
    }

    /// After one more pass.
    pub(super) fn after(self, living: Living<'_>, connector: &ConnectorFacts, signs: &Signs) -> Self {
        if signs.at_rest >= 2 {
            // A stream that lives on without its task is another's.
            return Self::default();
        }
        let Living::One(stream) = living else {
            return Self { alone: None, ..self };
        };
        let read = connector.offset_age.is_zero();
        let stands = match &connector.offset {
            Ok(StoredOffset::Token(position)) if read => Some(position.time),
            Err(Why::NoPosition) if read => Some(NOWHERE),
            _ => None,
        };
        let same = self.alone.filter(|alone| alone.created_ms == stream.created_ms);
        let before = same.and_then(|alone| alone.stood).or(signs.stood.filter(|_| signs.fresh));
        let advanced = before
            .zip(stands)
            .is_some_and(|(stood, stands)| stood < stands && i64::from(stands.t) >= stream.created_seconds());
        let linked = advanced
            || signs.opened_with_the_task
            || from_a_stored_position(stream, signs.stood, stands)
            || began_with_a_task(stream, connector);
        let proven = if linked && connector.is_running() { Some(stream.created_ms) } else { self.proven };
        let stood = same.and_then(|alone| alone.stood).or(stands);
        Self { proven, alone: Some(Alone { created_ms: stream.created_ms, stood }) }
    }
}

fn from_a_stored_position(
    stream: &ChangeStream,
    stood: Option<Timestamp>,
    stands: Option<Timestamp>,
) -> bool {
    matches!(stream.start, StreamStart::After(token) if [stood, stands].contains(&Some(token)))
}

/// By the status topic.
fn began_with_a_task(stream: &ChangeStream, connector: &ConnectorFacts) -> bool {
    let started = connector.tasks.iter().filter_map(|task| task.started);
    started.into_iter().any(|started| started.abs_diff(stream.created_ms) <= WITH_THE_TASK)
}
