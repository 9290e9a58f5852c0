//! The first digits of doubles, by integer arithmetic wherever that is certain.
//!
//! A double is an odd integer times a power of two. Where that is a decimal of 34 digits, [`exact`] finds it. Elsewhere
//! the double is multiplied by a power of ten of 128 bits, cut, so that the digits wanted stand before the point. What was
//! cut off makes the product less by a bounded number of units in its last place: unless a whole number lies within that
//! bound, the digits are right, and not all. Where one does, which is rare, [`Expansion`] has every digit.

use crate::keystring::decimal::{MAX_COEFFICIENT, MAX_DIGITS};
use crate::keystring::expansion::{Expansion, Scaled, TENS};

const FRACTION_BITS: i32 = 52;
/// How many powers of ten have 128 significant bits at most: 5^55 does, 5^56 does not.
const FINE: i32 = 56;
/// 10^(−6 × 56), 10^(−5 × 56), …, 10^(6 × 56): the upper 128 bits of each.
const COARSE: [u128; 13] = [
    0xE3E2_7A44_4D8D_98B7_FD1B_1B23_0816_9B25,
    0xE858_AD24_8F5C_22C9_D1B3_400F_8F9C_FF68,
    0xECE5_3CEC_4A31_4EBD_A4F8_BF56_3524_6428,
    0xF188_99B1_BC3F_8CA1_DC44_E6C3_CB27_9AC1,
    0xF643_35BC_F065_D37D_4D46_17B5_FF4A_16D5,
    0xFB15_8592_BE06_8D2E_EED6_E2F0_F0D5_6712,
    0x8000_0000_0000_0000_0000_0000_0000_0000,
    0x8281_8F12_81ED_449F_BFF8_F10E_7A89_21A4,
    0x850F_ADC0_9923_329E_03E2_CF6B_C604_DDB0,
    0x87AA_9AFF_7904_2286_90FB_44D2_F05D_0842,
    0x8A52_96FF_E33C_C92F_82BD_6B70_D99A_AA6F,
    0x8D07_E334_5563_7EB2_DB0B_487B_6423_E1E8,
    0x8FCA_C257_558E_E4E6_213A_4F0A_A5E8_A7B1,
];
const FIVES: [u128; FINE as usize] = {
    let mut powers = [1; FINE as usize];
    let mut index = 1;
    while index < powers.len() {
        powers[index] = 5 * powers[index - 1];
        index += 1;
    }
    powers
};
/// More than all that is cut off on the way to a product, in units of its last place.
const CUT_OFF: u128 = 32;

/// So many digits of a double as were asked for, the first of them not zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Leading {
    digits: Scaled,
    count: usize,
    /// Whether they are the whole value.
    is_all: bool,
}

impl Leading {
    /// The first `count` digits, at most 34, of a positive, finite double; `None` for others.
    pub(crate) fn of(value: f64, count: usize) -> Option<Leading> {
        if !(value > 0.0 && value.is_finite()) {
            return None;
        }
        let whole = if count == MAX_DIGITS { exact(value) } else { None };
        match whole {
            Some(whole) => Some(Leading { digits: whole.widest(i32::MIN), count, is_all: true }),
            None => estimated(value, count).or_else(|| expanded(value, count)),
        }
    }

    /// Rounded towards zero.
    pub(crate) fn down(self) -> Scaled {
        self.digits
    }

    /// Rounded away from zero, to as many digits.
    pub(crate) fn up(self) -> Scaled {
        let up = self.digits.plus(u64::from(!self.is_all));
        if up.coefficient == TENS[self.count] {
            return Scaled { coefficient: TENS[self.count - 1], exponent: up.exponent + 1 };
        }
        up
    }
}

/// A positive double as an odd integer and a power of two.
fn parts(value: f64) -> (u64, i32) {
    let bits = value.to_bits();
    let biased = i32::try_from(bits >> FRACTION_BITS).unwrap_or(0);
    let fraction = bits & ((1 << FRACTION_BITS) - 1);
    let integer = if biased == 0 { fraction } else { fraction + (1 << FRACTION_BITS) };
    let zeros = integer.trailing_zeros();
    let power = biased.max(1) - 1023 - FRACTION_BITS + zeros.cast_signed();
    (integer.checked_shr(zeros).unwrap_or(0), power)
}

/// The whole of a positive double, if it is a decimal of 34 digits or fewer.
pub(crate) fn exact(value: f64) -> Option<Scaled> {
    let (mut integer, mut power) = parts(value);
    let mut exponent = power.min(0);
    let coefficient = if power < 0 {
        // An odd integer over a power of two, which is one times a power of five, over that of ten.
        FIVES.get(power.unsigned_abs() as usize)?.checked_mul(u128::from(integer))?
    } else {
        while power > 0 && integer.is_multiple_of(5) {
            (integer, power, exponent) = (integer / 5, power - 1, exponent + 1);
        }
        let integer = u128::from(integer);
        // No bit may be lost.
        integer.leading_zeros().checked_sub(power.unsigned_abs())?;
        integer << power
    };
    (coefficient <= MAX_COEFFICIENT).then_some(Scaled { coefficient, exponent })
}

fn estimated(value: f64, count: usize) -> Option<Leading> {
    let (integer, power) = parts(value);
    let zeros = integer.leading_zeros();
    let (integer, power) = (integer << zeros, power - zeros.cast_signed());
    // Too low by one for some, of which one more digit is found at first.
    let magnitude = floor_of_logarithm(power + 63);
    let places = i32::try_from(count).ok()? - 1 - magnitude;
    let (ten, ten_power) = power_of_ten(places)?;
    let (high, low) = (ten >> 64, ten & u128::from(u64::MAX));
    let product = high * u128::from(integer) + ((low * u128::from(integer)) >> 64);
    let fraction_bits = u32::try_from(-(power + ten_power + 64)).ok()?;
    let fraction = product & 1u128.checked_shl(fraction_bits)?.wrapping_sub(1);
    if fraction == 0 || fraction + CUT_OFF >= 1 << fraction_bits {
        return None;
    }
    let digits = Scaled { coefficient: product >> fraction_bits, exponent: -places };
    let digits = if digits.coefficient >= TENS[count] {
        Scaled { coefficient: digits.coefficient / 10, exponent: digits.exponent + 1 }
    } else {
        digits
    };
    Some(Leading { digits, count, is_all: false })
}

/// 10^`places` as `integer × 2^power`: an integer of 128 bits or 127, cut.
fn power_of_ten(places: i32) -> Option<(u128, i32)> {
    let (coarse, fine) = (places.div_euclid(FINE), places.rem_euclid(FINE));
    let tens = COARSE.get(usize::try_from(coarse + 6).ok()?)?;
    let five = FIVES.get(usize::try_from(fine).ok()?)?;
    let zeros = five.leading_zeros();
    let integer = upper_half(*tens, five << zeros);
    let power = binary_exponent(coarse * FINE) - 127;
    Some((integer, power + fine - zeros.cast_signed() + 128))
}

/// The upper 128 of the 256 bits of a product.
fn upper_half(a: u128, b: u128) -> u128 {
    const LOW: u128 = u64::MAX as u128;
    let (a1, a0, b1, b0) = (a >> 64, a & LOW, b >> 64, b & LOW);
    let (first, second) = (a1 * b0, a0 * b1);
    a1 * b1 + (first >> 64) + (second >> 64) + (((first & LOW) + (second & LOW) + ((a0 * b0) >> 64)) >> 64)
}

/// ⌊log2 10^`power`⌋, for powers that doubles reach.
fn binary_exponent(power: i32) -> i32 {
    (power * 217_706) >> 16
}

/// ⌊log10 2^`power`⌋, for powers that doubles reach.
fn floor_of_logarithm(power: i32) -> i32 {
    (power * 78_913) >> 18
}

/// By the standard library's formatting, which is exact to any number of digits.
#[cold]
fn expanded(value: f64, count: usize) -> Option<Leading> {
    let all = Expansion::of(value)?;
    Some(Leading { digits: all.truncate(count), count, is_all: all.is_exact(count) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keystring::expansion::tests::power_of_two;

    /// Every power of two that is a double, doubles beside it, short decimals, and every power of ten.
    fn samples() -> impl Iterator<Item = f64> {
        let powers = (-1074..=1023).map(power_of_two);
        let decimals = (1..2000).map(|index| f64::from(index) / 100.0);
        let tens = (-323..=308).map(|power| format!("1e{power}").parse::<f64>().unwrap());
        let several = |value: f64| [value, value.next_up(), value.next_down(), value * 1.1, value * 5.0];
        powers.chain(decimals).chain(tens).flat_map(several).filter(|value| *value > 0.0 && value.is_finite())
    }

    #[test]
    fn estimates_are_right() {
        let mut rare = 0;
        for value in samples() {
            for count in [1, 15, 17, 33, 34] {
                match estimated(value, count) {
                    Some(estimated) => {
                        assert_eq!(Some(estimated), expanded(value, count), "{value:e} {count}")
                    }
                    None => rare += u32::from(exact(value).is_none()),
                }
            }
        }
        assert!(rare < 300, "{rare} of {}", samples().count());
    }

    #[test]
    fn what_is_exact_is_told() {
        for value in samples() {
            let expansion = Expansion::of(value).unwrap();
            let expected = expansion.is_exact(MAX_DIGITS).then(|| expansion.truncate(MAX_DIGITS).shortest());
            assert_eq!(exact(value).map(Scaled::shortest), expected, "{value:e}");
            assert_eq!(Leading::of(value, MAX_DIGITS), expanded(value, MAX_DIGITS), "{value:e}");
            assert_eq!(Leading::of(value, 15), expanded(value, 15), "{value:e}");
        }
    }

    #[test]
    fn rounding_is_away_from_zero() {
        let up = |value, count| Leading::of(value, count).unwrap().up();
        assert_eq!(up(1.5, 1), Scaled { coefficient: 2, exponent: 0 });
        assert_eq!(up(9.5, 1), Scaled { coefficient: 1, exponent: 1 });
        assert_eq!(up(1.5, 2), Scaled { coefficient: 15, exponent: -1 });
        assert_eq!(Leading::of(f64::INFINITY, 1), None);
        assert_eq!(Leading::of(0.0, 1), None);
        assert_eq!(Leading::of(-1.0, 1), None);
    }

    #[test]
    fn the_upper_half_of_a_product_is_exact() {
        const HALF: u128 = u64::MAX as u128;
        let high = 1 << 127;
        for (a, b, product) in [
            (u128::MAX, u128::MAX, u128::MAX - 1),
            (HALF, HALF, 0),
            (u128::MAX, HALF, HALF - 1),
            (high, 2, 1),
            (high + HALF, high + HALF, (high >> 1) + HALF),
            (
                0x1234_5678_9ABC_DEF0_FEDC_BA98_7654_3210,
                0xFEDC_BA98_7654_3210_0123_4567_89AB_CDEF,
                0x121F_A00A_D77D_7423_213D_0003_E234_949A,
            ),
        ] {
            assert_eq!((upper_half(a, b), upper_half(b, a)), (product, product), "{a:X} {b:X}");
        }
    }
}
