//! Decodes MongoDB change stream resume tokens.

mod bson;
mod decode;
mod document;
mod encode;
mod error;
mod hex;
mod high_water_mark;
#[cfg(feature = "json")]
mod json;
mod keystring;
mod prefix;
mod timestamp;
mod token;
mod value;
mod vendor;

pub use decode::{Partial, decode, decode_header, decode_lenient};
pub use document::{TokenData, TokenDocument};
pub use error::{Error, ErrorKind, Field, Vendor};
pub use high_water_mark::{high_water_mark_v1, high_water_mark_v2};
#[cfg(feature = "json")]
pub use json::find_token;
pub use keystring::decimal::Decimal128;
pub use prefix::{cluster_time, cluster_time_of_bytes};
pub use timestamp::Timestamp;
pub use token::{Event, Format, Identifier, Token, TokenType, Uuid};
pub use value::{Document, Value};
