//! What goes, and when: by grade, by age, by size. Each pass removes a bounded amount.

use rusqlite::{Connection, Params, Transaction};

/// Every pass is kept for an hour, the first of every minute for a day; the first of every hour until it is too old.
const EVERY_PASS: i64 = 3_600;
const EVERY_MINUTE: i64 = 86_400;

/// Rows of samples that one pass removes at most, beside as many as it has added: enough to overtake any growth.
const ROWS_AT_ONCE: i64 = 20_000;

/// Rows of changes, failures and events that one pass removes at most.
const ENTRIES_AT_ONCE: i64 = 2_000;

/// Pages given back to the file system after one pass at most.
const PAGES_AT_ONCE: u32 = 256;

/// The limits in force.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) keep_seconds: i64,
    pub(super) max_size_bytes: i64,
}

/// 2 for the first pass of an hour, 1 for that of a minute, 0 for any other.
pub(super) fn grade(before: Option<i64>, at: i64) -> i64 {
    let first_of = |span: i64| before.is_none_or(|before| before.div_euclid(span) != at.div_euclid(span));
    if first_of(3_600) { 2 } else { i64::from(first_of(60)) }
}

/// Removes what need not be kept any longer. `series` is how many rows a pass has.
pub(super) fn trim(
    transaction: &Transaction<'_>,
    at: i64,
    series: i64,
    limits: Limits,
) -> rusqlite::Result<()> {
    let passes = (ROWS_AT_ONCE / series.max(1)).clamp(2, 1_000);
    let cutoff = at.saturating_sub(limits.keep_seconds);
    remove_passes(
        transaction,
        "SELECT id FROM (
            SELECT id FROM pass WHERE grade = 0 AND at < ?1 UNION ALL
            SELECT id FROM pass WHERE grade = 1 AND at < ?2 UNION ALL
            SELECT id FROM pass WHERE grade = 2 AND at < ?3) ORDER BY id LIMIT ?4",
        [(at - EVERY_PASS).max(cutoff), (at - EVERY_MINUTE).max(cutoff), cutoff, passes],
    )?;
    trim_entries(transaction, cutoff, limits.max_size_bytes)?;
    if used_bytes(transaction)? > limits.max_size_bytes / 10 * 9 {
        // The newest stays: it is what was just added.
        let oldest = "SELECT id FROM pass WHERE id < (SELECT max(id) FROM pass) ORDER BY id LIMIT ?1";
        remove_passes(transaction, oldest, [passes])?;
    }
    Ok(())
}

fn remove_passes(transaction: &Transaction<'_>, which: &str, values: impl Params) -> rusqlite::Result<()> {
    let mut which = transaction.prepare_cached(which)?;
    let ids: Vec<i64> = which.query_map(values, |row| row.get(0))?.collect::<Result<_, _>>()?;
    for id in ids {
        for table in [
            "DELETE FROM sample WHERE pass = ?1",
            "DELETE FROM bounds WHERE pass = ?1",
            "DELETE FROM pass WHERE id = ?1",
        ] {
            transaction.prepare_cached(table)?.execute([id])?;
        }
    }
    Ok(())
}

/// Changes, failures and events go by age; and by number, so that what flaps cannot crowd out the samples: with 100 bytes or
/// less each (4 KiB for an event) they take half of the size at most.
fn trim_entries(transaction: &Transaction<'_>, cutoff: i64, max_size_bytes: i64) -> rusqlite::Result<()> {
    // A failure that still stands is not old, whenever it began.
    let tables = [("verdict_change", "at", 1_024), ("failure", "ended", 1_024), ("event", "at", 16_384)];
    for (table, time, bytes_each) in tables {
        let most = (max_size_bytes / bytes_each).max(16);
        // Ids grow with time: the oldest stand first, and no index on `at` is needed.
        let delete = format!(
            "DELETE FROM {table} WHERE id IN (SELECT id FROM {table} ORDER BY id LIMIT ?1)
             AND ({time} < ?2 OR id <= (SELECT max(id) FROM {table}) - ?3)"
        );
        transaction.prepare_cached(&delete)?.execute([ENTRIES_AT_ONCE, cutoff, most])?;
    }
    Ok(())
}

/// Forgets connectors and members that were not seen for as long as anything is kept. Once an hour: nothing refers to them
/// any more but failures that were never seen to end.
pub(super) fn forget(transaction: &Transaction<'_>, at: i64, limits: Limits) -> rusqlite::Result<()> {
    // Twice the time: an hour's rounding and rows that were not removed yet must not outlive the name.
    let cutoff = at.saturating_sub(limits.keep_seconds.saturating_mul(2));
    let gone = "(SELECT id FROM connector WHERE seen < ?1)";
    for table in ["verdict_change", "failure"] {
        transaction.execute(&format!("DELETE FROM {table} WHERE connector IN {gone}"), [cutoff])?;
    }
    transaction.execute("DELETE FROM connector WHERE seen < ?1", [cutoff])?;
    transaction.execute("DELETE FROM member WHERE seen < ?1", [cutoff])?;
    Ok(())
}

/// Gives free pages back once the file is larger than it may be: after the limit was lowered.
pub(super) fn shrink(connection: &Connection, limits: Limits) -> rusqlite::Result<()> {
    let (pages, page) = (pragma(connection, "page_count")?, pragma(connection, "page_size")?);
    if pages.saturating_mul(page) <= limits.max_size_bytes {
        return Ok(());
    }
    // Each step frees one page.
    let mut vacuum = connection.prepare(&format!("PRAGMA incremental_vacuum({PAGES_AT_ONCE})"))?;
    let mut steps = vacuum.query([])?;
    while steps.next()?.is_some() {}
    Ok(())
}

fn used_bytes(connection: &Connection) -> rusqlite::Result<i64> {
    let pages = pragma(connection, "page_count")? - pragma(connection, "freelist_count")?;
    Ok(pages.saturating_mul(pragma(connection, "page_size")?))
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}
