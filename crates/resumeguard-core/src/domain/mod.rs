//! The words of the project as types: what was seen ([`Facts`]) and what was concluded ([`Snapshot`]).

mod connection_string;
mod connector;
mod debezium;
mod facts;
mod failure;
mod java_map;
mod loss;
mod offset;
mod oplog;
mod partition;
mod probe;
mod snapshot;
mod stored;
mod why;
#[cfg(test)]
mod words;

pub use connection_string::{ConnectionString, ReadPreference, Refusal, with_port};
pub use connector::{ConnectorState, HiddenSettings, Settings, StartupMode, TaskState, Tolerance};
pub use debezium::{
    DEBEZIUM_NAMES, DEBEZIUM_SETTINGS, DEBEZIUM_SOURCE, Debezium, SnapshotMode, connection_uri, key_of,
    pick_live_of_debezium, token_text,
};
pub use facts::{
    Collections, ConnectorFacts, ConnectorId, DeploymentFacts, Facts, Position, SourceFacts, StoredOffset,
};
pub use facts::{Now, TaskFacts};
pub use failure::{Failure, FailureClass, FailureCounts};
pub use java_map::{JavaMap, JavaMapError};
pub use loss::{Discontinuity, LossCause, Outcome};
pub use mongodb_resume_token::Timestamp;
pub use offset::{StreamEnd, TokenKind, parse_offset};
pub use oplog::{
    Candidates, ChangeStream, FirstEntry, MemberFacts, OplogSizes, Role, Selection, StreamStart,
};
pub use partition::{LiveKey, LiveKeyQuery, StoredEntry, major_and_minor, pick_live};
pub use probe::{Basis, Probe, ProbeAnswer};
pub use snapshot::{
    ConnectorReport, Finding, LiveStream, OnRestart, OplogReport, Progress, Severity, Snapshot, Verdict,
};
pub use stored::{OffsetsFrom, StoredBytes};
pub use why::{Observed, Why};
