//! A plan, its alternatives, and a journal with attempts of each kind.

use resumeguard::publish::recovery::Seen;
use resumeguard_core::domain::{ConnectorId, ConnectorState, Timestamp};
use resumeguard_core::recovery::{
    Actor, AttemptId, Blocker, Ended, Entry, Event, Expects, Fingerprint, Ledger, Loses, Lost, Mark, Mode,
    Outcome, Phase, Plan, PlanId, Planned, RawOffset, Saved, Step, StoredToken, Strategy, Stretch, Trigger,
    Will,
};
use std::collections::BTreeMap;
use std::time::Duration;

const FROM: Timestamp = Timestamp { t: 1_700_000_000, i: 7 };
const TO: Timestamp = Timestamp { t: 1_700_003_840, i: 1 };
/// When the sample is looked at, milliseconds since 1970.
const NOW_MS: i64 = 1_700_011_520_000;

fn plan(strategy: Strategy, steps: Vec<Step>, loses: Loses) -> Plan {
    let expects = Expects {
        token: Some(StoredToken { time: Some(FROM), text: Fingerprint::of_text("x") }),
        state: ConnectorState::Running,
        config: Fingerprint::of_config(&BTreeMap::new()),
        partition: Some("mongodb://db1.example/shop.orders".into()),
    };
    Plan {
        id: PlanId(String::new()),
        connector: ConnectorId::new("main", "orders \"eu\"\\"),
        strategy,
        trigger: Trigger::HistoryLost,
        expects,
        steps,
        restores: None,
        loses,
        rescans_bytes: Some(700 << 20),
        effects: vec!["what came after the mark is delivered again, if it was delivered before".into()],
    }
    .named()
}

fn salvage() -> Plan {
    let partition = "mongodb://db1.example/shop.orders".to_owned();
    let steps = vec![
        Step::Save,
        Step::Stop,
        Step::WriteMark { partition, mark: Mark::OldestSurviving },
        Step::Resume,
        Step::Verify,
    ];
    plan(Strategy::Salvage, steps, Loses::Deleted { from: FROM, to: TO })
}

fn tolerate() -> Plan {
    let to = BTreeMap::from([("errors.tolerance".to_owned(), Some("all".to_owned()))]);
    let steps = vec![
        Step::Save,
        Step::Configure { to },
        Step::InsertMarker { namespace: "shop.orders".into(), fields: None },
        Step::AwaitStored,
    ];
    plan(Strategy::TolerateErrors, steps, Loses::UpToNow { from: Some(FROM), to: Some(TO) })
}

/// What would be done about one connector.
pub(crate) fn plans() -> Vec<Planned> {
    vec![Planned {
        plan: salvage(),
        mode: Mode::Approve,
        alternatives: vec![(tolerate(), vec![Blocker::AwaitsApproval, Blocker::SourceWrites])],
        blockers: vec![Blocker::AwaitsApproval, Blocker::Cooldown { seconds: 1_234 }],
    }]
}

fn saved() -> Event {
    let config =
        BTreeMap::from([("connection.uri".to_owned(), "mongodb://u:hunter2@db1.example/".to_owned())]);
    let offset = RawOffset {
        partition: serde_json::Map::from_iter([(
            "ns".to_owned(),
            "mongodb://db1.example/shop.orders".into(),
        )]),
        offset: Some(serde_json::Map::from_iter([("_id".to_owned(), token(FROM).into())])),
        record: None,
    };
    let saved = Saved { state: ConnectorState::Running, config, offsets: vec![offset] };
    Event::Saved { attempt: AttemptId("a1".into()), saved: Box::new(saved) }
}

fn token(time: Timestamp) -> String {
    format!("{{\"_data\": \"82{:08X}{:08X}2B0229296E04\"}}", time.t, time.i)
}

fn intent(attempt: &str, phase: Phase, index: usize, step: Step, will: Will) -> Event {
    Event::Intent { attempt: AttemptId(attempt.into()), phase, index, round: 0, step, will }
}

fn outcome(attempt: &str, outcome: Outcome) -> Event {
    Event::Outcome { attempt: AttemptId(attempt.into()), outcome, untouched: false }
}

fn done(attempt: &str, says: &str) -> Event {
    outcome(attempt, Outcome::Done { says: says.into(), reached: None })
}

fn begun(attempt: &str, plan: Plan, by: Actor, reason: &str) -> Event {
    Event::Begun { attempt: AttemptId(attempt.into()), plan: Box::new(plan), by, reason: reason.into() }
}

/// One attempt that succeeded, one that could not be put back, one under way: as a ledger.
pub(crate) fn ledger() -> Ledger {
    let entry =
        |(seq, event)| Entry { seq, at_ms: NOW_MS - 60_000 + i64::try_from(seq).unwrap() * 250, event };
    let events = std::iter::once(Event::Opened).chain(events());
    Ledger::of(&(1..).zip(events).map(entry).collect::<Vec<_>>())
}

/// The same as it is written down.
pub(crate) fn events() -> Vec<Event> {
    let person = Actor::Person("uid 1000 (ada)".into());
    let mark = Will { text: Some(token(TO)), config: BTreeMap::new() };
    let [save, stop, write, resume, verify] = <[Step; 5]>::try_from(salvage().steps).unwrap();
    let [_, configure, ..] = <[Step; 4]>::try_from(tolerate().steps).unwrap();
    let failed = Outcome::Failed { says: "Kafka Connect answered 500: Request timed out".into() };
    let ends = |attempt: &str, ended, says: &str, lost| Event::Ended {
        attempt: AttemptId(attempt.into()),
        ended,
        says: says.into(),
        lost,
    };
    vec![
        begun("a1", salvage(), Actor::Auto, "policy: history_lost"),
        intent("a1", Phase::Forward, 0, save, Will::default()),
        saved(),
        done("a1", "one offset, 9 settings"),
        intent("a1", Phase::Forward, 1, stop.clone(), Will::default()),
        done("a1", "no task is left"),
        intent("a1", Phase::Forward, 2, write, mark),
        done("a1", ""),
        intent("a1", Phase::Forward, 3, resume.clone(), Will::default()),
        done("a1", "its task runs"),
        intent("a1", Phase::Forward, 4, verify, Will::default()),
        outcome("a1", Outcome::Done { says: "stable for 10 s".into(), reached: Some(TO) }),
        ends("a1", Ended::Recovered, "the connector is well", Lost::Stretch(Stretch { from: FROM, to: TO })),
        begun("a2", tolerate(), person.clone(), "for <b>fun</b>"),
        intent("a2", Phase::Forward, 1, configure.clone(), Will::default()),
        outcome("a2", failed.clone()),
        intent("a2", Phase::Back, 0, configure, Will::default()),
        outcome("a2", failed),
        ends("a2", Ended::NeedsPerson, "errors.tolerance could not be put back", Lost::Unknown),
        begun("a3", salvage(), person, "the auditors are here"),
        intent("a3", Phase::Forward, 0, Step::Save, Will::default()),
        done("a3", "one offset, 9 settings"),
        intent("a3", Phase::Forward, 1, stop, Will::default()),
    ]
}

/// All of it.
pub(crate) fn seen<'a>(plans: &'a [Planned], ledger: &'a Ledger) -> Seen<'a> {
    Seen {
        mode: Mode::Approve,
        frozen: Some("uid 0: it is raining"),
        no_journal: None,
        plans,
        ledger,
        approval_expires: Duration::from_secs(3600),
        now_ms: NOW_MS,
    }
}

/// So many attempts, each of which succeeded at once, the oldest first.
pub(crate) fn succeeded(count: usize) -> Vec<Event> {
    let one = |number: usize| {
        let name = format!("b{number:04}");
        let ended = Event::Ended {
            attempt: AttemptId(name.clone()),
            ended: Ended::NotNeeded,
            says: "it is well".into(),
            lost: Lost::Nothing,
        };
        [begun(&name, salvage(), Actor::Auto, "policy: history_lost"), ended]
    };
    (0..count).flat_map(one).collect()
}
