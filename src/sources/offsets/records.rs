//! The workers' offsets topic as recovery looks at it: one connector's records, in the bytes in which they stand.

use crate::config::KafkaTopic;
use crate::sources::kafka::{Kept, StoredKeys, Tail, parse_key};
use resumeguard_core::recovery::{RawOffset, TopicRecord};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;

/// The workers' topic, which the passes follow.
#[derive(Debug, Clone)]
pub struct OffsetsTopic {
    topic: KafkaTopic,
    tail: Arc<Tail<StoredKeys>>,
}

/// One key that has a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) raw: RawOffset,
    /// Partition and offset of its record: another value has another.
    pub(crate) place: (i32, i64),
}

impl OffsetsTopic {
    pub(super) fn new(topic: KafkaTopic, tail: Arc<Tail<StoredKeys>>) -> Self {
        Self { topic, tail }
    }

    /// Its name and brokers.
    pub(crate) fn topic(&self) -> &KafkaTopic {
        &self.topic
    }

    /// Everything that is stored for a connector now, sorted by key.
    ///
    /// # Errors
    /// Why that is not known, one line.
    pub(crate) async fn stored(&self, connector: &str, deadline: Duration) -> Result<Vec<Found>, String> {
        let held = self.tail.catch_up(deadline).await.map_err(|behind| behind.to_string())?;
        if !held.is_empty() {
            return Err(format!(
                "a transaction that stays open hides what was stored in partitions {held:?}"
            ));
        }
        let found = self.tail.look(|stored, _| {
            stored.of(connector).into_iter().filter_map(|(key, kept)| found(key, kept)).collect()
        });
        found.map_err(|behind| behind.to_string())
    }
}

/// One whose value is no JSON object is left out, as Connect does.
fn found(key: &[u8], kept: &Kept) -> Option<Found> {
    let (_, partition) = parse_key(key)?;
    let offset: Map<String, Value> = serde_json::from_slice(kept.value()).ok()?;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    let record = TopicRecord { partition: kept.place.0, key: text(key)?, value: text(kept.value())? };
    let raw = RawOffset { partition, offset: Some(offset), record: Some(record) };
    Some(Found { raw, place: kept.place })
}
