//! What must hold for any input whatever; shared by the property tests, the corpus replay and the fuzz targets.
#![allow(dead_code, reason = "no user needs all of it")]

use mongodb_resume_token::{
    Error, ErrorKind, Field, Format, Identifier, Token, TokenData, TokenDocument, Value, decode,
    decode_header, decode_lenient,
};

/// The longest `_typeBits` that fuzz input can carry.
const NO_TYPE_BITS: u8 = u8::MAX;

/// Fuzz input as two documents: a byte that counts the type bits or says that there are none, these, the token.
pub(crate) fn documents(input: &[u8]) -> Option<[TokenDocument; 2]> {
    let (&count, rest) = input.split_first()?;
    let (type_bits, token) = match count {
        NO_TYPE_BITS => (None, rest),
        count => {
            rest.split_at_checked(usize::from(count)).map(|(bits, token)| (Some(bits.to_vec()), token))?
        }
    };
    let hex: String = token.iter().map(|byte| format!("{byte:02X}")).collect();
    let binary = TokenData::Binary(token.to_vec());
    Some([TokenData::Hex(hex), binary].map(|data| TokenDocument { data, type_bits: type_bits.clone() }))
}

/// Decodes in every way, and checks the ways against one another.
pub(crate) fn check(document: &TokenDocument) {
    let strict = document.decode();
    let lenient = document.decode_lenient();
    assert_eq!(strict.as_ref().err(), lenient.error.as_ref());
    look_at(&lenient.token);
    if let Ok(time) = document.cluster_time() {
        assert_eq!(lenient.token.cluster_time, Some(time));
    }
    match strict {
        Ok(token) => sound(document, &token, &lenient.token),
        Err(error) => damaged(document, &error, &lenient.token),
    }
}

fn sound(document: &TokenDocument, token: &Token, lenient: &Token) {
    // By their texts: NaN equals itself there, and −0.0 differs from 0.0.
    assert_eq!(format!("{token:?}"), format!("{lenient:?}"));
    if matches!(token.format, Format::DocumentDb | Format::Cosmos) {
        return;
    }
    if let (TokenData::Hex(text), None) = (&document.data, &document.type_bits) {
        let header = decode_header(text).expect("the header of a sound token is sound");
        let parts = |token: &Token| {
            (token.format, token.cluster_time, token.token_type, token.txn_op_index, token.from_invalidate)
        };
        assert_eq!(parts(&header), parts(token));
    }
    let cut =
        TokenDocument { data: without_last_byte(&document.data), type_bits: document.type_bits.clone() };
    cut.decode().expect_err("no token begins another");
    // Servers write each token in one way only, and it is the only one that is taken.
    let written = token.encode().expect("what was read can be written");
    if is_written_in_one_way(token) {
        assert_eq!(upper(&written.data), upper(&document.data));
        if !token.type_bits_missing {
            assert_eq!(bits(&written), bits(document));
        }
    }
    let again = written.decode().expect("what was written can be read");
    let mut expected = token.clone();
    expected.type_bits_missing = false;
    assert_eq!(format!("{again:?}"), format!("{expected:?}"));
}

/// Of decimals beside a double (and those beyond all doubles are in no doubt) it is not looked at whether the double is the nearest and the mark on it the right one; and
/// in the form of 3.6 an absent document key may be null or not there.
fn is_written_in_one_way(token: &Token) -> bool {
    let may_be_null = token.format == Format::BinData && token.identifier.is_none();
    let document = token.identifier.as_ref().map(Identifier::document);
    !may_be_null
        && !document.is_some_and(|document| has_decimal_beside_double(Value::Document(document.view())))
}

fn has_decimal_beside_double(value: Value<'_>) -> bool {
    if let Value::Decimal128(decimal) = value {
        let nearest: f64 = decimal.to_string().parse().expect("a number");
        return nearest != 0.0 && nearest.is_finite();
    }
    if let Value::Document(document) | Value::CodeWithScope { scope: document, .. } = value {
        return document.iter().any(|(_, value)| has_decimal_beside_double(value));
    }
    value.as_array().is_some_and(|array| array.iter().any(has_decimal_beside_double))
}

fn damaged(document: &TokenDocument, error: &Error, lenient: &Token) {
    let length = match (&document.data, &document.type_bits) {
        (_, Some(bits)) if error.field() == Field::TypeBits => bits.len(),
        (TokenData::Hex(text), _) => text.len() / 2,
        (TokenData::Binary(bytes), _) => bytes.len(),
        _ => unreachable!("there are two forms"),
    };
    assert!(error.offset() <= length, "{error}");
    assert!(!error.to_string().contains(char::is_control), "{error}");
    // Nor does a text that is not UTF-8 take anything from what stands before it.
    assert!(error.kind() != &ErrorKind::NotUtf8 || lenient.identifier.is_some(), "{error}");
    // Whatever is wrong with the type bits, the token itself is told.
    let alone = TokenDocument { type_bits: None, ..document.clone() };
    if let (Some(_), Ok(alone)) = (&document.type_bits, alone.decode()) {
        assert_eq!(format!("{alone:?}"), format!("{lenient:?}"));
    }
}

fn look_at(token: &Token) {
    let Some(identifier) = &token.identifier else { return };
    let document = identifier.document();
    look_into(Value::Document(document.view()));
    assert_eq!(format!("{:?}", document.view().to_document()), format!("{document:?}"));
    document.to_bson().expect("what was decoded can be written");
}

/// The ways to a value lead to the same one.
fn look_into(value: Value<'_>) {
    if let Value::Document(document) | Value::CodeWithScope { scope: document, .. } = value {
        let all: Vec<_> = document.iter().collect();
        assert_eq!((document.len(), document.is_empty()), (all.len(), all.is_empty()));
        bracketed(document.iter().size_hint(), all.len());
        for (index, (name, value)) in all.iter().enumerate() {
            let first = all.iter().find(|(known, _)| known == name).map(|(_, value)| value);
            assert_eq!(format!("{:?}", document.get(name)), format!("{first:?}"));
            assert_eq!(format!("{:?}", document.iter().nth(index)), format!("{:?}", Some((name, value))));
            look_into(*value);
        }
    } else if let Some(array) = value.as_array() {
        let all: Vec<_> = array.iter().collect();
        assert_eq!((array.len(), array.is_empty(), array.get(all.len())), (all.len(), all.is_empty(), None));
        bracketed(array.iter().size_hint(), all.len());
        for (index, value) in all.iter().enumerate() {
            assert_eq!(format!("{:?}", array.get(index)), format!("{:?}", Some(value)));
            look_into(*value);
        }
    }
}

fn bracketed((least, most): (usize, Option<usize>), length: usize) {
    assert!(least <= length && most.is_some_and(|most| length <= most), "{least} {length} {most:?}");
}

fn without_last_byte(data: &TokenData) -> TokenData {
    match data {
        TokenData::Hex(text) => TokenData::Hex(text[..text.len() - 2].to_owned()),
        TokenData::Binary(bytes) => TokenData::Binary(bytes[..bytes.len() - 1].to_vec()),
        _ => unreachable!("there are two forms"),
    }
}

fn upper(data: &TokenData) -> TokenData {
    let TokenData::Hex(text) = data else { return data.clone() };
    TokenData::Hex(text.to_uppercase())
}

/// Type bits without what holds them and the zeros at their end, for zeros need not be there.
fn bits(document: &TokenDocument) -> &[u8] {
    let container = document.type_bits.as_deref().unwrap_or_default();
    let bits = match container {
        [0x80, _, _, _, _, bits @ ..] => bits,
        [first, bits @ ..] if *first > 0x80 => bits,
        _ => container,
    };
    &bits[..bits.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)]
}

/// Any text at all.
pub(crate) fn check_text(text: &str) {
    let strict = decode(text);
    assert_eq!(strict.as_ref().err(), decode_lenient(text).error.as_ref());
    if strict.is_ok() {
        decode_header(text).expect("the header of a sound token is sound");
    }
}
