//! The token in what a person pastes: hexadecimal digits, JSON, or what a connector has stored.

use crate::error::Error;
use crate::json::base64;
use crate::json::document::{from_fields, refuse, without_mark};
use crate::json::lean::{Fields, Lean};
use crate::{TokenData, TokenDocument};

/// A value wrapped in text, wrapped in a document, …: no deeper than a Connect offset inside a listing of offsets.
const WRAPPINGS: usize = 4;
/// What may hold a token, the likeliest first.
const HOLDERS: [&str; 4] = ["_id", "resume_token", "offset", "offsets"];
const NO_TOKEN: &str = "no token where one is due";

/// Finds the resume token in one line of text.
///
/// - hexadecimal digits, quoted or not, or the base64 form of 3.6's binary `_data`;
/// - a token document, as [`TokenDocument::from_json`] reads it;
/// - a change event, whose `_id` is the token document;
/// - an offset of MongoDB's Kafka connector: `{"_id": "{\"_data\": …}"}`, with `HEARTBEAT` or without;
/// - an offset of Debezium's: `{"resume_token": …}`, hexadecimal digits or, with the feature `bson`, base64 of a BSON
///   token document;
/// - any of these under `offset`, as in Connect's offset topic, or `{"offsets": [{"partition": …, "offset": …}]}`, as its
///   REST interface answers for a connector with one offset.
///
/// Memory is taken in proportion to the token, whatever stands around it.
///
/// # Errors
/// [`ErrorKind::Document`](crate::ErrorKind::Document) if there is none, in particular if the offset stands at a copied
/// document (`copy`) instead of a token. The token itself is not decoded here.
///
/// ```
/// # use mongodb_resume_token::{TokenDocument, find_token};
/// let offset = r#"{"_id":"{\"_data\": \"826B03B3E1000000012B0229296E04\"}","HEARTBEAT":"true"}"#;
/// assert_eq!(find_token(offset)?, TokenDocument::from_hex("826B03B3E1000000012B0229296E04"));
/// # Ok::<(), mongodb_resume_token::Error>(())
/// ```
pub fn find_token(line: &str) -> Result<TokenDocument, Error> {
    in_text(line, WRAPPINGS)
}

fn in_text(text: &str, wrappings: usize) -> Result<TokenDocument, Error> {
    let text = without_mark(text.trim()).trim_start();
    let Some(inside) = wrappings.checked_sub(1) else {
        return Err(refuse("a token wrapped too often"));
    };
    match text.bytes().next() {
        Some(b'{') => match Lean::read(text, inside)? {
            Lean::Object(fields) => in_fields(&fields, inside),
            Lean::Null | Lean::Text(_) | Lean::Several | Lean::Other => Err(refuse(NO_TOKEN)),
        },
        Some(b'"') => match serde_json::from_str::<String>(text) {
            Ok(inner) => in_text(&inner, inside),
            Err(error) => Err(refuse(format!("no JSON: {error}"))),
        },
        _ => bare(text),
    }
}

fn in_fields(fields: &Fields<'_>, wrappings: usize) -> Result<TokenDocument, Error> {
    if fields.get("_data").is_some() {
        return from_fields(fields);
    }
    if fields.get("copy").and_then(Lean::text) == Some("true") {
        return Err(refuse("the position of a copy, not a token"));
    }
    let holder = HOLDERS.into_iter().find_map(|name| fields.get(name));
    match holder {
        None => Err(refuse("no field _data, _id, resume_token, offset or offsets")),
        Some(Lean::Text(text)) => in_text(text, wrappings),
        // Objects deeper than that were not read.
        Some(Lean::Object(fields)) => in_fields(fields, wrappings.saturating_sub(1)),
        Some(Lean::Several) => Err(refuse("several offsets; give them one by one")),
        Some(Lean::Null | Lean::Other) => Err(refuse(NO_TOKEN)),
    }
}

/// Digits first: what is both, such as `8264`, has always been hexadecimal. What is neither is left to the decoder's
/// errors, which name the character.
fn bare(text: &str) -> Result<TokenDocument, Error> {
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let binary = if is_hex { None } else { from_base64(text) };
    Ok(binary.unwrap_or_else(|| TokenDocument::from_hex(text)))
}

/// Base64 of binary `_data` (it begins with the type byte of a timestamp) or of a BSON token document.
fn from_base64(text: &str) -> Option<TokenDocument> {
    let bytes = base64::decode(text)?;
    if crate::cluster_time_of_bytes(&bytes).is_ok() {
        return Some(TokenDocument { data: TokenData::Binary(bytes), type_bits: None });
    }
    #[cfg(feature = "bson")]
    let document = from_bson(&bytes);
    #[cfg(not(feature = "bson"))]
    let document = None;
    document
}

/// Borrowed: to own a document from a reader takes the length that its first bytes declare, up to 2 GiB, before it looks
/// whether that many follow.
#[cfg(feature = "bson")]
fn from_bson(bytes: &[u8]) -> Option<TokenDocument> {
    TokenDocument::try_from(bson::RawDocument::from_bytes(bytes).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: &str = "826B03B3E1000000012B0229296E04";

    #[test]
    fn a_token_is_found_in_whatever_holds_it() {
        for line in [
            MARK.to_owned(),
            format!("  \"{MARK}\"\n"),
            format!(r#"{{"_data": "{MARK}"}}"#),
            format!(
                r#"{{"_id": {{"_data": "{MARK}"}}, "operationType": "insert", "documentKey": {{"_id": 1}}}}"#
            ),
            format!(r#"{{"_id":"{{\"_data\": \"{MARK}\"}}","HEARTBEAT":"true"}}"#),
            format!(r#"{{"sec":1,"ord":2,"resume_token":"{MARK}"}}"#),
            format!("\u{FEFF}{MARK}"),
            format!("\u{FEFF}{{\"_data\": \"{MARK}\", \"_typeBits\": null}}"),
            format!(
                r#"{{"partition":{{"ns":"mongodb://h/d.c"}},"offset":{{"_id":"{{\"_data\": \"{MARK}\"}}"}}}}"#
            ),
            format!(
                r#"{{"offsets":[{{"partition":{{"ns":"mongodb://h/d.c"}},"offset":{{"_id":"{{\"_data\": \"{MARK}\"}}"}}}}]}}"#
            ),
        ] {
            assert_eq!(find_token(&line).unwrap(), TokenDocument::from_hex(MARK), "{line}");
        }
    }

    #[test]
    fn a_token_is_wrapped_no_more_often_than_anybody_would() {
        let quoted = |text: &str| serde_json::to_string(text).unwrap();
        let held = |inside: &str| format!(r#"{{"_id":{inside}}}"#);
        let document = format!(r#"{{"_data":"{MARK}"}}"#);
        let (thrice, four_times) = (quoted(&quoted(&quoted(MARK))), quoted(&quoted(&quoted(&quoted(MARK)))));
        assert_eq!(find_token(&thrice), Ok(TokenDocument::from_hex(MARK)));
        assert_eq!(find_token(&four_times).unwrap_err().to_string(), "a token wrapped too often");
        // By text and by objects in turns.
        for sound in [
            held(&held(&held(&document))),
            held(&quoted(&document)),
            quoted(&held(&quoted(&document))),
            held(&held(&quoted(MARK))),
        ] {
            assert_eq!(find_token(&sound), Ok(TokenDocument::from_hex(MARK)), "{sound}");
        }
        assert_eq!(find_token(&held(&held(&held(&held(&document))))).unwrap_err().to_string(), NO_TOKEN);
        for too_often in
            [held(&quoted(&held(&quoted(&quoted(&quoted(MARK)))))), held(&held(&held(&held(&quoted(MARK)))))]
        {
            assert_eq!(
                find_token(&too_often).unwrap_err().to_string(),
                "a token wrapped too often",
                "{too_often}"
            );
        }
    }

    #[test]
    fn base64_of_less_than_a_time_is_left_to_the_decoder() {
        // 82 12: begins as a token does.
        assert_eq!(find_token("ghI="), Ok(TokenDocument::from_hex("ghI=")));
    }

    #[test]
    fn a_binary_token_is_found_in_base64() {
        let text = "glpf/ZQAAAAURmRfaWQAZFpf/ZRZQf7HjFuQcgBaEATVeznc1WVNqrG9KqNab5iABA==";
        assert_eq!(find_token(text).unwrap().decode().unwrap().format, crate::Format::BinData);
    }

    #[cfg(feature = "bson")]
    #[test]
    fn debezium_stores_base64_of_bson() {
        let mut bytes = Vec::new();
        bson::doc! { "_data": MARK }.to_writer(&mut bytes).unwrap();
        let offset = format!(r#"{{"sec":1,"ord":2,"resume_token":"{}"}}"#, base64::encode(&bytes));
        assert_eq!(find_token(&offset).unwrap(), TokenDocument::from_hex(MARK));
    }

    #[test]
    fn what_holds_no_token_is_refused() {
        for (line, reason) in [
            (
                r#"{"_id":"{\"_id\": 1, \"copyingData\": true}","copy":"true"}"#,
                "the position of a copy, not a token",
            ),
            (r#"{"a":1}"#, "no field _data, _id, resume_token, offset or offsets"),
            (r#"{"_id":5}"#, "no token where one is due"),
            (r#"{"offsets":[]}"#, "no token where one is due"),
            (r#"{"offset":null}"#, "no token where one is due"),
            (r#"{"offsets":[{"offset":{}},{"offset":{}}]}"#, "several offsets; give them one by one"),
            (r#"{"_id":{"_id":{"_id":{"_id":{"_id":{"_data":"82"}}}}}}"#, "no token where one is due"),
        ] {
            assert_eq!(find_token(line).unwrap_err().to_string(), reason, "{line}");
        }
        assert!(find_token("{").unwrap_err().to_string().starts_with("no JSON"));
        assert_eq!(
            find_token("AeARBpQ/AAAA").unwrap(),
            TokenDocument::from_hex("AeARBpQ/AAAA"),
            "opaque to us"
        );
    }
}
