//! Which collections stand behind the watched namespaces now: one that was dropped and created again is another.

use super::commands::millis;
use super::rights::Right;
use mongodb::Client;
use mongodb::bson::{Bson, Document, doc, spec::BinarySubtype};
use resumeguard_core::domain::Collections;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The UUIDs of these namespaces, one command a database. What could not be read (the privilege `listCollections` on the
/// database is needed) is left out; a namespace without a collection is `None`.
pub(super) async fn collections(
    client: &Client,
    namespaces: &BTreeSet<String>,
    deadline: Duration,
) -> (Collections, BTreeSet<Right>) {
    let mut by_database: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (database, collection) in namespaces.iter().filter_map(|namespace| namespace.split_once('.')) {
        by_database.entry(database).or_default().push(collection);
    }
    let (mut found, mut lacking) = (Collections::new(), BTreeSet::new());
    for (database, names) in by_database {
        let most = i32::try_from(names.len()).unwrap_or(i32::MAX);
        let command = doc! {
            "listCollections": 1, "filter": { "name": { "$in": names.clone() } },
            "cursor": { "batchSize": most.saturating_add(1) }, "maxTimeMS": millis(deadline),
        };
        // The primary's word counts: a secondary may not have seen the drop yet.
        let reply = client.database(database).run_command(command).await;
        lacking.extend(Right::ListCollections(database.to_owned()).missing_in(reply.as_ref().err()));
        let Ok(reply) = reply else { continue };
        let Some(listed) = listed(&reply) else { continue };
        for name in names {
            found.insert(format!("{database}.{name}"), listed.get(name).copied());
        }
    }
    (found, lacking)
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
