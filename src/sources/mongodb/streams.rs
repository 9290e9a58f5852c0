//! Open change streams of one member, by `$currentOp`: evidence that no stored position can give.

use super::commands::{ReadError, any_member};
use futures_util::TryStreamExt;
use mongodb::Client;
use mongodb::bson::{Document, doc};
use mongodb_resume_token::TokenDocument;
use resumeguard_core::domain::{ChangeStream, StreamStart, Timestamp, Why};
use std::time::Duration;

/// More than this many streams on one member tell nothing that fewer would not; bounds a pass.
const MOST: i64 = 20_000;

/// Every open change stream of the member, idle or being read. Needs the privilege `inprog`, part of `clusterMonitor`.
///
/// Idle cursors carry no client metadata, so that a stream is known by its namespace alone.
pub(super) async fn streams(client: &Client, deadline: Duration) -> Result<Vec<ChangeStream>, ReadError> {
    let pipeline = [
        doc! { "$currentOp": { "allUsers": true, "idleCursors": true } },
        doc! { "$match": { "cursor.originatingCommand.pipeline.0.$changeStream": { "$exists": true } } },
        doc! { "$limit": MOST },
        doc! { "$project": {
            "created": "$cursor.createdDate", "read": "$cursor.lastAccessDate",
            "db": "$cursor.originatingCommand.$db", "of": "$cursor.originatingCommand.aggregate",
            "stage": { "$first": "$cursor.originatingCommand.pipeline" },
        } },
    ];
    let cursor = client
        .database("admin")
        .aggregate(pipeline)
        .max_time(deadline)
        .selection_criteria(any_member())
        .await;
    let found: Vec<Document> = match cursor {
        Ok(cursor) => cursor.try_collect().await.map_err(|error| ReadError::from_driver(&error))?,
        Err(error) => return Err(ReadError::from_driver(&error)),
    };
    let streams: Option<Vec<ChangeStream>> = found.iter().map(stream).collect();
    // A list that may miss one proves nothing.
    streams
        .filter(|streams| i64::try_from(streams.len()).is_ok_and(|count| count < MOST))
        .ok_or_else(|| ReadError::new(Why::MemberUnreadable, "its open change streams could not all be read"))
}

fn stream(found: &Document) -> Option<ChangeStream> {
    let options = found.get_document("stage").ok()?.get_document("$changeStream").ok()?;
    let database = found.get_str("db").unwrap_or_default();
    let namespace = match (options.get_bool("allChangesForCluster"), found.get_str("of")) {
        (Ok(true), _) => String::new(),
        (_, Ok(collection)) => format!("{database}.{collection}"),
        (_, Err(_)) => database.to_owned(),
    };
    let millis = |key: &str| found.get_datetime(key).ok().map(|time| time.timestamp_millis());
    let last_read = millis("read").map(|read| read.div_euclid(1000));
    Some(ChangeStream { namespace, created_ms: millis("created")?, last_read, start: start(options) })
}

fn start(options: &Document) -> StreamStart {
    if let Some(token) =
        ["resumeAfter", "startAfter"].iter().find_map(|option| options.get_document(option).ok())
    {
        let time = TokenDocument::try_from(token).ok().and_then(|token| token.decode().ok()?.cluster_time);
        return time.map_or(StreamStart::Unreadable, StreamStart::After);
    }
    match options.get_timestamp("startAtOperationTime") {
        Ok(time) => StreamStart::At(Timestamp { t: time.time, i: time.increment }),
        Err(_) => StreamStart::Now,
    }
}
