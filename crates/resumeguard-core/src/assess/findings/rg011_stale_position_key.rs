//! RG011: positions exist, under keys that the connector does not look up.

use super::{Case, Matched};
use crate::domain::{Severity, Why};

/// Matches when nothing is stored under the live key and something under others: hosts, scheme, namespace,
/// `offset.partition.name` or the connector's major version were changed.
pub(super) fn matches(case: &Case<'_>) -> Option<Matched> {
    let stale = case.connector.stale_keys;
    if case.connector.offset != Err(Why::NoPosition) || stale == 0 {
        return None;
    }
    Some(Matched {
        severity: Severity::Warning,
        summary: format!(
            "{stale} positions are stored under older keys, none under the one that it looks up now"
        ),
        advice: "if it should go on from there: stop it, PATCH the old position under the new key, resume"
            .to_owned(),
    })
}
