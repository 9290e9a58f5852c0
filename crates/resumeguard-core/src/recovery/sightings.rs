//! In how many passes in a row the same trouble was seen.

use super::{Fingerprint, Trigger};
use crate::domain::ConnectorId;
use std::collections::BTreeMap;

/// One connector's trouble.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// Which.
    pub trigger: Trigger,
    /// With which stored text.
    pub token: Option<Fingerprint>,
    /// In so many passes in a row.
    pub passes: u32,
}

/// All of them. A restart begins anew: that can only delay an action.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sightings(BTreeMap<ConnectorId, Sighting>);

impl Sightings {
    /// Those of the next pass. What is not seen in it is forgotten: one pass without the trouble begins the count anew.
    #[must_use]
    pub fn after(&self, seen: impl IntoIterator<Item = (ConnectorId, Trigger, Option<Fingerprint>)>) -> Self {
        let next = seen.into_iter().map(|(id, trigger, token)| {
            let before = self.0.get(&id).filter(|known| known.trigger == trigger && known.token == token);
            let passes = before.map_or(1, |known| known.passes.saturating_add(1));
            (id, Sighting { trigger, token, passes })
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
