//! Base64 as it is found in the wild.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, STANDARD};

const ANY_ENDING: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, NO_PAD.with_decode_allow_trailing_bits(true));

/// Takes any number of padding characters: the one published token of Cosmos DB has too many.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    ANY_ENDING.decode(text.trim_end_matches('=')).ok()
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}
