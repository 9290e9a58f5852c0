//! What one pass has seen of a deployment.

use super::commands::{Hello, ReadError};
use super::deployment::DeploymentReader;
use super::member::FirstReading;
use resumeguard_core::domain::{DeploymentFacts, MemberFacts, Observed, Role, Why};
use std::collections::BTreeSet;

impl DeploymentReader {
    /// What this pass has seen.
    #[must_use]
    pub fn facts(&self) -> DeploymentFacts {
        DeploymentFacts { members: self.members_facts(), collections: self.collections.clone() }
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
        self.same_primary()?;
        let counted = self.first.iter().filter(|(address, _)| self.counts(address));
        Ok(counted.map(|(address, reading)| self.member_facts(address, reading)).collect())
    }

    /// J1: a change of primary or term in mid-pass leaves the deployment unknown for the pass.
    fn same_primary(&self) -> Observed<()> {
        let primary =
            |hello: &Hello| (hello.role == Role::Primary).then(|| (hello.me.clone(), hello.election.clone()));
        let before: BTreeSet<_> = self.first.values().flatten().filter_map(|r| primary(&r.hello)).collect();
        let after: BTreeSet<_> = self.last.values().flatten().filter_map(|r| primary(&r.hello)).collect();
        let unheard = self.last.values().any(Result::is_err);
        match (before == after && before.len() <= 1, after.is_empty() && unheard) {
            (true, _) => Ok(()),
            // It did not answer the second time: dead or slow, nobody knows.
            (false, true) => Err(Why::MemberUnreadable),
            (false, false) => Err(Why::Election),
        }
    }

    /// The most telling reason of all members.
    fn why_nobody_answered(&self) -> Why {
        let telling = [
            Why::Contradictory,
            Why::Sharded,
            Why::NoOplog,
            Why::NotReplicaSet,
            Why::MongodbUnauthenticated,
            Why::OplogUnauthorized,
        ];
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
        let aliases = self.leads_to.iter().filter(|(_, me)| **me == host).map(|(alias, _)| alias.clone());
        MemberFacts {
            shard: None,
            by_status: reading.as_ref().is_ok_and(|reading| reading.by_status),
            kept_by_time: self.accesses.get(self.active).is_some_and(|access| access.retention.is_some()),
            electable,
            addresses: aliases.chain([host.clone(), address.to_owned()]).collect(),
            role: hello.map_or(Role::Other, |hello| hello.role),
            hidden: hello.is_some_and(|hello| hello.hidden),
            tags: hello.map(|hello| hello.tags.clone()).ok_or(Why::MemberUnreadable),
            wire_version: hello.and_then(|hello| hello.wire_version),
            first,
            last: last.map(|(time, _)| time),
            term: last.ok().and_then(|(_, term)| term),
            // Of this pass, or unknown: who does not answer now may have closed them, or opened others.
            streams: last.ok().and(self.members.get(address)).and_then(|member| member.streams.clone()),
            sizes: self.members.get(address).map(|member| member.sizes.sizes()).unwrap_or_default(),
            host,
        }
    }
}
