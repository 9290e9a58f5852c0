//! The configuration as it is written. Unknown keys are refused; what is left out has the default shown in
//! `config/resumeguard.toml` (a test proves that they are the same).

use super::http::RawHttp;
use super::kafka::{RawKafka, RawOtherKafka};
use super::recovery::{Argv, RawRecovery};
use super::{ByteSize, Secret};
use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The whole file.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Raw {
    /// `[connect.NAME]`.
    pub connect: BTreeMap<String, RawConnect>,
    /// `[mongodb.NAME]`.
    pub mongodb: BTreeMap<String, RawMongodb>,
    /// `[poll]`.
    pub poll: RawPoll,
    /// `[thresholds]`.
    pub thresholds: RawThresholds,
    /// `[mutes.NAME]`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub mutes: BTreeMap<String, RawMute>,
    /// `[http]`.
    pub http: RawHttp,
    /// `[history]`.
    pub history: RawHistory,
    /// `[recovery]`.
    pub recovery: RawRecovery,
}

/// `[connect.NAME]`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RawConnect {
    /// Address of the REST interface.
    pub url: String,
    /// User for basic authentication.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// File that holds the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<String>,
    /// Bearer token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
    /// File that holds the bearer token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_file: Option<String>,
    /// Certificates that are trusted instead of the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// Our own certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_cert_file: Option<String>,
    /// Its key, where it is not in the same file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_key_file: Option<String>,
    /// May the connectors' own connection strings be used?
    #[serde(default = "yes")]
    pub use_connector_uris: bool,
    /// Towards which hosts.
    #[serde(default = "anything", deserialize_with = "list")]
    pub connector_hosts: Vec<String>,
    /// Brokers of the workers' own topics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kafka_bootstrap_servers: Option<String>,
    /// `[connect.NAME.kafka]`.
    #[serde(default, skip_serializing_if = "RawKafka::is_default")]
    pub kafka: RawKafka,
    /// `[connect.NAME.other_kafka.ANY]`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub other_kafka: BTreeMap<String, RawOtherKafka>,
    /// Where positions are read: `auto`, `rest`, `topic` or `file`.
    #[serde(default = "auto")]
    pub offsets: String,
    /// The workers' `offset.storage.topic`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offsets_topic: Option<String>,
    /// A standalone worker's `offset.storage.file.filename`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offsets_file: Option<String>,
    /// The workers' `status.storage.topic`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_topic: Option<String>,
    /// `none`, `strimzi` or `gitops`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub managed_by: Option<String>,
    /// May a standalone worker's file be edited while it is down: `when_needed`, `always` or `never`.
    #[serde(default = "when_needed")]
    pub edit_offsets_file: String,
    /// May recovery write to `offsets_topic`: `never`, `when_needed` or `always`.
    #[serde(default = "never")]
    pub write_offsets_topic: String,
    /// Program and arguments that stop a standalone worker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_worker: Option<Argv>,
    /// Program and arguments that start it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_worker: Option<Argv>,
}

/// `[mongodb.NAME]`.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawMongodb {
    /// Connection string.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<Secret>,
    /// File that holds the connection string.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri_file: Option<String>,
    /// User, where the connection string names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Its password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// File that holds the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<String>,
    /// Certificates that are trusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// Our own certificate and its key, in one file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_cert_file: Option<String>,
    /// How long Amazon DocumentDB keeps its change stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<HumanDuration>,
    /// Hosts that it serves.
    #[serde(deserialize_with = "list")]
    pub hosts: Vec<String>,
    /// Connectors that it serves.
    #[serde(deserialize_with = "list")]
    pub connectors: Vec<String>,
    /// `[mongodb.NAME.shards.SHARD]`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub shards: BTreeMap<String, RawShard>,
}

/// `[mongodb.NAME.shards.SHARD]`: the way past the router to one shard.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawShard {
    /// Connection string.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<Secret>,
    /// File that holds the connection string.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri_file: Option<String>,
    /// User, where the connection string names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Its password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// File that holds the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<String>,
    /// Certificates that are trusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// Our own certificate and its key, in one file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_cert_file: Option<String>,
}

/// What a deployment and a shard have in common.
pub(super) struct RawEntrance<'a> {
    pub(super) uri: Option<&'a Secret>,
    pub(super) uri_file: Option<&'a str>,
    pub(super) username: Option<&'a str>,
    pub(super) password: Option<&'a Secret>,
    pub(super) password_file: Option<&'a str>,
    pub(super) ca_file: Option<&'a str>,
    pub(super) client_cert_file: Option<&'a str>,
}

/// The tables have the same fields under the same names.
macro_rules! entrance {
    ($raw:expr) => {
        RawEntrance {
            uri: $raw.uri.as_ref(),
            uri_file: $raw.uri_file.as_deref(),
            username: $raw.username.as_deref(),
            password: $raw.password.as_ref(),
            password_file: $raw.password_file.as_deref(),
            ca_file: $raw.ca_file.as_deref(),
            client_cert_file: $raw.client_cert_file.as_deref(),
        }
    };
}

impl RawMongodb {
    pub(super) fn entrance(&self) -> RawEntrance<'_> {
        entrance!(self)
    }
}

impl RawShard {
    pub(super) fn entrance(&self) -> RawEntrance<'_> {
        entrance!(self)
    }
}

/// `[poll]`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawPoll {
    /// Time from one pass to the next.
    pub interval: HumanDuration,
    /// The workers' `offset.flush.interval.ms`.
    pub offset_flush: HumanDuration,
    /// Calls for offsets under way at once.
    pub offsets_at_once: usize,
    /// Time between two readings of sizes.
    pub sizes_every: HumanDuration,
    /// Whether servers are asked about tokens.
    pub probe: bool,
}

/// `[thresholds]`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawThresholds {
    /// `at_risk` below this time.
    pub at_risk: HumanDuration,
    /// `at_risk` below this share of the window.
    pub at_risk_ratio: f64,
    /// `critical` below this time.
    pub critical: HumanDuration,
    /// `critical` below this share of the window.
    pub critical_ratio: f64,
    /// `at_risk` below this outage budget; 0 asks for nothing.
    pub at_risk_budget: HumanDuration,
    /// `critical` below this outage budget; 0 asks for nothing.
    pub critical_budget: HumanDuration,
    /// Share above the limit that a better verdict needs.
    pub hysteresis: f64,
    /// RG012 below this window; 0 asks for nothing.
    pub window_needed: HumanDuration,
    /// For how long a loss stays a finding.
    pub loss_shown_for: HumanDuration,
    /// `[thresholds.overrides.NAME]`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub overrides: BTreeMap<String, RawOverride>,
}

/// `[thresholds.overrides.NAME]`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RawOverride {
    /// Globs on `CONNECTOR` or `CONNECT_CLUSTER/CONNECTOR`.
    #[serde(deserialize_with = "list")]
    pub connectors: Vec<String>,
    /// As in `[thresholds]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_risk: Option<HumanDuration>,
    /// As in `[thresholds]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_risk_ratio: Option<f64>,
    /// As in `[thresholds]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub critical: Option<HumanDuration>,
    /// As in `[thresholds]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub critical_ratio: Option<f64>,
    /// As in `[thresholds]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_risk_budget: Option<HumanDuration>,
    /// As in `[thresholds]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub critical_budget: Option<HumanDuration>,
    /// As in `[thresholds]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_needed: Option<HumanDuration>,
}

/// `[mutes.NAME]`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RawMute {
    /// Globs on `CONNECTOR` or `CONNECT_CLUSTER/CONNECTOR`.
    #[serde(deserialize_with = "list")]
    pub connectors: Vec<String>,
    /// Ids of rules; all of them where it is left out.
    #[serde(default, deserialize_with = "list")]
    pub rules: Vec<String>,
    /// Why.
    pub reason: String,
    /// Until when, RFC 3339.
    pub until: String,
}

/// `[history]`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawHistory {
    /// Where it is kept; absent or empty: nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// What is older goes.
    pub keep: HumanDuration,
    /// Size of the file.
    pub max_size: ByteSize,
}

impl Default for RawHistory {
    fn default() -> Self {
        Self { directory: None, keep: HumanDuration::seconds(30 * 86_400), max_size: ByteSize(512 << 20) }
    }
}

impl Default for RawPoll {
    fn default() -> Self {
        Self {
            interval: HumanDuration::seconds(15),
            offset_flush: HumanDuration::seconds(60),
            offsets_at_once: 4,
            sizes_every: HumanDuration::seconds(60),
            probe: true,
        }
    }
}

impl Default for RawThresholds {
    fn default() -> Self {
        Self {
            at_risk: HumanDuration::seconds(12 * 3600),
            at_risk_ratio: 0.5,
            critical: HumanDuration::seconds(2 * 3600),
            critical_ratio: 0.2,
            at_risk_budget: HumanDuration::seconds(0),
            critical_budget: HumanDuration::seconds(0),
            hysteresis: 0.1,
            window_needed: HumanDuration::seconds(0),
            loss_shown_for: HumanDuration::seconds(24 * 3600),
            overrides: BTreeMap::new(),
        }
    }
}

/// A duration written with its unit, such as `"15s"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HumanDuration(pub Duration);

impl HumanDuration {
    pub(super) fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_duration(&text).map(Self).map_err(|error| {
            D::Error::custom(format!(
                "`{text}` is no duration ({error}); write for example \"15s\" or \"2h\""
            ))
        })
    }
}

impl Serialize for HumanDuration {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(self.0))
    }
}

/// A list, or one text with commas as an environment variable has to write it.
pub(super) fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum ListOrText {
        List(Vec<String>),
        Text(String),
    }
    Ok(match ListOrText::deserialize(deserializer)? {
        ListOrText::List(items) => items,
        ListOrText::Text(text) => {
            text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
        }
    })
}

fn yes() -> bool {
    true
}

fn auto() -> String {
    "auto".to_owned()
}

fn never() -> String {
    "never".to_owned()
}

fn when_needed() -> String {
    "when_needed".to_owned()
}

fn anything() -> Vec<String> {
    vec!["*".to_owned()]
}
