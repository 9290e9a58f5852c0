//! What was done about a whole topic, and what was about to be done: one JSON object a line, in a file beside its backup.

use serde::{Deserialize, Serialize};
use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// When, milliseconds since 1970 by our wall clock.
    pub at_ms: i64,
    /// Who.
    pub by: String,
    /// What: `group_seen`, `backed_up`, `delete`, `deleted`, `kept_before_restore`, `restore`, `restored`, `verified`.
    pub step: String,
    /// Why, or what came of it.
    pub says: String,
}

/// The file.
#[derive(Debug)]
pub struct Steps {
    path: PathBuf,
    lines: Vec<Line>,
}

impl Steps {
    /// Those of a backup: `BACKUP.steps`.
    ///
    /// # Errors
    /// Where the file is there and cannot be understood.
    pub fn of(backup: &Path) -> Result<Self, String> {
        let mut path = backup.as_os_str().to_owned();
        path.push(".steps");
        let path = PathBuf::from(path);
        let no = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(no(&error)),
        };
        // A line that a crash cut off, maybe amid a character, was about nothing that was done.
        let whole = std::str::from_utf8(&bytes[..whole_lines(&bytes)]).map_err(|error| no(&error))?;
        let lines = whole.lines().map(|line| serde_json::from_str(line).map_err(|error| no(&error)));
        let lines = lines.collect::<Result<_, String>>()?;
        Ok(Self { path, lines })
    }

    /// Writes a line; it is on the disk when this returns.
    ///
    /// # Errors
    /// Where it could not be written: then nothing may be done.
    pub fn append(&mut self, line: Line) -> Result<(), String> {
        let no = |error: std::io::Error| format!("{}: {error}", self.path.display());
        let mut bytes = serde_json::to_vec(&line).map_err(|error| error.to_string())?;
        bytes.push(b'\n');
        let mut file = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .mode(0o600)
            .open(&self.path)
            .map_err(no)?;
        // What a crash, or a disk that was full, has cut off would make one line with this, and the file unreadable.
        let mut there = Vec::new();
        file.read_to_end(&mut there).map_err(no)?;
        let whole = whole_lines(&there);
        if whole < there.len() {
            file.set_len(whole as u64).map_err(no)?;
        }
        file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(no)?;
        self.lines.push(line);
        Ok(())
    }

    /// Whether a topic was begun to be written back, and nobody knows that it has come to its end.
    #[must_use]
    pub fn is_amid_restore(&self) -> bool {
        self.is_amid("restore", "restored")
    }

    /// Whether this group of workers was shown by Kafka to whoever began a change that has not come to its end. Kafka forgets it within
    /// minutes of its last worker, and one that is started only to be seen would write to a topic that is half deleted, or half written.
    #[must_use]
    pub fn saw(&self, group: &str) -> bool {
        let seen = self.lines.iter().any(|line| line.step == "group_seen" && line.says == group);
        seen && (self.is_amid_restore() || self.is_amid("delete", "deleted"))
    }

    /// Whether the first was written, and neither the second nor that all was looked at in the end after it.
    fn is_amid(&self, begun: &str, ended: &str) -> bool {
        let last = |step: &str| self.lines.iter().rposition(|line| line.step == step);
        last(begun) > last(ended).max(last("verified"))
    }

    /// Whether this was written.
    #[must_use]
    pub fn has(&self, step: &str) -> bool {
        self.lines.iter().any(|line| line.step == step)
    }
}

/// How many bytes are lines that were written to their end.
fn whole_lines(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_torn_line_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let (backup, path) = (folder.path().join("b"), folder.path().join("b.steps"));
        let line = |step: &str| Line { at_ms: 1, by: "uid 0".into(), step: step.into(), says: "é".into() };
        let mut steps = Steps::of(&backup).unwrap();
        steps.append(line("delete")).unwrap();
        let first = std::fs::read(&path).unwrap();
        steps.append(line("deleted")).unwrap();
        let both = std::fs::read(&path).unwrap();
        for cut in 0..both.len() {
            std::fs::write(&path, &both[..cut]).unwrap();
            let mut torn = Steps::of(&backup).unwrap();
            assert_eq!((torn.has("delete"), torn.has("deleted")), (cut >= first.len(), false), "{cut}");
            torn.append(line("restore")).unwrap();
            let again = Steps::of(&backup).unwrap();
            assert_eq!((again.has("delete"), again.has("restore")), (cut >= first.len(), true), "{cut}");
        }
    }

    #[test]
    fn a_group_that_was_seen_counts_amid_the_change_that_it_was_seen_for() {
        let folder = tempfile::tempdir().unwrap();
        let backup = folder.path().join("b");
        let mut written = Steps::of(&backup).unwrap();
        for (step, amid_restore, amid) in [
            ("group_seen", false, false),
            ("backed_up", false, false),
            ("delete", false, true),
            ("deleted", false, false),
            ("verified", false, false),
            ("kept_before_restore", false, false),
            ("restore", true, true),
            ("restore", true, true),
            ("restored", false, false),
            ("restore", true, true),
            ("restored", false, false),
            // It was deleted, and whoever did it died before that was noted.
            ("delete", false, true),
            ("verified", false, false),
        ] {
            let line = Line { at_ms: 1, by: "uid 0".into(), step: step.into(), says: "workers".into() };
            written.append(line).unwrap();
            let again = Steps::of(&backup).unwrap();
            assert_eq!((again.is_amid_restore(), again.saw("workers")), (amid_restore, amid), "{step}");
            assert!(!again.saw("others"));
        }
    }

    #[test]
    fn what_was_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let backup = folder.path().join("b");
        let line = |step: &str| Line { at_ms: 1, by: "uid 0".into(), step: step.into(), says: "x".into() };
        let mut steps = Steps::of(&backup).unwrap();
        steps.append(line("group_seen")).unwrap();
        steps.append(line("delete")).unwrap();
        let again = Steps::of(&backup).unwrap();
        assert!(again.has("delete") && again.has("group_seen") && !again.has("deleted"));
        std::fs::write(folder.path().join("b.steps"), "{garbage\n").unwrap();
        assert!(Steps::of(&backup).is_err());
    }
}
