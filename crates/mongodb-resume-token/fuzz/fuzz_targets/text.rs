//! Text as a bare token, and as whatever may hold one.
#![no_main]

#[path = "../../tests/invariants/mod.rs"]
mod invariants;
#[path = "../../tests/invariants/text.rs"]
mod text;

libfuzzer_sys::fuzz_target!(|input: &str| text::check(input));
