//! What ended long ago leaves the file: declared as forgotten, removed and counted, in one transaction.

use super::JournalError;
use super::store::{Store, insert};
use resumeguard_core::recovery::{Entry, Event, LEAST_KEPT_MS, forgettable};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::time::Duration;

/// How long attempts are kept, and how large the file may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// What ended longer ago is forgotten, as far as nothing depends on it.
    pub keep: Duration,
    /// Bytes in use; beyond that the oldest go before their time, though never within a month.
    pub max_size: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { keep: Duration::from_secs(400 * 86_400), max_size: 64 << 20 }
    }
}

/// Beyond its bound, the file is brought to nine tenths of it: not to be at it again with the next attempt.
const ROOM: u64 = 10;

/// Numbers that were forgotten, from the first to the last.
pub(super) type Range = (i64, i64);

/// The ranges of what was forgotten, in order.
pub(super) fn forgotten(connection: &Connection) -> rusqlite::Result<Vec<Range>> {
    let mut select = connection.prepare("SELECT first, last FROM forgotten ORDER BY first")?;
    let ranges = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    ranges.collect()
}

/// The number that an entry after this one must have.
pub(super) fn after(forgotten: &[Range], seq: i64) -> i64 {
    let mut next = seq.saturating_add(1);
    while let Some((_, last)) = forgotten.iter().find(|(first, last)| (*first..=*last).contains(&next)) {
        next = last.saturating_add(1);
    }
    next
}

impl Store {
    /// Forgets what its bounds want forgotten; whether there was anything. What is left is to be read anew then.
    pub(super) fn forget(&mut self, bounds: Bounds, now_ms: i64) -> Result<bool, JournalError> {
        let entries = self.entries()?;
        let (bytes, seq) = (self.bytes()?, entries.last().map_or(0, |entry| entry.seq).saturating_add(1));
        let Some((event, gone)) = chosen(&entries, bounds, bytes, now_ms) else { return Ok(false) };
        let entry = Entry { seq, at_ms: now_ms, event };
        self.changed_by(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let newest: i64 = transaction.query_row("SELECT max(seq) FROM entry", [], |row| row.get(0))?;
            if u64::try_from(newest.saturating_add(1)) != Ok(seq) {
                return Ok(false);
            }
            remove(&transaction, &gone, now_ms)?;
            insert(&transaction, &entry, None)?;
            transaction.commit().map(|()| true)
        })
    }
}

/// Age first; where that is not enough, the oldest of what may go at all.
fn chosen(entries: &[Entry], bounds: Bounds, bytes: u64, now_ms: i64) -> Option<(Event, Vec<u64>)> {
    let keep_ms = i64::try_from(bounds.keep.as_millis()).unwrap_or(i64::MAX).max(LEAST_KEPT_MS);
    let aged = forgettable(entries, now_ms.saturating_sub(keep_ms), usize::MAX);
    let excess = bytes.saturating_sub(bounds.max_size - bounds.max_size / ROOM);
    if aged.is_some() || bytes <= bounds.max_size {
        return aged;
    }
    let count = u64::try_from(entries.len()).unwrap_or(u64::MAX);
    let enough = u128::from(count) * u128::from(excess) / u128::from(bytes.max(1)) + 1;
    let enough = usize::try_from(enough).unwrap_or(usize::MAX);
    forgettable(entries, now_ms.saturating_sub(LEAST_KEPT_MS), enough)
}

/// First it is said, since the file lets nothing go of which it is not.
fn remove(transaction: &Transaction<'_>, gone: &[u64], now_ms: i64) -> rusqlite::Result<()> {
    for (first, last) in ranges(gone) {
        transaction.execute("INSERT INTO forgotten VALUES (?1, ?2, ?3)", (first, last, now_ms))?;
        transaction.execute("DELETE FROM entry WHERE seq BETWEEN ?1 AND ?2", (first, last))?;
    }
    Ok(())
}

/// Numbers in order, as ranges without gaps.
fn ranges(numbers: &[u64]) -> Vec<Range> {
    let mut all: Vec<Range> = Vec::new();
    for number in numbers.iter().filter_map(|number| i64::try_from(*number).ok()) {
        match all.last_mut() {
            Some((_, last)) if last.saturating_add(1) == number => *last = number,
            _ => all.push((number, number)),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_those_that_were_declared_and_no_others() {
        assert_eq!(ranges(&[2, 3, 4, 7, 9, 10]), [(2, 4), (7, 7), (9, 10)]);
        let forgotten = [(2, 4), (5, 6), (9, 9)];
        let next = |seq| after(&forgotten, seq);
        assert_eq!((next(0), next(1), next(7), next(8), next(10)), (1, 7, 8, 10, 11));
    }
}
