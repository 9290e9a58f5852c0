//! What each state of a connector says about the next step, and about one whose outcome nobody wrote down.

use super::attempts::open;
use super::steps::{attempt, ends, took, world};
use super::*;
use crate::recovery::check::{Check, check, resolve};

/// The connector in a state, with one task in another.
fn seen(scene: &Scene, state: ConnectorState, task_state: TaskState) -> World {
    World { state: Some(state), tasks: vec![task(task_state, None)], ..world(scene) }
}

#[test]
fn what_has_come_about_already_is_not_done() {
    use ConnectorState::{Failed, Paused, Running, Stopped};
    let mut scene = Scene::lost();
    let plan = scene.plan();
    let id = attempt(&mut scene, plan);
    let attempt = scene.ledger.attempt(&id).unwrap();
    let look = |step, state, task| check(attempt, Phase::Forward, &step, &seen(&scene, state, task), 0);
    let go = Check::Go(Will::default());
    ends(look(Step::Resume, Running, TaskState::Running), "not_needed", "it runs");
    ends(look(Step::Resume, Paused, TaskState::Paused), "failed", "somebody has paused it");
    assert_eq!(look(Step::Resume, Stopped, TaskState::Paused), go);
    assert_eq!(look(Step::Resume, Running, TaskState::Failed), go, "no task of it runs");
    ends(look(Step::Pause, Paused, TaskState::Paused), "not_needed", "it is paused");
    assert_eq!(look(Step::Pause, Running, TaskState::Running), go);
    ends(look(Step::RestartTasks, Running, TaskState::Running), "over", "no task stands failed");
    assert_eq!(look(Step::RestartTasks, Running, TaskState::Failed), go);
    assert_eq!(look(Step::RestartTasks, Failed, TaskState::Running), go, "the connector itself has failed");
}

#[test]
fn a_connector_that_was_paused_before_may_be_resumed() {
    let mut scene = Scene::lost();
    let mut plan = scene.plan();
    plan.expects.state = ConnectorState::Paused;
    let id = open(&mut scene, plan);
    let attempt = scene.ledger.attempt(&id).unwrap();
    let paused = seen(&scene, ConnectorState::Paused, TaskState::Paused);
    assert_eq!(check(attempt, Phase::Forward, &Step::Resume, &paused, 0), Check::Go(Will::default()));
}

#[test]
fn an_outcome_that_nobody_wrote_down_is_read_off_the_world() {
    use ConnectorState::{Paused, Running, Stopped};
    let outcome = |step: Step, state, task_state| {
        let mut scene = Scene::lost();
        let plan = scene.plan();
        let id = attempt(&mut scene, plan);
        took(&mut scene, &id, step, Will::default(), None);
        let attempt = scene.ledger.attempt(&id).unwrap();
        let found = resolve(attempt, attempt.taken.last().unwrap(), &seen(&scene, state, task_state));
        found.map(|outcome| outcome.code())
    };
    assert_eq!(outcome(Step::Pause, Paused, TaskState::Paused), Some("done"));
    assert_eq!(outcome(Step::Pause, Running, TaskState::Running), None);
    assert_eq!(outcome(Step::Resume, Running, TaskState::Running), Some("done"));
    assert_eq!(outcome(Step::Resume, Stopped, TaskState::Running), None);
    assert_eq!(outcome(Step::RestartTasks, Running, TaskState::Failed), None);
    assert_eq!(outcome(Step::RestartTasks, Running, TaskState::Running), Some("done"));
    // Its tasks are not gone yet.
    assert_eq!(outcome(Step::Stop, Stopped, TaskState::Running), None);
}

/// Paused after its start had failed, it is FAILED as before: what was to bring it back would start what a person has paused.
#[test]
fn nobody_knows_whether_one_that_has_failed_itself_was_paused() {
    let mut scene = Scene::running();
    scene.connector().state = Ok(ConnectorState::Failed);
    scene.connector().tasks = vec![];
    scene.blocked(&["state_unclear"]);
    let plan = scene.plan();
    let id = attempt(&mut scene, plan);
    let failed = World { state: Some(ConnectorState::Failed), tasks: vec![], ..world(&scene) };
    let salvage = scene.ledger.attempt(&id).unwrap();
    ends(
        check(salvage, Phase::Forward, &Step::Save, &failed, 0),
        "failed",
        "it is failed, and may be meant to be paused",
    );
}

/// It is what shows how it is meant to stand, and brings it back to nothing.
#[test]
fn what_has_failed_itself_may_be_restarted() {
    let mut scene = Scene::lost();
    scene.connector().tasks = failed(None, FailureClass::Transient);
    scene.connector().offset = token(FIRST + 7200, 1);
    // Where its task does not fit, a restart is as little wanted as anything else.
    scene.connector().state = Ok(ConnectorState::Paused);
    scene.blocked(&["state_unclear"]);
    scene.connector().state = Ok(ConnectorState::Failed);
    let plan = scene.plan();
    assert_eq!(codes(&plan), ["save", "restart_tasks", "verify"]);
    scene.blocked(&[]);
    let id = attempt(&mut scene, plan);
    let restart = scene.ledger.attempt(&id).unwrap();
    let failed = seen(&scene, ConnectorState::Failed, TaskState::Failed);
    assert!(matches!(check(restart, Phase::Forward, &Step::Save, &failed, 0), Check::Go(_)));
}

#[test]
fn whoever_refuses_an_unclear_state_says_how_to_clear_it() {
    let mut scene = Scene::lost();
    scene.connector().state = Ok(ConnectorState::Paused);
    let planned = scene.planned().unwrap();
    let blocked = planned.blockers[0].sentence(&planned.plan);
    let id = attempt(&mut scene, planned.plan);
    took(&mut scene, &id, Step::RemoveOffset { partition: NS.into() }, Will::default(), None);
    let attempt = scene.ledger.attempt(&id).unwrap();
    let lags = seen(&scene, ConnectorState::Paused, TaskState::Failed);
    let Check::Ends(looked) = check(attempt, Phase::Forward, &Step::Save, &lags, 0) else { unreachable!() };
    let restored = attempt.restoring(&lags).unwrap_err();
    let all = [
        (blocked, "the next pass looks again"),
        (looked.says().to_owned(), "plan anew"),
        (restored, "ask again in a moment"),
    ];
    for (says, again) in all {
        let begins = format!(
            "how it is meant to stand is not known: it is paused, and its task 0 is failed; {again}; "
        );
        assert!(says.starts_with(&begins), "{says}");
        for way in [
            "restart?includeTasks=true&onlyFailed=true",
            "before Connect 3.0",
            "/tasks/N/restart",
            "pause, stop or resume",
        ] {
            assert!(says.contains(way), "{says}");
        }
        assert!(says.ends_with("starts nothing of one that is paused"), "{says}");
    }
}
