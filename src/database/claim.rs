//! A file as the file system sees it: its lock and its identity.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// A file that is ours while this lives.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) path: PathBuf,
    /// Device and inode: what is in use may be removed or replaced under our hands.
    identity: (u64, u64),
    /// Held, never read.
    _lock: File,
}

/// Why a file is not ours.
#[derive(Debug)]
pub(crate) enum Unclaimed {
    /// Another process holds the lock.
    InUse,
    /// Something cannot be made or opened.
    Failed(std::io::Error),
}

impl Claim {
    /// Makes the directory (not its parents: one that is missing may be a file system that is not mounted) and the file
    /// `NAME.db` where they are missing, readable for this user alone, and locks `NAME.lock` against a second process.
    pub(crate) fn stake(directory: &Path, name: &str) -> Result<Self, Unclaimed> {
        match DirBuilder::new().mode(0o700).create(directory) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(Unclaimed::Failed(error)),
            Ok(()) | Err(_) => {}
        }
        let open =
            |path: &Path| OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
        let lock = open(&directory.join(format!("{name}.lock"))).map_err(Unclaimed::Failed)?;
        lock.try_lock().map_err(|refused| match refused {
            TryLockError::WouldBlock => Unclaimed::InUse,
            TryLockError::Error(error) => Unclaimed::Failed(error),
        })?;
        let path = directory.join(format!("{name}.db"));
        open(&path).map_err(Unclaimed::Failed)?;
        let identity = identity(&path).map_err(Unclaimed::Failed)?;
        Ok(Self { path, identity, _lock: lock })
    }

    /// Whether the file under that name is still the one that was opened.
    pub(crate) fn holds(&self) -> bool {
        identity(&self.path).is_ok_and(|now| now == self.identity)
    }
}

fn identity(path: &Path) -> std::io::Result<(u64, u64)> {
    std::fs::metadata(path).map(|file| (file.dev(), file.ino()))
}
