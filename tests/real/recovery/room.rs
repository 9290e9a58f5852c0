//! Running out of room, before anything is lost: a connector that stands still is resumed, and an oplog is made larger. Both only
//! when a person says so.

use super::bench::{Bench, story};
use super::{Topic, Writer, fresh, namespace_of, pause, running};
use crate::shared::{LONG, Shared, nothing};
use mongodb::bson::{Bson, doc};
use resumeguard_core::recovery::{Actor, Attempt, Blocker, Ended, Lost, Plan, Planned, Strategy};
use std::collections::BTreeSet;
use xtask::{Mongo, ReplicaSet, ReplicaSetSpec, Seen};

/// Policy wants everything done by itself, as soon as there is less than a month's room.
const GREEDY: &str = "[recovery.policies.low]\nconnectors = [\"*\"]\nthreshold = \"30days\"\nmode = \"auto\"";

/// The plan that wants nothing but a person, and that policy does not begin by itself.
async fn never_by_policy(bench: &mut Bench, name: &str, strategy: Strategy) -> Plan {
    let wanted = |planned: &Planned| {
        let others = planned.alternatives.iter().map(|(plan, blockers)| (plan, blockers.as_slice()));
        let mut all = others.chain([(&planned.plan, planned.blockers.as_slice())]);
        let only =
            all.find(|(plan, blockers)| plan.strategy == strategy && **blockers == [Blocker::NeverAutomatic]);
        only.map(|(plan, _)| plan.clone())
    };
    let planned = bench.plan(name, |planned| wanted(planned).is_some()).await;
    for _pass in 0..3 {
        bench.pass().await;
        bench.desk.act();
    }
    assert!(bench.desk.ledger().attempts.is_empty(), "{:?}", bench.desk.ledger().attempts);
    wanted(&planned).unwrap()
}

/// A person approves; the next pass begins it.
async fn approved(bench: &mut Bench, plan: &Plan) -> Attempt {
    let by = Actor::Person("it".to_owned());
    bench.desk.approve(&plan.id, by, "there is room".to_owned(), None).await.unwrap();
    let id = xtask::wait_until("the approved attempt", LONG, async || {
        bench.pass().await;
        bench.desk.act();
        let ledger = bench.desk.ledger();
        let begun = ledger.attempts.first().map(|attempt| attempt.id.clone());
        Ok(begun.map_or_else(|| Seen::Not(format!("{:?}", bench.desk.plans())), Seen::Yes))
    })
    .await
    .unwrap();
    let attempt = bench.ended(&id).await;
    println!("{}", story(&attempt));
    assert_eq!(attempt.ended.as_ref().map(|ended| ended.0), Some(Ended::Recovered), "{}", story(&attempt));
    assert_eq!(attempt.lost, Lost::Nothing);
    attempt
}

async fn oplog_mib(mongo: &Mongo) -> i64 {
    let stats = doc! { "collStats": "oplog.rs" };
    let stats = mongo.client().database("local").run_command(stats).await.unwrap();
    match stats.get("maxSize") {
        Some(Bson::Int32(size)) => i64::from(*size) >> 20,
        Some(Bson::Int64(size)) => size >> 20,
        other => panic!("{other:?}"),
    }
}

/// The server refuses less than 990 MB, so that a small oplog is made that large.
#[tokio::test(flavor = "multi_thread")]
async fn an_oplog_is_made_larger_once_a_person_has_approved_it() {
    let (shared, name) = (Shared::take().await, fresh("room"));
    let (connect, set) = (shared.connect(), ReplicaSet::start(ReplicaSetSpec::of(1)).await.unwrap());
    let mut writer = Writer::new(set.mongo(), &namespace_of(&name));
    let mut topic = Topic::of(shared.stack.kafka_bootstrap().unwrap(), &writer.namespace);
    running(connect, &mut writer, &mut topic, &name, nothing()).await;
    let too_small = set.mongo().admin(doc! { "replSetResizeOplog": 1, "size": 989.0 }).await;
    println!("989 MB: {}", too_small.unwrap_err());
    let before = oplog_mib(set.mongo()).await;

    let mut bench = Bench::new(connect.url(), GREEDY).await;
    let plan = never_by_policy(&mut bench, &name, Strategy::ExtendOplog).await;
    assert_eq!(oplog_mib(set.mongo()).await, before, "not without a person");
    approved(&mut bench, &plan).await;
    assert_eq!((before < 990, oplog_mib(set.mongo()).await), (true, 990));
    writer.write().await;
    topic.until(3).await;
    assert_eq!((topic.numbers(), topic.twice()), ((0..4).collect(), BTreeSet::new()), "it never stood still");
    connect.delete(&name).await.unwrap();
}

/// Paused with less room than policy wants: resumed, it delivers all that was written meanwhile, once.
#[tokio::test(flavor = "multi_thread")]
async fn a_paused_connector_is_resumed_once_a_person_has_approved_it() {
    let (shared, name) = (Shared::take().await, fresh("resume"));
    let connect = shared.connect();
    let mut writer = Writer::new(shared.stack.mongod(), &namespace_of(&name));
    let mut topic = Topic::of(shared.stack.kafka_bootstrap().unwrap(), &writer.namespace);
    running(connect, &mut writer, &mut topic, &name, nothing()).await;
    pause(connect, &name).await;
    writer.write_some(5).await;

    let mut bench = Bench::new(connect.url(), GREEDY).await;
    let plan = never_by_policy(&mut bench, &name, Strategy::Resume).await;
    assert!(connect.status(&name).await.unwrap().unwrap().all("PAUSED"), "not without a person");
    approved(&mut bench, &plan).await;
    assert!(connect.status(&name).await.unwrap().unwrap().all("RUNNING"));
    topic.until(7).await;
    assert_eq!((topic.numbers(), topic.twice()), ((0..8).collect(), BTreeSet::new()));
}
