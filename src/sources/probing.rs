//! From a connector to the question about its token: by itself after a pass, or because a person asks.

use super::Observer;
use super::connect::{ConnectReader, Listed};
use super::mongodb::{Asked, NoQuestion, Question};
use super::prober::{Job, PER_PASS, Subject, bounded};
use crate::clock::Clock;
use resumeguard_core::assess::{Thresholds, ask};
use resumeguard_core::domain::{
    Basis, ConnectorId, ConnectorReport, Probe, Snapshot, StoredOffset, Verdict, Why,
};
use std::collections::HashMap;
use std::time::Duration;

/// Questions to one member: after the token, and at its time.
const STEPS: u32 = 2;

/// For connections, which the driver gives up after five seconds, besides what the server may use.
const FOR_CONNECTIONS: Duration = Duration::from_secs(6);

/// Why nobody was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAsked {
    /// No such connector is listed.
    #[error("no such connector is listed")]
    NotListed,
    /// There is no way to the deployment, or no position.
    #[error("{}", .0.sentence())]
    Unknown(Why),
    /// What would be asked is not known.
    #[error(transparent)]
    NoQuestion(#[from] NoQuestion),
}

impl Observer {
    /// Asks about those of the last pass that the server should be asked about, in the background, those first that
    /// were asked about longest ago.
    pub fn ask(&mut self, snapshot: &Snapshot, thresholds: &Thresholds, clock: &Clock) {
        let (Some(prober), now) = (&self.prober, clock.uptime()) else { return };
        let mut due: Vec<(&ConnectorReport, _)> =
            snapshot.connectors.iter().filter_map(|report| Some((report, ask(report)?))).collect();
        if due.is_empty() {
            return;
        }
        due.sort_by_key(|(report, _)| prober.asked_at(&report.id));
        let listing = self.listing();
        let jobs: Vec<Job> = due
            .into_iter()
            .filter_map(|(report, ask)| {
                let (id, listed) = (&report.id, *listing.get(&name_of(&report.id))?);
                let (entry, _) = self.live_entry(id, listed.0, listed.1, now).ok()?;
                let access = self.access(id, listed.1).ok();
                let subject = Subject::new(entry.text.as_deref()?, &listed.1.config, access.as_ref());
                let due = prober.is_due(id, &subject, ask, now);
                let margin_seconds = wants_a_margin(report).then(|| limit(thresholds, id));
                due.then(|| self.job(id, listed, now).ok()).flatten().map(|job| Job { margin_seconds, ..job })
            })
            .take(PER_PASS)
            .collect();
        if let Some(prober) = &mut self.prober {
            prober.begin(jobs, *clock);
        }
    }

    /// Asks about one connector of the last pass, now. What is found out counts for that pass.
    ///
    /// # Errors
    /// Why nobody could be asked.
    pub async fn probe(
        &self,
        id: &ConnectorId,
        max_time: Duration,
        clock: &Clock,
    ) -> Result<(Asked, Probe), NotAsked> {
        let begun = clock.uptime();
        let listed = *self.listing().get(&name_of(id)).ok_or(NotAsked::NotListed)?;
        let job = self.job(id, listed, begun)?;
        let deadline = max_time.saturating_mul(STEPS).saturating_add(FOR_CONNECTIONS);
        let asked = bounded(job.question, job.members, (max_time, deadline), None, ()).await;
        let age = clock.uptime().saturating_sub(begun);
        let probe = Probe { answer: asked.answer, age, margin_seconds: asked.margin_seconds };
        Ok((asked, probe))
    }

    fn job(
        &self,
        id: &ConnectorId,
        (connect, listed): (&ConnectReader, &Listed),
        now: Duration,
    ) -> Result<Job, NotAsked> {
        let facts = self.known.get(id).ok_or(NotAsked::NotListed)?;
        let (entry, _) = self.live_entry(id, connect, listed, now).map_err(NotAsked::Unknown)?;
        if entry.offset == StoredOffset::Copying {
            return Err(NotAsked::Unknown(Why::Copying));
        }
        let stored = entry.text.clone().ok_or(NotAsked::NoQuestion(NoQuestion::NoDocument))?;
        let question = Question::new(&listed.config, &stored)?;
        let deployment = facts.deployment.clone().map_err(NotAsked::Unknown)?;
        let selection = facts.selection.as_ref().map_err(|why| NotAsked::Unknown(*why))?;
        let members = self.deployments.selected(&deployment, selection);
        let subject = Subject::new(&stored, &listed.config, self.access(id, listed).ok().as_ref());
        Ok(Job { id: id.clone(), subject, deployment, question, members, margin_seconds: None })
    }

    /// Every connector of the clusters that can be read.
    pub(super) fn listing(&self) -> HashMap<(&str, &str), (&ConnectReader, &Listed)> {
        let readable = self.connects.iter().filter(|connect| connect.is_readable());
        let mut listing = HashMap::new();
        for connect in readable {
            let listed = connect.listed().iter();
            listing.extend(listed.map(|listed| ((connect.name(), listed.name.as_str()), (connect, listed))));
        }
        listing
    }
}

fn name_of(id: &ConnectorId) -> (&str, &str) {
    (id.connect_cluster.as_str(), id.connector.as_str())
}

/// Only where no oplog tells how much is left.
fn wants_a_margin(report: &ConnectorReport) -> bool {
    let by_probe = report.basis == Some(Basis::Probe) && report.headroom_seconds.is_none();
    by_probe || matches!(report.verdict, Verdict::Unknown(Why::OplogUnauthorized | Why::Sharded))
}

/// Whole seconds of headroom at which a verdict is `safe` whatever the window.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates; a time of years is refused anyway"
)]
fn limit(thresholds: &Thresholds, id: &ConnectorId) -> u32 {
    thresholds.levels_for(id).at_risk_seconds.ceil() as u32
}
