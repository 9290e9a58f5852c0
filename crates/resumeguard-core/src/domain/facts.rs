//! What one pass has seen. No conclusion stands here.

use super::{
    ConnectorState, Failure, LiveKey, MemberFacts, Observed, OffsetsFrom, Probe, Selection, Settings,
    StreamEnd, TaskState, Timestamp, TokenKind, Why,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The moment of a judgement: wall clock for display, time that only goes forward for every span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Seconds since 1970, for display only: it never enters a headroom (J5).
    pub unix_seconds: i64,
    /// Monotonic time since the watch began. With a history it goes on over a restart, by the wall clock's difference.
    pub uptime: Duration,
}

/// Name of a connector together with the Connect cluster that runs it: names are unique only within one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConnectorId {
    /// Configured name of the Connect cluster.
    pub connect_cluster: String,
    /// The connector's name.
    pub connector: String,
}

impl ConnectorId {
    /// Puts the two names together.
    #[must_use]
    pub fn new(connect_cluster: &str, connector: &str) -> Self {
        Self { connect_cluster: connect_cluster.to_owned(), connector: connector.to_owned() }
    }
}

impl std::fmt::Display for ConnectorId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.connect_cluster, self.connector)
    }
}

/// A stored resume token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The token document's JSON text as stored. It contains a document's key: show it to those who may see that.
    pub token: String,
    /// Its cluster time.
    pub time: Timestamp,
    /// Event or high-water mark.
    pub kind: TokenKind,
    /// Which streams end at its event.
    pub ends: StreamEnd,
    /// UUID of the collection of its event; marks have none.
    pub collection: Option<[u8; 16]>,
    /// Its identifier holds a number that the server cannot tell without the type bits, and they are missing.
    pub type_bits_missing: bool,
    /// When it was stored, seconds since 1970; REST does not tell.
    pub stored_at: Option<i64>,
}

/// The value found under a connector's live key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredOffset {
    /// A resume token.
    Token(Position),
    /// A position of the copy of existing data.
    Copying,
    /// No token. `parses` tells whether the connector can read the text as a document at all: if it cannot, its task
    /// fails at start; if it can, the server refuses the token and the task runs without delivering.
    Malformed {
        /// The text is a document.
        parses: bool,
    },
    /// A token of Amazon DocumentDB's, with the time that it is seen to hold; that is documented nowhere. It counts where an
    /// operator has said that the deployment is one of these.
    DocumentDb(Position),
    /// A token of a product that keeps no (documented) time in it.
    Opaque,
}

/// One task of a connector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskFacts {
    /// Its number.
    pub id: u32,
    /// Its state.
    pub state: TaskState,
    /// Why it failed, where it has.
    pub failure: Option<Failure>,
    /// The beginning of its trace, where it has failed. It may quote documents: for those who may see them.
    pub trace: Option<String>,
    /// The worker that runs it, where Connect tells: another one means that it was restarted.
    pub worker: Option<String>,
    /// When it last started to run, milliseconds since 1970 by Kafka's clock, where the status topic tells.
    pub started: Option<i64>,
}

/// One connector as seen in one pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectorFacts {
    /// Who it is.
    pub id: ConnectorId,
    /// Java class.
    pub class: String,
    /// Version of the plugin, where Connect tells.
    pub version: Option<String>,
    /// The connector's own state; unknown while Connect cannot be read.
    pub state: Observed<ConnectorState>,
    /// Why the connector itself has failed, where it has.
    pub failure: Option<Failure>,
    /// Its tasks; empty when stopped.
    pub tasks: Vec<TaskFacts>,
    /// Settings that judgement needs.
    pub settings: Settings,
    /// Name of the deployment that it reads from.
    pub deployment: Observed<String>,
    /// Which members it can read from.
    pub selection: Observed<Selection>,
    /// What is stored under its live key.
    pub offset: Observed<StoredOffset>,
    /// How the live key was found.
    pub key: Option<LiveKey>,
    /// Where its stored entries were read from; `None` where they are not known.
    pub offsets_from: Option<OffsetsFrom>,
    /// The same in words, and why there.
    pub offsets_told: Option<String>,
    /// How many positions are stored under other keys.
    pub stale_keys: usize,
    /// How long before the judgement the offset was read; zero for a reading of this pass.
    pub offset_age: Duration,
    /// What the server said when it was asked about the position that `offset` holds.
    pub probe: Option<Probe>,
}

/// One deployment as seen in one pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentFacts {
    /// Its members, or why nothing can be said of them.
    pub members: Observed<Vec<MemberFacts>>,
    /// Collections behind watched namespaces, read after the positions.
    pub collections: Collections,
}

/// UUIDs of collections by `database.collection`: `None` where there is no such collection. What could not be read is
/// left out.
pub type Collections = BTreeMap<String, Option<[u8; 16]>>;

/// One source with its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFacts {
    /// Kind: `connect`, `offsets`, `offsets_topic`, `offsets_file`, `status_topic`, `mongodb`, `probe` or `history`.
    pub source: &'static str,
    /// Which one.
    pub name: String,
    /// The last reading succeeded.
    pub up: bool,
    /// Its error, one line with what to do.
    pub error: Option<String>,
}

/// Everything that one pass has seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Connectors, in any order.
    pub connectors: Vec<ConnectorFacts>,
    /// Deployments by name.
    pub deployments: BTreeMap<String, DeploymentFacts>,
    /// Sources.
    pub sources: Vec<SourceFacts>,
    /// How often a pass is made; readings older than three of them are stale.
    pub interval: Duration,
}

impl ConnectorFacts {
    /// At least one task runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.tasks.iter().any(|task| task.state == TaskState::Running)
    }

    /// The stored position, where there is one.
    #[must_use]
    pub fn position(&self) -> Option<&Position> {
        match &self.offset {
            Ok(StoredOffset::Token(position)) => Some(position),
            Ok(
                StoredOffset::Copying
                | StoredOffset::Malformed { .. }
                | StoredOffset::DocumentDb(_)
                | StoredOffset::Opaque,
            )
            | Err(_) => None,
        }
    }

    /// Time of the stored token, where there is one.
    #[must_use]
    pub fn token_time(&self) -> Option<Timestamp> {
        self.position().map(|position| position.time)
    }

    /// Its Connect cluster cannot be read now, and its position can, in another place: nothing is known of what it does.
    #[must_use]
    pub fn beside(self) -> Self {
        Self { state: Err(Why::ConnectUnreadable), failure: None, tasks: Vec::new(), ..self }
    }

    /// A connector that was never listed, and has a position in a worker's file.
    #[must_use]
    pub fn never_listed(id: ConnectorId, class: &str, offsets_from: OffsetsFrom) -> Self {
        let unknown = Why::ConnectUnreadable;
        Self {
            id,
            class: class.to_owned(),
            version: None,
            state: Err(unknown),
            failure: None,
            tasks: Vec::new(),
            settings: Settings::from_config(&BTreeMap::new()),
            deployment: Err(unknown),
            selection: Err(unknown),
            offset: Err(unknown),
            key: None,
            offsets_from: Some(offsets_from),
            offsets_told: None,
            stale_keys: 0,
            offset_age: Duration::ZERO,
            probe: None,
        }
    }

    /// A connector that was seen before and whose Connect cluster cannot be read now: it keeps its name, and nothing
    /// else is known.
    #[must_use]
    pub fn unreadable(&self) -> Self {
        Self {
            state: Err(Why::ConnectUnreadable),
            failure: None,
            tasks: Vec::new(),
            offset: Err(Why::ConnectUnreadable),
            offsets_from: None,
            offsets_told: None,
            probe: None,
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assess::tests::{connector, failed, token};
    use crate::domain::FailureClass;

    /// All that can be read of it has been.
    fn known() -> ConnectorFacts {
        ConnectorFacts {
            failure: Some(Failure { code: None, class: FailureClass::Other }),
            tasks: failed(Some(286), FailureClass::HistoryLost),
            offsets_from: Some(OffsetsFrom::Rest),
            offsets_told: Some("REST, which answers".to_owned()),
            ..connector(token(7, 1))
        }
    }

    #[test]
    fn of_a_connector_that_cannot_be_read_nothing_is_left_standing() {
        let unreadable = Err(Why::ConnectUnreadable);
        let beside = known().beside();
        assert_eq!((beside.state.map(|_| ()), beside.failure, beside.tasks), (unreadable, None, vec![]));
        assert!(beside.offset.is_ok() && beside.offsets_from.is_some(), "its position can be read elsewhere");
        let gone = known().unreadable();
        assert_eq!((gone.state.map(|_| ()), gone.failure, gone.tasks), (unreadable, None, vec![]));
        assert_eq!((gone.offset.map(|_| ()), gone.offsets_from, gone.offsets_told), (unreadable, None, None));
    }
}
