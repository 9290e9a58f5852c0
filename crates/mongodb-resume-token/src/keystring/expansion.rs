//! Doubles as decimals, digit for digit.

use std::cmp::Ordering;
use std::fmt::{self, Write as _};

use crate::keystring::decimal::MAX_DIGITS;

/// No double has more significant digits than this: 2^-1022 − 2^-1074 has them all.
const MOST_DIGITS: usize = 767;
/// Few doubles have 34 digits and then three zeros or nines.
const MOSTLY_ENOUGH: usize = 37;

/// A positive decimal: `coefficient × 10^exponent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scaled {
    pub(crate) coefficient: u128,
    pub(crate) exponent: i32,
}

impl From<u64> for Scaled {
    fn from(integer: u64) -> Scaled {
        Scaled { coefficient: u128::from(integer), exponent: 0 }
    }
}

impl Scaled {
    /// Greater by so many units of the last place.
    pub(crate) fn plus(self, units: u64) -> Scaled {
        Scaled { coefficient: self.coefficient + u128::from(units), exponent: self.exponent }
    }

    /// The same value without zeros at the end of the coefficient.
    pub(crate) fn shortest(mut self) -> Scaled {
        for zeros in [32, 16, 8, 4, 2, 1] {
            // What 10^n divides, 2^n divides: most are told by that alone.
            let may_have_zeros = self.coefficient != 0 && self.coefficient.trailing_zeros() >= zeros;
            if may_have_zeros && self.coefficient.is_multiple_of(TENS[zeros as usize]) {
                self.coefficient /= TENS[zeros as usize];
                self.exponent += zeros.cast_signed();
            }
        }
        self
    }

    /// The same value with 34 digits, as long as the exponent stays above `least`.
    pub(crate) fn widest(self, least: i32) -> Scaled {
        let room = MAX_DIGITS.saturating_sub(digits(self.coefficient));
        let places = room.min(self.exponent.saturating_sub(least).max(0).unsigned_abs() as usize);
        let exponent = self.exponent - i32::try_from(places).unwrap_or(0);
        Scaled { coefficient: self.coefficient * TENS[places], exponent }
    }

    /// The coefficient that goes with another exponent, cut if that is greater.
    pub(crate) fn coefficient_at(self, exponent: i32) -> u128 {
        let power = |places: i32| 10u128.saturating_pow(places.unsigned_abs());
        match self.exponent - exponent {
            places @ 0.. => self.coefficient.saturating_mul(power(places)),
            places => self.coefficient / power(places),
        }
    }

    pub(crate) fn compare(self, other: Scaled) -> Ordering {
        let (a, b) = (self.widest(i32::MIN), other.widest(i32::MIN));
        a.exponent.cmp(&b.exponent).then(a.coefficient.cmp(&b.coefficient))
    }

    /// The product of two numbers of 34 digits each, cut to 34 digits.
    pub(crate) fn multiply_downwards(self, other: Scaled) -> Scaled {
        const HALF: u128 = 10u128.pow(17);
        let (a1, a0) = (self.coefficient / HALF, self.coefficient % HALF);
        let (b1, b0) = (other.coefficient / HALF, other.coefficient % HALF);
        let low = a0 * b0;
        let middle = a1 * b0 + a0 * b1 + low / HALF;
        let high = a1 * b1 + middle / HALF;
        let exponent = self.exponent + other.exponent + 34;
        if digits(high) == MAX_DIGITS {
            return Scaled { coefficient: high, exponent };
        }
        let next_digit = (middle % HALF) / (HALF / 10);
        Scaled { coefficient: high * 10 + next_digit, exponent: exponent - 1 }
    }

    /// The greatest double that is not above the value, and whether it is equal to it.
    pub(crate) fn to_f64_downwards(self) -> (f64, Ordering) {
        let nearest: f64 = format!("{}e{}", self.coefficient, self.exponent).parse().unwrap_or(f64::INFINITY);
        match Expansion::of(nearest).map_or(Ordering::Greater, |digits| digits.compare(self)) {
            Ordering::Greater => (nearest.next_down(), Ordering::Less),
            order @ (Ordering::Less | Ordering::Equal) => (nearest, order),
        }
    }
}

/// A bound on the significant digits of a positive double: one for every binary place after the point, and those of
/// the whole part; or fewer, by as many zeros as follow the point.
fn most_digits(value: f64) -> usize {
    const FRACTION_BITS: i32 = 52;
    let bits = value.to_bits();
    let biased = i32::try_from(bits >> FRACTION_BITS).unwrap_or(0).max(1);
    let last_place =
        biased - 1023 - FRACTION_BITS + i32::try_from(bits.trailing_zeros()).unwrap_or(0).min(FRACTION_BITS);
    // 1233 / 4096 is a little less than the logarithm of 2; two more make up for that and for rounding.
    let before_point = ((biased - 1023) * 1233).div_euclid(4096) + 2;
    let digits = before_point + (-last_place).max(0);
    usize::try_from(digits).unwrap_or(0).clamp(MAX_DIGITS + 1, MOST_DIGITS)
}

/// Every power of ten that has 128 bits at most.
pub(crate) const TENS: [u128; 39] = {
    let mut powers = [1; 39];
    let mut index = 1;
    while index < powers.len() {
        powers[index] = 10 * powers[index - 1];
        index += 1;
    }
    powers
};

/// How many digits a number has; zero has one.
pub(crate) fn digits(coefficient: u128) -> usize {
    let bits = u128::BITS - coefficient.leading_zeros();
    // 1233 / 4096 is a little less than the logarithm of 2.
    let digits = (bits * 1233 / 4096) as usize;
    if coefficient >= TENS[digits] { digits + 1 } else { digits.max(1) }
}

/// The digits of a finite, not negative double: the first 34 as they are, and after them so many that one is not zero
/// unless all are. The first one stands for `10^exponent`.
pub(crate) struct Expansion {
    digits: [u8; MOST_DIGITS],
    exponent: i32,
}

impl Expansion {
    /// `None` for infinity and NaN. The standard library's formatting is exact to any number of digits.
    pub(crate) fn of(value: f64) -> Option<Expansion> {
        let all = most_digits(value);
        let some = Expansion::rounded(value, all.min(MOSTLY_ENOUGH))?;
        // Rounding the last digit of these reaches the first 34 only through nines, which it leaves as zeros.
        let is_certain = all <= MOSTLY_ENOUGH || !some.is_exact(MAX_DIGITS);
        if is_certain { Some(some) } else { Expansion::rounded(value, all) }
    }

    fn rounded(value: f64, digits: usize) -> Option<Expansion> {
        if !value.is_finite() {
            return None;
        }
        let mut text = Text { digits: [0; MOST_DIGITS], length: 0, exponent: String::new() };
        write!(text, "{value:.precision$e}", precision = digits - 1).ok()?;
        Some(Expansion { digits: text.digits, exponent: text.exponent.parse().ok()? })
    }

    /// The first `count` digits, at most 38.
    pub(crate) fn truncate(&self, count: usize) -> Scaled {
        let coefficient = self.digits[..count].iter().fold(0, |sum, digit| sum * 10 + u128::from(*digit));
        Scaled { coefficient, exponent: self.exponent + 1 - i32::try_from(count).unwrap_or(0) }
    }

    /// Whether the first `count` digits are the whole value.
    pub(crate) fn is_exact(&self, count: usize) -> bool {
        self.digits[count..].iter().all(|digit| *digit == 0)
    }

    fn compare(&self, other: Scaled) -> Ordering {
        let length = digits(other.coefficient);
        let others_exponent = other.exponent + i32::try_from(length).unwrap_or(0) - 1;
        let leading = self.truncate(length).coefficient;
        let rest = if self.is_exact(length) { Ordering::Equal } else { Ordering::Greater };
        if leading == 0 {
            return Ordering::Less;
        }
        self.exponent.cmp(&others_exponent).then(leading.cmp(&other.coefficient)).then(rest)
    }
}

/// Takes `d.ddd…e±x` apart as it is written.
struct Text {
    digits: [u8; MOST_DIGITS],
    length: usize,
    exponent: String,
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.bytes() {
            match character {
                b'0'..=b'9' if self.exponent.is_empty() => {
                    *self.digits.get_mut(self.length).ok_or(fmt::Error)? = character - b'0';
                    self.length += 1;
                }
                b'e' => self.exponent.push('+'),
                b'.' => {}
                _ if self.exponent == "+" && character == b'-' => self.exponent = "-".into(),
                _ => self.exponent.push(char::from(character)),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// `powi` gives zero below the normal range.
    pub(crate) fn power_of_two(power: i32) -> f64 {
        let bits =
            if power < -1022 { 1 << (power + 1074) } else { u64::try_from(power + 1023).unwrap() << 52 };
        f64::from_bits(bits)
    }

    #[test]
    fn the_first_digits_of_a_double_are_there_and_whether_more_follow() {
        let tenth = Expansion::of(0.1).unwrap();
        assert_eq!(
            tenth.truncate(34),
            Scaled { coefficient: 1_000_000_000_000_000_055_511_151_231_257_827, exponent: -34 }
        );
        assert!(!tenth.is_exact(MAX_DIGITS));
        assert!(Expansion::of(0.0625).unwrap().is_exact(3) && !Expansion::of(0.0625).unwrap().is_exact(2));
        let longest = Expansion::of(f64::MIN_POSITIVE.next_down()).unwrap();
        assert!(!longest.is_exact(MAX_DIGITS));
        assert_eq!(longest.exponent, -308);
        assert!(Expansion::of(f64::INFINITY).is_none());
    }

    #[test]
    fn no_digit_is_left_out() {
        let powers = (-1074..=1023).map(power_of_two);
        for value in
            powers.flat_map(|power| [power, power.next_up(), power.next_down(), power * 1.1, power * 5.0])
        {
            let Some(expansion) = Expansion::of(value) else { continue };
            let text =
                |digits: &[u8]| digits.iter().map(|digit| char::from(digit + b'0')).collect::<String>();
            let all = format!("{value:.766e}").replace('.', "");
            let (first, rest) = (text(&expansion.digits[..MAX_DIGITS]), &all[MAX_DIGITS..767]);
            assert!(all.starts_with(&first), "{value:e}");
            assert_eq!(expansion.is_exact(MAX_DIGITS), rest.bytes().all(|digit| digit == b'0'), "{value:e}");
        }
    }

    /// A looser bound would be as right, and slow.
    #[test]
    fn the_bound_on_digits_is_close() {
        assert_eq!((power_of_two(-1074), power_of_two(-1022)), (5e-324, f64::MIN_POSITIVE));
        let powers = (-1022..=0).map(power_of_two);
        for value in powers.flat_map(|power| [power, power.next_up(), power * 1.1, power * 5.0]) {
            let text = format!("{value:.800e}");
            let (mantissa, _) = text.split_once('e').unwrap();
            let all = mantissa.replace('.', "").trim_end_matches('0').len();
            let bound = most_digits(value);
            assert!(all <= bound, "{value:e}");
            assert!(bound <= (all + 2).max(MAX_DIGITS + 1), "{value:e}: {bound} for {all}");
        }
    }

    #[test]
    fn digits_are_counted() {
        assert_eq!((digits(0), digits(1), digits(u128::MAX)), (1, 1, 39));
        for (index, power) in TENS.into_iter().enumerate().skip(1) {
            assert_eq!((digits(power - 1), digits(power), digits(power + 1)), (index, index + 1, index + 1));
        }
    }

    #[test]
    fn zeros_are_taken_off_and_put_on() {
        for (zeros, power) in TENS.into_iter().enumerate().take(34) {
            let long = Scaled { coefficient: 7 * power, exponent: 3 };
            let exponent = 3 + i32::try_from(zeros).unwrap();
            assert_eq!(long.shortest(), Scaled { coefficient: 7, exponent });
            let widest = Scaled { coefficient: 7 * TENS[33], exponent: exponent - 33 };
            assert_eq!(long.shortest().widest(i32::MIN), widest);
            assert_eq!(long.widest(3), long);
            assert_eq!(long.widest(4), long);
        }
        assert_eq!(Scaled { coefficient: 0, exponent: 9 }.shortest(), Scaled { coefficient: 0, exponent: 9 });
    }

    #[test]
    fn doubles_are_found_downwards() {
        let below = |coefficient, exponent| Scaled { coefficient, exponent }.to_f64_downwards();
        assert_eq!(below(15, -1), (1.5, Ordering::Equal));
        assert_eq!(below(11, -1), (1.1f64.next_down(), Ordering::Less));
        assert_eq!(below(1, -1), (0.1f64.next_down(), Ordering::Less));
        assert_eq!(below(1, 400), (f64::MAX, Ordering::Less));
        assert_eq!(below(1, -400), (0.0, Ordering::Less));
        assert_eq!(below(4, -324), (0.0, Ordering::Less));
        assert_eq!(below(5, -324), (5e-324, Ordering::Less));
        assert_eq!(below(9_007_199_254_740_993, 0), (9_007_199_254_740_992.0, Ordering::Less));
    }

    /// Products of 67 and of 68 digits, with a carry from the lower halves and without.
    #[test]
    fn products_are_cut_to_34_digits() {
        for (a, b, product, places) in [
            (
                3_141_592_653_589_793_238_462_643_383_279_502,
                2_718_281_828_459_045_235_360_287_471_352_662,
                8_539_734_222_673_567_065_463_550_869_546_570,
                33,
            ),
            (
                9_999_999_999_999_999_999_999_999_999_999_999,
                9_999_999_999_999_999_999_999_999_999_999_999,
                9_999_999_999_999_999_999_999_999_999_999_998,
                34,
            ),
            (
                1_000_000_000_000_000_000_000_000_000_000_000,
                1_000_000_000_000_000_000_000_000_000_000_000,
                1_000_000_000_000_000_000_000_000_000_000_000,
                33,
            ),
            (
                3_141_592_653_589_793_238_462_643_383_279_502,
                8_636_168_555_094_444_625_386_351_862_800_399,
                2_713_132_368_784_788_677_624_750_042_896_585,
                34,
            ),
            (
                8_636_168_555_094_444_625_386_351_862_800_399,
                1_157_920_892_373_161_954_235_709_850_086_879,
                9_999_999_999_999_999_999_999_999_999_999_998,
                33,
            ),
            (
                9_999_999_999_999_999_999_999_999_999_999_999,
                1_000_000_000_000_000_009_999_999_999_999_999,
                1_000_000_000_000_000_009_999_999_999_999_998,
                34,
            ),
            (
                1_000_000_000_000_000_009_999_999_999_999_999,
                1_000_000_000_000_000_009_999_999_999_999_999,
                1_000_000_000_000_000_019_999_999_999_999_998,
                33,
            ),
            (
                2_718_281_828_459_045_235_360_287_471_352_662,
                8_636_168_555_094_444_625_386_351_862_800_399,
                2_347_554_005_082_263_767_592_443_085_900_958,
                34,
            ),
        ] {
            let [a, b] = [(a, -300), (b, 7)].map(|(coefficient, exponent)| Scaled { coefficient, exponent });
            let expected = Scaled { coefficient: product, exponent: places - 293 };
            assert_eq!((a.multiply_downwards(b), b.multiply_downwards(a)), (expected, expected));
        }
    }
}
