//! What damage leaves: each part of a token that is sound is told.

use mongodb_resume_token::{Document, ErrorKind, Field, Format, TokenData, TokenDocument, Value, decode};

/// `{_id: Decimal128("5.00")}`, and its type bits.
const DATA: &str =
    "826B03DBBC000000042B022C0100296E5A10043CEF45D252B04391B0DD08B2DD38D615461E5F6964002B0A0004";
const TYPE_BITS: [u8; 3] = [0x82, 0xC0, 0x1E];

fn with(data: &str, type_bits: &[u8]) -> TokenDocument {
    TokenDocument { data: TokenData::Hex(data.to_owned()), type_bits: Some(type_bits.to_vec()) }
}

#[test]
fn damaged_type_bits_leave_the_token() {
    let whole = decode(DATA).unwrap();
    for (type_bits, kind) in [
        (&TYPE_BITS[..2], ErrorKind::TypeBitsLength),
        (&[0x82], ErrorKind::TypeBitsLength),
        (&[0x80], ErrorKind::TypeBitsLength),
        (&[0x80, 0xFF, 0xFF, 0xFF, 0xFF, 1], ErrorKind::TypeBitsLength),
        (&[0x81, 0xC0], ErrorKind::TypeBitsExhausted),
        (&[0x83, 0xC0, 0x1E, 1], ErrorKind::TypeBitsLeftOver),
        // They make the version a 64-bit integer.
        (&[0x01], ErrorKind::WrongType { found: 0x2B, wanted: "a 32-bit integer" }),
        // An exponent that 5 cannot have.
        (&[0x82, 0xC0, 0x21], ErrorKind::TypeBitsMismatch),
    ] {
        let partial = with(DATA, type_bits).decode_lenient();
        assert_eq!(partial.error.map(|error| error.kind().clone()), Some(kind), "{type_bits:02X?}");
        assert_eq!(partial.token, whole, "{type_bits:02X?}");
        // The binary form has no version for type bits to spoil, but the same time.
        let data = TokenData::Binary(vec![0x82, 0x6B, 3, 0xDB, 0xBC, 0, 0, 0, 4, 0x46, 0x64, b'a', 0, 0x1E]);
        let partial = TokenDocument { data, type_bits: Some(vec![0x82]) }.decode_lenient();
        assert_eq!((partial.token.format, partial.token.cluster_time), (Format::BinData, whole.cluster_time));
    }
}

#[test]
fn where_both_are_damaged_the_type_bits_are_used_as_far_as_they_go() {
    // A second field breaks off.
    let data = DATA.strip_suffix("0004").unwrap().to_owned() + "6478006473";
    let key = |token: &TokenDocument| {
        let partial = token.decode_lenient();
        let document = partial.token.identifier.unwrap().document().clone();
        (document, partial.error.unwrap().field())
    };
    let (typed, field) = key(&with(&data, &TYPE_BITS));
    assert!(matches!(typed.get("_id"), Some(Value::Decimal128(five)) if five.to_string() == "5.00"));
    assert_eq!((typed.len(), field), (1, Field::Identifier));
    let (guessed, field) = key(&with(&data, &TYPE_BITS[..2]));
    assert_eq!(guessed, [("_id", Value::Int32(5))].into_iter().collect::<Document>());
    assert_eq!(field, Field::TypeBits);
}
