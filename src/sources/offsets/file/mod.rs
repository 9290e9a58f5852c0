//! Positions in the file of a standalone worker, on this host or mounted here. One reading serves every connector, and goes on
//! while the worker is down.

mod bytes;
mod key;

pub use bytes::FileError;
pub(crate) use bytes::{Whole, read_whole};
pub(crate) use key::{Stored, stored};

use super::entry::stored_entry;
use super::{Reading, Readings};
use crate::clock::Clock;
use crate::sources::Meter;
use resumeguard_core::domain::{OffsetsFrom, StoredBytes, StoredEntry, StoredOffset, Why};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Of the time that there is, so much may go by until a file that is being written holds still: REST may be asked after that.
const SHARE: u32 = 3;

/// When a value was first seen under its key.
#[derive(Debug)]
struct Since {
    value: Arc<[u8]>,
    /// When the file was written to that had it first, seconds since 1970; `None` where it was there from the beginning on:
    /// every flush writes the whole file anew, whosever position it is for.
    stored_at: Option<i64>,
}

/// Reads one worker's file.
#[derive(Debug)]
pub(super) struct FileOffsets {
    path: PathBuf,
    pub(super) readings: Readings,
    since: HashMap<Arc<[u8]>, Since>,
    has_read: bool,
    /// Every connector that has a key in the file.
    found: BTreeMap<String, Vec<StoredEntry>>,
    /// One that has not come back: no second is begun beside it.
    pending: Option<JoinHandle<Result<Whole, FileError>>>,
    pub(super) meter: Meter,
}

impl FileOffsets {
    pub(super) fn new(cluster: &str, path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            readings: Readings::default(),
            since: HashMap::new(),
            has_read: false,
            found: BTreeMap::new(),
            pending: None,
            meter: Meter::new("offsets_file", cluster),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Names that had a position at the last reading, which may have failed.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.found.keys().map(String::as_str)
    }

    /// Reads it once for all of these.
    pub(super) async fn read(&mut self, wanted: &[&str], clock: &Clock, deadline: Duration) {
        let begun = clock.uptime();
        let outcome = self.whole(*clock, deadline).await;
        self.meter.count(clock.uptime().saturating_sub(begun), outcome.is_ok());
        match outcome.and_then(|whole| self.sort(&whole)) {
            Ok(()) => {
                for name in wanted {
                    let entries = self.found.get(*name).cloned().unwrap_or_default();
                    self.readings.insert(name, Reading { at: begun, from: OffsetsFrom::File, entries });
                }
                self.meter.conclude(clock, Ok(()));
            }
            Err(error) => {
                wanted.iter().for_each(|name| self.readings.refuse(name, Why::OffsetsUnreadable));
                self.meter.conclude(clock, Err(error.to_string()));
            }
        }
    }

    async fn whole(&mut self, clock: Clock, deadline: Duration) -> Result<Whole, FileError> {
        let hangs = || FileError::Hangs(self.path.clone());
        if self.pending.as_ref().is_some_and(|pending| !pending.is_finished()) {
            return Err(hangs());
        }
        let path = self.path.clone();
        let mut reading = tokio::task::spawn_blocking(move || read_whole(&path, clock, deadline / SHARE));
        match tokio::time::timeout(deadline, &mut reading).await {
            Ok(outcome) => outcome.unwrap_or_else(|_| Err(hangs())),
            Err(_) => {
                let error = hangs();
                self.pending = Some(reading);
                Err(error)
            }
        }
    }

    /// By connector. Other connectors' keys, and forms that no connector of ours looks up, are nobody's here.
    fn sort(&mut self, whole: &Whole) -> Result<(), FileError> {
        let map = whole.map().map_err(|cause| FileError::Form { path: self.path.clone(), cause })?;
        let first = !std::mem::replace(&mut self.has_read, true);
        let modified = whole.stamp.modified_seconds();
        let (mut since, mut found) = (HashMap::new(), BTreeMap::<String, Vec<StoredEntry>>::new());
        for (key, value) in map.entries() {
            let (Some(key), Some(value)) = (key, value) else { continue };
            let Some(Stored { connector, partition, offset, .. }) = stored(key, Some(value)) else {
                continue;
            };
            let (key, one) = match self.since.remove_entry(*key) {
                Some((key, one)) if *one.value == **value => (key, one),
                _ => {
                    let stored_at = (!first).then_some(modified);
                    (Arc::from(*key), Since { value: Arc::from(*value), stored_at })
                }
            };
            let bytes = StoredBytes { key: Arc::clone(&key), value: Arc::clone(&one.value), partition: None };
            let entry = match offset {
                Ok(Some(offset)) => stored_entry(&partition, &offset, one.stored_at, Some(bytes)),
                // Its task gets no offset (`OffsetStorageReaderImpl`), or fails: nobody knows where it goes on.
                Err(_) => partition.get("ns").and_then(|ns| ns.as_str()).map(|ns| StoredEntry {
                    ns: ns.to_owned(),
                    offset: StoredOffset::Malformed { parses: false },
                    text: None,
                    bytes: Some(bytes),
                }),
                Ok(None) => None,
            };
            since.insert(key, one);
            if let Some(entry) = entry {
                found.entry(connector).or_default().push(entry);
            }
        }
        (self.since, self.found) = (since, found);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use resumeguard_core::domain::JavaMap;

    const REAL: &[u8] =
        include_bytes!("../../../../crates/resumeguard-core/tests/data/standalone_offsets_after_reset.bin");
    const ORDERS: &[u8] = br#"["orders",{"ns":"mongodb://h/shop.orders"}]"#;
    const TOKEN: &[u8] = br#"{"_id":"{\"_data\": \"826B03B3E1000000012B0229296E04\"}"}"#;
    const LATER: &[u8] = br#"{"_id":"{\"_data\": \"826B03B3E2000000012B0229296E04\"}"}"#;

    fn file(entries: &[(&[u8], &[u8])]) -> Vec<u8> {
        let mut map = JavaMap::parse(REAL).unwrap();
        for (key, value) in entries {
            map = map.inserted(key, Some(value)).unwrap();
        }
        map.to_bytes().unwrap()
    }

    struct Worker {
        folder: tempfile::TempDir,
        offsets: FileOffsets,
        clock: Clock,
    }

    impl Worker {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let offsets = FileOffsets::new("main", &folder.path().join("offsets"));
            Self { folder, offsets, clock: Clock::start() }
        }

        async fn read(&mut self, bytes: &[u8]) -> Result<Vec<StoredEntry>, Why> {
            std::fs::write(self.folder.path().join("offsets"), bytes).unwrap();
            self.offsets.read(&["orders"], &self.clock, Duration::from_secs(1)).await;
            let reading = self.offsets.readings.of("orders", self.clock.uptime(), Duration::from_secs(9));
            reading.map(|reading| reading.entries.clone())
        }
    }

    fn stored_at(entry: &StoredEntry) -> Option<i64> {
        let StoredOffset::Token(position) = &entry.offset else { panic!("{entry:?}") };
        position.stored_at
    }

    #[tokio::test]
    async fn positions_are_sorted_by_connector_and_known_since_they_changed() {
        let mut worker = Worker::new();
        let other = br#"["other",{"ns":"mongodb://h/shop.other"}]"#;
        let first = worker.read(&file(&[(ORDERS, TOKEN), (other, TOKEN)])).await.unwrap();
        assert_eq!((first.len(), first[0].ns.as_str()), (1, "mongodb://h/shop.orders"));
        assert_eq!(stored_at(&first[0]), None, "how long it has stood there nobody knows");
        let bytes = first[0].bytes.clone().unwrap();
        assert_eq!((&*bytes.key, &*bytes.value), (ORDERS, TOKEN));
        assert_eq!(worker.offsets.names().collect::<Vec<_>>(), ["orders", "other"], "sa1 was removed");
        let same = worker.read(&file(&[(ORDERS, TOKEN), (other, LATER)])).await.unwrap();
        assert_eq!(stored_at(&same[0]), None, "another's flush is none of its own");
        let later = worker.read(&file(&[(ORDERS, LATER), (other, LATER)])).await.unwrap();
        assert!(stored_at(&later[0]).is_some_and(|at| at > 1_700_000_000));
        assert_eq!(worker.read(REAL).await, Ok(vec![]));
    }

    #[tokio::test]
    async fn a_file_that_tells_nothing_is_unknown_and_never_empty() {
        let mut worker = Worker::new();
        for bytes in [&b""[..], &REAL[..40], b"{}"] {
            assert_eq!(worker.read(bytes).await, Err(Why::OffsetsUnreadable));
            assert!(worker.offsets.meter.error.as_ref().is_some_and(|error| error.contains("offsets")));
        }
        worker.read(&file(&[(ORDERS, TOKEN)])).await.unwrap();
        // What was read before ages; the next reading that succeeds replaces it.
        assert_eq!(worker.read(b"").await.unwrap().len(), 1);
        assert!(worker.offsets.meter.error.is_some());
    }

    #[tokio::test]
    async fn a_value_that_nobody_can_read_is_malformed_and_a_foreign_key_nobodys() {
        let mut worker = Worker::new();
        let bytes = file(&[
            (ORDERS, b"garbage"),
            (br#"["orders",{"ns":"mongodb://h/shop.gone"}]"#, b"null"),
            (br#"{"payload":["orders",{"ns":"x"}]}"#, TOKEN),
            (br#"["orders",{"server_id":"x"}]"#, TOKEN),
            (b"\xFF", TOKEN),
        ]);
        let entries = worker.read(&bytes).await.unwrap();
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].offset, StoredOffset::Malformed { parses: false });
    }
}
