//! A Connect cluster of two workers that rebalances while an attempt is on its way, asked through its leader and through the other.

use super::bench::{Bench, story};
use super::{Topic, Writer, exactly, fail, fresh, namespace_of, running};
use crate::proxy::Proxy;
use crate::shared::nothing;
use resumeguard_core::recovery::{Attempt, Ended, Strategy};
use xtask::{Progress, Stack, StackSpec};

/// How often a change was asked for: answered well, and `409`.
fn asked(answers: &[(String, u16)], call: &str) -> (usize, usize) {
    let (method, end) = call.split_once(' ').unwrap();
    let of_it = |call: &str| call.starts_with(method) && call.ends_with(end);
    let times = |wanted: fn(u16) -> bool| {
        answers.iter().filter(|(call, status)| of_it(call) && wanted(*status)).count()
    };
    (times(|status| status < 300), times(|status| status == 409))
}

#[track_caller]
fn recovered(attempt: &Attempt, answers: &[(String, u16)]) {
    println!("{}", story(attempt));
    for (call, status) in answers.iter().filter(|(call, status)| !call.starts_with("GET") || *status != 200) {
        println!("{status} {call}");
    }
    assert_eq!(attempt.ended.as_ref().map(|ended| ended.0), Some(Ended::Recovered), "{}", story(attempt));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebalance_in_mid_attempt_is_waited_for_and_nothing_is_done_twice() {
    let _first = rustls::crypto::ring::default_provider().install_default().is_ok();
    let spec = StackSpec::unique("two").with_workers(2);
    let stack = Stack::start(spec, &Progress::to_stderr()).await.unwrap();
    let (name, connect) = (fresh("two"), stack.connect().unwrap());
    let mut writer = Writer::new(stack.mongod(), &namespace_of(&name));
    let mut topic = Topic::of(stack.kafka_bootstrap().unwrap(), &writer.namespace);
    running(connect, &mut writer, &mut topic, &name, nothing()).await;

    // Its leader is asked; the other worker stands still, so that the group cannot settle until it is given up.
    fail(connect, &mut writer, &name).await;
    let mut proxy = Proxy::start(connect.url()).await;
    let mut bench = Bench::new(&proxy.url, "").await;
    proxy.hold("PATCH /offsets");
    let id = bench.begin(&name, Strategy::Salvage).await;
    proxy.held().await;
    proxy.answers();
    stack.halt_worker(1).unwrap();
    let other = xtask::source_config(stack.mongod().uri(), "shared.other", &nothing());
    connect.put_config("other", &other).await.unwrap();
    proxy.release();
    let attempt = bench.ended(&id).await;
    let answers = proxy.answers();
    recovered(&attempt, &answers);
    println!("PATCH: {:?}", asked(&answers, "PATCH /offsets"));
    stack.wake_worker(1).unwrap();
    writer.write_some(2).await;
    topic.until(writer.written.last().unwrap().n).await;
    exactly(&writer, &topic, &attempt);
    connect.delete("other").await.unwrap();

    // The other worker is asked, and passes on what only the leader may do; then the leader goes.
    fail(connect, &mut writer, &name).await;
    let mut proxy = Proxy::start(stack.workers()[1].url()).await;
    let mut bench = Bench::new(&proxy.url, "").await;
    proxy.hold("PATCH /offsets");
    let id = bench.begin(&name, Strategy::Salvage).await;
    proxy.held().await;
    proxy.answers();
    tokio::task::block_in_place(|| stack.stop_worker(0)).unwrap();
    proxy.release();
    let attempt = bench.ended(&id).await;
    let answers = proxy.answers();
    recovered(&attempt, &answers);
    println!("PATCH: {:?}", asked(&answers, "PATCH /offsets"));
    stack.start_worker(0).await.unwrap();
}
