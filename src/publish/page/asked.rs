//! What the fleet's address asks for: a deep link is a filter, a filter is a deep link.

use super::words::with_query;
use crate::publish::Published;
use crate::publish::headline::VERDICTS;
use crate::publish::status::Connector;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::convert::Infallible;

/// The query of a page. One that cannot be understood is as good as none.
pub(super) struct Said<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequestParts<S> for Said<T> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self(Query::try_from_uri(&parts.uri).map(|Query(said)| said).unwrap_or_default()))
    }
}

/// Connectors of one page.
pub(super) const SHOWN: usize = 100;

/// The query of `/`. What is not understood is left out: a person can see what is shown.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Filter {
    /// A part of a name, namespace or deployment.
    pub(super) q: String,
    /// With this verdict.
    pub(super) verdict: String,
    /// Of this Connect cluster.
    pub(super) connect_cluster: String,
    /// Of this deployment.
    pub(super) deployment: String,
    /// With a finding of this rule.
    pub(super) rule: String,
    /// Which page, from 1 on.
    pub(super) page: String,
}

impl Filter {
    /// Whether it leaves anything out.
    pub(super) fn is_set(&self) -> bool {
        *self != Self { page: self.page.clone(), ..Self::default() }
    }

    /// The connectors of a pass that fit, whatever their verdict.
    pub(super) fn of_any_verdict<'a>(&self, pass: &'a Published) -> Vec<&'a Connector> {
        let wanted = self.q.to_lowercase();
        let all = pass.seen.connectors.iter().enumerate();
        let fitting = all.filter(|(place, one)| pass.tally.names(*place, &wanted) && self.holds(one));
        fitting.map(|(_, one)| one).collect()
    }

    /// Whether one verdict alone is shown, and which.
    pub(super) fn only_verdict(&self) -> Option<&str> {
        VERDICTS.contains(&self.verdict.as_str()).then_some(self.verdict.as_str())
    }

    fn holds(&self, of: &Connector) -> bool {
        let is = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
        is(&self.connect_cluster, &of.connect_cluster)
            && is(&self.deployment, of.deployment.as_deref().unwrap_or_default())
            && (self.rule.is_empty() || of.findings.iter().any(|found| found.rule == self.rule))
    }

    /// The same with another verdict, from the first page on.
    pub(super) fn with_verdict(&self, verdict: &str) -> String {
        Self { verdict: verdict.to_owned(), page: String::new(), ..self.clone() }.address()
    }

    /// The same on another page.
    pub(super) fn on_page(&self, page: usize) -> String {
        let page = if page > 1 { page.to_string() } else { String::new() };
        Self { page, ..self.clone() }.address()
    }

    /// Its address.
    fn address(&self) -> String {
        let Self { q, verdict, connect_cluster, deployment, rule, page } = self;
        let query = [
            ("q", q.as_str()),
            ("verdict", verdict),
            ("connect_cluster", connect_cluster),
            ("deployment", deployment),
            ("rule", rule),
            ("page", page),
        ];
        with_query("/", &query)
    }
}

/// Which of so many entries stand on a page that somebody asks for, and of how many pages.
pub(super) fn slice(page: &str, all: usize) -> (usize, usize, std::ops::Range<usize>) {
    let pages = all.div_ceil(SHOWN).max(1);
    let page = page.parse().unwrap_or(1).clamp(1, pages);
    (page, pages, (page - 1) * SHOWN..all.min(page * SHOWN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_is_not_there_is_the_nearest() {
        assert_eq!(slice("", 0), (1, 1, 0..0));
        assert_eq!(slice("x", 250), (1, 3, 0..100));
        assert_eq!(slice("3", 250), (3, 3, 200..250));
        assert_eq!(slice("99", 250), (3, 3, 200..250));
        assert_eq!(slice("0", 100), (1, 1, 0..100));
    }

    #[test]
    fn a_filter_is_a_deep_link() {
        let filter = Filter { q: "a&b".into(), page: "2".into(), ..Filter::default() };
        assert_eq!(filter.with_verdict("lost"), "/?q=a%26b&verdict=lost");
        assert_eq!(filter.on_page(3), "/?q=a%26b&page=3");
        assert_eq!(filter.on_page(1), "/?q=a%26b");
        assert!(filter.is_set() && !Filter { page: "2".into(), ..Filter::default() }.is_set());
    }
}
