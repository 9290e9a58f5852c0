//! `status`.

use super::{Failure, Outcome};
use crate::publish::has_failed;
use crate::publish::status::{Connector, Status};
use crate::publish::terminal::{self, Terminal};
use std::io::{IsTerminal as _, Write};

/// Whether there are colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Color {
    /// In a terminal that has them, unless NO_COLOR is set.
    Auto,
    /// Wherever it goes.
    Always,
    /// Nowhere.
    Never,
}

/// What standard output is. A width is asked for each time: windows change.
fn seen_by(color: Color) -> Terminal {
    let out = std::io::stdout();
    let size = out.is_terminal().then(|| rustix::termios::tcgetwinsize(&out).ok()).flatten();
    // One that does not say how wide it is may be a serial line.
    let columns = out.is_terminal().then(|| size.map_or(80, |size| usize::from(size.ws_col)).max(20));
    // https://no-color.org: set and not empty.
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let plain = set("NO_COLOR").is_some() || set("TERM").is_some_and(|term| term == "dumb");
    let color = match color {
        Color::Auto => columns.is_some() && !plain,
        Color::Always => true,
        Color::Never => false,
    };
    Terminal { columns, color }
}

/// Prints a status and says how bad it is.
pub(super) fn report(status: &Status, json: bool, color: Color) -> Result<Outcome, Failure> {
    if json {
        let text =
            serde_json::to_string_pretty(status).map_err(|error| Failure::new(Outcome::Unknown, error))?;
        print_exactly(&(text + "\n"))?;
    } else {
        print(&terminal::fleet(status, seen_by(color)))?;
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

/// Prints to standard output what a person reads: whatever somebody else has named, it steers no terminal.
pub(super) fn print(text: &str) -> Result<Outcome, Failure> {
    print_exactly(&terminal::harmless(text))
}

/// Prints to standard output what a program reads; a reader that has gone away is no error.
pub(super) fn print_exactly(text: &str) -> Result<Outcome, Failure> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => Ok(Outcome::Done),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(Outcome::Done),
        Err(error) => Err(Failure::new(Outcome::Unreachable, format!("standard output: {error}"))),
    }
}
