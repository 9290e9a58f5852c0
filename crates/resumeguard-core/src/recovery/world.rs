//! One connector and its deployment, read again immediately before a step.

use crate::domain::{ConnectorState, Observed, TaskFacts, Timestamp};
use mongodb_resume_token::TokenDocument;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The bytes of a record in the offsets topic; both are JSON, and so text.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicRecord {
    /// The partition of the topic that the key was found in.
    pub partition: i32,
    /// The key, byte for byte.
    pub key: String,
    /// The value, byte for byte.
    pub value: String,
}

/// One stored offset as Connect's REST interface has it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawOffset {
    /// The key.
    pub partition: Map<String, Value>,
    /// The value; `None` where it was removed.
    pub offset: Option<Map<String, Value>>,
    /// As it stands in the offsets topic, where it was read there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<TopicRecord>,
}

/// Tokens hold document keys, legacy keys hold credentials.
impl std::fmt::Debug for RawOffset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawOffset").finish_non_exhaustive()
    }
}

impl RawOffset {
    /// `ns` of the key.
    #[must_use]
    pub fn ns(&self) -> Option<&str> {
        self.partition.get("ns")?.as_str()
    }

    /// `_id` of the value: a token's text, or a copy position's.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.offset.as_ref()?.get("_id")?.as_str()
    }

    /// A position of the copy of existing data.
    #[must_use]
    pub fn is_copy(&self) -> bool {
        self.offset
            .as_ref()
            .is_some_and(|offset| offset.contains_key("copy") || offset.contains_key("initialSync"))
    }

    /// The token's time, where it is one.
    #[must_use]
    pub fn time(&self) -> Option<Timestamp> {
        if self.is_copy() {
            return None;
        }
        token_time(self.text()?)
    }
}

/// The time of a token's text.
pub(super) fn token_time(text: &str) -> Option<Timestamp> {
    TokenDocument::from_json(text).ok()?.decode().ok()?.cluster_time
}

/// What was read again. Its `Debug` form leaves configuration and offsets out.
#[derive(Clone, PartialEq, Eq)]
pub struct World {
    /// State of the connector; `None` where there is no such connector.
    pub state: Option<ConnectorState>,
    /// Its tasks.
    pub tasks: Vec<TaskFacts>,
    /// All of its configuration, as REST shows it.
    pub config: BTreeMap<String, String>,
    /// All of its stored offsets.
    pub offsets: Vec<RawOffset>,
    /// Its standalone worker is down: it is as good as stopped, its configuration is what it was, and its offsets are those of
    /// the worker's file.
    pub down: bool,
    /// The oldest entry of the oplog that it must resume from: the greatest over the members that it may select.
    pub oldest: Observed<Timestamp>,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("state", &self.state)
            .field("down", &self.down)
            .field("oldest", &self.oldest)
            .finish_non_exhaustive()
    }
}

impl World {
    /// What is stored under a key.
    #[must_use]
    pub fn under(&self, partition: &str) -> Option<&RawOffset> {
        self.offsets.iter().find(|stored| stored.ns() == Some(partition) && stored.offset.is_some())
    }

    /// The text that is stored under a key.
    #[must_use]
    pub fn text_under(&self, partition: &str) -> Option<&str> {
        self.under(partition)?.text()
    }

    /// A time from which the oplog is whole.
    #[must_use]
    pub fn holds(&self, time: Timestamp) -> bool {
        self.oldest.is_ok_and(|oldest| time >= oldest)
    }
}
