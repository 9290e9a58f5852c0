//! What librdkafka tells besides records: why a connection failed, and whether a transaction holds a partition back.

use super::tail::Held;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;
use rdkafka::statistics::Statistics;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A transaction that is open for this many statistics (seconds) hangs: a worker's own take milliseconds.
const HANGS: u32 = 10;

/// Keeps what was told last.
#[derive(Debug, Clone, Default)]
pub(super) struct Listener(Arc<Mutex<Told>>);

#[derive(Debug, Default)]
struct Told {
    said: Option<String>,
    /// Lines, errors and statistics so far.
    heard: u64,
    /// The topic of this name has another id than before.
    anew: bool,
    /// By partition: the offset at which an open transaction begins, and for how many statistics it has.
    open: BTreeMap<i32, (i64, u32)>,
}

impl Listener {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why a connection failed last, in the library's words.
    pub(super) fn said(&self) -> Option<String> {
        self.told().said.clone()
    }

    /// How much has been told: whoever polls for more knows by it whether there was any.
    pub(super) fn heard(&self) -> u64 {
        self.told().heard
    }

    /// What was said is over.
    pub(super) fn forget(&self) {
        self.told().said = None;
    }

    /// The topic has become another of the same name since this was asked last.
    pub(super) fn take_anew(&self) -> bool {
        std::mem::take(&mut self.told().anew)
    }

    /// A reading begins: what was told of the topic was told of one that is not read any more, and may have had other partitions.
    pub(super) fn begin_anew(&self) {
        let mut told = self.told();
        told.anew = false;
        told.open.clear();
    }

    /// Partitions with a transaction that hangs.
    pub(super) fn held(&self) -> Held {
        let told = self.told();
        told.open.iter().filter(|(_, (_, seen))| *seen >= HANGS).map(|(partition, _)| *partition).collect()
    }
}

impl Told {
    /// `stable` is the offset up to which nothing is open, `end` that of the next record.
    fn partition(&mut self, partition: i32, stable: i64, end: i64) {
        if stable < 0 || stable >= end {
            self.open.remove(&partition);
            return;
        }
        let open = self.open.entry(partition).or_insert((stable, 0));
        *open = if open.0 == stable { (stable, open.1 + 1) } else { (stable, 0) };
    }
}

impl ConsumerContext for Listener {}

impl ClientContext for Listener {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        tracing::debug!(target: "librdkafka", ?level, fac, message);
        let mut told = self.told();
        told.heard += 1;
        told.anew |= fac == "METADATA" && has_another_id(message);
        if matches!(
            level,
            RDKafkaLogLevel::Emerg
                | RDKafkaLogLevel::Alert
                | RDKafkaLogLevel::Critical
                | RDKafkaLogLevel::Error
        ) {
            told.said = Some(shortened(message));
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", %error, reason);
        self.told().heard += 1;
    }

    fn stats(&self, statistics: Statistics) {
        let mut told = self.told();
        told.heard += 1;
        for (id, partition) in statistics.topics.values().flat_map(|topic| &topic.partitions) {
            // Besides real ones there is -1, for what belongs to none.
            if *id >= 0 {
                told.partition(*id, partition.ls_offset, partition.hi_offset);
            }
        }
    }
}

/// `Topic NAME changed id from OLD to NEW` (`rd_kafka_topic_metadata_update2` in librdkafka). What it has met just now had none before:
/// sixteen zeros. Brokers before 2.8 know no ids.
fn has_another_id(message: &str) -> bool {
    const NONE: &str = "AAAAAAAAAAAAAAAAAAAAAA";
    let ids = message.split_once(" changed id from ").and_then(|(_, ids)| ids.split_once(" to "));
    ids.is_some_and(|(before, now)| before.trim_end_matches('=') != NONE && before != now)
}

/// Without the thread's name, and without what changes from one time to the next.
fn shortened(message: &str) -> String {
    let message = message.split_once("]: ").map_or(message, |(_, rest)| rest);
    message.split(" (after ").next().unwrap_or(message).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_each_time_is_left_out() {
        let said = "[thrd:127.0.0.1:1/bootstrap]: 127.0.0.1:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)";
        assert_eq!(
            shortened(said),
            "127.0.0.1:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused"
        );
    }

    #[test]
    fn another_topic_of_the_same_name_is_told_by_its_id() {
        let said = |from: &str, to: &str| format!("[thrd:main]: Topic t changed id from {from} to {to}");
        let listener = Listener::default();
        let log = |message: String| listener.log(RDKafkaLogLevel::Debug, "METADATA", &message);
        log(said("AAAAAAAAAAAAAAAAAAAAAA", "0nCQRZXzSm2M6pJ0SsXJCw"));
        log(said("AAAAAAAAAAAAAAAAAAAAAA==", "0nCQRZXzSm2M6pJ0SsXJCw"));
        log("[thrd:main]: Topic t partition count is 2".to_owned());
        assert!(!listener.take_anew());
        log(said("0nCQRZXzSm2M6pJ0SsXJCw", "1nCQRZXzSm2M6pJ0SsXJCw"));
        assert!(listener.take_anew() && !listener.take_anew());
    }

    #[test]
    fn a_transaction_that_moves_does_not_hang() {
        let listener = Listener::default();
        for second in 0..30 {
            listener.told().partition(0, 100, 120);
            listener.told().partition(1, second, 120);
            listener.told().partition(2, 7, 7);
        }
        assert_eq!(listener.held(), Held::from([0]));
        listener.told().partition(0, 120, 120);
        assert_eq!(listener.held(), Held::new());
    }

    /// A topic that was made anew may have fewer partitions: of those that are gone nothing is told any more.
    #[test]
    fn what_was_open_is_of_the_reading_that_has_ended() {
        let listener = Listener::default();
        for _second in 0..=HANGS {
            listener.told().partition(3, 100, 120);
        }
        listener.told().anew = true;
        assert_eq!(listener.held(), Held::from([3]));
        listener.begin_anew();
        assert_eq!(listener.held(), Held::new());
        assert!(!listener.take_anew());
    }
}
