//! The part of `actions` that alters the file of a standalone worker: beside the file, then by one rename.

use super::actions::{Sent, Writer};
use super::failpoint;
use super::worker::{Standing, Worker};
use crate::clock::Clock;
use crate::sources::offsets::file::{Whole, read_whole, stored};
use resumeguard_core::domain::JavaMap;
use resumeguard_core::recovery::{AttemptId, Step};
use serde_json::{Map, Value};
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// How long a file that is written by nobody may take to hold still.
const STILL: Duration = Duration::from_secs(2);
/// How the name of a file that is to replace the worker's goes on.
const NEW: &str = "resumeguard-new-";
/// Of one process.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// A disk that takes longer hangs.
const DISK: Duration = Duration::from_secs(30);

/// One entry that is to be another.
pub(super) struct Edit<'a> {
    pub(super) attempt: &'a AttemptId,
    pub(super) step: &'a Step,
    pub(super) partition: &'a Map<String, Value>,
    /// `None` removes what is stored, as Kafka Connect does itself: the key stays, without a value.
    pub(super) offset: Option<&'a Map<String, Value>>,
}

/// The new file, whole and on the disk beside the old one.
struct Prepared {
    file: PathBuf,
    /// What it was made from: the file is replaced as long as it is this one.
    of: Stamp,
    new: PathBuf,
    backup: PathBuf,
}

/// Which file, and as written when: whoever writes it, or puts another in its place, alters this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds.
    changed: (i64, i64),
}

impl Stamp {
    fn of(file: &Metadata) -> Self {
        let changed = (file.ctime(), file.ctime_nsec());
        Self { device: file.dev(), inode: file.ino(), size: file.size(), changed }
    }
}

/// Whether somebody still waits for work on a disk: what is done after that is not done.
#[derive(Debug, Clone, Default)]
struct Wanted(Arc<AtomicBool>);

impl Wanted {
    fn no_more(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// # Errors
    /// Nobody waits any more.
    fn check(&self) -> Result<(), String> {
        if self.0.load(Ordering::SeqCst) { Err("it took too long".to_owned()) } else { Ok(()) }
    }
}

impl Writer<'_> {
    /// Alters what is stored under one key, in the file of a worker that is proven down immediately before and after.
    pub(super) async fn edit(&self, worker: &Worker, edit: Edit<'_>) -> Sent {
        if let Err(sent) = is_down(worker).await {
            return sent;
        }
        let (file, name, clock) = (worker.file().to_owned(), self.name.to_owned(), self.clock);
        let value = match edit.offset.map(serde_json::to_vec).transpose() {
            Ok(value) => value,
            Err(error) => return Sent::Refused(error.to_string()),
        };
        let (partition, attempt) = (edit.partition.clone(), edit.attempt.clone());
        let prepare = move |wanted: &Wanted| {
            prepare(&file, clock, wanted, &attempt, (&name, &partition), value.as_deref())
        };
        let prepared = match on_disk(prepare).await {
            Ok(Some(prepared)) => prepared,
            Ok(None) => return Sent::Needless("the file holds nothing under this key".to_owned()),
            Err(line) => return Sent::Refused(line),
        };
        failpoint::reached(edit.step, failpoint::BEFORE_RENAME);
        // What was prepared took a moment: the last look at both.
        if let Err(sent) = is_down(worker).await {
            std::fs::remove_file(&prepared.new).ok();
            return sent;
        }
        let backup = prepared.backup.clone();
        let new = prepared.new.clone();
        let Some(renaming) = self.unless_frozen(|| on_disk(move |wanted| commit(&prepared, wanted))) else {
            std::fs::remove_file(&new).ok();
            return Sent::Held;
        };
        if let Err(line) = renaming.await {
            return Sent::Uncertain(line);
        }
        tracing::info!(connector = self.name, backup = %backup.display(), "the worker's offsets file was edited; as it was, it stands beside it");
        match worker.standing().await {
            Standing::Down => Sent::Accepted,
            Standing::Up(line) | Standing::Unknown(line) => {
                Sent::Uncertain(format!("while its file was replaced: {line}"))
            }
        }
    }
}

/// Whether a worker's file will be edited once it is down: nobody has to stop one for nothing.
///
/// # Errors
/// Why it will not, one line.
pub(super) async fn rehearse(worker: &Worker, clock: Clock) -> Result<(), String> {
    worker.is_in_sight().await?;
    let file = worker.file().to_owned();
    on_disk(move |_| {
        let place = Place::of(&file)?;
        read_whole(&place.file, clock, STILL).map_err(|error| error.to_string())?;
        let written = place.write(&place.new, b"", 0o600).and_then(|()| sync(&place.folder));
        std::fs::remove_file(&place.new).ok();
        written.map_err(|error| place.cannot(&error))
    })
    .await
}

async fn is_down(worker: &Worker) -> Result<(), Sent> {
    match worker.standing().await {
        Standing::Down => Ok(()),
        Standing::Up(line) => Err(Sent::Refused(format!("its worker is not down: {line}"))),
        Standing::Unknown(line) => {
            Err(Sent::Refused(format!("whether its worker is down is not known: {line}")))
        }
    }
}

/// Away from the threads that wait for others. One that hangs is left to end, and renames nothing any more.
async fn on_disk<T: Send + 'static>(
    work: impl FnOnce(&Wanted) -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let wanted = Wanted::default();
    let working = tokio::task::spawn_blocking({
        let wanted = wanted.clone();
        move || work(&wanted)
    });
    match tokio::time::timeout(DISK, working).await {
        Ok(done) => done.map_err(|error| error.to_string())?,
        Err(_) => {
            wanted.no_more();
            Err(format!("the disk of the worker's offsets file did not answer within {DISK:.0?}"))
        }
    }
}

/// Writes a copy of the old file and the new one beside it; `None` where there is nothing to be altered.
fn prepare(
    file: &Path,
    clock: Clock,
    wanted: &Wanted,
    attempt: &AttemptId,
    key: (&str, &Map<String, Value>),
    value: Option<&[u8]>,
) -> Result<Option<Prepared>, String> {
    let place = Place::of(file)?;
    place.sweep();
    let whole = read_whole(&place.file, clock, STILL).map_err(|error| error.to_string())?;
    let Some(bytes) = altered(&whole, key, value)? else { return Ok(None) };
    let backup = place.folder.join(format!("{}.resumeguard-{attempt}", place.name));
    // An attempt's first copy is of what nobody of ours has changed. It gets its name once it is whole: a crash leaves none that is torn.
    let copied = if backup.exists() { Ok(()) } else { place.copy(&backup, &whole.bytes, wanted) };
    let mode = place.of.permissions().mode() & 0o7777;
    let written =
        copied.and_then(|()| place.write(&place.new, &bytes, mode)).and_then(|()| sync(&place.folder));
    if let Err(error) = written {
        std::fs::remove_file(&place.new).ok();
        return Err(place.cannot(&error));
    }
    Ok(Some(Prepared { of: Stamp::of(&place.of), file: place.file, new: place.new, backup }))
}

/// Where a worker's file stands, and what it is.
struct Place {
    file: PathBuf,
    folder: PathBuf,
    name: String,
    /// Beside it, so that a rename is one.
    new: PathBuf,
    of: Metadata,
}

impl Place {
    fn of(file: &Path) -> Result<Self, String> {
        // A link stays one.
        let real = std::fs::canonicalize(file).and_then(|file| Ok((std::fs::metadata(&file)?, file)));
        let (of, file) = real.map_err(|error| format!("{}: {error}", file.display()))?;
        let (folder, name) = (file.parent(), file.file_name().and_then(|name| name.to_str()));
        let (Some(folder), Some(name)) = (folder.map(Path::to_owned), name.map(str::to_owned)) else {
            return Err(format!("{} has no folder", file.display()));
        };
        // Another's that hangs has a name of its own.
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let new = folder.join(format!(".{name}.{NEW}{}-{number}", std::process::id()));
        Ok(Self { new, file, folder, name, of })
    }

    /// Removes what a crash, or a disk that hung, has left: it was never used.
    fn sweep(&self) {
        let begins = format!(".{}.{NEW}", self.name);
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            if entry.file_name().to_str().is_some_and(|name| name.starts_with(&begins)) {
                std::fs::remove_file(entry.path()).ok();
            }
        }
    }

    /// A copy under this name, whole or not at all.
    fn copy(&self, backup: &Path, bytes: &[u8], wanted: &Wanted) -> io::Result<()> {
        self.write(&self.new, bytes, 0o600)?;
        wanted.check().map_err(io::Error::other)?;
        std::fs::rename(&self.new, backup)?;
        sync(&self.folder)
    }

    /// A new file with the owner of the worker's, on the disk when this returns.
    fn write(&self, path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        let own = file.metadata()?;
        if (own.uid(), own.gid()) != (self.of.uid(), self.of.gid()) {
            fchown(&file, Some(self.of.uid()), Some(self.of.gid()))?;
        }
        file.set_permissions(std::fs::Permissions::from_mode(mode))?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    fn cannot(&self, error: &io::Error) -> String {
        format!(
            "nothing can be written beside {}: {error}; resumeguard has to own the worker's file, or to be root, and to be allowed to write in its folder",
            self.file.display()
        )
    }
}

/// The file with another value under a key, byte for byte the rest of it; `None` where nothing is to be removed.
fn altered(
    whole: &Whole,
    (name, partition): (&str, &Map<String, Value>),
    value: Option<&[u8]>,
) -> Result<Option<Vec<u8>>, String> {
    let map = whole.map().map_err(|error| error.to_string())?;
    let is_it = |key: &&[u8]| {
        stored(key, None).is_some_and(|found| found.connector == name && found.partition == *partition)
    };
    let key = map.entries().iter().filter_map(|(key, _)| *key).find(is_it);
    let changed = match key {
        Some(key) => map.replaced(key, value),
        // Only Kafka Connect knows how it writes a key: none is put together here.
        None if value.is_some() => {
            return Err(
                "the key is not in the file any more: let the worker store something first".to_owned()
            );
        }
        None => None,
    };
    let Some(changed) = changed else { return Ok(None) };
    let bytes = changed.to_bytes().map_err(|error| error.to_string())?;
    // What is written is read before anybody else does.
    match JavaMap::parse(&bytes) {
        Ok(read) if read == changed => Ok(Some(bytes)),
        _ => Err("what would be written cannot be read again".to_owned()),
    }
}

/// Nothing lies between the last look and the rename but the rename: the system has none that compares.
fn commit(prepared: &Prepared, wanted: &Wanted) -> Result<(), String> {
    let Prepared { file, of, new, .. } = prepared;
    let is_it = std::fs::metadata(file).is_ok_and(|now| Stamp::of(&now) == *of);
    if !is_it || wanted.check().is_err() {
        std::fs::remove_file(new).ok();
        return Err(format!("{} was written by somebody meanwhile: it was left as it is", file.display()));
    }
    let renamed = std::fs::rename(new, file).and_then(|()| sync(file.parent().unwrap_or(file)));
    renamed.map_err(|error| format!("{} could not be replaced: {error}", file.display()))
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REAL: &[u8] =
        include_bytes!("../../crates/resumeguard-core/tests/data/standalone_offsets_after_reset.bin");
    const ORDERS: &[u8] = br#"["orders",{"ns":"mongodb://h/shop.orders"}]"#;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let map = JavaMap::parse(REAL).unwrap();
            let map = map.inserted(ORDERS, Some(b"{\"_id\":\"x\"}")).unwrap();
            std::fs::write(folder.path().join("offsets"), map.to_bytes().unwrap()).unwrap();
            Self(folder)
        }

        fn file(&self) -> PathBuf {
            self.0.path().join("offsets")
        }

        fn prepare(&self, name: &str, value: Option<&[u8]>) -> Result<Option<Prepared>, String> {
            let partition = Map::from_iter([("ns".to_owned(), Value::from("mongodb://h/shop.orders"))]);
            let attempt = AttemptId("a-1".to_owned());
            prepare(&self.file(), Clock::start(), &Wanted::default(), &attempt, (name, &partition), value)
        }

        fn value(&self) -> Option<Vec<u8>> {
            let bytes = std::fs::read(self.file()).unwrap();
            JavaMap::parse(&bytes).unwrap().entries()[1].1.map(<[u8]>::to_vec)
        }

        fn names(&self) -> Vec<String> {
            let entries = std::fs::read_dir(self.0.path()).unwrap();
            let mut names: Vec<String> =
                entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }
    }

    fn replace(prepared: &Prepared) -> Result<(), String> {
        commit(prepared, &Wanted::default())
    }

    #[test]
    fn who_writes_it_meanwhile_wins_and_so_does_who_gave_up() {
        let folder = Folder::new();
        let prepared = folder.prepare("orders", None).unwrap().unwrap();
        let before = std::fs::read(folder.file()).unwrap();
        // As Kafka Connect does: in place, the same bytes even.
        std::fs::write(folder.file(), &before).unwrap();
        assert!(replace(&prepared).unwrap_err().contains("by somebody meanwhile"));
        let prepared = folder.prepare("orders", None).unwrap().unwrap();
        let wanted = Wanted::default();
        wanted.no_more();
        assert!(commit(&prepared, &wanted).is_err());
        assert_eq!(std::fs::read(folder.file()).unwrap(), before);
        assert_eq!(folder.names(), ["offsets", "offsets.resumeguard-a-1"], "nothing else is left");
        let moved = folder.prepare("orders", None).unwrap().unwrap();
        std::fs::rename(folder.file(), folder.0.path().join("away")).unwrap();
        assert!(replace(&moved).is_err());
        assert!(!folder.file().exists(), "one that was taken away stays away");
    }

    #[test]
    fn one_value_is_another_and_everything_else_as_it_was() {
        let folder = Folder::new();
        let before = std::fs::read(folder.file()).unwrap();
        std::fs::set_permissions(folder.file(), std::fs::Permissions::from_mode(0o640)).unwrap();
        let prepared = folder.prepare("orders", None).unwrap().unwrap();
        assert_eq!(std::fs::read(folder.file()).unwrap(), before, "nothing is changed yet");
        replace(&prepared).unwrap();
        let after = std::fs::read(folder.file()).unwrap();
        let expected = JavaMap::parse(&before).unwrap();
        assert_eq!(JavaMap::parse(&after).unwrap(), expected.replaced(ORDERS, None).unwrap());
        assert_eq!(std::fs::read(&prepared.backup).unwrap(), before);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode(&folder.file()), mode(&prepared.backup)), (0o640, 0o600));
        assert_eq!(folder.names(), ["offsets", "offsets.resumeguard-a-1"]);
        // And back, in the same attempt: its copy stays that of before.
        replace(&folder.prepare("orders", Some(b"{}")).unwrap().unwrap()).unwrap();
        assert_eq!(folder.value().as_deref(), Some(&b"{}"[..]));
        assert_eq!(std::fs::read(&prepared.backup).unwrap(), before);
    }

    #[test]
    fn a_crash_before_the_rename_leaves_the_old_file_and_hinders_nobody() {
        let folder = Folder::new();
        let before = folder.value();
        drop(folder.prepare("orders", None).unwrap());
        assert_eq!(folder.value(), before);
        replace(&folder.prepare("orders", None).unwrap().unwrap()).unwrap();
        assert_eq!(folder.value(), None);
    }

    #[test]
    fn a_key_is_never_put_together() {
        let folder = Folder::new();
        assert!(folder.prepare("others", None).unwrap().is_none());
        assert!(folder.prepare("others", Some(b"{}")).err().unwrap().contains("not in the file"));
        std::fs::write(folder.file(), &REAL[..30]).unwrap();
        assert!(folder.prepare("orders", None).err().unwrap().contains("after 30 bytes"));
        assert_eq!(folder.names(), ["offsets"]);
    }

    #[test]
    fn where_nothing_can_be_written_that_is_known_before() {
        let folder = Folder::new();
        let place = Place::of(&folder.file()).unwrap();
        place.write(&place.new, b"", 0o600).unwrap();
        folder.prepare("orders", None).unwrap().unwrap();
        assert!(!place.new.exists(), "what a crash has left goes");
        let taken = place.write(&folder.file(), b"x", 0o600).unwrap_err();
        assert!(place.cannot(&taken).contains("to be root"), "{taken}");
        assert!(Place::of(&folder.0.path().join("gone")).is_err());
    }

    #[test]
    fn a_link_stays_a_link() {
        let folder = Folder::new();
        let real = folder.0.path().join("real");
        std::fs::rename(folder.file(), &real).unwrap();
        std::os::unix::fs::symlink(&real, folder.file()).unwrap();
        replace(&folder.prepare("orders", None).unwrap().unwrap()).unwrap();
        assert!(std::fs::symlink_metadata(folder.file()).unwrap().is_symlink());
        assert_eq!(folder.value(), None);
    }
}
