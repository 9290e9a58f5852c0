//! What is asked about a token: the connector's own stream, as it would open it at a restart.

use mongodb::bson::{Bson, Document};
use mongodb_resume_token::{Timestamp, TokenDocument};
use resumeguard_core::domain::DEBEZIUM_NAMES;
use std::collections::BTreeMap;

/// The stages that MongoDB documents for change streams; none of them writes, or reads another collection.
const STAGES: [&str; 9] = [
    "$addFields",
    "$changeStreamSplitLargeEvent",
    "$match",
    "$project",
    "$redact",
    "$replaceRoot",
    "$replaceWith",
    "$set",
    "$unset",
];

/// Operators that run JavaScript on the server.
const CODE: [&str; 3] = ["$where", "$function", "$accumulator"];

/// One connector's stream, as it would open it at a restart.
#[derive(Clone)]
pub struct Question {
    pub(super) database: String,
    pub(super) collection: Option<String>,
    /// Options of `$changeStream` besides the token.
    pub(super) options: Document,
    pub(super) stages: Vec<Document>,
    pub(super) collation: Option<Document>,
    pub(super) token: Document,
    /// The token's time, where it has one.
    pub(super) time: Option<Timestamp>,
    /// The token names no event.
    pub(super) is_mark: bool,
}

/// Tokens hold document keys, pipelines may hold values: no `Debug` form shows them.
impl std::fmt::Debug for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Question").field("namespace", &self.namespace()).finish_non_exhaustive()
    }
}

/// Why there is nothing that could be asked: one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoQuestion {
    /// A setting that makes the stream what it is cannot be read.
    #[error(
        "its `{0}` holds a placeholder or is written in a form that is not read here; only the connector can tell"
    )]
    Setting(&'static str),
    /// A connector's pipeline is another tenant's input.
    #[error(
        "its `pipeline` holds a stage that is none of a change stream's, or code, which is not run for a stranger"
    )]
    Refused,
    /// What is stored is no document.
    #[error("what is stored is no document: the connector fails at start without asking the server")]
    NoDocument,
}

impl Question {
    /// The stream of a connector with this configuration, after this stored text. Keys and what is sent of them:
    /// `MongoSourceConfig` and `StartedMongoSourceTask` in mongo-kafka.
    ///
    /// # Errors
    /// Where something of it is not known.
    pub fn new(config: &BTreeMap<String, String>, stored: &str) -> Result<Self, NoQuestion> {
        let value = |key: &'static str| match config.get(key).map_or("", |value| value.trim()) {
            hidden if hidden.contains("${") => Err(NoQuestion::Setting(key)),
            value => Ok(value),
        };
        let (database, collection) = match value("connector.class")? {
            // Its pipeline only leaves events out: whether the token resumes does not depend on it.
            class if DEBEZIUM_NAMES.contains(&class) => match value("capture.scope")? {
                "" | "deployment" => ("", ""),
                _ => {
                    let target = value("capture.target")?;
                    target.split_once('.').unwrap_or((target, ""))
                }
            },
            _ => (value("database")?, value("collection")?),
        };
        let mut options = Document::new();
        for (key, option) in [
            ("change.stream.full.document", "fullDocument"),
            ("change.stream.full.document.before.change", "fullDocumentBeforeChange"),
        ] {
            let wanted = value(key)?;
            if !wanted.is_empty() && wanted != "default" {
                options.insert(option, wanted);
            }
        }
        if value("publish.full.document.only")?.eq_ignore_ascii_case("true") {
            // Whatever the other setting says (`MongoSourceConfig.getFullDocument`).
            options.insert("fullDocument", "updateLookup");
        }
        if value("change.stream.show.expanded.events")?.eq_ignore_ascii_case("true") {
            options.insert("showExpandedEvents", true);
        }
        if database.is_empty() {
            options.insert("allChangesForCluster", true);
        }
        let stages = match value("pipeline")? {
            "" => Vec::<Document>::new(),
            text => serde_json::from_str(text).map_err(|_| NoQuestion::Setting("pipeline"))?,
        };
        if !is_harmless(&stages) {
            return Err(NoQuestion::Refused);
        }
        let collation = match value("collation")? {
            "" => None,
            text => Some(serde_json::from_str(text).map_err(|_| NoQuestion::Setting("collation"))?),
        };
        let known = TokenDocument::from_json(stored).ok();
        let decoded = known.as_ref().and_then(|token| token.decode().ok());
        let token = match &known {
            Some(token) => Document::from(token),
            None => serde_json::from_str(stored).map_err(|_| NoQuestion::NoDocument)?,
        };
        Ok(Self {
            database: if database.is_empty() { "admin" } else { database }.to_owned(),
            collection: (!database.is_empty() && !collection.is_empty()).then(|| collection.to_owned()),
            options,
            stages,
            collation,
            token,
            time: decoded.as_ref().and_then(|token| token.cluster_time),
            is_mark: decoded.is_some_and(|token| token.is_high_water_mark()),
        })
    }

    /// What is watched, for people.
    #[must_use]
    pub fn namespace(&self) -> String {
        match &self.collection {
            Some(collection) => format!("{}.{collection}", self.database),
            None if self.options.contains_key("allChangesForCluster") => "everything".to_owned(),
            None => self.database.clone(),
        }
    }
}

/// A pipeline is sent with our credentials, which may be allowed more than its author's.
fn is_harmless(stages: &[Document]) -> bool {
    fn holds_code(value: &Bson) -> bool {
        if let Some(fields) = value.as_document() {
            return fields.iter().any(|(name, value)| CODE.contains(&name.as_str()) || holds_code(value));
        }
        match value.as_array() {
            Some(values) => values.iter().any(holds_code),
            None => matches!(value, Bson::JavaScriptCode(_) | Bson::JavaScriptCodeWithScope(_)),
        }
    }
    let known = |stage: &Document| stage.keys().all(|name| STAGES.contains(&name.as_str()));
    stages.iter().all(|stage| known(stage) && !stage.values().any(holds_code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::bson::doc;

    const MARK: &str = "{\"_data\": \"826B03B3E1000000012B0229296E04\"}";

    fn question(pairs: &[(&str, &str)]) -> Result<Question, NoQuestion> {
        let config = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Question::new(&config, MARK)
    }

    #[test]
    fn the_connectors_own_stream() {
        let question = question(&[
            ("database", "shop"),
            ("pipeline", "[{\"$match\": {\"n\": {\"$gt\": {\"$numberLong\": \"5\"}}}}]"),
            ("change.stream.full.document", "updateLookup"),
            ("change.stream.full.document.before.change", "default"),
            ("change.stream.show.expanded.events", "TRUE"),
            ("collation", "{\"locale\": \"de\"}"),
        ])
        .unwrap();
        let options = doc! { "fullDocument": "updateLookup", "showExpandedEvents": true };
        assert_eq!((question.options, question.collation), (options, Some(doc! { "locale": "de" })));
        assert_eq!(question.stages, [doc! { "$match": { "n": { "$gt": 5_i64 } } }], "extended JSON");
        assert!((question.database.as_str(), question.collection, question.is_mark) == ("shop", None, true));
    }

    #[test]
    fn publishing_full_documents_only_asks_for_them() {
        let question = question(&[("database", "d"), ("publish.full.document.only", "true")]).unwrap();
        assert_eq!(question.options, doc! { "fullDocument": "updateLookup" });
    }

    #[test]
    fn everything_is_watched_from_admin() {
        let question = question(&[("collection", "without_a_database")]).unwrap();
        assert_eq!(question.options, doc! { "allChangesForCluster": true });
        assert_eq!((question.namespace().as_str(), question.collection), ("everything", None));
    }

    #[test]
    fn what_is_hidden_or_cannot_be_read_is_not_guessed() {
        let no = |key, value| question(&[(key, value)]).unwrap_err();
        assert_eq!(no("pipeline", "${file:/etc/p:pipeline}"), NoQuestion::Setting("pipeline"));
        assert_eq!(no("pipeline", "[{$match: {a: 1}}]"), NoQuestion::Setting("pipeline"));
        assert_eq!(no("database", "${env:DB}"), NoQuestion::Setting("database"));
        for harmful in [
            r#"[{"$out": "c"}]"#,
            r#"[{"$match": {}}, {"$merge": {"into": "c"}}]"#,
            r#"[{"$lookup": {"from": "c"}}]"#,
            r#"[{"$match": {"$or": [{"$where": "sleep(1)"}]}}]"#,
            r#"[{"$project": {"a": {"$function": {"body": "", "args": [], "lang": "js"}}}}]"#,
        ] {
            assert_eq!(no("pipeline", harmful), NoQuestion::Refused, "{harmful}");
        }
        assert_eq!(Question::new(&BTreeMap::new(), "garbage").unwrap_err(), NoQuestion::NoDocument);
    }

    #[test]
    fn debug_shows_neither_token_nor_pipeline() {
        let question = question(&[("pipeline", "[{\"$match\": {\"name\": \"hunter2\"}}]")]).unwrap();
        let shown = format!("{question:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("826B03B3E1"), "{shown}");
    }
}
