//! Text as a bare token, and as whatever may hold one.
#![no_main]

#[path = "../../tests/it/invariants/mod.rs"]
mod invariants;
#[path = "../../tests/it/invariants/text.rs"]
mod text;

libfuzzer_sys::fuzz_target!(|input: &str| text::check(input));
