use std::fmt;

use crate::Value;
use crate::value::tape::{Tape, View};

/// Values in order.
///
/// ```
/// # use mongodb_resume_token::{Array, Document, Value};
/// let pair: Array = [Value::Int32(1), Value::Null].into_iter().collect();
/// let key: Document = [("_id", &pair)].into_iter().collect();
/// assert_eq!(key.get("_id"), Some(Value::Array(pair.view())));
/// ```
#[derive(Clone, Default)]
pub struct Array(Tape);

/// An [`Array`] borrowed, mostly from inside a document.
#[derive(Clone, Copy)]
pub struct ArrayRef<'a>(View<'a>);

/// The values of an array, in order.
#[derive(Debug, Clone)]
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

    /// Adds a value at the end.
    ///
    /// An array holds up to 4 GiB, of which servers take 16 MB: a value that would make it longer is left out.
    pub fn push<'v>(&mut self, value: impl Into<Value<'v>>) {
        self.0.push("", value.into());
    }
}

impl<'a> ArrayRef<'a> {
    pub(crate) fn new(view: View<'a>) -> ArrayRef<'a> {
        ArrayRef(view)
    }

    /// The value at that place, from 0.
    #[must_use]
    pub fn get(self, index: usize) -> Option<Value<'a>> {
        self.iter().nth(index)
    }

    /// The values in order.
    #[must_use]
    pub fn iter(self) -> Elements<'a> {
        Elements(self.0)
    }

    /// How many values there are, which takes counting them.
    #[must_use]
    pub fn len(self) -> usize {
        self.iter().count()
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
        self.iter().eq(other.iter())
    }
}

impl PartialEq for Array {
    fn eq(&self, other: &Self) -> bool {
        self.view() == other.view()
    }
}

impl fmt::Debug for ArrayRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl fmt::Debug for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}
