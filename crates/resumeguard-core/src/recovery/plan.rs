//! What would be done about one connector.

use super::{Step, Strategy, Trigger};
use crate::domain::{ConnectorId, ConnectorState, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Name of a plan: twelve hexadecimal digits of the hash of its content. An approval binds to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlanId(pub String);

impl std::fmt::Display for PlanId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Hash of something that must not have changed and need not be shown.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Of a text, such as a stored token.
    #[must_use]
    pub fn of_text(text: &str) -> Self {
        Self(digest(text.as_bytes(), 16))
    }

    /// Of the settings that decide what a connector reads and where it goes on. Others may change under a plan.
    #[must_use]
    pub fn of_config(config: &BTreeMap<String, String>) -> Self {
        let kept: BTreeMap<&str, &str> =
            DECISIVE.iter().filter_map(|key| Some((*key, config.get(*key)?.trim()))).collect();
        Self(digest(serde_json::to_string(&kept).unwrap_or_default().as_bytes(), 16))
    }
}

/// The settings of a fingerprint; sources keep them from every listing.
pub const DECISIVE: [&str; 18] = [
    "connection.uri",
    "database",
    "collection",
    "offset.partition.name",
    "offsets.storage.topic",
    "errors.tolerance",
    "mongo.errors.tolerance",
    "startup.mode",
    "startup.mode.timestamp.start.at.operation.time",
    "copy.existing",
    "heartbeat.interval.ms",
    "heartbeat.topic.name",
    "pipeline",
    "collation",
    "change.stream.full.document",
    "publish.full.document.only",
    "change.stream.full.document.before.change",
    "change.stream.show.expanded.events",
];

/// A token that a plan is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredToken {
    /// Its time; `None` where it has none that can be read.
    pub time: Option<Timestamp>,
    /// Of the stored text.
    pub text: Fingerprint,
}

/// What must still hold when a step is taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expects {
    /// The stored token; `None` where nothing is stored.
    pub token: Option<StoredToken>,
    /// The connector's own state.
    pub state: ConnectorState,
    /// Its configuration.
    pub config: Fingerprint,
    /// `ns` of its live key.
    pub partition: Option<String>,
}

/// What is not delivered once a plan was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "loses", rename_all = "snake_case")]
pub enum Loses {
    /// Nothing.
    Nothing,
    /// What MongoDB has deleted: from the stored position to the oldest surviving entry, as it stands now.
    Deleted {
        /// The stored position.
        from: Timestamp,
        /// The oldest surviving entry when the plan was made.
        to: Timestamp,
    },
    /// Everything from the stored position until the connector goes on.
    UpToNow {
        /// The stored position, where it can be read.
        from: Option<Timestamp>,
        /// The newest entry when the plan was made.
        to: Option<Timestamp>,
    },
    /// Deletes, and states that were overwritten.
    DeletesAndIntermediateStates,
    /// Nobody knows from where.
    Unknown,
}

impl Loses {
    /// Which kind it is, without the ends that move with the oplog.
    fn kind(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Deleted { .. } => "deleted",
            Self::UpToNow { from: Some(_), .. } => "up_to_now",
            Self::UpToNow { from: None, .. } => "up_to_now_from_where_it_lives",
            Self::DeletesAndIntermediateStates => "deletes_and_intermediate_states",
            Self::Unknown => "unknown",
        }
    }

    /// Seconds of oplog time between the two ends, where both are known.
    #[must_use]
    pub fn seconds(self) -> Option<i64> {
        match self {
            Self::Nothing => Some(0),
            Self::Deleted { from, to } | Self::UpToNow { from: Some(from), to: Some(to) } => {
                Some(i64::from(to.t) - i64::from(from.t))
            }
            Self::UpToNow { .. } | Self::DeletesAndIntermediateStates | Self::Unknown => None,
        }
    }

    /// For people, and the status' `plan.loses`.
    #[must_use]
    pub fn sentence(self) -> String {
        let seconds = self.seconds();
        match (self, seconds) {
            (Self::Nothing, _) => "nothing".to_owned(),
            (Self::Deleted { .. }, Some(seconds)) => {
                format!("{seconds} s of history that MongoDB has deleted, and nothing that is still there")
            }
            (Self::UpToNow { .. }, Some(seconds)) => {
                format!(
                    "everything up to the moment it goes on, {seconds} s so far, whether MongoDB still has it or not"
                )
            }
            (Self::UpToNow { .. }, None) => {
                "everything up to the moment it goes on, whether MongoDB still has it or not".to_owned()
            }
            (Self::DeletesAndIntermediateStates, _) => {
                "deletes since the stored position, and states that were overwritten since".to_owned()
            }
            (Self::Deleted { .. } | Self::Unknown, _) => "nobody knows how much".to_owned(),
        }
    }
}

/// What would be done about one connector, and what it costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Hash of connector, strategy, trigger, expectations, steps and the kind of loss: the same trouble keeps it while the oplog
    /// rolls on, and an approval of a loss is none of a greater one.
    pub id: PlanId,
    /// Whom it is for.
    pub connector: ConnectorId,
    /// How.
    pub strategy: Strategy,
    /// Why.
    pub trigger: Trigger,
    /// What must still hold.
    pub expects: Expects,
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// The attempt whose saved offset and configuration it puts back; `None` for every other plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restores: Option<super::AttemptId>,
    /// What is not delivered.
    pub loses: Loses,
    /// Bytes of oplog that the server reads again, where known.
    pub rescans_bytes: Option<u64>,
    /// What else follows, in sentences: duplicates, writes, restarts.
    pub effects: Vec<String>,
}

impl Plan {
    /// Gives it its name.
    #[must_use]
    pub fn named(self) -> Self {
        let kind = self.loses.kind();
        let content =
            (&self.connector, self.strategy, self.trigger, &self.expects, &self.steps, &self.restores, kind);
        let id = PlanId(digest(serde_json::to_string(&content).unwrap_or_default().as_bytes(), 6));
        Self { id, ..self }
    }

    /// Every configuration that a connector configured like this is given on the way, and what it is put back to: none where
    /// nothing is configured.
    #[must_use]
    pub fn configurations(&self, config: &BTreeMap<String, String>) -> Vec<BTreeMap<String, String>> {
        let mut all = Vec::new();
        for step in &self.steps {
            let before = all.last().unwrap_or(config);
            all.extend(step.configured(before));
        }
        if !all.is_empty() {
            all.push(config.clone());
        }
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Whether its steps are those that its name stands for.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.clone().named().id == self.id
    }
}

/// The first bytes of SHA-256, hexadecimal.
fn digest(bytes: &[u8], length: usize) -> String {
    Sha256::digest(bytes).iter().take(length).fold(String::new(), |mut text, byte| {
        // Writing to a `String` cannot fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}
