//! How values are kept: a row of nodes, each before what stands inside it, and the bytes that they point to.
//!
//! ```text
//! {a: "x", b: [1, null]}      nodes   a: String ─┐   b: Array, 2 inside   Int32 1   Null
//!                             bytes   a 00 x ◄───┘   b 00 …
//! ```
//!
//! A document of any depth takes two allocations and is freed without a walk.

use std::ops::Range;

use crate::decode::LONGEST;
use crate::error::{Error, ErrorKind, Field};
use crate::keystring::MAX_DEPTH;
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
    /// No value, but the last of a tape that was not given all it should have had.
    Refused(Refusal),
}

/// Why a value was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    TooLong,
    TooDeep,
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
    /// Of a row of bytes that 32 bits count.
    #[inline]
    pub(crate) fn new(start: usize, length: usize) -> Span {
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

#[allow(clippy::wildcard_enum_match_arm, reason = "there are three of these, and there will be no more")]
impl Stored {
    /// How many of the nodes after this one stand inside it.
    pub(crate) fn inside(&self) -> usize {
        match self {
            Stored::Document { inside } | Stored::Array { inside } | Stored::CodeWithScope { inside, .. } => {
                *inside as usize
            }
            _ => 0,
        }
    }

    /// That number, of a value that can hold others.
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

    /// Adds a value at the end, with a copy of all that it borrows; or notes that it was refused.
    pub(crate) fn push(&mut self, name: &str, value: Value<'_>) {
        if let Err(refusal) = self.try_push(name, value)
            && self.view().refusal().is_none()
        {
            self.refuse(refusal);
        }
    }

    /// Adds a value at the end, with a copy of all that it borrows; or nothing.
    pub(crate) fn try_push(&mut self, name: &str, value: Value<'_>) -> Result<(), Refusal> {
        if let Some(refusal) = self.view().refusal() {
            return Err(refusal);
        }
        let (nodes, bytes) = (self.nodes.len(), self.bytes.len());
        let outcome = self.add(name, value, 1);
        if outcome.is_err() {
            self.nodes.truncate(nodes);
            self.bytes.truncate(bytes);
        }
        outcome
    }

    /// Whatever is seen in a view, and what it lacks.
    pub(crate) fn of(mut view: View<'_>) -> Tape {
        let mut tape = Tape::default();
        let refusal = view.refusal();
        while let Some((name, value)) = view.next() {
            tape.push(name, value);
        }
        if let (Some(refusal), None) = (refusal, tape.view().refusal()) {
            tape.refuse(refusal);
        }
        tape
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.nodes.push(Node { name: Span::default(), value: Stored::Refused(refusal) });
    }

    fn add(&mut self, name: &str, value: Value<'_>, depth: usize) -> Result<(), Refusal> {
        let name = self.keep(name.as_bytes())?;
        let place = self.nodes.len();
        if place >= LONGEST {
            return Err(Refusal::TooLong);
        }
        self.nodes.push(Node { name, value: Stored::Null });
        let stored = self.store(value, depth)?;
        if let Some(node) = self.nodes.as_mut_slice().get_mut(place) {
            node.value = stored;
        }
        Ok(())
    }

    fn store(&mut self, value: Value<'_>, depth: usize) -> Result<Stored, Refusal> {
        Ok(match value {
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
            Value::CodeWithScope { code, scope } => Stored::CodeWithScope {
                code: self.keep(code.as_bytes())?,
                inside: self.add_all(scope.inner(), depth)?,
            },
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
            Value::Document(fields) => Stored::Document { inside: self.add_all(fields.inner(), depth)? },
            Value::Array(values) => Stored::Array { inside: self.add_all(values.inner(), depth)? },
            Value::MaxKey => Stored::MaxKey,
        })
    }

    /// Adds what stands inside a value; how many nodes that took.
    fn add_all(&mut self, mut inside: View<'_>, depth: usize) -> Result<u32, Refusal> {
        if depth >= MAX_DEPTH {
            return Err(Refusal::TooDeep);
        }
        if let Some(refusal) = inside.refusal() {
            return Err(refusal);
        }
        let start = self.nodes.len();
        while let Some((name, value)) = inside.next() {
            self.add(name, value, depth + 1)?;
        }
        u32::try_from(self.nodes.len() - start).map_err(|_| Refusal::TooLong)
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<Span, Refusal> {
        if bytes.len() > LONGEST.saturating_sub(self.bytes.len()) {
            return Err(Refusal::TooLong);
        }
        let span = Span::new(self.bytes.len(), bytes.len());
        self.bytes.extend_from_slice(bytes);
        Ok(span)
    }
}

impl<'a> View<'a> {
    /// Why this is not all that it should be, if it is not.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        if let Stored::Refused(refusal) = self.nodes.last()?.value { Some(refusal) } else { None }
    }

    /// Steps over a value and whatever stands inside it, and looks at no text.
    #[inline]
    pub(crate) fn step(&mut self) -> Option<(&'a Node, View<'a>)> {
        let (node, rest) = self.nodes.split_first()?;
        if matches!(node.value, Stored::Refused(_)) {
            return None;
        }
        let (inside, rest) = rest.split_at_checked(node.value.inside())?;
        self.nodes = rest;
        Some((node, View { nodes: inside, bytes: self.bytes }))
    }

    pub(crate) fn next(&mut self) -> Option<(&'a str, Value<'a>)> {
        let (node, inside) = self.step()?;
        Some((self.text(node.name), self.value(node.value, inside)))
    }

    /// The value after so many others.
    pub(crate) fn nth(&mut self, index: usize) -> Option<(&'a str, Value<'a>)> {
        for _ in 0..index {
            self.step()?;
        }
        self.next()
    }

    /// The first value of that name.
    pub(crate) fn named(mut self, name: &str) -> Option<Value<'a>> {
        while let Some((node, inside)) = self.step() {
            if self.bytes(node.name) == name.as_bytes() {
                return Some(self.value(node.value, inside));
            }
        }
        None
    }

    pub(crate) fn count(mut self) -> usize {
        std::iter::from_fn(|| self.step()).count()
    }

    pub(crate) fn is_empty(mut self) -> bool {
        self.step().is_none()
    }

    /// What is known of the number of values at a glance.
    pub(crate) fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::from(!self.is_empty()), Some(self.nodes.len()))
    }

    /// The first value, and its name as bytes.
    pub(crate) fn first(&self) -> Option<(&'a [u8], Stored)> {
        self.nodes.first().map(|node| (self.bytes(node.name), node.value))
    }

    fn bytes(&self, span: Span) -> &'a [u8] {
        span.of(self.bytes)
    }

    /// Spans of texts are spans of UTF-8: it was looked at before they were made. Without `unsafe` it must be looked at
    /// again here, which is why nothing that can do with bytes comes here.
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
            // Never stepped on.
            Stored::Refused(_) => Value::Undefined,
        }
    }
}

impl From<Refusal> for Error {
    #[cold]
    fn from(refusal: Refusal) -> Error {
        let kind = match refusal {
            Refusal::TooLong => ErrorKind::TooLong,
            Refusal::TooDeep => ErrorKind::TooDeep,
        };
        Error::new(kind, 0, Field::Document)
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
