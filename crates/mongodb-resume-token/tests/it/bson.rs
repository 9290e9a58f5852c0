//! Documents as BSON: the bytes of every type, put down by hand from bsonspec.org.

use mongodb_resume_token::{Array, Decimal128, Document, ErrorKind, Field, Timestamp, Value};

fn bytes(hex: &str) -> Vec<u8> {
    let hex = hex.replace(' ', "");
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn every_type_has_its_bytes() {
    let one: Document = [("x", Value::Int32(1))].into_iter().collect();
    let pair: Array = [Value::Boolean(true), Value::Null].into_iter().collect();
    let decimal =
        Decimal128::from_le_bytes(*b"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0A\x0B\x0C\x0D\x0E\x0F\x10");
    let id = *b"ABCDEFGHIJKL";
    for (value, element) in [
        (Value::Double(1.5), "01 6B00 000000000000F83F"),
        (Value::String("é"), "02 6B00 03000000 C3A900"),
        (Value::from(&one), "03 6B00 0C000000 10 7800 01000000 00"),
        (Value::from(&pair), "04 6B00 0C000000 08 3000 01 0A 3100 00"),
        (Value::Binary { subtype: 0x80, bytes: &[1, 2, 3] }, "05 6B00 03000000 80 010203"),
        (Value::Undefined, "06 6B00"),
        (Value::ObjectId(id), "07 6B00 4142434445464748494A4B4C"),
        (Value::Boolean(false), "08 6B00 00"),
        (Value::DateTime(-2), "09 6B00 FEFFFFFFFFFFFFFF"),
        (Value::Null, "0A 6B00"),
        (Value::Regex { pattern: "a", options: "i" }, "0B 6B00 6100 6900"),
        (Value::DbPointer { namespace: "d.c", id }, "0C 6B00 04000000 642E6300 4142434445464748494A4B4C"),
        (Value::Code("f"), "0D 6B00 02000000 6600"),
        (Value::Symbol("s"), "0E 6B00 02000000 7300"),
        (
            Value::CodeWithScope { code: "f", scope: one.view() },
            "0F 6B00 16000000 02000000 6600 0C000000 10 7800 01000000 00",
        ),
        (Value::Int32(-2), "10 6B00 FEFFFFFF"),
        (Value::Timestamp(Timestamp { t: 1, i: 2 }), "11 6B00 02000000 01000000"),
        (Value::Int64(-2), "12 6B00 FEFFFFFFFFFFFFFF"),
        (Value::Decimal128(decimal), "13 6B00 0102030405060708090A0B0C0D0E0F10"),
        (Value::MinKey, "FF 6B00"),
        (Value::MaxKey, "7F 6B00"),
    ] {
        let element = bytes(element);
        // Length, element, end.
        let length = u8::try_from(4 + element.len() + 1).unwrap();
        let expected = [&[length, 0, 0, 0][..], &element, &[0]].concat();
        let document: Document = [("k", value)].into_iter().collect();
        assert_eq!(document.to_bson().unwrap(), expected, "{value:?}");
        assert_eq!(document.view().to_bson().unwrap(), expected, "{value:?}");
    }
}

#[test]
fn fields_keep_their_order_and_repeated_names() {
    let document: Document =
        [("b", Value::Null), ("a", Value::MinKey), ("b", Value::MaxKey)].into_iter().collect();
    assert_eq!(document.to_bson().unwrap(), bytes("0E000000 0A6200 FF6100 7F6200 00"));
    assert_eq!(Document::new().to_bson().unwrap(), bytes("05000000 00"));
}

#[test]
fn a_zero_in_a_name_or_regular_expression_is_refused_where_it_stands() {
    let pattern = Value::Regex { pattern: "\0", options: "" };
    let options = Value::Regex { pattern: "a", options: "\0" };
    for (name, value, offset) in [("a\0b", Value::Null, 5), ("k", pattern, 7), ("k", options, 9)] {
        let document: Document = [(name, value)].into_iter().collect();
        let error = document.to_bson().unwrap_err();
        let what = ErrorKind::Unwritable("a zero in a name or regular expression");
        assert_eq!((error.kind(), error.offset(), error.field()), (&what, offset, Field::Identifier));
    }
}

#[cfg(feature = "json")]
#[test]
fn a_document_is_one_line_of_extended_json() {
    let inner: Document = [("x", Value::Null)].into_iter().collect();
    let list: Array = [Value::String("t")].into_iter().collect();
    let document: Document = [("b", Value::from(&inner)), ("a", Value::from(&list))].into_iter().collect();
    let line = r#"{"b":{"x":null},"a":["t"]}"#;
    assert_eq!((document.to_json(), document.view().to_json()), (line.to_owned(), line.to_owned()));
}
