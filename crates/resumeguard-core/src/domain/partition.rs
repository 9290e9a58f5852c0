//! Which of the stored keys a connector will look up: the live key.

use super::{ConnectionString, Observed, StoredBytes, StoredOffset, Why};

/// What decides a connector's live key. It holds the URI: no `Debug`.
#[derive(Clone)]
pub struct LiveKeyQuery<'a> {
    /// `offset.partition.name`, where it is set.
    pub partition_name: Option<&'a str>,
    /// `connection.uri` as REST shows it; secret.
    pub uri: &'a str,
    /// The URI from `[mongodb.NAME]`, which tells the hosts where the connector's own is a placeholder.
    pub configured_uri: Option<&'a str>,
    /// `database`, empty if not set.
    pub database: &'a str,
    /// `collection`, empty if not set.
    pub collection: &'a str,
    /// Version of the connector, where it is known.
    pub version: Option<&'a str>,
}

/// How the live key was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiveKey {
    /// `offset.partition.name` names it.
    Named,
    /// Computed from the connection string as connectors since 1.3.0 do.
    Computed,
    /// The form of connectors before 1.3.0, which those up to 1.10 still fall back to.
    Legacy,
    /// The only stored key that fits the namespace; the hosts are a placeholder.
    Inferred,
}

/// One stored partition with its value. Its `Debug` form leaves the key out: legacy ones hold credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredEntry {
    /// `ns` of the partition; of a legacy key it holds credentials.
    pub ns: String,
    /// Its value.
    pub offset: StoredOffset,
    /// `_id` as it is stored, whatever it is: the connector sends it to the server if it is a document.
    pub text: Option<String>,
    /// How it is stored, where the source tells (REST does not).
    pub bytes: Option<StoredBytes>,
}

impl std::fmt::Debug for StoredEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredEntry").field("offset", &self.offset).finish_non_exhaustive()
    }
}

/// Finds the entry that the connector will resume from.
///
/// # Errors
/// [`Why::NoPosition`] where nothing is stored under the live key, [`Why::KeyAmbiguous`] where the hosts are not known
/// and several keys fit, or where two keys say the same in other bytes, by which Connect looks them up; [`Why::UriInvalid`] where the
/// connection string is none.
pub fn pick_live(query: &LiveKeyQuery<'_>, entries: &[StoredEntry]) -> Observed<(usize, LiveKey)> {
    let (at, key) = says_so(query, entries)?;
    let twice = entries.iter().enumerate().any(|(other, entry)| other != at && entry.ns == entries[at].ns);
    if twice { Err(Why::KeyAmbiguous) } else { Ok((at, key)) }
}

/// The first entry under the key that the connector will look up, as that reads.
fn says_so(query: &LiveKeyQuery<'_>, entries: &[StoredEntry]) -> Observed<(usize, LiveKey)> {
    let hidden = [query.partition_name.unwrap_or(""), query.database, query.collection];
    if hidden.iter().any(|text| text.contains("${")) {
        return Err(Why::UriPlaceholder);
    }
    let position_of = |ns: &str| entries.iter().position(|entry| entry.ns == ns);
    if let Some(name) = query.partition_name.filter(|name| !name.is_empty()) {
        return position_of(name).map(|at| (at, LiveKey::Named)).ok_or(Why::NoPosition);
    }
    let writes_computed = version(query).is_none_or(|v| v >= (1, 3));
    let own = partition_name(query, query.uri);
    let told = query
        .configured_uri
        .filter(|_| own == Err(Why::UriPlaceholder))
        .map(|uri| partition_name(query, uri));
    let computed =
        [own.clone().ok(), told.and_then(Result::ok)].into_iter().flatten().find_map(|ns| position_of(&ns));
    if let Some(at) = computed.filter(|_| writes_computed) {
        return Ok((at, LiveKey::Computed));
    }
    if let Some(at) = position_of(&format!("{}/{}.{}", query.uri, query.database, query.collection)) {
        match version(query) {
            Some(version) if version < (1, 11) => return Ok((at, LiveKey::Legacy)),
            // Whether it looks there depends on its version, which nobody told.
            None => return Err(Why::KeyAmbiguous),
            Some(_) => {}
        }
    }
    match own {
        Ok(_) => Err(Why::NoPosition),
        Err(Why::UriPlaceholder) => infer(query, entries),
        Err(why) => Err(why),
    }
}

fn partition_name(query: &LiveKeyQuery<'_>, uri: &str) -> Observed<String> {
    ConnectionString::parse(uri)?.partition_name(query.database, query.collection)
}

/// The hosts are a placeholder: the namespace alone has to tell.
fn infer(query: &LiveKeyQuery<'_>, entries: &[StoredEntry]) -> Observed<(usize, LiveKey)> {
    let dot = if query.collection.is_empty() { "" } else { "." };
    let suffix = format!("/{}{dot}{}", query.database, query.collection);
    let mut fitting = entries.iter().enumerate().filter(|(_, entry)| {
        let hosts = ["mongodb://", "mongodb+srv://"].iter().find_map(|scheme| entry.ns.strip_prefix(scheme));
        hosts
            .and_then(|rest| rest.strip_suffix(&suffix))
            .is_some_and(|hosts| !hosts.contains(['@', '?', '/']))
    });
    match (fitting.next(), fitting.next()) {
        (Some((at, _)), None) => Ok((at, LiveKey::Inferred)),
        (Some(_), Some(_)) => Err(Why::KeyAmbiguous),
        (None, _) => Err(Why::NoPosition),
    }
}

fn version(query: &LiveKeyQuery<'_>) -> Option<(u32, u32)> {
    major_and_minor(query.version?)
}

/// The first two numbers of a version, `(3, 8)` of `3.8.0` and of `3.8-SNAPSHOT`.
#[must_use]
pub fn major_and_minor(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split(['.', '-']).map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query<'a>(uri: &'a str, version: Option<&'a str>) -> LiveKeyQuery<'a> {
        LiveKeyQuery {
            partition_name: None,
            uri,
            configured_uri: None,
            database: "db",
            collection: "c",
            version,
        }
    }

    fn entry(ns: &str) -> StoredEntry {
        StoredEntry { ns: ns.to_owned(), offset: StoredOffset::Copying, text: None, bytes: None }
    }

    #[track_caller]
    fn check(query: &LiveKeyQuery<'_>, keys: &[&str], expected: Observed<(usize, LiveKey)>) {
        let entries: Vec<_> = keys.iter().map(|ns| entry(ns)).collect();
        assert_eq!(pick_live(query, &entries), expected);
    }

    #[test]
    fn debug_shows_no_key() {
        let shown = format!("{:?}", entry("mongodb://u:hunter2@h/db.c"));
        assert_eq!(shown, "StoredEntry { offset: Copying, .. }");
    }

    #[test]
    fn stale_keys_are_told_apart() {
        let stale = "mongodb://old:27017/db.c";
        check(
            &query("mongodb://h:27017/", None),
            &[stale, "mongodb://h:27017/db.c"],
            Ok((1, LiveKey::Computed)),
        );
        check(&query("mongodb://h/", None), &[stale, "mongodb://h:27017/db.c"], Err(Why::NoPosition));
        check(&query("mongodb://h/", None), &[], Err(Why::NoPosition));
    }

    /// Connect looks keys up by their bytes: with another order, other escapes or a space, one is another key.
    #[test]
    fn two_keys_that_say_the_same_are_ambiguous() {
        let (uri, ns) = ("mongodb://h/", "mongodb://h/db.c");
        check(&query(uri, None), &[ns, "other", ns], Err(Why::KeyAmbiguous));
        check(&query(uri, None), &["other", ns, "other"], Ok((1, LiveKey::Computed)));
        let named = LiveKeyQuery { partition_name: Some("orders.2"), ..query(uri, None) };
        check(&named, &["orders.2", "orders.2"], Err(Why::KeyAmbiguous));
    }

    #[test]
    fn a_partition_name_hides_everything_else() {
        let named = LiveKeyQuery { partition_name: Some("orders.2"), ..query("mongodb://h/", None) };
        check(&named, &["mongodb://h/db.c", "orders.2"], Ok((1, LiveKey::Named)));
        check(&named, &["mongodb://h/db.c"], Err(Why::NoPosition));
    }

    #[test]
    fn a_placeholder_in_the_key_itself_leaves_it_unknown() {
        let named = LiveKeyQuery { partition_name: Some("${env:NAME}"), ..query("mongodb://h/", None) };
        check(&named, &["mongodb://h/db.c"], Err(Why::UriPlaceholder));
        let database = LiveKeyQuery { database: "${env:DB}", ..query("mongodb://h/", None) };
        check(&database, &["mongodb://h/db.c"], Err(Why::UriPlaceholder));
    }

    #[test]
    fn legacy_keys_count_until_1_10() {
        let uri = "mongodb://u:p@h/?w=1";
        let legacy = "mongodb://u:p@h/?w=1/db.c";
        check(&query(uri, Some("1.2.0")), &[legacy, "mongodb://h/db.c"], Ok((0, LiveKey::Legacy)));
        check(&query(uri, Some("1.10.1")), &[legacy], Ok((0, LiveKey::Legacy)));
        check(&query(uri, Some("1.10.1")), &[legacy, "mongodb://h/db.c"], Ok((1, LiveKey::Computed)));
        check(&query(uri, Some("1.11.0")), &[legacy], Err(Why::NoPosition));
        check(&query(uri, None), &[legacy], Err(Why::KeyAmbiguous));
    }

    #[test]
    fn a_placeholder_is_matched_by_namespace_or_by_the_configured_uri() {
        let hidden = query("${file:/s:uri}", None);
        check(&hidden, &["mongodb://h/db.c", "mongodb://h/db.other"], Ok((0, LiveKey::Inferred)));
        check(&hidden, &["mongodb://h/db.c", "mongodb://h2/db.c"], Err(Why::KeyAmbiguous));
        check(&hidden, &["mongodb://h/db.other"], Err(Why::NoPosition));
        let told = LiveKeyQuery { configured_uri: Some("mongodb://me:pw@h2/"), ..hidden };
        check(&told, &["mongodb://h/db.c", "mongodb://h2/db.c"], Ok((1, LiveKey::Computed)));
        // A URI that is known is believed: what [mongodb.NAME] says does not make an old key live.
        let known = LiveKeyQuery { configured_uri: Some("mongodb://old/"), ..query("mongodb://h/", None) };
        check(&known, &["mongodb://old/db.c"], Err(Why::NoPosition));
    }
}
