//! A connector's states and the settings that decide what a restart does.

use super::{Debezium, SnapshotMode, StreamEnd, debezium};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// State of a connector as Connect's REST interface reports it. It says nothing about its task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ConnectorState {
    /// Started (its task may have failed all the same).
    Running,
    /// Its task keeps its cursor but is not polled.
    Paused,
    /// No task exists.
    Stopped,
    /// The connector itself failed.
    Failed,
    /// Waiting for a worker.
    Unassigned,
    /// Being restarted.
    Restarting,
    /// A state this version does not know.
    Other,
}

/// A task has the same states as a connector.
pub type TaskState = ConnectorState;

impl ConnectorState {
    /// Every value.
    pub const ALL: [Self; 7] = [
        Self::Running,
        Self::Paused,
        Self::Stopped,
        Self::Failed,
        Self::Unassigned,
        Self::Restarting,
        Self::Other,
    ];

    /// Reads Connect's spelling (`AbstractStatus.State` in Kafka's source).
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "RUNNING" => Self::Running,
            "PAUSED" => Self::Paused,
            "STOPPED" => Self::Stopped,
            "FAILED" => Self::Failed,
            "UNASSIGNED" => Self::Unassigned,
            "RESTARTING" => Self::Restarting,
            _ => Self::Other,
        }
    }

    /// Lower-case word for metrics.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Unassigned => "unassigned",
            Self::Restarting => "restarting",
            Self::Other => "other",
        }
    }
}

/// What the connector does when its change stream fails for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tolerance {
    /// The task fails: nothing is lost in silence.
    None,
    /// It goes on without a token: history is skipped.
    All,
}

impl Tolerance {
    /// The value as it is configured.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::All => "all",
        }
    }
}

/// Where a connector begins when it has no usable token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartupMode {
    /// At the present.
    Latest,
    /// At a configured operation time.
    Timestamp,
    /// With a copy of the existing data.
    CopyExisting,
}

impl StartupMode {
    /// The value as it is configured.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Latest => "latest",
            Self::Timestamp => "timestamp",
            Self::CopyExisting => "copy_existing",
        }
    }
}

/// The settings of a MongoDB source connector that judgement needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Effective tolerance: `mongo.errors.tolerance` where it is set, else `errors.tolerance`.
    pub tolerance: Tolerance,
    /// Effective start-up mode (`copy.existing` counts where `startup.mode` is not set).
    pub startup_mode: StartupMode,
    /// `startup.mode.timestamp.start.at.operation.time`, seconds since 1970, where it is set and can be read.
    pub start_at: Option<i64>,
    /// `database` and `collection` joined by a dot; empty for a whole deployment.
    pub namespace: String,
    /// `heartbeat.interval.ms`; 0 is off, the connector's default.
    pub heartbeat_ms: u64,
    /// Which of these nobody knows: REST shows a placeholder such as `${file:…}`.
    pub hidden: HiddenSettings,
    /// What Debezium's connector does instead; `None` for MongoDB's own.
    pub debezium: Option<Debezium>,
}

/// Settings whose value is a placeholder. What stands in [`Settings`] for them is the connector's default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HiddenSettings {
    /// What is done after a failure.
    pub tolerance: bool,
    /// Where a start without a token begins.
    pub startup: bool,
    /// Whether there is a heartbeat.
    pub heartbeat: bool,
}

impl Settings {
    /// Whether a stream of this connector's scope ends at such an event. A stream on a database survives the drop of
    /// a collection, one on the whole deployment survives everything but its own invalidate event.
    #[must_use]
    pub fn ends_at(&self, end: StreamEnd) -> bool {
        match end {
            StreamEnd::None => false,
            StreamEnd::OfCollection => self.namespace.contains('.'),
            StreamEnd::OfDatabase => !self.namespace.is_empty(),
            StreamEnd::Every => true,
        }
    }

    /// What it watches, for people: its namespace, or what Debezium's include lists let through of everything.
    #[must_use]
    pub fn watched(&self) -> &str {
        let includes = self.debezium.as_ref().map_or("", |debezium| debezium.includes.as_str());
        if self.namespace.is_empty() { includes } else { &self.namespace }
    }

    /// Debezium's own settings decide what it does; `errors.tolerance` does not concern its change stream.
    fn of_debezium(debezium: Debezium, config: &BTreeMap<String, String>) -> Self {
        let mode = debezium.snapshot_mode;
        let heartbeat = config.get("heartbeat.interval.ms").map_or("", |value| value.trim());
        Self {
            tolerance: Tolerance::None,
            startup_mode: match mode {
                SnapshotMode::NoData | SnapshotMode::Other => StartupMode::Latest,
                SnapshotMode::Always
                | SnapshotMode::Initial
                | SnapshotMode::InitialOnly
                | SnapshotMode::WhenNeeded => StartupMode::CopyExisting,
            },
            start_at: None,
            namespace: debezium::scope(config),
            heartbeat_ms: heartbeat.parse().unwrap_or(0),
            hidden: HiddenSettings {
                tolerance: false,
                startup: mode == SnapshotMode::Other || debezium.starts_at_a_time,
                heartbeat: heartbeat.contains("${"),
            },
            debezium: Some(debezium),
        }
    }

    /// Reads them from a connector's configuration as REST shows it (`MongoSourceConfig` in mongo-kafka, and
    /// [`Debezium`]).
    #[must_use]
    pub fn from_config(config: &BTreeMap<String, String>) -> Self {
        if let Some(debezium) = Debezium::from_config(config) {
            return Self::of_debezium(debezium, config);
        }
        let value = |key: &str| config.get(key).map(|v| v.trim()).filter(|v| !v.is_empty());
        let tolerance = value("mongo.errors.tolerance").or_else(|| value("errors.tolerance"));
        let is_hidden = |value: Option<&str>| value.is_some_and(|value| value.contains("${"));
        let hidden = HiddenSettings {
            tolerance: is_hidden(tolerance),
            startup: is_hidden(value("startup.mode"))
                || is_hidden(value("startup.mode.timestamp.start.at.operation.time"))
                || (value("startup.mode").is_none() && is_hidden(value("copy.existing"))),
            heartbeat: is_hidden(value("heartbeat.interval.ms")),
        };
        let copies = value("copy.existing").is_some_and(|v| v.eq_ignore_ascii_case("true"));
        let startup_mode = match value("startup.mode").map(str::to_ascii_lowercase).as_deref() {
            Some("timestamp") => StartupMode::Timestamp,
            Some("copy_existing") => StartupMode::CopyExisting,
            None if copies => StartupMode::CopyExisting,
            _ => StartupMode::Latest,
        };
        let namespace = match (value("database"), value("collection")) {
            (Some(database), Some(collection)) => format!("{database}.{collection}"),
            (Some(database), None) => database.to_owned(),
            _ => String::new(),
        };
        Self {
            tolerance: if tolerance.is_some_and(|v| v.eq_ignore_ascii_case("all")) {
                Tolerance::All
            } else {
                Tolerance::None
            },
            startup_mode,
            start_at: value("startup.mode.timestamp.start.at.operation.time").and_then(operation_time),
            namespace,
            heartbeat_ms: value("heartbeat.interval.ms").and_then(|v| v.parse().ok()).unwrap_or(0),
            hidden,
            debezium: None,
        }
    }
}

/// Seconds, ISO 8601 or an Extended JSON timestamp (`BsonTimestampParser` in mongo-kafka).
fn operation_time(text: &str) -> Option<i64> {
    let extended = || serde_json::from_str::<serde_json::Value>(text).ok()?["$timestamp"]["t"].as_i64();
    let iso = || text.parse::<jiff::Timestamp>().ok().map(|time| time.as_second());
    text.parse().ok().or_else(iso).or_else(extended)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        Settings::from_config(&pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn mongo_tolerance_overrides_even_when_weaker() {
        assert_eq!(settings(&[]).tolerance, Tolerance::None);
        assert_eq!(settings(&[("errors.tolerance", "ALL")]).tolerance, Tolerance::All);
        let both = settings(&[("errors.tolerance", "all"), ("mongo.errors.tolerance", "none")]);
        assert_eq!(both.tolerance, Tolerance::None);
    }

    #[test]
    fn a_placeholder_is_no_value() {
        let hidden = |key: &str| settings(&[(key, "${file:/x:y}")]).hidden;
        let none = HiddenSettings::default();
        for key in ["errors.tolerance", "mongo.errors.tolerance"] {
            assert_eq!(hidden(key), HiddenSettings { tolerance: true, ..none });
        }
        for key in ["startup.mode", "startup.mode.timestamp.start.at.operation.time", "copy.existing"] {
            assert_eq!(hidden(key), HiddenSettings { startup: true, ..none });
        }
        assert_eq!(hidden("heartbeat.interval.ms"), HiddenSettings { heartbeat: true, ..none });
        let overridden = settings(&[("errors.tolerance", "${env:T}"), ("mongo.errors.tolerance", "none")]);
        assert_eq!((overridden.hidden, hidden("topic.prefix")), (none, none));
    }

    #[test]
    fn where_debezium_begins_is_hidden_by_another_mode_or_a_time() {
        let hidden = |more: &[(&str, &str)]| {
            let class = [("connector.class", super::super::DEBEZIUM_SOURCE)];
            settings(&[&class, more].concat()).hidden.startup
        };
        assert!(!hidden(&[]) && !hidden(&[("snapshot.mode", "no_data")]));
        assert!(hidden(&[("snapshot.mode", "custom")]) && hidden(&[("capture.start.op.time", "7")]));
    }

    #[test]
    fn copy_existing_counts_only_without_a_startup_mode() {
        assert_eq!(settings(&[("copy.existing", "true")]).startup_mode, StartupMode::CopyExisting);
        let explicit = settings(&[("copy.existing", "true"), ("startup.mode", "latest")]);
        assert_eq!(explicit.startup_mode, StartupMode::Latest);
        assert_eq!(settings(&[("startup.mode", "timestamp")]).startup_mode, StartupMode::Timestamp);
    }

    #[test]
    fn a_start_time_has_three_forms() {
        let at = |text: &str| settings(&[("startup.mode.timestamp.start.at.operation.time", text)]).start_at;
        assert_eq!(at("1700000000"), Some(1_700_000_000));
        assert_eq!(at("2023-11-14T22:13:20Z"), Some(1_700_000_000));
        assert_eq!(at("{\"$timestamp\": {\"t\": 1700000000, \"i\": 3}}"), Some(1_700_000_000));
        assert_eq!((at(""), at("yesterday")), (None, None));
    }

    #[test]
    fn namespace_may_be_a_collection_a_database_or_everything() {
        assert_eq!(settings(&[("database", "shop"), ("collection", "orders")]).namespace, "shop.orders");
        assert_eq!(settings(&[("database", "shop")]).namespace, "shop");
        assert_eq!(settings(&[]).namespace, "");
    }
}
