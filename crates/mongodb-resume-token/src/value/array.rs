use std::fmt;
use std::iter::FusedIterator;

use crate::Value;
use crate::error::Error;
use crate::value::tape::{Tape, View};

/// Values in order.
///
/// ```
/// # use mongodb_resume_token::{Array, Document, Value};
/// let pair: Array = [Value::Int32(1), Value::Null].into_iter().collect();
/// let key: Document = [("_id", &pair)].into_iter().collect();
/// assert_eq!(key.get("_id").and_then(Value::as_array), Some(pair.view()));
/// assert_eq!((pair.len(), pair.get(1)), (2, Some(Value::Null)));
/// ```
#[derive(Clone, Default)]
pub struct Array(Tape);

/// An [`Array`] borrowed, mostly from inside a document.
#[derive(Clone, Copy)]
pub struct ArrayRef<'a>(View<'a>);

/// The values of an array, in order.
#[derive(Clone)]
pub struct Elements<'a>(View<'a>);

impl Array {
    /// Without values.
    #[must_use]
    pub fn new() -> Array {
        Array::default()
    }

    /// The array, borrowed.
    #[must_use]
    pub fn view(&self) -> ArrayRef<'_> {
        ArrayRef(self.0.view())
    }

    /// Adds a value at the end, within the bounds of [`Document::push`](crate::Document::push): beyond them the array
    /// takes no more, and neither it nor what it is pushed into can be written.
    pub fn push<'v>(&mut self, value: impl Into<Value<'v>>) {
        self.0.push("", value.into());
    }

    /// Adds a value at the end, or leaves the array as it is.
    ///
    /// # Errors
    /// As [`Document::try_push`](crate::Document::try_push).
    pub fn try_push<'v>(&mut self, value: impl Into<Value<'v>>) -> Result<(), Error> {
        Ok(self.0.try_push("", value.into())?)
    }

    /// Why the array lacks what was [pushed](Self::push), if it does.
    #[must_use]
    pub fn refusal(&self) -> Option<Error> {
        self.0.view().refusal().map(Error::from)
    }

    /// The value at that place, from 0.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Value<'_>> {
        self.view().get(index)
    }

    /// The values in order.
    #[must_use]
    pub fn iter(&self) -> Elements<'_> {
        self.view().iter()
    }

    /// How many values there are, which takes counting them.
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

impl<'a> ArrayRef<'a> {
    pub(crate) fn new(view: View<'a>) -> ArrayRef<'a> {
        ArrayRef(view)
    }

    pub(crate) fn inner(self) -> View<'a> {
        self.0
    }

    /// The value at that place, from 0. Steps over those before it, and over what they hold at once.
    #[must_use]
    pub fn get(self, index: usize) -> Option<Value<'a>> {
        self.iter().nth(index)
    }

    /// A copy that borrows nothing.
    #[must_use]
    pub fn to_array(self) -> Array {
        Array(Tape::of(self.0))
    }

    /// The values in order.
    #[must_use]
    pub fn iter(self) -> Elements<'a> {
        Elements(self.0)
    }

    /// How many values there are, which takes counting them: a step a value, whatever it holds.
    #[must_use]
    pub fn len(self) -> usize {
        self.0.count()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        self.0.next().map(|(_, value)| value)
    }

    fn nth(&mut self, index: usize) -> Option<Value<'a>> {
        self.0.nth(index).map(|(_, value)| value)
    }

    fn count(self) -> usize {
        self.0.count()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl FusedIterator for Elements<'_> {}

impl fmt::Debug for Elements<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

impl<'a> IntoIterator for &'a Array {
    type Item = Value<'a>;
    type IntoIter = Elements<'a>;

    fn into_iter(self) -> Elements<'a> {
        self.iter()
    }
}

impl<'a> IntoIterator for ArrayRef<'a> {
    type Item = Value<'a>;
    type IntoIter = Elements<'a>;

    fn into_iter(self) -> Elements<'a> {
        self.iter()
    }
}

impl<'v, V: Into<Value<'v>>> FromIterator<V> for Array {
    fn from_iter<I: IntoIterator<Item = V>>(values: I) -> Array {
        let mut array = Array::new();
        for value in values {
            array.push(value);
        }
        array
    }
}

impl PartialEq for ArrayRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0.refusal() == other.0.refusal() && self.iter().eq(other.iter())
    }
}

impl PartialEq for Array {
    fn eq(&self, other: &Self) -> bool {
        self.view() == other.view()
    }
}

impl fmt::Debug for ArrayRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        list.entries(self.iter());
        if self.0.refusal().is_some() { list.finish_non_exhaustive() } else { list.finish() }
    }
}

impl fmt::Debug for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}
