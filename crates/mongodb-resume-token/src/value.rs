use std::borrow::Cow;

use crate::{Decimal128, Timestamp};

/// A BSON value, of exactly the type it had in the database.
///
/// Equality is that of Rust's types: a double NaN differs from itself, −0.0 equals 0.0.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
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
    String(String),
    /// Deprecated: a string of another type.
    Symbol(String),
    /// JavaScript.
    Code(String),
    /// Deprecated: JavaScript and its variables.
    CodeWithScope {
        /// The program.
        code: String,
        /// Its variables.
        scope: Document,
    },
    /// Bytes.
    Binary {
        /// What kind of bytes: 0 generic, 4 UUID, …
        subtype: u8,
        /// The bytes; for the deprecated subtype 2 with the length that BSON repeats before them.
        bytes: Vec<u8>,
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
        pattern: String,
        /// Its options, such as `i`.
        options: String,
    },
    /// Deprecated: a reference to a document.
    DbPointer {
        /// Database and collection.
        namespace: String,
        /// The document's `_id`.
        id: [u8; 12],
    },
    /// Fields in order.
    Document(Document),
    /// Values in order.
    Array(Vec<Value>),
    /// Above everything.
    MaxKey,
}

/// Named values in the order in which they were written.
///
/// ```
/// # use mongodb_resume_token::{Document, Value};
/// let key: Document = [("region".to_owned(), Value::Int32(7)), ("_id".to_owned(), Value::Null)].into_iter().collect();
/// assert_eq!(key.get("region"), Some(&Value::Int32(7)));
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Document(Vec<(Cow<'static, str>, Value)>);

impl Document {
    /// Without fields.
    #[must_use]
    pub fn new() -> Document {
        Document::default()
    }

    /// The first field of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Adds a field at the end, even if there is one of that name.
    pub fn push(&mut self, name: impl Into<String>, value: Value) {
        self.0.push((Cow::Owned(name.into()), value));
    }

    pub(crate) fn push_named(&mut self, name: Cow<'static, str>, value: Value) {
        if self.0.capacity() == 0 {
            // Most documents in tokens have one field or two; the vector's own first step would be four.
            self.0 = Vec::with_capacity(2);
        }
        self.0.push((name, value));
    }

    /// The fields in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value))
    }

    /// How many fields there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(String, Value)> for Document {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(fields: I) -> Document {
        Document(fields.into_iter().map(|(name, value)| (Cow::Owned(name), value)).collect())
    }
}

impl IntoIterator for Document {
    type Item = (String, Value);
    type IntoIter = Fields;

    fn into_iter(self) -> Fields {
        Fields(self.0.into_iter())
    }
}

/// The fields of a [`Document`], by value.
#[derive(Debug)]
pub struct Fields(std::vec::IntoIter<(Cow<'static, str>, Value)>);

impl Iterator for Fields {
    type Item = (String, Value);

    fn next(&mut self) -> Option<(String, Value)> {
        self.0.next().map(|(name, value)| (name.into_owned(), value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Fields {}

impl Value {
    /// The text, if this is a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Value::String(text) = self { Some(text) } else { None }
    }

    /// The fields, if this is a document.
    #[must_use]
    pub fn as_document(&self) -> Option<&Document> {
        if let Value::Document(document) = self { Some(document) } else { None }
    }
}
