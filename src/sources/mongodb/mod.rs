//! The oplog of every member that matters, read with one-document reads over connections that are kept.

mod collections;
mod commands;
mod deployment;
mod facts;
mod member;
mod probe;
mod product;
mod question;
pub mod reach;
mod rights;
mod server_status;
mod set;
mod sharded;
mod streams;
mod ways_in;

pub use commands::{Hello, ReadError};
pub use deployment::DeploymentReader;
pub use probe::Asked;
pub use product::Product;
pub use question::{NoQuestion, Question};
pub use reach::Reachable;
pub use set::Deployments;
