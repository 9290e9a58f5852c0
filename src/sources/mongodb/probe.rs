//! Asking a server whether a stored token resumes: the connector's own namespace, pipeline and options, one event at the
//! most, its body left on the server, the cursor closed.
//!
//! Measured on mongod 6.0.5: `batchSize` 0 checks nothing; `$bsonSize` over the whole event raises 10334 where the event
//! is too large, which a projection alone would hide; an advanced `postBatchResumeToken` proves nothing of an event's
//! token; and a stream opened at the time of an event delivers that event first, which proves that it is of this stream.
//! The server reads on to the end of its oplog before it answers with fewer events than fill its own batch, whatever
//! `batchSize` says: on a quiet namespace some 350 000 entries a second.

use super::commands::{any_member, millis, one_line};
use super::question::Question;
use super::set::Deployments;
use futures_util::future::join_all;
use mongodb::Client;
use mongodb::bson::{Document, Timestamp as BsonTimestamp, doc};
use mongodb::error::{Error, ErrorKind};
use mongodb_resume_token::{Timestamp, TokenDocument};
use resumeguard_core::domain::{FailureClass, ProbeAnswer, Selection, Why};
use std::time::Duration;

/// Makes what the server reads of us recognisable to its administrators.
const COMMENT: &str = "resumeguard probe";

/// A margin is worth this part of the time: without it there is still an answer.
const MARGIN_SHARE: u32 = 4;

/// `MaxTimeMSExpired`.
const OUT_OF_TIME: u32 = 50;

/// `AuthenticationFailed`, which the driver reports without its number.
const AUTHENTICATION_FAILED: u32 = 18;

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
    /// Asks every one of these members at once, each question bounded by `max_time` on the server, and takes the answer
    /// that helps least. With `margin_seconds` it is asked as well whether a position that much older would do. At most
    /// two questions to each, and two shorter ones for the margin.
    pub async fn ask(
        &self,
        members: &[(String, Client)],
        max_time: Duration,
        margin_seconds: Option<u32>,
    ) -> Asked {
        let answers = members.iter().map(async |(host, client)| {
            let (answer, code, problem) = self.ask_one(client, max_time).await;
            let asked_for = margin_seconds.filter(|_| answer == ProbeAnswer::Resumes);
            let margin_seconds = match asked_for {
                Some(seconds) if self.holds(client, seconds, max_time / MARGIN_SHARE).await => {
                    Some(i64::from(seconds))
                }
                _ => None,
            };
            let problem = problem.map(|line| format!("{host}: {line}"));
            Asked { answer, code, members: vec![host.clone()], margin_seconds, problem }
        });
        let worst = join_all(answers).await.into_iter().reduce(Asked::or_worse);
        worst.unwrap_or_else(|| Asked {
            answer: ProbeAnswer::Inconclusive,
            code: None,
            members: Vec::new(),
            margin_seconds: None,
            problem: Some("no member that the connector could select can be asked".to_owned()),
        })
    }

    async fn ask_one(
        &self,
        client: &Client,
        max_time: Duration,
    ) -> (ProbeAnswer, Option<u32>, Option<String>) {
        let mut after = self.options.clone();
        after.insert("startAfter", &self.token);
        let outcome = match self.open(client, after, max_time).await {
            Ok(opened) if opened.first.is_some() || self.is_past_mark(&opened) => Ok(ProbeAnswer::Resumes),
            // Nothing came: the token's own event is looked for where it would be.
            Ok(_) => self.own_event(client, max_time).await,
            Err(refused) => Err(refused),
        };
        match outcome {
            Ok(answer) => (answer, None, None),
            Err(refused) => {
                let answer = refused.answer();
                let problem = answer.refusal().is_none().then(|| self.line(answer, &refused));
                (answer, refused.code, problem)
            }
        }
    }

    /// A mark names no event that could be missing. One in the future is accepted too, in silence, and yields nothing;
    /// the newest that a server itself hands out is one tick ahead of its oplog.
    fn is_past_mark(&self, opened: &Opened) -> bool {
        let Some((time, newest)) = self.time.zip(opened.newest).filter(|_| self.is_mark) else {
            return false;
        };
        time <= Timestamp { i: newest.i.saturating_add(1), ..newest }
    }

    /// Whether the stream, opened at the token's time, begins with the token's event.
    async fn own_event(&self, client: &Client, max_time: Duration) -> Result<ProbeAnswer, Refused> {
        let Some(time) = self.time.filter(|_| !self.is_mark) else { return Ok(ProbeAnswer::NotContradicted) };
        let first = match self.open(client, self.at(time), max_time).await {
            Ok(opened) => opened.first,
            // What is wrong with the event itself says nothing of what comes after it.
            Err(refused) if refused.answer().refusal().is_some() && !is_lost(refused.answer()) => None,
            Err(refused) => return Err(refused),
        };
        let first = first.and_then(|first| TokenDocument::try_from(&first).ok());
        let same = first.is_some() && first == TokenDocument::try_from(&self.token).ok();
        Ok(if same { ProbeAnswer::Resumes } else { ProbeAnswer::NotContradicted })
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

impl Asked {
    /// The answer of one more member: the worse one decides, and a margin must be proven by all.
    fn or_worse(self, other: Self) -> Self {
        let members = [self.members.clone(), other.members.clone()].concat();
        let margin_seconds = self.margin_seconds.min(other.margin_seconds);
        let worse = if self.answer.or_worse(other.answer) == self.answer { self } else { other };
        Self { members, margin_seconds, ..worse }
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
