//! What can be done: the closed list that executor, journal and restore know.

use super::strategy::{PARTITION, START_AT, STARTUP_MODE};
use crate::domain::ConnectorState;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where a high-water mark is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// At the oldest entry that is still there when it is written, and no more after it than the oplog loses meanwhile.
    OldestSurviving,
    /// At the stored token's own time: the history is there, only its event cannot be found.
    OwnTime,
}

/// One action, or one look that decides whether to go on. Values of configuration keys are none of a secret's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// Keeps offsets, configuration and state in the journal.
    Save,
    /// `PUT /connectors/NAME/stop`, and waits until no task is left.
    Stop,
    /// Has a standalone worker stopped, and waits until nothing can write its file any more. Everything that it runs stops.
    StopWorker,
    /// Has it started again, and waits until the connector's task runs.
    StartWorker,
    /// Waits until nothing writes the connector's offset any more: no task runs, and for longer than a flush nothing new stands under
    /// its keys. What is altered after that is altered in the topic that Connect keeps offsets in.
    AwaitStill,
    /// `POST /connectors/NAME/restart?includeTasks=true`: a task that stands still begins with what is stored now.
    Restart,
    /// Stores a high-water mark under the live key of the stopped connector. A newer position inside the window that was
    /// stored meanwhile makes it needless.
    WriteMark {
        /// `ns` of the live key.
        partition: String,
        /// Where.
        mark: Mark,
    },
    /// Removes the offset under the live key of the stopped connector, and no other.
    RemoveOffset {
        /// `ns` of the live key.
        partition: String,
    },
    /// Changes keys of the configuration; `None` removes one.
    Configure {
        /// What they become.
        to: BTreeMap<String, Option<String>>,
    },
    /// The form without stored offsets: a new `offset.partition.name`, and `startup.mode=timestamp` at the oldest surviving
    /// entry.
    StartAtOldest {
        /// The new name.
        partition: String,
    },
    /// `PUT /connectors/NAME/resume`, and waits until its task runs.
    Resume,
    /// `PUT /connectors/NAME/pause`.
    Pause,
    /// `POST /connectors/NAME/restart?includeTasks=true&onlyFailed=true`.
    RestartTasks,
    /// One document with a reserved `_id` into a collection.
    InsertMarker {
        /// `database.collection`.
        namespace: String,
        /// Its fields besides the `_id`; `None`: one that says what it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fields: Option<serde_json::Value>,
    },
    /// Removes that document.
    RemoveMarker {
        /// `database.collection`.
        namespace: String,
    },
    /// Waits until a token that is newer than the plan's and inside the window is stored.
    AwaitStored,
    /// RUNNING, the stored token inside the window, stable for a while.
    Verify,
    /// Puts the saved offset back under this key, if what stands there is what this attempt has stored.
    RestoreOffset {
        /// `ns` of the live key.
        partition: String,
    },
    /// `replSetResizeOplog` on the primary.
    ResizeOplog {
        /// MB, as the command has it.
        size_mb: u64,
    },
}

/// Whether a step leads on or back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// One of the plan's.
    Forward,
    /// Puts back what the plan's steps have changed.
    Back,
}

impl Step {
    /// The word that journal, hooks and people see.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Save => "save",
            Self::Stop => "stop",
            Self::StopWorker => "stop_worker",
            Self::StartWorker => "start_worker",
            Self::AwaitStill => "await_still",
            Self::Restart => "restart",
            Self::WriteMark { .. } => "write_mark",
            Self::RemoveOffset { .. } => "remove_offset",
            Self::Configure { .. } => "configure",
            Self::StartAtOldest { .. } => "start_at_oldest",
            Self::Resume => "resume",
            Self::Pause => "pause",
            Self::RestartTasks => "restart_tasks",
            Self::InsertMarker { .. } => "insert_marker",
            Self::RemoveMarker { .. } => "remove_marker",
            Self::AwaitStored => "await_stored",
            Self::Verify => "verify",
            Self::RestoreOffset { .. } => "restore_offset",
            Self::ResizeOplog { .. } => "resize_oplog",
        }
    }

    /// It gives the connector another key to store under, and leaves what stands under the old one.
    #[must_use]
    pub fn renames_its_key(&self) -> bool {
        matches!(self, Self::Configure { to } if to.contains_key(PARTITION))
    }

    /// The configuration after it, where it changes one that is this. Where it begins is known only when it is taken; any time
    /// stands for that.
    pub(super) fn configured(&self, config: &BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
        let some = |value: &str| Some(value.to_owned());
        let to = match self {
            Self::Configure { to } => to.clone(),
            Self::StartAtOldest { partition } => BTreeMap::from([
                (PARTITION.to_owned(), some(partition)),
                (STARTUP_MODE.to_owned(), some("timestamp")),
                (START_AT.to_owned(), some("1")),
            ]),
            Self::Save
            | Self::Stop
            | Self::StopWorker
            | Self::StartWorker
            | Self::AwaitStill
            | Self::Restart
            | Self::WriteMark { .. }
            | Self::RemoveOffset { .. }
            | Self::Resume
            | Self::Pause
            | Self::RestartTasks
            | Self::InsertMarker { .. }
            | Self::RemoveMarker { .. }
            | Self::AwaitStored
            | Self::Verify
            | Self::RestoreOffset { .. }
            | Self::ResizeOplog { .. } => return None,
        };
        let mut config = config.clone();
        for (key, value) in to {
            match value {
                Some(value) => config.insert(key, value),
                None => config.remove(&key),
            };
        }
        Some(config)
    }

    /// The connector has no offset after it: the one under its key is removed, or its new key has none.
    #[must_use]
    pub fn drops_its_offset(&self) -> bool {
        matches!(self, Self::RemoveOffset { .. }) || self.renames_its_key()
    }

    /// What makes a stopped connector what it was; nothing for one that was stopped.
    #[must_use]
    pub fn back_to(state: ConnectorState) -> Option<Self> {
        match state {
            ConnectorState::Stopped => None,
            ConnectorState::Paused => Some(Self::Pause),
            ConnectorState::Running
            | ConnectorState::Failed
            | ConnectorState::Unassigned
            | ConnectorState::Restarting
            | ConnectorState::Other => Some(Self::Resume),
        }
    }

    /// What makes a connector that was started stand as it did; nothing for one that ran, or was to.
    #[must_use]
    pub fn standing(state: ConnectorState) -> Option<Self> {
        match state {
            ConnectorState::Stopped => Some(Self::Stop),
            ConnectorState::Paused => Some(Self::Pause),
            ConnectorState::Running
            | ConnectorState::Failed
            | ConnectorState::Unassigned
            | ConnectorState::Restarting
            | ConnectorState::Other => None,
        }
    }

    /// The key under which it changes what is stored, where it does.
    #[must_use]
    pub fn partition(&self) -> Option<&str> {
        match self {
            Self::WriteMark { partition, .. }
            | Self::RemoveOffset { partition }
            | Self::RestoreOffset { partition } => Some(partition),
            Self::Save
            | Self::Stop
            | Self::StopWorker
            | Self::StartWorker
            | Self::AwaitStill
            | Self::Restart
            | Self::Configure { .. }
            | Self::StartAtOldest { .. }
            | Self::Resume
            | Self::Pause
            | Self::RestartTasks
            | Self::InsertMarker { .. }
            | Self::RemoveMarker { .. }
            | Self::AwaitStored
            | Self::Verify
            | Self::ResizeOplog { .. } => None,
        }
    }

    /// Whether anything outside is changed by it.
    #[must_use]
    pub fn changes(&self) -> bool {
        !matches!(self, Self::Save | Self::AwaitStill | Self::AwaitStored | Self::Verify)
    }

    /// What it does, in words.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::Save => "save its offsets and configuration in the journal".to_owned(),
            Self::Stop => "stop it (PUT …/stop) and wait until no task is left".to_owned(),
            Self::StopWorker => "have its standalone worker stopped, with all that it runs, and wait until it is down".to_owned(),
            Self::StartWorker => "have its worker started again, and wait until its task runs".to_owned(),
            Self::AwaitStill => "wait until nothing writes its offset any more: no task runs, and nothing new is stored for longer than a flush".to_owned(),
            Self::Restart => "restart it (POST …/restart?includeTasks=true)".to_owned(),
            Self::WriteMark { mark: Mark::OldestSurviving, .. } => {
                "read its offset again, and store a high-water mark at the oldest surviving entry (PATCH …/offsets, or in the file of the worker that is down)".to_owned()
            }
            Self::WriteMark { mark: Mark::OwnTime, .. } => {
                "store a high-water mark at its token's own time (PATCH …/offsets)".to_owned()
            }
            Self::RemoveOffset { .. } => "remove the offset under its live key (PATCH …/offsets with null; in the file of the worker that is down; or by a tombstone in the offsets topic)".to_owned(),
            Self::Configure { to } => format!("configure {}", settings(to)),
            Self::StartAtOldest { partition } => format!(
                "configure offset.partition.name={partition} and startup.mode=timestamp at the oldest surviving entry"
            ),
            Self::Resume => "resume it (PUT …/resume) and wait until its task runs".to_owned(),
            Self::Pause => "pause it again (PUT …/pause)".to_owned(),
            Self::RestartTasks => "restart its failed tasks (POST …/restart?includeTasks=true&onlyFailed=true)".to_owned(),
            Self::InsertMarker { namespace, .. } => format!("insert one marker document into {namespace}"),
            Self::RemoveMarker { namespace } => format!("remove the marker document from {namespace}"),
            Self::AwaitStored => "wait until a newer token is stored".to_owned(),
            Self::Verify => "verify: RUNNING, its token inside the window, stable".to_owned(),
            Self::RestoreOffset { .. } => "put the saved offset back (PATCH …/offsets, in the file of the worker that is down, or in the offsets topic)".to_owned(),
            Self::ResizeOplog { size_mb } => format!("let the oplog grow to {size_mb} MB (replSetResizeOplog)"),
        }
    }
}

fn settings(to: &BTreeMap<String, Option<String>>) -> String {
    let one = |(key, value): (&String, &Option<String>)| match value {
        Some(value) => format!("{key}={value}"),
        None => format!("{key} removed"),
    };
    to.iter().map(one).collect::<Vec<_>>().join(", ")
}
