//! RG013: another member that may become primary holds less.

use super::{Case, Matched};
use crate::domain::{Selection, Severity, Verdict};

/// Matches when an electable member's oplog no longer holds a position that is not lost yet: one with a smaller oplog,
/// or one that was synchronised anew.
pub(super) fn matches(case: &Case<'_>) -> Option<Matched> {
    if matches!(case.judgement.verdict, Verdict::Lost | Verdict::Unknown(_)) {
        return None;
    }
    if matches!(case.connector.selection, Ok(Selection::Direct(_))) {
        // It reads from that one member, whoever is primary.
        return None;
    }
    let position = case.connector.token_time()?;
    let members = case.facts.deployment_of(case.connector)?.members.as_deref().ok()?;
    let shorter = members.iter().filter(|member| member.electable);
    let shorter =
        shorter.filter(|member| member.first.is_ok_and(|first| !first.initiating && position < first.time));
    let mut hosts: Vec<&str> = shorter.map(|member| member.host.as_str()).collect();
    hosts.sort_unstable();
    (!hosts.is_empty()).then(|| Matched {
        severity: Severity::Warning,
        summary: format!(
            "its position would be lost if {} became primary: that oplog begins later",
            hosts.join(" or ")
        ),
        advice: "make the members' oplogs alike; avoid an election until the connector has moved on"
            .to_owned(),
    })
}
