//! Tests on the real stack. `cargo xtask test` brings it up and runs them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "this is how a test says no"
)]

mod access;
mod auto;
mod daemon;
mod election;
mod gate;
mod history;
mod keys;
#[path = "../program/leaks.rs"]
mod leaks;
mod members;
mod people;
mod probe;
mod proxy;
mod recovery;
mod scrape;
mod seed;
mod shared;
mod status_topic;
mod streams;
mod tokens;
mod traffic;
