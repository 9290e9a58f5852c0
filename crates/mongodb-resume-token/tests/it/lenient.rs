//! What damage leaves: each part of a token that is sound is told.

use mongodb_resume_token::{
    Document, ErrorKind, Event, Field, Format, TokenData, TokenDocument, Value, decode, decode_lenient,
};

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

/// Of what was open where the damage stands nothing is left that could get in the way.
#[test]
fn what_was_read_before_the_damage_is_a_document_like_any_other() {
    let data = DATA.strip_suffix("0004").unwrap().to_owned() + "46780046 507900 50 46 1E7A00 93";
    let token = decode_lenient(&data.replace(' ', "")).token;
    let mut document = token.identifier.unwrap().document().clone();
    let five: Document = [("_id", Value::Int32(5))].into_iter().collect();
    assert_eq!((&document, document.iter().size_hint()), (&five, (1, Some(1))));
    document.push("more", Value::Null);
    assert_eq!((document.len(), document.get("more")), (2, Some(Value::Null)));
}

/// Without type bits, the token tells more although it is damaged as well.
#[test]
fn the_reading_that_goes_further_is_the_one_that_is_told() {
    let cut = &DATA[..DATA.len() - 6];
    // They make the version a 64-bit integer, or are too few for the number.
    for type_bits in [&[0x01][..], &[0x81, 0xC0]] {
        let partial = with(cut, type_bits).decode_lenient();
        assert_eq!(partial.token.format, Format::V1, "{type_bits:02X?}");
        assert_eq!(partial.token, decode_lenient(cut).token, "{type_bits:02X?}");
    }
    let partial = with("826B03DBBC000000042B02", &[0x01]).decode_lenient();
    assert_eq!((partial.token.format, partial.token.event()), (Format::V1, Event::Unknown));
}

/// What mongod 6.0.5 issued for a document inserted with `{_id: {"\xFF": 1}}`, and resumed from.
const NOT_UTF8: &str = concat!(
    "826B043C21000000042B042C0100296E5A1004EF9EFE2A2D54488F964C201553C258AA463C6F7065726174696F6E54797065003C",
    "696E736572740046646F63756D656E744B65790046465F696400461EFF002B0200000004",
);

#[test]
fn text_that_is_not_utf8_costs_nothing_but_that_text() {
    let partial = decode_lenient(NOT_UTF8);
    let error = decode(NOT_UTF8).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::NotUtf8);
    assert_eq!(partial.error, Some(error));
    assert_eq!(partial.token.event(), Event::Change(Some("insert")));
    assert!(partial.token.cluster_time.is_some() && partial.token.uuid.is_some());
    let id: Document = [("\u{FFFD}", Value::Int32(1))].into_iter().collect();
    let key = partial.token.identifier.as_ref().and_then(|identifier| identifier.document_key()).unwrap();
    assert_eq!(key.get("_id"), Some(Value::Document(id.view())));
}

#[test]
fn text_of_every_kind_is_mended() {
    const MENDED: &str = "a\u{FFFD}b";
    let before = "826B03B261000000022B042C0100296E1446";
    for (value, expected) in [
        ("3C 61FF6200", Value::String(MENDED)),
        ("3C 6100FFFF6200", Value::String("a\0\u{FFFD}b")),
        ("A0 61FF6200", Value::Code(MENDED)),
        ("8C 61FF6200 6900", Value::Regex { pattern: MENDED, options: "i" }),
        ("8C 6900 61FF6200", Value::Regex { pattern: "i", options: MENDED }),
        ("96 00000003 61FF62 000000000000000000000000", Value::DbPointer { namespace: MENDED, id: [0; 12] }),
        ("AA 61FF6200 00", Value::CodeWithScope { code: MENDED, scope: Document::new().view() }),
        // As long as the rest of the token, and cut in the middle of a character.
        ("3C C3 00", Value::String("\u{FFFD}")),
        ("3C FFFFFFFF 00", Value::String("\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}")),
    ] {
        let value = value.replace(' ', "");
        let token = format!("{before}{}7800{value}1E79002B040004", &value[..2]);
        let partial = decode_lenient(&token);
        assert_eq!(partial.error.as_ref().map(mongodb_resume_token::Error::kind), Some(&ErrorKind::NotUtf8));
        let document = partial.token.identifier.as_ref().unwrap().document();
        assert_eq!(
            document,
            &[("x", expected), ("y", Value::Int32(2))].into_iter().collect::<Document>(),
            "{value}"
        );
        // Another flaw behind it: both texts before that are there.
        let partial = decode_lenient(&token.replace("2B040004", "2B04 93"));
        assert_eq!(partial.token.identifier.unwrap().document().len(), 2, "{value}");
    }
}

#[test]
fn sound_digits_are_decoded_though_others_are_not() {
    let whole = decode(DATA).unwrap();
    let not_hex = |character| ErrorKind::NotHex { character, index: DATA.len() };
    for (text, kind) in [
        (format!("{DATA}\n"), not_hex('\n')),
        (format!("{DATA}\r\n"), not_hex('\r')),
        (format!("{DATA}0"), ErrorKind::OddLength),
        (format!("{DATA}é"), not_hex('é')),
    ] {
        let partial = decode_lenient(&text);
        assert_eq!(partial.error.map(|error| error.kind().clone()), Some(kind), "{text:?}");
        assert_eq!(partial.token, whole, "{text:?}");
        // Type bits that fit are used.
        let typed = with(&text, &TYPE_BITS).decode_lenient().token;
        assert_eq!(typed, with(DATA, &TYPE_BITS).decode().unwrap());
    }
    for text in [DATA[..DATA.len() - 3].to_owned(), format!("{}x", &DATA[..DATA.len() - 3])] {
        let partial = decode_lenient(&text);
        assert!(partial.error.is_some());
        assert_eq!((partial.token.format, partial.token.uuid), (Format::V1, whole.uuid), "{text:?}");
        assert_eq!(partial.token.identifier, whole.identifier, "{text:?}");
    }
    // Both at once: texts before the damage are mended, what stands between is told.
    let partial = decode_lenient(&NOT_UTF8[..NOT_UTF8.len() - 1]);
    assert_eq!(partial.error.map(|error| error.kind().clone()), Some(ErrorKind::OddLength));
    assert_eq!(partial.token.event(), Event::Change(Some("insert")));
    assert_eq!(partial.token.identifier.unwrap().document().len(), 2);
}
