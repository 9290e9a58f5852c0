//! What Kafka Connect says about one connector.

use std::fmt;

use mongodb::bson::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::token::cluster_time;

/// What `GET /connectors/{name}/status` says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ConnectorStatus {
    /// The connector itself, which stays RUNNING when its task fails.
    pub connector: Instance,
    /// Its tasks: a MongoDB source connector has one.
    pub tasks: Vec<Task>,
}

/// The connector's own state.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Instance {
    /// RUNNING, PAUSED, STOPPED, FAILED, UNASSIGNED, …
    pub state: String,
    /// The worker that holds it.
    pub worker_id: String,
}

/// A task's state.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Task {
    /// Its number.
    pub id: u32,
    /// RUNNING, PAUSED, FAILED, UNASSIGNED, …
    pub state: String,
    /// The stack trace of a failed task.
    pub trace: Option<String>,
}

impl ConnectorStatus {
    /// Whether the connector and all its tasks, at least one, are in that state.
    #[must_use]
    pub fn all(&self, state: &str) -> bool {
        self.connector.state == state
            && !self.tasks.is_empty()
            && self.tasks.iter().all(|task| task.state == state)
    }

    /// Whether a task failed with that MongoDB error code, however the driver words it.
    #[must_use]
    pub fn failed_with(&self, code: i32) -> bool {
        // A failed command says the first, a failed getMore of an open cursor the second.
        let wordings = [format!("error {code} ("), format!("error code {code} ")];
        let mut traces =
            self.tasks.iter().filter(|task| task.state == "FAILED").filter_map(|task| task.trace.as_ref());
        traces.any(|trace| wordings.iter().any(|wording| trace.contains(wording)))
    }
}

impl fmt::Display for ConnectorStatus {
    /// The states, and of a trace what a person needs: its messages without the stack.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connector {}", self.connector.state)?;
        for Task { id, state, trace } in &self.tasks {
            write!(f, ", task {id} {state}")?;
            let lines = trace.iter().flat_map(|trace| trace.lines());
            for message in lines.filter(|line| !line.starts_with('\t')) {
                write!(f, " [{message}]")?;
            }
        }
        Ok(())
    }
}

/// One stored offset of a connector.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct StoredOffset {
    /// The key's second half: `{"ns": "mongodb://…/db.coll"}`.
    pub partition: Value,
    /// The value: `{"_id": "{\"_data\": \"82…\"}"}`; null when it was deleted.
    pub offset: Value,
}

impl StoredOffset {
    /// The resume token's hex string, when `_id` is one.
    #[must_use]
    pub fn token(&self) -> Option<String> {
        let document: Value = serde_json::from_str(self.offset.get("_id")?.as_str()?).ok()?;
        Some(document.get("_data")?.as_str()?.to_owned())
    }

    /// The token's cluster time.
    #[must_use]
    pub fn time(&self) -> Option<Timestamp> {
        cluster_time(&self.token()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn failed(trace: &str) -> ConnectorStatus {
        let status = json!({
            "name": "orders",
            "connector": { "state": "RUNNING", "worker_id": "127.0.0.1:8083" },
            "tasks": [{ "id": 0, "state": "FAILED", "worker_id": "127.0.0.1:8083", "trace": trace }],
        });
        serde_json::from_value(status).unwrap()
    }

    #[test]
    fn codes_are_found_in_both_wordings() {
        let started = failed(
            "org.apache.kafka.connect.errors.ConnectException: Failed to start MongoDB source task\n\
             \tat com.mongodb.kafka.connect.source.MongoSourceTask.start(MongoSourceTask.java:1)\n\
             Caused by: com.mongodb.MongoCommandException: Command failed with error 286 \
             (ChangeStreamHistoryLost): '…'",
        );
        let running = failed("…: Query failed with error code 136 with name 'CappedPositionLost' and …");
        assert_eq!(
            (started.failed_with(286), started.failed_with(28), started.failed_with(136)),
            (true, false, false)
        );
        assert_eq!((running.failed_with(136), running.failed_with(13)), (true, false));
        let text = started.to_string();
        assert!(text.contains("Caused by") && !text.contains("\tat"), "{text}");
    }

    #[test]
    fn a_token_is_text_within_text() {
        let offset = json!({
            "partition": { "ns": "mongodb://127.0.0.1:27017/shop.orders" },
            "offset": { "_id": "{\"_data\": \"82613B8B1A00000001\"}" },
        });
        let stored: StoredOffset = serde_json::from_value(offset).unwrap();
        assert_eq!(stored.time(), Some(Timestamp { time: 0x613B_8B1A, increment: 1 }));
        let deleted = StoredOffset { offset: Value::Null, ..stored };
        assert_eq!(deleted.time(), None);
    }
}
