//! The oplog of every member that matters, read with one-document reads over connections that are kept.

mod commands;
mod deployment;
mod member;
mod set;

pub use commands::{Hello, ReadError};
pub use deployment::DeploymentReader;
pub use set::Deployments;

/// Adds the default port where none is written, so that hosts can be compared.
fn with_port(host: &str) -> String {
    let after_bracket = host.rsplit(']').next().unwrap_or(host);
    if after_bracket.contains(':') { host.to_owned() } else { format!("{host}:27017") }
}
