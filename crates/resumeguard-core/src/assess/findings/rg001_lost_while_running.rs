//! RG001: the stored position cannot resume, and nothing else shows it.

use super::{Case, Matched};
use crate::domain::{Severity, Verdict};

/// Matches once a running connector's stored position has been lost for a whole offset flush (J4): a newer token may
/// be on its way to being stored until then.
pub(super) fn matches(case: &Case<'_>) -> Option<Matched> {
    let lost_for = case.memory.lost_for(case.now)?;
    if lost_for < case.thresholds.offset_flush || case.judgement.verdict != Verdict::Lost {
        return None;
    }
    let behind = case.judgement.headroom_seconds.unwrap_or(0).unsigned_abs();
    let behind = if behind == 0 { "less than a second".to_owned() } else { format!("{behind} s") };
    Some(Matched {
        severity: Severity::Critical,
        summary: format!(
            "RUNNING, but its stored position is {behind} older than the oplog's oldest entry: any restart {}; whether the live stream still delivers is not proven",
            case.judgement.on_restart.code()
        ),
        advice: "DO NOT RESTART it, its worker or its configuration; one change in the watched namespace makes a live stream store a fresh token".to_owned(),
    })
}
