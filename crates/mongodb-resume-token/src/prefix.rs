//! The fast path: the time, and nothing else, from the first nine bytes.

use crate::error::{Error, ErrorKind, Field, Vendor};
use crate::{Timestamp, hex, vendor};

/// The type byte of a timestamp, the first byte of every MongoDB token since 3.6.
pub(crate) const TIMESTAMP: u8 = 0x82;
/// The type byte and the time: what this module looks at.
pub(crate) const PREFIX: usize = 9;
/// The longest token of another vendor that has to be seen whole to be recognised.
const RECOGNISABLE: usize = 19;

/// The time in a token's hexadecimal `_data`, in either case. Allocates nothing unless it fails.
///
/// Reads the first 18 digits, which are the same in every MongoDB format since 3.6. The rest is **not looked at**:
/// a token that yields a time here may still be damaged. [`decode`](crate::decode) tells.
///
/// # Errors
/// [`ErrorKind::Empty`], [`ErrorKind::NotHex`], [`ErrorKind::Truncated`], [`ErrorKind::NotAToken`], and
/// [`ErrorKind::Foreign`] for a token of Amazon DocumentDB, whose layout is not documented.
///
/// ```
/// let time = mongodb_resume_token::cluster_time("826275077A000000012B0229296E04")?;
/// assert_eq!((time.t, time.i), (1651836794, 1));
/// # Ok::<(), mongodb_resume_token::Error>(())
/// ```
pub fn cluster_time(data: &str) -> Result<Timestamp, Error> {
    let mut prefix = [0; PREFIX];
    let count = hex::decode_prefix(data, &mut prefix)?;
    match prefix {
        [TIMESTAMP, time @ ..] if count == PREFIX => Ok(Timestamp::from_be_bytes(time)),
        _ => {
            let mut front = [0; RECOGNISABLE];
            let count = hex::decode_prefix(data, &mut front)?;
            let front = &front[..count];
            Err(refuse(front, vendor::of_hex(front)))
        }
    }
}

/// The time in a token's binary `_data`: what 3.6 wrote, or any other with its digits already decoded.
///
/// # Errors
/// As [`cluster_time`], and [`ErrorKind::Foreign`] for a token of Cosmos DB, which holds no time.
pub fn cluster_time_of_bytes(data: &[u8]) -> Result<Timestamp, Error> {
    time(data).ok_or_else(|| refuse(data, vendor::of_binary(data)))
}

pub(crate) fn time(bytes: &[u8]) -> Option<Timestamp> {
    match bytes.first_chunk::<PREFIX>()? {
        [TIMESTAMP, time @ ..] => Some(Timestamp::from_be_bytes(*time)),
        _ => None,
    }
}

/// Why these bytes do not begin with a time.
#[cold]
pub(crate) fn refuse(bytes: &[u8], vendor: Option<Vendor>) -> Error {
    match (bytes, vendor) {
        (_, Some(vendor)) => Error::new(ErrorKind::Foreign(vendor), 0, Field::Data),
        ([], None) => Error::new(ErrorKind::Empty, 0, Field::Data),
        ([TIMESTAMP, ..], None) => {
            let missing = PREFIX.saturating_sub(bytes.len());
            Error::new(ErrorKind::Truncated { missing }, 1, Field::ClusterTime)
        }
        ([first, ..], None) => Error::new(ErrorKind::NotAToken { first: *first }, 0, Field::Data),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_begins_with_its_time() {
        for data in ["826275077A000000012B0229296E04", "826275077a00000001", "826275077A0000000129295A"] {
            assert_eq!(cluster_time(data).unwrap(), Timestamp { t: 1_651_836_794, i: 1 });
        }
        let bytes = [0x82, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 2, 0x04];
        assert_eq!(cluster_time_of_bytes(&bytes).unwrap(), Timestamp { t: u32::MAX, i: 2 });
    }

    #[test]
    fn what_has_no_time_is_refused_with_its_reason() {
        let kind = |data: &str| cluster_time(data).unwrap_err().kind().clone();
        assert_eq!(kind(""), ErrorKind::Empty);
        assert_eq!(kind("zzzz"), ErrorKind::NotHex { character: 'z', index: 0 });
        assert_eq!(kind("826A8C8E64"), ErrorKind::Truncated { missing: 4 });
        assert_eq!(kind("836A8C8E64000000012B0429296E1404"), ErrorKind::NotAToken { first: 0x83 });
        assert_eq!(kind("015daf94f600000002010000000200009025"), ErrorKind::Foreign(Vendor::DocumentDb));
        assert_eq!(kind("015daf94f60000000204"), ErrorKind::Foreign(Vendor::DocumentDb));
        assert_eq!(kind("015daf94f600000002010000000300009025"), ErrorKind::NotAToken { first: 1 });
        let cosmos = cluster_time_of_bytes(br#"{"V":2}"#).unwrap_err();
        assert_eq!(cosmos.kind(), &ErrorKind::Foreign(Vendor::Cosmos));
    }
}
