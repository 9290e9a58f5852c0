//! A failed task's trace, classified by the error code wherever it stands in it (J7).

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What kind of failure it is; decides severity and which cures can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// The oplog no longer holds the position.
    HistoryLost,
    /// The token is not in this stream: other scope, other deployment, other options.
    WrongStream,
    /// The stored text is no token that the server accepts.
    TokenMalformed,
    /// An event over 16 MB; the token is fine, the next event is not.
    EventTooLarge,
    /// Credentials or rights.
    Unauthorized,
    /// A restart may help: network, elections, time-outs.
    Transient,
    /// Anything else.
    Other,
}

impl FailureClass {
    /// Every class.
    pub const ALL: [Self; 7] = [
        Self::HistoryLost,
        Self::WrongStream,
        Self::TokenMalformed,
        Self::EventTooLarge,
        Self::Unauthorized,
        Self::Transient,
        Self::Other,
    ];

    /// The word that metrics and JSON carry.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::HistoryLost => "history_lost",
            Self::WrongStream => "wrong_stream",
            Self::TokenMalformed => "token_malformed",
            Self::EventTooLarge => "event_too_large",
            Self::Unauthorized => "unauthorized",
            Self::Transient => "transient",
            Self::Other => "other",
        }
    }

    /// The class of a MongoDB error code. Codes: MongoDB's `error_codes.yml` and the assertion numbers seen on a real
    /// mongod 6.0.5; 40576 and 40585 are the 3.6/4.0 spellings of 286 and 280.
    #[must_use]
    pub fn of_code(code: u32) -> Self {
        match code {
            286 | 136 | 40576 => Self::HistoryLost,
            280 | 40585 | 260 => Self::WrongStream,
            9 | 15 | 40647..=40649 | 50795 | 50796 | 50808..=50833 | 50910 | 51057 | 6_189_500 => {
                Self::TokenMalformed
            }
            10334 => Self::EventTooLarge,
            13 | 18 | 33 | 8000 => Self::Unauthorized,
            6 | 7 | 43 | 50 | 63 | 89 | 91 | 133 | 150 | 189 | 234 | 262 | 9001 | 10107 | 11600 | 11602
            | 13388 | 13435 | 13436 => Self::Transient,
            _ => Self::Other,
        }
    }
}

/// How often something failed, by code (where the trace names one) and class.
pub type FailureCounts = BTreeMap<(Option<u32>, FailureClass), u64>;

/// Why a task failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Failure {
    /// MongoDB's error code, where the trace names one.
    pub code: Option<u32>,
    /// What it means for us.
    pub class: FailureClass,
}

/// Words before a code: drivers up to 5.5 and from 5.6 on write `with error 286 (…)`, `MongoQueryException` before
/// driver 4.8 writes `with error code 286`.
const CODE_MARKS: [&str; 2] = ["with error code ", "with error "];

/// The quoted server reply, if any, begins so, and holds `"code": 286`.
const REPLY: &str = "The full response is {";
const REPLY_MARK: &str = "\"code\": ";

/// From here on a trace quotes a document of somebody's, which may hold anything (mongo-kafka
/// `MongoSourceTask.createSourceRecord`: `Exception creating Source record for: Key=%s Value=%s`).
const DOCUMENT_MARKS: [&str; 2] = [" Key=", " Value="];

/// Texts without any code, with what they mean (mongo-kafka, Debezium, the Java driver, Kafka's client).
const TEXT_MARKS: [(&str, FailureClass); 14] = [
    ("ResumeToken not found. Cannot create a change stream cursor", FailureClass::HistoryLost),
    ("resume point may no longer be in the oplog", FailureClass::HistoryLost),
    // Debezium asks the server at its start and keeps the code to itself (`MongoDbConnectorTask.validate`).
    ("but this is no longer available on the server", FailureClass::HistoryLost),
    ("the resume token was not found", FailureClass::WrongStream),
    ("BSONObjectTooLarge", FailureClass::EventTooLarge),
    ("org.bson.json.JsonParseException", FailureClass::TokenMalformed),
    ("MongoSecurityException", FailureClass::Unauthorized),
    ("org.apache.kafka.common.errors.TopicAuthorizationException", FailureClass::Unauthorized),
    ("MongoTimeoutException", FailureClass::Transient),
    ("MongoSocket", FailureClass::Transient),
    ("MongoNotPrimaryException", FailureClass::Transient),
    ("MongoNodeIsRecoveringException", FailureClass::Transient),
    ("Timed out after ", FailureClass::Transient),
    ("org.apache.kafka.common.errors.TimeoutException", FailureClass::Transient),
];

impl Failure {
    /// Classifies a trace. The first line often says no more than `Failed to start MongoDB source task`: the whole
    /// chain is searched, and a code with a meaning wins over one without.
    #[must_use]
    pub fn of_trace(trace: &str) -> Self {
        let quoted = DOCUMENT_MARKS.iter().filter_map(|mark| trace.find(mark)).min();
        let trace = &trace[..quoted.unwrap_or(trace.len())];
        let mut first_code = None;
        for code in codes(trace) {
            let class = FailureClass::of_code(code);
            if class != FailureClass::Other {
                return Self { code: Some(code), class };
            }
            first_code.get_or_insert(code);
        }
        let by_text = TEXT_MARKS.iter().find(|(mark, _)| trace.contains(mark));
        Self { code: first_code, class: by_text.map_or(FailureClass::Other, |(_, class)| *class) }
    }
}

/// Every error code that the trace names, mark by mark.
fn codes(trace: &str) -> impl Iterator<Item = u32> + '_ {
    let reply = trace.find(REPLY).map_or("", |at| &trace[at..]);
    let marks = CODE_MARKS.iter().map(move |mark| (*mark, trace)).chain([(REPLY_MARK, reply)]);
    marks.flat_map(|(mark, text)| {
        text.match_indices(mark).filter_map(move |(at, _)| {
            let digits = text[at + mark.len()..].split(|c: char| !c.is_ascii_digit()).next()?;
            digits.parse().ok()
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(trace: &str, code: Option<u32>, class: FailureClass) {
        assert_eq!(Failure::of_trace(trace), Failure { code, class }, "{trace}");
    }

    #[test]
    fn every_grammar_of_the_drivers() {
        use FailureClass::*;
        check(
            "Command failed with error 286 (ChangeStreamHistoryLost): 'Resume of change stream was not possible' on server h:1",
            Some(286),
            HistoryLost,
        );
        check(
            "Command execution failed on MongoDB server with error 286 (ChangeStreamHistoryLost): 'x' on server h:1",
            Some(286),
            HistoryLost,
        );
        check("Query failed with error code 286 and error message 'x' on server h:1", Some(286), HistoryLost);
        check(
            "Query failed with error code 136 with name 'CappedPositionLost' and error message 'CollectionScan died'",
            Some(136),
            HistoryLost,
        );
        check(
            "The full response is {\"ok\": 0.0, \"code\": 280, \"codeName\": \"ChangeStreamFatalError\"}",
            Some(280),
            WrongStream,
        );
        check("Command failed with error 40576 (Location40576): ''", Some(40576), HistoryLost);
        check("Command failed with error 40585 (Location40585): ''", Some(40585), WrongStream);
        check("Command failed with error 260 (InvalidResumeToken): ''", Some(260), WrongStream);
        check(
            "Command failed with error 50811 (Location50811): 'KeyString format error'",
            Some(50811),
            TokenMalformed,
        );
        check(
            "Query failed with error code 10334 with name 'BSONObjectTooLarge'",
            Some(10334),
            EventTooLarge,
        );
        check("Command failed with error 13 (Unauthorized): ''", Some(13), Unauthorized);
        check("Command failed with error 20 (IllegalOperation): ''", Some(20), Other);
        check("Command failed with error 26 (NamespaceNotFound): ''", Some(26), Other);
        check("Command failed with error 40415 (Location40415): ''", Some(40415), Other);
        check("Command failed with error 189 (PrimarySteppedDown): ''", Some(189), Transient);
    }

    #[test]
    fn texts_without_a_code() {
        use FailureClass::*;
        check(
            "ConnectException: ResumeToken not found. Cannot create a change stream cursor",
            None,
            HistoryLost,
        );
        check(
            "Caused by: org.bson.json.JsonParseException: JSON reader was expecting a value",
            None,
            TokenMalformed,
        );
        check(
            "com.mongodb.MongoTimeoutException: Timed out after 30000 ms while waiting for a server",
            None,
            Transient,
        );
        check("java.lang.NullPointerException", None, Other);
        check("", None, Other);
    }

    #[test]
    fn a_code_with_a_meaning_wins_wherever_it_stands() {
        let trace =
            "failed with error 99999 (X)\nCaused by: Command failed with error 286 (ChangeStreamHistoryLost)";
        check(trace, Some(286), FailureClass::HistoryLost);
        // Numbers elsewhere are no codes.
        check("worker 286 retried 136 times", None, FailureClass::Other);
    }

    /// mongo-kafka quotes the document that it cannot convert: its own fields are no error of the server.
    #[test]
    fn a_document_in_a_trace_decides_nothing() {
        for document in [
            "{\"_id\": 1, \"code\": 286}",
            "{\"note\": \"Command failed with error 280 (X)\"}",
            "{\"note\": \"The full response is {\", \"code\": 10334}",
            "Struct{note=MongoTimeoutException\nCaused by: failed with error 286 (X)}",
        ] {
            let trace = format!(
                "org.apache.kafka.connect.errors.DataException: Exception creating Source record for: Key={document} Value={document}\n\tat x"
            );
            check(&trace, None, FailureClass::Other);
        }
        check("DataException: {\"code\": 286} is no document", None, FailureClass::Other);
    }

    #[test]
    fn the_trace_of_a_real_connect() {
        let status: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/data/status_task_failed_286.json")).unwrap();
        check(status["tasks"][0]["trace"].as_str().unwrap(), Some(286), FailureClass::HistoryLost);
    }
}
