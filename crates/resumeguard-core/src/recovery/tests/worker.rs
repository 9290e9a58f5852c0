//! The form for a standalone worker: its file is edited while it is down.

use super::attempts::{done, walk};
use super::steps::{attempt, ends, mark, offset, took, world};
use super::*;
use crate::recovery::check::{Check, check, resolve};
use crate::recovery::{Capabilities, Lost, Outcome, Strategy};

const COMMANDS: WorkerFacts = WorkerFacts { always: false, commands: true };

/// A worker of a version that cannot alter offsets by REST.
fn scene(version: &str, worker: Option<WorkerFacts>) -> Scene {
    let mut scene = Scene::lost();
    scene.details.connect.version = Some(version.into());
    scene.details.connect.worker = worker;
    scene
}

fn down(scene: &Scene) -> World {
    World { state: Some(ConnectorState::Stopped), tasks: vec![], down: true, ..world(scene) }
}

#[test]
fn the_file_is_edited_where_rest_cannot_alter_offsets_or_is_not_to() {
    let by_file = ["save", "stop_worker", "write_mark", "start_worker", "verify"];
    let steps = |version, worker| codes(&scene(version, worker).by(Strategy::Salvage)).join(" ");
    assert_eq!(steps("3.4.1", Some(COMMANDS)), by_file.join(" "));
    assert!(steps("3.4.1", None).contains("start_at_oldest"));
    assert_eq!(steps("4.1.0", Some(COMMANDS)), "save stop write_mark resume verify");
    let always = WorkerFacts { always: true, ..COMMANDS };
    assert_eq!(steps("4.1.0", Some(always)), by_file.join(" "));
    let reset = scene("3.4.1", Some(COMMANDS)).by(Strategy::ResetOffsets);
    assert_eq!(codes(&reset), ["save", "stop_worker", "remove_offset", "start_worker", "verify"]);
    assert!(reset.effects.iter().any(|effect| effect.contains("every connector that it runs")), "{reset:?}");
    assert!(!Capabilities::of("3.4.1").alter_offsets);
    // Of a version that is not known nothing is planned that way, and one that a person has stopped would be started.
    let mut unknown = scene("3.4.1", Some(COMMANDS));
    unknown.details.connect.version = None;
    assert!(!codes(&unknown.by(Strategy::Salvage)).contains(&"stop_worker"));
    let mut stopped = scene("3.5.0", Some(COMMANDS));
    stopped.connector().state = Ok(ConnectorState::Stopped);
    stopped.connector().tasks.clear();
    assert!(stopped.planned().is_none_or(|planned| !codes(&planned.plan).contains(&"stop_worker")));
}

#[test]
fn one_that_was_paused_is_paused_again() {
    let mut paused = scene("3.4.1", Some(COMMANDS));
    paused.pause();
    let plan = paused.by(Strategy::ResetOffsets);
    assert_eq!(codes(&plan), ["save", "stop_worker", "remove_offset", "start_worker", "pause", "verify"]);
    assert!(plan.effects.iter().any(|effect| effect.contains("for a moment")));
}

/// What a failed attempt leaves is what it found.
#[test]
fn one_that_was_paused_is_paused_again_on_the_way_back_too() {
    let mut paused = scene("3.4.1", Some(COMMANDS));
    paused.pause();
    let failing = |code: &str, _| {
        if code == "remove_offset" { Outcome::Failed { says: String::new() } } else { done() }
    };
    let steps = walk(paused.by(Strategy::ResetOffsets), failing).0.join(" ");
    let back = "[stop_worker] [restore_offset] [start_worker] [pause]";
    assert_eq!(steps, format!("save stop_worker remove_offset {back}"));
    let plan = paused.by(Strategy::ResetOffsets);
    let id = attempt(&mut paused, plan);
    took(&mut paused, &id, Step::RemoveOffset { partition: NS.into() }, Will::default(), Some(done()));
    let removed = paused.ledger.attempt(&id).unwrap();
    let failed = World { state: Some(ConnectorState::Paused), offsets: vec![], ..world(&paused) };
    assert!(removed.restoring(&failed).unwrap_err().contains("its task 0 is failed"));
    let now = World { tasks: vec![task(TaskState::Paused, None)], ..failed };
    let plan = removed.restoring(&now).unwrap();
    assert_eq!(codes(&plan), ["save", "stop_worker", "restore_offset", "start_worker", "pause"]);
}

/// Everything else that the worker runs stops with it.
#[test]
fn a_person_has_to_know_of_it() {
    scene("3.4.1", Some(COMMANDS)).blocked(&["never_automatic"]);
    scene("3.4.1", Some(WorkerFacts::default())).blocked(&["never_automatic"]);
}

#[test]
fn what_is_for_a_worker_that_is_down_is_not_done_to_one_that_is_up() {
    let mut scene = scene("3.4.1", Some(COMMANDS));
    let plan = scene.by(Strategy::ResetOffsets);
    let id = attempt(&mut scene, plan);
    took(&mut scene, &id, Step::Save, Will::default(), Some(done()));
    let attempt = scene.ledger.attempt(&id).unwrap();
    assert_eq!(attempt.put_back(), [], "nobody has been told to stop it");
    let remove = Step::RemoveOffset { partition: NS.into() };
    let forward = |step: &Step, world: &World| check(attempt, Phase::Forward, step, world, 0);
    let up = World { state: Some(ConnectorState::Stopped), tasks: vec![], ..world(&scene) };
    ends(forward(&remove, &up), "failed", "too early");
    assert!(matches!(forward(&remove, &down(&scene)), Check::Go(_)));
    assert!(matches!(forward(&Step::StopWorker, &world(&scene)), Check::Go(_)));
    ends(forward(&Step::StopWorker, &down(&scene)), "not_needed", "down");
    assert!(matches!(forward(&Step::StartWorker, &down(&scene)), Check::Go(_)));
    // Somebody's position that was stored before it went down stays.
    let newer = World { offsets: vec![offset(&mark(FIRST + 9))], ..down(&scene) };
    ends(forward(&remove, &newer), "not_needed", "newer position");
}

#[test]
fn a_crash_at_any_step_is_told_by_the_file_and_by_rest() {
    let mut scene = scene("3.4.1", Some(COMMANDS));
    let plan = scene.by(Strategy::ResetOffsets);
    let id = attempt(&mut scene, plan);
    let remove = Step::RemoveOffset { partition: NS.into() };
    for step in [Step::StopWorker, remove.clone(), Step::StartWorker] {
        took(&mut scene, &id, step, Will::default(), None);
    }
    let attempt = scene.ledger.attempt(&id).unwrap();
    let told = |at: usize, world: &World| resolve(attempt, &attempt.taken[at], world);
    let (up, gone) = (world(&scene), World { offsets: vec![], ..down(&scene) });
    assert_eq!(told(0, &up), None);
    assert_eq!(told(0, &down(&scene)).unwrap().code(), "done");
    assert_eq!(told(1, &down(&scene)), None, "a file was edited or was not");
    assert_eq!(told(1, &gone).unwrap().code(), "done");
    assert_eq!(told(2, &gone), None);
    let runs =
        World { state: Some(ConnectorState::Running), tasks: vec![task(TaskState::Running, None)], ..up };
    assert_eq!(told(2, &runs).unwrap().code(), "done");
}

#[test]
fn a_failure_puts_the_file_back_and_has_the_worker_started() {
    let reset = || scene("3.4.1", Some(COMMANDS)).by(Strategy::ResetOffsets);
    let failing = |wanted: &'static str| {
        walk(
            reset(),
            move |code, _| {
                if code == wanted { Outcome::Failed { says: String::new() } } else { done() }
            },
        )
        .0
        .join(" ")
    };
    assert_eq!(failing("stop_worker"), "save stop_worker [start_worker] [verify]");
    let back = "[stop_worker] [restore_offset] [start_worker]";
    assert_eq!(failing("remove_offset"), format!("save stop_worker remove_offset {back}"));
    assert_eq!(failing("verify"), format!("save stop_worker remove_offset start_worker verify {back}"));
    let (steps, ended) = walk(reset(), |_, _| done());
    assert_eq!((steps.len(), ended), (5, Ended::Recovered));
}

#[test]
fn on_the_way_back_a_worker_that_is_up_is_let_be() {
    let mut scene = scene("3.4.1", Some(COMMANDS));
    let plan = scene.by(Strategy::ResetOffsets);
    let id = attempt(&mut scene, plan);
    took(&mut scene, &id, Step::StopWorker, Will::default(), Some(done()));
    let stopped = scene.ledger.attempt(&id).unwrap().clone();
    assert!(stopped.leaves_it_stopped());
    let back = |step: &Step, world: &World| check(&stopped, Phase::Back, step, world, 0);
    ends(back(&Step::StartWorker, &world(&scene)), "not_needed", "up");
    assert!(matches!(back(&Step::StartWorker, &down(&scene)), Check::Go(_)));
    ends(back(&Step::StopWorker, &down(&scene)), "not_needed", "down");
    ends(back(&Step::StopWorker, &world(&scene)), "not_needed", "none of ours");

    took(&mut scene, &id, Step::RemoveOffset { partition: NS.into() }, Will::default(), Some(done()));
    let removed = scene.ledger.attempt(&id).unwrap();
    let restore = Step::RestoreOffset { partition: NS.into() };
    let without = |world: World| World { offsets: vec![], ..world };
    let back = |step: &Step, world: &World| check(removed, Phase::Back, step, world, 0);
    assert!(matches!(back(&Step::StopWorker, &without(world(&scene))), Check::Go(_)));
    ends(back(&restore, &without(world(&scene))), "failed", "written over");
    assert!(matches!(back(&restore, &without(down(&scene))), Check::Go(_)));
    // Later, a person wants it back.
    let plan = removed.restoring(&without(world(&scene))).unwrap();
    assert_eq!(codes(&plan), ["save", "stop_worker", "restore_offset", "start_worker"]);
}

#[test]
fn what_a_live_stream_delivered_ends_where_its_worker_was_stopped() {
    let mut scene = Scene::running();
    scene.details.connect.version = Some("3.4.1".into());
    scene.details.connect.worker = Some(COMMANDS);
    let mut plan = scene.by(Strategy::Salvage);
    plan.loses = Loses::Nothing;
    assert!(codes(&plan).contains(&"stop_worker"), "{plan:?}");
    let id = attempt(&mut scene, plan);
    let at = |t: u32| Some(Outcome::Done { says: String::new(), reached: Some(Timestamp { t, i: 0 }) });
    took(&mut scene, &id, Step::StopWorker, Will::default(), at(LAST));
    let step = Step::WriteMark { partition: NS.into(), mark: Mark::OldestSurviving };
    let will = |t: u32| Will { text: Some(mark(t)), ..Will::default() };
    let mut later = scene.ledger.clone();
    took(&mut scene, &id, step.clone(), will(FIRST), Some(done()));
    assert_eq!(scene.ledger.attempt(&id).unwrap().lost(), Lost::Nothing);
    std::mem::swap(&mut scene.ledger, &mut later);
    took(&mut scene, &id, step, will(LAST + 60), Some(done()));
    let lost = scene.ledger.attempt(&id).unwrap().lost();
    assert_eq!(lost.stretch().map(crate::recovery::Stretch::seconds), Some(60), "{lost:?}");
}
