//! Numbers, written: the inverse of [`number`](super::number), byte for byte as mongod 6.0.5 writes them.

use std::cmp::Ordering;

use crate::keystring::decimal::{BIAS, Decimal128, Finite, MAX_DIGITS, Parts};
use crate::keystring::expansion::Scaled;
use crate::keystring::leading::Leading;
use crate::keystring::number::{
    BIT_62, BIT_63, DOWN_255, SAFE_DIGITS, TWO_POW_53, TWO_POW_63, UP_256, subnormal_base,
};
use crate::keystring::type_bits::{Numeric, TypeBitsWriter, Zero};
use crate::keystring::type_byte as byte;

/// The two bits that say how a value relates to the double stored for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Marker {
    Equal = 0,
    ContinuedBelowRoundedUp = 1,
    RoundedUp = 2,
    ContinuedAboveRoundedUp = 3,
}

/// Writes one number, its payload inverted if it is negative.
pub(crate) struct NumberWriter<'w> {
    bytes: &'w mut Vec<u8>,
    bits: &'w mut TypeBitsWriter,
    negative: bool,
}

impl<'w> NumberWriter<'w> {
    pub(crate) fn new(bytes: &'w mut Vec<u8>, bits: &'w mut TypeBitsWriter) -> NumberWriter<'w> {
        NumberWriter { bytes, bits, negative: false }
    }

    pub(crate) fn integer(mut self, value: i64, numeric: Numeric) {
        match value {
            0 if numeric == Numeric::Int => self.zero(Zero::Int),
            0 => self.zero(Zero::Long),
            _ => {
                self.bits.numeric(numeric);
                self.negative = value.is_negative();
                match value.unsigned_abs() {
                    BIT_63 => self.magnitude(TWO_POW_63, Marker::Equal),
                    magnitude => self.with_fraction_bit(magnitude << 1),
                }
            }
        }
    }

    pub(crate) fn double(mut self, value: f64) {
        self.negative = value.is_sign_negative();
        if value == 0.0 {
            let zero = if self.negative { Zero::NegativeDouble } else { Zero::Double };
            return self.zero(zero);
        }
        self.bits.numeric(Numeric::Double);
        if value.is_nan() { self.bytes.push(byte::NAN) } else { self.magnitude(value.abs(), Marker::Equal) }
    }

    pub(crate) fn decimal(mut self, value: Decimal128) {
        match value.parts() {
            Parts::Nan => {
                self.bits.numeric(Numeric::Decimal);
                self.bytes.push(byte::NAN);
            }
            Parts::Infinity { negative } => {
                self.negative = negative;
                self.bits.numeric(Numeric::Decimal);
                self.magnitude(f64::INFINITY, Marker::Equal);
            }
            Parts::Finite(finite) => self.finite_decimal(finite),
        }
    }

    fn finite_decimal(&mut self, value: Finite) {
        self.negative = value.negative;
        if value.coefficient == 0 {
            return self.zero(value.zero());
        }
        self.bits.numeric(Numeric::Decimal);
        self.bits.exponent(value.biased_exponent);
        let exact = Scaled { coefficient: value.coefficient, exponent: value.exponent() };
        let (below, order) = exact.to_f64_downwards();
        if order == Ordering::Equal {
            self.magnitude(below, Marker::Equal);
        } else if below == 0.0 {
            self.type_byte(byte::NEGATIVE_SMALL, byte::POSITIVE_SMALL);
            self.raw_decimal(exact, 0);
        } else if below < f64::MIN_POSITIVE {
            self.subnormal(exact, below);
        } else if below == f64::MAX {
            self.type_byte(byte::NEGATIVE_LARGE, byte::POSITIVE_LARGE);
            self.raw_decimal(exact, BIT_63);
        } else if below < TWO_POW_63 && exact.coefficient_at(0) >= u128::from(TWO_POW_53) {
            self.beside_integer(exact);
        } else {
            self.beside_double(exact, below);
        }
    }

    /// Between 2^53 and 2^63 the integer below is stored, for doubles have gaps there.
    fn beside_integer(&mut self, exact: Scaled) {
        let base = Scaled { coefficient: exact.coefficient_at(0), exponent: 0 };
        let whole = u64::try_from(base.coefficient).unwrap_or(0);
        if exact.compare(base) == Ordering::Equal {
            return self.with_fraction_bit(whole << 1);
        }
        self.with_fraction_bit((whole << 1) | 1);
        if whole < 1 << 55 {
            self.payload(&[Marker::ContinuedAboveRoundedUp as u8]);
        }
        self.continuation(exact, base.widest(-BIAS));
    }

    fn beside_double(&mut self, exact: Scaled, below: f64) {
        let Some(rounded) = Leading::of(below, SAFE_DIGITS).map(Leading::up) else { return };
        let has_two_bits = (DOWN_255..TWO_POW_63).contains(&below);
        let marker = match exact.compare(rounded) {
            Ordering::Equal if has_two_bits => return self.magnitude(below, Marker::RoundedUp),
            Ordering::Less => Marker::ContinuedBelowRoundedUp,
            Ordering::Equal | Ordering::Greater => Marker::ContinuedAboveRoundedUp,
        };
        self.magnitude(below, marker);
        if let Some(base) = Leading::of(below, MAX_DIGITS).map(Leading::up) {
            self.continuation(exact, base);
        }
    }

    /// Scaled up in decimal arithmetic, which loses less than that of subnormal doubles.
    fn subnormal(&mut self, exact: Scaled, below: f64) {
        let Some(factor) = Leading::of(UP_256, MAX_DIGITS) else { return };
        let product = exact.widest(i32::MIN).multiply_downwards(factor.down());
        let scaled = product.to_f64_downwards().0.max(below * UP_256);
        self.magnitude_scaled(scaled, Marker::ContinuedBelowRoundedUp);
        self.continuation(exact, subnormal_base(scaled));
    }

    fn zero(&mut self, zero: Zero) {
        self.bits.zero(zero);
        self.bytes.push(byte::ZERO);
    }

    fn type_byte(&mut self, negative: u8, positive: u8) {
        self.bytes.push(if self.negative { negative } else { positive });
    }

    fn payload(&mut self, bytes: &[u8]) {
        let flip = if self.negative { u8::MAX } else { 0 };
        self.bytes.extend(bytes.iter().map(|byte| byte ^ flip));
    }

    fn word(&mut self, word: u64) {
        self.payload(&word.to_be_bytes());
    }

    /// What lies between the stored value and the exact one, in units of the 34th digit.
    fn continuation(&mut self, exact: Scaled, base: Scaled) {
        let units = exact.coefficient_at(base.exponent).saturating_sub(base.coefficient);
        self.word(u64::try_from(units).unwrap_or(u64::MAX));
    }

    fn raw_decimal(&mut self, exact: Scaled, flag: u64) {
        let Scaled { coefficient, exponent } = exact.widest(-BIAS);
        let biased_exponent = u16::try_from(exponent + BIAS).unwrap_or(0);
        let bits = Decimal128::from_parts(Finite { negative: false, coefficient, biased_exponent }).to_bits();
        let [high, low] =
            [bits >> 64, bits & u128::from(u64::MAX)].map(|half| u64::try_from(half).unwrap_or(0));
        self.word(high | flag);
        self.word(low);
    }

    /// An integer, doubled, one more if a fraction or a continuation follows; in as few bytes as it takes.
    fn with_fraction_bit(&mut self, doubled: u64) {
        let bytes = doubled.to_be_bytes();
        let skipped = doubled.leading_zeros() as usize / 8;
        self.type_byte(
            byte::NEGATIVE_8_BYTES + bytes_u8(skipped),
            byte::POSITIVE_8_BYTES - bytes_u8(skipped),
        );
        self.payload(&bytes[skipped..]);
    }

    fn magnitude(&mut self, value: f64, marker: Marker) {
        let continued =
            u64::from(matches!(marker, Marker::ContinuedBelowRoundedUp | Marker::ContinuedAboveRoundedUp));
        if value >= TWO_POW_63 {
            self.type_byte(byte::NEGATIVE_LARGE, byte::POSITIVE_LARGE);
            let infinite = value.is_infinite();
            self.word(if infinite { u64::MAX } else { ((value.to_bits() << 1) & !BIT_63) | continued });
        } else if value >= 1.0 {
            self.with_fraction(value, marker);
        } else if value >= DOWN_255 {
            self.type_byte(byte::NEGATIVE_SMALL, byte::POSITIVE_SMALL);
            self.word((value.to_bits() << 2) | marker as u64);
        } else {
            self.magnitude_scaled(value * UP_256, marker);
        }
    }

    fn magnitude_scaled(&mut self, scaled: f64, marker: Marker) {
        self.type_byte(byte::NEGATIVE_SMALL, byte::POSITIVE_SMALL);
        self.word(((scaled.to_bits() << 1) + BIT_62) | u64::from(marker != Marker::Equal));
    }

    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the whole part of 1 ≤ x < 2^63"
    )]
    fn with_fraction(&mut self, value: f64, marker: Marker) {
        let whole = value as u64;
        if value.fract() == 0.0 && marker == Marker::Equal {
            return self.with_fraction_bit(whole << 1);
        }
        let skipped = (whole << 1).leading_zeros() / 8;
        let scale = f64::from_bits(u64::from(1023 + 8 * skipped) << 52);
        let fixed = ((value * scale) as u64) | marker as u64;
        self.with_fraction_bit((whole << 1) | 1);
        self.payload(&fixed.to_be_bytes()[8 - skipped as usize..]);
    }
}

fn bytes_u8(count: usize) -> u8 {
    u8::try_from(count).unwrap_or(7)
}
