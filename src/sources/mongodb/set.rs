//! All deployments: which connection strings lead to the same one, and what each is called.

use super::deployment::DeploymentReader;
use super::with_port;
use crate::clock::Clock;
use crate::sources::Access;
use futures_util::future::join_all;
use resumeguard_core::domain::{ConnectionString, DeploymentFacts};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Reads every deployment that a connector or the configuration names.
#[derive(Debug)]
pub struct Deployments {
    readers: Vec<DeploymentReader>,
    sizes_every: Duration,
}

impl Deployments {
    /// No deployment yet.
    #[must_use]
    pub fn new(sizes_every: Duration) -> Self {
        Self { readers: Vec::new(), sizes_every }
    }

    /// Follows what is wanted now: new connection strings join the deployment they lead to, those that nobody wants
    /// any more are left.
    pub fn reconcile(&mut self, wanted: &[Access]) {
        let mut unplaced: BTreeMap<&str, &Access> = BTreeMap::new();
        for access in wanted {
            unplaced.insert(access.uri.expose(), access);
        }
        for reader in &mut self.readers {
            let before = reader.accesses.len();
            let mut kept = reader.accesses.clone();
            kept.retain(|access| unplaced.remove(access.uri.expose()).is_some());
            if kept.len() != before && !kept.is_empty() {
                reader.set_accesses(kept);
            } else if kept.is_empty() {
                reader.accesses.clear();
            }
        }
        self.readers.retain(|reader| !reader.accesses.is_empty());
        for access in unplaced.into_values() {
            self.place(access.clone());
        }
        self.name_them();
    }

    /// A string whose hosts are known already needs no connection of its own to be recognised.
    fn place(&mut self, access: Access) {
        let hosts = hosts_of(&access);
        let home = self.readers.iter_mut().find(|reader| {
            let known = reader.hosts();
            let reaches = hosts.iter().any(|host| known.contains(host.as_str()));
            reaches && compatible(reader.configured_name(), access.configured.as_deref())
        });
        match home {
            Some(reader) => join(reader, vec![access]),
            None => {
                let name = access
                    .configured
                    .clone()
                    .unwrap_or_else(|| hosts.iter().cloned().collect::<Vec<_>>().join(","));
                self.readers.push(DeploymentReader::new(access, &name, self.sizes_every));
            }
        }
    }

    /// The opening phase of a pass.
    pub async fn read_first(&mut self, clock: &Clock, deadline: Duration) {
        join_all(self.readers.iter_mut().map(|reader| reader.read_first(clock, deadline))).await;
        self.merge();
        self.name_them();
    }

    /// The closing phase of a pass.
    pub async fn read_last(&mut self, clock: &Clock, deadline: Duration) {
        join_all(self.readers.iter_mut().map(|reader| reader.read_last(clock, deadline))).await;
    }

    /// The slow lane; what is due is read after everything that a verdict needs.
    pub async fn read_sizes(&mut self, clock: &Clock, deadline: Duration) {
        join_all(self.readers.iter_mut().map(|reader| reader.read_sizes(clock, deadline))).await;
    }

    /// Strings that turned out to lead to the same set become one deployment.
    fn merge(&mut self) {
        let mut merged: Vec<DeploymentReader> = Vec::with_capacity(self.readers.len());
        for reader in self.readers.drain(..) {
            let twin = merged.iter_mut().find(|other| {
                let shared = !other.hosts().is_disjoint(&reader.hosts());
                shared
                    && other.set_name() == reader.set_name()
                    && compatible(other.configured_name(), reader.configured_name())
            });
            match twin {
                Some(twin) => join(twin, reader.accesses),
                None => merged.push(reader),
            }
        }
        self.readers = merged;
    }

    /// The configured name, else the set's; where two sets share theirs, all but the first are told apart by a host.
    fn name_them(&mut self) {
        let mut taken = BTreeSet::new();
        for reader in &mut self.readers {
            let own = reader.configured_name().or(reader.set_name()).map(str::to_owned);
            let Some(own) = own else { continue };
            let name = if taken.contains(&own) {
                format!("{own}@{}", reader.hosts().first().copied().unwrap_or_default())
            } else {
                own
            };
            taken.insert(name.clone());
            reader.meter.name = name;
        }
    }

    /// Every reader.
    #[must_use]
    pub fn readers(&self) -> &[DeploymentReader] {
        &self.readers
    }

    /// Name of the deployment that a connection string leads to.
    #[must_use]
    pub fn name_of(&self, access: &Access) -> Option<&str> {
        let leads = |reader: &&DeploymentReader| {
            reader.accesses.iter().any(|a| a.uri.expose() == access.uri.expose())
        };
        self.readers.iter().find(leads).map(|reader| reader.meter.name.as_str())
    }

    /// What this pass has seen, by deployment.
    #[must_use]
    pub fn facts(&self) -> BTreeMap<String, DeploymentFacts> {
        self.readers.iter().map(|reader| (reader.meter.name.clone(), reader.facts())).collect()
    }
}

/// Configured strings come first: they are meant for reading.
fn join(reader: &mut DeploymentReader, more: Vec<Access>) {
    let mut accesses = reader.accesses.clone();
    accesses.extend(more);
    accesses.sort_by_key(|access| access.configured.is_none());
    reader.set_accesses(accesses);
}

/// Two names in the configuration are two deployments, whatever their hosts.
fn compatible(a: Option<&str>, b: Option<&str>) -> bool {
    a.is_none() || b.is_none() || a == b
}

fn hosts_of(access: &Access) -> BTreeSet<String> {
    let parsed = ConnectionString::parse(access.uri.expose());
    let hosts = parsed.as_ref().ok().and_then(|parsed| parsed.hosts().ok()).unwrap_or_default();
    hosts.iter().map(|host| with_port(host)).collect()
}
