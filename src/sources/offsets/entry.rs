//! One stored entry, from whichever place: a partition and its offset, both JSON objects.

use crate::sources::kafka::parse_key;
use resumeguard_core::domain::{StoredBytes, StoredEntry, key_of, parse_offset, token_text};
use serde::Deserialize;
use serde_json::{Map, Value};

/// What is stored under a partition of a connector that reads from MongoDB; `None` for another kind's. `stored_at` is when it was
/// stored, seconds since 1970, where the source tells.
pub(super) fn stored_entry(
    partition: &Map<String, Value>,
    offset: &Map<String, Value>,
    stored_at: Option<i64>,
    bytes: Option<StoredBytes>,
) -> Option<StoredEntry> {
    let ns = key_of(partition)?;
    let text = token_text(offset);
    Some(StoredEntry { ns, offset: parse_offset(offset, stored_at), text, bytes })
}

/// The same from the bytes of key and value, as the topic and the file hold them; `None` for another kind's. A value that is
/// no JSON object is one that Connect cannot read either: the task gets no offset (`OffsetStorageReaderImpl`).
pub(super) fn bytes_entry(bytes: StoredBytes, stored_at: Option<i64>) -> Option<StoredEntry> {
    let (_, partition) = parse_key(&bytes.key)?;
    let offset: Map<String, Value> = serde_json::from_slice(&bytes.value).ok()?;
    stored_entry(&partition, &offset, stored_at, Some(bytes))
}

/// Reads the answer of `GET /connectors/NAME/offsets`. Entries whose partition is of no connector that reads from
/// MongoDB, and tombstones are left out.
///
/// # Errors
/// Where the body is not of Connect's form.
pub fn parse_offsets(body: &[u8]) -> Result<Vec<StoredEntry>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Answer {
        offsets: Vec<Entry>,
    }
    #[derive(Deserialize)]
    struct Entry {
        partition: Map<String, Value>,
        offset: Option<Map<String, Value>>,
    }
    let answer: Answer = serde_json::from_slice(body)?;
    // REST does not tell when an offset was stored, nor in which bytes.
    let entries = answer
        .offsets
        .into_iter()
        .filter_map(|entry| stored_entry(&entry.partition, &entry.offset?, None, None));
    Ok(entries.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use resumeguard_core::domain::StoredOffset;

    #[test]
    fn a_real_answer_with_a_tombstone_and_a_foreign_partition() {
        let body = include_bytes!("../../../crates/resumeguard-core/tests/data/offsets_heartbeat.json");
        let entries = parse_offsets(body).unwrap();
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].ns, "mongodb://127.0.0.1:28017/db.hb-2-x");
        assert!(matches!(entries[0].offset, StoredOffset::Token(_)));
        let odd = br#"{"offsets": [{"partition": {"ns": "x"}, "offset": null}, {"partition": {"server": "s"}, "offset": {}}]}"#;
        assert_eq!(parse_offsets(odd).unwrap(), []);
        assert!(parse_offsets(br#"{"offsets": {}}"#).is_err());
    }
}
