//! From what was seen to what follows: pure, with the moment handed in.
//!
//! The rules of judgement J1–J8 stand in `judge`, the numbered rules in `findings`; [`Memory`] is the little that
//! one pass must know of the ones before.

mod asked;
mod collection;
mod continuity;
mod debezium;
#[cfg(test)]
mod edges;
mod evidence;
mod findings;
pub mod forecast;
mod judge;
mod limits;
mod memory;
mod oplogs;
mod ownership;
mod progress;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod reported;
mod reread;
mod restart;
#[cfg(test)]
mod restored;
#[cfg(test)]
pub(crate) mod story;
#[cfg(test)]
pub(crate) mod tests;
mod thresholds;
mod written;

pub use asked::{ASK_AGAIN_AFTER, Ask, ask};
pub use continuity::LossCounts;
pub use findings::{RULES, Rule};
pub use judge::STALE_INTERVALS;
pub use memory::Memory;
pub use thresholds::{Levels, Mute, Override, Thresholds};

use crate::domain::{
    ConnectorFacts, ConnectorReport, DeploymentFacts, Facts, MemberFacts, Now, OplogReport, Snapshot,
    Timestamp,
};
use evidence::Streams;
use findings::Case;
use forecast::Forecast;
use judge::Judgement;
use memory::Pass;
use oplogs::Oplogs;
use std::cmp::Reverse;

/// Judges one pass. The memory of connectors that are gone is dropped; while a Connect cluster cannot be read, none of its
/// connectors is known to be gone.
#[must_use]
pub fn assess(memory: &Memory, facts: &Facts, thresholds: &Thresholds, now: Now) -> (Snapshot, Memory) {
    let mut next = memory.begin(facts, now);
    let mut connectors = Vec::with_capacity(facts.connectors.len());
    let streams = Streams::of(facts);
    for connector in &facts.connectors {
        let living = streams.living(connector);
        let before = memory.of(&connector.id);
        let judgement = judge::judge(connector, facts, thresholds, before, next.oplogs());
        let left_behind = memory.left_behind(&connector.id);
        let pass = Pass { facts, living, now, flush: thresholds.offset_flush, left_behind };
        let after = before.after(connector, &judgement, &pass);
        let oplogs = next.oplogs();
        let case =
            Case { connector, judgement: &judgement, facts, living, memory: &after, oplogs, thresholds, now };
        connectors.push(report(&case, forecast_for(&case)));
        next.keep(connector.id.clone(), after);
    }
    next.keep_unread(memory, facts);
    connectors.sort_by_key(worst_first);
    let mut sources = facts.sources.clone();
    sources.sort_by(|a, b| (a.source, &a.name).cmp(&(b.source, &b.name)));
    let oplogs = facts
        .deployments
        .iter()
        .flat_map(|(name, deployment)| oplogs(name, deployment, next.oplogs()))
        .collect();
    (Snapshot { at: now.unix_seconds, connectors, oplogs, sources }, next)
}

/// A forecast for a position that was compared with an oplog; for any other there is none.
fn forecast_for(case: &Case<'_>) -> Option<Forecast> {
    let deployment = case.connector.deployment.as_ref().ok()?;
    let host = case.judgement.decided_by.as_ref()?;
    let members = case.facts.deployments.get(deployment)?.members.as_deref().ok()?;
    let member = members.iter().find(|member| member.host == *host)?;
    let (track, position) = (case.oplogs.get(deployment, host)?, case.connector.token_time()?);
    Some(forecast::forecast(
        &track.track,
        position,
        case.memory.advance(),
        member.sizes.min_retention_seconds,
    ))
}

fn report(case: &Case<'_>, forecast: Option<Forecast>) -> ConnectorReport {
    let Case { connector, judgement, .. } = case;
    let position = connector.position().cloned();
    let Judgement { verdict, basis, on_restart, headroom_seconds, headroom_ratio, lag_seconds, .. } =
        **judgement;
    let known = forecast.as_ref();
    ConnectorReport {
        id: connector.id.clone(),
        class: connector.class.clone(),
        version: connector.version.clone(),
        state: connector.state.ok(),
        failure: connector.failure,
        tasks: connector.tasks.clone(),
        deployment: connector.deployment.clone().ok(),
        mongodb_namespace: connector.settings.watched().to_owned(),
        verdict,
        basis,
        on_restart,
        offsets_from: connector.offsets_from,
        offsets_told: connector.offsets_told.clone(),
        position,
        headroom_seconds,
        headroom_ratio,
        lag_seconds,
        outage_budget_seconds: known.and_then(|forecast| forecast.outage_budget_seconds.ok()),
        outage_budget_range: known.and_then(|forecast| forecast.standing_still.ok()),
        until_lost: known.and_then(|forecast| forecast.until_lost.ok()),
        no_forecast: known.and_then(|forecast| forecast.outage_budget_seconds.err()),
        findings: findings::all(case),
        failures: case.memory.failures().clone(),
        progress: progress::progress(case),
        live_stream: case.live_stream(),
        discontinuities: case.memory.continuity().found().to_vec(),
        discontinuities_now: case.memory.continuity().found_now(),
        losses_of_late: case.losses_of_late(),
        losses: case.memory.continuity().counts().clone(),
    }
}

/// Worst verdict first, failed before running, least headroom first, then by name.
fn worst_first(report: &ConnectorReport) -> impl Ord + use<> {
    let failed = Reverse(report.has_failed());
    (report.verdict.rank(), failed, report.headroom_seconds.unwrap_or(i64::MIN), report.id.clone())
}

fn oplogs<'a>(
    name: &'a str,
    deployment: &'a DeploymentFacts,
    memory: &'a Oplogs,
) -> impl Iterator<Item = OplogReport> + 'a {
    let members: &[MemberFacts] = deployment.members.as_deref().unwrap_or_default();
    members.iter().map(move |member| OplogReport {
        deployment: name.to_owned(),
        shard: member.shard.clone(),
        member: member.host.clone(),
        role: member.role,
        first: member.first.ok().map(|first| first.time),
        last: member.last.ok(),
        window_seconds: member.window_seconds(),
        sizes: member.sizes,
        never_truncated: member.first.ok().map(|first| first.initiating),
        erosion_ratio: memory.get(name, &member.host).and_then(|oplog| oplog.track.erosion()),
    })
}

impl Facts {
    /// The newest entry of one member of a connector's deployment.
    pub(crate) fn last_of(&self, connector: &ConnectorFacts, host: Option<&str>) -> Option<Timestamp> {
        let members = self.deployment_of(connector)?.members.as_deref().ok()?;
        members.iter().find(|member| Some(member.host.as_str()) == host)?.last.ok()
    }

    /// The newest entry that was read of any member of a connector's deployment.
    pub(crate) fn newest_of(&self, connector: &ConnectorFacts) -> Option<Timestamp> {
        let members = self.deployment_of(connector)?.members.as_deref().ok()?;
        members.iter().filter_map(|member| member.last.ok()).max()
    }

    pub(crate) fn deployment_of(&self, connector: &ConnectorFacts) -> Option<&DeploymentFacts> {
        self.deployments.get(connector.deployment.as_ref().ok()?)
    }
}
