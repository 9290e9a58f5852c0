//! Decodes MongoDB change stream resume tokens.

mod document;
mod error;
mod hex;
mod high_water_mark;
#[cfg(feature = "json")]
mod json;
mod prefix;
mod timestamp;
mod vendor;

pub use document::{TokenData, TokenDocument};
pub use error::{Error, ErrorKind, Field, Vendor};
pub use high_water_mark::{high_water_mark_v1, high_water_mark_v2};
pub use prefix::{cluster_time, cluster_time_of_bytes};
pub use timestamp::Timestamp;
