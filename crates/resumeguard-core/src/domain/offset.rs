//! The value that a MongoDB source connector stores: a flat map whose `_id` is a token document as JSON text; Debezium's
//! keeps it elsewhere ([`super::debezium`]).

use super::{Position, StoredOffset, Timestamp, debezium};
use mongodb_resume_token::{Event, Format, Token, TokenDocument};
use serde::Serialize;
use serde_json::{Map, Value};

/// What a token stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenKind {
    /// One event.
    Event,
    /// A moment without an event (heartbeats).
    HighWaterMark,
}

impl TokenKind {
    /// The word that JSON carries.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::HighWaterMark => "high-water-mark",
        }
    }
}

/// Which change streams end at an event: a restart from its token opens without one (RG022).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StreamEnd {
    /// None: the event is an ordinary one.
    None,
    /// Those of one collection: it was dropped or renamed.
    OfCollection,
    /// Those of one database, and of its collections: it was dropped.
    OfDatabase,
    /// Whichever stream it was: the token is that of its invalidate event.
    Every,
}

/// Reads one stored offset value. Forms: mongo-kafka `StartedMongoSourceTask`, `MongoCopyDataManager`,
/// `HeartbeatManager`. `stored_at` is when it was stored, seconds since 1970, where the source tells.
#[must_use]
pub fn parse_offset(offset: &Map<String, Value>, stored_at: Option<i64>) -> StoredOffset {
    let Some(Value::String(text)) = offset.get("_id") else {
        if let Some(other) = debezium::parse(offset, stored_at).filter(|_| !offset.contains_key("_id")) {
            return other;
        }
        return StoredOffset::Malformed { parses: false };
    };
    let Ok(Value::Object(document)) = serde_json::from_str(text) else {
        return StoredOffset::Malformed { parses: false };
    };
    if offset.get("copy").is_some_and(is_true) || document.get("copyingData").is_some_and(is_true) {
        return StoredOffset::Copying;
    }
    token(text, stored_at)
}

fn is_true(value: &Value) -> bool {
    value.as_bool() == Some(true) || value.as_str() == Some("true")
}

pub(super) fn token(text: &str, stored_at: Option<i64>) -> StoredOffset {
    let Ok(document) = TokenDocument::from_json(text) else {
        return StoredOffset::Malformed { parses: true };
    };
    match document.decode() {
        Ok(token) => match (token.format, token.cluster_time) {
            (Format::BinData | Format::V0 | Format::V1 | Format::V2, Some(time)) => {
                StoredOffset::Token(position(text, &token, time, stored_at))
            }
            (Format::DocumentDb, Some(time)) => {
                StoredOffset::DocumentDb(position(text, &token, time, stored_at))
            }
            _ => StoredOffset::Opaque,
        },
        Err(_) => StoredOffset::Malformed { parses: true },
    }
}

fn position(text: &str, token: &Token, time: Timestamp, stored_at: Option<i64>) -> Position {
    Position {
        token: text.to_owned(),
        time,
        kind: kind(token),
        ends: ends(token),
        collection: token.uuid.map(|uuid| uuid.0),
        type_bits_missing: token.type_bits_missing,
        stored_at,
    }
}

fn kind(token: &Token) -> TokenKind {
    if token.is_high_water_mark() { TokenKind::HighWaterMark } else { TokenKind::Event }
}

/// Which streams the token's event has ended.
fn ends(token: &Token) -> StreamEnd {
    match token.event() {
        Event::Invalidate => StreamEnd::Every,
        Event::DropDatabase => StreamEnd::OfDatabase,
        Event::Drop | Event::Rename | Event::DropOrRename => StreamEnd::OfCollection,
        Event::HighWaterMark | Event::Change(_) | Event::Other(_) | Event::Unknown | _ => StreamEnd::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn parse(offset: &str) -> StoredOffset {
        parse_offset(serde_json::from_str::<Value>(offset).unwrap().as_object().unwrap(), Some(7))
    }

    #[track_caller]
    fn check(offset: &str, t: u32, i: u32, kind: TokenKind) {
        let StoredOffset::Token(position) = parse(offset) else { panic!("no token in {offset}") };
        assert_eq!((position.time, position.kind, position.stored_at), (Timestamp { t, i }, kind, Some(7)));
    }

    #[test]
    fn events_and_heartbeats_of_a_real_connector() {
        let event = r#"{"_id":"{\"_data\": \"825E8DB54F000000012B022C0100296E5A1004BDB3105CB8B44265BB704E58E8EA8B0446645F696400645E8DB54FF368D1BC67ABE7AE0004\"}"}"#;
        check(event, 0x5E8D_B54F, 1, TokenKind::Event);
        let heartbeat = r#"{"_id":"{\"_data\": \"826B03B3E1000000012B0229296E04\"}","HEARTBEAT":"true"}"#;
        check(heartbeat, 0x6B03_B3E1, 1, TokenKind::HighWaterMark);
        let binary = r#"{"_id":"{\"_data\": {\"$binary\": {\"base64\": \"glpf/ZQAAAAURmRfaWQAZFpf/ZRZQf7HjFuQcgBaEATVeznc1WVNqrG9KqNab5iABA==\", \"subType\": \"00\"}}}"}"#;
        assert!(matches!(parse(binary), StoredOffset::Token(_)));
    }

    #[test]
    fn a_valid_time_before_a_garbled_tail_is_no_token() {
        let garbled = r#"{"_id":"{\"_data\": \"826B03B4EA000000082B042C0100296E5A1004BBCF\"}"}"#;
        assert_eq!(parse(garbled), StoredOffset::Malformed { parses: true });
        let document_db = r#"{"_id":"{\"_data\": \"016353A45900000001010000000100000000\"}"}"#;
        let StoredOffset::DocumentDb(position) = parse(document_db) else { panic!("none of DocumentDB's") };
        assert_eq!(position.time, Timestamp { t: 0x6353_A459, i: 1 });
    }

    #[test]
    fn tokens_at_which_streams_end() {
        let ends = |data: &str| {
            let offset = parse(&format!("{{\"_id\":\"{{\\\"_data\\\": \\\"{data}\\\"}}\"}}"));
            let StoredOffset::Token(position) = offset else { panic!("{offset:?}") };
            position.ends
        };
        assert_eq!(ends("826B03B261000000662B022C0100296E04"), StreamEnd::OfDatabase);
        assert_eq!(ends("826B03B3E1000000012B0229296E04"), StreamEnd::None);
    }

    #[test]
    fn a_copy_position_is_no_token() {
        assert_eq!(
            parse(r#"{"_id":"{\"_id\": 5, \"copyingData\": true}","copy":"true"}"#),
            StoredOffset::Copying
        );
        assert_eq!(parse(r#"{"_id":"{\"_id\": 5, \"copyingData\": true}"}"#), StoredOffset::Copying);
        assert_eq!(parse(r#"{"_id":"{\"_id\": 5}","copy":"true"}"#), StoredOffset::Copying);
        let heartbeat = r#"{"_id":"{\"_data\": \"826B03B3E1000000012B0229296E04\", \"copyingData\": false}","copy":"false"}"#;
        assert!(matches!(parse(heartbeat), StoredOffset::Token(_)), "neither is true");
    }

    #[test]
    fn what_fails_at_start_is_told_from_what_the_server_refuses() {
        let fails = StoredOffset::Malformed { parses: false };
        for garbage in [r#"{"_id":"garbage"}"#, r#"{"_id":"null"}"#, r#"{"_id":{"_data":"82"}}"#, "{}"] {
            assert_eq!(parse(garbage), fails, "{garbage}");
        }
        let stalls = StoredOffset::Malformed { parses: true };
        for garbage in
            [r#"{"_id":"{\"_data\": \"82zz\"}"}"#, r#"{"_id":"{\"_data\": \"\"}"}"#, r#"{"_id":"{}"}"#]
        {
            assert_eq!(parse(garbage), stalls, "{garbage}");
        }
    }
}
