//! Debezium's MongoDB connector: what it stores, under which key, and which of its settings matter. Versions are those
//! of its source (`io.debezium.connector.mongodb`: `MongoDbPartition`, `MongoDbOffsetContext`, `SourceInfo`).

use super::{ConnectionString, Observed, StoredEntry, StoredOffset, Why, offset};
use mongodb_resume_token::{TokenDocument, find_token};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Its Java class.
pub const DEBEZIUM_SOURCE: &str = "io.debezium.connector.mongodb.MongoDbConnector";

/// The names by which a configuration may call it: Connect resolves the simple name, with or without its suffix.
pub const DEBEZIUM_NAMES: [&str; 3] = [DEBEZIUM_SOURCE, "MongoDbConnector", "MongoDb"];

/// The settings that are read here.
pub const DEBEZIUM_SETTINGS: [&str; 19] = [
    "connector.class",
    "mongodb.connection.string",
    "mongodb.hosts",
    "mongodb.name",
    "mongodb.user",
    "mongodb.password",
    "mongodb.authsource",
    "mongodb.ssl.enabled",
    "topic.prefix",
    "snapshot.mode",
    "log.position.check.enable",
    "errors.max.retries",
    "capture.start.op.time",
    "capture.scope",
    "capture.target",
    "collection.include.list",
    "collection.whitelist",
    "database.include.list",
    "database.whitelist",
];

/// What it does about existing data (`snapshot.mode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotMode {
    /// Copies it at every start (since 2.6).
    Always,
    /// Copies it where nothing is stored; the default.
    Initial,
    /// Copies it and ends (since 2.6).
    InitialOnly,
    /// Never copies: `no_data`, `never` before 2.6.
    NoData,
    /// Copies it where nothing is stored, or what is stored is lost (since 2.6).
    WhenNeeded,
    /// `configuration_based`, `custom`, a placeholder, or a mode that this version does not know.
    Other,
}

/// The settings that decide what a restart does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Debezium {
    /// `snapshot.mode`.
    pub snapshot_mode: SnapshotMode,
    /// `log.position.check.enable` (since 2.6, internal), on by default: asks the server at a start whether the position resumes.
    pub checks_position: bool,
    /// `errors.max.retries` is −1, the default: a stream that cannot be opened is tried for ever, and the task is RUNNING.
    pub retries_for_ever: bool,
    /// `capture.start.op.time` is set: without a position it begins there.
    pub starts_at_a_time: bool,
    /// What its include lists let through, for people; the stream itself may be wider.
    pub includes: String,
}

/// A setting, trimmed; `None` where it is empty.
fn setting<'a>(config: &'a BTreeMap<String, String>, key: &str) -> Option<&'a str> {
    config.get(key).map(|value| value.trim()).filter(|value| !value.is_empty())
}

impl Debezium {
    /// Reads them; `None` for a connector of another class.
    #[must_use]
    pub fn from_config(config: &BTreeMap<String, String>) -> Option<Self> {
        let value = |key| setting(config, key);
        value("connector.class").filter(|class| DEBEZIUM_NAMES.contains(class))?;
        let lists = [
            "collection.include.list",
            "collection.whitelist",
            "database.include.list",
            "database.whitelist",
        ];
        Some(Self {
            snapshot_mode: match value("snapshot.mode").map(str::to_ascii_lowercase).as_deref() {
                None | Some("initial") => SnapshotMode::Initial,
                Some("always") => SnapshotMode::Always,
                Some("initial_only") => SnapshotMode::InitialOnly,
                Some("never" | "no_data") => SnapshotMode::NoData,
                Some("when_needed") => SnapshotMode::WhenNeeded,
                Some(_) => SnapshotMode::Other,
            },
            checks_position: value("log.position.check.enable") != Some("false"),
            retries_for_ever: value("errors.max.retries").is_none_or(|times| times == "-1"),
            starts_at_a_time: value("capture.start.op.time").is_some(),
            includes: lists.into_iter().find_map(value).unwrap_or_default().to_owned(),
        })
    }
}

/// What its change stream watches: everything, unless `capture.scope` (since 2.5) narrows it to `capture.target`.
pub(super) fn scope(config: &BTreeMap<String, String>) -> String {
    let narrowed =
        setting(config, "capture.scope").is_some_and(|scope| !scope.eq_ignore_ascii_case("deployment"));
    let target = if narrowed { setting(config, "capture.target") } else { None };
    target.unwrap_or_default().to_owned()
}

/// The connection string of a connector: its own, or one put together from Debezium's older settings
/// (`mongodb.hosts=rs0/h1:27017,h2:27017`, until 2.2). It may hold credentials: treat it as a secret.
#[must_use]
pub fn connection_uri(config: &BTreeMap<String, String>) -> Cow<'_, str> {
    if let Some(uri) = setting(config, "connection.uri") {
        return Cow::Borrowed(uri);
    }
    if let Some(uri) = setting(config, "mongodb.connection.string") {
        return with_credentials(uri, config);
    }
    let Some(hosts) = setting(config, "mongodb.hosts") else { return Cow::Borrowed("") };
    let (set, hosts) = match hosts.split_once('/') {
        // Of several sets each is a deployment of its own.
        Some((set, hosts)) if !hosts.contains(['/', ';']) => (format!("?replicaSet={set}"), hosts),
        Some(_) => return Cow::Borrowed(hosts),
        None => (String::new(), hosts),
    };
    Cow::Owned(with_credentials(&format!("mongodb://{hosts}/{set}"), config).into_owned())
}

/// `mongodb.user`, `mongodb.password`, `mongodb.authsource` and `mongodb.ssl.enabled` stand beside the connection string.
fn with_credentials<'a>(uri: &'a str, config: &BTreeMap<String, String>) -> Cow<'a, str> {
    let user = setting(config, "mongodb.user");
    let tls = setting(config, "mongodb.ssl.enabled") == Some("true")
        && !uri.contains("tls=")
        && !uri.contains("ssl=");
    let Some((scheme, rest)) = uri.split_once("://").filter(|_| user.is_some() || tls) else {
        return Cow::Borrowed(uri);
    };
    let mut more = Vec::new();
    let mut own = String::new();
    if let Some(user) = user.filter(|_| !rest.contains('@')) {
        let password = setting(config, "mongodb.password").unwrap_or_default();
        own = format!("{}:{}@", encoded(user), encoded(password));
        let source = setting(config, "mongodb.authsource").unwrap_or("admin");
        if !rest.to_ascii_lowercase().contains("authsource=") {
            more.push(format!("authSource={}", encoded(source)));
        }
    }
    if tls {
        more.push("tls=true".to_owned());
    }
    let (hosts, tail) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
    let path = if path.is_empty() { "/" } else { path };
    more.extend((!query.is_empty()).then(|| query.to_owned()));
    let query = if more.is_empty() { String::new() } else { format!("?{}", more.join("&")) };
    Cow::Owned(format!("{scheme}://{own}{hosts}{path}{query}"))
}

/// A placeholder stays one, so that it is recognised.
fn encoded(text: &str) -> String {
    if text.contains("${") {
        text.to_owned()
    } else {
        utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
    }
}

/// The key of a stored entry as text: `ns` of the MongoDB connector, the whole partition of Debezium's. `None` for
/// another connector's.
#[must_use]
pub fn key_of(partition: &Map<String, Value>) -> Option<String> {
    match (partition.get("ns"), partition.get("server_id")) {
        (Some(ns), _) => ns.as_str().map(str::to_owned),
        (None, Some(Value::String(_))) => serde_json::to_string(partition).ok(),
        (None, _) => None,
    }
}

/// The token document of a stored value as JSON text, whatever it is: what the connector sends to the server.
#[must_use]
pub fn token_text(value: &Map<String, Value>) -> Option<String> {
    match value.get("_id") {
        Some(id) => id.as_str().map(str::to_owned),
        None => value.get("resume_token")?.as_str().map(document_text),
    }
}

/// `_data` as hexadecimal digits until 2.6, base64 of the whole BSON document since 2.7. What is neither is sent as it
/// is (`MongoDbOffsetContext.lastResumeTokenDoc`), and refused.
fn document_text(stored: &str) -> String {
    let quoted = Value::from(stored).to_string();
    find_token(&quoted).unwrap_or_else(|_| TokenDocument::from_hex(stored)).to_json()
}

/// Reads a value of Debezium's. Its `sec` and `ord` are never looked at: of a position without an event they are 0 or
/// −1, and the token tells the time. A value without a token stands at a time, which is nothing to judge by.
pub(super) fn parse(value: &Map<String, Value>, stored_at: Option<i64>) -> Option<StoredOffset> {
    let is_true = |value: &Value| value.as_bool() == Some(true) || value.as_str() == Some("true");
    if value.get("initsync").is_some_and(is_true) {
        return Some(StoredOffset::Copying);
    }
    match token_text(value) {
        Some(text) => Some(offset::token(&text, stored_at)),
        None => (value.contains_key("sec") && value.contains_key("ord")).then_some(StoredOffset::Opaque),
    }
}

/// Finds the entry that a connector of this configuration and version resumes from: `{server_id}` since 2.6, which falls
/// back to the older `{rs, server_id}` (`MongoDbConnectorTask.getPreviousOffsets`).
///
/// # Errors
/// [`Why::NoPosition`] where there is none, [`Why::KeyAmbiguous`] where several fit, [`Why::UriPlaceholder`] where the
/// prefix is one.
pub fn pick_live_of_debezium(
    config: &BTreeMap<String, String>,
    version: Option<(u32, u32)>,
    entries: &[StoredEntry],
) -> Observed<usize> {
    let prefix =
        setting(config, "topic.prefix").or_else(|| setting(config, "mongodb.name")).ok_or(Why::NoPosition)?;
    if prefix.contains("${") {
        return Err(Why::UriPlaceholder);
    }
    let uri = ConnectionString::parse(&connection_uri(config));
    let set = uri.as_ref().ok().and_then(ConnectionString::replica_set);
    let keys: Vec<(usize, Option<String>)> =
        entries.iter().enumerate().filter_map(|(at, entry)| Some((at, set_of(&entry.ns, prefix)?))).collect();
    let alone = || keys.iter().find(|(_, set)| set.is_none()).map(|(at, _)| *at);
    let mut older =
        keys.iter().filter(|(_, of)| of.as_deref().is_some_and(|of| set.is_none_or(|set| set == of)));
    let older = match (older.next(), older.next()) {
        (None, _) => Err(Why::NoPosition),
        (Some((at, _)), None) => Ok(*at),
        (Some(_), Some(_)) => Err(Why::KeyAmbiguous),
    };
    match (version, alone()) {
        (Some(version), Some(at)) if version >= (2, 6) => Ok(at),
        (Some(_), _) | (None, None) => older,
        (None, Some(at)) if older.is_err() => Ok(at),
        (None, Some(_)) => Err(Why::KeyAmbiguous),
    }
}

/// `rs` of a key of this prefix; `None` for a key of something else.
fn set_of(key: &str, prefix: &str) -> Option<Option<String>> {
    let key: Map<String, Value> = serde_json::from_str(key).ok()?;
    (key.get("server_id")?.as_str()? == prefix)
        .then(|| key.get("rs").and_then(Value::as_str).map(str::to_owned))
}

#[cfg(test)]
mod tests;
