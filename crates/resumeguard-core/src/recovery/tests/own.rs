//! Findings that show what our own recovery does.

use super::attempts::{end, open};
use super::steps::{mark, took};
use super::*;
use crate::recovery::{Lost, Outcome, name_our_own};

type Moved = (Scene, i64);

fn step() -> Step {
    Step::WriteMark { partition: NS.into(), mark: Mark::OldestSurviving }
}

/// What judgement says after a lost position was set to a later one, `at` seconds since 1970.
fn seen(scene: &Scene, from: u32, at: i64) -> Snapshot {
    let (mut snapshot, _) = assess(&Memory::default(), &scene.facts, &Thresholds::default(), now(0));
    let report = &mut snapshot.connectors[0];
    report.discontinuities.push(Discontinuity {
        at,
        newest: Timestamp { t: FIRST + 9, i: 1 },
        outcome: crate::domain::Outcome::Lost(LossCause::Altered),
        from: Timestamp { t: from, i: 1 },
        to: Timestamp { t: FIRST, i: 5 },
        tolerance: Tolerance::None,
        startup_mode: StartupMode::Latest,
    });
    report.losses_of_late = 1;
    let finding = |rule| Finding {
        rule,
        name: "",
        severity: Severity::Critical,
        summary: format!("history was skipped: {}; some", LossCause::Altered.sentence()),
        advice: "look".into(),
        muted: None,
    };
    report.findings = vec![finding("RG004"), finding("RG008")];
    snapshot
}

fn named(scene: &Scene, mut snapshot: Snapshot) -> Vec<Finding> {
    name_our_own(&mut snapshot, &scene.ledger, scene.frozen);
    snapshot.connectors.remove(0).findings
}

/// An attempt that has set its position to a later one, and has ended so.
fn moved(ended: Option<Ended>, of: impl FnOnce(&mut Plan)) -> Moved {
    let mut scene = Scene::lost();
    let mut plan = scene.plan();
    of(&mut plan);
    let id = open(&mut scene, plan);
    let at = |t: u32| Some(Outcome::Done { says: String::new(), reached: Some(Timestamp { t, i: 0 }) });
    took(&mut scene, &id, Step::Stop, Will::default(), at(LAST));
    let text = Some(mark(FIRST));
    took(&mut scene, &id, step(), Will { text, ..Will::default() }, at(FIRST));
    if let Some(ended) = ended {
        end(&mut scene, &id, ended);
    }
    let at = scene.now_ms / 1000;
    (scene, at)
}

#[test]
fn a_position_that_recovery_has_moved_accuses_nobody() {
    let (scene, at) = moved(Some(Ended::Recovered), |_| ());
    let findings = named(&scene, seen(&scene, FIRST - 3600, at));
    let says = &findings[1];
    assert_eq!(says.severity, Severity::Critical, "what was lost is lost");
    assert_eq!(
        says.summary,
        "history was skipped: recovery attempt-0 (salvage) went on behind its stored position; some"
    );
    assert!(says.advice.contains("recovery show attempt-0"), "{}", says.advice);
    assert_eq!(findings[0].advice, "look", "it is over");
}

#[test]
fn what_a_live_stream_had_delivered_is_no_loss() {
    let (scene, at) = moved(Some(Ended::Recovered), |plan| {
        (plan.loses, plan.trigger) = (Loses::Nothing, Trigger::LostWhileRunning);
    });
    assert_eq!(scene.ledger.attempts[0].lost(), Lost::Nothing);
    let findings = named(&scene, seen(&scene, FIRST - 3600, at));
    assert_eq!(findings[1].severity, Severity::Info);
    assert!(findings[1].summary.ends_with("what lies between was delivered before that"));
}

/// Before the harmless one another has skipped history: that has not become harmless by it.
#[test]
fn what_was_lost_before_stays_critical_though_the_last_was_no_loss() {
    let (scene, at) = moved(Some(Ended::Recovered), |plan| {
        (plan.loses, plan.trigger) = (Loses::Nothing, Trigger::LostWhileRunning);
    });
    let mut snapshot = seen(&scene, FIRST - 3600, at);
    let report = &mut snapshot.connectors[0];
    let tolerated = crate::domain::Outcome::Lost(LossCause::Tolerated);
    report.discontinuities.insert(0, Discontinuity { outcome: tolerated, ..report.discontinuities[0] });
    report.losses_of_late = 2;
    let says = &named(&scene, snapshot.clone())[1];
    assert_eq!(says.severity, Severity::Critical);
    assert!(
        says.summary.starts_with(
            "history was skipped 2 times of late; at the last of them recovery attempt-0 (salvage)"
        ),
        "{}",
        says.summary
    );
    assert!(
        says.advice.contains("explain shows each") && says.advice.contains("show attempt-0"),
        "{}",
        says.advice
    );
    // Of that one nothing is told any more.
    snapshot.connectors[0].losses_of_late = 1;
    assert_eq!(named(&scene, snapshot)[1].severity, Severity::Info);
}

/// A restore of a restore goes on behind the same stretch once more: as a step it loses nothing, and so it seemed harmless.
#[test]
fn a_restore_is_as_severe_as_where_it_leads() {
    let restores = |loses: Loses| {
        let mut scene = Scene::lost();
        let restored = Some(AttemptId("attempt-r".into()));
        let step = Step::RestoreOffset { partition: NS.into() };
        let plan = Plan { restores: restored, loses, steps: vec![step.clone()], ..scene.plan() };
        let id = open(&mut scene, plan);
        let stored = Some(Outcome::Done { says: String::new(), reached: None });
        took(&mut scene, &id, step, Will { text: Some(mark(FIRST)), ..Will::default() }, stored);
        end(&mut scene, &id, Ended::Recovered);
        assert_eq!(scene.ledger.attempts[0].lost(), Lost::Nothing);
        let snapshot = seen(&scene, FIRST - 3600, scene.now_ms / 1000);
        named(&scene, snapshot).remove(1)
    };
    for loses in [Loses::Unknown, Loses::Nothing] {
        let says = restores(loses);
        assert_eq!(says.severity, Severity::Critical);
        assert!(
            says.summary.contains("recovery attempt-0 (restore of attempt-r) went on behind"),
            "{}",
            says.summary
        );
    }
}

/// It was not known to be delivered when the plan was made, so that nothing was seen to be lost tells nothing.
#[test]
fn only_what_the_plan_knew_to_be_delivered_is_no_loss() {
    let (scene, at) = moved(Some(Ended::Recovered), |plan| {
        plan.expects.token.as_mut().unwrap().time = Some(Timestamp { t: FIRST + 10, i: 1 });
    });
    assert_eq!(scene.ledger.attempts[0].lost(), Lost::Nothing);
    let findings = named(&scene, seen(&scene, FIRST + 10, at));
    assert_eq!(findings[1].severity, Severity::Critical);
}

#[test]
fn whoever_else_moved_it_is_not_taken_for_us() {
    let is_left = |scene: &Scene, from, at| {
        let before = seen(scene, from, at);
        let after = named(scene, before.clone());
        after == before.connectors[0].findings
    };
    let (scene, at) = moved(Some(Ended::Recovered), |_| ());
    assert!(is_left(&scene, FIRST - 3601, at), "from another position");
    assert!(is_left(&scene, FIRST - 3600, at - 1), "before it was begun");
    let (back, at) = moved(Some(Ended::PutBack), |_| ());
    assert!(is_left(&back, FIRST - 3600, at), "it was put back");
    let (other, at) = moved(Some(Ended::Recovered), |plan| plan.connector.connector = "other".into());
    assert!(is_left(&other, FIRST - 3600, at), "another connector");
    let mut none = Scene::lost();
    let plan = none.plan();
    let id = open(&mut none, plan);
    end(&mut none, &id, Ended::Recovered);
    assert!(is_left(&none, FIRST - 3600, at + HOUR_MS), "it has moved nothing");
}

#[test]
fn what_shows_while_one_is_under_way_says_so() {
    let (scene, at) = moved(None, |_| ());
    let findings = named(&scene, seen(&scene, FIRST - 3600, at));
    let says = "recovery attempt-0 (salvage) is under way, and may be what is seen here: wait for its end; else look";
    assert_eq!(findings[0].advice, says);
    assert!(findings[1].summary.contains("attempt-0"));
    // Whoever waits for its end then waits for each other.
    let frozen = Scene { frozen: Some("maintenance"), ..scene };
    let findings = named(&frozen, seen(&frozen, FIRST - 3600, at));
    assert_eq!(
        findings[0].advice,
        "recovery attempt-0 (salvage) is under way, and may be what is seen here: it waits, since recovery is frozen (maintenance), and goes on after resumeguard unfreeze --reason …, or without the freeze file; else look"
    );
}
