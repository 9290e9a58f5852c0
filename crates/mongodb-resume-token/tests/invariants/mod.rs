//! What must hold for any input whatever; shared by the property tests, the corpus replay and the fuzz targets.
#![allow(dead_code, reason = "no user needs all of it")]

use mongodb_resume_token::{
    Token, TokenData, TokenDocument, cluster_time, cluster_time_of_bytes, decode, decode_header,
    decode_lenient,
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
    let fast = match &document.data {
        TokenData::Hex(text) => cluster_time(text),
        TokenData::Binary(bytes) => cluster_time_of_bytes(bytes),
    };
    if let Ok(time) = fast {
        assert_eq!(lenient.token.cluster_time, Some(time));
    }
    let Ok(token) = strict else { return };
    assert_eq!(format!("{token:?}"), format!("{:?}", lenient.token));
    if let (Some(identifier), false) = (&token.identifier, token.type_bits_missing) {
        identifier.document().to_bson().expect("what was decoded can be written");
    }
    // Whatever was read can be written, and is read again as the same. The bytes may differ: an integer can be longer than
    // it need be.
    if let Ok(written) = token.encode() {
        let again = written.decode().expect("what was written can be read");
        let expected = Token { type_bits_missing: false, ..token };
        assert_eq!(format!("{again:?}"), format!("{expected:?}"));
    }
}

/// Any text at all.
pub(crate) fn check_text(text: &str) {
    let strict = decode(text);
    assert_eq!(strict.as_ref().err(), decode_lenient(text).error.as_ref());
    if strict.is_ok() {
        decode_header(text).expect("the header of a sound token is sound");
    }
}
