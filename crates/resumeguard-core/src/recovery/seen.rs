//! What a connector shows after a step, while it is waited for.

use super::attempt::Attempt;
use super::check::runs;
use super::plan::Fingerprint;
use super::strategy::PARTITION;
use super::world::World;
use super::{Step, Strategy};
use crate::domain::{ConnectorState, FailureClass, Timestamp};

/// What a connector shows while it is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// What is waited for.
    Well {
        /// The stored position.
        reached: Option<Timestamp>,
    },
    /// Not yet.
    NotYet(String),
    /// What was written has rolled out of the oplog.
    Rolled(String),
    /// It will not come by waiting.
    Broken(String),
}

/// Whether the connector runs from a position inside the window: what [`Step::Verify`] waits for, and has to hold for a while.
#[must_use]
pub fn verified(attempt: &Attempt, world: &World) -> Seen {
    let Some(state) = world.state else { return Seen::Broken("the connector is gone".to_owned()) };
    if let Some(failure) = world.tasks.iter().find_map(|task| task.failure) {
        let code = failure.code.map_or_else(|| "no code".to_owned(), |code| format!("error {code}"));
        let says = format!("its task failed again: {} ({code})", failure.class.code());
        let wrote = attempt
            .taken
            .iter()
            .any(|taken| matches!(taken.step, Step::WriteMark { .. } | Step::StartAtOldest { .. }));
        return match failure.class {
            FailureClass::HistoryLost if wrote => Seen::Rolled(says),
            FailureClass::Transient => Seen::NotYet(says),
            FailureClass::HistoryLost
            | FailureClass::WrongStream
            | FailureClass::TokenMalformed
            | FailureClass::EventTooLarge
            | FailureClass::Unauthorized
            | FailureClass::Other => Seen::Broken(says),
        };
    }
    let restored = attempt.plan.expects.state;
    if matches!(restored, ConnectorState::Stopped | ConnectorState::Paused)
        && attempt
            .plan
            .steps
            .iter()
            .any(|step| matches!(step, Step::Stop | Step::StopWorker | Step::AwaitStill))
    {
        return if state == restored {
            position(attempt, world)
        } else {
            Seen::NotYet(format!("it is {}", state.code()))
        };
    }
    if !runs(world, state) {
        return Seen::NotYet(format!("it is {}, no task runs", state.code()));
    }
    position(attempt, world)
}

fn position(attempt: &Attempt, world: &World) -> Seen {
    let Some(partition) = live_partition(attempt) else { return Seen::Well { reached: None } };
    let time = world.under(&partition).and_then(super::world::RawOffset::time);
    match (time, world.oldest) {
        (Some(time), Ok(oldest)) if time >= oldest => Seen::Well { reached: Some(time) },
        // A restart moves no position: whether there is one is judgement's concern, not the restart's.
        (time, _) if attempt.plan.strategy == Strategy::Restart => Seen::Well { reached: time },
        // The stored position follows the stream at the next flush; an idle one keeps the mark, which ages.
        (Some(_), Ok(_)) => Seen::NotYet("its stored position is older than the oplog".to_owned()),
        (Some(_), Err(why)) => Seen::NotYet(why.sentence().to_owned()),
        (None, _) if removed(attempt) => Seen::Well { reached: None },
        (None, _) => Seen::NotYet("no token is stored yet".to_owned()),
    }
}

/// The plan leaves the connector without an offset: the key's is removed, or the key has a new name. What it stores next comes with
/// its next event.
fn removed(attempt: &Attempt) -> bool {
    attempt.plan.steps.iter().any(Step::drops_its_offset) && !attempt.plan.steps.contains(&Step::AwaitStored)
}

/// The key under which the connector stores now: a plan may have changed its name.
fn live_partition(attempt: &Attempt) -> Option<String> {
    let renamed = attempt.taken.iter().rev().find_map(|taken| taken.will.config.get(PARTITION).cloned());
    renamed.flatten().or_else(|| attempt.plan.expects.partition.clone())
}

/// Whether a token that is newer than the plan's, and than what this attempt has stored, is stored inside the window: what
/// [`Step::AwaitStored`] waits for.
#[must_use]
pub fn stored(attempt: &Attempt, world: &World) -> Seen {
    let seen = verified(attempt, world);
    if let Seen::Rolled(_) | Seen::Broken(_) = seen {
        return seen;
    }
    let Some(partition) = live_partition(attempt) else {
        return Seen::Broken("its live key is not known".to_owned());
    };
    let stored = world.under(&partition);
    let text = stored.and_then(|stored| stored.text());
    let ours = text.is_some_and(|text| attempt.stored_texts().any(|own| own == text));
    let before = attempt.plan.expects.token.as_ref();
    let same = text.map(Fingerprint::of_text) == before.map(|token| token.text.clone());
    match stored.and_then(super::world::RawOffset::time) {
        Some(time) if !ours && !same && world.holds(time) => Seen::Well { reached: Some(time) },
        _ => Seen::NotYet("no newer token is stored yet".to_owned()),
    }
}
