//! Streams of others beside a connector's own.

use crate::assess::story::*;
use crate::assess::tests::*;
use crate::domain::*;

const TOLERANT: [(&str, &str); 1] = [("errors.tolerance", "all")];

/// An application's or a person's `watch()` on the collection of a connector that has no stream itself.
#[test]
fn anybodys_stream_proves_no_loss() {
    let foreign = |facts: &mut Facts| see(facts, opened(AT + 600, StreamStart::Now));
    let absent = || Some(vec![]);
    for rest in [stop as fn(&mut Facts), fail] {
        let mut story = Story::with(AT, opened(AT, after(AT)), &TOLERANT);
        story.pass(|facts| {
            rest(facts);
            see(facts, absent());
        });
        story.pass(foreign).a_flush_goes_by();
        story.found(&[]);
        // It is resumed from its token while the other watches on.
        story.pass(|facts| {
            run(facts);
            let own = opened(AT + 700, after(AT)).unwrap();
            let members = facts.deployments.get_mut("rs0").unwrap().members.as_mut().unwrap();
            members[0].streams.as_mut().unwrap().extend(own);
        });
        story.a_flush_goes_by().pass(|facts| stored(facts, AT + 800));
        story.pass(|facts| see(facts, opened(AT + 700, after(AT)))).a_flush_goes_by();
        story.found(&[]);
    }
    // RUNNING without a stream: nobody knows whose that is, and it is not counted.
    let mut story = Story::with(AT, opened(AT, after(AT)), &TOLERANT);
    story.pass(|facts| see(facts, absent())).pass(foreign).a_flush_goes_by();
    story.found(&[(Outcome::MaybeLost, AT, AT + 600)]);
    assert!(story.report().losses.is_empty());
    assert!(rules(story.report()).contains(&"RG021"));
}

/// What links a stream to the connector, and what does not.
#[test]
fn a_stream_that_carries_is_linked_to_the_connector() {
    // Nobody has read these for a while: of one that is another's not even that is said.
    let linked = |story: &Story| match story.report().live_stream {
        LiveStream::Unread => true,
        LiveStream::Unproven => false,
        other @ (LiveStream::Carries | LiveStream::OpenedLater | LiveStream::None) => panic!("{other:?}"),
    };
    // From its own stored token.
    assert!(linked(&Story::begin(AT, opened(AT + 5, after(AT)))));
    assert!(!linked(&Story::begin(AT, opened(AT + 5, after(AT - 9)))));
    // A new connector's first start: the position comes by while there is no other stream.
    for (stored_at, expected) in [(AT + 9, true), (AT + 5, true), (AT + 4, false)] {
        let mut story = Story::begin(AT, opened(AT + 5, StreamStart::Now));
        assert!(!linked(&story));
        story.pass(|facts| stored(facts, stored_at));
        assert_eq!(linked(&story), expected, "{stored_at}");
        story.pass(|_| {});
        assert_eq!(linked(&story), expected, "it is remembered");
    }
    let mut first = Story::begin(AT, opened(AT + 5, StreamStart::Now));
    first.pass(|facts| facts.connectors[0].offset = Err(Why::NoPosition)).pass(|facts| stored(facts, AT + 6));
    assert!(linked(&first));
    // One that has never stored anything: the first that it stores is newer than nothing.
    for (age, expected) in [(0, true), (15, false)] {
        let mut first = Story::begin(AT, None);
        first.pass(|facts| {
            facts.connectors[0].offset = Err(Why::NoPosition);
            facts.connectors[0].offset_age = std::time::Duration::from_secs(age);
            see(facts, opened(AT + 5, StreamStart::Now));
        });
        first.pass(|facts| {
            facts.connectors[0].offset_age = std::time::Duration::ZERO;
            stored(facts, AT + 6);
        });
        assert_eq!(linked(&first), expected, "read {age} s ago");
    }
    // What was read in an earlier pass may have been stored before the stream was seen.
    let mut aged = Story::begin(AT, opened(AT + 5, StreamStart::Now));
    aged.pass(|facts| {
        facts.connectors[0].offset_age = std::time::Duration::from_secs(15);
        stored(facts, AT + 9);
    });
    assert!(!linked(&aged));
    // Another one was there when it advanced.
    let mut story = Story::begin(AT, opened(AT + 5, StreamStart::Now));
    story.pass(|facts| {
        let two = [opened(AT + 5, StreamStart::Now), opened(AT + 6, StreamStart::Now)];
        see(facts, Some(two.into_iter().flatten().flatten().collect()));
    });
    story.pass(|facts| {
        see(facts, opened(AT + 5, StreamStart::Now));
        stored(facts, AT + 9);
    });
    assert!(!linked(&story));
    // By the moment at which the task started, as the status topic tells it.
    for (started, expected) in [(-10_000, true), (10_000, true), (10_001, false)] {
        let mut story = Story::begin(AT, None);
        story.pass(|facts| {
            facts.connectors[0].tasks[0].started = Some(i64::from(AT) * 1000 + 250 + started);
            see(facts, opened(AT, StreamStart::Now));
        });
        assert_eq!(linked(&story), expected, "{started}");
    }
    // A stream that outlives its task is another's.
    let mut story = Story::begin(AT, opened(AT, after(AT)));
    story.pass(stop).pass(|_| {}).pass(run);
    assert!(linked(&story), "from its token again");
    let mut story = Story::begin(AT, opened(AT, StreamStart::Now));
    story.pass(|facts| stored(facts, AT + 1));
    assert!(linked(&story));
    story.pass(stop).pass(|_| {}).pass(run);
    assert!(!linked(&story));
}

/// As after the restart of a worker: Connect does not answer, then the task is shown before its stream is there.
#[test]
fn a_tolerated_loss_is_proven_though_its_stream_was_out_of_sight() {
    for (tolerance, outcome) in
        [(&TOLERANT[..], Outcome::Lost(LossCause::Tolerated)), (&[], Outcome::MaybeLost)]
    {
        let mut story = Story::with(AT, opened(AT, after(AT)), tolerance);
        story.pass(|facts| roll(facts, AT + 500));
        story.pass(|facts| facts.connectors[0] = facts.connectors[0].unreadable()).pass(|facts| {
            run(facts);
            stored(facts, AT);
            see(facts, Some(vec![]));
        });
        story.pass(|facts| see(facts, opened(LAST + 60, StreamStart::Now))).a_flush_goes_by();
        story.found(&[(outcome, AT, LAST + 60)]);
    }
}

/// A driver that lost its connection opens its cursor after the last place it has read to, which is newer than what is stored.
#[test]
fn a_cursor_that_the_driver_opens_anew_is_nobodys_hand() {
    let mut story = Story::begin(AT, opened(AT, after(AT)));
    story.pass(|facts| roll(facts, AT + 500)).pass(|facts| see(facts, opened(AT + 600, after(AT + 590))));
    story.pass(|facts| stored(facts, AT + 700));
    story.found(&[(Outcome::MaybeLost, AT, AT + 590)]);
}

/// The next event may be stored before the new stream is seen first: it is that stream's, and the gap ends where it began.
#[test]
fn an_event_of_a_stream_that_is_seen_first_with_it_closes_the_gap() {
    let both = |facts: &mut Facts| {
        see(facts, opened(AT + 600, StreamStart::Now));
        stored(facts, AT + 650);
    };
    let mut story = Story::begin(AT, opened(AT, after(AT)));
    story.pass(both);
    story.found(&[(Outcome::Lost(LossCause::Reopened), AT, AT + 600)]);
    let mut story = Story::begin(AT, opened(AT, after(AT)));
    story.pass(|facts| see(facts, Some(vec![]))).pass(both);
    story.found(&[(Outcome::Lost(LossCause::Reopened), AT, AT + 600)]);
    // Where it was not seen what was there before, another may have delivered it.
    let mut story = Story::begin(AT, None);
    story.pass(|facts| {
        see(facts, opened(LAST + 5, StreamStart::Now));
        stored(facts, LAST + 9);
    });
    story.found(&[]);
    story.a_flush_goes_by();
    story.found(&[(Outcome::MaybeLost, AT, LAST + 5)]);
}
