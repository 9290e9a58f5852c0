//! How values are kept: a row of nodes, each before what stands inside it, and the bytes that they point to.
//!
//! ```text
//! {a: "x", b: [1, null]}      nodes   a: String ─┐   b: Array, 2 inside   Int32 1   Null
//!                             bytes   a 00 x ◄───┘   b 00 …
//! ```
//!
//! A document of any depth takes two allocations and is freed without a walk.

use std::ops::Range;

use crate::value::row::Row;
use crate::{ArrayRef, Decimal128, DocumentRef, Timestamp, Value};

/// Where a text or bytes stand among a tape's bytes: the start in the upper half, the length in the lower. One integer,
/// for processors are slow to load at once what was stored in two halves just before.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Span(u64);

/// A value, and its name unless it stands in an array.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Node {
    pub(crate) name: Span,
    pub(crate) value: Stored,
}

/// A [`Value`] with spans for what it borrows, and counts of the nodes that follow for what stands inside it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Stored {
    MinKey,
    Undefined,
    #[default]
    Null,
    Boolean(bool),
    Int32(i32),
    Int64(i64),
    Double(f64),
    Decimal128(Decimal128),
    String(Span),
    Symbol(Span),
    Code(Span),
    CodeWithScope {
        code: Span,
        inside: u32,
    },
    Binary {
        subtype: u8,
        bytes: Span,
    },
    ObjectId([u8; 12]),
    DateTime(i64),
    Timestamp(Timestamp),
    Regex {
        pattern: Span,
        options: Span,
    },
    DbPointer {
        namespace: Span,
        id: [u8; 12],
    },
    Document {
        inside: u32,
    },
    Array {
        inside: u32,
    },
    MaxKey,
}

/// The values of one document or array, and whatever stands inside them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tape {
    pub(crate) nodes: Row<Node, 3>,
    pub(crate) bytes: Row<u8, 63>,
}

/// A part of a tape: the values of one document or array that have not been stepped over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    nodes: &'a [Node],
    bytes: &'a [u8],
}

impl Span {
    /// `None` beyond 4 GiB.
    fn new(start: usize, length: usize) -> Option<Span> {
        u32::try_from(start.checked_add(length)?).ok()?;
        Some(Span::of_token(start, length))
    }

    /// A part of a token, of whose length it was seen that 32 bits count it.
    #[inline]
    pub(crate) fn of_token(start: usize, length: usize) -> Span {
        Span(((start as u64) << 32) | length as u64)
    }

    pub(crate) fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.range()).unwrap_or_default()
    }

    #[allow(clippy::cast_possible_truncation, reason = "32 bits")]
    fn range(self) -> Range<usize> {
        let half = |half: u64| (half & u64::from(u32::MAX)) as usize;
        half(self.0 >> 32)..half(self.0 >> 32) + half(self.0)
    }
}

impl Stored {
    /// How many of the nodes after this one stand inside it.
    pub(crate) fn inside(mut self) -> usize {
        self.inside_mut().map_or(0, |inside| *inside as usize)
    }

    /// That number, of a value that can hold others.
    #[allow(clippy::wildcard_enum_match_arm, reason = "there are three of these, and there will be no more")]
    pub(crate) fn inside_mut(&mut self) -> Option<&mut u32> {
        match self {
            Stored::Document { inside } | Stored::Array { inside } | Stored::CodeWithScope { inside, .. } => {
                Some(inside)
            }
            _ => None,
        }
    }
}

impl Tape {
    pub(crate) fn view(&self) -> View<'_> {
        View { nodes: self.nodes.as_slice(), bytes: self.bytes.as_slice() }
    }

    /// Adds a value at the end, with a copy of all that it borrows; or nothing, beyond 4 GiB.
    pub(crate) fn push(&mut self, name: &str, value: Value<'_>) {
        let (nodes, bytes) = (self.nodes.len(), self.bytes.len());
        if self.try_push(name, value).is_none() {
            self.nodes.truncate(nodes);
            self.bytes.truncate(bytes);
        }
    }

    fn try_push(&mut self, name: &str, value: Value<'_>) -> Option<()> {
        let name = self.keep(name.as_bytes())?;
        let place = self.nodes.len();
        self.nodes.push(Node { name, value: Stored::Null });
        let stored = self.store(value)?;
        self.nodes.as_mut_slice().get_mut(place)?.value = stored;
        Some(())
    }

    fn store(&mut self, value: Value<'_>) -> Option<Stored> {
        Some(match value {
            Value::MinKey => Stored::MinKey,
            Value::Undefined => Stored::Undefined,
            Value::Null => Stored::Null,
            Value::Boolean(value) => Stored::Boolean(value),
            Value::Int32(value) => Stored::Int32(value),
            Value::Int64(value) => Stored::Int64(value),
            Value::Double(value) => Stored::Double(value),
            Value::Decimal128(value) => Stored::Decimal128(value),
            Value::String(text) => Stored::String(self.keep(text.as_bytes())?),
            Value::Symbol(text) => Stored::Symbol(self.keep(text.as_bytes())?),
            Value::Code(code) => Stored::Code(self.keep(code.as_bytes())?),
            Value::CodeWithScope { code, scope } => {
                Stored::CodeWithScope { code: self.keep(code.as_bytes())?, inside: self.store_all(scope)? }
            }
            Value::Binary { subtype, bytes } => Stored::Binary { subtype, bytes: self.keep(bytes)? },
            Value::ObjectId(id) => Stored::ObjectId(id),
            Value::DateTime(millis) => Stored::DateTime(millis),
            Value::Timestamp(time) => Stored::Timestamp(time),
            Value::Regex { pattern, options } => Stored::Regex {
                pattern: self.keep(pattern.as_bytes())?,
                options: self.keep(options.as_bytes())?,
            },
            Value::DbPointer { namespace, id } => {
                Stored::DbPointer { namespace: self.keep(namespace.as_bytes())?, id }
            }
            Value::Document(fields) => Stored::Document { inside: self.store_all(fields)? },
            Value::Array(values) => {
                Stored::Array { inside: self.store_all(values.iter().map(|value| ("", value)))? }
            }
            Value::MaxKey => Stored::MaxKey,
        })
    }

    /// Adds what stands inside a value; how many nodes that took.
    fn store_all<'v>(&mut self, fields: impl IntoIterator<Item = (&'v str, Value<'v>)>) -> Option<u32> {
        let start = self.nodes.len();
        for (name, value) in fields {
            self.try_push(name, value)?;
        }
        u32::try_from(self.nodes.len() - start).ok()
    }

    fn keep(&mut self, bytes: &[u8]) -> Option<Span> {
        let span = Span::new(self.bytes.len(), bytes.len())?;
        self.bytes.extend_from_slice(bytes);
        Some(span)
    }
}

impl<'a> View<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Steps over a value and whatever stands inside it.
    pub(crate) fn next(&mut self) -> Option<(&'a str, Value<'a>)> {
        let (node, rest) = self.nodes.split_first()?;
        let (inside, rest) = rest.split_at_checked(node.value.inside())?;
        self.nodes = rest;
        Some((self.text(node.name), self.value(node.value, View { nodes: inside, bytes: self.bytes })))
    }

    /// The first value, and its name as bytes.
    pub(crate) fn first(&self) -> Option<(&'a [u8], Stored)> {
        self.nodes.first().map(|node| (self.bytes(node.name), node.value))
    }

    fn bytes(&self, span: Span) -> &'a [u8] {
        span.of(self.bytes)
    }

    /// Spans of texts are spans of UTF-8: it was looked at before they were made.
    fn text(&self, span: Span) -> &'a str {
        str::from_utf8(self.bytes(span)).unwrap_or_default()
    }

    fn value(&self, stored: Stored, inside: View<'a>) -> Value<'a> {
        match stored {
            Stored::MinKey => Value::MinKey,
            Stored::Undefined => Value::Undefined,
            Stored::Null => Value::Null,
            Stored::Boolean(value) => Value::Boolean(value),
            Stored::Int32(value) => Value::Int32(value),
            Stored::Int64(value) => Value::Int64(value),
            Stored::Double(value) => Value::Double(value),
            Stored::Decimal128(value) => Value::Decimal128(value),
            Stored::String(text) => Value::String(self.text(text)),
            Stored::Symbol(text) => Value::Symbol(self.text(text)),
            Stored::Code(code) => Value::Code(self.text(code)),
            Stored::CodeWithScope { code, .. } => {
                Value::CodeWithScope { code: self.text(code), scope: DocumentRef::new(inside) }
            }
            Stored::Binary { subtype, bytes } => Value::Binary { subtype, bytes: self.bytes(bytes) },
            Stored::ObjectId(id) => Value::ObjectId(id),
            Stored::DateTime(millis) => Value::DateTime(millis),
            Stored::Timestamp(time) => Value::Timestamp(time),
            Stored::Regex { pattern, options } => {
                Value::Regex { pattern: self.text(pattern), options: self.text(options) }
            }
            Stored::DbPointer { namespace, id } => Value::DbPointer { namespace: self.text(namespace), id },
            Stored::Document { .. } => Value::Document(DocumentRef::new(inside)),
            Stored::Array { .. } => Value::Array(ArrayRef::new(inside)),
            Stored::MaxKey => Value::MaxKey,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_half_a_cache_line() {
        assert_eq!(size_of::<Node>(), 32);
    }
}
