//! Values, read.

use std::borrow::Cow;

use crate::error::{Error, ErrorKind, Field};
use crate::keystring::number::{self, Number};
use crate::keystring::type_bits::TypeBits;
use crate::keystring::{MAX_DEPTH, type_byte as byte};
use crate::{Document, Timestamp, Value};

/// A place in a token, and the field that is being read there.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
    field: Field,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8], position: usize, field: Field) -> Reader<'a> {
        Reader { bytes, position, field }
    }

    pub(crate) fn enter(&mut self, field: Field) {
        self.field = field;
    }

    pub(crate) fn position(&self) -> usize {
        self.position
    }

    pub(crate) fn error(&self, kind: ErrorKind) -> Error {
        self.error_at(kind, self.position)
    }

    pub(crate) fn error_at(&self, kind: ErrorKind, position: usize) -> Error {
        Error::new(kind, position, self.field)
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.position..).unwrap_or_default()
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest().first().copied()
    }

    #[cold]
    fn truncated(&self, wanted: usize) -> Error {
        self.error(ErrorKind::Truncated { missing: wanted - self.rest().len() })
    }

    /// Steps over bytes that were looked at in [`rest`](Self::rest).
    pub(crate) fn skip(&mut self, length: usize) {
        self.position += length;
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Error> {
        self.chunk().map(|[byte]| *byte)
    }

    pub(crate) fn chunk<const N: usize>(&mut self) -> Result<&'a [u8; N], Error> {
        let chunk = self.rest().first_chunk().ok_or_else(|| self.truncated(N))?;
        self.position += N;
        Ok(chunk)
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let taken = self.rest().get(..length).ok_or_else(|| self.truncated(length))?;
        self.position += length;
        Ok(taken)
    }

    /// The bytes before the next zero, which is stepped over.
    fn until_zero(&mut self) -> Result<&'a [u8], Error> {
        let rest = self.rest();
        let Some(length) = rest.iter().position(|byte| *byte == 0) else {
            let end = self.position + rest.len();
            return Err(self.error_at(ErrorKind::Truncated { missing: 1 }, end));
        };
        self.position += length + 1;
        Ok(&rest[..length])
    }

    fn text(&self, bytes: &'a [u8], start: usize) -> Result<&'a str, Error> {
        std::str::from_utf8(bytes).map_err(|e| self.error_at(ErrorKind::NotUtf8, start + e.valid_up_to()))
    }

    /// A field's name. The few that most tokens hold take no memory.
    fn name(&mut self) -> Result<Cow<'static, str>, Error> {
        let start = self.position;
        Ok(Cow::Borrowed(match self.until_zero()? {
            b"_id" => "_id",
            b"operationType" => "operationType",
            b"documentKey" => "documentKey",
            b"operationDescription" => "operationDescription",
            bytes => return self.text(bytes, start).map(|text| Cow::Owned(text.to_owned())),
        }))
    }

    /// A string that cannot hold a zero.
    fn c_string(&mut self) -> Result<String, Error> {
        let start = self.position;
        let bytes = self.until_zero()?;
        self.text(bytes, start).map(str::to_owned)
    }

    /// A string in which 00 FF stands for a zero, and 00 with anything else after it for the end.
    fn string(&mut self) -> Result<String, Error> {
        const ESCAPED: u8 = 0xFF;
        let start = self.position;
        let first = self.until_zero()?;
        if self.peek() != Some(ESCAPED) {
            return self.text(first, start).map(str::to_owned);
        }
        let mut bytes = first.to_vec();
        while self.peek() == Some(ESCAPED) {
            self.position += 1;
            bytes.push(0);
            bytes.extend_from_slice(self.until_zero()?);
        }
        String::from_utf8(bytes).map_err(|_| self.error_at(ErrorKind::NotUtf8, start))
    }

    /// One length byte, or 0xFF and four; the subtype; the bytes as they are.
    pub(crate) fn binary(&mut self) -> Result<(u8, &'a [u8]), Error> {
        let length = match self.byte()? {
            u8::MAX => u32::from_be_bytes(*self.chunk()?) as usize,
            short => usize::from(short),
        };
        let subtype = self.byte()?;
        Ok((subtype, self.take(length)?))
    }
}

/// Reads values and, beside them, the type bits that complete them.
#[derive(Debug)]
pub(crate) struct Values<'a> {
    pub(crate) reader: Reader<'a>,
    pub(crate) type_bits: TypeBits<'a>,
    /// There is no `_typeBits`, which servers leave out where it would be zero, and careless callers where it was not.
    pub(crate) without_type_bits: bool,
    /// A number was met that has no business in a token without type bits.
    pub(crate) needed_type_bits: bool,
}

impl Values<'_> {
    /// The value that follows its type byte; `depth` counts what it stands in.
    pub(crate) fn value(&mut self, type_byte: u8, depth: usize) -> Result<Value, Error> {
        Ok(match type_byte {
            byte::MIN_KEY => Value::MinKey,
            byte::UNDEFINED => Value::Undefined,
            byte::NULL => Value::Null,
            byte::ZERO => number::zero(self.type_bits.zero()?),
            byte::NAN..=byte::POSITIVE_LARGE => self.number(type_byte)?,
            byte::STRING => match self.type_bits.is_symbol()? {
                false => Value::String(self.reader.string()?),
                true => Value::Symbol(self.reader.string()?),
            },
            byte::OBJECT => Value::Document(self.document(depth)?),
            byte::ARRAY => Value::Array(self.array(depth)?),
            byte::BINARY => {
                let (subtype, bytes) = self.reader.binary()?;
                Value::Binary { subtype, bytes: bytes.to_vec() }
            }
            byte::OBJECT_ID => Value::ObjectId(*self.reader.chunk()?),
            byte::FALSE => Value::Boolean(false),
            byte::TRUE => Value::Boolean(true),
            byte::DATE => Value::DateTime(i64::from_be_bytes(*self.reader.chunk()?) ^ i64::MIN),
            byte::TIMESTAMP => Value::Timestamp(Timestamp::from_be_bytes(*self.reader.chunk()?)),
            byte::REGEX => {
                Value::Regex { pattern: self.reader.c_string()?, options: self.reader.c_string()? }
            }
            byte::DB_POINTER => self.db_pointer()?,
            byte::CODE => Value::Code(self.reader.string()?),
            byte::CODE_WITH_SCOPE => {
                let code = self.reader.string()?;
                Value::CodeWithScope { code, scope: self.document(depth)? }
            }
            byte::MAX_KEY => Value::MaxKey,
            unknown => return Err(self.unknown_type(unknown)),
        })
    }

    fn number(&mut self, type_byte: u8) -> Result<Value, Error> {
        let start = self.reader.position() - 1;
        let number = Number::read(&mut self.reader, type_byte)?;
        match number.typed(&mut self.type_bits)? {
            Some(value) => Ok(value),
            None if self.without_type_bits => {
                self.needed_type_bits = true;
                number.guessed().ok_or_else(|| self.reader.error_at(ErrorKind::InvalidNumber, start))
            }
            None => Err(self.reader.error_at(ErrorKind::TypeBitsMismatch, start)),
        }
    }

    fn db_pointer(&mut self) -> Result<Value, Error> {
        let length = u32::from_be_bytes(*self.reader.chunk()?) as usize;
        let start = self.reader.position();
        let bytes = self.reader.take(length)?;
        let namespace = self.reader.text(bytes, start)?.to_owned();
        Ok(Value::DbPointer { namespace, id: *self.reader.chunk()? })
    }

    pub(crate) fn document(&mut self, depth: usize) -> Result<Document, Error> {
        let mut document = Document::new();
        self.fields(&mut document, depth)?;
        Ok(document)
    }

    /// Fields up to the zero that ends a document. Those read before an error stay in `document`.
    pub(crate) fn fields(&mut self, document: &mut Document, depth: usize) -> Result<(), Error> {
        let depth = self.deeper(depth)?;
        // The first of a field's two type bytes is only for sorting: it is the same for all numbers, and for both booleans.
        while self.reader.byte()? != 0 {
            let name = self.reader.name()?;
            let value = self.reader.byte().and_then(|type_byte| self.value(type_byte, depth));
            match value {
                Ok(value) => document.push_named(name, value),
                Err(error) => return Err(error.within(&name)),
            }
        }
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<Vec<Value>, Error> {
        let depth = self.deeper(depth)?;
        let mut values = Vec::new();
        loop {
            match self.reader.byte()? {
                0 => return Ok(values),
                type_byte => {
                    let value = self.value(type_byte, depth);
                    values.push(value.map_err(|error| error.within(&values.len().to_string()))?);
                }
            }
        }
    }

    fn deeper(&self, depth: usize) -> Result<usize, Error> {
        if depth >= MAX_DEPTH {
            return Err(self.reader.error(ErrorKind::TooDeep));
        }
        Ok(depth + 1)
    }

    #[cold]
    pub(crate) fn unknown_type(&self, type_byte: u8) -> Error {
        self.reader.error_at(ErrorKind::UnknownType(type_byte), self.reader.position() - 1)
    }
}
