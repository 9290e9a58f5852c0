//! One deployment: its members as the set itself names them, read twice a pass.

use super::commands::{Hello, ReadError};
use super::member::{FirstReading, LastReading, Member};
use super::with_port;
use crate::clock::Clock;
use crate::sources::{Access, Meter};
use futures_util::future::join_all;
use mongodb::options::ClientOptions;
use resumeguard_core::domain::{DeploymentFacts, MemberFacts, Observed, Role, Why};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Reads one deployment.
#[derive(Debug)]
pub struct DeploymentReader {
    /// Every way in; the first that works is used.
    pub(super) accesses: Vec<Access>,
    active: usize,
    options: Option<ClientOptions>,
    /// By the address that is dialled.
    members: BTreeMap<String, Member>,
    /// What the set says of its members, from the primary where there is one.
    view: Option<Hello>,
    first: BTreeMap<String, Result<FirstReading, ReadError>>,
    last: BTreeMap<String, Result<LastReading, ReadError>>,
    /// Why no member could even be dialled.
    refusal: Option<ReadError>,
    sizes_every: Duration,
    /// Counts readings; its name is the deployment's.
    pub meter: Meter,
}

impl DeploymentReader {
    pub(super) fn new(access: Access, name: &str, sizes_every: Duration) -> Self {
        Self {
            accesses: vec![access],
            active: 0,
            options: None,
            members: BTreeMap::new(),
            view: None,
            first: BTreeMap::new(),
            last: BTreeMap::new(),
            refusal: None,
            sizes_every,
            meter: Meter::new("mongodb", name),
        }
    }

    /// Name of the replica set, once a member has answered.
    #[must_use]
    pub fn set_name(&self) -> Option<&str> {
        self.view.as_ref().map(|view| view.set_name.as_str())
    }

    /// Every host that the set names, arbiters included.
    #[must_use]
    pub fn hosts(&self) -> BTreeSet<&str> {
        let view = self.view.iter();
        view.flat_map(|v| v.hosts.iter().chain(&v.passives).chain(&v.arbiters)).map(String::as_str).collect()
    }

    pub(super) fn configured_name(&self) -> Option<&str> {
        self.accesses.iter().find_map(|access| access.configured.as_deref())
    }

    /// The opening phase: who is there, and the oldest entry of each. A member that is discovered now is read now.
    pub(super) async fn read_first(&mut self, clock: &Clock, deadline: Duration) {
        self.first.clear();
        self.last.clear();
        let begun = clock.uptime();
        if let Err(error) = self.dial_seeds(deadline).await {
            self.meter.count(clock.uptime().saturating_sub(begun), false);
            self.refusal = Some(error);
            return;
        }
        self.refusal = None;
        for _round in 0..2 {
            let unread: Vec<String> =
                self.members.keys().filter(|a| !self.first.contains_key(*a)).cloned().collect();
            if unread.is_empty() {
                break;
            }
            let left = deadline.saturating_sub(clock.uptime().saturating_sub(begun));
            let readings = self.members.iter_mut().filter(|(address, _)| unread.contains(address)).map(
                async |(address, member)| {
                    let begun = clock.uptime();
                    let reading = member.first(left).await;
                    (address.clone(), clock.uptime().saturating_sub(begun), reading)
                },
            );
            for (address, took, reading) in join_all(readings).await {
                self.meter.count(took, reading.as_ref().is_ok_and(|r| r.first.is_ok()));
                self.first.insert(address, reading);
            }
            self.follow_the_set();
        }
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

    /// The slow lane, after the positions were read: sizes and retention.
    pub(super) async fn read_sizes(&mut self, clock: &Clock, deadline: Duration) {
        let (now, every, last) = (clock.uptime(), self.sizes_every, &self.last);
        let due = self.members.iter_mut().filter(|(address, member)| {
            let old = member.sizes_read_at.is_none_or(|at| now.saturating_sub(at) >= every);
            old && last.get(*address).is_some_and(|reading| reading.as_ref().is_ok_and(|r| r.last.is_ok()))
        });
        join_all(due.map(|(_, member)| member.read_sizes(now, deadline))).await;
    }

    /// The first contact goes to the hosts of the connection string.
    async fn dial_seeds(&mut self, deadline: Duration) -> Result<(), ReadError> {
        if self.options.is_none() {
            let uri = self.accesses[self.active].uri.expose();
            // Resolves SRV names, so it may wait for DNS.
            let parsing = tokio::time::timeout(deadline, ClientOptions::parse(uri)).await;
            let options = parsing
                .map_err(|_| {
                    ReadError::new(
                        Why::MongodbUnreachable,
                        format!("DNS did not answer within {deadline:.1?}"),
                    )
                })?
                // The driver's text may quote the string itself: say only that it is wrong.
                .map_err(|_| {
                    ReadError::new(
                        Why::UriInvalid,
                        "the connection string cannot be parsed, or its SRV name cannot be resolved",
                    )
                })?;
            self.options = Some(options);
        }
        let Some(options) = &self.options else { return Ok(()) };
        if self.members.is_empty() {
            for host in &options.hosts {
                let address = with_port(&host.to_string());
                self.members.insert(address.clone(), Member::new(options, &address)?);
            }
        }
        Ok(())
    }

    /// Takes the set's own word for who its members are: dials new ones, leaves those that are gone.
    fn follow_the_set(&mut self) {
        let answered = || self.first.values().flatten().map(|reading| &reading.hello);
        let Some(view) = answered().find(|h| h.role == Role::Primary).or_else(|| answered().next()).cloned()
        else {
            return;
        };
        let reached: BTreeSet<&str> = answered().filter_map(|hello| hello.me.as_deref()).collect();
        let named: BTreeSet<&str> = view.hosts.iter().chain(&view.passives).map(String::as_str).collect();
        // An address is kept while it leads to a member; a hidden one is reached only by its own name.
        let gone: Vec<String> = self
            .members
            .keys()
            .filter(|address| {
                let hello = self.first.get(*address).and_then(|r| r.as_ref().ok()).map(|r| &r.hello);
                let leads_to = hello.and_then(|h| h.me.as_deref());
                let twice =
                    leads_to.is_some_and(|me| me != address.as_str() && self.members.contains_key(me));
                let known = named.contains(address.as_str()) || leads_to.is_some();
                let arbiter =
                    view.arbiters.contains(*address) || hello.is_some_and(|h| h.role == Role::Arbiter);
                twice || arbiter || !known
            })
            .cloned()
            .collect();
        let missing: Vec<String> = named
            .iter()
            .filter(|h| !reached.contains(**h) && !self.members.contains_key(**h))
            .map(|h| (*h).to_owned())
            .collect();
        for address in gone {
            self.members.remove(&address);
            self.first.remove(&address);
        }
        if let Some(options) = &self.options {
            for address in missing {
                if let Ok(member) = Member::new(options, &address) {
                    self.members.insert(address, member);
                }
            }
        }
        self.view = Some(view);
    }

    fn conclude(&mut self, clock: &Clock) {
        let mut problems: Vec<String> = self.refusal.iter().map(ToString::to_string).collect();
        let mut refused = self.refusal.as_ref().is_some_and(|error| error.why == Why::UriInvalid);
        for (address, first) in &self.first {
            let error = match (first, self.last.get(address)) {
                (Err(error), _) | (_, Some(Err(error))) => error,
                (Ok(FirstReading { first: Err(error), .. }), _)
                | (_, Some(Ok(LastReading { last: Err(error), .. }))) => error,
                _ => continue,
            };
            refused |= matches!(error.why, Why::MongodbUnauthenticated | Why::OplogUnauthorized);
            problems.push(format!("{address}: {error}"));
        }
        if refused && self.accesses.len() > 1 {
            self.next_access();
        }
        let outcome = match problems.as_slice() {
            [] => Ok(()),
            [only] => Err(only.clone()),
            [first, rest @ ..] => Err(format!("{first} (and {} more)", rest.len())),
        };
        self.meter.conclude(clock, outcome);
    }

    /// Another connector's credentials may be allowed what these are not.
    fn next_access(&mut self) {
        self.active = (self.active + 1) % self.accesses.len();
        self.options = None;
        self.members.clear();
    }

    pub(super) fn set_accesses(&mut self, accesses: Vec<Access>) {
        let active = self.accesses.get(self.active).map(|access| access.uri.expose().to_owned());
        let kept = accesses.iter().position(|access| Some(access.uri.expose()) == active.as_deref());
        self.accesses = accesses;
        match kept {
            Some(at) => self.active = at,
            None => {
                self.active = 0;
                self.options = None;
                self.members.clear();
            }
        }
    }

    /// What this pass has seen.
    #[must_use]
    pub fn facts(&self) -> DeploymentFacts {
        DeploymentFacts { members: self.members_facts() }
    }

    fn members_facts(&self) -> Observed<Vec<MemberFacts>> {
        if let Some(error) = &self.refusal {
            return Err(error.why);
        }
        if self.first.is_empty() {
            return Err(Why::NotReadYet);
        }
        if self.first.values().all(Result::is_err) {
            return Err(self.why_nobody_answered());
        }
        let primary =
            |hello: &Hello| (hello.role == Role::Primary).then(|| (hello.me.clone(), hello.election.clone()));
        let before: BTreeSet<_> =
            self.first.values().flatten().filter_map(|reading| primary(&reading.hello)).collect();
        let after: BTreeSet<_> =
            self.last.values().flatten().filter_map(|reading| primary(&reading.hello)).collect();
        let unheard = self.last.values().any(Result::is_err);
        // A primary that did not answer the second time is an unreadable member, not an election.
        if before != after && !(after.is_empty() && unheard) || before.len() > 1 {
            return Err(Why::Election);
        }
        Ok(self.first.iter().map(|(address, reading)| self.member_facts(address, reading)).collect())
    }

    /// The most telling reason of all members.
    fn why_nobody_answered(&self) -> Why {
        let telling = [Why::Sharded, Why::NotReplicaSet, Why::MongodbUnauthenticated, Why::OplogUnauthorized];
        let reasons: Vec<Why> =
            self.first.values().filter_map(|r| r.as_ref().err()).map(|error| error.why).collect();
        telling.into_iter().find(|why| reasons.contains(why)).unwrap_or(Why::MongodbUnreachable)
    }

    fn member_facts(&self, address: &str, reading: &Result<FirstReading, ReadError>) -> MemberFacts {
        let hello = reading.as_ref().ok().map(|reading| &reading.hello);
        let host = hello.and_then(|hello| hello.me.clone()).unwrap_or_else(|| address.to_owned());
        let electable = self.view.as_ref().is_some_and(|view| view.hosts.contains(&host));
        let why = |error: &ReadError| error.why;
        let first = match reading {
            Ok(reading) => reading.first.as_ref().map_err(why).copied(),
            Err(error) => Err(error.why),
        };
        let last = match self.last.get(address) {
            Some(Ok(reading)) => reading.last.as_ref().map_err(why).copied(),
            Some(Err(error)) => Err(error.why),
            None => Err(Why::MemberUnreadable),
        };
        MemberFacts {
            electable,
            role: hello.map_or(Role::Other, |hello| hello.role),
            tags: hello.map(|hello| hello.tags.clone()).unwrap_or_default(),
            wire_version: hello.and_then(|hello| hello.wire_version),
            first,
            last: last.map(|(time, _)| time),
            term: last.ok().and_then(|(_, term)| term),
            sizes: self.members.get(address).map(|member| member.sizes).unwrap_or_default(),
            host,
        }
    }
}
