//! Where positions come from: Connect's REST interface, the topic that it keeps them in, or a standalone worker's file.
//! A new place is a file here, a variant of `Origin` and a word of `OffsetsFrom`.

mod entry;
pub mod file;
mod records;
mod rest;
mod told;
mod topic;

pub use entry::parse_offsets;
pub use records::OffsetsTopic;

use crate::clock::Clock;
use crate::config::{ConnectCluster, Poll};
use crate::sources::Meter;
use crate::sources::connect::{Client, Listed};
use file::FileOffsets;
use rest::RestOffsets;
use resumeguard_core::domain::{Observed, OffsetsFrom, StoredEntry, Why};
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Duration;
use topic::TopicOffsets;

/// A connector's stored entries as last read.
#[derive(Debug, Clone)]
pub struct Reading {
    /// Uptime at which it was begun: what was stored before then is in it.
    pub at: Duration,
    /// Where it was read.
    pub from: OffsetsFrom,
    /// What was found.
    pub entries: Vec<StoredEntry>,
}

/// What one origin has read.
#[derive(Debug, Default)]
pub(super) struct Readings {
    read: HashMap<String, Reading>,
    /// Why the last attempt for a connector failed.
    refusals: HashMap<String, Why>,
}

impl Readings {
    fn insert(&mut self, name: &str, reading: Reading) {
        self.refusals.remove(name);
        self.read.insert(name.to_owned(), reading);
    }

    /// It could not be read; an earlier reading stays, and ages.
    fn refuse(&mut self, name: &str, why: Why) {
        self.refusals.insert(name.to_owned(), why);
    }

    /// What was read is what is still stored; `false` where nothing was read.
    fn renew(&mut self, name: &str, at: Duration) -> bool {
        self.refusals.remove(name);
        self.read.get_mut(name).map(|reading| reading.at = at).is_some()
    }

    fn keep_only(&mut self, names: &HashSet<&str>) {
        self.read.retain(|name, _| names.contains(name.as_str()));
        self.refusals.retain(|name, _| names.contains(name.as_str()));
    }

    fn of(&self, name: &str, now: Duration, stale_after: Duration) -> Observed<&Reading> {
        let refusal = self.refusals.get(name).copied();
        match self.read.get(name) {
            Some(reading) if now.saturating_sub(reading.at) <= stale_after => Ok(reading),
            Some(_) => Err(refusal.unwrap_or(Why::Stale)),
            None => Err(refusal.unwrap_or(Why::NotReadYet)),
        }
    }
}

/// One place that positions are read from.
#[derive(Debug)]
enum Origin {
    Rest(RestOffsets),
    Topic(TopicOffsets),
    File(FileOffsets),
}

impl Origin {
    /// Reads what is stored for these connectors. Nothing is an error of the caller's: what went wrong is in the meter
    /// and in the readings.
    async fn read(&mut self, wanted: &[&Listed], clock: &Clock, deadline: Duration) {
        match self {
            Self::Rest(rest) => rest.read(wanted, clock, deadline).await,
            Self::Topic(topic) => topic.read(wanted, clock, deadline).await,
            Self::File(file) => {
                let names: Vec<&str> = wanted.iter().map(|listed| listed.name.as_str()).collect();
                file.read(&names, clock, deadline).await;
            }
        }
    }

    /// It can be read while Connect cannot.
    fn stands_beside(&self) -> bool {
        match self {
            Self::Rest(_) | Self::Topic(_) => false,
            Self::File(_) => true,
        }
    }

    fn from(&self) -> OffsetsFrom {
        match self {
            Self::Rest(_) => OffsetsFrom::Rest,
            Self::Topic(_) => OffsetsFrom::Topic,
            Self::File(_) => OffsetsFrom::File,
        }
    }

    fn readings(&self) -> &Readings {
        match self {
            Self::Rest(rest) => &rest.readings,
            Self::Topic(topic) => &topic.readings,
            Self::File(file) => &file.readings,
        }
    }

    /// Forgets the connectors that are not listed any more.
    fn keep_only(&mut self, names: &HashSet<&str>) {
        match self {
            Self::Rest(rest) => rest.keep_only(names),
            Self::Topic(topic) => topic.keep_only(names),
            Self::File(file) => file.readings.keep_only(names),
        }
    }

    fn meter(&self) -> &Meter {
        match self {
            Self::Rest(rest) => &rest.meter,
            Self::Topic(topic) => &topic.meter,
            Self::File(file) => &file.meter,
        }
    }
}

/// One Connect cluster's positions, from the places that its configuration names.
#[derive(Debug)]
pub struct Offsets {
    cluster: String,
    /// In order of preference.
    origins: Vec<Origin>,
    /// How many of them the last pass has asked: the others were not needed, and are no sources then.
    asked: usize,
    /// What was logged last of where positions come from.
    said: Option<(&'static str, Option<String>)>,
}

impl Offsets {
    /// Positions of which nothing has been read.
    #[must_use]
    pub fn new(cluster: &ConnectCluster, poll: &Poll, client: &Client) -> Self {
        let rest = || Origin::Rest(RestOffsets::new(&cluster.name, client.clone(), poll.offsets_at_once));
        let file = || Some(Origin::File(FileOffsets::new(&cluster.name, cluster.offsets.file.as_deref()?)));
        let topic = || {
            let topic = cluster.offsets.topic.as_ref()?;
            Some(Origin::Topic(TopicOffsets::new(&cluster.name, topic, &cluster.offsets.elsewhere)))
        };
        let origin = |from: &OffsetsFrom| match from {
            OffsetsFrom::Rest => Some(rest()),
            OffsetsFrom::Topic => topic(),
            OffsetsFrom::File => file(),
        };
        Self {
            cluster: cluster.name.clone(),
            origins: cluster.offsets.order.iter().filter_map(origin).collect(),
            asked: 1,
            said: None,
        }
    }

    /// Reads the positions of everything that is listed: from the first origin, and what it cannot tell in this pass
    /// from the next.
    pub async fn read(&mut self, listed: &[Listed], clock: &Clock, deadline: Duration) {
        let begun = clock.uptime();
        let names: HashSet<&str> = listed.iter().map(|listed| listed.name.as_str()).collect();
        let origins = self.origins.len();
        let mut wanted: Vec<&Listed> = listed.iter().collect();
        for (at, origin) in self.origins.iter_mut().enumerate() {
            origin.keep_only(&names);
            if at == 0 || !wanted.is_empty() {
                self.asked = at + 1;
                let left = deadline.saturating_sub(clock.uptime().saturating_sub(begun));
                // One that hangs leaves time for the next.
                let share = if at + 1 < origins { left / 2 } else { left };
                origin.read(&wanted, clock, share).await;
            }
            let read = &origin.readings().read;
            wanted.retain(|listed| read.get(&listed.name).is_none_or(|reading| reading.at < begun));
        }
        self.say(listed, begun);
    }

    /// The same while Connect cannot be read, of what was listed last.
    pub async fn read_beside(&mut self, listed: &[Listed], clock: &Clock, deadline: Duration) {
        let wanted: Vec<&Listed> = listed.iter().collect();
        for (at, origin) in self.origins.iter_mut().enumerate().filter(|(_, origin)| origin.stands_beside()) {
            self.asked = self.asked.max(at + 1);
            origin.read(&wanted, clock, deadline).await;
        }
    }

    /// Whether positions can be read while Connect cannot.
    #[must_use]
    pub fn stands_beside(&self) -> bool {
        self.origins.iter().any(Origin::stands_beside)
    }

    /// The file of a standalone worker, where positions are read there.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.origins.iter().find_map(|origin| match origin {
            Origin::File(file) => Some(file.path()),
            Origin::Rest(_) | Origin::Topic(_) => None,
        })
    }

    /// The workers' topic, where positions are read there.
    #[must_use]
    pub fn topic(&self, cluster: &ConnectCluster) -> Option<OffsetsTopic> {
        let topic = cluster.offsets.topic.as_ref()?;
        self.origins.iter().find_map(|origin| match origin {
            Origin::Topic(offsets) => Some(offsets.records(topic)),
            Origin::Rest(_) | Origin::File(_) => None,
        })
    }

    /// Names of connectors that have a position in a file.
    pub fn names_in_file(&self) -> impl Iterator<Item = &str> {
        self.origins.iter().flat_map(|origin| match origin {
            Origin::File(file) => file.names().collect(),
            Origin::Rest(_) | Origin::Topic(_) => Vec::new(),
        })
    }

    /// Where positions came from in the pass that began then, told when it changes.
    fn say(&mut self, listed: &[Listed], begun: Duration) {
        if self.origins.len() < 2 || listed.is_empty() {
            return;
        }
        let read_now = |origin: &&Origin| origin.readings().read.values().any(|reading| reading.at >= begun);
        let from = self.origins.iter().find(read_now).map_or("nobody", |origin| origin.from().code());
        let why = self.origins.iter().take(self.asked).find_map(|origin| origin.meter().error.clone());
        let said = (from, why);
        if self.said.as_ref() != Some(&said) {
            let (from, why) = &said;
            let because = why.as_deref().unwrap_or("it is configured, and can be read");
            tracing::info!(
                connect_cluster = self.cluster,
                from,
                because,
                "where positions are read has changed"
            );
            self.said = Some(said);
        }
    }

    /// The newest reading of a connector's offsets that is not older than `stale_after`.
    ///
    /// # Errors
    /// Why there is none.
    pub fn of(&self, name: &str, now: Duration, stale_after: Duration) -> Observed<&Reading> {
        let mut why = Why::NotReadYet;
        let mut newest: Option<&Reading> = None;
        for origin in &self.origins {
            match origin.readings().of(name, now, stale_after) {
                Ok(reading) if newest.is_none_or(|newest| newest.at < reading.at) => newest = Some(reading),
                Ok(_) => {}
                // What was tried and refused says more than what has not had its turn.
                Err(refusal) if why == Why::NotReadYet => why = refusal,
                Err(_) => {}
            }
        }
        newest.ok_or(why)
    }

    /// Meters of those of its origins that are asked.
    pub fn meters(&self) -> impl Iterator<Item = &Meter> {
        self.origins.iter().take(self.asked).map(Origin::meter)
    }
}
