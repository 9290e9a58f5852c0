//! The `resume` strategy: it ends well where the connector is well, and stands again where it is not.

use super::attempts::{done, walk};
use super::steps::{ends, mark, offset, took, world};
use super::*;
use crate::recovery::check::{Check, Seen, check, verified};
use crate::recovery::{Outcome, Strategy};

/// Standing since somebody stopped or paused it, its position inside the window still.
fn standing(state: ConnectorState) -> (Scene, Plan) {
    let mut connector = connector(token(FIRST + 60, 1));
    connector.state = Ok(state);
    connector.tasks =
        if state == ConnectorState::Stopped { vec![] } else { vec![task(TaskState::Paused, None)] };
    let mut scene = Scene::of(connector, &[]);
    scene.policies.policies = vec![Policy {
        name: "low".into(),
        connectors: vec![wildmatch::WildMatch::new("*")],
        on: vec![Trigger::LowHeadroom],
        mode: None,
        strategy: None,
        threshold: Some(Duration::from_secs(30 * 86_400)),
    }];
    let plan = scene.by(Strategy::Resume);
    (scene, plan)
}

fn broken() -> Outcome {
    Outcome::Failed { says: "its task failed again: history_lost (error 286)".into() }
}

#[test]
fn an_idle_one_is_well_inside_the_window_and_one_that_fails_stands_again() {
    for (state, back) in [(ConnectorState::Paused, "pause"), (ConnectorState::Stopped, "stop")] {
        let (scene, plan) = standing(state);
        assert_eq!(codes(&plan), ["save", "resume", "verify"]);
        let (steps, ended) = walk(plan.clone(), |code, _| if code == "verify" { broken() } else { done() });
        assert_eq!((steps.join(" "), ended), (format!("save resume verify [{back}]"), Ended::PutBack));
        let (steps, ended) = walk(plan.clone(), |code, _| if code == "save" { broken() } else { done() });
        assert_eq!((steps.join(" ").as_str(), ended), ("save", Ended::PutBack));

        let mut scene = Scene { ledger: Ledger::default(), ..scene };
        let id = attempts::open(&mut scene, plan);
        took(&mut scene, &id, Step::Resume, Will::default(), Some(done()));
        let attempt = scene.ledger.attempt(&id).unwrap();
        let idle = World {
            tasks: vec![task(TaskState::Running, None)],
            offsets: vec![offset(&mark(FIRST + 60))],
            ..world(&scene)
        };
        assert!(
            matches!(verified(attempt, &idle), Seen::Well { .. }),
            "nothing newer is stored, nor has to be"
        );
        assert!(matches!(verified(attempt, &world(&scene)), Seen::Broken(_)));
    }
}

#[test]
fn what_it_started_it_makes_stand_again_and_what_a_person_did_since_stays() {
    let look = |scene: &Scene, id: &AttemptId, step: &Step, world: &World| {
        check(scene.ledger.attempt(id).unwrap(), Phase::Back, step, world, 0)
    };
    let (mut scene, plan) = standing(ConnectorState::Paused);
    let id = attempts::open(&mut scene, plan);
    took(&mut scene, &id, Step::Resume, Will::default(), Some(done()));
    let with = |scene: &Scene, state| World { state: Some(state), tasks: vec![], ..world(scene) };
    for state in [ConnectorState::Running, ConnectorState::Failed, ConnectorState::Unassigned] {
        assert!(matches!(look(&scene, &id, &Step::Pause, &with(&scene, state)), Check::Go(_)), "{state:?}");
    }
    ends(look(&scene, &id, &Step::Pause, &with(&scene, ConnectorState::Paused)), "not_needed", "paused");
    ends(look(&scene, &id, &Step::Pause, &with(&scene, ConnectorState::Stopped)), "not_needed", "somebody");
    // Asked for, and not seen: that it is paused still tells nothing.
    let (mut scene, plan) = standing(ConnectorState::Paused);
    let id = attempts::open(&mut scene, plan);
    took(&mut scene, &id, Step::Resume, Will::default(), Some(broken()));
    assert_eq!(scene.ledger.attempt(&id).unwrap().put_back(), [Step::Pause, Step::Verify]);
    assert!(matches!(look(&scene, &id, &Step::Pause, &with(&scene, ConnectorState::Paused)), Check::Go(_)));

    let (mut scene, plan) = standing(ConnectorState::Stopped);
    let id = attempts::open(&mut scene, plan);
    took(&mut scene, &id, Step::Resume, Will::default(), Some(done()));
    for state in [ConnectorState::Running, ConnectorState::Failed, ConnectorState::Stopped] {
        assert!(matches!(look(&scene, &id, &Step::Stop, &with(&scene, state)), Check::Go(_)), "{state:?}");
    }
    ends(look(&scene, &id, &Step::Stop, &with(&scene, ConnectorState::Paused)), "not_needed", "left to them");
}
