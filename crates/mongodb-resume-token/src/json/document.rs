//! Token documents from Extended JSON, in every dialect that drivers have written.

use serde_json::{Map, Value as Json};

use crate::error::{Error, ErrorKind, Field};
use crate::json::base64;
use crate::{TokenData, TokenDocument};

impl TokenDocument {
    /// Reads `{"_data": …, "_typeBits": …}` from MongoDB Extended JSON: canonical, relaxed, or the older strict form
    /// `{"$binary": "…", "$type": "00"}`. `_data` may be a string or binary; other fields are ignored, as the server does.
    ///
    /// # Errors
    /// [`ErrorKind::Document`] if the text is no JSON object or a field is missing or of another type. What stands
    /// inside `_data` is not looked at here.
    ///
    /// ```
    /// # use mongodb_resume_token::TokenDocument;
    /// let token = TokenDocument::from_json(r#"{"_data": "826275077A000000012B0229296E04"}"#)?;
    /// assert_eq!(token.cluster_time()?.t, 1651836794);
    /// # Ok::<(), mongodb_resume_token::Error>(())
    /// ```
    pub fn from_json(text: &str) -> Result<TokenDocument, Error> {
        match serde_json::from_str(text) {
            Ok(Json::Object(fields)) => from_fields(&fields),
            Ok(_) => Err(refuse("JSON, but no object")),
            Err(error) => Err(refuse(format!("no JSON: {error}"))),
        }
    }
}

pub(crate) fn from_fields(fields: &Map<String, Json>) -> Result<TokenDocument, Error> {
    let data = match fields.get("_data") {
        None => return Err(refuse("no field _data")),
        Some(Json::String(digits)) => TokenData::Hex(digits.clone()),
        Some(other) => match binary(other) {
            Some(bytes) => TokenData::Binary(bytes),
            None => return Err(refuse("_data is neither a string nor binary of subtype 0")),
        },
    };
    let type_bits = match fields.get("_typeBits") {
        None => None,
        Some(bits) => Some(binary(bits).ok_or_else(|| refuse("_typeBits is not binary of subtype 0"))?),
    };
    Ok(TokenDocument { data, type_bits })
}

/// Binary of subtype 0: `{"$binary": {"base64": …, "subType": "00"}}`, or `{"$binary": …, "$type": "00"}` as older drivers write it.
fn binary(value: &Json) -> Option<Vec<u8>> {
    let outer = value.as_object()?;
    let value = outer.get("$binary")?;
    let (text, subtype) = match value.as_object() {
        Some(inner) => (inner.get("base64")?, inner.get("subType")?),
        None => (value, outer.get("$type")?),
    };
    let is_generic = u8::from_str_radix(subtype.as_str()?, 16).ok()? == 0;
    let bytes = base64::decode(text.as_str()?)?;
    is_generic.then_some(bytes)
}

#[cold]
pub(crate) fn refuse(found: impl Into<String>) -> Error {
    Error::new(ErrorKind::Document(found.into()), 0, Field::Document)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dialect_gives_the_same_document() {
        let canonical =
            r#"{"_data": "82", "_typeBits": {"$binary": {"base64": "gkAB", "subType": "00"}}, "extra": 1}"#;
        let legacy = r#"{"_typeBits": {"$binary": "gkAB", "$type": "00"}, "_data": "82"}"#;
        let expected =
            TokenDocument { data: TokenData::Hex("82".into()), type_bits: Some(vec![0x82, 0x40, 0x01]) };
        assert_eq!(TokenDocument::from_json(canonical).unwrap(), expected);
        assert_eq!(TokenDocument::from_json(legacy).unwrap(), expected);
    }

    #[test]
    fn binary_data_is_told_from_text() {
        for text in [
            r#"{"_data": {"$binary": {"base64": "glpf", "subType": "00"}}}"#,
            r#"{"_data": {"$binary": "glpf", "$type": "0"}}"#,
        ] {
            let document = TokenDocument::from_json(text).unwrap();
            assert_eq!(document.data, TokenData::Binary(vec![0x82, 0x5A, 0x5F]));
        }
    }

    #[test]
    fn what_is_no_token_document_is_refused() {
        for (text, reason) in [
            ("82", "JSON, but no object"),
            ("{}", "no field _data"),
            (r#"{"_data": 1}"#, "_data is neither a string nor binary of subtype 0"),
            (r#"{"_data": "82", "_typeBits": "82"}"#, "_typeBits is not binary of subtype 0"),
            (
                r#"{"_data": {"$binary": "glpf", "$type": "04"}}"#,
                "_data is neither a string nor binary of subtype 0",
            ),
        ] {
            assert_eq!(TokenDocument::from_json(text).unwrap_err().to_string(), reason);
        }
    }
}
