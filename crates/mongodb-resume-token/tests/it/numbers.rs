//! Every form a number can take, as mongod 6.0.5 wrote it for an `_id`: bytes, type bits, value; there and back.

use mongodb_resume_token::{
    Decimal128, Error, ErrorKind, Identifier, Token, TokenData, TokenDocument, Value,
};

/// What stands before an `_id` in a token of v1, up to the type byte of its value.
const BEFORE: &str = "826B03B261000000022B022C0100296E5A10043CEF45D252B04391B0DD08B2DD38D615461E5F696400";

fn document(value: &str, type_bits: &[u8]) -> TokenDocument {
    let type_bits = (!type_bits.is_empty()).then(|| type_bits.to_vec());
    TokenDocument { data: TokenData::Hex(format!("{BEFORE}{value}0004")), type_bits }
}

fn id(token: &Token) -> Option<Value<'_>> {
    token.identifier.as_ref()?.document_key().and_then(|key| key.get("_id"))
}

#[test]
fn decimals_are_exact() {
    for (text, value, [form, low, high]) in [
        // Equal to a double.
        ("9223372036854775808", "3307C0000000000000", [0x82, 0xC0, 0x01]),
        ("36028797018963969", "320100000000000002", [0x82, 0xC0, 0x01]),
        ("9007199254740993", "3140000000000002", [0x82, 0xC0, 0x01]),
        ("-9223372036854775808", "1FF83FFFFFFFFFFFFF", [0x82, 0xC0, 0x01]),
        ("1E+22", "330901E19E0C9BAB24", [0x82, 0xC0, 0x1B]),
        // Equal to a double rounded up to 15 digits.
        ("0.1", "2AFEE6666666666666", [0x82, 0xC0, 0x3E]),
        ("0.10", "2AFEE6666666666666", [0x82, 0xC0, 0x1E]),
        ("0.333333333333333", "2AFF5555555555553E", [0x82, 0xC0, 0x22]),
        // Beyond a double by a continuation: of fractions,
        ("0.3333333333333333", "2AFF5555555555555105A54C67BB080128", [0x82, 0xC0, 0x02]),
        ("-7.123456789012345678901234567890123", "27F0E06522C8B909BEFA02243CE146233D", [0x82, 0xC0, 0x3F]),
        // of integers between 2^53 and 2^63, with and without a byte of fraction,
        ("9007199254740992.25", "31400000000000010303782DACE9D90000", [0x82, 0xC0, 0x1E]),
        ("36028797018963969.5", "32010000000000000300B1A2BC2EC50000", [0x82, 0xC0, 0x3E]),
        ("9223372036854775807.5", "32FFFFFFFFFFFFFFFF0001C6BF52634000", [0x82, 0xC0, 0x3E]),
        // of large numbers; the sum has 35 digits before its zeros are dropped,
        ("1.23E+52", "331580E000638EE95702544EAD5D82FC6E", [0x82, 0xC0, 0x12]),
        ("1E+23", "33096A5A058FC295ED0BA43B7400000000", [0x82, 0xC0, 0x3B]),
        // of small ones, scaled or not,
        ("1E-77", "2ABFE50DB01D8321B90A229C89A47BC98D", [0x82, 0xC0, 0x32]),
        ("1.1E-100", "2AB65D97CD906BA50300C05E8F5B7B9660", [0x82, 0xC0, 0x37]),
        // below the normal range of doubles, and at its edge,
        ("1.234E-310", "2A5F2D6E8F6FB9144300F577450DD847A9", [0x82, 0xC0, 0x39]),
        ("5E-324", "2A59A06265739EA839033ACA3AEC6F307E", [0x82, 0xC0, 0x0E]),
        ("2.2250738585072013E-308", "2A601FFFFFFFFFFFFF024670EACC9FE4F5", [0x82, 0xC0, 0x0E]),
        // and beyond doubles altogether.
        ("4.9E-324", "2A2D76F196B1E982849619D7B100000000", [0x82, 0xC0, 0x36]),
        ("1E-6176", "2A00000000000000000000000000000001", [0x82, 0xC0, 0x00]),
        ("1E+400", "33B31E314DC6448D9338C15B0A00000000", [0x82, 0xC0, 0x03]),
        (
            "9.999999999999999999999999999999999E+6144",
            "33DFFFED09BEAD87C0378D8E63FFFFFFFF",
            [0x82, 0xC0, 0x3F],
        ),
    ] {
        let written = document(value, &[form, low, high]);
        let token = written.decode().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(
            matches!(id(&token), Some(Value::Decimal128(read)) if read.to_string() == text),
            "{text}: {token:?}"
        );
        assert_eq!(token.encode().as_ref(), Ok(&written), "{text}");
    }
}

#[test]
fn zeros_keep_type_sign_and_exponent() {
    for (text, type_bits) in [
        ("Int32(0)", &[][..]),
        ("Int64(0)", &[0x81, 0x80]),
        ("Double(0.0)", &[0x40]),
        ("Double(-0.0)", &[0x82, 0xC0, 0x00]),
        ("Decimal128(Decimal128(0))", &[0x83, 0xC0, 0x0E, 0x02]),
        ("Decimal128(Decimal128(0E-20))", &[0x83, 0xC0, 0x0E, 0x18]),
        ("Decimal128(Decimal128(0E+6111))", &[0x83, 0xC0, 0xF9, 0x7F]),
        ("Decimal128(Decimal128(-0E+3))", &[0x83, 0xC0, 0x0B, 0x62]),
    ] {
        let written = document("29", type_bits);
        let token = written.decode().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(format!("{:?}", id(&token)), format!("Some({text})"));
        assert_eq!(token.encode().as_ref(), Ok(&written), "{text}");
    }
}

#[test]
fn one_form_is_as_many_values_as_its_type_bits_say() {
    for (text, type_bits) in [
        ("Int32(5)", &[][..]),
        ("Int64(5)", &[0x81, 0x80]),
        ("Double(5.0)", &[0x40]),
        ("Decimal128(Decimal128(5))", &[0x82, 0xC0, 0x01]),
        ("Decimal128(Decimal128(5.00))", &[0x82, 0xC0, 0x1E]),
    ] {
        let written = document("2B0A", type_bits);
        let token = written.decode().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(format!("{:?}", id(&token)), format!("Some({text})"));
        assert_eq!(token.encode().as_ref(), Ok(&written), "{text}");
    }
}

/// The narrowest type that holds the number; and a flag, unless a 32-bit integer does.
#[test]
fn without_type_bits_a_number_keeps_its_value() {
    for (text, value, missing) in [
        ("Int32(5)", "2B0A", false),
        ("Int32(-2147483648)", "23FEFFFFFFFF", false),
        ("Int64(-2147483649)", "23FEFFFFFFFD", true),
        ("Int64(9223372036854775807)", "32FFFFFFFFFFFFFFFE", true),
        ("Int64(-9223372036854775808)", "1FF83FFFFFFFFFFFFF", true),
        ("Double(1.5)", "2B0380000000000000", true),
        ("Double(1e-300)", "2A634ADC3F85F1E6B2", true),
        ("Double(5e-324)", "2A59A0000000000000", true),
        ("Double(inf)", "33FFFFFFFFFFFFFFFF", true),
        ("Double(NaN)", "1E", true),
        ("Decimal128(Decimal128(0.1))", "2AFEE6666666666666", true),
        ("Decimal128(Decimal128(100000000000000000000000))", "33096A5A058FC295ED0BA43B7400000000", true),
        ("Decimal128(Decimal128(1E+400))", "33B31E314DC6448D9338C15B0A00000000", true),
        // Its shortest coefficient would need an exponent that decimals do not have.
        (
            "Decimal128(Decimal128(1.000000000000000000000000000000000E+6144))",
            "33DFFE314DC6448D9338C15B0A00000000",
            true,
        ),
    ] {
        let token = document(value, &[]).decode().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(format!("{:?}", id(&token)), format!("Some({text})"));
        assert_eq!(token.type_bits_missing, missing, "{text}");
    }
}

fn decimal(coefficient: u128, exponent: i32) -> Value<'static> {
    let bits = u128::try_from(exponent + 6176).unwrap() << 113 | coefficient;
    Value::Decimal128(Decimal128::from_le_bytes(bits.to_le_bytes()))
}

fn written(value: Value<'_>) -> TokenDocument {
    let mut token = document("29", &[]).decode().unwrap();
    token.identifier = Some(Identifier::DocumentKey([("_id", value)].into_iter().collect()));
    token.encode().unwrap()
}

/// At each bound of a form: 2^53, 2^55, 2^63, the least normal double, half a unit above.
#[test]
fn decimals_at_the_bounds_of_forms_are_read_back() {
    for (coefficient, exponent) in [
        (90_071_992_547_409_920, -1),
        (90_071_992_547_409_915, -1),
        (90_071_992_547_409_925, -1),
        (360_287_970_189_639_675, -1),
        (360_287_970_189_639_680, -1),
        (360_287_970_189_639_685, -1),
        (92_233_720_368_547_758_075, -1),
        (92_233_720_368_547_758_080, -1),
        (92_233_720_368_547_758_085, -1),
        (22_250_738_585_072_013, -324),
        (22_250_738_585_072_014, -324),
        (2_225_073_858_507_201_383_090_232_717_332_404, -341),
        (2_225_073_858_507_201_383_090_232_717_332_405, -341),
    ] {
        let value = decimal(coefficient, exponent);
        let read = written(value).decode().unwrap();
        assert_eq!(id(&read), Some(value));
    }
}

/// Scaling by a power of two that was cut to 34 digits could fall below it.
#[test]
fn the_double_stored_for_a_small_decimal_is_the_greatest_below_it() {
    for (least_doubles, coefficient, exponent) in [
        // The first decimal of 34 digits above so many times 2^-1074.
        (1, 4_940_656_458_412_465_441_765_687_928_682_214, -357),
        (3, 1_482_196_937_523_739_632_529_706_378_604_665, -356),
        (5, 2_470_328_229_206_232_720_882_843_964_341_107, -356),
        (999, 4_935_715_801_954_052_976_323_922_240_753_532, -354),
        (12_345, 6_099_240_397_910_188_587_859_741_747_958_193, -353),
    ] {
        let word = |value| {
            let TokenData::Hex(text) = written(value).data else { panic!("not digits") };
            let text = text.strip_prefix(BEFORE).and_then(|text| text.strip_prefix("2A")).unwrap().to_owned();
            u64::from_str_radix(&text[..16], 16).unwrap()
        };
        let double = word(Value::Double(f64::from_bits(least_doubles)));
        // One more says that the rest follows.
        assert_eq!(word(decimal(coefficient, exponent)), double | 1, "{least_doubles}");
    }
}

/// Those of decimals are the double's with other type bits.
#[test]
fn infinities_are_of_either_type() {
    for (text, value) in
        [("Infinity", "33FFFFFFFFFFFFFFFF"), ("-Infinity", "1F0000000000000000"), ("NaN", "1E")]
    {
        let written = document(value, &[0x81, 0xC0]);
        let token = written.decode().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(matches!(id(&token), Some(Value::Decimal128(read)) if read.to_string() == text), "{token:?}");
        assert_eq!(token.encode().as_ref(), Ok(&written), "{text}");
    }
}

/// 5 as 5 and as 5 followed by 33 zeros, but by no more.
#[test]
fn an_exponent_leaves_room_for_34_digits() {
    for (low_bits, text) in [
        (0x01, Some("5".to_owned())),
        (0x3F, Some(format!("5.{}", "0".repeat(33)))),
        (0x1F, None),
        // 37 zeros.
        (0x37, None),
    ] {
        let read = document("2B0A", &[0x82, 0xC0, low_bits]).decode();
        match text {
            Some(text) => assert_eq!(
                format!("{:?}", id(&read.unwrap())),
                format!("Some(Decimal128(Decimal128({text})))")
            ),
            None => assert_eq!(read.unwrap_err().kind(), &ErrorKind::TypeBitsMismatch, "{low_bits:X}"),
        }
    }
}

/// Where 34 digits do not reach down to the units, the exponent stays.
#[test]
fn a_guessed_decimal_gets_no_more_zeros_than_it_has_room_for() {
    for (coefficient, exponent, shown) in [
        (12_345_678_901_234_567_891, 14, "1234567890123456789100000000000000"),
        (12_345_678_901_234_567_891, 15, "1.2345678901234567891E+34"),
        (12_345_678_901_234_567_891, 17, "1.2345678901234567891E+36"),
    ] {
        let written = written(decimal(coefficient, exponent));
        let guessed = TokenDocument { type_bits: None, ..written }.decode().unwrap();
        assert!(
            matches!(id(&guessed), Some(Value::Decimal128(read)) if read.to_string() == shown),
            "{guessed:?}"
        );
    }
}

/// Servers write each number in one way only.
#[test]
fn payloads_that_no_number_has_are_refused() {
    const NONE: &str = "a payload that no number has";
    const LONGER: &str = "an integer in more bytes than it takes";
    const EMPTY: &str = "an integer with room for a fraction that it has not";
    for (value, reason) in [
        ("2B00", NONE),                               // an integer of zero
        ("330000000000000000", NONE),                 // a large number below 2^63
        ("2A4000000000000000", NONE),                 // a small number of zero
        ("2A00000000000000000000000000000000", NONE), // a decimal of zero
        ("2A3FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF", NONE), // a decimal of 35 digits
        ("2C0002", LONGER),
        ("2D000200", LONGER),
        ("26FFFD", LONGER), // −1
        ("320000000000000002", LONGER),
        ("32000000000000000300000000000000FF", LONGER), // a continuation beside an integer that has room for a fraction
        ("2B0180000000000000", "a number below 1 in the form of greater ones"), // 0.5
        ("2B0100000000000000", "a number below 1 in the form of greater ones"),
        ("2B0300000000000000", EMPTY), // 1
        ("27FCFFFFFFFFFFFFFF", EMPTY), // −1
        ("2B0300000000000002", EMPTY), // 1, rounded up
        ("314000000000000100", EMPTY), // 2^53
        ("314000000000000104", NONE),  // 2^53 and a fraction that no double has there
        ("2AFFC0000000000000", "a number from 1 up in the form of lesser ones"), // 1
        ("28003FFFFFFFFFFFFF", "a number from 1 up in the form of lesser ones"), // −1
    ] {
        for type_bits in [&[][..], &[0x40], &[0x82, 0xC0, 0x01]] {
            let error = document(value, type_bits).decode().map(|token| format!("{token:?}")).unwrap_err();
            assert_eq!(error.to_string(), format!("{reason}, at byte 41, in eventIdentifier._id"), "{value}");
        }
    }
}

/// Beside each form that is refused stands the one that servers write.
#[test]
fn the_next_number_of_the_same_form_is_read() {
    for (value, type_bits, text) in [
        ("2C0100", &[][..], "Int32(128)"),
        ("2B02", &[], "Int32(1)"),
        ("2AFF80000000000000", &[0x40], "Double(0.5)"),
        ("2AFFBFFFFFFFFFFFFC", &[0x40], "Double(0.9999999999999999)"),
        ("2B0300000000000010", &[0x40], "Double(1.0000000000000002)"),
        ("3140000000000000", &[0x40], "Double(9007199254740992.0)"),
    ] {
        let written = document(value, type_bits);
        let token = written.decode().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(format!("{:?}", id(&token)), format!("Some({text})"));
        assert_eq!(token.encode().as_ref(), Ok(&written), "{text}");
    }
}

#[test]
fn the_form_of_decimals_beyond_all_doubles_is_for_them_alone() {
    let limits = [
        // The last below the least double and the first above the greatest, written as they are.
        "4.940656458412465441765687928682213E-324",
        "1.797693134862315708145274237317044E+308",
    ];
    let within = ["4.940656458412465441765687928682214E-324", "1.797693134862315708145274237317043E+308"];
    let among = "a decimal among the doubles in the form of those beyond them";
    for (text, expected) in
        limits.map(|text| (text, None)).into_iter().chain(within.map(|text| (text, Some(among))))
    {
        let bits = bits_of(text);
        let is_large = text.contains("E+");
        let raw = if is_large { format!("33{:032X}", bits | 1 << 127) } else { format!("2A{bits:032X}") };
        let refused = decode_without_type_bits(&raw).err().map(|error| error.kind().clone());
        assert_eq!(refused, expected.map(ErrorKind::NotCanonical), "{text} {raw}");
        let negative: String = negated(&raw);
        let refused = decode_without_type_bits(&negative).err().map(|error| error.kind().clone());
        assert_eq!(refused, expected.map(ErrorKind::NotCanonical), "-{text} {negative}");
        if expected.is_none() {
            for raw in [raw, negative] {
                let token = decode_without_type_bits(&raw).unwrap();
                assert_eq!(token.encode().unwrap().data, document(&raw, &[]).data, "{text}");
            }
        }
    }
    for (raw, what) in [
        ("2A30400000000000000000000000000001", among),
        ("33B0400000000000000000000000000001", among),
        ("2A303E0000000000000000000000000005", among),
        ("2A2DF10000000000000000000000000001", among),
        // 1E-6175 as 1 and not as 10, and 1E+400 as 1 with that exponent.
        (
            "2A00020000000000000000000000000001",
            "a decimal beyond the doubles without the zeros that fill it up",
        ),
        (
            "33B3600000000000000000000000000001",
            "a decimal beyond the doubles without the zeros that fill it up",
        ),
    ] {
        let error = decode_without_type_bits(raw).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::NotCanonical(what), "{raw}");
    }
}

fn decode_without_type_bits(value: &str) -> Result<Token, Error> {
    document(value, &[]).decode()
}

/// Of `d.dd…E±x`, 34 digits.
fn bits_of(text: &str) -> u128 {
    let (digits, exponent) = text.split_once('E').unwrap();
    let coefficient: u128 = digits.replace('.', "").parse().unwrap();
    let exponent: i32 = exponent.parse().unwrap();
    let biased = u128::try_from(exponent - 33 + 6176).unwrap();
    biased << 113 | coefficient
}

/// The other type byte, and every bit of the payload turned.
fn negated(value: &str) -> String {
    let type_byte = if value.starts_with("33") { "1F" } else { "28" };
    let payload = u128::from_str_radix(&value[2..], 16).unwrap();
    format!("{type_byte}{:032X}", !payload)
}
