//! Numbers, read: from the ordered form to the exact BSON value.
//!
//! ```text
//! 1E            NaN                          20..27  negative integers of 8..1 bytes
//! 1F, 33        |x| ≥ 2^63                   2B..32  positive integers of 1..8 bytes
//! 28, 2A        0 < |x| < 1                  29      zero
//! ```
//!
//! Payloads are big endian, and inverted for negative numbers. Where a decimal is no double, the greatest double below
//! it is stored, and the difference follows in units of the 34th digit: the *continuation*.

use crate::error::{Error, ErrorKind};
use crate::keystring::decimal::{BIAS, Decimal128, Finite, MAX_BIASED_EXPONENT, MAX_COEFFICIENT, MAX_DIGITS};
use crate::keystring::expansion::{Scaled, TENS, digits};
use crate::keystring::leading::{Leading, exact};
use crate::keystring::reader::Reader;
use crate::keystring::type_bits::{EXPONENT_BITS, Numeric, TypeBits, Zero};
use crate::keystring::type_byte as byte;
use crate::value::tape::Stored;

/// 2^-256, by which doubles too small for two spare bits are scaled up.
pub(crate) const DOWN_256: f64 = f64::from_bits((1023 - 256) << 52);
/// The same in decimal, cut to 34 digits.
const DECIMAL_DOWN_256: Scaled =
    Scaled { coefficient: 8_636_168_555_094_444_625_386_351_862_800_399, exponent: -111 };
/// 2^-1074, the least double, cut to 34 digits, as no decimal is beside it: those up to here lie below all doubles.
const LEAST: Scaled = Scaled { coefficient: 4_940_656_458_412_465_441_765_687_928_682_213, exponent: -357 };
/// The greatest double, cut likewise: decimals above this lie above all doubles.
const GREATEST: Scaled = Scaled { coefficient: 1_797_693_134_862_315_708_145_274_237_317_043, exponent: 275 };
/// 2^-255, from which up doubles below 1 have two spare bits.
pub(crate) const DOWN_255: f64 = f64::from_bits((1023 - 255) << 52);
/// 2^256.
pub(crate) const UP_256: f64 = f64::from_bits((1023 + 256) << 52);
/// The second highest bit: the exponent's highest in a double, where it is 1 for all doubles from 2 up.
pub(crate) const BIT_62: u64 = 1 << 62;
pub(crate) const BIT_63: u64 = 1 << 63;
/// 2^63, the first magnitude beyond 64-bit integers.
pub(crate) const TWO_POW_63: f64 = f64::from_bits((1023 + 63) << 52);
/// From here up a double has no bits to spare for a fraction.
pub(crate) const TWO_POW_53: u64 = 1 << 53;
/// The digits that every double keeps.
pub(crate) const SAFE_DIGITS: usize = 15;

/// How a value relates to the double stored for it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum More {
    /// Equal.
    Nothing,
    /// Equal to the double rounded up to 15 digits.
    RoundedUp,
    /// Greater, by so many units of the 34th digit.
    Continued(u64),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Magnitude {
    Nan,
    Infinite,
    Integer(u64, More),
    Double(f64, More),
    /// A double below the normal range, scaled up by 2^256.
    Subnormal(f64, More),
    /// A decimal beyond the range of doubles, at either end.
    Decimal(Decimal128),
}

/// A number as it stands in a token, before its type bits are looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Number {
    negative: bool,
    magnitude: Magnitude,
}

impl Number {
    /// Reads the payload that belongs to `type_byte`, which is that of a number other than zero.
    #[inline]
    pub(crate) fn read(reader: &mut Reader<'_>, type_byte: u8) -> Result<Number, Error> {
        let negative = type_byte <= byte::NEGATIVE_SMALL;
        let start = reader.position() - 1;
        let mut payload = Payload { reader, start, flip: if negative { u64::MAX } else { 0 } };
        let magnitude = match type_byte {
            byte::NAN => return Ok(Number { negative: false, magnitude: Magnitude::Nan }),
            byte::NEGATIVE_LARGE | byte::POSITIVE_LARGE => payload.large()?,
            byte::NEGATIVE_SMALL | byte::POSITIVE_SMALL => payload.small()?,
            byte::NEGATIVE_8_BYTES..=byte::NEGATIVE_1_BYTE => {
                payload.integer(byte::NEGATIVE_1_BYTE - type_byte + 1)?
            }
            _ => payload.integer(type_byte - byte::POSITIVE_1_BYTE + 1)?,
        };
        Ok(Number { negative, magnitude })
    }

    /// The value that the type bits make of it; `None` if they do not fit.
    #[inline]
    pub(crate) fn typed(self, type_bits: &mut TypeBits<'_>) -> Result<Option<Stored>, Error> {
        Ok(match type_bits.numeric()? {
            Numeric::Int => self.integer().and_then(|value| i32::try_from(value).ok()).map(Stored::Int32),
            Numeric::Long => self.integer().map(Stored::Int64),
            Numeric::Double => self.double().map(Stored::Double),
            Numeric::Decimal => match self.special_decimal() {
                Some(special) => Some(Stored::Decimal128(special)),
                None => {
                    let low_bits = type_bits.exponent()?;
                    self.decimal(|scaled| exponent_with_low_bits(scaled, low_bits)).map(Stored::Decimal128)
                }
            },
        })
    }

    /// The most natural type for a number whose type bits are lost: the narrowest that holds it.
    #[inline]
    pub(crate) fn guessed(self) -> Option<Stored> {
        let integer =
            self.integer().map(|value| i32::try_from(value).map_or(Stored::Int64(value), Stored::Int32));
        integer
            .or_else(|| self.double().map(Stored::Double))
            .or_else(|| self.decimal(plainest_exponent).map(Stored::Decimal128))
    }

    #[inline]
    fn integer(self) -> Option<i64> {
        let magnitude = match self.magnitude {
            Magnitude::Integer(magnitude, More::Nothing) => i128::from(magnitude),
            // Only the least 64-bit integer is stored as a large number.
            Magnitude::Double(value, More::Nothing) if value.to_bits() == TWO_POW_63.to_bits() => 1 << 63,
            Magnitude::Nan
            | Magnitude::Infinite
            | Magnitude::Integer(..)
            | Magnitude::Double(..)
            | Magnitude::Subnormal(..)
            | Magnitude::Decimal(_) => return None,
        };
        i64::try_from(if self.negative { -magnitude } else { magnitude }).ok()
    }

    #[inline]
    fn double(self) -> Option<f64> {
        let magnitude = match self.magnitude {
            Magnitude::Nan => f64::NAN,
            Magnitude::Infinite => f64::INFINITY,
            Magnitude::Integer(magnitude, More::Nothing) => exact_double(magnitude)?,
            Magnitude::Double(value, More::Nothing) => value,
            Magnitude::Subnormal(scaled, More::Nothing) => exactly_scaled_down(scaled)?,
            Magnitude::Integer(..)
            | Magnitude::Double(..)
            | Magnitude::Subnormal(..)
            | Magnitude::Decimal(_) => {
                return None;
            }
        };
        Some(if self.negative { -magnitude } else { magnitude })
    }

    fn special_decimal(self) -> Option<Decimal128> {
        match (self.magnitude, self.negative) {
            (Magnitude::Nan, _) => Some(Decimal128::NAN),
            (Magnitude::Infinite, false) => Some(Decimal128::INFINITY),
            (Magnitude::Infinite, true) => Some(Decimal128::NEGATIVE_INFINITY),
            _ => None,
        }
    }

    /// A finite decimal, with the one of its possible exponents that `choose` picks.
    fn decimal(self, choose: impl Fn(Scaled) -> Option<i32>) -> Option<Decimal128> {
        let scaled = match self.magnitude {
            Magnitude::Integer(value, More::Nothing) => Scaled::from(value),
            Magnitude::Integer(value, More::Continued(units)) => {
                Scaled::from(value).widest(-BIAS).plus(units)
            }
            Magnitude::Double(value, more) => beside_double(value, more)?,
            Magnitude::Subnormal(scaled, More::Continued(units)) => subnormal_base(scaled).plus(units),
            Magnitude::Decimal(decimal) => {
                let finite = decimal.positive()?;
                Scaled { coefficient: finite.coefficient, exponent: finite.exponent() }
            }
            Magnitude::Nan | Magnitude::Infinite | Magnitude::Integer(_, More::RoundedUp) => return None,
            // No decimal of 34 digits equals a double below the normal range.
            Magnitude::Subnormal(_, More::Nothing | More::RoundedUp) => return None,
        };
        let shortest = scaled.shortest();
        if shortest.coefficient > MAX_COEFFICIENT {
            return None;
        }
        let exponent = choose(shortest)?;
        let padding = usize::try_from(shortest.exponent - exponent).ok()?;
        Some(Decimal128::from_parts(Finite {
            negative: self.negative,
            coefficient: shortest.coefficient.checked_mul(*TENS.get(padding)?)?,
            biased_exponent: u16::try_from(exponent + BIAS).ok()?,
        }))
    }
}

/// The decimal that stands in this relation to a double of the normal range; `None` if it has more than 34 digits.
fn beside_double(value: f64, more: More) -> Option<Scaled> {
    match more {
        More::Nothing => exact(value),
        More::RoundedUp => Leading::of(value, SAFE_DIGITS).map(Leading::up),
        More::Continued(units) => Leading::of(value, MAX_DIGITS).map(|digits| digits.up().plus(units)),
    }
}

/// The decimal from which the server measures the continuation of a subnormal: scaled down in decimal arithmetic, cut
/// to 34 digits at each step. Measured against mongod 6.0.5.
pub(crate) fn subnormal_base(scaled: f64) -> Scaled {
    match Leading::of(scaled, MAX_DIGITS) {
        Some(scaled) => scaled.down().multiply_downwards(DECIMAL_DOWN_256),
        None => Scaled { coefficient: 0, exponent: 0 },
    }
}

/// The exponent that has these low bits and can hold the value: 34 neighbours are possible, and 64 told apart.
fn exponent_with_low_bits(shortest: Scaled, low_bits: u16) -> Option<i32> {
    let highest = u16::try_from(shortest.exponent + BIAS).ok()?;
    let mask = (1 << EXPONENT_BITS) - 1;
    let padding = (highest.wrapping_sub(low_bits)) & mask;
    let room = MAX_DIGITS - digits(shortest.coefficient);
    let biased = highest.checked_sub(padding)?;
    let fits = usize::from(padding) <= room && biased <= MAX_BIASED_EXPONENT;
    fits.then(|| i32::from(biased) - BIAS)
}

/// The exponent of the shortest plain notation: 0 for integers that 34 digits hold.
fn plainest_exponent(shortest: Scaled) -> Option<i32> {
    let room = i32::try_from(MAX_DIGITS - digits(shortest.coefficient)).unwrap_or(0);
    let exponent = if (0..=room).contains(&shortest.exponent) { 0 } else { shortest.exponent };
    let greatest = i32::from(MAX_BIASED_EXPONENT) - BIAS;
    (exponent <= greatest + room).then(|| exponent.min(greatest))
}

/// The double equal to an integer other than zero, if there is one.
fn exact_double(magnitude: u64) -> Option<f64> {
    let significant = magnitude.checked_shr(magnitude.trailing_zeros())?;
    (significant < TWO_POW_53).then_some(magnitude as f64)
}

fn exactly_scaled_down(scaled: f64) -> Option<f64> {
    let value = scaled * DOWN_256;
    (value * UP_256 == scaled).then_some(value)
}

/// The bytes after the type byte; all of them inverted where the number is negative.
struct Payload<'r, 'a> {
    reader: &'r mut Reader<'a>,
    /// Where the type byte stands, for errors.
    start: usize,
    flip: u64,
}

impl Payload<'_, '_> {
    #[inline]
    fn word(&mut self) -> Result<u64, Error> {
        Ok(u64::from_be_bytes(*self.reader.chunk()?) ^ self.flip)
    }

    /// An integer of fewer than nine bytes, most significant first.
    #[inline]
    fn short(&mut self, bytes: u8) -> Result<u64, Error> {
        let payload = self.reader.take(usize::from(bytes))?;
        let raw = payload.iter().fold(0, |value, byte| (value << 8) | u64::from(*byte));
        let used = u64::MAX.checked_shr(64 - 8 * u32::from(bytes)).unwrap_or(0);
        Ok((raw ^ self.flip) & used)
    }

    #[inline]
    fn continuation(&mut self, is_there: bool) -> Result<More, Error> {
        if is_there { self.word().map(More::Continued) } else { Ok(More::Nothing) }
    }

    /// Two bits that say how the value relates to its double.
    #[inline]
    fn marker(&mut self, bits: u64) -> Result<More, Error> {
        match bits & 3 {
            0 => Ok(More::Nothing),
            2 => Ok(More::RoundedUp),
            _ => self.continuation(true),
        }
    }

    #[cold]
    fn odd(&self, what: &'static str) -> Error {
        self.reader.error_at(ErrorKind::NotCanonical(what), self.start)
    }

    #[cold]
    fn invalid(&self) -> Error {
        self.reader.error_at(ErrorKind::InvalidNumber, self.start)
    }

    /// A decimal as it is, which lies beyond all doubles and has as many digits as its exponent allows.
    fn raw_decimal(&mut self, high: u64, lies_beyond: impl Fn(Scaled) -> bool) -> Result<Magnitude, Error> {
        let bits = (u128::from(high) << 64) | u128::from(self.word()?);
        let decimal = Decimal128::from_bits(bits);
        let finite = decimal.positive().ok_or_else(|| self.invalid())?;
        let value = Scaled { coefficient: finite.coefficient, exponent: finite.exponent() };
        if !lies_beyond(value) {
            return Err(self.odd("a decimal among the doubles in the form of those beyond them"));
        }
        if value.widest(-BIAS) != value {
            return Err(self.odd("a decimal beyond the doubles without the zeros that fill it up"));
        }
        Ok(Magnitude::Decimal(decimal))
    }

    /// |x| ≥ 2^63: a double without the two highest bits, which are known, and one bit for the continuation.
    #[inline]
    fn large(&mut self) -> Result<Magnitude, Error> {
        let word = self.word()?;
        if word == u64::MAX {
            return Ok(Magnitude::Infinite);
        }
        if word & BIT_63 != 0 {
            return self.raw_decimal(word & !BIT_63, |value| value.compare(GREATEST).is_gt());
        }
        let value = f64::from_bits((word >> 1) | BIT_62);
        let more = self.continuation(word & 1 == 1)?;
        if value < TWO_POW_63 || !value.is_finite() {
            return Err(self.invalid());
        }
        Ok(Magnitude::Double(value, more))
    }

    /// |x| < 1: by its two highest bits a double from 2^-255 up, a smaller one, or a decimal too small for doubles.
    #[inline]
    fn small(&mut self) -> Result<Magnitude, Error> {
        let word = self.word()?;
        match word >> 62 {
            3 => {
                let value = f64::from_bits(word >> 2);
                if value >= 1.0 {
                    return Err(self.odd("a number from 1 up in the form of lesser ones"));
                }
                Ok(Magnitude::Double(value, self.marker(word)?))
            }
            0 => self.raw_decimal(word, |value| value.compare(LEAST).is_le()),
            _ => {
                let scaled = f64::from_bits((word - BIT_62) >> 1);
                let more = self.continuation(word & 1 == 1)?;
                let value = scaled * DOWN_256;
                if value == 0.0 {
                    return Err(self.invalid());
                }
                let is_normal = scaled >= f64::MIN_POSITIVE * UP_256;
                Ok(if is_normal {
                    Magnitude::Double(value, more)
                } else {
                    Magnitude::Subnormal(scaled, more)
                })
            }
        }
    }

    /// 1 ≤ |x| < 2^63: the integer part, one bit that says whether a fraction fills up the eight bytes, and there two
    /// more bits about the decimal behind it.
    #[inline]
    fn integer(&mut self, bytes: u8) -> Result<Magnitude, Error> {
        let word = self.short(bytes)?;
        let integer = word >> 1;
        if word == 0 {
            return Err(self.invalid());
        }
        // The type byte says how many bytes there are, and the first of them is not there for nothing.
        if word.leading_zeros() / 8 + u32::from(bytes) != 8 {
            return Err(self.odd("an integer in more bytes than it takes"));
        }
        if word & 1 == 0 {
            return Ok(Magnitude::Integer(integer, More::Nothing));
        }
        let fraction_bytes = 8 - bytes;
        if fraction_bytes == 0 {
            let more = self.continuation(true)?;
            return Ok(Magnitude::Integer(integer, more));
        }
        let shift = 8 * u32::from(fraction_bytes);
        let fixed = (integer << shift) | self.short(fraction_bytes)?;
        let more = self.marker(fixed)?;
        let fixed = fixed & !3;
        let has_fraction = fixed != integer << shift;
        if integer == 0 {
            return Err(self.odd("a number below 1 in the form of greater ones"));
        }
        if !has_fraction && !matches!(more, More::Continued(_)) {
            return Err(self.odd("an integer with room for a fraction that it has not"));
        }
        if integer >= TWO_POW_53 && !has_fraction {
            return Ok(Magnitude::Integer(integer, more));
        }
        let value = exact_double(fixed).ok_or_else(|| self.invalid())?;
        let scale = f64::from_bits(u64::from(1023 - shift) << 52);
        Ok(Magnitude::Double(value * scale, more))
    }
}

/// Zero of the type, sign and exponent that the type bits tell.
pub(crate) fn zero(which: Zero) -> Stored {
    match which {
        Zero::Int => Stored::Int32(0),
        Zero::Long => Stored::Int64(0),
        Zero::Double => Stored::Double(0.0),
        Zero::NegativeDouble => Stored::Double(-0.0),
        Zero::Decimal(which) => {
            let exponents = MAX_BIASED_EXPONENT + 1;
            Stored::Decimal128(Decimal128::from_parts(Finite {
                negative: which >= exponents,
                coefficient: 0,
                biased_exponent: which % exponents,
            }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_constants_are_the_doubles() {
        for (double, decimal) in
            [(DOWN_256, DECIMAL_DOWN_256), (f64::from_bits(1), LEAST), (f64::MAX, GREATEST)]
        {
            assert_eq!(Leading::of(double, MAX_DIGITS).unwrap().down(), decimal);
        }
    }
}
