//! The offsets file of a standalone worker, on this host or mounted here.

mod bytes;

pub use bytes::FileError;
pub(crate) use bytes::{Stamp, Whole, read_whole};
