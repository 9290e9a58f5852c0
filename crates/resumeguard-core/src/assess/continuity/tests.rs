//! Losses, rescues and what is neither, pass by pass on facts made by hand.

use crate::assess::story::*;
use crate::assess::tests::*;
use crate::domain::*;
use std::collections::BTreeMap;

const TOLERANT: [(&str, &str); 1] = [("errors.tolerance", "all")];

#[test]
fn a_stream_opened_without_the_lost_token_skipped_history() {
    let mut story = Story::begin(AT, opened(AT, after(AT - 9)));
    story.pass(|facts| roll(facts, AT + 500)).pass(|facts| see(facts, opened(AT + 600, StreamStart::Now)));
    story.found(&[]);
    story.pass(|facts| stored(facts, AT + 650));
    story.found(&[(Outcome::Lost(LossCause::Tolerated), AT, AT + 600)]);
    assert_eq!(story.report().losses, BTreeMap::from([(LossCause::Tolerated, (1, 600))]));
    assert!(rules(story.report()).contains(&"RG008"), "{:?}", story.report().findings);
    // Told once, shown for a day of the server's clock.
    story.a_flush_goes_by();
    assert_eq!(story.report().losses[&LossCause::Tolerated].0, 1);
    story.pass(a_day_goes_by);
    assert!(!rules(story.report()).contains(&"RG008"));
    assert_eq!(story.report().losses[&LossCause::Tolerated].0, 1, "the counter stays");
}

#[test]
fn a_loss_is_told_though_nothing_is_ever_stored_again() {
    let mut story = Story::with(AT, opened(AT, after(AT - 9)), &TOLERANT);
    story.pass(|facts| roll(facts, AT + 500)).pass(|facts| see(facts, opened(AT + 600, StreamStart::Now)));
    story.a_flush_goes_by();
    story.found(&[(Outcome::Lost(LossCause::Tolerated), AT, AT + 600)]);
    // When an event comes at last, it is no second loss.
    story.pass(|facts| stored(facts, AT + 9_000));
    story.found(&[(Outcome::Lost(LossCause::Tolerated), AT, AT + 600)]);
}

#[test]
fn what_the_old_stream_delivered_before_it_ended_is_not_lost() {
    let mut story = Story::begin(AT, opened(AT, after(AT - 9)));
    story.pass(|facts| see(facts, opened(AT + 600, StreamStart::Now)));
    // An event older than the new stream came by the old one and was stored late.
    story.pass(|facts| stored(facts, AT + 590));
    story.found(&[]);
    story.pass(|facts| stored(facts, AT + 700));
    story.found(&[(Outcome::Lost(LossCause::Reopened), AT + 590, AT + 600)]);
    // A mark may be the new stream's own: it says nothing of how far the old one came.
    let mark = |facts: &mut Facts, t: u32| {
        stored(facts, t);
        let Ok(StoredOffset::Token(position)) = &mut facts.connectors[0].offset else { unreachable!() };
        position.kind = TokenKind::HighWaterMark;
    };
    let mut story = Story::begin(AT, opened(AT, after(AT - 9)));
    story.pass(|facts| see(facts, opened(AT + 600, StreamStart::Now))).pass(|facts| mark(facts, AT + 595));
    story.found(&[]);
    story.pass(|facts| mark(facts, AT + 605));
    story.found(&[(Outcome::Lost(LossCause::Reopened), AT + 595, AT + 600)]);
}

#[test]
fn a_stream_that_ends_and_begins_at_once_loses_nothing() {
    let invalidated = |facts: &mut Facts, t: u32| {
        stored(facts, t);
        let Ok(StoredOffset::Token(position)) = &mut facts.connectors[0].offset else { unreachable!() };
        position.ends = StreamEnd::Every;
    };
    let mut story = Story::begin(AT, opened(AT, after(AT - 9)));
    story.pass(|facts| see(facts, opened(AT + 600, StreamStart::Now)));
    story.pass(|facts| invalidated(facts, AT + 600)).a_flush_goes_by();
    story.found(&[]);
    // Stopped at the drop and started an hour later: what was written in between to the new collection is gone.
    story.pass(stop).pass(|facts| {
        run(facts);
        see(facts, opened(AT + 4_200, StreamStart::Now));
    });
    story.a_flush_goes_by();
    story.found(&[(Outcome::Lost(LossCause::Invalidated), AT + 600, AT + 4_200)]);
}

#[test]
fn a_lost_position_that_its_own_stream_carried_over_is_rescued() {
    for start in [after(AT - 9), after(AT), StreamStart::Now] {
        let mut story = Story::begin(AT, opened(AT - 5, start));
        story.pass(|facts| roll(facts, AT + 500)).pass(|facts| stored(facts, AT + 700));
        story.found(&[(Outcome::Rescued, AT, AT + 700)]);
        assert!(story.report().losses.is_empty());
        assert!(!rules(story.report()).iter().any(|rule| ["RG008", "RG021"].contains(rule)));
    }
}

#[test]
fn without_eyes_to_see_a_lost_position_that_advances_is_possible_loss() {
    let mut story = Story::begin(AT, None);
    story.pass(|facts| roll(facts, AT + 500)).pass(|facts| stored(facts, AT + 700));
    story.found(&[(Outcome::MaybeLost, AT, AT + 700)]);
    assert!(story.report().losses.is_empty(), "not counted");
    assert!(rules(story.report()).contains(&"RG021"));
    // One that is lost again has decided nothing.
    let mut story = Story::begin(AT, None);
    story.pass(|facts| roll(facts, AT + 500)).pass(|facts| stored(facts, AT + 400));
    story.found(&[]);
    // Nor has one that never was lost anything to decide.
    let mut story = Story::begin(AT, None);
    story.pass(|facts| stored(facts, AT + 700));
    story.found(&[]);
}

#[test]
fn a_restart_from_a_lost_token_that_ended_running_is_proven_without_streams() {
    let tolerant = [("errors.tolerance", "all")];
    let mut story = Story::with(AT, None, &tolerant);
    story.pass(|facts| roll(facts, AT + 500)).pass(|facts| {
        facts.connectors[0].tasks[0].worker = Some("w:2".into());
        stored(facts, AT + 700);
    });
    story.found(&[(Outcome::Lost(LossCause::Tolerated), AT, AT + 700)]);
    let mut story = Story::with(AT, None, &tolerant);
    story.pass(|facts| roll(facts, AT + 500)).pass(fail).pass(|facts| {
        run(facts);
        stored(facts, AT + 700);
    });
    story.found(&[(Outcome::Lost(LossCause::Tolerated), AT, AT + 700)]);
}

#[test]
fn the_status_topic_shows_a_restart_between_two_passes() {
    let outcome = |before: Option<i64>, after: Option<i64>| {
        let mut story = Story::with(AT, None, &[("errors.tolerance", "all")]);
        story.pass(|facts| {
            roll(facts, AT + 500);
            facts.connectors[0].tasks[0].started = before;
        });
        story.pass(|facts| {
            facts.connectors[0].tasks[0].started = after;
            stored(facts, AT + 700);
        });
        story.report().discontinuities[0].outcome
    };
    assert_eq!(outcome(Some(1), Some(2)), Outcome::Lost(LossCause::Tolerated));
    for (before, after) in [(Some(1), Some(1)), (None, Some(2)), (Some(1), None)] {
        assert_eq!(outcome(before, after), Outcome::MaybeLost, "{before:?} {after:?}");
    }
}

#[test]
fn a_position_set_by_hand_while_nothing_runs() {
    // The lost position of a failed connector, set to the oldest entry: what MongoDB deleted is lost.
    let mut story = Story::begin(AT, Some(vec![]));
    story.pass(|facts| roll(facts, AT + 500)).pass(fail).pass(stop).pass(|facts| stored(facts, AT + 500));
    story.found(&[(Outcome::Lost(LossCause::Altered), AT, AT + 500)]);
    story.pass(run).pass(|facts| {
        see(facts, opened(AT + 900, after(AT + 500)));
        stored(facts, AT + 950);
    });
    story.found(&[(Outcome::Lost(LossCause::Altered), AT, AT + 500)]);
    // The last flush of a task that was stopped is not somebody's hand.
    let mut story = Story::begin(AT, Some(vec![]));
    story.pass(stop).pass(|facts| stored(facts, AT + 3)).pass(|_| {});
    story.found(&[]);
}

#[test]
fn a_deleted_position_and_a_changed_key() {
    let vanish = |facts: &mut Facts| facts.connectors[0].offset = Err(Why::NoPosition);
    let mut story = Story::begin(AT, None);
    story.pass(stop).pass(vanish).pass(run).pass(|facts| stored(facts, AT + 700));
    story.found(&[(Outcome::Lost(LossCause::Reset), AT, AT + 700)]);
    let mut story = Story::begin(AT, None);
    story.pass(|facts| {
        vanish(facts);
        facts.connectors[0].stale_keys = 1;
    });
    story.pass(|facts| stored(facts, AT + 700));
    story.found(&[(Outcome::Lost(LossCause::KeyChanged), AT, AT + 700)]);
    // What is copied anew, or begins at a time before, skips nothing.
    let start = (AT - 5).to_string();
    let timestamp =
        [("startup.mode", "timestamp"), ("startup.mode.timestamp.start.at.operation.time", start.as_str())];
    for settings in [&[("startup.mode", "copy_existing")][..], &timestamp] {
        let mut story = Story::with(AT, None, settings);
        story.pass(vanish).pass(|facts| stored(facts, AT + 700));
        story.found(&[]);
    }
}

#[test]
fn another_stream_continues_nothing() {
    let mut story = Story::begin(AT, opened(AT, after(AT - 9)));
    story.pass(|facts| {
        facts.connectors[0].settings.namespace = "shop.invoices".into();
        facts.connectors[0].offset = Err(Why::NoPosition);
    });
    story.pass(|facts| stored(facts, AT + 700));
    story.found(&[]);
}

#[test]
fn an_ordinary_restart_and_a_new_connector_lose_nothing() {
    let mut story = Story::begin(AT, opened(AT, after(AT - 9)));
    story.pass(|facts| see(facts, opened(AT + 600, after(AT)))).pass(|facts| stored(facts, AT + 700));
    story.found(&[]);
    // An idle one opened a while ago stores the mark at which it began, which is a little older than its cursor.
    let mut story = Story::begin(AT, opened(AT + 5, StreamStart::Now));
    story.a_flush_goes_by();
    story.found(&[]);
}

#[test]
fn a_loss_is_new_in_the_pass_that_finds_it_and_only_there() {
    let mut story = Story::begin(AT, None);
    assert!(story.report().new_discontinuities().is_empty());
    story.pass(|facts| roll(facts, AT + 500)).pass(|facts| stored(facts, AT + 700));
    assert_eq!(story.report().new_discontinuities().len(), 1);
    story.pass(|_| {});
    assert!(story.report().new_discontinuities().is_empty());
    assert_eq!(story.report().discontinuities.len(), 1);
}

#[test]
fn losses_add_up_and_only_the_last_few_are_remembered() {
    let mut story = Story::begin(AT, opened(AT, after(AT - 9)));
    for n in 1..=20 {
        story.pass(|facts| see(facts, opened(AT + n * 100, StreamStart::Now)));
        story.pass(|facts| stored(facts, AT + n * 100 + 1));
    }
    let report = story.report();
    // From each stored position to the next stream: 100 s the first time, 99 s ever after.
    assert_eq!(report.losses, BTreeMap::from([(LossCause::Reopened, (20, 100 + 19 * 99))]));
    assert_eq!((report.discontinuities.len(), report.discontinuities[0].from.t), (16, AT + 401));
}

#[test]
fn a_stream_first_seen_later_counts_only_if_the_position_was_read_before_it() {
    // Nothing was seen of streams while the position was read at LAST: one created then may have written it.
    for (created, found) in [(LAST, false), (LAST + 1, true)] {
        let mut story = Story::begin(AT, None);
        story.pass(|facts| see(facts, opened(created, StreamStart::Now))).a_flush_goes_by();
        let expected = [(Outcome::MaybeLost, AT, created)];
        story.found(if found { &expected } else { &[] });
    }
}

#[test]
fn a_stream_opened_at_a_time_skips_only_what_lies_before_that_time() {
    let at = |t| StreamStart::At(Timestamp { t, i: 1 });
    for (begins, found) in [(AT - 1, false), (AT, false), (AT + 50, true)] {
        let mut story = Story::with(AT, opened(AT, after(AT - 9)), &TOLERANT);
        story.pass(|facts| see(facts, opened(AT + 600, at(begins)))).a_flush_goes_by();
        let expected = [(Outcome::Lost(LossCause::Reopened), AT, AT + 50)];
        story.found(if found { &expected } else { &[] });
    }
}

#[test]
fn a_copy_after_a_reset_loses_nothing_though_its_stream_is_new() {
    for (mode, found) in [("copy_existing", false), ("latest", true)] {
        let mut story = Story::with(AT, opened(AT, after(AT - 9)), &[("startup.mode", mode)]);
        story.pass(stop).pass(|facts| facts.connectors[0].offset = Err(Why::NoPosition));
        story.pass(|facts| {
            run(facts);
            see(facts, opened(AT + 600, StreamStart::Now));
        });
        story.a_flush_goes_by();
        let expected = [(Outcome::Lost(LossCause::Reset), AT, AT + 600)];
        story.found(if found { &expected } else { &[] });
    }
}

#[test]
fn a_dropped_collection_skips_what_a_standstill_left_out_even_unseen() {
    let ended = |facts: &mut Facts| {
        stored(facts, AT);
        let Ok(StoredOffset::Token(position)) = &mut facts.connectors[0].offset else { unreachable!() };
        position.ends = StreamEnd::Every;
    };
    for (next, found) in [(AT + 1, false), (AT + 2, true)] {
        let mut story = Story::begin(AT - 5, None);
        story.pass(ended).pass(stop).pass(|facts| {
            run(facts);
            stored(facts, next);
        });
        let expected = [(Outcome::Lost(LossCause::Invalidated), AT, next)];
        story.found(if found { &expected } else { &[] });
    }
    // One that ran through went on at once.
    let mut story = Story::begin(AT - 5, None);
    story.pass(ended).pass(|facts| stored(facts, AT + 500));
    story.found(&[]);
}

#[test]
fn a_stream_opened_after_the_loss_carried_nothing_over() {
    // From a token older than the position, but only after that was lost: it cannot have been.
    let mut story = Story::begin(AT, None);
    story.pass(|facts| roll(facts, AT + 500));
    story.pass(|facts| {
        see(facts, opened(LAST + 60, after(AT - 9)));
        stored(facts, AT + 700);
    });
    story.found(&[(Outcome::MaybeLost, AT, AT + 700)]);
    // From a token newer than the lost position: somebody set it.
    let mut story = Story::begin(AT, None);
    story.pass(|facts| roll(facts, AT + 500)).pass(|facts| {
        facts.connectors[0].tasks[0].worker = Some("w:2".into());
        see(facts, opened(LAST + 60, after(AT + 550)));
        stored(facts, AT + 700);
    });
    story.found(&[(Outcome::Lost(LossCause::Altered), AT, AT + 550)]);
    // Without a restart it may be another's.
    let mut story = Story::begin(AT, None);
    story.pass(|facts| roll(facts, AT + 500)).pass(|facts| {
        see(facts, opened(LAST + 60, after(AT + 550)));
        stored(facts, AT + 700);
    });
    story.found(&[(Outcome::MaybeLost, AT, AT + 700)]);
}

#[test]
fn a_gap_is_closed_after_exactly_one_flush() {
    // Noticed at 15 s, so known at 75 s and not a pass before.
    let mut story = Story::with(AT, opened(AT, after(AT - 9)), &TOLERANT);
    story.pass(|facts| see(facts, opened(AT + 600, StreamStart::Now)));
    story.pass(|_| {}).pass(|_| {}).pass(|_| {});
    story.found(&[]);
    story.pass(|_| {});
    story.found(&[(Outcome::Lost(LossCause::Reopened), AT, AT + 600)]);
    // What the old stream delivered is waited for as long, and counts though it is stored at the last moment.
    let mut story = Story::with(AT, opened(AT, after(AT - 9)), &TOLERANT);
    story.pass(|facts| see(facts, opened(AT + 600, StreamStart::Now)));
    story.pass(|_| {}).pass(|_| {}).pass(|facts| stored(facts, AT + 500));
    story.found(&[]);
    story.pass(|facts| stored(facts, AT + 590));
    story.found(&[(Outcome::Lost(LossCause::Reopened), AT + 590, AT + 600)]);
}

/// It was opened with its task, and is its own: what it has not stored yet may still be what the old one delivered.
#[test]
fn an_own_stream_closes_no_gap_before_its_position_moves() {
    let mut story = Story::begin(AT, opened(AT, after(AT - 9)));
    story.pass(|facts| {
        facts.connectors[0].tasks[0].worker = Some("w:2".into());
        see(facts, opened(AT + 600, StreamStart::Now));
    });
    story.pass(|_| {}).pass(|_| {}).pass(|_| {});
    story.found(&[]);
    story.pass(|_| {});
    story.found(&[(Outcome::Lost(LossCause::Reopened), AT, AT + 600)]);
    // One that may be another's is waited for as long, though something newer is stored.
    let mut story = Story::begin(AT, None);
    story.pass(|facts| {
        see(facts, opened(LAST + 5, StreamStart::Now));
        stored(facts, LAST + 9);
    });
    story.pass(|_| {}).pass(|_| {}).pass(|_| {});
    story.found(&[]);
    story.pass(|_| {});
    story.found(&[(Outcome::MaybeLost, AT, LAST + 5)]);
}

/// A mark where the new stream begins is its own, and says nothing of how far the old one came.
#[test]
fn a_mark_at_the_beginning_of_a_new_stream_is_no_end_of_the_gap() {
    for (marked, from) in [(AT + 49, AT + 49), (AT + 50, AT), (AT + 51, AT)] {
        let mut story = Story::begin(AT, opened(AT, after(AT - 9)));
        let begins = StreamStart::At(Timestamp { t: AT + 50, i: 1 });
        story.pass(|facts| see(facts, opened(AT + 600, begins))).pass(|facts| {
            stored(facts, marked);
            let Ok(StoredOffset::Token(position)) = &mut facts.connectors[0].offset else { unreachable!() };
            position.kind = TokenKind::HighWaterMark;
        });
        story.a_flush_goes_by();
        story.found(&[(Outcome::MaybeLost, from, AT + 50)]);
    }
}

/// 260 at its start is what opens a stream without its token whatever it tolerates; a stream that was not there before may be
/// another's all the same.
#[test]
fn a_refusal_that_is_swallowed_explains_a_new_stream() {
    let outcome = |code: Option<u32>, replaces: bool| {
        let mut story = Story::begin(AT, opened(AT, after(AT - 9)));
        if !replaces {
            story.pass(|facts| see(facts, Some(vec![])));
        }
        story.pass(|facts| {
            see(facts, opened(AT + 600, StreamStart::Now));
            let answer = code.map(ProbeAnswer::of_code);
            let probe = |answer| Probe { answer, age: std::time::Duration::ZERO, margin_seconds: None };
            facts.connectors[0].probe = answer.map(probe);
        });
        story.a_flush_goes_by();
        story.report().discontinuities.iter().map(|found| found.outcome).collect::<Vec<_>>()
    };
    assert_eq!(outcome(Some(260), true), [Outcome::Lost(LossCause::Reopened)]);
    for (code, replaces) in [(Some(260), false), (Some(280), true), (None, true)] {
        assert_eq!(outcome(code, replaces), [Outcome::MaybeLost], "{code:?} {replaces}");
    }
}

#[test]
fn a_stream_opened_twice_leaves_out_no_stretch_twice() {
    let mut story = Story::with(AT, opened(AT, after(AT - 9)), &TOLERANT);
    story.pass(|facts| see(facts, opened(AT + 600, StreamStart::Now))).a_flush_goes_by();
    story.pass(|facts| see(facts, opened(AT + 900, StreamStart::Now))).a_flush_goes_by();
    let first = (Outcome::Lost(LossCause::Reopened), AT, AT + 600);
    story.found(&[first, (Outcome::Lost(LossCause::Reopened), AT + 600, AT + 900)]);
    assert_eq!(story.report().losses, BTreeMap::from([(LossCause::Reopened, (2, 900))]));
}

#[test]
fn a_stream_that_ended_and_began_later_is_known_at_once() {
    for (ended, found) in [(AT + 599, false), (AT + 598, true)] {
        let mut story = Story::begin(AT, opened(AT, after(AT - 9)));
        story.pass(|facts| see(facts, opened(AT + 600, StreamStart::Now))).pass(|facts| {
            stored(facts, ended);
            let Ok(StoredOffset::Token(position)) = &mut facts.connectors[0].offset else { unreachable!() };
            position.ends = StreamEnd::Every;
        });
        let expected = [(Outcome::Lost(LossCause::Invalidated), ended, AT + 600)];
        story.found(if found { &expected } else { &[] });
    }
}

#[test]
fn only_a_position_that_moves_while_nothing_runs_was_set_by_hand() {
    let good = |rest: &dyn Fn(&mut Facts), then: &dyn Fn(&mut Facts)| {
        let mut story = Story::begin(AT, None);
        story.pass(rest).pass(rest).pass(|facts| {
            then(facts);
            stored(facts, AT + 500);
        });
        story.report().discontinuities.iter().map(|found| found.outcome).collect::<Vec<_>>()
    };
    assert_eq!(good(&stop, &|_| {}), [Outcome::Lost(LossCause::Altered)]);
    assert_eq!(good(&fail, &|_| {}), [Outcome::Lost(LossCause::Altered)]);
    assert_eq!(good(&stop, &run), [], "it goes on from where it stood");
    // Between two workers, and while the last task ends, there may be somebody to store.
    let no_tasks = |facts: &mut Facts| facts.connectors[0].tasks = vec![];
    assert_eq!(good(&no_tasks, &|_| {}), []);
    let stopping = |facts: &mut Facts| facts.connectors[0].state = Ok(ConnectorState::Stopped);
    assert_eq!(good(&stopping, &|_| {}), []);
}

#[test]
fn a_start_time_replays_only_where_it_counts_and_lies_before() {
    let reset = |mode: &str, start: u32| {
        let start = start.to_string();
        let settings =
            [("startup.mode", mode), ("startup.mode.timestamp.start.at.operation.time", start.as_str())];
        let mut story = Story::with(AT, None, &settings);
        story
            .pass(|facts| facts.connectors[0].offset = Err(Why::NoPosition))
            .pass(|facts| stored(facts, AT + 700));
        story.report().losses.contains_key(&LossCause::Reset)
    };
    assert!(!reset("timestamp", AT) && reset("timestamp", AT + 1) && reset("latest", AT));
}

#[test]
fn what_connect_does_not_tell_is_no_loss() {
    let mut story = Story::begin(AT, opened(AT, after(AT - 9)));
    story.pass(|facts| facts.connectors[0] = facts.connectors[0].unreadable());
    story.pass(|facts| {
        run(facts);
        stored(facts, AT + 10);
    });
    story.found(&[]);
}

#[test]
fn rg019_a_connector_created_again_takes_up_its_old_position() {
    let mut story = Story::begin(AT, None);
    let connector = story.facts.connectors[0].clone();
    story.pass(|facts| facts.connectors.clear());
    // Its offset is not read at once.
    story.pass(|facts| {
        let unread = ConnectorFacts { offset: Err(Why::NotReadYet), ..connector.clone() };
        facts.connectors.push(unread);
    });
    // What its last task stored at its end was never read before.
    story.pass(|facts| stored(facts, LAST + 15));
    assert!(rules(story.report()).contains(&"RG019"), "{:?}", story.report().findings);
    // One that begins anew does not.
    let mut other = Story::begin(AT, None);
    other.pass(|facts| facts.connectors.clear());
    other.pass(|facts| {
        facts.connectors.push(connector);
        stored(facts, LAST + 16);
    });
    assert!(!rules(other.report()).contains(&"RG019"));
}
