use ::bson::spec::BinarySubtype;
use ::bson::{Bson, RawBsonRef, RawDocument};

use crate::error::{Error, ErrorKind, Field};
use crate::{Document, DocumentRef, TokenData, TokenDocument};

/// For a document that may hold repeated names, take `RawDocumentBuf::from_bytes` of [`Document::to_bson`] instead: here
/// the last one wins.
impl TryFrom<DocumentRef<'_>> for ::bson::Document {
    type Error = Error;

    fn try_from(document: DocumentRef<'_>) -> Result<::bson::Document, Error> {
        let bytes = document.to_bson()?;
        ::bson::Document::from_reader(bytes.as_slice()).map_err(|error| refuse(error.to_string()))
    }
}

/// As from a [`DocumentRef`].
impl TryFrom<&Document> for ::bson::Document {
    type Error = Error;

    fn try_from(document: &Document) -> Result<::bson::Document, Error> {
        document.view().try_into()
    }
}

/// From a change event's `_id`, or a cursor's resume token.
impl TryFrom<&::bson::Document> for TokenDocument {
    type Error = Error;

    fn try_from(document: &::bson::Document) -> Result<TokenDocument, Error> {
        let [data, type_bits] = ["_data", "_typeBits"].map(|name| document.get(name).map(Found::from));
        token(data, type_bits)
    }
}

/// As from a `Document`, without reading what stands beside the token. Takes the memory of the token.
impl TryFrom<&RawDocument> for TokenDocument {
    type Error = Error;

    fn try_from(document: &RawDocument) -> Result<TokenDocument, Error> {
        let found = |name| {
            let value = document.get(name).map_err(|error| refuse(error.to_string()));
            value.map(|value| value.map(Found::from))
        };
        token(found("_data")?, found("_typeBits")?)
    }
}

/// A field's value, as far as a token document may hold it.
enum Found<'a> {
    Text(&'a str),
    /// Of subtype 0.
    Bytes(&'a [u8]),
    Null,
    Other,
}

impl<'a> Found<'a> {
    fn new(text: Option<&'a str>, binary: Option<(BinarySubtype, &'a [u8])>, is_null: bool) -> Found<'a> {
        match (text, binary) {
            (Some(text), _) => Found::Text(text),
            (None, Some((BinarySubtype::Generic, bytes))) => Found::Bytes(bytes),
            (None, _) if is_null => Found::Null,
            (None, _) => Found::Other,
        }
    }
}

impl<'a> From<&'a Bson> for Found<'a> {
    fn from(value: &'a Bson) -> Found<'a> {
        let binary = if let Bson::Binary(binary) = value { Some(binary) } else { None };
        let binary = binary.map(|binary| (binary.subtype, binary.bytes.as_slice()));
        Found::new(value.as_str(), binary, matches!(value, Bson::Null))
    }
}

impl<'a> From<RawBsonRef<'a>> for Found<'a> {
    fn from(value: RawBsonRef<'a>) -> Found<'a> {
        let binary = if let RawBsonRef::Binary(binary) = value { Some(binary) } else { None };
        let binary = binary.map(|binary| (binary.subtype, binary.bytes));
        Found::new(value.as_str(), binary, matches!(value, RawBsonRef::Null))
    }
}

fn token(data: Option<Found<'_>>, type_bits: Option<Found<'_>>) -> Result<TokenDocument, Error> {
    let data = match data {
        Some(Found::Text(digits)) => TokenData::Hex(digits.to_owned()),
        Some(Found::Bytes(bytes)) => TokenData::Binary(bytes.to_vec()),
        None | Some(Found::Null | Found::Other) => {
            return Err(refuse("no field _data that is a string or binary of subtype 0"));
        }
    };
    let type_bits = match type_bits {
        None | Some(Found::Null) => None,
        Some(Found::Bytes(bits)) => Some(bits.to_vec()),
        Some(Found::Text(_) | Found::Other) => return Err(refuse("_typeBits is not binary of subtype 0")),
    };
    Ok(TokenDocument { data, type_bits })
}

/// What a driver takes as `resume_after` or `start_after`, once serialized.
impl From<&TokenDocument> for ::bson::Document {
    fn from(token: &TokenDocument) -> ::bson::Document {
        let binary = |bytes: &[u8]| ::bson::Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() };
        let mut document = ::bson::Document::new();
        match &token.data {
            TokenData::Hex(digits) => document.insert("_data", digits.as_str()),
            TokenData::Binary(bytes) => document.insert("_data", binary(bytes)),
        };
        if let Some(bits) = &token.type_bits {
            document.insert("_typeBits", binary(bits));
        }
        document
    }
}

#[cold]
fn refuse(found: impl Into<String>) -> Error {
    Error::new(ErrorKind::Document(found.into()), 0, Field::Document)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Owned and raw, alike.
    fn both(document: &::bson::Document) -> Result<TokenDocument, Error> {
        let raw = ::bson::RawDocumentBuf::try_from(document).unwrap();
        let token = TokenDocument::try_from(document);
        assert_eq!(TokenDocument::try_from(raw.as_ref()), token);
        token
    }

    #[test]
    fn a_token_document_survives_bson() {
        for token in [
            TokenDocument::from_hex("82"),
            TokenDocument { data: TokenData::Binary(vec![0x82]), type_bits: Some(vec![1]) },
        ] {
            assert_eq!(both(&::bson::Document::from(&token)), Ok(token));
        }
        let null = ::bson::doc! { "_data": "82", "_typeBits": Bson::Null };
        assert_eq!(both(&null), Ok(TokenDocument::from_hex("82")));
        for broken in [
            ::bson::doc! {},
            ::bson::doc! { "_data": 1 },
            ::bson::doc! { "_data": "82", "_typeBits": "82" },
            ::bson::doc! { "_data": "82", "_typeBits": 1 },
        ] {
            both(&broken).unwrap_err();
        }
    }

    #[test]
    fn what_is_no_token_document_says_why() {
        for (document, reason) in [
            (::bson::doc! {}, "no field _data that is a string or binary of subtype 0"),
            (::bson::doc! { "_data": Bson::Null }, "no field _data that is a string or binary of subtype 0"),
            (::bson::doc! { "_data": "82", "_typeBits": "82" }, "_typeBits is not binary of subtype 0"),
        ] {
            assert_eq!(both(&document).unwrap_err().to_string(), reason);
        }
        let uuid = ::bson::Binary { subtype: BinarySubtype::Uuid, bytes: vec![0x82] };
        both(&::bson::doc! { "_data": uuid }).unwrap_err();
    }

    #[test]
    fn a_document_becomes_one_of_the_crate() {
        let mut inner = Document::new();
        inner.push("x", crate::Value::Int64(1));
        let mut document = Document::new();
        document.push("b", &inner);
        document.push("a", crate::Value::String("t"));
        let expected = ::bson::doc! { "b": { "x": 1_i64 }, "a": "t" };
        assert_eq!(::bson::Document::try_from(&document).unwrap(), expected);
        assert_eq!(::bson::Document::try_from(document.view()).unwrap(), expected);
    }
}
