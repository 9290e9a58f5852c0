//! The folder outside the repository that holds the parts, the tools and the running stacks.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The cache folder.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// `$RESUMEGUARD_CACHE`, else `$XDG_CACHE_HOME/resumeguard`, else `~/.cache/resumeguard`.
    ///
    /// # Errors
    /// When none of the three variables is set.
    pub fn from_environment() -> Result<Self> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let root = set("RESUMEGUARD_CACHE")
            .or_else(|| set("XDG_CACHE_HOME").map(|base| base.join("resumeguard")))
            .or_else(|| set("HOME").map(|home| home.join(".cache/resumeguard")))
            .context("no cache folder: set RESUMEGUARD_CACHE")?;
        Ok(Self::at(std::path::absolute(root)?))
    }

    /// The cache at a given folder.
    #[must_use]
    pub fn at(root: PathBuf) -> Self {
        Self { root }
    }

    /// Where downloaded, verified parts lie.
    #[must_use]
    pub fn parts(&self) -> PathBuf {
        self.root.join("parts")
    }

    /// Where tools lie that are not pinned, because Debian's signature vouches for them.
    #[must_use]
    pub fn tools(&self) -> PathBuf {
        self.root.join("tools")
    }

    /// Where the running stacks lie.
    #[must_use]
    pub fn stacks(&self) -> PathBuf {
        self.root.join("stacks")
    }

    /// Where logs lie that were kept.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }
}

/// Held while one of several concurrent runs works on something; the kernel lets go of it when we die.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits until the lock file is ours. Blocking: for `spawn_blocking` or short critical sections.
    pub(crate) fn wait(path: &Path) -> Result<Self> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
        }
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
        Ok(Self { _file: file })
    }
}

/// Removes a folder, if it is there.
pub(crate) fn clear(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}
