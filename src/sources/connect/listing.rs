//! `GET /connectors?expand=status&expand=info` and `GET /connector-plugins`.

use resumeguard_core::domain::{
    ConnectorState, DEBEZIUM_NAMES, DEBEZIUM_SETTINGS, DEBEZIUM_SOURCE, Failure, TaskFacts, TaskState,
};
use resumeguard_core::recovery::DECISIVE;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};

/// Class of MongoDB's source connector.
pub(crate) const MONGO_SOURCE: &str = "com.mongodb.kafka.connect.MongoSourceConnector";

/// A trace is kept to this length: a real one has some 6 kB, and what it says stands at its beginning.
const TRACE_BYTES: usize = 8 << 10;

/// Where a connector keeps its offsets, if not on the workers' brokers.
const BROKERS: [&str; 2] = ["consumer.override.bootstrap.servers", "producer.override.bootstrap.servers"];

/// The names by which a configuration may call it: Connect resolves the simple name, with or without its suffix.
const MONGO_NAMES: [&str; 3] = [MONGO_SOURCE, "MongoSourceConnector", "MongoSource"];

/// One MongoDB source connector as listed. Its `Debug` form leaves the configuration out.
#[derive(Clone)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its Java class.
    pub class: String,
    /// Its plugin's version, where Connect tells (4.1 and newer).
    pub version: Option<String>,
    /// State of the connector.
    pub state: ConnectorState,
    /// Why the connector itself has failed, where it has.
    pub failure: Option<Failure>,
    /// Its tasks.
    pub tasks: Vec<TaskFacts>,
    /// What is kept of its configuration, as REST shows it: placeholders unresolved, secrets in clear.
    pub config: BTreeMap<String, String>,
}

impl Listed {
    /// One that nobody has listed, by its configuration.
    pub(super) fn assumed(name: &str, config: &BTreeMap<String, String>) -> Self {
        let decisive = config.iter().filter(|(key, _)| DECISIVE.contains(&key.as_str()));
        Self {
            name: name.to_owned(),
            class: MONGO_SOURCE.to_owned(),
            version: None,
            state: ConnectorState::Other,
            failure: None,
            tasks: Vec::new(),
            config: decisive.map(|(key, value)| (key.clone(), value.clone())).collect(),
        }
    }
}

impl std::fmt::Debug for Listed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listed").field("name", &self.name).field("state", &self.state).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Entry {
    status: Option<Status>,
    info: Option<Info>,
}

#[derive(Deserialize)]
struct Status {
    connector: StateOf,
    #[serde(default)]
    tasks: Vec<StateOf>,
}

#[derive(Deserialize)]
struct StateOf {
    #[serde(default)]
    id: u32,
    state: String,
    trace: Option<String>,
    worker_id: Option<String>,
    version: Option<String>,
}

impl StateOf {
    fn failure(&self) -> Option<Failure> {
        let failed = TaskState::parse(&self.state) == TaskState::Failed;
        failed.then(|| Failure::of_trace(self.trace.as_deref().unwrap_or_default()))
    }

    fn trace(&self) -> Option<String> {
        let failed = TaskState::parse(&self.state) == TaskState::Failed;
        let trace = self.trace.as_deref().filter(|_| failed)?;
        let end = (0..=trace.len().min(TRACE_BYTES)).rev().find(|end| trace.is_char_boundary(*end))?;
        Some(trace[..end].to_owned())
    }
}

#[derive(Deserialize)]
struct Info {
    config: BTreeMap<String, Option<String>>,
}

/// The source connectors of a listing that read from MongoDB, MongoDB's own and Debezium's. One that is being created or deleted may lack a half: it is left out
/// until the next pass.
pub(super) fn parse(body: &[u8]) -> Result<Vec<Listed>, serde_json::Error> {
    let entries: BTreeMap<String, Entry> = serde_json::from_slice(body)?;
    Ok(entries.into_iter().filter_map(|(name, entry)| listed(name, entry)).collect())
}

fn listed(name: String, entry: Entry) -> Option<Listed> {
    let (status, info) = (entry.status?, entry.info?);
    let config: BTreeMap<String, String> =
        info.config.into_iter().filter_map(|(k, v)| Some((k, v?))).collect();
    let named = config.get("connector.class")?.trim();
    let (class, more): (_, &[&str]) = if MONGO_NAMES.contains(&named) {
        (MONGO_SOURCE, &[])
    } else if DEBEZIUM_NAMES.contains(&named) {
        (DEBEZIUM_SOURCE, &DEBEZIUM_SETTINGS)
    } else {
        return None;
    };
    // Everything else stays where it is: configurations hold secrets of all kinds.
    let kept = |key: &str| DECISIVE.contains(&key) || BROKERS.contains(&key) || more.contains(&key);
    let config = config.into_iter().filter(|(key, _)| kept(key)).collect();
    Some(Listed {
        tasks: tasks_of(&status),
        failure: status.connector.failure(),
        name,
        class: class.to_owned(),
        version: status.connector.version,
        state: ConnectorState::parse(&status.connector.state),
        config,
    })
}

fn tasks_of(status: &Status) -> Vec<TaskFacts> {
    let tasks = status.tasks.iter().map(|task| {
        let state = TaskState::parse(&task.state);
        TaskFacts {
            id: task.id,
            state,
            failure: task.failure(),
            trace: task.trace(),
            worker: task.worker_id.clone(),
            started: None,
        }
    });
    tasks.collect()
}

/// `GET /connectors/NAME/status`.
pub(super) fn parse_status(body: &[u8]) -> Result<(ConnectorState, Vec<TaskFacts>), serde_json::Error> {
    let status: Status = serde_json::from_slice(body)?;
    Ok((ConnectorState::parse(&status.connector.state), tasks_of(&status)))
}

/// Versions by class; `None` where more than one is installed and the configuration decides between them.
pub(super) fn parse_plugins(body: &[u8]) -> Result<HashMap<String, Option<String>>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Plugin {
        class: String,
        version: Option<String>,
    }
    let plugins: Vec<Plugin> = serde_json::from_slice(body)?;
    let mut versions = HashMap::new();
    for Plugin { class, version } in plugins {
        versions.entry(class).and_modify(|known| *known = None).or_insert(version);
    }
    Ok(versions)
}

/// The version of the worker that answered.
pub(super) fn parse_root(body: &[u8]) -> Result<String, serde_json::Error> {
    #[derive(Deserialize)]
    struct Root {
        version: String,
    }
    serde_json::from_slice::<Root>(body).map(|root| root.version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use resumeguard_core::domain::FailureClass;

    #[test]
    fn a_real_listing() {
        let body = include_bytes!("../../../crates/resumeguard-core/tests/data/connectors_expand.json");
        let listed = parse(body).unwrap();
        let mut states: Vec<_> = listed.iter().map(|l| (l.name.as_str(), l.state)).collect();
        states.sort_unstable_by_key(|(name, _)| *name);
        assert!(states.contains(&("a", ConnectorState::Stopped)), "{states:?}");
        assert!(states.contains(&("p", ConnectorState::Running)), "{states:?}");
        let p = listed.iter().find(|l| l.name == "p").unwrap();
        assert_eq!((p.version.as_deref(), p.tasks.len()), (Some("2.0.1"), 1));
        assert!(p.config["connection.uri"].starts_with("mongodb://127.0.0.1:28017/"));
    }

    #[test]
    fn other_connectors_and_half_entries_are_left_out() {
        let body = br#"{
            "sink": {"status": {"connector": {"state": "RUNNING"}, "tasks": []}, "info": {"config": {"connector.class": "com.mongodb.kafka.connect.MongoSinkConnector"}}},
            "half": {"info": {"config": {"connector.class": "MongoSource"}}},
            "short": {"status": {"connector": {"state": "RUNNING"}}, "info": {"config": {"connector.class": "MongoSource", "topic.prefix": null}}},
            "debezium": {"status": {"connector": {"state": "RUNNING"}}, "info": {"config": {"connector.class": "MongoDb", "mongodb.connection.string": "mongodb://h/", "signal.kafka.topic": "x"}}},
            "debezium-sink": {"status": {"connector": {"state": "RUNNING"}}, "info": {"config": {"connector.class": "io.debezium.connector.mongodb.MongoDbSinkConnector"}}}
        }"#;
        let listed = parse(body).unwrap();
        let names: Vec<_> = listed.iter().map(|l| l.name.as_str()).collect();
        assert_eq!(names, ["debezium", "short"]);
        let debezium = &listed[0];
        assert_eq!((debezium.class.as_str(), debezium.config.len()), (DEBEZIUM_SOURCE, 2));
    }

    #[test]
    fn a_connector_that_has_failed_itself_says_why() {
        let body = br#"{"a": {"status": {"connector": {"state": "FAILED", "trace": "com.mongodb.MongoSecurityException: x"}, "tasks": []}, "info": {"config": {"connector.class": "MongoSource"}}}}"#;
        let failed = parse(body).unwrap().remove(0);
        assert_eq!((failed.state, failed.tasks.len()), (ConnectorState::Failed, 0));
        assert_eq!(failed.failure.map(|failure| failure.class), Some(FailureClass::Unauthorized));
    }

    #[test]
    fn two_versions_of_one_class_are_no_version() {
        let body = br#"[{"class": "a", "type": "source", "version": "1"}, {"class": "a", "version": "2"}, {"class": "b", "version": "3"}]"#;
        let versions = parse_plugins(body).unwrap();
        assert_eq!((versions["a"].clone(), versions["b"].as_deref()), (None, Some("3")));
    }
}
