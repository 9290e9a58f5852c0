//! What is needed to look at one connector, and to act on it.

use super::walk::AGAIN;
use super::worker::Worker;
use crate::clock::Clock;
use crate::sources::mongodb::{Reachable, reach};
use crate::sources::offsets::OffsetsTopic;
use crate::sources::{Observer, connect};
use arc_swap::ArcSwap;
use mongodb::Client;
use resumeguard_core::domain::{ConnectorId, Observed, Selection, Timestamp};
use resumeguard_core::recovery::Capabilities;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Of every connector that somebody may want to act on, as of the last pass.
pub type Reach = Arc<ArcSwap<BTreeMap<ConnectorId, Hands>>>;

/// How long a member may take to answer.
const MEMBER: Duration = Duration::from_secs(5);

/// The ways to one connector and to its deployment.
#[derive(Debug, Clone)]
pub struct Hands {
    /// Its Connect cluster.
    pub connect: connect::Client,
    /// What that can do.
    pub capabilities: Capabilities,
    /// Which members it may select.
    pub selection: Observed<Selection>,
    /// All members of its deployment.
    pub members: Observed<Vec<Reachable>>,
    /// Its standalone worker, where its file may be edited.
    pub worker: Option<Worker>,
    /// The topic that its offsets are in, where that is read.
    pub topic: Option<OffsetsTopic>,
}

impl Hands {
    /// Those of one connector, from what the last pass has read; `None` where its Connect cluster is not watched. One that is
    /// listed no more has them too: somebody has to see that it is gone.
    #[must_use]
    pub fn of(observer: &Observer, id: &ConnectorId) -> Option<Self> {
        let (connect, version) = observer.connect_of(id)?;
        let (selection, members) = observer.members_for(id);
        let capabilities = Capabilities::of(version.unwrap_or_default());
        let url = connect.base().clone();
        let worker = observer.worker_of(id).map(|configured| Worker { configured, url });
        let topic = observer.topic_of(id);
        Some(Self { connect, capabilities, selection, members, worker, topic })
    }

    /// Before 3.5 REST does not tell what is stored.
    pub(super) fn rest_tells(&self) -> bool {
        self.capabilities.stop || (self.worker.is_none() && self.topic.is_none())
    }

    /// The oldest entry of the oplog that it must resume from, now.
    pub(super) async fn oldest(&self) -> Observed<Timestamp> {
        let members = self.members.as_ref().map_err(|why| *why)?;
        reach::oldest(members, self.selection.as_ref().map_err(|why| *why)?, MEMBER).await
    }

    /// The newest entry of that oplog, now; `None` where a member does not tell.
    pub(super) async fn newest(&self) -> Option<Timestamp> {
        reach::newest(self.members.as_ref().ok()?, self.selection.as_ref().ok()?, MEMBER).await
    }

    /// The same, asked for again for so long: an election takes seconds.
    pub(super) async fn newest_within(&self, limit: Duration, clock: Clock) -> Option<Timestamp> {
        let begun = clock.uptime();
        loop {
            if let Some(newest) = self.newest().await {
                return Some(newest);
            }
            if self.members.is_err() || clock.uptime().saturating_sub(begun) >= limit {
                return None;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// The members that it may select now.
    pub(super) async fn selected(&self) -> Vec<(String, Client)> {
        match (&self.members, &self.selection) {
            (Ok(members), Ok(selection)) => reach::selected(members, selection, MEMBER).await,
            _ => Vec::new(),
        }
    }

    /// The member that takes writes now.
    pub(super) async fn primary(&self) -> Result<Client, String> {
        let members = self.members.as_ref().map_err(|why| why.sentence().to_owned())?;
        let primary = reach::primary(members, MEMBER).await;
        primary.ok_or_else(|| "no primary of its deployment answers".to_owned())
    }
}
