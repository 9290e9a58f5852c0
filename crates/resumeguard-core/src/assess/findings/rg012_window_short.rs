//! RG012: an oplog holds less than is needed, or was made to hold less.

use super::{Case, Matched};
use crate::domain::{MemberFacts, Severity};

/// Matches when a member's window is below the configured need (`thresholds.window_needed`) once the oplog has begun to
/// truncate, or would be when full at its pace so far; or when its size or retention was lowered in the last day.
pub(super) fn matches(case: &Case<'_>) -> Option<Matched> {
    shrunk(case).or_else(|| short(case))
}

fn short(case: &Case<'_>) -> Option<Matched> {
    let needed = i64::try_from(case.thresholds.window_needed(&case.connector.id)?.as_secs()).ok()?;
    let (member, holds) = members(case)
        .filter_map(|member| Some((member, capacity(member)?)))
        .min_by_key(|(member, holds)| (*holds, member.host.as_str()))?;
    (holds < needed).then(|| Matched {
        severity: Severity::Warning,
        summary: format!("the oplog of {} holds {holds} s, {needed} s are needed", member.host),
        advice: ENLARGE.to_owned(),
    })
}

const ENLARGE: &str = "make it larger: db.adminCommand({replSetResizeOplog: 1, size: MB}), or set minRetentionHours, on every member";

/// Seconds that the oplog holds, or will once it is full.
fn capacity(member: &MemberFacts) -> Option<i64> {
    let until_full = if member.first.ok()?.initiating { member.seconds_until_truncation()? } else { 0 };
    Some(member.window_seconds()?.saturating_add(until_full))
}

fn shrunk(case: &Case<'_>) -> Option<Matched> {
    let (member, lowered) = members(case).find_map(|member| {
        let deployment = case.connector.deployment.as_ref().ok()?;
        let lowered = case.limits(deployment, &member.host)?.lowered()?;
        case.is_recent(lowered.at).then_some((member, lowered))
    })?;
    let mib = |bytes: u64| bytes / 1_048_576;
    let size = lowered.size.map(|(before, after)| format!("from {} to {} MiB", mib(before), mib(after)));
    let retention =
        lowered.retention.map(|(before, after)| format!("from {before} s to {after} s of retention"));
    let what = [size, retention].into_iter().flatten().collect::<Vec<_>>().join(" and ");
    Some(Matched {
        severity: Severity::Warning,
        summary: format!(
            "the oplog of {} was lowered {what}: it will truncate sooner than before",
            member.host
        ),
        advice: ENLARGE.to_owned(),
    })
}

fn members<'a>(case: &'a Case<'_>) -> impl Iterator<Item = &'a MemberFacts> {
    let members =
        case.facts.deployment_of(case.connector).and_then(|deployment| deployment.members.as_deref().ok());
    members.unwrap_or_default().iter()
}
