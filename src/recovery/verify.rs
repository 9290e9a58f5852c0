//! The steps that only look: until something newer is stored, until all is well for a while, and whether what was put back stays.

use super::away::Away;
use super::take::{done, failed};
use super::wait::Wait;
use super::walk::{SETTLES as COMES, Walk};
use resumeguard_core::domain::{ConnectorState, TaskState};
use resumeguard_core::recovery::check::{Seen, came_after, stored, verified};
use resumeguard_core::recovery::{Attempt, Outcome, Phase, RawOffset, World};
use std::time::Duration;

/// A stream that is open has something to store sooner or later; a task that cannot store anything stands out in the log by then.
const STORES: Duration = Duration::from_secs(600);
/// A copy of existing data takes as long as it takes: as long as it is one, a day.
const COPIES: Duration = Duration::from_secs(86_400);
/// Beyond two flushes and the time for which it has to be well.
const SETTLES: Duration = Duration::from_secs(60);

impl Walk<'_> {
    /// Until a token that is newer than everything this attempt knows is stored.
    pub(super) async fn await_stored(&mut self, attempt: &Attempt) -> Outcome {
        let limit = STORES.max(self.executor.settings().offset_flush * 3 + SETTLES);
        let (clock, away) = (self.executor.clock, Away::new(attempt, Phase::Forward));
        let (mut wait, mut copying) = (Wait::new(clock, limit, &away), Wait::new(clock, COPIES, &away));
        loop {
            let says = match self.again(attempt).await {
                Ok(world) => {
                    wait.was_read();
                    match self.counted(stored(attempt, &world), &world) {
                        Seen::Well { reached } => {
                            return Outcome::Done { says: "a newer token is stored".to_owned(), reached };
                        }
                        Seen::Rolled(says) => return Outcome::Again { says },
                        Seen::Broken(says) => return failed(says),
                        Seen::NotYet(_) if world.offsets.iter().any(RawOffset::is_copy) => {
                            copying.was_read();
                            wait = Wait::new(clock, limit, &away);
                            "it still copies existing data".to_owned()
                        }
                        Seen::NotYet(says) => says,
                    }
                }
                Err(says) => says,
            };
            if !wait.goes_on().await || copying.is_over() {
                return failed(format!("nothing newer was stored within {}: {says}", wait.limit()));
            }
        }
    }

    /// Until it has been well for as long as the policy wants.
    pub(super) async fn verify(&mut self, attempt: &Attempt) -> Outcome {
        let stable = self.executor.settings().stable_for;
        let limit = self.executor.settings().offset_flush * 2 + stable + SETTLES;
        let away = Away::new(attempt, Phase::Forward);
        let mut wait = Wait::new(self.executor.clock, limit, &away);
        let (mut well, mut running) = (None, None);
        loop {
            let says = match self.again(attempt).await {
                Ok(world) => {
                    wait.was_read();
                    let now = self.uptime();
                    let lasts =
                        |since: Option<Duration>| since.is_some_and(|at| now.saturating_sub(at) >= stable);
                    running = if runs(&world) { running.or(Some(now)) } else { None };
                    match self.counted(verified(attempt, &world), &world) {
                        Seen::Well { reached } => {
                            well = well.or(Some(now));
                            if lasts(well) {
                                let says = format!("it has been well for {} s", stable.as_secs());
                                return Outcome::Done { says, reached };
                            }
                            "not for long enough yet".to_owned()
                        }
                        Seen::Rolled(says) => return Outcome::Again { says },
                        Seen::Broken(says) => return failed(says),
                        Seen::NotYet(says) => {
                            well = None;
                            if wait.is_over() && lasts(running) && holds_our_mark(attempt, &world) {
                                return idle();
                            }
                            says
                        }
                    }
                }
                Err(says) => says,
            };
            if !wait.goes_on().await {
                return failed(format!(
                    "it was not well for {} s within {}: {says}",
                    stable.as_secs(),
                    wait.limit()
                ));
            }
        }
    }

    /// What was sent and never seen to be done may come after everything was put back: for a moment more it is looked at.
    pub(super) async fn settle(&mut self, attempt: &Attempt) -> Outcome {
        let away = Away::new(attempt, Phase::Back);
        let mut wait = Wait::new(self.executor.clock, COMES, &away);
        loop {
            let unread = match self.again(attempt).await {
                Ok(world) => {
                    wait.was_read();
                    if let Some(step) = came_after(attempt, &world) {
                        let says = format!(
                            "something came after it was put back: {} is to be done again",
                            step.code()
                        );
                        return Outcome::Again { says };
                    }
                    None
                }
                Err(says) => Some(says),
            };
            if !wait.goes_on().await {
                return match unread {
                    Some(says) => failed(says),
                    None => done(format!("nothing came after it for {}", wait.limit())),
                };
            }
        }
    }

    /// As everything stands now: what could not be reached when the step was begun, such as just after a start, may be by now.
    async fn again(&mut self, attempt: &Attempt) -> Result<World, String> {
        self.seen(attempt).await.map(|(_, world)| world)
    }

    /// A failure from before the task was started anew is none.
    fn counted(&self, seen: Seen, world: &World) -> Seen {
        let failed = world.tasks.iter().any(|task| task.state == TaskState::Failed);
        if failed && !self.started.failure_counts(self.uptime()) {
            return Seen::NotYet("its task still shows its old failure".to_owned());
        }
        seen
    }
}

/// It goes on from the mark, and nothing in its namespace has happened since: its live stream carries it, and to put the lost
/// position back would kill it.
fn idle() -> Outcome {
    let says = "its task runs; nothing has happened in its namespace since, so that the mark is still what is stored, and it has left the oplog: set a heartbeat";
    Outcome::Done { says: says.to_owned(), reached: None }
}

fn holds_our_mark(attempt: &Attempt, world: &World) -> bool {
    let texts: Vec<&str> = world.offsets.iter().filter_map(RawOffset::text).collect();
    attempt.stored_texts().any(|own| texts.contains(&own))
}

fn runs(world: &World) -> bool {
    world.state == Some(ConnectorState::Running)
        && world.tasks.iter().any(|task| task.state == TaskState::Running)
        && world.tasks.iter().all(|task| task.state != TaskState::Failed)
}
