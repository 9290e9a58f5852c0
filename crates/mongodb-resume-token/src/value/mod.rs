//! Values, and the documents and arrays that hold them.

mod array;
mod document;
mod row;
pub(crate) mod tape;

pub use array::{Array, ArrayRef, Elements};
pub use document::{Document, DocumentRef, Fields};

use crate::{Decimal128, Timestamp};

/// A BSON value, of exactly the type it had in the database. What is long is borrowed from the document that holds it.
///
/// Equality is that of Rust's types: a double NaN differs from itself, −0.0 equals 0.0.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// Below everything.
    MinKey,
    /// Deprecated.
    Undefined,
    /// Null.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A 32-bit integer.
    Int32(i32),
    /// A 64-bit integer.
    Int64(i64),
    /// A double, −0.0, NaN and the infinities included; the bits of a NaN are not kept.
    Double(f64),
    /// A decimal with its exponent.
    Decimal128(Decimal128),
    /// A string, possibly with zeros in it.
    String(&'a str),
    /// Deprecated: a string of another type.
    Symbol(&'a str),
    /// JavaScript.
    Code(&'a str),
    /// Deprecated: JavaScript and its variables.
    CodeWithScope {
        /// The program.
        code: &'a str,
        /// Its variables.
        scope: DocumentRef<'a>,
    },
    /// Bytes.
    Binary {
        /// What kind of bytes: 0 generic, 4 UUID, …
        subtype: u8,
        /// The bytes; for the deprecated subtype 2 with the length that BSON repeats before them.
        bytes: &'a [u8],
    },
    /// The customary identifier of documents.
    ObjectId([u8; 12]),
    /// Milliseconds since 1970-01-01T00:00:00Z, negative before.
    DateTime(i64),
    /// A cluster time.
    Timestamp(Timestamp),
    /// A regular expression.
    Regex {
        /// The expression.
        pattern: &'a str,
        /// Its options, such as `i`.
        options: &'a str,
    },
    /// Deprecated: a reference to a document.
    DbPointer {
        /// Database and collection.
        namespace: &'a str,
        /// The document's `_id`.
        id: [u8; 12],
    },
    /// Fields in order.
    Document(DocumentRef<'a>),
    /// Values in order.
    Array(ArrayRef<'a>),
    /// Above everything.
    MaxKey,
}

impl<'a> Value<'a> {
    /// The text, if this is a string.
    #[must_use]
    pub fn as_str(self) -> Option<&'a str> {
        if let Value::String(text) = self { Some(text) } else { None }
    }

    /// The fields, if this is a document.
    #[must_use]
    pub fn as_document(self) -> Option<DocumentRef<'a>> {
        if let Value::Document(document) = self { Some(document) } else { None }
    }

    /// The values, if this is an array.
    #[must_use]
    pub fn as_array(self) -> Option<ArrayRef<'a>> {
        if let Value::Array(array) = self { Some(array) } else { None }
    }
}

impl<'a> From<DocumentRef<'a>> for Value<'a> {
    fn from(document: DocumentRef<'a>) -> Value<'a> {
        Value::Document(document)
    }
}

impl<'a> From<ArrayRef<'a>> for Value<'a> {
    fn from(array: ArrayRef<'a>) -> Value<'a> {
        Value::Array(array)
    }
}

impl<'a> From<&'a Document> for Value<'a> {
    fn from(document: &'a Document) -> Value<'a> {
        Value::Document(document.view())
    }
}

impl<'a> From<&'a Array> for Value<'a> {
    fn from(array: &'a Array) -> Value<'a> {
        Value::Array(array.view())
    }
}
