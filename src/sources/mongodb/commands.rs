//! The four reads that are made of a member, and what their failures mean.

use mongodb::Client;
use mongodb::bson::{Document, Timestamp as BsonTimestamp, doc};
use mongodb::error::{Error, ErrorKind};
use mongodb::options::{FindOneOptions, ReadPreference, SelectionCriteria};
use resumeguard_core::domain::{FirstEntry, OplogSizes, Role, Timestamp, Why};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a member says of itself and its set (`hello`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// `host:port` under which the set knows it.
    pub me: Option<String>,
    /// Name of the set.
    pub set_name: String,
    /// Its role.
    pub role: Role,
    /// It says that it is primary in this election.
    pub election: Option<String>,
    /// Members that can become primary.
    pub hosts: Vec<String>,
    /// Members that cannot.
    pub passives: Vec<String>,
    /// Members without data.
    pub arbiters: Vec<String>,
    /// Clients are not told of it.
    pub hidden: bool,
    /// The running server process, where it tells (4.4 and newer): the same id is the same server, whatever its name.
    pub process: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Its `maxWireVersion`.
    pub wire_version: Option<i32>,
}

/// Why a member could not be read: a reason for programs, a line for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct ReadError {
    /// The reason.
    pub why: Why,
    /// The line, without the member's name.
    pub text: String,
}

impl ReadError {
    pub(super) fn new(why: Why, text: impl Into<String>) -> Self {
        Self { why, text: text.into() }
    }

    /// MongoDB's numbers: 13 Unauthorized, 18 AuthenticationFailed, 8000 Atlas' own.
    pub(super) fn from_driver(error: &Error) -> Self {
        let code =
            if let ErrorKind::Command(command) = error.kind.as_ref() { Some(command.code) } else { None };
        match (error.kind.as_ref(), code) {
            (ErrorKind::Authentication { .. }, _) | (_, Some(18)) => Self::new(
                Why::MongodbUnauthenticated,
                "refused the credentials; correct them or add a [mongodb.NAME]",
            ),
            (_, Some(13 | 8000)) => Self::new(
                Why::OplogUnauthorized,
                "the user may not read local.oplog.rs; grant clusterMonitor, or find and collStats on it",
            ),
            (_, Some(code)) => Self::new(Why::MemberUnreadable, format!("answered error {code}")),
            _ => Self::new(Why::MemberUnreadable, one_line(error)),
        }
    }
}

/// The driver's text, one line of at most 200 characters; it holds hosts, never credentials.
pub(super) fn one_line(error: &Error) -> String {
    error.kind.to_string().replace('\n', " ").chars().take(200).collect()
}

/// Reads go to the member that the client is connected to, whatever it is.
pub(super) fn any_member() -> SelectionCriteria {
    SelectionCriteria::ReadPreference(ReadPreference::Nearest { options: None })
}

/// `hello`.
pub(super) async fn hello(client: &Client, deadline: Duration) -> Result<Hello, ReadError> {
    let command = doc! { "hello": 1, "maxTimeMS": millis(deadline) };
    let reply = client
        .database("admin")
        .run_command(command)
        .selection_criteria(any_member())
        .await
        .map_err(|error| ReadError::from_driver(&error))?;
    if text(&reply, "msg") == Some("isdbgrid") {
        return Err(ReadError::new(
            Why::Sharded,
            "is a router of a sharded cluster: shards' oplogs cannot be read through it",
        ));
    }
    let Some(set_name) = text(&reply, "setName") else {
        return Err(ReadError::new(Why::NotReplicaSet, "is no member of an initiated replica set"));
    };
    let is = |key| reply.get_bool(key).unwrap_or(false);
    let role = match (is("isWritablePrimary"), is("secondary"), is("arbiterOnly")) {
        (true, _, _) => Role::Primary,
        (_, true, _) => Role::Secondary,
        (_, _, true) => Role::Arbiter,
        _ => Role::Other,
    };
    let tags = reply.get_document("tags").ok();
    Ok(Hello {
        me: text(&reply, "me").map(str::to_owned),
        set_name: set_name.to_owned(),
        role,
        election: (role == Role::Primary)
            .then(|| reply.get_object_id("electionId").ok().map(|id| id.to_hex()))
            .flatten(),
        hosts: strings(&reply, "hosts"),
        passives: strings(&reply, "passives"),
        arbiters: strings(&reply, "arbiters"),
        hidden: is("hidden"),
        process: reply
            .get_document("topologyVersion")
            .and_then(|version| version.get_object_id("processId"))
            .ok()
            .map(|id| id.to_hex()),
        tags: tags
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect(),
        wire_version: reply.get_i32("maxWireVersion").ok(),
    })
}

/// The oldest entry.
pub(super) async fn first(client: &Client, deadline: Duration) -> Result<FirstEntry, ReadError> {
    let entry = end_of_oplog(client, 1, deadline).await?;
    let message = entry.get_document("o").ok().and_then(|o| text(o, "msg"));
    let initiating = text(&entry, "op") == Some("n") && message == Some("initiating set");
    Ok(FirstEntry { time: time_of(&entry)?, initiating })
}

/// The newest entry's time and term.
pub(super) async fn last(client: &Client, deadline: Duration) -> Result<(Timestamp, Option<i64>), ReadError> {
    let entry = end_of_oplog(client, -1, deadline).await?;
    Ok((time_of(&entry)?, entry.get_i64("t").ok()))
}

/// One document from one end of the oplog: the server examines no other (`docsExamined` 1 on a real 6.0.5).
async fn end_of_oplog(client: &Client, direction: i32, deadline: Duration) -> Result<Document, ReadError> {
    let options = FindOneOptions::builder()
        .sort(doc! { "$natural": direction })
        .projection(doc! { "ts": 1, "t": 1, "op": 1, "o.msg": 1 })
        .max_time(deadline)
        .selection_criteria(any_member())
        .build();
    let oplog = client.database("local").collection::<Document>("oplog.rs");
    let entry = oplog
        .find_one(doc! {})
        .with_options(options)
        .await
        .map_err(|error| ReadError::from_driver(&error))?;
    entry.ok_or_else(|| {
        ReadError::new(Why::OplogEmpty, "its oplog holds no entry; has the replica set been initiated?")
    })
}

fn time_of(entry: &Document) -> Result<Timestamp, ReadError> {
    match entry.get_timestamp("ts") {
        Ok(BsonTimestamp { time, increment }) => Ok(Timestamp { t: time, i: increment }),
        Err(_) => Err(ReadError::new(Why::OplogEmpty, "its oplog's entries carry no time")),
    }
}

/// Size, maximum and retention; what may not be read stays unknown.
pub(super) async fn sizes(client: &Client, deadline: Duration) -> OplogSizes {
    let stats = doc! { "collStats": "oplog.rs", "maxTimeMS": millis(deadline) };
    let stats = client
        .database("local")
        .run_command(stats)
        .selection_criteria(any_member())
        .await
        .unwrap_or_default();
    // Every section that can be left out is: the whole reply costs the server fourteen times as much.
    let status = doc! {
        "serverStatus": 1, "maxTimeMS": millis(deadline), "oplogTruncation": 1,
        "metrics": 0, "wiredTiger": 0, "locks": 0, "tcmalloc": 0, "repl": 0, "opLatencies": 0, "network": 0, "connections": 0,
        "globalLock": 0, "asserts": 0, "extra_info": 0, "flowControl": 0, "indexBulkBuilder": 0, "indexStats": 0,
        "logicalSessionRecordCache": 0, "mirroredReads": 0, "opcounters": 0, "opcountersRepl": 0, "queryAnalyzers": 0,
        "readConcernCounters": 0, "readPreferenceCounters": 0, "scramCache": 0, "security": 0, "storageEngine": 0,
        "tenantMigrations": 0, "trafficRecording": 0, "transactions": 0, "transportSecurity": 0, "twoPhaseCommitCoordinator": 0,
        "watchdog": 0, "batchedDeletes": 0, "catalogStats": 0, "collectionCatalog": 0, "defaultRWConcern": 0,
        "electionMetrics": 0, "featureCompatibilityVersion": 0, "hedgingMetrics": 0, "internalTransactions": 0,
    };
    let status = client
        .database("admin")
        .run_command(status)
        .selection_criteria(any_member())
        .await
        .unwrap_or_default();
    let hours = status
        .get_document("oplogTruncation")
        .ok()
        .and_then(|section| number(section, "oplogMinRetentionHours"));
    OplogSizes {
        size_bytes: number(&stats, "size").and_then(whole),
        max_size_bytes: number(&stats, "maxSize").and_then(whole),
        min_retention_seconds: hours.filter(|hours| *hours > 0.0).and_then(|hours| whole(hours * 3600.0)),
    }
}

/// A number of whichever BSON type the server chose.
#[expect(clippy::cast_precision_loss, reason = "sizes below 2^53")]
fn number(document: &Document, key: &str) -> Option<f64> {
    let value = document.get(key)?;
    value.as_f64().or_else(|| value.as_i64().map(|v| v as f64)).or_else(|| value.as_i32().map(f64::from))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in range")]
fn whole(value: f64) -> Option<u64> {
    (0.0..9e15).contains(&value).then_some(value as u64)
}

pub(super) fn millis(deadline: Duration) -> i64 {
    i64::try_from(deadline.as_millis()).unwrap_or(i64::MAX).max(1)
}

fn text<'a>(document: &'a Document, key: &str) -> Option<&'a str> {
    document.get_str(key).ok()
}

fn strings(document: &Document, key: &str) -> Vec<String> {
    let items = document.get_array(key).map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
}
