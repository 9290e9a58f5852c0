//! Evidence beyond the stored position: which change streams the servers show as open.

use crate::domain::{ChangeStream, ConnectorFacts, Facts, LiveStream, MemberFacts, Role, Selection};
use std::collections::HashMap;

/// What the open change streams say about one connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Living<'a> {
    /// Nothing: they cannot be seen on every member.
    Unseen,
    /// Nothing: there are some on its namespace, and they cannot be told apart, or may be another's.
    Ambiguous,
    /// No member that holds data shows a stream on its namespace.
    None,
    /// There is one on its namespace, and no other connector is known that could own it.
    One(&'a ChangeStream),
}

/// A stream that is polled is read every `poll.await.time.ms`, 5 s by default; seconds of the server's clock.
const RECENTLY: i64 = 60;

impl Living<'_> {
    /// What follows for the connector's stored position. A stream that is older than the loss has carried the connector over
    /// it, and holds everything since.
    pub(crate) fn carries(self, connector: &ConnectorFacts, facts: &Facts) -> LiveStream {
        let stream = match self {
            Self::One(stream) => stream,
            Self::None => return LiveStream::None,
            Self::Unseen | Self::Ambiguous => return LiveStream::Unproven,
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

/// Streams with the member that shows them.
type ByNamespace<'a> = HashMap<&'a str, Vec<(&'a MemberFacts, &'a ChangeStream)>>;

/// The open streams of every deployment by namespace, made once a pass.
pub(crate) struct Streams<'a> {
    /// By deployment; `None` where a member does not show them.
    seen: HashMap<&'a str, Option<ByNamespace<'a>>>,
    /// Connectors by deployment and namespace.
    alike: HashMap<(&'a str, &'a str), usize>,
    /// A connector whose deployment or namespace is not known, or a cluster that cannot be read, may own any stream.
    strangers: bool,
}

impl<'a> Streams<'a> {
    pub(crate) fn of(facts: &'a Facts) -> Self {
        let mut alike = HashMap::new();
        let mut strangers = facts.sources.iter().any(|source| source.source == "connect" && !source.up);
        for connector in &facts.connectors {
            match &connector.deployment {
                Ok(deployment) if !connector.settings.namespace.contains("${") => {
                    *alike
                        .entry((deployment.as_str(), connector.settings.namespace.as_str()))
                        .or_default() += 1;
                }
                _ => strangers = true,
            }
        }
        let seen = facts.deployments.iter().map(|(name, deployment)| {
            let members = deployment.members.as_deref().unwrap_or_default();
            (name.as_str(), by_namespace(members))
        });
        Self { seen: seen.collect(), alike, strangers }
    }

    /// Looks at every member, whichever the connector would select now: after an election a cursor stays on the member
    /// where it was opened (seen on a real set). Only a direct connection has but one.
    pub(crate) fn living(&self, connector: &ConnectorFacts) -> Living<'a> {
        let Ok(deployment) = &connector.deployment else { return Living::Unseen };
        let namespace = connector.settings.namespace.as_str();
        let Some(Some(seen)) = self.seen.get(deployment.as_str()).filter(|_| !namespace.contains("${"))
        else {
            return Living::Unseen;
        };
        let streams = seen.get(namespace).map(Vec::as_slice).unwrap_or_default();
        let mut reachable = streams.iter().filter(|(member, _)| match &connector.selection {
            Ok(Selection::Direct(host)) => member.addresses.iter().any(|a| a.eq_ignore_ascii_case(host)),
            Ok(Selection::Preference { .. } | Selection::Hidden) | Err(_) => true,
        });
        let alike = self.alike.get(&(deployment.as_str(), namespace)).copied().unwrap_or(0);
        match (reachable.next(), reachable.next()) {
            (None, _) => Living::None,
            (Some((_, one)), None) if alike == 1 && !self.strangers => Living::One(one),
            (Some(_), _) => Living::Ambiguous,
        }
    }
}

/// `None` where a member that holds data does not show its streams: what is missing may stand there.
fn by_namespace(members: &[MemberFacts]) -> Option<ByNamespace<'_>> {
    let mut streams = ByNamespace::new();
    let mut some = false;
    for member in members.iter().filter(|member| member.role != Role::Arbiter) {
        some = true;
        for stream in member.streams.as_ref()? {
            streams.entry(stream.namespace.as_str()).or_default().push((member, stream));
        }
    }
    some.then_some(streams)
}
