//! Evidence beyond the stored position: which change streams the servers show as open.

use crate::domain::{ChangeStream, ConnectorFacts, Facts};

/// What the open change streams prove about one connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Living<'a> {
    /// Nothing: they cannot be seen, or several of them, or several connectors, are alike.
    Unproven,
    /// No member that it could read from shows a stream on its namespace.
    None,
    /// This one is its own: it is the only one on its namespace, and no other connector has that namespace.
    One(&'a ChangeStream),
}

/// Looks at every member that the connector can select. A stream is known by its namespace alone, so two that are
/// alike prove nothing.
pub(crate) fn living<'a>(connector: &ConnectorFacts, facts: &'a Facts) -> Living<'a> {
    let streams = streams(connector, facts);
    let Some(streams) = streams else { return Living::Unproven };
    let alike = facts.connectors.iter().filter(|other| {
        other.deployment == connector.deployment && other.settings.namespace == connector.settings.namespace
    });
    match (streams.as_slice(), alike.count()) {
        ([], _) => Living::None,
        ([one], 1) => Living::One(one),
        _ => Living::Unproven,
    }
}

/// The streams on its namespace, where every member that it can select shows them.
fn streams<'a>(connector: &ConnectorFacts, facts: &'a Facts) -> Option<Vec<&'a ChangeStream>> {
    let members = facts.deployment_of(connector)?.members.as_deref().ok()?;
    let candidates = connector.selection.as_ref().ok()?.candidates(members);
    // A namespace that a placeholder hides cannot be looked for.
    if connector.settings.namespace.contains("${") || candidates.now.is_empty() {
        return None;
    }
    let mut found = Vec::new();
    for member in candidates.now.into_iter().chain(candidates.later) {
        let streams = member.streams.as_ref()?;
        found.extend(streams.iter().filter(|stream| stream.namespace == connector.settings.namespace));
    }
    Some(found)
}
