//! All tests of the public interface in one binary: the smaller part of a build is the linking of each.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests say no like tests"
)]

mod bson;
mod errors;
mod invariants;
mod lenient;
mod limits;
mod numbers;
mod properties;
#[cfg(feature = "json")]
mod text;
mod tokens;
mod values;
#[cfg(feature = "json")]
mod vectors;
