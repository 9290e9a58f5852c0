//! Token documents from Extended JSON, in every dialect that drivers have written.

use crate::error::{Error, ErrorKind, Field};
use crate::json::base64;
use crate::json::lean::{Fields, Lean};
use crate::{TokenData, TokenDocument};

impl TokenDocument {
    /// Reads `{"_data": …, "_typeBits": …}` from MongoDB Extended JSON: canonical, relaxed, or the older strict form
    /// `{"$binary": "…", "$type": "00"}`. `_data` may be a string or binary; `_typeBits` may be null. Other fields are
    /// ignored, as the server does.
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
        match Lean::read(without_mark(text), 0)? {
            Lean::Object(fields) => from_fields(&fields),
            Lean::Null | Lean::Text(_) | Lean::Several | Lean::Other => Err(refuse("JSON, but no object")),
        }
    }
}

impl TokenDocument {
    /// The document as drivers write it in relaxed Extended JSON, one line, as
    /// [`from_json`](TokenDocument::from_json) reads it.
    ///
    /// ```
    /// # use mongodb_resume_token::TokenDocument;
    /// let token = TokenDocument::from_hex("826275077A000000012B0229296E04");
    /// assert_eq!(token.to_json(), r#"{"_data": "826275077A000000012B0229296E04"}"#);
    /// # Ok::<(), mongodb_resume_token::Error>(())
    /// ```
    #[must_use]
    pub fn to_json(&self) -> String {
        let binary = |bytes: &[u8]| {
            format!(r#"{{"$binary": {{"base64": "{}", "subType": "00"}}}}"#, base64::encode(bytes))
        };
        let data = match &self.data {
            TokenData::Hex(digits) => serde_json::Value::from(digits.as_str()).to_string(),
            TokenData::Binary(bytes) => binary(bytes),
        };
        let bits = self.type_bits.as_deref();
        let bits = bits.map_or_else(String::new, |bits| format!(r#", "_typeBits": {}"#, binary(bits)));
        format!(r#"{{"_data": {data}{bits}}}"#)
    }
}

/// Without the byte order mark that some editors begin a text with.
pub(crate) fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{FEFF}').unwrap_or(text)
}

pub(crate) fn from_fields(fields: &Fields<'_>) -> Result<TokenDocument, Error> {
    let data = match fields.get("_data") {
        None => return Err(refuse("no field _data")),
        Some(Lean::Text(digits)) => TokenData::Hex(digits.clone().into_owned()),
        Some(other) => match binary(other) {
            Some(bytes) => TokenData::Binary(bytes),
            None => return Err(refuse("_data is neither a string nor binary of subtype 0")),
        },
    };
    let type_bits = match fields.get("_typeBits") {
        None | Some(Lean::Null) => None,
        Some(bits) => Some(binary(bits).ok_or_else(|| refuse("_typeBits is not binary of subtype 0"))?),
    };
    Ok(TokenDocument { data, type_bits })
}

/// Binary of subtype 0: `{"$binary": {"base64": …, "subType": "00"}}`, or `{"$binary": …, "$type": "00"}` as older drivers write it.
fn binary(value: &Lean<'_>) -> Option<Vec<u8>> {
    let outer = value.fields()?;
    let value = outer.get("$binary")?;
    let (text, subtype) = match value.fields() {
        Some(inner) => (inner.get("base64")?, inner.get("subType")?),
        None => (value, outer.get("$type")?),
    };
    let is_generic = u8::from_str_radix(subtype.text()?, 16).ok()? == 0;
    let bytes = base64::decode(text.text()?)?;
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
        let marked = format!("\u{FEFF}{canonical}");
        assert_eq!(TokenDocument::from_json(&marked).unwrap(), expected);
    }

    /// Sixes of bits, in base64's alphabet: 100000 100001 000100 of 82 11; 100000 10(0000) of 82.
    #[test]
    fn a_document_is_written_as_the_shell_shows_it() {
        let hex = TokenDocument { data: TokenData::Hex("82".into()), type_bits: Some(vec![0x82, 0x11]) };
        let expected = r#"{"_data": "82", "_typeBits": {"$binary": {"base64": "ghE=", "subType": "00"}}}"#;
        assert_eq!(hex.to_json(), expected);
        let binary = TokenDocument { data: TokenData::Binary(vec![0x82]), type_bits: None };
        assert_eq!(binary.to_json(), r#"{"_data": {"$binary": {"base64": "gg==", "subType": "00"}}}"#);
    }

    #[test]
    fn null_type_bits_are_none() {
        let token = TokenDocument::from_json(r#"{"_data": "82", "_typeBits": null}"#).unwrap();
        assert_eq!(token, TokenDocument::from_hex("82"));
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
