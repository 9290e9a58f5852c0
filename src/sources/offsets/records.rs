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

impl OffsetsTopic {
    pub(super) fn new(topic: KafkaTopic, tail: Arc<Tail<StoredKeys>>) -> Self {
        Self { topic, tail }
    }

    /// Its name and brokers.
    pub(crate) fn topic(&self) -> &KafkaTopic {
        &self.topic
    }

    /// Partition and offset of everything that is stored for a connector now, sorted by key, whether Connect can read it or not: whoever
    /// stores something more changes it.
    ///
    /// # Errors
    /// Why that is not known, one line.
    pub(crate) async fn places(
        &self,
        connector: &str,
        deadline: Duration,
    ) -> Result<Vec<(i32, i64)>, String> {
        self.look(deadline, |stored| stored.of(connector).iter().map(|(_, kept)| kept.place).collect()).await
    }

    /// Everything that is stored for a connector now, sorted by key.
    ///
    /// # Errors
    /// Why that is not known, one line.
    pub(crate) async fn stored(&self, connector: &str, deadline: Duration) -> Result<Vec<RawOffset>, String> {
        let all = |stored: &StoredKeys| {
            stored.of(connector).into_iter().filter_map(|(key, kept)| found(key, kept)).collect()
        };
        self.look(deadline, all).await
    }

    /// What stands there now.
    async fn look<T>(&self, deadline: Duration, looks: impl FnOnce(&StoredKeys) -> T) -> Result<T, String> {
        let held = self.tail.catch_up(deadline).await.map_err(|behind| behind.to_string())?;
        if !held.is_empty() {
            return Err(format!(
                "a transaction that stays open hides what was stored in partitions {held:?}"
            ));
        }
        self.tail.look(|stored, _| looks(stored)).map_err(|behind| behind.to_string())
    }
}

/// One whose value is no JSON object is left out, as Connect does.
fn found(key: &[u8], kept: &Kept) -> Option<RawOffset> {
    let (_, partition) = parse_key(key)?;
    let offset: Map<String, Value> = serde_json::from_slice(kept.value()).ok()?;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    let record = TopicRecord { partition: kept.place.0, key: text(key)?, value: text(kept.value())? };
    Some(RawOffset { partition, offset: Some(offset), record: Some(record) })
}
