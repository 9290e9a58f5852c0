//! Which event a token names, what a damaged one still tells, and what cannot be written.

use mongodb_resume_token::{
    Document, ErrorKind, Event, Field, Format, Identifier, Timestamp, Token, TokenData, TokenDocument,
    TokenType, Uuid, Value, decode, decode_header, decode_lenient, high_water_mark_v1, high_water_mark_v2,
};

const TIME: Timestamp = Timestamp { t: 1_795_404_385, i: 2 };
const V0: &str = "826B03B2610000000229 29";
const V1: &str = "826B03B261000000022B02 2C0100 29 6E";
const V1_INVALIDATE: &str = "826B03B261000000022B02 2C0100 29 6F";
const V2: &str = "826B03B261000000022B04 2C0100 29 6E";
const UUID: &str = "5A10043CEF45D252B04391B0DD08B2DD38D615";
const KEY: &str = "46 3C5F696400 3C6B00 00";

/// `{operationType: …}`, and whether `{…: {_id: "k"}}` follows.
fn named(operation: &str, more: Option<&str>) -> String {
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02X}")).collect::<String>();
    let more = more.map_or(String::new(), |name| format!("46{}00{KEY}", hex(name)));
    format!("463C{}003C{}00{more}00", hex("operationType"), hex(operation))
}

fn read(parts: &[&str]) -> Token {
    let hex = parts.concat().replace(' ', "") + "04";
    decode(&hex).unwrap_or_else(|error| panic!("{hex}: {error}"))
}

#[test]
fn every_kind_of_event_is_told() {
    for (token, event, ends) in [
        (decode(&high_water_mark_v1(TIME)).unwrap(), Event::HighWaterMark, false),
        (decode(&high_water_mark_v2(TIME)).unwrap(), Event::HighWaterMark, false),
        // Servers of the 4.2 era could put a collection into one.
        (read(&["826B03B261000000022B02 29 29 6E", UUID]), Event::HighWaterMark, false),
        (read(&[V0, UUID, KEY]), Event::Change(None), false),
        (read(&[V0, UUID]), Event::DropOrRename, true),
        (read(&[V1, UUID, KEY]), Event::Change(None), false),
        (read(&[V1, UUID]), Event::DropOrRename, true),
        (read(&[V1]), Event::DropDatabase, true),
        (read(&[V1_INVALIDATE, UUID]), Event::Invalidate, true),
        (read(&[V1, UUID, &named("create", Some("operationDescription"))]), Event::Other("create"), false),
        // A shard key can be called operationType.
        (read(&[V1, UUID, &named("create", Some("_id"))]), Event::Change(None), false),
        (read(&[V1, UUID, &named("create", None)]), Event::Change(None), false),
        (read(&[V2, UUID, &named("delete", Some("documentKey"))]), Event::Change(Some("delete")), false),
        (read(&[V2, UUID, &named("drop", None)]), Event::Drop, true),
        (read(&[V2, UUID, &named("rename", Some("operationDescription"))]), Event::Rename, true),
        (read(&[V2, "14", &named("dropDatabase", None)]), Event::DropDatabase, true),
        (read(&[V2, UUID, &named("modify", Some("operationDescription"))]), Event::Other("modify"), false),
        (decode("015daf94f600000002010000000200009025").unwrap(), Event::Unknown, false),
    ] {
        assert_eq!(token.event(), event, "{token:?}");
        assert_eq!(token.event().ends_stream(), ends, "{token:?}");
        assert_eq!(token.is_high_water_mark(), event == Event::HighWaterMark);
    }
}

#[test]
fn the_document_key_is_found_in_both_kinds_of_identifier() {
    for token in [read(&[V1, UUID, KEY]), read(&[V2, UUID, &named("insert", Some("documentKey"))])] {
        let key = token.identifier.as_ref().and_then(Identifier::document_key).unwrap();
        assert_eq!(key.get("_id").and_then(Value::as_str), Some("k"));
    }
}

#[test]
fn what_an_expanded_event_did_stands_beside_its_name() {
    let description = |token: &Token| {
        let identifier = token.identifier.as_ref().unwrap();
        identifier
            .operation_description()
            .and_then(Value::as_document)
            .and_then(|told| told.get("_id").and_then(Value::as_str).map(str::to_owned))
    };
    let described = read(&[V2, UUID, &named("create", Some("operationDescription"))]);
    assert_eq!(description(&described).as_deref(), Some("k"));
    assert_eq!(description(&read(&[V2, UUID, &named("insert", Some("documentKey"))])), None);
    assert_eq!(description(&read(&[V1, UUID, KEY])), None);
}

#[test]
fn names_are_shown() {
    let all = [
        Format::BinData,
        Format::V0,
        Format::V1,
        Format::V2,
        Format::DocumentDb,
        Format::Cosmos,
        Format::Unknown,
    ];
    assert_eq!(all.map(|format| format.to_string()).join(" "), "bindata v0 v1 v2 documentdb cosmos unknown");
    assert_eq!(TIME.to_string(), "1795404385,2");
}

#[test]
fn the_form_of_3_6_ends_in_a_collection_or_without() {
    let mut token = Token::high_water_mark(TIME);
    (token.format, token.token_type) = (Format::BinData, None);
    (token.txn_op_index, token.from_invalidate) = (None, None);
    let time = [0x82, 0x6B, 0x03, 0xB2, 0x61, 0, 0, 0, 2];
    let written = |token: &Token| {
        let TokenData::Binary(bytes) = token.encode().unwrap().data else { panic!("digits") };
        bytes
    };
    assert_eq!(written(&token), [&time[..], &[0x04]].concat());
    token.uuid = Some(Uuid([7; 16]));
    // Null stands for the key that there is none of.
    let expected = [&time[..], &[0x14, 0x5A, 16, 4], &[7; 16], &[0x04]].concat();
    assert_eq!(written(&token), expected);
    assert_eq!(token.encode().unwrap().decode().unwrap(), token);
}

#[test]
fn other_vendors_are_named_and_not_guessed_at() {
    let document_db = decode("015daf94f600000002010000000200009025").unwrap();
    assert_eq!(document_db.format, Format::DocumentDb);
    assert_eq!(document_db.cluster_time, Some(Timestamp { t: 1_571_788_022, i: 2 }));
    assert_eq!(document_db.identifier, None);
    let cosmos = TokenDocument { data: TokenData::Binary(br#"{"V":2}"#.to_vec()), type_bits: None };
    let cosmos = cosmos.decode().unwrap();
    assert_eq!((cosmos.format, cosmos.cluster_time), (Format::Cosmos, None));
    // The same bytes in hexadecimal are nobody's.
    assert_eq!(decode("7B2256223A327D").unwrap_err().kind(), &ErrorKind::NotAToken { first: b'{' });
}

#[test]
fn a_damaged_token_tells_what_stands_before_the_damage() {
    let whole = [V2, UUID, &named("insert", Some("documentKey"))].concat().replace(' ', "") + "04";
    let told = |length: usize| {
        let token = decode_lenient(&whole[..length]).token;
        let fields = token.identifier.as_ref().map(|identifier| identifier.document().len());
        (token.cluster_time.is_some(), token.format, token.token_type.is_some(), token.uuid.is_some(), fields)
    };
    assert_eq!(told(16), (false, Format::Unknown, false, false, None));
    assert_eq!(told(18), (true, Format::Unknown, false, false, None));
    assert_eq!(told(22), (true, Format::V2, false, false, None));
    assert_eq!(told(23), told(22), "half a byte takes nothing from those before it");
    assert_eq!(told(28), (true, Format::V2, true, false, None));
    assert_eq!(told(70), (true, Format::V2, true, true, None));
    assert_eq!(
        told(whole.len() - 8),
        (true, Format::V2, true, true, Some(1)),
        "the operation, not half a key"
    );
    let all_but_the_end = decode_lenient(&whole[..whole.len() - 2]);
    assert_eq!(all_but_the_end.token, decode(&whole).unwrap());
    assert!(all_but_the_end.error.is_some());
}

#[test]
fn the_header_is_read_alone() {
    let header = decode_header(&[V1_INVALIDATE, UUID, "93"].concat().replace(' ', "")).unwrap();
    assert_eq!(header.from_invalidate, Some(true));
    assert_eq!(header.token_type, Some(TokenType::Event));
    assert_eq!((header.uuid, header.identifier), (None, None));
}

#[test]
fn high_water_marks_are_written_alike_in_both_ways() {
    let v1 = Token::high_water_mark(TIME);
    assert_eq!(v1.encode().unwrap(), TokenDocument::from_hex(high_water_mark_v1(TIME)));
    let v2 = changed(&v1, |token| token.format = Format::V2);
    assert_eq!(v2.encode().unwrap(), TokenDocument::from_hex(high_water_mark_v2(TIME)));
}

fn changed(token: &Token, change: impl FnOnce(&mut Token)) -> Token {
    let mut token = token.clone();
    change(&mut token);
    token
}

#[test]
fn what_a_format_cannot_hold_is_not_written() {
    let mark = Token::high_water_mark(TIME);
    let event = changed(&mark, |token| token.token_type = Some(TokenType::Event));
    let zero_in_name: Document = [("a\0b", Value::Null)].into_iter().collect();
    let of_v0 = changed(&event, |token| {
        (token.format, token.token_type, token.from_invalidate) = (Format::V0, None, None);
        token.identifier = Some(Identifier::DocumentKey(zero_in_name));
    });
    let key = Identifier::DocumentKey(Document::new());
    for (token, reason) in [
        (changed(&mark, |token| token.cluster_time = None), "a token without a time"),
        (changed(&mark, |token| token.format = Format::Cosmos), "a token type in a format without one"),
        (changed(&mark, |token| token.format = Format::V0), "a token type in a format without one"),
        (changed(&mark, |token| token.token_type = None), "a token of v1 or v2 without a type"),
        (changed(&mark, |token| token.from_invalidate = None), "a token of v1 or v2 without fromInvalidate"),
        (changed(&mark, |token| token.txn_op_index = None), "a token without txnOpIndex"),
        (changed(&event, |token| token.txn_op_index = Some(1 << 31)), "an ordinal above 2147483647"),
        (changed(&event, |token| token.fragment_num = Some(0)), "a fragment of no split event"),
        (changed(&mark, |token| token.identifier = Some(key)), "an identifier in a high-water mark"),
        (changed(&event, |token| token.format = Format::V2), "an event of v2 without an identifier"),
        (of_v0, "a zero in a name or regular expression"),
    ] {
        assert_eq!(token.encode().unwrap_err().kind(), &ErrorKind::Unwritable(reason));
    }
}

#[test]
fn parts_that_do_not_go_together_are_refused_and_told() {
    let time = "826B03B26100000001";
    for (tail, what, offset, field) in [
        ("2B0229296F04", "a high-water mark of an invalidate event", 13, Field::FromInvalidate),
        ("2B0429296F1404", "a high-water mark of an invalidate event", 13, Field::FromInvalidate),
        ("2B02292B026E04", "a high-water mark with another ordinal than 0", 12, Field::TxnOpIndex),
        ("2B022C0100296E461E5F6964002B020004", "an identifier in v1 without a collection", 16, Field::Uuid),
    ] {
        let text = format!("{time}{tail}");
        let error = decode(&text).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Contradiction(what));
        assert_eq!((error.offset(), error.field()), (offset, field), "{tail}");
        let partial = decode_lenient(&text);
        assert_eq!(partial.error, Some(error));
        assert_eq!(partial.token.identifier.is_some(), field == Field::Uuid, "{tail}");
        // What decode refuses is not written.
        let token =
            changed(&partial.token, |token| token.from_invalidate = token.from_invalidate.or(Some(false)));
        token.encode().unwrap_err();
    }
    // v1's dropDatabase has neither, and v0 never had to.
    for sound in
        ["2B022C0100296E04", "2929461E5F6964002B020004", "2B0229296E5A10043CEF45D252B04391B0DD08B2DD38D61504"]
    {
        let token = decode(&format!("{time}{sound}")).unwrap();
        token.encode().unwrap();
    }
}

#[test]
fn what_would_be_read_back_otherwise_is_not_written() {
    let mut event = Token::high_water_mark(TIME);
    event.token_type = Some(TokenType::Event);
    event.uuid = decode(&[V1, UUID, "04"].concat().replace(' ', "")).unwrap().uuid;
    let named: Document = [("operationType", Value::String("x"))].into_iter().collect();
    let mut described = named.clone();
    described.push("operationDescription", Value::Null);
    let key: Document = [("_id", Value::Null)].into_iter().collect();
    for (format, identifier, is_written) in [
        (Format::V1, Identifier::Event(described.clone()), true),
        (Format::V1, Identifier::DocumentKey(described), false),
        (Format::V1, Identifier::Event(named.clone()), false),
        (Format::V1, Identifier::DocumentKey(named.clone()), true),
        (Format::V2, Identifier::Event(named.clone()), true),
        (Format::V2, Identifier::DocumentKey(named), false),
        (Format::V2, Identifier::Event(key.clone()), false),
        (Format::V2, Identifier::DocumentKey(key), true),
    ] {
        event.format = format;
        event.identifier = Some(identifier);
        match event.encode() {
            Ok(written) => assert_eq!(written.decode().unwrap(), event),
            Err(error) => {
                let what = "an identifier of one kind with the fields of the other";
                assert_eq!(error.kind(), &ErrorKind::Unwritable(what));
                assert!(!is_written, "{event:?}");
                continue;
            }
        }
        assert!(is_written, "{event:?}");
    }
    // Each zero is two bytes.
    let zeros = "\0".repeat(20 << 20);
    event.format = Format::V1;
    event.identifier = Some(Identifier::DocumentKey([("_id", Value::String(&zeros))].into_iter().collect()));
    assert_eq!(event.encode().unwrap_err().kind(), &ErrorKind::TooLong);
}
