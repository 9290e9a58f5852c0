//! Salvage: everything that is still in the oplog is delivered, and what is not is said exactly.

use super::bench::{Bench, story};
use super::{Topic, Writer, exactly, fail, failed, fresh, namespace_of, running};
use crate::proxy::Proxy;
use crate::shared::{LONG, Shared, nothing};
use resumeguard_core::domain::ConnectorState;
use resumeguard_core::recovery::{Ended, Loses, Lost, Strategy, Trigger};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use xtask::{ReplicaSet, ReplicaSetSpec};

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_connector_goes_on_at_the_oldest_surviving_entry() {
    let (shared, name) = (Shared::take().await, fresh("salvage"));
    let mut writer = failed(&shared, &name, nothing()).await;
    let mut bench = Bench::new(shared.connect().url(), "").await;
    let planned = bench.plan(&name, |planned| planned.plan.trigger == Trigger::HistoryLost).await;
    assert_eq!(planned.plan.strategy, Strategy::Salvage, "it loses least: {planned:?}");
    let first = writer.first().await;
    let attempt = bench.recover(&name, Strategy::Salvage).await;
    println!("{}", story(&attempt));
    assert_eq!(attempt.ended.as_ref().map(|ended| ended.0), Some(Ended::Recovered), "{}", story(&attempt));

    writer.write_some(3).await;
    let mut topic = Topic::of(shared.stack.kafka_bootstrap().unwrap(), &writer.namespace);
    topic.until(writer.written.last().unwrap().n).await;
    let lost = exactly(&writer, &topic, &attempt);
    assert_eq!(lost.to, first, "nothing that was still there is given up");
    let survived = writer.numbers(|at| at >= first).len();
    assert!(
        survived > 3 && writer.numbers(|at| at < first).len() >= 10,
        "{survived} of {}",
        writer.written.len()
    );
    let status = shared.connect().status(&name).await.unwrap().unwrap();
    assert!(status.all("RUNNING"), "{status}");
}

/// RUNNING and idle, its stored token rolled away: nothing is lost, nothing comes twice, whatever is written in between.
#[tokio::test(flavor = "multi_thread")]
async fn a_running_idle_connector_loses_nothing() {
    let (shared, name) = (Shared::take().await, fresh("idle"));
    shared.connector(&name, nothing()).await;
    let connect = shared.connect();
    let mut proxy = Proxy::start(connect.url()).await;
    let mut bench = Bench::new(&proxy.url, "").await;
    bench.pass().await;
    let mut writer = Writer::new(shared.stack.mongod(), &namespace_of(&name));
    writer.write_some(5).await;
    let mut topic = Topic::of(shared.stack.kafka_bootstrap().unwrap(), &writer.namespace);
    topic.until(4).await;
    let stored = writer.written.last().unwrap().at;
    let stored = mongodb::bson::Timestamp { time: stored.t, increment: stored.i };
    connect.wait_until_stored(&name, LONG, |time| time >= stored).await.unwrap();
    // The position was seen to follow that stream: it is the connector's own.
    bench.pass().await;
    bench.pass().await;
    shared.stack.mongod().roll_oplog_past(stored).await.unwrap();
    let planned = bench
        .plan(&name, |planned| {
            planned.plan.trigger == Trigger::LostWhileRunning && planned.plan.loses == Loses::Nothing
        })
        .await;
    assert_eq!(planned.plan.strategy, Strategy::Salvage, "{planned:?}");

    // One is written while it stands stopped: it is not asked to go on before that.
    proxy.hold("PUT /resume");
    let id = bench.begin(&name, Strategy::Salvage).await;
    let between = async {
        proxy.held().await;
        let status = connect.status(&name).await.unwrap().unwrap();
        assert_eq!((status.connector.state.as_str(), status.tasks.len()), ("STOPPED", 0), "{status}");
        let written = writer.write().await;
        proxy.release();
        written
    };
    let (attempt, between) = tokio::join!(bench.ended(&id), between);
    println!("{}", story(&attempt));
    assert_eq!(attempt.ended.as_ref().map(|ended| ended.0), Some(Ended::Recovered), "{}", story(&attempt));
    assert_eq!((attempt.lost, between.n), (Lost::Nothing, 5));
    writer.write_some(2).await;
    topic.until(7).await;
    assert_eq!((topic.numbers(), topic.twice()), ((0..8).collect(), BTreeSet::new()));
}

/// A stopped connector stays stopped, with a position that will resume.
#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_connector_is_salvaged_and_stays_stopped() {
    let (shared, name) = (Shared::take().await, fresh("stopped"));
    shared.connector(&name, nothing()).await;
    let connect = shared.connect();
    connect.stop(&name).await.unwrap();
    connect.wait_until(&name, LONG, |status| status.connector.state == "STOPPED").await.unwrap();
    let mut writer = Writer::new(shared.stack.mongod(), &namespace_of(&name));
    writer.roll(5).await;
    let mut bench = Bench::new(connect.url(), "set_heartbeat = \"1s\"").await;
    let attempt = bench.recover(&name, Strategy::Salvage).await;
    println!("{}", story(&attempt));
    assert_eq!(attempt.ended.as_ref().map(|ended| ended.0), Some(Ended::Recovered), "{}", story(&attempt));
    assert_eq!(attempt.plan.expects.state, ConnectorState::Stopped);
    assert_eq!(connect.status(&name).await.unwrap().unwrap().connector.state, "STOPPED");
    assert_eq!(connect.config(&name).await.unwrap()["heartbeat.interval.ms"], "1000");
    connect.resume(&name).await.unwrap();
    connect.wait_until(&name, LONG, |status| status.all("RUNNING")).await.unwrap();
    writer.write_some(2).await;
    let mut topic = Topic::of(shared.stack.kafka_bootstrap().unwrap(), &writer.namespace);
    topic.until(writer.written.last().unwrap().n).await;
    exactly(&writer, &topic, &attempt);
}

/// The oplog goes on rolling while the mark is chosen, written, and the stream opened.
#[tokio::test(flavor = "multi_thread")]
async fn salvage_keeps_ahead_of_an_oplog_that_rolls_fast() {
    let (shared, name) = (Shared::take().await, fresh("rolling"));
    let connect = shared.connect();
    let set = ReplicaSet::start(ReplicaSetSpec::of(1).with_oplog_mib(8)).await.unwrap();
    let mut writer = Writer::new(set.mongo(), &namespace_of(&name));
    let mut topic = Topic::of(shared.stack.kafka_bootstrap().unwrap(), &writer.namespace);
    running(connect, &mut writer, &mut topic, &name, nothing()).await;
    fail(connect, &mut writer, &name).await;

    let (mut bench, over) = (Bench::new(connect.url(), "").await, AtomicBool::new(false));
    let (started, first) = (xtask::Stopwatch::start(), writer.first().await);
    let rolling = async {
        let filler = mongodb::bson::doc! { "filler": "x".repeat(20_000) };
        while !over.load(Ordering::SeqCst) {
            let scratch = set.mongo().collection("resumeguard_scratch.filler").unwrap();
            scratch.insert_many(vec![&filler; 5]).await.unwrap();
            writer.write().await;
            tokio::time::sleep(std::time::Duration::from_millis(80)).await;
        }
    };
    let recovering = async {
        // Already rolling when the plan is made.
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        let attempt = bench.recover(&name, Strategy::Salvage).await;
        over.store(true, Ordering::SeqCst);
        attempt
    };
    let ((), attempt) = tokio::join!(rolling, recovering);
    let (seconds, rolled) = (started.elapsed().as_secs(), writer.first().await.t - first.t);
    println!("{}\nthe oplog lost {rolled} s of its beginning in {seconds} s", story(&attempt));
    assert_eq!(attempt.ended.as_ref().map(|ended| ended.0), Some(Ended::Recovered), "{}", story(&attempt));
    assert!(rolled > 5, "it rolled on: {rolled} s");
    topic.until(writer.written.last().unwrap().n).await;
    exactly(&writer, &topic, &attempt);
    connect.delete(&name).await.unwrap();
}

/// An idle connector on an oplog that rolls on: nothing stores a newer position, so that the mark leaves the oplog as well. Its live
/// stream carries it; to put the lost position back would end that.
#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connector_whose_mark_rolls_away_is_left_running() {
    let (shared, name) = (Shared::take().await, fresh("ageing"));
    let connect = shared.connect();
    let set = ReplicaSet::start(ReplicaSetSpec::of(1).with_oplog_mib(4)).await.unwrap();
    let mut writer = Writer::new(set.mongo(), &namespace_of(&name));
    let mut topic = Topic::of(shared.stack.kafka_bootstrap().unwrap(), &writer.namespace);
    running(connect, &mut writer, &mut topic, &name, nothing()).await;
    let (mut bench, over) = (Bench::new(connect.url(), "stable_for = \"20s\"").await, AtomicBool::new(false));
    bench.pass().await;
    let last = set.mongo().last().await.unwrap();
    set.mongo().roll_oplog_past(last).await.unwrap();
    let rolling = async {
        let filler = mongodb::bson::doc! { "filler": "x".repeat(20_000) };
        while !over.load(Ordering::SeqCst) {
            let scratch = set.mongo().collection("resumeguard_scratch.filler").unwrap();
            scratch.insert_many(vec![&filler; 5]).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        }
    };
    let recovering = async {
        let attempt = bench.recover(&name, Strategy::Salvage).await;
        over.store(true, Ordering::SeqCst);
        attempt
    };
    let ((), attempt) = tokio::join!(rolling, recovering);
    println!("{}", story(&attempt));
    assert_eq!(attempt.ended.as_ref().map(|ended| ended.0), Some(Ended::Recovered), "{}", story(&attempt));
    assert!(story(&attempt).contains("set a heartbeat"), "{}", story(&attempt));
    writer.write_some(2).await;
    topic.until(4).await;
    assert_eq!((topic.numbers(), topic.twice()), ((0..5).collect(), BTreeSet::new()));
    connect.delete(&name).await.unwrap();
}
