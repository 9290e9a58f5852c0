//! The document around a token: `{_data, _typeBits}`.

use crate::error::Error;
use crate::{Timestamp, cluster_time, cluster_time_of_bytes};

/// A resume token as a change stream hands it out and as drivers and connectors store it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TokenDocument {
    /// `_data`.
    pub data: TokenData,
    /// `_typeBits`, without which some identifiers cannot be told exactly, nor resumed from. Servers leave it out where
    /// it would be all zero.
    pub type_bits: Option<Vec<u8>>,
}

/// The token itself, in the form in which it was found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenData {
    /// Hexadecimal digits: MongoDB since 4.0, Amazon DocumentDB.
    Hex(String),
    /// Binary: MongoDB 3.6, Cosmos DB.
    Binary(Vec<u8>),
}

impl TokenDocument {
    /// A document that holds these hexadecimal digits and no type bits.
    #[must_use]
    pub fn from_hex(data: impl Into<String>) -> TokenDocument {
        TokenDocument { data: TokenData::Hex(data.into()), type_bits: None }
    }

    /// The token's time, by the fast path: the rest of the token is not looked at.
    ///
    /// # Errors
    /// As [`cluster_time`] and [`cluster_time_of_bytes`].
    pub fn cluster_time(&self) -> Result<Timestamp, Error> {
        match &self.data {
            TokenData::Hex(text) => cluster_time(text),
            TokenData::Binary(bytes) => cluster_time_of_bytes(bytes),
        }
    }
}
