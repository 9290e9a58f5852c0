//! `decode`, as a person and a program meet it.

use crate::cli::resumeguard;
use serde_json::{Value, json};

const MARK: &str = "826B03B3E1000000012B0229296E04";
const TIME: &str = "2026-11-23T03:32:49Z";
/// Base64 of the BSON document `{_data: MARK}`: what Debezium stores since it keeps type bits.
const MARK_IN_BSON: &str = "LwAAAAJfZGF0YQAfAAAAODI2QjAzQjNFMTAwMDAwMDAxMkIwMjI5Mjk2RTA0AAA=";
/// Every row that issue and crate share: tokens, and what each must decode to or be refused for.
const ROWS: &str = include_str!("../../crates/mongodb-resume-token/tests/data/resume-tokens.jsonl");

fn objects(stdout: &str) -> Vec<Value> {
    stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_token_is_found_in_every_form_that_stores_it() {
    for form in [
        MARK.to_owned(),
        MARK.to_lowercase(),
        format!(r#"{{"_data": "{MARK}"}}"#),
        // The offset of MongoDB's connector, as its topic holds it and as Connect's REST tells it.
        format!(r#"{{"_id":"{{\"_data\": \"{MARK}\"}}","HEARTBEAT":"true"}}"#),
        format!(
            r#"{{"partition":{{"ns":"mongodb://h/d.c"}},"offset":{{"_id":"{{\"_data\": \"{MARK}\"}}"}}}}"#
        ),
        // Debezium's, older and newer.
        format!(r#"{{"sec":1,"ord":2,"resume_token":"{MARK}"}}"#),
        format!(r#"{{"sec":1,"ord":2,"resume_token":"{MARK_IN_BSON}"}}"#),
        MARK_IN_BSON.to_owned(),
        // A change event.
        format!(
            r#"{{"_id": {{"_data": "{MARK}"}}, "operationType": "insert", "documentKey": {{"_id": 1}}}}"#
        ),
    ] {
        let run = resumeguard(&["decode", "--json", &form]).run();
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{form}: {run:?}");
        let [token] = &objects(&run.stdout)[..] else { panic!("{form}: {run:?}") };
        assert_eq!(token["format"], "v1", "{form}");
        assert_eq!(token["tokenType"], "high-water-mark", "{form}");
        assert_eq!(token["clusterTime"], json!({ "t": 1_795_404_769, "i": 1 }), "{form}");
        assert_eq!(token["time"], TIME, "{form}");
    }
}

#[test]
fn type_bits_and_binary_tokens_are_read_in_both_modes_of_extended_json() {
    let binary = "glpf/ZQAAAAURmRfaWQAZFpf/ZRZQf7HjFuQcgBaEATVeznc1WVNqrG9KqNab5iABA==";
    let canonical = format!(r#"{{"_data": {{"$binary": {{"base64": "{binary}", "subType": "00"}}}}}}"#);
    let legacy = format!(r#"{{"_data": {{"$binary": "{binary}", "$type": "00"}}}}"#);
    let run = resumeguard(&["decode", "--json", &canonical, &legacy]).run();
    assert_eq!(run.code, 0, "{run:?}");
    let [canonical, legacy] = &objects(&run.stdout)[..] else { panic!("{run:?}") };
    assert_eq!(canonical, legacy);
    assert_eq!(canonical["format"], "bindata");

    let decimal = r#"{"_data": "826B03DBBC000000042B022C0100296E5A10043CEF45D252B04391B0DD08B2DD38D615461E5F6964002B0A0004",
        "_typeBits": {"$binary": {"base64": "gsAe", "subType": "00"}}}"#;
    let run = resumeguard(&["decode", "--json", decimal]).run();
    let [decimal] = &objects(&run.stdout)[..] else { panic!("{run:?}") };
    assert_eq!(decimal["eventIdentifier"], json!({ "_id": { "$numberDecimal": "5.00" } }));
}

#[test]
fn a_bad_line_is_an_error_in_its_place_and_exit_1_and_the_rest_is_decoded() {
    let lines = format!("{MARK}\nnonsense\n\n{{\"a\": 1}}\n{MARK}\r\n8265\n");
    let run = resumeguard(&["decode", "--json"]).stdin(&lines).run();
    assert_eq!((run.code, run.stderr.as_str()), (1, ""), "{run:?}");
    let told = objects(&run.stdout);
    let errors: Vec<Option<&str>> = told.iter().map(|line| line["error"].as_str()).collect();
    let expected = [
        None,
        Some("'n' at index 0 is no hexadecimal digit"),
        Some("no field _data, _id, resume_token, offset or offsets"),
        None,
        Some("the token ends 7 bytes too early"),
    ];
    assert_eq!(errors.len(), expected.len(), "{run:?}");
    for (error, expected) in errors.iter().zip(expected) {
        let fits = match (error, expected) {
            (Some(error), Some(expected)) => error.contains(expected),
            (error, expected) => error.is_none() && expected.is_none(),
        };
        assert!(fits, "{error:?} {expected:?}");
    }
    assert_eq!(told[0], told[3]);
}

#[test]
fn people_get_a_table() {
    let run = resumeguard(&["decode", MARK, "nonsense"]).run();
    assert_eq!(run.code, 1, "{run:?}");
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert!(lines[0].starts_with("TIME") && lines[0].ends_with("COLLECTION AND IDENTIFIER"), "{run:?}");
    assert_eq!(
        lines[1].split_whitespace().collect::<Vec<_>>(),
        [TIME, "1795404769,1", "v1", "high-water-mark"]
    );
    assert!(lines[2].starts_with("error: "), "{run:?}");
}

#[test]
fn the_table_tells_what_few_tokens_have() {
    let uuid = "5A10043CEF45D252B04391B0DD08B2DD38D615";
    let before = "826B03B26100000001";
    for (token, others) in [
        (format!("{before}2B022C0100296E{uuid}461E5F6964002B0A0004"), None),
        (format!("{before}2B022C01002B066E{uuid}461E5F6964002B0A0004"), Some("txnOpIndex=3")),
        (
            format!("{before}2B042C0100296E{uuid}463C6F7065726174696F6E54797065003C64726F7000002904"),
            Some("fragmentNum=0"),
        ),
        (format!("{before}2B022C0100296E{uuid}461E5F6964002B03800000000000000004"), Some("typeBitsMissing")),
    ] {
        let run = resumeguard(&["decode", &token]).run();
        assert_eq!(run.code, 0, "{run:?}");
        let row = run.stdout.lines().nth(1).unwrap();
        assert_eq!(row.rsplit_once("} ").map(|(_, others)| others), others, "{row}");
    }
}

/// Names and texts come from whoever writes to the database; a terminal must not obey them.
#[test]
fn what_would_steer_a_terminal_is_escaped() {
    let id: String = "a\u{1b}[2J\u{7f}\u{9b}31m\u{202e}\u{2066}\u{feff}ž🐎"
        .bytes()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    let token = format!("826B03B261000000012B042C0100296E14463C{id}003C{id}000004");
    let told = r#"{"a\u001b[2J\u007f\u009b31m\u202e\u2066\ufeffž🐎":"a\u001b[2J\u007f\u009b31m\u202e\u2066\ufeffž🐎"}"#;
    let run = resumeguard(&["decode", &token]).run();
    assert!(run.stdout.trim_end().ends_with(told), "{run:?}");
    let broken = format!("{}93", token.strip_suffix("0004").unwrap());
    for text in [broken, "82\u{202e}".to_owned(), "82\u{9b}".to_owned()] {
        let run = resumeguard(&["decode", &text]).run();
        assert_eq!(run.code, 1, "{run:?}");
        assert!(run.stdout.chars().all(|c| c == '\n' || !(c.is_control() || c == '\u{202e}')), "{run:?}");
    }
}

/// The crate's own tests compare more closely; here it is the way through the program that is held.
#[test]
fn every_row_of_the_corpus_agrees_through_standard_input() {
    let rows: Vec<Value> = ROWS.lines().map(|row| serde_json::from_str(row).unwrap()).collect();
    let lines: String = rows.iter().map(|row| format!("{}\n", row["token"])).collect();
    let run = resumeguard(&["decode", "--json"]).stdin(&lines).run();
    assert_eq!(run.code, 1, "some rows are there to be refused");
    let told = objects(&run.stdout);
    assert_eq!(told.len(), rows.len());
    let mut refused = 0;
    for (row, told) in rows.iter().zip(&told) {
        let expected = &row["expected"];
        assert_eq!(told["error"].is_string(), expected["error"].is_string(), "{row} {told}");
        refused += u32::from(told["error"].is_string());
        for field in ["format", "clusterTime", "tokenType", "txnOpIndex", "fromInvalidate", "fragmentNum"] {
            if expected["error"].is_null() {
                assert_eq!(told[field], expected[field], "{field}: {row} {told}");
            }
        }
        if let (Some(uuid), Some(wanted)) = (told["uuid"].as_str(), expected["uuid"].as_str()) {
            assert_eq!(uuid.replace('-', ""), wanted);
        }
    }
    assert_eq!(refused, 8);
}

#[test]
fn many_lines_come_out_in_order() {
    let lines: String =
        (0..100_000).map(|i| format!("82{:08X}{i:08X}2B0229296E04\n", 1_700_000_000)).collect();
    let run = resumeguard(&["decode", "--json"]).stdin(&lines).run();
    assert_eq!(run.code, 0);
    for (index, line) in run.stdout.lines().enumerate() {
        assert!(line.contains(&format!("\"i\":{index}}}")), "{index}: {line}");
    }
    assert_eq!(run.stdout.lines().count(), 100_000);
}
