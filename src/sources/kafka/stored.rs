//! Connect's offsets topic: the last value of every key, in the bytes in which it is stored.

use super::tail::{Fold, Record};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// What is stored under one key.
#[derive(Debug)]
pub(crate) struct Kept {
    /// Partition and offset of the record.
    pub(crate) place: (i32, i64),
    /// Its time by Kafka's clock, milliseconds since 1970.
    pub(crate) at: Option<i64>,
    /// `None`: deleted. Kept while the topic is read from its beginning, because an older value may still follow from
    /// another partition.
    value: Option<Vec<u8>>,
}

impl Kept {
    /// The bytes of the value.
    pub(crate) fn value(&self) -> &[u8] {
        self.value.as_deref().unwrap_or_default()
    }
}

/// Everything that is stored. Keys that are not of Connect's form since 3.0 are left out: no worker looks them up.
#[derive(Debug, Default)]
pub(crate) struct StoredKeys {
    /// Every record is looked up: a hash that is quick, and seeded, since keys are other people's.
    kept: HashMap<Arc<[u8]>, Kept, foldhash::fast::RandomState>,
    by_connector: HashMap<String, Vec<Arc<[u8]>>>,
    caught_up: bool,
}

impl StoredKeys {
    /// What is stored for a connector, sorted by key.
    pub(crate) fn of(&self, connector: &str) -> Vec<(&Arc<[u8]>, &Kept)> {
        let keys = self.by_connector.get(connector).map(Vec::as_slice).unwrap_or_default();
        let kept = |key| self.kept.get_key_value(key).filter(|(_, kept): &(_, &Kept)| kept.value.is_some());
        let mut found: Vec<_> = keys.iter().filter_map(kept).collect();
        found.sort_unstable_by_key(|(key, _)| *key);
        found
    }

    fn forget(&mut self, key: &[u8]) {
        self.kept.remove(key);
        let Some((connector, _)) = parse_key(key) else { return };
        if let Some(keys) = self.by_connector.get_mut(&connector) {
            keys.retain(|kept| **kept != *key);
            if keys.is_empty() {
                self.by_connector.remove(&connector);
            }
        }
    }
}

impl Fold for StoredKeys {
    fn record(&mut self, record: &Record<'_>) {
        // Besides no value at all, Connect takes JSON's `null` for one.
        let value = record.value.filter(|value| *value != b"null");
        if let Some(kept) = self.kept.get_mut(record.key) {
            // A topic that was given more partitions may hold a key in two: the newer one counts.
            if kept.place.0 != record.place.0 && kept.at > record.at {
                return;
            }
            (kept.place, kept.at) = (record.place, record.at);
            match (value, &mut kept.value) {
                (Some(value), Some(buffer)) => {
                    // Most records are overwritten by a later one: the buffer is used again.
                    buffer.clear();
                    buffer.extend_from_slice(value);
                }
                (Some(value), none) => *none = Some(value.to_owned()),
                (None, _) if self.caught_up => self.forget(record.key),
                (None, some) => *some = None,
            }
            return;
        }
        if value.is_none() && self.caught_up {
            return;
        }
        let Some((connector, _)) = parse_key(record.key) else { return };
        let key: Arc<[u8]> = record.key.into();
        self.by_connector.entry(connector).or_default().push(Arc::clone(&key));
        let kept = Kept { place: record.place, at: record.at, value: value.map(<[u8]>::to_owned) };
        self.kept.insert(key, kept);
    }

    fn caught_up(&mut self) {
        self.caught_up = true;
        let deleted: Vec<_> = self
            .kept
            .iter()
            .filter(|(_, kept)| kept.value.is_none())
            .map(|(key, _)| Arc::clone(key))
            .collect();
        for key in deleted {
            self.forget(&key);
        }
    }
}

/// `["NAME",{…}]` (`OffsetUtils.processPartitionKey` in Kafka's source). Before 3.0 a worker could be told to wrap it into
/// `{"schema":…,"payload":…}`.
pub(crate) fn parse_key(key: &[u8]) -> Option<(String, Map<String, Value>)> {
    #[derive(Deserialize)]
    struct Key(String, Map<String, Value>);
    if key.first() != Some(&b'[') {
        return None;
    }
    serde_json::from_slice(key).ok().map(|Key(name, partition)| (name, partition))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = r#"["orders",{"ns":"mongodb://h/db.c"}]"#;

    fn fold(stored: &mut StoredKeys, place: (i32, i64), key: &str, value: Option<&str>) {
        let value = value.map(str::as_bytes);
        stored.record(&Record { place, key: key.as_bytes(), value, at: Some(1_000 + place.1) });
    }

    fn values(stored: &StoredKeys, connector: &str) -> Vec<String> {
        stored
            .of(connector)
            .iter()
            .map(|(_, kept)| String::from_utf8_lossy(kept.value()).into_owned())
            .collect()
    }

    #[test]
    fn the_last_value_wins_and_a_tombstone_deletes() {
        let mut stored = StoredKeys::default();
        fold(&mut stored, (0, 1), KEY, Some("a"));
        fold(&mut stored, (0, 2), KEY, Some("longer"));
        assert_eq!(values(&stored, "orders"), ["longer"]);
        fold(&mut stored, (0, 3), KEY, None);
        assert_eq!(values(&stored, "orders"), [""; 0]);
        stored.caught_up();
        assert!(stored.kept.is_empty() && stored.by_connector.is_empty(), "bounded by live keys");
        fold(&mut stored, (0, 4), KEY, Some("again"));
        assert_eq!(values(&stored, "orders"), ["again"]);
        fold(&mut stored, (0, 5), KEY, Some("null"));
        assert!(stored.kept.is_empty() && stored.by_connector.is_empty());
        fold(&mut stored, (0, 6), KEY, None);
        assert!(stored.kept.is_empty());
    }

    #[test]
    fn keys_of_another_form_are_left_out() {
        let mut stored = StoredKeys::default();
        let others = [
            r#"{"schema":null,"payload":["orders",{"ns":"x"}]}"#,
            r#"["orders"]"#,
            r#"["orders",{"ns":"x"},1]"#,
            r#"[null,{"ns":"x"}]"#,
            r#"["orders","x"]"#,
            "[",
            "",
            "orders",
        ];
        for key in others {
            fold(&mut stored, (0, 1), key, Some("{}"));
        }
        stored.record(&Record { place: (0, 9), key: b"[\xff", value: Some(b"{}"), at: None });
        assert!(stored.kept.is_empty() && stored.by_connector.is_empty());
    }

    #[test]
    fn a_name_beyond_the_basic_plane_is_found_by_its_name() {
        let mut stored = StoredKeys::default();
        fold(&mut stored, (0, 1), r#"["\uD83D\uDED2 \"ü\"",{"ns":"x"}]"#, Some("a"));
        assert_eq!(values(&stored, "🛒 \"ü\""), ["a"]);
    }

    /// After partitions were added, a key's new records are in another one than its old.
    #[test]
    fn of_two_partitions_the_newer_record_counts() {
        let mut stored = StoredKeys::default();
        fold(&mut stored, (3, 500), KEY, Some("new"));
        fold(&mut stored, (0, 7), KEY, Some("old"));
        assert_eq!(values(&stored, "orders"), ["new"]);
        fold(&mut stored, (3, 501), KEY, None);
        fold(&mut stored, (0, 8), KEY, Some("old"));
        assert_eq!(values(&stored, "orders"), [""; 0], "deleted is deleted");
    }
}
