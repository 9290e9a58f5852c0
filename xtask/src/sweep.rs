//! Finds what killed runs left behind, and clears it away. Every command does this first.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::cache::{Cache, Lock};
use crate::identity::Identity;
use crate::progress::Progress;
use crate::roster::{self, Book};

/// Stops and removes every stack whose owner is dead. Returns the names of those it removed.
///
/// # Errors
/// When the cache cannot be read or a leftover process cannot be stopped.
pub fn sweep(cache: &Cache, progress: &Progress) -> Result<Vec<String>> {
    let stacks = cache.stacks();
    // Two sweepers would only get in each other's way.
    let _lock = Lock::wait(&stacks.join(".sweep.lock"))?;
    let mut swept = Vec::new();
    for folder in folders(&stacks)? {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !is_leftover(&folder, &name) {
            continue;
        }
        let step = progress.step(format!("sweep {name}"));
        roster::demolish(&folder)?;
        step.done("leftover of a run that was killed: stopped and removed");
        swept.push(name);
    }
    Ok(swept)
}

/// The stacks that exist, leftovers included, by name.
///
/// # Errors
/// When the cache cannot be read.
pub fn stacks(cache: &Cache) -> Result<Vec<(String, PathBuf, Book)>> {
    let folders = folders(&cache.stacks())?.into_iter();
    let named = folders.filter_map(|folder| {
        let name = folder.file_name()?.to_str()?.to_owned();
        let book = Book::read(&folder).ok()?;
        (!name.starts_with('.')).then_some((name, folder, book))
    });
    let mut stacks: Vec<_> = named.collect();
    stacks.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(stacks)
}

fn folders(stacks: &Path) -> Result<Vec<PathBuf>> {
    if !stacks.exists() {
        return Ok(Vec::new());
    }
    let entries = stacks.read_dir().with_context(|| format!("cannot read {}", stacks.display()))?;
    let folders = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    Ok(folders.into_iter().filter(|path| path.is_dir()).collect())
}

fn is_leftover(folder: &Path, name: &str) -> bool {
    // A folder between its creation and its claim names its maker: `.new-<pid>-<start>-<name>`.
    if let Some(rest) = name.strip_prefix(".new-") {
        let mut numbers = rest.splitn(3, '-').map(str::parse::<u64>);
        let (Some(Ok(pid)), Some(Ok(started))) = (numbers.next(), numbers.next()) else { return false };
        return u32::try_from(pid).is_ok_and(|pid| !Identity { pid, started }.is_alive());
    }
    // A claimed folder always holds a book. Without one somebody else is removing it, or it is not ours.
    Book::read(folder).is_ok_and(|book| book.is_leftover())
}
