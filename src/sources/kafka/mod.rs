//! Kafka itself, where a topic of Connect tells what its REST interface does not.

mod status;
mod tail;

pub use status::{StatusTopic, TaskStarts};
