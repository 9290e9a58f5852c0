//! What a connector's position is doing, from what a sliding window of it shows.

use super::evidence::Living;
use super::findings::Case;
use super::findings::rg006_running_but_dead::REOPENED;
use crate::domain::{OnRestart, Progress};

/// Passes without a living stream before it counts as stalled; the same as in RG006.
const DEAD_PASSES: u32 = 2;

/// A position that stands still proves nothing by itself: an open stream that is read tells idle from stalled, and so
/// does a heartbeat that should have moved it.
pub(super) fn progress(case: &Case<'_>) -> Progress {
    if !case.connector.is_running() {
        return if case.connector.state.is_ok() { Progress::Stopped } else { Progress::Unknown };
    }
    let dead = case.living == Living::None && case.memory.dead_passes() >= DEAD_PASSES;
    let looping = case.memory.reopened_passes() >= REOPENED;
    if dead || looping || case.judgement.on_restart == OnRestart::Stalls {
        return Progress::Stalled;
    }
    if case.rewound_from().is_some() {
        return Progress::Rewound;
    }
    if !case.is_fresh() {
        return Progress::Unknown;
    }
    if case.stands_still_for().is_none() {
        return if case.memory.has_moved() { Progress::Advancing } else { Progress::Unknown };
    }
    if case.heartbeat_is_overdue() {
        return Progress::Stalled;
    }
    if matches!(case.living, Living::One(_)) { Progress::Idle } else { Progress::Unknown }
}

#[cfg(test)]
mod tests {
    use crate::assess::story::*;
    use crate::assess::tests::rules;
    use crate::domain::*;

    #[test]
    fn progress_is_told_from_what_moves_and_what_listens() {
        let progress = |story: &Story| story.report().progress;
        let mut story = Story::begin(AT, opened(AT, after(AT - 9)));
        assert_eq!(progress(&story), Progress::Unknown, "one reading shows no movement");
        story.pass(|facts| stored(facts, AT + 10));
        assert_eq!(progress(&story), Progress::Advancing);
        let wait = |facts: &mut Facts| {
            let member = &mut facts.deployments.get_mut("rs0").unwrap().members.as_mut().unwrap()[0];
            member.last = member.last.map(|last| Timestamp { t: last.t + 500, ..last });
        };
        story.pass(wait);
        assert_eq!(progress(&story), Progress::Idle);
        // Positions are read in turn: one that was read a while ago still says what it said.
        let aged = |seconds| {
            move |facts: &mut Facts| facts.connectors[0].offset_age = std::time::Duration::from_secs(seconds)
        };
        story.pass(aged(45));
        assert_eq!(progress(&story), Progress::Idle);
        assert!(rules(story.report()).contains(&"RG002"));
        story.pass(aged(46));
        assert_eq!(progress(&story), Progress::Unknown, "stale");
        assert!(!rules(story.report()).contains(&"RG002"));
        story.pass(aged(0)).pass(|facts| see(facts, None));
        assert_eq!(progress(&story), Progress::Unknown, "idle or stalled: nobody sees");
        story.pass(|facts| see(facts, Some(vec![]))).pass(|_| {});
        assert_eq!(progress(&story), Progress::Stalled);
        story.pass(|facts| see(facts, None));
        assert_eq!(progress(&story), Progress::Unknown, "nobody sees any more");
        story.pass(|facts| see(facts, opened(AT, after(AT - 9)))).pass(|facts| see(facts, Some(vec![])));
        assert_eq!(progress(&story), Progress::Unknown, "one pass may be a moment between two streams");
        story.pass(|facts| see(facts, opened(AT, after(AT - 9)))).pass(|facts| stored(facts, AT));
        assert_eq!(progress(&story), Progress::Rewound);
        story.pass(stop);
        assert_eq!(progress(&story), Progress::Stopped);
        let mut beating = Story::with(AT, opened(AT, after(AT - 9)), &[("heartbeat.interval.ms", "10000")]);
        beating.pass(wait);
        assert_eq!(progress(&beating), Progress::Stalled, "its heartbeat should have moved it");
        let mut unreadable = Story::begin(AT, None);
        unreadable.pass(|facts| facts.connectors[0] = facts.connectors[0].unreadable());
        assert_eq!(progress(&unreadable), Progress::Unknown);
    }
}
