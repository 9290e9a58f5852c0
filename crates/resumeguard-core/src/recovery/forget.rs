//! What the journal may forget: attempts that ended long ago, and on which nothing depends that is decided from it.
//!
//! What stays however old it is: what is open; how the last attempt at a connector ended, and what counts towards its latch; every
//! removal of an offset, since no offset is removed twice; what another attempt restores; every word of a person. Whatever is asked
//! of a ledger is answered afterwards as before, except what those attempts were.

use super::attempt::Attempt;
use super::{AttemptId, Ended, Entry, Event, Ledger, Strategy};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Nothing younger is forgotten, however large the journal is: a cooldown lasts 30 days at the most, milliseconds.
pub const LEAST_KEPT_MS: i64 = 31 * 86_400_000;

/// Attempts that are counted and not known any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tally {
    /// So many were made.
    pub attempts: u64,
    /// So many of them failed.
    pub failures: u64,
}

impl Tally {
    pub(super) fn add(&mut self, more: Self) {
        self.attempts = self.attempts.saturating_add(more.attempts);
        self.failures = self.failures.saturating_add(more.failures);
    }

    pub(super) fn of(attempt: &Attempt) -> Self {
        let failed = attempt.ended.as_ref().is_some_and(|(ended, _, _)| ended.is_failure());
        Self { attempts: 1, failures: u64::from(failed) }
    }
}

/// What may be forgotten of these entries: the oldest attempts that ended before that moment (milliseconds since 1970), until
/// `enough` entries are found. Gives the event that says so, and the numbers of the entries; `None` where there is nothing.
#[must_use]
pub fn forgettable(entries: &[Entry], before_ms: i64, enough: usize) -> Option<(Event, Vec<u64>)> {
    let ledger = Ledger::of(entries);
    let mut sizes: BTreeMap<&AttemptId, usize> = BTreeMap::new();
    for attempt in entries.iter().filter_map(|entry| entry.event.attempt()) {
        *sizes.entry(attempt).or_default() += 1;
    }
    let (mut found, mut gone) = (0_usize, Vec::new());
    for attempt in &ledger.attempts {
        if found >= enough {
            break;
        }
        if may_go(&ledger, attempt, before_ms) {
            found = found.saturating_add(sizes.get(&attempt.id).copied().unwrap_or(0));
            gone.push(attempt);
        }
    }
    if gone.is_empty() {
        return None;
    }
    let ids: BTreeSet<&AttemptId> = gone.iter().map(|attempt| &attempt.id).collect();
    let belongs = |entry: &&Entry| entry.event.attempt().is_some_and(|id| ids.contains(id));
    Some((said(&gone), entries.iter().filter(belongs).map(|entry| entry.seq).collect()))
}

fn said(gone: &[&Attempt]) -> Event {
    let mut attempts: BTreeMap<Strategy, Tally> = BTreeMap::new();
    for attempt in gone {
        attempts.entry(attempt.plan.strategy).or_default().add(Tally::of(attempt));
    }
    let ended = gone.iter().filter_map(|attempt| attempt.ended.as_ref());
    let last_success_ms =
        ended.filter(|(ended, _, _)| *ended == Ended::Recovered).map(|(_, _, at_ms)| *at_ms).max();
    Event::Forgotten { attempts, last_success_ms }
}

fn may_go(ledger: &Ledger, attempt: &Attempt, before_ms: i64) -> bool {
    let Some((_, _, at_ms)) = &attempt.ended else { return false };
    let connector = &attempt.plan.connector;
    let acknowledged = ledger.acknowledged.get(connector).is_some_and(|seen_ms| seen_ms >= at_ms);
    let later = || {
        ledger
            .attempts_at(connector)
            .skip_while(|other| other.id != attempt.id)
            .skip(1)
            .filter_map(|other| other.ended.as_ref().map(|(ended, _, _)| (other.plan.strategy, *ended)))
    };
    let restarts = attempt.plan.strategy == Strategy::Restart;
    let cured = later().any(|(strategy, ended)| strategy != Strategy::Restart && ended == Ended::Recovered);
    let superseded = acknowledged || (later().next().is_some() && (restarts || cured));
    *at_ms < before_ms && superseded && !attempt.has_dropped_its_offset() && !is_restored(ledger, attempt)
}

fn is_restored(ledger: &Ledger, attempt: &Attempt) -> bool {
    ledger.attempts.iter().any(|other| other.plan.restores.as_ref() == Some(&attempt.id))
}
