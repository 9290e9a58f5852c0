//! One pass over every source, in the order that makes a loss certain: list, `first`, positions, `last` (J1).

use super::connect::{ConnectReader, Listed, MONGO_SOURCE};
use super::mongodb::Deployments;
use super::prober::{Prober, Subject};
use super::rotation::Rotation;
use super::{Access, AccessRules, Meter};
use crate::clock::Clock;
use crate::config::Config;
use futures_util::future::join_all;
use resumeguard_core::assess::STALE_INTERVALS;
use resumeguard_core::domain::{
    ConnectionString, ConnectorFacts, ConnectorId, DEBEZIUM_SOURCE, Facts, LiveKey, LiveKeyQuery, Observed,
    OffsetsFrom, Selection, Settings, StoredEntry, StoredOffset, Why, connection_uri, major_and_minor,
    pick_live, pick_live_of_debezium,
};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// Reads the world.
#[derive(Debug)]
pub struct Observer {
    pub(super) connects: Vec<ConnectReader>,
    pub(super) deployments: Deployments,
    rules: AccessRules,
    configured: Vec<Access>,
    rotation: Rotation,
    interval: Duration,
    /// Connectors of clusters that could be read once: they keep their names while theirs cannot.
    pub(super) known: BTreeMap<ConnectorId, ConnectorFacts>,
    /// `None` where it is switched off.
    pub(super) prober: Option<Prober>,
}

/// Shares of the interval that each phase may use; together less than all of it.
struct Budget {
    listing: Duration,
    first: Duration,
    offsets: Duration,
    last: Duration,
    sizes: Duration,
}

impl Budget {
    fn of(interval: Duration) -> Self {
        let share = |tenths: f64| interval.mul_f64(tenths / 10.0);
        Self {
            listing: share(2.5),
            first: share(1.5),
            offsets: share(3.0),
            last: share(1.5),
            sizes: share(1.0),
        }
    }
}

impl Observer {
    /// An observer that has seen nothing.
    ///
    /// # Errors
    /// Where no HTTP client can be made.
    pub fn new(config: &Config) -> Result<Self, super::connect::ConnectError> {
        Ok(Self {
            connects: config
                .connect
                .iter()
                .map(|c| ConnectReader::new(c, &config.poll))
                .collect::<Result<_, _>>()?,
            deployments: Deployments::new(config.poll.sizes_every),
            rules: AccessRules::new(config),
            configured: config.mongodb.iter().flat_map(Access::configured).collect(),
            rotation: Rotation::new(config),
            interval: config.poll.interval,
            known: BTreeMap::new(),
            prober: config.poll.probe.then(|| Prober::new(config.poll.interval)),
        })
    }

    /// Reads by another configuration from the next pass on. What is configured as before goes on as it was: a topic that has been
    /// read is not read again, and what a Connect that is away has listed stays known.
    ///
    /// # Errors
    /// Where no HTTP client can be made; then nothing has changed.
    pub fn reconfigure(&mut self, config: &Config) -> Result<(), super::connect::ConnectError> {
        let new: Vec<Option<ConnectReader>> = config
            .connect
            .iter()
            .map(|cluster| {
                let as_before = self.connects.iter().any(|connect| connect.is_of(cluster, &config.poll));
                (!as_before).then(|| ConnectReader::new(cluster, &config.poll)).transpose()
            })
            .collect::<Result<_, _>>()?;
        let mut before: HashMap<String, ConnectReader> = std::mem::take(&mut self.connects)
            .into_iter()
            .map(|connect| (connect.name().to_owned(), connect))
            .collect();
        let kept = config.connect.iter().zip(new);
        self.connects =
            kept.filter_map(|(cluster, new)| new.or_else(|| before.remove(&cluster.name))).collect();
        self.deployments.reconfigure(config.poll.sizes_every);
        self.rules = AccessRules::new(config);
        self.configured = config.mongodb.iter().flat_map(Access::configured).collect();
        self.rotation = Rotation::new(config);
        if config.poll.interval != self.interval || config.poll.probe != self.prober.is_some() {
            self.prober = config.poll.probe.then(|| Prober::new(config.poll.interval));
        }
        self.interval = config.poll.interval;
        Ok(())
    }

    /// Knows a connector of a worker that may be down, by what was written down of it before it went down.
    pub fn assume(&mut self, id: &ConnectorId, config: &BTreeMap<String, String>) {
        let of_it = self.connects.iter_mut().find(|connect| connect.name() == id.connect_cluster);
        if let Some(connect) = of_it.filter(|connect| connect.worker().is_some()) {
            connect.assume(&id.connector, config);
        }
    }

    /// One pass. It ends within the interval, whatever the sources do.
    pub async fn observe(&mut self, clock: &Clock) -> Facts {
        let budget = Budget::of(self.interval);
        self.take_over_what_was_rotated().await;
        join_all(self.connects.iter_mut().map(|connect| connect.list(clock, budget.listing))).await;
        let accesses = self.accesses();
        let wanted: Vec<Access> = self
            .configured
            .iter()
            .chain(accesses.values().filter_map(|a| a.as_ref().ok()))
            .cloned()
            .collect();
        self.deployments.reconcile(&wanted, clock.uptime());
        self.deployments.read_first(clock, budget.first).await;
        join_all(self.connects.iter_mut().map(|connect| connect.read_offsets(clock, budget.offsets))).await;
        self.deployments.read_last(clock, budget.last).await;
        let watched = self.watched(&accesses);
        self.deployments.read_optional(clock, &watched, budget.sizes).await;
        self.facts(clock, &accesses)
    }

    async fn take_over_what_was_rotated(&mut self) {
        let Some(read) = self.rotation.turn().await else { return };
        for (name, credentials) in read.connects {
            self.connects.iter().filter(|c| c.name() == name).for_each(|c| c.client().adopt(&credentials));
        }
        self.configured = read.deployments.iter().flat_map(Access::configured).collect();
        self.rules.adopt(&read.deployments);
    }

    /// The way into a connector's deployment.
    pub(super) fn access(&self, id: &ConnectorId, listed: &Listed) -> Observed<Access> {
        self.rules.access(id, &uri_of(listed))
    }

    /// The way into the deployment of every connector that is listed.
    fn accesses(&self) -> BTreeMap<ConnectorId, Observed<Access>> {
        let listed = self.connects.iter().flat_map(|c| c.listed().iter().map(move |l| (c.name(), l)));
        listed
            .map(|(cluster, listed)| {
                let id = ConnectorId::new(cluster, &listed.name);
                let access = self.access(&id, listed);
                (id, access)
            })
            .collect()
    }

    /// Namespaces of single collections, by deployment.
    fn watched(
        &self,
        accesses: &BTreeMap<ConnectorId, Observed<Access>>,
    ) -> BTreeMap<String, BTreeSet<String>> {
        let mut watched: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (cluster, listed) in
            self.connects.iter().flat_map(|c| c.listed().iter().map(move |l| (c.name(), l)))
        {
            let access = accesses.get(&ConnectorId::new(cluster, &listed.name)).and_then(|a| a.as_ref().ok());
            let Some(deployment) = access.and_then(|access| self.deployments.name_of(access)) else {
                continue;
            };
            let namespace = Settings::from_config(&listed.config).namespace;
            if namespace.contains('.') && !namespace.contains("${") {
                watched.entry(deployment.to_owned()).or_default().insert(namespace);
            }
        }
        watched
    }

    fn facts(&mut self, clock: &Clock, accesses: &BTreeMap<ConnectorId, Observed<Access>>) -> Facts {
        let names: BTreeSet<&str> =
            self.deployments.readers().iter().map(|r| r.meter.name.as_str()).collect();
        if let Some(prober) = &mut self.prober {
            prober.collect(clock, &names);
        }
        let mut connectors = Vec::new();
        for connect in &self.connects {
            if connect.is_readable() {
                connectors.extend(
                    connect.listed().iter().map(|listed| self.connector(clock, connect, listed, accesses)),
                );
            } else if connect.offsets().stands_beside() {
                connectors.extend(self.beside(clock, connect, accesses));
            } else {
                let of_this = self.known.iter().filter(|(id, _)| id.connect_cluster == connect.name());
                connectors.extend(of_this.map(|(_, facts)| facts.unreadable()));
            }
        }
        if let Some(prober) = &mut self.prober {
            let ids: BTreeSet<&ConnectorId> = connectors.iter().map(|facts| &facts.id).collect();
            prober.keep_only(|id| ids.contains(id));
        }
        self.known = connectors.iter().map(|facts| (facts.id.clone(), facts.clone())).collect();
        Facts {
            connectors,
            deployments: self.deployments.facts(),
            sources: self.meters().map(Meter::facts).collect(),
            interval: self.interval,
        }
    }

    /// Connectors of a cluster that cannot be read, and whose positions can: those that were listed last, and those that were
    /// never listed and have a position nevertheless.
    fn beside(
        &self,
        clock: &Clock,
        connect: &ConnectReader,
        accesses: &BTreeMap<ConnectorId, Observed<Access>>,
    ) -> Vec<ConnectorFacts> {
        let listed = connect.listed();
        let known = listed.iter().map(|listed| self.connector(clock, connect, listed, accesses).beside());
        let others = connect.offsets().names_in_file().filter(|name| listed.iter().all(|l| l.name != *name));
        let never_listed = others.map(|name| {
            let id = ConnectorId::new(connect.name(), name);
            ConnectorFacts::never_listed(id, MONGO_SOURCE, OffsetsFrom::File)
        });
        known.chain(never_listed.filter(|_| !connect.was_listed())).collect()
    }

    fn connector(
        &self,
        clock: &Clock,
        connect: &ConnectReader,
        listed: &Listed,
        accesses: &BTreeMap<ConnectorId, Observed<Access>>,
    ) -> ConnectorFacts {
        let id = ConnectorId::new(connect.name(), &listed.name);
        let access = accesses.get(&id).cloned().unwrap_or(Err(Why::NotReadYet));
        let deployment = access
            .as_ref()
            .map_err(|why| *why)
            .and_then(|access| self.deployments.name_of(access).map(str::to_owned).ok_or(Why::NotReadYet));
        let selection = match ConnectionString::parse(&uri_of(listed)) {
            Ok(uri) if deployment.as_ref().is_ok_and(|name| self.deployments.is_routed(name)) => {
                Ok(uri.selection_by_routers())
            }
            Ok(uri) => Ok(uri.selection()),
            Err(Why::UriPlaceholder) => Ok(Selection::Hidden),
            Err(why) => Err(why),
        };
        let by_retention = access.as_ref().is_ok_and(|access| access.retention.is_some());
        let now = clock.uptime();
        let reading = connect.offsets_of(&listed.name, now, self.interval * STALE_INTERVALS);
        let stored = reading.map_or(0, |reading| reading.entries.len());
        let live = self.live_entry(&id, connect, listed, now);
        let text = live.as_ref().ok().and_then(|(entry, _)| entry.text.as_deref());
        let subject = || Some(Subject::new(text?, &listed.config, access.as_ref().ok()));
        let probe = self.prober.as_ref().and_then(|prober| prober.answer(&id, subject, now));
        ConnectorFacts {
            id,
            class: listed.class.clone(),
            version: connect.version(listed),
            state: Ok(listed.state),
            failure: listed.failure,
            tasks: listed.tasks.clone(),
            settings: Settings::from_config(&listed.config),
            deployment,
            selection,
            offset: live.map(|(entry, _)| as_kept(&entry.offset, by_retention)),
            key: live.ok().map(|(_, key)| key),
            offsets_from: reading.ok().map(|reading| reading.from),
            offsets_told: reading.ok().map(|reading| connect.offsets_told(listed, reading)),
            stale_keys: stored - usize::from(live.is_ok()),
            offset_age: reading.map_or(Duration::ZERO, |reading| self.age(connect, now, reading.at)),
            probe,
        }
    }

    /// What is stored under the connector's live key, and how that key was found.
    pub(super) fn live_entry<'a>(
        &'a self,
        id: &ConnectorId,
        connect: &'a ConnectReader,
        listed: &Listed,
        now: Duration,
    ) -> Observed<(&'a StoredEntry, LiveKey)> {
        let version = connect.version(listed);
        let reading = connect.offsets_of(&listed.name, now, self.interval * STALE_INTERVALS)?;
        let (at, key) = self.pick(id, listed, version.as_deref(), &reading.entries)?;
        reading.entries.get(at).map(|entry| (entry, key)).ok_or(Why::NoPosition)
    }

    fn pick(
        &self,
        id: &ConnectorId,
        listed: &Listed,
        version: Option<&str>,
        entries: &[StoredEntry],
    ) -> Observed<(usize, LiveKey)> {
        if listed.class == DEBEZIUM_SOURCE {
            let version = version.and_then(major_and_minor);
            return pick_live_of_debezium(&listed.config, version, entries).map(|at| (at, LiveKey::Named));
        }
        let uri = uri_of(listed);
        pick_live(&self.query(id, listed, &uri, version), entries)
    }

    /// A reading of this pass has no age: it followed this pass's `first`.
    fn age(&self, connect: &ConnectReader, now: Duration, read_at: Duration) -> Duration {
        if read_at >= connect.pass_began() { Duration::ZERO } else { now.saturating_sub(read_at) }
    }

    fn query<'a>(
        &'a self,
        id: &ConnectorId,
        listed: &'a Listed,
        uri: &'a str,
        version: Option<&'a str>,
    ) -> LiveKeyQuery<'a> {
        let value = |key: &str| listed.config.get(key).map_or("", |value| value.trim());
        LiveKeyQuery {
            partition_name: Some(value("offset.partition.name")),
            uri,
            configured_uri: self.rules.configured(id, uri).map(|d| d.entrance.uri.expose()),
            database: value("database"),
            collection: value("collection"),
            version,
        }
    }

    /// Every source's meter.
    pub fn meters(&self) -> impl Iterator<Item = &Meter> {
        let connects = self.connects.iter().flat_map(ConnectReader::meters);
        let deployments = self.deployments.readers().iter().map(|reader| &reader.meter);
        connects.chain(deployments).chain(self.prober.iter().flat_map(Prober::meters))
    }
}

/// Tokens of Amazon DocumentDB's count where an operator has said that this is one, and there no others do.
fn as_kept(offset: &StoredOffset, by_retention: bool) -> StoredOffset {
    match (offset, by_retention) {
        (StoredOffset::DocumentDb(position), true) => StoredOffset::Token(position.clone()),
        (StoredOffset::Token(_), true) => StoredOffset::Opaque,
        (offset, _) => offset.clone(),
    }
}

fn uri_of(listed: &Listed) -> Cow<'_, str> {
    connection_uri(&listed.config)
}
