//! RG007: the next loss will be silent.

use super::{Case, Matched};
use crate::domain::{Severity, Tolerance};

/// Matches when the effective tolerance is `all`. Fine for the minutes of a cure, a trap for ever after.
pub(super) fn matches(case: &Case<'_>) -> Option<Matched> {
    (case.connector.settings.tolerance == Tolerance::All).then(|| Matched {
        severity: Severity::Warning,
        summary: "errors are tolerated: when its token is lost it will skip what lies between, without failing".to_owned(),
        advice: "set errors.tolerance (or mongo.errors.tolerance, which overrides it) back to none once the cure has worked"
            .to_owned(),
    })
}
