//! What people, the journal and its readers see of recovery's values: words are a contract, and secrets are not shown.

use super::*;
use serde_json::{Map, json};

const SECRET: &str = "hunter2";

fn raw(partition: &str, offset: Option<serde_json::Value>) -> RawOffset {
    let map = |value: serde_json::Value| value.as_object().cloned().unwrap_or_else(Map::new);
    RawOffset { partition: map(json!({ "ns": partition })), offset: offset.map(map), record: None }
}

#[test]
fn values_are_shown_without_what_they_hold() {
    let config = BTreeMap::from([("connection.uri".to_owned(), SECRET.to_owned())]);
    let offsets = vec![raw(SECRET, Some(json!({ "_id": SECRET })))];
    let state = ConnectorState::Paused;
    let saved = Saved { state, config: config.clone(), offsets: offsets.clone() };
    let oldest = Ok(Timestamp { t: 7, i: 1 });
    let world = World {
        state: Some(state),
        tasks: vec![],
        config: config.clone(),
        offsets: offsets.clone(),
        down: true,
        oldest,
    };
    let stored =
        StoredBytes { key: SECRET.as_bytes().into(), value: SECRET.as_bytes().into(), partition: Some(4) };
    let will = Will { text: Some(SECRET.into()), config: BTreeMap::from([("a".into(), None)]) };
    let details = Details { config, stored: Some(SECRET.into()), ..Scene::lost().details };
    for (shown, expected) in [
        (format!("{saved:?}"), "Saved { state: Paused, .. }"),
        (
            format!("{world:?}"),
            "World { state: Some(Paused), down: true, oldest: Ok(Timestamp { t: 7, i: 1 }), .. }",
        ),
        (format!("{:?}", offsets[0]), "RawOffset { .. }"),
        (format!("{stored:?}"), "StoredBytes { partition: Some(4), .. }"),
        (format!("{will:?}"), r#"Will { config: {"a": None}, .. }"#),
    ] {
        assert_eq!(shown, expected);
    }
    let details = format!("{details:?}");
    assert!(details.starts_with("Details { connect: ") && !details.contains(SECRET), "{details}");
}

#[test]
fn names_are_shown_as_they_are() {
    assert_eq!(AttemptId("a1".into()).to_string(), "a1");
    assert_eq!(PlanId("p1".into()).to_string(), "p1");
    assert_eq!(
        [Actor::Auto, Actor::Person("uid 7".into())].map(|actor| actor.to_string()),
        ["auto", "uid 7"]
    );
}

#[test]
fn events_are_found_by_the_word_that_stands_in_the_journal() {
    let attempt = AttemptId("a1".into());
    let ended = Event::Ended { attempt, ended: Ended::Recovered, says: String::new(), lost: Lost::Nothing };
    for (event, code) in [(Event::Opened, "opened"), (ended, "ended")] {
        assert_eq!((event.code(), &serde_json::to_value(&event).unwrap()["event"]), (code, &json!(code)));
        assert_eq!(event.connector(), None);
    }
    assert_eq!([Lost::Nothing, Lost::Unknown].map(Lost::code), ["nothing", "unknown"]);
}

#[test]
fn triggers_are_read_as_they_are_written() {
    let codes = Trigger::ALL.map(Trigger::code);
    assert_eq!(codes[..3], ["history_lost", "lost_while_running", "lost_while_stopped"]);
    assert_eq!(codes[3..], ["transient_failure", "wrong_stream", "token_malformed", "low_headroom"]);
    assert_eq!(codes.map(Trigger::parse), Trigger::ALL.map(Some));
    assert_eq!(Trigger::parse("lost"), None);
}

#[test]
fn what_is_lost_is_said_in_seconds_where_both_ends_are_known() {
    let at = |t| Timestamp { t, i: 1 };
    for (loses, sentence) in [
        (Loses::Nothing, "nothing"),
        (
            Loses::Deleted { from: at(100), to: at(160) },
            "60 s of history that MongoDB has deleted, and nothing that is still there",
        ),
        (
            Loses::UpToNow { from: None, to: Some(at(160)) },
            "everything up to the moment it goes on, whether MongoDB still has it or not",
        ),
        (Loses::Unknown, "nobody knows how much"),
    ] {
        assert_eq!(loses.sentence(), sentence);
    }
}

#[test]
fn steps_say_what_they_do() {
    let configure =
        |key: &str| Step::Configure { to: BTreeMap::from([(key.to_owned(), Some("x".to_owned()))]) };
    assert_eq!(Step::Pause.sentence(), "pause it again (PUT …/pause)");
    let sentence = configure("errors.tolerance").sentence();
    assert!(sentence.starts_with("configure ") && sentence.contains("errors.tolerance"), "{sentence}");
    let remove = Step::RemoveOffset { partition: NS.into() };
    let (renames, other) = (configure("offset.partition.name"), configure("errors.tolerance"));
    let all = [&remove, &renames, &other, &Step::Pause];
    assert_eq!(all.map(Step::renames_its_key), [false, true, false, false]);
    assert_eq!(all.map(Step::drops_its_offset), [true, true, false, false]);
    assert_eq!(
        [&Step::Save, &Step::AwaitStill, &Step::Verify, &remove].map(Step::changes),
        [false, false, false, true]
    );
}

#[test]
fn a_position_of_a_copy_is_none_of_the_oplog() {
    let copy = |offset| raw(NS, offset).is_copy();
    assert_eq!([copy(Some(json!({ "copy": true }))), copy(Some(json!({ "initialSync": true })))], [true; 2]);
    assert_eq!([copy(Some(json!({ "_id": "x" }))), copy(None)], [false; 2]);
}

/// What was removed stands under no key, and neither does another key's.
#[test]
fn an_offset_is_found_under_its_own_key() {
    let oldest = Ok(Timestamp { t: 7, i: 1 });
    let offsets = vec![raw("other", Some(json!({}))), raw(NS, None)];
    let world = World { state: None, tasks: vec![], config: BTreeMap::new(), offsets, down: false, oldest };
    assert!(world.under(NS).is_none() && world.under("other").is_some());
}

#[test]
fn a_new_journal_waits_out_its_cooldown_rounded_up() {
    let mut scene = Scene::lost();
    let cooldown = i64::try_from(scene.policies.cooldown.as_millis()).unwrap();
    scene.ledger.opened_ms = Some(scene.now_ms - cooldown + 1_500);
    let blockers = scene.planned().unwrap().blockers;
    assert!(blockers.contains(&Blocker::NewJournal { seconds: 2 }), "{blockers:?}");
}

#[test]
fn what_the_sources_are_called() {
    assert_eq!(
        [OffsetsFrom::Rest, OffsetsFrom::Topic, OffsetsFrom::File].map(OffsetsFrom::code),
        ["rest", "topic", "file"]
    );
    let words = LiveStream::ALL.map(LiveStream::code);
    assert_eq!(words, ["carries", "opened_later", "unread", "none", "unproven"]);
    let sentences = LiveStream::ALL.map(LiveStream::sentence);
    assert_eq!(sentences[3], "no member shows one");
    assert!(sentences.iter().all(|sentence| sentence.contains(' ')), "{sentences:?}");
}
