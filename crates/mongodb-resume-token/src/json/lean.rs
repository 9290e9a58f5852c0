//! JSON, read no further than a token may stand in it.
//!
//! A whole tree of it takes a hundred times its text. Here the names that a token may stand under are known beforehand:
//! everything else is checked to be JSON and forgotten.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::Error;
use crate::json::document::refuse;

/// A value, as far as it is of use.
#[derive(Debug)]
pub(crate) enum Lean<'a> {
    Null,
    Text(Cow<'a, str>),
    Object(Fields<'a>),
    /// A list of more than one value.
    Several,
    /// Any other value, and a list of one of those.
    Other,
}

/// The fields that are of use; of one name the last, as elsewhere.
#[derive(Debug, Default)]
pub(crate) struct Fields<'a>(Vec<(&'static str, Lean<'a>)>);

/// What a value may be of use as.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    /// A token document, or one that holds it, in so many others at most.
    Holder(usize),
    /// A list of one such, or one such.
    List(usize),
    /// Text, or binary in Extended JSON.
    Binary,
    /// The older or the newer content of `$binary`.
    Content,
    Text,
}

impl<'a> Lean<'a> {
    /// Reads the whole of `text`, and in it no objects but those in which a token may stand, `levels` inside the first.
    pub(crate) fn read(text: &'a str, levels: usize) -> Result<Lean<'a>, Error> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let value = Wanted::Holder(levels).deserialize(&mut reader);
        let read = value.and_then(|value| reader.end().map(|()| value));
        read.map_err(|error| refuse(format!("no JSON: {error}")))
    }

    pub(crate) fn text(&self) -> Option<&str> {
        if let Lean::Text(text) = self { Some(text) } else { None }
    }

    pub(crate) fn fields(&self) -> Option<&Fields<'a>> {
        if let Lean::Object(fields) = self { Some(fields) } else { None }
    }
}

impl<'a> Fields<'a> {
    pub(crate) fn get(&self, name: &str) -> Option<&Lean<'a>> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    fn put(&mut self, name: &'static str, value: Lean<'a>) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, place)) => *place = value,
            None => self.0.push((name, value)),
        }
    }
}

impl Wanted {
    /// Which name this is, and what its value may be of use as.
    fn field(self, name: &str) -> Option<(&'static str, Wanted)> {
        let (name, wanted) = match (self, name) {
            (Wanted::Holder(_), "_data") => ("_data", Wanted::Binary),
            (Wanted::Holder(_), "_typeBits") => ("_typeBits", Wanted::Binary),
            (Wanted::Holder(_), "copy") => ("copy", Wanted::Text),
            (Wanted::Holder(levels), "_id") => ("_id", Wanted::inside(levels)),
            (Wanted::Holder(levels), "resume_token") => ("resume_token", Wanted::inside(levels)),
            (Wanted::Holder(levels), "offset") => ("offset", Wanted::inside(levels)),
            (Wanted::Holder(levels), "offsets") => {
                ("offsets", levels.checked_sub(1).map_or(Wanted::Text, Wanted::List))
            }
            (Wanted::Binary, "$binary") => ("$binary", Wanted::Content),
            (Wanted::Binary, "$type") => ("$type", Wanted::Text),
            (Wanted::Content, "base64") => ("base64", Wanted::Text),
            (Wanted::Content, "subType") => ("subType", Wanted::Text),
            _ => return None,
        };
        Some((name, wanted))
    }

    fn inside(levels: usize) -> Wanted {
        levels.checked_sub(1).map_or(Wanted::Text, Wanted::Holder)
    }
}

impl<'de> DeserializeSeed<'de> for Wanted {
    type Value = Lean<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Lean<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Wanted {
    type Value = Lean<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Lean<'de>, E> {
        Ok(Lean::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Lean<'de>, E> {
        Ok(Lean::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Lean<'de>, E> {
        Ok(Lean::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Lean<'de>, E> {
        Ok(Lean::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Lean<'de>, E> {
        Ok(Lean::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Lean<'de>, E> {
        Ok(Lean::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Lean<'de>, E> {
        Ok(Lean::Other)
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Lean<'de>, M::Error> {
        let mut fields = Fields::default();
        while let Some(field) = map.next_key_seed(Name(self))? {
            match field {
                Some((name, wanted)) => fields.put(name, map.next_value_seed(wanted)?),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(match self {
            Wanted::Text => Lean::Other,
            Wanted::Holder(_) | Wanted::List(_) | Wanted::Binary | Wanted::Content => Lean::Object(fields),
        })
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<Lean<'de>, S::Error> {
        let Wanted::List(levels) = self else {
            while list.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(Lean::Other);
        };
        let first = list.next_element_seed(Wanted::Holder(levels))?;
        let mut others = 0;
        while list.next_element::<IgnoredAny>()?.is_some() {
            others += 1;
        }
        Ok(if others > 0 { Lean::Several } else { first.unwrap_or(Lean::Other) })
    }
}

/// A field's name, told from the others without keeping it.
struct Name(Wanted);

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Option<(&'static str, Wanted)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Option<(&'static str, Wanted)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.field(name))
    }
}
