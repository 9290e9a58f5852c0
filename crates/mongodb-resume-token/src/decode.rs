//! Layouts: which values a token is made of, in which order.

use crate::error::{Error, ErrorKind, Field, Vendor};
use crate::keystring::reader::{Reader, Values};
use crate::keystring::tree::Tree;
use crate::keystring::type_byte as byte;
use crate::prefix::{self, PREFIX};
use crate::value::tape::Stored;
use crate::{Format, Identifier, Token, TokenData, TokenDocument, TokenType, Uuid};
use crate::{hex, vendor};

const HIGH_WATER_MARK: i32 = 0;
const EVENT: i32 = 128;
const UUID_SUBTYPE: u8 = 4;
/// Type byte and time, three numbers of whatever form, and a boolean.
const LONGEST_HEADER: usize = PREFIX + 3 * 17 + 1;

/// In bytes. Servers take 16 MiB for a whole document, and the digits of a token are twice its bytes.
pub(crate) const LONGEST: usize = 32 << 20;

/// Most tokens are shorter than this, and are decoded without taking memory for their bytes.
const SHORT: usize = 256;

/// Decodes a token from its hexadecimal `_data` alone, in either case.
///
/// Strict: every byte must belong to the layout. Numbers that need type bits get the narrowest type that holds them,
/// and [`Token::type_bits_missing`] says so; decode a [`TokenDocument`] where there are type bits.
///
/// # Errors
/// See [`ErrorKind`]; the error tells the byte and the field.
///
/// ```
/// # use mongodb_resume_token::{Format, Value, decode};
/// let token = decode("8266561E1A000000062B022C0100296E5A1004479FFFE93A2F4CA0B70D131517A9885D463C5F6964003C696474657374000004")?;
/// assert_eq!(token.format, Format::V1);
/// let key = token.identifier.as_ref().and_then(|identifier| identifier.document_key()).expect("an insert has a key");
/// assert_eq!(key.get("_id"), Some(Value::String("idtest")));
/// # Ok::<(), mongodb_resume_token::Error>(())
/// ```
pub fn decode(data: &str) -> Result<Token, Error> {
    strictly(|token| read_hex(data, Reading::default(), token))
}

/// Decodes what of a token stands before the collection: format, time, type, and whether it is that of an invalidate
/// event. The other fields stay `None`, whatever the token holds, and the rest of it is not looked at. Type bits play no
/// part here, and nothing is allocated unless it fails.
///
/// # Errors
/// See [`ErrorKind`].
pub fn decode_header(data: &str) -> Result<Token, Error> {
    strictly(|token| {
        let mut buffer = [0; LONGEST_HEADER];
        let count = hex::decode_prefix(data, &mut buffer)?;
        let bytes = &buffer[..count];
        if !begins_with_time(Form::Hex, bytes, token)? {
            return Ok(());
        }
        let mut values = Values::new(Reader::new(bytes, PREFIX, Field::Version));
        token.format = version(Form::Hex, &mut values)?;
        header(&mut values, token)
    })
}

impl TokenDocument {
    /// Decodes the token, with its type bits.
    ///
    /// Strict: every byte, and every type bit, must belong to the layout.
    ///
    /// # Errors
    /// See [`ErrorKind`]; the error tells the byte and the field.
    pub fn decode(&self) -> Result<Token, Error> {
        let reading = Reading { type_bits: self.type_bits.as_deref(), lossy: false };
        strictly(|token| match &self.data {
            TokenData::Hex(text) => read_hex(text, reading, token),
            TokenData::Binary(bytes) => read_binary(bytes, reading, token),
        })
    }
}

#[inline]
fn strictly(read: impl FnOnce(&mut Token) -> Result<(), Error>) -> Result<Token, Error> {
    let mut outcome = Ok(Token::new(Format::Unknown));
    if let Ok(token) = &mut outcome
        && let Err(error) = read(token)
    {
        outcome = Err(error);
    }
    outcome
}

/// What else is known when a token is read.
#[derive(Clone, Copy, Default)]
pub(crate) struct Reading<'a> {
    pub(crate) type_bits: Option<&'a [u8]>,
    /// Text that is not UTF-8 is mended, and no error.
    pub(crate) lossy: bool,
}

/// The outer form of a token.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Hex,
    Binary,
}

/// Reads a whole token. What was read before an error stays in `token`.
pub(crate) fn read_hex(text: &str, reading: Reading<'_>, token: &mut Token) -> Result<(), Error> {
    let length = text.len() / 2;
    if length > SHORT {
        return read_long(text, reading, token);
    }
    let mut buffer = [0; SHORT];
    let bytes = &mut buffer[..length];
    hex::decode(text, bytes)?;
    read_bytes(Form::Hex, bytes, reading, token)
}

#[inline(never)]
fn read_long(text: &str, reading: Reading<'_>, token: &mut Token) -> Result<(), Error> {
    if text.len() / 2 > LONGEST {
        token.cluster_time = prefix::cluster_time(text).ok();
        return Err(too_long());
    }
    let mut bytes = vec![0; text.len() / 2];
    hex::decode(text, &mut bytes)?;
    read_bytes(Form::Hex, &bytes, reading, token)
}

/// As [`read_hex`].
pub(crate) fn read_binary(bytes: &[u8], reading: Reading<'_>, token: &mut Token) -> Result<(), Error> {
    read_bytes(Form::Binary, bytes, reading, token)
}

#[cold]
fn too_long() -> Error {
    Error::new(ErrorKind::TooLong, LONGEST, Field::Data)
}

fn read_bytes(form: Form, bytes: &[u8], reading: Reading<'_>, token: &mut Token) -> Result<(), Error> {
    if !begins_with_time(form, bytes, token)? {
        return Ok(());
    }
    if bytes.len() > LONGEST {
        return Err(too_long());
    }
    let mut values = Values::new(Reader::new(bytes, PREFIX, Field::Version));
    values.lossy = reading.lossy;
    if let Some(type_bits) = reading.type_bits {
        values.take_type_bits(type_bits)?;
    }
    let outcome = if form == Form::Hex && usual_header(&mut values, token) {
        tail(&mut values, token)
    } else {
        token.format = version(form, &mut values)?;
        match form {
            Form::Binary => legacy(&mut values, token),
            Form::Hex => header(&mut values, token).and_then(|()| tail(&mut values, token)),
        }
    };
    // A late write, which the move of the token to the caller would have to wait for, is left out where it can be.
    if values.needed_type_bits {
        token.type_bits_missing = true;
    }
    outcome?;
    end(&mut values)
}

/// Tells whose token it is, and its time. Values follow only in MongoDB's own.
#[inline]
fn begins_with_time(form: Form, bytes: &[u8], token: &mut Token) -> Result<bool, Error> {
    token.cluster_time = prefix::time(bytes);
    if token.cluster_time.is_some() {
        return Ok(true);
    }
    token.cluster_time = vendor::document_db_time(bytes);
    let vendor = match form {
        Form::Hex => vendor::of_hex(bytes),
        Form::Binary => vendor::of_binary(bytes),
    };
    token.format = match vendor {
        Some(Vendor::DocumentDb) => Format::DocumentDb,
        Some(Vendor::Cosmos) => Format::Cosmos,
        None => return Err(prefix::refuse(bytes, None)),
    };
    Ok(false)
}

fn version(form: Form, values: &mut Values<'_>) -> Result<Format, Error> {
    match form {
        Form::Binary => Ok(Format::BinData),
        Form::Hex => match values.int()? {
            0 => Ok(Format::V0),
            1 => Ok(Format::V1),
            2 => Ok(Format::V2),
            other => Err(values.reader.error_at(ErrorKind::UnknownVersion(other), PREFIX)),
        },
    }
}

/// Version and header at one look, if they are what they are in nearly every token: v1 or v2, an event or a mark, in no
/// transaction or the first in one, and no type bits. Otherwise `false`, and nothing is read.
#[inline]
fn usual_header(values: &mut Values<'_>, token: &mut Token) -> bool {
    let (version, token_type, from_invalidate, rest) = match values.reader.rest() {
        _ if values.type_bits.are_there() => return false,
        [byte::POSITIVE_1_BYTE, version, byte::POSITIVE_2_BYTES, 1, 0, byte::ZERO, flag, rest @ ..] => {
            (version, TokenType::Event, flag, rest)
        }
        [byte::POSITIVE_1_BYTE, version, byte::ZERO, byte::ZERO, flag @ byte::FALSE, rest @ ..] => {
            (version, TokenType::HighWaterMark, flag, rest)
        }
        _ => return false,
    };
    // Integers are doubled.
    token.format = match (version, from_invalidate) {
        (2, &(byte::FALSE | byte::TRUE)) => Format::V1,
        (4, &(byte::FALSE | byte::TRUE)) => Format::V2,
        _ => return false,
    };
    token.token_type = Some(token_type);
    token.txn_op_index = Some(0);
    token.from_invalidate = Some(*from_invalidate == byte::TRUE);
    values.reader.go_on(rest);
    true
}

fn header(values: &mut Values<'_>, token: &mut Token) -> Result<(), Error> {
    let has_type = token.format != Format::V0;
    if has_type {
        values.reader.enter(Field::TokenType);
        let start = values.reader.position();
        token.token_type = match values.int()? {
            HIGH_WATER_MARK => Some(TokenType::HighWaterMark),
            EVENT => Some(TokenType::Event),
            other => return Err(values.reader.error_at(ErrorKind::UnknownTokenType(other), start)),
        };
    }
    values.reader.enter(Field::TxnOpIndex);
    let start = values.reader.position();
    let index = values.index()?;
    token.txn_op_index = Some(index);
    let is_mark = token.is_high_water_mark();
    if is_mark && index != 0 {
        let what = "a high-water mark with another ordinal than 0";
        return Err(values.reader.error_at(ErrorKind::Contradiction(what), start));
    }
    if has_type {
        values.reader.enter(Field::FromInvalidate);
        token.from_invalidate = Some(match values.type_byte()? {
            byte::FALSE => false,
            byte::TRUE => true,
            found => return Err(values.wrong_type(found, "a boolean")),
        });
        if is_mark && token.from_invalidate == Some(true) {
            let what = "a high-water mark of an invalidate event";
            return Err(values.reader.error_at(ErrorKind::Contradiction(what), values.reader.position() - 1));
        }
    }
    Ok(())
}

#[inline]
fn tail(values: &mut Values<'_>, token: &mut Token) -> Result<(), Error> {
    let is_v2 = token.format == Format::V2;
    values.reader.enter(Field::Uuid);
    match values.reader.peek() {
        Some(byte::BINARY) => values.uuid(&mut token.uuid)?,
        Some(byte::NULL) if is_v2 => {
            values.reader.byte()?;
        }
        _ if !is_v2 => {}
        _ => {
            let found = values.type_byte()?;
            return Err(values.wrong_type(found, "a UUID or null"));
        }
    }
    values.reader.enter(Field::Identifier);
    let has_event = token.token_type != Some(TokenType::HighWaterMark);
    match values.reader.peek() {
        Some(byte::OBJECT) if has_event => identifier(values, token)?,
        _ if is_v2 && has_event => {
            let found = values.type_byte()?;
            return Err(values.wrong_type(found, "a document"));
        }
        _ => return Ok(()),
    }
    values.reader.enter(Field::FragmentNum);
    if is_v2 && values.reader.peek().is_some_and(|found| found != byte::END) {
        token.fragment_num = Some(values.index()?);
    }
    Ok(())
}

/// Leaves the fields read before an error in the token.
#[inline]
fn identifier(values: &mut Values<'_>, token: &mut Token) -> Result<(), Error> {
    let start = values.reader.position();
    values.reader.byte()?;
    let identifier = token.identifier.insert(Identifier::usual(token.format));
    let outcome = Tree::read(values, identifier.document_mut().tape_mut());
    identifier.classify(token.format);
    outcome?;
    // Told last, so that the lenient face has the identifier.
    if token.format == Format::V1 && token.uuid.is_none() {
        let what = "an identifier in v1 without a collection";
        return Err(Error::new(ErrorKind::Contradiction(what), start, Field::Uuid));
    }
    Ok(())
}

/// The layout of 3.6: the document key, or null if only the collection follows, and the collection.
fn legacy(values: &mut Values<'_>, token: &mut Token) -> Result<(), Error> {
    values.reader.enter(Field::Identifier);
    match values.reader.peek() {
        Some(byte::OBJECT) => identifier(values, token)?,
        Some(byte::NULL) => {
            values.reader.byte()?;
        }
        _ => {}
    }
    values.reader.enter(Field::Uuid);
    if values.reader.peek() == Some(byte::BINARY) {
        values.uuid(&mut token.uuid)?;
    }
    Ok(())
}

/// Nothing may follow. Servers let a missing end byte pass, and bytes after it, but write neither.
#[inline]
fn end(values: &mut Values<'_>) -> Result<(), Error> {
    values.reader.enter(Field::Data);
    let found = values.reader.byte()?;
    if found != byte::END {
        return Err(values.reader.error_at(ErrorKind::LeftOver, values.reader.position() - 1));
    }
    if values.reader.peek().is_some() {
        return Err(values.reader.error(ErrorKind::LeftOver));
    }
    values.type_bits.finish()
}

impl Values<'_> {
    /// The next value's type, which must not be the token's end.
    fn type_byte(&mut self) -> Result<u8, Error> {
        match self.reader.byte()? {
            byte::END => Err(self.reader.error_at(ErrorKind::Missing, self.reader.position() - 1)),
            found => Ok(found),
        }
    }

    #[cold]
    fn wrong_type(&self, found: u8, wanted: &'static str) -> Error {
        self.reader.error_at(ErrorKind::WrongType { found, wanted }, self.reader.position() - 1)
    }

    #[inline]
    fn int(&mut self) -> Result<i32, Error> {
        if let [type_byte, payload @ ..] = self.reader.rest()
            && let Some((value, rest)) = self.small_integer(*type_byte, payload)
        {
            self.reader.go_on(rest);
            return Ok(value);
        }
        self.any_int()
    }

    #[inline(never)]
    fn any_int(&mut self) -> Result<i32, Error> {
        let start = self.reader.position();
        let found = self.type_byte()?;
        let mut value = Stored::Null;
        if (byte::NAN..=byte::POSITIVE_LARGE).contains(&found) {
            self.any_number(found, &mut value)?;
        }
        if let Stored::Int32(value) = value {
            return Ok(value);
        }
        Err(self.reader.error_at(ErrorKind::WrongType { found, wanted: "a 32-bit integer" }, start))
    }

    #[inline]
    fn index(&mut self) -> Result<u32, Error> {
        let start = self.reader.position();
        let value = self.int()?;
        u32::try_from(value).map_err(|_| self.reader.error_at(ErrorKind::Negative(value), start))
    }

    /// Straight into its place.
    #[inline]
    fn uuid(&mut self, into: &mut Option<Uuid>) -> Result<(), Error> {
        if let [byte::BINARY, 16, UUID_SUBTYPE, rest @ ..] = self.reader.rest()
            && let Some((uuid, rest)) = rest.split_first_chunk()
        {
            *into = Some(Uuid(*uuid));
            self.reader.go_on(rest);
            return Ok(());
        }
        self.any_binary().map(|uuid| *into = Some(uuid))
    }

    #[cold]
    fn any_binary(&mut self) -> Result<Uuid, Error> {
        let start = self.reader.position();
        self.reader.byte()?;
        let (subtype, bytes) = self.reader.binary()?;
        match (subtype, bytes.try_into()) {
            (UUID_SUBTYPE, Ok(bytes)) => Ok(Uuid(bytes)),
            _ => Err(self.reader.error_at(ErrorKind::NotAUuid { subtype, length: bytes.len() }, start)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usual_header_is_read_at_one_look() {
        let event = Some(TokenType::Event);
        let mark = Some(TokenType::HighWaterMark);
        for (header, expected) in [
            (&[0x2B, 2, 0x2C, 1, 0, 0x29, 0x6E, 9][..], Some((Format::V1, event, Some(false)))),
            (&[0x2B, 2, 0x2C, 1, 0, 0x29, 0x6F, 9], Some((Format::V1, event, Some(true)))),
            (&[0x2B, 4, 0x2C, 1, 0, 0x29, 0x6E, 9], Some((Format::V2, event, Some(false)))),
            (&[0x2B, 4, 0x2C, 1, 0, 0x29, 0x6F, 9], Some((Format::V2, event, Some(true)))),
            (&[0x2B, 2, 0x29, 0x29, 0x6E, 9], Some((Format::V1, mark, Some(false)))),
            (&[0x2B, 4, 0x29, 0x29, 0x6E, 9], Some((Format::V2, mark, Some(false)))),
            // A mark of an invalidate event; another version, type, ordinal; no boolean.
            (&[0x2B, 2, 0x29, 0x29, 0x6F, 9], None),
            (&[0x2B, 6, 0x2C, 1, 0, 0x29, 0x6E, 9], None),
            (&[0x2B, 2, 0x2C, 1, 2, 0x29, 0x6E, 9], None),
            (&[0x2B, 2, 0x2C, 1, 0, 0x2B, 2, 0x6E, 9], None),
            (&[0x2B, 2, 0x2C, 1, 0, 0x29, 0x70, 9], None),
        ] {
            let mut values = Values::new(Reader::new(header, 0, Field::Version));
            let mut token = Token::new(Format::Unknown);
            let is_usual = usual_header(&mut values, &mut token);
            let read = (token.format, token.token_type, token.from_invalidate);
            let rest = if is_usual { &[9][..] } else { header };
            assert_eq!((is_usual.then_some(read), values.reader.rest()), (expected, rest), "{header:02X?}");
            assert_eq!(token.txn_op_index, is_usual.then_some(0));
        }
        let mut values = Values::new(Reader::new(&[0x2B, 2, 0x29, 0x29, 0x6E], 0, Field::Version));
        values.take_type_bits(&[0x40]).unwrap();
        assert!(!usual_header(&mut values, &mut Token::new(Format::Unknown)));
    }

    #[test]
    fn an_identifier_is_first_taken_for_what_most_are() {
        assert!(matches!(Identifier::usual(Format::V1), Identifier::DocumentKey(_)));
        assert!(matches!(Identifier::usual(Format::V2), Identifier::Event(_)));
    }
}
