//! RG015: the position is ahead of everything the deployment has written.

use super::{Case, Matched};
use crate::domain::{Severity, Verdict};

/// Matches at the second pass in a row: the server accepts such a token and delivers nothing until its clock gets there.
pub(super) fn matches(case: &Case<'_>) -> Option<Matched> {
    if !case.judgement.in_future || matches!(case.judgement.verdict, Verdict::Unknown(_)) {
        return None;
    }
    let ahead = case.judgement.lag_seconds.unwrap_or(0).unsigned_abs();
    Some(Matched {
        severity: Severity::Critical,
        summary: format!("its position is {ahead} s ahead of the newest oplog entry: it runs and delivers nothing"),
        advice: "was another deployment restored behind the same URI, or an offset written by hand? Replace the stored offset".to_owned(),
    })
}
