//! The ways into one deployment: which connection strings lead to it, and which of them is used.

use super::commands::ReadError;
use super::deployment::{DeploymentReader, RESOLVE_EVERY};
use super::member::{FirstReading, Member};
use crate::sources::Access;
use std::collections::BTreeMap;
use std::time::Duration;

type First = Result<FirstReading, ReadError>;

/// Once every access was refused, another is tried this often: a refused login must not become a habit.
const REFUSED_PASSES: u32 = 20;

impl DeploymentReader {
    pub(super) fn configured_name(&self) -> Option<&str> {
        self.accesses.iter().find_map(|access| access.configured.as_deref())
    }

    /// Whether a string leads to what this reader dials: from this machine an address leads to one server only.
    pub(super) fn is_led_to_by(&self, access: &Access) -> bool {
        let dials = |host: &String| {
            self.seeds.contains(host)
                || self.members.contains_key(host)
                || self.leads_to.contains_key(host)
                || self.proven.contains(host)
        };
        let active = self.accesses.get(self.active).is_some_and(|own| own.key() == access.key());
        active || access.hosts().iter().any(dials)
    }

    /// Every address that it dials, or that is known to lead to it.
    pub(super) fn dialled(&self) -> impl Iterator<Item = &String> {
        let found = self.members.keys().chain(self.leads_to.keys());
        let all: std::collections::BTreeSet<&String> =
            self.seeds.iter().chain(found).chain(&self.proven).collect();
        all.into_iter()
    }

    /// Whether any oplog could be read in this pass by the way in use.
    pub(super) fn can_read(&self) -> bool {
        self.first.values().flatten().any(|reading| reading.first.is_ok())
    }

    /// Takes over what another reader of the same set has found out, and its ways in.
    pub(super) fn absorb(&mut self, other: Self) {
        self.passes = self.passes.max(other.passes);
        self.proven.extend(other.accesses.iter().flat_map(Access::hosts));
        if let Some(way) = other.accesses.get(other.active) {
            self.adopt(other.members, other.first, way);
        }
        self.leads_to.extend(other.leads_to);
        self.join(other.accesses);
    }

    /// Members that the set does not name to clients, and that a string leads to: nobody else would dial them. They are taken over as they
    /// were dialled: credentials of one string are not shown to the hosts of another. One that may not be read is taken over too, and says so.
    fn adopt(&mut self, members: BTreeMap<String, Member>, mut first: BTreeMap<String, First>, way: &Access) {
        for (address, member) in members {
            let Some(Ok(reading)) = first.remove(&address) else { continue };
            let me = reading.hello.me.as_ref().unwrap_or(&address);
            let is_known = self.members.contains_key(me) || self.leads_to.values().any(|known| known == me);
            if !is_known && !self.members.contains_key(&address) {
                self.leads_to.insert(address.clone(), me.clone());
                self.first.insert(address.clone(), Ok(reading));
                self.adopted.insert(address.clone(), way.clone());
                self.members.insert(address, member);
            }
        }
    }

    /// Whether the way by which a member was taken over is one of ours still: with another password it is another way.
    pub(super) fn is_adopted_still(&self, address: &str) -> bool {
        let way = self.adopted.get(address);
        way.is_some_and(|way| self.accesses.iter().any(|access| access.key() == way.key()))
    }

    /// A member is given up; a string that leads to it is to be dialled again.
    pub(super) fn disown(&mut self, address: &str) {
        if let Some(way) = self.adopted.remove(address) {
            self.leads_to.remove(address);
            let hosts = way.hosts();
            self.proven.retain(|host| !hosts.contains(host));
        }
    }

    /// One more way in. Configured ones come first: they are meant for reading.
    pub(super) fn join(&mut self, more: Vec<Access>) {
        let mut accesses = self.accesses.clone();
        accesses.extend(more);
        accesses.sort_by_key(|access| access.configured.is_none());
        self.set_accesses(accesses);
    }

    /// What was proven some time ago has to be proven again: a name may have come to lead elsewhere.
    pub(super) fn doubt(&mut self, now: Duration) {
        if now.saturating_sub(self.proven_at) >= RESOLVE_EVERY {
            self.proven_at = now;
            self.proven.clear();
            self.leads_to.retain(|address, _| self.members.contains_key(address));
        }
    }

    /// Another connector's credentials may be allowed what these are not: once round, then now and then.
    pub(super) fn next_access(&mut self) {
        let round = u32::try_from(self.accesses.len()).unwrap_or(u32::MAX);
        if self.refused_passes < round || self.refused_passes.is_multiple_of(REFUSED_PASSES) {
            self.active = (self.active + 1) % self.accesses.len();
            self.starts_over = true;
        }
    }

    pub(super) fn forget(&mut self) {
        self.options = None;
        self.resolved_at = None;
        self.seeds = self.accesses[self.active].hosts();
        self.members.clear();
        self.adopted.clear();
        self.leads_to.clear();
        // It was proven of what was dialled until now: strings that lead to somebody else in the set are to be dialled again.
        self.proven.clear();
        self.view = None;
    }

    pub(super) fn set_accesses(&mut self, accesses: Vec<Access>) {
        let active = self.accesses.get(self.active).map(|access| access.key().to_owned());
        let kept = accesses.iter().position(|access| Some(access.key()) == active.as_deref());
        // One that is meant for reading is preferred to a connector's own.
        let better = accesses.first().is_some_and(|access| access.configured.is_some());
        self.accesses = accesses;
        match kept {
            Some(at) if at == 0 || !better || self.refused_passes > 0 => self.active = at,
            _ => {
                self.active = 0;
                self.starts_over = true;
            }
        }
    }
}
