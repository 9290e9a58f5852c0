//! A step of which nobody has written down how it ended: what the world tells about it.

use super::attempt::{Attempt, Taken};
use super::check::{has_failed, is_configured, needs_worker_down, runs};
use super::world::World;
use super::{Outcome, Phase, Step};
use crate::domain::ConnectorState;

/// How a step ended whose outcome nobody wrote down; `None` where it was not carried out and may be taken now.
#[must_use]
pub fn resolve(attempt: &Attempt, taken: &Taken, world: &World) -> Option<Outcome> {
    let done = |says: &str| Some(Outcome::Done { says: says.to_owned(), reached: None });
    let Some(state) = world.state else {
        return match taken.phase {
            Phase::Forward => Some(Outcome::Failed { says: "the connector is gone".to_owned() }),
            Phase::Back => Some(Outcome::NotNeeded { says: "the connector is gone".to_owned() }),
        };
    };
    match &taken.step {
        Step::StopWorker if world.down => done("its worker is down"),
        // It may have run, or stood, all the time: whether this was asked for is not seen.
        Step::Stop | Step::Resume | Step::Pause | Step::StartWorker
            if attempt.before_what_is_open().another_order_may_come(&taken.step) =>
        {
            None
        }
        Step::Stop if state == ConnectorState::Stopped && world.tasks.is_empty() => done("it is stopped"),
        Step::Resume | Step::StartWorker if runs(world, state) => done("it runs"),
        Step::Pause if state == ConnectorState::Paused => done("it is paused"),
        Step::WriteMark { partition, .. } | Step::RestoreOffset { partition } => {
            let stored = world.text_under(partition);
            (taken.will.text.is_some() && stored == taken.will.text.as_deref())
                .then(|| done("what was to be stored is stored"))
                .flatten()
        }
        Step::RestartTasks if !has_failed(world, state) => done("no task stands failed any more"),
        Step::RemoveOffset { partition } if world.under(partition).is_none() => done("the offset is removed"),
        // A file is edited at once or not at all, and a tombstone is as good as two.
        Step::RemoveOffset { .. } if needs_worker_down(attempt) || attempt.is_by_topic() => None,
        // Whether a removal is still under way cannot be seen: it is asked for once.
        Step::RemoveOffset { .. } => Some(Outcome::Failed {
            says: "whether the removal was asked for is not known, and the offset is still there: it is not asked for again".to_owned(),
        }),
        Step::Configure { .. } | Step::StartAtOldest { .. } if is_configured(&taken.will.config, world) => {
            done("it is configured so")
        }
        Step::Configure { .. } | Step::StartAtOldest { .. } => {
            let first = attempt.saved.as_ref().map(|saved| &saved.config);
            let last = attempt.before_what_is_open().expected_config();
            let untouched = |key: &String| {
                let now = world.config.get(key);
                now == first.and_then(|config| config.get(key))
                    || last.as_ref().is_some_and(|config| config.get(key) == now)
            };
            let somebody = !taken.will.config.keys().all(untouched);
            somebody.then(|| Outcome::Failed {
                says: "its configuration was changed by somebody meanwhile".to_owned(),
            })
        }
        Step::Save
        | Step::Stop
        | Step::StopWorker
        | Step::StartWorker
        | Step::AwaitStill
        | Step::Restart
        | Step::Resume
        | Step::Pause
        | Step::RestartTasks
        | Step::InsertMarker { .. }
        | Step::RemoveMarker { .. }
        | Step::AwaitStored
        | Step::Verify
        | Step::ResizeOplog { .. } => None,
    }
}
