//! What holds of every judgement, whatever the facts.

use super::tests::*;
use crate::assess::{Memory, Thresholds, assess};
use crate::domain::*;
use proptest::prelude::*;
use std::time::Duration;

/// Facts of one connector on up to three members, anything readable or not, with any evidence beside the position and the oplog, or none.
fn any_facts() -> impl Strategy<Value = Facts> {
    (plain_facts(), any_evidence()).prop_map(|(mut facts, evidence)| {
        evidence.add_to(&mut facts);
        facts
    })
}

/// What helps and need not be known.
#[derive(Debug, Clone)]
struct Evidence {
    /// Of each member: its open streams, by when they were opened.
    streams: Vec<Option<Vec<(u32, StreamStart)>>>,
    by_status: bool,
    state: Observed<ConnectorState>,
    tasks: Vec<TaskFacts>,
    ends: StreamEnd,
    collection: Option<[u8; 16]>,
    /// What MongoDB says of the collection.
    listed: Option<Option<[u8; 16]>>,
}

fn any_evidence() -> impl Strategy<Value = Evidence> {
    let start = (0_usize..4, 0_u32..300_000).prop_map(|(kind, t)| match kind {
        0 => StreamStart::Now,
        1 => StreamStart::At(Timestamp { t, i: 1 }),
        2 => StreamStart::After(Timestamp { t, i: 1 }),
        _ => StreamStart::Unreadable,
    });
    let streams = proptest::option::of(proptest::collection::vec((0_u32..300_000, start), 0..3));
    let task = prop_oneof![
        Just(task(TaskState::Running, None)),
        Just(task(TaskState::Paused, None)),
        prop_oneof![
            Just(Some(286)),
            Just(Some(280)),
            Just(Some(260)),
            Just(Some(136)),
            Just(Some(10334)),
            Just(None)
        ]
        .prop_map(|code| {
            let class = code.map_or(FailureClass::Other, FailureClass::of_code);
            task(TaskState::Failed, Some(Failure { code, class }))
        }),
    ];
    let state = prop_oneof![
        Just(Ok(ConnectorState::Running)),
        Just(Ok(ConnectorState::Paused)),
        Just(Ok(ConnectorState::Stopped)),
        Just(Ok(ConnectorState::Failed)),
        Just(Err(Why::ConnectUnreadable)),
    ];
    let ends = prop_oneof![
        4 => Just(StreamEnd::None),
        1 => Just(StreamEnd::OfCollection),
        1 => Just(StreamEnd::OfDatabase),
        1 => Just(StreamEnd::Every),
    ];
    let uuid = || proptest::option::of(prop_oneof![Just([1; 16]), Just([2; 16])]);
    (
        proptest::collection::vec(streams, 3),
        proptest::bool::weighted(0.1),
        state,
        proptest::collection::vec(task, 0..2),
        ends,
        (uuid(), proptest::option::of(uuid())),
    )
        .prop_map(|(streams, by_status, state, tasks, ends, (collection, listed))| Evidence {
            streams,
            by_status,
            state,
            tasks,
            ends,
            collection,
            listed,
        })
}

impl Evidence {
    fn add_to(self, facts: &mut Facts) {
        let config = [("database", "shop"), ("collection", "orders")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()));
        let connector = &mut facts.connectors[0];
        let settings = Settings::from_config(&config.into());
        connector.settings = Settings { tolerance: connector.settings.tolerance, ..settings };
        connector.tasks = if self.state.is_ok() { self.tasks } else { Vec::new() };
        connector.state = self.state;
        if let Ok(StoredOffset::Token(position)) = &mut connector.offset {
            (position.ends, position.collection) = (self.ends, self.collection);
        }
        let deployment = facts.deployments.get_mut("rs0").unwrap();
        deployment.collections.extend(self.listed.map(|uuid| ("shop.orders".to_owned(), uuid)));
        for (member, streams) in deployment.members.iter_mut().flatten().zip(self.streams) {
            member.by_status = self.by_status;
            let open = |(created, start): (u32, StreamStart)| ChangeStream {
                namespace: "shop.orders".to_owned(),
                created_ms: i64::from(created) * 1000,
                last_read: None,
                start,
            };
            member.streams = streams.map(|streams| streams.into_iter().map(open).collect());
        }
    }
}

/// Position and oplog alone.
fn plain_facts() -> impl Strategy<Value = Facts> {
    let drawn = (0_u32..200_000, any::<bool>(), proptest::option::of(0_u32..300_000), any::<bool>());
    let members = proptest::collection::vec(drawn, 0..4);
    let offset = (0_u32..300_000, 0_u32..3, 0_usize..6, 0_u64..90);
    (members, offset, 0_usize..5, any::<bool>()).prop_map(|(members, offset, selection, tolerant)| {
        let members = members.into_iter().enumerate().map(|(i, (first, readable, last, initiating))| {
            let role = if i == 0 { Role::Primary } else { Role::Secondary };
            let mut member = member(&format!("m{i}:1"), role, first);
            let entry = FirstEntry { time: Timestamp { t: first, i: 1 }, initiating };
            member.first = if readable { Ok(entry) } else { Err(Why::MemberUnreadable) };
            member.last =
                last.map(|last| Timestamp { t: first.max(last), i: 2 }).ok_or(Why::MemberUnreadable);
            member
        });
        facts(any_connector(offset, selection, tolerant), members.collect())
    })
}

fn any_connector(
    (t, i, kind, age): (u32, u32, usize, u64),
    selection: usize,
    tolerant: bool,
) -> ConnectorFacts {
    let offset = match kind {
        0 => Err(Why::NoPosition),
        1 => Err(Why::OffsetsUnreadable),
        2 => Ok(StoredOffset::Malformed { parses: true }),
        _ => token(t, i),
    };
    let preference = |preference| Selection::Preference { preference, tag_sets: vec![], max_staleness: None };
    let mut connector = connector(offset);
    connector.offset_age = Duration::from_secs(age);
    connector.settings.tolerance = if tolerant { Tolerance::All } else { Tolerance::None };
    connector.selection = match selection {
        0 => Ok(preference(ReadPreference::Primary)),
        1 => Ok(preference(ReadPreference::Nearest)),
        2 => Ok(preference(ReadPreference::SecondaryPreferred)),
        3 => Ok(Selection::Hidden),
        _ => Err(Why::UriPlaceholder),
    };
    connector
}

/// From best to worst; unknown has no place in it.
fn badness(verdict: Verdict) -> Option<u8> {
    match verdict {
        Verdict::Safe => Some(0),
        Verdict::AtRisk => Some(1),
        Verdict::Critical => Some(2),
        Verdict::Lost => Some(3),
        Verdict::Unknown(_) => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8 * ProptestConfig::default().cases))]

    #[test]
    fn raising_first_never_improves_a_verdict(facts in any_facts(), by in 1_u32..100_000) {
        let mut raised = facts.clone();
        for deployment in raised.deployments.values_mut() {
            for member in deployment.members.as_mut().unwrap() {
                member.first = member.first.map(|first| {
                    FirstEntry { time: Timestamp { t: first.time.t + by, ..first.time }, initiating: false }
                });
                // The newest entry is never older than the oldest.
                let floor = member.first.map_or(0, |first| first.time.t);
                member.last = member.last.map(|last| Timestamp { t: last.t.max(floor), ..last });
            }
        }
        let (before, after) = (badness(one(&facts).verdict), badness(one(&raised).verdict));
        if let (Some(before), Some(after)) = (before, after) {
            prop_assert!(after >= before, "{before} became {after}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_never_safe_and_has_no_numbers(facts in any_facts()) {
        let report = one(&facts);
        let unread = facts.connectors[0].offset.is_err() || facts.connectors[0].selection.is_err();
        let position = facts.connectors[0].token_time();
        if unread || position.is_none() {
            prop_assert!(badness(report.verdict).is_none(), "{report:?}");
        }
        if badness(report.verdict).is_none() {
            prop_assert_eq!((report.headroom_seconds, report.headroom_ratio, report.lag_seconds), (None, None, None));
            prop_assert_eq!((report.outage_budget_seconds, report.until_lost), (None, None));
        }
        // Safe or lost only by an oplog that was read.
        if matches!(report.verdict, Verdict::Safe | Verdict::Lost) {
            let members = facts.deployments["rs0"].members.as_ref().unwrap();
            prop_assert!(members.iter().any(|member| member.first.is_ok()));
        }
        if report.verdict == Verdict::Lost {
            let members = facts.deployments["rs0"].members.as_ref().unwrap();
            prop_assert!(members.iter().any(|m| m.first.is_ok_and(|first| position.unwrap() < first.time)));
            prop_assert!(report.on_restart != OnRestart::Resumes);
        }
    }

    /// What has not been read may say anything, and the loss must stand.
    #[test]
    fn lost_is_lost_whatever_the_unread_members_hold(
        facts in any_facts(), t in 0_u32..100_000, firsts in proptest::collection::vec(0_u32..300_000, 3),
    ) {
        let mut facts = facts;
        facts.connectors[0].offset_age = Duration::ZERO;
        facts.connectors[0].offset = token(t, 0);
        let mut completed = facts.clone();
        let members = completed.deployments.get_mut("rs0").unwrap().members.as_mut().unwrap();
        for (member, t) in members.iter_mut().zip(firsts) {
            if member.first.is_err() {
                member.first = Ok(FirstEntry { time: Timestamp { t, i: 1 }, initiating: false });
            }
            let floor = member.first.map_or(0, |first| first.time.t);
            member.last = member.last.or(Ok(Timestamp { t: 300_000.max(floor), i: 1 }));
        }
        if one(&facts).verdict == Verdict::Lost {
            prop_assert_eq!(one(&completed).verdict, Verdict::Lost);
        }
    }

    #[test]
    fn an_answer_never_improves_what_arithmetic_says(facts in any_facts(), which in 0_usize..8, age in 0_u64..400) {
        let answers = [
            ProbeAnswer::Resumes,
            ProbeAnswer::NotContradicted,
            ProbeAnswer::Unauthorized,
            ProbeAnswer::Inconclusive,
            ProbeAnswer::of_code(286),
            ProbeAnswer::of_code(280),
            ProbeAnswer::of_code(50811),
            ProbeAnswer::of_code(10334),
        ];
        let mut asked = facts.clone();
        let age = Duration::from_secs(age);
        asked.connectors[0].probe = Some(Probe { answer: answers[which], age, margin_seconds: None });
        let (before, after) = (one(&facts), one(&asked));
        match (badness(before.verdict), badness(after.verdict)) {
            (Some(before), Some(after)) => prop_assert!(after >= before, "{before} became {after}"),
            (None, _) => prop_assert!(after.verdict != Verdict::Safe, "{after:?}"),
            (Some(_), None) => prop_assert_eq!(after.verdict, Verdict::Unknown(Why::Contradictory)),
        }
        prop_assert_eq!(after.basis.is_none(), matches!(after.verdict, Verdict::Unknown(_)));
    }

    #[test]
    fn the_order_of_evidence_changes_nothing(facts in any_facts(), second in any_facts()) {
        let mut both = facts.clone();
        both.connectors.push(ConnectorFacts { id: ConnectorId::new("main", "other"), ..second.connectors[0].clone() });
        let mut turned = both.clone();
        turned.connectors.reverse();
        turned.deployments.values_mut().for_each(|deployment| deployment.members.as_mut().unwrap().reverse());
        let judge = |facts| {
            let (mut snapshot, memory) = assess(&Memory::default(), facts, &Thresholds::default(), now(0));
            snapshot.oplogs.sort_by(|a, b| a.member.cmp(&b.member));
            (snapshot, memory)
        };
        prop_assert_eq!(judge(&both), judge(&turned));
    }
}
