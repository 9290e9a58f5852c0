//! One document that makes a change stream move, and what keeps a collection from taking it.

use super::Hands;
use crate::sources::mongodb::reach::to_its_end;
use mongodb::Client;
use mongodb::bson::{Bson, Document, doc};
use resumeguard_core::recovery::AttemptId;
use serde_json::Value;
use std::time::Duration;

const LOOK: Duration = Duration::from_secs(10);

/// The document.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Marker {
    namespace: String,
    pub(super) document: Document,
}

impl Marker {
    /// That of an attempt; `fields` are what a person wants in it besides its `_id`.
    ///
    /// # Errors
    /// Where those are no document.
    pub(super) fn new(attempt: &AttemptId, namespace: &str, fields: Option<&Value>) -> Result<Self, String> {
        let mut document = doc! { "_id": { "resumeguard": attempt.to_string() } };
        let fields = match fields {
            Some(fields) => serde_json::from_value::<Document>(fields.clone())
                .map_err(|error| format!("recovery.marker is no document: {error}"))?,
            None => doc! { "note": "written by resumeguard, and removed again" },
        };
        document.extend(fields.into_iter().filter(|(key, _)| key != "_id"));
        Ok(Self { namespace: namespace.to_owned(), document })
    }

    pub(super) fn id(&self) -> Bson {
        self.document.get("_id").cloned().unwrap_or(Bson::Null)
    }

    /// Of database and collection.
    pub(super) fn names(&self) -> (&str, &str) {
        self.namespace.split_once('.').unwrap_or((&self.namespace, ""))
    }

    /// Whether its collection takes it, and lets it go again. Where a person has said what it holds, a validator is theirs to
    /// have thought of: the server tells.
    ///
    /// # Errors
    /// What is in the way, one line.
    pub(super) async fn fits(&self, hands: &Hands, chosen: bool) -> Result<(), String> {
        let primary = hands.primary().await?;
        let (database, collection) = self.names();
        if collection.is_empty() {
            return Err(format!("{} is no single collection", self.namespace));
        }
        let entry = entry(primary, database.to_owned(), collection.to_owned()).await?;
        obstacle(entry.as_ref(), chosen).map_or(Ok(()), |obstacle| {
            Err(format!("no marker is written into {}: {obstacle}", self.namespace))
        })
    }
}

async fn entry(primary: Client, database: String, collection: String) -> Result<Option<Document>, String> {
    let command = doc! { "listCollections": 1, "filter": { "name": collection } };
    let listing = async move { primary.database(&database).run_command(command).await };
    let reply = match to_its_end(LOOK, listing).await {
        Some(Ok(reply)) => reply,
        Some(Err(_)) => return Err("its collection cannot be looked at: grant listCollections".to_owned()),
        None => return Err(format!("its collection could not be looked at within {LOOK:.0?}")),
    };
    let batch = reply.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
    let batch = batch.map_err(|_| "its collection cannot be looked at: no cursor".to_owned())?;
    Ok(batch.first().and_then(Bson::as_document).cloned())
}

/// What `listCollections` says against it.
fn obstacle(entry: Option<&Document>, chosen: bool) -> Option<&'static str> {
    let Some(entry) = entry else { return Some("it does not exist, and a write would create it") };
    match entry.get_str("type") {
        Ok("collection") => {}
        Ok("view") => return Some("it is a view"),
        Ok("timeseries") => {
            return Some("it is a time-series collection, from which one document cannot be removed");
        }
        _ => return Some("it is no ordinary collection"),
    }
    let options = entry.get_document("options").ok()?;
    if options.get_bool("capped").unwrap_or(false) {
        return Some("it is capped: what is in it cannot be removed by itself");
    }
    let validates = options.get_document("validator").is_ok_and(|validator| !validator.is_empty());
    if validates && !chosen && options.get_str("validationAction").ok() != Some("warn") {
        return Some("it has a validator, which may refuse it: set recovery.marker to fields that it takes");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_collection_says_against_it() {
        let of = |entry: Document| obstacle(Some(&entry), false);
        let says = |entry: Document, word: &str| of(entry).is_some_and(|line| line.contains(word));
        assert_eq!(of(doc! { "type": "collection", "options": {} }), None);
        assert_eq!(of(doc! { "type": "collection", "options": { "validator": {} } }), None);
        assert!(says(doc! { "type": "view", "options": {} }, "view"));
        assert!(says(doc! { "type": "timeseries", "options": {} }, "time-series"));
        assert!(says(doc! { "type": "collection", "options": { "capped": true } }, "capped"));
        let strict = doc! { "type": "collection", "options": { "validator": { "a": 1 }, "validationAction": "error" } };
        assert!(says(strict.clone(), "validator"));
        assert_eq!(obstacle(Some(&strict), true), None, "somebody has said what it takes");
        let lax =
            doc! { "type": "collection", "options": { "validator": { "a": 1 }, "validationAction": "warn" } };
        assert_eq!(of(lax), None);
        assert!(obstacle(None, true).is_some(), "a write would create it");
    }

    #[test]
    fn the_id_is_the_attempts_own() {
        let fields = json!({ "_id": 7, "tenant": "none", "n": { "$numberLong": "5" } });
        let marker = Marker::new(&AttemptId("a-1".into()), "shop.orders", Some(&fields)).unwrap();
        assert_eq!(marker.document, doc! { "_id": { "resumeguard": "a-1" }, "tenant": "none", "n": 5_i64 });
        assert_eq!(marker.names(), ("shop", "orders"));
        assert!(Marker::new(&AttemptId("a-1".into()), "shop.orders", Some(&json!([1]))).is_err());
    }
}
