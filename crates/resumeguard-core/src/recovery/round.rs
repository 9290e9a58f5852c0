//! One pass's plans: for every connector in trouble, what would be done and what keeps it from being done.

use super::{
    Blocker, ConnectFacts, Fingerprint, Ledger, Mode, Oplog, Plan, Policies, Sighting, Sightings, Situation,
    Surroundings, Trigger, blockers, blockers::unfit, plan, trigger,
};
use crate::assess::STALE_INTERVALS;
use crate::domain::{ConnectorFacts, ConnectorId, ConnectorReport, Facts, Observed, Snapshot, Why};
use std::collections::BTreeMap;

/// What a plan needs of a connector besides what judgement needs. Its `Debug` form leaves out what may be secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Details {
    /// Its settings, as REST shows them; those of [`super::DECISIVE`] at least.
    pub config: BTreeMap<String, String>,
    /// `ns` of its live key, where it is known.
    pub partition: Option<String>,
    /// The text that is stored there.
    pub stored: Option<String>,
    /// Its Connect cluster.
    pub connect: ConnectFacts,
}

impl std::fmt::Debug for Details {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Details").field("connect", &self.connect).finish_non_exhaustive()
    }
}

/// A plan with what else would do, and with what keeps it from being carried out.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// What policy chooses.
    pub plan: Plan,
    /// What it may do.
    pub mode: Mode,
    /// What would do as well, each with what keeps it from being carried out.
    pub alternatives: Vec<(Plan, Vec<Blocker>)>,
    /// Why it is not carried out now; empty: it may begin.
    pub blockers: Vec<Blocker>,
}

/// What stands around all plans of a pass.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// What is configured.
    pub policies: &'a Policies,
    /// What the journal says.
    pub ledger: &'a Ledger,
    /// Why there is no journal, where there is none.
    pub no_journal: Option<&'a str>,
    /// Why recovery is frozen, where it is.
    pub frozen: Option<&'a str>,
    /// The moment, milliseconds since 1970.
    pub now_ms: i64,
}

/// Plans for one pass, in the order of the snapshot, and what the next pass must know of this one.
#[must_use]
pub fn round(
    snapshot: &Snapshot,
    facts: &Facts,
    details: impl Fn(&ConnectorId) -> Option<Details>,
    before: &Sightings,
    around: &Around<'_>,
) -> (Vec<Planned>, Sightings) {
    let seen: BTreeMap<&ConnectorId, &ConnectorFacts> =
        facts.connectors.iter().map(|facts| (&facts.id, facts)).collect();
    // Those that policy leaves alone as well: a disaster is counted in connectors, not in policies.
    let troubled: Vec<(&ConnectorReport, Trigger, Option<Details>)> = snapshot
        .connectors
        .iter()
        .filter_map(|report| {
            let trigger = trigger(report, around.policies.threshold_seconds(&report.id))?;
            Some((report, trigger, details(&report.id)))
        })
        .collect();
    let sightings = before.after(troubled.iter().map(|(report, trigger, details)| {
        let stored = details.as_ref().and_then(|details| details.stored.as_deref());
        let token = stored.map(Fingerprint::of_text);
        (report.id.clone(), Sighting { trigger: *trigger, token, state: report.state, passes: 1 })
    }));
    let planned = troubled
        .iter()
        .filter_map(|(report, trigger, details)| {
            if around.policies.rule(&report.id, *trigger).mode == Mode::Off {
                return None;
            }
            let (connector, details) = (*seen.get(&report.id)?, details.as_ref()?);
            let situation = Situation {
                report,
                facts: connector,
                config: &details.config,
                partition: details.partition.as_deref(),
                stored: details.stored.as_deref(),
                connect: &details.connect,
                oplog: oplog(connector, facts),
                passes: sightings.passes(&report.id),
                mode: around.policies.rule(&report.id, *trigger).mode,
            };
            let around = Surroundings {
                all: around,
                stale: is_stale(connector, facts),
                losses: losses(&report.id.connect_cluster, &sightings, around),
            };
            planned(&situation, *trigger, &around)
        })
        .collect();
    (planned, sightings)
}

/// Positions that are lost now in a Connect cluster, and those that were within a cooldown.
fn losses(connect_cluster: &str, sightings: &Sightings, around: &Around<'_>) -> usize {
    let (ledger, cooldown) = (around.ledger, around.policies.cooldown);
    let is_lost = |id: &ConnectorId| sightings.is_lost(id);
    let lately = ledger.lost_lately(connect_cluster, is_lost, around.now_ms, cooldown);
    sightings.losses(connect_cluster).saturating_add(lately)
}

fn planned(situation: &Situation<'_>, trigger: Trigger, around: &Surroundings<'_>) -> Option<Planned> {
    let (chosen, others) = plan(situation, trigger, around.all.policies)?;
    let mut blockers = blockers(&chosen, situation, around);
    blockers.extend(unfit(&chosen, around.all));
    let alternatives = others
        .into_iter()
        .map(|other| {
            let blockers = super::blockers(&other, situation, around);
            (other, blockers)
        })
        .collect();
    Some(Planned { plan: chosen, mode: situation.mode, alternatives, blockers })
}

/// A reading of an earlier pass is no ground for an action, even where judgement still uses it.
fn is_stale(connector: &ConnectorFacts, facts: &Facts) -> bool {
    let too_old = facts.interval.saturating_mul(STALE_INTERVALS);
    connector.offset_age > too_old || connector.offset == Err(Why::Stale) || connector.state.is_err()
}

/// The oplog that a connector must resume from: the greatest `first` over the members that it may select (J3). `None` where
/// it is not one oplog that a mark could be set in: several shards', or none at all.
fn oplog(connector: &ConnectorFacts, facts: &Facts) -> Option<Oplog> {
    let members = facts.deployment_of(connector)?.members.as_deref().ok()?;
    let candidates = connector.selection.as_ref().ok()?.candidates(members).now;
    let firsts: Observed<Vec<_>> =
        candidates.iter().map(|member| Ok((member.oldest_position()?, *member))).collect();
    if candidates.iter().any(|member| member.shard.is_some() || member.kept_by_time) {
        return None;
    }
    let (first, member) = firsts.ok()?.into_iter().max_by_key(|(first, _)| *first)?;
    let (size_bytes, max_size_bytes) = (member.sizes.size_bytes, member.sizes.max_size_bytes);
    Some(Oplog { first, last: member.last.ok(), size_bytes, max_size_bytes })
}
