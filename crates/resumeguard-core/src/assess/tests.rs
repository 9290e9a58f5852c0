//! Every rule of judgement, on facts made by hand.

use crate::assess::{Memory, Thresholds, assess};
use crate::domain::*;
use std::collections::BTreeMap;
use std::time::Duration;

pub(crate) const FIRST: u32 = 1_000_000;
pub(crate) const LAST: u32 = FIRST + 100_000;

pub(crate) fn now(uptime: u64) -> Now {
    Now { unix_seconds: 1_700_000_000, uptime: Duration::from_secs(uptime) }
}

pub(crate) fn member(host: &str, role: Role, first: u32) -> MemberFacts {
    MemberFacts {
        shard: None,
        kept_by_time: false,
        by_status: false,
        host: host.into(),
        addresses: std::collections::BTreeSet::from([host.to_owned()]),
        role,
        hidden: false,
        electable: true,
        tags: Ok(BTreeMap::new()),
        wire_version: Some(17),
        first: Ok(FirstEntry { time: Timestamp { t: first, i: 5 }, initiating: false }),
        last: Ok(Timestamp { t: LAST, i: 1 }),
        term: Some(1),
        sizes: OplogSizes::default(),
        streams: None,
    }
}

pub(crate) fn token(t: u32, i: u32) -> Observed<StoredOffset> {
    let time = Timestamp { t, i };
    Ok(StoredOffset::Token(Position {
        token: "{}".into(),
        time,
        kind: TokenKind::Event,
        ends: StreamEnd::None,
        collection: None,
        type_bits_missing: false,
        stored_at: None,
    }))
}

pub(crate) fn primary_reads() -> Selection {
    Selection::Preference { preference: ReadPreference::Primary, tag_sets: vec![], max_staleness: None }
}

pub(crate) fn connector(offset: Observed<StoredOffset>) -> ConnectorFacts {
    ConnectorFacts {
        id: ConnectorId::new("main", "orders"),
        class: "com.mongodb.kafka.connect.MongoSourceConnector".into(),
        version: None,
        state: Ok(ConnectorState::Running),
        failure: None,
        tasks: vec![task(TaskState::Running, None)],
        settings: Settings::from_config(&BTreeMap::new()),
        deployment: Ok("rs0".into()),
        selection: Ok(primary_reads()),
        offset,
        key: None,
        offsets_from: None,
        offsets_told: None,
        stale_keys: 0,
        offset_age: Duration::ZERO,
        probe: None,
    }
}

pub(crate) fn task(state: TaskState, failure: Option<Failure>) -> TaskFacts {
    TaskFacts { id: 0, state, failure, trace: None, worker: Some("w:1".into()), started: None }
}

pub(crate) fn facts(connector: ConnectorFacts, members: Vec<MemberFacts>) -> Facts {
    Facts {
        connectors: vec![connector],
        deployments: BTreeMap::from([(
            "rs0".to_owned(),
            DeploymentFacts { members: Ok(members), collections: Collections::new() },
        )]),
        sources: vec![],
        interval: Duration::from_secs(15),
    }
}

pub(crate) fn pass(memory: &Memory, facts: &Facts, uptime: u64) -> (ConnectorReport, Memory) {
    let (mut snapshot, memory) = assess(memory, facts, &Thresholds::default(), now(uptime));
    (snapshot.connectors.remove(0), memory)
}

pub(crate) fn one(facts: &Facts) -> ConnectorReport {
    pass(&Memory::default(), facts, 0).0
}

#[track_caller]
pub(crate) fn check(facts: &Facts, verdict: Verdict, on_restart: OnRestart) -> ConnectorReport {
    let report = one(facts);
    assert_eq!((report.verdict, report.on_restart), (verdict, on_restart));
    report
}

pub(crate) fn rules(report: &ConnectorReport) -> Vec<&'static str> {
    report.findings.iter().map(|finding| finding.rule).collect()
}

pub(crate) fn failed(code: Option<u32>, class: FailureClass) -> Vec<TaskFacts> {
    vec![task(TaskState::Failed, Some(Failure { code, class }))]
}

pub(crate) fn replica_set() -> Vec<MemberFacts> {
    vec![member("a:1", Role::Primary, FIRST)]
}

#[test]
fn j2_lost_compares_seconds_then_increment() {
    let judge = |t, i| facts(connector(token(t, i)), replica_set());
    check(&judge(FIRST - 1, 9), Verdict::Lost, OnRestart::Fails);
    check(&judge(FIRST, 4), Verdict::Lost, OnRestart::Fails);
    let edge = check(&judge(FIRST, 5), Verdict::Critical, OnRestart::Resumes);
    assert_eq!((edge.headroom_seconds, edge.headroom_ratio), (Some(0), Some(0.0)));
    let middle = check(&judge(FIRST + 60_000, 0), Verdict::Safe, OnRestart::Resumes);
    assert_eq!((middle.headroom_seconds, middle.lag_seconds), (Some(60_000), Some(40_000)));
}

/// Before 1.6 the connector does not know the server's words for a lost position: 1.3.0 was run.
#[test]
fn j2_what_does_not_know_error_286_goes_on_without_a_cursor() {
    let judge = |version: Option<&str>, i| {
        let mut facts = facts(connector(token(FIRST, i)), replica_set());
        facts.connectors[0].version = version.map(str::to_owned);
        facts.connectors[0].settings.tolerance = Tolerance::All;
        one(&facts).on_restart
    };
    for (version, expected) in [
        (Some("1.3.0"), OnRestart::Stalls),
        (Some("1.5.1"), OnRestart::Stalls),
        (Some("1.6.0"), OnRestart::Skips),
        (Some("2.0.1"), OnRestart::Skips),
        (None, OnRestart::Skips),
    ] {
        assert_eq!(judge(version, 4), expected, "{version:?}");
        assert_eq!(judge(version, 5), OnRestart::Resumes, "{version:?}");
    }
}

#[test]
fn j2_at_exactly_the_first_entry_only_4_4_and_newer_resume() {
    let mut old = replica_set();
    old[0].wire_version = Some(8);
    // A huge window and lax limits, so that nothing but the edge can make it critical.
    let mut thresholds = Thresholds::default();
    thresholds.levels.critical_seconds = 0.0;
    let judge = |members, tolerance| {
        let mut facts = facts(connector(token(FIRST, 5)), members);
        facts.connectors[0].settings.tolerance = tolerance;
        let report = assess(&Memory::default(), &facts, &thresholds, now(0)).0.connectors.remove(0);
        (report.verdict, report.on_restart)
    };
    assert_eq!(judge(old.clone(), Tolerance::None), (Verdict::Critical, OnRestart::Fails));
    assert_eq!(judge(old.clone(), Tolerance::All), (Verdict::Critical, OnRestart::Skips));
    assert_eq!(judge(replica_set(), Tolerance::None), (Verdict::AtRisk, OnRestart::Resumes));
    let mut of_4_4 = replica_set();
    of_4_4[0].wire_version = Some(9);
    assert_eq!(judge(of_4_4, Tolerance::None), (Verdict::AtRisk, OnRestart::Resumes));
    let mut nobody_knows = replica_set();
    nobody_knows[0].wire_version = None;
    assert_eq!(judge(nobody_knows, Tolerance::None), (Verdict::Critical, OnRestart::Unknown));
    check(&facts(connector(token(FIRST + 60_000, 5)), old), Verdict::Safe, OnRestart::Resumes);
}

#[test]
fn numbers_of_an_oplog_and_of_one_that_holds_one_entry() {
    let inside = one(&facts(connector(token(FIRST + 60_000, 0)), replica_set()));
    assert_eq!((inside.headroom_ratio, inside.lag_seconds), (Some(0.6), Some(40_000)));
    let mut one_entry = replica_set();
    one_entry[0].first = Ok(FirstEntry { time: Timestamp { t: LAST, i: 1 }, initiating: false });
    let alone = one(&facts(connector(token(LAST, 1)), one_entry));
    assert_eq!(
        (alone.headroom_seconds, alone.headroom_ratio),
        (Some(0), None),
        "of nothing there is no share"
    );
}

#[test]
fn j2_an_oplog_never_truncated_loses_no_mark_of_its_own() {
    let mut members = replica_set();
    members[0].first = Ok(FirstEntry { time: Timestamp { t: FIRST, i: 5 }, initiating: true });
    check(&facts(connector(token(FIRST - 9, 0)), members.clone()), Verdict::Lost, OnRestart::Fails);
    let Ok(StoredOffset::Token(position)) = token(FIRST - 9, 0) else { unreachable!() };
    let mark = Ok(StoredOffset::Token(Position { kind: TokenKind::HighWaterMark, ..position }));
    check(
        &facts(connector(mark), members.clone()),
        Verdict::Unknown(Why::PositionForeign),
        OnRestart::Unknown,
    );
    // Still filling: at the very edge, yet nothing is taken away for a long time.
    members[0].sizes =
        OplogSizes { size_bytes: Some(1), max_size_bytes: Some(10), min_retention_seconds: None };
    check(&facts(connector(token(FIRST + 1, 0)), members), Verdict::Safe, OnRestart::Resumes);
}

#[test]
fn j3_the_worst_member_that_can_be_selected_decides() {
    let members = vec![member("a:1", Role::Primary, FIRST), member("b:1", Role::Secondary, FIRST + 50_000)];
    let mut reader = connector(token(FIRST + 49_000, 0));
    check(&facts(reader.clone(), members.clone()), Verdict::Safe, OnRestart::Resumes);
    reader.selection = Ok(Selection::Preference {
        preference: ReadPreference::Nearest,
        tag_sets: vec![],
        max_staleness: None,
    });
    check(&facts(reader.clone(), members.clone()), Verdict::Lost, OnRestart::Fails);
    reader.selection = Ok(Selection::Direct("c:1".into()));
    check(&facts(reader.clone(), members), Verdict::Unknown(Why::NoMemberSelected), OnRestart::Unknown);
    check(&facts(reader, replica_set()), Verdict::Unknown(Why::NoMemberSelected), OnRestart::Unknown);
    let nobody_writes = vec![member("b:1", Role::Secondary, FIRST)];
    let reader = connector(token(FIRST + 49_000, 0));
    check(&facts(reader, nobody_writes), Verdict::Unknown(Why::NoPrimary), OnRestart::Unknown);
}

#[test]
fn j3_a_member_that_cannot_be_read_leaves_it_unknown_unless_another_proves_the_loss() {
    let mut members = vec![member("a:1", Role::Primary, FIRST), member("b:1", Role::Secondary, FIRST)];
    members[1].first = Err(Why::MemberUnreadable);
    let nearest = Ok(Selection::Preference {
        preference: ReadPreference::Nearest,
        tag_sets: vec![],
        max_staleness: None,
    });
    let inside = ConnectorFacts { selection: nearest.clone(), ..connector(token(FIRST + 60_000, 0)) };
    check(&facts(inside, members.clone()), Verdict::Unknown(Why::MemberUnreadable), OnRestart::Unknown);
    let outside = ConnectorFacts { selection: nearest, ..connector(token(FIRST - 1, 0)) };
    check(&facts(outside, members), Verdict::Lost, OnRestart::Fails);
}

#[test]
fn j3_a_fallback_member_lowers_to_critical_and_does_not_lose() {
    let members = vec![member("a:1", Role::Primary, FIRST), member("b:1", Role::Secondary, FIRST + 90_000)];
    let selection = Ok(Selection::Preference {
        preference: ReadPreference::PrimaryPreferred,
        tag_sets: vec![],
        max_staleness: None,
    });
    let reader = ConnectorFacts { selection, ..connector(token(FIRST + 80_000, 0)) };
    let report = check(&facts(reader, members.clone()), Verdict::Critical, OnRestart::Resumes);
    assert_eq!(rules(&report), ["RG013"]);
    let by_primary =
        check(&facts(connector(token(FIRST + 80_000, 0)), members), Verdict::Safe, OnRestart::Resumes);
    assert_eq!(rules(&by_primary), ["RG013"]);
}

#[test]
fn j3_a_hidden_selection_is_safe_or_lost_only_where_every_member_agrees() {
    let members = vec![member("a:1", Role::Primary, FIRST), member("b:1", Role::Secondary, FIRST + 50_000)];
    let judge = |t| {
        let reader = ConnectorFacts { selection: Ok(Selection::Hidden), ..connector(token(t, 0)) };
        one(&facts(reader, members.clone())).verdict
    };
    assert_eq!(judge(FIRST - 1), Verdict::Lost);
    assert_eq!(judge(FIRST + 49_999), Verdict::Unknown(Why::UriPlaceholder));
    assert_eq!(judge(LAST), Verdict::Safe);
    // The member that does not answer may be the one that it reads from.
    let mut silent = members;
    silent[0].first = Err(Why::MemberUnreadable);
    let reader = ConnectorFacts { selection: Ok(Selection::Hidden), ..connector(token(FIRST - 1, 0)) };
    check(&facts(reader, silent), Verdict::Unknown(Why::MemberUnreadable), OnRestart::Unknown);
}

#[test]
fn an_inferred_key_counts_once_it_advances() {
    let at =
        |t| facts(ConnectorFacts { key: Some(LiveKey::Inferred), ..connector(token(t, 0)) }, replica_set());
    let (first, memory) = pass(&Memory::default(), &at(FIRST + 60_000), 0);
    assert_eq!(first.verdict, Verdict::Unknown(Why::KeyAmbiguous));
    let (still, memory) = pass(&memory, &at(FIRST + 60_000), 15);
    assert_eq!(still.verdict, Verdict::Unknown(Why::KeyAmbiguous));
    let (moved, memory) = pass(&memory, &at(FIRST + 60_001), 30);
    assert_eq!(moved.verdict, Verdict::Safe);
    assert_eq!(pass(&memory, &at(FIRST + 60_001), 45).0.verdict, Verdict::Safe, "once seen is enough");
}

#[test]
fn a_lagging_secondary_is_no_reason_to_see_the_future() {
    let mut members = vec![member("a:1", Role::Primary, FIRST), member("b:1", Role::Secondary, FIRST)];
    members[0].last = Err(Why::MemberUnreadable);
    members[1].last = Ok(Timestamp { t: LAST - 500, i: 0 });
    let ahead = facts(connector(token(LAST, 0)), members);
    let (first, memory) = pass(&Memory::default(), &ahead, 0);
    assert_eq!(first.verdict, Verdict::Unknown(Why::MemberUnreadable));
    assert_eq!(pass(&memory, &ahead, 15).0.verdict, Verdict::Unknown(Why::MemberUnreadable));
}

#[test]
fn a_primary_that_was_read_knows_what_is_in_the_future() {
    let mut members = vec![member("a:1", Role::Primary, FIRST), member("b:1", Role::Secondary, FIRST)];
    members[1].last = Err(Why::MemberUnreadable);
    let ahead = facts(connector(token(LAST + 500, 0)), members);
    let (first, memory) = pass(&Memory::default(), &ahead, 0);
    assert_eq!(first.verdict, Verdict::Unknown(Why::PositionInFuture));
    let (second, _) = pass(&memory, &ahead, 15);
    assert_eq!((second.verdict, second.on_restart), (Verdict::Critical, OnRestart::Stalls));
}

/// The newest entry may be of the shard whose newest could not be read.
#[test]
fn one_shards_primary_does_not_know_what_is_in_the_future_of_another() {
    let of = |shard: &str, member: MemberFacts| MemberFacts { shard: Some(shard.into()), ..member };
    let mut members = vec![
        of("s0", member("a:1", Role::Primary, FIRST)),
        of("s1", member("b:1", Role::Primary, FIRST - 10)),
        of("s1", member("c:1", Role::Secondary, FIRST - 10)),
    ];
    let ahead = |members: &[MemberFacts]| {
        let ahead = facts(connector(token(LAST + 500, 0)), members.to_vec());
        let (_, memory) = pass(&Memory::default(), &ahead, 0);
        pass(&memory, &ahead, 15).0
    };
    assert_eq!(ahead(&members).verdict, Verdict::Critical, "both primaries were read");
    members[2].last = Err(Why::MemberUnreadable);
    assert_eq!(ahead(&members).verdict, Verdict::Critical, "a secondary is ahead of nobody");
    members[1].last = Err(Why::MemberUnreadable);
    let unread = ahead(&members);
    assert_eq!(unread.verdict, Verdict::Unknown(Why::MemberUnreadable));
    assert_eq!(rules(&unread), [""; 0]);
}

#[test]
fn a_position_between_a_lagging_members_last_entry_and_the_newest_is_inside() {
    let mut members = vec![member("a:1", Role::Primary, FIRST), member("b:1", Role::Secondary, FIRST)];
    members[1].last = Ok(Timestamp { t: LAST - 500, i: 0 });
    let selection = Ok(Selection::Direct("b:1".into()));
    let reader = ConnectorFacts { selection, ..connector(token(LAST, 1)) };
    check(&facts(reader, members.clone()), Verdict::Safe, OnRestart::Resumes);
    // Whoever is not ahead of the own member's last entry needs no other to tell.
    members[1].last = Err(Why::MemberUnreadable);
    check(&facts(connector(token(LAST, 1)), members), Verdict::Safe, OnRestart::Resumes);
}

#[test]
fn rg001_is_of_running_connectors_only() {
    let mut lost = facts(connector(token(FIRST - 7, 0)), replica_set());
    lost.connectors[0].tasks[0].state = TaskState::Paused;
    let (_, memory) = pass(&Memory::default(), &lost, 0);
    let (paused, memory) = pass(&memory, &lost, 60);
    assert_eq!(rules(&paused), ["RG004"]);
    lost.connectors[0].tasks[0].state = TaskState::Running;
    let (resumed, memory) = pass(&memory, &lost, 75);
    assert_eq!(rules(&resumed), Vec::<&str>::new(), "it may still store a newer one");
    assert_eq!(rules(&pass(&memory, &lost, 135).0), ["RG001"]);
}

#[test]
fn j4_rg001_waits_for_one_offset_flush_without_a_break() {
    let lost = facts(connector(token(FIRST - 7, 0)), replica_set());
    let safe = facts(connector(token(FIRST + 60_000, 0)), replica_set());
    let (first, memory) = pass(&Memory::default(), &lost, 0);
    assert_eq!((first.verdict, rules(&first)), (Verdict::Lost, vec![]));
    let (early, memory) = pass(&memory, &lost, 59);
    assert_eq!(rules(&early), Vec::<&str>::new());
    let (due, _) = pass(&memory, &lost, 60);
    assert_eq!(rules(&due), ["RG001"]);
    assert!(due.findings[0].advice.contains("DO NOT RESTART"));
    // A reading that fails in between neither counts nor begins the wait anew.
    let blind = facts(connector(Err(Why::OffsetsUnreadable)), replica_set());
    let (during, after_a_gap) = pass(&memory, &blind, 60);
    assert_eq!(rules(&during), Vec::<&str>::new());
    assert_eq!(rules(&pass(&after_a_gap, &lost, 75).0), ["RG001"]);
    // A newer position, though lost as well, shows a living stream.
    let newer = facts(connector(token(FIRST - 5, 0)), replica_set());
    assert_eq!(rules(&pass(&memory, &newer, 75).0), Vec::<&str>::new());
    let (_, broken) = pass(&memory, &safe, 60);
    let (again, _) = pass(&broken, &lost, 75);
    assert!(!rules(&again).contains(&"RG001"), "the wait begins anew");
}

#[test]
fn j6_evidence_that_is_missing_old_or_contradictory_is_unknown_and_has_no_numbers() {
    for why in Why::ALL.into_iter().filter(|why| *why != Why::NoPosition) {
        let report =
            check(&facts(connector(Err(why)), replica_set()), Verdict::Unknown(why), OnRestart::Unknown);
        assert_eq!((report.headroom_seconds, report.headroom_ratio, report.lag_seconds), (None, None, None));
        let blind = ConnectorFacts { deployment: Err(why), ..connector(token(FIRST + 60_000, 0)) };
        check(&facts(blind, replica_set()), Verdict::Unknown(why), OnRestart::Unknown);
    }
    let aged = |t, age| ConnectorFacts { offset_age: Duration::from_secs(age), ..connector(token(t, 0)) };
    check(&facts(aged(FIRST + 60_000, 46), replica_set()), Verdict::Unknown(Why::Stale), OnRestart::Unknown);
    check(&facts(aged(FIRST + 60_000, 45), replica_set()), Verdict::Safe, OnRestart::Resumes);
    check(
        &facts(aged(FIRST - 1, 45), replica_set()),
        Verdict::Unknown(Why::Contradictory),
        OnRestart::Unknown,
    );
    let refused = ConnectorFacts {
        tasks: failed(Some(286), FailureClass::HistoryLost),
        ..connector(token(FIRST + 60_000, 0))
    };
    check(&facts(refused, replica_set()), Verdict::Unknown(Why::Contradictory), OnRestart::Unknown);
    let empty = MemberFacts { first: Err(Why::OplogEmpty), ..member("a:1", Role::Primary, FIRST) };
    check(&facts(connector(token(1, 1)), vec![empty]), Verdict::Unknown(Why::OplogEmpty), OnRestart::Unknown);
}

#[test]
fn on_restart_follows_tolerance_and_startup_mode() {
    let with = |offset, pairs: &[(&str, &str)]| {
        let config = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let connector = ConnectorFacts { settings: Settings::from_config(&config), ..connector(offset) };
        one(&facts(connector, replica_set())).on_restart
    };
    let lost = || token(1, 1);
    let all = ("errors.tolerance", "all");
    assert_eq!(with(lost(), &[]), OnRestart::Fails);
    assert_eq!(with(lost(), &[all]), OnRestart::Skips);
    assert_eq!(with(lost(), &[all, ("startup.mode", "copy_existing")]), OnRestart::Skips);
    let timestamp = ("startup.mode", "timestamp");
    let (past, inside) = ((FIRST - 1).to_string(), (FIRST + 1).to_string());
    let start = "startup.mode.timestamp.start.at.operation.time";
    assert_eq!(with(lost(), &[all, timestamp]), OnRestart::Skips);
    assert_eq!(with(lost(), &[all, timestamp, (start, &inside)]), OnRestart::Replays);
    assert_eq!(with(lost(), &[all, timestamp, (start, &FIRST.to_string())]), OnRestart::Replays);
    assert_eq!(with(lost(), &[all, timestamp, (start, &past)]), OnRestart::Fails);
    let none = || Err(Why::NoPosition);
    assert_eq!(with(none(), &[]), OnRestart::Skips);
    assert_eq!(with(none(), &[timestamp, (start, &inside)]), OnRestart::Replays);
    assert_eq!(with(none(), &[timestamp, (start, &past)]), OnRestart::Fails);
    assert_eq!(with(none(), &[("copy.existing", "true")]), OnRestart::Resnapshots);
    // What a placeholder hides may be anything.
    let hidden = |key| (key, "${env:X}");
    assert_eq!(with(lost(), &[hidden("errors.tolerance")]), OnRestart::Unknown);
    assert_eq!(with(lost(), &[all, hidden("startup.mode")]), OnRestart::Unknown);
    assert_eq!(with(lost(), &[hidden("startup.mode")]), OnRestart::Fails);
    assert_eq!(with(none(), &[hidden("startup.mode")]), OnRestart::Unknown);
    assert_eq!(with(none(), &[hidden("copy.existing")]), OnRestart::Unknown);
    assert_eq!(with(Ok(StoredOffset::Copying), &[("startup.mode", "copy_existing")]), OnRestart::Resnapshots);
    assert_eq!(with(Ok(StoredOffset::Copying), &[]), OnRestart::Skips);
    assert_eq!(with(Ok(StoredOffset::Malformed { parses: false }), &[]), OnRestart::Fails);
    assert_eq!(with(Ok(StoredOffset::Malformed { parses: true }), &[]), OnRestart::Stalls);
}

#[test]
fn a_token_the_server_refuses_is_critical_though_inside_the_window() {
    let refused = ConnectorFacts {
        tasks: failed(Some(280), FailureClass::WrongStream),
        ..connector(token(FIRST + 60_000, 0))
    };
    check(&facts(refused, replica_set()), Verdict::Critical, OnRestart::Fails);
    let transient = ConnectorFacts {
        tasks: failed(None, FailureClass::Transient),
        ..connector(token(FIRST + 60_000, 0))
    };
    check(&facts(transient, replica_set()), Verdict::Safe, OnRestart::Resumes);
}

#[test]
fn a_connector_that_is_gone_is_forgotten() {
    let lost = facts(connector(token(1, 0)), replica_set());
    let (_, memory) = pass(&Memory::default(), &lost, 0);
    assert_ne!(memory, Memory::default());
    let (_, memory) = assess(&memory, &Facts::default(), &Thresholds::default(), now(15));
    let id = ConnectorId::new("main", "orders");
    assert_eq!(memory.of(&id), Memory::default().of(&id));
    // But where it stood (RG019), for a month.
    assert_eq!(memory.left_behind(&id), Some(Timestamp { t: LAST + 1, i: u32::MAX }));
    let (_, memory) = assess(&memory, &Facts::default(), &Thresholds::default(), now(15 + 30 * 86_400));
    assert_eq!(memory, Memory::default());
}

#[test]
fn hysteresis_outlives_a_reading_that_failed() {
    let at = |t| facts(connector(token(t, 0)), replica_set());
    let (low, memory) = pass(&Memory::default(), &at(FIRST + 43_000), 0);
    assert_eq!(low.verdict, Verdict::AtRisk);
    let (_, memory) = pass(&memory, &facts(connector(Err(Why::OffsetsUnreadable)), replica_set()), 15);
    let (still, _) = pass(&memory, &at(FIRST + 44_000), 30);
    assert_eq!(still.verdict, Verdict::AtRisk, "44 000 s is above the limit, and not by a tenth");
}
