//! The configuration as it is written. Unknown keys are refused; what is left out has the default shown in
//! `config/resumeguard.toml` (a test proves that they are the same).

use super::http::RawHttp;
use super::recovery::RawRecovery;
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
    /// May the connectors' own connection strings be used?
    #[serde(default = "yes")]
    pub use_connector_uris: bool,
    /// Towards which hosts.
    #[serde(default = "anything", deserialize_with = "list")]
    pub connector_hosts: Vec<String>,
    /// Brokers of the workers' own topics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kafka_bootstrap_servers: Option<String>,
    /// The workers' `status.storage.topic`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_topic: Option<String>,
    /// `none`, `strimzi` or `gitops`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub managed_by: Option<String>,
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
    /// Hosts that it serves.
    #[serde(deserialize_with = "list")]
    pub hosts: Vec<String>,
    /// Connectors that it serves.
    #[serde(deserialize_with = "list")]
    pub connectors: Vec<String>,
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

fn anything() -> Vec<String> {
    vec!["*".to_owned()]
}
