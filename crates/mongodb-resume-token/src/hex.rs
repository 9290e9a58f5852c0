//! Hexadecimal text to bytes, without a branch per digit.

use crate::error::{Error, ErrorKind, Field};

const NOT_A_DIGIT: u8 = 0xFF;

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

/// Decodes as many bytes as `out` holds from the front of `text`, and says how many there were.
///
/// # Errors
/// [`ErrorKind::NotHex`] if one of the characters looked at is no hexadecimal digit.
pub(crate) fn decode_prefix(text: &str, out: &mut [u8]) -> Result<usize, Error> {
    let mut bad = 0;
    let mut count = 0;
    for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let (high, low) = (DIGITS[usize::from(pair[0])], DIGITS[usize::from(pair[1])]);
        // A digit is below 16, so the high bits of the two tell whether any was not one.
        bad |= high | low;
        *byte = (high << 4) | (low & 0x0F);
        count += 1;
    }
    if bad & 0xF0 != 0 {
        return Err(not_hex(text));
    }
    Ok(count)
}

/// Decodes the whole of `text`.
///
/// # Errors
/// [`ErrorKind::NotHex`] for a character that is no digit, [`ErrorKind::OddLength`] for half a byte.
pub(crate) fn decode(text: &str) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; text.len() / 2];
    decode_prefix(text, &mut bytes)?;
    match text.as_bytes() {
        [.., last] if text.len() % 2 == 1 && DIGITS[usize::from(*last)] == NOT_A_DIGIT => Err(not_hex(text)),
        _ if text.len() % 2 == 1 => Err(Error::new(ErrorKind::OddLength, bytes.len(), Field::Data)),
        _ => Ok(bytes),
    }
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

    #[test]
    fn both_cases_are_read_and_the_upper_one_written() {
        assert_eq!(decode("00fFA9").unwrap(), [0x00, 0xFF, 0xA9]);
        assert_eq!(encode(&[0x00, 0xFF, 0xA9]), "00FFA9");
    }

    #[test]
    fn every_byte_survives() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(decode(&encode(&bytes)).unwrap(), bytes);
        assert_eq!(decode(&encode(&bytes).to_lowercase()).unwrap(), bytes);
    }

    #[test]
    fn what_is_no_digit_is_named_with_its_place() {
        for (text, character, index) in
            [("8g", 'g', 1), ("82\u{e9}", '\u{e9}', 2), ("82@", '@', 2), ("82 1", ' ', 2)]
        {
            let error = decode(text).unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::NotHex { character, index }, "{text}");
        }
        assert_eq!(decode("821").unwrap_err().kind(), &ErrorKind::OddLength);
    }
}
