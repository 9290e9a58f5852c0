//! Ctrl-C and its relatives.

use std::process::ExitCode;

use anyhow::Result;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a shell reports of a command that was interrupted.
pub(crate) const INTERRUPTED: u8 = 130;

/// The three ways in which we are asked to end. From its making on none of them ends the process by itself.
#[derive(Debug)]
pub(crate) struct Interrupt {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Interrupt {
    pub(crate) fn listen() -> Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Returns once SIGINT, SIGTERM or SIGHUP came, be it before the call.
    pub(crate) async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }

    /// Runs work to its end or until we are asked to end, then `None`. Whatever the work owns has been dropped, and
    /// so stopped, by then.
    pub(crate) async fn guard<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            result = work => Some(result),
            () = self.asked() => None,
        }
    }
}

/// Runs a whole command under guard.
pub(crate) async fn guarded(work: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode> {
    let outcome = Interrupt::listen()?.guard(work).await;
    outcome.unwrap_or_else(|| Ok(ExitCode::from(INTERRUPTED)))
}
