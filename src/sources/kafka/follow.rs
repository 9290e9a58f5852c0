//! The thread behind a [`Tail`](super::tail::Tail): one consumer without a group, all partitions from the beginning, then live.

use super::listener::Listener;
use super::tail::{Fold, Record, Shared};
use super::words::{Where, is_transient, no_client, words};
use crate::config::{Kafka, KafkaTopic};
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long one look at the topic may take before the thread sees whether something was asked.
const POLL: Duration = Duration::from_millis(25);
/// The same while a question is likely: who was just answered, or told that the topic is still being read, asks again.
const QUICK_POLL: Duration = Duration::from_millis(1);
/// So many times.
const QUICK_POLLS: u32 = 50;
/// So much of what the asker has to say is heard at once: a line a partition and a few more.
const SAID: usize = 10_000;
/// How long the brokers have to describe the topic.
const METADATA: Duration = Duration::from_secs(5);
/// Before reading begins anew.
const PAUSE: Duration = Duration::from_secs(1);
/// Records that are folded at once, under one lock: looked up one after the other between two polls, each waits for memory by itself.
const BATCH: usize = 1024;
/// After so many batches without an empty poll the client is asked where it stands: that takes as long as dozens of records.
const BUSY: u32 = 64;

/// Why reading begins anew.
enum Trouble {
    Kafka(Where, KafkaError),
    /// The topic is not the one that was read.
    Changed(&'static str),
}

/// Follows until nobody wants it any more.
pub(super) fn follow<F: Fold>(shared: &Shared<F>, topic: &KafkaTopic, setting: &'static str) {
    let listener = Listener::default();
    while shared.is_wanted() {
        // A password may have been rotated since.
        let topic = &KafkaTopic { kafka: topic.kafka.refreshed(), topic: topic.topic.clone() };
        let ended = Reader::begin(shared, topic, &listener).and_then(|mut reader| reader.run());
        let error = match ended {
            Ok(()) => return,
            Err(Trouble::Kafka(at, error)) => words(topic, setting, at, &error, listener.said()),
            Err(Trouble::Changed(how)) => {
                format!("the topic `{}` {how}; it is read again from its beginning", topic.topic)
            }
        };
        shared.fail(error);
        std::thread::sleep(PAUSE);
    }
}

/// One partition: offsets of its first record, of the next to be read, and of the one that has to be reached.
#[derive(Debug, Clone, Copy)]
struct Progress {
    begin: i64,
    next: i64,
    target: i64,
}

impl Progress {
    fn is_reached(self) -> bool {
        self.next >= self.target
    }
}

struct Reader<'a, F> {
    shared: &'a Shared<F>,
    topic: &'a str,
    /// The same, and with which credentials it is reached.
    place: &'a KafkaTopic,
    listener: &'a Listener,
    consumer: BaseConsumer<Listener>,
    /// Asks about the topic on connections of its own: on the consumer's, every question waits behind the fetch that is under way.
    asker: Arc<BaseConsumer<Listener>>,
    /// Has the asker know the topic, and so notice that it has become another.
    _known: Option<PartitionQueue<Listener>>,
    partitions: BTreeMap<i32, Progress>,
    /// Every partition has been read to its end once.
    live: bool,
    /// The question that was heard last, and whether it waits for its answer.
    question: u64,
    waits: bool,
    /// So many quick polls are left.
    quick: u32,
    /// Batches since a poll was empty.
    busy: u32,
    ailing: bool,
}

impl<'a, F: Fold> Reader<'a, F> {
    fn begin(shared: &'a Shared<F>, topic: &'a KafkaTopic, listener: &'a Listener) -> Result<Self, Trouble> {
        let seeing = |error| Trouble::Kafka(Where::Describe, error);
        // Both connect at once.
        let consumer = reader(topic, listener).map_err(seeing)?;
        let asker = Arc::new(asker(topic, listener).map_err(seeing)?);
        let known = asker.split_partition_queue(&topic.topic, 0);
        let ids = partitions(&asker, &topic.topic).map_err(seeing)?;
        let begins = offsets(&asker, &topic.topic, &ids, Offset::Beginning).map_err(seeing)?;
        let ends = offsets(&asker, &topic.topic, &ids, Offset::End).map_err(seeing)?;
        // What is assigned to a client that does not know its leaders yet is looked at again a second later.
        partitions(&consumer, &topic.topic).map_err(seeing)?;
        // Of the one that is read from now on.
        listener.begin_anew();
        let progress = |(id, begin): (&i32, &i64)| {
            let target = ends.get(id).copied().unwrap_or(*begin);
            (*id, Progress { begin: *begin, next: *begin, target })
        };
        let mut assigned = TopicPartitionList::new();
        for (id, begin) in &begins {
            assigned.add_partition_offset(&topic.topic, *id, Offset::Offset(*begin)).map_err(seeing)?;
        }
        consumer.assign(&assigned).map_err(seeing)?;
        shared.set_progress(&topic.topic, 0);
        Ok(Self {
            shared,
            topic: &topic.topic,
            place: topic,
            listener,
            consumer,
            asker,
            _known: known,
            partitions: begins.iter().map(progress).collect(),
            live: false,
            question: 0,
            waits: false,
            quick: 0,
            busy: 0,
            ailing: false,
        })
    }

    fn run(&mut self) -> Result<(), Trouble> {
        while self.shared.is_wanted() {
            self.hear()?;
            // Mostly there is nothing new: the answer need not wait for a record.
            self.reach();
            self.poll()?;
            self.reach();
        }
        Ok(())
    }

    /// A new question: the ends of now are the next to be reached.
    fn hear(&mut self) -> Result<(), Trouble> {
        let asked = self.shared.asked();
        if asked == self.question {
            return Ok(());
        }
        self.question = asked;
        if !self.live {
            let behind = self.shared.set_progress(self.topic, self.percent());
            self.shared.answer(asked, Err(behind));
            return Ok(());
        }
        // Who is refused may be let in with what a file says by now.
        if self.ailing && self.place.kafka.refreshed() != self.place.kafka {
            return Err(Trouble::Changed("is reached with another password"));
        }
        match self.aim() {
            Ok(()) => {
                self.well();
                self.waits = true;
                Ok(())
            }
            // Brokers that are away come back by themselves; what was folded is what it was.
            Err(Trouble::Kafka(at, error)) if is_transient(&error) => {
                self.ail(at, &error);
                Ok(())
            }
            Err(trouble) => Err(trouble),
        }
    }

    fn aim(&mut self) -> Result<(), Trouble> {
        let seeing = |error| Trouble::Kafka(Where::Describe, error);
        let ids = partitions(&self.asker, self.topic).map_err(seeing)?;
        self.hear_the_log();
        if self.listener.take_anew() {
            return Err(Trouble::Changed("was made anew"));
        }
        if !ids.iter().eq(self.partitions.keys()) {
            return Err(Trouble::Changed("has other partitions than before"));
        }
        let ends = offsets(&self.asker, self.topic, &ids, Offset::End).map_err(seeing)?;
        for (id, end) in ends {
            let Some(progress) = self.partitions.get_mut(&id) else { continue };
            if end < progress.next {
                return Err(Trouble::Changed("ends before what was read of it, so it was made anew"));
            }
            progress.target = end;
        }
        Ok(())
    }

    /// The asker has no records; what else it has to say is said by its log, and the last answer to a question stands there by now. A poll
    /// that may not wait ends after one line, which counts as none.
    fn hear_the_log(&self) {
        for _ in 0..SAID {
            let heard = self.listener.heard();
            if self.asker.poll(Duration::ZERO).is_none() && self.listener.heard() == heard {
                return;
            }
        }
    }

    fn poll(&mut self) -> Result<(), Trouble> {
        let patience = if self.quick > 0 { QUICK_POLL } else { POLL };
        self.quick = self.quick.saturating_sub(1);
        let mut next = self.consumer.poll(patience);
        if next.is_none() {
            self.busy = 0;
            self.pass_markers();
            return Ok(());
        }
        let mut records = Vec::with_capacity(BATCH);
        let mut error = None;
        while let Some(polled) = next.take() {
            match polled {
                Ok(record) => records.push(record),
                Err(found) => {
                    error = Some(found);
                    break;
                }
            }
            if records.len() < BATCH {
                next = self.consumer.poll(Duration::ZERO);
            }
        }
        let partitions = &mut self.partitions;
        self.shared.fold(|fold| records.iter().for_each(|record| take(fold, partitions, record)));
        drop(records);
        // A quiet partition may end with a marker, and a busy one beside it never leaves a poll empty. Everything that the
        // client has handed out has been taken by now, so its position leaves out nothing.
        self.busy = self.busy.wrapping_add(1);
        // Once live, somebody waits for the answer, and batches are few.
        if self.live || self.busy.is_multiple_of(BUSY) {
            self.pass_markers();
        }
        match error {
            None => Ok(()),
            // Nothing joins the group and nothing is committed: no right to it is needed.
            Some(error) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::GroupAuthorizationFailed) => {
                Ok(())
            }
            Some(error) if is_transient(&error) => {
                self.ail(Where::Read, &error);
                Ok(())
            }
            Some(error) => Err(Trouble::Kafka(Where::Read, error)),
        }
    }

    /// Markers of transactions are no records, yet they have offsets: the client's own position has passed them. Costs
    /// nothing once every partition is reached.
    fn pass_markers(&mut self) {
        if self.partitions.values().all(|progress| progress.is_reached()) {
            return;
        }
        let Ok(positions) = self.consumer.position() else { return };
        for element in positions.elements() {
            if let (Offset::Offset(next), Some(progress)) =
                (element.offset(), self.partitions.get_mut(&element.partition()))
            {
                progress.next = progress.next.max(next);
            }
        }
    }

    fn reach(&mut self) {
        if !self.partitions.values().all(|progress| progress.is_reached()) {
            return;
        }
        if !self.live {
            self.live = true;
            self.quick = QUICK_POLLS;
            self.listener.forget();
            self.shared.set_live();
            tracing::info!(topic = self.topic, "the topic has been read to its end");
        }
        if self.waits {
            self.waits = false;
            self.quick = QUICK_POLLS;
            self.shared.answer(self.question, Ok(self.listener.held()));
        }
    }

    fn ail(&mut self, at: Where, error: &KafkaError) {
        let said = words(self.place, "", at, error, self.listener.said());
        self.ailing = true;
        self.waits = false;
        if self.live {
            self.shared.set_trouble(Some(said.clone()));
        }
        self.shared.answer(self.question, Err(super::tail::Behind::Failed(said)));
    }

    fn well(&mut self) {
        if std::mem::take(&mut self.ailing) {
            self.listener.forget();
            self.shared.set_trouble(None);
        }
    }

    /// How much of what there was when reading began has been read.
    fn percent(&self) -> u8 {
        let sum = |of: fn(&Progress) -> i64| self.partitions.values().map(of).sum::<i64>();
        let (read, all) = (sum(|p| p.next - p.begin), sum(|p| p.target - p.begin));
        u8::try_from((read * 100).checked_div(all).unwrap_or(0).clamp(0, 99)).unwrap_or(0)
    }
}

fn take<F: Fold>(fold: &mut F, partitions: &mut BTreeMap<i32, Progress>, record: &BorrowedMessage<'_>) {
    let place = (record.partition(), record.offset());
    if let Some(progress) = partitions.get_mut(&place.0) {
        progress.next = place.1 + 1;
    }
    if let Some(key) = record.key() {
        fold.record(&Record { place, key, value: record.payload(), at: record.timestamp().to_millis() });
    }
}

/// Partitions of the topic.
pub(super) fn partitions(consumer: &BaseConsumer<Listener>, topic: &str) -> Result<Vec<i32>, KafkaError> {
    let metadata = consumer.fetch_metadata(Some(topic), METADATA)?;
    let found = metadata.topics().first();
    if let Some(error) = found.and_then(|found| found.error()) {
        return Err(KafkaError::MetadataFetch(error.into()));
    }
    let mut ids: Vec<i32> =
        found.into_iter().flat_map(|found| found.partitions()).map(|partition| partition.id()).collect();
    ids.sort_unstable();
    if ids.is_empty() {
        return Err(KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopic));
    }
    Ok(ids)
}

/// Where the partitions begin or end; to who reads what is committed, an open transaction is the end.
pub(super) fn offsets(
    consumer: &BaseConsumer<Listener>,
    topic: &str,
    ids: &[i32],
    which: Offset,
) -> Result<BTreeMap<i32, i64>, KafkaError> {
    let mut wanted = TopicPartitionList::new();
    for id in ids {
        // The special offsets are the protocol's special times, one call a broker.
        wanted.add_partition_offset(topic, *id, which)?;
    }
    let found = consumer.offsets_for_times(wanted, METADATA)?;
    let found = found.elements().into_iter().map(|element| {
        element.error()?;
        let Offset::Offset(offset) = element.offset() else {
            return Err(KafkaError::OffsetFetch(RDKafkaErrorCode::OffsetNotAvailable));
        };
        Ok((element.partition(), offset))
    });
    found.collect()
}

/// Belongs to no group and reads nothing. That the topic's id has changed it tells nobody but its log.
fn asker(topic: &KafkaTopic, listener: &Listener) -> Result<BaseConsumer<Listener>, KafkaError> {
    asker_config(&topic.kafka).create_with_context(listener.clone())
}

fn asker_config(kafka: &Kafka) -> ClientConfig {
    let mut client = modest(kafka);
    client.set("allow.auto.create.topics", "false").set("debug", "topic");
    client.set_log_level(RDKafkaLogLevel::Debug);
    client
}

/// Takes no record of a transaction before it has ended.
pub(super) fn reader(topic: &KafkaTopic, listener: &Listener) -> Result<BaseConsumer<Listener>, KafkaError> {
    reader_of(topic, listener, COMMITTED)
}

const COMMITTED: &str = "read_committed";

/// `isolation` is `isolation.level`: what [`offsets`] calls the end depends on it.
pub(super) fn reader_of(
    topic: &KafkaTopic,
    listener: &Listener,
    isolation: &str,
) -> Result<BaseConsumer<Listener>, KafkaError> {
    reader_config(&topic.kafka, isolation).create_with_context(listener.clone())
}

fn reader_config(kafka: &Kafka, isolation: &str) -> ClientConfig {
    let mut client = modest(kafka);
    client
        // Required by the library; nothing joins it and nothing is committed.
        .set("group.id", "resumeguard")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("isolation.level", isolation)
        .set("allow.auto.create.topics", "false")
        // An offset that is not there any more means another topic: never go on at its end.
        .set("auto.offset.reset", "error")
        .set("statistics.interval.ms", "1000");
    client
}

/// With defaults of ours that the operator may change. Otherwise 64 MiB are read ahead, and an answer may have 50 MiB.
fn modest(kafka: &Kafka) -> ClientConfig {
    let mut client = kafka.client();
    // Who lets a message be larger than our answers is refused by the library; left alone, it sees to that by itself.
    let large_messages = client.get("message.max.bytes").is_some();
    let defaults = [
        ("queued.max.messages.kbytes", "8192"),
        ("fetch.max.bytes", "2097152"),
        // Whenever as much has been read ahead, the library pauses for this long: a second, if nothing is said.
        ("fetch.queue.backoff.ms", "5"),
        // Measured with each record that is taken, for nobody.
        ("enable.metrics.push", "false"),
    ];
    for (property, value) in defaults {
        let given = client.get(property).is_some() || property == "fetch.max.bytes" && large_messages;
        if !given {
            client.set(property, value);
        }
    }
    client
}

/// Why the library would make no client with these properties together, in its words; one by one it has taken them. Connects to nobody.
pub(crate) fn refusal(kafka: &Kafka) -> Option<String> {
    [reader_config(kafka, COMMITTED), asker_config(kafka)].into_iter().find_map(|mut client| {
        // Then there is nobody to connect to.
        client.remove("bootstrap.servers");
        let made: Result<BaseConsumer<Listener>, _> = client.create_with_context(Listener::default());
        made.err().map(|error| no_client(kafka, &error, None))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Sources, load};

    fn refused(properties: &str) -> Option<String> {
        let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
        let toml = format!(
            "[connect.main]\nurl = \"http://127.0.0.1:9\"\nkafka_bootstrap_servers = \"127.0.0.1:9\"\n\
             offsets_topic = \"t\"\n[connect.main.kafka.properties]\n{properties}"
        );
        std::fs::write(file.path(), toml).unwrap();
        let sources = Sources { files: vec![file.path().to_owned()], ..Sources::default() };
        let config = load(&sources).unwrap().1;
        refusal(&config.connect[0].offsets.topic.as_ref().unwrap().kafka)
    }

    #[test]
    fn our_defaults_give_way_to_what_is_configured() {
        for well in [
            "",
            "\"message.max.bytes\" = \"10485760\"",
            "\"receive.message.max.bytes\" = \"4194304\"",
            "\"receive.message.max.bytes\" = \"104857600\"",
            "\"message.max.bytes\" = \"10485760\"\n\"receive.message.max.bytes\" = \"20971520\"",
            "\"fetch.max.bytes\" = \"10485760\"\n\"message.max.bytes\" = \"10485760\"",
        ] {
            assert_eq!(refused(well), None, "{well}");
        }
        let against_each_other = "\"message.max.bytes\" = \"10485760\"\n\"fetch.max.bytes\" = \"1048576\"";
        let said = refused(against_each_other).unwrap();
        assert!(said.contains("`fetch.max.bytes` must be >= `message.max.bytes`"), "{said}");
    }
}
