//! Loss accounting: does a stored position continue where the last one ended, and if not, what proves it?
//!
//! Three things are followed from pass to pass: the position, the one change stream on its namespace and what links that
//! to the connector, and whether its task ran. What none of them proves is said to be possible, and is not counted.

#[cfg(test)]
mod restarts;
#[cfg(test)]
mod tests;

use super::evidence::Living;
use super::judge::Judgement;
use super::memory::Pass;
use super::ownership::{Ownership, Signs};
use crate::domain::{
    ChangeStream, ConnectorFacts, ConnectorState, Discontinuity, LossCause, Outcome, StartupMode,
    StoredOffset, StreamStart, TaskState, Timestamp, TokenKind, Tolerance, Verdict, Why,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// So many are remembered of one connector; counters hold the rest.
const REMEMBERED: usize = 16;

/// The times compared are whole seconds of one server: a stream that is opened at once after an invalidate event is
/// shown within this many of it.
const AT_ONCE: i64 = 1;

/// What is followed of one connector.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Continuity {
    /// What the position belongs to: deployment and namespace.
    scope: Option<(String, String)>,
    stand: Option<Stand>,
    cursor: Cursor,
    /// Whether that stream is the connector's.
    owned: Ownership,
    /// A stream was opened without a token, and from where is not known yet.
    gap: Option<Gap>,
    /// The position has vanished since: the next one begins anew.
    vanished: Option<LossCause>,
    stale_keys: usize,
    found: Vec<Discontinuity>,
    /// How many of them the last pass has found.
    found_now: usize,
    counts: LossCounts,
}

/// How often, and how many seconds at the most, history was lost by each cause.
pub type LossCounts = BTreeMap<LossCause, (u64, u64)>;

/// What became of the history between two places.
type Found = (Outcome, Timestamp, Timestamp);

/// A stream that was opened without a token.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Gap {
    /// Where it began.
    begins: Timestamp,
    /// The stream, by the moment of its creation.
    #[serde(default)]
    created_ms: i64,
    /// It took the place of one that was seen in the pass before.
    #[serde(default)]
    replaces: bool,
    /// Uptime at which it was first seen.
    noticed: Duration,
    /// Where the old stream had come at the least, once the position has passed the new one's beginning.
    #[serde(default)]
    from: Option<Timestamp>,
}

/// A position as it was read in this pass.
#[derive(Clone, Copy)]
struct Next {
    time: Timestamp,
    is_mark: bool,
    ends: bool,
}

/// Where the position stood when it was last read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Stand {
    position: Timestamp,
    /// The deployment's newest entry then.
    read: Timestamp,
    /// The deployment's newest entry when that position was first seen lost.
    lost_since: Option<Timestamp>,
    /// It is a token at which a stream of this scope ends.
    ends: bool,
    /// What lies between the position and this is accounted for: the next position may follow from here.
    accounted_to: Option<Timestamp>,
    tasks: Tasks,
}

impl Stand {
    fn accounted(&self) -> Timestamp {
        self.accounted_to.map_or(self.position, |time| time.max(self.position))
    }
}

/// Who could have moved the position.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Tasks {
    /// Passes in a row in which no task could store anything: stopped or failed.
    at_rest: u32,
    /// Where each task ran, and since when where that is known: another value is a restart.
    runs: Vec<(u32, Option<String>, Option<i64>)>,
}

impl Tasks {
    /// Only what is known of both can differ.
    fn restarted_since(&self, before: &Self) -> bool {
        fn differ<T: PartialEq>(now: Option<&T>, before: Option<&T>) -> bool {
            now.zip(before).is_some_and(|(now, before)| now != before)
        }
        self.runs.iter().any(|(id, worker, started)| {
            let known = before.runs.iter().find(|(known, ..)| known == id);
            known.is_some_and(|(_, before, since)| {
                differ(worker.as_ref(), before.as_ref()) || differ(started.as_ref(), since.as_ref())
            })
        })
    }
}

/// What the last pass saw of the connector's change stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
enum Cursor {
    #[default]
    Unseen,
    Absent,
    /// By the moment of its creation.
    Created(i64),
}

impl Continuity {
    /// What links a stream to the connector.
    pub(crate) fn owned(&self) -> Ownership {
        self.owned
    }

    /// What was found, oldest first.
    pub(crate) fn found(&self) -> &[Discontinuity] {
        &self.found
    }

    /// How many of them the last pass has found.
    pub(crate) fn found_now(&self) -> usize {
        self.found_now
    }

    pub(crate) fn counts(&self) -> &LossCounts {
        &self.counts
    }

    /// After one more pass.
    pub(crate) fn after(&self, connector: &ConnectorFacts, judgement: &Judgement, pass: &Pass<'_>) -> Self {
        let mut next = Self { found_now: 0, ..self.clone() };
        let newest = pass.facts.newest_of(connector);
        let (Ok(_), Ok(deployment), Some(newest)) = (&connector.state, &connector.deployment, newest) else {
            // Streams may come and go unseen.
            next.cursor = Cursor::Unseen;
            return next;
        };
        let scope = Some((deployment.clone(), connector.settings.namespace.clone()));
        if next.scope != scope {
            // Another stream altogether: its position continues nothing.
            (next.scope, next.stand, next.gap, next.vanished) = (scope, None, None, None);
            (next.cursor, next.owned) = (Cursor::Unseen, Ownership::default());
        }
        let mut look = Look { connector, judgement, pass, newest, owned: false };
        next.stream(&look);
        look.owned = next.owned.proves(pass.living);
        let by_stream = next.close_gap(&look);
        let by_position = next.moved(&look);
        for (outcome, from, to) in by_stream.into_iter().chain(by_position) {
            next.note(&look, outcome, from, to);
        }
        next.stale_keys = connector.stale_keys;
        next
    }

    /// A stream that was opened since the position was read, and not from a token, leaves out what lies between. How
    /// far the old one had come is known once the next position is stored, or when a flush has gone by without one.
    fn stream(&mut self, look: &Look<'_>) {
        let opened_since = self.opened_since(look.pass.living);
        self.owned = self.owned.after(look.pass.living, look.connector, &self.signs(look, opened_since));
        if !look.connector.is_running() {
            // Whoever opens a stream now is not the connector, and what its task opens will be new when it runs again.
            return;
        }
        let before = self.cursor;
        let Living::One(stream) = look.pass.living else {
            let absent = look.pass.living == Living::None;
            self.cursor = if absent { Cursor::Absent } else { Cursor::Unseen };
            return;
        };
        self.cursor = Cursor::Created(stream.created_ms);
        let Some(stand) = &self.stand else { return };
        let begins = match stream.start {
            StreamStart::Now => stream.created_at(),
            StreamStart::At(time) => time,
            StreamStart::After(_) | StreamStart::Unreadable => return,
        };
        if opened_since && self.gap.is_none() && begins > stand.accounted() {
            let replaces = matches!(before, Cursor::Created(_));
            let (created_ms, noticed) = (stream.created_ms, look.pass.now.uptime);
            self.gap = Some(Gap { begins, created_ms, replaces, noticed, from: None });
        }
    }

    /// Whether the one stream was not there when the position was read last.
    fn opened_since(&self, living: Living<'_>) -> bool {
        let (Living::One(stream), Some(stand)) = (living, &self.stand) else { return false };
        match self.cursor {
            Cursor::Created(known) => known != stream.created_ms,
            Cursor::Absent => true,
            // A position is older than the mark at which an idle stream begins, so it must have been read before.
            Cursor::Unseen => i64::from(stand.read.t) < stream.created_seconds(),
        }
    }

    fn signs(&self, look: &Look<'_>, opened_since: bool) -> Signs {
        let stand = self.stand.as_ref();
        let tasks = look.tasks(stand);
        let started = |stand: &Stand| {
            tasks.at_rest == 0 && stand.tasks.at_rest > 0 || tasks.restarted_since(&stand.tasks)
        };
        Signs {
            stood: stand.map(|stand| stand.position),
            fresh: opened_since && self.cursor != Cursor::Unseen,
            opened_with_the_task: opened_since && stand.is_some_and(started),
            at_rest: tasks.at_rest,
        }
    }

    /// The gap that a new stream left, once it is known from where.
    fn close_gap(&mut self, look: &Look<'_>) -> Option<Found> {
        let (gap, stand) = (self.gap.as_mut()?, self.stand.as_mut()?);
        let owned = self.owned.of(gap.created_ms);
        let waited = look.pass.now.uptime.saturating_sub(gap.noticed);
        let next = look.position();
        let from = match next {
            // An event that is older than the new stream came by the old one.
            Some(next) if !next.is_mark && next.time > stand.position && next.time <= gap.begins => {
                stand.position = next.time;
                stand.ends = next.ends;
                if !next.ends && waited < look.pass.flush {
                    return None;
                }
                next.time
            }
            Some(next) if next.time > stand.position && owned => stand.accounted(),
            // A mark at the very moment at which the new one begins is its own.
            Some(next) if next.time >= gap.begins && waited < look.pass.flush => {
                gap.from.get_or_insert(stand.accounted());
                return None;
            }
            Some(_) | None if waited < look.pass.flush => return None,
            Some(_) | None => stand.accounted(),
        };
        let gap = *gap;
        let from = gap.from.unwrap_or(from);
        let cause = match self.vanished {
            Some(_) if look.copies() => None,
            Some(cause) => Some(cause),
            None if stand.ends => {
                (i64::from(gap.begins.t) - i64::from(from.t) > AT_ONCE).then_some(LossCause::Invalidated)
            }
            None if stand.lost_since.is_some() => Some(LossCause::Tolerated),
            None => Some(LossCause::Reopened),
        };
        let proven = owned || stand.ends || look.expects(gap, stand.lost_since.is_some());
        stand.accounted_to = Some(gap.begins);
        self.gap = None;
        let outcome = cause.map(|cause| if proven { Outcome::Lost(cause) } else { Outcome::MaybeLost });
        Some((outcome?, from, gap.begins))
    }

    /// Compares this pass's position with the last one.
    fn moved(&mut self, look: &Look<'_>) -> Option<Found> {
        let connector = look.connector;
        if !connector.offset_age.is_zero() {
            return None;
        }
        if connector.offset == Ok(StoredOffset::Copying) {
            (self.stand, self.vanished, self.gap) = (None, None, None);
        }
        if connector.offset == Err(Why::NoPosition) && self.stand.is_some() && self.vanished.is_none() {
            let elsewhere = connector.stale_keys > self.stale_keys;
            self.vanished = Some(if elsewhere { LossCause::KeyChanged } else { LossCause::Reset });
        }
        let next = look.position()?;
        let before = self.stand.take();
        let vanished = self.vanished.take();
        let accounted = |stand: &&Stand| {
            stand.accounted_to.is_some() || self.gap.is_some() || next.time <= stand.position
        };
        let found = before.as_ref().filter(|stand| !accounted(stand)).and_then(|stand| {
            Some((look.jump(stand, vanished)?, stand.position, look.resumed_at(stand, next.time)))
        });
        self.stand = Some(look.stand(next, before.as_ref()));
        found
    }

    fn note(&mut self, look: &Look<'_>, outcome: Outcome, from: Timestamp, to: Timestamp) {
        let settings = &look.connector.settings;
        let found = Discontinuity {
            at: look.pass.now.unix_seconds,
            newest: look.newest,
            outcome,
            from,
            to,
            tolerance: settings.tolerance,
            startup_mode: settings.startup_mode,
        };
        if let Outcome::Lost(cause) = outcome {
            let (count, seconds) = self.counts.entry(cause).or_default();
            *count += 1;
            *seconds += found.seconds();
        }
        if self.found.len() == REMEMBERED {
            self.found.remove(0);
        }
        self.found.push(found);
        self.found_now += 1;
    }
}

/// One pass, looked at for one connector.
struct Look<'a> {
    connector: &'a ConnectorFacts,
    judgement: &'a Judgement,
    pass: &'a Pass<'a>,
    newest: Timestamp,
    /// The one stream that is seen is the connector's.
    owned: bool,
}

impl Look<'_> {
    /// The connector's one stream, where it is proven to be that.
    fn own(&self) -> Option<&ChangeStream> {
        match self.pass.living {
            Living::One(stream) if self.owned => Some(stream),
            Living::One(_) | Living::None | Living::Unseen | Living::Ambiguous => None,
        }
    }

    /// Whether a running connector would have opened such a stream by itself: it goes on without its token when errors
    /// are tolerated, or when the server refuses that token with 260 (mongo-kafka
    /// `StartedMongoSourceTask.tryCreateCursor`). One whose position is good needs a stream that was there before and is
    /// not any more: it may as well be without one, and somebody else's be seen.
    fn expects(&self, gap: Gap, lost: bool) -> bool {
        let refusal = self.connector.probe.and_then(|probe| probe.answer.refusal());
        let refused = refusal.and_then(|failure| failure.code) == Some(260);
        let tolerated = self.connector.settings.tolerance == Tolerance::All;
        refused && gap.replaces || tolerated && (lost || gap.replaces)
    }

    /// What a newer position than the last one means.
    fn jump(&self, stand: &Stand, vanished: Option<LossCause>) -> Option<Outcome> {
        let tasks = self.tasks(Some(stand));
        if stand.tasks.at_rest >= 2 && tasks.at_rest > 0 {
            // Whoever stores at the end of a task has done so by the second pass.
            return Some(Outcome::Lost(LossCause::Altered));
        }
        if let Some(cause) = vanished {
            return (!self.copies() && !self.replays_from(stand)).then_some(Outcome::Lost(cause));
        }
        let restarted = stand.tasks.at_rest > 0 || tasks.restarted_since(&stand.tasks);
        match stand.lost_since {
            Some(lost_since) => self.past_a_lost_position(stand, lost_since, restarted),
            None if stand.ends && restarted && self.gap(stand) > AT_ONCE => {
                Some(Outcome::Lost(LossCause::Invalidated))
            }
            None => None,
        }
    }

    fn past_a_lost_position(&self, stand: &Stand, lost_since: Timestamp, restarted: bool) -> Option<Outcome> {
        let cause = match self.connector.settings.tolerance {
            Tolerance::All => LossCause::Tolerated,
            Tolerance::None => LossCause::Altered,
        };
        match self.own() {
            // Without a restart it is the driver that opens its cursor anew, after the last place it has read to.
            Some(ChangeStream { start: StreamStart::After(token), .. })
                if restarted && *token > stand.position =>
            {
                Some(Outcome::Lost(LossCause::Altered))
            }
            // One that is lost again moves on behind the oplog's back: nothing is decided yet.
            _ if self.judgement.verdict == Verdict::Lost && !restarted => None,
            Some(stream) if carried_over(stream, stand.position, lost_since) => Some(Outcome::Rescued),
            // It may have taken a new snapshot by itself, which is not all that was lost, and more than nothing.
            Some(_) | None if restarted && self.connector.settings.debezium.is_some() => {
                Some(Outcome::MaybeLost)
            }
            Some(_) | None if restarted => Some(Outcome::Lost(cause)),
            Some(_) | None => Some(Outcome::MaybeLost),
        }
    }

    /// Where it went on, at the latest: a stream opened from a token says it more exactly than what was stored since.
    fn resumed_at(&self, stand: &Stand, position: Timestamp) -> Timestamp {
        match self.own() {
            Some(ChangeStream { start: StreamStart::After(token), .. }) if *token > stand.position => {
                position.min(*token)
            }
            Some(_) | None => position,
        }
    }

    /// The position, if it was read in this pass.
    fn position(&self) -> Option<Next> {
        let connector = self.connector;
        let Ok(StoredOffset::Token(position)) = &connector.offset else { return None };
        connector.offset_age.is_zero().then(|| Next {
            time: position.time,
            is_mark: position.kind == TokenKind::HighWaterMark,
            ends: connector.settings.ends_at(position.ends),
        })
    }

    fn stand(&self, next: Next, before: Option<&Stand>) -> Stand {
        let Next { time: position, ends, .. } = next;
        let same = before.filter(|stand| stand.position == position);
        let lost_since = match self.judgement.verdict {
            Verdict::Lost => same.and_then(|stand| stand.lost_since).or(Some(self.newest)),
            Verdict::Unknown(_) => same.and_then(|stand| stand.lost_since),
            Verdict::Safe | Verdict::AtRisk | Verdict::Critical => None,
        };
        let accounted_to = same.and_then(|stand| stand.accounted_to);
        Stand { position, read: self.newest, lost_since, ends, accounted_to, tasks: self.tasks(before) }
    }

    fn tasks(&self, before: Option<&Stand>) -> Tasks {
        let connector = self.connector;
        let stopped = connector.state == Ok(ConnectorState::Stopped) && connector.tasks.is_empty();
        let failed =
            !connector.tasks.is_empty() && connector.tasks.iter().all(|task| task.state == TaskState::Failed);
        let at_rest = before.map_or(0, |stand| stand.tasks.at_rest);
        Tasks {
            at_rest: if stopped || failed { at_rest.saturating_add(1) } else { 0 },
            runs: connector.tasks.iter().map(|task| (task.id, task.worker.clone(), task.started)).collect(),
        }
    }

    /// It copies existing data where it has no position: nothing but deletes and intermediate states is left out.
    fn copies(&self) -> bool {
        self.connector.settings.startup_mode == StartupMode::CopyExisting
    }

    /// It begins at a configured time where it has no position, and that time is not after the last position.
    fn replays_from(&self, stand: &Stand) -> bool {
        let settings = &self.connector.settings;
        settings.startup_mode == StartupMode::Timestamp
            && settings.start_at.is_some_and(|at| at <= i64::from(stand.position.t))
    }

    fn gap(&self, stand: &Stand) -> i64 {
        let now = self.connector.token_time().unwrap_or(stand.position);
        i64::from(now.t) - i64::from(stand.position.t)
    }
}

/// A stream that was there before the position was lost has read everything since.
fn carried_over(stream: &ChangeStream, position: Timestamp, lost_since: Timestamp) -> bool {
    let from_a_token = matches!(stream.start, StreamStart::After(token) if token <= position);
    let created = stream.created_seconds();
    created <= i64::from(position.t) || (from_a_token && created <= i64::from(lost_since.t))
}
