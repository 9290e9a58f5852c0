//! BSON: documents as its bytes, and conversion to and from the `bson` crate.

#[cfg(feature = "bson")]
mod convert;
mod output;
