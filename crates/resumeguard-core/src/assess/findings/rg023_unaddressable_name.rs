//! RG023: Connect's REST interface cannot address the connector's name.

use super::{Case, Matched};
use crate::domain::{OffsetsFrom, Severity, Why};

/// Matches names with `/`, `\` or `%` on Connect 4 (Jetty 12 answers 400), and `.` and `..` anywhere. Where positions are not read by REST
/// nobody has tried it with such a name.
pub(super) fn matches(case: &Case<'_>) -> Option<Matched> {
    let name = case.connector.id.connector.as_str();
    let elsewhere = case.connector.offsets_from.is_some_and(|from| from != OffsetsFrom::Rest);
    if elsewhere && (name == "." || name == ".." || name.contains(['/', '\\', '%'])) {
        let never = name == "." || name == "..";
        return Some(Matched {
            severity: if never { Severity::Warning } else { Severity::Info },
            summary: format!(
                "its name cannot be addressed by REST{}: its position is read all the same, yet it can be neither stopped nor restarted",
                if never { "" } else { " by Connect 4 and newer" }
            ),
            advice: "create it anew under a plain name before it needs help".to_owned(),
        });
    }
    (case.connector.offset == Err(Why::NameUnaddressable)).then(|| Matched {
        severity: Severity::Warning,
        summary: "its name cannot be addressed by REST: its position cannot be read, nor can it be stopped or restarted".to_owned(),
        advice: "create it anew under a plain name; its position stays in the offsets topic under the old one".to_owned(),
    })
}
