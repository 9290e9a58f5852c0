//! All deployments: which connection strings lead to the same one, and what each is called.

use super::deployment::DeploymentReader;
use crate::clock::Clock;
use crate::sources::Access;
use futures_util::future::join_all;
use resumeguard_core::domain::DeploymentFacts;
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
    pub fn reconcile(&mut self, wanted: &[Access], now: Duration) {
        let mut unplaced: BTreeMap<&str, &Access> =
            wanted.iter().map(|access| (access.uri.expose(), access)).collect();
        for reader in &mut self.readers {
            reader.doubt(now);
            let mut kept = reader.accesses.clone();
            kept.retain(|access| {
                reader.is_led_to_by(access) && unplaced.remove(access.uri.expose()).is_some()
            });
            if kept.is_empty() {
                reader.accesses.clear();
            } else if kept.len() != reader.accesses.len() {
                reader.set_accesses(kept);
            }
        }
        self.readers.retain(|reader| !reader.accesses.is_empty());
        for access in unplaced.into_values() {
            self.place(access.clone(), now);
        }
        self.name_them();
    }

    /// A string with an address that is dialled already leads to the same server; any other is dialled first and joined
    /// once that is proven.
    fn place(&mut self, access: Access, now: Duration) {
        let hosts = access.hosts();
        let home = self.readers.iter_mut().find(|reader| {
            let named = access.set_name();
            let same_set =
                named.is_none() || reader.set_name().is_none() || named.as_deref() == reader.set_name();
            let led = reader.is_led_to_by(&access);
            led && same_set && compatible(reader.configured_name(), access.configured.as_deref())
        });
        match home {
            Some(reader) => reader.join(vec![access]),
            None => {
                let name = hosts.iter().cloned().collect::<Vec<_>>().join(",");
                self.readers.push(DeploymentReader::new(access, &name, self.sizes_every, now));
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
    ///
    /// `watched` are the namespaces of the connectors, by deployment.
    pub async fn read_optional(
        &mut self,
        clock: &Clock,
        watched: &BTreeMap<String, BTreeSet<String>>,
        deadline: Duration,
    ) {
        let none = BTreeSet::new();
        join_all(self.readers.iter_mut().map(|reader| {
            let namespaces = watched.get(&reader.meter.name).unwrap_or(&none);
            reader.read_optional(clock, namespaces, deadline)
        }))
        .await;
    }

    /// Strings that turned out to lead to the same set become one deployment: names of sets and hosts are no proof, a
    /// server process that both have reached is. Servers before 4.4 do not tell and stay apart.
    fn merge(&mut self) {
        // The one that has read longer keeps its connections.
        self.readers.sort_by_key(|reader| std::cmp::Reverse(reader.passes));
        let mut merged: Vec<DeploymentReader> = Vec::with_capacity(self.readers.len());
        for reader in self.readers.drain(..) {
            let twin = merged.iter_mut().find(|other| {
                other.set_name() == reader.set_name()
                    && !other.processes().is_disjoint(&reader.processes())
                    && compatible(other.configured_name(), reader.configured_name())
            });
            match twin {
                Some(twin) => twin.absorb(reader),
                None => merged.push(reader),
            }
        }
        self.readers = merged;
    }

    /// The configured name, else the set's, else the hosts of the string. Where two would be called the same, the one
    /// with the greater host carries it behind its name: names do not depend on the order in which sets were found.
    fn name_them(&mut self) {
        self.readers.sort_by_cached_key(|r| (r.configured_name().is_none(), r.smallest_host().to_owned()));
        let mut taken = BTreeSet::new();
        for reader in &mut self.readers {
            let hosts = || reader.accesses[0].hosts().into_iter().collect::<Vec<_>>().join(",");
            let own = reader.configured_name().or(reader.set_name()).map_or_else(hosts, str::to_owned);
            let apart = std::iter::once(own.clone())
                .chain(std::iter::once(format!("{own}@{}", reader.smallest_host())))
                .chain((2..).map(|number| format!("{own}@{}#{number}", reader.smallest_host())));
            let name = apart.into_iter().find(|name| !taken.contains(name)).unwrap_or(own);
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

/// Two names in the configuration are two deployments, whatever their hosts.
fn compatible(a: Option<&str>, b: Option<&str>) -> bool {
    a.is_none() || b.is_none() || a == b
}
