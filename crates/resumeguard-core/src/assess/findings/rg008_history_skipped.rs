//! RG008: history was skipped, and that is proven.

use super::{Case, Matched, moment};
use crate::domain::{Outcome, Severity};

/// Matches for a day (`thresholds.loss_shown_for`) after the last proven discontinuity.
pub(super) fn matches(case: &Case<'_>) -> Option<Matched> {
    let (cause, last) = case.recent().rev().find_map(|found| match found.outcome {
        Outcome::Lost(cause) => Some((cause, found)),
        Outcome::MaybeLost | Outcome::Rescued => None,
    })?;
    let count = case.losses_of_late();
    let more = if count > 1 { format!(" (the last of {count} of late)") } else { String::new() };
    Some(Matched {
        severity: Severity::Critical,
        summary: format!(
            "history was skipped: {}; some or all of what happened from {} to {}, {} s at the most, was not delivered{more}",
            cause.sentence(),
            moment(last.from),
            moment(last.to),
            last.seconds()
        ),
        advice: "send what changed in that stretch again from the source, or copy the collection anew; then see RG007 for what let it happen in silence".to_owned(),
    })
}
