//! Who stands behind a watched namespace: a stream ends where its collection is dropped or renamed, and a position from
//! before that leads to that end (RG022).

use crate::domain::{ConnectorFacts, Facts, Position, Timestamp};
use serde::{Deserialize, Serialize};

/// The collection that was last seen behind a connector's namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Behind {
    uuid: Option<[u8; 16]>,
    /// The deployment's newest entry when another was first seen there, or none any more.
    changed: Option<Timestamp>,
    /// The deployment's newest entry when this was read; unknown where an older version wrote it.
    #[serde(default)]
    read: Option<Timestamp>,
}

impl Behind {
    /// After one more reading; where there is none nothing is known to have changed.
    pub(crate) fn after(before: Option<Self>, connector: &ConnectorFacts, facts: &Facts) -> Option<Self> {
        let (Some(uuid), Some(newest)) = (seen(connector, facts), facts.newest_of(connector)) else {
            return before;
        };
        let known = before.and_then(|behind| behind.uuid);
        let replaced = known.is_some_and(|known| uuid != Some(known));
        let changed = if replaced { Some(newest) } else { before.and_then(|behind| behind.changed) };
        Some(Self { uuid, changed, read: Some(newest) })
    }
}

/// What was read: outer `None` where nothing was.
fn seen(connector: &ConnectorFacts, facts: &Facts) -> Option<Option<[u8; 16]>> {
    facts.deployment_of(connector)?.collections.get(&connector.settings.namespace).copied()
}

/// Whether the collection has been dropped or renamed since the position. An event's token names its collection; a mark
/// does not, and is compared with when the change was seen.
pub(crate) fn ended_since(
    position: &Position,
    connector: &ConnectorFacts,
    facts: &Facts,
    behind: Option<Behind>,
) -> bool {
    match (position.collection, seen(connector, facts)) {
        (Some(uuid), Some(now)) => now != Some(uuid),
        // What was seen stays true of a position from before it.
        (Some(uuid), None) => behind.is_some_and(|behind| {
            behind.uuid != Some(uuid) && behind.read.is_some_and(|read| position.time <= read)
        }),
        (None, _) => behind.and_then(|behind| behind.changed).is_some_and(|changed| position.time < changed),
    }
}
