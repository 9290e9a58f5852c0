//! Sharded clusters: a router lets nobody read its shards' oplogs, so each shard is read by a way of its own, past the
//! router; the router says which shards there are.

use super::commands::{self, ReadError};
use super::deployment::DeploymentReader;
use super::member::bounded;
use super::set::Deployments;
use resumeguard_core::domain::{Collections, DeploymentFacts, MemberFacts, Observed, Why};
use std::time::Duration;

/// Whether an error is none, for a reader that has ways past its routers.
pub(super) fn expected(has_ways_past: bool, error: &ReadError) -> bool {
    has_ways_past && error.why == Why::Sharded
}

impl DeploymentReader {
    /// The deployment and the shard, for one that reads a shard past the router.
    pub(super) fn shard(&self) -> Option<&(String, String)> {
        self.accesses.iter().find_map(|access| access.shard.as_ref())
    }

    /// It leads to routers, and there are ways past them.
    pub(super) fn has_ways_past(&self) -> bool {
        self.accesses.iter().any(|access| !access.shards.is_empty())
    }

    /// It leads to routers, as of this pass.
    pub(super) fn is_routed(&self) -> bool {
        self.facts().members == Err(Why::Sharded)
    }

    /// Asks a router which shards there are: one that nobody reads may be the one that holds least.
    pub(super) async fn list_shards(&mut self, deadline: Duration) {
        self.listed = None;
        if !self.has_ways_past() || !self.is_routed() {
            return;
        }
        let router = self
            .first
            .iter()
            .find(|(_, reading)| reading.as_ref().is_err_and(|error| error.why == Why::Sharded));
        let Some(client) = router.and_then(|(address, _)| Some(self.members.get(address)?.client())) else {
            return;
        };
        let listing = async move { commands::shards(&client, deadline).await };
        self.listed = Some(bounded(&mut self.listed_overdue, deadline, listing).await);
    }

    /// What keeps all shards from being read, one line.
    pub(super) fn problem_with_shards(&self) -> Option<String> {
        let listed = match self.listed.as_ref()? {
            Ok(listed) => listed,
            Err(error) => return Some(error.to_string()),
        };
        let known = |shard: &String| self.accesses.iter().any(|access| access.shards.contains(shard));
        let missing: Vec<&str> = listed.keys().filter(|shard| !known(shard)).map(String::as_str).collect();
        let name = self.configured_name().unwrap_or("NAME");
        if let Some(stranger) = &self.stranger {
            return Some(stranger.clone());
        }
        (!missing.is_empty()).then(|| {
            format!("nobody reads {}: add a [mongodb.{name}.shards.SHARD] for each", missing.join(", "))
        })
    }
}

impl Deployments {
    /// Whether a deployment is reached through routers.
    #[must_use]
    pub fn is_routed(&self, deployment: &str) -> bool {
        self.readers().iter().any(|reader| reader.meter.name == deployment && reader.is_routed())
    }

    /// What was seen of a deployment; of a sharded cluster the members of all its shards.
    pub(super) fn facts_of(&self, reader: &DeploymentReader) -> DeploymentFacts {
        if !reader.has_ways_past() || !reader.is_routed() {
            return reader.facts();
        }
        DeploymentFacts { members: self.members_of_shards(reader), collections: Collections::new() }
    }

    /// Ways that lead to another set than the router says: seen as soon as their members have answered.
    pub(super) fn look_for_strangers(&mut self) {
        let strangers: Vec<Option<String>> =
            self.readers().iter().map(|router| self.stranger_behind(router)).collect();
        for (reader, stranger) in self.readers_mut().iter_mut().zip(strangers) {
            reader.stranger = stranger;
        }
    }

    fn stranger_behind(&self, router: &DeploymentReader) -> Option<String> {
        let Some(Ok(listed)) = &router.listed else { return None };
        self.readers().iter().find_map(|reader| {
            let (_, shard) = reader.shard().filter(|(deployment, _)| *deployment == router.meter.name)?;
            let (set, found) = (listed.get(shard)?, reader.set_name()?);
            (set != found).then(|| {
                let name = &router.meter.name;
                format!("mongodb.{name}.shards.{shard} leads to the set {found}, the router says {set}: correct its uri")
            })
        })
    }

    fn members_of_shards(&self, router: &DeploymentReader) -> Observed<Vec<MemberFacts>> {
        let Some(Ok(listed)) = &router.listed else { return Err(Why::Sharded) };
        let mut members = Vec::new();
        for (shard, set) in listed {
            let leads = |reader: &&DeploymentReader| {
                reader.shard().is_some_and(|(deployment, of)| *deployment == router.meter.name && of == shard)
            };
            let reader = self.readers().iter().find(leads).ok_or(Why::Sharded)?;
            let of_this = reader.facts().members?;
            if reader.set_name() != Some(set) {
                // The router and we do not mean the same servers.
                return Err(Why::Contradictory);
            }
            // Streams that a router has opened on its shards are nobody's: they cannot be told apart there.
            members.extend(of_this.into_iter().map(|member| MemberFacts {
                shard: Some(shard.clone()),
                streams: None,
                ..member
            }));
        }
        Ok(members)
    }
}
