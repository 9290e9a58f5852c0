//! What recovery needs of single connectors, from what the last pass has read: nothing is read for it.

use super::Observer;
use super::connect::ConnectReader;
use crate::clock::Clock;
use resumeguard_core::domain::ConnectorId;
use resumeguard_core::recovery::{ConnectFacts, Details, WorkerFacts};

impl Observer {
    /// What plans for single connectors are made from; `None` for one whose Connect cluster cannot be read, or does not list
    /// it.
    pub fn details(&self, clock: &Clock) -> impl Fn(&ConnectorId) -> Option<Details> {
        let (listing, now) = (self.listing(), clock.uptime());
        move |id| {
            let (connect, listed) = *listing.get(&(id.connect_cluster.as_str(), id.connector.as_str()))?;
            let live = self.live_entry(id, connect, listed, now).ok().map(|(entry, _)| entry);
            Some(Details {
                config: listed.config.clone(),
                partition: live.map(|entry| entry.ns.clone()),
                stored: live.and_then(|entry| entry.text.clone()),
                connect: connect_facts(connect),
            })
        }
    }
}

fn connect_facts(connect: &ConnectReader) -> ConnectFacts {
    ConnectFacts {
        version: connect.worker_version().map(str::to_owned),
        managed_by: connect.managed_by(),
        connectors: connect.listed().len(),
        worker: connect.worker().map(|worker| {
            let commands = worker.stop.is_some() && worker.start.is_some();
            WorkerFacts { always: worker.always, commands }
        }),
        topic: connect.writes_topic(),
    }
}
