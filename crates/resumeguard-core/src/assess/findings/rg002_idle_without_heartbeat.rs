//! RG002: the position stands still while the oplog moves, and no heartbeat moves it.

use super::{Case, Matched};
use crate::domain::Verdict;

/// Matches a running connector without heartbeat whose position has not moved for a while: an idle namespace in a busy
/// deployment. Harmless while headroom lasts, and the classic way to lose a position.
pub(super) fn matches(case: &Case<'_>) -> Option<Matched> {
    let still = case.stands_still_for()?;
    let settings = &case.connector.settings;
    if settings.heartbeat_ms > 0 || settings.hidden.heartbeat || !case.connector.is_running() {
        return None;
    }
    Some(Matched {
        severity: case.severity_by_verdict(),
        summary: format!(
            "its position has not moved for {still} s while the oplog did, and it has no heartbeat"
        ),
        advice: match case.judgement.verdict {
            Verdict::Lost => {
                "see RG001: changing its configuration now would restart it from the lost position"
            }
            Verdict::Safe | Verdict::AtRisk | Verdict::Critical | Verdict::Unknown(_) => {
                "set heartbeat.interval.ms (a restart, so while the position is still in the oplog)"
            }
        }
        .to_owned(),
    })
}
