//! The world that was read again decides about each step.

use super::attempts::open;
use super::*;
use crate::recovery::check::{Check, Seen, check, resolve, stored, verified};
use crate::recovery::{Lost, Outcome, Strategy};
use mongodb_resume_token::high_water_mark_v1;
use serde_json::{Map, Value};

pub(super) fn offset(text: &str) -> RawOffset {
    let map = |key: &str, value: &str| Map::from_iter([(key.to_owned(), Value::from(value))]);
    RawOffset { partition: map("ns", NS), offset: Some(map("_id", text)), record: None }
}

pub(super) fn mark(t: u32) -> String {
    format!("{{\"_data\": \"{}\"}}", high_water_mark_v1(Timestamp { t, i: 1 }))
}

pub(super) fn world(scene: &Scene) -> World {
    World {
        state: Some(ConnectorState::Running),
        tasks: failed(Some(286), FailureClass::HistoryLost),
        config: scene.details.config.clone(),
        offsets: vec![offset(STORED)],
        down: false,
        oldest: Ok(Timestamp { t: FIRST, i: 5 }),
    }
}

pub(super) fn stopped(scene: &Scene) -> World {
    World { state: Some(ConnectorState::Stopped), tasks: vec![], ..world(scene) }
}

/// An attempt at `Scene::lost` whose state was saved.
pub(super) fn attempt(scene: &mut Scene, plan: Plan) -> AttemptId {
    let id = open(scene, plan);
    let saved = Saved {
        state: ConnectorState::Running,
        config: scene.details.config.clone(),
        offsets: vec![offset(STORED)],
    };
    scene.ledger.apply(&Entry {
        seq: 1,
        at_ms: 0,
        event: Event::Saved { attempt: id.clone(), saved: Box::new(saved) },
    });
    id
}

pub(super) fn took(scene: &mut Scene, id: &AttemptId, step: Step, will: Will, outcome: Option<Outcome>) {
    let intent = Event::Intent { attempt: id.clone(), phase: Phase::Forward, index: 0, round: 0, step, will };
    let outcome = outcome.map(|outcome| Event::Outcome { attempt: id.clone(), outcome, untouched: false });
    for event in [Some(intent), outcome].into_iter().flatten() {
        scene.ledger.apply(&Entry { seq: 1, at_ms: 0, event });
    }
}

pub(super) fn done() -> Option<Outcome> {
    Some(Outcome::Done { says: String::new(), reached: None })
}

#[track_caller]
pub(super) fn ends(check: Check, expected: &str, words: &str) {
    let Check::Ends(outcome) = check else { unreachable!("{check:?}") };
    assert_eq!(outcome.code(), expected, "{outcome:?}");
    assert!(outcome.says().contains(words), "{outcome:?}");
}

pub(super) fn write_mark() -> Step {
    Step::WriteMark { partition: NS.into(), mark: Mark::OldestSurviving }
}

#[test]
fn before_anything_is_changed_everything_must_be_as_planned() {
    let mut scene = Scene::lost();
    let plan = scene.plan();
    let id = open(&mut scene, plan);
    let world = world(&scene);
    let attempt = scene.ledger.attempt(&id).unwrap();
    let look = |world: &World| check(attempt, Phase::Forward, &Step::Save, world, 0);
    assert_eq!(look(&world), Check::Go(Will::default()));
    ends(look(&World { state: None, ..world.clone() }), "failed", "deleted");
    ends(
        look(&World { state: Some(ConnectorState::Paused), ..world.clone() }),
        "failed",
        "somebody is at it",
    );
    let paused = vec![task(TaskState::Paused, None)];
    ends(look(&World { tasks: paused, ..world.clone() }), "failed", "its task 0 is paused; plan anew");
    let mut other = world.clone();
    other.config.insert("database".into(), "elsewhere".into());
    ends(look(&other), "failed", "changed by somebody");
    let newer = World { offsets: vec![offset(&mark(FIRST + 9))], ..world.clone() };
    ends(look(&newer), "over", "newer position");
    let still_lost = World { offsets: vec![offset(&mark(FIRST - 9))], ..world.clone() };
    ends(look(&still_lost), "failed", "plan anew");

    // A plan that rests on a live stream does not outlive it.
    let plan = Scene::running().plan();
    let id = open(&mut scene, plan);
    let attempt = scene.ledger.attempt(&id).unwrap();
    let running = World { tasks: vec![task(TaskState::Running, None)], ..world.clone() };
    assert_eq!(check(attempt, Phase::Forward, &Step::Save, &running, 0), Check::Go(Will::default()));
    ends(check(attempt, Phase::Forward, &Step::Save, &world, 0), "failed", "does not run any more");
}

#[test]
fn a_mark_is_written_at_the_oldest_entry_of_a_stopped_connector_only() {
    let mut scene = Scene::lost();
    let plan = scene.plan();
    let id = attempt(&mut scene, plan);
    took(&mut scene, &id, Step::Stop, Will::default(), done());
    let (running, stopped) = (world(&scene), stopped(&scene));
    let attempt = scene.ledger.attempt(&id).unwrap();
    let look = |world: &World, margin| check(attempt, Phase::Forward, &write_mark(), world, margin);
    let Check::Go(will) = look(&stopped, 0) else { unreachable!() };
    assert_eq!(will.time(), Some(Timestamp { t: FIRST, i: 5 }));
    let Check::Go(will) = look(&stopped, 7) else { unreachable!() };
    assert_eq!(will.time(), Some(Timestamp { t: FIRST + 7, i: 5 }));
    ends(look(&running, 0), "failed", "resumed it");
    ends(look(&World { oldest: Err(Why::MemberUnreadable), ..stopped.clone() }, 0), "failed", "blindly");
    ends(look(&World { offsets: vec![], ..stopped.clone() }, 0), "failed", "removed");
    let newer = World { offsets: vec![offset(&mark(FIRST + 9))], ..stopped.clone() };
    ends(look(&newer, 0), "not_needed", "goes on from there");
    // What the task stored as it stopped is newer and lost all the same.
    let flushed = World { offsets: vec![offset(&mark(FIRST - 9))], ..stopped };
    assert!(matches!(look(&flushed, 0), Check::Go(_)));
}

#[test]
fn what_a_person_did_stays_on_the_way_back() {
    let mut scene = Scene::lost();
    let plan = scene.plan();
    let id = attempt(&mut scene, plan);
    let will = Will { text: Some(mark(FIRST)), ..Will::default() };
    took(&mut scene, &id, write_mark(), will, done());
    let restore = Step::RestoreOffset { partition: NS.into() };
    let stopped = stopped(&scene);
    let attempt = scene.ledger.attempt(&id).unwrap();
    let look = |text: &str| {
        check(attempt, Phase::Back, &restore, &World { offsets: vec![offset(text)], ..stopped.clone() }, 0)
    };
    let Check::Go(will) = look(&mark(FIRST)) else { unreachable!() };
    assert_eq!(will.text.as_deref(), Some(STORED));
    ends(look(STORED), "not_needed", "is there");
    ends(look(&mark(FIRST + 9)), "not_needed", "it stays");
    ends(look(&mark(FIRST - 9)), "failed", "left to them");
    // Whoever removes what we have stored does not want back what it replaced, and nobody stops what they started since.
    let emptied = World { offsets: vec![], ..stopped.clone() };
    ends(check(attempt, Phase::Back, &restore, &emptied, 0), "failed", "removed by somebody");
    let started = World { offsets: vec![], ..world(&scene) };
    ends(check(attempt, Phase::Back, &Step::Stop, &started, 0), "not_needed", "none of ours");
    ends(check(attempt, Phase::Back, &Step::Resume, &world(&scene), 0), "not_needed", "somebody has started");
    ends(
        check(attempt, Phase::Back, &restore, &World { state: None, ..stopped.clone() }, 0),
        "not_needed",
        "gone",
    );
}

/// The worker that held it died before it could stop it: Connect shows RUNNING until another finds it stopped.
#[test]
fn what_was_told_to_stop_and_never_seen_stopped_is_told_to_run_again() {
    let mut scene = Scene::lost();
    let plan = scene.plan();
    let id = attempt(&mut scene, plan);
    let never_seen = || Outcome::Failed { says: "not stopped within 90 s".into() };
    took(&mut scene, &id, Step::Stop, Will::default(), Some(never_seen()));
    let runs = World { tasks: vec![task(TaskState::Running, None)], ..world(&scene) };
    let emptied = World { tasks: Vec::new(), ..world(&scene) };
    let attempt = scene.ledger.attempt(&id).unwrap();
    assert_eq!(attempt.put_back(), [Step::Resume, Step::Verify]);
    for world in [&runs, &emptied] {
        for step in [Step::Resume, Step::Pause] {
            assert_eq!(check(attempt, Phase::Back, &step, world, 0), Check::Go(Will::default()));
        }
    }
    let paused = World { state: Some(ConnectorState::Paused), ..emptied };
    ends(check(attempt, Phase::Back, &Step::Resume, &paused, 0), "not_needed", "left to them");
    // Died between this step's intent and its outcome: that it runs tells nothing.
    let intent = |step| Taken {
        phase: Phase::Back,
        index: 0,
        outcome: None,
        acted: true,
        step,
        ..attempt.taken[0].clone()
    };
    let mut died = attempt.clone();
    died.taken.push(intent(Step::Resume));
    assert_eq!(resolve(&died, &died.taken[1], &runs), None);
    died.taken[0].outcome = done().map(|done| (done, 0));
    assert_eq!(resolve(&died, &died.taken[1], &runs).map(|outcome| outcome.code()), Some("done"));
}

#[test]
fn settings_go_back_key_by_key() {
    let mut scene = Scene::lost();
    scene.policies.allow_source_writes = true;
    let plan = scene.by(Strategy::TolerateErrors);
    let id = attempt(&mut scene, plan);
    let to = BTreeMap::from([("mongo.errors.tolerance".to_owned(), Some("all".to_owned()))]);
    took(&mut scene, &id, Step::Configure { to: to.clone() }, Will { config: to, text: None }, done());
    let back = scene.ledger.attempt(&id).unwrap().put_back();
    let removed = BTreeMap::from([("mongo.errors.tolerance".to_owned(), None)]);
    assert_eq!(back, [Step::Configure { to: removed.clone() }]);
    let mut now = world(&scene);
    now.config.insert("mongo.errors.tolerance".into(), "all".into());
    let attempt = scene.ledger.attempt(&id).unwrap();
    assert_eq!(
        check(attempt, Phase::Back, &back[0], &now, 0),
        Check::Go(Will { config: removed, text: None })
    );
    // Going on, the change is ours and nothing to stop for; another change is.
    assert_eq!(check(attempt, Phase::Forward, &Step::AwaitStored, &now, 0), Check::Go(Will::default()));
    now.config.insert("batch.size".into(), "7".into());
    ends(check(attempt, Phase::Forward, &Step::AwaitStored, &now, 0), "failed", "changed by somebody");
    now.config.insert("mongo.errors.tolerance".into(), "none".into());
    ends(check(attempt, Phase::Back, &back[0], &now, 0), "not_needed", "as somebody wants");
}

#[test]
fn a_step_of_unknown_outcome_is_read_from_the_world() {
    let mut scene = Scene::lost();
    let plan = scene.plan();
    let id = attempt(&mut scene, plan);
    let text = mark(FIRST);
    let cases = [
        (Step::Stop, Will::default()),
        (write_mark(), Will { text: Some(text.clone()), ..Will::default() }),
        (Step::RemoveOffset { partition: NS.into() }, Will::default()),
        (Step::Resume, Will::default()),
        (Step::RestartTasks, Will::default()),
    ];
    let (stopped, running) =
        (stopped(&scene), World { tasks: vec![task(TaskState::Running, None)], ..world(&scene) });
    let written = World { offsets: vec![offset(&text)], ..stopped.clone() };
    let removed = World { offsets: vec![], ..stopped.clone() };
    let mut answers = Vec::new();
    for (step, will) in cases {
        took(&mut scene, &id, step, will, None);
        let attempt = scene.ledger.attempt(&id).unwrap();
        let taken = attempt.taken.last().unwrap();
        let of = |world: &World| resolve(attempt, taken, world).map(|outcome| outcome.code());
        answers.push([of(&running), of(&stopped), of(&written), of(&removed)]);
        scene.ledger.apply(&Entry {
            seq: 1,
            at_ms: 0,
            event: Event::Outcome { attempt: id.clone(), outcome: done().unwrap(), untouched: false },
        });
    }
    let (yes, no) = (Some("done"), None);
    assert_eq!(answers[0], [no, yes, yes, yes], "stop");
    assert_eq!(answers[1], [no, no, yes, no], "write_mark");
    // One removal, whatever became of it.
    assert_eq!(answers[2], [Some("failed"), Some("failed"), Some("failed"), yes], "remove_offset");
    assert_eq!(answers[3], [yes, no, no, no], "resume");
    assert_eq!(answers[4], [yes; 4], "restart_tasks: none of these has a task that stands failed");
}

#[test]
fn well_is_running_from_a_position_inside_the_window() {
    let mut scene = Scene::lost();
    let plan = scene.plan();
    let id = attempt(&mut scene, plan);
    let running = World { tasks: vec![task(TaskState::Running, None)], ..world(&scene) };
    let at = |text: &str| World { offsets: vec![offset(text)], ..running.clone() };
    let attempt = scene.ledger.attempt(&id).unwrap();
    assert_eq!(
        verified(attempt, &at(&mark(FIRST + 1))),
        Seen::Well { reached: Some(Timestamp { t: FIRST + 1, i: 1 }) }
    );
    assert!(matches!(verified(attempt, &at(&mark(FIRST - 1))), Seen::NotYet(_)));
    assert!(matches!(verified(attempt, &World { state: None, ..running.clone() }), Seen::Broken(_)));
    let failed_again = World { tasks: failed(Some(286), FailureClass::HistoryLost), ..running.clone() };
    assert!(matches!(verified(attempt, &failed_again), Seen::Broken(_)), "nothing was written yet");
    assert!(matches!(stored(attempt, &at(STORED)), Seen::NotYet(_)), "the plan's own token is not newer");
    took(&mut scene, &id, write_mark(), Will { text: Some(mark(FIRST + 1)), ..Will::default() }, done());
    let attempt = scene.ledger.attempt(&id).unwrap();
    assert!(matches!(verified(attempt, &failed_again), Seen::Rolled(_)));
    assert!(
        matches!(stored(attempt, &at(&mark(FIRST + 1))), Seen::NotYet(_)),
        "our own mark is not the stream's"
    );
    assert!(matches!(stored(attempt, &at(&mark(FIRST + 2))), Seen::Well { .. }));
    let unknown = World { oldest: Err(Why::MemberUnreadable), ..at(&mark(FIRST + 2)) };
    assert!(matches!(verified(attempt, &unknown), Seen::NotYet(_)), "unknown is not well");
}

#[test]
fn the_stretch_lies_between_the_old_position_and_the_mark() {
    let mut scene = Scene::lost();
    let plan = scene.plan();
    let id = attempt(&mut scene, plan);
    assert_eq!(scene.ledger.attempt(&id).unwrap().lost(), Lost::Nothing, "nothing was changed");
    took(&mut scene, &id, write_mark(), Will { text: Some(mark(FIRST)), ..Will::default() }, done());
    took(
        &mut scene,
        &id,
        Step::Verify,
        Will::default(),
        Some(Outcome::Done { says: String::new(), reached: Some(Timestamp { t: LAST, i: 1 }) }),
    );
    let stretch = Stretch { from: Timestamp { t: FIRST - 3600, i: 1 }, to: Timestamp { t: FIRST, i: 1 } };
    assert_eq!(scene.ledger.attempt(&id).unwrap().lost(), Lost::Stretch(stretch));
}

#[test]
fn what_a_live_stream_has_delivered_ends_where_it_was_stopped() {
    let mut scene = Scene::running();
    let plan = Plan { loses: Loses::Nothing, ..scene.plan() };
    let stopped_at = |reached| Some(Outcome::Done { says: String::new(), reached });
    let lost = |scene: &mut Scene, reached, to| {
        let id = attempt(scene, plan.clone());
        took(scene, &id, Step::Stop, Will::default(), stopped_at(reached));
        took(scene, &id, write_mark(), Will { text: Some(mark(to)), ..Will::default() }, done());
        scene.ledger.attempt(&id).unwrap().lost()
    };
    let at = Timestamp { t: LAST, i: 1 };
    assert_eq!(lost(&mut scene, Some(at), FIRST), Lost::Nothing);
    // Frozen for longer than the window: the mark lies after the stop.
    let stretch = Stretch { from: at, to: Timestamp { t: LAST + 60, i: 1 } };
    assert_eq!(lost(&mut scene, Some(at), LAST + 60), Lost::Stretch(stretch));
    assert_eq!(lost(&mut scene, None, FIRST), Lost::Unknown, "nobody knows where it was stopped");
}

#[test]
fn a_loss_with_an_end_that_was_never_read_is_unknown_and_a_heartbeat_is_none() {
    let mut scene = Scene::lost();
    let plan = scene.by(Strategy::ResetOffsets);
    let id = attempt(&mut scene, plan);
    took(&mut scene, &id, Step::RemoveOffset { partition: NS.into() }, Will::default(), done());
    assert_eq!(scene.ledger.attempt(&id).unwrap().lost(), Lost::Unknown);
    let reached = Some(Outcome::Done { says: String::new(), reached: Some(Timestamp { t: LAST, i: 1 }) });
    took(&mut scene, &id, Step::Resume, Will::default(), reached.clone());
    let stretch = Stretch { from: Timestamp { t: FIRST - 3600, i: 1 }, to: Timestamp { t: LAST, i: 1 } };
    assert_eq!(scene.ledger.attempt(&id).unwrap().lost(), Lost::Stretch(stretch));

    let plan = scene.plan();
    let id = attempt(&mut scene, plan);
    let config = BTreeMap::from([("heartbeat.interval.ms".to_owned(), Some("1000".to_owned()))]);
    took(&mut scene, &id, Step::Configure { to: config.clone() }, Will { config, text: None }, done());
    took(&mut scene, &id, Step::Verify, Will::default(), reached);
    assert_eq!(scene.ledger.attempt(&id).unwrap().lost(), Lost::Nothing, "its mark was not needed");
}

#[test]
fn what_the_plan_could_not_know_its_end_does_not_know_either() {
    let mut scene = Scene::lost();
    let plan = Plan { loses: Loses::Unknown, ..scene.plan() };
    let id = attempt(&mut scene, plan);
    assert_eq!(scene.ledger.attempt(&id).unwrap().lost(), Lost::Nothing, "nothing was changed");
    // A mark at the position's own time: what stands behind the connection string may be another deployment.
    let own = Will { text: Some(mark(FIRST - 3600)), ..Will::default() };
    took(&mut scene, &id, write_mark(), own, done());
    assert_eq!(scene.ledger.attempt(&id).unwrap().lost(), Lost::Unknown);
}

#[test]
fn nothing_is_removed_or_left_behind_while_the_oplog_cannot_tell_what_is_newer() {
    let mut scene = Scene::lost();
    let plan = scene.by(Strategy::ResetOffsets);
    let id = attempt(&mut scene, plan);
    took(&mut scene, &id, Step::Stop, Will::default(), done());
    let newer = World { offsets: vec![offset(&mark(FIRST + 9))], ..stopped(&scene) };
    let unread = World { oldest: Err(Why::Election), ..newer.clone() };
    let attempt = scene.ledger.attempt(&id).unwrap();
    let removal = Step::RemoveOffset { partition: NS.into() };
    let rename =
        Step::Configure { to: BTreeMap::from([("offset.partition.name".to_owned(), Some("x".to_owned()))]) };
    let start = Step::StartAtOldest { partition: "x".into() };
    for step in [removal, rename, start] {
        let look = |world: &World| check(attempt, Phase::Forward, &step, world, 0);
        ends(look(&unread), "failed", "blindly");
        ends(look(&newer), "not_needed", "goes on from there");
        ends(look(&world(&scene)), "failed", "resumed it");
        assert!(matches!(look(&stopped(&scene)), Check::Go(_)), "{step:?}");
    }
}

#[test]
fn a_person_who_pauses_it_is_not_overruled() {
    let mut scene = Scene::lost();
    let plan = scene.plan();
    let id = attempt(&mut scene, plan);
    took(&mut scene, &id, Step::Stop, Will::default(), done());
    let paused = World { state: Some(ConnectorState::Paused), tasks: vec![], ..world(&scene) };
    let attempt = scene.ledger.attempt(&id).unwrap();
    ends(check(attempt, Phase::Forward, &Step::Resume, &paused, 0), "failed", "paused it");
    ends(check(attempt, Phase::Back, &Step::Resume, &paused, 0), "not_needed", "paused it");
}

/// What a dead worker held is nobody's for minutes: it shows STOPPED long after it was resumed, and Connect refuses to alter its
/// offsets (seen on 4.1.1).
#[test]
fn who_was_told_to_start_is_told_to_stop_again_though_it_shows_stopped() {
    let mut scene = Scene::lost();
    let plan = scene.plan();
    let id = attempt(&mut scene, plan);
    let back = |scene: &Scene, phase| {
        check(scene.ledger.attempt(&id).unwrap(), phase, &Step::Stop, &stopped(scene), 0)
    };
    took(&mut scene, &id, Step::Stop, Will::default(), done());
    let marked = Will { text: Some(mark(FIRST)), ..Will::default() };
    took(&mut scene, &id, write_mark(), marked, done());
    ends(back(&scene, Phase::Back), "not_needed", "it is stopped");
    ends(back(&scene, Phase::Forward), "not_needed", "it is stopped");
    took(&mut scene, &id, Step::Resume, Will::default(), Some(Outcome::Failed { says: String::new() }));
    assert!(matches!(back(&scene, Phase::Forward), Check::Go(_)));
    let unsaved = World { offsets: vec![offset(&mark(FIRST))], ..stopped(&scene) };
    let attempt = scene.ledger.attempt(&id).unwrap();
    assert!(matches!(check(attempt, Phase::Back, &Step::Stop, &unsaved, 0), Check::Go(_)));
    // Where nothing of ours stands there, nothing has to be put back.
    ends(back(&scene, Phase::Back), "not_needed", "none of ours");
}

#[test]
fn what_was_not_sent_comes_again_and_a_persons_stop_stays_theirs() {
    let mut scene = Scene::lost();
    let plan = scene.plan();
    let id = attempt(&mut scene, plan);
    let save = Event::Intent {
        attempt: id.clone(),
        phase: Phase::Forward,
        index: 0,
        round: 0,
        step: Step::Save,
        will: Will::default(),
    };
    let stop = Event::Intent {
        attempt: id.clone(),
        phase: Phase::Forward,
        index: 1,
        round: 0,
        step: Step::Stop,
        will: Will::default(),
    };
    let outcome = |outcome| Event::Outcome { attempt: id.clone(), outcome, untouched: false };
    let not_sent = Outcome::NotSent { says: "frozen".into() };
    for event in [save, outcome(done().unwrap()), stop, outcome(not_sent)] {
        scene.ledger.apply(&Entry { seq: 1, at_ms: 0, event });
    }
    let attempt = scene.ledger.attempt(&id).unwrap();
    assert!(matches!(attempt.next(), Next::Do { index: 1, step: Step::Stop, .. }));
    assert!(!attempt.leaves_it_stopped() && attempt.put_back().is_empty());
    ends(
        check(attempt, Phase::Forward, &Step::Stop, &stopped(&scene), 0),
        "failed",
        "somebody has stopped it",
    );
}

#[test]
fn an_attempt_can_be_undone_later_by_what_it_saved() {
    let mut scene = Scene::lost();
    let plan = scene.plan();
    let id = attempt(&mut scene, plan);
    let heartbeat = ("heartbeat.interval.ms".to_owned(), Some("1000".to_owned()));
    let config = BTreeMap::from([heartbeat]);
    took(&mut scene, &id, write_mark(), Will { text: Some(mark(FIRST)), ..Will::default() }, done());
    took(&mut scene, &id, Step::Configure { to: config.clone() }, Will { config, text: None }, done());
    super::attempts::end(&mut scene, &id, Ended::Recovered);
    let mut now = World { offsets: vec![offset(&mark(FIRST + 50))], ..world(&scene) };
    now.config.insert("heartbeat.interval.ms".into(), "1000".into());
    let plan = scene.ledger.attempt(&id).unwrap().restoring(&now).unwrap();
    assert_eq!(codes(&plan), ["save", "stop", "restore_offset", "configure", "resume"]);
    assert_eq!((plan.restores.clone(), plan.is_intact()), (Some(id.clone()), true));

    // It is walked like any other: what stands there now is kept, the old offset goes back.
    let second = open(&mut scene, plan);
    let (state, offsets) = (ConnectorState::Running, now.offsets.clone());
    let saved = Saved { state, config: now.config.clone(), offsets };
    let event = Event::Saved { attempt: second.clone(), saved: Box::new(saved) };
    scene.ledger.apply(&Entry { seq: 1, at_ms: 0, event });
    let restore = Step::RestoreOffset { partition: NS.into() };
    let stopped = World { state: Some(ConnectorState::Stopped), tasks: vec![], ..now.clone() };
    let Check::Go(will) =
        check(scene.ledger.attempt(&second).unwrap(), Phase::Forward, &restore, &stopped, 0)
    else {
        unreachable!()
    };
    assert_eq!(will.text.as_deref(), Some(STORED));
    // If that fails, what was there before the restore goes back.
    took(&mut scene, &second, restore.clone(), will, Some(Outcome::Failed { says: String::new() }));
    let back = scene.ledger.attempt(&second).unwrap().put_back();
    assert_eq!(back, [Step::Stop, restore, Step::Verify]);

    let as_saved = world(&scene);
    assert!(
        scene
            .ledger
            .attempt(&id)
            .unwrap()
            .restoring(&as_saved)
            .unwrap_err()
            .contains("nothing is to be put back")
    );
    let gone = World { state: None, ..as_saved };
    assert!(scene.ledger.attempt(&id).unwrap().restoring(&gone).unwrap_err().contains("gone"));
}
