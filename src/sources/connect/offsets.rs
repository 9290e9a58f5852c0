//! `GET /connectors/NAME/offsets`.

use resumeguard_core::domain::{StoredEntry, key_of, parse_offset, token_text};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Reads the answer. Entries whose partition is of no connector that reads from MongoDB, and tombstones are left out.
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
    let entries = answer.offsets.into_iter().filter_map(|entry| {
        let ns = key_of(&entry.partition)?;
        // REST does not tell when an offset was stored.
        let offset = entry.offset?;
        let text = token_text(&offset);
        Some(StoredEntry { ns, offset: parse_offset(&offset, None), text })
    });
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
