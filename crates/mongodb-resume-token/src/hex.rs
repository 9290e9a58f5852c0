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

#[cold]
fn not_hex(text: &str) -> Error {
    let bad = text.char_indices().find(|(_, c)| !c.is_ascii_hexdigit());
    let (index, character) = bad.unwrap_or((0, '\0'));
    Error::new(ErrorKind::NotHex { character, index }, index / 2, Field::Data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_cases_are_read() {
        let mut bytes = [0; 3];
        assert_eq!(decode_prefix("00fFA9", &mut bytes).unwrap(), 3);
        assert_eq!(bytes, [0x00, 0xFF, 0xA9]);
    }
}
