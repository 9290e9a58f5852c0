//! The ways to single connectors, as the last pass has used them.

use super::Observer;
use super::connect::Client;
use super::mongodb::Reachable;
use super::offsets::OffsetsTopic;
use crate::config::Worker;
use resumeguard_core::domain::{ConnectorId, Observed, Selection, Why};

impl Observer {
    /// A client of the connector's Connect cluster, and the version of its workers; `None` where that is not watched.
    #[must_use]
    pub fn connect_of(&self, id: &ConnectorId) -> Option<(Client, Option<&str>)> {
        let connect = self.connects.iter().find(|connect| connect.name() == id.connect_cluster)?;
        Some((connect.client(), connect.worker_version()))
    }

    /// The standalone worker that runs the connector, where its file may be edited.
    #[must_use]
    pub fn worker_of(&self, id: &ConnectorId) -> Option<Worker> {
        self.connects.iter().find(|connect| connect.name() == id.connect_cluster)?.worker().cloned()
    }

    /// The topic that the connector's offsets are in, where it is read.
    #[must_use]
    pub fn topic_of(&self, id: &ConnectorId) -> Option<OffsetsTopic> {
        let connect = self.connects.iter().find(|connect| connect.name() == id.connect_cluster)?;
        connect.topic_of(&id.connector)
    }

    /// Which members the connector may select, and all members of its deployment.
    pub fn members_for(&self, id: &ConnectorId) -> (Observed<Selection>, Observed<Vec<Reachable>>) {
        let Some(facts) = self.known.get(id) else { return (Err(Why::NotReadYet), Err(Why::NotReadYet)) };
        let deployment = facts.deployment.as_ref().map_err(|why| *why);
        let members = deployment.and_then(|deployment| self.deployments.reachable(deployment));
        (facts.selection.clone(), members)
    }
}
