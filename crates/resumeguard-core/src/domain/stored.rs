//! Where stored positions are read from, and the bytes that they are there.

use std::sync::Arc;

/// Where a connector's stored entries were read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OffsetsFrom {
    /// `GET /connectors/NAME/offsets`.
    Rest,
    /// The topic that Connect keeps them in.
    Topic,
    /// The file of a standalone worker.
    File,
}

impl OffsetsFrom {
    /// The word that configuration, metrics and JSON carry.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Rest => "rest",
            Self::Topic => "topic",
            Self::File => "file",
        }
    }
}

/// A key and its value, byte for byte as they are stored: a key can only be written under again as it was found. No
/// `Debug` form of the bytes: legacy keys hold credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredBytes {
    /// `["NAME",{…}]`.
    pub key: Arc<[u8]>,
    /// `{"_id":"…"}`.
    pub value: Arc<[u8]>,
    /// The partition of the topic that the key was found in.
    pub partition: Option<i32>,
}

impl std::fmt::Debug for StoredBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredBytes").field("partition", &self.partition).finish_non_exhaustive()
    }
}
