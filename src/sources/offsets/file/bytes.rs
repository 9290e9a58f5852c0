//! The bytes of an offsets file. Workers rewrite it in place: what was read counts only where it held still meanwhile.

use crate::clock::Clock;
use resumeguard_core::domain::{JavaMap, JavaMapError};
use rustix::fs::OFlags;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Larger ones are read by nobody here: a position takes some hundred bytes, a thousand connectors less than one megabyte.
const LIMIT: u64 = 64 << 20;

/// Between two looks: a worker writes its file within a millisecond or two.
const AGAIN: Duration = Duration::from_millis(20);

/// Why an offsets file tells nothing. None of it says that nothing is stored.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Nothing stands there.
    #[error("{path}: no such file; has the worker stored nothing yet, or is offset.storage.file.filename another?", path = .0.display())]
    Missing(PathBuf),
    /// It stands there and cannot be read.
    #[error("{path}: {cause}; may resumeguard read it?", path = path.display())]
    Unreadable {
        /// Where.
        path: PathBuf,
        /// The operating system's word.
        cause: io::Error,
    },
    /// A folder, a device, a pipe.
    #[error("{path} is no regular file; see connect.NAME.offsets_file", path = .0.display())]
    NoFile(PathBuf),
    /// More than a worker would ever write.
    #[error("{path} is larger than {LIMIT} bytes; is it an offsets file?", path = .0.display())]
    TooLarge(PathBuf),
    /// It changed at every look until the time was over.
    #[error("{path} was changed while it was read, again and again; the next pass will tell", path = .0.display())]
    Unsteady(PathBuf),
    /// It is cut off, and stays so. The worker takes that for an empty one when it starts (`FileOffsetBackingStore.load`).
    #[error("{path}: {cause}; a worker that starts with it finds no position at all: put a copy back before that", path = path.display())]
    CutOff {
        /// Where.
        path: PathBuf,
        /// How far it goes.
        cause: JavaMapError,
    },
    /// It is something else.
    #[error("{path}: {cause}; is it the file of offset.storage.file.filename?", path = path.display())]
    Form {
        /// Where.
        path: PathBuf,
        /// What it is not.
        cause: JavaMapError,
    },
    /// A reading of before has not come back: a file system that hangs.
    #[error("{path} does not answer: does its file system hang?", path = .0.display())]
    Hangs(PathBuf),
}

/// Which file it was when it was read, and in which state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    /// When it was last written to, nanoseconds since 1970.
    modified: i128,
}

impl Stamp {
    /// Whole seconds since 1970 at which it was last written to.
    pub(crate) fn modified_seconds(self) -> i64 {
        i64::try_from(self.modified.div_euclid(1_000_000_000)).unwrap_or(i64::MAX)
    }
}

/// A whole file, as it stood at one moment.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Whole {
    pub(crate) stamp: Stamp,
    /// They are a map: [`JavaMap::parse`] takes them.
    pub(crate) bytes: Vec<u8>,
}

/// Keys may hold credentials.
impl std::fmt::Debug for Whole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Whole").field("stamp", &self.stamp).finish_non_exhaustive()
    }
}

impl Whole {
    /// What it holds.
    ///
    /// # Errors
    /// None that reading it has not had.
    pub(crate) fn map(&self) -> Result<JavaMap<'_>, JavaMapError> {
        JavaMap::parse(&self.bytes)
    }
}

/// Reads a file until it was the same twice in a row, and is a map. It blocks.
pub(crate) fn read_whole(path: &Path, clock: Clock, deadline: Duration) -> Result<Whole, FileError> {
    let begun = clock.uptime();
    let mut before = None;
    loop {
        let now = look(path)?;
        let steady = now.is_some() && now == before;
        if let Some(whole) = now.as_ref().filter(|_| steady) {
            let outcome = whole.map().map(drop);
            match outcome {
                Ok(()) => return Ok(whole.clone()),
                // It may be between the worker's two writes.
                Err(JavaMapError::Torn { .. }) if clock.uptime().saturating_sub(begun) < deadline => {}
                Err(cause @ JavaMapError::Torn { .. }) => {
                    return Err(FileError::CutOff { path: path.to_owned(), cause });
                }
                Err(cause) => return Err(FileError::Form { path: path.to_owned(), cause }),
            }
        } else if clock.uptime().saturating_sub(begun) >= deadline {
            return Err(FileError::Unsteady(path.to_owned()));
        }
        before = now;
        std::thread::sleep(AGAIN);
    }
}

/// One look; `None` where it changed meanwhile.
fn look(path: &Path) -> Result<Option<Whole>, FileError> {
    let mut file = open(path)?;
    let before = stamp(&file, path)?;
    let mut bytes = Vec::new();
    let read = file.by_ref().take(LIMIT + 1).read_to_end(&mut bytes);
    read.map_err(|cause| FileError::Unreadable { path: path.to_owned(), cause })?;
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if length > LIMIT {
        return Err(FileError::TooLarge(path.to_owned()));
    }
    let after = stamp(&file, path)?;
    Ok((before == after && after.length == length).then_some(Whole { stamp: after, bytes }))
}

/// Neither waits for the other end of a pipe nor becomes the terminal of a device.
fn open(path: &Path) -> Result<File, FileError> {
    let flags = i32::try_from((OFlags::NONBLOCK | OFlags::NOCTTY).bits()).unwrap_or_default();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    opened.map_err(|cause| {
        if cause.kind() == io::ErrorKind::NotFound {
            return FileError::Missing(path.to_owned());
        }
        FileError::Unreadable { path: path.to_owned(), cause }
    })
}

fn stamp(file: &File, path: &Path) -> Result<Stamp, FileError> {
    let found = file.metadata().map_err(|cause| FileError::Unreadable { path: path.to_owned(), cause })?;
    if !found.is_file() {
        return Err(FileError::NoFile(path.to_owned()));
    }
    let modified = i128::from(found.mtime()) * 1_000_000_000 + i128::from(found.mtime_nsec());
    Ok(Stamp { device: found.dev(), inode: found.ino(), length: found.len(), modified })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    const REAL: &[u8] =
        include_bytes!("../../../../crates/resumeguard-core/tests/data/standalone_offsets_after_reset.bin");
    const SHORT: Duration = Duration::from_millis(200);

    fn read(path: &Path) -> Result<Whole, FileError> {
        read_whole(path, Clock::start(), SHORT)
    }

    fn said(path: &Path) -> String {
        read(path).unwrap_err().to_string()
    }

    #[test]
    fn a_file_that_holds_still_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("offsets");
        std::fs::write(&path, REAL).unwrap();
        let whole = read(&path).unwrap();
        assert_eq!(whole.bytes, REAL);
        assert!(whole.stamp.modified_seconds() > 1_700_000_000);
        assert!(!format!("{whole:?}").contains("sa1"));
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(read(&link).unwrap().bytes, REAL, "a link leads to it");
    }

    #[test]
    fn whatever_else_stands_there_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("offsets");
        assert!(said(&path).contains("no such file"));
        assert!(said(folder.path()).contains("no regular file"));
        assert!(said(Path::new("/dev/zero")).contains("no regular file"));
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert!(said(&pipe).contains("no regular file"), "it waits for nobody");
        for cut in [0, 1, REAL.len() - 1] {
            std::fs::write(&path, &REAL[..cut]).unwrap();
            assert!(said(&path).contains("finds no position at all"), "{cut}");
        }
        std::fs::write(&path, b"{}").unwrap();
        assert!(said(&path).contains("is it the file of offset.storage.file.filename"));
        let huge = File::create(&path).unwrap();
        huge.set_len(LIMIT + 1).unwrap();
        assert!(said(&path).contains("larger than"));
    }

    /// As Kafka Connect writes it: emptied, then filled in two writes.
    #[test]
    fn what_is_read_while_it_is_written_is_whole_or_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("offsets");
        std::fs::write(&path, REAL).unwrap();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                use std::io::Write as _;
                while !stop.load(Ordering::Relaxed) {
                    let mut file = File::create(&path).unwrap();
                    file.write_all(&REAL[..50]).unwrap();
                    std::thread::yield_now();
                    file.write_all(&REAL[50..]).unwrap();
                    drop(file);
                    std::thread::sleep(Duration::from_micros(700));
                }
            });
            let outcomes: Vec<_> = (0..5).map(|_| read(&path)).collect();
            stop.store(true, Ordering::Relaxed);
            for outcome in outcomes {
                match outcome {
                    Ok(whole) => assert_eq!(whole.bytes, REAL),
                    Err(FileError::Unsteady(_) | FileError::CutOff { .. }) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        });
        assert_eq!(read(&path).unwrap().bytes, REAL);
    }
}
