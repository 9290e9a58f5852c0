//! Text as a bare token, and as whatever may hold one.
#![no_main]

#[path = "../../tests/invariants/mod.rs"]
mod invariants;

libfuzzer_sys::fuzz_target!(|text: &str| {
    invariants::check_text(text);
    if let Ok(document) = mongodb_resume_token::find_token(text) {
        invariants::check(&document);
        if let Ok(token) = document.decode() {
            let _ = token.to_json();
        }
    }
});
