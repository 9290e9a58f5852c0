//! The form for a Connect that cannot alter offsets: a tombstone in its offsets topic, while nothing writes there.

use super::attempts::{done, walk};
use super::steps::{attempt, ends, offset, took, world};
use super::*;
use crate::recovery::check::{Check, Seen, check, resolve, verified};
use crate::recovery::{Outcome, Strategy, WritesTopic};

fn old(mut scene: Scene, version: &str) -> Scene {
    scene.details.connect.version = Some(version.into());
    scene.details.connect.topic = WritesTopic::WhenNeeded;
    scene
}

fn reset(scene: &Scene) -> String {
    codes(&scene.by(Strategy::ResetOffsets)).join(" ")
}

fn remove() -> Step {
    Step::RemoveOffset { partition: NS.into() }
}

const FAILED: &str = "save await_still remove_offset restart verify";
const STOPPED: &str = "save stop await_still remove_offset resume verify";
const RUNS: &str = "save pause await_still remove_offset restart resume verify";

#[test]
fn what_stands_still_by_itself_is_not_paused_and_what_can_be_stopped_is() {
    assert_eq!(reset(&old(Scene::lost(), "3.4.1")), FAILED);
    assert_eq!(reset(&old(Scene::lost(), "3.5.2")), STOPPED);
    assert_eq!(reset(&old(Scene::running(), "3.4.1")), RUNS);
    let mut paused = old(Scene::lost(), "3.4.1");
    paused.pause();
    assert_eq!(reset(&paused), FAILED);
    let newer = "save stop remove_offset resume verify";
    assert_eq!(reset(&old(Scene::lost(), "3.6.0")), newer);
    let mut always = old(Scene::lost(), "4.1.0");
    always.details.connect.topic = WritesTopic::Always;
    assert_eq!(reset(&always), STOPPED);
    // One with a topic of its own gets a new name, and of a version that is not known nobody says what it can.
    let mut own = old(Scene::lost(), "3.5.2");
    own.details.config.insert("offsets.storage.topic".into(), "own".into());
    assert!(!reset(&own).contains("await_still"));
    let mut unknown = old(Scene::lost(), "3.4.1");
    unknown.details.connect.version = None;
    assert!(!reset(&unknown).contains("await_still"));
}

/// It is written past Connect: policy alone never does that.
#[test]
fn a_person_has_to_know_of_it_and_a_connect_that_is_too_old_cannot() {
    let wants = |version: &str| {
        let mut scene = old(Scene::lost(), version);
        let planned = scene.planned().unwrap();
        let all = std::iter::once((&planned.plan, &planned.blockers));
        let mut all = all.chain(planned.alternatives.iter().map(|(plan, blockers)| (plan, blockers)));
        let (_, blockers) = all.find(|(plan, _)| plan.strategy == Strategy::ResetOffsets).unwrap();
        scene.now_ms += 1;
        blockers.iter().map(Blocker::code).collect::<Vec<_>>()
    };
    assert_eq!(wants("3.4.1"), ["never_automatic"]);
    assert_eq!(wants("2.8.0"), ["connect_too_old", "never_automatic"]);
}

#[test]
fn nothing_is_removed_under_a_task_that_may_store_something() {
    let mut scene = old(Scene::running(), "3.4.1");
    let plan = scene.by(Strategy::ResetOffsets);
    let id = attempt(&mut scene, plan);
    let tasks = |state| vec![task(state, None)];
    let runs = World { tasks: tasks(TaskState::Running), ..world(&scene) };
    let paused =
        World { state: Some(ConnectorState::Paused), tasks: tasks(TaskState::Paused), ..world(&scene) };
    let forward = |scene: &Scene, step: &Step, world: &World| {
        check(scene.ledger.attempt(&id).unwrap(), Phase::Forward, step, world, 0)
    };
    for step in [Step::AwaitStill, remove()] {
        ends(forward(&scene, &step, &runs), "failed", "may store something");
        assert!(matches!(forward(&scene, &step, &paused), Check::Go(_)));
    }
    let newer = World { offsets: vec![offset("another")], ..paused.clone() };
    ends(forward(&scene, &remove(), &newer), "failed", "by somebody");
    // Whoever else has paused it wants it so; this attempt itself resumes what it has paused.
    ends(forward(&scene, &Step::Resume, &paused), "failed", "left to them");
    took(&mut scene, &id, Step::Pause, Will::default(), Some(done()));
    // In the middle of its restart it may show anything.
    let restarts = World { state: Some(ConnectorState::Restarting), ..runs.clone() };
    for world in [&paused, &runs, &restarts] {
        assert!(matches!(forward(&scene, &Step::Resume, world), Check::Go(_)));
        let attempt = scene.ledger.attempt(&id).unwrap();
        assert!(matches!(check(attempt, Phase::Back, &Step::Resume, world, 0), Check::Go(_)));
    }
    assert!(scene.ledger.attempt(&id).unwrap().leaves_it_stopped());
}

#[test]
fn a_tombstone_of_which_nobody_knows_is_written_again() {
    let mut scene = old(Scene::lost(), "3.4.1");
    let plan = scene.by(Strategy::ResetOffsets);
    let id = attempt(&mut scene, plan);
    took(&mut scene, &id, remove(), Will::default(), None);
    let attempt = scene.ledger.attempt(&id).unwrap();
    let gone = World { offsets: vec![], ..world(&scene) };
    assert_eq!(resolve(attempt, &attempt.taken[0], &world(&scene)), None);
    assert_eq!(resolve(attempt, &attempt.taken[0], &gone).map(|outcome| outcome.code()), Some("done"));
}

#[test]
fn what_failed_is_put_back_while_it_is_paused_and_begins_anew() {
    let walked = |scene: &Scene, failing: &'static str| {
        let fails = move |code: &str, _| {
            if code == failing { Outcome::Failed { says: String::new() } } else { done() }
        };
        walk(scene.by(Strategy::ResetOffsets), fails).0.join(" ")
    };
    let back = "[pause] [await_still] [restore_offset] [restart] [resume]";
    let failed = old(Scene::lost(), "3.4.1");
    assert_eq!(walked(&failed, "await_still"), "save await_still");
    assert_eq!(walked(&failed, "verify"), format!("{FAILED} {back}"));
    let runs = old(Scene::running(), "3.4.1");
    assert_eq!(walked(&runs, "await_still"), "save pause await_still [resume]");
    assert_eq!(walked(&runs, "verify"), format!("{RUNS} {back}"));
    let stopped = old(Scene::lost(), "3.5.2");
    assert_eq!(
        walked(&stopped, "verify"),
        format!("{STOPPED} [stop] [await_still] [restore_offset] [resume]")
    );
    let mut paused = old(Scene::lost(), "3.4.1");
    paused.pause();
    assert_eq!(
        walked(&paused, "verify"),
        format!("{FAILED} [pause] [await_still] [restore_offset] [restart]")
    );
}

#[test]
fn on_the_way_back_only_what_is_ours_is_put_back() {
    let mut scene = old(Scene::lost(), "3.4.1");
    let plan = scene.by(Strategy::ResetOffsets);
    let id = attempt(&mut scene, plan);
    took(&mut scene, &id, remove(), Will::default(), Some(done()));
    let removed = scene.ledger.attempt(&id).unwrap();
    let back = |step: &Step, world: &World| check(removed, Phase::Back, step, world, 0);
    let gone = World { offsets: vec![], ..world(&scene) };
    let runs = World { tasks: vec![task(TaskState::Running, None)], ..gone.clone() };
    let restore = Step::RestoreOffset { partition: NS.into() };
    assert!(matches!(back(&Step::Pause, &runs), Check::Go(_)));
    ends(back(&restore, &runs), "failed", "may store something");
    assert!(matches!(back(&restore, &gone), Check::Go(_)));
    ends(back(&Step::Restart, &runs), "not_needed", "runs");
    assert!(matches!(back(&Step::Restart, &gone), Check::Go(_)));
    ends(back(&Step::AwaitStill, &runs), "failed", "may store something");
    // Its task is shown for a moment longer than that it is paused.
    let pauses = World { state: Some(ConnectorState::Paused), ..runs.clone() };
    for phase in [Phase::Forward, Phase::Back] {
        assert!(matches!(check(removed, phase, &Step::AwaitStill, &pauses, 0), Check::Go(_)));
    }
    for step in [Step::Pause, Step::AwaitStill] {
        ends(back(&step, &world(&scene)), "not_needed", "none of ours");
    }
    // Later, a person wants it back.
    let plan = removed.restoring(&runs).unwrap();
    let steps = ["save", "pause", "await_still", "restore_offset", "restart", "resume"];
    assert_eq!(codes(&plan), steps);
    let paused =
        World { state: Some(ConnectorState::Paused), tasks: vec![task(TaskState::Paused, None)], ..gone };
    assert_eq!(codes(&removed.restoring(&paused).unwrap()), steps[..5]);
}

/// Whoever had paused it finds it as it was.
#[test]
fn one_that_was_paused_before_is_not_left_so_by_us() {
    for (was_paused, left) in [(false, true), (true, false)] {
        let mut scene = old(Scene::running(), "3.4.1");
        if was_paused {
            scene.pause();
        }
        let plan = scene.by(Strategy::ResetOffsets);
        let id = attempt(&mut scene, plan);
        took(&mut scene, &id, Step::Pause, Will::default(), Some(done()));
        let attempt = scene.ledger.attempt(&id).unwrap();
        assert_eq!((attempt.holds_it_paused(), attempt.leaves_it_stopped()), (true, left), "{was_paused}");
    }
}

#[test]
fn one_that_was_paused_is_well_once_it_is_paused_again() {
    let mut scene = old(Scene::lost(), "3.4.1");
    scene.pause();
    let plan = scene.by(Strategy::ResetOffsets);
    let id = attempt(&mut scene, plan);
    let attempt = scene.ledger.attempt(&id).unwrap();
    let paused =
        World { state: Some(ConnectorState::Paused), tasks: vec![], offsets: vec![], ..world(&scene) };
    assert_eq!(verified(attempt, &paused), Seen::Well { reached: None });
}
