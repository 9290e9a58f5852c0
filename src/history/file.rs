//! The file as the file system sees it: its lock, its identity, and what becomes of a damaged one.

use super::HistoryError;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Name of the file within the configured directory.
pub(crate) const NAME: &str = "history.db";

/// Damaged files that are kept, for whoever wants to know; a failing disk must not fill itself with them.
const ASIDE: usize = 3;

/// A file that is ours while this lives.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) path: PathBuf,
    /// Device and inode: what is in use may be removed or replaced under our hands.
    identity: (u64, u64),
    /// Held, never read.
    _lock: File,
}

impl Claim {
    /// Makes the directory (not its parents: one that is missing may be a file system that is not mounted) and the file where
    /// they are missing, readable for this user alone, and locks it against a second process.
    pub(super) fn stake(directory: &Path) -> Result<Self, HistoryError> {
        let path = directory.join(NAME);
        let refused = |cause| HistoryError::unopenable(&path, cause);
        match DirBuilder::new().mode(0o700).create(directory) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(refused(error)),
            Ok(()) | Err(_) => {}
        }
        let open =
            |path: &Path| OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
        let lock = open(&directory.join("history.lock")).map_err(refused)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(HistoryError::InUse(directory.display().to_string()));
            }
            Err(TryLockError::Error(error)) => return Err(refused(error)),
        }
        open(&path).map_err(refused)?;
        let identity = identity(&path).map_err(refused)?;
        Ok(Self { path, identity, _lock: lock })
    }

    /// Whether the file under that name is still the one that was opened.
    pub(super) fn holds(&self) -> bool {
        identity(&self.path).is_ok_and(|now| now == self.identity)
    }
}

fn identity(path: &Path) -> std::io::Result<(u64, u64)> {
    std::fs::metadata(path).map(|file| (file.dev(), file.ino()))
}

/// Renames a damaged file, with what stands beside it, and says what it is called now.
pub(super) fn set_aside(path: &Path, unix_seconds: u64) -> Option<String> {
    let aside = format!("{}.damaged-{unix_seconds}", path.display());
    std::fs::rename(path, &aside).ok()?;
    for beside in ["-wal", "-shm"] {
        let from = PathBuf::from(format!("{}{beside}", path.display()));
        // Not there after an orderly end. A log that stayed would be applied to the new file: it must go.
        let to = format!("{aside}{beside}");
        if from.exists() && std::fs::rename(&from, to).is_err() {
            std::fs::remove_file(&from).ok();
        }
    }
    forget_older(path);
    Some(aside)
}

fn forget_older(path: &Path) {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { return };
    let mark = format!("{}.damaged-", name.to_string_lossy());
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    let named = |entry: std::fs::DirEntry| {
        let stamp = entry.file_name().to_string_lossy().strip_prefix(&mark)?.parse::<u64>().ok()?;
        Some((stamp, entry.path()))
    };
    let mut damaged: Vec<(u64, PathBuf)> = entries.filter_map(Result::ok).filter_map(named).collect();
    damaged.sort_unstable();
    for (_, path) in damaged.iter().rev().skip(ASIDE) {
        for beside in ["", "-wal", "-shm"] {
            std::fs::remove_file(format!("{}{beside}", path.display())).ok();
        }
    }
}
