use ::bson::Bson;
use ::bson::spec::BinarySubtype;

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
        let data = match (document.get_str("_data"), document.get("_data").and_then(generic_binary)) {
            (Ok(digits), _) => TokenData::Hex(digits.to_owned()),
            (Err(_), Some(bytes)) => TokenData::Binary(bytes),
            (Err(_), None) => return Err(refuse("no field _data that is a string or binary of subtype 0")),
        };
        let type_bits = match document.get("_typeBits") {
            None => None,
            Some(bits) => {
                Some(generic_binary(bits).ok_or_else(|| refuse("_typeBits is not binary of subtype 0"))?)
            }
        };
        Ok(TokenDocument { data, type_bits })
    }
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

fn generic_binary(value: &Bson) -> Option<Vec<u8>> {
    let Bson::Binary(binary) = value else { return None };
    (binary.subtype == BinarySubtype::Generic).then(|| binary.bytes.clone())
}

#[cold]
fn refuse(found: impl Into<String>) -> Error {
    Error::new(ErrorKind::Document(found.into()), 0, Field::Document)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_document_survives_bson() {
        for token in [
            TokenDocument::from_hex("82"),
            TokenDocument { data: TokenData::Binary(vec![0x82]), type_bits: Some(vec![1]) },
        ] {
            assert_eq!(TokenDocument::try_from(&::bson::Document::from(&token)).unwrap(), token);
        }
        assert!(TokenDocument::try_from(&::bson::doc! { "_data": 1 }).is_err());
        assert!(TokenDocument::try_from(&::bson::doc! { "_data": "82", "_typeBits": "82" }).is_err());
    }
}
