//! RG023: Connect's REST interface cannot address the connector's name.

use super::{Case, Matched};
use crate::domain::{Severity, Why};

/// Matches names with `/`, `\` or `%` on Connect 4 (Jetty 12 answers 400), and `.` and `..` anywhere.
pub(super) fn matches(case: &Case<'_>) -> Option<Matched> {
    (case.connector.offset == Err(Why::NameUnaddressable)).then(|| Matched {
        severity: Severity::Warning,
        summary: "its name cannot be addressed by REST: its position cannot be read, nor can it be stopped or restarted".to_owned(),
        advice: "create it anew under a plain name; its position stays in the offsets topic under the old one".to_owned(),
    })
}
