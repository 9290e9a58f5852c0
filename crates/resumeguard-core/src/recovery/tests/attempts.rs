//! The fold: from entries to what comes next.

use super::*;
use crate::recovery::{Lost, Outcome, Strategy};

pub(super) fn begin(scene: &mut Scene, connector: &str) -> AttemptId {
    let mut plan = Scene::lost().plan();
    plan.connector = ConnectorId::new("main", connector);
    open(scene, plan)
}

pub(super) fn open(scene: &mut Scene, plan: Plan) -> AttemptId {
    let attempt = AttemptId(format!("attempt-{}", scene.ledger.attempts.len()));
    let begun = Event::Begun {
        attempt: attempt.clone(),
        plan: Box::new(plan),
        by: Actor::Auto,
        reason: String::new(),
    };
    tell(scene, begun);
    attempt
}

fn tell(scene: &mut Scene, event: Event) {
    let at_ms = scene.now_ms;
    scene.ledger.apply(&Entry { seq: 1, at_ms, event });
}

pub(super) fn end(scene: &mut Scene, attempt: &AttemptId, ended: Ended) {
    tell(scene, Event::Ended { attempt: attempt.clone(), ended, says: String::new(), lost: Lost::Nothing });
}

/// So many failed attempts, the last of them a cooldown ago.
pub(super) fn fail(scene: &mut Scene, times: usize) {
    let now_ms = scene.now_ms;
    scene.now_ms -= HOUR_MS;
    for _ in 0..times {
        let attempt = begin(scene, "orders");
        end(scene, &attempt, Ended::PutBack);
    }
    scene.now_ms = now_ms;
}

/// Walks an attempt: what each step is answered with is up to `answer`; gives the steps in order, those back in brackets.
pub(super) fn walk(plan: Plan, mut answer: impl FnMut(&str, u32) -> Outcome) -> (Vec<String>, Ended) {
    let mut scene = Scene::lost();
    let id = open(&mut scene, plan);
    let mut steps = Vec::new();
    for _ in 0..60 {
        match scene.ledger.attempt(&id).unwrap().next() {
            Next::Do { phase, index, round, step } => {
                let code = step.code();
                steps.push(if phase == Phase::Back { format!("[{code}]") } else { code.to_owned() });
                if step == Step::Save {
                    let saved = Saved {
                        state: ConnectorState::Running,
                        config: scene.details.config.clone(),
                        offsets: vec![],
                    };
                    tell(&mut scene, Event::Saved { attempt: id.clone(), saved: Box::new(saved) });
                }
                let config = if let Step::Configure { to } = &step { to.clone() } else { BTreeMap::new() };
                let will = Will { config, text: None };
                tell(
                    &mut scene,
                    Event::Intent { attempt: id.clone(), phase, index, round, step: step.clone(), will },
                );
                tell(
                    &mut scene,
                    Event::Outcome { attempt: id.clone(), outcome: answer(code, round), untouched: false },
                );
            }
            Next::End(ended) => return (steps, ended),
            Next::Resolve(_) | Next::Nothing => unreachable!("{steps:?}"),
        }
    }
    unreachable!("no end: {steps:?}")
}

pub(super) fn done() -> Outcome {
    Outcome::Done { says: String::new(), reached: None }
}

fn failed_step() -> Outcome {
    Outcome::Failed { says: String::new() }
}

#[test]
fn a_plan_is_walked_to_its_end() {
    let (steps, ended) = walk(Scene::lost().plan(), |_, _| done());
    assert_eq!((steps.join(" ").as_str(), ended), ("save stop write_mark resume verify", Ended::Recovered));
}

#[test]
fn whatever_fails_is_put_back() {
    let salvage = || Scene::lost().plan();
    let at = |wrong: &'static str| {
        walk(salvage(), move |step, _| if step == wrong { failed_step() } else { done() })
    };
    assert_eq!(at("save"), (vec!["save".into()], Ended::PutBack));
    let (steps, ended) = at("write_mark");
    assert_eq!(steps.join(" "), "save stop write_mark [stop] [restore_offset] [resume] [verify]");
    assert_eq!(ended, Ended::PutBack);
    let (steps, ended) = at("verify");
    assert_eq!(steps.join(" "), "save stop write_mark resume verify [stop] [restore_offset] [resume]");
    assert_eq!(ended, Ended::PutBack);
    // The way back is walked to its end even where one step of it fails.
    let (steps, ended) = walk(salvage(), |step, _| match step {
        "verify" | "restore_offset" => failed_step(),
        _ => done(),
    });
    assert!(steps.ends_with(&["[restore_offset]".into(), "[resume]".into()]), "{steps:?}");
    assert_eq!(ended, Ended::NeedsPerson);
}

#[test]
fn what_was_not_taken_is_not_put_back() {
    let mut scene = Scene::lost();
    let id = open(&mut scene, Scene::lost().plan());
    let intent = |index, step: &Step| Event::Intent {
        attempt: id.clone(),
        phase: Phase::Forward,
        index,
        round: 0,
        step: step.clone(),
        will: Will::default(),
    };
    tell(&mut scene, intent(0, &Step::Save));
    tell(&mut scene, Event::Outcome { attempt: id.clone(), outcome: done(), untouched: false });
    // Somebody else has stopped it: it is left to them.
    let refused = |outcome| Event::Skipped {
        attempt: id.clone(),
        phase: Phase::Forward,
        index: 1,
        round: 0,
        step: Step::Stop,
        outcome,
    };
    tell(&mut scene, refused(failed_step()));
    let attempt = scene.ledger.attempt(&id).unwrap();
    assert_eq!((attempt.next(), attempt.leaves_it_stopped()), (Next::End(Ended::PutBack), false));

    let mut scene = Scene::lost();
    open(&mut scene, Scene::lost().plan());
    tell(&mut scene, intent(0, &Step::Stop));
    tell(&mut scene, Event::Outcome { attempt: id.clone(), outcome: failed_step(), untouched: false });
    let resumes = |next| matches!(next, Next::Do { phase: Phase::Back, step: Step::Resume, .. });
    assert!(resumes(scene.ledger.attempt(&id).unwrap().next()), "one that was asked for is");
}

#[test]
fn what_rolls_away_is_tried_three_times() {
    let (steps, ended) = walk(Scene::lost().plan(), |step, round| match step {
        "verify" if round < 2 => Outcome::Again { says: String::new() },
        _ => done(),
    });
    // What was saved holds for all rounds.
    let round = "stop write_mark resume verify";
    assert_eq!(steps.join(" "), format!("save {round} {round} {round}"));
    assert_eq!(ended, Ended::Recovered);
    let (steps, ended) = walk(Scene::lost().plan(), |step, _| match step {
        "verify" => Outcome::Again { says: String::new() },
        _ => done(),
    });
    assert_eq!((steps.iter().filter(|step| *step == "write_mark").count(), ended), (3, Ended::PutBack));
    // Where nothing is saved, it is the first step that is repeated.
    let plan = Plan { steps: vec![Step::ResizeOplog { size_mb: 990 }], ..Scene::lost().plan() };
    let (steps, ended) = walk(plan, |_, round| match round {
        0 => Outcome::Again { says: String::new() },
        _ => done(),
    });
    assert_eq!((steps.join(" ").as_str(), ended), ("resize_oplog resize_oplog", Ended::Recovered));
}

#[test]
fn trouble_that_is_over_ends_without_a_change() {
    let (steps, ended) = walk(Scene::lost().plan(), |_, _| Outcome::Over { says: String::new() });
    assert_eq!((steps, ended), (vec!["save".into()], Ended::NotNeeded));
}

#[test]
fn tolerance_and_startup_mode_go_back_whatever_happens() {
    for (strategy, wrong) in [
        (Strategy::TolerateErrors, "await_stored"),
        (Strategy::TolerateErrors, "insert_marker"),
        (Strategy::Resnapshot, "resume"),
        (Strategy::Resnapshot, "await_stored"),
    ] {
        let mut scene = Scene::lost();
        scene.policies.allow_source_writes = true;
        let (steps, _) =
            walk(scene.by(strategy), |step, _| if step == wrong { failed_step() } else { done() });
        assert!(steps.contains(&"[configure]".to_owned()), "{strategy:?} {wrong}: {steps:?}");
    }
    // A marker goes as well.
    let mut scene = Scene::lost();
    scene.policies.allow_source_writes = true;
    let (steps, _) =
        walk(
            scene.by(Strategy::TolerateErrors),
            |step, _| if step == "await_stored" { failed_step() } else { done() },
        );
    assert!(steps.contains(&"[remove_marker]".to_owned()), "{steps:?}");
}

#[test]
fn a_step_without_an_outcome_is_looked_at_first() {
    let mut scene = Scene::lost();
    let id = begin(&mut scene, "orders");
    let step = Step::Stop;
    tell(
        &mut scene,
        Event::Intent {
            attempt: id.clone(),
            phase: Phase::Forward,
            index: 1,
            round: 0,
            step,
            will: Will::default(),
        },
    );
    assert!(
        matches!(scene.ledger.attempt(&id).unwrap().next(), Next::Resolve(taken) if taken.step == Step::Stop)
    );
    assert!(scene.ledger.attempt(&id).unwrap().leaves_it_stopped());
    tell(&mut scene, Event::Outcome { attempt: id.clone(), outcome: done(), untouched: false });
    assert!(matches!(scene.ledger.attempt(&id).unwrap().next(), Next::Do { index: 2, .. }));
    // A second outcome, or one after the end, changes nothing.
    tell(&mut scene, Event::Outcome { attempt: id.clone(), outcome: failed_step(), untouched: false });
    assert!(matches!(scene.ledger.attempt(&id).unwrap().next(), Next::Do { index: 2, .. }));
    end(&mut scene, &id, Ended::Recovered);
    tell(&mut scene, Event::Outcome { attempt: id.clone(), outcome: failed_step(), untouched: false });
    assert_eq!(scene.ledger.attempt(&id).unwrap().next(), Next::Nothing);
}

#[test]
fn one_at_a_time_in_a_cluster_and_not_too_often() {
    let mut scene = Scene::lost();
    let other = begin(&mut scene, "other");
    scene.blocked(&["busy"]);
    end(&mut scene, &other, Ended::Recovered);
    scene.blocked(&[]);
    let own = begin(&mut scene, "orders");
    end(&mut scene, &own, Ended::PutBack);
    scene.now_ms += HOUR_MS - 1;
    scene.blocked(&["cooldown"]);
    scene.now_ms += 1;
    scene.blocked(&[]);
    fail(&mut scene, 2);
    scene.blocked(&["latched"]);
    let (connector, by) = (scene.id(), Actor::Person("uid 0".into()));
    tell(&mut scene, Event::Acknowledged { connector, by, reason: String::new() });
    scene.blocked(&[]);
    // What could not be put back needs a person at once.
    let own = begin(&mut scene, "orders");
    scene.now_ms += 1;
    end(&mut scene, &own, Ended::NeedsPerson);
    scene.now_ms += HOUR_MS;
    scene.blocked(&["latched"]);
}

#[test]
fn restarts_wait_longer_and_longer() {
    let mut scene = Scene::of(connector(token(LAST - 10, 1)), &[]);
    scene.connector().tasks = failed(None, FailureClass::Transient);
    scene.blocked(&[]);
    assert_eq!(codes(&scene.plan()), ["save", "restart_tasks", "verify"]);
    for minutes in [2, 6, 12, 20] {
        let plan = scene.plan();
        let attempt = open(&mut scene, plan);
        end(&mut scene, &attempt, Ended::PutBack);
        scene.now_ms += minutes * 60_000 - 1;
        scene.blocked(&["cooldown"]);
        scene.now_ms += 1;
        scene.blocked(&[]);
    }
}

/// A policy that has every loss answered by a reset.
fn resets(scene: &mut Scene) {
    let policy = Policy {
        name: "p".into(),
        connectors: vec![wildmatch::WildMatch::new("*")],
        on: vec![],
        mode: None,
        strategy: Some(Strategy::ResetOffsets),
        threshold: None,
    };
    scene.policies.policies = vec![policy];
}

#[test]
fn an_offset_is_removed_once() {
    let mut scene = Scene::lost();
    resets(&mut scene);
    let plan = scene.plan();
    assert_eq!(codes(&plan), ["save", "stop", "remove_offset", "resume", "verify"]);
    let id = open(&mut scene, plan);
    let step = Step::RemoveOffset { partition: NS.into() };
    tell(
        &mut scene,
        Event::Intent {
            attempt: id.clone(),
            phase: Phase::Forward,
            index: 2,
            round: 0,
            step,
            will: Will::default(),
        },
    );
    end(&mut scene, &id, Ended::PutBack);
    scene.now_ms += HOUR_MS;
    scene.blocked(&["removed_before"]);
    scene.details.stored = Some("{\"_data\": \"8266\"}".into());
    scene.blocked(&[]);
}

/// The new name has no offset: that drops the token as a removal does, and is what a worker without PATCH is given.
#[test]
fn a_key_is_renamed_once_for_one_token() {
    let mut scene = Scene::of(Scene::lost().facts.connectors[0].clone(), &[("offsets.storage.topic", "own")]);
    resets(&mut scene);
    let plan = scene.plan();
    assert_eq!(codes(&plan), ["save", "stop", "configure", "resume", "verify"]);
    let (step, id) = (plan.steps[2].clone(), open(&mut scene, plan));
    scene.blocked(&["busy"]);
    let (attempt, phase, will) = (id.clone(), Phase::Forward, Will::default());
    tell(&mut scene, Event::Intent { attempt, phase, index: 2, round: 0, step, will });
    end(&mut scene, &id, Ended::PutBack);
    scene.now_ms += HOUR_MS;
    scene.blocked(&["removed_before"]);
    // Whatever its key is called by now: the next name is another step, and drops the same token.
    scene.details.partition = Some(format!("{NS}.1"));
    scene.blocked(&["removed_before"]);
    scene.details.stored = Some("{\"_data\": \"8266\"}".into());
    scene.blocked(&[]);
}
