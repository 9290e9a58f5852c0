//! What a request asks for: its query, and which page of a list.

use super::problem;
use axum::extract::{FromRequestParts, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Entries of a page where nobody says how many.
pub(super) const USUAL: usize = 100;
/// Entries of a page at most.
pub(crate) const MOST: usize = 500;

/// The query of an address; one with a name that is not known is refused, and so is one that says something twice.
pub(crate) struct Asked<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Response> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(rejection) => Err(problem(StatusCode::BAD_REQUEST, &rejection.body_text())),
        }
    }
}

/// Which part of a list. Not flattened into queries: serde's `flatten` reads no numbers from texts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Paging {
    /// After which entry.
    pub(crate) after: Option<Cursor>,
    /// How many.
    pub(crate) limit: usize,
}

impl Paging {
    /// As a query says it.
    ///
    /// # Errors
    /// 400, with the parameter.
    #[expect(clippy::result_large_err, reason = "the error is the answer")]
    pub(crate) fn new(limit: Option<usize>, cursor: Option<&str>) -> Result<Self, Response> {
        let bad = |detail: &str| problem(StatusCode::BAD_REQUEST, detail);
        let limit = limit.unwrap_or(USUAL);
        if !(1..=MOST).contains(&limit) {
            return Err(bad(&format!("limit: must be from 1 to {MOST}")));
        }
        let after = cursor
            .map(|text| Cursor::parse(text).ok_or_else(|| bad("cursor: is none that `next` has given")));
        Ok(Self { after: after.transpose()?, limit })
    }

    /// A page of entries that are in the order of their keys.
    pub(crate) fn page<T>(&self, entries: impl Iterator<Item = T>, key: impl Fn(&T) -> Cursor) -> Page<T> {
        let mut items: Vec<T> =
            entries.filter(|entry| self.after.as_ref().is_none_or(|after| key(entry) > *after)).collect();
        items.sort_by_cached_key(&key);
        let more = items.len() > self.limit;
        items.truncate(self.limit);
        let next = items.last().filter(|_| more).map(|last| key(last).to_text());
        Page { items, next }
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Page<T> {
    /// Entries.
    pub(crate) items: Vec<T>,
    /// What `cursor` has to be for the next page; `null` on the last one.
    pub(crate) next: Option<String>,
}

/// The key of an entry: where a page has ended. Entries that come and go between two pages move no others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Cursor(pub(crate) Vec<String>);

impl Cursor {
    pub(crate) fn of<const N: usize>(parts: [&str; N]) -> Self {
        Self(parts.map(str::to_owned).to_vec())
    }

    /// As clients see it: nothing that they could make use of.
    pub(crate) fn to_text(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(&self.0).unwrap_or_default())
    }

    fn parse(text: &str) -> Option<Self> {
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_one_another_whatever_comes_and_goes_between_them() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<String>>();
        let key = |name: &String| Cursor::of([name]);
        let first = Paging::new(Some(2), None).unwrap().page(names(&["d", "b", "a", "c"]).into_iter(), key);
        assert_eq!(first.items, ["a", "b"]);
        let cursor = first.next.unwrap();
        let second = Paging::new(Some(2), Some(&cursor))
            .unwrap()
            .page(names(&["d", "aa", "bb", "c"]).into_iter(), key);
        assert_eq!(second.items, ["bb", "c"]);
        let cursor = second.next.unwrap();
        let last = Paging::new(Some(2), Some(&cursor)).unwrap().page(names(&["d", "a"]).into_iter(), key);
        assert_eq!((last.items, last.next), (names(&["d"]), None));
    }

    #[test]
    fn what_is_no_page_is_400() {
        for (limit, cursor) in
            [(Some(0), None), (Some(MOST + 1), None), (None, Some("x")), (None, Some("WzFd"))]
        {
            assert_eq!(
                Paging::new(limit, cursor).unwrap_err().status(),
                StatusCode::BAD_REQUEST,
                "{cursor:?}"
            );
        }
    }
}
