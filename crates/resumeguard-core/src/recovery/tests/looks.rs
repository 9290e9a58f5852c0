//! What a look at the world says about one step, at the edge where it begins to say something else.

use super::steps::{attempt, done, ends, mark, offset, stopped, took, world, write_mark};
use super::*;
use crate::recovery::check::{Check, Seen, check, resolve, stored, verified};
use crate::recovery::{Outcome, Strategy};

const TOLERANCE: &str = "mongo.errors.tolerance";

fn restore() -> Step {
    Step::RestoreOffset { partition: NS.into() }
}

fn sets(key: &str, value: Option<&str>) -> (Step, Will) {
    let to = BTreeMap::from([(key.to_owned(), value.map(str::to_owned))]);
    (Step::Configure { to: to.clone() }, Will { config: to, text: None })
}

fn running(scene: &Scene) -> World {
    World { tasks: vec![task(TaskState::Running, None)], ..world(scene) }
}

/// An attempt by this strategy, or by the one that is chosen.
fn begun(scene: &mut Scene, strategy: Option<Strategy>) -> AttemptId {
    let plan = strategy.map_or_else(|| scene.plan(), |strategy| scene.by(strategy));
    attempt(scene, plan)
}

#[test]
fn what_runs_is_stopped_and_a_task_that_is_left_may_still_write() {
    let mut scene = Scene::lost();
    let id = begun(&mut scene, None);
    let attempt = scene.ledger.attempt(&id).unwrap();
    let look = |step: &Step, world: &World| check(attempt, Phase::Forward, step, world, 0);
    assert_eq!(look(&Step::Stop, &running(&scene)), Check::Go(Will::default()));
    ends(look(&Step::Stop, &stopped(&scene)), "failed", "somebody has stopped it");
    let task_is_left = World { tasks: vec![task(TaskState::Running, None)], ..stopped(&scene) };
    let no_task_yet = World { tasks: vec![], ..world(&scene) };
    for world in [task_is_left, no_task_yet] {
        ends(look(&write_mark(), &world), "failed", "instead of stopped");
    }
}

#[test]
fn a_setting_that_renames_nothing_needs_no_stop() {
    let mut scene = Scene::lost();
    let id = begun(&mut scene, None);
    let attempt = scene.ledger.attempt(&id).unwrap();
    let (step, will) = sets("heartbeat.interval.ms", Some("1000"));
    let mut world = running(&scene);
    assert_eq!(check(attempt, Phase::Forward, &step, &world, 0), Check::Go(will));
    let (step, _) = sets("database", Some("shop"));
    world.config = scene.details.config.clone();
    ends(check(attempt, Phase::Forward, &step, &world, 0), "not_needed", "configured so");
}

/// In a second round its first mark stands there: nobody else has stored that.
#[test]
fn what_this_attempt_has_stored_is_replaced_by_it() {
    let mut scene = Scene::lost();
    let id = begun(&mut scene, None);
    took(&mut scene, &id, write_mark(), Will { text: Some(mark(FIRST + 9)), ..Will::default() }, done());
    let attempt = scene.ledger.attempt(&id).unwrap();
    let now = World { offsets: vec![offset(&mark(FIRST + 9))], ..stopped(&scene) };
    assert!(matches!(check(attempt, Phase::Forward, &write_mark(), &now, 0), Check::Go(_)));
}

/// An event that is not in this stream: the mark at its time needs the history after it.
#[test]
fn a_mark_at_its_own_time_needs_an_oplog_that_reaches_back_to_it() {
    let mut scene = Scene::lost();
    let id = begun(&mut scene, None);
    let attempt = scene.ledger.attempt(&id).unwrap();
    let step = Step::WriteMark { partition: NS.into(), mark: Mark::OwnTime };
    let own = Timestamp { t: FIRST - 3600, i: 1 };
    let look =
        |oldest| check(attempt, Phase::Forward, &step, &World { oldest: Ok(oldest), ..stopped(&scene) }, 7);
    let Check::Go(will) = look(own) else { unreachable!() };
    assert_eq!(will.time(), Some(own), "no margin: nothing before it is lost");
    ends(look(Timestamp { i: 2, ..own }), "failed", "rolled out");
    assert!(matches!(look(Timestamp { i: 0, ..own }), Check::Go(_)));
}

#[test]
fn nothing_is_put_back_over_what_cannot_be_read_or_was_removed() {
    let mut scene = Scene::lost();
    let id = begun(&mut scene, None);
    took(&mut scene, &id, write_mark(), Will { text: Some(mark(FIRST)), ..Will::default() }, done());
    let look = |scene: &Scene, offsets| {
        let world = World { offsets, ..stopped(scene) };
        check(scene.ledger.attempt(&id).unwrap(), Phase::Back, &restore(), &world, 0)
    };
    ends(look(&scene, vec![offset("no token")]), "failed", "another offset was stored by somebody");
    // What was put there again was not removed by this attempt; where nothing was stored before, it was.
    took(&mut scene, &id, restore(), Will { text: Some(mark(FIRST)), ..Will::default() }, done());
    ends(look(&scene, vec![]), "failed", "removed by somebody");
    took(&mut scene, &id, restore(), Will::default(), done());
    assert!(matches!(look(&scene, vec![]), Check::Go(Will { text: Some(text), .. }) if text == STORED));
}

/// It was paused, and was stopped for what had to be altered.
#[test]
fn one_that_was_paused_is_paused_again_unless_somebody_has_started_it() {
    let mut scene = Scene::running();
    scene.connector().state = Ok(ConnectorState::Paused);
    scene.connector().tasks = vec![task(TaskState::Paused, None)];
    let id = begun(&mut scene, None);
    let look = |scene: &Scene, step: &Step, world: &World| {
        check(scene.ledger.attempt(&id).unwrap(), Phase::Back, step, world, 0)
    };
    ends(look(&scene, &Step::Pause, &stopped(&scene)), "not_needed", "somebody has stopped it");
    took(&mut scene, &id, Step::Stop, Will::default(), done());
    assert!(matches!(look(&scene, &Step::Pause, &stopped(&scene)), Check::Go(_)));
    ends(look(&scene, &Step::Pause, &running(&scene)), "not_needed", "somebody has started it");
    ends(look(&scene, &Step::Resume, &running(&scene)), "not_needed", "it runs");
}

#[test]
fn a_resume_that_may_still_come_matters_only_where_it_stood() {
    let unsettled = |state| {
        let mut scene = Scene::running();
        let plan = Plan { expects: Expects { state, ..scene.plan().expects }, ..scene.plan() };
        let id = attempt(&mut scene, plan);
        took(&mut scene, &id, Step::Stop, Will::default(), done());
        let failed = Some(Outcome::Failed { says: "it was answered 504".into() });
        took(&mut scene, &id, Step::Resume, Will::default(), failed.clone());
        let resume = scene.ledger.attempt(&id).unwrap().unsettled().is_some();
        took(&mut scene, &id, Step::Pause, Will::default(), failed);
        (resume, scene.ledger.attempt(&id).unwrap().unsettled().is_some())
    };
    assert_eq!(unsettled(ConnectorState::Running), (false, false));
    assert_eq!(unsettled(ConnectorState::Paused), (true, false));
    assert_eq!(unsettled(ConnectorState::Stopped), (true, false));
}

#[test]
fn a_setting_that_is_back_is_not_set_back() {
    let mut scene = Scene::lost();
    let id = begun(&mut scene, Some(Strategy::TolerateErrors));
    for value in [Some("all"), None] {
        let (step, will) = sets(TOLERANCE, value);
        took(&mut scene, &id, step, will, done());
    }
    assert_eq!(scene.ledger.attempt(&id).unwrap().put_back(), []);
}

#[test]
fn a_removal_that_was_refused_has_dropped_nothing() {
    let mut scene = Scene::lost();
    let id = begun(&mut scene, Some(Strategy::ResetOffsets));
    let removal = Step::RemoveOffset { partition: NS.into() };
    let not_sent = Some(Outcome::NotSent { says: "frozen".into() });
    took(&mut scene, &id, removal.clone(), Will::default(), not_sent);
    assert!(!scene.ledger.attempt(&id).unwrap().has_dropped_its_offset());
    took(&mut scene, &id, removal, Will::default(), done());
    assert!(scene.ledger.attempt(&id).unwrap().has_dropped_its_offset());
}

/// A change of settings of which nobody wrote down how it ended: carried out, not yet, or somebody else's.
#[test]
fn a_configuration_of_unknown_outcome_is_read_off_the_world() {
    let mut scene = Scene::lost();
    let id = begun(&mut scene, Some(Strategy::TolerateErrors));
    let open = |scene: &mut Scene, value| {
        let (step, will) = sets(TOLERANCE, value);
        took(scene, &id, step, will, None);
    };
    let told = |scene: &Scene, value: Option<&str>| {
        let mut world = world(scene);
        world.config.extend(value.map(|value| (TOLERANCE.to_owned(), value.to_owned())));
        let attempt = scene.ledger.attempt(&id).unwrap();
        resolve(attempt, attempt.taken.last().unwrap(), &world).map(|outcome| outcome.code())
    };
    open(&mut scene, Some("all"));
    assert_eq!(told(&scene, Some("all")), Some("done"));
    assert_eq!(told(&scene, None), None);
    assert_eq!(told(&scene, Some("none")), Some("failed"));
    let outcome = done().unwrap();
    let event = Event::Outcome { attempt: id.clone(), outcome, untouched: false };
    scene.ledger.apply(&Entry { seq: 1, at_ms: 0, event });
    open(&mut scene, Some("none"));
    // As this attempt has left it, or as it was at first.
    assert_eq!([told(&scene, Some("all")), told(&scene, None)], [None; 2]);
    assert_eq!(told(&scene, Some("none")), Some("done"));
    assert_eq!(told(&scene, Some("data_exception")), Some("failed"));
}

/// Only a plan that leaves it without an offset, and waits for none, is well without one.
#[test]
fn without_a_token_it_is_well_only_where_that_was_meant() {
    let seen = |strategy, offsets: Vec<RawOffset>| {
        let mut scene = Scene::lost();
        let id = begun(&mut scene, Some(strategy));
        let world = World { offsets, ..running(&scene) };
        verified(scene.ledger.attempt(&id).unwrap(), &world)
    };
    let not_yet = Seen::NotYet("no token is stored yet".into());
    assert_eq!(seen(Strategy::Salvage, vec![]), not_yet);
    assert_eq!(seen(Strategy::TolerateErrors, vec![]), not_yet);
    assert_eq!(seen(Strategy::Resnapshot, vec![]), not_yet, "it waits for one");
    assert_eq!(seen(Strategy::ResetOffsets, vec![]), Seen::Well { reached: None });

    let mut transient = Scene::of(connector(token(LAST - 10, 1)), &[]);
    transient.connector().tasks = failed(None, FailureClass::Transient);
    let id = begun(&mut transient, Some(Strategy::Restart));
    let attempt = transient.ledger.attempt(&id).unwrap();
    let old = World { offsets: vec![offset(&mark(FIRST - 1))], ..running(&transient) };
    let reached = Some(Timestamp { t: FIRST - 1, i: 1 });
    assert_eq!(verified(attempt, &old), Seen::Well { reached }, "a restart moves no position");
    assert!(matches!(stored(attempt, &old), Seen::NotYet(_)));
}

/// A later attempt's plan is about what stands there now.
#[test]
fn a_plan_that_restores_expects_what_is_there_now() {
    let mut scene = Scene::lost();
    let id = begun(&mut scene, None);
    took(&mut scene, &id, write_mark(), Will { text: Some(mark(FIRST)), ..Will::default() }, done());
    let text = mark(FIRST + 50);
    let mut now = World { offsets: vec![offset(&text)], ..running(&scene) };
    now.config.insert("database".into(), "other".into());
    let plan = scene.ledger.attempt(&id).unwrap().restoring(&now).unwrap();
    let token =
        StoredToken { time: Some(Timestamp { t: FIRST + 50, i: 1 }), text: Fingerprint::of_text(&text) };
    let expects = Expects {
        token: Some(token),
        state: ConnectorState::Running,
        config: Fingerprint::of_config(&now.config),
        partition: Some(NS.into()),
    };
    assert_eq!(plan.expects, expects);
    assert_eq!((plan.loses, plan.rescans_bytes), (Loses::Unknown, None));
    assert_eq!(plan.effects, ["it goes on from the position that was saved, wherever that leads"]);
}
