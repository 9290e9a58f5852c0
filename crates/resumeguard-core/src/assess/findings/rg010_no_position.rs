//! RG010: nothing is stored under the live key.

use super::{Case, Matched};
use crate::domain::{Severity, StartupMode, Why};

/// Matches when the connector will find no position: a new one that has seen no event yet, or one whose key changed.
pub(super) fn matches(case: &Case<'_>) -> Option<Matched> {
    if case.connector.offset != Err(Why::NoPosition) {
        return None;
    }
    let begins = match case.connector.settings.startup_mode {
        StartupMode::Latest => "at that moment: what happened before is not delivered",
        StartupMode::Timestamp if case.connector.settings.start_at.is_none() => {
            "at that moment: what happened before is not delivered"
        }
        StartupMode::Timestamp => "at startup.mode.timestamp.start.at.operation.time",
        StartupMode::CopyExisting => "with a copy of all existing data",
    };
    let stale = case.connector.stale_keys;
    let others = if stale == 0 { String::new() } else { format!(" ({stale} under other keys)") };
    Some(Matched {
        severity: Severity::Warning,
        summary: format!("no position is stored under the key it looks up{others}: a restart begins {begins}"),
        advice: "let it see one event, or set heartbeat.interval.ms; if a host or namespace was changed, see whether the old position must be moved".to_owned(),
    })
}
