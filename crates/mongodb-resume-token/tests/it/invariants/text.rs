//! What must hold for any text in which a token is looked for; shared by the tests and the fuzz target `text`.

use mongodb_resume_token::{TokenDocument, find_token};

use super::invariants;

pub(crate) fn check(text: &str) {
    invariants::check_text(text);
    let found = [find_token(text), TokenDocument::from_json(text)];
    for document in found.iter().flatten() {
        invariants::check(document);
        if let Ok(token) = document.decode() {
            assert!(token.to_json().starts_with('{'));
        }
    }
    if let [Ok(found), Ok(read)] = &found {
        assert_eq!(found, read, "{text}");
    }
}
