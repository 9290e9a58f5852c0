use super::simulation::{BEGIN, DAY, HOUR, Load, Simulation, at};
use super::{Forecast, NoForecast, OplogTrack, PositionTrack, Range, Sample, forecast};
use proptest::prelude::*;

const STEADY: Load = |_| 1000;
/// Ten times as much by day as by night.
const DAY_AND_NIGHT: Load = |t| if t % DAY < 12 * HOUR { 1000 } else { 100 };
/// Up and down like a tide, ten to one.
const TIDE: Load = |t| {
    let hour = t % DAY / HOUR;
    100 + 75 * u64::from(hour.min(24 - hour))
};
/// A minute in every twenty at twentyfold.
const BURSTS: Load = |t| if t % 1200 < 60 { 20_000 } else { 500 };

/// What was forecast at half of the time that was left, and the truth.
fn at_half(simulation: &mut Simulation) -> (i64, Forecast) {
    let position = simulation.now;
    let (lost, forecasts) = simulation.until_lost(position);
    let half = position + (lost - position) / 2;
    let (then, forecast) = *forecasts.iter().find(|(then, _)| *then >= half).unwrap();
    (i64::from(lost) - i64::from(then), forecast)
}

#[expect(clippy::cast_precision_loss, reason = "for display")]
fn show(name: &str, truth: i64, forecast: &Forecast) {
    let budget = forecast.outage_budget_seconds.unwrap();
    let Range { low, high } = forecast.standing_still.unwrap();
    let off = 100.0 * (budget - truth) as f64 / truth as f64;
    let high = high.unwrap();
    println!("{name:44} truth {truth:7} s  budget {budget:7} s ({off:+6.1} %)  range {low}..{high}");
}

#[track_caller]
fn within_a_fifth(name: &str, simulation: &mut Simulation) {
    let (truth, forecast) = at_half(simulation);
    show(name, truth, &forecast);
    let budget = forecast.outage_budget_seconds.unwrap();
    assert!((budget - truth).abs() * 5 <= truth, "{name}: {budget} instead of {truth}");
}

#[test]
fn erosion_is_history_lost_a_second() {
    // As much goes as comes, so long as the load is steady; twice as much after it has doubled.
    let mut simulation = Simulation::new(1000 * u64::from(HOUR), STEADY);
    assert_eq!(simulation.track.erosion(), None, "nothing was seen");
    simulation.run(HOUR / 2, true);
    assert_eq!(simulation.track.erosion(), None, "nothing was truncated");
    simulation.run(3 * HOUR, true);
    let steady = simulation.track.erosion().unwrap();
    assert!((0.9..=1.15).contains(&steady), "{steady}");
    simulation.load = |t| 2 * STEADY(t);
    simulation.run(HOUR / 3, true);
    let doubled = simulation.track.erosion().unwrap();
    assert!((1.7..=2.4).contains(&doubled), "{doubled}");
}

#[test]
fn at_half_of_the_time_a_steady_load_is_foretold_within_a_fifth() {
    for (window, sizes_every, markers, pass) in [
        (6 * HOUR, 6, 50, 10),
        (6 * HOUR, 0, 50, 10),
        (6 * HOUR, 1, 10, 10),
        (6 * HOUR, 0, 10, 10),
        (HOUR, 6, 10, 10),
        (HOUR, 0, 10, 60),
        (3 * DAY, 6, 100, 30),
        (3 * DAY, 0, 100, 30),
    ] {
        let mut simulation = Simulation::new(1000 * u64::from(window), STEADY);
        (simulation.sizes_every, simulation.markers, simulation.pass) = (sizes_every, markers, pass);
        simulation.run(window + window / 2, false);
        simulation.run(window / 2, true);
        let name = format!("steady, {window} s, {markers} markers, sizes 1/{sizes_every}");
        within_a_fifth(&name, &mut simulation);
    }
}

#[test]
fn under_day_and_night_the_truth_lies_in_the_range() {
    let windows = [(6 * HOUR, 0), (6 * HOUR, 6), (30 * HOUR, 0), (30 * HOUR, 6), (3 * DAY, 6)];
    for (name, load) in [("day/night", DAY_AND_NIGHT), ("tide", TIDE)] {
        for (window, sizes_every) in windows {
            for start in [0, 3, 6, 9, 12, 15, 18, 21] {
                let mut simulation = Simulation::new(550 * u64::from(window), load);
                (simulation.sizes_every, simulation.pass) = (sizes_every, 30);
                simulation.run(2 * window + DAY, false);
                simulation.run(2 * DAY + window + start * HOUR, true);
                let (truth, forecast) = at_half(&mut simulation);
                let name = format!("{name}, {} h, at {start} h, sizes 1/{sizes_every}", window / HOUR);
                show(&name, truth, &forecast);
                within_the_range(truth, &forecast);
            }
        }
    }
}

#[track_caller]
fn within_the_range(truth: i64, forecast: &Forecast) {
    let Range { low, high } = forecast.standing_still.unwrap();
    assert!(low <= truth && truth <= high.unwrap(), "{truth} is not in {low}..{high:?}");
}

/// As a test against a real server must do it: days of two minutes, three of them seen.
#[test]
fn days_of_two_minutes() {
    const SHORT: Load = |t| if t % 120 < 60 { 1000 } else { 100 };
    for (window, checkpoint) in [(120, 5), (300, 5), (300, 60)] {
        for start in [0, 20, 40, 60, 80, 100] {
            let mut simulation = Simulation::new(550 * u64::from(window), SHORT);
            (simulation.sizes_every, simulation.pass) = (1, 1);
            (simulation.checkpoint, simulation.markers) = (checkpoint, 10);
            simulation.run(2 * window, false);
            simulation.run(360 + start, true);
            let (truth, forecast) = at_half(&mut simulation);
            show(
                &format!("short days, {window} s, at {start} s, checkpoint {checkpoint} s"),
                truth,
                &forecast,
            );
            within_the_range(truth, &forecast);
        }
    }
}

#[test]
fn bursts_widen_the_range_and_do_not_frighten() {
    for sizes_every in [0, 6] {
        let mut simulation = Simulation::new(1475 * u64::from(6 * HOUR), BURSTS);
        simulation.sizes_every = sizes_every;
        simulation.run(12 * HOUR, false);
        simulation.run(6 * HOUR, true);
        let (truth, forecast) = at_half(&mut simulation);
        show(&format!("bursts, sizes 1/{sizes_every}"), truth, &forecast);
        within_the_range(truth, &forecast);
        let budget = forecast.outage_budget_seconds.unwrap();
        assert!(budget * 2 > truth && budget <= truth + 1200, "{budget} instead of {truth}");
    }
}

#[test]
fn a_filling_oplog_is_foretold_by_its_size() {
    let mut simulation = Simulation::new(1000 * u64::from(10 * HOUR), STEADY);
    simulation.run(HOUR, true);
    let (truth, forecast) = at_half(&mut simulation);
    show("filling since an hour, 10 h in all", truth, &forecast);
    let budget = forecast.outage_budget_seconds.unwrap();
    assert!((budget - truth).abs() * 5 <= truth, "{budget} instead of {truth}");

    let mut unsized_ = Simulation::new(1000 * u64::from(10 * HOUR), STEADY);
    unsized_.sizes_every = 0;
    unsized_.run(HOUR, true);
    let forecast = unsized_.forecast(unsized_.now, &PositionTrack::default());
    assert_eq!(forecast, Forecast::none(NoForecast::SizeUnknown));
}

#[test]
fn retention_keeps_what_the_size_would_not() {
    let mut simulation = Simulation::new(1000 * u64::from(HOUR), STEADY);
    simulation.retention = 6 * HOUR;
    simulation.run(12 * HOUR, false);
    simulation.run(3 * HOUR, true);
    let (truth, forecast) = at_half(&mut simulation);
    show("retention of 6 h, size for 1 h", truth, &forecast);
    let budget = forecast.outage_budget_seconds.unwrap();
    assert!((budget - truth).abs() * 5 <= truth, "{budget} instead of {truth}");
}

/// A steady oplog of six hours, watched for six, and a connector that moves by `advance` tenths of a second a second from a
/// lag of `lag` seconds and stores its position once a minute.
fn moving(lag: u32, tenths: u32, stops_for: u32) -> (u32, Forecast) {
    let mut simulation = Simulation::new(1000 * u64::from(6 * HOUR), STEADY);
    simulation.run(12 * HOUR, false);
    let (began, mut track) = (simulation.now, PositionTrack::default());
    let mut position = began - lag;
    for second in 0..6 * HOUR {
        simulation.step(true);
        if second % 60 == 0 && second < 6 * HOUR - stops_for {
            position = began - lag + second * tenths / 10;
        }
        if second % 10 == 0 {
            track = track.after(at(simulation.now), at(position));
        }
    }
    (position - simulation.first(), simulation.forecast(position, &track))
}

#[test]
fn an_advance_counts() {
    let (headroom, forecast) = moving(HOUR, 5, 0);
    let Range { low, high } = forecast.until_lost.unwrap();
    println!("half as fast as the edge: headroom {headroom} s, until lost {low}..{high:?}");
    let truth = 2 * i64::from(headroom);
    assert!(low <= truth && truth <= high.unwrap_or(i64::MAX) && low * 3 >= truth * 2, "{truth}");

    assert_eq!(moving(0, 10, 0).1.until_lost, Err(NoForecast::KeepsUp));
    assert_eq!(moving(HOUR, 10, 0).1.until_lost, Err(NoForecast::KeepsUp));
    assert_eq!(moving(3 * HOUR, 15, 0).1.until_lost, Err(NoForecast::KeepsUp));

    let (headroom, stopped) = moving(0, 10, 10 * 60);
    println!("stopped ten minutes ago: headroom {headroom} s, until lost {:?}", stopped.until_lost);
    let low = stopped.until_lost.unwrap().low;
    assert!(low > i64::from(headroom) * 4 / 5 && low < i64::from(headroom) * 2, "{low}");
}

#[test]
fn reasons() {
    let nothing = PositionTrack::default();
    let sample = |last: u32, first: u32, size: Option<u64>| Sample {
        last: at(BEGIN + last),
        first: at(BEGIN + first),
        initiating: false,
        size_bytes: size,
        max_size_bytes: size.map(|_| 1000),
    };
    let reason = |samples: &[Sample]| {
        let track = samples.iter().fold(OplogTrack::default(), |track, sample| track.after(*sample));
        forecast(&track, at(BEGIN + 9040), &nothing, None).outage_budget_seconds
    };
    let still = [sample(9000, 1, None), sample(9010, 1, None), sample(9020, 1, None)];
    assert_eq!(reason(&[]), Err(NoForecast::TooFewSamples));
    assert_eq!(reason(&still[..2]), Err(NoForecast::TooFewSamples));
    assert_eq!(reason(&still), Err(NoForecast::SizeUnknown));
    let standing = still.map(|sample| Sample { size_bytes: Some(500), max_size_bytes: Some(1000), ..sample });
    assert_eq!(reason(&standing), Err(NoForecast::NothingErodes));
    let no_maximum = standing.map(|sample| Sample { max_size_bytes: None, ..sample });
    assert_eq!(reason(&no_maximum), Err(NoForecast::SizeUnknown));
    let and_then = |samples: &[Sample]| reason(&[&still[..], samples].concat());
    assert_eq!(and_then(&[sample(9030, 50, None)]), Err(NoForecast::TooFewTruncations));
    assert_eq!(and_then(&[sample(8000, 1, None)]), Err(NoForecast::ClockWentBack));
    assert_eq!(and_then(&[sample(9030, 0, None)]), Err(NoForecast::OplogReplaced));
    assert_eq!(and_then(&[sample(9030, 9021, None)]), Err(NoForecast::OplogReplaced), "nothing is left");
    assert_eq!(
        and_then(&[sample(9030, 9020, None)]),
        Err(NoForecast::TooFewTruncations),
        "one entry is left"
    );
    // Why it was broken off counts until there is something else to tell.
    let anew = [sample(8000, 1, None), sample(8010, 1, None), sample(8020, 1, None), sample(8030, 50, None)];
    assert_eq!(and_then(&anew[..3]), Err(NoForecast::ClockWentBack));
    assert_eq!(and_then(&anew), Err(NoForecast::TooFewTruncations));
    assert_eq!(and_then(&[sample(9050, 9045, None)]), Ok(0), "it took the position too");
    let codes: std::collections::BTreeSet<&str> =
        NoForecast::ALL.iter().map(|reason| reason.code()).collect();
    assert_eq!(codes.len(), NoForecast::ALL.len());
}

#[test]
fn memory_is_bounded() {
    let (mut track, mut positions) = (OplogTrack::default(), PositionTrack::default());
    let mut most = (0, 0);
    for t in BEGIN..BEGIN + 9 * DAY {
        // One reading a second for nine days; to save time, most of the days one in ten.
        if t % 10 == 0 || t > BEGIN + 8 * DAY + 20 * HOUR {
            let size = Some(u64::from(t));
            let (last, first) = (at(t), at(t - 5000));
            track = track.after(Sample {
                last,
                first,
                initiating: false,
                size_bytes: size,
                max_size_bytes: size,
            });
            positions = positions.after(last, first);
            most = (most.0.max(track.points()), most.1.max(positions.points()));
        }
    }
    println!("most points of an oplog {}, of a position {}", most.0, most.1);
    // One reading in ten seconds for most of the time needs less than the bound, and not nothing.
    assert!((600..=2 * 544).contains(&most.0) && (100..=200).contains(&most.1), "{most:?}");
}

/// Readings as a server could give them, and as it could not.
fn samples() -> impl Strategy<Value = Vec<Sample>> {
    let step = (0_u32..200, 0_u32..300, 0_u64..5000, any::<bool>(), any::<bool>());
    prop::collection::vec(step, 1..80).prop_map(|steps| {
        let (mut last, mut first, mut size) = (BEGIN + 10_000, BEGIN, 20_000_u64);
        let sample = |(later, eroded, bytes, moved, sized): (u32, u32, u64, bool, bool)| {
            last += later;
            first = if moved { (first + eroded).min(last) } else { first };
            size = (size + bytes).saturating_sub(if moved { u64::from(eroded) * 20 } else { 0 });
            let size_bytes = sized.then_some(size);
            Sample {
                last: at(last),
                first: at(first),
                initiating: false,
                size_bytes,
                max_size_bytes: Some(25_000),
            }
        };
        steps.into_iter().map(sample).collect()
    })
}

fn any_sample() -> impl Strategy<Value = Sample> {
    let time = || prop_oneof![any::<(u32, u32)>(), (0_u32..50, 0_u32..3)];
    let size = || prop::option::of(prop_oneof![any::<u64>(), 0_u64..10]);
    (time(), time(), any::<bool>(), size(), size()).prop_map(|(last, first, initiating, size, max)| Sample {
        last: crate::domain::Timestamp { t: last.0, i: last.1 },
        first: crate::domain::Timestamp { t: first.0, i: first.1 },
        initiating,
        size_bytes: size,
        max_size_bytes: max,
    })
}

fn track_of(samples: &[Sample]) -> OplogTrack {
    samples.iter().fold(OplogTrack::default(), |track, sample| track.after(*sample))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn raising_first_never_lengthens_a_budget(
        samples in samples(), raise in 0_u32..5000, back in 0_u32..10_000, retention in prop::option::of(0_u64..9000),
    ) {
        let (newest, before) = samples.split_last().unwrap();
        let before = track_of(before);
        let raised = Sample { first: at(newest.first.t.saturating_add(raise)), ..*newest };
        let position = at(newest.last.t - back);
        let budget = |sample| {
            forecast(&before.after(sample), position, &PositionTrack::default(), retention).outage_budget_seconds
        };
        if let (Ok(as_it_is), Ok(raised)) = (budget(*newest), budget(raised)) {
            prop_assert!(raised <= as_it_is, "{raised} > {as_it_is}");
        }
    }

    #[test]
    fn no_input_is_too_odd(
        samples in prop::collection::vec(any_sample(), 0..60), position in any::<(u32, u32)>(),
        positions in prop::collection::vec((any::<u32>(), any::<u32>()), 0..20), retention in any::<Option<u64>>(),
    ) {
        let track = track_of(&samples);
        let advance = positions.iter().fold(PositionTrack::default(), |track, (l, p)| track.after(at(*l), at(*p)));
        let position = crate::domain::Timestamp { t: position.0, i: position.1 };
        let forecast = forecast(&track, position, &advance, retention);
        if let (Ok(budget), Ok(still)) = (forecast.outage_budget_seconds, forecast.standing_still) {
            prop_assert!(0 <= still.low && still.low <= budget && budget <= still.high.unwrap());
        }
        if let Ok(Range { low, high: Some(high) }) = forecast.until_lost {
            prop_assert!(0 <= low && low <= high);
        }
    }

    #[test]
    fn equal_readings_count_once_and_in_any_order(samples in samples(), twice in any::<prop::sample::Index>()) {
        let twice = twice.index(samples.len());
        let mut repeated = samples.clone();
        repeated.insert(twice, samples[twice]);
        prop_assert_eq!(track_of(&samples), track_of(&repeated));

        let (newest, before) = samples.split_last().unwrap();
        let before = track_of(before);
        let other = Sample { size_bytes: None, first: at(newest.first.t + 1), ..*newest };
        let (one, another) = (before.after(*newest).after(other), before.after(other).after(*newest));
        prop_assert_eq!(one.newest(), another.newest());
    }
}
