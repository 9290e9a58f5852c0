//! The signals that end a process, and the one that has it read its configuration again.

/// SIGTERM or SIGINT, from now on: a signal that comes before anybody waits for it is not missed.
pub(crate) fn stop() -> std::io::Result<impl Future<Output = &'static str>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = term.recv() => "SIGTERM",
            _ = int.recv() => "SIGINT",
        }
    })
}

/// SIGHUP, from now on: the configuration is to be read again.
pub(crate) fn hangups() -> std::io::Result<tokio::signal::unix::Signal> {
    use tokio::signal::unix::{SignalKind, signal};
    signal(SignalKind::hangup())
}
