//! What becomes of a damaged file.

use std::path::{Path, PathBuf};

/// Name of the file within the configured directory.
pub(crate) const NAME: &str = "history.db";

/// Damaged files that are kept, for whoever wants to know; a failing disk must not fill itself with them.
const ASIDE: usize = 3;

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
