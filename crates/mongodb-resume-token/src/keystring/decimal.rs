//! IEEE 754 decimal128: its 128 bits, its parts and its text.

use std::fmt;

use crate::keystring::type_bits::Zero;

/// A decimal128 as BSON holds it, bit for bit: `1.0` and `1.00` are two.
///
/// `Display` gives the text of MongoDB's Extended JSON, which keeps the exponent (IEEE 754's to-scientific-string).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Decimal128([u64; 2]);

pub(crate) const BIAS: i32 = 6176;
pub(crate) const MAX_BIASED_EXPONENT: u16 = 12287;
pub(crate) const MAX_DIGITS: usize = 34;
pub(crate) const MAX_COEFFICIENT: u128 = 10u128.pow(34) - 1;

const SIGN: u128 = 1 << 127;
const EXPONENT_SHIFT: u32 = 113;
const NAN: u128 = 0b11111 << 122;
const INFINITY: u128 = 0b11110 << 122;
const SPECIAL: u128 = 0b11111 << 122;
/// Coefficients too large for 34 digits are written with these two bits set, and count as zero.
const OVERSIZED: u128 = 0b11 << 125;

/// What the bits say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parts {
    Nan,
    Infinity { negative: bool },
    Finite(Finite),
}

/// `± coefficient × 10^(biased_exponent − 6176)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Finite {
    pub(crate) negative: bool,
    pub(crate) coefficient: u128,
    pub(crate) biased_exponent: u16,
}

impl Decimal128 {
    /// Not a number.
    pub const NAN: Decimal128 = Decimal128::from_bits(NAN);
    /// Positive infinity.
    pub const INFINITY: Decimal128 = Decimal128::from_bits(INFINITY);
    /// Negative infinity.
    pub const NEGATIVE_INFINITY: Decimal128 = Decimal128::from_bits(SIGN | INFINITY);

    /// From the sixteen bytes of a BSON decimal, least significant first.
    #[must_use]
    pub fn from_le_bytes(bytes: [u8; 16]) -> Decimal128 {
        Decimal128::from_bits(u128::from_le_bytes(bytes))
    }

    /// The sixteen bytes of a BSON decimal, least significant first.
    #[must_use]
    pub fn to_le_bytes(self) -> [u8; 16] {
        self.to_bits().to_le_bytes()
    }

    pub(crate) fn from_parts(parts: Finite) -> Decimal128 {
        let sign = if parts.negative { SIGN } else { 0 };
        Decimal128::from_bits(
            sign | (u128::from(parts.biased_exponent) << EXPONENT_SHIFT) | parts.coefficient,
        )
    }

    /// `None` for what is not a positive, finite decimal of at most 34 digits.
    pub(crate) fn positive(self) -> Option<Finite> {
        let Parts::Finite(finite) = self.parts() else { return None };
        (finite.coefficient > 0 && !finite.negative).then_some(finite)
    }

    /// Kept in halves, for 128 bits in one would be aligned to 16 bytes, and every value with them.
    #[allow(clippy::cast_possible_truncation, reason = "the lower half is meant")]
    pub(crate) const fn from_bits(bits: u128) -> Decimal128 {
        Decimal128([(bits >> 64) as u64, bits as u64])
    }

    pub(crate) fn to_bits(self) -> u128 {
        let [high, low] = self.0;
        (u128::from(high) << 64) | u128::from(low)
    }

    pub(crate) fn parts(self) -> Parts {
        let bits = self.to_bits();
        let negative = bits & SIGN != 0;
        if bits & SPECIAL == NAN {
            return Parts::Nan;
        }
        if bits & SPECIAL == INFINITY {
            return Parts::Infinity { negative };
        }
        let oversized = bits & OVERSIZED == OVERSIZED;
        let shift = if oversized { EXPONENT_SHIFT - 2 } else { EXPONENT_SHIFT };
        let biased_exponent = u16::try_from((bits >> shift) & 0x3FFF).unwrap_or(MAX_BIASED_EXPONENT);
        let coefficient = bits & ((1 << EXPONENT_SHIFT) - 1);
        let is_canonical = !oversized && coefficient <= MAX_COEFFICIENT;
        Parts::Finite(Finite {
            negative,
            coefficient: if is_canonical { coefficient } else { 0 },
            biased_exponent,
        })
    }
}

impl Finite {
    pub(crate) fn exponent(&self) -> i32 {
        i32::from(self.biased_exponent) - BIAS
    }

    /// Which of the decimal zeros a zero is.
    pub(crate) fn zero(&self) -> Zero {
        let offset = if self.negative { MAX_BIASED_EXPONENT + 1 } else { 0 };
        Zero::Decimal(offset + self.biased_exponent)
    }
}

impl fmt::Display for Decimal128 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let finite = match self.parts() {
            Parts::Nan => return f.write_str("NaN"),
            Parts::Infinity { negative: false } => return f.write_str("Infinity"),
            Parts::Infinity { negative: true } => return f.write_str("-Infinity"),
            Parts::Finite(finite) => finite,
        };
        if finite.negative {
            f.write_str("-")?;
        }
        let digits = finite.coefficient.to_string();
        let exponent = finite.exponent();
        let scientific = exponent + i32::try_from(digits.len() - 1).unwrap_or(0);
        if exponent > 0 || scientific < -6 {
            let (first, rest) = digits.split_at(1);
            let point = if rest.is_empty() { "" } else { "." };
            return write!(f, "{first}{point}{rest}E{scientific:+}");
        }
        let places = usize::try_from(-exponent).unwrap_or(0);
        if places == 0 {
            return f.write_str(&digits);
        }
        let padded = format!("{digits:0>width$}", width = places + 1);
        let (whole, fraction) = padded.split_at(padded.len() - places);
        write!(f, "{whole}.{fraction}")
    }
}

impl fmt::Debug for Decimal128 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Decimal128({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(negative: bool, coefficient: u128, exponent: i32) -> Decimal128 {
        let biased_exponent = u16::try_from(exponent + BIAS).unwrap();
        Decimal128::from_parts(Finite { negative, coefficient, biased_exponent })
    }

    #[test]
    fn text_follows_the_rules_of_extended_json() {
        for (coefficient, exponent, text) in [
            (0, 0, "0"),
            (0, -2, "0.00"),
            (0, -6, "0.000000"),
            (0, -7, "0E-7"),
            (0, 3, "0E+3"),
            (1, 0, "1"),
            (1, 1, "1E+1"),
            (110, -2, "1.10"),
            (1, -6, "0.000001"),
            (1, -7, "1E-7"),
            (1234, -313, "1.234E-310"),
            (MAX_COEFFICIENT, 6111, "9.999999999999999999999999999999999E+6144"),
            (1, -6176, "1E-6176"),
        ] {
            assert_eq!(decimal(false, coefficient, exponent).to_string(), text);
            assert_eq!(decimal(true, coefficient, exponent).to_string(), format!("-{text}"));
        }
        assert_eq!(Decimal128::NAN.to_string(), "NaN");
        assert_eq!(Decimal128::INFINITY.to_string(), "Infinity");
        assert_eq!(Decimal128::NEGATIVE_INFINITY.to_string(), "-Infinity");
    }

    #[test]
    fn coefficients_beyond_34_digits_count_as_zero() {
        assert_eq!(
            Decimal128::from_bits(decimal(false, 0, 0).to_bits() | (MAX_COEFFICIENT + 1)).to_string(),
            "0"
        );
        assert_eq!(Decimal128::from_bits(OVERSIZED).to_string(), "0E-6176");
        // Their exponent stands two bits lower.
        assert_eq!(Decimal128::from_bits(OVERSIZED | 6176 << 111).to_string(), "0");
        assert_eq!(Decimal128::from_bits(OVERSIZED | 12287 << 111).to_string(), "0E+6111");
    }

    /// Whatever stands in the other bits: sign, signalling or quiet, payload.
    #[test]
    fn five_bits_make_a_nan_or_an_infinity() {
        for (high, text) in [
            (0x7C00_0000_0000_0000, "NaN"),
            (0x7E00_0000_0000_0001, "NaN"),
            (0xFC00_0000_0000_0000, "NaN"),
            (0x7800_0000_0000_0001, "Infinity"),
            (0xF800_0000_0000_0000, "-Infinity"),
        ] {
            assert_eq!(Decimal128([high, 1]).to_string(), text, "{high:X}");
        }
    }
}
