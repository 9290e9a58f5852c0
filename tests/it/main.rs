//! Tests that need no server of ours: configuration, command line, page of metrics, and faults of Connect that the
//! real one cannot be made to show.

#![expect(missing_docs, reason = "tests")]

mod cli;
mod config;
mod fake_connect;
mod faults;
mod golden;
mod tidy;
