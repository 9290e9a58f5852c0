//! Debezium's connector: shown what would help, and left alone.

use super::*;

fn scene(mut connector: ConnectorFacts) -> Scene {
    connector.class = DEBEZIUM_SOURCE.to_owned();
    Scene::of(connector, &[("connector.class", DEBEZIUM_SOURCE)])
}

#[test]
fn nothing_writes_what_it_stores_whoever_approves() {
    let mut connector = connector(token(FIRST - 3600, 1));
    connector.tasks = failed(Some(286), FailureClass::HistoryLost);
    let mut scene = scene(connector);
    let planned = scene.planned().unwrap();
    assert_eq!((planned.plan.strategy, planned.alternatives.len()), (Strategy::ResetOffsets, 0));
    assert!(planned.blockers.contains(&Blocker::Debezium), "{:?}", planned.blockers);
    scene.policies.mode = Mode::Approve;
    let planned = scene.planned().unwrap();
    assert!(planned.blockers.contains(&Blocker::Debezium), "{:?}", planned.blockers);
    assert!(!Blocker::Debezium.yields_to_approval());
}

#[test]
fn a_restart_is_the_same_for_every_connector() {
    let mut connector = connector(token(FIRST + 3600, 1));
    connector.tasks = failed(None, FailureClass::Transient);
    let planned = scene(connector).planned().unwrap();
    assert_eq!(planned.plan.strategy, Strategy::Restart);
    assert!(!planned.blockers.contains(&Blocker::Debezium), "{:?}", planned.blockers);
}
