//! The switch that stops all recovery. Whatever cannot be looked at counts as switched: a switch that fails open is none.

use crate::clock::Clock;
use crate::config::Recovery;
use arc_swap::ArcSwap;
use resumeguard_core::recovery::Ledger;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
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
    configured: Arc<AtomicBool>,
    files: Files,
    clock: Clock,
    /// When the last look was begun (uptime), and what it found; `None` before the first.
    seen: Arc<ArcSwap<Option<Look>>>,
}

/// Which files are looked at; others may take their place.
type Files = Arc<ArcSwap<Vec<PathBuf>>>;

#[derive(Debug)]
struct Look {
    begun: Duration,
    /// Which files were looked at: a look at others tells nothing.
    files: Arc<Vec<PathBuf>>,
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
        let files: Files = Arc::new(ArcSwap::from_pointee(files));
        Self::watch_by(|files| files.iter().find_map(|file| look(file)), files, configured, clock)
    }

    /// What another configuration says holds from now on; other files from the next look.
    pub fn reconfigure(&self, recovery: &Recovery) {
        self.files.store(Arc::new(recovery.freeze_files.clone()));
        self.configured.store(recovery.freeze, Ordering::SeqCst);
    }

    /// What the configuration says by now.
    pub(super) fn by_configuration(&self) {
        self.configured.store(true, Ordering::SeqCst);
    }

    fn watch_by(
        look: impl Fn(&[PathBuf]) -> Option<String> + Send + 'static,
        files: Files,
        configured: bool,
        clock: Clock,
    ) -> Self {
        let seen = Arc::new(ArcSwap::from_pointee(None));
        let (shown, looked_at) = (Arc::downgrade(&seen), Arc::clone(&files));
        let started = std::thread::Builder::new()
            .name("freeze".to_owned())
            .spawn(move || keep(&look, &looked_at, &shown, clock));
        if let Err(error) = started {
            // Nothing was seen, and nothing will be: it stays frozen.
            tracing::error!(%error, "the freeze files cannot be looked at: recovery stays frozen");
        }
        Self { configured: Arc::new(AtomicBool::new(configured)), files, clock, seen }
    }

    /// Why recovery is frozen; `None` where it is not. Never blocks.
    #[must_use]
    pub fn reason(&self, ledger: &Ledger) -> Option<String> {
        if self.configured.load(Ordering::SeqCst) {
            return Some("recovery.freeze is set in the configuration".to_owned());
        }
        self.by_file().or_else(|| ledger.frozen.as_ref().map(|(by, reason)| format!("{by}: {reason}")))
    }

    /// Whether the files have been looked at. Before that it counts as frozen, and nobody knows by what.
    #[must_use]
    pub fn has_looked(&self) -> bool {
        self.seen.load().is_some()
    }

    fn by_file(&self) -> Option<String> {
        let seen = self.seen.load();
        let Some(look) = seen.as_ref() else {
            return Some("the freeze files have not been looked at yet".to_owned());
        };
        if !Arc::ptr_eq(&look.files, &self.files.load()) {
            return Some("the freeze files have become others and have not been looked at yet".to_owned());
        }
        let age = self.clock.uptime().saturating_sub(look.begun);
        look.frozen.clone().or_else(|| {
            (age > OLDEST).then(|| {
                format!("the freeze files could not be looked at for {} s: look at their disk", age.as_secs())
            })
        })
    }
}

fn keep(
    look: &impl Fn(&[PathBuf]) -> Option<String>,
    looked_at: &Files,
    shown: &Weak<ArcSwap<Option<Look>>>,
    clock: Clock,
) {
    loop {
        let (begun, files) = (clock.uptime(), looked_at.load_full());
        let frozen = look(&files);
        let Some(seen) = shown.upgrade() else { return };
        seen.store(Arc::new(Some(Look { begun, files, frozen })));
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

#[cfg(test)]
mod tests {
    use super::*;
    use resumeguard_core::recovery::{Actor, Entry, Event};
    use std::sync::atomic::AtomicUsize;

    /// Waits until that is so; how long it took.
    fn until(clock: Clock, what: impl Fn() -> bool) -> Duration {
        let begun = clock.uptime();
        while !what() {
            assert!(clock.uptime() - begun < Duration::from_secs(10), "not within ten seconds");
            std::thread::sleep(Duration::from_millis(2));
        }
        clock.uptime() - begun
    }

    #[track_caller]
    fn check(freeze: &Freeze, part: &str) {
        let reason = freeze.reason(&Ledger::default()).unwrap_or_default();
        assert!(reason.contains(part), "{part}: {reason:?}");
    }

    fn is_free(freeze: &Freeze) -> bool {
        freeze.reason(&Ledger::default()).is_none()
    }

    #[test]
    fn a_file_freezes_within_a_second_whatever_it_is_and_frees_when_it_goes() {
        let (clock, directory) = (Clock::start(), tempfile::tempdir().unwrap());
        let (other, file) = (directory.path().join("other"), directory.path().join("freeze"));
        let freeze = Freeze::watch(vec![other, file.clone()], false, clock);
        until(clock, || is_free(&freeze));
        let second = Duration::from_secs(1);
        std::fs::write(&file, "maintenance of rs0\u{7}\nsecond line").unwrap();
        assert!(until(clock, || !is_free(&freeze)) < second);
        check(&freeze, "freeze: maintenance of rs0");
        assert!(!freeze.reason(&Ledger::default()).unwrap().contains(['\u{7}', '\n']));
        std::fs::remove_file(&file).unwrap();
        assert!(until(clock, || is_free(&freeze)) < second);
        for make in [
            (|file| std::fs::write(file, "")) as fn(&Path) -> std::io::Result<()>,
            |file| std::fs::write(file, [0xff; 4096]),
            |file| std::fs::create_dir(file),
            |file| std::os::unix::fs::symlink("/nowhere/at/all", file),
        ] {
            make(&file).unwrap();
            assert!(until(clock, || !is_free(&freeze)) < second);
            std::fs::remove_dir(&file).or_else(|_| std::fs::remove_file(&file)).unwrap();
            until(clock, || is_free(&freeze));
        }
        std::fs::write(&file, "").unwrap();
        until(clock, || !is_free(&freeze));
        check(&freeze, "freeze exists");
    }

    #[test]
    fn what_cannot_be_looked_at_counts_as_frozen() {
        let (clock, directory) = (Clock::start(), tempfile::tempdir().unwrap());
        let plain = directory.path().join("plain");
        std::fs::write(&plain, "").unwrap();
        let loops = directory.path().join("loop");
        std::os::unix::fs::symlink(&loops, &loops).unwrap();
        for (file, part) in [
            (plain.join("freeze"), "cannot be looked at (Not a directory"),
            (loops.join("freeze"), "cannot be looked at ("),
            (directory.path().join("x".repeat(300)), "cannot be looked at (File name too long"),
            (directory.path().join("not/mounted/freeze"), "mounted cannot be looked at (No such file"),
        ] {
            let freeze = Freeze::watch(vec![file], false, clock);
            until(clock, || !freeze.reason(&Ledger::default()).unwrap().contains("not been looked at yet"));
            check(&freeze, part);
        }
    }

    /// Root looks through a directory without permissions: the look is made by somebody else then.
    #[test]
    fn a_directory_that_may_not_be_looked_into_counts_as_frozen() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let closed = directory.path().join("closed");
        std::fs::create_dir(&closed).unwrap();
        std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o000)).unwrap();
        let found = look(&closed.join("freeze"));
        std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o700)).unwrap();
        if std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()) == 0 {
            assert_eq!(found, None);
        } else {
            assert!(found.unwrap().contains("Permission denied"));
        }
    }

    /// No file system at hand can be made to hang.
    #[test]
    fn a_look_that_hangs_counts_as_frozen_within_a_second_and_no_caller_waits() {
        let clock = Clock::start();
        let (free, wait) = std::sync::mpsc::channel::<()>();
        let looks = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&looks);
        let hanging = move |_: &[PathBuf]| {
            if counted.fetch_add(1, Ordering::SeqCst) == 1 {
                wait.recv().ok();
            }
            None
        };
        let freeze = Freeze::watch_by(hanging, Files::default(), false, clock);
        until(clock, || looks.load(Ordering::SeqCst) == 2);
        assert!(until(clock, || !is_free(&freeze)) < Duration::from_secs(1));
        check(&freeze, "could not be looked at for");
        free.send(()).unwrap();
        until(clock, || is_free(&freeze));
    }

    #[test]
    fn a_look_that_never_came_back_counts_as_frozen() {
        let (_held, wait) = std::sync::mpsc::channel::<()>();
        let freeze = Freeze::watch_by(
            move |_| wait.recv().err().map(|_| String::new()),
            Files::default(),
            false,
            Clock::start(),
        );
        check(&freeze, "have not been looked at yet");
    }

    #[test]
    fn configuration_and_journal_freeze_as_well() {
        let clock = Clock::start();
        check(&Freeze::watch(Vec::new(), true, clock), "recovery.freeze is set in the configuration");
        let freeze = Freeze::watch(Vec::new(), false, clock);
        until(clock, || is_free(&freeze));
        let by = Actor::Person("uid 7".into());
        let frozen = Event::Frozen { by: by.clone(), reason: "audit".into() };
        let mut ledger = Ledger::default();
        ledger.apply(&Entry { seq: 1, at_ms: 0, event: frozen });
        assert_eq!(freeze.reason(&ledger).as_deref(), Some("uid 7: audit"));
        ledger.apply(&Entry { seq: 2, at_ms: 0, event: Event::Unfrozen { by, reason: "done".into() } });
        assert_eq!(freeze.reason(&ledger), None);
    }

    /// Frozen by the configuration, then by a file: there is no moment between the two.
    #[test]
    fn other_files_freeze_until_they_have_been_looked_at() {
        let clock = Clock::start();
        let (free, wait) = std::sync::mpsc::channel::<()>();
        let files: Files = Arc::new(ArcSwap::from_pointee(Vec::new()));
        let slow = move |files: &[PathBuf]| {
            if !files.is_empty() {
                wait.recv().ok();
            }
            None
        };
        let freeze = Freeze::watch_by(slow, Arc::clone(&files), false, clock);
        until(clock, || is_free(&freeze));
        files.store(Arc::new(vec![PathBuf::from("/nowhere/at/all")]));
        check(&freeze, "have become others");
        free.send(()).unwrap();
        drop(free);
        until(clock, || is_free(&freeze));
    }

    #[test]
    fn the_thread_ends_with_the_last_clone() {
        let looks = Arc::new(());
        let held = Arc::downgrade(&looks);
        let freeze = Freeze::watch_by(
            move |_| {
                let _held = &looks;
                None
            },
            Files::default(),
            false,
            Clock::start(),
        );
        until(freeze.clock, || is_free(&freeze));
        let clock = freeze.clock;
        drop(freeze);
        until(clock, || held.upgrade().is_none());
    }
}
