//! What is wrong, where, in which field: one row a reason. The codes are mongod 6.0.5's answers to the same tokens.

use mongodb_resume_token::{TokenData, TokenDocument, cluster_time, cluster_time_of_bytes, decode};

const UUID: &str = "5A10043CEF45D252B04391B0DD08B2DD38D615";

/// Tokens with spaces for the eye, and what is said of them.
#[rustfmt::skip]
const ROWS: &[(&str, &str)] = &[
    ("",
     "the token is empty, at byte 0, in _data"),
    ("82 6B03B2610",
     "an odd number of hexadecimal digits, at byte 5, in _data"),
    ("82 6B03B261 x",
     "'x' at index 10 is no hexadecimal digit, at byte 5, in _data"),
    ("83 6B03B261 00000002 04",
     "a token begins with the byte 0x82, this one with 0x83, at byte 0, in _data"),
    ("82 6B03B261 00000002",
     "the token ends 1 byte too early, at byte 9, in version"),
    ("82 6B03B261 00000002 04",
     "the token ends where a value is due, at byte 9, in version"), // 50796
    ("82 6B03B261 00000002 6E",
     "a value of type 0x6E where a 32-bit integer is due, at byte 9, in version"),
    ("82 6B03B261 00000002 2B06 29",
     "version 3; 0, 1 and 2 are known, at byte 9, in version"), // 50795
    ("82 6B03B261 00000002 2B02 2B02",
     "token type 1; 0 (high-water mark) and 128 (event) are known, at byte 11, in tokenType"),
    ("82 6B03B261 00000002 2B02 2C0100 27FD",
     "-1, which is negative, at byte 14, in txnOpIndex"), // 50794
    ("82 6B03B261 00000002 2B02 2C0100 2B0380000000000000",
     "a value of type 0x2B where a 32-bit integer is due, at byte 14, in txnOpIndex"),
    ("82 6B03B261 00000002 2B02 2C0100 29 29",
     "a value of type 0x29 where a boolean is due, at byte 15, in fromInvalidate"),
    ("82 6B03B261 00000002 2B04 2C0100 29 6E 04",
     "the token ends where a value is due, at byte 16, in uuid"), // 6189500
    ("82 6B03B261 00000002 2B04 2C0100 29 6E 14 04",
     "the token ends where a value is due, at byte 17, in eventIdentifier"), // 6189501
    ("82 6B03B261 00000002 2B02 2C0100 29 6E 5A0103FF",
     "1 bytes of binary subtype 3, not a UUID (16 bytes of subtype 4), at byte 16, in uuid"), // 207
    ("82 6B03B261 00000002 2B02 2C0100 29 6E 5A1004 3CEF45D252B04391B0DD08B2DD38D6",
     "the token ends 1 byte too early, at byte 19, in uuid"),
    ("82 6B03B261 00000002 2B02 29 29 6E 46 00 04",
     "more bytes than the token has use for, at byte 14, in _data"),
    ("82 6B03B261 00000002 2B02 2C0100 29 6E 14 04",
     "more bytes than the token has use for, at byte 16, in _data"),
    ("82 6B03B261 00000002 29 29 46 00 2B02 04",
     "more bytes than the token has use for, at byte 13, in _data"), // 40646
    ("82 6B03B261 00000002 2B02 2C0100 29 6E 46 00 04",
     "an identifier in v1 without a collection, at byte 16, in uuid"),
    ("82 6B03B261 00000002 2B02 29 2B02 6E 04",
     "a high-water mark with another ordinal than 0, at byte 12, in txnOpIndex"),
    ("82 6B03B261 00000002 2B02 29 29 6F 04",
     "a high-water mark of an invalidate event, at byte 13, in fromInvalidate"),
    ("82 6B03B261 00000002 2B02 29 29 6E 04 00",
     "more bytes than the token has use for, at byte 15, in _data"),
    ("82 6B03B261 00000002 2B02 29 29 6E",
     "the token ends 1 byte too early, at byte 14, in _data"),
    ("82 6B03B261 00000002 2B04 2C0100 29 6E 14 46 00 27FD 04",
     "-1, which is negative, at byte 19, in fragmentNum"), // 40646
    ("82 6B03B261 00000002 2B02 2C0100 29 6E 46 466100 46 936200 93",
     "no BSON type is written as 0x93, at byte 24, in eventIdentifier.a.b"), // 50811
    ("82 6B03B261 00000002 2B02 2C0100 29 6E 46 936100 2B02 00 04",
     "no BSON type is written as 0x93, at byte 17, in eventIdentifier.a"),
    ("82 6B03B261 00000002 2B02 2C0100 29 6E 46 3C6100 2B02 00 04",
     "a field that sorts as type 0x3C, with a value that sorts as 0x1E, at byte 17, in eventIdentifier.a"),
    // The first of two.
    ("82 6B03B261 00000002 2B02 2C0100 29 6E 46 3C6100 2B02 3C6200 2B02 00 04",
     "a field that sorts as type 0x3C, with a value that sorts as 0x1E, at byte 17, in eventIdentifier.a"),
    ("82 6B03B261 00000002 2B02 2C0100 29 6E 46 6F6100 6F 00 04",
     "a field that sorts as type 0x6F, with a value that sorts as 0x6E, at byte 17, in eventIdentifier.a"),
    ("82 6B03B261 00000002 2B02 2C0100 29 6E 46 5A6100 5AFF0000000200ABCD 00 04",
     "a length in five bytes where one is enough, at byte 21, in eventIdentifier.a"),
    ("82 6B03B261 00000002 2B02 2C0100 29 6E 5AFF0000001004 3CEF45D252B04391B0DD08B2DD38D615 04",
     "a length in five bytes where one is enough, at byte 17, in uuid"),
    ("82 6B03B261 00000002 2B02 2C0002 29 6E 04",
     "an integer in more bytes than it takes, at byte 11, in tokenType"),
    ("82 6B03B261 00000002 2B02 2C0100 29 6E 46 506100 50 46 1E7800 2B02 00 50 2B02 2B04 00 93",
     "no BSON type is written as 0x93, at byte 34, in eventIdentifier.a.2"),
    ("82 6B03B261 00000002 2B02 2C0100 29 6E 46 AA6100 AA 6600 506200 50 AA 6600 00 46 00 64AB",
     "the token ends 11 bytes too early, at byte 34, in eventIdentifier.a.b.2"),
    ("82 6B03B261 00000002 2B02 2C0100 29 6E 46 506100 50 14 64AB",
     "the token ends 11 bytes too early, at byte 23, in eventIdentifier.a.1"), // 15
    ("82 6B03B261 00000002 2B02 2C0100 29 6E 46 3C6100 3C 62FF 00",
     "text that is not UTF-8, at byte 22, in eventIdentifier.a"),
    ("82 6B03B261 00000002 2B02 2C0100 29 6E 46 3C6100 3C 61 00FF 62 00FF 63 FF 00",
     "text that is not UTF-8, at byte 28, in eventIdentifier.a"),
    ("82 6B03B261 00000002 2B02 2C0100 29 6E 46 3C6100 3C C3 00FF 00",
     "text that is not UTF-8, at byte 21, in eventIdentifier.a"),
    ("82 6B03B261 00000002 2B02 2C0100 29 6E 46 966100 96 00000002 61C3 000000000000000000000000",
     "text that is not UTF-8, at byte 26, in eventIdentifier.a"),
    ("015daf94f600000002010000000200009025ff",
     "a token begins with the byte 0x82, this one with 0x01, at byte 0, in _data"),
];

#[test]
fn every_error_tells_what_and_where() {
    for (token, expected) in ROWS {
        let error = decode(&token.replace(' ', "")).map(|token| format!("{token:?}")).unwrap_err();
        assert_eq!(error.to_string(), *expected, "{token}");
    }
}

#[test]
fn type_bits_that_do_not_belong_to_the_token_are_refused() {
    let id = |value: &str| format!("826B03B261000000022B022C0100296E{UUID}461E5F696400{value}0004");
    for (value, type_bits, expected) in [
        ("2B02", &[0x82, 0xFF][..], "not as long as its first byte says, at byte 0, in _typeBits"), // 15
        ("2B02", &[0x80, 0x01, 0, 0, 0, 0x01], "not as long as its first byte says, at byte 0, in _typeBits"), // 50910
        (
            "2B02",
            &[0x81, 0xC0],
            "too few bits for the values of this token, at byte 2, in _typeBits, for _id",
        ), // 50615
        (
            "2B02",
            &[0x82, 0x40, 0x01],
            "more bits than the values of this token have use for, at byte 2, in _typeBits",
        ),
        (
            "29",
            &[0x82, 0xC0, 0x04],
            "the type bits name a type that cannot hold the value, at byte 2, in _typeBits, for _id",
        ),
        (
            "2B0380000000000000",
            &[0x81, 0x80],
            "the type bits name a type that cannot hold the value, at byte 41, in eventIdentifier._id",
        ), // 50810
        ("2B02", &[0x02], "a value of type 0x2B where a 32-bit integer is due, at byte 9, in version"), // 50854
    ] {
        let token = TokenDocument { data: TokenData::Hex(id(value)), type_bits: Some(type_bits.to_vec()) };
        let error = token.decode().map(|token| format!("{token:?}")).unwrap_err();
        assert_eq!(error.to_string(), expected, "{value}");
    }
}

#[test]
fn whose_token_it_is_stands_in_the_error() {
    for (data, expected) in [
        ("015daf94f60000000204", "a token of Amazon DocumentDB, not of MongoDB, at byte 0, in _data"),
        ("7B2256223A327D", "a token begins with the byte 0x82, this one with 0x7B, at byte 0, in _data"),
    ] {
        assert_eq!(cluster_time(data).unwrap_err().to_string(), expected);
    }
    assert_eq!(
        cluster_time_of_bytes(br#"{"V":2}"#).unwrap_err().to_string(),
        "a token of Azure Cosmos DB, not of MongoDB, at byte 0, in _data"
    );
}
