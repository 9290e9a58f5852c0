//! From a connector to the question about its token: by itself after a pass, or because a person asks.

use super::Observer;
use super::connect::{ConnectReader, Listed};
use super::mongodb::{Asked, NoQuestion, Question};
use super::prober::{Job, PER_PASS, bounded};
use crate::clock::Clock;
use resumeguard_core::assess::{Thresholds, ask};
use resumeguard_core::domain::{Basis, ConnectorId, ConnectorReport, Probe, Snapshot, Verdict, Why};
use std::time::Duration;

/// Questions about one member: after the token, at its time, and the driver's own five seconds to find it.
const STEPS: u32 = 3;

/// Time for connections, besides what the server may use.
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
        due.sort_by_key(|(report, _)| prober.asked_at(&report.id));
        let jobs: Vec<Job> = due
            .into_iter()
            .filter_map(|(report, ask)| {
                let (connect, listed) = self.listed(&report.id)?;
                let (entry, _) = self.live_entry(&report.id, connect, listed, now).ok()?;
                let due = prober.is_due(&report.id, entry.text.as_deref()?, ask, now);
                let margin_seconds = wants_a_margin(report).then(|| limit(thresholds, &report.id));
                due.then(|| self.job(&report.id, now).ok()).flatten().map(|job| Job { margin_seconds, ..job })
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
        let job = self.job(id, begun)?;
        let members = u32::try_from(job.members.len()).unwrap_or(u32::MAX);
        let deadline = (max_time * STEPS).saturating_add(FOR_CONNECTIONS).saturating_mul(members.max(1));
        let asked = bounded(job.question, job.members, (max_time, deadline), None, ()).await;
        let age = clock.uptime().saturating_sub(begun);
        let probe = Probe { answer: asked.answer, age, margin_seconds: asked.margin_seconds };
        Ok((asked, probe))
    }

    fn job(&self, id: &ConnectorId, now: Duration) -> Result<Job, NotAsked> {
        let (connect, listed) = self.listed(id).ok_or(NotAsked::NotListed)?;
        let facts = self.known.get(id).ok_or(NotAsked::NotListed)?;
        let (entry, _) = self.live_entry(id, connect, listed, now).map_err(NotAsked::Unknown)?;
        if entry.offset == resumeguard_core::domain::StoredOffset::Copying {
            return Err(NotAsked::Unknown(Why::Copying));
        }
        let stored = entry.text.clone().ok_or(NotAsked::NoQuestion(NoQuestion::NoDocument))?;
        let question = Question::new(&listed.config, &stored)?;
        let deployment = facts.deployment.clone().map_err(NotAsked::Unknown)?;
        let selection = facts.selection.as_ref().map_err(|why| NotAsked::Unknown(*why))?;
        let members = self.deployments.selected(&deployment, selection);
        Ok(Job { id: id.clone(), stored, deployment, question, members, margin_seconds: None })
    }

    fn listed(&self, id: &ConnectorId) -> Option<(&ConnectReader, &Listed)> {
        let connect = self.connects.iter().find(|connect| connect.name() == id.connect_cluster)?;
        let listed = connect.listed().iter().find(|listed| listed.name == id.connector)?;
        connect.is_readable().then_some((connect, listed))
    }
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
