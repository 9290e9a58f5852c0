//! Nothing is done on unknown, on one pass alone, on what is stale, while frozen, beyond the limits.

use super::*;
use proptest::prelude::{ProptestConfig, prop_assert, proptest};
use proptest::strategy::Strategy as _;

#[test]
fn a_proven_loss_may_be_acted_on_and_nothing_less() {
    Scene::lost().blocked(&[]);
    Scene::running().blocked(&[]);
    Scene { passes: 1, ..Scene::lost() }.blocked(&["one_pass"]);
    // A position lost for less than a flush is no trouble yet: a newer one may be on its way (J4).
    assert_eq!(Scene { passes: 4, ..Scene::running() }.planned(), None);
    let mut unconfirmed = Scene::running();
    unconfirmed.connector().probe = None;
    unconfirmed.blocked(&["no_proof"]);
    let mut without_code = Scene::lost();
    without_code.connector().tasks = failed(None, FailureClass::HistoryLost);
    without_code.blocked(&["no_proof"]);
}

#[test]
fn what_somebody_has_to_allow() {
    let with = |policies: Policies| Scene { policies, ..Scene::lost() };
    assert_eq!(with(Policies { mode: Mode::Off, ..Policies::default() }).planned(), None);
    with(Policies::default()).blocked(&["plan_only"]);
    with(Policies { mode: Mode::Approve, ..Policies::default() }).blocked(&["awaits_approval"]);
    Scene { frozen: Some("by a test"), ..Scene::lost() }.blocked(&["frozen"]);
    Scene { no_journal: Some("disk full"), ..Scene::lost() }.blocked(&["no_journal"]);
    let mut unset = Scene::lost();
    unset.details.connect.managed_by = None;
    unset.blocked(&["managed_by_unset"]);
    unset.details.connect.managed_by = Some(ManagedBy::Strimzi);
    unset.blocked(&["managed"]);
}

#[test]
fn a_new_journal_only_shows_plans_for_one_cooldown() {
    let at = |now_ms| Scene { now_ms, ..Scene::lost() };
    at(HOUR_MS - 1).blocked(&["new_journal"]);
    at(HOUR_MS).blocked(&[]);
}

#[test]
fn many_at_once_are_somebody_elses_trouble() {
    let mut few = Scene::lost();
    few.details.connect.connectors = 2;
    few.blocked(&[]);
    // One of three is not many.
    few.details.connect.connectors = 3;
    few.blocked(&[]);
    let mut none_allowed = Scene::lost();
    none_allowed.policies.mass_failure = 0;
    none_allowed.blocked(&["mass_failure"]);
    let mut many = Scene::lost();
    let second =
        ConnectorFacts { id: ConnectorId::new("main", "second"), ..many.facts.connectors[0].clone() };
    many.facts.connectors.push(second);
    many.details.connect.connectors = 4;
    many.blocked(&["mass_failure"]);
    // Those that policy leaves alone are lost as well.
    let off = Policy {
        name: "left alone".to_owned(),
        connectors: vec![wildmatch::WildMatch::new("second")],
        on: Vec::new(),
        mode: Some(Mode::Off),
        strategy: None,
        threshold: None,
    };
    many.policies.policies = vec![off];
    many.blocked(&["mass_failure"]);
    many.details.connect.connectors = 5;
    many.blocked(&[]);
}

/// One after the other, each recovered before the next is lost.
#[test]
fn many_within_a_cooldown_are_many() {
    let mut scene = Scene::lost();
    scene.details.connect.connectors = 4;
    let begun_ms = scene.now_ms;
    let other = attempts::begin(&mut scene, "other");
    let ended =
        Event::Ended { attempt: other, ended: Ended::Recovered, says: String::new(), lost: Lost::Nothing };
    scene.ledger.apply(&Entry { seq: 3, at_ms: begun_ms, event: ended });
    scene.blocked(&["mass_failure"]);
    scene.now_ms = begun_ms + HOUR_MS - 1;
    scene.blocked(&["mass_failure"]);
    scene.now_ms += 1;
    scene.blocked(&[]);
    // The same one again is no second one.
    let mut scene = Scene { now_ms: 100 * HOUR_MS, ..Scene::lost() };
    scene.details.connect.connectors = 4;
    attempts::begin(&mut scene, "orders");
    assert!(!scene.planned().unwrap().blockers.iter().any(|blocker| blocker.code() == "mass_failure"));
}

#[test]
fn names_keys_and_connects_that_cannot_be_used() {
    for name in ["a/b", "a\\b", "50%", "..", "."] {
        let mut scene = Scene::lost();
        scene.connector().id = ConnectorId::new("main", name);
        scene.blocked(&["unaddressable"]);
    }
    let mut legacy = Scene::lost();
    legacy.connector().key = Some(LiveKey::Legacy);
    legacy.details.partition = Some("mongodb://user:secret@a/shop.orders".into());
    legacy.blocked(&["live_key_unknown", "live_key_unknown"]);
    assert!(!format!("{:?}", legacy.planned()).contains("secret"));
    let mut unknown = Scene::lost();
    unknown.details.connect.version = None;
    unknown.blocked(&["connect_too_old", "connect_too_old"]);
}

#[test]
fn an_approval_clears_what_a_person_may_decide_and_nothing_else() {
    let mut scene = Scene::lost();
    scene.policies.mode = Mode::Approve;
    scene.policies.mass_failure = 0;
    scene.frozen = Some("maintenance");
    scene.blocked(&["awaits_approval", "frozen", "mass_failure"]);
    let (plan, connector, by) = (scene.plan().id, scene.id(), Actor::Person("uid 0".into()));
    let approved = |mass_failure| Event::Approved {
        plan: plan.clone(),
        connector: connector.clone(),
        by: by.clone(),
        reason: "seen".into(),
        mass_failure,
    };
    // Given for one connector, before it was one of many.
    scene.ledger.apply(&Entry { seq: 2, at_ms: scene.now_ms, event: approved(None) });
    scene.blocked(&["frozen", "mass_failure"]);
    scene.ledger.apply(&Entry { seq: 3, at_ms: scene.now_ms, event: approved(Some(0)) });
    scene.blocked(&["frozen", "mass_failure"]);
    scene.ledger.apply(&Entry { seq: 3, at_ms: scene.now_ms, event: approved(Some(1)) });
    scene.blocked(&["frozen"]);
    scene.now_ms += HOUR_MS;
    scene.blocked(&["frozen"]);
    scene.now_ms += 1;
    scene.blocked(&["awaits_approval", "frozen", "mass_failure"]);
    // Another token, another plan: the approval does not bind to it.
    scene.now_ms -= HOUR_MS;
    scene.details.stored = Some("{\"_data\": \"8266\"}".into());
    assert_ne!(scene.plan().id, plan);
    scene.blocked(&["awaits_approval", "frozen", "mass_failure"]);
}

/// Each worker has its own copy of what Connect has written down of states, and one of them may lag.
#[test]
fn how_it_stood_is_never_guessed_where_connector_and_task_do_not_agree() {
    let mut lags = Scene::lost();
    lags.connector().state = Ok(ConnectorState::Paused);
    lags.blocked(&["state_unclear"]);
    let mut running = Scene::running();
    running.connector().tasks = vec![task(TaskState::Paused, None)];
    assert_eq!(running.planned(), None, "nothing says that it runs");
    let mut stopped = Scene::running();
    stopped.connector().state = Ok(ConnectorState::Stopped);
    stopped.blocked(&["state_unclear"]);
    let mut nobodys = Scene::lost();
    nobodys.connector().state = Ok(ConnectorState::Unassigned);
    nobodys.blocked(&["state_unclear"]);
    let mut paused = Scene::running();
    paused.pause();
    paused.blocked(&[]);
    // Nobody can approve what nobody knows.
    assert!(!Blocker::StateUnclear { says: String::new() }.yields_to_approval());
}

#[test]
fn two_passes_that_show_it_in_two_states_are_not_two_that_agree() {
    let id = Scene::lost().id();
    let seen = |state| {
        let (trigger, token) = (Trigger::HistoryLost, Some(Fingerprint::of_text(STORED)));
        (id.clone(), Sighting { trigger, token, state: Some(state), passes: 1 })
    };
    let after = |states: &[ConnectorState]| {
        let pass = |before: Sightings, state: &ConnectorState| before.after([seen(*state)]);
        states.iter().fold(Sightings::default(), pass).passes(&id)
    };
    use ConnectorState::{Paused, Running};
    assert_eq!((after(&[Running]), after(&[Running, Running])), (1, 2));
    assert_eq!((after(&[Paused, Running]), after(&[Running, Paused, Running])), (1, 1));
    assert_eq!(after(&[Paused, Running, Running]), 2);
}

#[test]
fn every_blocker_says_what_clears_it_in_one_line() {
    let plan = Scene::lost().plan();
    let text = || "some reason".to_owned();
    let all = [
        Blocker::Off,
        Blocker::PlanOnly,
        Blocker::NewJournal { seconds: 1 },
        Blocker::AwaitsApproval,
        Blocker::Discarded { reason: text() },
        Blocker::Frozen { reason: text() },
        Blocker::NoJournal { reason: text() },
        Blocker::StaleFacts,
        Blocker::Unknown { reason: text() },
        Blocker::OnePass,
        Blocker::NoProof,
        Blocker::Cooldown { seconds: 1 },
        Blocker::Latched { failures: 1 },
        Blocker::Busy,
        Blocker::MassFailure { lost: 1 },
        Blocker::ManagedByUnset,
        Blocker::Managed { by: ManagedBy::Gitops },
        Blocker::Unaddressable,
        Blocker::LiveKeyUnknown,
        Blocker::Copying,
        Blocker::ConnectTooOld { lacks: text() },
        Blocker::OplogUnread,
        Blocker::SourceWrites,
        Blocker::MarkerUseless { reason: text() },
        Blocker::NeverAutomatic,
        Blocker::RemovedBefore,
        Blocker::SettingHidden { key: text() },
        Blocker::KeepsLosing { recoveries: 3 },
        Blocker::StrategyUnfit { wanted: super::super::Strategy::Salvage },
        Blocker::Debezium,
        Blocker::StateUnclear { says: text() },
    ];
    assert_eq!(all.iter().map(Blocker::code).collect::<Vec<_>>(), Blocker::CODES);
    for blocker in all {
        let sentence = blocker.sentence(&plan);
        assert!(sentence.len() > 20 && !sentence.contains('\n'), "{sentence}");
    }
}

/// What may be wrong, each by itself or together.
#[derive(Debug, Clone)]
struct Doubts {
    offset: usize,
    oldest: Option<u32>,
    age: u64,
    passes: u32,
    frozen: bool,
    no_journal: bool,
    state: usize,
    failure: usize,
    probe: usize,
    losses: usize,
    failures: usize,
    busy: bool,
    mode: usize,
    managed: usize,
}

fn doubts() -> impl proptest::strategy::Strategy<Value = Doubts> {
    let evidence =
        (0_usize..6, proptest::option::weighted(0.8, 900_000_u32..1_100_000), 0_u64..120, 1_u32..9);
    let flags = (proptest::bool::weighted(0.2), proptest::bool::weighted(0.2), proptest::bool::weighted(0.2));
    let kinds = (0_usize..5, 0_usize..5, 0_usize..4, 0_usize..6);
    let past = (0_usize..5, 0_usize..5, 0_usize..4);
    (evidence, flags, kinds, past).prop_map(
        |(
            (offset, oldest, age, passes),
            (frozen, no_journal, busy),
            (state, failure, probe, losses),
            past,
        )| {
            let (failures, mode, managed) = past;
            Doubts {
                offset,
                oldest,
                age,
                passes,
                frozen,
                no_journal,
                state,
                failure,
                probe,
                losses,
                failures,
                busy,
                mode,
                managed,
            }
        },
    )
}

fn scene(doubts: &Doubts) -> Scene {
    let mut scene = Scene::lost();
    scene.passes = doubts.passes;
    scene.frozen = doubts.frozen.then_some("frozen");
    scene.no_journal = doubts.no_journal.then_some("none");
    scene.policies.mode = [Mode::Auto, Mode::Auto, Mode::Auto, Mode::Plan, Mode::Approve][doubts.mode];
    scene.details.connect.managed_by =
        [Some(ManagedBy::None), Some(ManagedBy::None), None, Some(ManagedBy::Gitops)][doubts.managed];
    let connector = scene.connector();
    connector.offset = match doubts.offset {
        0 => Err(Why::OffsetsUnreadable),
        1 => Ok(StoredOffset::Copying),
        2 => Ok(StoredOffset::Malformed { parses: true }),
        _ => token(1_000_000, 1),
    };
    connector.offset_age = Duration::from_secs(doubts.age);
    connector.state = [
        Ok(ConnectorState::Running),
        Ok(ConnectorState::Running),
        Ok(ConnectorState::Paused),
        Ok(ConnectorState::Stopped),
        Err(Why::ConnectUnreadable),
    ][doubts.state];
    connector.tasks = match doubts.failure {
        0 => vec![task(TaskState::Running, None)],
        1 => failed(Some(286), FailureClass::HistoryLost),
        2 => failed(None, FailureClass::Transient),
        3 => failed(Some(280), FailureClass::WrongStream),
        _ => failed(Some(13), FailureClass::Unauthorized),
    };
    let answer =
        [None, Some(ProbeAnswer::of_code(286)), Some(ProbeAnswer::Inconclusive), Some(ProbeAnswer::Resumes)]
            [doubts.probe];
    connector.probe = answer.map(|answer| Probe { answer, age: Duration::ZERO, margin_seconds: None });
    let copy = connector.clone();
    let members = scene.facts.deployments.get_mut("rs0").unwrap().members.as_mut().unwrap();
    members[0].first = doubts.oldest.map_or(Err(Why::OplogUnauthorized), |t| {
        Ok(FirstEntry { time: Timestamp { t, i: 1 }, initiating: false })
    });
    for other in 0..doubts.losses {
        let id = ConnectorId::new("main", &format!("other-{other}"));
        scene.facts.connectors.push(ConnectorFacts { id, ..copy.clone() });
    }
    scene.details.connect.connectors = 6;
    attempts::fail(&mut scene, doubts.failures);
    if doubts.busy {
        attempts::begin(&mut scene, "other");
    }
    scene
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8 * ProptestConfig::default().cases))]

    #[test]
    fn no_plan_is_free_to_begin_where_anything_is_in_doubt(doubts in doubts()) {
        let scene = scene(&doubts);
        let Some(planned) = scene.planned() else { return Ok(()) };
        let everything = std::iter::once((&planned.plan, &planned.blockers))
            .chain(planned.alternatives.iter().map(|(plan, blockers)| (plan, blockers)));
        for (plan, blockers) in everything {
            if !blockers.is_empty() {
                continue;
            }
            let connector = &scene.facts.connectors.iter().find(|known| known.id == plan.connector).unwrap();
            prop_assert!(connector.position().is_some() && connector.state.is_ok(), "unknown: {plan:?}");
            let restarts = plan.strategy == super::super::Strategy::Restart;
            prop_assert!(doubts.oldest.is_some() || restarts, "an oplog that was not read: {plan:?}");
            prop_assert!(doubts.age <= 45, "stale: {plan:?}");
            prop_assert!(doubts.passes >= 2, "one pass: {plan:?}");
            prop_assert!(!doubts.frozen && !doubts.no_journal && !doubts.busy);
            prop_assert!(doubts.mode < 3 && doubts.managed < 2);
            let own = plan.connector.connector == "orders" && !restarts;
            prop_assert!(!own || doubts.failures < 3, "failed too often: {plan:?}");
            prop_assert!(plan.trigger.is_loss() || restarts, "a person's to decide: {plan:?}");
            prop_assert!(!restarts || plan.loses == Loses::Nothing, "a restart that loses: {plan:?}");
            if plan.trigger.is_loss() {
                let confirmed = doubts.failure == 1 || doubts.probe == 1;
                prop_assert!(confirmed, "nobody has confirmed it: {plan:?}");
                // Four of six are more than two fifths.
                prop_assert!(doubts.losses < 2 , "so many at once: {plan:?}");
            }
        }
    }
}

/// A mark fits one oplog: not several shards', and not what is none.
#[test]
fn no_mark_is_set_where_there_is_not_one_oplog() {
    let salvage = |change: &dyn Fn(&mut MemberFacts)| {
        let mut scene = Scene::lost();
        let members = scene.facts.deployments.get_mut("rs0").unwrap().members.as_mut().unwrap();
        change(&mut members[0]);
        let planned = scene.planned().unwrap();
        let of_salvage = std::iter::once((planned.plan, planned.blockers)).chain(planned.alternatives);
        let mut of_salvage = of_salvage.filter(|(plan, _)| plan.strategy == Strategy::Salvage);
        of_salvage.next().is_some_and(|(_, blockers)| !blockers.contains(&Blocker::OplogUnread))
    };
    assert!(salvage(&|_| {}));
    assert!(!salvage(&|member| member.shard = Some("s0".into())));
    assert!(!salvage(&|member| member.kept_by_time = true));
}
