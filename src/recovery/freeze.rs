//! The switch that stops all recovery. Whatever cannot be looked at counts as switched: a switch that fails open is none.

use crate::clock::Clock;
use arc_swap::ArcSwap;
use resumeguard_core::recovery::Ledger;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How often the files are looked at.
const EVERY: Duration = Duration::from_millis(250);
/// A look that is older than this counts no more: the next one hangs. With it, a file takes effect within a second whatever
/// its disk does.
const OLDEST: Duration = Duration::from_millis(750);
/// As much of a file's first line is read as its reason.
const REASON_BYTES: u64 = 200;

/// Whether all recovery is stopped; may be cloned.
#[derive(Debug, Clone)]
pub struct Freeze {
    configured: bool,
    clock: Clock,
    /// When the last look was begun (uptime), and what it found; `None` before the first.
    seen: Arc<ArcSwap<Option<Look>>>,
}

#[derive(Debug)]
struct Look {
    begun: Duration,
    frozen: Option<String>,
}

impl Freeze {
    /// Looks at these files from now on, in a thread of its own, until the last clone is gone. `configured` freezes by itself.
    ///
    /// A file freezes when it exists, whatever it is; the first line of a plain one is the reason. What cannot be told freezes
    /// as well: a file that may not be looked at, a look that does not come back, and a directory that is missing, since it may
    /// stand on a file system that is not mounted.
    #[must_use]
    pub fn watch(files: Vec<PathBuf>, configured: bool, clock: Clock) -> Self {
        Self::watch_by(move || files.iter().find_map(|file| look(file)), configured, clock)
    }

    fn watch_by(look: impl Fn() -> Option<String> + Send + 'static, configured: bool, clock: Clock) -> Self {
        let seen = Arc::new(ArcSwap::from_pointee(None));
        let shown = Arc::downgrade(&seen);
        let started =
            std::thread::Builder::new().name("freeze".to_owned()).spawn(move || keep(&look, &shown, clock));
        if let Err(error) = started {
            // Nothing was seen, and nothing will be: it stays frozen.
            tracing::error!(%error, "the freeze files cannot be looked at: recovery stays frozen");
        }
        Self { configured, clock, seen }
    }

    /// Why recovery is frozen; `None` where it is not. Never blocks.
    #[must_use]
    pub fn reason(&self, ledger: &Ledger) -> Option<String> {
        if self.configured {
            return Some("recovery.freeze is set in the configuration".to_owned());
        }
        self.by_file().or_else(|| ledger.frozen.as_ref().map(|(by, reason)| format!("{by}: {reason}")))
    }

    fn by_file(&self) -> Option<String> {
        let seen = self.seen.load();
        let Some(look) = seen.as_ref() else {
            return Some("the freeze files have not been looked at yet".to_owned());
        };
        let age = self.clock.uptime().saturating_sub(look.begun);
        look.frozen.clone().or_else(|| {
            (age > OLDEST).then(|| {
                format!("the freeze files could not be looked at for {} s: look at their disk", age.as_secs())
            })
        })
    }
}

fn keep(look: &impl Fn() -> Option<String>, shown: &Weak<ArcSwap<Option<Look>>>, clock: Clock) {
    loop {
        let begun = clock.uptime();
        let frozen = look();
        let Some(seen) = shown.upgrade() else { return };
        seen.store(Arc::new(Some(Look { begun, frozen })));
        drop(seen);
        std::thread::sleep(EVERY);
    }
}

/// Why this file freezes; `None` where it certainly does not exist.
fn look(file: &Path) -> Option<String> {
    let shown = file.display();
    // Not what a link leads to: a link that leads nowhere was put there by somebody as well.
    match std::fs::symlink_metadata(file) {
        Ok(metadata) => {
            let reason = if metadata.is_file() { first_line(file) } else { None };
            Some(reason.map_or_else(|| format!("{shown} exists"), |reason| format!("{shown}: {reason}")))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => absent(file),
        Err(error) => Some(format!("{shown} cannot be looked at ({error}), which counts as frozen")),
    }
}

/// A file that is not there says something only where its directory is.
fn absent(file: &Path) -> Option<String> {
    let directory = match file.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => Path::new("/"),
    };
    match std::fs::metadata(directory) {
        Ok(metadata) if metadata.is_dir() => None,
        Ok(_) => Some(format!("{} is no directory, which counts as frozen", directory.display())),
        Err(error) => Some(format!(
            "{} cannot be looked at ({error}), which counts as frozen: make it, or change recovery.freeze_files",
            directory.display()
        )),
    }
}

/// What the file says, for people; `None` where it says nothing that can be shown.
fn first_line(file: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    std::fs::File::open(file).ok()?.take(REASON_BYTES).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let line: String = text.lines().next()?.chars().filter(|char| !char.is_control()).collect();
    let line = line.trim();
    (!line.is_empty()).then(|| line.to_owned())
}
