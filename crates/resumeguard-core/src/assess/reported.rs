//! What a report carries of the oplogs, and of forecasts that need several passes.

use super::forecast::{NoForecast, Range};
use super::tests::*;
use super::{Levels, Memory, Thresholds, assess};
use crate::domain::*;

/// A primary that loses a second a second in jumps of 100 s, beside a secondary that holds more and loses nothing, and a
/// connector that moves half as fast. The last of twelve passes.
fn eroding() -> (Snapshot, Memory) {
    eroding_under(&Thresholds::default())
}

fn eroding_under(thresholds: &Thresholds) -> (Snapshot, Memory) {
    let mut memory = Memory::default();
    for k in 0..=11 {
        let mut members =
            vec![member("b:1", Role::Secondary, FIRST - 500), member("a:1", Role::Primary, FIRST + 100 * k)];
        for member in &mut members {
            member.last = Ok(Timestamp { t: LAST + 100 * k, i: 1 });
        }
        let facts = facts(connector(token(FIRST + 5000 + 50 * k, 0)), members);
        let (snapshot, next) = assess(&memory, &facts, thresholds, now(15 * u64::from(k)));
        if k == 11 {
            return (snapshot, next);
        }
        memory = next;
    }
    unreachable!("the twelfth pass returns")
}

#[test]
fn a_forecast_is_of_the_oplog_that_decides_and_counts_the_positions_advance() {
    let (snapshot, _) = eroding();
    let report = &snapshot.connectors[0];
    // Of 5550 s of way the edge has gone 1100.
    assert_eq!((report.headroom_seconds, report.outage_budget_seconds), (Some(4450), Some(4450)));
    assert_eq!(report.outage_budget_range, Some(Range { low: 4168, high: Some(4839) }));
    // Standing still 4168.7 to 4839.5 s, and it wins half of that in relation to its headroom.
    assert_eq!(report.until_lost, Some(Range { low: 7841, high: Some(10_607) }));
    assert_eq!(report.no_forecast, None);
}

/// 4450 s are left, of 100 000.
#[test]
fn j8_a_limit_on_the_outage_budget_makes_a_verdict_worse_and_never_better() {
    let judge = |levels: Levels| {
        let (snapshot, _) = eroding_under(&Thresholds { levels, ..Thresholds::default() });
        snapshot.connectors[0].verdict
    };
    let lax = Levels { at_risk_seconds: 10.0, critical_seconds: 1.0, ..Levels::default() };
    assert_eq!(judge(lax), Verdict::Safe);
    assert_eq!(judge(Levels { at_risk_budget: 4450.0, ..lax }), Verdict::Safe);
    assert_eq!(judge(Levels { at_risk_budget: 4451.0, ..lax }), Verdict::AtRisk);
    assert_eq!(judge(Levels { at_risk_budget: 4451.0, critical_budget: 4451.0, ..lax }), Verdict::Critical);
    assert_eq!(judge(Levels::default()), Verdict::Critical);
    assert_eq!(
        judge(Levels { at_risk_budget: 1.0, critical_budget: 1.0, ..Levels::default() }),
        Verdict::Critical
    );
}

/// Filled to a tenth in 100 000 s, and then a hundred times as fast.
#[test]
fn an_oplog_that_fills_faster_of_late_has_less_margin() {
    let judge = |bytes_a_pass: u64| {
        let (mut memory, mut verdict) = (Memory::default(), None);
        for k in 0..12_u32 {
            let mut members = replica_set();
            members[0].first = Ok(FirstEntry { time: Timestamp { t: FIRST, i: 5 }, initiating: true });
            members[0].last = Ok(Timestamp { t: LAST + 15 * k, i: 1 });
            let size_bytes = Some(10_000_000 + u64::from(k) * bytes_a_pass);
            members[0].sizes =
                OplogSizes { size_bytes, max_size_bytes: Some(100_000_000), min_retention_seconds: None };
            let facts = facts(connector(token(FIRST + 3600, 0)), members);
            let (report, next) = pass(&memory, &facts, 15 * u64::from(k));
            (memory, verdict) = (next, Some(report.verdict));
        }
        verdict.unwrap()
    };
    assert_eq!(judge(1500), Verdict::Safe, "as fast as ever: ten days");
    assert_eq!(judge(150_000), Verdict::AtRisk, "less than three hours");
}

#[test]
fn without_enough_readings_the_reason_is_reported_and_without_an_oplog_nothing() {
    let forecast = |facts: &Facts| {
        let report = one(facts);
        (report.outage_budget_seconds, report.no_forecast)
    };
    let mut facts = facts(connector(token(FIRST + 60_000, 0)), replica_set());
    assert_eq!(forecast(&facts), (None, Some(NoForecast::TooFewSamples)));
    facts.connectors[0].offset = Err(Why::NoPosition);
    assert_eq!(forecast(&facts), (None, None));
}

#[test]
fn every_members_oplog_is_reported_with_what_is_known_of_it() {
    let (snapshot, _) = eroding();
    let told: Vec<_> =
        snapshot.oplogs.iter().map(|oplog| (oplog.member.as_str(), oplog.window_seconds)).collect();
    assert_eq!(told, [("b:1", Some(101_600)), ("a:1", Some(100_000))]);
    assert_eq!(snapshot.oplogs[0].erosion_ratio, None, "nothing was truncated");
    assert_eq!(snapshot.oplogs[1].erosion_ratio, Some(1.0));
    assert_eq!(snapshot.oplogs[1].never_truncated, Some(false));
}
