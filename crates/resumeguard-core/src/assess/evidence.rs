//! Evidence beyond the stored position: which change streams the servers show as open.

use super::ownership::Ownership;
use crate::domain::{ChangeStream, ConnectorFacts, Facts, LiveStream, MemberFacts, Role, Selection};
use std::collections::{HashMap, HashSet};

/// What the open change streams say about one connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Living<'a> {
    /// Nothing: they cannot be seen on every member.
    Unseen,
    /// Nothing: there are some on its namespace, and they cannot be told apart, or may be another's.
    Ambiguous,
    /// No member that holds data shows a stream on its namespace.
    None,
    /// There is one on its namespace, and no other connector is known that could own it. It may still be an
    /// application's: see [`Ownership`].
    One(&'a ChangeStream),
}

/// A stream that is polled is read every `poll.await.time.ms`, 5 s by default; seconds of the server's clock.
const RECENTLY: i64 = 60;

impl Living<'_> {
    /// What follows for the connector's stored position. A stream that is older than the loss has carried the connector over
    /// it, and holds everything since.
    pub(crate) fn carries(self, owned: Ownership, connector: &ConnectorFacts, facts: &Facts) -> LiveStream {
        let stream = match self {
            Self::One(stream) if owned.of(stream.created_ms) => stream,
            Self::None => return LiveStream::None,
            Self::One(_) | Self::Unseen | Self::Ambiguous => return LiveStream::Unproven,
        };
        let position = connector.token_time().map_or(i64::MAX, |position| i64::from(position.t));
        let newest = facts.newest_of(connector).map_or(i64::MAX, |newest| i64::from(newest.t));
        let read = stream.last_read.unwrap_or(stream.created_seconds());
        if newest.saturating_sub(read) > RECENTLY {
            return LiveStream::Unread;
        }
        if stream.created_seconds() <= position || stream.with_a_token() {
            return LiveStream::Carries;
        }
        LiveStream::OpenedLater
    }
}

/// What the members of one deployment show.
struct Shown<'a> {
    members: &'a [MemberFacts],
    /// Streams with the member that shows them, by namespace.
    streams: HashMap<&'a str, Vec<(&'a MemberFacts, &'a ChangeStream)>>,
}

/// The open streams of every deployment by namespace, made once a pass.
pub(crate) struct Streams<'a> {
    /// By deployment.
    shown: HashMap<&'a str, Shown<'a>>,
    /// Connectors by deployment and namespace.
    alike: HashMap<(&'a str, &'a str), usize>,
    /// A connector of which neither is known, or a cluster that cannot be read, may own any stream.
    strangers: bool,
    /// Where a connector reads whose deployment is not known: it may own a stream there, and no other.
    strange_namespaces: HashSet<&'a str>,
    /// The deployments of connectors whose namespace is not known.
    strange_deployments: HashSet<&'a str>,
}

impl<'a> Streams<'a> {
    pub(crate) fn of(facts: &'a Facts) -> Self {
        let mut alike = HashMap::new();
        let mut strangers = facts.sources.iter().any(|source| source.source == "connect" && !source.up);
        let (mut strange_namespaces, mut strange_deployments) = (HashSet::new(), HashSet::new());
        for connector in &facts.connectors {
            let namespace = Some(connector.settings.namespace.as_str()).filter(|name| !name.contains("${"));
            match (connector.deployment.as_deref(), namespace) {
                (Ok(deployment), Some(namespace)) => *alike.entry((deployment, namespace)).or_default() += 1,
                (Ok(deployment), None) => drop(strange_deployments.insert(deployment)),
                (Err(_), Some(namespace)) => drop(strange_namespaces.insert(namespace)),
                (Err(_), None) => strangers = true,
            }
        }
        let shown = facts.deployments.iter().map(|(name, deployment)| {
            let members = deployment.members.as_deref().unwrap_or_default();
            (name.as_str(), Shown::by(members))
        });
        Self { shown: shown.collect(), alike, strangers, strange_namespaces, strange_deployments }
    }

    /// Looks at every member, whichever the connector would select now: after an election a cursor stays on the member
    /// where it was opened (seen on a real set). Only a direct connection has but one.
    pub(crate) fn living(&self, connector: &ConnectorFacts) -> Living<'a> {
        let Ok(deployment) = &connector.deployment else { return Living::Unseen };
        let namespace = connector.settings.namespace.as_str();
        let Some(shown) = self.shown.get(deployment.as_str()).filter(|_| !namespace.contains("${")) else {
            return Living::Unseen;
        };
        let reaches = |member: &MemberFacts| match &connector.selection {
            Ok(Selection::Direct(host)) => member.addresses.iter().any(|a| a.eq_ignore_ascii_case(host)),
            // A driver lets go of a member that its set hides, and of the cursors there.
            Ok(Selection::Preference { .. }) => !member.hidden,
            Ok(Selection::Hidden) | Err(_) => true,
        };
        if !shown.is_whole(reaches) {
            return Living::Unseen;
        }
        let streams = shown.streams.get(namespace).map(Vec::as_slice).unwrap_or_default();
        let mut reachable = streams.iter().filter(|(member, _)| reaches(member));
        let alike = self.alike.get(&(deployment.as_str(), namespace)).copied().unwrap_or(0);
        let stranger = self.strangers
            || self.strange_namespaces.contains(namespace)
            || self.strange_deployments.contains(deployment.as_str());
        match (reachable.next(), reachable.next()) {
            (None, _) => Living::None,
            (Some((_, one)), None) if alike == 1 && !stranger => Living::One(one),
            (Some(_), _) => Living::Ambiguous,
        }
    }
}

impl<'a> Shown<'a> {
    fn by(members: &'a [MemberFacts]) -> Self {
        let mut streams: HashMap<_, Vec<_>> = HashMap::new();
        for member in members {
            for stream in member.streams.iter().flatten() {
                streams.entry(stream.namespace.as_str()).or_default().push((member, stream));
            }
        }
        Self { members, streams }
    }

    /// Whether all show their streams where one may stand: those that hold data and may be reached, of which there must be one.
    fn is_whole(&self, reaches: impl Fn(&MemberFacts) -> bool) -> bool {
        let mut within = self.members.iter().filter(|member| member.role != Role::Arbiter && reaches(member));
        let first = within.next();
        first.is_some_and(|first| first.streams.is_some()) && within.all(|member| member.streams.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assess::story::{NAMESPACE, after, opened};
    use crate::assess::tests::{FIRST, connector, facts, member, token};
    use crate::domain::*;

    fn source(source: &'static str, name: &str, up: bool) -> SourceFacts {
        SourceFacts { source, name: name.into(), up, error: None }
    }

    fn watching(config: &[(&str, &str)]) -> ConnectorFacts {
        let config = config.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        ConnectorFacts { settings: Settings::from_config(&config), ..connector(token(FIRST + 60_000, 0)) }
    }

    /// One connector on `shop.orders`, whose one stream the secondary shows.
    fn one_stream() -> Facts {
        let mut members = vec![member("a:1", Role::Primary, FIRST), member("b:1", Role::Secondary, FIRST)];
        (members[0].streams, members[1].streams) = (Some(vec![]), opened(FIRST, after(FIRST)));
        facts(watching(&NAMESPACE), members)
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut Facts), expected: &str) {
        let mut facts = one_stream();
        change(&mut facts);
        let found = match Streams::of(&facts).living(&facts.connectors[0]) {
            Living::Unseen => "unseen",
            Living::Ambiguous => "ambiguous",
            Living::None => "none",
            Living::One(_) => "one",
        };
        assert_eq!(found, expected);
    }

    fn members(facts: &mut Facts) -> &mut Vec<MemberFacts> {
        facts.deployments.get_mut("rs0").unwrap().members.as_mut().unwrap()
    }

    #[test]
    fn a_stream_is_the_connectors_if_nobody_else_could_own_it() {
        check(|_| {}, "one");
        let beside = |config: &'static [(&str, &str)]| {
            move |facts: &mut Facts| facts.connectors.push(watching(config))
        };
        check(beside(&[("database", "shop"), ("collection", "invoices")]), "one");
        check(beside(&NAMESPACE), "ambiguous");
        check(beside(&[("database", "${env:DB}")]), "ambiguous");
        let elsewhere = ConnectorFacts { deployment: Ok("rs1".into()), ..watching(&NAMESPACE) };
        check(|facts| facts.connectors.push(elsewhere), "one");
        let nowhere = ConnectorFacts { deployment: Err(Why::UriPlaceholder), ..watching(&[]) };
        check(|facts| facts.connectors.push(nowhere), "one");
        let nowhere = |config| ConnectorFacts { deployment: Err(Why::UriPlaceholder), ..watching(config) };
        check(|facts| facts.connectors.push(nowhere(&NAMESPACE)), "ambiguous");
        check(|facts| facts.connectors.push(nowhere(&[("database", "shop")])), "one");
        check(|facts| facts.connectors.push(nowhere(&[("database", "${env:DB}")])), "ambiguous");
        let hidden = |deployment: &str| ConnectorFacts {
            deployment: Ok(deployment.into()),
            ..watching(&[("database", "${env:DB}")])
        };
        check(|facts| facts.connectors.push(hidden("rs0")), "ambiguous");
        check(|facts| facts.connectors.push(hidden("rs1")), "one");
    }

    #[test]
    fn a_connect_cluster_that_cannot_be_read_may_own_any_stream() {
        check(
            |facts| facts.sources = vec![source("connect", "eu", true), source("mongodb", "rs1", false)],
            "one",
        );
        check(|facts| facts.sources = vec![source("connect", "eu", false)], "ambiguous");
    }

    #[test]
    fn what_cannot_be_seen_proves_nothing() {
        check(|facts| members(facts)[1].streams = Some(vec![]), "none");
        check(|facts| members(facts)[0].streams = None, "unseen");
        check(|facts| members(facts).clear(), "unseen");
        check(
            |facts| {
                let arbiter = MemberFacts { streams: None, ..member("c:1", Role::Arbiter, FIRST) };
                members(facts).push(arbiter);
            },
            "one",
        );
        check(|facts| facts.connectors[0].settings.namespace = "${env:DB}".into(), "unseen");
        check(|facts| facts.connectors[0].deployment = Err(Why::UriPlaceholder), "unseen");
        check(|facts| facts.connectors[0].deployment = Ok("rs1".into()), "unseen");
    }

    #[test]
    fn a_direct_connection_has_its_stream_on_one_member() {
        let direct = |host: &str| {
            let host = host.to_owned();
            move |facts: &mut Facts| facts.connectors[0].selection = Ok(Selection::Direct(host))
        };
        check(direct("B:1"), "one");
        check(direct("a:1"), "none");
        check(|facts| facts.connectors[0].selection = Ok(Selection::Hidden), "one");
        // What the others show says nothing of a member that nobody reads, and what they hide nothing of one that is seen.
        check(direct("c:1"), "unseen");
        let beside_one_unseen = |host: &'static str| {
            move |facts: &mut Facts| {
                direct(host)(facts);
                members(facts)[0].streams = None;
            }
        };
        check(beside_one_unseen("B:1"), "one");
        check(beside_one_unseen("a:1"), "unseen");
        let hides = |facts: &mut Facts| {
            members(facts)[0].hidden = true;
            members(facts)[0].streams = None;
        };
        check(hides, "one");
        check(
            |facts| {
                hides(facts);
                facts.connectors[0].selection = Ok(Selection::Hidden);
            },
            "unseen",
        );
    }
}
