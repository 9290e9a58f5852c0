//! The four reads that are made of a member, and what their failures mean.

use super::product::Product;
use crate::sources::tls::TlsProblem;
use mongodb::Client;
use mongodb::bson::{Document, Timestamp as BsonTimestamp, doc};
use mongodb::error::{Error, ErrorKind};
use mongodb::options::{FindOneOptions, ReadPreference, SelectionCriteria};
use resumeguard_core::domain::{FirstEntry, Role, Timestamp, Why};
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
    /// Its clock, seconds since 1970.
    pub local_time: Option<u32>,
    /// What it is, where it is no MongoDB.
    pub product: Option<Product>,
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
                "the user may not read local.oplog.rs; grant clusterMonitor, or what docs/permissions.md lists",
            ),
            // NotPrimaryOrSecondary, NotPrimaryNoSecondaryOk.
            (_, Some(13_436 | 13_435)) => Self::new(
                Why::MemberUnreadable,
                "is neither primary nor secondary: starting, recovering, or in its initial synchronisation",
            ),
            (_, Some(code)) => Self::new(Why::MemberUnreadable, format!("answered error {code}")),
            _ => match TlsProblem::of(&error.to_string()) {
                Some(problem) => Self::new(Why::MongodbUnreachable, problem.sentence("mongodb.NAME")),
                None => Self::new(Why::MemberUnreadable, one_line(error)),
            },
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
pub(super) async fn hello(client: &Client, address: &str, deadline: Duration) -> Result<Hello, ReadError> {
    let command = doc! { "hello": 1, "maxTimeMS": millis(deadline) };
    let reply = client
        .database("admin")
        .run_command(command)
        .selection_criteria(any_member())
        .await
        .map_err(|error| ReadError::from_driver(&error))?;
    if Product::of(address, &reply) == Some(Product::CosmosDb) {
        return Err(ReadError::new(
            Why::NoOplog,
            "is Azure Cosmos DB: it has no oplog, and nothing tells how long it keeps history",
        ));
    }
    if text(&reply, "msg") == Some("isdbgrid") {
        return Err(ReadError::new(
            Why::Sharded,
            "is a router of a sharded cluster: shards' oplogs cannot be read through it; add a [mongodb.NAME.shards.SHARD] for each",
        ));
    }
    let Some(set_name) = text(&reply, "setName") else {
        return Err(ReadError::new(Why::NotReplicaSet, "is no member of an initiated replica set"));
    };
    let is = |key| reply.get_bool(key).unwrap_or(false);
    let clock = reply.get_datetime("localTime").ok().map(|time| time.timestamp_millis() / 1000);
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
        local_time: clock.and_then(|seconds| u32::try_from(seconds).ok()),
        product: Product::of(address, &reply),
    })
}

/// The shards that a router knows, and the set of each (`listShards`, of `clusterMonitor`).
pub(super) async fn shards(
    client: &Client,
    deadline: Duration,
) -> Result<BTreeMap<String, String>, ReadError> {
    let command = doc! { "listShards": 1, "maxTimeMS": millis(deadline) };
    let reply = client.database("admin").run_command(command).await.map_err(|error| {
        let error = ReadError::from_driver(&error);
        if error.why != Why::OplogUnauthorized {
            return error;
        }
        let text = "may not say which shards there are: grant listShards on the cluster (part of clusterMonitor) at the router";
        ReadError::new(Why::Sharded, text)
    })?;
    let listed = reply.get_array("shards").map(Vec::as_slice).unwrap_or_default();
    let shards: Option<BTreeMap<String, String>> = listed
        .iter()
        .map(|shard| {
            let shard = shard.as_document()?;
            let (set, _) = text(shard, "host")?.split_once('/')?;
            Some((text(shard, "_id")?.to_owned(), set.to_owned()))
        })
        .collect();
    shards
        .filter(|shards| !shards.is_empty())
        .ok_or_else(|| ReadError::new(Why::Sharded, "its list of shards cannot be understood"))
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

/// A number of whichever BSON type the server chose.
#[expect(clippy::cast_precision_loss, reason = "sizes below 2^53")]
pub(super) fn number(document: &Document, key: &str) -> Option<f64> {
    let value = document.get(key)?;
    value.as_f64().or_else(|| value.as_i64().map(|v| v as f64)).or_else(|| value.as_i32().map(f64::from))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in range")]
pub(super) fn whole(value: f64) -> Option<u64> {
    (0.0..9e15).contains(&value).then_some(value as u64)
}

pub(super) fn millis(deadline: Duration) -> i64 {
    i64::try_from(deadline.as_millis()).unwrap_or(i64::MAX).max(1)
}

pub(super) fn text<'a>(document: &'a Document, key: &str) -> Option<&'a str> {
    document.get_str(key).ok()
}

fn strings(document: &Document, key: &str) -> Vec<String> {
    let items = document.get_array(key).map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
}
