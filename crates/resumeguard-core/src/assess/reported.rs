//! What a report carries of the oplogs, and of forecasts that need several passes.

use super::forecast::{NoForecast, Range};
use super::tests::*;
use super::{Memory, Thresholds, assess};
use crate::domain::*;

/// A primary that loses a second a second in jumps of 100 s, beside a secondary that holds more and loses nothing, and a
/// connector that moves half as fast. The last of twelve passes.
fn eroding() -> (Snapshot, Memory) {
    let mut memory = Memory::default();
    for k in 0..=11 {
        let mut members =
            vec![member("b:1", Role::Secondary, FIRST - 500), member("a:1", Role::Primary, FIRST + 100 * k)];
        for member in &mut members {
            member.last = Ok(Timestamp { t: LAST + 100 * k, i: 1 });
        }
        let facts = facts(connector(token(FIRST + 5000 + 50 * k, 0)), members);
        let (snapshot, next) = assess(&memory, &facts, &Thresholds::default(), now(15 * u64::from(k)));
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
