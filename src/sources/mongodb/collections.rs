//! Which collections stand behind the watched namespaces now: one that was dropped and created again is another.

use super::commands::millis;
use super::rights::Right;
use mongodb::Client;
use mongodb::bson::{Bson, Document, doc, spec::BinarySubtype};
use resumeguard_core::domain::Collections;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What has been told so far: whoever asks may stop waiting at any time.
#[derive(Debug, Clone, Default)]
pub(super) struct Found(Arc<Mutex<Told>>);

#[derive(Debug, Default)]
struct Told {
    collections: Collections,
    lacking: BTreeSet<Right>,
    /// The database that was asked last.
    last: Option<String>,
    /// Nobody waits any more: no further one is asked.
    closed: bool,
}

impl Found {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The UUIDs by namespace (`None` without a collection), the rights without which more would have been told, and the database after
    /// which to go on. What comes later is not taken any more.
    pub(super) fn close(&self) -> (Collections, BTreeSet<Right>, Option<String>) {
        let told = &mut *self.told();
        told.closed = true;
        (std::mem::take(&mut told.collections), std::mem::take(&mut told.lacking), told.last.take())
    }
}

/// The UUIDs of these namespaces, one command a database, one after the other: the member's few connections are needed for more. The
/// databases behind `after` come first, so that many that are slow all have their turn. What could not be read (the privilege
/// `listCollections` on the database is needed) is left out; a namespace without a collection is `None`.
pub(super) async fn collections(
    client: &Client,
    namespaces: &BTreeSet<String>,
    after: Option<&str>,
    deadline: Duration,
    found: &Found,
) {
    let mut by_database: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (database, collection) in namespaces.iter().filter_map(|namespace| namespace.split_once('.')) {
        by_database.entry(database).or_default().push(collection);
    }
    for (database, names) in in_turn(by_database, after) {
        if found.told().closed {
            return;
        }
        let most = i32::try_from(names.len()).unwrap_or(i32::MAX);
        let command = doc! {
            "listCollections": 1, "filter": { "name": { "$in": names.clone() } },
            "cursor": { "batchSize": most.saturating_add(1) }, "maxTimeMS": millis(deadline),
        };
        // The primary's word counts: a secondary may not have seen the drop yet.
        let reply = client.database(database).run_command(command).await;
        let lacking = Right::ListCollections(database.to_owned()).missing_in(reply.as_ref().err());
        let listed = reply.as_ref().ok().and_then(listed);
        let mut told = found.told();
        told.last = Some(database.to_owned());
        told.lacking.extend(lacking);
        let Some(listed) = listed else { continue };
        for name in names {
            told.collections.insert(format!("{database}.{name}"), listed.get(name).copied());
        }
    }
}

/// Those behind `after`, then the others.
fn in_turn<'a, T>(
    databases: BTreeMap<&'a str, T>,
    after: Option<&str>,
) -> impl Iterator<Item = (&'a str, T)> {
    let (first, then): (Vec<_>, Vec<_>) =
        databases.into_iter().partition(|(database, _)| after.is_some_and(|after| *database > after));
    first.into_iter().chain(then)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_database_has_its_turn() {
        let names = |after: Option<&str>| {
            let databases = BTreeMap::from([("a", ()), ("b", ()), ("c", ())]);
            in_turn(databases, after).map(|(name, ())| name).collect::<String>()
        };
        let found =
            ["", "a", "aa", "c", "d"].map(|after| names(Some(after).filter(|after| !after.is_empty())));
        assert_eq!(found, ["abc", "bca", "bca", "abc", "abc"]);
    }

    #[test]
    fn what_comes_after_the_end_is_not_taken() {
        let found = Found::default();
        found.told().last = Some("b".to_owned());
        assert_eq!(found.close(), (Collections::new(), BTreeSet::new(), Some("b".to_owned())));
        assert!(found.told().closed);
    }
}
