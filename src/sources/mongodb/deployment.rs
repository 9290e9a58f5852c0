//! One deployment: its members as the set itself names them, read twice a pass.

use super::collections::{Found, collections};
use super::commands::{Hello, ReadError};
use super::member::{FirstReading, LastReading, Manner, Member, bounded};
use super::rights::{Right, lacking};
use super::sharded::expected;
use crate::clock::Clock;
use crate::sources::{Access, Meter, summary};
use futures_util::future::join_all;
use mongodb::error::ErrorKind;
use mongodb::options::ClientOptions;
use resumeguard_core::domain::{Collections, Role, Why, with_port};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::Duration;
use tokio::task::JoinHandle;

/// A connection takes its time, TLS more so.
const LEAST_PATIENCE: Duration = Duration::from_millis(250);

/// How often names are resolved anew: an SRV record or an alias may come to lead elsewhere.
pub(super) const RESOLVE_EVERY: Duration = Duration::from_secs(300);

/// Reads one deployment.
#[derive(Debug)]
pub struct DeploymentReader {
    /// Every way in; the first that works is used.
    pub(super) accesses: Vec<Access>,
    pub(super) active: usize,
    pub(super) refused_passes: u32,
    /// Passes made: of two readers of one set the older survives.
    pub(super) passes: u32,
    /// The next pass begins with nothing: another way in was chosen, or another set has taken over the hosts. Not this
    /// one, which has still to tell what it saw.
    pub(super) starts_over: bool,
    /// Passes in a row in which every member that answered belonged to another set.
    pub(super) strange_passes: u32,
    pub(super) options: Option<ClientOptions>,
    pub(super) resolved_at: Option<Duration>,
    /// Hosts of the connection string in use.
    pub(super) seeds: BTreeSet<String>,
    /// By the address that is dialled.
    pub(super) members: BTreeMap<String, Member>,
    /// Which member, by its own name, an address was seen to lead to.
    pub(super) leads_to: BTreeMap<String, String>,
    /// Hosts of strings that were proven to lead to this set, and since when that counts.
    pub(super) proven: BTreeSet<String>,
    /// Members that the set does not name to clients, and the way by which each was dialled.
    pub(super) adopted: BTreeMap<String, Access>,
    pub(super) proven_at: Duration,
    /// What the set says of its members, from the primary where there is one.
    pub(super) view: Option<Hello>,
    pub(super) first: BTreeMap<String, Result<FirstReading, ReadError>>,
    pub(super) last: BTreeMap<String, Result<LastReading, ReadError>>,
    /// Why no member could even be dialled.
    pub(super) refusal: Option<ReadError>,
    /// Collections behind the watched namespaces, as of this pass.
    pub(super) collections: Collections,
    collections_overdue: Option<JoinHandle<()>>,
    /// Databases of which it may not be asked.
    collections_lack: BTreeSet<Right>,
    /// The database that was asked last: the next look begins behind it.
    collections_after: Option<String>,
    /// Of a router: the shards that it knows, with their sets, as of this pass.
    pub(super) listed: Option<Result<BTreeMap<String, String>, ReadError>>,
    pub(super) listed_overdue: Option<JoinHandle<()>>,
    /// Of a router: a way past it that leads elsewhere, one line.
    pub(super) stranger: Option<String>,
    pub(super) sizes_every: Duration,
    /// Counts readings; its name is the deployment's.
    pub meter: Meter,
}

impl DeploymentReader {
    pub(super) fn new(access: Access, name: &str, sizes_every: Duration, now: Duration) -> Self {
        Self {
            seeds: access.hosts(),
            accesses: vec![access],
            active: 0,
            refused_passes: 0,
            passes: 0,
            starts_over: false,
            strange_passes: 0,
            options: None,
            resolved_at: None,
            members: BTreeMap::new(),
            leads_to: BTreeMap::new(),
            proven: BTreeSet::new(),
            adopted: BTreeMap::new(),
            proven_at: now,
            view: None,
            first: BTreeMap::new(),
            last: BTreeMap::new(),
            refusal: None,
            collections: Collections::new(),
            collections_overdue: None,
            collections_lack: BTreeSet::new(),
            collections_after: None,
            listed: None,
            listed_overdue: None,
            stranger: None,
            sizes_every,
            meter: Meter::new("mongodb", name),
        }
    }

    /// Name of the replica set, once a member has answered.
    #[must_use]
    pub fn set_name(&self) -> Option<&str> {
        self.view.as_ref().map(|view| view.set_name.as_str())
    }

    /// The smallest host that the set names, or else of the connection string: tells sets of one name apart.
    #[must_use]
    pub fn smallest_host(&self) -> &str {
        let named = self.view.iter().flat_map(|view| view.hosts.iter().chain(&view.passives)).min();
        named.or(self.seeds.first()).map_or("", String::as_str)
    }

    /// The server processes that answered in this pass: two readers that share one read the same set.
    pub(super) fn processes(&self) -> BTreeSet<&str> {
        self.first.values().flatten().filter_map(|reading| reading.hello.process.as_deref()).collect()
    }

    /// The opening phase: who is there, and the oldest entry of each. A member that is discovered now is read now.
    pub(super) async fn read_first(&mut self, clock: &Clock, deadline: Duration) {
        if std::mem::take(&mut self.starts_over) {
            self.forget();
        }
        self.passes = self.passes.saturating_add(1);
        self.first.clear();
        self.last.clear();
        let begun = clock.uptime();
        // Less than what the first round has.
        let patience = (deadline * 2 / 5).max(LEAST_PATIENCE);
        self.refusal = self.dial_seeds(begun, deadline / 3, patience).await.err();
        if self.refusal.is_some() {
            self.meter.count(clock.uptime().saturating_sub(begun), false);
            return;
        }
        // The second round is for members that the first one has named: one that hangs must leave it time.
        for round in [deadline / 2, deadline] {
            let left = round.saturating_sub(clock.uptime().saturating_sub(begun));
            let routes = self.has_ways_past();
            let (meter, done) = (&mut self.meter, &self.first);
            let unread = self.members.iter_mut().filter(|(address, _)| !done.contains_key(*address));
            let readings = join_all(unread.map(async |(address, member)| {
                let begun = clock.uptime();
                let reading = member.first(left).await;
                (address.clone(), clock.uptime().saturating_sub(begun), reading)
            }))
            .await;
            for (address, took, reading) in readings {
                let well = reading.as_ref().map_or_else(|e| expected(routes, e), |r| r.first.is_ok());
                meter.count(took, well);
                self.first.insert(address, reading);
            }
            self.follow_the_set(patience);
        }
        self.list_shards(deadline.saturating_sub(clock.uptime().saturating_sub(begun))).await;
    }

    /// The closing phase: the newest entry of each, and whether the same member is still primary.
    pub(super) async fn read_last(&mut self, clock: &Clock, deadline: Duration) {
        let first = &self.first;
        let readable =
            self.members.iter_mut().filter(|(address, _)| first.get(*address).is_some_and(Result::is_ok));
        let readings = readable.map(async |(address, member)| {
            let begun = clock.uptime();
            let reading = member.last(deadline).await;
            (address.clone(), clock.uptime().saturating_sub(begun), reading)
        });
        for (address, took, reading) in join_all(readings).await {
            self.meter.count(took, reading.as_ref().is_ok_and(|r| r.last.is_ok()));
            self.last.insert(address, reading);
        }
        self.conclude(clock);
    }

    /// The slow lane, after the positions were read: open streams, sizes and retention, and who stands behind the
    /// watched namespaces.
    pub(super) async fn read_optional(
        &mut self,
        clock: &Clock,
        namespaces: &BTreeSet<String>,
        deadline: Duration,
    ) {
        let found = Found::default();
        let collections = self.collections_of_the_primary(namespaces, deadline, &found);
        let (now, every, last) = (clock.uptime(), self.sizes_every, &self.last);
        let is_well = |address: &String| {
            last.get(address).is_some_and(|reading| reading.as_ref().is_ok_and(|r| r.last.is_ok()))
        };
        let (well, others): (Vec<_>, Vec<_>) =
            self.members.iter_mut().partition(|(address, _)| is_well(address));
        for (_, member) in others {
            member.could_not_be_asked(now, every);
        }
        let members =
            join_all(well.into_iter().map(|(_, member)| member.read_optional(now, every, deadline)));
        let overdue = &mut self.collections_overdue;
        futures_util::join!(members, async {
            if let Some(reading) = collections {
                bounded(overdue, deadline, reading).await.ok();
            }
        });
        // What has been read until then counts.
        (self.collections, self.collections_lack, self.collections_after) = found.close();
        self.meter.lacking = lacking(&self.lacks());
    }

    /// Rights without which something that helps is not told.
    fn lacks(&self) -> BTreeSet<Right> {
        let members = self.members.values().flat_map(|member| member.lacks());
        let by_status = self.first.values().flatten().any(|reading| reading.by_status);
        let oplog = by_status.then_some(Right::FindOplog);
        members.chain(&self.collections_lack).cloned().chain(oplog).collect()
    }

    fn collections_of_the_primary(
        &self,
        namespaces: &BTreeSet<String>,
        deadline: Duration,
        found: &Found,
    ) -> Option<impl Future<Output = Result<(), ReadError>> + Send + use<>> {
        let is_primary = |address: &&String| {
            let reading = self.last.get(*address).and_then(|reading| reading.as_ref().ok());
            reading.is_some_and(|reading| reading.hello.role == Role::Primary)
        };
        let client = self.members.get(self.members.keys().find(is_primary)?)?.client.clone();
        let (namespaces, found) = (namespaces.clone(), found.clone());
        let after = self.collections_after.clone();
        Some(async move {
            collections(&client, &namespaces, after.as_deref(), deadline / 2, &found).await;
            Ok(())
        })
    }

    /// The first contact goes to the hosts of the connection string; one that leads to nobody is tried again.
    async fn dial_seeds(
        &mut self,
        now: Duration,
        deadline: Duration,
        patience: Duration,
    ) -> Result<(), ReadError> {
        if self.resolved_at.is_none_or(|at| now.saturating_sub(at) >= RESOLVE_EVERY) {
            // One that works is not given up because DNS hiccups.
            match self.resolve(deadline).await {
                Err(error) if self.options.is_none() => return Err(error),
                _ => self.resolved_at = Some(now),
            }
        }
        let Some(options) = &self.options else { return Ok(()) };
        let access = &self.accesses[self.active];
        let manner = Manner { retention: access.retention, patience };
        for seed in self.seeds.iter().filter(|seed| access.may_dial(seed)) {
            if !self.members.contains_key(seed) && !self.leads_to.contains_key(seed) {
                self.members.insert(seed.clone(), Member::new(options, seed, manner)?);
            }
        }
        if self.members.is_empty() {
            return Err(ReadError::new(
                Why::UriRefused,
                "leads to hosts that connect.NAME.connector_hosts does not allow",
            ));
        }
        Ok(())
    }

    /// Parses the connection string, which resolves SRV names.
    async fn resolve(&mut self, deadline: Duration) -> Result<(), ReadError> {
        let uri = self.accesses[self.active].uri.clone();
        let parsing = tokio::spawn(async move { ClientOptions::parse(uri.expose()).await });
        let options = match tokio::time::timeout(deadline, parsing).await {
            Ok(Ok(Ok(options))) => options,
            // The driver's text may quote the string itself: say only what kind of thing is wrong.
            Ok(Ok(Err(error))) if matches!(*error.kind, ErrorKind::DnsResolve { .. }) => {
                return Err(ReadError::new(
                    Why::MongodbUnreachable,
                    "the name of its SRV record cannot be resolved",
                ));
            }
            Ok(Ok(Err(_))) => {
                return Err(ReadError::new(Why::UriInvalid, "the connection string cannot be parsed"));
            }
            _ => {
                let text = format!("DNS did not answer within {deadline:.1?}");
                return Err(ReadError::new(Why::MongodbUnreachable, text));
            }
        };
        let seeds: BTreeSet<String> = options.hosts.iter().map(|host| with_port(&host.to_string())).collect();
        if seeds.is_disjoint(&self.seeds) {
            // Another cluster has taken over the name.
            self.forget();
        }
        self.seeds = seeds;
        self.options = Some(options);
        Ok(())
    }

    /// Takes the set's own word for who its members are: dials new ones, leaves those that are gone.
    fn follow_the_set(&mut self, patience: Duration) {
        self.refuse_strangers();
        let answered =
            || self.first.iter().filter_map(|(address, r)| Some((address, &r.as_ref().ok()?.hello)));
        let Some(view) = answered()
            .map(|(_, h)| h)
            .find(|h| h.role == Role::Primary)
            .or(answered().map(|(_, h)| h).next())
        else {
            return;
        };
        let view = view.clone();
        for (address, hello) in answered() {
            let me = hello.me.clone().unwrap_or_else(|| address.clone());
            self.leads_to.insert(address.clone(), me);
        }
        let named: BTreeSet<&str> = view.hosts.iter().chain(&view.passives).map(String::as_str).collect();
        let mut reached: BTreeMap<&str, &str> = BTreeMap::new();
        for (address, hello) in answered() {
            let me = hello.me.as_deref().unwrap_or(address);
            // Of several addresses of one member its own name is kept, else the first.
            reached
                .entry(me)
                .and_modify(|kept| {
                    if address == me {
                        *kept = address
                    }
                })
                .or_insert(address);
        }
        let arbiter = |address: &str| {
            let hello = self.first.get(address).and_then(|r| r.as_ref().ok()).map(|r| &r.hello);
            view.arbiters.iter().any(|a| a == address) || hello.is_some_and(|h| h.role == Role::Arbiter)
        };
        let superfluous = |address: &String| {
            let twice = self
                .leads_to
                .get(address)
                .and_then(|me| reached.get(me.as_str()))
                .is_some_and(|kept| kept != address);
            // An alias is known while the member that it leads to is.
            let leads_home = self.leads_to.get(address).is_some_and(|me| named.contains(me.as_str()));
            let known = named.contains(address.as_str()) || self.seeds.contains(address) || leads_home;
            twice || arbiter(address) || !known && !self.is_adopted_still(address)
        };
        let superfluous: Vec<String> =
            self.members.keys().filter(|address| superfluous(address)).cloned().collect();
        let missing: Vec<String> = named
            .iter()
            .filter(|host| !reached.contains_key(**host) && !self.members.contains_key(**host))
            .map(|host| (*host).to_owned())
            .collect();
        for address in superfluous {
            self.members.remove(&address);
            self.first.remove(&address);
            self.disown(&address);
        }
        self.dial(&missing, patience);
        self.view = Some(view);
    }

    fn dial(&mut self, addresses: &[String], patience: Duration) {
        let (Some(options), access) = (&self.options, &self.accesses[self.active]) else { return };
        let manner = Manner { retention: access.retention, patience };
        for address in addresses.iter().filter(|address| access.may_dial(address)) {
            if let Ok(member) = Member::new(options, address, manner) {
                self.members.insert(address.clone(), member);
            }
        }
    }

    /// A name that has come to lead to another set must not lend its oplog to this one.
    fn refuse_strangers(&mut self) {
        let Some(own) = self.set_name().map(str::to_owned) else { return };
        let mut strangers = false;
        for reading in self.first.values_mut() {
            let stranger =
                reading.as_ref().ok().map(|r| r.hello.set_name.clone()).filter(|name| *name != own);
            if let Some(name) = stranger {
                strangers = true;
                let text = format!("belongs to the set {name}, not to {own}");
                *reading = Err(ReadError::new(Why::Contradictory, text));
            }
        }
        // Nobody of the set is left: after another pass of that, those who answer are the set.
        let nobody_else = strangers && self.first.values().all(Result::is_err);
        self.strange_passes = if nobody_else { self.strange_passes.saturating_add(1) } else { 0 };
        // Each pass looks twice.
        self.starts_over |= self.strange_passes >= 4;
    }

    /// Whether a reading says something of the set: seeds that lead to nobody and that the set does not name do not.
    pub(super) fn counts(&self, address: &str) -> bool {
        let answered = self.first.get(address).is_some_and(Result::is_ok);
        let named =
            self.view.as_ref().is_none_or(|v| v.hosts.iter().chain(&v.passives).any(|host| host == address));
        answered || named
    }

    fn conclude(&mut self, clock: &Clock) {
        let routes = self.has_ways_past();
        let mut problems: Vec<String> = self.refusal.iter().map(ToString::to_string).collect();
        problems.extend(self.problem_with_shards());
        let mut refused = false;
        for (address, first) in self.first.iter().filter(|(address, _)| self.counts(address)) {
            let error = match (first, self.last.get(address)) {
                (Err(error), _) if expected(routes, error) => continue,
                (Err(error), _) | (_, Some(Err(error))) => error,
                (Ok(FirstReading { first: Err(error), .. }), _)
                | (_, Some(Ok(LastReading { last: Err(error), .. }))) => error,
                _ => continue,
            };
            // Another way in helps only those that were dialled by this one.
            refused |= !self.adopted.contains_key(address)
                && matches!(error.why, Why::MongodbUnauthenticated | Why::OplogUnauthorized);
            problems.push(format!("{address}: {error}"));
        }
        if self.first.values().all(Result::is_err) {
            // Nobody answered: the name may lead elsewhere by now.
            self.resolved_at = None;
        }
        self.refused_passes = if refused { self.refused_passes.saturating_add(1) } else { 0 };
        if refused && self.accesses.len() > 1 {
            self.next_access();
        }
        self.meter.conclude(clock, summary(&problems));
    }
}
