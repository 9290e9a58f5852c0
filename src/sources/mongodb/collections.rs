//! Which collections stand behind the watched namespaces now: one that was dropped and created again is another.

use super::commands::millis;
use super::rights::Right;
use futures_util::StreamExt as _;
use mongodb::Client;
use mongodb::bson::{Bson, Document, doc, spec::BinarySubtype};
use resumeguard_core::domain::Collections;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Databases that are asked at once.
const AT_ONCE: usize = 4;

/// What has been told so far: whoever asks may stop waiting at any time.
#[derive(Debug, Clone, Default)]
pub(super) struct Found(Arc<Mutex<(Collections, BTreeSet<Right>)>>);

impl Found {
    /// The UUIDs by namespace (`None` without a collection), and the rights without which more would have been told.
    pub(super) fn take(&self) -> (Collections, BTreeSet<Right>) {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The UUIDs of these namespaces, one command a database. What could not be read (the privilege `listCollections` on the
/// database is needed) is left out; a namespace without a collection is `None`.
pub(super) async fn collections(
    client: &Client,
    namespaces: &BTreeSet<String>,
    deadline: Duration,
    found: &Found,
) {
    let mut by_database: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (database, collection) in namespaces.iter().filter_map(|namespace| namespace.split_once('.')) {
        by_database.entry(database).or_default().push(collection.to_owned());
    }
    let asked = by_database.into_iter().map(|(database, names)| {
        of_database(client.clone(), database.to_owned(), names, deadline, found.clone())
    });
    // Not dropped before its end, like every reading (RUST-937).
    let asked: Vec<_> = asked.collect();
    futures_util::stream::iter(asked).buffer_unordered(AT_ONCE).collect::<()>().await;
}

async fn of_database(client: Client, database: String, names: Vec<String>, deadline: Duration, found: Found) {
    let most = i32::try_from(names.len()).unwrap_or(i32::MAX);
    let command = doc! {
        "listCollections": 1, "filter": { "name": { "$in": names.clone() } },
        "cursor": { "batchSize": most.saturating_add(1) }, "maxTimeMS": millis(deadline),
    };
    // The primary's word counts: a secondary may not have seen the drop yet.
    let reply = client.database(&database).run_command(command).await;
    let lacking = Right::ListCollections(database.clone()).missing_in(reply.as_ref().err());
    let listed = reply.as_ref().ok().and_then(listed);
    let mut found = found.0.lock().unwrap_or_else(PoisonError::into_inner);
    found.1.extend(lacking);
    let Some(listed) = listed else { return };
    for name in names {
        found.0.insert(format!("{database}.{name}"), listed.get(name.as_str()).copied());
    }
}

/// UUIDs by name; `None` where the reply is not the whole list, or a collection has none (views, time series).
fn listed(reply: &Document) -> Option<BTreeMap<&str, [u8; 16]>> {
    let cursor = reply.get_document("cursor").ok()?;
    if cursor.get_i64("id").ok()? != 0 {
        return None;
    }
    let entries = cursor.get_array("firstBatch").ok()?.iter().filter_map(Bson::as_document);
    entries
        .map(|entry| {
            let info = entry.get_document("info").ok()?;
            let Some(Bson::Binary(uuid)) = info.get("uuid") else { return None };
            let bytes = <[u8; 16]>::try_from(uuid.bytes.as_slice()).ok()?;
            (uuid.subtype == BinarySubtype::Uuid).then_some((entry.get_str("name").ok()?, bytes))
        })
        .collect()
}
