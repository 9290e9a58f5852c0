//! Ctrl-C and its relatives.

use std::process::ExitCode;

use anyhow::Result;
use tokio::signal::unix::{SignalKind, signal};

/// What a shell reports of a command that was interrupted.
const INTERRUPTED: u8 = 130;

/// Runs a command to its end or until we are asked to end. Either way everything that it owns is dropped, and so
/// stopped, before this returns.
pub(crate) async fn guarded(work: impl Future<Output = Result<ExitCode>>) -> ExitCode {
    tokio::select! {
        result = work => result.unwrap_or_else(|error| {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }),
        received = asked_to_end() => {
            if let Err(error) = received {
                eprintln!("error: {error:#}");
            }
            ExitCode::from(INTERRUPTED)
        }
    }
}

/// Returns once SIGINT, SIGTERM or SIGHUP comes.
pub(crate) async fn asked_to_end() -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}
