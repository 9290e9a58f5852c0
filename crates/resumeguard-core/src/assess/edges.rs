//! Judgement at the edge where it begins to say something else, and what is seen for the first time.

use super::story::*;
use super::tests::*;
use crate::domain::*;

fn direct(host: &str, t: u32) -> ConnectorFacts {
    ConnectorFacts { selection: Ok(Selection::Direct(host.into())), ..connector(token(t, 1)) }
}

/// Where no primary was read, the newest entry is that of any member that holds data.
#[test]
fn an_arbiter_holds_nothing_that_could_be_newer() {
    let mut members = vec![
        member("b:1", Role::Secondary, FIRST),
        member("c:1", Role::Secondary, FIRST),
        member("d:1", Role::Arbiter, FIRST),
    ];
    members[0].last = Ok(Timestamp { t: LAST - 500, i: 0 });
    members[2].last = Err(Why::MemberUnreadable);
    check(&facts(direct("b:1", LAST), members.clone()), Verdict::Safe, OnRestart::Resumes);
    members[1].last = Err(Why::MemberUnreadable);
    check(&facts(direct("b:1", LAST), members), Verdict::Unknown(Why::MemberUnreadable), OnRestart::Unknown);
}

#[test]
fn what_its_own_member_holds_needs_no_other_to_tell() {
    let mut members = vec![member("a:1", Role::Primary, FIRST), member("b:1", Role::Secondary, FIRST)];
    members[0].last = Err(Why::MemberUnreadable);
    check(&facts(direct("b:1", LAST), members.clone()), Verdict::Safe, OnRestart::Resumes);
    let ahead = facts(direct("b:1", LAST + 1), members);
    check(&ahead, Verdict::Unknown(Why::MemberUnreadable), OnRestart::Unknown);
}

/// What `serverStatus` says in place of the oplog proves no loss; a position at its very beginning is none.
#[test]
fn a_bound_that_proves_no_loss_doubts_only_what_lies_before_it() {
    let judge = |i| {
        let mut members = replica_set();
        members[0].by_status = true;
        one(&facts(connector(token(FIRST, i)), members)).verdict
    };
    assert_eq!([judge(4), judge(5)], [Verdict::Unknown(Why::OplogUnauthorized), Verdict::Critical]);
}

/// An election in one shard changes nobody's role in another.
#[test]
fn rg013_looks_at_one_shards_election_at_a_time() {
    let of = |shard: &str, host: &str, role, first, electable| MemberFacts {
        shard: Some(shard.into()),
        electable,
        ..member(host, role, first)
    };
    let members = vec![
        of("s0", "a:1", Role::Primary, FIRST + 60_001, true),
        of("s0", "b:1", Role::Secondary, FIRST, false),
        of("s1", "c:1", Role::Primary, FIRST, true),
        of("s1", "d:1", Role::Secondary, FIRST, true),
    ];
    let mut facts = facts(connector(token(FIRST + 60_000, 5)), members);
    let preference = ReadPreference::Secondary;
    facts.connectors[0].selection =
        Ok(Selection::Preference { preference, tag_sets: vec![], max_staleness: None });
    assert_eq!(rules(&one(&facts)), [""; 0], "a:1 stays the primary of s0, which is not read");
    facts.deployments.get_mut("rs0").unwrap().members.as_mut().unwrap()[1].electable = true;
    assert_eq!(rules(&one(&facts)), ["RG013"]);
}

/// Linked by the moment at which its task was started: without a token, only a stream that was there before the position.
#[test]
fn a_stream_without_a_token_carries_what_came_after_it() {
    let live = |created: u32, start| {
        let mut story = Story::begin(AT, None);
        story.pass(|facts| {
            facts.connectors[0].tasks[0].started = Some(i64::from(created) * 1000);
            let mut streams = opened(created, start).unwrap();
            streams[0].last_read = Some(i64::from(LAST));
            see(facts, Some(streams));
        });
        story.report().live_stream
    };
    assert_eq!(live(AT - 1, StreamStart::Now), LiveStream::Carries);
    assert_eq!(live(AT, StreamStart::Now), LiveStream::Carries);
    assert_eq!(live(AT + 1, StreamStart::Now), LiveStream::OpenedLater);
    let at_a_time = StreamStart::At(Timestamp { t: AT, i: 1 });
    assert_eq!(live(AT + 1, at_a_time), LiveStream::OpenedLater);
    for with_a_token in [after(AT - 9), StreamStart::Unreadable] {
        assert_eq!(live(AT + 1, with_a_token), LiveStream::Carries);
    }
}

/// A reading that failed, or a cluster that could not be read, shows no other stream than before; a key that changed does.
#[test]
fn only_what_was_read_shows_that_it_reads_something_else() {
    let began = LAST - 1_000;
    let is_rewound = |between: &dyn Fn(&mut Facts), stale_keys| {
        let mut story = Story::begin(began + 100, None);
        story.pass(|facts| stored(facts, began));
        assert!(rules(story.report()).contains(&"RG009"));
        story.pass(between).pass(|facts| {
            run(facts);
            facts.connectors[0].stale_keys = stale_keys;
            stored(facts, began);
        });
        rules(story.report()).contains(&"RG009")
    };
    let unread = |facts: &mut Facts| {
        facts.connectors[0].offset = Err(Why::OffsetsUnreadable);
        facts.connectors[0].stale_keys = 1;
    };
    let unlisted = |facts: &mut Facts| {
        facts.connectors[0].state = Err(Why::ConnectUnreadable);
        facts.connectors[0].stale_keys = 1;
    };
    let emptied = |facts: &mut Facts| {
        facts.connectors[0].offset = Err(Why::NoPosition);
        facts.connectors[0].stale_keys = 1;
    };
    assert!(is_rewound(&unread, 0) && is_rewound(&unlisted, 0));
    assert!(!is_rewound(&emptied, 1) && !is_rewound(&emptied, 0));
}

/// Moving on and another stream in one pass: the new one has delivered.
#[test]
fn rg006_counts_streams_that_deliver_nothing() {
    let mut story = Story::begin(AT, opened(AT, after(AT)));
    for n in 1..8 {
        story.pass(|facts| {
            stored(facts, AT + n);
            see(facts, opened(AT + n, after(AT + n)));
        });
        assert!(!rules(story.report()).contains(&"RG006"), "{n}");
    }
}
