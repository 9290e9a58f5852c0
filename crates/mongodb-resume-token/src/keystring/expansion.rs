//! Doubles as decimals, digit for digit.

use std::cmp::Ordering;
use std::fmt::{self, Write as _};

use crate::keystring::decimal::MAX_DIGITS;
use crate::keystring::number::SAFE_DIGITS;

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
        while self.coefficient != 0 && self.coefficient.is_multiple_of(10) {
            self.coefficient /= 10;
            self.exponent += 1;
        }
        self
    }

    /// The same value with 34 digits, as long as the exponent stays above `least`.
    pub(crate) fn widest(mut self, least: i32) -> Scaled {
        while self.exponent > least && digits(self.coefficient) < MAX_DIGITS {
            self.coefficient *= 10;
            self.exponent -= 1;
        }
        self
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

pub(crate) fn digits(coefficient: u128) -> usize {
    coefficient.checked_ilog10().map_or(1, |log| log as usize + 1)
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

    /// As [`of`](Self::of), but good for the first 15 digits only, and mostly much quicker: 17 digits are cheap, and
    /// where the last two of them are not zero no rounding has reached the others.
    pub(crate) fn of_safe_digits(value: f64) -> Option<Expansion> {
        let some = Expansion::rounded(value, SAFE_DIGITS + 2)?;
        if some.is_exact(SAFE_DIGITS) { Expansion::of(value) } else { Some(some) }
    }

    fn rounded(value: f64, digits: usize) -> Option<Expansion> {
        if !value.is_finite() {
            return None;
        }
        let mut text = Text { digits: [0; MOST_DIGITS], length: 0, exponent: String::new() };
        write!(text, "{value:.precision$e}", precision = digits - 1).ok()?;
        Some(Expansion { digits: text.digits, exponent: text.exponent.parse().ok()? })
    }

    /// The first `count` digits, one more in the last place if anything but zeros follows: rounded away from zero.
    pub(crate) fn round_up(&self, count: usize) -> Scaled {
        let up = u128::from(!self.is_exact(count));
        let Scaled { coefficient, exponent } = self.truncate(count);
        let rounded = Scaled { coefficient: coefficient + up, exponent };
        if digits(rounded.coefficient) > count {
            return Scaled { coefficient: rounded.coefficient / 10, exponent: exponent + 1 };
        }
        rounded
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
mod tests {
    use super::*;

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
        let powers = (-1074..=1023).map(|power: i32| 2f64.powi(power));
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

    #[test]
    fn fifteen_digits_are_the_same_by_the_short_way() {
        let powers = (-1074..=1023).map(|power: i32| 2f64.powi(power));
        let decimals = (0..200).map(|index| f64::from(index) / 10.0);
        let tens = (-300..300).map(|power| 10f64.powi(power));
        for value in powers.chain(decimals).chain(tens) {
            for value in [value, value.next_up(), value.next_down(), value * 1.1] {
                let both = Expansion::of(value).zip(Expansion::of_safe_digits(value));
                if let Some((slow, quick)) = both {
                    assert_eq!(slow.round_up(SAFE_DIGITS), quick.round_up(SAFE_DIGITS), "{value:e}");
                }
            }
        }
    }

    #[test]
    fn rounding_is_away_from_zero() {
        assert_eq!(Expansion::of(1.5).unwrap().round_up(1), Scaled { coefficient: 2, exponent: 0 });
        assert_eq!(Expansion::of(9.5).unwrap().round_up(1), Scaled { coefficient: 1, exponent: 1 });
        assert_eq!(Expansion::of(1.5).unwrap().round_up(2), Scaled { coefficient: 15, exponent: -1 });
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
}
