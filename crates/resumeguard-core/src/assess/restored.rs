//! A memory that was written down and read again judges as the uninterrupted one.

use super::tests::*;
use crate::assess::{Memory, Thresholds, assess};
use crate::domain::*;
use proptest::prelude::*;
use std::time::Duration;

/// What one pass finds changed since the one before.
#[derive(Debug, Clone)]
struct Step {
    /// Seconds of the server's clock, and of ours.
    seconds: u32,
    /// Bytes written, and seconds of oplog that were truncated.
    written: (u64, u32),
    /// How the position moves.
    position: i64,
    offset: usize,
    task: usize,
    member_readable: bool,
    /// Connect's listing can be read, or the connectors keep their names, or nothing is known of them.
    connect: usize,
    streams: usize,
}

fn any_step() -> impl Strategy<Value = Step> {
    let oplog = (1_u32..4_000, (0_u64..9_000_000, prop_oneof![Just(0_u32), 0_u32..6_000]));
    let connector = (prop_oneof![Just(0_i64), 0_i64..5_000, -50_i64..0], 0_usize..12, 0_usize..9);
    let readable = (prop::bool::weighted(0.9), 0_usize..9, 0_usize..4);
    (oplog, connector, readable).prop_map(|(oplog, connector, readable)| Step {
        seconds: oplog.0,
        written: oplog.1,
        position: connector.0,
        offset: connector.1,
        task: connector.2,
        member_readable: readable.0,
        connect: readable.1,
        streams: readable.2,
    })
}

/// The world that the steps change.
struct World {
    first: u32,
    last: u32,
    size: u64,
    position: i64,
}

impl World {
    fn after(&mut self, step: &Step) -> Facts {
        self.last += step.seconds;
        self.first = (self.first + step.written.1).min(self.last);
        self.size = (self.size + step.written.0) % 40_000_000;
        self.position = (self.position + step.position).clamp(1, i64::from(self.last) + 2);
        let mut member = member("a:1", Role::Primary, self.first);
        member.last = Ok(Timestamp { t: self.last, i: 1 });
        member.sizes.size_bytes = Some(self.size);
        member.sizes.max_size_bytes = Some(40_000_000 - u64::from(step.offset == 4));
        if !step.member_readable {
            member.first = Err(Why::MemberUnreadable);
        }
        member.streams = self.streams(step);
        let mut facts = facts(self.connector(step), vec![member]);
        let up = step.connect > 1;
        let error = (!up).then(|| "down".to_owned());
        facts.sources = vec![SourceFacts { source: "connect", name: "main".into(), up, error }];
        match step.connect {
            // As after a restart: the listing fails, and the names are gone with the process.
            0 => Facts { connectors: vec![], deployments: [].into(), ..facts },
            1 => Facts { connectors: vec![facts.connectors[0].unreadable()], ..facts },
            2 => Facts { connectors: vec![], ..facts },
            _ => facts,
        }
    }

    fn connector(&self, step: &Step) -> ConnectorFacts {
        let time = u32::try_from(self.position).unwrap();
        let mut connector = connector(match step.offset {
            0 => Err(Why::NoPosition),
            1 => Err(Why::OffsetsUnreadable),
            2 => Ok(StoredOffset::Copying),
            _ => token(time, 0),
        });
        connector.key = Some(if step.offset == 3 { LiveKey::Inferred } else { LiveKey::Computed });
        connector.tasks = match step.task {
            0 => failed(Some(286), FailureClass::HistoryLost),
            1 => failed(None, FailureClass::Transient),
            2 => vec![],
            _ => connector.tasks,
        };
        connector
    }

    fn streams(&self, step: &Step) -> Option<Vec<ChangeStream>> {
        // It changes now and then, so that gaps open and close.
        let created_ms = i64::from(self.last - self.last % 20_000) * 1000;
        let one = |start| ChangeStream { namespace: String::new(), created_ms, last_read: None, start };
        let after = StreamStart::After(Timestamp { t: self.last - self.last % 20_000, i: 0 });
        let seen = [None, Some(vec![]), Some(vec![one(after)]), Some(vec![one(StreamStart::Now)])];
        seen.get(step.streams).cloned().flatten()
    }
}

fn written_and_read(memory: &Memory) -> Memory {
    serde_json::from_str(&serde_json::to_string(memory).unwrap()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_memory_restored_before_every_pass_judges_as_the_uninterrupted(
        steps in proptest::collection::vec(any_step(), 1..60),
    ) {
        let mut world = World { first: FIRST, last: LAST, size: 20_000_000, position: i64::from(LAST) - 20_000 };
        let (mut through, mut restored) = (Memory::default(), Memory::default());
        let mut uptime = Duration::from_nanos(7);
        for step in &steps {
            uptime += Duration::new(u64::from(step.seconds), 999_999_999);
            let (facts, now) = (world.after(step), Now { unix_seconds: 1_700_000_000, uptime });
            let expected = assess(&through, &facts, &Thresholds::default(), now);
            let found = assess(&restored, &facts, &Thresholds::default(), now);
            prop_assert_eq!(&found.0, &expected.0);
            through = expected.1;
            restored = written_and_read(&found.1);
            prop_assert_eq!(&restored, &through);
        }
    }
}

#[test]
fn the_memory_outlives_a_connect_that_cannot_be_read_after_a_restart() {
    let lost = facts(connector(token(FIRST - 7, 0)), replica_set());
    let (_, memory) = pass(&Memory::default(), &lost, 0);
    let down = |name: &str| Facts {
        sources: vec![SourceFacts {
            source: "connect",
            name: name.into(),
            up: false,
            error: Some("x".into()),
        }],
        ..Facts::default()
    };
    let (snapshot, kept) = assess(&memory, &down("main"), &Thresholds::default(), now(15));
    assert!(snapshot.connectors.is_empty());
    assert_eq!(rules(&pass(&kept, &lost, 60).0), ["RG001"], "the wait went on");
    // Another cluster's trouble keeps nobody else's memory.
    let (_, dropped) = assess(&memory, &down("other"), &Thresholds::default(), now(15));
    assert_eq!(rules(&pass(&dropped, &lost, 60).0), ["RG019"], "it was gone");
}
