//! Logs: text for people, JSON for programs; to standard error, so that standard output is the answer alone.

use std::os::linux::fs::MetadataExt as _;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, fmt};
use tracing_subscriber::registry::LookupSpan;

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
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr()) && std::env::var_os("NO_COLOR").is_none();
    match (format, is_journal()) {
        (LogFormat::Json, true) => builder.json().flatten_event(true).map_event_format(Prioritised).init(),
        (LogFormat::Json, false) => builder.json().flatten_event(true).init(),
        // journald keeps the time of each line itself.
        (LogFormat::Text, true) => {
            builder.with_ansi(false).without_time().map_event_format(Prioritised).init();
        }
        (LogFormat::Text, false) => builder.with_ansi(ansi).init(),
    }
}

/// The last line of a command that could not do its work.
pub fn complain(line: &str) {
    let priority = if is_journal() { priority(Level::ERROR) } else { "" };
    eprintln!("{priority}resumeguard: {line}");
}

/// Lines that begin with their priority, as journald takes it (sd-daemon(3)) and does not keep it: `journalctl --priority=warning`
/// then finds what it should. Each line is an entry of its own there, so each has it.
struct Prioritised<F>(F);

impl<S, N, F> FormatEvent<S, N> for Prioritised<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        let mut text = String::new();
        self.0.format_event(context, Writer::new(&mut text), event)?;
        let priority = priority(*event.metadata().level());
        text.lines().try_for_each(|line| writeln!(writer, "{priority}{line}"))
    }
}

fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "<3>",
        Level::WARN => "<4>",
        Level::INFO => "<6>",
        Level::DEBUG | Level::TRACE => "<7>",
    }
}

/// Whether standard error is journald's. `JOURNAL_STREAM` alone does not tell: children inherit it, whatever their output is.
fn is_journal() -> bool {
    let told = std::env::var("JOURNAL_STREAM").ok();
    let opened = std::fs::metadata("/proc/self/fd/2").ok();
    told.zip(opened).is_some_and(|(told, opened)| told == format!("{}:{}", opened.st_dev(), opened.st_ino()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_line_that_journald_gets_has_its_priority() {
        let written = Written::default();
        let writer = written.clone();
        let builder = fmt().with_writer(move || writer.clone()).with_target(false).with_ansi(false);
        let subscriber = builder.without_time().map_event_format(Prioritised).finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!("one\ntwo");
            tracing::info!("three");
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let priorities: Vec<&str> = text.lines().map(|line| &line[..3]).collect();
        assert!(["one", "two", "three"].iter().all(|word| text.contains(word)), "{text}");
        assert_eq!(priorities.last(), Some(&"<6>"), "{text}");
        assert!(priorities[..priorities.len() - 1].iter().all(|each| *each == "<4>"), "{text}");
    }
}
