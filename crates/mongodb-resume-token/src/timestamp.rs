use std::fmt;

/// A point in MongoDB's cluster time: the second, and the number of the operation within it.
///
/// Ordered by `t`, then by `i`, which is the order of the oplog. Shown as `t,i`.
///
/// ```
/// # use mongodb_resume_token::Timestamp;
/// let time = Timestamp { t: 1651836794, i: 1 };
/// assert_eq!(time.to_string(), "1651836794,1");
/// assert!(time < Timestamp { t: 1651836794, i: 2 });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub t: u32,
    /// Ordinal of the operation within that second, from 1.
    pub i: u32,
}

impl Timestamp {
    /// From the eight bytes that follow the type byte in a token: both halves big endian.
    pub(crate) fn from_be_bytes(bytes: [u8; 8]) -> Timestamp {
        let [t0, t1, t2, t3, i0, i1, i2, i3] = bytes;
        Timestamp { t: u32::from_be_bytes([t0, t1, t2, t3]), i: u32::from_be_bytes([i0, i1, i2, i3]) }
    }

    pub(crate) fn to_be_bytes(self) -> [u8; 8] {
        ((u64::from(self.t) << 32) | u64::from(self.i)).to_be_bytes()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.t, self.i)
    }
}
