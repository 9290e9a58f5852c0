//! Tests on the real stack. `cargo xtask test` brings it up and runs them.

#![expect(missing_docs, reason = "tests")]

mod access;
mod daemon;
mod election;
mod keys;
mod proxy;
mod scrape;
mod seed;
mod shared;
mod traffic;
