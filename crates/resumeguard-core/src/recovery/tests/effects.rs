//! What a plan says beforehand: what it loses, and what else comes of it.

use super::*;
use crate::recovery::{Strategy, WritesTopic};

/// So many sentences, each with these words.
#[track_caller]
fn says(plan: &Plan, words: &[&str]) {
    let all = plan.effects.len() == words.len()
        && plan.effects.iter().zip(words).all(|(effect, words)| effect.contains(words));
    assert!(all, "{words:?}: {:#?}", plan.effects);
}

/// `Scene::lost` with these settings.
fn lost(more: &[(&str, &str)]) -> Scene {
    Scene::of(Scene::lost().facts.connectors.remove(0), more)
}

const NOTHING_STORED: &str = "nothing is stored until the next change";
const MARKER: &str = "one marker document in shop.orders";
const AGAIN: &str = "it has no heartbeat";

#[test]
fn salvage_says_what_is_not_proven_and_what_comes_again() {
    says(&Scene::lost().plan(), &[]);
    let mut running = Scene::running();
    says(&running.plan(), &["is not proven", "stopped and started", AGAIN]);
    let stream = ChangeStream {
        namespace: "shop.orders".into(),
        created_ms: i64::from(FIRST - 7200) * 1000,
        last_read: Some(i64::from(LAST)),
        start: StreamStart::After(Timestamp { t: FIRST - 3600, i: 1 }),
    };
    running.facts.deployments.get_mut("rs0").unwrap().members.as_mut().unwrap()[0].streams =
        Some(vec![stream]);
    assert_eq!(running.plan().loses, Loses::Nothing);
    says(&running.plan(), &["stopped and started", AGAIN]);

    let inside = |code, class| {
        let mut scene = Scene::of(connector(token(LAST - 1000, 1)), &[]);
        scene.connector().tasks = failed(Some(code), class);
        scene.plan()
    };
    says(&inside(280, FailureClass::WrongStream), &["does not have", "delivered once more"]);
    says(&inside(50_811, FailureClass::TokenMalformed), &["everything that is still in the oplog"]);
    let mut old = Scene::lost();
    old.details.connect.version = Some("3.4.1".into());
    says(&old.plan(), &["its offset.partition.name stays changed: Kafka Connect before 3.6"]);
}

#[test]
fn the_first_cure_writes_a_marker_where_no_heartbeat_comes() {
    let tolerate = |scene: &Scene| scene.by(Strategy::TolerateErrors);
    let without = tolerate(&Scene::lost());
    says(&without, &["restarted twice", MARKER]);
    let marked = "save configure resume insert_marker await_stored remove_marker configure verify";
    assert_eq!(codes(&without).join(" "), marked);
    let beating = tolerate(&lost(&[("heartbeat.interval.ms", "1000")]));
    says(&beating, &["restarted twice"]);
    assert_eq!(codes(&beating).join(" "), "save configure await_stored configure verify");
    // A version without a setting of its own drops what cannot be converted, too.
    let mut old = Scene::lost();
    old.connector().version = Some("1.5.1".into());
    says(&tolerate(&old), &["restarted twice", "cannot be converted or sent", MARKER]);
    // It reopens at that time, and never copies.
    let timed = tolerate(&lost(&[("startup.mode", "timestamp")]));
    says(&timed, &["restarted twice", MARKER, "its startup.mode is timestamp"]);
    assert_eq!(timed.loses, Loses::Unknown);
    let copying = tolerate(&lost(&[("startup.mode", "copy_existing")]));
    says(&copying, &["restarted twice", MARKER]);
    assert!(matches!(copying.loses, Loses::UpToNow { .. }));
}

#[test]
fn a_reset_begins_where_the_start_up_mode_says() {
    let reset = |more: &[(&str, &str)]| lost(more).by(Strategy::ResetOffsets);
    says(&reset(&[]), &[NOTHING_STORED]);
    says(&reset(&[("heartbeat.interval.ms", "1000")]), &[]);
    says(&reset(&[("startup.mode", "timestamp")]), &["its startup.mode is timestamp", NOTHING_STORED]);
    says(&reset(&[("startup.mode", "copy_existing")]), &["every existing document", NOTHING_STORED]);
    says(&reset(&[("offsets.storage.topic", "own")]), &["the offset under the old one", NOTHING_STORED]);
    says(&Scene::lost().by(Strategy::Resnapshot), &["delivered again", "as long as the copy takes"]);
    // Its live stream is not proven: what it has delivered is not known.
    let from = Some(Timestamp { t: FIRST - 3600, i: 1 });
    let running = Scene::running().by(Strategy::ResetOffsets);
    assert!(matches!(running.loses, Loses::UpToNow { from: known, .. } if known == from), "{running:?}");
}

#[test]
fn a_reset_in_the_offsets_topic_says_what_is_written_and_how_long_it_stands() {
    let mut scene = Scene::lost();
    scene.details.connect.version = Some("3.4.1".into());
    scene.details.connect.topic = WritesTopic::WhenNeeded;
    let stands = "stands still for longer than an offset flush";
    says(&scene.by(Strategy::ResetOffsets), &["a tombstone is written", stands, NOTHING_STORED]);
    scene.connector().state = Ok(ConnectorState::Paused);
    scene.connector().tasks = vec![task(TaskState::Paused, None)];
    says(&scene.by(Strategy::ResetOffsets), &["a tombstone is written", NOTHING_STORED]);
}

#[test]
fn what_loses_nothing_says_so() {
    let mut scene = Scene::of(connector(token(FIRST + 100, 1)), &[]);
    scene.policies.policies = vec![Policy {
        name: "low".into(),
        connectors: vec![wildmatch::WildMatch::new("*")],
        on: vec![],
        mode: None,
        strategy: None,
        threshold: Some(Duration::from_secs(101)),
    }];
    let (nudge, extend) = (scene.by(Strategy::Nudge), scene.by(Strategy::ExtendOplog));
    says(&nudge, &[MARKER]);
    says(&extend, &["replSetResizeOplog: 1, size: Double(2048)", "other members keep their size"]);
    scene.connector().state = Ok(ConnectorState::Paused);
    scene.connector().tasks = vec![task(TaskState::Paused, None)];
    let resume = scene.by(Strategy::Resume);
    says(&resume, &["somebody has paused or stopped it"]);
    assert_eq!([nudge.loses, extend.loses, resume.loses], [Loses::Nothing; 3]);

    let mut transient = Scene::of(connector(token(LAST - 1000, 1)), &[]);
    transient.connector().tasks = failed(None, FailureClass::Transient);
    says(&transient.plan(), &["delivered again"]);
    if let Ok(StoredOffset::Token(position)) = &mut transient.connector().offset {
        position.ends = StreamEnd::OfCollection;
    }
    says(&transient.plan(), &["delivered again", "as it stands, a restart skips"]);
}

#[test]
fn a_placeholder_would_be_lost_where_its_setting_is_changed() {
    let blockers = |value: &str| {
        let mut scene = Scene::lost();
        scene.policies.allow_source_writes = true;
        scene.details.config.insert("mongo.errors.tolerance".into(), value.into());
        let planned = scene.planned().unwrap();
        let mut all = planned.alternatives.into_iter();
        all.find(|(plan, _)| plan.strategy == Strategy::TolerateErrors).unwrap().1
    };
    let key = "mongo.errors.tolerance".to_owned();
    assert_eq!(blockers("${file:/secrets:tolerance}"), [Blocker::SettingHidden { key }]);
    assert_eq!(blockers("none"), []);
}
