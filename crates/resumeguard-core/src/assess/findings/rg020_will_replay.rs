//! RG020: a start time was left in the configuration.

use super::{Case, Matched};
use crate::domain::{Severity, StartupMode};

/// Matches when `startup.mode=timestamp` with a time stands beside a stored position: the next start without a usable
/// token begins there, however long ago that is.
pub(super) fn matches(case: &Case<'_>) -> Option<Matched> {
    let settings = &case.connector.settings;
    let at = settings.start_at.filter(|_| settings.startup_mode == StartupMode::Timestamp)?;
    let position = case.connector.token_time()?;
    let seconds = i64::from(position.t) - at;
    (seconds > 0).then(|| Matched {
        severity: Severity::Info,
        summary: format!(
            "startup.mode=timestamp is still set: its next start without a token goes back {seconds} s"
        ),
        advice: "set startup.mode back to latest (a restart) once a position is stored".to_owned(),
    })
}
