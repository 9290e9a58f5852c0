//! What was sent and never seen to be done: no attempt ends in silence while it may still come.

use super::attempts::open;
use super::steps::{attempt, done, ends, mark, stopped, took, world, write_mark};
use super::*;
use crate::recovery::check::{Check, came_after, check, resolve};
use crate::recovery::{Outcome, Strategy};

const TOLERANCE: &str = "mongo.errors.tolerance";

fn failed_step() -> Option<Outcome> {
    Some(Outcome::Failed { says: "asked for 4 times: it was answered 504".into() })
}

fn running(scene: &Scene) -> World {
    World { tasks: vec![task(TaskState::Running, None)], ..world(scene) }
}

fn marked() -> Will {
    Will { text: Some(mark(FIRST)), ..Will::default() }
}

fn to(value: Option<&str>) -> BTreeMap<String, Option<String>> {
    BTreeMap::from([(TOLERANCE.to_owned(), value.map(str::to_owned))])
}

/// One step of the way back, as its journal has it.
fn put_back(scene: &mut Scene, id: &AttemptId, step: Step, round: u32, outcome: Option<Outcome>) {
    let config = if let Step::Configure { to } = &step { to.clone() } else { BTreeMap::new() };
    let index = scene.ledger.attempt(id).unwrap().put_back().iter().position(|other| *other == step).unwrap();
    let (attempt, phase, will) = (id.clone(), Phase::Back, Will { config, text: None });
    let intent = Event::Intent { attempt: attempt.clone(), phase, index, round, step, will };
    let outcome = outcome.map(|outcome| Event::Outcome { attempt, outcome, untouched: false });
    for event in [Some(intent), outcome].into_iter().flatten() {
        scene.ledger.apply(&Entry { seq: 1, at_ms: 0, event });
    }
}

fn refused(scene: &mut Scene, id: &AttemptId, step: Step, will: Will) {
    took(scene, id, step, will, None);
    let (attempt, outcome) = (id.clone(), failed_step().unwrap());
    let event = Event::Outcome { attempt, outcome, untouched: true };
    scene.ledger.apply(&Entry { seq: 1, at_ms: 0, event });
}

fn back(scene: &Scene, id: &AttemptId, step: &Step, world: &World) -> Check {
    check(scene.ledger.attempt(id).unwrap(), Phase::Back, step, world, 0)
}

/// A gateway has answered 504, and Connect has stopped it: its task stays in the status for a while.
#[test]
fn a_stop_of_unknown_outcome_is_ours_while_its_task_is_still_shown() {
    let mut scene = Scene::lost();
    let plan = scene.plan();
    let id = attempt(&mut scene, plan);
    took(&mut scene, &id, Step::Stop, Will::default(), None);
    let slow = World { tasks: vec![task(TaskState::Running, None)], ..stopped(&scene) };
    let open = scene.ledger.attempt(&id).unwrap();
    assert_eq!(resolve(open, &open.taken[0], &slow), None);
    assert_eq!(check(open, Phase::Forward, &Step::Stop, &slow, 0), Check::Go(Will::default()));
    assert_eq!(resolve(open, &open.taken[0], &stopped(&scene)).map(|outcome| outcome.code()), Some("done"));
    // However it is closed, it was sent: it is put back, and not in silence.
    for outcome in [Outcome::NotNeeded { says: "it is stopped".into() }, failed_step().unwrap()] {
        let mut scene = Scene { ledger: scene.ledger.clone(), ..Scene::lost() };
        let event = Event::Outcome { attempt: id.clone(), outcome, untouched: false };
        scene.ledger.apply(&Entry { seq: 1, at_ms: 0, event });
        took(&mut scene, &id, write_mark(), marked(), failed_step());
        let attempt = scene.ledger.attempt(&id).unwrap();
        assert!(attempt.leaves_it_stopped());
        assert!(attempt.put_back().contains(&Step::Resume), "{:?}", attempt.put_back());
    }
}

#[test]
fn what_was_refused_is_no_change_and_needs_nobody() {
    let mut scene = Scene::lost();
    let plan = scene.plan();
    let id = attempt(&mut scene, plan);
    took(&mut scene, &id, Step::Stop, Will::default(), done());
    refused(&mut scene, &id, write_mark(), marked());
    assert_eq!(scene.ledger.attempt(&id).unwrap().put_back(), [Step::Resume]);
    put_back(&mut scene, &id, Step::Resume, 0, done());
    assert_eq!(scene.ledger.attempt(&id).unwrap().next(), Next::End(Ended::PutBack));
    // Asked for twice, and refused the second time: the first may still come.
    took(&mut scene, &id, write_mark(), marked(), None);
    refused(&mut scene, &id, write_mark(), marked());
    assert!(scene.ledger.attempt(&id).unwrap().unsettled().is_some());
}

/// Its write may come later: that the saved offset is there tells nothing, and what is sent after it replaces it.
#[test]
fn an_offset_that_may_still_come_is_put_back_though_it_is_not_there_yet() {
    let removal = Step::RemoveOffset { partition: NS.into() };
    for (strategy, step, will) in
        [(Strategy::Salvage, write_mark(), marked()), (Strategy::ResetOffsets, removal, Will::default())]
    {
        let mut scene = Scene::lost();
        let plan = scene.by(strategy);
        let id = attempt(&mut scene, plan);
        took(&mut scene, &id, Step::Stop, Will::default(), done());
        took(&mut scene, &id, step, will, failed_step());
        let restore = Step::RestoreOffset { partition: NS.into() };
        let steps = scene.ledger.attempt(&id).unwrap().put_back();
        assert_eq!(steps, [Step::Stop, restore.clone(), Step::Resume, Step::Verify]);
        let Check::Go(sent) = back(&scene, &id, &restore, &stopped(&scene)) else {
            unreachable!("{strategy:?}")
        };
        assert_eq!(sent.text.as_deref(), Some(STORED));
        // Not done either, a person is told.
        let mut unsure = Scene { ledger: scene.ledger.clone(), ..Scene::lost() };
        for (step, outcome) in [(restore.clone(), None), (Step::Resume, done()), (Step::Verify, done())] {
            put_back(&mut unsure, &id, step, 0, outcome);
        }
        assert_eq!(unsure.ledger.attempt(&id).unwrap().next(), Next::End(Ended::NeedsPerson));
        for step in [restore.clone(), Step::Resume, Step::Verify] {
            put_back(&mut scene, &id, step, 0, done());
        }
        assert_eq!(scene.ledger.attempt(&id).unwrap().next(), Next::End(Ended::PutBack));
        ends(back(&scene, &id, &restore, &stopped(&scene)), "not_needed", "is there");
    }
}

#[test]
fn a_setting_that_may_still_come_is_set_back_though_it_shows_the_old_value() {
    let mut scene = Scene::lost();
    scene.policies.allow_source_writes = true;
    let plan = scene.by(Strategy::TolerateErrors);
    let id = attempt(&mut scene, plan);
    let configure = |value| Step::Configure { to: to(value) };
    let will = |value| Will { config: to(value), text: None };
    took(&mut scene, &id, configure(Some("all")), will(Some("all")), failed_step());
    let sent = |value| Check::Go(Will { config: to(value), text: None });
    assert_eq!(back(&scene, &id, &configure(None), &world(&scene)), sent(None));
    let mut somebodys = world(&scene);
    somebodys.config.insert(TOLERANCE.into(), "none".into());
    ends(back(&scene, &id, &configure(None), &somebodys), "not_needed", "as somebody wants");
    // Its own way back to the old value, taken while it led on, is as uncertain.
    let mut scene = Scene { ledger: scene.ledger.clone(), ..Scene::lost() };
    took(&mut scene, &id, configure(Some("all")), will(Some("all")), done());
    took(&mut scene, &id, configure(None), will(None), failed_step());
    let mut tolerant = world(&scene);
    tolerant.config.insert(TOLERANCE.into(), "all".into());
    assert_eq!(scene.ledger.attempt(&id).unwrap().put_back(), [configure(None), Step::Verify]);
    assert_eq!(back(&scene, &id, &configure(None), &tolerant), sent(None));
    put_back(&mut scene, &id, configure(None), 0, done());
    put_back(&mut scene, &id, Step::Verify, 0, done());
    assert_eq!(scene.ledger.attempt(&id).unwrap().next(), Next::End(Ended::PutBack));
}

/// Queued behind a rebalance by another worker, a stop comes after the resume.
#[test]
fn what_comes_after_it_was_put_back_is_put_back_once_more() {
    let mut scene = Scene::lost();
    let plan = scene.plan();
    let id = attempt(&mut scene, plan);
    took(&mut scene, &id, Step::Stop, Will::default(), failed_step());
    let after = |scene: &Scene, world: &World| came_after(scene.ledger.attempt(&id).unwrap(), world);
    let comes = || Some(Outcome::Again { says: String::new() });
    for round in 0..ROUNDS {
        put_back(&mut scene, &id, Step::Resume, round, done());
        assert_eq!(after(&scene, &world(&scene)), None, "it failed before");
        assert_eq!(after(&scene, &running(&scene)), None);
        assert_eq!(after(&scene, &stopped(&scene)), Some(Step::Resume));
        put_back(&mut scene, &id, Step::Verify, round, comes());
        let next = scene.ledger.attempt(&id).unwrap().next();
        if round + 1 < ROUNDS {
            assert!(
                matches!(&next, Next::Do { phase: Phase::Back, index: 0, step: Step::Resume, .. }),
                "{next:?}"
            );
        } else {
            assert_eq!(next, Next::End(Ended::NeedsPerson));
        }
    }
    // What was wrong in an earlier round and is well in the last is well.
    let mut scene = Scene::lost();
    let plan = scene.plan();
    assert_eq!(attempt(&mut scene, plan), id);
    took(&mut scene, &id, Step::Stop, Will::default(), failed_step());
    put_back(&mut scene, &id, Step::Resume, 0, failed_step());
    put_back(&mut scene, &id, Step::Verify, 0, comes());
    put_back(&mut scene, &id, Step::Resume, 1, done());
    put_back(&mut scene, &id, Step::Verify, 1, done());
    assert_eq!(scene.ledger.attempt(&id).unwrap().next(), Next::End(Ended::PutBack));
}

/// The command that stops a worker was killed while REST was still up: it may go down after all.
#[test]
fn a_worker_that_may_still_go_down_is_not_put_back_by_being_up() {
    let mut scene = Scene::lost();
    scene.details.connect.version = Some("3.4.1".into());
    scene.details.connect.worker = Some(WorkerFacts { always: false, commands: true });
    let plan = scene.by(Strategy::ResetOffsets);
    let id = attempt(&mut scene, plan);
    took(&mut scene, &id, Step::StopWorker, Will::default(), failed_step());
    assert_eq!(scene.ledger.attempt(&id).unwrap().put_back(), [Step::StartWorker, Step::Verify]);
    ends(back(&scene, &id, &Step::StartWorker, &running(&scene)), "failed", "whether it still goes down");
    let down = World { down: true, ..stopped(&scene) };
    assert!(matches!(back(&scene, &id, &Step::StartWorker, &down), Check::Go(_)));
    let attempt = scene.ledger.attempt(&id).unwrap();
    assert_eq!(
        (came_after(attempt, &running(&scene)), came_after(attempt, &down)),
        (None, Some(Step::StartWorker))
    );
}

/// Asked for, and begun anew after a crash: nobody knows whether the first was sent.
#[test]
fn an_oplog_that_may_have_grown_is_told() {
    let mut scene = Scene::lost();
    let plan = scene.plan();
    let id = open(&mut scene, plan);
    took(&mut scene, &id, Step::ResizeOplog { size_mb: 990 }, Will::default(), failed_step());
    assert_eq!(scene.ledger.attempt(&id).unwrap().next(), Next::End(Ended::NeedsPerson));
}

/// Of one whose offset is put back in Connect's topic, only a restart has it begin anew: that its task fails as before is no reason
/// for another.
#[test]
fn a_task_that_fails_as_it_did_before_is_nothing_that_came_after() {
    let mut scene = Scene::lost();
    scene.details.connect.version = Some("3.4.1".into());
    scene.details.connect.topic = crate::recovery::WritesTopic::WhenNeeded;
    let plan = scene.by(Strategy::ResetOffsets);
    let id = attempt(&mut scene, plan);
    took(&mut scene, &id, Step::RemoveOffset { partition: NS.into() }, Will::default(), failed_step());
    let steps = scene.ledger.attempt(&id).unwrap().put_back();
    assert!(steps.contains(&Step::Restart) && steps.ends_with(&[Step::Verify]), "{steps:?}");
    for step in steps {
        put_back(&mut scene, &id, step, 0, done());
    }
    let attempt = scene.ledger.attempt(&id).unwrap();
    assert_eq!(came_after(attempt, &world(&scene)), None);
    let tombstoned = World { offsets: vec![], ..world(&scene) };
    assert_eq!(came_after(attempt, &tombstoned), Some(Step::Pause));
}
