//! What is remembered of connectors and oplogs that are out of sight, and for how long.

use super::{GONE_FOR, MOST_GONE};
use crate::assess::tests::*;
use crate::assess::{Memory, Thresholds, assess};
use crate::domain::*;

const DAY: u64 = 86_400;

fn at(memory: &Memory, facts: &Facts, uptime: u64) -> Memory {
    assess(memory, facts, &Thresholds::default(), now(uptime)).1
}

fn source(source: &'static str, name: &str, up: bool) -> SourceFacts {
    SourceFacts { source, name: name.into(), up, error: None }
}

fn orders() -> ConnectorId {
    ConnectorId::new("main", "orders")
}

/// The oplogs of two deployments.
fn two_deployments() -> Facts {
    let mut facts = facts(connector(token(FIRST + 60_000, 0)), replica_set());
    let other = facts.deployments["rs0"].clone();
    facts.deployments.insert("rs1".into(), other);
    facts
}

fn unreadable(facts: &Facts, deployment: &str) -> Facts {
    let mut facts = facts.clone();
    facts.deployments.get_mut(deployment).unwrap().members = Err(Why::MongodbUnreachable);
    facts
}

/// Points kept of each deployment's oplog.
fn points(memory: &Memory) -> [Option<usize>; 2] {
    ["rs0", "rs1"].map(|name| memory.oplogs().get(name, "a:1").map(|oplog| oplog.track.points()))
}

#[test]
fn a_deleted_connectors_position_is_known_for_thirty_days() {
    let memory = at(&Memory::default(), &facts(connector(token(FIRST, 5)), replica_set()), 0);
    let memory = at(&memory, &Facts::default(), 15);
    assert_eq!(GONE_FOR.as_secs(), 30 * DAY);
    let memory = at(&memory, &Facts::default(), 15 + 30 * DAY - 1);
    assert!(memory.left_behind(&orders()).is_some());
    assert!(at(&memory, &Facts::default(), 15 + 30 * DAY).left_behind(&orders()).is_none());
    // Once it is back there is nothing more to know of.
    let back = facts(connector(Err(Why::NotReadYet)), replica_set());
    assert!(at(&memory, &back, 30).left_behind(&orders()).is_none());
}

#[test]
fn of_more_deleted_connectors_than_are_remembered_the_oldest_are_forgotten() {
    let named = |name: &str| {
        let id = ConnectorId::new("main", name);
        facts(ConnectorFacts { id, ..connector(token(FIRST, 5)) }, replica_set())
    };
    let mut memory = at(&Memory::default(), &named("first"), 0);
    memory = at(&memory, &Facts::default(), 15);
    let mut many = named("0");
    let others = 1..u32::try_from(MOST_GONE).unwrap();
    many.connectors.extend(others.flat_map(|n| named(&n.to_string()).connectors));
    memory = at(&memory, &many, 30);
    assert!(memory.left_behind(&ConnectorId::new("main", "first")).is_some(), "it is one of a thousand");
    memory = at(&memory, &Facts::default(), 45);
    assert_eq!(memory.gone.len(), MOST_GONE);
    assert!(memory.left_behind(&ConnectorId::new("main", "first")).is_none(), "it has been gone for longest");
}

#[test]
fn only_a_connect_cluster_that_cannot_be_read_keeps_its_connectors() {
    let memory = at(&Memory::default(), &facts(connector(token(FIRST, 5)), replica_set()), 0);
    let kept = |source| at(&memory, &Facts { sources: vec![source], ..Facts::default() }, 15);
    let is_gone = |source| kept(source).left_behind(&orders()).is_some();
    assert!(!is_gone(source("connect", "main", false)));
    assert!(is_gone(source("connect", "main", true)), "it was read, and did not list it");
    assert!(is_gone(source("mongodb", "main", false)), "a deployment of the same name");
}

#[test]
fn an_oplog_grows_by_readings_and_stays_while_there_are_none() {
    let read = two_deployments();
    let memory = at(&Memory::default(), &read, 0);
    assert_eq!(points(&memory), [Some(1), Some(1)]);
    let mut moved = read.clone();
    for deployment in moved.deployments.values_mut() {
        let member = &mut deployment.members.as_mut().unwrap()[0];
        member.last = Ok(Timestamp { t: LAST + 10, i: 1 });
    }
    let memory = at(&memory, &moved, 15);
    assert_eq!(points(&memory), [Some(2), Some(2)]);
    // One deployment that cannot be read keeps what is known of it; one that is gone does not.
    let memory = at(&memory, &unreadable(&read, "rs1"), 30);
    assert_eq!(points(&memory), [Some(1), Some(2)], "rs0's clock went back, rs1 was not read");
    let mut gone = read;
    gone.deployments.remove("rs1");
    assert_eq!(points(&at(&memory, &gone, 45)), [Some(1), None]);
}

#[test]
fn oplogs_of_connectors_that_cannot_be_listed_are_kept() {
    let memory = at(&Memory::default(), &two_deployments(), 0);
    // After a restart nobody lists the connectors that would lead to them.
    let mut down = facts(connector(token(FIRST, 5)), vec![]);
    down.connectors.clear();
    down.sources = vec![source("connect", "main", false)];
    assert_eq!(
        points(&at(&memory, &down, 15)),
        [None, Some(1)],
        "of rs0 it is known that the member is gone"
    );
    down.deployments.clear();
    assert_eq!(points(&at(&memory, &down, 15)), [Some(1), Some(1)]);
}

#[test]
fn an_old_reading_is_no_sample_of_how_the_position_moves() {
    let mut facts = facts(connector(token(FIRST + 60_000, 0)), replica_set());
    let memory = at(&Memory::default(), &facts, 0);
    facts.connectors[0].offset_age = std::time::Duration::from_secs(15);
    let members = facts.deployments.get_mut("rs0").unwrap().members.as_mut().unwrap();
    members[0].last = Ok(Timestamp { t: LAST + 15, i: 1 });
    let aged = at(&memory, &facts, 15);
    assert_eq!(aged.of(&orders()).advance(), memory.of(&orders()).advance());
    facts.connectors[0].offset_age = std::time::Duration::ZERO;
    assert_ne!(at(&memory, &facts, 15).of(&orders()).advance(), memory.of(&orders()).advance());
}

/// A cluster is torn down. What takes out one after the other, looking at all, takes minutes for these.
#[test]
fn of_many_that_are_deleted_at_once_as_many_are_remembered_as_of_few() {
    let mut all = facts(connector(token(FIRST, 5)), replica_set());
    all.connectors = (0..50_000)
        .map(|n| ConnectorFacts {
            id: ConnectorId::new("main", &format!("c{n}")),
            ..all.connectors[0].clone()
        })
        .collect();
    let memory = at(&Memory::default(), &all, 0);
    let memory = at(&memory, &facts(connector(token(FIRST, 5)), replica_set()), 15);
    assert_eq!(memory.gone.len(), MOST_GONE);
    // The one that is deleted later is known before all of them.
    let memory = at(&memory, &Facts::default(), 30);
    assert_eq!(memory.gone.len(), MOST_GONE);
    assert!(memory.left_behind(&orders()).is_some());
}
