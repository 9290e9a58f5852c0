//! In how many passes in a row the same trouble was seen.

use super::{Fingerprint, Trigger};
use crate::domain::{ConnectorId, ConnectorState};
use std::collections::BTreeMap;

/// One connector's trouble.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// Which.
    pub trigger: Trigger,
    /// With which stored text.
    pub token: Option<Fingerprint>,
    /// In which state: where two passes differ, how it is meant to stand is not known.
    pub state: Option<ConnectorState>,
    /// In so many passes in a row.
    pub passes: u32,
}

/// All of them. A restart begins anew: that can only delay an action.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sightings(BTreeMap<ConnectorId, Sighting>);

impl Sightings {
    /// Those of the next pass. What is not seen in it is forgotten: one pass without the trouble begins the count anew.
    #[must_use]
    pub fn after(&self, seen: impl IntoIterator<Item = (ConnectorId, Sighting)>) -> Self {
        let next = seen.into_iter().map(|(id, now)| {
            let same = |known: &&Sighting| Sighting { passes: now.passes, ..(*known).clone() } == now;
            let before = self.0.get(&id).filter(same).map_or(0, |known| known.passes);
            (id, Sighting { passes: before.saturating_add(now.passes), ..now })
        });
        Self(next.collect())
    }

    /// In how many passes in a row this connector's present trouble was seen; 0 for one that is in none.
    #[must_use]
    pub fn passes(&self, id: &ConnectorId) -> u32 {
        self.0.get(id).map_or(0, |sighting| sighting.passes)
    }

    /// Its position is of no use any more.
    #[must_use]
    pub fn is_lost(&self, id: &ConnectorId) -> bool {
        self.0.get(id).is_some_and(|sighting| sighting.trigger.is_of_the_position())
    }

    /// Connectors of a cluster whose position is of no use any more.
    #[must_use]
    pub fn losses(&self, connect_cluster: &str) -> usize {
        let of_it = self.0.iter().filter(|(id, _)| id.connect_cluster == connect_cluster);
        of_it.filter(|(_, sighting)| sighting.trigger.is_of_the_position()).count()
    }
}
