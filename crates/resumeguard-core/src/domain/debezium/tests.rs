//! Keys and values as real connectors have stored them: 2.5.4, 2.7.4 and 3.0.8.

use super::*;
use crate::domain::{Timestamp, TokenKind, parse_offset};

const MARK: &str = "826B03B3E1000000012B0229296E04";

fn config(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let class = ("connector.class", DEBEZIUM_SOURCE);
    pairs.iter().chain([&class]).map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn object(json: &str) -> Map<String, Value> {
    serde_json::from_str(json).unwrap()
}

/// BSON of `{_data: MARK}` in base64, as `ResumeTokens.toBase64` writes it.
fn base64_of_mark() -> &'static str {
    "LwAAAAJfZGF0YQAfAAAAODI2QjAzQjNFMTAwMDAwMDAxMkIwMjI5Mjk2RTA0AAA="
}

#[test]
fn both_forms_of_the_token_are_the_same_position() {
    for (token, sec) in [(MARK, 0), (base64_of_mark(), -1)] {
        let value = object(&format!(r#"{{"sec":{sec},"ord":{sec},"resume_token":"{token}"}}"#));
        let StoredOffset::Token(position) = parse_offset(&value, Some(7)) else { panic!("{token}") };
        assert_eq!(position.time, Timestamp { t: 0x6B03_B3E1, i: 1 }, "the token's time, never sec");
        assert_eq!((position.kind, position.stored_at), (TokenKind::HighWaterMark, Some(7)));
        assert_eq!(position.token, format!(r#"{{"_data": "{MARK}"}}"#));
        assert_eq!(token_text(&value), Some(position.token));
    }
}

#[test]
fn a_snapshot_a_time_and_garbage_are_no_positions() {
    let read = |json: &str| parse_offset(&object(json), None);
    let copying = format!(r#"{{"sec":1,"ord":2,"initsync":true,"resume_token":"{MARK}"}}"#);
    assert_eq!(read(&copying), StoredOffset::Copying);
    assert_eq!(read(&copying.replace(":true", r#":"true""#)), StoredOffset::Copying);
    for not in [r#":"no""#, ":false"] {
        assert!(matches!(read(&copying.replace(":true", not)), StoredOffset::Token(_)), "{not}");
    }
    assert_eq!(read(r#"{"sec":1700000000,"ord":2}"#), StoredOffset::Opaque);
    assert_eq!(
        read(r#"{"sec":1,"ord":2,"resume_token":"garbage!"}"#),
        StoredOffset::Malformed { parses: true }
    );
    assert_eq!(read("{}"), StoredOffset::Malformed { parses: false });
    for anothers in [r#"{"pos":4}"#, r#"{"sec":4}"#, r#"{"ord":4}"#] {
        assert_eq!(read(anothers), StoredOffset::Malformed { parses: false }, "another connector's");
    }
}

#[test]
fn keys_are_told_apart() {
    let key = |json: &str| key_of(&object(json));
    assert_eq!(key(r#"{"ns":"mongodb://h/d.c"}"#).as_deref(), Some("mongodb://h/d.c"));
    assert_eq!(key(r#"{"server_id":"p"}"#).as_deref(), Some(r#"{"server_id":"p"}"#));
    assert_eq!(key(r#"{"server_id":"p","rs":"rs0"}"#).as_deref(), Some(r#"{"rs":"rs0","server_id":"p"}"#));
    assert_eq!(key(r#"{"server":"mysql"}"#), None);
    assert_eq!(key(r#"{"ns":5}"#), None);
}

#[track_caller]
fn live(pairs: &[(&str, &str)], version: Option<(u32, u32)>, keys: &[&str], expected: Observed<usize>) {
    let entries: Vec<StoredEntry> = keys
        .iter()
        .map(|ns| StoredEntry {
            ns: (*ns).to_owned(),
            offset: StoredOffset::Copying,
            text: None,
            bytes: None,
        })
        .collect();
    assert_eq!(pick_live_of_debezium(&config(pairs), version, &entries), expected, "{keys:?}");
}

#[test]
fn the_live_key_by_version() {
    let prefix = [("topic.prefix", "p"), ("mongodb.connection.string", "mongodb://h/?replicaSet=rs0")];
    let (new, old, other) =
        (r#"{"server_id":"p"}"#, r#"{"rs":"rs0","server_id":"p"}"#, r#"{"rs":"rs1","server_id":"p"}"#);
    let foreign = r#"{"server_id":"q"}"#;
    live(&prefix, Some((2, 6)), &[foreign, old, new], Ok(2));
    live(&prefix, Some((3, 2)), &[old], Ok(0));
    live(&prefix, Some((3, 2)), &[other], Err(Why::NoPosition));
    live(&prefix, Some((2, 5)), &[new, other, old], Ok(2));
    live(&prefix, Some((2, 5)), &[new], Err(Why::NoPosition));
    live(&prefix, None, &[new], Ok(0));
    live(&prefix, None, &[new, old], Err(Why::KeyAmbiguous));
    live(&prefix, Some((2, 6)), &["mongodb://h/p"], Err(Why::NoPosition));
    // The set's name is not known: one older key is it, of two nobody knows.
    let unnamed = [("mongodb.name", "p"), ("mongodb.hosts", "h:1")];
    live(&unnamed, Some((1, 9)), &[old], Ok(0));
    live(&unnamed, Some((1, 9)), &[old, other], Err(Why::KeyAmbiguous));
    live(&[("topic.prefix", "${env:P}")], Some((2, 6)), &[new], Err(Why::UriPlaceholder));
    live(&[], Some((2, 6)), &[new], Err(Why::NoPosition));
}

#[test]
fn the_connection_string_in_every_form() {
    let uri = |pairs: &[(&str, &str)]| connection_uri(&config(pairs)).into_owned();
    assert_eq!(uri(&[("connection.uri", " mongodb://h/ ")]), "mongodb://h/");
    let string = ("mongodb.connection.string", "mongodb://h:1,g:2/?replicaSet=rs0");
    assert_eq!(uri(&[string]), string.1);
    assert_eq!(
        uri(&[string, ("mongodb.user", "a@b"), ("mongodb.password", "p:w"), ("mongodb.ssl.enabled", "true")]),
        "mongodb://a%40b:p%3Aw@h:1,g:2/?authSource=admin&tls=true&replicaSet=rs0"
    );
    let own = ("mongodb.connection.string", "mongodb://u:p@h");
    assert_eq!(uri(&[own, ("mongodb.user", "x")]), "mongodb://u:p@h/");
    let hosts = ("mongodb.hosts", "rs0/h:1,g:2");
    assert_eq!(uri(&[hosts]), "mongodb://h:1,g:2/?replicaSet=rs0");
    let authorised =
        [hosts, ("mongodb.user", "u"), ("mongodb.password", "${file:/s:p}"), ("mongodb.authsource", "x")];
    assert_eq!(uri(&authorised), "mongodb://u:${file:/s:p}@h:1,g:2/?authSource=x&replicaSet=rs0");
    assert_eq!(uri(&[("mongodb.hosts", "h:1")]), "mongodb://h:1/");
    let several = uri(&[("mongodb.hosts", "rs0/h:1;rs1/g:2")]);
    assert_eq!(ConnectionString::parse(&several).err(), Some(Why::UriInvalid));
    assert_eq!(uri(&[]), "");
}

#[test]
fn settings() {
    let read = |pairs: &[(&str, &str)]| Debezium::from_config(&config(pairs)).unwrap();
    let plain = read(&[]);
    assert_eq!(plain.snapshot_mode, SnapshotMode::Initial);
    assert!(plain.checks_position && plain.retries_for_ever && !plain.starts_at_a_time);
    for (text, mode) in [
        ("Always", SnapshotMode::Always),
        ("initial_only", SnapshotMode::InitialOnly),
        ("never", SnapshotMode::NoData),
        ("no_data", SnapshotMode::NoData),
        ("when_needed", SnapshotMode::WhenNeeded),
        ("configuration_based", SnapshotMode::Other),
        ("${env:MODE}", SnapshotMode::Other),
    ] {
        assert_eq!(read(&[("snapshot.mode", text)]).snapshot_mode, mode, "{text}");
    }
    let odd = read(&[
        ("log.position.check.enable", "false"),
        ("errors.max.retries", "3"),
        ("capture.start.op.time", "1"),
        ("collection.include.list", "shop.*"),
    ]);
    assert!(!odd.checks_position && !odd.retries_for_ever && odd.starts_at_a_time);
    assert_eq!(odd.includes, "shop.*");
    assert_eq!(Debezium::from_config(&BTreeMap::new()), None);
}

#[test]
fn the_scope_of_the_stream() {
    let of = |pairs: &[(&str, &str)]| scope(&config(pairs));
    assert_eq!(of(&[("capture.scope", "collection"), ("capture.target", "shop.orders")]), "shop.orders");
    assert_eq!(of(&[("capture.scope", "database"), ("capture.target", "shop")]), "shop");
    assert_eq!(of(&[("capture.scope", "deployment"), ("capture.target", "shop")]), "");
    assert_eq!(of(&[("capture.target", "shop")]), "");
}
