//! resumeguard: watches the resume tokens of MongoDB's Kafka source connectors against the oplog.
//!
//! `docs/ARCHITECTURE.md` is the map of the rooms below.

pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod history;
pub mod publish;
pub mod sources;
pub mod telemetry;
