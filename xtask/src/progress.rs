//! What a person sees of long work: bars and spinners on a terminal, one plain line a finished step elsewhere.

use std::borrow::Cow;
use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::clock::Stopwatch;

#[derive(Clone, Debug)]
enum Shown {
    Bars(MultiProgress),
    Lines,
    Nothing,
}

/// Where the progress of long work is shown. Always stderr: stdout belongs to results.
#[derive(Clone, Debug)]
pub struct Progress {
    shown: Shown,
}

impl Progress {
    /// Bars when stderr is a terminal, else plain lines.
    #[must_use]
    pub fn to_stderr() -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self { shown: if terminal { Shown::Bars(MultiProgress::new()) } else { Shown::Lines } }
    }

    /// Shows nothing: for tests that start a stack of their own.
    #[must_use]
    pub fn silent() -> Self {
        Self { shown: Shown::Nothing }
    }

    /// A step whose length is not known.
    #[must_use]
    pub fn step(&self, label: impl Into<Cow<'static, str>>) -> Step {
        self.begin(label.into(), None)
    }

    /// A step of `length` equal parts.
    #[must_use]
    pub fn bar(&self, label: impl Into<Cow<'static, str>>, length: u64) -> Step {
        self.begin(label.into(), Some(length))
    }

    /// A line that stays, above the bars where there are any.
    pub fn line(&self, text: &str) {
        match &self.shown {
            Shown::Bars(bars) => bars.suspend(|| eprintln!("{text}")),
            Shown::Lines => eprintln!("{text}"),
            Shown::Nothing => {}
        }
    }

    fn begin(&self, label: Cow<'static, str>, length: Option<u64>) -> Step {
        let bar = match &self.shown {
            Shown::Bars(bars) => Some(bars.add(drawn(label.clone(), length))),
            Shown::Lines | Shown::Nothing => None,
        };
        Step { progress: self.clone(), label, bar, watch: Stopwatch::start(), finished: false }
    }
}

fn drawn(label: Cow<'static, str>, length: Option<u64>) -> ProgressBar {
    let (bar, template) = match length {
        Some(length) => {
            (ProgressBar::new(length), "{spinner} {prefix:<28} [{bar:24}] {pos}/{len} {elapsed:>4} {msg}")
        }
        None => (ProgressBar::new_spinner(), "{spinner} {prefix:<28} {elapsed:>4} {msg}"),
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style);
    bar.set_prefix(label);
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// One step under way. Dropped unfinished (an error, Ctrl-C) it says so.
#[derive(Debug)]
pub struct Step {
    progress: Progress,
    label: Cow<'static, str>,
    bar: Option<ProgressBar>,
    watch: Stopwatch,
    finished: bool,
}

impl Step {
    /// Moves the bar to `position`.
    pub fn set(&self, position: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(position);
        }
    }

    /// Says what is going on at the moment.
    pub fn note(&self, text: impl Into<Cow<'static, str>>) {
        if let Some(bar) = &self.bar {
            bar.set_message(text);
        }
    }

    /// Ends the step well.
    pub fn done(mut self, text: &str) {
        self.end(text);
    }

    fn end(&mut self, text: &str) {
        self.finished = true;
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let seconds = self.watch.elapsed().as_secs_f64();
        self.progress.line(&format!("{}: {text} ({seconds:.1} s)", self.label));
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if !self.finished {
            self.end("not finished");
        }
    }
}
