//! Tests that need no server of ours: configuration, command line, page of metrics, and faults of Connect that the
//! real one cannot be made to show.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "this is how a test says no"
)]

mod book;
mod cli;
mod config;
#[path = "../program/console.rs"]
mod console;
mod dashboards;
mod decode;
mod deploy;
mod fake_connect;
mod faults;
mod generated;
mod golden;
mod history;
mod http;
mod journal;
mod kafka;
#[path = "../program/leaks.rs"]
mod leaks;
mod licences;
mod probe;
mod products;
mod promql;
mod recovery;
mod reference;
mod rules;
mod scale;
mod security;
mod service;
mod tidy;
