//! resumeguard: watches the resume tokens of MongoDB's Kafka source connectors against the oplog.
//!
//! `docs/ARCHITECTURE.md` is the map of the rooms below.

pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod daemon;
mod database;
pub mod history;
pub mod journal;
pub mod publish;
pub mod recovery;
pub mod server;
mod signals;
pub mod sources;
pub mod telemetry;
