//! A compacted topic, read from its beginning and then followed. One thread owns the client; readers see what it has
//! folded so far and never wait for Kafka.

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long one look at the topic may take before the thread sees whether it is still wanted.
const POLL: Duration = Duration::from_millis(250);
/// How long the brokers have to describe the topic.
const METADATA: Duration = Duration::from_secs(5);

/// What becomes of a topic's records: the last value of a key wins, so what it holds is bounded by live keys.
pub(super) trait Fold: Default + Send + 'static {
    /// One record; `at` is its time by Kafka's clock, milliseconds since 1970.
    fn record(&mut self, key: &[u8], value: Option<&[u8]>, at: Option<i64>);
}

/// A topic that is followed.
#[derive(Debug)]
pub(super) struct Tail<F> {
    shared: Arc<Shared<F>>,
}

#[derive(Debug)]
struct Shared<F> {
    state: Mutex<State<F>>,
    unwanted: AtomicBool,
}

#[derive(Debug, Default)]
struct State<F> {
    fold: F,
    /// Every partition has been read to its end once.
    caught_up: bool,
    error: Option<String>,
}

impl<F: Fold> Tail<F> {
    /// Begins to follow. What goes wrong is told by [`Tail::read`].
    pub(super) fn follow(bootstrap_servers: &str, topic: &str) -> Self {
        let state = Mutex::new(State { fold: F::default(), caught_up: false, error: None });
        let shared = Arc::new(Shared { state, unwanted: AtomicBool::new(false) });
        let (thread, servers, topic) = (Arc::clone(&shared), bootstrap_servers.to_owned(), topic.to_owned());
        let spawned = std::thread::Builder::new()
            .name("kafka-tail".to_owned())
            .spawn(move || thread.follow(&servers, &topic));
        if let Err(error) = spawned {
            shared.lock().error = Some(format!("no thread could be started: {error}"));
        }
        Self { shared }
    }

    /// What has been folded.
    ///
    /// # Errors
    /// While the topic has not been read to its end once, or cannot be read: one line with what to do.
    pub(super) fn read<T>(&self, look: impl FnOnce(&F) -> T) -> Result<T, String> {
        let state = self.shared.lock();
        match &state.error {
            Some(error) => Err(error.clone()),
            None if state.caught_up => Ok(look(&state.fold)),
            None => Err("is still being read from its beginning".to_owned()),
        }
    }
}

impl<F> Drop for Tail<F> {
    fn drop(&mut self) {
        self.shared.unwanted.store(true, Ordering::Relaxed);
    }
}

impl<F> Shared<F> {
    /// Nothing panics while it is held, and a fold is whole after every record.
    fn lock(&self) -> MutexGuard<'_, State<F>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_wanted(&self) -> bool {
        !self.unwanted.load(Ordering::Relaxed)
    }
}

impl<F: Fold> Shared<F> {
    fn follow(&self, servers: &str, topic: &str) {
        while self.is_wanted() {
            let error = match consumer(servers).and_then(|consumer| self.consume(&consumer, topic)) {
                Ok(()) => continue,
                Err(error) => error,
            };
            let mut state = self.lock();
            (state.fold, state.caught_up) = (F::default(), false);
            state.error = Some(words(topic, &error));
            drop(state);
            std::thread::sleep(POLL * 4);
        }
    }

    /// Reads until nobody wants it any more, or until reading has to begin anew.
    fn consume(&self, consumer: &BaseConsumer, topic: &str) -> Result<(), KafkaError> {
        let metadata = consumer.fetch_metadata(Some(topic), METADATA)?;
        let described = metadata.topics().first().filter(|found| found.error().is_none());
        let mut unread: BTreeSet<i32> = described
            .into_iter()
            .flat_map(|found| found.partitions())
            .map(|partition| partition.id())
            .collect();
        if unread.is_empty() {
            return Err(KafkaError::MetadataFetch(rdkafka::types::RDKafkaErrorCode::UnknownTopic));
        }
        let mut partitions = TopicPartitionList::new();
        for partition in &unread {
            partitions.add_partition_offset(topic, *partition, Offset::Beginning)?;
        }
        consumer.assign(&partitions)?;
        while self.is_wanted() {
            match consumer.poll(POLL) {
                None => self.look_again(consumer, topic),
                Some(Ok(record)) => {
                    let at = record.timestamp().to_millis();
                    let mut state = self.lock();
                    state.error = None;
                    if let Some(key) = record.key() {
                        state.fold.record(key, record.payload(), at);
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    unread.remove(&partition);
                    let mut state = self.lock();
                    state.error = None;
                    state.caught_up |= unread.is_empty();
                }
                // Brokers that are away come back by themselves; what was folded is what it was.
                Some(Err(error)) if is_transient(&error) => {
                    self.lock().error = Some(words(topic, &error));
                }
                Some(Err(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// A partition at its end says nothing when its broker is back: the brokers have to be asked.
    fn look_again(&self, consumer: &BaseConsumer, topic: &str) {
        let ailing = self.lock().error.is_some();
        if ailing && consumer.fetch_metadata(Some(topic), METADATA).is_ok() {
            self.lock().error = None;
        }
    }
}

fn consumer(servers: &str) -> Result<BaseConsumer, KafkaError> {
    ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("client.id", "resumeguard")
        // Required by the library; nothing joins it and nothing is committed.
        .set("group.id", "resumeguard")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        .set("allow.auto.create.topics", "false")
        .create()
}

fn is_transient(error: &KafkaError) -> bool {
    use rdkafka::types::RDKafkaErrorCode::{
        AllBrokersDown, BrokerTransportFailure, NotLeaderForPartition, OperationTimedOut, Resolve,
    };
    error.rdkafka_error_code().is_some_and(|code| {
        [AllBrokersDown, BrokerTransportFailure, NotLeaderForPartition, OperationTimedOut, Resolve]
            .contains(&code)
    })
}

fn words(topic: &str, error: &KafkaError) -> String {
    use rdkafka::types::RDKafkaErrorCode::{TopicAuthorizationFailed, UnknownTopic, UnknownTopicOrPartition};
    match error.rdkafka_error_code() {
        Some(UnknownTopic | UnknownTopicOrPartition) => {
            format!("there is no topic `{topic}`; see status.storage.topic in the workers' properties")
        }
        Some(TopicAuthorizationFailed) => {
            format!("may not read the topic `{topic}`: grant Read and Describe")
        }
        Some(code) => format!("{code:?}; are the brokers reachable?"),
        None => error.to_string(),
    }
}
