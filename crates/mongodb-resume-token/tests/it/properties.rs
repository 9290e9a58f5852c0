//! Any bytes are decoded or refused, never worse; any token that is written is read back as it was.

use allocation_counter::measure;
use mongodb_resume_token::{
    Array, Decimal128, Document, ErrorKind, Format, Identifier, Timestamp, Token, TokenDocument, TokenType,
    Uuid, Value, decode,
};
use proptest::prelude::*;

use crate::invariants;

fn timestamps() -> impl Strategy<Value = Timestamp> {
    any::<(u32, u32)>().prop_map(|(t, i)| Timestamp { t, i })
}

/// Doubles of every magnitude, and those at which the encoding changes its form.
fn doubles() -> impl Strategy<Value = f64> {
    let edges = [0.0, 1.0, f64::MIN_POSITIVE, 5e-324, f64::MAX, f64::INFINITY, f64::NAN, 0.1];
    let powers = [-256, -255, 53, 55, 63].map(|power| 2f64.powi(power));
    let edge = proptest::sample::select([&edges[..], &powers].concat());
    let beside = edge
        .prop_flat_map(|edge| proptest::sample::select(vec![edge, edge.next_up(), edge.next_down(), -edge]));
    // The bits of a NaN are not kept.
    let canonical = |value: f64| if value.is_nan() { f64::NAN } else { value };
    prop_oneof![any::<u64>().prop_map(f64::from_bits), any::<f64>(), beside].prop_map(canonical)
}

/// Decimals of every length and exponent; only those that a server could hold.
fn decimals() -> impl Strategy<Value = Decimal128> {
    const BIAS: i32 = 6176;
    let build = |(negative, digits, cut, exponent): (bool, u128, u32, i32)| {
        let coefficient = digits % 10u128.pow(cut);
        let biased = u128::try_from(exponent + BIAS).expect("in range");
        Decimal128::from_le_bytes(
            ((u128::from(negative) << 127) | (biased << 113) | coefficient).to_le_bytes(),
        )
    };
    let exponents = prop_oneof![-6176..=6111i32, -345..=300i32, -40..=20i32];
    let finite = (any::<bool>(), any::<u128>(), 0..=34u32, exponents).prop_map(build);
    let special = [Decimal128::NAN, Decimal128::INFINITY, Decimal128::NEGATIVE_INFINITY];
    prop_oneof![20 => finite, 1 => proptest::sample::select(special.to_vec())]
}

/// A value that borrows nothing: an array of it alone.
fn alone<'v>(value: impl Into<Value<'v>>) -> Array {
    [value].into_iter().collect()
}

fn the_one(value: &Array) -> Value<'_> {
    value.view().get(0).expect("one value")
}

fn numbers() -> impl Strategy<Value = Array> {
    prop_oneof![
        (any::<i32>(), 0..32u32).prop_map(|(value, shift)| alone(Value::Int32(value >> shift))),
        (any::<i64>(), 0..64u32).prop_map(|(value, shift)| alone(Value::Int64(value >> shift))),
        doubles().prop_map(|value| alone(Value::Double(value))),
        decimals().prop_map(|value| alone(Value::Decimal128(value))),
    ]
}

fn scalars() -> impl Strategy<Value = Array> {
    let names = || "[^\\x00]{0,8}";
    let plain = [Value::MinKey, Value::MaxKey, Value::Null, Value::Undefined];
    let plain = [&plain[..], &[Value::Boolean(true), Value::Boolean(false)]].concat();
    prop_oneof![
        proptest::sample::select(plain).prop_map(alone),
        numbers(),
        decimals().prop_map(|value| alone(Value::Decimal128(value))),
        any::<String>().prop_map(|text| alone(Value::String(&text))),
        ".\\x00?.{0,3}\\x00?".prop_map(|text| alone(Value::String(&text))),
        any::<String>().prop_map(|text| alone(Value::Symbol(&text))),
        any::<String>().prop_map(|code| alone(Value::Code(&code))),
        (any::<u8>(), proptest::collection::vec(any::<u8>(), 0..300))
            .prop_map(|(subtype, bytes)| alone(Value::Binary { subtype, bytes: &bytes })),
        any::<[u8; 12]>().prop_map(|id| alone(Value::ObjectId(id))),
        any::<i64>().prop_map(|millis| alone(Value::DateTime(millis))),
        timestamps().prop_map(|time| alone(Value::Timestamp(time))),
        (names(), "[imsx]{0,4}")
            .prop_map(|(pattern, options)| { alone(Value::Regex { pattern: &pattern, options: &options }) }),
        (any::<String>(), any::<[u8; 12]>())
            .prop_map(|(namespace, id)| alone(Value::DbPointer { namespace: &namespace, id })),
    ]
}

fn documents_of(values: impl Strategy<Value = Array> + Clone) -> impl Strategy<Value = Document> {
    let fields = proptest::collection::vec(("[^\\x00]{0,8}", values), 0..6);
    fields.prop_map(|fields| fields.iter().map(|(name, value)| (name, the_one(value))).collect())
}

fn values() -> impl Strategy<Value = Array> + Clone {
    scalars().boxed().prop_recursive(6, 40, 6, |inner| {
        prop_oneof![
            documents_of(inner.clone()).prop_map(|document| alone(&document)),
            proptest::collection::vec(inner.clone(), 0..6)
                .prop_map(|values| alone(&values.iter().map(the_one).collect::<Array>())),
            (any::<String>(), documents_of(inner)).prop_map(|(code, scope)| {
                alone(Value::CodeWithScope { code: &code, scope: scope.view() })
            }),
        ]
    })
}

fn tokens() -> impl Strategy<Value = Token> {
    let formats = proptest::sample::select(vec![Format::BinData, Format::V0, Format::V1, Format::V2]);
    let indexes = || 0..=i32::MAX.unsigned_abs();
    let parts = (
        formats,
        timestamps(),
        indexes(),
        any::<bool>(),
        proptest::option::of(any::<[u8; 16]>()),
        documents_of(values()),
        proptest::option::of(indexes()),
    );
    parts.prop_map(|(format, time, txn_op_index, from_invalidate, uuid, key, fragment)| {
        let is_v2 = format == Format::V2;
        let has_type = is_v2 || format == Format::V1;
        let mut event = Document::new();
        event.push("operationType", Value::String("insert"));
        event.push("documentKey", &key);
        let mut token = Token::high_water_mark(time);
        token.format = format;
        token.token_type = has_type.then_some(TokenType::Event);
        token.txn_op_index = (format != Format::BinData).then_some(txn_op_index);
        token.from_invalidate = has_type.then_some(from_invalidate);
        // In v1 a document key comes with its collection.
        token.uuid = uuid.or((format == Format::V1).then_some([7; 16])).map(Uuid);
        token.identifier = Some(if is_v2 { Identifier::Event(event) } else { Identifier::DocumentKey(key) });
        token.fragment_num = fragment.filter(|_| is_v2);
        token
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn tokens_survive_writing_and_reading(token in tokens()) {
        let written = token.encode().unwrap();
        let read = written.decode().unwrap();
        // By their texts: NaN equals itself there, and −0.0 differs from 0.0.
        prop_assert_eq!(format!("{read:?}"), format!("{token:?}"));
        invariants::check(&TokenDocument { type_bits: None, ..written });
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(input in proptest::collection::vec(any::<u8>(), 0..200)) {
        for document in invariants::documents(&input).into_iter().flatten() {
            invariants::check(&document);
        }
    }

    #[test]
    fn any_damage_is_decoded_or_refused(token in tokens(), place in any::<proptest::sample::Index>(), byte: u8, cut: bool) {
        let written = token.encode().unwrap();
        let mongodb_resume_token::TokenData::Hex(hex) = &written.data else { return Ok(()) };
        let mut hex = hex.clone();
        let place = place.index(hex.len() / 2) * 2;
        hex.replace_range(place..place + 2, &format!("{byte:02X}"));
        if cut {
            hex.truncate(place);
        }
        let data = mongodb_resume_token::TokenData::Hex(hex);
        invariants::check(&TokenDocument { data, type_bits: written.type_bits });
    }

    #[test]
    fn any_text_is_decoded_or_refused(text in any::<String>(), tail in "[0-9A-Fa-f]{0,80}") {
        invariants::check_text(&text);
        invariants::check_text(&format!("82{tail}"));
    }
}

/// A token of v1 whose identifier holds `depth` documents inside one another, itself included.
fn nested(depth: usize) -> String {
    let open: String = (1..depth).map(|_| "466100".to_owned() + "46").collect();
    format!("826B03B261000000012B042C0100296E1446{open}{}04", "00".repeat(depth))
}

#[test]
fn documents_nest_as_deep_as_in_the_server() {
    assert!(decode(&nested(200)).is_ok());
    let error = decode(&nested(201)).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::TooDeep);
    assert_eq!(error.path().matches('a').count(), 200);
    assert_eq!(decode(&nested(100_000)).unwrap_err().kind(), &ErrorKind::TooDeep);
}

#[test]
fn a_length_beyond_the_input_is_refused_before_memory_is_taken() {
    let header = "826B03B261000000012B042C0100296E1446";
    for (value, missing) in [("5A6100 5A FF FFFFFFFF 00", u32::MAX), ("966100 96 FFFFFFF0", u32::MAX - 15)] {
        let token = format!("{header}{}", value.replace(' ', ""));
        let mut refused = None;
        let taken = measure(|| refused = decode(&token).err());
        assert!(taken.bytes_max < 1000, "{value} {taken:?}");
        let error = refused.unwrap();
        assert_eq!(error.kind(), &ErrorKind::Truncated { missing: missing as usize });
        assert_eq!(error.path(), "a");
    }
}

#[test]
fn the_corpus_of_the_fuzzers_holds() {
    let corpus = include_str!("../data/fuzz-corpus.hex");
    assert!(corpus.lines().count() > 100);
    for line in corpus.lines() {
        let pairs = line.as_bytes().chunks(2);
        let input: Vec<u8> =
            pairs.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect();
        for document in invariants::documents(&input).into_iter().flatten() {
            invariants::check(&document);
        }
    }
}
