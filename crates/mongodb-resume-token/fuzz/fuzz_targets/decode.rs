//! Bytes as type bits and a token, in both outer forms.
#![no_main]

#[path = "../../tests/it/invariants/mod.rs"]
mod invariants;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    for document in invariants::documents(input).into_iter().flatten() {
        invariants::check(&document);
    }
});
