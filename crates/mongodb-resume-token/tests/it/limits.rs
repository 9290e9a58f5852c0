//! Bounds: depth, length, memory; of what is read, and of what is put together by hand.

use allocation_counter::{AllocationInfo, measure};
use mongodb_resume_token::{
    Array, Document, ErrorKind, Format, Identifier, Timestamp, Token, TokenData, TokenDocument, Uuid, Value,
    cluster_time, decode, decode_header, decode_lenient,
};

/// All of a token of v2 before the fields of its identifier, which it opens.
const BEFORE: &str = "826B03B261000000012B042C0100296E1446";

/// The `levels` levels of an identifier, each of them opened and closed by one of these in turns.
fn nested(levels: usize, openings: &[&str]) -> String {
    let mut token = BEFORE.to_owned();
    // In a document a field has a sort byte and a name; in an array it has neither.
    let mut in_array = false;
    for opening in openings.iter().cycle().take(levels - 1) {
        if !in_array {
            token += &opening[..2];
            token += "6100";
        }
        token += opening;
        in_array = opening.starts_with("50");
    }
    token + &"00".repeat(levels) + "04"
}

#[test]
fn depth_counts_documents_arrays_and_scopes_alike() {
    for openings in [&["46"][..], &["50"], &["AA6600"], &["46", "50"], &["50", "AA6600", "46", "50"]] {
        let deepest = decode(&nested(200, openings)).unwrap();
        deepest.encode().unwrap();
        let error = decode(&nested(201, openings)).unwrap_err();
        assert_eq!(
            (error.kind(), error.path().split('.').count()),
            (&ErrorKind::TooDeep, 200),
            "{openings:?}"
        );
        let partial = decode_lenient(&nested(201, openings));
        assert_eq!(partial.error, Some(error));
        assert_eq!(partial.token.cluster_time, deepest.cluster_time);
        // Whatever goes through all levels has room on the stack of a test's thread.
        let document = deepest.identifier.as_ref().unwrap().document();
        let copy = document.view().to_document();
        assert_eq!(&copy, document);
        assert!(!format!("{copy:#?}").is_empty() && copy.to_bson().is_ok());
    }
}

#[test]
fn documents_beside_one_another_are_not_deep() {
    for inside in ["466100 46 00", "506100 50 46 00 50 00 00", "AA6100 AA 6600 00"] {
        let token = format!("{BEFORE}{}0004", inside.replace(' ', "").repeat(300));
        let token = decode(&token).unwrap();
        assert_eq!(token.identifier.unwrap().document().len(), 300, "{inside}");
    }
}

#[test]
fn a_name_of_each_level_is_joined_once() {
    let name = "61".repeat(20_000);
    let token = BEFORE.to_owned() + &format!("46{name}0046").repeat(199) + "93";
    let taken = measure(|| assert_eq!(decode(&token).unwrap_err().path().len(), 199 * 20_001 - 1));
    // Joined one by one they would take 400 MB.
    assert!(taken.bytes_total < 8 * token.len() as u64, "{taken:?}");
}

#[test]
fn a_token_that_is_too_long_still_tells_its_time() {
    let mut bytes = vec![0; (32 << 20) + 1];
    bytes[..9].copy_from_slice(&[0x82, 0x6B, 0x03, 0xB2, 0x61, 0, 0, 0, 1]);
    let hex = format!("{}{}", &BEFORE[..18], "0".repeat(64 << 20));
    for data in [TokenData::Binary(bytes), TokenData::Hex(hex)] {
        let token = TokenDocument { data, type_bits: None };
        let taken = measure(|| assert_eq!(token.decode().unwrap_err().kind(), &ErrorKind::TooLong));
        assert!(taken.bytes_max < 1000, "{taken:?}");
        let partial = token.decode_lenient();
        assert_eq!(partial.token.cluster_time, Some(Timestamp { t: 0x6B03_B261, i: 1 }));
        assert_eq!(partial.error.as_ref().map(mongodb_resume_token::Error::kind), Some(&ErrorKind::TooLong));
    }
}

/// 32 MiB, in bytes or digits, are read, and written.
#[test]
fn the_longest_token_is_sound() {
    const LONGEST: usize = 32 << 20;
    let mut token = Token::high_water_mark(Timestamp { t: 1, i: 1 });
    (token.format, token.token_type) = (Format::BinData, None);
    (token.txn_op_index, token.from_invalidate) = (None, None);
    // Time; the document, with one string in it; the end.
    let around = 9 + 1 + (1 + 2) + (1 + 1) + 1 + 1;
    let text = "x".repeat(LONGEST + 1 - around);
    let key = |text| Identifier::DocumentKey([("k", Value::String(text))].into_iter().collect());
    token.identifier = Some(key(&text));
    assert_eq!(token.encode().unwrap_err().kind(), &ErrorKind::TooLong);
    token.identifier = Some(key(&text[1..]));
    let longest = token.encode().unwrap();
    assert!(matches!(&longest.data, TokenData::Binary(bytes) if bytes.len() == LONGEST));
    assert!(longest.decode() == Ok(token));
    // What stands behind its end is wrong, not its length.
    let digits = "826B03B261000000022B0229296E04".to_owned();
    let digits = digits.clone() + &"0".repeat(2 * LONGEST - digits.len());
    assert_eq!(decode(&digits).unwrap_err().kind(), &ErrorKind::LeftOver);
}

/// Up to 256 bytes no memory is taken for them, whatever stands inside.
#[test]
fn the_bytes_of_a_short_token_take_no_allocation() {
    let taken = |bytes: usize| {
        let before = "826B03B2610000000229293C".to_owned();
        let text = format!("{before}{}", "61".repeat(bytes - before.len() / 2));
        allocations(|| assert_eq!(decode(&text).unwrap_err().kind(), &ErrorKind::LeftOver))
    };
    assert_eq!((taken(100), taken(256), taken(257)), (1, 1, 2), "the error, and the bytes");
}

/// The longest token, and the dearest: values of one byte each.
#[test]
fn memory_stays_within_the_documented_multiple() {
    for length in [100, 1000, 100_000, 1 << 20] {
        for value in ["14", "0A", "2B02", "3C00", "1E0014", "466100460000", "3C7000FF0000"] {
            let is_field = value.len() > 4;
            let open = if is_field { "" } else { "50610050" };
            let text = BEFORE.to_owned() + open + &value.repeat(length * 2 / value.len());
            let bytes = text.len() as u64 / 2;
            for end in ["00000004", "93", ""] {
                let text = text.clone() + end;
                let taken = measure(|| drop(decode_lenient(&text)));
                assert!(taken.bytes_max <= 68 * bytes + 4096, "{value} {length} {taken:?}");
                let mut kept = None;
                let taken = measure(|| kept = Some(decode_lenient(&text)));
                assert!(taken.bytes_current <= 34 * bytes.cast_signed() + 4096, "{value} {length} {taken:?}");
            }
        }
    }
}

/// What was read with type bits is let go before the token is read without them, and where that tells no more, again.
#[test]
fn reading_once_more_takes_no_more() {
    // Enough bits for version and header, and then: a long (as the first number) or too few.
    for (end, type_bits) in [
        ("2B0293", &[0x81, 0x80][..]),
        ("2B020000", &[0x81, 0x80]),
        ("2B022B02000004", &[0x81, 0x80]),
        ("93", &[0x81, 0]),
    ] {
        let text = format!("{BEFORE}50610050{}{end}", "14".repeat(500_000));
        let bytes = text.len() as u64 / 2;
        let token = TokenDocument { data: TokenData::Hex(text), type_bits: Some(type_bits.to_vec()) };
        let taken = measure(|| assert!(token.decode_lenient().error.is_some()));
        assert!(taken.bytes_max <= 68 * bytes + 4096, "{end} {} {taken:?}", taken.bytes_max / bytes);
    }
}

#[test]
fn mended_text_takes_no_more_than_the_dearest_values() {
    for unit in ["FF", "FF00 3C", "C3 00FF"] {
        let unit = unit.replace(' ', "");
        let text = format!("{BEFORE}506100503C{}00000004", unit.repeat(300_000));
        let bytes = text.len() as u64 / 2;
        let mut told = None;
        let taken = measure(|| told = Some(decode_lenient(&text)));
        assert_eq!(told.map(|told| told.error.unwrap().kind().clone()), Some(ErrorKind::NotUtf8));
        assert!(taken.bytes_max <= 68 * bytes + 4096, "{unit} {} {taken:?}", taken.bytes_max / bytes);
    }
}

#[test]
fn a_text_takes_twice_its_bytes() {
    for length in [1000, 1_000_000] {
        let text = BEFORE.to_owned() + "3C61003C" + &"61".repeat(length) + "000004";
        let taken = measure(|| drop(decode(&text).unwrap()));
        assert!(taken.bytes_max <= 2 * length as u64 + 1000, "{taken:?}");
    }
}

fn allocations(work: impl FnOnce()) -> u64 {
    let AllocationInfo { count_total, .. } = measure(work);
    count_total
}

/// What the documentation says of allocations.
#[test]
fn an_ordinary_event_takes_no_allocation() {
    let uuid = Some(Uuid([7; 16]));
    let key: Document = [("_id", Value::ObjectId([0xFF; 12]))].into_iter().collect();
    let mark = Token::high_water_mark(Timestamp { t: 1, i: 1 });
    let event = |format, identifier| {
        let mut event = mark.clone();
        (event.format, event.token_type) = (format, Some(mongodb_resume_token::TokenType::Event));
        (event.uuid, event.identifier) = (uuid, Some(identifier));
        event
    };
    let mut tokens = vec![mark.clone(), event(Format::V1, Identifier::DocumentKey(key.clone()))];
    for operation in ["insert", "update", "replace", "delete"] {
        let mut named: Document = [("operationType", Value::String(operation))].into_iter().collect();
        named.push("documentKey", &key);
        tokens.push(event(Format::V2, Identifier::Event(named)));
    }
    for token in tokens {
        let TokenData::Hex(text) = token.encode().unwrap().data else { panic!("{token:?}") };
        assert_eq!(allocations(|| assert!(decode(&text).is_ok())), 0, "{text}");
        assert_eq!(allocations(|| assert!(decode_lenient(&text).error.is_none())), 0, "{text}");
        assert_eq!(allocations(|| assert!(decode_header(&text).is_ok())), 0, "{text}");
        assert_eq!(allocations(|| assert!(cluster_time(&text).is_ok())), 0, "{text}");
    }
    // More fields, or a longer key, are kept in one allocation each.
    let mut longer = key;
    longer.push("longer", Value::String(&"x".repeat(50)));
    longer.push("more", Value::Null);
    longer.push("and more", Value::Null);
    let TokenData::Hex(text) = event(Format::V1, Identifier::DocumentKey(longer)).encode().unwrap().data
    else {
        return;
    };
    assert_eq!(allocations(|| assert!(decode(&text).is_ok())), 2);
}

#[test]
fn documents_put_together_by_hand_nest_no_deeper() {
    let mut deep = Document::new();
    for _ in 1..200 {
        deep = [("a", &deep)].into_iter().collect();
    }
    assert_eq!((deep.refusal(), deep.to_bson().is_ok()), (None, true));
    let mut around = Array::new();
    assert_eq!(around.try_push(&deep).unwrap_err().kind(), &ErrorKind::TooDeep);
    assert_eq!((around.len(), around.refusal()), (0, None));
    let scope = Value::CodeWithScope { code: "f", scope: deep.view() };
    assert_eq!(around.try_push(scope).unwrap_err().kind(), &ErrorKind::TooDeep);
    around.push(&deep);
    assert_eq!(around.refusal().unwrap().to_string(), "more than 200 documents inside one another");
}

#[test]
fn what_was_refused_is_not_passed_over() {
    let mut array: Array = [Value::Null].into_iter().collect();
    let long = vec![0; (32 << 20) + 1];
    let too_long = Value::Binary { subtype: 0, bytes: &long };
    assert_eq!(array.try_push(too_long).unwrap_err().kind(), &ErrorKind::TooLong);
    array.push(Value::Null);
    assert_eq!((array.len(), array.refusal()), (2, None));
    array.push(too_long);
    array.push(Value::Null);
    assert_eq!(array.refusal().unwrap().kind(), &ErrorKind::TooLong);
    assert_eq!((array.len(), array.iter().count(), array.get(2)), (2, 2, None));
    assert_eq!(format!("{array:?}"), "[Null, Null, ..]");
    assert_ne!(array, [Value::Null, Value::Null].into_iter().collect());
    assert_eq!(array.view().to_array(), array);

    // Not by what it is pushed into either, nor by a copy of that.
    let document: Document = [("a", &array)].into_iter().collect();
    for document in [document.view().to_document(), document] {
        assert!(document.is_empty() && document.refusal().is_some());
        assert_eq!(document.to_bson().unwrap_err().kind(), &ErrorKind::TooLong);
        #[cfg(feature = "json")]
        assert_eq!(document.to_json(), "");
        let mut token = Token::high_water_mark(Timestamp { t: 1, i: 1 });
        token.token_type = Some(mongodb_resume_token::TokenType::Event);
        token.uuid = Some(Uuid([7; 16]));
        token.identifier = Some(Identifier::DocumentKey(document));
        assert_eq!(token.encode().unwrap_err().kind(), &ErrorKind::TooLong);
    }
}
