//! Bytes as a standalone worker's offsets file.
#![no_main]

use resumeguard_core::domain::{JavaMap, JavaMapError};

#[path = "../../src/domain/java_map/invariants.rs"]
mod invariants;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    invariants::check(input);
});
