//! Every row of `tests/data/resume-tokens.jsonl`: tokens with what they must decode to, or why they must be refused.

use mongodb_resume_token::{ErrorKind, Field, TokenDocument};
use serde_json::{Map, Value as Json};

const ROWS: &str = include_str!("../data/resume-tokens.jsonl");

struct Row {
    line: usize,
    token: TokenDocument,
    expected: Map<String, Json>,
}

fn rows() -> Vec<Row> {
    let parse = |(index, text): (usize, &str)| {
        let row: Json = serde_json::from_str(text).unwrap();
        let token = TokenDocument::from_json(&row["token"].to_string()).unwrap();
        Row { line: index + 1, token, expected: row["expected"].as_object().unwrap().clone() }
    };
    ROWS.lines().enumerate().map(parse).collect()
}

/// The texts of doubles differ between writers of Extended JSON (`1e+300`, `1e300`); their values must not.
fn same(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Json::Object(a), Json::Object(b)) => match (a.get("$numberDouble"), b.get("$numberDouble")) {
            (Some(a), Some(b)) => {
                let bits = |text: &Json| text.as_str().unwrap().parse::<f64>().unwrap().to_bits();
                bits(a) == bits(b)
            }
            _ => a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b))),
        },
        _ => a == b,
    }
}

#[test]
fn every_sound_token_decodes_to_what_is_expected() {
    let mut count = 0;
    for Row { line, token, expected } in rows().into_iter().filter(|row| !row.expected.contains_key("error"))
    {
        let decoded = token.decode().unwrap_or_else(|error| panic!("line {line}: {error}"));
        let mut json: Map<String, Json> = serde_json::from_str(&decoded.to_json()).unwrap();
        // What this crate says beyond the expectations, which have no place for it.
        for more in ["time", "clusterTimeBasis", "typeBitsMissing"] {
            json.remove(more);
        }
        if let Some(Json::String(uuid)) = json.get_mut("uuid") {
            *uuid = uuid.replace('-', "");
        }
        assert!(
            same(&Json::Object(json.clone()), &Json::Object(expected.clone())),
            "line {line}: {json:?} {expected:?}"
        );
        assert_eq!(
            decoded.cluster_time,
            expected.get("clusterTime").map(|time| serde_json::from_value(time.clone()).unwrap())
        );
        count += 1;
    }
    assert_eq!(count, 138);
}

#[test]
fn every_broken_token_is_refused_for_its_reason() {
    let mut reasons = Vec::new();
    for Row { token, .. } in rows().into_iter().filter(|row| row.expected.contains_key("error")) {
        let error = token.decode().unwrap_err();
        reasons.push((error.kind().clone(), error.field()));
    }
    let expected = [
        // An ObjectId one byte short swallows the end of the identifier.
        (ErrorKind::Truncated { missing: 1 }, Field::Identifier),
        (ErrorKind::Truncated { missing: 2 }, Field::TokenType),
        (ErrorKind::Empty, Field::Data),
        (ErrorKind::NotHex { character: 'z', index: 0 }, Field::Data),
        (ErrorKind::NotAToken { first: 0x83 }, Field::Data),
        (ErrorKind::Truncated { missing: 4 }, Field::ClusterTime),
        (ErrorKind::Truncated { missing: 1 }, Field::TokenType),
        (ErrorKind::UnknownVersion(3), Field::Version),
    ];
    assert_eq!(reasons, expected);
}

#[test]
fn what_is_sound_is_written_as_the_server_wrote_it() {
    for Row { line, token, expected } in rows() {
        let Ok(decoded) = token.decode() else { continue };
        if decoded.type_bits_missing || matches!(expected["format"].as_str(), Some("documentdb" | "cosmos")) {
            continue;
        }
        let written = decoded.encode().unwrap_or_else(|error| panic!("line {line}: {error}"));
        let upper = |token: &TokenDocument| format!("{token:?}").to_uppercase();
        assert_eq!(upper(&written), upper(&token), "line {line}");
    }
}

#[test]
fn a_damaged_token_still_tells_its_time() {
    for Row { token, .. } in rows() {
        let partial = token.decode_lenient();
        assert_eq!(partial.error, token.decode().err());
        assert_eq!(
            partial.token.cluster_time.is_some(),
            token.cluster_time().is_ok() || partial.token.format.name() == "documentdb"
        );
    }
}
