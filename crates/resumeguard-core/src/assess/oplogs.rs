//! What a pass remembers of the oplogs of the ones before: bounded for each by itself.

use super::forecast::{OplogTrack, Sample};
use super::limits::Limits;
use super::written;
use crate::domain::Facts;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is remembered of each oplog, by deployment and member; bounded for each by itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Oplogs(#[serde(with = "written::pairs")] BTreeMap<(String, String), OplogMemory>);

/// One member's oplog.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct OplogMemory {
    /// How it has moved.
    pub(crate) track: OplogTrack,
    /// What it was allowed to hold.
    pub(crate) limits: Limits,
}

impl Oplogs {
    /// One member's oplog.
    pub(crate) fn get(&self, deployment: &str, member: &str) -> Option<&OplogMemory> {
        self.0.get(&(deployment.to_owned(), member.to_owned()))
    }

    /// After one more pass. What could not be read stays as it was, what is gone is dropped.
    pub(super) fn after(&self, facts: &Facts) -> Self {
        let mut tracks = BTreeMap::new();
        for (name, deployment) in &facts.deployments {
            let of_this = || self.0.iter().filter(|((known, _), _)| known == name);
            let Ok(members) = &deployment.members else {
                tracks.extend(of_this().map(|(key, oplog)| (key.clone(), oplog.clone())));
                continue;
            };
            for member in members {
                let key = (name.clone(), member.host.clone());
                let before = self.0.get(&key).cloned().unwrap_or_default();
                let track = match (member.first, member.last) {
                    (Ok(first), Ok(last)) => before.track.after(Sample {
                        last,
                        first: first.time,
                        initiating: first.initiating,
                        size_bytes: member.sizes.size_bytes,
                        max_size_bytes: member.sizes.max_size_bytes,
                    }),
                    _ => before.track,
                };
                tracks.insert(key, OplogMemory { track, limits: before.limits.after(member) });
            }
        }
        Self(tracks)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&(String, String), &OplogMemory)> {
        self.0.iter()
    }

    /// Takes one over of which nothing else is known.
    pub(super) fn keep(&mut self, key: &(String, String), oplog: &OplogMemory) {
        self.0.entry(key.clone()).or_insert_with(|| oplog.clone());
    }
}
