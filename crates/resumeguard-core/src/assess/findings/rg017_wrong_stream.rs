//! RG017: the token belongs to another stream or another deployment.

use super::{Case, Matched};
use crate::domain::{FailureClass, Severity, Verdict, Why};

/// Matches when the server says, to a task or when it was asked, that the token is not in this stream (280), or when the position is older than an
/// oplog that was never truncated: it cannot come from there.
pub(super) fn matches(case: &Case<'_>) -> Option<Matched> {
    let refused = case.refusals().any(|failure| failure.class == FailureClass::WrongStream);
    let foreign = case.judgement.verdict == Verdict::Unknown(Why::PositionForeign)
        || (case.judgement.verdict == Verdict::Lost && case.judgement.never_truncated);
    let summary = match (refused, foreign) {
        (true, _) => "the server does not find its token in this stream",
        (false, true) => "its position is older than an oplog that was never truncated",
        (false, false) => return None,
    };
    Some(Matched {
        severity: Severity::Critical,
        summary: format!("{summary}: it belongs to another deployment, namespace or pipeline"),
        advice: "was the deployment behind the URI replaced or restored, or database, collection or pipeline changed? Put that back, or set the position anew".to_owned(),
    })
}
