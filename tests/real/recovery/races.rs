//! What somebody else does between plan and step, and a Connect that refuses, lies, or dies in the middle.

use super::bench::{Bench, story};
use super::{Topic, Writer, exactly, fail, failed, fresh, namespace_of, running};
use crate::proxy::Proxy;
use crate::shared::{LONG, Shared, nothing};
use resumeguard_core::recovery::{Actor, Attempt, Ended, Strategy};
use serde_json::{Value, json};
use std::time::Duration;
use xtask::{Connect, Progress, Seen, Stack, StackSpec, wait_until};

fn ended(attempt: &Attempt) -> (Ended, String) {
    println!("{}", story(attempt));
    let (ended, says, _) = attempt.ended.clone().unwrap();
    (ended, says)
}

async fn offsets(connect: &Connect, name: &str) -> Vec<Value> {
    connect.offsets(name).await.unwrap().into_iter().map(|stored| stored.offset).collect()
}

/// A failed connector behind a proxy, and a bench that goes through it.
async fn scene<'a>(shared: &'a Shared, name: &str, recovery: &str) -> (Writer<'a>, Proxy, Bench) {
    let writer = failed(shared, name, nothing()).await;
    let proxy = Proxy::start(shared.connect().url()).await;
    let bench = Bench::new(&proxy.url, recovery).await;
    (writer, proxy, bench)
}

/// Does something while this call is held, and gives the attempt once it has ended.
async fn while_held(
    (proxy, bench): (&mut Proxy, &mut Bench),
    name: &str,
    call: &str,
    act: impl AsyncFnOnce(),
) -> Attempt {
    proxy.hold(call);
    let id = bench.begin(name, Strategy::Salvage).await;
    proxy.held().await;
    act().await;
    proxy.release();
    bench.ended(&id).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_a_person_changes_meanwhile_stays_theirs() {
    let (shared, name) = (Shared::take().await, fresh("changed"));
    let (_writer, mut proxy, mut bench) = scene(&shared, &name, "").await;
    let connect = shared.connect();
    let before = offsets(connect, &name).await;
    let mut theirs = connect.config(&name).await.unwrap();
    theirs["poll.await.time.ms"] = json!("700");
    let attempt = while_held((&mut proxy, &mut bench), &name, "PUT /stop", async || {
        connect.put_config(&name, &theirs).await.unwrap();
    })
    .await;
    let (ended, says) = ended(&attempt);
    assert!(ended == Ended::PutBack && says.contains("changed by somebody"), "{says}");
    assert_eq!((connect.config(&name).await.unwrap(), offsets(connect, &name).await), (theirs, before));
    let status = connect.status(&name).await.unwrap().unwrap();
    assert_ne!(status.connector.state, "STOPPED", "it is not left stopped");
}

/// Read again, the configuration forbids what is under way: nothing leads on from there, and what was changed goes back.
#[tokio::test(flavor = "multi_thread")]
async fn a_mode_that_becomes_stricter_meanwhile_counts_before_the_next_step() {
    let (shared, name) = (Shared::take().await, fresh("stricter"));
    let (_writer, mut proxy, mut bench) = scene(&shared, &name, "").await;
    let connect = shared.connect();
    let before = offsets(connect, &name).await;
    proxy.hold("PUT /stop");
    let id = bench.begin(&name, Strategy::Salvage).await;
    proxy.held().await;
    bench.reconfigure("plan");
    proxy.release();
    let (ended, says) = ended(&bench.ended(&id).await);
    assert!(ended == Ended::PutBack && says.contains("recovery.mode has become plan"), "{says}");
    assert_eq!(offsets(connect, &name).await, before);
    let status = connect.status(&name).await.unwrap().unwrap();
    assert_ne!(status.connector.state, "STOPPED", "it is not left stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_that_is_deleted_meanwhile_stays_deleted() {
    let (shared, name) = (Shared::take().await, fresh("deleted"));
    let (_writer, mut proxy, mut bench) = scene(&shared, &name, "").await;
    let connect = shared.connect();
    let attempt = while_held((&mut proxy, &mut bench), &name, "PATCH /offsets", async || {
        connect.delete(&name).await.unwrap();
    })
    .await;
    assert_eq!(ended(&attempt).0, Ended::PutBack);
    assert!(!connect.names().await.unwrap().contains(&name));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_that_a_person_resumes_meanwhile_is_left_to_them() {
    let (shared, name) = (Shared::take().await, fresh("resumed"));
    let (_writer, mut proxy, mut bench) = scene(&shared, &name, "").await;
    let connect = shared.connect();
    let before = offsets(connect, &name).await;
    let attempt = while_held((&mut proxy, &mut bench), &name, "PATCH /offsets", async || {
        connect.resume(&name).await.unwrap();
        connect.wait_until(&name, LONG, |status| status.failed_with(286)).await.unwrap();
    })
    .await;
    let (ended, says) = ended(&attempt);
    assert!(ended == Ended::PutBack && says.contains("STOPPED state"), "{says}");
    assert_eq!(offsets(connect, &name).await, before);
    let stops = proxy.calls().into_iter().filter(|call| call.ends_with("/stop")).count();
    assert_eq!(stops, 1, "it is not stopped a second time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_position_that_was_stored_meanwhile_counts() {
    let (shared, name) = (Shared::take().await, fresh("newer"));
    let (mut writer, mut proxy, mut bench) = scene(&shared, &name, "").await;
    let connect = shared.connect();
    let there = writer.written.last().unwrap().at;
    let text = format!("{{\"_data\": \"{}\"}}", mongodb_resume_token::high_water_mark_v1(there));
    let attempt = while_held((&mut proxy, &mut bench), &name, "PUT /stop", async || {
        connect.stop(&name).await.unwrap();
        let stopped =
            |status: &xtask::ConnectorStatus| status.connector.state == "STOPPED" && status.tasks.is_empty();
        connect.wait_until(&name, LONG, stopped).await.unwrap();
        let partition = connect.offsets(&name).await.unwrap()[0].partition.clone();
        connect.patch_offsets(&name, &partition, &json!({ "_id": text })).await.unwrap();
    })
    .await;
    let (ended, _) = ended(&attempt);
    assert_eq!(ended, Ended::Recovered, "it goes on from theirs");
    assert!(story(&attempt).contains("write_mark not_needed"), "{}", story(&attempt));
    let number = writer.write().await.n;
    let mut topic = Topic::of(shared.stack.kafka_bootstrap().unwrap(), &writer.namespace);
    topic.until(number).await;
}

/// 409 while it rebalances; 500 after 90 s although it was done; 503 of something in between, and nothing was done.
#[tokio::test(flavor = "multi_thread")]
async fn a_connect_that_is_busy_or_says_what_is_not_so() {
    let (shared, name) = (Shared::take().await, fresh("busy"));
    let (mut writer, proxy, mut bench) = scene(&shared, &name, "").await;
    let said = |text: &str| json!({ "error_code": 500, "message": text }).to_string();
    proxy.answer("PUT", "/stop", 3, 409, &said("Cannot complete request momentarily"));
    proxy.answer_after("PUT", "/stop", 1, 500, &said("Request timed out. The worker is currently busy"));
    proxy.answer_after("PATCH", "/offsets", 1, 500, &said("Request timed out"));
    proxy.answer("PUT", "/resume", 1, 503, "<html>bad gateway</html>");
    let attempt = bench.recover(&name, Strategy::Salvage).await;
    assert_eq!(ended(&attempt).0, Ended::Recovered);
    let calls = proxy.calls();
    let made = |method: &str, end: &str| {
        calls.iter().filter(|call| call.starts_with(method) && call.ends_with(end)).count()
    };
    assert_eq!(
        (made("PUT", "/stop"), made("PATCH", "/offsets"), made("PUT", "/resume")),
        (4, 1, 2),
        "{calls:?}"
    );
    writer.write_some(2).await;
    let mut topic = Topic::of(shared.stack.kafka_bootstrap().unwrap(), &writer.namespace);
    topic.until(writer.written.last().unwrap().n).await;
    exactly(&writer, &topic, &attempt);
}

/// A gateway that has lost its route answers 404 with JSON of its own: the connector is not gone by that, and not left stopped.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_without_a_route_is_no_deleted_connector() {
    let (shared, name) = (Shared::take().await, fresh("route"));
    let (mut writer, mut proxy, mut bench) = scene(&shared, &name, "").await;
    let no_route = json!({ "message": "no Route matched with those values" }).to_string();
    proxy.hold("PUT /stop");
    let id = bench.begin(&name, Strategy::Salvage).await;
    proxy.held().await;
    proxy.answer("GET", "/config", 12, 404, &no_route);
    proxy.release();
    assert_eq!(ended(&bench.ended(&id).await).0, Ended::Recovered);
    let refused = proxy.calls().into_iter().filter(|call| *call == format!("GET /connectors/{name}/config"));
    assert!(refused.count() > 12, "it was answered so");
    let number = writer.write().await.n;
    let mut topic = Topic::of(shared.stack.kafka_bootstrap().unwrap(), &writer.namespace);
    topic.until(number).await;
}

/// Frozen in mid-attempt: nothing more is done until somebody unfreezes, and then everything is read again.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_attempt_halts_before_its_next_step_and_goes_on_later() {
    let (shared, name) = (Shared::take().await, fresh("frozen"));
    let (mut writer, mut proxy, mut bench) = scene(&shared, &name, "").await;
    let connect = shared.connect();
    proxy.hold("PUT /stop");
    let id = bench.begin(&name, Strategy::Salvage).await;
    proxy.held().await;
    let by = || Actor::Person("it".to_owned());
    bench.desk.freeze(by(), "let me look".to_owned()).await.unwrap();
    proxy.release();
    let stopped =
        |status: &xtask::ConnectorStatus| status.connector.state == "STOPPED" && status.tasks.is_empty();
    connect.wait_until(&name, LONG, stopped).await.unwrap();
    wait_until("the end of the stop", LONG, async || {
        let attempt = bench.desk.ledger().attempt(&id).cloned().unwrap();
        let closed = attempt.taken.len() == 2 && attempt.taken[1].outcome.is_some();
        Ok(if closed { Seen::Yes(()) } else { Seen::Not(story(&attempt)) })
    })
    .await
    .unwrap();
    let changes =
        |calls: Vec<String>| calls.into_iter().filter(|call| !call.starts_with("GET")).collect::<Vec<_>>();
    assert_eq!(changes(proxy.calls()), [format!("PUT /connectors/{name}/stop")]);
    // Long enough for several steps.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(changes(proxy.calls()), Vec::<String>::new(), "nothing is done while it is frozen");
    let attempt = bench.desk.ledger().attempt(&id).cloned().unwrap();
    assert!(attempt.taken.len() == 2 && attempt.leaves_it_stopped(), "{}", story(&attempt));
    bench.desk.unfreeze(by(), "looked".to_owned()).await.unwrap();
    let attempt = bench.ended(&id).await;
    assert_eq!(ended(&attempt).0, Ended::Recovered);
    writer.write_some(2).await;
    let mut topic = Topic::of(shared.stack.kafka_bootstrap().unwrap(), &writer.namespace);
    topic.until(writer.written.last().unwrap().n).await;
    exactly(&writer, &topic, &attempt);
}

/// A worker that cannot now is not asked again while recovery is frozen.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_refused_for_the_moment_is_not_repeated_while_frozen() {
    let (shared, name) = (Shared::take().await, fresh("held"));
    let (_writer, proxy, mut bench) = scene(&shared, &name, "").await;
    proxy.answer("PUT", "/stop", u32::MAX, 409, "{\"message\": \"rebalance\"}");
    let id = bench.begin(&name, Strategy::Salvage).await;
    let stops = || proxy.calls().into_iter().filter(|call| call.ends_with("/stop")).count();
    wait_until("several refusals", LONG, async || {
        let asked = stops();
        Ok(if asked > 0 { Seen::Yes(()) } else { Seen::Not("none".to_owned()) })
    })
    .await
    .unwrap();
    let by = || Actor::Person("it".to_owned());
    bench.desk.freeze(by(), "let me look".to_owned()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    stops();
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(stops(), 0, "frozen for a second, it asks no more");
    proxy.no_more();
    bench.desk.unfreeze(by(), "looked".to_owned()).await.unwrap();
    assert_eq!(ended(&bench.ended(&id).await).0, Ended::Recovered);
}

/// A person's command says no, and is told how it ended.
#[tokio::test(flavor = "multi_thread")]
async fn a_before_hook_that_says_no_keeps_everything_as_it_is() {
    let (shared, name) = (Shared::take().await, fresh("hooked"));
    let told = tempfile::NamedTempFile::new().unwrap();
    let hooks = format!(
        "[recovery.hooks]\nbefore = [\"/bin/sh\", \"-c\", \"test \\\"$RESUMEGUARD_CONNECTOR\\\" != {name}\"]\n\
         after = [\"/bin/sh\", \"-c\", \"env > {}\"]\ntimeout = \"5s\"\n",
        told.path().display()
    );
    let (_writer, proxy, mut bench) = scene(&shared, &name, &hooks).await;
    let attempt = bench.recover(&name, Strategy::Salvage).await;
    let (ended, says) = ended(&attempt);
    assert!(ended == Ended::PutBack && says.contains("before-hook"), "{says}");
    let calls = proxy.calls();
    assert!(calls.iter().all(|call| call.starts_with("GET")), "{calls:?}");
    let environment = wait_until("the after-hook", LONG, async || {
        let told = std::fs::read_to_string(told.path())?;
        Ok(if told.contains("RESUMEGUARD_OUTCOME") { Seen::Yes(told) } else { Seen::Not(told) })
    })
    .await
    .unwrap();
    for expected in [
        "RESUMEGUARD_EVENT=after".to_owned(),
        format!("RESUMEGUARD_CONNECTOR={name}"),
        "RESUMEGUARD_STRATEGY=salvage".to_owned(),
        "RESUMEGUARD_OUTCOME=put_back".to_owned(),
    ] {
        assert!(environment.lines().any(|line| line == expected), "{expected} in {environment}");
    }
    assert!(!environment.contains("CARGO"), "of our own environment nothing else: {environment}");
}

/// The worker is killed while it is asked to store the mark, and comes back.
#[tokio::test(flavor = "multi_thread")]
async fn a_connect_that_dies_in_mid_step_is_waited_for_and_looked_at_again() {
    let _first = rustls::crypto::ring::default_provider().install_default().is_ok();
    let stack = Stack::start(StackSpec::unique("dies"), &Progress::to_stderr()).await.unwrap();
    let (name, connect) = ("dies".to_owned(), stack.connect().unwrap());
    let namespace = namespace_of(&name);
    let mut writer = Writer::new(stack.mongod(), &namespace);
    let mut topic = Topic::of(stack.kafka_bootstrap().unwrap(), &namespace);
    running(connect, &mut writer, &mut topic, &name, nothing()).await;
    fail(connect, &mut writer, &name).await;

    let mut proxy = Proxy::start(connect.url()).await;
    let mut bench = Bench::new(&proxy.url, "").await;
    proxy.hold("PATCH /offsets");
    let id = bench.begin(&name, Strategy::Salvage).await;
    proxy.held().await;
    stack.kill_worker(0).unwrap();
    proxy.release();
    tokio::time::sleep(Duration::from_secs(3)).await;
    stack.start_worker(0).await.unwrap();
    let attempt = bench.ended(&id).await;
    assert_eq!(ended(&attempt).0, Ended::Recovered);
    writer.write_some(2).await;
    topic.until(writer.written.last().unwrap().n).await;
    exactly(&writer, &topic, &attempt);
}
