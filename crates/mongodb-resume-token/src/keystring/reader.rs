//! Values, read.

use crate::error::{Error, ErrorKind, Field};
use crate::keystring::number::{self, Number};
use crate::keystring::type_bits::TypeBits;
use crate::keystring::type_byte as byte;
use crate::value::tape::Stored;

/// A place in a token, and the field that is being read there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    length: usize,
    field: Field,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8], position: usize, field: Field) -> Reader<'a> {
        Reader { rest: bytes.get(position..).unwrap_or_default(), length: bytes.len(), field }
    }

    pub(crate) fn enter(&mut self, field: Field) {
        self.field = field;
    }

    /// Of the whole token.
    pub(crate) fn length(&self) -> usize {
        self.length
    }

    pub(crate) fn position(&self) -> usize {
        self.length - self.rest.len()
    }

    #[cold]
    pub(crate) fn error(self, kind: ErrorKind) -> Error {
        self.error_at(kind, self.position())
    }

    #[cold]
    pub(crate) fn error_at(self, kind: ErrorKind, position: usize) -> Error {
        Error::new(kind, position, self.field)
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    #[cold]
    pub(crate) fn truncated(self, wanted: usize) -> Error {
        self.error(ErrorKind::Truncated { missing: wanted - self.rest.len() })
    }

    /// To the end of what was looked at in [`rest`](Self::rest).
    pub(crate) fn go_on(&mut self, rest: &'a [u8]) {
        self.rest = rest;
    }

    #[inline]
    pub(crate) fn byte(&mut self) -> Result<u8, Error> {
        self.chunk().map(|[byte]| *byte)
    }

    #[inline]
    pub(crate) fn chunk<const N: usize>(&mut self) -> Result<&'a [u8; N], Error> {
        let Some((chunk, rest)) = self.rest.split_first_chunk() else { return Err(self.truncated(N)) };
        self.rest = rest;
        Ok(chunk)
    }

    #[inline]
    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let Some((taken, rest)) = self.rest.split_at_checked(length) else {
            return Err(self.truncated(length));
        };
        self.rest = rest;
        Ok(taken)
    }

    /// One length byte, or 0xFF and four; the subtype; the bytes as they are.
    pub(crate) fn binary(&mut self) -> Result<(u8, &'a [u8]), Error> {
        let start = self.position();
        let first = self.byte()?;
        let takes_five = first == u8::MAX;
        let length =
            if takes_five { u32::from_be_bytes(*self.chunk()?) as usize } else { usize::from(first) };
        if length < usize::from(u8::MAX) && takes_five {
            return Err(
                self.error_at(ErrorKind::NotCanonical("a length in five bytes where one is enough"), start)
            );
        }
        let subtype = self.byte()?;
        Ok((subtype, self.take(length)?))
    }
}

/// What stands before the first zero and after it, and whether all before it is ASCII. Eight bytes at a time.
#[inline(always)]
pub(crate) fn split_at_zero(bytes: &[u8]) -> Option<(&[u8], &[u8], bool)> {
    const ONES: u64 = u64::MAX / 0xFF;
    const HIGHS: u64 = ONES << 7;
    let (mut start, mut seen) = (0, 0);
    while let Some(word) = bytes.get(start..).and_then(<[u8]>::first_chunk) {
        let word = u64::from_le_bytes(*word);
        // The lowest of these bits marks the first zero; bits above it may mark what is none, but no byte above 0x7F.
        let zeros = word.wrapping_sub(ONES) & !word & HIGHS;
        if zeros != 0 {
            let up_to_zero = word & (zeros - 1);
            let (before, rest) = bytes.split_at_checked(start + zeros.trailing_zeros() as usize / 8)?;
            return Some((before, rest.get(1..)?, (seen | up_to_zero) & HIGHS == 0));
        }
        (start, seen) = (start + 8, seen | word);
    }
    let length = start + bytes.get(start..)?.iter().position(|byte| *byte == 0)?;
    let (before, rest) = bytes.split_at_checked(length)?;
    Some((before, rest.get(1..)?, before.is_ascii()))
}

/// Reads values and, beside them, the type bits that complete them.
#[derive(Debug)]
pub(crate) struct Values<'a> {
    pub(crate) reader: Reader<'a>,
    pub(crate) type_bits: TypeBits<'a>,
    /// There is no `_typeBits`, which servers leave out where it would be zero, and careless callers where it was not.
    without_type_bits: bool,
    /// Text that is not UTF-8 is mended, and no error.
    pub(crate) lossy: bool,
    /// A number was met that has no business in a token without type bits.
    pub(crate) needed_type_bits: bool,
}

impl<'a> Values<'a> {
    /// Without type bits.
    #[inline]
    pub(crate) fn new(reader: Reader<'a>) -> Values<'a> {
        let type_bits = TypeBits::default();
        Values { reader, type_bits, without_type_bits: true, lossy: false, needed_type_bits: false }
    }

    pub(crate) fn take_type_bits(&mut self, container: &'a [u8]) -> Result<(), Error> {
        self.type_bits = TypeBits::new(container)?;
        self.without_type_bits = false;
        Ok(())
    }

    /// An integer from 0 to 32767, which is what most are, and what follows it. `None` for any other.
    #[inline(always)]
    pub(crate) fn small_integer(&self, type_byte: u8, payload: &'a [u8]) -> Option<(i32, &'a [u8])> {
        let (doubled, rest) = match (type_byte, payload) {
            _ if self.type_bits.are_there() => return None,
            (byte::ZERO, rest) => return Some((0, rest)),
            (byte::POSITIVE_1_BYTE, [low, rest @ ..]) => (u16::from(*low), rest),
            (byte::POSITIVE_2_BYTES, [high, low, rest @ ..]) if *high != 0 => {
                (u16::from_be_bytes([*high, *low]), rest)
            }
            _ => return None,
        };
        // The lowest bit says that a fraction follows.
        (doubled & 1 == 0 && doubled != 0).then_some((i32::from(doubled >> 1), rest))
    }

    /// The number that follows its type byte, straight into its place.
    #[inline(never)]
    pub(crate) fn any_number(&mut self, type_byte: u8, into: &mut Stored) -> Result<(), Error> {
        if type_byte == byte::ZERO {
            *into = number::zero(self.type_bits.zero()?);
            return Ok(());
        }
        let start = self.reader.position() - 1;
        let number = Number::read(&mut self.reader, type_byte)?;
        let (value, refusal) = if self.without_type_bits {
            (number.guessed(), ErrorKind::InvalidNumber)
        } else {
            (number.typed(&mut self.type_bits)?, ErrorKind::TypeBitsMismatch)
        };
        // Without type bits only 32-bit integers are what they seem.
        self.needed_type_bits |= self.without_type_bits && !matches!(value, Some(Stored::Int32(_)));
        *into = value.ok_or_else(|| self.reader.error_at(refusal, start))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_zero_is_found_wherever_it_stands() {
        for length in 0..40 {
            for (zero, other) in
                (0..=length).flat_map(|zero| [1, 0x7F, 0x80, 0xFF].map(|other| (zero, other)))
            {
                let mut bytes = vec![other; length];
                if let Some(byte) = bytes.get_mut(zero) {
                    *byte = 0;
                }
                let expected =
                    (zero < length).then(|| (&bytes[..zero], &bytes[zero + 1..], other < 0x80 || zero == 0));
                assert_eq!(split_at_zero(&bytes), expected, "{bytes:02X?}");
            }
        }
    }

    #[test]
    fn one_byte_in_any_word_is_enough_not_to_be_ascii() {
        for places in [&[0][..], &[8], &[16], &[0, 8], &[3, 11, 19], &[8, 16], &[0, 8, 16]] {
            let mut bytes = [b'a'; 24];
            bytes[20] = 0;
            for place in places {
                bytes[*place] = 0x80;
            }
            assert_eq!(split_at_zero(&bytes), Some((&bytes[..20], &bytes[21..], false)), "{places:?}");
        }
    }

    #[test]
    fn small_integers_are_told_at_one_look() {
        let values = Values::new(Reader::new(&[], 0, Field::Data));
        for (type_byte, payload, expected) in [
            (byte::ZERO, &[9][..], Some((0, &[9][..]))),
            (byte::ZERO, &[], Some((0, &[]))),
            (byte::POSITIVE_1_BYTE, &[2, 9], Some((1, &[9]))),
            (byte::POSITIVE_1_BYTE, &[0xFE], Some((127, &[]))),
            // A fraction follows; no number; nothing at all.
            (byte::POSITIVE_1_BYTE, &[3, 9], None),
            (byte::POSITIVE_1_BYTE, &[0, 9], None),
            (byte::POSITIVE_1_BYTE, &[], None),
            (byte::POSITIVE_2_BYTES, &[1, 0, 9], Some((128, &[9]))),
            (byte::POSITIVE_2_BYTES, &[0xFF, 0xFE], Some((32_767, &[]))),
            // One byte would be enough.
            (byte::POSITIVE_2_BYTES, &[0, 2], None),
            (byte::POSITIVE_2_BYTES, &[1], None),
            (byte::NEGATIVE_1_BYTE, &[0xFD], None),
        ] {
            assert_eq!(values.small_integer(type_byte, payload), expected, "{type_byte:X} {payload:?}");
        }
        // Type bits would say whether it is one.
        let mut values = Values::new(Reader::new(&[], 0, Field::Data));
        values.take_type_bits(&[0x40]).unwrap();
        assert_eq!(values.small_integer(byte::ZERO, &[]), None);
    }
}
