//! Everything that is read from outside. Each source is a plain struct with a bounded `read`, its own success, failure
//! and duration; a source that is dead takes nothing from the others.

mod access;
pub mod connect;
mod details;
pub mod kafka;
mod meter;
pub mod mongodb;
mod observer;
pub mod offsets;
mod prober;
mod probing;
mod reached;
mod rotation;
mod tls;

/// One line for all problems of a pass: the first, and how many more there are.
fn summary(problems: &[String]) -> Result<(), String> {
    match problems {
        [] => Ok(()),
        [only] => Err(only.clone()),
        [first, rest @ ..] => Err(format!("{first} (and {} more)", rest.len())),
    }
}

pub use access::{Access, AccessRules};
pub use meter::Meter;
pub use observer::Observer;
pub use probing::NotAsked;
