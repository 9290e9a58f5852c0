//! RG009: the position went backwards.

use super::{Case, Matched};
use crate::domain::Severity;

/// Matches until the connector has come by the place again from which it went back, a day at the most: somebody set its offset, or two
/// tasks store under one key.
pub(super) fn matches(case: &Case<'_>) -> Option<Matched> {
    let from = case.rewound_from()?;
    let to = case.connector.token_time()?;
    let seconds = i64::from(from.t) - i64::from(to.t);
    Some(Matched {
        severity: Severity::Warning,
        summary: format!("its position went back by {seconds} s, from {from} to {to}: what lies between is delivered again"),
        advice: "was its offset changed by hand, or does another connector store under the same key? Consumers will see duplicates".to_owned(),
    })
}
