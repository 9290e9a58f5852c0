//! Asking a server whether a stored token resumes: the connector's own namespace, pipeline and options, one event at the
//! most, its body left on the server, the cursor closed.
//!
//! Measured on mongod 6.0.5: `batchSize` 0 checks nothing; `$bsonSize` over the whole event raises 10334 where the event
//! is too large, which a projection alone would hide; an advanced `postBatchResumeToken` proves nothing of an event's
//! token; and a stream opened at the time of an event delivers that event first, which proves that it is of this stream.
//! The server reads on to the end of its oplog before it answers with fewer events than fill its own batch, whatever
//! `batchSize` says: on a quiet namespace some 350 000 entries a second.

use super::commands::{any_member, millis, one_line};
use super::set::Deployments;
use mongodb::Client;
use mongodb::bson::{Document, Timestamp as BsonTimestamp, doc};
use mongodb::error::{Error, ErrorKind};
use mongodb_resume_token::{Timestamp, TokenDocument};
use resumeguard_core::domain::{FailureClass, ProbeAnswer, Selection, Why};
use std::collections::BTreeMap;
use std::time::Duration;

/// Makes what the server reads of us recognisable to its administrators.
const COMMENT: &str = "resumeguard probe";

/// `MaxTimeMSExpired`.
const OUT_OF_TIME: u32 = 50;

/// `AuthenticationFailed`, which the driver reports without its number.
const AUTHENTICATION_FAILED: u32 = 18;

/// One connector's stream, as it would open it at a restart.
#[derive(Clone)]
pub struct Question {
    database: String,
    collection: Option<String>,
    /// Options of `$changeStream` besides the token.
    options: Document,
    stages: Vec<Document>,
    collation: Option<Document>,
    token: Document,
    /// The token's time, where it has one.
    time: Option<Timestamp>,
    /// The token names no event.
    is_mark: bool,
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
    /// What is stored is no document.
    #[error("what is stored is no document: the connector fails at start without asking the server")]
    NoDocument,
}

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The answer that decides among those of all members.
    pub answer: ProbeAnswer,
    /// The error code, where there was one.
    pub code: Option<u32>,
    /// Members that were asked, `host:port`.
    pub members: Vec<String>,
    /// Seconds of headroom that are proven, if that was asked.
    pub margin_seconds: Option<i64>,
    /// Why there is no answer: one line with what to do.
    pub problem: Option<String>,
}

/// What came when the stream was opened.
struct Opened {
    /// The token of the first event, if one came.
    first: Option<Document>,
    /// The newest time of the member, where it tells.
    newest: Option<Timestamp>,
}

/// What the server answered instead, or that it could not be reached.
struct Refused {
    code: Option<u32>,
    line: String,
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
        let (database, collection) = (value("database")?, value("collection")?);
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
            "" => Vec::new(),
            text => serde_json::from_str(text).map_err(|_| NoQuestion::Setting("pipeline"))?,
        };
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

    /// Asks every one of these members, each time bounded by `max_time` on the server, and takes the answer that helps
    /// least. With `margin_seconds` it is asked as well whether a position that much older would do.
    pub async fn ask(
        &self,
        members: &[(String, Client)],
        max_time: Duration,
        margin_seconds: Option<u32>,
    ) -> Asked {
        let nobody = "no member that the connector could select can be asked".to_owned();
        let mut asked = Asked {
            answer: ProbeAnswer::Inconclusive,
            code: None,
            members: members.iter().map(|(host, _)| host.clone()).collect(),
            margin_seconds: None,
            problem: Some(nobody),
        };
        let mut proven = margin_seconds.is_some();
        for (i, (host, client)) in members.iter().enumerate() {
            let (answer, code, problem) = self.ask_one(client, max_time).await;
            if i == 0 || asked.answer.or_worse(answer) != asked.answer {
                asked.code = code;
                asked.problem = problem.map(|line| format!("{host}: {line}"));
                asked.answer = answer;
            }
            if let Some(seconds) = margin_seconds.filter(|_| proven && answer == ProbeAnswer::Resumes) {
                proven = self.holds(client, seconds, max_time).await;
            }
        }
        if proven && asked.answer == ProbeAnswer::Resumes {
            asked.margin_seconds = margin_seconds.map(i64::from);
        }
        asked
    }

    async fn ask_one(
        &self,
        client: &Client,
        max_time: Duration,
    ) -> (ProbeAnswer, Option<u32>, Option<String>) {
        let mut after = self.options.clone();
        after.insert("startAfter", &self.token);
        let (answer, refused) = match self.open(client, after, max_time).await {
            Ok(opened) if opened.first.is_some() || self.is_past_mark(&opened) => {
                return (ProbeAnswer::Resumes, None, None);
            }
            Ok(_) => (ProbeAnswer::NotContradicted, None),
            Err(refused) => (refused.answer(), Some(refused)),
        };
        // Nothing came: the token's own event is looked for where it would be.
        if refused.is_none() {
            match self.own_event(client, max_time).await {
                Some(Ok(true)) => return (ProbeAnswer::Resumes, None, None),
                Some(Err(lost)) => return (lost, lost.refusal().and_then(|failure| failure.code), None),
                Some(Ok(false)) | None => {}
            }
        }
        let code = refused.as_ref().and_then(|refused| refused.code);
        let silent = matches!(answer, ProbeAnswer::Unauthorized | ProbeAnswer::Inconclusive);
        (answer, code, refused.filter(|_| silent).map(|refused| self.line(answer, &refused)))
    }

    /// A mark names no event that could be missing. One in the future is accepted too, in silence, and yields nothing;
    /// the newest that a server itself hands out is one tick ahead of its oplog.
    fn is_past_mark(&self, opened: &Opened) -> bool {
        let Some((time, newest)) = self.time.zip(opened.newest).filter(|_| self.is_mark) else {
            return false;
        };
        time <= Timestamp { i: newest.i.saturating_add(1), ..newest }
    }

    /// Whether the stream, opened at the token's time, begins with the token's event; the refusal, if that time is lost.
    async fn own_event(&self, client: &Client, max_time: Duration) -> Option<Result<bool, ProbeAnswer>> {
        let time = self.time.filter(|_| !self.is_mark)?;
        match self.open(client, self.at(time), max_time).await {
            Ok(Opened { first: Some(first), .. }) => {
                let same = TokenDocument::try_from(&first).ok() == TokenDocument::try_from(&self.token).ok();
                Some(Ok(same))
            }
            Ok(Opened { first: None, .. }) => Some(Ok(false)),
            Err(refused) => {
                let answer = refused.answer();
                Some(if is_lost(answer) { Err(answer) } else { Ok(false) })
            }
        }
    }

    /// Whether a position this much older would resume too. Where nothing was ever truncated the server accepts any
    /// time, so that one from the beginning of time must be refused for the answer to count.
    async fn holds(&self, client: &Client, seconds: u32, max_time: Duration) -> bool {
        let Some(older) =
            self.time.and_then(|time| Some(Timestamp { t: time.t.checked_sub(seconds)?, ..time }))
        else {
            return false;
        };
        if self.open(client, self.at(older), max_time).await.is_err() {
            return false;
        }
        let ever = self.open(client, self.at(Timestamp { t: 1, i: 1 }), max_time).await;
        ever.is_err_and(|refused| is_lost(refused.answer()))
    }

    fn at(&self, time: Timestamp) -> Document {
        let mut options = self.options.clone();
        options.insert("startAtOperationTime", BsonTimestamp { time: time.t, increment: time.i });
        options
    }

    /// Opens the stream, takes one event's token and closes the cursor again.
    async fn open(&self, client: &Client, options: Document, max_time: Duration) -> Result<Opened, Refused> {
        let mut pipeline = vec![doc! { "$changeStream": options }];
        pipeline.extend(self.stages.iter().cloned());
        // A splitting stage must be the last, and what it would split must not be projected away before.
        if !self.stages.iter().any(|stage| stage.contains_key("$changeStreamSplitLargeEvent")) {
            pipeline.push(doc! { "$project": { "_id": 1, "bytes": { "$bsonSize": "$$ROOT" } } });
        }
        let mut command = doc! {
            "aggregate": 1, "pipeline": pipeline, "cursor": { "batchSize": 1 }, "maxTimeMS": millis(max_time),
            "comment": COMMENT,
        };
        if let Some(collection) = &self.collection {
            command.insert("aggregate", collection);
        }
        if let Some(collation) = &self.collation {
            command.insert("collation", collation);
        }
        let database = client.database(&self.database);
        let reply = database.run_command(command).selection_criteria(any_member()).await;
        let reply = reply.map_err(|error| refused(&error))?;
        let missing = || Refused { code: None, line: "answered without a cursor".to_owned() };
        let cursor = reply.get_document("cursor").map_err(|_| missing())?;
        if let (Ok(id), Ok(namespace)) = (cursor.get_i64("id"), cursor.get_str("ns"))
            && id != 0
        {
            let of = namespace.split_once('.').map_or(namespace, |(_, of)| of);
            let kill = doc! { "killCursors": of, "cursors": [id], "comment": COMMENT };
            // One that cannot be closed ends by itself after ten idle minutes.
            let _closed = database.run_command(kill).selection_criteria(any_member()).await.is_ok();
        }
        let batch = cursor.get_array("firstBatch").map_err(|_| missing())?;
        let event = batch.first().and_then(|event| event.as_document());
        let newest = reply.get_timestamp("operationTime").ok();
        Ok(Opened {
            first: event.map(|event| event.get_document("_id").cloned().unwrap_or_default()),
            newest: newest.map(|at| Timestamp { t: at.time, i: at.increment }),
        })
    }

    fn line(&self, answer: ProbeAnswer, refused: &Refused) -> String {
        let namespace = self.namespace();
        match (answer, refused.code) {
            (_, Some(AUTHENTICATION_FAILED)) => {
                "refused the credentials; correct them or add a [mongodb.NAME]".to_owned()
            }
            (ProbeAnswer::Unauthorized, _) => {
                let role = match (&self.collection, namespace.as_str()) {
                    (None, "everything") => "readAnyDatabase has".to_owned(),
                    _ => format!("read on {} has", self.database),
                };
                format!(
                    "the user may not open a change stream on {namespace}; grant find and changeStream there, as {role} them"
                )
            }
            (_, Some(OUT_OF_TIME)) => format!(
                "the server was still reading its oplog for an event of {namespace} when the time was over; allow more, or ask when something has happened there"
            ),
            (_, Some(code)) => format!("answered error {code}, which says nothing of the token"),
            (_, None) => refused.line.clone(),
        }
    }
}

impl Refused {
    fn answer(&self) -> ProbeAnswer {
        self.code.map_or(ProbeAnswer::Inconclusive, ProbeAnswer::of_code)
    }
}

fn is_lost(answer: ProbeAnswer) -> bool {
    answer.refusal().is_some_and(|failure| failure.class == FailureClass::HistoryLost)
}

/// The server's own text is left out: it quotes tokens and, with them, document keys.
fn refused(error: &Error) -> Refused {
    if let ErrorKind::Command(command) = error.kind.as_ref() {
        return Refused { code: u32::try_from(command.code).ok(), line: String::new() };
    }
    let code = matches!(*error.kind, ErrorKind::Authentication { .. }).then_some(AUTHENTICATION_FAILED);
    Refused { code, line: one_line(error) }
}

impl Deployments {
    /// The members of a deployment that a connector could select now, with clients for them; of a sharded cluster a
    /// router, which asks every shard. Only members that may be dialled are known at all.
    #[must_use]
    pub fn selected(&self, deployment: &str, selection: &Selection) -> Vec<(String, Client)> {
        let Some(reader) = self.readers().iter().find(|reader| reader.meter.name == deployment) else {
            return Vec::new();
        };
        match reader.facts().members {
            Ok(members) => {
                let candidates = selection.candidates(&members).now;
                let client = |addresses: &std::collections::BTreeSet<String>| {
                    addresses.iter().find_map(|address| reader.members.get(address))
                };
                let known =
                    candidates.iter().filter_map(|m| Some((m.host.clone(), client(&m.addresses)?.client())));
                // One that cannot be asked leaves the whole without an answer.
                if known.clone().count() == candidates.len() { known.collect() } else { Vec::new() }
            }
            Err(Why::Sharded) => {
                let routers = reader
                    .first
                    .iter()
                    .filter(|(_, reading)| reading.as_ref().is_err_and(|error| error.why == Why::Sharded));
                routers
                    .filter_map(|(address, _)| Some((address.clone(), reader.members.get(address)?.client())))
                    .take(1)
                    .collect()
            }
            Err(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(Question::new(&BTreeMap::new(), "garbage").unwrap_err(), NoQuestion::NoDocument);
    }

    #[test]
    fn debug_shows_neither_token_nor_pipeline() {
        let question = question(&[("pipeline", "[{\"$match\": {\"name\": \"hunter2\"}}]")]).unwrap();
        let shown = format!("{question:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("826B03B3E1"), "{shown}");
    }
}
