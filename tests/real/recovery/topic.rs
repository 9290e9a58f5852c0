//! What a connector has delivered.

use crate::shared::LONG;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Everything in one topic.
pub(crate) struct Topic {
    consumer: BaseConsumer,
    pub(crate) events: Vec<Value>,
}

impl Topic {
    pub(crate) fn of(bootstrap: &str, namespace: &str) -> Self {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("group.id", format!("it-{}", std::process::id()))
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.commit", "false")
            .set("topic.metadata.refresh.interval.ms", "500")
            .create()
            .unwrap();
        let mut partitions = rdkafka::TopicPartitionList::new();
        let name = format!("resumeguard.{namespace}");
        partitions.add_partition_offset(&name, 0, rdkafka::Offset::Beginning).unwrap();
        consumer.assign(&partitions).unwrap();
        Self { consumer, events: Vec::new() }
    }

    /// Reads on until this number has come.
    pub(crate) async fn until(&mut self, n: i32) {
        let deadline = xtask::Deadline::after(LONG);
        while !self.numbers().contains(&n) {
            assert!(!deadline.passed(), "{n} never came, but {:?}", self.numbers());
            self.read().await;
        }
        // And whatever comes directly after it, such as what is delivered twice.
        for _ in 0..3 {
            self.read().await;
        }
    }

    async fn read(&mut self) {
        let message = tokio::task::block_in_place(|| self.consumer.poll(Duration::from_millis(500)));
        match message {
            Some(Ok(message)) => {
                let payload = message.payload().unwrap_or_default();
                self.events.extend(serde_json::from_slice::<Value>(payload));
            }
            // The topic is made with its first record.
            Some(Err(_)) | None => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }

    fn counts(&self) -> BTreeMap<i32, usize> {
        let mut counts = BTreeMap::new();
        for n in self.events.iter().filter_map(number) {
            *counts.entry(n).or_default() += 1;
        }
        counts
    }

    /// The documents that have come.
    pub(crate) fn numbers(&self) -> BTreeSet<i32> {
        self.counts().into_keys().collect()
    }

    /// Those that have come more than once.
    pub(crate) fn twice(&self) -> BTreeSet<i32> {
        self.counts().into_iter().filter(|(_, count)| *count > 1).map(|(n, _)| n).collect()
    }
}

/// Of a change event, or of a copied document.
fn number(event: &Value) -> Option<i32> {
    let document = event.get("fullDocument").unwrap_or(event);
    i32::try_from(document.get("n")?.as_i64()?).ok()
}
