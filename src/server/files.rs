//! Files that are read again when they change: certificates, users, tokens. Their content is compared, not their times: a
//! mount that is swapped (Kubernetes, `ln -sf`) is seen as well.

use sha2::{Digest as _, Sha256};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Larger ones are refused: nobody has such certificates, or so many users.
const LIMIT: u64 = 1 << 20;

/// The whole of a file.
///
/// # Errors
/// One line that names it.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut content = Vec::new();
    std::fs::File::open(path).map_err(failed)?.take(LIMIT + 1).read_to_end(&mut content).map_err(failed)?;
    if content.len() as u64 > LIMIT {
        return Err(format!("{}: larger than 1 MiB", path.display()));
    }
    Ok(content)
}

/// The same as text.
///
/// # Errors
/// As [`read`], or where it is no UTF-8.
pub(super) fn read_text(path: &Path) -> Result<String, String> {
    String::from_utf8(read(path)?).map_err(|_| format!("{}: is no text", path.display()))
}

/// Files, and what stood in them when they were last looked at.
#[derive(Debug)]
pub(super) struct Watched {
    paths: Vec<PathBuf>,
    seen: Vec<[u8; 32]>,
}

impl Watched {
    /// Looks at them for the first time.
    pub(super) fn new(paths: Vec<PathBuf>) -> Self {
        let seen = paths.iter().map(|path| look(path)).collect();
        Self { paths, seen }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// Whether any has changed since it was last looked at. Reads them.
    pub(super) fn changed(&mut self) -> bool {
        let now: Vec<_> = self.paths.iter().map(|path| look(path)).collect();
        let changed = now != self.seen;
        self.seen = now;
        changed
    }
}

/// A fingerprint of its content, or of why it cannot be read.
fn look(path: &Path) -> [u8; 32] {
    match read(path) {
        Ok(content) => Sha256::digest(content).into(),
        Err(line) => Sha256::digest(line).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_replaced_removed_or_swapped_has_changed() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("a"), folder.path().join("link"));
        std::fs::write(&file, "1").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let mut watched = Watched::new(vec![link.clone()]);
        assert!(!watched.changed());
        std::fs::write(&file, "2").unwrap();
        assert!(watched.changed() && !watched.changed());
        std::fs::remove_file(&link).unwrap();
        assert!(watched.changed() && !watched.changed());
        std::fs::write(folder.path().join("b"), "2").unwrap();
        std::os::unix::fs::symlink(folder.path().join("b"), &link).unwrap();
        assert!(watched.changed());
    }

    #[test]
    fn what_has_no_end_is_refused() {
        assert!(read(Path::new("/dev/zero")).unwrap_err().contains("larger than 1 MiB"));
    }
}
