//! What a restart tells about a position that was lost, and what is said of it.

use crate::assess::story::*;
use crate::assess::tests::*;
use crate::domain::*;

const TOLERANT: (&str, &str) = ("errors.tolerance", "all");

/// Lost, then restarted with a stream that was opened so.
fn restarted(settings: &[(&str, &str)], start: StreamStart) -> Story {
    let mut story = Story::with(AT, None, settings);
    story.pass(|facts| roll(facts, AT + 500)).pass(|facts| {
        facts.connectors[0].tasks[0].worker = Some("w:2".into());
        see(facts, opened(LAST + 60, start));
        stored(facts, AT + 700);
    });
    story
}

#[test]
fn a_token_that_somebody_set_is_not_what_tolerance_skipped() {
    let altered = (Outcome::Lost(LossCause::Altered), AT, AT + 550);
    restarted(&[TOLERANT], after(AT + 550)).found(&[altered]);
    // Its own token nobody has set.
    let skipped = (Outcome::Lost(LossCause::Tolerated), AT, AT + 700);
    restarted(&[TOLERANT], after(AT)).found(&[skipped]);
    restarted(&[TOLERANT], after(AT - 9)).found(&[skipped]);
}

#[test]
fn a_stream_opened_before_the_loss_from_a_token_carries_the_position_over() {
    let carried = |created, start| {
        let mut story = Story::begin(AT, opened(created, start));
        story.pass(|facts| roll(facts, AT + 500)).pass(|facts| stored(facts, AT + 700));
        story.report().discontinuities.first().map(|found| found.outcome)
    };
    // Opened after the position was written, before it was lost: from an older token it has read that stretch.
    assert_eq!(carried(AT + 3, after(AT - 9)), Some(Outcome::Rescued));
    assert_eq!(carried(AT + 3, after(AT)), Some(Outcome::Rescued));
}

#[test]
fn the_place_of_a_loss_is_told_as_a_time_of_the_oplog() {
    let story = restarted(&[TOLERANT], after(AT - 9));
    let skipped = story.report().findings.iter().find(|finding| finding.rule == "RG008").unwrap();
    assert!(skipped.summary.contains(&format!("{AT},1")), "{}", skipped.summary);
    assert!(skipped.summary.contains(&format!("{},1", AT + 700)), "{}", skipped.summary);
}

/// Debezium may take a new snapshot where its position is gone, and then not everything since is lost.
#[test]
fn a_restart_of_debezium_may_have_lost_less() {
    let class = [("connector.class", DEBEZIUM_SOURCE)];
    restarted(&class, after(AT)).found(&[(Outcome::MaybeLost, AT, AT + 700)]);
    restarted(&[], after(AT)).found(&[(Outcome::Lost(LossCause::Altered), AT, AT + 700)]);
}
