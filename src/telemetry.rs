//! Logs: text for people, JSON for programs; to standard error, so that standard output is the answer alone.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

/// Form of the log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One line of text an event.
    Text,
    /// One JSON object an event.
    Json,
}

/// Starts logging. `RUST_LOG` chooses what is logged, `default` holds without it.
pub fn start(format: LogFormat, default: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    // journald puts the time before each line itself.
    let under_journald = std::env::var_os("JOURNAL_STREAM").is_some();
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr()) && std::env::var_os("NO_COLOR").is_none();
    match format {
        LogFormat::Json => builder.json().flatten_event(true).init(),
        LogFormat::Text if under_journald => builder.with_ansi(false).without_time().init(),
        LogFormat::Text => builder.with_ansi(ansi).init(),
    }
}
