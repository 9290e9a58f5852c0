//! Layouts: which values a token is made of, in which order.

use crate::error::{Error, ErrorKind, Field, Vendor};
use crate::keystring::reader::{Reader, Values};
use crate::keystring::type_bits::TypeBits;
use crate::keystring::type_byte as byte;
use crate::prefix::{self, PREFIX};
use crate::{Document, Format, Identifier, Token, TokenData, TokenDocument, TokenType, Uuid, Value};
use crate::{hex, vendor};

const HIGH_WATER_MARK: i32 = 0;
const EVENT: i32 = 128;
const UUID_SUBTYPE: u8 = 4;
/// Type byte and time, three numbers of whatever form, and a boolean.
const LONGEST_HEADER: usize = PREFIX + 3 * 17 + 1;

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
/// assert_eq!(key.get("_id"), Some(&Value::String("idtest".into())));
/// # Ok::<(), mongodb_resume_token::Error>(())
/// ```
pub fn decode(data: &str) -> Result<Token, Error> {
    strictly(|token| read(Input::Hex(data), None, token))
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
        let mut values = start(Input::Hex(data), &buffer[..count], None, token)?;
        if values_follow(token.format) { header(&mut values, token) } else { Ok(()) }
    })
}

/// What could be read of a token, and why no more.
#[derive(Debug, Clone, PartialEq)]
pub struct Partial {
    /// Whole, or as much of it as stands before the damage. Of an identifier that breaks off, the complete fields.
    pub token: Token,
    /// Why the token is not whole.
    pub error: Option<Error>,
}

/// Decodes what a damaged token still tells. Of a sound one as much as [`decode`].
///
/// ```
/// let partial = mongodb_resume_token::decode_lenient("8266561E1B000000062B022C");
/// assert_eq!(partial.token.cluster_time.map(|time| time.t), Some(1716919835));
/// assert!(partial.error.is_some_and(|error| error.to_string().ends_with("in tokenType")));
/// ```
#[must_use]
pub fn decode_lenient(data: &str) -> Partial {
    leniently(|token| read(Input::Hex(data), None, token))
}

impl TokenDocument {
    /// Decodes the token, with its type bits.
    ///
    /// Strict: every byte, and every type bit, must belong to the layout.
    ///
    /// # Errors
    /// See [`ErrorKind`]; the error tells the byte and the field.
    pub fn decode(&self) -> Result<Token, Error> {
        strictly(|token| read(self.input(), self.type_bits.as_deref(), token))
    }

    /// Decodes what a damaged token still tells. Of a sound one as much as [`decode`](Self::decode).
    #[must_use]
    pub fn decode_lenient(&self) -> Partial {
        leniently(|token| read(self.input(), self.type_bits.as_deref(), token))
    }

    fn input(&self) -> Input<'_> {
        match &self.data {
            TokenData::Hex(text) => Input::Hex(text),
            TokenData::Binary(bytes) => Input::Binary(bytes),
        }
    }
}

fn strictly(read: impl FnOnce(&mut Token) -> Result<(), Error>) -> Result<Token, Error> {
    let mut token = Token::new(Format::Unknown);
    read(&mut token).map(|()| token)
}

fn leniently(read: impl FnOnce(&mut Token) -> Result<(), Error>) -> Partial {
    let mut token = Token::new(Format::Unknown);
    let error = read(&mut token).err();
    Partial { token, error }
}

#[derive(Clone, Copy)]
enum Input<'a> {
    Hex(&'a str),
    Binary(&'a [u8]),
}

/// Reads a whole token. What was read before an error stays in `token`.
fn read(input: Input<'_>, type_bits: Option<&[u8]>, token: &mut Token) -> Result<(), Error> {
    match input {
        Input::Binary(bytes) => read_bytes(input, bytes, type_bits, token),
        Input::Hex(text) => {
            let (mut short, mut long) = ([0; SHORT], Vec::new());
            let length = text.len() / 2;
            let bytes = match short.get_mut(..length) {
                Some(bytes) => bytes,
                None => {
                    long.resize(length, 0);
                    &mut long[..]
                }
            };
            match hex::decode(text, bytes) {
                Ok(()) => read_bytes(input, bytes, type_bits, token),
                Err(error) => {
                    token.cluster_time = prefix::cluster_time(text).ok();
                    Err(error)
                }
            }
        }
    }
}

fn read_bytes(
    input: Input<'_>,
    bytes: &[u8],
    type_bits: Option<&[u8]>,
    token: &mut Token,
) -> Result<(), Error> {
    let mut values = start(input, bytes, type_bits, token)?;
    let outcome = match token.format {
        Format::BinData => legacy(&mut values, token),
        Format::V0 | Format::V1 | Format::V2 => {
            header(&mut values, token).and_then(|()| tail(&mut values, token))
        }
        Format::DocumentDb | Format::Cosmos | Format::Unknown => return Ok(()),
    };
    token.type_bits_missing = values.needed_type_bits;
    outcome?;
    end(&mut values)
}

fn values_follow(format: Format) -> bool {
    matches!(format, Format::V0 | Format::V1 | Format::V2)
}

/// Tells whose token it is, and reads time and version.
fn start<'a>(
    input: Input<'_>,
    bytes: &'a [u8],
    type_bits: Option<&'a [u8]>,
    token: &mut Token,
) -> Result<Values<'a>, Error> {
    let nothing = Values::new(Reader::new(bytes, bytes.len(), Field::Data), None);
    let vendor = match input {
        Input::Hex(_) => vendor::of_hex(bytes),
        Input::Binary(_) => vendor::of_binary(bytes),
    };
    if let Some(vendor) = vendor {
        token.cluster_time = vendor::document_db_time(bytes);
        token.format = match vendor {
            Vendor::DocumentDb => Format::DocumentDb,
            Vendor::Cosmos => Format::Cosmos,
        };
        return nothing;
    }
    let time = prefix::time(bytes).ok_or_else(|| prefix::refuse(bytes, None))?;
    token.cluster_time = Some(time);
    let mut values = Values::new(Reader::new(bytes, PREFIX, Field::Version), type_bits)?;
    token.format = match input {
        Input::Binary(_) => Format::BinData,
        Input::Hex(_) => match values.int()? {
            0 => Format::V0,
            1 => Format::V1,
            2 => Format::V2,
            other => return Err(values.reader.error_at(ErrorKind::UnknownVersion(other), PREFIX)),
        },
    };
    Ok(values)
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
    token.txn_op_index = Some(values.index()?);
    if has_type {
        values.reader.enter(Field::FromInvalidate);
        token.from_invalidate = Some(match values.type_byte()? {
            byte::FALSE => false,
            byte::TRUE => true,
            found => return Err(values.wrong_type(found, "a boolean")),
        });
    }
    Ok(())
}

fn tail(values: &mut Values<'_>, token: &mut Token) -> Result<(), Error> {
    let is_v2 = token.format == Format::V2;
    values.reader.enter(Field::Uuid);
    match values.reader.peek() {
        Some(byte::BINARY) => token.uuid = Some(values.uuid()?),
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
        Some(byte::OBJECT) if has_event => values.identifier(token)?,
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

/// The layout of 3.6: the document key, or null if only the collection follows, and the collection.
fn legacy(values: &mut Values<'_>, token: &mut Token) -> Result<(), Error> {
    values.reader.enter(Field::Identifier);
    match values.reader.peek() {
        Some(byte::OBJECT) => values.identifier(token)?,
        Some(byte::NULL) => {
            values.reader.byte()?;
        }
        _ => {}
    }
    values.reader.enter(Field::Uuid);
    if values.reader.peek() == Some(byte::BINARY) {
        token.uuid = Some(values.uuid()?);
    }
    Ok(())
}

/// Nothing may follow. Servers let a missing end byte pass, and bytes after it, but write neither.
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

impl<'a> Values<'a> {
    fn new(reader: Reader<'a>, type_bits: Option<&'a [u8]>) -> Result<Values<'a>, Error> {
        Ok(Values {
            reader,
            type_bits: TypeBits::new(type_bits.unwrap_or_default())?,
            without_type_bits: type_bits.is_none(),
            needed_type_bits: false,
        })
    }

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

    fn int(&mut self) -> Result<i32, Error> {
        if let Some(value) = self.short_int() {
            return Ok(value);
        }
        let start = self.reader.position();
        let found = self.type_byte()?;
        let wrong = |values: &Self| {
            values.reader.error_at(ErrorKind::WrongType { found, wanted: "a 32-bit integer" }, start)
        };
        if !(byte::NAN..=byte::POSITIVE_LARGE).contains(&found) {
            return Err(wrong(self));
        }
        if let Value::Int32(value) = self.value(found, 0)? { Ok(value) } else { Err(wrong(self)) }
    }

    /// An integer from 0 to 32767 in the form in which nearly every token holds it, and without type bits. `None`, and
    /// nothing read, if it is anything else.
    fn short_int(&mut self) -> Option<i32> {
        if self.type_bits.are_there() {
            return None;
        }
        let (length, doubled) = match *self.reader.rest() {
            [byte::ZERO, ..] => (1, 0),
            [byte::POSITIVE_1_BYTE, low, ..] if low > 1 => (2, u16::from(low)),
            [byte::POSITIVE_2_BYTES, high, low, ..] if high > 0 => (3, u16::from_be_bytes([high, low])),
            _ => return None,
        };
        // The lowest bit says that a fraction follows.
        (doubled & 1 == 0).then(|| {
            self.reader.skip(length);
            i32::from(doubled >> 1)
        })
    }

    fn index(&mut self) -> Result<u32, Error> {
        let start = self.reader.position();
        let value = self.int()?;
        u32::try_from(value).map_err(|_| self.reader.error_at(ErrorKind::Negative(value), start))
    }

    fn uuid(&mut self) -> Result<Uuid, Error> {
        let start = self.reader.position();
        self.reader.byte()?;
        let (subtype, bytes) = self.reader.binary()?;
        match (subtype, bytes.try_into()) {
            (UUID_SUBTYPE, Ok(bytes)) => Ok(Uuid(bytes)),
            _ => Err(self.reader.error_at(ErrorKind::NotAUuid { subtype, length: bytes.len() }, start)),
        }
    }

    /// Leaves the fields read before an error in the token.
    fn identifier(&mut self, token: &mut Token) -> Result<(), Error> {
        self.reader.byte()?;
        let mut document = Document::new();
        let outcome = self.fields(&mut document, 0);
        token.identifier = Some(Identifier::classify(token.format, document));
        outcome
    }
}
