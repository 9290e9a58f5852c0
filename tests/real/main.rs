//! Tests on the real stack. `cargo xtask test` brings it up and runs them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "this is how a test says no"
)]

mod access;
mod alerts;
mod auto;
#[path = "../program/console.rs"]
#[allow(dead_code, reason = "the other tests use more of it")]
mod console;
mod daemon;
mod election;
mod gate;
mod history;
mod kafka_security;
mod keys;
#[path = "../program/leaks.rs"]
#[allow(dead_code, reason = "the other tests use more of it")]
mod leaks;
mod members;
mod names;
mod newcomer;
mod offsets_faults;
mod offsets_topic;
mod page;
mod people;
mod probe;
mod proxy;
mod recovery;
mod rights;
mod rules;
mod scrape;
mod secured;
mod seed;
mod sharded;
mod shared;
mod standalone;
mod status_topic;
mod streams;
mod tokens;
mod topic_rights;
mod topologies;
mod traffic;
mod unit;
