//! RG014: the token came without the type bits that its identifier needs.

use super::{Case, Matched};
use crate::domain::{ProbeAnswer, Severity, StoredOffset};

/// Matches when the identifier holds a number that the server cannot tell without `_typeBits`: most such tokens are
/// refused with 280 or a parse error (measured on 6.0.5: 62 of 74).
pub(super) fn matches(case: &Case<'_>) -> Option<Matched> {
    let Ok(StoredOffset::Token(position)) = &case.connector.offset else { return None };
    let (severity, server) = match case.connector.probe.map(|probe| probe.answer) {
        Some(ProbeAnswer::Refused(_)) => (Severity::Critical, "was asked and refuses it"),
        Some(ProbeAnswer::Resumes) => (Severity::Warning, "was asked and accepts it all the same"),
        _ => (Severity::Warning, "may refuse it"),
    };
    position.type_bits_missing.then(|| Matched {
        severity,
        summary: format!(
            "its stored token lacks the type bits that its document key needs: the server {server}"
        ),
        advice: "let the running task store a newer token; see that nothing between cuts _typeBits off"
            .to_owned(),
    })
}
