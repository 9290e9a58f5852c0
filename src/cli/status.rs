//! `status`.

use super::{Failure, Outcome};
use crate::publish::status::{Connector, Status};
use crate::publish::table;
use std::io::Write;

/// Prints a status and says how bad it is.
pub(super) fn report(status: &Status, json: bool) -> Result<Outcome, Failure> {
    if json {
        let text =
            serde_json::to_string_pretty(status).map_err(|error| Failure::new(Outcome::Unknown, error))?;
        print(&(text + "\n"))?;
    } else {
        print(&table::fleet(status))?;
    }
    Ok(outcome(status))
}

/// The monitoring-plugin convention; unknown is the answer only where nothing worse is known.
fn outcome(status: &Status) -> Outcome {
    let any = |predicate: fn(&Connector) -> bool| status.connectors.iter().any(predicate);
    if any(|c| c.verdict == "lost" || c.verdict == "critical" || has_failed(c)) {
        Outcome::Bad
    } else if any(|c| c.verdict == "at_risk") {
        Outcome::AtRisk
    } else if any(|c| c.verdict == "unknown") || status.sources.iter().any(|s| s.source == "connect" && !s.up)
    {
        // A cluster that cannot be read may run connectors that nobody has seen.
        Outcome::Unknown
    } else {
        Outcome::Done
    }
}

fn has_failed(connector: &Connector) -> bool {
    connector.state.as_deref() == Some("FAILED") || connector.tasks.iter().any(|task| task.state == "FAILED")
}

/// Prints to standard output; a reader that has gone away is no error.
pub(super) fn print(text: &str) -> Result<Outcome, Failure> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => Ok(Outcome::Done),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(Outcome::Done),
        Err(error) => Err(Failure::new(Outcome::Unreachable, format!("standard output: {error}"))),
    }
}
