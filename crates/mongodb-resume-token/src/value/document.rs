use std::fmt;
use std::iter::FusedIterator;

use crate::Value;
use crate::error::Error;
use crate::value::tape::{Stored, Tape, View};

/// Named values in the order in which they were written.
///
/// Whatever stands in it, however deep, is kept in two rows: one of values, and one of the bytes that they borrow.
///
/// ```
/// # use mongodb_resume_token::{Document, Value};
/// let inner: Document = [("a", Value::String("x"))].into_iter().collect();
/// let mut key: Document = [("region", Value::Int32(7))].into_iter().collect();
/// key.push("_id", &inner);
/// assert_eq!(key.get("region"), Some(Value::Int32(7)));
/// let id = key.get("_id").and_then(Value::as_document);
/// assert_eq!(id.and_then(|id| id.get("a")), Some(Value::String("x")));
/// ```
#[derive(Clone, Default)]
pub struct Document(Tape);

/// A [`Document`] borrowed, whole or from inside another.
#[derive(Clone, Copy)]
pub struct DocumentRef<'a>(View<'a>);

/// The fields of a document, in order.
#[derive(Clone)]
pub struct Fields<'a>(View<'a>);

impl Document {
    /// Without fields.
    #[must_use]
    pub fn new() -> Document {
        Document::default()
    }

    pub(crate) fn tape_mut(&mut self) -> &mut Tape {
        &mut self.0
    }

    /// Whether the first field has this name and is a string.
    #[inline]
    pub(crate) fn begins_with_string(&self, name: &str) -> bool {
        let first = self.0.view().first();
        matches!(first, Some((known, Stored::String(_))) if known == name.as_bytes())
    }

    /// The document, borrowed.
    #[must_use]
    pub fn view(&self) -> DocumentRef<'_> {
        DocumentRef(self.0.view())
    }

    /// Adds a field at the end, even if there is one of that name.
    ///
    /// A document takes names, texts and bytes of 32 MiB in all and nests 200 deep, as tokens do; servers take 16 MiB and
    /// as many levels. From the first field beyond that on it takes no more, and can no longer be written:
    /// [`refusal`](Self::refusal), [`to_bson`](Self::to_bson), [`Token::encode`](crate::Token::encode) and what it is
    /// pushed into say why, and `to_json` is empty.
    ///
    /// ```
    /// # use mongodb_resume_token::{Document, Value};
    /// let mut document = Document::new();
    /// document.push("a", Value::Binary { subtype: 0, bytes: &vec![0; 40 << 20] });
    /// assert_eq!(document.to_bson().unwrap_err().to_string(), "more than 32 MiB");
    /// ```
    pub fn push<'v>(&mut self, name: &str, value: impl Into<Value<'v>>) {
        self.0.push(name, value.into());
    }

    /// Adds a field at the end, or leaves the document as it is.
    ///
    /// # Errors
    /// [`ErrorKind::TooLong`](crate::ErrorKind::TooLong) and [`ErrorKind::TooDeep`](crate::ErrorKind::TooDeep), beyond
    /// what [`push`](Self::push) takes.
    pub fn try_push<'v>(&mut self, name: &str, value: impl Into<Value<'v>>) -> Result<(), Error> {
        Ok(self.0.try_push(name, value.into())?)
    }

    /// Why the document lacks what was [pushed](Self::push), if it does.
    #[must_use]
    pub fn refusal(&self) -> Option<Error> {
        self.0.view().refusal().map(Error::from)
    }

    /// The first field of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Value<'_>> {
        self.view().get(name)
    }

    /// The fields in order.
    #[must_use]
    pub fn iter(&self) -> Fields<'_> {
        self.view().iter()
    }

    /// How many fields there are, which takes counting them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.view().is_empty()
    }
}

impl<'a> DocumentRef<'a> {
    pub(crate) fn new(view: View<'a>) -> DocumentRef<'a> {
        DocumentRef(view)
    }

    pub(crate) fn inner(self) -> View<'a> {
        self.0
    }

    /// The first field of that name. Steps over those before it, and over what they hold at once.
    #[must_use]
    pub fn get(self, name: &str) -> Option<Value<'a>> {
        self.0.named(name)
    }

    /// The fields in order.
    #[must_use]
    pub fn iter(self) -> Fields<'a> {
        Fields(self.0)
    }

    /// How many fields there are, which takes counting them: a step a field, whatever it holds.
    #[must_use]
    pub fn len(self) -> usize {
        self.0.count()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// What must hold before it is written.
    pub(crate) fn whole(self) -> Result<(), Error> {
        self.0.refusal().map_or(Ok(()), |refusal| Err(refusal.into()))
    }

    /// A copy that borrows nothing.
    #[must_use]
    pub fn to_document(self) -> Document {
        Document(Tape::of(self.0))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a str, Value<'a>);

    fn next(&mut self) -> Option<(&'a str, Value<'a>)> {
        self.0.next()
    }

    fn nth(&mut self, index: usize) -> Option<(&'a str, Value<'a>)> {
        self.0.nth(index)
    }

    fn count(self) -> usize {
        self.0.count()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl FusedIterator for Fields<'_> {}

impl fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.clone()).finish()
    }
}

impl<'a> IntoIterator for DocumentRef<'a> {
    type Item = (&'a str, Value<'a>);
    type IntoIter = Fields<'a>;

    fn into_iter(self) -> Fields<'a> {
        self.iter()
    }
}

impl<'a> IntoIterator for &'a Document {
    type Item = (&'a str, Value<'a>);
    type IntoIter = Fields<'a>;

    fn into_iter(self) -> Fields<'a> {
        self.iter()
    }
}

impl<'v, N: AsRef<str>, V: Into<Value<'v>>> FromIterator<(N, V)> for Document {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(fields: I) -> Document {
        let mut document = Document::new();
        for (name, value) in fields {
            document.push(name.as_ref(), value);
        }
        document
    }
}

impl PartialEq for DocumentRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0.refusal() == other.0.refusal() && self.iter().eq(other.iter())
    }
}

impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        self.view() == other.view()
    }
}

impl fmt::Debug for DocumentRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        map.entries(self.iter());
        if self.0.refusal().is_some() { map.finish_non_exhaustive() } else { map.finish() }
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Array, TokenDocument};

    #[test]
    fn equality_is_that_of_values_and_not_of_how_they_are_kept() {
        let token = "826B03B261000000022B042C0100296E 14 46 3C6100 3C 7800FF7900 466200 46 1E6300 2B02 00 506400 50 14 2B0400 00 04";
        let decoded = TokenDocument::from_hex(token.replace(' ', "")).decode().unwrap();
        let inner: Document = [("c", Value::Int32(1))].into_iter().collect();
        let array: Array = [Value::Null, Value::Int32(2)].into_iter().collect();
        let mut built: Document = [("a", Value::String("x\0y"))].into_iter().collect();
        built.push("b", &inner);
        built.push("d", &array);
        let decoded = decoded.identifier.as_ref().unwrap().document();
        assert_eq!(decoded, &built);
        assert_eq!((built.len(), built.is_empty(), inner.len()), (3, false, 1));
        assert_eq!(decoded.get("b"), Some(Value::Document(inner.view())));
        assert_eq!(decoded.get("b").and_then(Value::as_document).map(DocumentRef::to_document), Some(inner));
        assert_eq!(
            format!("{built:?}"),
            r#"{"a": String("x\0y"), "b": Document({"c": Int32(1)}), "d": Array([Null, Int32(2)])}"#
        );
        built.push("e", Value::MaxKey);
        assert_ne!(decoded, &built);
    }
}
