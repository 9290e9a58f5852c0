//! Values, written.

use crate::error::{Error, ErrorKind, Field};
use crate::keystring::number_writer::NumberWriter;
use crate::keystring::type_bits::{Numeric, TypeBitsWriter};
use crate::keystring::type_byte as byte;
use crate::{ArrayRef, DocumentRef, Value};

/// From 255 up a length takes four more bytes.
const MOST_IN_SHORT_FORM: u8 = 254;

/// Collects a token's bytes and, beside them, its type bits.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    pub(crate) bytes: Vec<u8>,
    pub(crate) bits: TypeBitsWriter,
}

impl Writer {
    #[cold]
    pub(crate) fn refuse(&self, kind: ErrorKind) -> Error {
        Error::new(kind, self.bytes.len(), Field::Identifier)
    }

    pub(crate) fn int(&mut self, value: i32) {
        NumberWriter::new(&mut self.bytes, &mut self.bits).integer(i64::from(value), Numeric::Int);
    }

    pub(crate) fn boolean(&mut self, value: bool) {
        self.bytes.push(if value { byte::TRUE } else { byte::FALSE });
    }

    /// Type byte and payload. A number's size decides its type byte, so both come from one hand.
    pub(crate) fn value(&mut self, value: Value<'_>) -> Result<(), Error> {
        match (sort_byte(value), value) {
            (byte::NAN, _) => {}
            (_, Value::Boolean(true)) => self.bytes.push(byte::TRUE),
            (type_byte, _) => self.bytes.push(type_byte),
        }
        let numbers = NumberWriter::new(&mut self.bytes, &mut self.bits);
        match value {
            Value::Int32(value) => numbers.integer(i64::from(value), Numeric::Int),
            Value::Int64(value) => numbers.integer(value, Numeric::Long),
            Value::Double(value) => numbers.double(value),
            Value::Decimal128(value) => numbers.decimal(value),
            Value::MinKey | Value::Undefined | Value::Null | Value::Boolean(_) | Value::MaxKey => {}
            Value::String(text) => {
                self.bits.is_symbol(false);
                self.string(text);
            }
            Value::Symbol(text) => {
                self.bits.is_symbol(true);
                self.string(text);
            }
            Value::Code(code) => self.string(code),
            Value::CodeWithScope { code, scope } => {
                self.string(code);
                self.document(scope)?;
            }
            Value::Binary { subtype, bytes } => self.binary(subtype, bytes)?,
            Value::ObjectId(id) => self.bytes.extend_from_slice(&id),
            Value::DateTime(millis) => self.bytes.extend_from_slice(&(millis ^ i64::MIN).to_be_bytes()),
            Value::Timestamp(time) => self.bytes.extend_from_slice(&time.to_be_bytes()),
            Value::Regex { pattern, options } => {
                self.c_string(pattern)?;
                self.c_string(options)?;
            }
            Value::DbPointer { namespace, id } => {
                let length = self.length(namespace.len())?;
                self.bytes.extend_from_slice(&length.to_be_bytes());
                self.bytes.extend_from_slice(namespace.as_bytes());
                self.bytes.extend_from_slice(&id);
            }
            Value::Document(document) => self.document(document)?,
            Value::Array(values) => self.array(values)?,
        }
        Ok(())
    }

    /// By recursion: a [`Document`](crate::Document) is never deeper than a server's.
    pub(crate) fn document(&mut self, document: DocumentRef<'_>) -> Result<(), Error> {
        for (name, value) in document.iter() {
            self.bytes.push(sort_byte(value));
            self.c_string(name)?;
            self.value(value).map_err(|error| error.within(name))?;
        }
        self.bytes.push(0);
        Ok(())
    }

    fn array(&mut self, values: ArrayRef<'_>) -> Result<(), Error> {
        for (index, value) in values.iter().enumerate() {
            self.value(value).map_err(|error| error.within(index.to_string()))?;
        }
        self.bytes.push(0);
        Ok(())
    }

    fn string(&mut self, text: &str) {
        for byte in text.bytes() {
            self.bytes.push(byte);
            if byte == 0 {
                self.bytes.push(0xFF);
            }
        }
        self.bytes.push(0);
    }

    fn c_string(&mut self, text: &str) -> Result<(), Error> {
        if text.contains('\0') {
            return Err(self.refuse(ErrorKind::Unwritable("a zero in a name or regular expression")));
        }
        self.string(text);
        Ok(())
    }

    fn length(&self, length: usize) -> Result<u32, Error> {
        u32::try_from(length).map_err(|_| self.refuse(ErrorKind::Unwritable("more than 4 GiB in one value")))
    }

    pub(crate) fn binary(&mut self, subtype: u8, bytes: &[u8]) -> Result<(), Error> {
        match u8::try_from(bytes.len()) {
            Ok(short @ ..=MOST_IN_SHORT_FORM) => self.bytes.push(short),
            _ => {
                let length = self.length(bytes.len())?;
                self.bytes.push(u8::MAX);
                self.bytes.extend_from_slice(&length.to_be_bytes());
            }
        }
        self.bytes.push(subtype);
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }
}

/// The type byte by which values sort: one for all numbers, one for both booleans.
fn sort_byte(value: Value<'_>) -> u8 {
    match value {
        Value::MinKey => byte::MIN_KEY,
        Value::Undefined => byte::UNDEFINED,
        Value::Null => byte::NULL,
        Value::Boolean(_) => byte::FALSE,
        Value::Int32(_) | Value::Int64(_) | Value::Double(_) | Value::Decimal128(_) => byte::NAN,
        Value::String(_) | Value::Symbol(_) => byte::STRING,
        Value::Code(_) => byte::CODE,
        Value::CodeWithScope { .. } => byte::CODE_WITH_SCOPE,
        Value::Binary { .. } => byte::BINARY,
        Value::ObjectId(_) => byte::OBJECT_ID,
        Value::DateTime(_) => byte::DATE,
        Value::Timestamp(_) => byte::TIMESTAMP,
        Value::Regex { .. } => byte::REGEX,
        Value::DbPointer { .. } => byte::DB_POINTER,
        Value::Document(_) => byte::OBJECT,
        Value::Array(_) => byte::ARRAY,
        Value::MaxKey => byte::MAX_KEY,
    }
}
