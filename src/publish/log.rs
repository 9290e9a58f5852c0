//! The log of verdicts: a line when one changes, none while it stays.

use resumeguard_core::domain::{ConnectorId, ConnectorReport, Discontinuity, Outcome, Snapshot, Verdict};
use std::collections::BTreeMap;

/// Remembers the verdicts of the last pass.
#[derive(Debug, Default)]
pub struct VerdictLog {
    last: BTreeMap<ConnectorId, Verdict>,
}

impl VerdictLog {
    /// Logs what has changed since the last pass. A connector that is safe when it is first seen needs no line.
    pub fn pass(&mut self, snapshot: &Snapshot) {
        for connector in &snapshot.connectors {
            let before = self.last.get(&connector.id).copied().unwrap_or(Verdict::Safe);
            if before != connector.verdict {
                changed(connector, before);
            }
            connector.new_discontinuities().iter().for_each(|found| went_on_elsewhere(connector, found));
        }
        self.last =
            snapshot.connectors.iter().map(|connector| (connector.id.clone(), connector.verdict)).collect();
        tracing::debug!(connectors = snapshot.connectors.len(), "pass");
    }
}

fn went_on_elsewhere(connector: &ConnectorReport, found: &Discontinuity) {
    let (id, from, to, seconds) = (&connector.id, found.from, found.to, found.seconds());
    match found.outcome {
        Outcome::Lost(cause) => {
            tracing::warn!(connector = %id, cause = cause.code(), %from, %to, seconds, "history was skipped");
        }
        Outcome::MaybeLost => {
            tracing::warn!(connector = %id, %from, %to, seconds, "history may have been skipped");
        }
        Outcome::Rescued => {
            tracing::info!(connector = %id, %from, %to, seconds, "rescued: the open stream carried it over");
        }
    }
}

fn changed(connector: &ConnectorReport, before: Verdict) {
    let (id, verdict, before) = (&connector.id, connector.verdict.code(), before.code());
    let (headroom_seconds, on_restart) = (connector.headroom_seconds, connector.on_restart.code());
    match connector.verdict {
        Verdict::Safe => {
            tracing::info!(connector = %id, verdict, before, headroom_seconds, "verdict changed")
        }
        Verdict::Unknown(why) => {
            tracing::warn!(connector = %id, verdict, before, why = why.code(), "verdict changed: {}", why.sentence());
        }
        Verdict::AtRisk | Verdict::Critical | Verdict::Lost => {
            tracing::warn!(connector = %id, verdict, before, headroom_seconds, on_restart, "verdict changed");
        }
    }
}
