//! What is not delivered, step by step: from which position to which.

use super::attempts::open;
use super::steps::{attempt, done, mark, took, write_mark};
use super::*;
use crate::recovery::attempt::Taken;
use crate::recovery::{Lost, Outcome, Strategy};

fn at(t: u32) -> Timestamp {
    Timestamp { t, i: 1 }
}

/// From the position that `Scene::lost` has stored.
fn up_to(t: u32) -> Lost {
    Lost::Stretch(Stretch { from: at(FIRST - 3600), to: at(t) })
}

fn reached(t: u32) -> Option<Outcome> {
    Some(Outcome::Done { says: String::new(), reached: Some(at(t)) })
}

fn marked(t: u32) -> Will {
    Will { text: Some(mark(t)), ..Will::default() }
}

/// Where it stood before it was moved is not where it went on.
#[test]
fn only_what_was_seen_after_the_move_is_its_end() {
    let mut scene = Scene::lost();
    let plan = scene.by(Strategy::ResetOffsets);
    let id = open(&mut scene, plan);
    let mut attempt = scene.ledger.attempt(&id).unwrap().clone();
    let removal = Step::RemoveOffset { partition: NS.into() };
    for (step, at_ms, outcome) in [
        (Step::Stop, 5, reached(FIRST - 1800)),
        (removal, 10, done()),
        (Step::Resume, 20, reached(LAST)),
        (Step::Verify, 30, reached(LAST + 7)),
    ] {
        let outcome = outcome.map(|outcome| (outcome, at_ms));
        attempt.taken.push(Taken { outcome, ..Taken::new(Phase::Forward, 0, 0, &step, at_ms) });
    }
    assert_eq!(attempt.lost(), up_to(LAST));
}

#[test]
fn a_mark_at_the_position_itself_loses_nothing() {
    let lost = |t| {
        let mut scene = Scene::lost();
        let plan = scene.plan();
        let id = attempt(&mut scene, plan);
        took(&mut scene, &id, write_mark(), marked(t), done());
        scene.ledger.attempt(&id).unwrap().lost()
    };
    assert_eq!([lost(FIRST - 3600), lost(FIRST - 3601)], [Lost::Nothing; 2]);
    assert_eq!(lost(FIRST - 3599), up_to(FIRST - 3599));
}

/// Of a live stream that is not proven, the stored position is all that is known to be delivered.
#[test]
fn where_it_was_stopped_counts_for_a_proven_stream_only() {
    let mut scene = Scene::running();
    let plan = scene.plan();
    assert_eq!(plan.trigger, Trigger::LostWhileRunning);
    assert_ne!(plan.loses, Loses::Nothing);
    let id = attempt(&mut scene, plan);
    took(&mut scene, &id, Step::Stop, Will::default(), reached(LAST));
    took(&mut scene, &id, write_mark(), marked(FIRST), done());
    assert_eq!(scene.ledger.attempt(&id).unwrap().lost(), up_to(FIRST));
}

#[test]
fn a_mark_of_which_nobody_knows_is_no_end() {
    let mut scene = Scene::lost();
    let plan = scene.plan();
    let id = attempt(&mut scene, plan);
    let failed = Some(Outcome::Failed { says: "it was answered 504".into() });
    took(&mut scene, &id, write_mark(), marked(FIRST), failed);
    assert_eq!(scene.ledger.attempt(&id).unwrap().lost(), Lost::Unknown);
}

#[test]
fn a_cure_by_settings_loses_what_lies_before_its_next_token() {
    let mut scene = Scene::lost();
    let plan = scene.by(Strategy::TolerateErrors);
    let id = attempt(&mut scene, plan);
    let config = BTreeMap::from([("mongo.errors.tolerance".to_owned(), Some("all".to_owned()))]);
    took(&mut scene, &id, Step::Configure { to: config.clone() }, Will { config, text: None }, done());
    took(&mut scene, &id, Step::AwaitStored, Will::default(), reached(LAST));
    assert_eq!(scene.ledger.attempt(&id).unwrap().lost(), up_to(LAST));

    let mut old = Scene::lost();
    old.details.connect.version = Some("3.4.1".into());
    let plan = old.plan();
    let id = attempt(&mut old, plan);
    took(&mut old, &id, Step::StartAtOldest { partition: "x".into() }, marked(FIRST + 1), done());
    assert_eq!(old.ledger.attempt(&id).unwrap().lost(), up_to(FIRST + 1));
}
