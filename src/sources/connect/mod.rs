//! Kafka Connect by its REST interface: one listing a pass, offsets a few at a time.

mod client;
mod listing;
mod single;

pub(crate) use client::message;
pub use client::{Client, ConnectError};
pub use listing::Listed;
pub(crate) use listing::MONGO_SOURCE;

use crate::clock::Clock;
use crate::config::{ConnectCluster, Poll, Worker};
use crate::sources::Meter;
use crate::sources::kafka::StatusTopic;
use crate::sources::offsets::{Offsets, OffsetsTopic, Reading};
use resumeguard_core::domain::Observed;
use resumeguard_core::recovery::{ManagedBy, WritesTopic};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// Reads one Connect cluster.
#[derive(Debug)]
pub struct ConnectReader {
    made_of: (ConnectCluster, Poll),
    name: String,
    client: Client,
    slow_lane: Duration,
    plugins_read_at: Option<Duration>,
    pass_began: Duration,
    managed_by: Option<ManagedBy>,
    worker: Option<Worker>,
    plugin_versions: HashMap<String, Option<String>>,
    /// The worker's own, where it could be read.
    worker_version: Option<String>,
    listed: Vec<Listed>,
    offsets: Offsets,
    status_topic: Option<StatusTopic>,
    /// Counts listings.
    pub listing_meter: Meter,
    /// Counts readings of the status topic, where there is one.
    pub status_meter: Option<Meter>,
}

impl ConnectReader {
    /// A reader that has read nothing.
    ///
    /// # Errors
    /// Where no HTTP client can be made (TLS set-up of this machine).
    pub fn new(cluster: &ConnectCluster, poll: &Poll) -> Result<Self, ConnectError> {
        let client = Client::new(cluster)?;
        Ok(Self {
            made_of: (cluster.clone(), *poll),
            name: cluster.name.clone(),
            offsets: Offsets::new(cluster, poll, &client),
            client,
            slow_lane: poll.sizes_every,
            plugins_read_at: None,
            pass_began: Duration::ZERO,
            managed_by: cluster.managed_by,
            worker: cluster.worker.clone(),
            plugin_versions: HashMap::new(),
            worker_version: None,
            listed: Vec::new(),
            status_topic: cluster.status_topic.as_ref().map(StatusTopic::follow),
            status_meter: cluster.status_topic.as_ref().map(|_| Meter::new("status_topic", &cluster.name)),
            listing_meter: Meter::new("connect", &cluster.name),
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

    /// The workers' offsets topic, where it is read and this connector keeps nothing in another.
    #[must_use]
    pub fn topic_of(&self, connector: &str) -> Option<OffsetsTopic> {
        let listed = self.listed.iter().find(|listed| listed.name == connector);
        let own = listed.and_then(|listed| listed.config.get("offsets.storage.topic"));
        if own.is_some_and(|own| !own.trim().is_empty()) {
            return None;
        }
        self.offsets.topic(&self.made_of.0)
    }

    /// Whether recovery may write to that topic.
    #[must_use]
    pub fn writes_topic(&self) -> WritesTopic {
        self.made_of.0.offsets.writes
    }

    /// The standalone worker that it is, where its file may be edited.
    #[must_use]
    pub fn worker(&self) -> Option<&Worker> {
        self.worker.as_ref()
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

    /// Whether one made of these would read just the same. What stood in the files of its credentials is left out: they are
    /// read again before every pass, and the clients take them over. Credentials that stand in the configuration itself are
    /// in `security`, which is compared.
    pub(in crate::sources) fn is_of(&self, cluster: &ConnectCluster, poll: &Poll) -> bool {
        let (mine, my_poll) = &self.made_of;
        let pace = |poll: &Poll| (poll.offsets_at_once, poll.sizes_every);
        let mine = ConnectCluster { credentials: cluster.credentials.clone(), ..mine.clone() };
        mine == *cluster && pace(my_poll) == pace(poll)
    }

    /// Takes a connector for listed, of which an earlier process has written down how it was configured: its worker may be down,
    /// and nobody else can tell then where it reads. The first listing replaces it.
    pub fn assume(&mut self, name: &str, config: &BTreeMap<String, String>) {
        if !self.was_listed() && self.listed.iter().all(|listed| listed.name != name) {
            self.listed.push(Listed::assumed(name, config));
        }
    }

    /// Whether there was a listing at all.
    #[must_use]
    pub fn was_listed(&self) -> bool {
        self.listing_meter.last_success.is_some()
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

    /// Reads the positions of what this pass has listed, from wherever the configuration says. While Connect cannot be read,
    /// what stands elsewhere can.
    pub async fn read_offsets(&mut self, clock: &Clock, deadline: Duration) {
        if self.is_readable() {
            self.offsets.read(&self.listed, clock, deadline).await;
        } else {
            self.offsets.read_beside(&self.listed, clock, deadline).await;
        }
    }

    /// Where positions are read from, and what is found there beside those that are listed.
    #[must_use]
    pub fn offsets(&self) -> &Offsets {
        &self.offsets
    }

    /// The newest reading of a connector's offsets that is not older than `stale_after`.
    ///
    /// # Errors
    /// Why there is none.
    pub fn offsets_of(&self, name: &str, now: Duration, stale_after: Duration) -> Observed<&Reading> {
        self.offsets.of(name, now, stale_after)
    }

    /// In words, where that was read, and why there.
    #[must_use]
    pub fn offsets_told(&self, listed: &Listed, reading: &Reading) -> String {
        self.offsets.told(listed, reading, self.worker_version())
    }

    /// Meters of everything that is read of this Connect cluster.
    pub fn meters(&self) -> impl Iterator<Item = &Meter> {
        std::iter::once(&self.listing_meter).chain(self.offsets.meters()).chain(&self.status_meter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Sources, load};

    #[test]
    fn a_rotated_secret_makes_no_other_reader_and_another_address_or_user_does() {
        let _first = rustls::crypto::ring::default_provider().install_default().is_ok();
        let folder = tempfile::tempdir().unwrap();
        let (config, secret) = (folder.path().join("config.toml"), folder.path().join("password"));
        let configured = |password: &str, url: &str, user: &str| {
            std::fs::write(&secret, password).unwrap();
            let file = secret.display();
            let toml = format!("[connect.c]\nurl='{url}'\nusername='{user}'\npassword_file='{file}'");
            std::fs::write(&config, toml).unwrap();
            let sources = Sources { files: vec![config.clone()], ..Sources::default() };
            let config = load(&sources).unwrap().1;
            (config.connect[0].clone(), config.poll)
        };
        let (cluster, poll) = configured("before", "http://h", "ada");
        let reader = ConnectReader::new(&cluster, &poll).unwrap();
        let is_of = |(cluster, poll): (ConnectCluster, Poll)| reader.is_of(&cluster, &poll);
        assert!(is_of(configured("after", "http://h", "ada")));
        assert!(!is_of(configured("after", "http://other", "ada")));
        assert!(!is_of(configured("after", "http://h", "eve")));
    }
}
