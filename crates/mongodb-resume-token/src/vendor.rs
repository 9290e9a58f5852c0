//! Tells other vendors' tokens from MongoDB's by their bytes, and reads from them no more than was ever observed.

use crate::Timestamp;
use crate::error::Vendor;

const DOCUMENT_DB: u8 = 0x01;
const DOCUMENT_DB_EVENT: usize = 18;
const DOCUMENT_DB_MARK: usize = 10;
const KEY_STRING_END: u8 = 0x04;

/// Whose token this is, if another known vendor's that is written in hexadecimal.
pub(crate) fn of_hex(bytes: &[u8]) -> Option<Vendor> {
    document_db_time(bytes).map(|_| Vendor::DocumentDb)
}

/// Whose token this is, if another known vendor's. Cosmos DB (RU) puts JSON into binary: all that begins like JSON counts.
pub(crate) fn of_binary(bytes: &[u8]) -> Option<Vendor> {
    match bytes {
        [b'{' | b'[', ..] => Some(Vendor::Cosmos),
        _ => of_hex(bytes),
    }
}

/// The time in an Amazon DocumentDB token, if this is one.
///
/// The layout is undocumented. In every documented example of a token beside its event's `clusterTime` the eight bytes
/// after the first are that time; then comes 0x01 with the increment again and four opaque bytes, or the end.
/// Source: the tokens in Amazon's DocumentDB developer guide, "Using change streams".
pub(crate) fn document_db_time(bytes: &[u8]) -> Option<Timestamp> {
    let (&first, rest) = bytes.split_first()?;
    let (time, tail) = rest.split_first_chunk::<8>()?;
    let known = match tail {
        [KEY_STRING_END] => bytes.len() == DOCUMENT_DB_MARK,
        [DOCUMENT_DB, again @ ..] => bytes.len() == DOCUMENT_DB_EVENT && again.starts_with(&time[4..]),
        _ => false,
    };
    (first == DOCUMENT_DB && known).then(|| Timestamp::from_be_bytes(*time))
}
