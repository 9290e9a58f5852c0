//! Keys and values as `OffsetStorageWriter` writes them, without schemas: `["NAME",{…}]` and `{…}` or `null`.

use crate::sources::kafka::parse_key;
use resumeguard_core::recovery::RawOffset;
use serde_json::{Map, Value};

/// One entry that some source connector has stored.
pub(crate) struct Stored {
    pub(crate) connector: String,
    pub(crate) partition: Map<String, Value>,
    /// `None` where it was removed.
    pub(crate) offset: Result<Option<Map<String, Value>>, serde_json::Error>,
}

impl Stored {
    /// The form in which REST has it; what cannot be read is left out there as well.
    pub(crate) fn raw(self) -> Option<RawOffset> {
        Some(RawOffset { partition: self.partition, offset: self.offset.ok()?, record: None })
    }
}

/// Reads an entry; `None` where the key is of another form.
pub(crate) fn stored(key: &[u8], value: Option<&[u8]>) -> Option<Stored> {
    let (connector, partition) = parse_key(key)?;
    let offset = value.map_or(Ok(None), serde_json::from_slice);
    Some(Stored { connector, partition, offset })
}
