//! Which plans apply, and what each costs.

use super::*;
use crate::recovery::Strategy;

#[track_caller]
fn loses(scene: &Scene, strategy: Strategy, expected: Loses) {
    assert_eq!(scene.by(strategy).loses, expected);
}

fn time(t: u32, i: u32) -> Timestamp {
    Timestamp { t, i }
}

#[test]
fn salvage_loses_what_mongodb_has_deleted_and_the_cures_everything() {
    let scene = Scene::lost();
    assert_eq!(scene.plan().strategy, Strategy::Salvage);
    loses(&scene, Strategy::Salvage, Loses::Deleted { from: time(FIRST - 3600, 1), to: time(FIRST, 5) });
    let up_to_now = Loses::UpToNow { from: Some(time(FIRST - 3600, 1)), to: Some(time(LAST, 1)) };
    loses(&scene, Strategy::TolerateErrors, up_to_now);
    loses(&scene, Strategy::ResetOffsets, up_to_now);
    loses(&scene, Strategy::Resnapshot, Loses::DeletesAndIntermediateStates);
    assert_eq!((scene.plan().loses.seconds(), up_to_now.seconds()), (Some(3600), Some(103_600)));
    assert_eq!(scene.plan().rescans_bytes, Some(1_000_000));
}

#[test]
fn a_proven_live_stream_loses_nothing() {
    let mut scene = Scene::running();
    assert!(matches!(scene.plan().loses, Loses::Deleted { .. }), "its stream is not seen");
    let stream = ChangeStream {
        namespace: "shop.orders".into(),
        created_ms: i64::from(FIRST - 7200) * 1000,
        last_read: Some(i64::from(LAST)),
        start: StreamStart::After(time(FIRST - 3600, 1)),
    };
    let mut see = |stream| {
        scene.facts.deployments.get_mut("rs0").unwrap().members.as_mut().unwrap()[0].streams =
            Some(vec![stream]);
        scene.by(Strategy::Salvage).loses
    };
    let anybodys = ChangeStream { start: StreamStart::Now, ..stream.clone() };
    assert!(matches!(see(anybodys), Loses::Deleted { .. }), "it may be another's");
    assert_eq!(see(stream), Loses::Nothing);
    loses(&scene, Strategy::ResetOffsets, Loses::UpToNow { from: None, to: None });
}

#[test]
fn the_same_trouble_keeps_its_plan_while_the_oplog_rolls_on() {
    let (mut scene, before) = (Scene::lost(), Scene::lost().plan());
    let members = scene.facts.deployments.get_mut("rs0").unwrap().members.as_mut().unwrap();
    members[0].first = Ok(FirstEntry { time: time(FIRST + 100, 1), initiating: false });
    let after = scene.plan();
    assert_eq!(after.id, before.id);
    assert_ne!(after.loses, before.loses);
    assert!(after.is_intact() && before.id.0.len() == 12);
    scene.details.config.insert("pipeline".into(), "[{\"$match\": {}}]".into());
    assert_ne!(scene.plan().id, before.id, "another configuration");
    let altered = Plan { steps: vec![Step::Resume], ..before };
    assert!(!altered.is_intact());
}

#[test]
fn each_trouble_has_its_steps() {
    let steps = |scene: &Scene| (scene.plan().strategy, codes(&scene.plan()).join(" "));
    assert_eq!(steps(&Scene::lost()), (Strategy::Salvage, "save stop write_mark resume verify".into()));
    assert_eq!(steps(&Scene::running()).0, Strategy::Salvage);

    let mut stopped = Scene::running();
    stopped.connector().state = Ok(ConnectorState::Stopped);
    stopped.connector().tasks = vec![];
    assert_eq!(
        steps(&stopped),
        (Strategy::Salvage, "save stop write_mark verify".into()),
        "it stays stopped"
    );
    stopped.pause();
    assert_eq!(steps(&stopped), (Strategy::Salvage, "save stop write_mark pause verify".into()));

    let inside = || Scene::of(connector(token(LAST - 1000, 1)), &[]);
    assert_eq!(inside().planned(), None, "nothing is wrong");
    let mut wrong = inside();
    wrong.connector().tasks = failed(Some(280), FailureClass::WrongStream);
    assert_eq!(wrong.plan().steps[2], Step::WriteMark { partition: NS.into(), mark: Mark::OwnTime });
    assert_eq!(
        wrong.plan().loses,
        Loses::Unknown,
        "another deployment may stand behind its connection string"
    );
    wrong.blocked(&["never_automatic"]);
    let mut large = inside();
    large.connector().tasks = failed(Some(10334), FailureClass::EventTooLarge);
    assert_eq!(large.planned(), None, "its token is fine: no offset cures it");
}

#[test]
fn low_headroom_is_acted_on_below_the_policys_threshold_only() {
    let mut scene = Scene::of(connector(token(FIRST + 100, 1)), &[]);
    assert_eq!(scene.planned(), None);
    let policy = |threshold| Policy {
        name: "p".into(),
        connectors: vec![wildmatch::WildMatch::new("main/*")],
        on: vec![],
        mode: None,
        strategy: None,
        threshold: Some(Duration::from_secs(threshold)),
    };
    scene.policies.policies = vec![policy(100)];
    assert_eq!(scene.planned(), None, "a hundred seconds are not less than a hundred");
    scene.policies.policies = vec![policy(101)];
    assert_eq!(scene.plan().strategy, Strategy::Nudge);
    scene.blocked(&["never_automatic", "source_writes"]);
    scene.pause();
    assert_eq!(scene.plan().strategy, Strategy::Resume);
    scene.blocked(&["never_automatic"]);
    assert_eq!(scene.by(Strategy::ExtendOplog).steps, [Step::ResizeOplog { size_mb: 2048 }]);
}

#[test]
fn an_old_connect_gets_a_new_name_and_a_start_time() {
    let mut scene = Scene::lost();
    scene.details.connect.version = Some("3.4.1".into());
    let plan = scene.plan();
    assert_eq!(codes(&plan), ["save", "start_at_oldest", "await_stored", "configure", "verify"]);
    let partition = format!("{NS}.1");
    assert_eq!(plan.steps[1], Step::StartAtOldest { partition });
    let back = [
        ("startup.mode".to_owned(), None),
        ("startup.mode.timestamp.start.at.operation.time".to_owned(), None),
    ];
    assert_eq!(plan.steps[3], Step::Configure { to: BTreeMap::from(back) });
    scene.blocked(&[]);
    // The other cures need what it has not.
    let planned = scene.planned().unwrap();
    let reset =
        planned.alternatives.iter().find(|(plan, _)| plan.strategy == Strategy::ResetOffsets).unwrap();
    assert_eq!(reset.1.iter().map(Blocker::code).collect::<Vec<_>>(), ["connect_too_old"]);
    scene.details.connect.version = Some("3.5.2".into());
    assert_eq!(
        codes(&scene.plan()),
        ["save", "stop", "start_at_oldest", "resume", "await_stored", "configure", "verify"]
    );
}

#[test]
fn a_topic_of_its_own_is_never_asked_to_remove() {
    let mut scene = Scene::lost();
    scene.details.config.insert("offsets.storage.topic".into(), "orders-offsets".into());
    let reset = scene.by(Strategy::ResetOffsets);
    assert_eq!(codes(&reset), ["save", "stop", "configure", "resume", "verify"]);
    assert_eq!(
        codes(&scene.plan()),
        ["save", "stop", "write_mark", "resume", "verify"],
        "salvage stores, and removes nothing"
    );
}

#[test]
fn tolerance_is_put_back_to_what_it_was_or_removed() {
    let mut scene = Scene::lost();
    let settings = |scene: &Scene| -> Vec<Step> {
        scene
            .by(Strategy::TolerateErrors)
            .steps
            .into_iter()
            .filter(|step| step.code() == "configure")
            .collect()
    };
    let set = |key: &str, value: Option<&str>| Step::Configure {
        to: BTreeMap::from([(key.to_owned(), value.map(str::to_owned))]),
    };
    assert_eq!(
        settings(&scene),
        [set("mongo.errors.tolerance", Some("all")), set("mongo.errors.tolerance", None)]
    );
    scene.details.config.insert("mongo.errors.tolerance".into(), "none".into());
    assert_eq!(settings(&scene)[1], set("mongo.errors.tolerance", Some("none")));
    scene.connector().version = Some("1.5.1".into());
    assert_eq!(settings(&scene), [set("errors.tolerance", Some("all")), set("errors.tolerance", None)]);
}

#[test]
fn a_marker_that_would_not_help_is_not_written() {
    let blocked = |more: &[(&str, &str)]| {
        let mut scene = Scene::of(connector(token(FIRST - 3600, 1)), more);
        scene.connector().tasks = failed(Some(286), FailureClass::HistoryLost);
        scene.policies.allow_source_writes = true;
        let planned = scene.planned().unwrap();
        let tolerate =
            planned.alternatives.iter().find(|(plan, _)| plan.strategy == Strategy::TolerateErrors).unwrap();
        (
            codes(&tolerate.0).contains(&"insert_marker"),
            tolerate.1.iter().map(Blocker::code).collect::<Vec<_>>(),
        )
    };
    assert_eq!(blocked(&[]), (true, vec![]));
    assert_eq!(blocked(&[("pipeline", "[{\"$match\": {\"x\": 1}}]")]), (true, vec!["marker_useless"]));
    assert_eq!(blocked(&[("collection", "")]), (true, vec!["marker_useless"]));
    assert_eq!(
        blocked(&[("heartbeat.interval.ms", "1000")]),
        (false, vec![]),
        "a heartbeat stores a token by itself"
    );
}

#[test]
fn heartbeats_are_set_where_there_are_none() {
    let mut scene = Scene::lost();
    scene.policies.set_heartbeat = Some(Duration::from_secs(10));
    let configured = Step::Configure {
        to: BTreeMap::from([("heartbeat.interval.ms".to_owned(), Some("10000".to_owned()))]),
    };
    assert_eq!(scene.plan().steps[3], configured);
    let mut beating = Scene::of(connector(token(FIRST - 3600, 1)), &[("heartbeat.interval.ms", "1000")]);
    beating.connector().tasks = failed(Some(286), FailureClass::HistoryLost);
    beating.policies.set_heartbeat = Some(Duration::from_secs(10));
    assert!(!codes(&beating.plan()).contains(&"configure"));
}

#[test]
fn a_restart_that_would_not_resume_is_a_persons_to_decide() {
    let mut scene = Scene::of(connector(token(LAST - 1000, 1)), &[]);
    scene.connector().tasks = failed(None, FailureClass::Transient);
    assert_eq!(scene.plan().loses, Loses::Nothing);
    scene.blocked(&[]);
    // Its token is that of a drop: the stream opens without one.
    if let Ok(StoredOffset::Token(position)) = &mut scene.connector().offset {
        position.ends = StreamEnd::OfCollection;
    }
    assert!(matches!(scene.plan().loses, Loses::UpToNow { from: Some(_), .. }), "{:?}", scene.plan());
    scene.blocked(&["never_automatic"]);
}

#[test]
fn without_an_offset_the_start_up_mode_decides_what_is_lost() {
    let reset = |more: &[(&str, &str)]| {
        let mut scene = Scene::of(connector(token(FIRST - 3600, 1)), more);
        scene.connector().tasks = failed(Some(286), FailureClass::HistoryLost);
        let planned = scene.planned().unwrap();
        let (plan, blockers) = planned
            .alternatives
            .into_iter()
            .find(|(plan, _)| plan.strategy == Strategy::ResetOffsets)
            .unwrap();
        (plan.loses, blockers.iter().map(Blocker::code).collect::<Vec<_>>())
    };
    assert!(matches!(reset(&[]), (Loses::UpToNow { .. }, blockers) if blockers.is_empty()));
    let copies = (Loses::DeletesAndIntermediateStates, vec!["never_automatic"]);
    assert_eq!(reset(&[("startup.mode", "copy_existing")]), copies);
    assert_eq!(reset(&[("copy.existing", "true")]), copies);
    assert_eq!(reset(&[("startup.mode", "timestamp")]), (Loses::Unknown, vec!["never_automatic"]));
}

#[test]
fn an_approval_of_a_loss_is_none_of_another_kind_of_loss() {
    let mut scene = Scene::running();
    let unproven = scene.plan();
    let stream = ChangeStream {
        namespace: "shop.orders".into(),
        created_ms: i64::from(FIRST - 7200) * 1000,
        last_read: Some(i64::from(LAST)),
        start: StreamStart::After(Timestamp { t: FIRST - 3600, i: 1 }),
    };
    scene.facts.deployments.get_mut("rs0").unwrap().members.as_mut().unwrap()[0].streams = Some(vec![stream]);
    let proven = scene.plan();
    assert_eq!((unproven.steps == proven.steps, unproven.id == proven.id), (true, false), "{proven:?}");
    // Nor is one of a marker that of another.
    let mut marked = Scene::lost();
    marked.policies.allow_source_writes = true;
    let before = marked.by(Strategy::TolerateErrors).id;
    marked.policies.tolerate.marker = Some(serde_json::json!({ "type": "marker" }));
    assert_ne!(marked.by(Strategy::TolerateErrors).id, before);
}

/// What Connect is asked about before anything is changed: each configuration once, and the one that it is put back to.
#[test]
fn every_configuration_on_the_way_is_known_before() {
    let scene = Scene::lost();
    let config = &scene.details.config;
    let of = |strategy| {
        let all = scene.by(strategy).configurations(config);
        let differs = |one: &BTreeMap<String, String>| {
            let changed = one.iter().filter(|(key, value)| config.get(*key) != Some(*value));
            changed.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
        };
        all.iter().map(differs).collect::<Vec<_>>()
    };
    assert_eq!(of(Strategy::Salvage), Vec::<String>::new(), "nothing is configured");
    assert_eq!(of(Strategy::TolerateErrors), ["", "mongo.errors.tolerance=all"]);
    let mut copies = of(Strategy::Resnapshot);
    copies.sort_unstable();
    assert_eq!(copies, ["", "startup.mode=copy_existing"]);
    let mut old = Scene::lost();
    old.details.connect.version = Some("3.4.1".into());
    let all = old.by(Strategy::Salvage).configurations(config);
    let renamed: Vec<_> = all.iter().filter(|one| one.get("startup.mode").is_some()).collect();
    assert_eq!((all.len(), renamed.len()), (3, 1), "{all:?}");
    assert!(
        all.iter().any(|one| one.contains_key("offset.partition.name") && !one.contains_key("startup.mode"))
    );
}
