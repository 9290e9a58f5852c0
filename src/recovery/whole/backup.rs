//! The file that a whole topic is kept in before it is deleted: one JSON object a line, a head, the records in the order in which they were
//! read, and an end with their number and a checksum. A file without its end is none.

use crate::sources::kafka::{Ends, WholeRecord};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The form that this version writes, and the only one that it reads.
const FORM: u32 = 1;
/// So many times a backup is written back before somebody tidies up.
const MOST: u32 = 1_000;

/// What the file is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The form of this file.
    pub resumeguard_topic_backup: u32,
    /// Name of the Connect cluster in the configuration.
    pub connect_cluster: String,
    /// The topic.
    pub topic: String,
    /// Copies of each partition.
    pub replication: i32,
    /// When, milliseconds since 1970 by our wall clock.
    pub at_ms: i64,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// What was set on the topic itself; `None` where nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<BTreeMap<String, String>>,
}

impl Head {
    /// One of this form.
    #[must_use]
    pub fn new(
        connect_cluster: &str,
        topic: &str,
        replication: i32,
        at_ms: i64,
        by: &str,
        reason: &str,
    ) -> Self {
        let (connect_cluster, topic) = (connect_cluster.to_owned(), topic.to_owned());
        let (by, reason) = (by.to_owned(), reason.to_owned());
        let settings = None;
        Self {
            resumeguard_topic_backup: FORM,
            connect_cluster,
            topic,
            replication,
            at_ms,
            by,
            reason,
            settings,
        }
    }
}

/// The last line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct End {
    records: u64,
    /// By partition: offsets of its first record, and of the one after its last.
    partitions: BTreeMap<i32, (i64, i64)>,
    /// Of everything before this line, hexadecimal.
    sha256: String,
}

/// A record; bytes are base64.
#[derive(Serialize, Deserialize)]
struct Line {
    partition: i32,
    offset: i64,
    at: Option<i64>,
    key: Option<String>,
    value: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    headers: Vec<(String, Option<String>)>,
}

fn encoded(bytes: Option<&Vec<u8>>) -> Option<String> {
    bytes.map(|bytes| BASE64_STANDARD.encode(bytes))
}

fn decoded(text: Option<String>) -> Result<Option<Vec<u8>>, String> {
    text.map(|text| BASE64_STANDARD.decode(text).map_err(|error| error.to_string())).transpose()
}

impl From<&WholeRecord> for Line {
    fn from(record: &WholeRecord) -> Self {
        let headers = record.headers.iter().map(|(name, value)| (name.clone(), encoded(value.as_ref())));
        Self {
            partition: record.partition,
            offset: record.offset,
            at: record.at,
            key: encoded(record.key.as_ref()),
            value: encoded(record.value.as_ref()),
            headers: headers.collect(),
        }
    }
}

impl Line {
    fn record(self) -> Result<WholeRecord, String> {
        let headers = self.headers.into_iter().map(|(name, value)| Ok((name, decoded(value)?)));
        Ok(WholeRecord {
            partition: self.partition,
            offset: self.offset,
            at: self.at,
            key: decoded(self.key)?,
            value: decoded(self.value)?,
            headers: headers.collect::<Result<_, String>>()?,
        })
    }
}

/// What is kept of each key: the last record under it. While reading, a deletion as well, for its time.
pub(super) type Kept = BTreeMap<Vec<u8>, WholeRecord>;

/// A backup as it is written: under another name until it is whole.
pub(super) struct Writing {
    path: PathBuf,
    part: PathBuf,
    file: BufWriter<File>,
    sum: Sha256,
    records: u64,
}

impl Writing {
    /// Begins a file that only its owner may read: what is stored may hold credentials and document keys.
    pub(super) fn begin(path: &Path, head: &Head) -> Result<Self, String> {
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        // What was broken off has never been one.
        std::fs::remove_file(&part).ok();
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part);
        let file = file.map_err(|error| format!("{}: {error}", part.display()))?;
        let mut writing =
            Self { path: path.to_owned(), part, file: BufWriter::new(file), sum: Sha256::new(), records: 0 };
        writing.line(head)?;
        Ok(writing)
    }

    fn line(&mut self, value: &impl Serialize) -> Result<(), String> {
        let mut line = serde_json::to_vec(value).map_err(|error| error.to_string())?;
        line.push(b'\n');
        self.sum.update(&line);
        self.file.write_all(&line).map_err(|error| format!("{}: {error}", self.part.display()))
    }

    pub(super) fn record(&mut self, record: &WholeRecord) -> Result<(), String> {
        self.records += 1;
        self.line(&Line::from(record))
    }

    /// Ends it: it is on the disk, under its name, when this returns.
    pub(super) fn end(mut self, ends: &Ends) -> Result<u64, String> {
        let sha256 = hexadecimal(self.sum.clone());
        let end = End { records: self.records, partitions: ends.clone(), sha256 };
        self.line(&end)?;
        let cannot = |error: std::io::Error| format!("{}: {error}", self.part.display());
        self.file.flush().map_err(cannot)?;
        self.file.get_ref().sync_all().map_err(cannot)?;
        // A link is refused where there is one of that name; a rename would replace it.
        std::fs::hard_link(&self.part, &self.path)
            .map_err(|error| format!("{}: {error}", self.path.display()))?;
        std::fs::remove_file(&self.part).map_err(cannot)?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let synced = File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all());
        synced.map_err(cannot)?;
        Ok(self.records)
    }
}

fn hexadecimal(sum: Sha256) -> String {
    use std::fmt::Write as _;
    sum.finalize().iter().fold(String::new(), |mut text, byte| {
        // Writing to a `String` cannot fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}

/// Where what a topic holds before this backup is written back is kept: `BACKUP.before-restore`, with a number where there is one already.
///
/// # Errors
/// Where that cannot be told, one line.
pub fn before_restore(backup: &Path) -> Result<PathBuf, String> {
    let named = |end: &str| {
        let mut path = backup.as_os_str().to_owned();
        path.push(end);
        PathBuf::from(path)
    };
    for number in 1..=MOST {
        let path =
            if number == 1 { named(".before-restore") } else { named(&format!(".before-restore.{number}")) };
        // A link that leads nowhere has the name as well.
        match std::fs::symlink_metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(path),
            Ok(_) => {}
            Err(error) => return Err(format!("{}: {error}", path.display())),
        }
    }
    Err(format!("there are {MOST} files {}.before-restore.* already: move them away", backup.display()))
}

/// A backup that was read whole, and is what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// What it is of.
    pub head: Head,
    /// Where the topic's partitions began and ended.
    pub(super) ends: Ends,
    /// Records in it.
    pub records: u64,
    /// The last record of every key that has a value.
    pub(super) kept: Kept,
}

impl Backup {
    /// Names of the connectors that have something stored in it.
    #[must_use]
    pub fn connectors(&self) -> BTreeSet<String> {
        connectors(&self.kept)
    }

    /// Reads a file; `None` where there is none.
    ///
    /// # Errors
    /// Where it is no whole backup, one line.
    pub fn read(path: &Path) -> Result<Option<Self>, String> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("{}: {error}", path.display())),
        };
        let no = |why: &str| format!("{} is no whole backup of a topic: {why}", path.display());
        let mut lines = BufReader::new(file).lines();
        let first = lines.next().ok_or_else(|| no("it is empty"))?.map_err(|error| no(&error.to_string()))?;
        let head: Head = serde_json::from_str(&first).map_err(|_| no("it has no head"))?;
        if head.resumeguard_topic_backup != FORM {
            return Err(no("another version has written it"));
        }
        let (mut sum, mut records, mut kept) = (Sha256::new(), 0_u64, Kept::new());
        sum.update(first.as_bytes());
        sum.update(b"\n");
        for line in lines {
            let line = line.map_err(|error| no(&error.to_string()))?;
            if let Ok(end) = serde_json::from_str::<End>(&line) {
                return match end.records == records && end.sha256 == hexadecimal(sum) {
                    true => Ok(Some(Self { head, ends: end.partitions, records, kept: stored(kept) })),
                    false => Err(no("it was altered since it was written")),
                };
            }
            let parsed: Line = serde_json::from_str(&line).map_err(|_| no("a line of it is no record"))?;
            keep(&mut kept, parsed.record().map_err(|error| no(&error))?);
            records += 1;
            sum.update(line.as_bytes());
            sum.update(b"\n");
        }
        Err(no("it ends too early"))
    }
}

/// The last record of a key counts, of two partitions the newer one. A deletion stays until [`stored`]: it may be read before an older value
/// that lies in another partition, as it does where partitions were added.
pub(super) fn keep(kept: &mut Kept, record: WholeRecord) {
    let Some(key) = record.key.clone() else { return };
    if let Some(before) = kept.get(&key)
        && before.partition != record.partition
        && before.at > record.at
    {
        return;
    }
    kept.insert(key, record);
}

/// Without the keys whose last record has no value, or JSON's `null`: they are deleted.
pub(super) fn stored(mut kept: Kept) -> Kept {
    kept.retain(|_, record| record.value.as_deref().is_some_and(|value| value != b"null"));
    kept
}

pub(super) fn connectors(kept: &Kept) -> BTreeSet<String> {
    let names = kept.keys().filter_map(|key| crate::sources::kafka::parse_key(key));
    names.map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn record(offset: i64, key: &str, value: Option<&str>) -> WholeRecord {
        let bytes = |text: &str| text.as_bytes().to_vec();
        let headers = vec![("h".to_owned(), Some(vec![0, 255])), ("none".to_owned(), None)];
        WholeRecord {
            partition: 3,
            offset,
            at: Some(offset),
            key: Some(bytes(key)),
            value: value.map(bytes),
            headers,
        }
    }

    fn written(path: &Path) -> u64 {
        let head = Head::new("main", "connect-offsets", 1, 7, "uid 0", "it");
        let mut writing = Writing::begin(path, &head).unwrap();
        for record in [
            record(0, r#"["a",{"ns":"x"}]"#, Some("old")),
            record(1, r#"["b",{"ns":"x"}]"#, Some("gone")),
            record(2, r#"["a",{"ns":"x"}]"#, Some("new")),
            record(3, r#"["b",{"ns":"x"}]"#, None),
            record(4, "\u{7f}no key of Connect's", Some("{}")),
        ] {
            writing.record(&record).unwrap();
        }
        writing.end(&Ends::from([(3, (0, 5))])).unwrap()
    }

    #[test]
    fn what_is_written_is_read_and_nobody_else_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("backup");
        assert_eq!(Backup::read(&path).unwrap(), None);
        assert_eq!(written(&path), 5);
        let backup = Backup::read(&path).unwrap().unwrap();
        assert_eq!((backup.records, backup.ends.clone()), (5, Ends::from([(3, (0, 5))])));
        assert_eq!(backup.connectors(), BTreeSet::from(["a".to_owned()]));
        let kept: Vec<_> = backup.kept.values().cloned().collect();
        let expected = [
            record(2, r#"["a",{"ns":"x"}]"#, Some("new")),
            record(4, "\u{7f}no key of Connect's", Some("{}")),
        ];
        assert_eq!(kept.len(), 2);
        assert!(expected.iter().all(|one| kept.contains(one)), "headers, bytes and all: {kept:?}");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_was_set_on_the_topic_is_kept_and_an_older_backup_does_not_know_it() {
        let head = Head::new("main", "t", 3, 7, "uid 0", "it");
        let old = serde_json::to_string(&head).unwrap();
        assert!(!old.contains("settings"), "{old}");
        assert_eq!(serde_json::from_str::<Head>(&old).unwrap().settings, None);
        let settings = Some(BTreeMap::from([("segment.bytes".to_owned(), "1048576".to_owned())]));
        let head = Head { settings, ..head };
        let again: Head = serde_json::from_str(&serde_json::to_string(&head).unwrap()).unwrap();
        assert_eq!(again, head);
    }

    #[test]
    fn what_was_kept_before_a_restore_is_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let backup = folder.path().join("backup");
        for name in ["backup.before-restore", "backup.before-restore.2", "backup.before-restore.3"] {
            let path = before_restore(&backup).unwrap();
            assert_eq!(path, folder.path().join(name));
            written(&path);
        }
    }

    #[test]
    fn a_deletion_that_is_read_before_an_older_value_of_another_partition_stays_one() {
        let at = |partition, at, value| WholeRecord { partition, at: Some(at), ..record(0, "k", value) };
        let left = |records: Vec<WholeRecord>| {
            let mut kept = Kept::new();
            records.into_iter().for_each(|record| keep(&mut kept, record));
            stored(kept).into_values().map(|record| record.value.unwrap()).collect::<Vec<_>>()
        };
        for deleted in [None, Some("null")] {
            assert!(left(vec![at(1, 9, deleted), at(0, 5, Some("old"))]).is_empty());
            assert!(left(vec![at(0, 5, Some("old")), at(1, 9, deleted)]).is_empty());
            assert_eq!(left(vec![at(1, 5, deleted), at(0, 9, Some("new"))]), [b"new"]);
            // In one partition the order counts, whatever its clocks say.
            assert_eq!(left(vec![at(0, 9, deleted), at(0, 5, Some("new"))]), [b"new"]);
        }
    }

    #[test]
    fn one_that_is_cut_off_or_altered_is_none_and_none_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("backup");
        written(&path);
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for (altered, why) in [
            (lines[..5].join("\n"), "too early"),
            (text.replace("uid 0", "uid 1"), "altered"),
            (String::new(), "empty"),
            ("{}".to_owned(), "no head"),
        ] {
            std::fs::write(&path, altered).unwrap();
            assert!(Backup::read(&path).unwrap_err().contains(why), "{why}");
        }
        let head = Head::new("main", "t", 1, 7, "uid 0", "it");
        let writing = Writing::begin(&path, &head).unwrap();
        assert!(writing.end(&Ends::new()).is_err(), "there is one of that name");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{}");
    }
}
