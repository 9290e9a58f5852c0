//! What a pass remembers of the ones before: a bounded fold per connector.

#[cfg(test)]
mod tests;

use super::collection::Behind;
use super::continuity::Continuity;
use super::evidence::Living;
use super::forecast::PositionTrack;
use super::judge::Judgement;
use super::oplogs::Oplogs;
use super::written;
use crate::domain::{
    ChangeStream, ConnectorFacts, ConnectorId, ConnectorState, Facts, Failure, FailureCounts, Now,
    StartupMode, StoredOffset, Timestamp, Verdict, Why,
};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::Duration;

/// Memory of all connectors of the last pass; as many entries as connectors. It can be written down between two passes
/// and read again: judgement goes on as if nothing had been (`restored.rs`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    #[serde(with = "written::pairs")]
    pub(super) connectors: BTreeMap<ConnectorId, ConnectorMemory>,
    pub(super) oplogs: Oplogs,
    /// Connectors that were seen deleted.
    #[serde(with = "written::pairs")]
    pub(super) gone: BTreeMap<ConnectorId, Gone>,
}

/// A connector that is not listed any more.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Gone {
    /// What it left behind is not newer than this: what a task stores at its end comes after the last reading, and
    /// before the pass that missed it.
    before: Timestamp,
    /// Uptime when it was missed first.
    since: Duration,
}

/// So many deleted connectors are remembered, and for so long.
const MOST_GONE: usize = 1_000;
const GONE_FOR: Duration = Duration::from_secs(30 * 86_400);

/// In the place of a task's number.
const ITSELF: u32 = u32::MAX;

/// An old position that was taken up by a connector of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reused {
    pub(crate) position: Timestamp,
    /// The deployment's newest entry when it was noticed.
    pub(crate) noticed: Timestamp,
}

/// A position that does not move, by the server's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Stillness {
    position: Timestamp,
    /// The deployment's newest entry when it was first seen to be ahead of that position: until then there was nothing to
    /// move for. A deployment in which nothing happens moves in steps of ten seconds.
    since: Option<Timestamp>,
    /// It has been seen somewhere else before.
    moved: bool,
    /// And when it was last read there.
    seen: Timestamp,
}

/// Positions of different scopes cannot be compared: deployment, namespace, and how many keys it has had.
type Scope = (String, String, usize);

/// A stream that is opened again and again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Reopened {
    created_ms: Option<i64>,
    times: u32,
}

/// What a pass hands to the memory besides its judgement.
#[derive(Clone, Copy)]
pub(crate) struct Pass<'a> {
    pub(crate) facts: &'a Facts,
    pub(crate) living: Living<'a>,
    pub(crate) now: Now,
    /// How long a newer position may take to be stored.
    pub(crate) flush: Duration,
    /// What a deleted connector of this name left behind is not newer than this.
    pub(crate) left_behind: Option<Timestamp>,
}

/// What is remembered of one connector. Counters hold at most one entry for each error code that occurred.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
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
    /// The deployment's newest entry when it was noticed.
    rewound_at: Option<Timestamp>,
    /// What its position belongs to.
    scope: Option<Scope>,
    /// The deployment's newest entry when a copy of existing data was first seen under way.
    copying_since: Option<Timestamp>,
    /// Passes in a row in which it ran and no member showed a change stream of it.
    dead_passes: u32,
    /// Passes in a row in which it was RUNNING and had no task.
    taskless_passes: u32,
    /// The stream that was seen last, by the moment of its creation, and for how many passes in a row each showed another
    /// while the position stood still.
    reopened: Reopened,
    /// The first position seen under a key that was only inferred.
    inferred_from: Option<Timestamp>,
    /// Passes in a row in which the position was ahead of the deployment's last entry.
    future_passes: u32,
    /// Failures of the tasks that stand failed, by task.
    standing: BTreeMap<u32, Failure>,
    #[serde(with = "written::pairs")]
    failures: FailureCounts,
    /// Who stands behind its namespace.
    behind: Option<Behind>,
    pub(super) continuity: Continuity,
    /// Before which a connector of this name stood when it was deleted, until this one's position is read.
    left_behind: Option<Timestamp>,
    reused: Option<Reused>,
}

static NOTHING: LazyLock<ConnectorMemory> = LazyLock::new(ConnectorMemory::default);

impl Memory {
    /// Number of the form in which it is written down. Raise it when a field changes its meaning; one that comes, goes or
    /// changes its form costs that field alone (`reread.rs`).
    pub const LAYOUT: u32 = 1;

    pub(crate) fn of(&self, id: &ConnectorId) -> &ConnectorMemory {
        self.connectors.get(id).unwrap_or(&NOTHING)
    }

    /// What begins a new pass: the oplogs with its readings, the connectors that are gone, and no connector yet.
    pub(crate) fn begin(&self, facts: &Facts, now: Now) -> Self {
        Self {
            connectors: BTreeMap::new(),
            oplogs: self.oplogs.after(facts),
            gone: self.gone_after(facts, now),
        }
    }

    pub(crate) fn oplogs(&self) -> &Oplogs {
        &self.oplogs
    }

    /// Before which a connector of that name stood when it was deleted.
    pub(crate) fn left_behind(&self, id: &ConnectorId) -> Option<Timestamp> {
        self.gone.get(id).map(|gone| gone.before)
    }

    fn gone_after(&self, facts: &Facts, now: Now) -> BTreeMap<ConnectorId, Gone> {
        let listed: BTreeSet<&ConnectorId> = facts.connectors.iter().map(|connector| &connector.id).collect();
        let mut gone = self.gone.clone();
        gone.retain(|id, known| !listed.contains(id) && now.uptime.saturating_sub(known.since) < GONE_FOR);
        let unread = unread_clusters(facts);
        let is_gone =
            |id: &ConnectorId| !listed.contains(id) && !unread.contains(id.connect_cluster.as_str());
        for (id, memory) in self.connectors.iter().filter(|(id, _)| is_gone(id)) {
            if let Some(stillness) = memory.stillness {
                let interval = u32::try_from(facts.interval.as_secs()).unwrap_or(u32::MAX);
                let before = Timestamp { t: stillness.seen.t.saturating_add(interval.max(1)), i: u32::MAX };
                gone.insert(id.clone(), Gone { before, since: now.uptime });
            }
        }
        if gone.len() <= MOST_GONE {
            return gone;
        }
        let mut newest_first: Vec<_> = gone.into_iter().collect();
        newest_first.sort_by_key(|(_, known)| Reverse(known.since));
        newest_first.truncate(MOST_GONE);
        newest_first.into_iter().collect()
    }

    /// Takes over what an earlier memory holds of Connect clusters that cannot be read and of which nothing else is known:
    /// after a restart, nobody can say that these connectors are gone.
    pub(crate) fn keep_unread(&mut self, before: &Self, facts: &Facts) {
        let unread = unread_clusters(facts);
        if unread.is_empty() {
            return;
        }
        let of_these =
            before.connectors.iter().filter(|(id, _)| unread.contains(id.connect_cluster.as_str()));
        for (id, memory) in of_these {
            self.connectors.entry(id.clone()).or_insert_with(|| memory.clone());
        }
        for (key, oplog) in before.oplogs.iter().filter(|(key, _)| !facts.deployments.contains_key(&key.0)) {
            self.oplogs.keep(key, oplog);
        }
    }

    pub(crate) fn keep(&mut self, id: ConnectorId, memory: ConnectorMemory) {
        self.connectors.insert(id, memory);
    }
}

fn unread_clusters(facts: &Facts) -> BTreeSet<&str> {
    let unread = facts.sources.iter().filter(|source| source.source == "connect" && !source.up);
    unread.map(|source| source.name.as_str()).collect()
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
        Some(i64::from(seen.t) - i64::from(since?.t))
    }

    /// Seconds of oplog time for which a copy of existing data has been seen under way.
    pub(crate) fn copies_for(&self, newest: Option<Timestamp>) -> Option<i64> {
        Some(i64::from(newest?.t) - i64::from(self.copying_since?.t))
    }

    pub(crate) fn behind(&self) -> Option<Behind> {
        self.behind
    }

    pub(crate) fn continuity(&self) -> &Continuity {
        &self.continuity
    }

    /// The old position that it took up when it was created again.
    pub(crate) fn reused(&self) -> Option<Reused> {
        self.reused
    }

    /// Whether its position has been seen in two places.
    pub(crate) fn has_moved(&self) -> bool {
        self.stillness.is_some_and(|known| known.moved)
    }

    pub(crate) fn advance(&self) -> &PositionTrack {
        &self.advance
    }

    pub(crate) fn dead_passes(&self) -> u32 {
        self.dead_passes
    }

    /// Passes in a row in which it was RUNNING and had no task.
    pub(crate) fn taskless_passes(&self) -> u32 {
        self.taskless_passes
    }

    /// Passes in a row that each showed another stream, while the position stood still.
    pub(crate) fn reopened_passes(&self) -> u32 {
        self.reopened.times
    }

    /// Where it stood before it went backwards, and the deployment's newest entry when that was noticed.
    pub(crate) fn rewound(&self) -> Option<(Timestamp, Timestamp)> {
        self.rewound_from.map(|from| (from, self.rewound_at.unwrap_or(from)))
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
        let scope = self.scope_after(connector);
        if self.scope.is_some() && scope != self.scope {
            let (advance, stillness) = Default::default();
            let fresh = Self { scope, advance, stillness, rewound_from: None, ..self.clone() };
            return fresh.after(connector, judgement, pass);
        }
        let Pass { facts, living, now, .. } = *pass;
        let newest = facts.newest_of(connector);
        let copying = connector.offset == Ok(StoredOffset::Copying);
        let known = !matches!(judgement.verdict, Verdict::Unknown(_));
        let (standing, failures) = self.failures_after(connector);
        let rewound_from = self.rewound_from_after(connector);
        Self {
            verdict: if known { Some(judgement.verdict) } else { self.verdict },
            lost_since: self.lost_since_after(connector, judgement, now),
            advance: match (
                connector.token_time().filter(|_| connector.offset_age.is_zero()),
                facts.last_of(connector, judgement.decided_by.as_deref()),
            ) {
                (Some(position), Some(last)) => self.advance.after(last, position),
                _ => self.advance.clone(),
            },
            stillness: self.stillness_after(connector, newest),
            rewound_from,
            rewound_at: if rewound_from == self.rewound_from { self.rewound_at } else { newest },
            scope,
            copying_since: if copying { self.copying_since.or(newest) } else { None },
            dead_passes: self.dead_passes_after(connector, living),
            taskless_passes: match connector.state {
                Ok(ConnectorState::Running) if connector.tasks.is_empty() => {
                    self.taskless_passes.saturating_add(1)
                }
                Ok(_) => 0,
                Err(_) => self.taskless_passes,
            },
            reopened: self.reopened_after(connector, living),
            inferred_from: self.inferred_from.or_else(|| connector.token_time()),
            future_passes: if judgement.in_future { self.future_passes.saturating_add(1) } else { 0 },
            standing,
            failures,
            behind: Behind::after(self.behind, connector, facts),
            continuity: self.continuity.after(connector, judgement, pass),
            left_behind: pass.left_behind.or(self.left_behind).filter(|_| connector.token_time().is_none()),
            reused: self.reused_after(connector, pass.left_behind.or(self.left_behind), newest),
        }
    }

    /// Only readings of this pass count: one that failed, or that is old, does not show where the position is now.
    fn stillness_after(&self, connector: &ConnectorFacts, newest: Option<Timestamp>) -> Option<Stillness> {
        let position = connector.token_time().filter(|_| connector.offset_age.is_zero());
        let (Some(position), Some(newest)) = (position, newest) else { return self.stillness };
        let same = self.stillness.filter(|known| known.position == position);
        let moved = self.stillness.is_some_and(|known| known.moved || known.position != position);
        let ahead = (newest > position).then_some(newest);
        let since = same.and_then(|known| known.since).or(ahead);
        Some(Stillness { position, since, moved, seen: newest })
    }

    fn reused_after(
        &self,
        connector: &ConnectorFacts,
        left_behind: Option<Timestamp>,
        newest: Option<Timestamp>,
    ) -> Option<Reused> {
        let old =
            connector.token_time().filter(|position| left_behind.is_some_and(|before| *position <= before));
        let reused = old.zip(newest).map(|(position, noticed)| Reused { position, noticed });
        reused.or(self.reused)
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

    /// What is not seen neither counts nor resets.
    fn reopened_after(&self, connector: &ConnectorFacts, living: Living<'_>) -> Reopened {
        let before = self.stillness.map(|known| known.position);
        let moved =
            connector.token_time().is_some_and(|position| before.is_some_and(|known| known != position));
        if moved || !connector.is_running() {
            return Reopened::default();
        }
        let Living::One(ChangeStream { created_ms, .. }) = living else { return self.reopened };
        let times = match self.reopened.created_ms {
            Some(known) if known != *created_ms => self.reopened.times.saturating_add(1),
            Some(_) | None => 0,
        };
        Reopened { created_ms: Some(*created_ms), times }
    }

    /// What is not known now is what it was.
    fn scope_after(&self, connector: &ConnectorFacts) -> Option<Scope> {
        let read = connector.offset.is_ok() || connector.offset == Err(Why::NoPosition);
        let deployment = connector.deployment.as_ref().ok().filter(|_| read && connector.state.is_ok());
        let scope =
            |name: &String| (name.clone(), connector.settings.namespace.clone(), connector.stale_keys);
        deployment.map(scope).or_else(|| self.scope.clone())
    }

    /// One that was ahead of everything written was none that the connector has come by.
    fn rewound_from_after(&self, connector: &ConnectorFacts) -> Option<Timestamp> {
        let Some(position) = connector.token_time() else { return self.rewound_from };
        let before = self.stillness.filter(|known| known.position <= known.seen).map(|known| known.position);
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
        let own = connector.failure.map(|failure| (ITSELF, failure));
        let standing: BTreeMap<u32, Failure> =
            connector.tasks.iter().filter_map(|task| Some((task.id, task.failure?))).chain(own).collect();
        let mut failures = self.failures.clone();
        for (task, failure) in &standing {
            if self.standing.get(task) != Some(failure) {
                *failures.entry((failure.code, failure.class)).or_default() += 1;
            }
        }
        (standing, failures)
    }
}
