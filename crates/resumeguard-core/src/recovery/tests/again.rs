//! The same trouble again and again, and a strategy that policy wants and that does not fit.

use super::*;
use crate::recovery::strategy::suited;
use crate::recovery::{Lost, Strategy, Stretch};
use wildmatch::WildMatch;

const DAY_MS: i64 = 24 * HOUR_MS;

/// One more recovery that succeeded, at this hour.
fn recovered(scene: &mut Scene, hour: i64, lost: Lost) {
    let now_ms = std::mem::replace(&mut scene.now_ms, hour * HOUR_MS);
    let attempt = attempts::begin(scene, "orders");
    let says = String::new();
    let ended = Event::Ended { attempt, ended: Ended::Recovered, says, lost };
    scene.ledger.apply(&Entry { seq: 1, at_ms: scene.now_ms, event: ended });
    scene.now_ms = now_ms;
}

/// What is seen says lost, and what is found says that it is not: in every pass.
#[test]
fn what_was_not_needed_again_and_again_is_asked_less_and_less() {
    let mut scene = Scene { now_ms: 100 * HOUR_MS, ..Scene::lost() };
    let not_needed = |scene: &mut Scene| {
        let attempt = attempts::begin(scene, "orders");
        attempts::end(scene, &attempt, Ended::NotNeeded);
    };
    let left = |scene: &Scene| match scene.planned().unwrap().blockers.as_slice() {
        [] => 0,
        [Blocker::Cooldown { seconds }] => *seconds,
        others => panic!("{others:?}"),
    };
    for expected in [20, 40, 80, 160] {
        not_needed(&mut scene);
        assert_eq!(left(&scene), expected);
        scene.now_ms += expected * 1_000 - 1;
        assert_eq!(left(&scene), 1);
        scene.now_ms += 1;
        assert_eq!(left(&scene), 0);
    }
    // An hour later it begins anew; a cooldown is the most.
    scene.now_ms += HOUR_MS;
    not_needed(&mut scene);
    assert_eq!(left(&scene), 20);
    scene.policies.cooldown = std::time::Duration::from_secs(5);
    assert_eq!(left(&scene), 5);
}

fn stretch() -> Lost {
    let at = |t| Timestamp { t, i: 1 };
    Lost::Stretch(Stretch { from: at(1), to: at(2) })
}

fn acknowledge(scene: &mut Scene) {
    let (connector, by) = (scene.id(), Actor::Person("uid 0".into()));
    let event = Event::Acknowledged { connector, by, reason: "the oplog is larger now".into() };
    scene.ledger.apply(&Entry { seq: 1, at_ms: scene.now_ms, event });
}

#[test]
fn who_is_recovered_again_and_again_and_loses_each_time_waits_for_a_person() {
    let mut scene = Scene { now_ms: 100 * HOUR_MS, ..Scene::lost() };
    recovered(&mut scene, 80, stretch());
    recovered(&mut scene, 90, Lost::Unknown);
    scene.blocked(&[]);
    recovered(&mut scene, 98, stretch());
    scene.blocked(&["keeps_losing"]);
    assert_eq!(scene.planned().unwrap().blockers, [Blocker::KeepsLosing { recoveries: 3 }]);
    // It is the recoveries of one day that count: the first of them is a day old in a moment.
    scene.now_ms = 80 * HOUR_MS + DAY_MS - 1;
    scene.blocked(&["keeps_losing"]);
    scene.now_ms += 1;
    scene.blocked(&[]);
    scene.now_ms -= 1;
    acknowledge(&mut scene);
    scene.blocked(&[]);
}

/// An idle connector whose mark leaves the oplog time after time, or what a restart cures, is no reason to stop.
#[test]
fn what_loses_nothing_is_not_given_up() {
    let mut scene = Scene { now_ms: 100 * HOUR_MS, ..Scene::lost() };
    for hour in 90..97 {
        recovered(&mut scene, hour, Lost::Nothing);
    }
    scene.blocked(&[]);
    for hour in 90..97 {
        recovered(&mut scene, hour, stretch());
    }
    let mut plan = scene.plan();
    let blocked = |plan: &Plan| blockers_of_history(plan, &scene.ledger, &scene.policies, scene.now_ms);
    assert_eq!(blocked(&plan), [Blocker::KeepsLosing { recoveries: 7 }]);
    plan.loses = Loses::Nothing;
    assert_eq!(blocked(&plan), []);
}

fn wants(strategy: Strategy, on: &[Trigger]) -> Policies {
    let policy = Policy {
        name: "wanted".into(),
        connectors: vec![WildMatch::new("*")],
        on: on.to_vec(),
        mode: Some(Mode::Auto),
        strategy: Some(strategy),
        threshold: None,
    };
    Policies { policies: vec![policy], ..Policies::default() }
}

#[test]
fn what_policy_wants_and_cannot_be_done_is_said_and_not_replaced() {
    let lost = |strategy| Scene { policies: wants(strategy, &[]), ..Scene::lost() };
    assert_eq!(lost(Strategy::ResetOffsets).plan().strategy, Strategy::ResetOffsets);
    lost(Strategy::ResetOffsets).blocked(&[]);
    // Tolerant already, it would have gone on by itself.
    let tolerant = || Scene {
        policies: wants(Strategy::TolerateErrors, &[]),
        ..Scene::of(Scene::lost().facts.connectors[0].clone(), &[("errors.tolerance", "all")])
    };
    let mut scene = tolerant();
    assert_eq!(scene.plan().strategy, Strategy::Salvage);
    scene.blocked(&["strategy_unfit"]);
    let (plan, connector, by) = (scene.plan().id, scene.id(), Actor::Person("uid 0".into()));
    let approved = Event::Approved { plan, connector, by, reason: "rather that".into(), mass_failure: None };
    scene.ledger.apply(&Entry { seq: 2, at_ms: scene.now_ms, event: approved });
    scene.blocked(&[]);
}

/// A policy for every kind of trouble means the kind that its strategy is made for.
#[test]
fn in_other_trouble_what_loses_least_is_chosen() {
    let id = ConnectorId::new("main", "orders");
    for strategy in Strategy::ALL {
        assert!(Trigger::ALL.iter().any(|trigger| suited(*trigger).contains(&strategy)), "{strategy:?}");
        for trigger in Trigger::ALL {
            let rule = wants(strategy, &[]).rule(&id, trigger);
            assert_eq!(rule.strategy, suited(trigger).contains(&strategy).then_some(strategy));
        }
    }
    let mut transient = Scene::lost();
    transient.connector().tasks = failed(None, FailureClass::Transient);
    transient.connector().offset = token(FIRST + 7200, 1);
    transient.policies = wants(Strategy::Salvage, &[]);
    assert_eq!(transient.plan().strategy, Strategy::Restart);
    transient.blocked(&[]);
}

/// An idle connector whose mark ages out as its position has: said before it is done.
#[test]
fn who_will_be_lost_again_for_want_of_a_heartbeat_is_told_so() {
    let says =
        |scene: &Scene| scene.by(Strategy::Salvage).effects.iter().any(|line| line.contains("no heartbeat"));
    assert!(says(&Scene::running()) && !says(&Scene::lost()));
    let mut sets = Scene::running();
    sets.policies.set_heartbeat = Some(Duration::from_secs(60));
    assert!(!says(&sets));
    let mut beats = Scene::running();
    beats.connector().settings.heartbeat_ms = 10_000;
    assert!(!says(&beats));
}
