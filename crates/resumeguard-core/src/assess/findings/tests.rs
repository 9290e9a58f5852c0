//! Every finding, on facts made by hand.

use crate::assess::Memory;
use crate::assess::story::*;
use crate::assess::tests::*;
use crate::domain::*;
use std::collections::BTreeMap;
use std::time::Duration;

mod stream_end;

#[test]
fn rg014_type_bits_that_are_missing() {
    let Ok(StoredOffset::Token(position)) = token(FIRST + 60_000, 0) else { unreachable!() };
    let offset = Ok(StoredOffset::Token(Position { type_bits_missing: true, ..position }));
    let report = one(&facts(connector(offset), replica_set()));
    assert_eq!((report.verdict, rules(&report)), (Verdict::Unknown(Why::TokenIncomplete), vec!["RG014"]));
}

#[test]
fn rg004_grows_with_what_is_at_stake() {
    let paused = |t| {
        let tasks = vec![task(TaskState::Paused, None)];
        let connector = ConnectorFacts { state: Ok(ConnectorState::Paused), tasks, ..connector(token(t, 0)) };
        one(&facts(connector, replica_set())).findings.remove(0)
    };
    let found: Vec<_> = [60_000, 30_000, 1_000]
        .iter()
        .map(|after| paused(FIRST + after))
        .map(|f| (f.rule, f.severity))
        .collect();
    assert_eq!(
        found,
        [("RG004", Severity::Info), ("RG004", Severity::Warning), ("RG004", Severity::Critical)]
    );
    let lost = paused(FIRST - 1);
    assert_eq!(lost.severity, Severity::Critical);
    assert!(lost.advice.contains("do not just resume"), "{}", lost.advice);
}

#[test]
fn rg005_names_code_and_class_and_a_failure_counts_once() {
    let broken =
        ConnectorFacts { tasks: failed(Some(286), FailureClass::HistoryLost), ..connector(token(1, 0)) };
    let broken = facts(broken, replica_set());
    let (report, memory) = pass(&Memory::default(), &broken, 0);
    assert_eq!(rules(&report), ["RG005"]);
    assert!(report.findings[0].summary.contains("error 286 (history_lost)"));
    let (report, memory) = pass(&memory, &broken, 15);
    assert_eq!(report.failures, BTreeMap::from([((Some(286), FailureClass::HistoryLost), 1)]));
    let unreadable = facts(broken.connectors[0].unreadable(), replica_set());
    let (report, memory) = pass(&memory, &unreadable, 30);
    assert_eq!(report.verdict, Verdict::Unknown(Why::ConnectUnreadable));
    let (report, _) = pass(&memory, &broken, 45);
    assert_eq!(report.failures.values().sum::<u64>(), 1, "the same failure, seen again after a gap");
}

#[test]
fn rg007_and_rg010_and_rg015() {
    let config = BTreeMap::from([("mongo.errors.tolerance".to_owned(), "all".to_owned())]);
    let tolerant =
        ConnectorFacts { settings: Settings::from_config(&config), ..connector(token(FIRST + 60_000, 0)) };
    assert_eq!(rules(&one(&facts(tolerant, replica_set()))), ["RG007"]);
    let fresh = ConnectorFacts { stale_keys: 2, ..connector(Err(Why::NoPosition)) };
    let fresh = one(&facts(fresh, replica_set()));
    assert_eq!((fresh.verdict, rules(&fresh)), (Verdict::Unknown(Why::NoPosition), vec!["RG010", "RG011"]));
    assert!(fresh.findings[0].summary.contains("(2 under other keys)"));
    let ahead = facts(connector(token(LAST + 86_400, 0)), replica_set());
    let (once, memory) = pass(&Memory::default(), &ahead, 0);
    assert_eq!((once.verdict, rules(&once)), (Verdict::Unknown(Why::PositionInFuture), vec![]));
    let (twice, memory) = pass(&memory, &ahead, 15);
    assert_eq!(
        (twice.verdict, twice.on_restart, rules(&twice)),
        (Verdict::Critical, OnRestart::Stalls, vec!["RG015"])
    );
    let (thrice, _) = pass(&memory, &ahead, 30);
    assert_eq!(rules(&thrice), ["RG015"], "it stays");
}

/// Facts at a later time: the oplog has moved on by `seconds`.
fn later(facts: &Facts, seconds: u32) -> Facts {
    let mut facts = facts.clone();
    for deployment in facts.deployments.values_mut() {
        for member in deployment.members.as_mut().unwrap() {
            member.last = member.last.map(|last| Timestamp { t: last.t + seconds, ..last });
        }
    }
    facts
}

fn with_settings(offset: Observed<StoredOffset>, pairs: &[(&str, &str)]) -> ConnectorFacts {
    let config = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    ConnectorFacts { settings: Settings::from_config(&config), ..connector(offset) }
}

#[test]
fn rg002_and_rg003_a_position_that_stands_still_by_the_servers_clock() {
    // One flush and three passes: 60 + 45 seconds of oplog time, however long we took.
    let check = |heartbeat: &str, seconds: u32, expected: &[&str]| {
        let settings = [("heartbeat.interval.ms", heartbeat)];
        let facts = facts(with_settings(token(FIRST + 60_000, 0), &settings), replica_set());
        let (first, memory) = pass(&Memory::default(), &facts, 0);
        assert_eq!(rules(&first), Vec::<&str>::new());
        let (report, _) = pass(&memory, &later(&facts, seconds), 1);
        assert_eq!(rules(&report), expected, "heartbeat {heartbeat}, {seconds} s");
    };
    check("0", 104, &[]);
    check("0", 105, &["RG002"]);
    check("${env:HEARTBEAT}", 105, &[]);
    check("10000", 105, &["RG003"]);
    check("60000", 105, &[]);
    check("60000", 180, &[]);
    check("60000", 181, &["RG003"]);
    // Where nothing happened there was nothing to move for: what is new was written just now.
    let quiet = facts(with_settings(token(LAST, 1), &[("heartbeat.interval.ms", "1000")]), replica_set());
    let (_, memory) = pass(&Memory::default(), &quiet, 0);
    let (stepped, memory) = pass(&memory, &later(&quiet, 500), 15);
    assert_eq!(rules(&stepped), Vec::<&str>::new());
    assert_eq!(rules(&pass(&memory, &later(&quiet, 605), 30).0), ["RG003"], "it has had its time");
    // A reading that fails is no position that stands still.
    let heartbeat = [("heartbeat.interval.ms", "10000")];
    let well = facts(with_settings(token(FIRST + 60_000, 0), &heartbeat), replica_set());
    let blind = facts(with_settings(Err(Why::OffsetsUnreadable), &heartbeat), replica_set());
    let (_, memory) = pass(&Memory::default(), &well, 0);
    let (unread, memory) = pass(&memory, &later(&blind, 500), 15);
    assert_eq!(rules(&unread), Vec::<&str>::new());
    let aged = ConnectorFacts { offset_age: Duration::from_secs(20), ..well.connectors[0].clone() };
    assert_eq!(rules(&pass(&memory, &later(&facts(aged, replica_set()), 500), 30).0), Vec::<&str>::new());
    // Nor is what was seen to stand still before, once that is stale: it may have moved by now.
    let (stands, memory) = pass(&memory, &later(&well, 500), 45);
    assert_eq!(rules(&stands), ["RG003"]);
    assert_eq!(rules(&pass(&memory, &later(&blind, 510), 60).0), Vec::<&str>::new());
    let aged = ConnectorFacts { offset_age: Duration::from_secs(20), ..well.connectors[0].clone() };
    assert_eq!(rules(&pass(&memory, &later(&facts(aged, replica_set()), 510), 60).0), ["RG003"], "not stale");
    let aged = ConnectorFacts { offset_age: Duration::from_secs(46), ..well.connectors[0].clone() };
    assert_eq!(rules(&pass(&memory, &later(&facts(aged, replica_set()), 510), 60).0), Vec::<&str>::new());
    let stood = facts(connector(token(FIRST + 60_000, 0)), replica_set());
    let (_, memory) = pass(&Memory::default(), &stood, 0);
    let moved = later(&facts(connector(token(FIRST + 60_001, 0)), replica_set()), 500);
    assert_eq!(rules(&pass(&memory, &moved, 15).0), Vec::<&str>::new(), "it moved");
}

#[test]
fn rg009_holds_until_the_old_place_is_passed() {
    let at = |t| facts(connector(token(t, 0)), replica_set());
    let (_, memory) = pass(&Memory::default(), &at(FIRST + 70_000), 0);
    let (back, memory) = pass(&memory, &at(FIRST + 60_000), 15);
    assert_eq!(rules(&back), ["RG009"]);
    assert!(back.findings[0].summary.contains("went back by 10000 s"), "{:?}", back.findings);
    let (on_its_way, memory) = pass(&memory, &at(FIRST + 65_000), 30);
    assert_eq!(rules(&on_its_way), ["RG009"]);
    assert_eq!(rules(&pass(&memory, &at(FIRST + 70_000), 45).0), Vec::<&str>::new());
}

#[test]
fn rg009_ends() {
    let rewound = |story: &mut Story, change: &dyn Fn(&mut Facts)| {
        story.pass(|facts| change(facts));
        rules(story.report()).contains(&"RG009")
    };
    // After a token from the future was replaced, even where a pass could not read it.
    for blind in [false, true] {
        let mut story = Story::begin(LAST + 90_000, None);
        story.pass(|_| {});
        if blind {
            story.pass(|facts| facts.connectors[0].offset = Err(Why::OffsetsUnreadable));
        }
        assert!(!rewound(&mut story, &|facts| stored(facts, AT)));
    }
    // With another deployment, namespace or key there is nothing to compare with.
    for change in [
        &|facts: &mut Facts| facts.connectors[0].settings.namespace = "shop.invoices".into(),
        &|facts: &mut Facts| facts.connectors[0].stale_keys = 1,
        &|facts: &mut Facts| {
            let same = facts.deployments["rs0"].clone();
            facts.deployments.insert("rs1".into(), same);
            facts.connectors[0].deployment = Ok("rs1".into());
        },
    ] as [&dyn Fn(&mut Facts); 3]
    {
        let mut story = Story::begin(AT + 100, None);
        assert!(rewound(&mut story, &|facts| stored(facts, AT)));
        assert!(!rewound(&mut story, change));
        let mut story = Story::begin(AT + 100, None);
        assert!(!rewound(&mut story, &|facts| {
            stored(facts, AT);
            change(facts);
        }));
    }
    // And a day later at the latest.
    let mut story = Story::begin(AT + 100, None);
    assert!(rewound(&mut story, &|facts| stored(facts, AT)));
    assert!(rewound(&mut story, &|facts| *facts = later(facts, 86_399)));
    assert!(!rewound(&mut story, &|facts| *facts = later(facts, 1)));
}

#[test]
fn rg016_warns_when_a_copy_outlasts_half_the_window() {
    let copying = facts(connector(Ok(StoredOffset::Copying)), replica_set());
    let (first, memory) = pass(&Memory::default(), &copying, 0);
    assert_eq!((rules(&first), first.findings[0].severity), (vec!["RG016"], Severity::Info));
    // The window of 100 000 s grows with what is written, as nothing is truncated.
    let after = |seconds| pass(&memory, &later(&copying, seconds), 15).0.findings.remove(0);
    assert_eq!(after(99_999).severity, Severity::Info);
    assert_eq!(after(100_000).severity, Severity::Warning);
    assert!(after(100_000).summary.contains("seen for 100000 s"), "{:?}", after(100_000));
    // An oplog of one entry is no window to outlast.
    let mut one_entry = replica_set();
    one_entry[0].first = Ok(FirstEntry { time: Timestamp { t: LAST, i: 1 }, initiating: false });
    let copying = facts(connector(Ok(StoredOffset::Copying)), one_entry);
    assert_eq!(one(&copying).findings[0].severity, Severity::Info);
}

#[test]
fn rg017_rg018_rg020_rg023() {
    let refused = |code, class| {
        let failed =
            ConnectorFacts { tasks: failed(Some(code), class), ..connector(token(FIRST + 60_000, 0)) };
        rules(&one(&facts(failed, replica_set())))
    };
    assert_eq!(refused(280, FailureClass::WrongStream), ["RG005", "RG017"]);
    assert_eq!(refused(10334, FailureClass::EventTooLarge), ["RG005", "RG018"]);
    let mut members = replica_set();
    members[0].first = Ok(FirstEntry { time: Timestamp { t: FIRST, i: 5 }, initiating: true });
    assert_eq!(rules(&one(&facts(connector(token(FIRST - 9, 0)), members))), ["RG017"]);
    let start = FIRST.to_string();
    let timestamp =
        [("startup.mode", "timestamp"), ("startup.mode.timestamp.start.at.operation.time", start.as_str())];
    assert_eq!(
        rules(&one(&facts(with_settings(token(FIRST + 60_000, 0), &timestamp), replica_set()))),
        ["RG020"]
    );
    assert_eq!(rules(&one(&facts(connector(Err(Why::NameUnaddressable)), replica_set()))), ["RG023"]);
    // Read from the topic it has a position, and can be helped no better.
    let of_topic = |name: &str, from| {
        let mut named = ConnectorFacts { offsets_from: Some(from), ..connector(token(FIRST + 60_000, 0)) };
        named.id.connector = name.to_owned();
        let report = one(&facts(named, replica_set()));
        report.findings.iter().map(|finding| (finding.rule, finding.severity)).collect::<Vec<_>>()
    };
    assert_eq!(of_topic("a/b", OffsetsFrom::Topic), [("RG023", Severity::Info)]);
    assert_eq!(of_topic("..", OffsetsFrom::File), [("RG023", Severity::Warning)]);
    assert_eq!(of_topic("a/b", OffsetsFrom::Rest), [], "REST has just told its position");
    assert_eq!(of_topic("a.b", OffsetsFrom::Topic), []);
}

#[test]
fn every_rule_has_a_number_of_its_own_and_a_page() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/findings");
    for (i, rule) in crate::assess::RULES.iter().enumerate() {
        assert!(
            crate::assess::RULES[..i].iter().all(|other| other.id < rule.id),
            "{} is out of order",
            rule.id
        );
        let page = format!("{root}/{}-{}.md", rule.id, rule.name);
        assert!(std::path::Path::new(&page).exists(), "{page} is missing");
    }
}

fn with_streams(facts: &Facts, streams: Option<Vec<ChangeStream>>) -> Facts {
    let mut facts = facts.clone();
    for deployment in facts.deployments.values_mut() {
        deployment.members.as_mut().unwrap()[0].streams.clone_from(&streams);
    }
    facts
}

#[test]
fn rg013_an_electable_member_that_begins_later() {
    let beside = |first: u32, change: &dyn Fn(&mut MemberFacts)| {
        let mut other = member("b:1", Role::Secondary, first);
        change(&mut other);
        let members = vec![member("a:1", Role::Primary, FIRST), other];
        rules(&one(&facts(connector(token(FIRST + 60_000, 5)), members)))
    };
    assert_eq!(beside(FIRST + 60_001, &|_| {}), ["RG013"]);
    assert_eq!(beside(FIRST + 60_000, &|_| {}), Vec::<&str>::new(), "its oldest entry is that very one");
    assert_eq!(beside(FIRST + 60_001, &|member| member.electable = false), Vec::<&str>::new());
    let members = vec![member("a:1", Role::Primary, FIRST), member("b:1", Role::Secondary, FIRST + 60_001)];
    let mut direct = facts(connector(token(FIRST + 60_000, 5)), members);
    direct.connectors[0].selection = Ok(Selection::Direct("a:1".into()));
    assert_eq!(rules(&one(&direct)), Vec::<&str>::new(), "it reads from that one whoever is primary");
}

/// What a connector that reads from secondaries would read after an election, and not who becomes primary, decides.
#[test]
fn rg013_for_readers_of_secondaries() {
    let reader = |short: &str, dc: Option<&str>| {
        let first = |host: &str| if host == short { FIRST + 60_001 } else { FIRST };
        let of = |host: &str, role, dc: &str| MemberFacts {
            tags: Ok([("dc".to_owned(), dc.to_owned())].into()),
            ..member(host, role, first(host))
        };
        let members = vec![
            of("a:1", Role::Primary, "ny"),
            of("b:1", Role::Secondary, "ny"),
            of("c:1", Role::Secondary, "sf"),
        ];
        let tag_sets = dc.map(|dc| [("dc".to_owned(), dc.to_owned())].into()).into_iter().collect();
        let mut facts = facts(connector(token(FIRST + 60_000, 5)), members);
        facts.connectors[0].selection = Ok(Selection::Preference {
            preference: ReadPreference::Secondary,
            tag_sets,
            max_staleness: None,
        });
        rules(&one(&facts))
    };
    assert_eq!(reader("a:1", None), ["RG013"], "the old primary would be read");
    assert_eq!(reader("a:1", Some("sf")), Vec::<&str>::new(), "its tags keep it away");
    assert_eq!(reader("c:1", Some("ny")), Vec::<&str>::new(), "whoever becomes primary");
}

/// After an election the cursor stays where it was opened, on what is a secondary now.
#[test]
fn rg006_looks_at_every_member() {
    let namespace = [("database", "shop"), ("collection", "orders")];
    let members = vec![member("a:1", Role::Primary, FIRST), member("b:1", Role::Secondary, FIRST)];
    let mut facts = facts(with_settings(token(FIRST + 60_000, 0), &namespace), members);
    let members = facts.deployments.get_mut("rs0").unwrap().members.as_mut().unwrap();
    members[0].streams = Some(vec![]);
    members[1].streams = Some(vec![stream("shop.orders", FIRST)]);
    let (_, memory) = pass(&Memory::default(), &facts, 0);
    assert_eq!(rules(&pass(&memory, &facts, 15).0), Vec::<&str>::new());
}

#[test]
fn rg006_is_silent_while_existing_data_is_copied() {
    let check = |offset: Observed<StoredOffset>, mode: &str, expected: &[&str]| {
        let connector = with_settings(offset, &[("startup.mode", mode)]);
        let without_a_stream = with_streams(&facts(connector, replica_set()), Some(vec![]));
        let (_, memory) = pass(&Memory::default(), &without_a_stream, 0);
        assert_eq!(rules(&pass(&memory, &without_a_stream, 15).0), expected, "{mode}");
    };
    check(Ok(StoredOffset::Copying), "copy_existing", &["RG016"]);
    check(Ok(StoredOffset::Copying), "latest", &["RG016"]);
    check(Err(Why::NoPosition), "copy_existing", &["RG010"]);
    check(Err(Why::NoPosition), "latest", &["RG006", "RG010"]);
    check(token(FIRST + 60_000, 0), "copy_existing", &["RG006"]);
}

#[test]
fn rg006_counts_anew_after_a_stop() {
    let running = facts(with_settings(token(FIRST + 60_000, 0), &[]), replica_set());
    let dead = with_streams(&running, Some(vec![]));
    let mut stopped = running.clone();
    stopped.connectors[0].tasks = vec![];
    let copying = facts(with_settings(Ok(StoredOffset::Copying), &[]), replica_set());
    // What cannot be seen does not reset; a stop or a copy in that time does.
    for (between, expected) in [(&running, &["RG006"][..]), (&stopped, &[]), (&copying, &[])] {
        let (_, memory) = pass(&Memory::default(), &dead, 0);
        let (_, memory) = pass(&memory, between, 15);
        assert_eq!(rules(&pass(&memory, &dead, 30).0), expected);
    }
}

fn stream(namespace: &str, created: u32) -> ChangeStream {
    ChangeStream {
        namespace: namespace.to_owned(),
        created_ms: i64::from(created) * 1000,
        last_read: Some(i64::from(LAST) - 3),
        start: StreamStart::After(Timestamp { t: FIRST - 60, i: 1 }),
    }
}

#[test]
fn rg006_needs_two_passes_and_eyes_to_see() {
    let namespace = [("database", "shop"), ("collection", "orders")];
    let running = facts(with_settings(token(FIRST + 60_000, 0), &namespace), replica_set());
    let none = with_streams(&running, Some(vec![stream("shop.other", FIRST)]));
    let (once, memory) = pass(&Memory::default(), &none, 0);
    assert_eq!(rules(&once), Vec::<&str>::new());
    // What cannot be seen neither counts nor resets.
    let (_, memory) = pass(&memory, &running, 15);
    let (twice, memory) = pass(&memory, &none, 30);
    assert_eq!(rules(&twice), ["RG006"]);
    let living = with_streams(&running, Some(vec![stream("shop.orders", FIRST)]));
    assert_eq!(rules(&pass(&memory, &living, 45).0), Vec::<&str>::new());
    // Two streams that cannot be told apart are no death.
    let two = vec![stream("shop.orders", FIRST), stream("shop.orders", FIRST)];
    assert_eq!(rules(&pass(&memory, &with_streams(&running, Some(two)), 45).0), Vec::<&str>::new());
    assert_eq!(rules(&pass(&memory, &running, 45).0), Vec::<&str>::new(), "not seen now");
    let mut paused = none.clone();
    paused.connectors[0].tasks[0].state = TaskState::Paused;
    assert_eq!(rules(&pass(&memory, &paused, 45).0), ["RG004"]);
}

#[test]
fn rg006_a_stream_that_is_opened_again_and_again() {
    let mut story = Story::begin(AT, opened(AT, after(AT)));
    let again = |story: &mut Story, n: u32| {
        story.pass(|facts| see(facts, opened(AT + n, after(AT))));
        rules(story.report()).contains(&"RG006")
    };
    assert_eq!([1, 2, 3, 4].map(|n| again(&mut story, n)), [false, false, true, true]);
    assert_eq!(story.report().progress, Progress::Stalled);
    assert!(!again(&mut story, 4), "it has lived for a whole pass");
    // One that moves on between two of them delivers.
    let mut story = Story::begin(AT, opened(AT, after(AT)));
    for n in 1..8 {
        story.pass(|facts| stored(facts, AT + n));
        assert!(!again(&mut story, n));
    }
}

#[test]
fn rg001_says_what_the_open_stream_proves() {
    let namespace = [("database", "shop"), ("collection", "orders")];
    let lost = facts(with_settings(token(FIRST - 7, 0), &namespace), replica_set());
    let say = |streams| {
        let facts = with_streams(&lost, streams);
        let (_, memory) = pass(&Memory::default(), &facts, 0);
        pass(&memory, &facts, 60).0.findings.remove(0).summary
    };
    assert!(say(None).ends_with("is not proven"));
    let own = |created| ChangeStream {
        start: StreamStart::After(Timestamp { t: FIRST - 7, i: 0 }),
        ..stream("shop.orders", created)
    };
    assert!(say(Some(vec![own(FIRST - 50)])).contains("nothing is lost while it lives"));
    assert!(say(Some(vec![own(FIRST + 50)])).contains("nothing is lost while it lives"));
    // Nothing links these to the connector: anybody may watch its collection.
    for created in [FIRST - 50, FIRST + 50] {
        for start in
            [StreamStart::Now, StreamStart::Unreadable, StreamStart::After(Timestamp { t: FIRST - 60, i: 0 })]
        {
            let foreign = ChangeStream { start, ..stream("shop.orders", created) };
            assert!(say(Some(vec![foreign])).ends_with("is not proven"), "{start:?}");
        }
    }
    let two = vec![own(FIRST - 50), own(FIRST - 60)];
    assert!(say(Some(two)).ends_with("is not proven"), "two that are alike prove nothing");
}
