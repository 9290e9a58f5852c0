//! Kafka itself, where a topic of Connect tells what its REST interface does not.

mod follow;
mod listener;
mod status;
mod stored;
mod tail;
mod whole;
mod words;

pub(crate) use follow::refusal;
pub use status::{StatusTopic, TaskStarts};
pub(crate) use stored::{Kept, StoredKeys, parse_key};
pub(crate) use tail::{Behind, Held, Tail};
#[cfg(test)]
pub(crate) use tail::{Fold, Record};
pub(crate) use whole::{Ends, WholeRecord, ends, read_settled, read_whole, settled_ends};
