//! What judgement remembers, in the same transaction as the pass it follows from.

use super::record::Record;
use resumeguard_core::assess::Memory;
use rusqlite::{Connection, OptionalExtension as _, params};
use std::time::Duration;

/// Bytes a second that are written of it on average. A few connectors are written at every pass, a thousand every minute or
/// so: a disk is not worn out by what is needed after a crash alone. An orderly end writes it in any case.
const BYTES_A_SECOND: u64 = 64 << 10;

/// Older than this it is of no use: it is as long as a forecast looks back.
const OLDEST: Duration = Duration::from_secs(8 * 86_400);

/// What a restart goes on with.
#[derive(Debug, Clone)]
pub struct Restored {
    /// What judgement remembered.
    pub memory: Memory,
    /// The uptime at that pass, which the memory counts in.
    pub uptime: Duration,
    /// The wall clock at that pass, since 1970.
    pub since_1970: Duration,
}

/// When the memory was last written, and how much that was.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Saved {
    uptime: Option<Duration>,
    bytes: u64,
    /// It was too much to be kept.
    left_out: bool,
}

impl Saved {
    pub(super) fn is_left_out(self) -> bool {
        self.left_out
    }

    pub(super) fn is_due(self, record: &Record) -> bool {
        let pause = Duration::from_secs(self.bytes / BYTES_A_SECOND);
        self.uptime.is_none_or(|at| record.clocks.1.saturating_sub(at) >= pause)
    }
}

/// Writes it. What would take more than a quarter of the file is not kept, since the samples would have to go for it; a line of
/// log says so when that begins.
pub(super) fn save(
    connection: &Connection,
    record: &Record,
    max_size_bytes: i64,
    before: Saved,
) -> rusqlite::Result<Saved> {
    let json = serde_json::to_string(&*record.memory)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    let left_out = i64::try_from(json.len()).is_ok_and(|bytes| bytes > max_size_bytes / 4);
    let bytes = u64::try_from(json.len()).unwrap_or(u64::MAX);
    let saved = Saved { uptime: Some(record.clocks.1), bytes, left_out };
    if left_out {
        connection.execute("DELETE FROM memory", [])?;
        if !before.left_out {
            tracing::warn!(
                bytes,
                "what judgement remembers takes over a quarter of history.max_size and is not kept: raise it"
            );
        }
        return Ok(saved);
    }
    let (wall, uptime) = record.clocks;
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO memory (one, layout, at_ms, uptime_ms, json) VALUES (1, ?1, ?2, ?3, ?4)",
        )?
        .execute(params![Memory::LAYOUT, millis(wall), millis(uptime), json])?;
    Ok(saved)
}

/// Reads it; `None` where none was kept, a line of log where it cannot be used.
pub(super) fn restore(connection: &Connection, since_1970: Duration) -> rusqlite::Result<Option<Restored>> {
    let row = connection
        .query_row("SELECT layout, at_ms, uptime_ms, json FROM memory", [], |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, i64>(1)?,
                row.get::<_, i64>(2)?,
                row.get::<_, String>(3)?,
            ))
        })
        .optional()?;
    let Some((layout, at, uptime, json)) = row else { return Ok(None) };
    let useless = |why: &str| {
        tracing::warn!(why, "what judgement remembered cannot be used: its waits and forecasts begin anew");
        Ok(None)
    };
    if layout != i64::from(Memory::LAYOUT) {
        return useless("another version has written it");
    }
    let (Ok(at), Ok(uptime)) = (u64::try_from(at), u64::try_from(uptime)) else {
        return useless("its times make no sense");
    };
    let (at, uptime) = (Duration::from_millis(at), Duration::from_millis(uptime));
    if since_1970.saturating_sub(at) > OLDEST {
        return useless("it is older than eight days");
    }
    match Memory::reread(&json) {
        Ok((memory, left_out)) => {
            if left_out > 0 {
                tracing::warn!(
                    left_out,
                    "another version has written what judgement remembered: a part is left out"
                );
            }
            Ok(Some(Restored { memory, uptime, since_1970: at }))
        }
        Err(error) => useless(&format!("it has another form: {error}")),
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
