//! All deployments: which connection strings lead to the same one, and what each is called.

use super::deployment::DeploymentReader;
use crate::clock::Clock;
use crate::sources::Access;
use futures_util::future::join_all;
use resumeguard_core::domain::DeploymentFacts;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// Reads every deployment that a connector or the configuration names.
#[derive(Debug)]
pub struct Deployments {
    readers: Vec<DeploymentReader>,
    /// Made whenever the readers are named.
    leads_to: LeadsTo,
    sizes_every: Duration,
}

/// The reader that a connection string leads to. Strings hold passwords: nobody prints them.
#[derive(Default)]
struct LeadsTo(HashMap<String, usize>);

impl std::fmt::Debug for LeadsTo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} connection strings", self.0.len())
    }
}

impl Deployments {
    /// No deployment yet.
    #[must_use]
    pub fn new(sizes_every: Duration) -> Self {
        Self { readers: Vec::new(), leads_to: LeadsTo::default(), sizes_every }
    }

    /// Sizes are read at another interval from now on.
    pub fn reconfigure(&mut self, sizes_every: Duration) {
        self.sizes_every = sizes_every;
        self.readers.iter_mut().for_each(|reader| reader.sizes_every = sizes_every);
    }

    /// Follows what is wanted now: new connection strings join the deployment they lead to, those that nobody wants
    /// any more are left.
    pub fn reconcile(&mut self, wanted: &[Access], now: Duration) {
        let mut unplaced: BTreeMap<&str, &Access> =
            wanted.iter().map(|access| (access.key(), access)).collect();
        for reader in &mut self.readers {
            reader.doubt(now);
            let mut kept = reader.accesses.clone();
            kept.retain(|access| reader.is_led_to_by(access) && unplaced.remove(access.key()).is_some());
            if kept.is_empty() {
                reader.accesses.clear();
            } else if kept.len() != reader.accesses.len() {
                reader.set_accesses(kept);
            }
        }
        self.readers.retain(|reader| !reader.accesses.is_empty());
        let unplaced: Vec<Access> = unplaced.into_values().cloned().collect();
        if !unplaced.is_empty() {
            self.place(unplaced, now);
        }
        self.name_them();
    }

    /// A string with an address that is dialled already leads to the same server; any other is dialled first and joined
    /// once that is proven. However many there are, each is looked up once, and each deployment takes its own at once.
    fn place(&mut self, unplaced: Vec<Access>, now: Duration) {
        let mut homes: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, reader) in self.readers.iter().enumerate() {
            reader.dialled().for_each(|host| homes.entry(host.clone()).or_default().push(at));
        }
        let mut names: Vec<Option<String>> =
            self.readers.iter().map(|reader| reader.configured_name().map(str::to_owned)).collect();
        let mut joining: BTreeMap<usize, Vec<Access>> = BTreeMap::new();
        for access in unplaced {
            let (hosts, named) = (access.hosts(), access.set_name());
            let led: BTreeSet<usize> =
                hosts.iter().filter_map(|host| homes.get(host)).flatten().copied().collect();
            let home = led.into_iter().find(|at| {
                let set = self.readers[*at].set_name();
                let same_set = named.is_none() || set.is_none() || named.as_deref() == set;
                same_set && compatible(names[*at].as_deref(), access.configured.as_deref())
            });
            if let Some(at) = home {
                names[at] = names[at].take().or_else(|| access.configured.clone());
                joining.entry(at).or_default().push(access);
            } else {
                let name = hosts.iter().cloned().collect::<Vec<_>>().join(",");
                names.push(access.configured.clone());
                for host in hosts {
                    homes.entry(host).or_default().push(self.readers.len());
                }
                self.readers.push(DeploymentReader::new(access, &name, self.sizes_every, now));
            }
        }
        for (at, more) in joining {
            self.readers[at].join(more);
        }
    }

    /// The opening phase of a pass.
    pub async fn read_first(&mut self, clock: &Clock, deadline: Duration) {
        join_all(self.readers.iter_mut().map(|reader| reader.read_first(clock, deadline))).await;
        self.merge();
        self.name_them();
        self.look_for_strangers();
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
        // The one that has read longer keeps its connections, unless it may not read.
        self.readers.sort_by_key(|reader| std::cmp::Reverse((reader.can_read(), reader.passes)));
        let mut merged: Vec<DeploymentReader> = Vec::with_capacity(self.readers.len());
        // Who has reached a process already: however many there are, each is looked up and not compared with all others.
        let mut reached: HashMap<String, Vec<usize>> = HashMap::new();
        for reader in self.readers.drain(..) {
            let processes: Vec<String> = reader.processes().into_iter().map(str::to_owned).collect();
            let others: BTreeSet<usize> =
                processes.iter().filter_map(|process| reached.get(process)).flatten().copied().collect();
            let twin = others.into_iter().find(|at| {
                let other = &merged[*at];
                other.set_name() == reader.set_name()
                    && compatible(other.configured_name(), reader.configured_name())
            });
            let at = twin.unwrap_or(merged.len());
            for process in processes {
                reached.entry(process).or_default().push(at);
            }
            match twin {
                Some(at) => merged[at].absorb(reader),
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
        self.leads_to = LeadsTo::default();
        for (at, reader) in self.readers.iter().enumerate() {
            for access in &reader.accesses {
                self.leads_to.0.entry(access.key().to_owned()).or_insert(at);
            }
        }
    }

    pub(super) fn readers_mut(&mut self) -> &mut [DeploymentReader] {
        &mut self.readers
    }

    /// Every reader.
    #[must_use]
    pub fn readers(&self) -> &[DeploymentReader] {
        &self.readers
    }

    /// Name of the deployment that a connection string leads to.
    #[must_use]
    pub fn name_of(&self, access: &Access) -> Option<&str> {
        let at = self.leads_to.0.get(access.key())?;
        self.readers.get(*at).map(|reader| reader.meter.name.as_str())
    }

    /// What this pass has seen, by deployment.
    #[must_use]
    pub fn facts(&self) -> BTreeMap<String, DeploymentFacts> {
        let whole = self.readers.iter().filter(|reader| reader.shard().is_none());
        whole.map(|reader| (reader.meter.name.clone(), self.facts_of(reader))).collect()
    }
}

/// Two names in the configuration are two deployments, whatever their hosts.
fn compatible(a: Option<&str>, b: Option<&str>) -> bool {
    a.is_none() || b.is_none() || a == b
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn access(user: usize, hosts: &str, configured: Option<&str>) -> Access {
        let uri = Secret::from(format!("mongodb://user{user}:pw{user}@{hosts}/?appName=a{user}"));
        let mut access = Access::of_a_stranger(uri, None);
        access.configured = configured.map(str::to_owned);
        access
    }

    #[test]
    fn strings_with_a_host_in_common_are_one_deployment() {
        let mut deployments = Deployments::new(Duration::from_secs(60));
        let wanted = [
            access(1, "a:1,b:1", None),
            access(2, "b:1,c:1", None),
            access(3, "d:1", None),
            access(4, "b:1", Some("orders")),
            access(5, "a:1", Some("billing")),
        ];
        deployments.reconcile(&wanted, Duration::ZERO);
        let names = || wanted.iter().map(|access| deployments.name_of(access)).collect::<Vec<_>>();
        assert_eq!(names(), [Some("orders"), Some("orders"), Some("d:1"), Some("orders"), Some("billing")]);
        assert_eq!(deployments.name_of(&access(6, "a:1", None)), None, "nobody wants it");
        assert!(!format!("{deployments:?}").contains("pw1"));
    }

    /// Every connector with a user of its own. What looks each up among all the others does not come to an end with these.
    #[test]
    fn many_strings_are_placed_in_time() {
        for hosts in [|_: usize| "a:1,b:1".to_owned(), |n: usize| format!("h{n}:1")] {
            let wanted: Vec<Access> = (0..20_000).map(|n| access(n, &hosts(n), None)).collect();
            let mut deployments = Deployments::new(Duration::from_secs(60));
            for pass in 0..3 {
                deployments.reconcile(&wanted, Duration::from_secs(pass));
                assert!(wanted.iter().all(|access| deployments.name_of(access).is_some()));
            }
        }
    }
}
