//! What a pass remembers of the ones before: a bounded fold per connector.

use super::evidence::Living;
use super::forecast::{OplogTrack, PositionTrack, Sample};
use super::judge::Judgement;
use super::written;
use crate::domain::{
    ConnectorFacts, ConnectorId, Facts, Failure, FailureCounts, Now, StartupMode, StoredOffset, Timestamp,
    Verdict,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

/// Memory of all connectors of the last pass; as many entries as connectors. It can be written down between two passes
/// and read again: judgement goes on as if nothing had been (`properties.rs`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    #[serde(with = "written::pairs")]
    connectors: BTreeMap<ConnectorId, ConnectorMemory>,
    /// How each oplog has moved, by deployment and member; each track is bounded by itself.
    #[serde(with = "written::pairs")]
    oplogs: BTreeMap<(String, String), OplogTrack>,
}

/// A position that does not move, by the server's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Stillness {
    position: Timestamp,
    /// The deployment's newest entry when the position was first read there.
    since: Timestamp,
    /// And when it was last read there.
    seen: Timestamp,
}

/// What a pass hands to the memory besides its judgement.
#[derive(Clone, Copy)]
pub(crate) struct Pass<'a> {
    pub(crate) facts: &'a Facts,
    pub(crate) living: Living<'a>,
    pub(crate) now: Now,
}

/// What is remembered of one connector. Counters hold at most one entry for each error code that occurred.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectorMemory {
    /// How its position has moved.
    advance: PositionTrack,
    /// Last verdict that was not unknown: hysteresis must outlive a reading that failed.
    verdict: Option<Verdict>,
    /// Uptime at which a running connector's stored position was first seen lost, and that position (J4).
    lost_since: Option<(Duration, Timestamp)>,
    /// How long the newest position has been seen where it is.
    stillness: Option<Stillness>,
    /// The position from which it went backwards, until it has come by there again.
    rewound_from: Option<Timestamp>,
    /// The deployment's newest entry when a copy of existing data was first seen under way.
    copying_since: Option<Timestamp>,
    /// Passes in a row in which it ran and no member showed a change stream of it.
    dead_passes: u32,
    /// The first position seen under a key that was only inferred.
    inferred_from: Option<Timestamp>,
    /// Passes in a row in which the position was ahead of the deployment's last entry.
    future_passes: u32,
    /// Failures of the tasks that stand failed, by task.
    standing: BTreeMap<u32, Failure>,
    #[serde(with = "written::pairs")]
    failures: FailureCounts,
}

static NOTHING: LazyLock<ConnectorMemory> = LazyLock::new(ConnectorMemory::default);

impl Memory {
    /// Number of the form in which it is written down. Raise it when a field changes its meaning; one that comes or goes is
    /// noticed when it is read.
    pub const LAYOUT: u32 = 1;

    pub(crate) fn of(&self, id: &ConnectorId) -> &ConnectorMemory {
        self.connectors.get(id).unwrap_or(&NOTHING)
    }

    /// Oplog tracks after one more pass. What could not be read stays as it was, what is gone is dropped.
    pub(crate) fn oplogs_after(&self, facts: &Facts) -> BTreeMap<(String, String), OplogTrack> {
        let mut tracks = BTreeMap::new();
        for (name, deployment) in &facts.deployments {
            let of_this = || self.oplogs.iter().filter(|((known, _), _)| known == name);
            let Ok(members) = &deployment.members else {
                tracks.extend(of_this().map(|(key, track)| (key.clone(), track.clone())));
                continue;
            };
            for member in members {
                let key = (name.clone(), member.host.clone());
                let before = self.oplogs.get(&key).cloned().unwrap_or_default();
                let track = match (member.first, member.last) {
                    (Ok(first), Ok(last)) => before.after(Sample {
                        last,
                        first: first.time,
                        initiating: first.initiating,
                        size_bytes: member.sizes.size_bytes,
                        max_size_bytes: member.sizes.max_size_bytes,
                    }),
                    _ => before,
                };
                tracks.insert(key, track);
            }
        }
        tracks
    }

    /// Memory with these oplogs and no connector yet.
    pub(crate) fn with_oplogs(oplogs: BTreeMap<(String, String), OplogTrack>) -> Self {
        Self { connectors: BTreeMap::new(), oplogs }
    }

    /// How one member's oplog has moved.
    pub(crate) fn oplog(&self, deployment: &str, member: &str) -> Option<&OplogTrack> {
        self.oplogs.get(&(deployment.to_owned(), member.to_owned()))
    }

    /// Takes over what an earlier memory holds of Connect clusters that cannot be read and of which nothing else is known:
    /// after a restart, nobody can say that these connectors are gone.
    pub(crate) fn keep_unread(&mut self, before: &Self, facts: &Facts) {
        let mut unread =
            facts.sources.iter().filter(|source| source.source == "connect" && !source.up).peekable();
        if unread.peek().is_none() {
            return;
        }
        let clusters: Vec<&str> = unread.map(|source| source.name.as_str()).collect();
        let of_these =
            before.connectors.iter().filter(|(id, _)| clusters.contains(&id.connect_cluster.as_str()));
        for (id, memory) in of_these {
            self.connectors.entry(id.clone()).or_insert_with(|| memory.clone());
        }
        for (key, track) in &before.oplogs {
            if !facts.deployments.contains_key(&key.0) {
                self.oplogs.entry(key.clone()).or_insert_with(|| track.clone());
            }
        }
    }

    pub(crate) fn keep(&mut self, id: ConnectorId, memory: ConnectorMemory) {
        self.connectors.insert(id, memory);
    }
}

impl ConnectorMemory {
    pub(crate) fn verdict(&self) -> Option<Verdict> {
        self.verdict
    }

    pub(crate) fn future_passes(&self) -> u32 {
        self.future_passes
    }

    pub(crate) fn failures(&self) -> &FailureCounts {
        &self.failures
    }

    /// Seconds of oplog time between the first and the last reading of the position where it is.
    pub(crate) fn stands_still_for(&self) -> Option<i64> {
        let Stillness { since, seen, .. } = self.stillness?;
        Some(i64::from(seen.t) - i64::from(since.t))
    }

    /// Seconds of oplog time for which a copy of existing data has been seen under way.
    pub(crate) fn copies_for(&self, newest: Option<Timestamp>) -> Option<i64> {
        Some(i64::from(newest?.t) - i64::from(self.copying_since?.t))
    }

    pub(crate) fn advance(&self) -> &PositionTrack {
        &self.advance
    }

    pub(crate) fn dead_passes(&self) -> u32 {
        self.dead_passes
    }

    /// Where it stood before it went backwards.
    pub(crate) fn rewound_from(&self) -> Option<Timestamp> {
        self.rewound_from
    }

    /// How long a running connector's position has been seen lost without a break.
    pub(crate) fn lost_for(&self, now: Now) -> Option<Duration> {
        self.lost_since.map(|(since, _)| now.uptime.saturating_sub(since))
    }

    /// Whether a position under an inferred key has moved since it was first seen, so that somebody writes it.
    pub(crate) fn has_advanced_from(&self, position: Timestamp) -> bool {
        self.inferred_from.is_some_and(|first| position > first)
    }

    /// The memory after one more pass.
    pub(crate) fn after(&self, connector: &ConnectorFacts, judgement: &Judgement, pass: &Pass<'_>) -> Self {
        let Pass { facts, living, now } = *pass;
        let newest = facts.newest_of(connector);
        let copying = connector.offset == Ok(StoredOffset::Copying);
        let known = !matches!(judgement.verdict, Verdict::Unknown(_));
        let (standing, failures) = self.failures_after(connector);
        Self {
            verdict: if known { Some(judgement.verdict) } else { self.verdict },
            lost_since: self.lost_since_after(connector, judgement, now),
            advance: match (connector.token_time(), facts.last_of(connector, judgement.decided_by.as_deref()))
            {
                (Some(position), Some(last)) => self.advance.after(last, position),
                _ => self.advance.clone(),
            },
            stillness: self.stillness_after(connector, newest),
            rewound_from: self.rewound_from_after(connector),
            copying_since: if copying { self.copying_since.or(newest) } else { None },
            dead_passes: self.dead_passes_after(connector, living),
            inferred_from: self.inferred_from.or_else(|| connector.token_time()),
            future_passes: if judgement.in_future { self.future_passes.saturating_add(1) } else { 0 },
            standing,
            failures,
        }
    }

    /// Only readings of this pass count: one that failed, or that is old, does not show where the position is now.
    fn stillness_after(&self, connector: &ConnectorFacts, newest: Option<Timestamp>) -> Option<Stillness> {
        let position = connector.token_time().filter(|_| connector.offset_age.is_zero());
        let (Some(position), Some(newest)) = (position, newest) else { return self.stillness };
        let same = self.stillness.filter(|known| known.position == position);
        Some(Stillness { position, since: same.map_or(newest, |known| known.since), seen: newest })
    }

    /// What cannot be seen neither counts nor resets. While existing data is copied there is no open stream.
    fn dead_passes_after(&self, connector: &ConnectorFacts, living: Living<'_>) -> u32 {
        let copies = connector.settings.startup_mode == StartupMode::CopyExisting;
        let copying =
            connector.offset == Ok(StoredOffset::Copying) || (copies && connector.token_time().is_none());
        match living {
            Living::None if connector.is_running() && !copying => self.dead_passes.saturating_add(1),
            Living::Unseen if connector.is_running() && !copying => self.dead_passes,
            Living::Unseen | Living::None | Living::Ambiguous | Living::One(_) => 0,
        }
    }

    fn rewound_from_after(&self, connector: &ConnectorFacts) -> Option<Timestamp> {
        let Some(position) = connector.token_time() else { return self.rewound_from };
        let before = self.stillness.map(|known| known.position).filter(|known| position < *known);
        self.rewound_from.max(before).filter(|from| position < *from)
    }

    /// A reading that failed neither counts nor resets; a newer position, a known verdict that is not lost or a task that
    /// does not run does.
    fn lost_since_after(
        &self,
        connector: &ConnectorFacts,
        judgement: &Judgement,
        now: Now,
    ) -> Option<(Duration, Timestamp)> {
        match judgement.verdict {
            Verdict::Unknown(_) => self.lost_since,
            Verdict::Lost if connector.is_running() => {
                let position = connector.token_time()?;
                let same = self.lost_since.filter(|(_, lost)| *lost == position);
                Some(same.unwrap_or((now.uptime, position)))
            }
            Verdict::Lost | Verdict::Safe | Verdict::AtRisk | Verdict::Critical => None,
        }
    }

    /// A failure counts once when it begins, not at every pass at which it still stands. While Connect cannot be read
    /// nothing is known to have changed.
    fn failures_after(&self, connector: &ConnectorFacts) -> (BTreeMap<u32, Failure>, FailureCounts) {
        if connector.state.is_err() {
            return (self.standing.clone(), self.failures.clone());
        }
        let standing: BTreeMap<u32, Failure> =
            connector.tasks.iter().filter_map(|task| Some((task.id, task.failure?))).collect();
        let mut failures = self.failures.clone();
        for (task, failure) in &standing {
            if self.standing.get(task) != Some(failure) {
                *failures.entry((failure.code, failure.class)).or_default() += 1;
            }
        }
        (standing, failures)
    }
}
