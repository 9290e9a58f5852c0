//! What the journal says about the next plan, to the millisecond.

use super::attempts::{begin, end, fail, open};
use super::*;
use crate::recovery::{Lost, Strategy};

fn tell(scene: &mut Scene, event: Event) {
    scene.ledger.apply(&Entry { seq: 1, at_ms: scene.now_ms, event });
}

fn person() -> Actor {
    Actor::Person("uid 0".into())
}

fn acknowledge(scene: &mut Scene) {
    let connector = scene.id();
    tell(scene, Event::Acknowledged { connector, by: person(), reason: String::new() });
}

#[test]
fn what_is_told_of_one_attempt_is_not_told_of_another() {
    let mut scene = Scene::lost();
    let (first, second) = (begin(&mut scene, "one"), begin(&mut scene, "other"));
    let saved = Saved { state: ConnectorState::Paused, config: BTreeMap::new(), offsets: vec![] };
    tell(&mut scene, Event::Saved { attempt: first.clone(), saved: Box::new(saved) });
    let saved = |id| scene.ledger.attempt(id).unwrap().saved.is_some();
    assert_eq!((saved(&first), saved(&second)), (true, false));
}

/// Whoever acknowledges has seen what ended by then, that moment included.
#[test]
fn what_a_person_has_acknowledged_does_not_count() {
    let mut scene = Scene { now_ms: 100 * HOUR_MS, ..Scene::lost() };
    let connector = scene.id();
    fail(&mut scene, 3);
    assert_eq!(scene.ledger.failures(&connector), 3);
    scene.now_ms -= HOUR_MS;
    acknowledge(&mut scene);
    assert_eq!(scene.ledger.failures(&connector), 0);
    let attempt = begin(&mut scene, "orders");
    tell(
        &mut scene,
        Event::Ended { attempt, ended: Ended::Recovered, says: String::new(), lost: Lost::Unknown },
    );
    let losing = |scene: &Scene| scene.ledger.losing_recoveries(&connector, scene.now_ms);
    assert_eq!(losing(&scene), 0, "at that moment still");
    scene.ledger.acknowledged.clear();
    assert_eq!(losing(&scene), 1);
}

#[test]
fn after_an_hour_waits_begin_anew() {
    let begun_ms = 100 * HOUR_MS;
    let until = |apart_ms| {
        let mut scene = Scene { now_ms: begun_ms, ..Scene::lost() };
        for _ in 0..2 {
            let attempt = begin(&mut scene, "orders");
            end(&mut scene, &attempt, Ended::NotNeeded);
            scene.now_ms += apart_ms;
        }
        scene.ledger.cooldown_until(&scene.id(), Duration::from_secs(3600)).unwrap() - begun_ms - apart_ms
    };
    assert_eq!([until(HOUR_MS - 1), until(HOUR_MS)], [40_000, 20_000]);

    let mut scene = Scene::of(connector(token(LAST - 10, 1)), &[]);
    scene.connector().tasks = failed(None, FailureClass::Transient);
    let plan = scene.plan();
    assert_eq!(plan.strategy, Strategy::Restart);
    let attempt = open(&mut scene, plan);
    end(&mut scene, &attempt, Ended::PutBack);
    let again = |now_ms| scene.ledger.restart_again_at(&scene.id(), now_ms);
    assert_eq!(again(scene.now_ms + HOUR_MS - 1), Some(scene.now_ms + 120_000));
    assert_eq!(again(scene.now_ms + HOUR_MS), None);
}

#[test]
fn a_plan_that_a_person_has_discarded_is_not_carried_out() {
    let mut scene = Scene::lost();
    let (plan, connector) = (scene.plan().id, scene.id());
    let reason = "not now".to_owned();
    tell(
        &mut scene,
        Event::Discarded { plan: plan.clone(), connector, by: person(), reason: reason.clone() },
    );
    assert_eq!(scene.planned().unwrap().blockers, [Blocker::Discarded { reason }]);
    assert!(scene.ledger.discarded(&plan).is_some() && scene.ledger.frozen.is_none());
}

#[test]
fn the_last_success_is_known_though_it_is_forgotten() {
    let mut scene = Scene::lost();
    assert_eq!(scene.ledger.last_success_ms(), None);
    let succeeds = |scene: &mut Scene, ended| {
        let attempt = begin(scene, "orders");
        end(scene, &attempt, ended);
        scene.ledger.last_success_ms()
    };
    let first_ms = scene.now_ms;
    assert_eq!(succeeds(&mut scene, Ended::Recovered), Some(first_ms));
    scene.now_ms += 1;
    assert_eq!(succeeds(&mut scene, Ended::PutBack), Some(first_ms));
    let forgotten = |ms| Event::Forgotten { attempts: BTreeMap::new(), last_success_ms: Some(ms) };
    tell(&mut scene, forgotten(first_ms + 5));
    tell(&mut scene, forgotten(first_ms + 3));
    assert_eq!(scene.ledger.last_success_ms(), Some(first_ms + 5));
}

#[test]
fn every_event_names_its_connector_where_it_has_one() {
    let scene = Scene::lost();
    let (plan, connector, by, reason) = (scene.plan(), scene.id(), person(), String::new());
    let begun = Event::Begun {
        attempt: AttemptId("a1".into()),
        plan: Box::new(plan.clone()),
        by: by.clone(),
        reason: reason.clone(),
    };
    let discarded = Event::Discarded {
        plan: plan.id,
        connector: connector.clone(),
        by: by.clone(),
        reason: reason.clone(),
    };
    for event in [begun, discarded] {
        assert_eq!(event.connector(), Some(&connector));
    }
    assert_eq!(Event::Frozen { by, reason }.connector(), None);
}

#[test]
fn the_greatest_mode_is_that_of_any_policy() {
    let of = |mode, others: &[Mode]| {
        let policy = |mode: &Mode| Policy {
            name: String::new(),
            connectors: vec![],
            on: vec![],
            mode: Some(*mode),
            strategy: None,
            threshold: None,
        };
        Policies { mode, policies: others.iter().map(policy).collect(), ..Policies::default() }
            .greatest_mode()
    };
    assert_eq!(of(Mode::Plan, &[Mode::Off, Mode::Auto]), Mode::Auto);
    assert_eq!(of(Mode::Approve, &[Mode::Plan]), Mode::Approve);
    assert_eq!(of(Mode::Off, &[]), Mode::Off);
}

/// Two passes, and a reading that is no older than three intervals of 15 s.
#[test]
fn the_least_that_is_evidence_is_enough() {
    Scene { passes: 2, ..Scene::lost() }.blocked(&[]);
    let aged = |seconds| {
        let mut scene = Scene::of(connector(token(LAST - 10, 1)), &[]);
        scene.connector().tasks = failed(None, FailureClass::Transient);
        scene.connector().offset_age = Duration::from_secs(seconds);
        scene.planned().unwrap().blockers
    };
    assert_eq!(aged(45), []);
    assert!(aged(46).contains(&Blocker::StaleFacts));
    let mut stale = Scene::lost();
    stale.connector().offset = Err(Why::Stale);
    assert!(stale.planned().unwrap().blockers.contains(&Blocker::StaleFacts));
}

#[test]
fn the_same_trouble_with_another_token_is_another_trouble() {
    let scene = Scene::lost();
    let (snapshot, _) = assess(&Memory::default(), &scene.facts, &Thresholds::default(), now(0));
    let (policies, ledger, now_ms) = (&scene.policies, &scene.ledger, scene.now_ms);
    let around = Around { policies, ledger, no_journal: None, frozen: None, now_ms };
    let passes = |stored: [&str; 2]| {
        let pass = |before: Sightings, stored: &str| {
            let details = Details { stored: Some(stored.to_owned()), ..scene.details.clone() };
            round(&snapshot, &scene.facts, |_| Some(details.clone()), &before, &around).1
        };
        stored.into_iter().fold(Sightings::default(), pass).passes(&scene.id())
    };
    assert_eq!((passes(["one", "one"]), passes(["one", "other"])), (2, 1));
}

#[test]
fn as_many_as_are_allowed_are_not_too_many() {
    let mut scene = Scene::lost();
    scene.policies.mass_failure = 1;
    scene.blocked(&[]);
    // One is no mass, whatever its share.
    scene.details.connect.connectors = 3;
    scene.policies.mass_failure_ratio = 0.3;
    scene.blocked(&[]);
}

#[test]
fn a_token_that_cannot_be_read_is_a_persons_to_decide() {
    let malformed = || connector(Ok(StoredOffset::Malformed { parses: true }));
    Scene::of(malformed(), &[]).blocked(&["never_automatic"]);
    // Of a task that failed for another reason, nobody knows where a restart would begin.
    let mut transient = Scene::of(malformed(), &[]);
    transient.connector().tasks = failed(None, FailureClass::Transient);
    let blockers = transient.planned().unwrap().blockers;
    assert!(blockers.iter().any(|blocker| blocker.code() == "unknown"), "{blockers:?}");
}

#[test]
fn what_the_server_said_counts_where_nothing_could_be_read() {
    let trouble = |offset, answer: Option<ProbeAnswer>| {
        let mut connector = connector(offset);
        connector.tasks = failed(Some(286), FailureClass::HistoryLost);
        connector.probe = answer.map(|answer| Probe { answer, age: Duration::ZERO, margin_seconds: None });
        Scene::of(connector, &[]).plan().trigger
    };
    assert_eq!(trouble(Err(Why::OffsetsUnreadable), None), Trigger::HistoryLost);
    let inside = || token(LAST - 10, 1);
    assert_eq!(trouble(inside(), None), Trigger::HistoryLost);
    let accepted = Some(ProbeAnswer::Resumes);
    assert_eq!(trouble(inside(), accepted), Trigger::TransientFailure, "it resumes at a restart");
    let of_the_position: Vec<_> = Trigger::ALL.into_iter().filter(|one| one.is_of_the_position()).collect();
    assert_eq!(
        of_the_position,
        [
            Trigger::HistoryLost,
            Trigger::LostWhileRunning,
            Trigger::LostWhileStopped,
            Trigger::WrongStream,
            Trigger::TokenMalformed
        ]
    );
    // RUNNING by its own word, and no task of it runs: it has not failed, and nothing lives that could be carried on.
    let mut between = Scene::running();
    between.connector().tasks = vec![task(TaskState::Unassigned, None)];
    assert_eq!(between.planned(), None);
}
