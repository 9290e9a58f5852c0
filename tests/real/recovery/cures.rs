//! The documented cures lose exactly what is documented, and say so; what loses nothing loses nothing.

use super::bench::{Bench, story};
use super::{Topic, Writer, exactly, fail, failed, fresh, namespace_of, running};
use crate::proxy::Proxy;
use crate::shared::{LONG, Shared, nothing};
use mongodb::bson::{Bson, Document, doc};
use resumeguard_core::recovery::{Actor, Attempt, Ended, Lost, Strategy, Trigger};
use serde_json::{Value, json};
use std::time::Duration;
use xtask::{Connect, Progress, ReplicaSet, ReplicaSetSpec, Stack, StackSpec};

#[track_caller]
fn recovered(attempt: &Attempt) {
    println!("{}", story(attempt));
    assert_eq!(attempt.ended.as_ref().map(|ended| ended.0), Some(Ended::Recovered), "{}", story(attempt));
}

/// Settings that a person can see, before and after.
async fn settings(connect: &Connect, name: &str) -> Value {
    connect.config(name).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn tolerating_the_error_loses_everything_up_to_the_marker_and_is_over_afterwards() {
    let (shared, name) = (Shared::take().await, fresh("tolerate"));
    let mut writer = failed(&shared, &name, nothing()).await;
    let before = settings(shared.connect(), &name).await;
    let more = "allow_source_writes = true\nmarker = '{\"kind\": \"a marker\"}'";
    let mut bench = Bench::new(shared.connect().url(), more).await;
    let attempt = bench.recover(&name, Strategy::TolerateErrors).await;
    recovered(&attempt);
    assert_eq!(settings(shared.connect(), &name).await, before, "it tolerates no more");
    let left = shared.stack.mongod().collection(&writer.namespace).unwrap();
    assert_eq!(left.count_documents(doc! { "kind": "a marker" }).await.unwrap(), 0);

    writer.write_some(3).await;
    let mut topic = Topic::of(shared.stack.kafka_bootstrap().unwrap(), &writer.namespace);
    topic.until(writer.written.last().unwrap().n).await;
    exactly(&writer, &topic, &attempt);
    let delivered = topic.numbers().len();
    assert_eq!(delivered, 3, "all that was still in the oplog is dropped: that is what this cure does");
    let markers = topic.events.iter().filter(|event| event["fullDocument"]["kind"] == "a marker").count();
    assert_eq!(markers, 1, "consumers see it: {:?}", topic.events);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_that_may_refuse_the_marker_is_left_alone() {
    let (shared, name) = (Shared::take().await, fresh("validated"));
    let writer = failed(&shared, &name, nothing()).await;
    let collection = writer.namespace.split_once('.').unwrap().1;
    let strict = doc! { "collMod": collection, "validator": { "n": { "$exists": true } } };
    shared.stack.mongod().client().database("shared").run_command(strict).await.unwrap();
    let before = settings(shared.connect(), &name).await;
    let proxy = Proxy::start(shared.connect().url()).await;
    let mut bench = Bench::new(&proxy.url, "allow_source_writes = true").await;
    let refused = async |bench: &mut Bench, says: &str| {
        let attempt = bench.recover(&name, Strategy::TolerateErrors).await;
        println!("{}", story(&attempt));
        let (ended, told, _) = attempt.ended.clone().unwrap();
        assert!(ended == Ended::PutBack && told.contains(says), "{}", story(&attempt));
        assert!(!told.contains("mongodb://"), "{told}");
        let changes = |call: &&String| !call.starts_with("GET") && !call.ends_with("/config/validate");
        let calls = proxy.calls();
        assert_eq!(calls.iter().filter(changes).count(), 0, "before anything was changed: {calls:?}");
        calls.iter().filter(|call| call.ends_with("/config/validate")).count()
    };
    // Both configurations are Connect's to refuse, and are not; the collection would refuse the marker.
    assert_eq!(refused(&mut bench, "validator").await, 2);
    // What Connect would refuse is not begun either.
    let error = json!({ "name": "connection.uri", "errors": ["Invalid value mongodb://u:p@h/"] });
    let said = json!({ "name": "x", "error_count": 1, "configs": [{ "value": error }] }).to_string();
    proxy.answer("PUT", "/config/validate", 1, 200, &said);
    assert_eq!(refused(&mut bench, "for connection.uri").await, 1);
    assert_eq!(settings(shared.connect(), &name).await, before);
}

/// Another unique index refuses the marker: that is no marker of ours that stands there.
#[tokio::test(flavor = "multi_thread")]
async fn a_marker_that_another_unique_index_refuses_does_not_stand() {
    let (shared, name) = (Shared::take().await, fresh("unique"));
    let writer = failed(&shared, &name, nothing()).await;
    let collection = shared.stack.mongod().collection(&writer.namespace).unwrap();
    collection.delete_many(doc! {}).await.unwrap();
    collection.insert_one(doc! { "kind": "a marker" }).await.unwrap();
    let index = doc! { "createIndexes": collection.name(), "indexes": [{ "key": { "kind": 1 }, "name": "kind", "unique": true }] };
    shared.stack.mongod().client().database("shared").run_command(index).await.unwrap();
    let more = "allow_source_writes = true\nmarker = '{\"kind\": \"a marker\"}'";
    let mut bench = Bench::new(shared.connect().url(), more).await;
    let attempt = bench.recover(&name, Strategy::TolerateErrors).await;
    println!("{}", story(&attempt));
    let (ended, says, _) = attempt.ended.clone().unwrap();
    assert!(ended == Ended::PutBack && says.contains("error 11000"), "{}", story(&attempt));
    assert_eq!(collection.count_documents(doc! {}).await.unwrap(), 1);
}

/// A person gives it more room while the plan's step is looked at: what is larger by now is not made smaller.
#[tokio::test(flavor = "multi_thread")]
async fn an_oplog_that_has_grown_meanwhile_is_not_made_smaller() {
    let (shared, name) = (Shared::take().await, fresh("grown"));
    let (connect, set) = (shared.connect(), ReplicaSet::start(ReplicaSetSpec::of(1)).await.unwrap());
    let mut writer = Writer::new(set.mongo(), &namespace_of(&name));
    let mut topic = Topic::of(shared.stack.kafka_bootstrap().unwrap(), &writer.namespace);
    running(connect, &mut writer, &mut topic, &name, nothing()).await;
    let mut proxy = Proxy::start(connect.url()).await;
    let low = "[recovery.policies.low]\nconnectors = [\"*\"]\non = [\"low_headroom\"]\nthreshold = \"30days\"\nmode = \"approve\"";
    let mut bench = Bench::new(&proxy.url, low).await;
    proxy.hold("GET /config");
    let id = bench.begin(&name, Strategy::ExtendOplog).await;
    proxy.held().await;
    let planned = bench.desk.ledger().attempt(&id).unwrap().plan.steps.clone();
    let [resumeguard_core::recovery::Step::ResizeOplog { size_mb }] = planned[..] else {
        panic!("{planned:?}")
    };
    let theirs = f64::from(u32::try_from(size_mb).unwrap()) * 2.0;
    set.mongo().admin(doc! { "replSetResizeOplog": 1, "size": theirs }).await.unwrap();
    proxy.release();
    let attempt = bench.ended(&id).await;
    println!("{}", story(&attempt));
    assert!(story(&attempt).contains("resize_oplog not_needed"), "{}", story(&attempt));
    let stats = doc! { "collStats": "oplog.rs" };
    let stats = set.mongo().client().database("local").run_command(stats).await.unwrap();
    let size = match stats.get("maxSize") {
        Some(Bson::Int32(size)) => f64::from(*size),
        Some(Bson::Int64(size)) => *size as f64,
        Some(Bson::Double(size)) => *size,
        other => panic!("{other:?}"),
    };
    assert!((size / f64::from(1 << 20) - theirs).abs() < 1.0, "{size}");
    connect.delete(&name).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn removing_the_offset_loses_everything_up_to_the_restart() {
    let (shared, name) = (Shared::take().await, fresh("reset"));
    let mut writer = failed(&shared, &name, nothing()).await;
    let mut bench = Bench::new(shared.connect().url(), "").await;
    let attempt = bench.recover(&name, Strategy::ResetOffsets).await;
    recovered(&attempt);
    writer.write_some(3).await;
    let mut topic = Topic::of(shared.stack.kafka_bootstrap().unwrap(), &writer.namespace);
    topic.until(writer.written.last().unwrap().n).await;
    exactly(&writer, &topic, &attempt);
    assert_eq!(topic.numbers().len(), 3, "all that was still in the oplog is dropped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_existing_data_brings_every_document_and_its_mode_goes_back() {
    let (shared, name) = (Shared::take().await, fresh("copy"));
    let mut writer = failed(&shared, &name, nothing()).await;
    let before = settings(shared.connect(), &name).await;
    let mut bench = Bench::new(shared.connect().url(), "").await;
    let id = bench.begin(&name, Strategy::Resnapshot).await;
    // Its stream stores a token with the first event after the copy.
    let ended = bench.ended(&id);
    let mut ended = std::pin::pin!(ended);
    let attempt = loop {
        tokio::select! {
            attempt = &mut ended => break attempt,
            () = tokio::time::sleep(Duration::from_secs(1)) => { writer.write().await; }
        }
    };
    recovered(&attempt);
    assert_eq!(settings(shared.connect(), &name).await, before);
    writer.write().await;
    let mut topic = Topic::of(shared.stack.kafka_bootstrap().unwrap(), &writer.namespace);
    topic.until(writer.written.last().unwrap().n).await;
    assert_eq!(topic.numbers(), writer.numbers(|_| true), "every document is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_in_passing_is_restarted_and_loses_nothing() {
    let (shared, name) = (Shared::take().await, fresh("transient"));
    let connect = shared.connect();
    let set = ReplicaSet::start(ReplicaSetSpec::of(1)).await.unwrap();
    let namespace = namespace_of(&name);
    let uri = format!("{}&serverSelectionTimeoutMS=2000", set.uri());
    let mut writer = Writer::new(set.mongo(), &namespace);
    let mut topic = Topic::of(shared.stack.kafka_bootstrap().unwrap(), &namespace);
    running(connect, &mut writer, &mut topic, &name, json!({ "connection.uri": uri })).await;

    set.stop_member(0).unwrap();
    connect.restart(&name).await.unwrap();
    let failed = |status: &xtask::ConnectorStatus| status.tasks.iter().any(|task| task.state == "FAILED");
    connect.wait_until(&name, LONG, failed).await.unwrap();
    set.start_member(0).await.unwrap();
    writer.write_some(3).await;
    let mut bench = Bench::new(connect.url(), "").await;
    let planned = bench.plan(&name, |planned| planned.plan.trigger == Trigger::TransientFailure).await;
    assert_eq!(planned.plan.strategy, Strategy::Restart);
    let attempt = bench.recover(&name, Strategy::Restart).await;
    recovered(&attempt);
    topic.until(5).await;
    assert_eq!((attempt.lost, topic.numbers()), (Lost::Nothing, (0..6).collect()));
    connect.delete(&name).await.unwrap();
}

/// Connect before 3.5 has neither stop nor PATCH: the configuration alone says where to begin. The worker here is a newer one
/// behind a proxy that answers as an old one does.
#[tokio::test(flavor = "multi_thread")]
async fn an_old_connect_is_salvaged_by_configuration_alone() {
    let (shared, name) = (Shared::take().await, fresh("old"));
    let mut writer = failed(&shared, &name, nothing()).await;
    // Starts are whole seconds here: something has to lie beyond the first.
    for _ in 0..6 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        writer.write().await;
    }
    let before = settings(shared.connect(), &name).await;
    let proxy = Proxy::start(shared.connect().url()).await;
    proxy.allow_what_is_documented();
    let root = json!({ "version": "3.4.1", "commit": "x", "kafka_cluster_id": "y" }).to_string();
    proxy.answer("GET", "/", u32::MAX, 200, &root);
    proxy.answer("PATCH", "", u32::MAX, 405, "{\"message\": \"HTTP 405 Method Not Allowed\"}");
    proxy.answer("PUT", "/stop", u32::MAX, 404, "{\"message\": \"HTTP 404 Not Found\"}");
    let mut bench = Bench::new(&proxy.url, "").await;
    let attempt = bench.recover(&name, Strategy::Salvage).await;
    recovered(&attempt);
    assert_eq!(proxy.refused(), Vec::<String>::new(), "docs/permissions.md lists what is needed");
    let calls = proxy.calls();
    assert!(!calls.iter().any(|call| call.starts_with("PATCH") || call.ends_with("/stop")), "{calls:?}");

    let after = settings(shared.connect(), &name).await;
    let partition = after["offset.partition.name"].as_str().unwrap().to_owned();
    assert!(partition.ends_with(".1"), "{partition}");
    let mut expected = before;
    expected["offset.partition.name"] = json!(partition);
    assert_eq!(after, expected, "its start-up mode is what it was");
    writer.write_some(2).await;
    let mut topic = Topic::of(shared.stack.kafka_bootstrap().unwrap(), &writer.namespace);
    topic.until(writer.written.last().unwrap().n).await;
    exactly(&writer, &topic, &attempt);
}

/// Connect 3.6 and 3.7 have PATCH for offsets, not for configurations: all of it is put back with one key changed.
#[tokio::test(flavor = "multi_thread")]
async fn without_patch_a_configuration_is_put_as_a_whole() {
    let (shared, name) = (Shared::take().await, fresh("whole"));
    let mut writer = failed(&shared, &name, nothing()).await;
    let mut expected = settings(shared.connect(), &name).await;
    let proxy = Proxy::start(shared.connect().url()).await;
    proxy.allow_what_is_documented();
    let root = json!({ "version": "3.7.2", "commit": "x", "kafka_cluster_id": "y" }).to_string();
    proxy.answer("GET", "/", u32::MAX, 200, &root);
    proxy.answer("PATCH", "/config", u32::MAX, 405, "{\"message\": \"HTTP 405 Method Not Allowed\"}");
    let mut bench = Bench::new(&proxy.url, "set_heartbeat = \"1s\"").await;
    let attempt = bench.recover(&name, Strategy::Salvage).await;
    recovered(&attempt);
    assert_eq!(proxy.refused(), Vec::<String>::new(), "docs/permissions.md lists what is needed");
    let calls = proxy.calls();
    assert!(calls.iter().any(|call| call.ends_with("/config/validate")), "{calls:?}");
    let put = format!("PUT /connectors/{name}/config");
    assert_eq!(calls.iter().filter(|call| **call == put).count(), 1, "{calls:?}");
    expected["heartbeat.interval.ms"] = json!("1000");
    assert_eq!(settings(shared.connect(), &name).await, expected);
    writer.write_some(2).await;
    let mut topic = Topic::of(shared.stack.kafka_bootstrap().unwrap(), &writer.namespace);
    topic.until(writer.written.last().unwrap().n).await;
    exactly(&writer, &topic, &attempt);
}

/// One write in the namespace has a live stream store a newer token.
#[tokio::test(flavor = "multi_thread")]
async fn a_nudge_loses_nothing_and_leaves_nothing_behind() {
    let (shared, name) = (Shared::take().await, fresh("nudge"));
    shared.connector(&name, nothing()).await;
    let connect = shared.connect();
    let namespace = namespace_of(&name);
    let stored = connect.wait_until_stored(&name, LONG, |_| true).await.unwrap();
    let mut bench = Bench::new(connect.url(), "allow_source_writes = true").await;
    bench.pass().await;
    shared.stack.mongod().roll_oplog_past(stored).await.unwrap();
    let attempt = bench.recover(&name, Strategy::Nudge).await;
    recovered(&attempt);
    assert_eq!(attempt.lost, Lost::Nothing);
    let collection = shared.stack.mongod().collection(&namespace).unwrap();
    let filter: Document = doc! { "note": { "$exists": true } };
    assert_eq!(collection.count_documents(filter).await.unwrap(), 0, "the marker is removed again");
    let first = shared.stack.mongod().first().await.unwrap();
    connect.wait_until_stored(&name, LONG, |time| time >= first).await.unwrap();
}

/// What an attempt has replaced can be had back, as far as it is of any use: what fails is put back as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_position_that_is_wanted_back_fails_and_leaves_all_as_it_was() {
    let (shared, name) = (Shared::take().await, fresh("restored"));
    let _writer = failed(&shared, &name, nothing()).await;
    let connect = shared.connect();
    let stored = async || connect.offsets(&name).await.unwrap().first().map(|stored| stored.offset.clone());
    let mut bench = Bench::new(connect.url(), "").await;
    let attempt = bench.recover(&name, Strategy::ResetOffsets).await;
    recovered(&attempt);
    assert_eq!(stored().await, None);
    bench.pass().await;
    let by = Actor::Person("it".to_owned());
    let id = bench.desk.restore(&attempt.id, by, "it was wrong".to_owned()).await.unwrap();
    let restored = bench.ended(&id).await;
    println!("{}", story(&restored));
    // What was removed is lost all the same: its task fails of it, and the connector is left as it was before that.
    assert_eq!(restored.ended.as_ref().map(|ended| ended.0), Some(Ended::PutBack), "{}", story(&restored));
    assert!(story(&restored).contains("restore_offset done"), "{}", story(&restored));
    assert_eq!(stored().await, None);
    connect.wait_until(&name, LONG, |status| status.all("RUNNING")).await.unwrap();
}

/// With exactly-once delivery and an offsets topic of its own, a removal hangs for 90 s and does nothing (Kafka 3.8 to 4.2): neither
/// strategy asks for one.
#[tokio::test(flavor = "multi_thread")]
async fn an_exactly_once_worker_is_never_asked_to_remove_an_offset() {
    let _first = rustls::crypto::ring::default_provider().install_default().is_ok();
    let spec = StackSpec::unique("eos").with_worker_property("exactly.once.source.support", "enabled");
    let stack = Stack::start(spec, &Progress::to_stderr()).await.unwrap();
    let (name, connect) = ("eos".to_owned(), stack.connect().unwrap());
    let mut writer = Writer::new(stack.mongod(), &namespace_of(&name));
    let mut topic = Topic::of(stack.kafka_bootstrap().unwrap(), &writer.namespace);
    let own = json!({ "offsets.storage.topic": "own-offsets" });
    running(connect, &mut writer, &mut topic, &name, own).await;
    let proxy = Proxy::start(connect.url()).await;
    let mut bench = Bench::new(&proxy.url, "").await;
    for strategy in [Strategy::Salvage, Strategy::ResetOffsets] {
        fail(connect, &mut writer, &name).await;
        let begun = xtask::Stopwatch::start();
        let attempt = bench.recover(&name, strategy).await;
        recovered(&attempt);
        assert!(begun.elapsed() < Duration::from_secs(80), "nothing hung: {:?}", begun.elapsed());
        let said = attempt.lost.stretch().unwrap();
        writer.write_some(2).await;
        topic.until(writer.written.last().unwrap().n).await;
        let gone = writer.numbers(|at| said.from < at && at < said.to);
        assert_eq!(topic.numbers().intersection(&gone).count(), 0, "{said:?}");
        let after = writer.numbers(|at| at >= said.to);
        assert!(after.is_subset(&topic.numbers()), "{:?} of {after:?}", topic.numbers());
        assert!(!story(&attempt).contains("remove_offset"));
    }
}
