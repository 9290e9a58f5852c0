//! Positions by `GET /connectors/NAME/offsets`: one call a connector, a few at a time.

use super::{Reading, Readings};
use crate::clock::Clock;
use crate::sources::connect::{Client, Listed};
use crate::sources::{Meter, summary};
use futures_util::StreamExt;
use resumeguard_core::domain::OffsetsFrom;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// A call may take this part of the deadline: one that hangs leaves time for the next in its lane.
const CALLS_THAT_MAY_HANG: u32 = 3;

/// Asks one Connect cluster.
#[derive(Debug)]
pub(super) struct RestOffsets {
    client: Client,
    at_once: usize,
    pub(super) readings: Readings,
    /// Uptime of the last attempt for a connector.
    tried: HashMap<String, Duration>,
    pub(super) meter: Meter,
}

impl RestOffsets {
    pub(super) fn new(cluster: &str, client: Client, at_once: usize) -> Self {
        let meter = Meter::new("offsets", cluster);
        Self { client, at_once, readings: Readings::default(), tried: HashMap::new(), meter }
    }

    pub(super) fn keep_only(&mut self, names: &HashSet<&str>) {
        self.readings.keep_only(names);
        self.tried.retain(|name, _| names.contains(name.as_str()));
    }

    /// Asks until the deadline, for those first that were tried longest ago; the rest keep what they had. A call has a
    /// share of the deadline only, so that a few that hang do not starve the others.
    pub(super) async fn read(&mut self, wanted: &[&Listed], clock: &Clock, deadline: Duration) {
        let mut names: Vec<&str> = wanted.iter().map(|listed| listed.name.as_str()).collect();
        names.sort_by_key(|name| self.tried.get(*name));
        let client = &self.client;
        let mut calls = futures_util::stream::iter(names)
            .map(|name| async move {
                let begun = clock.uptime();
                (name, begun, client.offsets(name, deadline / CALLS_THAT_MAY_HANG).await)
            })
            .buffer_unordered(self.at_once);
        let until = tokio::time::sleep(deadline);
        tokio::pin!(until);
        let mut outcomes = Vec::new();
        loop {
            tokio::select! {
                next = calls.next() => match next {
                    Some((name, begun, outcome)) => outcomes.push((name, begun, clock.uptime(), outcome)),
                    None => break,
                },
                () = &mut until => break,
            }
        }
        drop(calls);
        let unread = wanted.len() - outcomes.len();
        let mut problems = Vec::new();
        for (name, begun, ended, outcome) in outcomes {
            self.meter.count(ended.saturating_sub(begun), outcome.is_ok());
            self.tried.insert(name.to_owned(), begun);
            match outcome {
                Ok(entries) => {
                    self.readings.insert(name, Reading { at: begun, from: OffsetsFrom::Rest, entries });
                }
                Err(error) => {
                    problems.push(format!("{name}: {error}"));
                    self.readings.refuse(name, error.why());
                }
            }
        }
        if unread > 0 {
            problems.push(format!(
                "{unread} connectors' offsets were not read within {deadline:.1?}; their turn comes next"
            ));
        }
        self.meter.conclude(clock, summary(&problems));
    }
}
