//! The bits that tell apart the BSON types which KeyString sorts as one.

use crate::error::{Error, ErrorKind, Field};

/// The BSON type of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Numeric {
    Int,
    Long,
    Double,
    Decimal,
}

/// A zero, of which there are as many as there are signs and exponents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Zero {
    Int,
    Long,
    Double,
    NegativeDouble,
    /// The biased exponent; 12288 more for the negative ones.
    Decimal(u16),
}

const ONE_BYTE_MAX: u8 = 0x7F;
const LONG_FORM: u8 = 0x80;
const NEGATIVE_DOUBLE_ZERO: u16 = 0x18;
const FIRST_DECIMAL_ZERO: u16 = 0x1A;
pub(crate) const EXPONENT_BITS: u8 = 6;

/// Reads type bits in the order in which the token's values ask for them.
#[derive(Debug, Default)]
pub(crate) struct TypeBits<'a> {
    /// `None`: as many zeros as anybody asks for.
    bits: Option<&'a [u8]>,
    position: usize,
    /// Where the bits begin in `_typeBits`, for errors.
    start: usize,
}

impl<'a> TypeBits<'a> {
    /// Unpacks the container: nothing or a 0 stand for endless zeros, one byte below 0x80 for itself, any other for
    /// the number of bytes that follow, 0x80 for that number in four bytes, little endian.
    pub(crate) fn new(container: &'a [u8]) -> Result<TypeBits<'a>, Error> {
        let wrong_length = || Error::new(ErrorKind::TypeBitsLength, 0, Field::TypeBits);
        let (length, start) = match container {
            [] | [0] => return Ok(TypeBits::default()),
            [LONG_FORM, a, b, c, d, ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, 5),
            [LONG_FORM, ..] => return Err(wrong_length()),
            [first, ..] if *first <= ONE_BYTE_MAX => (1, 0),
            [first, ..] => (usize::from(first & ONE_BYTE_MAX), 1),
        };
        let bits = &container[start..];
        let too_short_for_long_form = start == 5 && length <= usize::from(ONE_BYTE_MAX);
        if bits.len() != length || too_short_for_long_form {
            return Err(wrong_length());
        }
        Ok(TypeBits { bits: Some(bits), position: 0, start })
    }

    /// Whether there are any that are not zero.
    pub(crate) fn are_there(&self) -> bool {
        self.bits.is_some()
    }

    /// Most significant bit first; within the bytes the least significant comes first.
    fn read(&mut self, count: u8) -> Result<u16, Error> {
        let Some(bytes) = self.bits else { return Ok(0) };
        let mut value = 0;
        for _ in 0..count {
            let Some(byte) = bytes.get(self.position / 8) else {
                return Err(Error::new(
                    ErrorKind::TypeBitsExhausted,
                    self.start + bytes.len(),
                    Field::TypeBits,
                ));
            };
            value = (value << 1) | u16::from((byte >> (self.position % 8)) & 1);
            self.position += 1;
        }
        Ok(value)
    }

    pub(crate) fn is_symbol(&mut self) -> Result<bool, Error> {
        Ok(self.read(1)? == 1)
    }

    pub(crate) fn numeric(&mut self) -> Result<Numeric, Error> {
        Ok(match self.read(2)? {
            0 => Numeric::Int,
            1 => Numeric::Long,
            2 => Numeric::Double,
            _ => Numeric::Decimal,
        })
    }

    pub(crate) fn zero(&mut self) -> Result<Zero, Error> {
        Ok(match self.numeric()? {
            Numeric::Int => Zero::Int,
            Numeric::Long => Zero::Long,
            Numeric::Double => Zero::Double,
            Numeric::Decimal => match 0x18 | self.read(3)? {
                NEGATIVE_DOUBLE_ZERO => Zero::NegativeDouble,
                decimal @ FIRST_DECIMAL_ZERO.. => {
                    Zero::Decimal((decimal - FIRST_DECIMAL_ZERO) << 12 | self.read(12)?)
                }
                _ => return Err(self.mismatch()),
            },
        })
    }

    /// The low bits of a decimal's biased exponent.
    pub(crate) fn exponent(&mut self) -> Result<u16, Error> {
        self.read(EXPONENT_BITS)
    }

    /// The bits read last do not fit the value they belong to.
    #[cold]
    pub(crate) fn mismatch(&self) -> Error {
        let at = self.start + self.position.saturating_sub(1) / 8;
        Error::new(ErrorKind::TypeBitsMismatch, at, Field::TypeBits)
    }

    /// Refuses bits that no value has asked for, unless they are the zeros that fill up the last byte.
    pub(crate) fn finish(&self) -> Result<(), Error> {
        let Some(bytes) = self.bits else { return Ok(()) };
        let (whole, begun) = (self.position / 8, self.position % 8);
        let unread = bytes.get(whole).map_or(0, |byte| byte >> begun);
        if unread != 0 || bytes.len() > self.position.div_ceil(8) {
            return Err(Error::new(ErrorKind::TypeBitsLeftOver, self.start + whole, Field::TypeBits));
        }
        Ok(())
    }
}

/// Collects type bits while values are written.
#[derive(Debug, Default)]
pub(crate) struct TypeBitsWriter {
    bytes: Vec<u8>,
    length: usize,
}

impl TypeBitsWriter {
    fn write(&mut self, value: u16, count: u8) {
        for place in (0..count).rev() {
            if self.length.is_multiple_of(8) {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= u8::from((value >> place) & 1 == 1) << (self.length % 8);
            }
            self.length += 1;
        }
    }

    pub(crate) fn is_symbol(&mut self, is_symbol: bool) {
        self.write(u16::from(is_symbol), 1);
    }

    pub(crate) fn numeric(&mut self, numeric: Numeric) {
        self.write(numeric as u16, 2);
    }

    pub(crate) fn zero(&mut self, zero: Zero) {
        match zero {
            Zero::Int => self.numeric(Numeric::Int),
            Zero::Long => self.numeric(Numeric::Long),
            Zero::Double => self.numeric(Numeric::Double),
            Zero::NegativeDouble => self.write(NEGATIVE_DOUBLE_ZERO, 5),
            Zero::Decimal(which) => {
                self.write(FIRST_DECIMAL_ZERO + (which >> 12), 5);
                self.write(which, 12);
            }
        }
    }

    /// Keeps the low bits of a decimal's biased exponent.
    pub(crate) fn exponent(&mut self, biased: u16) {
        self.write(biased, EXPONENT_BITS);
    }

    /// The container, or nothing where every bit is zero.
    pub(crate) fn finish(mut self) -> Option<Vec<u8>> {
        if self.bytes.iter().all(|byte| *byte == 0) {
            return None;
        }
        let container = match (u8::try_from(self.bytes.len()), self.bytes.as_slice()) {
            (_, [only]) if *only <= ONE_BYTE_MAX => self.bytes,
            (Ok(length @ ..=ONE_BYTE_MAX), _) => {
                self.bytes.insert(0, LONG_FORM | length);
                self.bytes
            }
            _ => {
                let length = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
                let mut container = vec![LONG_FORM];
                container.extend_from_slice(&length.to_le_bytes());
                container.append(&mut self.bytes);
                container
            }
        };
        Some(container)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_container_form_is_unpacked() {
        let long = [&[0x80, 0x80, 0, 0, 0][..], &[0xFF; 128]].concat();
        for (container, ones) in [
            (&[][..], 0),
            (&[0], 0),
            (&[0x7F], 7),
            (&[0x81, 0xFF], 8),
            (&[0x82, 0xFF, 0x01], 9),
            (&long, 1024),
        ] {
            let mut bits = TypeBits::new(container).unwrap();
            let read = (0..2000).map_while(|_| bits.is_symbol().ok()).filter(|bit| *bit).count();
            assert_eq!(read, ones, "{container:02X?}");
        }
    }

    #[test]
    fn a_container_of_another_length_than_it_says_is_refused() {
        let short = [&[0x80, 0x7F, 0, 0, 0][..], &[0xFF; 127]].concat();
        for container in [
            &[0x82, 0xFF][..],
            &[0x81, 1, 2],
            &[0x01, 0x01],
            &[0x80],
            &[0x80, 0xFF, 0xFF, 0xFF, 0xFF, 1],
            &short,
        ] {
            assert_eq!(TypeBits::new(container).unwrap_err().kind(), &ErrorKind::TypeBitsLength);
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for length in [1, 3, 7, 127, 128, 1000] {
            let mut writer = TypeBitsWriter::default();
            for index in 0..length {
                writer.zero(Zero::Decimal(index * 24));
                writer.numeric(Numeric::Decimal);
                writer.exponent(index);
                writer.is_symbol(true);
                writer.zero(Zero::NegativeDouble);
            }
            let container = writer.finish().unwrap();
            let mut bits = TypeBits::new(&container).unwrap();
            for index in 0..length {
                assert_eq!(bits.zero().unwrap(), Zero::Decimal(index * 24));
                assert_eq!(bits.numeric().unwrap(), Numeric::Decimal);
                assert_eq!(bits.exponent().unwrap(), index % 64);
                assert!(bits.is_symbol().unwrap());
                assert_eq!(bits.zero().unwrap(), Zero::NegativeDouble);
            }
            bits.finish().unwrap();
        }
    }

    #[test]
    fn bits_that_nobody_asked_for_are_refused() {
        let mut bits = TypeBits::new(&[0x41]).unwrap();
        assert!(bits.is_symbol().unwrap());
        assert_eq!(bits.finish().unwrap_err().kind(), &ErrorKind::TypeBitsLeftOver);
    }
}
