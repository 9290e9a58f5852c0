//! The world that was read again against the plan, immediately before a step, after one, and where nobody knows whether one
//! was carried out.

use super::attempt::Attempt;
pub use super::resolve::resolve;
pub use super::seen::{Seen, stored, verified};

use super::entry::Will;
use super::plan::Fingerprint;
use super::strategy::PARTITION;
use super::unsettled::About;
use super::world::World;
use super::{Mark, Outcome, Phase, Step, Trigger};
use crate::domain::{ConnectorState, TaskFacts, TaskState, Timestamp};
use mongodb_resume_token::high_water_mark_v1;

/// What is to be done about a step.
#[derive(Debug, Clone, PartialEq)]
pub enum Check {
    /// It may be taken, and is going to store this.
    Go(Will),
    /// It ends without being taken.
    Ends(Outcome),
}

fn not_needed(says: &str) -> Check {
    Check::Ends(Outcome::NotNeeded { says: says.to_owned() })
}

fn refuse(says: impl Into<String>) -> Check {
    Check::Ends(Outcome::Failed { says: says.into() })
}

fn go() -> Check {
    Check::Go(Will::default())
}

/// Whether a step may be taken in this world. `margin_seconds` of oplog time is what the oplog is expected to lose until the
/// connector has opened its stream.
#[must_use]
pub fn check(attempt: &Attempt, phase: Phase, step: &Step, world: &World, margin_seconds: u32) -> Check {
    let Some(state) = world.state else {
        return match phase {
            Phase::Forward => refuse("the connector is gone: somebody has deleted it"),
            Phase::Back => not_needed("the connector is gone: there is nothing to put back"),
        };
    };
    // Begun already, and not to be seen: decided as if it had not been, and known to be ours once it shows.
    let begun = attempt.taken.last().is_some_and(|last| last.outcome.is_none() && last.step == *step);
    let attempt = &attempt.before_what_is_open();
    match phase {
        Phase::Forward => match changed_by_somebody(attempt, world) {
            Some(says) => refuse(says),
            // Its task is still shown: ours, and not at its end.
            None if begun && *step == Step::Stop => go(),
            None => forward(attempt, step, world, state, margin_seconds),
        },
        Phase::Back => back(attempt, step, world, state),
    }
}

/// The first step of the way back that would have to be taken once more: something has come after it was put back.
#[must_use]
pub fn came_after(attempt: &Attempt, world: &World) -> Option<Step> {
    // The others are begun anew with those that show.
    let shows = |step: &Step| {
        let begins = matches!(step, Step::AwaitStill | Step::Restart | Step::Verify);
        !begins && !matches!(step, Step::RemoveMarker { .. })
    };
    let again = |step: &Step| matches!(check(attempt, Phase::Back, step, world, 0), Check::Go(_));
    attempt.put_back().into_iter().filter(shows).find(again)
}

/// What somebody else has done to the connector since it was looked at.
fn changed_by_somebody(attempt: &Attempt, world: &World) -> Option<String> {
    let same = match attempt.expected_config() {
        Some(config) => config == world.config,
        None => Fingerprint::of_config(&world.config) == attempt.plan.expects.config,
    };
    (!same)
        .then(|| "its configuration was changed by somebody meanwhile: look at it, then plan anew".to_owned())
}

fn forward(
    attempt: &Attempt,
    step: &Step,
    world: &World,
    state: ConnectorState,
    margin_seconds: u32,
) -> Check {
    match step {
        Step::Save => first_look(attempt, world, state),
        Step::Stop if state == ConnectorState::Stopped => stopped_already(attempt),
        Step::Stop => go(),
        Step::StopWorker if world.down => not_needed("its worker is down"),
        Step::StopWorker => go(),
        // What comes after that is for a worker that is down, and for no other.
        Step::WriteMark { .. } | Step::RemoveOffset { .. } | Step::RestoreOffset { .. }
            if needs_worker_down(attempt) && !world.down =>
        {
            refuse("its worker is up again: somebody has started it too early")
        }
        // Its task may be shown running for a moment longer than it: that is what is waited for.
        Step::AwaitStill if state == ConnectorState::Paused => go(),
        Step::AwaitStill => is_quiet(attempt, world, state).map_or_else(|check| check, |()| go()),
        Step::WriteMark { partition, mark } => {
            write_mark(attempt, partition, *mark, world, state, margin_seconds)
        }
        Step::RemoveOffset { partition } => remove_offset(attempt, partition, world, state),
        Step::Configure { to } if to.contains_key(PARTITION) => {
            renames(attempt, world, state, || configure(to, world))
        }
        Step::Configure { to } => configure(to, world),
        Step::StartAtOldest { partition } => {
            renames(attempt, world, state, || start_at_oldest(partition, world, margin_seconds))
        }
        Step::RestoreOffset { partition } => restore_source(attempt, partition, world, state),
        // Whatever it shows in the middle of its restart: it is paused after it.
        Step::Resume if attempt.holds_it_paused() => go(),
        Step::Resume if runs(world, state) => not_needed("it runs"),
        // It was stopped, or it runs: only a person can have paused it.
        Step::Resume if state == ConnectorState::Paused && attempt.plan.expects.state != state => {
            refuse("somebody has paused it meanwhile: left to them")
        }
        Step::Pause if state == ConnectorState::Paused => not_needed("it is paused"),
        Step::RestartTasks if !has_failed(world, state) => {
            Check::Ends(Outcome::Over { says: "no task stands failed any more".to_owned() })
        }
        Step::Resume
        | Step::StartWorker
        | Step::Restart
        | Step::Pause
        | Step::RestartTasks
        | Step::InsertMarker { .. }
        | Step::RemoveMarker { .. }
        | Step::AwaitStored
        | Step::Verify
        | Step::ResizeOplog { .. } => go(),
    }
}

pub(super) fn needs_worker_down(attempt: &Attempt) -> bool {
    attempt.plan.steps.contains(&Step::StopWorker)
}

/// Before anything is changed: is this still what the plan was made for?
fn first_look(attempt: &Attempt, world: &World, state: ConnectorState) -> Check {
    let expects = &attempt.plan.expects;
    if state != expects.state {
        let (was, is) = (expects.state.code(), state.code());
        return refuse(format!("it is {is}, and was {was} when the plan was made: somebody is at it"));
    }
    if let Some(says) = super::stood::doubt_for(&attempt.plan, state, &world.tasks) {
        return refuse(super::stood::unclear(&says, "plan anew"));
    }
    // What a live stream has delivered is known only while it lives.
    if attempt.plan.trigger == Trigger::LostWhileRunning && !runs(world, state) {
        return refuse("its task does not run any more: plan anew");
    }
    let Some(partition) = &expects.partition else { return go() };
    let stored = world.under(partition);
    let text = stored.and_then(|stored| stored.text()).map(Fingerprint::of_text);
    if text == expects.token.as_ref().map(|token| token.text.clone()) {
        return go();
    }
    match stored.and_then(super::world::RawOffset::time) {
        Some(time) if world.holds(time) => Check::Ends(Outcome::Over {
            says: "a newer position inside the window was stored meanwhile".to_owned(),
        }),
        _ => refuse("another offset was stored meanwhile: plan anew"),
    }
}

fn stopped_already(attempt: &Attempt) -> Check {
    let ours =
        attempt.taken.iter().any(|taken| taken.step == Step::Stop && taken.acted && taken.outcome.is_some());
    if ours && attempt.has_told_it_to_start() {
        return go();
    }
    if ours || attempt.plan.expects.state == ConnectorState::Stopped {
        return not_needed("it is stopped");
    }
    refuse("somebody has stopped it meanwhile: left to them")
}

fn is_still(world: &World, state: ConnectorState) -> Result<(), Check> {
    if state == ConnectorState::Stopped && world.tasks.is_empty() {
        return Ok(());
    }
    Err(refuse(format!("it is {} instead of stopped: somebody has resumed it meanwhile", state.code())))
}

/// Nothing of it writes what it stores: it is stopped, or, where nothing can be, paused or failed.
fn is_quiet(attempt: &Attempt, world: &World, state: ConnectorState) -> Result<(), Check> {
    if !attempt.by_topic_unstopped() {
        return is_still(world, state);
    }
    let writes = |task: &TaskFacts| !matches!(task.state, TaskState::Paused | TaskState::Failed);
    if !world.tasks.iter().any(writes) {
        return Ok(());
    }
    Err(refuse(format!(
        "it is {}, and a task of it may store something: nothing is removed under it",
        state.code()
    )))
}

/// What is stored is what was saved, or what the task stored as it stopped; anything else is somebody's.
fn still_ours(attempt: &Attempt, partition: &str, world: &World) -> Result<(), Check> {
    let stored = world.under(partition);
    let text = stored.and_then(|stored| stored.text());
    if text == attempt.saved_text(partition)
        || text.is_some_and(|text| attempt.stored_texts().any(|own| own == text))
    {
        return Ok(());
    }
    let Some(time) = stored.and_then(super::world::RawOffset::time) else {
        return Err(refuse("its offset was removed or replaced by somebody meanwhile"));
    };
    if world.oldest.is_err() {
        return Err(refuse(
            "another offset is stored, and the oplog cannot be read now: nothing is replaced blindly",
        ));
    }
    if world.holds(time) {
        return Err(not_needed(
            "a newer position inside the window was stored as it stopped: it goes on from there",
        ));
    }
    Ok(())
}

fn write_mark(
    attempt: &Attempt,
    partition: &str,
    mark: Mark,
    world: &World,
    state: ConnectorState,
    margin_seconds: u32,
) -> Check {
    if let Err(check) = is_still(world, state).and_then(|()| still_ours(attempt, partition, world)) {
        return check;
    }
    let Ok(oldest) = world.oldest else {
        return refuse("the oplog's oldest entry cannot be read now: nothing is stored blindly");
    };
    let time = match mark {
        Mark::OldestSurviving => Timestamp { t: oldest.t.saturating_add(margin_seconds), i: oldest.i },
        Mark::OwnTime => match attempt.plan.expects.token.as_ref().and_then(|token| token.time) {
            Some(time) if time >= oldest => time,
            Some(_) | None => return refuse("its position has rolled out of the oplog meanwhile: plan anew"),
        },
    };
    let text = format!("{{\"_data\": \"{}\"}}", high_water_mark_v1(time));
    Check::Go(Will { text: Some(text), ..Will::default() })
}

/// Another key has no offset: what stands under the one of the plan is left behind, as by a removal.
fn renames(attempt: &Attempt, world: &World, state: ConnectorState, then: impl FnOnce() -> Check) -> Check {
    let stops = attempt.plan.steps.contains(&Step::Stop);
    let still = if stops { is_still(world, state) } else { Ok(()) };
    let key = attempt.plan.expects.partition.as_deref();
    let ours = |()| key.map_or(Ok(()), |key| still_ours(attempt, key, world));
    still.and_then(ours).map_or_else(|check| check, |()| then())
}

/// A person wants back what an earlier attempt has replaced.
fn restore_source(attempt: &Attempt, partition: &str, world: &World, state: ConnectorState) -> Check {
    if let Err(check) = is_quiet(attempt, world, state) {
        return check;
    }
    let Some(source) = attempt.source_text(partition) else {
        return refuse("the attempt to be restored has saved nothing");
    };
    if world.text_under(partition) == source {
        return not_needed("the saved offset is there");
    }
    Check::Go(Will { text: source.map(str::to_owned), ..Will::default() })
}

fn remove_offset(attempt: &Attempt, partition: &str, world: &World, state: ConnectorState) -> Check {
    if let Err(check) = is_quiet(attempt, world, state).and_then(|()| still_ours(attempt, partition, world)) {
        return check;
    }
    if world.under(partition).is_none() { not_needed("nothing is stored under its live key") } else { go() }
}

type Changes = std::collections::BTreeMap<String, Option<String>>;

fn configure(to: &Changes, world: &World) -> Check {
    if is_configured(to, world) {
        return not_needed("it is configured so");
    }
    Check::Go(Will { config: to.clone(), ..Will::default() })
}

pub(super) fn is_configured(to: &Changes, world: &World) -> bool {
    to.iter().all(|(key, value)| world.config.get(key) == value.as_ref())
}

fn start_at_oldest(partition: &str, world: &World, margin_seconds: u32) -> Check {
    let Ok(oldest) = world.oldest else {
        return refuse("the oplog's oldest entry cannot be read now: nothing is configured blindly");
    };
    // Times have whole seconds here: the next one is the first that is surely whole.
    let start = oldest.t.saturating_add(margin_seconds).saturating_add(1);
    let set = |value: String| Some(value);
    let config = Changes::from([
        (PARTITION.to_owned(), set(partition.to_owned())),
        ("startup.mode".to_owned(), set("timestamp".to_owned())),
        ("startup.mode.timestamp.start.at.operation.time".to_owned(), set(start.to_string())),
    ]);
    let text = format!("{{\"_data\": \"{}\"}}", high_water_mark_v1(Timestamp { t: start, i: 0 }));
    Check::Go(Will { text: Some(text), config })
}

fn back(attempt: &Attempt, step: &Step, world: &World, state: ConnectorState) -> Check {
    match step {
        // One that was told to start and that nobody holds at the moment shows STOPPED, and Connect knows better.
        Step::Stop
            if state == ConnectorState::Stopped
                && world.tasks.is_empty()
                && !attempt.has_told_it_to_start() =>
        {
            not_needed("it is stopped")
        }
        // It stood, and this attempt has started it: whoever has paused it since meant that.
        Step::Stop if stood(attempt, ConnectorState::Stopped) && attempt.has_told_it_to_start() => {
            if state == ConnectorState::Paused {
                not_needed("somebody has paused it: left to them")
            } else {
                go()
            }
        }
        // It was stopped to put an offset back; where none has to be, whoever started it meanwhile is left alone.
        Step::Stop if !holds_ours(attempt, world) => not_needed("what is stored there is none of ours"),
        Step::StopWorker if world.down => not_needed("its worker is down"),
        Step::StopWorker if !holds_ours(attempt, world) => not_needed("what is stored there is none of ours"),
        Step::StartWorker if !world.down && attempt.another_order_may_come(step) => refuse(
            "its worker was told to stop and is up: whether it still goes down is not known; see that it runs",
        ),
        Step::StartWorker if !world.down => not_needed("its worker is up"),
        // Paused to put an offset back, as others are stopped for it.
        Step::Pause | Step::AwaitStill if attempt.by_topic_unstopped() && !holds_ours(attempt, world) => {
            not_needed("what is stored there is none of ours")
        }
        Step::Pause if attempt.by_topic_unstopped() && state != ConnectorState::Paused => go(),
        // Its task may be shown running for a moment longer than it: that is what is waited for.
        Step::AwaitStill if state == ConnectorState::Paused => go(),
        Step::AwaitStill => is_quiet(attempt, world, state).map_or_else(|check| check, |()| go()),
        Step::Restart if runs(world, state) => not_needed("it runs"),
        Step::RestoreOffset { partition } => restore_offset(attempt, partition, world, state),
        Step::Configure { to } => configure_back(attempt, to, world),
        Step::Resume if attempt.holds_it_paused() => go(),
        Step::Resume if state == ConnectorState::Paused && attempt.plan.expects.state != state => {
            not_needed("somebody has paused it: left to them")
        }
        Step::Pause if state == ConnectorState::Stopped && !attempt.has_asked_for_a_stop() => {
            not_needed("somebody has stopped it: left to them")
        }
        Step::Resume | Step::Pause if attempt.another_order_may_come(step) => go(),
        Step::Resume if runs(world, state) => not_needed("it runs"),
        // It was paused, and this attempt has started it.
        Step::Pause if attempt.has_started_it() && state != ConnectorState::Paused => go(),
        Step::Pause if state == ConnectorState::Paused => not_needed("it is paused"),
        Step::Pause | Step::Resume if state != ConnectorState::Stopped && state != ConnectorState::Paused => {
            not_needed("somebody has started it")
        }
        Step::Save
        | Step::Stop
        | Step::StopWorker
        | Step::StartWorker
        | Step::Restart
        | Step::WriteMark { .. }
        | Step::RemoveOffset { .. }
        | Step::StartAtOldest { .. }
        | Step::Resume
        | Step::Pause
        | Step::RestartTasks
        | Step::InsertMarker { .. }
        | Step::RemoveMarker { .. }
        | Step::AwaitStored
        | Step::Verify
        | Step::ResizeOplog { .. } => go(),
    }
}

fn restore_offset(attempt: &Attempt, partition: &str, world: &World, state: ConnectorState) -> Check {
    let stored = world.text_under(partition);
    let saved = attempt.saved_text(partition);
    // What was sent and not seen to be stored may still come: what is sent after it replaces it.
    let may_come = attempt.may_come(About::Offset(partition)).is_some();
    if stored == saved && !may_come {
        return not_needed("the saved offset is there");
    }
    let ours = is_ours(attempt, partition, stored);
    let newer = world.under(partition).and_then(super::world::RawOffset::time);
    if !ours && stored != saved {
        return match newer {
            Some(time) if world.holds(time) => not_needed("a newer position was stored: it stays"),
            None if stored.is_none() => refuse("its offset was removed by somebody: it is left to them"),
            _ => refuse("another offset was stored by somebody: it is left to them"),
        };
    }
    if needs_worker_down(attempt) && !world.down {
        return refuse("its worker is up: its file would be written over by it");
    }
    if let Err(check) = is_quiet(attempt, world, state) {
        return check;
    }
    match saved {
        Some(text) => Check::Go(Will { text: Some(text.to_owned()), ..Will::default() }),
        None => go(),
    }
}

fn stood(attempt: &Attempt, so: ConnectorState) -> bool {
    attempt.plan.expects.state == so
}

/// This attempt has stored it, or removed what was there.
fn is_ours(attempt: &Attempt, partition: &str, stored: Option<&str>) -> bool {
    match stored {
        Some(text) => attempt.stored_texts().any(|own| own == text),
        None => attempt.has_removed(partition),
    }
}

fn holds_ours(attempt: &Attempt, world: &World) -> bool {
    let acted = attempt.taken.iter().filter(|taken| taken.acted);
    let mut partitions = acted.filter_map(|taken| taken.step.partition());
    partitions.any(|partition| {
        let stored = world.text_under(partition);
        stored != attempt.saved_text(partition) && is_ours(attempt, partition, stored)
    })
}

/// What somebody else has changed since stays as they want it.
fn configure_back(attempt: &Attempt, to: &Changes, world: &World) -> Check {
    let Some(ours) = attempt.expected_config() else { return not_needed("nothing was changed") };
    let still_ours = to.iter().filter(|(key, value)| {
        let now = world.config.get(*key);
        if attempt.may_come(About::Setting(key)).is_some() {
            return now == value.as_ref() || attempt.has_set(key, now);
        }
        now == ours.get(*key) && now != value.as_ref()
    });
    let config: Changes = still_ours.map(|(key, value)| (key.clone(), value.clone())).collect();
    if config.is_empty() {
        return not_needed("it is configured as before, or as somebody wants it");
    }
    Check::Go(Will { config, ..Will::default() })
}

pub(super) fn runs(world: &World, state: ConnectorState) -> bool {
    state == ConnectorState::Running && world.tasks.iter().any(|task| task.state == TaskState::Running)
}

pub(super) fn has_failed(world: &World, state: ConnectorState) -> bool {
    state == ConnectorState::Failed || world.tasks.iter().any(|task| task.state == TaskState::Failed)
}
