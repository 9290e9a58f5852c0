//! What the file tells about one connector, or about all of them: bounded, whatever is asked.

use super::schema;
use crate::publish::status::Time;
use crate::publish::time;
use rusqlite::{Connection, OptionalExtension as _, Row, named_params, params};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Samples of one series at most; of a longer time, evenly chosen ones.
pub const MOST_SAMPLES: usize = 500;
/// Verdict changes, failures and events at most, each: the newest.
pub const MOST_ENTRIES: usize = 200;
/// Members whose oplog bounds are told.
const MOST_MEMBERS: i64 = 8;

/// What is asked.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Of this Connect cluster only.
    pub connect_cluster: Option<String>,
    /// Of this connector only; samples are told of a single connector alone.
    pub connector: Option<String>,
    /// From then on, seconds since 1970.
    pub since: i64,
    /// Now, seconds since 1970.
    pub until: i64,
}

/// The answer; times are RFC 3339, oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[expect(missing_docs, reason = "the fields are the tables of `schema`")]
pub struct Story {
    pub since: String,
    pub until: String,
    /// Of the one connector that was named.
    pub samples: Vec<Sample>,
    /// Of the oplogs of its deployment.
    pub oplogs: Vec<OplogSample>,
    pub verdict_changes: Vec<VerdictChange>,
    pub failures: Vec<FailureSpan>,
    pub events: Vec<Event>,
    /// There is more than is told: samples left out in between, or older entries.
    pub truncated: bool,
}

/// One connector at one pass.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[expect(missing_docs, reason = "as in the status")]
pub struct Sample {
    pub at: String,
    pub verdict: String,
    pub why: Option<String>,
    pub position: Option<Time>,
    pub headroom_seconds: Option<i64>,
    pub lag_seconds: Option<i64>,
}

/// One member's oplog at one pass.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[expect(missing_docs, reason = "as in the status")]
pub struct OplogSample {
    pub at: String,
    pub member: String,
    pub first: Option<Time>,
    pub last: Option<Time>,
    pub size_bytes: Option<i64>,
}

/// A verdict that became another; `before` is absent when the connector was first seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[expect(missing_docs, reason = "as in the status")]
pub struct VerdictChange {
    pub at: String,
    pub connect_cluster: String,
    pub connector: String,
    pub before: Option<String>,
    pub verdict: String,
    pub why: Option<String>,
    pub headroom_seconds: Option<i64>,
}

/// A task that failed, or the connector itself, which has no `task`; `ended` is absent while it still stands failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[expect(missing_docs, reason = "as in the status")]
pub struct FailureSpan {
    pub at: String,
    pub ended: Option<String>,
    pub connect_cluster: String,
    pub connector: String,
    pub task: Option<u32>,
    pub code: Option<u32>,
    pub class: String,
}

/// Something that happened; both names are empty for an event of the daemon itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[expect(missing_docs, reason = "as in `Happening`")]
pub struct Event {
    pub at: String,
    pub connect_cluster: String,
    pub connector: String,
    pub kind: String,
    pub detail: serde_json::Value,
}

impl Story {
    /// Reads it.
    pub(super) fn read(connection: &Connection, query: &Query) -> rusqlite::Result<Self> {
        let (verdict_changes, a) = verdict_changes(connection, query)?;
        let (failures, b) = failures(connection, query)?;
        let (events, c) = events(connection, query)?;
        let mut story = Self {
            since: time(query.since),
            until: time(query.until),
            samples: Vec::new(),
            oplogs: Vec::new(),
            verdict_changes,
            failures,
            events,
            truncated: a || b || c,
        };
        let (Some(cluster), Some(connector)) = (&query.connect_cluster, &query.connector) else {
            return Ok(story);
        };
        let named = "SELECT id, deployment FROM connector WHERE connect_cluster = ?1 AND connector = ?2";
        let found: Option<(i64, Option<String>)> = connection
            .query_row(named, [cluster, connector], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((id, deployment)) = found else { return Ok(story) };
        let (passes, thinned) = passes(connection, query)?;
        story.truncated |= thinned;
        story.samples = samples(connection, id, &passes)?;
        story.oplogs = oplogs(connection, deployment.as_deref(), &passes)?;
        Ok(story)
    }
}

/// The passes that are told: the last of each of [`MOST_SAMPLES`] stretches of the time asked for.
fn passes(connection: &Connection, query: &Query) -> rusqlite::Result<(Vec<(i64, i64)>, bool)> {
    let mut all =
        connection.prepare_cached("SELECT id, at FROM pass WHERE at BETWEEN ?1 AND ?2 ORDER BY at, id")?;
    let all: Vec<(i64, i64)> = all
        .query_map([query.since, query.until], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let Some((first, last)) = all.first().zip(all.last()) else { return Ok((all, false)) };
    if all.len() <= MOST_SAMPLES {
        return Ok((all, false));
    }
    let stretches = i64::try_from(MOST_SAMPLES).unwrap_or(i64::MAX);
    let (begin, span) = (first.1, (last.1 - first.1) / stretches + 1);
    let mut chosen: Vec<(i64, i64)> = Vec::with_capacity(MOST_SAMPLES);
    for pass in all {
        match chosen.last_mut() {
            Some(before) if (before.1 - begin) / span == (pass.1 - begin) / span => *before = pass,
            _ => chosen.push(pass),
        }
    }
    Ok((chosen, true))
}

fn samples(connection: &Connection, connector: i64, passes: &[(i64, i64)]) -> rusqlite::Result<Vec<Sample>> {
    let mut one = connection.prepare_cached(
        "SELECT verdict, why, position_t, position_i, headroom_seconds, lag_seconds FROM sample
         WHERE pass = ?1 AND connector = ?2",
    )?;
    let mut samples = Vec::with_capacity(passes.len());
    for (pass, at) in passes {
        let sample = one.query_row([*pass, connector], |row| {
            Ok(Sample {
                at: time(*at),
                verdict: row.get(0)?,
                why: row.get(1)?,
                position: cluster_time(row, 2)?,
                headroom_seconds: row.get(4)?,
                lag_seconds: row.get(5)?,
            })
        });
        samples.extend(sample.optional()?);
    }
    Ok(samples)
}

fn oplogs(
    connection: &Connection,
    deployment: Option<&str>,
    passes: &[(i64, i64)],
) -> rusqlite::Result<Vec<OplogSample>> {
    let mut members = connection
        .prepare_cached("SELECT id, member FROM member WHERE deployment = ?1 ORDER BY id LIMIT ?2")?;
    let members: Vec<(i64, String)> = members
        .query_map(params![deployment, MOST_MEMBERS], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let mut one = connection.prepare_cached(
        "SELECT first_t, first_i, last_t, last_i, size_bytes FROM bounds WHERE pass = ?1 AND member = ?2",
    )?;
    let mut oplogs = Vec::new();
    for (member, name) in &members {
        for (pass, at) in passes {
            let sample = one.query_row([pass, member], |row| {
                let (first, last) = (cluster_time(row, 0)?, cluster_time(row, 2)?);
                Ok(OplogSample { at: time(*at), member: name.clone(), first, last, size_bytes: row.get(4)? })
            });
            oplogs.extend(sample.optional()?);
        }
    }
    Ok(oplogs)
}

fn verdict_changes(connection: &Connection, query: &Query) -> rusqlite::Result<(Vec<VerdictChange>, bool)> {
    let sql = "SELECT e.at, c.connect_cluster, c.connector, e.before, e.verdict, e.why, e.headroom_seconds
         FROM verdict_change e JOIN connector c ON c.id = e.connector
         WHERE e.at BETWEEN :since AND :until AND (:cluster IS NULL OR c.connect_cluster = :cluster)
           AND (:connector IS NULL OR c.connector = :connector)
         ORDER BY e.id DESC LIMIT :most";
    newest(connection, sql, query, |row| {
        Ok(VerdictChange {
            at: time(row.get(0)?),
            connect_cluster: row.get(1)?,
            connector: row.get(2)?,
            before: row.get(3)?,
            verdict: row.get(4)?,
            why: row.get(5)?,
            headroom_seconds: row.get(6)?,
        })
    })
}

/// Those that stood at some time of it.
fn failures(connection: &Connection, query: &Query) -> rusqlite::Result<(Vec<FailureSpan>, bool)> {
    let sql = "SELECT e.at, e.ended, c.connect_cluster, c.connector, e.task, e.code, e.class
         FROM failure e JOIN connector c ON c.id = e.connector
         WHERE e.at <= :until AND (e.ended IS NULL OR e.ended >= :since)
           AND (:cluster IS NULL OR c.connect_cluster = :cluster) AND (:connector IS NULL OR c.connector = :connector)
         ORDER BY e.id DESC LIMIT :most";
    newest(connection, sql, query, |row| {
        Ok(FailureSpan {
            at: time(row.get(0)?),
            ended: row.get::<_, Option<i64>>(1)?.map(time),
            connect_cluster: row.get(2)?,
            connector: row.get(3)?,
            task: schema::task(row.get(4)?),
            code: row.get(5)?,
            class: row.get(6)?,
        })
    })
}

fn events(connection: &Connection, query: &Query) -> rusqlite::Result<(Vec<Event>, bool)> {
    let sql = "SELECT e.at, e.connect_cluster, e.connector, e.kind, e.detail FROM event e
         WHERE e.at BETWEEN :since AND :until
           AND (:cluster IS NULL OR e.connect_cluster = :cluster OR e.connect_cluster = '')
           AND (:connector IS NULL OR e.connector = :connector OR e.connector = '')
         ORDER BY e.id DESC LIMIT :most";
    newest(connection, sql, query, event)
}

/// Which events are asked for.
#[derive(Debug, Clone, Default)]
pub struct EventsQuery {
    /// Of this Connect cluster only.
    pub connect_cluster: Option<String>,
    /// Of connectors of this name only.
    pub connector: Option<String>,
    /// From then on, seconds since 1970.
    pub since: i64,
    /// Earlier than the one with this number.
    pub before: Option<i64>,
    /// How many.
    pub limit: usize,
}

/// Events, the newest first, and the number to ask on with where there are more.
pub(super) fn events_page(
    connection: &Connection,
    query: &EventsQuery,
) -> rusqlite::Result<(Vec<Event>, Option<i64>)> {
    let sql = "SELECT e.at, e.connect_cluster, e.connector, e.kind, e.detail, e.id FROM event e
         WHERE e.at >= :since AND (:before IS NULL OR e.id < :before)
           AND (:cluster IS NULL OR e.connect_cluster = :cluster) AND (:connector IS NULL OR e.connector = :connector)
         ORDER BY e.id DESC LIMIT :most";
    let values = named_params! {
        ":since": query.since, ":before": query.before, ":cluster": query.connect_cluster,
        ":connector": query.connector, ":most": i64::try_from(query.limit + 1).unwrap_or(i64::MAX),
    };
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_map(values, |row| Ok((event(row)?, row.get(5)?)))?;
    let mut found: Vec<(Event, i64)> = found.collect::<Result<_, _>>()?;
    let more = found.len() > query.limit;
    found.truncate(query.limit);
    let next = found.last().filter(|_| more).map(|(_, id)| *id);
    Ok((found.into_iter().map(|(event, _)| event).collect(), next))
}

fn event(row: &Row<'_>) -> rusqlite::Result<Event> {
    let detail: String = row.get(4)?;
    Ok(Event {
        at: time(row.get(0)?),
        connect_cluster: row.get(1)?,
        connector: row.get(2)?,
        kind: row.get(3)?,
        detail: serde_json::from_str(&detail).unwrap_or(serde_json::Value::String(detail)),
    })
}

/// The newest entries, oldest first, and whether there are more.
fn newest<T>(
    connection: &Connection,
    sql: &str,
    query: &Query,
    entry: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<(Vec<T>, bool)> {
    let mut statement = connection.prepare_cached(sql)?;
    let most = i64::try_from(MOST_ENTRIES + 1).unwrap_or(i64::MAX);
    let values = named_params! {
        ":since": query.since, ":until": query.until, ":cluster": query.connect_cluster,
        ":connector": query.connector, ":most": most,
    };
    let mut found: Vec<T> = statement.query_map(values, entry)?.collect::<Result<_, _>>()?;
    let more = found.len() > MOST_ENTRIES;
    found.truncate(MOST_ENTRIES);
    found.reverse();
    Ok((found, more))
}

fn cluster_time(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<Time>> {
    let (t, i): (Option<u32>, Option<u32>) = (row.get(at)?, row.get(at + 1)?);
    Ok(t.zip(i).map(|(t, i)| Time { t, i }))
}
