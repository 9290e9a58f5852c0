//! Whatever text a token is looked for in, the memory taken is in proportion to it, and nothing panics.

#[path = "invariants/text.rs"]
mod invariants_of_text;

use allocation_counter::measure;
use mongodb_resume_token::{TokenDocument, find_token};
use proptest::prelude::*;

use crate::invariants;

const MARK: &str = "826B03B3E1000000012B0229296E04";

/// Base64 of a BSON document of 2 GiB, which ends after six bytes.
#[test]
fn a_length_that_base64_declares_is_not_believed() {
    for text in ["////fwAA", r#"{"resume_token":"////fwAA"}"#] {
        let mut found = None;
        let taken = measure(|| found = Some(find_token(text)));
        assert_eq!(found, Some(Ok(TokenDocument::from_hex("////fwAA"))), "to be refused for its digits");
        assert!(taken.bytes_max < 1000, "{text} {taken:?}");
    }
}

#[test]
fn what_stands_around_a_token_is_not_kept() {
    for filling in ["[],", "{\"a\":0},", "\"\",", "{\"_id\":{\"_data\":{\"$binary\":{\"base64\":\"\"}}}},"] {
        let filling = filling.repeat(500_000 / filling.len());
        for text in [
            format!(r#"{{"fullDocument":[{filling}0],"_id":{{"_data":"{MARK}"}}}}"#),
            format!(r#"{{"_id":[{filling}0],"_id":{{"_data":"{MARK}"}}}}"#),
            format!(r#"{{"_typeBits":null,"_data":"{MARK}","more":[{filling}0]}}"#),
        ] {
            for find in [find_token, TokenDocument::from_json] {
                let taken = measure(|| drop(find(&text)));
                assert!(taken.bytes_max < 4096, "{} {taken:?}", &text[..40]);
            }
            assert_eq!(find_token(&text), Ok(TokenDocument::from_hex(MARK)));
        }
    }
}

#[test]
fn the_corpus_of_the_fuzzer_holds() {
    let corpus = include_str!("../data/fuzz-corpus.txt");
    assert!(corpus.lines().count() > 30);
    corpus.lines().for_each(invariants_of_text::check);
}

/// Pieces of JSON that mean something here, in any order, and the other things that are found.
fn pieces() -> impl Strategy<Value = String> {
    let names = [
        "_data",
        "_typeBits",
        "_id",
        "resume_token",
        "offset",
        "offsets",
        "copy",
        "$binary",
        "base64",
        "subType",
        "$type",
    ];
    let whole = [
        MARK, "82", "\"00\"", "null", "true", "{}", "[", "]", "{", "}", ",", ":", "\"", "\\\"", "////fwAA",
        "gsAe", "\u{FEFF}",
    ];
    prop_oneof![
        proptest::sample::select(names.to_vec()).prop_map(|name| format!("\"{name}\":")),
        proptest::sample::select(names.to_vec()).prop_map(|name| format!("{{\"{name}\":")),
        proptest::sample::select(whole.to_vec()).prop_map(str::to_owned),
        Just(format!("\"{MARK}\"")),
        "[A-Za-z0-9+/]{0,60}={0,2}",
        any::<String>(),
    ]
}

/// JSON that is whole, of whatever holds a token or might.
fn wrapped() -> impl Strategy<Value = String> {
    let core = prop_oneof![
        Just(serde_json::Value::String(MARK.to_owned())),
        Just(serde_json::Value::Null),
        "[A-Za-z0-9+/]{0,60}={0,2}".prop_map(serde_json::Value::String),
        any::<String>().prop_map(serde_json::Value::String),
    ];
    let names = [
        "_data",
        "_typeBits",
        "_id",
        "resume_token",
        "offset",
        "offsets",
        "copy",
        "$binary",
        "base64",
        "subType",
        "$type",
        "x",
    ];
    let json = core.prop_recursive(8, 40, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec((proptest::sample::select(names.to_vec()), inner.clone()), 0..4)
                .prop_map(|fields| fields
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect::<serde_json::Map<_, _>>()
                    .into()),
            proptest::collection::vec(inner.clone(), 0..3).prop_map(serde_json::Value::Array),
            inner.prop_map(|value| serde_json::Value::String(value.to_string())),
        ]
    });
    json.prop_map(|json| json.to_string())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_gives_a_token_or_a_reason(pieces in proptest::collection::vec(pieces(), 0..12)) {
        bounded(&pieces.concat());
    }

    #[test]
    fn any_json_gives_a_token_or_a_reason(text in wrapped()) {
        bounded(&text);
    }
}

fn bounded(text: &str) {
    for find in [find_token, TokenDocument::from_json] {
        let taken = measure(|| drop(find(text)));
        assert!(taken.bytes_max < 4096 + 8 * text.len() as u64, "{text} {taken:?}");
    }
    invariants_of_text::check(text);
}
