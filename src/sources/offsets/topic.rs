//! Positions from the topics that Connect keeps them in: the workers' own, and over it a connector's
//! (`offsets.storage.topic` of its configuration).

use super::entry::bytes_entry;
use super::records::OffsetsTopic;
use super::{Reading, Readings};
use crate::clock::Clock;
use crate::config::{Kafka, KafkaTopic};
use crate::sources::connect::Listed;
use crate::sources::kafka::{Behind, Held, Kept, StoredKeys, Tail};
use crate::sources::{Meter, summary};
use futures_util::future::join_all;
use resumeguard_core::domain::{OffsetsFrom, StoredBytes, StoredEntry, Why};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::time::Duration;

/// Topics of connectors that are followed besides the workers': each costs a client with its threads.
const OWN_TOPICS: usize = 32;

/// Where a connector's offsets are kept besides the workers' topic: by brokers and name.
type Place = (String, String);

/// Records that a reading was made from, by the reading of their topic and their place: as long as they are the same, so
/// is the reading.
type Marks = Vec<(u64, (i32, i64))>;

/// Follows the topics of one Connect cluster.
#[derive(Debug)]
pub(super) struct TopicOffsets {
    kafka: Kafka,
    /// The workers' topic.
    pub(super) name: String,
    elsewhere: Vec<Kafka>,
    worker: Arc<Tail<StoredKeys>>,
    own: BTreeMap<Place, Tail<StoredKeys>>,
    marks: HashMap<String, Marks>,
    /// How connectors were configured when they were read last and nothing could be hidden.
    settled: HashMap<String, u64>,
    hasher: foldhash::fast::RandomState,
    pub(super) readings: Readings,
    pub(super) meter: Meter,
}

/// What one topic tells in a pass: which of its partitions are held back, or why it tells nothing.
type Caught = Result<Held, Behind>;

impl TopicOffsets {
    /// Begins to follow the workers' topic. `elsewhere` are the other brokers that connectors may keep theirs on.
    pub(super) fn new(cluster: &str, topic: &KafkaTopic, elsewhere: &[Kafka]) -> Self {
        Self {
            kafka: topic.kafka.clone(),
            name: topic.topic.clone(),
            elsewhere: elsewhere.to_vec(),
            worker: Arc::new(Tail::follow(topic, "offset.storage.topic")),
            own: BTreeMap::new(),
            marks: HashMap::new(),
            settled: HashMap::new(),
            hasher: foldhash::fast::RandomState::default(),
            readings: Readings::default(),
            meter: Meter::new("offsets_topic", cluster),
        }
    }

    /// The workers' topic, for whoever looks at single connectors between two passes.
    pub(super) fn records(&self, topic: &KafkaTopic) -> OffsetsTopic {
        OffsetsTopic::new(topic.clone(), Arc::clone(&self.worker))
    }

    pub(super) fn keep_only(&mut self, names: &HashSet<&str>) {
        self.readings.keep_only(names);
        self.marks.retain(|name, _| names.contains(name.as_str()));
        self.settled.retain(|name, _| names.contains(name.as_str()));
    }

    /// Waits until the topics have been read to where they end now, and takes what is stored. What they cannot tell
    /// keeps the reading that it had.
    pub(super) async fn read(&mut self, wanted: &[&Listed], clock: &Clock, deadline: Duration) {
        let begun = clock.uptime();
        let mut problems = BTreeSet::new();
        let places = self.follow(wanted, &mut problems);
        let own = self
            .own
            .iter()
            .map(|(place, tail)| async move { (place.clone(), tail.catch_up(deadline).await) });
        let (worker, own) = tokio::join!(self.worker.catch_up(deadline), join_all(own));
        let own: HashMap<Place, Caught> = own.into_iter().collect();
        for caught in std::iter::once(&worker).chain(own.values()) {
            match caught {
                Ok(held) if held.is_empty() => {}
                Ok(held) => {
                    problems.insert(format!("a transaction that stays open hides what was stored in partitions {held:?}; is its worker gone? It ends by transaction.timeout.ms"));
                }
                Err(behind) => {
                    problems.insert(behind.to_string());
                }
            }
        }
        for (listed, place) in wanted.iter().zip(places) {
            let layers = place.and_then(|place| self.layers(&worker, &own, place.as_ref()));
            let configured = self.hasher.hash_one(&listed.config);
            // One that is new, or is configured otherwise, may have stored under a key that nobody has seen yet.
            let settled = self.settled.get(&listed.name) == Some(&configured);
            let read = layers.and_then(|layers| {
                let hides = layers.iter().any(|layer| !layer.held.is_empty());
                let stored = if hides && !settled { None } else { stored(&layers, &listed.name)? };
                Ok(stored.map(|stored| (stored, hides)))
            });
            match read {
                Ok(Some((stored, hides))) => {
                    if !hides {
                        self.settled.insert(listed.name.clone(), configured);
                    }
                    self.take(&listed.name, &stored, begun);
                }
                // What it had ages.
                Ok(None) => {}
                Err(why) => self.readings.refuse(&listed.name, why),
            }
        }
        let problems: Vec<String> = problems.into_iter().collect();
        self.meter.count(clock.uptime().saturating_sub(begun), problems.is_empty());
        self.meter.conclude(clock, summary(&problems));
    }

    /// The topics that tell a connector's positions, the upper first; `Err` where one of them could not be read.
    fn layers<'a>(
        &'a self,
        worker: &'a Caught,
        own: &'a HashMap<Place, Caught>,
        place: Option<&Place>,
    ) -> Result<Vec<Layer<'a>>, Why> {
        let layer = |tail, caught: &'a Caught| match caught {
            Ok(held) => Ok(Layer { tail, held }),
            Err(behind) => Err(why(behind)),
        };
        let upper = place.map(|place| {
            let (tail, caught) = self.own.get(place).zip(own.get(place)).ok_or(Why::NotReadYet)?;
            layer(tail, caught)
        });
        upper.into_iter().chain([layer(&self.worker, worker)]).collect()
    }

    /// Follows the topics that connectors name, and no others; returns each connector's.
    fn follow(
        &mut self,
        wanted: &[&Listed],
        problems: &mut BTreeSet<String>,
    ) -> Vec<Result<Option<Place>, Why>> {
        let mut places = Vec::with_capacity(wanted.len());
        let mut needed = BTreeSet::new();
        for listed in wanted {
            let place = match self.place_of(listed) {
                Some(Ok((kafka, place))) => {
                    if !self.own.contains_key(&place) && self.own.len() < OWN_TOPICS {
                        let topic = KafkaTopic { kafka, topic: place.1.clone() };
                        self.own.insert(
                            place.clone(),
                            Tail::follow(&topic, "offsets.storage.topic of the connector"),
                        );
                    }
                    if self.own.contains_key(&place) {
                        needed.insert(place.clone());
                        Ok(Some(place))
                    } else {
                        problems.insert(format!("connectors name more than {OWN_TOPICS} topics of their own; those of the others are not read"));
                        Err(Why::OffsetsUnreadable)
                    }
                }
                Some(Err(servers)) => {
                    problems.insert(format!("{} keeps its offsets on {servers}: add [connect.NAME.other_kafka.ANY] with these bootstrap_servers", listed.name));
                    Err(Why::OffsetsUnreadable)
                }
                None => Ok(None),
            };
            places.push(place);
        }
        self.own.retain(|place, _| needed.contains(place));
        places
    }

    /// The connector's own topic with its brokers; the brokers' addresses alone where nobody said how they are reached.
    /// Credentials are never sent to an address that only a connector's configuration names.
    fn place_of(&self, listed: &Listed) -> Option<Result<(Kafka, Place), String>> {
        let setting =
            |key: &str| listed.config.get(key).map(|value| value.trim()).filter(|value| !value.is_empty());
        let topic = setting("offsets.storage.topic")?;
        let servers = setting("consumer.override.bootstrap.servers")
            .or_else(|| setting("producer.override.bootstrap.servers"));
        let Some(servers) = servers else { return Some(Ok(at(&self.kafka, topic))) };
        let known = std::iter::once(&self.kafka).chain(&self.elsewhere).find(|kafka| shares(kafka, servers));
        Some(known.map(|kafka| at(kafka, topic)).ok_or_else(|| servers.to_owned()))
    }

    fn take(&mut self, name: &str, stored: &[Stored], at: Duration) {
        let marks: Marks = stored.iter().map(Stored::mark).collect();
        if self.marks.get(name) == Some(&marks) && self.readings.renew(name, at) {
            return;
        }
        let entries = stored.iter().filter_map(Stored::entry).collect();
        self.readings.insert(name, Reading { at, from: OffsetsFrom::Topic, entries });
        self.marks.insert(name.to_owned(), marks);
    }
}

/// Why a connector's position is not known while a topic that may hold it is behind.
fn why(behind: &Behind) -> Why {
    match behind {
        Behind::Replaying { .. } => Why::NotReadYet,
        Behind::Failed(_) => Why::OffsetsUnreadable,
    }
}

fn at(kafka: &Kafka, topic: &str) -> (Kafka, Place) {
    (kafka.clone(), (kafka.bootstrap_servers.clone(), topic.to_owned()))
}

/// Whether two lists of brokers name one in common.
fn shares(kafka: &Kafka, servers: &str) -> bool {
    let brokers = |list: &str| list.split(',').map(|b| b.trim().to_lowercase()).collect::<BTreeSet<_>>();
    !brokers(&kafka.bootstrap_servers).is_disjoint(&brokers(servers))
}

/// One topic in a pass that has read it to its end.
struct Layer<'a> {
    tail: &'a Tail<StoredKeys>,
    held: &'a Held,
}

/// One key with its value, copied out of what is followed.
struct Stored {
    /// Number of the reading of its topic.
    reading: u64,
    place: (i32, i64),
    at: Option<i64>,
    key: Arc<[u8]>,
    value: Arc<[u8]>,
}

/// What is stored for a connector, upper layers first: a key that is in two counts as the upper has it
/// (`ConnectorOffsetBackingStore` in Kafka's source). `None` where a transaction may hide something newer; `Err` where a
/// topic that had been read to its end has begun anew while the others were waited for.
fn stored(layers: &[Layer<'_>], connector: &str) -> Result<Option<Vec<Stored>>, Why> {
    let mut found: Vec<Stored> = Vec::new();
    for Layer { tail, held } in layers {
        let here = tail.look(|stored, reading| {
            let copy = |(key, kept): (&Arc<[u8]>, &Kept)| Stored {
                reading,
                place: kept.place,
                at: kept.at,
                key: Arc::clone(key),
                value: kept.value().into(),
            };
            stored.of(connector).into_iter().map(copy).collect::<Vec<_>>()
        });
        let here = here.map_err(|behind| why(&behind))?;
        // Without any key, the first of one may be hidden anywhere.
        if !held.is_empty() && (here.is_empty() || here.iter().any(|stored| held.contains(&stored.place.0))) {
            return Ok(None);
        }
        let above = found.len();
        for stored in here {
            if !found[..above].iter().any(|upper| upper.key == stored.key) {
                found.push(stored);
            }
        }
    }
    Ok(Some(found))
}

impl Stored {
    fn mark(&self) -> (u64, (i32, i64)) {
        (self.reading, self.place)
    }

    fn entry(&self) -> Option<StoredEntry> {
        let bytes = StoredBytes {
            key: Arc::clone(&self.key),
            value: Arc::clone(&self.value),
            partition: Some(self.place.0),
        };
        bytes_entry(bytes, self.at.map(|millis| millis.div_euclid(1000)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::kafka::{Fold, Record};

    const KEY: &[u8] = br#"["orders",{"ns":"mongodb://h/db.c"}]"#;

    fn tail(value: &[u8]) -> Tail<StoredKeys> {
        let mut keys = StoredKeys::default();
        keys.record(&Record { place: (0, 7), key: KEY, value: Some(value), at: Some(1) });
        Tail::of(keys)
    }

    #[test]
    fn a_topic_that_began_anew_while_others_were_waited_for_tells_nothing() {
        let (upper, worker, held) = (tail(b"upper"), tail(b"worker"), Held::new());
        let layers = [Layer { tail: &upper, held: &held }, Layer { tail: &worker, held: &held }];
        let found = stored(&layers, "orders").unwrap().unwrap();
        assert_eq!(found.iter().map(|stored| &*stored.value).collect::<Vec<_>>(), [b"upper"]);
        // Half of the upper one is none of it: the worker's, which is older, must not count in its place.
        upper.fail();
        assert_eq!(stored(&layers, "orders").err(), Some(Why::OffsetsUnreadable));
        assert_eq!(stored(&layers[1..], "orders").unwrap().unwrap().len(), 1);
    }

    #[test]
    fn the_same_place_of_another_topic_is_another_reading() {
        let held = Held::new();
        let marks = |tail: &Tail<StoredKeys>| {
            stored(&[Layer { tail, held: &held }], "orders")
                .unwrap()
                .unwrap()
                .iter()
                .map(Stored::mark)
                .collect()
        };
        let (one, other) = (tail(b"a"), tail(b"b"));
        let (first, again, second): (Marks, Marks, Marks) = (marks(&one), marks(&one), marks(&other));
        assert_eq!(first, again);
        assert_ne!(first, second);
    }
}
