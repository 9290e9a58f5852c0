//! Kafka Connect by its REST interface: one listing a pass, offsets a few at a time.

mod client;
mod listing;
mod offsets;
mod single;

pub(crate) use client::message;
pub use client::{Client, ConnectError};
pub use listing::Listed;
pub use offsets::parse_offsets;

use crate::clock::Clock;
use crate::config::{ConnectCluster, Poll};
use crate::sources::kafka::StatusTopic;
use crate::sources::{Meter, summary};
use futures_util::StreamExt;
use resumeguard_core::domain::{Observed, StoredEntry, Why};
use resumeguard_core::recovery::ManagedBy;
use std::collections::HashMap;
use std::time::Duration;

/// A call for offsets may take this part of the phase: one that hangs leaves time for the next in its lane.
const CALLS_THAT_MAY_HANG: u32 = 3;

/// Connectors' stored entries as last read.
#[derive(Debug, Clone)]
pub struct OffsetReading {
    /// Uptime at which it was read.
    pub at: Duration,
    /// What was found.
    pub entries: Vec<StoredEntry>,
}

/// Reads one Connect cluster.
#[derive(Debug)]
pub struct ConnectReader {
    name: String,
    client: Client,
    offsets_at_once: usize,
    slow_lane: Duration,
    plugins_read_at: Option<Duration>,
    pass_began: Duration,
    managed_by: Option<ManagedBy>,
    plugin_versions: HashMap<String, Option<String>>,
    /// The worker's own, where it could be read.
    worker_version: Option<String>,
    listed: Vec<Listed>,
    offsets: HashMap<String, OffsetReading>,
    /// Uptime of the last attempt for a connector.
    tried: HashMap<String, Duration>,
    /// Why the last attempt for a connector failed.
    refusals: HashMap<String, Why>,
    status_topic: Option<StatusTopic>,
    /// Counts listings.
    pub listing_meter: Meter,
    /// Counts readings of offsets.
    pub offsets_meter: Meter,
    /// Counts readings of the status topic, where there is one.
    pub status_meter: Option<Meter>,
}

impl ConnectReader {
    /// A reader that has read nothing.
    ///
    /// # Errors
    /// Where no HTTP client can be made (TLS set-up of this machine).
    pub fn new(cluster: &ConnectCluster, poll: &Poll) -> Result<Self, ConnectError> {
        Ok(Self {
            name: cluster.name.clone(),
            client: Client::new(cluster)?,
            offsets_at_once: poll.offsets_at_once,
            slow_lane: poll.sizes_every,
            plugins_read_at: None,
            pass_began: Duration::ZERO,
            managed_by: cluster.managed_by,
            plugin_versions: HashMap::new(),
            worker_version: None,
            listed: Vec::new(),
            offsets: HashMap::new(),
            tried: HashMap::new(),
            refusals: HashMap::new(),
            status_topic: cluster
                .status_topic
                .as_ref()
                .map(|followed| StatusTopic::follow(&followed.bootstrap_servers, &followed.topic)),
            status_meter: cluster.status_topic.as_ref().map(|_| Meter::new("status_topic", &cluster.name)),
            listing_meter: Meter::new("connect", &cluster.name),
            offsets_meter: Meter::new("offsets", &cluster.name),
        })
    }

    /// Name of the Connect cluster.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The worker's version, where it could be read.
    #[must_use]
    pub fn worker_version(&self) -> Option<&str> {
        self.worker_version.as_deref()
    }

    /// Who keeps its connectors as they are, where somebody has said so.
    #[must_use]
    pub fn managed_by(&self) -> Option<ManagedBy> {
        self.managed_by
    }

    /// A client of the same Connect cluster.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The connectors of the last listing that succeeded.
    #[must_use]
    pub fn listed(&self) -> &[Listed] {
        &self.listed
    }

    /// Whether the listing of this pass succeeded.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.listing_meter.error.is_none() && self.listing_meter.reads > 0
    }

    /// Uptime at which the listing of this pass was begun.
    #[must_use]
    pub fn pass_began(&self) -> Duration {
        self.pass_began
    }

    /// One listing call; every now and then the plugins' versions as well.
    pub async fn list(&mut self, clock: &Clock, deadline: Duration) {
        let begun = clock.uptime();
        self.pass_began = begun;
        let outcome = self.client.listing(deadline).await;
        let took = clock.uptime().saturating_sub(begun);
        match outcome {
            Ok(listed) => {
                self.listing_meter.count(took, true);
                self.listing_meter.conclude(clock, Ok(()));
                self.listed = listed;
                let names: std::collections::HashSet<&str> =
                    self.listed.iter().map(|l| l.name.as_str()).collect();
                self.offsets.retain(|name, _| names.contains(name.as_str()));
                self.refusals.retain(|name, _| names.contains(name.as_str()));
                self.tried.retain(|name, _| names.contains(name.as_str()));
                self.add_starts(clock);
            }
            Err(error) => {
                self.listing_meter.count(took, false);
                self.listing_meter.conclude(clock, Err(error.to_string()));
                return;
            }
        }
        if self.plugins_read_at.is_none_or(|at| clock.uptime().saturating_sub(at) >= self.slow_lane) {
            self.plugins_read_at = Some(clock.uptime());
            if let Ok(versions) = self.client.plugin_versions(deadline.saturating_sub(took)).await {
                self.plugin_versions = versions;
            }
            let left = deadline.saturating_sub(clock.uptime().saturating_sub(begun));
            if let Ok(version) = self.client.version(left).await {
                self.worker_version = Some(version);
            }
        }
    }

    /// What the status topic tells of the tasks that were listed; without it nothing is known of when they started.
    fn add_starts(&mut self, clock: &Clock) {
        let (Some(topic), Some(meter)) = (&self.status_topic, &mut self.status_meter) else { return };
        let begun = clock.uptime();
        let outcome = topic.starts();
        meter.count(clock.uptime().saturating_sub(begun), outcome.is_ok());
        meter.conclude(clock, outcome.as_ref().map(|_| ()).map_err(Clone::clone));
        let starts = outcome.unwrap_or_default();
        for listed in &mut self.listed {
            for task in &mut listed.tasks {
                task.started = starts.get(&(listed.name.clone(), task.id)).copied();
            }
        }
    }

    /// Version of a connector: its own word since Connect 4.1, else that of the one plugin of its class.
    #[must_use]
    pub fn version(&self, listed: &Listed) -> Option<String> {
        let installed = self.plugin_versions.get(&listed.class).cloned().flatten();
        listed.version.clone().or(installed)
    }

    /// Reads offsets until the deadline, those that were tried longest ago first; the rest keep what they had. A call has
    /// a share of the deadline only, so that a few that hang do not starve the others.
    pub async fn read_offsets(&mut self, clock: &Clock, deadline: Duration) {
        if !self.is_readable() {
            return;
        }
        let mut names: Vec<&str> = self.listed.iter().map(|listed| listed.name.as_str()).collect();
        names.sort_by_key(|name| self.tried.get(*name));
        let client = &self.client;
        let mut calls = futures_util::stream::iter(names)
            .map(|name| async move {
                let begun = clock.uptime();
                (name, begun, client.offsets(name, deadline / CALLS_THAT_MAY_HANG).await)
            })
            .buffer_unordered(self.offsets_at_once);
        let until = tokio::time::sleep(deadline);
        tokio::pin!(until);
        let mut outcomes = Vec::new();
        loop {
            tokio::select! {
                next = calls.next() => match next {
                    Some((name, begun, outcome)) => outcomes.push((name.to_owned(), begun, clock.uptime(), outcome)),
                    None => break,
                },
                () = &mut until => break,
            }
        }
        drop(calls);
        let unread = self.listed.len() - outcomes.len();
        let mut problems = Vec::new();
        for (name, begun, ended, outcome) in outcomes {
            self.offsets_meter.count(ended.saturating_sub(begun), outcome.is_ok());
            self.tried.insert(name.clone(), begun);
            match outcome {
                Ok(entries) => {
                    self.refusals.remove(&name);
                    self.offsets.insert(name, OffsetReading { at: begun, entries });
                }
                Err(error) => {
                    problems.push(format!("{name}: {error}"));
                    self.refusals.insert(name, error.why());
                }
            }
        }
        if unread > 0 {
            problems.push(format!(
                "{unread} connectors' offsets were not read within {deadline:.1?}; their turn comes next"
            ));
        }
        self.offsets_meter.conclude(clock, summary(&problems));
    }

    /// The newest reading of a connector's offsets that is not older than `stale_after`.
    ///
    /// # Errors
    /// Why there is none.
    pub fn offsets_of(&self, name: &str, now: Duration, stale_after: Duration) -> Observed<&OffsetReading> {
        let refusal = self.refusals.get(name).copied();
        match self.offsets.get(name) {
            Some(reading) if now.saturating_sub(reading.at) <= stale_after => Ok(reading),
            Some(_) => Err(refusal.unwrap_or(Why::Stale)),
            None => Err(refusal.unwrap_or(Why::NotReadYet)),
        }
    }
}
