//! Forecasts that can be worked out by hand; the simulation beside shows how near they come to a server's ways.

use super::{Forecast, NoForecast, OplogTrack, PositionTrack, Range, Sample, forecast};
use crate::domain::Timestamp;

fn at(t: u32) -> Timestamp {
    Timestamp { t, i: 1 }
}

/// Newest entry, oldest entry, size.
fn oplog(readings: impl IntoIterator<Item = (u32, u32, Option<u64>)>) -> OplogTrack {
    readings.into_iter().fold(OplogTrack::default(), |track, (last, first, size_bytes)| {
        let max_size_bytes = size_bytes.map(|_| 100_000);
        track.after(Sample {
            last: at(last),
            first: at(first),
            initiating: false,
            size_bytes,
            max_size_bytes,
        })
    })
}

/// A jump of 100 s every 100 s, eleven readings; the last at 11 000 shows 1000 as the oldest entry.
fn even() -> Vec<(u32, u32, Option<u64>)> {
    (0..=10).map(|k| (10_000 + 100 * k, 100 * k, None)).collect()
}

fn still(oplog: &OplogTrack, position: u32) -> Forecast {
    forecast(oplog, at(position), &PositionTrack::default(), None)
}

#[track_caller]
fn check(forecast: Forecast, low: i64, budget: i64, high: i64) {
    assert_eq!(forecast.outage_budget_seconds, Ok(budget));
    assert_eq!(forecast.standing_still, Ok(Range { low, high: Some(high) }));
}

/// A position stored every hundred seconds that moves by half a second a second.
fn half_as_fast() -> PositionTrack {
    (0..=10).fold(PositionTrack::default(), |track, k| track.after(at(10_000 + 100 * k), at(5500 + 50 * k)))
}

#[test]
fn by_an_even_erosion() {
    // 5000 s at a second a second; a jump less and a 24th faster, a jump more, a 24th slower and one interval late.
    check(still(&oplog(even()), 6000), 4695, 5000, 5412);
    // Between two jumps the edge is where it would be if it moved evenly.
    let later = |last, first| oplog(even().into_iter().chain([(last, first, None)]));
    check(still(&later(11_050, 1000), 6000), 4647, 4950, 5360);
    // But not further than one usual jump, where the next is late.
    // The slowest stretch is the one under way: 500 s of edge in 550 s.
    check(still(&later(11_150, 1000), 6000), 4600, 4900, 5829);
}

#[test]
fn a_jump_just_now_counts_at_once() {
    // By the last seven readings the edge has moved 1200 s in 700 s.
    let jumped = oplog(even().into_iter().chain([(11_100, 1600, None)]));
    // At its fastest it goes on like the last two steps, at its slowest like those before.
    check(still(&jumped, 6000), 1602, 2566, 4787);
}

#[test]
fn the_way_ahead_decides_how_far_back_to_look() {
    // Three times as fast, long ago: of no importance to a position that has 50 s left.
    let fast = (0..10).map(|k| (10_000 + 100 * k, 300 * k, None));
    let slow = (0..40).map(|k| (11_000 + 100 * k, 3000 + 100 * k, None));
    let oplog = oplog(fast.chain(slow));
    assert_eq!(still(&oplog, 6950).outage_budget_seconds, Ok(50));
    let ahead = still(&oplog, 9900).outage_budget_seconds.unwrap();
    assert!((1700..2500).contains(&ahead), "3000 s at more than a second a second: {ahead}");
}

#[test]
fn by_bytes_while_the_oplog_fills() {
    // Ten bytes a second; of 100 000 bytes 5000 stand after the position.
    let filling: Vec<_> =
        (0..=10_u32).map(|k| (10_000 + 100 * k, 9000, Some(10_000 + 1000 * u64::from(k)))).collect();
    check(still(&oplog(filling.clone()), 10_500), 9104, 9500, 9895);
    // Half of what was there before anybody looked stands after this one.
    check(still(&oplog(filling.clone()), 9500), 8145, 8500, 8854);
    // The size is read more seldom than the rest: the time since then has gone by.
    let later = oplog(filling.into_iter().chain([(11_060, 9000, Some(20_000))]));
    check(still(&later, 10_500), 9044, 9440, 9835);
}

#[test]
fn the_oldest_entry_itself_is_not_lost_yet() {
    let oplog = oplog(even());
    check(still(&oplog, 1000), 0, 0, 204);
    let before = Timestamp { t: 1000, i: 0 };
    let lost = forecast(&oplog, before, &half_as_fast(), None);
    check(lost, 0, 0, 0);
    assert_eq!(lost.until_lost, Ok(Range { low: 0, high: Some(0) }));
    assert_eq!(still(&OplogTrack::default(), 1000), Forecast::none(NoForecast::TooFewSamples));
}

#[test]
fn retention_keeps_a_position_for_that_long() {
    let kept = |retention| forecast(&oplog(even()), at(6000), &PositionTrack::default(), Some(retention));
    check(kept(3600), 4695, 5000, 5412);
    // 5000 s old already, and kept for 5100 s more.
    check(kept(10_100), 5100, 5100, 5412);
    check(kept(12_000), 7000, 7000, 7000);
}

#[test]
fn its_own_advance_wins_time() {
    let until_lost = |retention| forecast(&oplog(even()), at(6000), &half_as_fast(), retention).until_lost;
    // Standing still 4695.8 to 5412.5 s; it wins half of that in relation to its headroom of 5000 s.
    assert_eq!(until_lost(None), Ok(Range { low: 8853, high: Some(11_798) }));
    assert_eq!(until_lost(Some(12_000)), Ok(Range { low: 23_333, high: Some(23_333) }));
    // It wins as much as it needs.
    assert_eq!(until_lost(Some(15_000)), Err(NoForecast::KeepsUp));
    assert_eq!(
        still(&oplog(even()), 6000).until_lost,
        Err(NoForecast::TooFewSamples),
        "one reading of the position"
    );
}

#[test]
fn each_reason_for_no_forecast_is_said_in_words_of_its_own() {
    let sentences = NoForecast::ALL.map(NoForecast::sentence);
    assert_eq!(NoForecast::KeepsUp.sentence(), "it keeps up");
    for (i, sentence) in sentences.iter().enumerate() {
        assert!(!sentences[..i].contains(sentence) && sentence.contains(' '), "{sentence:?}");
    }
}
