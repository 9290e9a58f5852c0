//! Hexadecimal text to bytes, without a branch per digit.

use crate::error::{Error, ErrorKind, Field};

const NOT_A_DIGIT: u8 = 0xFF;
/// Pairs of digits decoded together.
const BLOCK: usize = 16;

/// The value of every ASCII character as a hexadecimal digit, in either case.
const DIGITS: [u8; 256] = {
    let mut table = [NOT_A_DIGIT; 256];
    let mut digit = 0;
    while digit < 16 {
        table[b"0123456789ABCDEF"[digit as usize] as usize] = digit;
        table[b"0123456789abcdef"[digit as usize] as usize] = digit;
        digit += 1;
    }
    table
};

/// Decodes as many bytes as `out` holds from the front of `text`, and says how many there were. For few.
///
/// # Errors
/// [`ErrorKind::NotHex`] if one of the characters looked at is no hexadecimal digit.
#[inline]
pub(crate) fn decode_prefix(text: &str, out: &mut [u8]) -> Result<usize, Error> {
    let (count, bad) = decode_pairs(text.as_bytes(), out);
    if is_bad(bad) { Err(not_hex(text)) } else { Ok(count) }
}

/// Decodes the whole of `text` into `out`, which must hold half as many bytes as there are characters.
///
/// # Errors
/// [`ErrorKind::NotHex`] for a character that is no digit, [`ErrorKind::OddLength`] for half a byte.
#[inline(never)]
pub(crate) fn decode(text: &str, out: &mut [u8]) -> Result<(), Error> {
    let (pairs, half) = text.as_bytes().as_chunks::<2>();
    let all = match (pairs.last_chunk(), out.last_chunk_mut()) {
        (Some(last), Some(end)) => {
            // What is left after the whole blocks is decoded with what stands before it once more.
            let mut seen = [0; 2 * BLOCK];
            decode_block(last, end, &mut seen);
            for (block, out) in pairs.as_chunks().0.iter().zip(out.as_chunks_mut().0) {
                decode_block(block, out, &mut seen);
            }
            seen.iter().fold(0, |all, digit| all | digit)
        }
        _ => decode_pairs(text.as_bytes(), out).1,
    };
    match half {
        _ if is_bad(all) => Err(not_hex(text)),
        [] => Ok(()),
        [digit, ..] if is_bad(DIGITS[usize::from(*digit)]) => Err(not_hex(text)),
        _ => Err(Error::new(ErrorKind::OddLength, text.len() / 2, Field::Data)),
    }
}

/// Plain loops of fixed length and no branch, which become a few instructions on many characters each. Adds what it sees
/// at each place to what blocks before it had there.
#[inline(always)]
fn decode_block(block: &[[u8; 2]; BLOCK], out: &mut [u8; BLOCK], seen: &mut [u8; 2 * BLOCK]) {
    let mut digits = [0; 2 * BLOCK];
    for (digit, character) in digits.iter_mut().zip(block.as_flattened()) {
        *digit = value_of(*character);
    }
    for (seen, digit) in seen.iter_mut().zip(&digits) {
        *seen |= digit;
    }
    for (byte, pair) in out.iter_mut().zip(digits.as_chunks().0) {
        let both = u16::from_le_bytes(*pair);
        [*byte, _] = (both << 4 | both >> 8).to_le_bytes();
    }
}

/// The value of a digit in either case, and 16 or more for what is none: the lesser of two values, each of which is below
/// 16 for its own kind only. Wrapping and saturating by turns costs no comparison (Wojciech Muła, "Parsing hex numbers
/// with validation").
#[inline]
fn value_of(character: u8) -> u8 {
    // '0' to '9' are 0xF6 to 0xFF after the first step and 0xF0 to 0xF9 after the second; nothing else is above 0xEF.
    let number = character.wrapping_add(0xFF - b'9').saturating_sub(6).wrapping_sub(0xF0);
    let letter = (character & 0xDF).wrapping_sub(b'A').saturating_add(10);
    number.min(letter)
}

/// How many pairs were decoded, and all digits in one: below 16 if each was one.
fn decode_pairs(text: &[u8], out: &mut [u8]) -> (usize, u8) {
    let (mut bad, mut count) = (0, 0);
    for (byte, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
        let (high, low) = (DIGITS[usize::from(pair[0])], DIGITS[usize::from(pair[1])]);
        bad |= high | low;
        *byte = (high << 4) | (low & 0x0F);
        count += 1;
    }
    (count, bad)
}

fn is_bad(digits: u8) -> bool {
    digits & 0xF0 != 0
}

#[cold]
fn not_hex(text: &str) -> Error {
    let bad = text.char_indices().find(|(_, c)| !c.is_ascii_hexdigit());
    let (index, character) = bad.unwrap_or((0, '\0'));
    Error::new(ErrorKind::NotHex { character, index }, index / 2, Field::Data)
}

/// Upper case, as the server writes it.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(b"0123456789ABCDEF"[usize::from(value & 0x0F)]);
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(*byte));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &str) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; text.len() / 2];
        super::decode(text, &mut bytes).map(|()| bytes)
    }

    #[test]
    fn both_cases_are_read_and_the_upper_one_written() {
        assert_eq!(decode("00fFA9").unwrap(), [0x00, 0xFF, 0xA9]);
        assert_eq!(encode(&[0x00, 0xFF, 0xA9]), "00FFA9");
    }

    #[test]
    fn every_character_is_told_alike_by_table_and_arithmetic() {
        for character in 0..=u8::MAX {
            for place in 0..2 * BLOCK {
                let mut block = [*b"00"; BLOCK];
                block.as_flattened_mut()[place] = character;
                let (mut by_table, mut by_arithmetic) = ([0; BLOCK], [0; BLOCK]);
                let (_, digits) = decode_pairs(block.as_flattened(), &mut by_table);
                let mut seen = [0; 2 * BLOCK];
                decode_block(&block, &mut by_arithmetic, &mut seen);
                assert_eq!(is_bad(seen[place]), is_bad(digits), "{character}");
                assert!(is_bad(digits) || by_table == by_arithmetic, "{character}");
            }
        }
    }

    #[test]
    fn every_byte_survives() {
        let all: Vec<u8> = (0..=255).collect();
        for start in 0..=all.len() {
            let bytes = &all[start..];
            assert_eq!(decode(&encode(bytes)).unwrap(), bytes);
            assert_eq!(decode(&encode(bytes).to_lowercase()).unwrap(), bytes);
        }
    }

    #[test]
    fn what_is_no_digit_is_named_with_its_place() {
        for (text, character, index) in
            [("8g", 'g', 1), ("82\u{e9}", '\u{e9}', 2), ("82@", '@', 2), ("82 1", ' ', 2)]
        {
            let error = decode(text).unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::NotHex { character, index }, "{text}");
        }
        for index in 0..100 {
            let mut text = "8".repeat(100);
            text.replace_range(index..=index, "/");
            let error = decode(&text).unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::NotHex { character: '/', index });
        }
        assert_eq!(decode("821").unwrap_err().kind(), &ErrorKind::OddLength);
    }
}
