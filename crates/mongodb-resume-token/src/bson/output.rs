//! Documents as BSON bytes, which need no other crate.

use crate::error::{Error, ErrorKind, Field};
use crate::{Document, DocumentRef, Timestamp, Value};

impl Document {
    /// The document in BSON, with every type, order and repeated name kept. Source: bsonspec.org, version 1.1.
    ///
    /// # Errors
    /// [`ErrorKind::Unwritable`] for a zero in a name or regular expression, and for sizes beyond BSON's 31 bits. Documents
    /// that were decoded from a token of a server have neither. The [refusal](Document::refusal) of a document that lacks
    /// what was pushed.
    ///
    /// ```
    /// # use mongodb_resume_token::{Document, Value};
    /// let key: Document = [("_id", Value::Int32(1))].into_iter().collect();
    /// assert_eq!(key.to_bson()?, b"\x0E\0\0\0\x10_id\0\x01\0\0\0\0");
    /// # Ok::<(), mongodb_resume_token::Error>(())
    /// ```
    pub fn to_bson(&self) -> Result<Vec<u8>, Error> {
        self.view().to_bson()
    }
}

impl DocumentRef<'_> {
    /// As [`Document::to_bson`].
    ///
    /// # Errors
    /// The same.
    pub fn to_bson(self) -> Result<Vec<u8>, Error> {
        self.whole()?;
        let mut out = Vec::new();
        document(&mut out, self.iter())?;
        Ok(out)
    }
}

#[cold]
fn refuse(what: &'static str, offset: usize) -> Error {
    Error::new(ErrorKind::Unwritable(what), offset, Field::Identifier)
}

fn document<'v, N: AsRef<str>>(
    out: &mut Vec<u8>,
    fields: impl Iterator<Item = (N, Value<'v>)>,
) -> Result<(), Error> {
    sized(out, true, |out| {
        for (name, value) in fields {
            out.push(element_type(value));
            c_string(out, name.as_ref())?;
            payload(out, value)?;
        }
        out.push(0);
        Ok(())
    })
}

/// Writes what `body` writes, and its length before it: with the length's own four bytes or without.
fn sized(
    out: &mut Vec<u8>,
    counts_itself: bool,
    body: impl FnOnce(&mut Vec<u8>) -> Result<(), Error>,
) -> Result<(), Error> {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    body(out)?;
    let length = out.len() - start - if counts_itself { 0 } else { 4 };
    let length = i32::try_from(length).map_err(|_| refuse("more than 2 GiB in one value", start))?;
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    Ok(())
}

fn c_string(out: &mut Vec<u8>, text: &str) -> Result<(), Error> {
    if text.contains('\0') {
        return Err(refuse("a zero in a name or regular expression", out.len()));
    }
    out.extend_from_slice(text.as_bytes());
    out.push(0);
    Ok(())
}

fn string(out: &mut Vec<u8>, text: &str) -> Result<(), Error> {
    sized(out, false, |out| {
        out.extend_from_slice(text.as_bytes());
        out.push(0);
        Ok(())
    })
}

fn payload(out: &mut Vec<u8>, value: Value<'_>) -> Result<(), Error> {
    match value {
        Value::MinKey | Value::Undefined | Value::Null | Value::MaxKey => {}
        Value::Boolean(value) => out.push(u8::from(value)),
        Value::Int32(value) => out.extend_from_slice(&value.to_le_bytes()),
        Value::Int64(value) | Value::DateTime(value) => out.extend_from_slice(&value.to_le_bytes()),
        Value::Double(value) => out.extend_from_slice(&value.to_le_bytes()),
        Value::Decimal128(value) => out.extend_from_slice(&value.to_le_bytes()),
        Value::String(text) | Value::Symbol(text) | Value::Code(text) => string(out, text)?,
        Value::CodeWithScope { code, scope } => sized(out, true, |out| {
            string(out, code)?;
            document(out, scope.iter())
        })?,
        Value::Binary { subtype, bytes } => {
            let length =
                i32::try_from(bytes.len()).map_err(|_| refuse("more than 2 GiB in one value", out.len()))?;
            out.extend_from_slice(&length.to_le_bytes());
            out.push(subtype);
            out.extend_from_slice(bytes);
        }
        Value::ObjectId(id) => out.extend_from_slice(&id),
        Value::Timestamp(Timestamp { t, i }) => {
            out.extend_from_slice(&i.to_le_bytes());
            out.extend_from_slice(&t.to_le_bytes());
        }
        Value::Regex { pattern, options } => {
            c_string(out, pattern)?;
            c_string(out, options)?;
        }
        Value::DbPointer { namespace, id } => {
            string(out, namespace)?;
            out.extend_from_slice(&id);
        }
        Value::Document(fields) => document(out, fields.iter())?,
        Value::Array(values) => {
            document(out, values.iter().enumerate().map(|(index, value)| (index.to_string(), value)))?;
        }
    }
    Ok(())
}

fn element_type(value: Value<'_>) -> u8 {
    match value {
        Value::Double(_) => 0x01,
        Value::String(_) => 0x02,
        Value::Document(_) => 0x03,
        Value::Array(_) => 0x04,
        Value::Binary { .. } => 0x05,
        Value::Undefined => 0x06,
        Value::ObjectId(_) => 0x07,
        Value::Boolean(_) => 0x08,
        Value::DateTime(_) => 0x09,
        Value::Null => 0x0A,
        Value::Regex { .. } => 0x0B,
        Value::DbPointer { .. } => 0x0C,
        Value::Code(_) => 0x0D,
        Value::Symbol(_) => 0x0E,
        Value::CodeWithScope { .. } => 0x0F,
        Value::Int32(_) => 0x10,
        Value::Timestamp(_) => 0x11,
        Value::Int64(_) => 0x12,
        Value::Decimal128(_) => 0x13,
        Value::MinKey => 0xFF,
        Value::MaxKey => 0x7F,
    }
}
