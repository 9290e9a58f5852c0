//! The other decoders of resume tokens, for comparisons.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::cache::{Cache, Lock, clear};
use crate::machine::{self, Need};
use crate::parts::{CONNECTOR, NPM_DECODER};
use crate::progress::Progress;

/// Other decoders, obtained and verified. One user at a time while it lives: measuring wants the machine for itself.
#[derive(Debug)]
pub struct Peers {
    /// A folder `node_modules` with the npm decoder.
    pub node_modules: PathBuf,
    /// The connector's jar, whose decoder reads the time only.
    pub jar: PathBuf,
    _lock: Lock,
}

impl Peers {
    /// Finds them in the cache or downloads them, and verifies every file either way.
    ///
    /// # Errors
    /// When the machine lacks a tool, a registry cannot be reached, or a file is not the pinned one.
    pub async fn obtain(cache: &Cache, progress: &Progress) -> Result<Self> {
        let mut needs = vec![Need::Jdk, Need::Npm];
        if CONNECTOR.is_missing(cache) {
            needs.push(Need::Maven);
        }
        machine::ensure(&needs, progress).await?;
        let lock_path = cache.tools().join(".peers.lock");
        let lock = tokio::task::spawn_blocking(move || Lock::wait(&lock_path)).await??;
        let archives = NPM_DECODER.obtain(cache, progress).await?;
        let connector = CONNECTOR.obtain(cache, progress).await?;
        // Unpacked anew from what was verified.
        let node_modules = cache.tools().join("peers/node_modules");
        clear(&node_modules)?;
        unpack(&archives, &node_modules).await?;
        let jar = fs::read_dir(&connector)?.next().context("the connector has no jar")??.path();
        Ok(Self { node_modules, jar, _lock: lock })
    }
}

/// Lays archives `NAME-VERSION.tgz` out as Node finds packages.
async fn unpack(archives: &Path, node_modules: &Path) -> Result<()> {
    for entry in fs::read_dir(archives)? {
        let archive = entry?.path();
        let stem = archive.file_stem().and_then(|stem| stem.to_str());
        let (name, _version) = stem.and_then(|stem| stem.rsplit_once('-')).context("not an npm archive")?;
        let folder = node_modules.join(name);
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let archive = archive.display().to_string();
        machine::run("tar", &["--extract", "--gzip", "--strip-components=1", "--file", &archive], &folder)
            .await?;
    }
    Ok(())
}
