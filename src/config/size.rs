//! Sizes with their unit.

use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;

/// A number of bytes, written as such or with a unit: `"512MiB"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

const UNITS: [(&str, u32); 5] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10), ("B", 0)];

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |&&(_, shift): &&(&str, u32)| self.0 >> shift > 0 && self.0.is_multiple_of(1 << shift);
        let (unit, shift) = UNITS.iter().find(whole).copied().unwrap_or(("B", 0));
        write!(f, "{}{unit}", self.0 >> shift)
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Size)
    }
}

struct Size;

impl Visitor<'_> for Size {
    type Value = ByteSize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size such as \"512MiB\", or a number of bytes")
    }

    fn visit_u64<E: Error>(self, bytes: u64) -> Result<ByteSize, E> {
        Ok(ByteSize(bytes))
    }

    fn visit_i64<E: Error>(self, bytes: i64) -> Result<ByteSize, E> {
        u64::try_from(bytes).map(ByteSize).map_err(|_| E::custom("a size is not negative"))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<ByteSize, E> {
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let unit = text[digits.len()..].trim();
        let shift = UNITS.iter().find(|(known, _)| *known == unit || unit.is_empty() && *known == "B");
        let bytes =
            digits.parse::<u64>().ok().zip(shift).and_then(|(n, (_, shift))| n.checked_mul(1 << shift));
        bytes.map(ByteSize).ok_or_else(|| {
            E::custom(format!("`{text}` is no size; write for example \"512MiB\" or a number of bytes"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::ByteSize;

    #[test]
    fn sizes_are_read_with_and_without_a_unit_and_printed_with_the_largest_that_is_whole() {
        for (json, bytes, printed) in [
            ("\"512MiB\"", 512 << 20, "512MiB"),
            ("\"1 GiB\"", 1 << 30, "1GiB"),
            ("1536", 1536, "1536B"),
            ("\"2048\"", 2048, "2KiB"),
            ("0", 0, "0B"),
        ] {
            let size: ByteSize = serde_json::from_str(json).unwrap();
            assert_eq!((size, size.to_string()), (ByteSize(bytes), printed.to_owned()), "{json}");
        }
        for bad in ["\"512MB\"", "\"lots\"", "-1", "\"99999999TiB\"", "\"\""] {
            assert!(serde_json::from_str::<ByteSize>(bad).is_err(), "{bad}");
        }
    }
}
