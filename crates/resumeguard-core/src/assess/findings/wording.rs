//! What findings say where a number or a case decides over the words: people act on them.

use crate::assess::story::*;
use crate::assess::tests::*;
use crate::assess::{Memory, Thresholds, assess};
use crate::domain::*;
use std::collections::BTreeMap;
use std::time::Duration;

fn said(facts: &Facts, rule: &str) -> (Severity, String) {
    let report = one(facts);
    let found = report.findings.iter().find(|finding| finding.rule == rule);
    let found = found.unwrap_or_else(|| panic!("no {rule} in {report:?}"));
    (found.severity, format!("{} | {}", found.summary, found.advice))
}

fn with_settings(offset: Observed<StoredOffset>, pairs: &[(&str, &str)]) -> ConnectorFacts {
    let config: BTreeMap<String, String> =
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    ConnectorFacts { settings: Settings::from_config(&config), ..connector(offset) }
}

#[test]
fn rg001_a_stream_that_is_not_read_proves_nothing() {
    let lost = with_settings(token(FIRST - 7, 0), &NAMESPACE);
    let say = |seconds_ago: i64| {
        let mut facts = facts(lost.clone(), replica_set());
        see(
            &mut facts,
            opened(FIRST - 50, after(FIRST - 7)).map(|mut streams| {
                streams[0].start = StreamStart::After(Timestamp { t: FIRST - 7, i: 0 });
                streams[0].last_read = Some(i64::from(LAST) - seconds_ago);
                streams
            }),
        );
        let (_, memory) = pass(&Memory::default(), &facts, 0);
        pass(&memory, &facts, 60).0.findings.remove(0).summary
    };
    assert!(say(60).contains("older than the oplog's oldest entry: any restart fails; "), "{}", say(60));
    assert!(say(60).starts_with("RUNNING, but its stored position is 7 s older"), "{}", say(60));
    assert!(say(60).ends_with("nothing is lost while it lives"), "{}", say(60));
    assert!(say(61).ends_with("has not been read for a while"), "{}", say(61));
}

#[test]
fn rg001_says_how_far_behind_even_within_the_second() {
    let say = |offset| {
        let facts = facts(connector(offset), replica_set());
        let (_, memory) = pass(&Memory::default(), &facts, 0);
        pass(&memory, &facts, 60).0.findings.remove(0).summary
    };
    assert!(say(token(FIRST, 4)).contains("is less than a second older"), "{}", say(token(FIRST, 4)));
    assert!(say(token(FIRST - 1, 9)).contains("is 1 s older"), "{}", say(token(FIRST - 1, 9)));
}

#[test]
fn rg004_and_rg005_of_a_connector_that_has_no_task() {
    let mut story = Story::begin(AT, None);
    story.pass(|facts| facts.connectors[0].tasks = vec![]);
    assert_eq!(rules(story.report()), Vec::<&str>::new(), "it may be starting");
    story.pass(|facts| facts.connectors[0] = facts.connectors[0].unreadable()).pass(|facts| {
        facts.connectors[0].state = Ok(ConnectorState::Running);
        facts.connectors[0].offset = token(AT, 1);
    });
    assert_eq!(rules(story.report()), ["RG004"]);
    assert!(story.report().findings[0].summary.starts_with("running without any task; "));
    let failure = Failure { code: None, class: FailureClass::Unauthorized };
    story.pass(|facts| {
        facts.connectors[0].state = Ok(ConnectorState::Failed);
        facts.connectors[0].failure = Some(failure);
    });
    assert_eq!(rules(story.report()), ["RG005"]);
    let said = &story.report().findings[0].summary;
    assert_eq!(said, "the connector itself has failed with no error code (unauthorized)");
    story.pass(|_| {});
    assert_eq!(story.report().failures, BTreeMap::from([((None, failure.class), 1)]));
}

#[test]
fn what_the_server_said_is_recent_or_has_an_age() {
    let judge = |t: u32, code: u32, age: u64| {
        let mut facts = facts(connector(token(t, 0)), replica_set());
        let answer = ProbeAnswer::of_code(code);
        let age = std::time::Duration::from_secs(age);
        facts.connectors[0].probe = Some(Probe { answer, age, margin_seconds: None });
        let (_, memory) = pass(&Memory::default(), &facts, 0);
        pass(&memory, &facts, 60).0
    };
    for (age, said) in
        [(59, "was asked and"), (60, "was asked 1 min ago and"), (7200, "was asked 2 h ago and")]
    {
        let summary = judge(FIRST - 7, 286, age).findings.remove(0).summary;
        assert!(summary.contains(said), "{summary}");
    }
    assert!(rules(&judge(AT, 280, 180)).contains(&"RG017"));
    assert!(!rules(&judge(AT, 280, 181)).contains(&"RG017"));
    assert!(rules(&judge(AT, 10334, 180)).contains(&"RG018"));
    assert!(!rules(&judge(AT, 10334, 181)).contains(&"RG018"));
}

#[test]
fn rg008_names_the_last_loss_and_counts_the_others() {
    let mut story = Story::begin(AT, opened(AT, after(AT - 9)));
    let skip = |story: &mut Story, t: u32| {
        story.pass(|facts| see(facts, opened(t, StreamStart::Now))).pass(|facts| stored(facts, t + 50));
        let found = story.report().findings.iter().find(|finding| finding.rule == "RG008").unwrap();
        found.summary.clone()
    };
    let once = skip(&mut story, AT + 600);
    assert!(once.contains("600 s at the most") && once.ends_with("was not delivered"), "{once}");
    assert!(once.contains("; some or all of what happened from ") && !once.contains("4294967295"), "{once}");
    assert_eq!(story.report().losses_of_late, 1);
    let twice = skip(&mut story, AT + 1000);
    assert!(twice.contains("350 s at the most") && twice.ends_with("(the last of 2 of late)"), "{twice}");
    assert_eq!(story.report().losses_of_late, 2);
    story.pass(a_day_goes_by);
    assert_eq!((story.report().losses_of_late, story.report().discontinuities.len()), (0, 2));
}

#[test]
fn rg019_says_how_far_back_an_old_position_lies() {
    let found = |t| {
        let mut story = Story::begin(t, None);
        let connector = story.facts.connectors[0].clone();
        story.pass(|facts| facts.connectors.clear()).pass(|facts| facts.connectors.push(connector));
        let found = story.report().findings.iter().find(|finding| finding.rule == "RG019").cloned().unwrap();
        (found.severity, found.summary)
    };
    let (severity, summary) = found(LAST - 500);
    assert!(
        severity == Severity::Warning && summary.contains(", 500 s behind the oplog's newest"),
        "{summary}"
    );
    assert_eq!(found(FIRST - 1).0, Severity::Critical, "it is lost as well");
}

#[test]
fn rg004_says_what_is_left_or_since_when_nothing_is() {
    let paused = |t| {
        let tasks = vec![task(TaskState::Paused, None)];
        said(&facts(ConnectorFacts { tasks, ..connector(token(t, 9)) }, replica_set()), "RG004").1
    };
    assert!(paused(FIRST + 30).contains("30 s of headroom are left"));
    assert!(paused(FIRST).contains("0 s of headroom are left"));
    assert!(paused(FIRST - 7).contains("left the oplog 7 s ago"));
}

#[test]
fn rg005_tells_260_from_other_wrong_streams() {
    let refused = |code| {
        let tasks = failed(Some(code), FailureClass::WrongStream);
        said(&facts(ConnectorFacts { tasks, ..connector(token(FIRST + 60_000, 0)) }, replica_set()), "RG005")
            .1
    };
    assert!(refused(260).contains("in silence"), "{}", refused(260));
    assert!(refused(280).contains("a restart fails again"), "{}", refused(280));
}

#[test]
fn rg010_says_where_a_start_without_a_position_begins() {
    let begins = |pairs: &[(&str, &str)]| {
        said(&facts(with_settings(Err(Why::NoPosition), pairs), replica_set()), "RG010").1
    };
    let at = ("startup.mode.timestamp.start.at.operation.time", "1000000");
    assert!(begins(&[]).contains("at that moment"));
    assert!(begins(&[("startup.mode", "timestamp")]).contains("at that moment"), "no time is set");
    assert!(begins(&[("startup.mode", "timestamp"), at]).contains("at startup.mode.timestamp"));
    assert!(begins(&[("startup.mode", "copy_existing")]).contains("with a copy of all existing data"));
}

#[test]
fn rg011_needs_a_missing_position_and_one_under_another_key() {
    let report = |offset, stale_keys| {
        rules(&one(&facts(ConnectorFacts { stale_keys, ..connector(offset) }, replica_set())))
    };
    assert_eq!(report(Err(Why::NoPosition), 0), ["RG010"]);
    assert_eq!(report(Err(Why::NoPosition), 1), ["RG010", "RG011"]);
    assert_eq!(report(token(FIRST + 60_000, 0), 1), Vec::<&str>::new());
}

#[test]
fn rg014_says_what_the_server_said() {
    let told = |answer: Option<ProbeAnswer>| {
        let Ok(StoredOffset::Token(position)) = token(FIRST + 60_000, 0) else { unreachable!() };
        let offset = Ok(StoredOffset::Token(Position { type_bits_missing: true, ..position }));
        let probe = answer.map(|answer| Probe { answer, age: Duration::ZERO, margin_seconds: None });
        said(&facts(ConnectorFacts { probe, ..connector(offset) }, replica_set()), "RG014")
    };
    let refused = ProbeAnswer::Refused(Failure { code: Some(280), class: FailureClass::WrongStream });
    assert_eq!(told(Some(refused)).0, Severity::Critical);
    assert!(told(Some(refused)).1.contains("refuses it"));
    assert!(told(Some(ProbeAnswer::Resumes)).1.contains("accepts it all the same"));
    assert!(told(None).1.contains("may refuse it"));
}

#[test]
fn rg020_says_how_far_back_and_only_back() {
    let start = |at: u32| {
        let at = at.to_string();
        let pairs =
            [("startup.mode", "timestamp"), ("startup.mode.timestamp.start.at.operation.time", at.as_str())];
        facts(with_settings(token(FIRST + 60_000, 0), &pairs), replica_set())
    };
    assert!(said(&start(FIRST + 59_000), "RG020").1.contains("goes back 1000 s"));
    assert!(rules(&one(&start(FIRST + 60_000))).is_empty());
}

#[test]
fn rg012_a_window_below_the_need_and_one_that_was_lowered() {
    let rg012 = |facts: &Facts, memory: &Memory, needed: u64| {
        let mut thresholds = Thresholds::default();
        thresholds.levels.window_needed = Some(Duration::from_secs(needed));
        let (snapshot, memory) = assess(memory, facts, &thresholds, now(0));
        let found = snapshot.connectors[0].findings.iter().find(|finding| finding.rule == "RG012").cloned();
        (found.map(|finding| finding.summary), memory)
    };
    let mut facts = facts(connector(token(FIRST + 10_000, 1)), replica_set());
    assert_eq!(rg012(&facts, &Memory::default(), 100_000).0, None);
    let (short, _) = rg012(&facts, &Memory::default(), 100_001);
    assert!(short.unwrap().contains("holds 100000 s, 100001 s are needed"));
    let limits = |facts: &mut Facts, max: Option<u64>, retention: Option<u64>| {
        let member = &mut facts.deployments.get_mut("rs0").unwrap().members.as_mut().unwrap()[0];
        member.sizes =
            OplogSizes { size_bytes: Some(1), max_size_bytes: max, min_retention_seconds: retention };
    };
    let mib = 1_048_576;
    limits(&mut facts, Some(990 * mib), Some(7_200));
    let (none, memory) = rg012(&facts, &Memory::default(), 1);
    assert_eq!(none, None);
    let (same, memory) = rg012(&facts, &memory, 1);
    assert_eq!(same, None);
    limits(&mut facts, None, None);
    let (unread, memory) = rg012(&facts, &memory, 1);
    assert_eq!(unread, None, "what could not be read was not lowered");
    limits(&mut facts, Some(100 * mib), Some(3_600));
    let (lowered, memory) = rg012(&facts, &memory, 1);
    assert!(lowered.unwrap().contains("from 990 to 100 MiB and from 7200 s to 3600 s of retention"));
    let (still, memory) = rg012(&facts, &memory, 1);
    assert!(still.is_some(), "it stays for a day");
    limits(&mut facts, Some(990 * mib), Some(7_200));
    assert_eq!(rg012(&facts, &memory, 1).0, None, "and ends when it is undone");
}

#[test]
fn a_mute_lowers_a_finding_and_hides_no_verdict() {
    let mute = crate::assess::Mute {
        connectors: vec![wildmatch::WildMatch::new("main/ord*")],
        rules: vec!["RG005".into()],
        reason: "known".into(),
        until: now(0).unix_seconds + 1,
    };
    let mut broken = facts(connector(token(FIRST - 9, 1)), replica_set());
    fail(&mut broken);
    let judged = |mute: crate::assess::Mute| {
        let thresholds = Thresholds { mutes: vec![mute], ..Thresholds::default() };
        let report = assess(&Memory::default(), &broken, &thresholds, now(0)).0.connectors.remove(0);
        let finding = report.findings[0].clone();
        (report.verdict, finding.rule, finding.severity, finding.muted)
    };
    let loud = (Verdict::Lost, "RG005", Severity::Critical, None);
    assert_eq!(judged(mute.clone()), (Verdict::Lost, "RG005", Severity::Info, Some("known".into())));
    assert_eq!(judged(crate::assess::Mute { until: now(0).unix_seconds, ..mute.clone() }), loud, "over");
    assert_eq!(judged(crate::assess::Mute { rules: vec!["RG007".into()], ..mute.clone() }), loud);
    let others = vec![wildmatch::WildMatch::new("other*")];
    assert_eq!(judged(crate::assess::Mute { connectors: others, ..mute }), loud);
}
