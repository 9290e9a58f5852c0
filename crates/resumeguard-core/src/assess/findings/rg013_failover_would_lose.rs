//! RG013: another member that may become primary holds less.

use super::{Case, Matched};
use crate::domain::{MemberFacts, Role, Selection, Severity, Verdict};

/// Matches when the election of another member would have the connector read from an oplog that no longer holds its
/// position, which is not lost yet: that of the new primary, or of the old one for a connector that reads from secondaries.
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
    let selection = case.connector.selection.as_ref().ok()?;
    let loses =
        |member: &MemberFacts| member.first.is_ok_and(|first| !first.initiating && position < first.time);
    // Nobody holds less: nobody needs to be imagined in another role.
    if !members.iter().any(loses) {
        return None;
    }
    let next = members.iter().filter(|member| member.electable && member.role != Role::Primary);
    let shorter = next.filter(|member| {
        let after = after_election_of(member, members);
        selection.candidates(&after).now.into_iter().any(loses)
    });
    let mut hosts: Vec<&str> = shorter.map(|member| member.host.as_str()).collect();
    hosts.sort_unstable();
    (!hosts.is_empty()).then(|| Matched {
        severity: Severity::Warning,
        summary: format!(
            "its position would be lost if {} became primary: an oplog that it would then read begins later",
            hosts.join(" or ")
        ),
        advice: "make the members' oplogs alike; avoid an election until the connector has moved on"
            .to_owned(),
    })
}

/// The members as they would be with that one as primary of its set.
fn after_election_of(elected: &MemberFacts, members: &[MemberFacts]) -> Vec<MemberFacts> {
    let role = |member: &MemberFacts| {
        if member.host == elected.host {
            Role::Primary
        } else if member.role == Role::Primary && member.shard == elected.shard {
            Role::Secondary
        } else {
            member.role
        }
    };
    members.iter().map(|member| member.in_role(role(member))).collect()
}
