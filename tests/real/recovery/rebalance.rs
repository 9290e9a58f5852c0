//! A Connect cluster of two workers that rebalances while an attempt is on its way, asked through its leader and through the other.

use super::bench::{Bench, story};
use super::{Topic, Writer, exactly, fail, fresh, namespace_of, running};
use crate::proxy::Proxy;
use crate::shared::nothing;
use resumeguard_core::recovery::{Attempt, Ended, Strategy};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use xtask::{Progress, Stack, StackSpec};

/// How often a change was carried out.
fn carried_out(answers: &[(String, u16)], method: &str, end: &str) -> usize {
    let of_it = |call: &str| call.starts_with(method) && call.ends_with(end);
    answers.iter().filter(|(call, status)| of_it(call) && *status < 300).count()
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
    let over = AtomicBool::new(false);
    // Every new connector is a rebalance more.
    let churn = async {
        for number in 0.. {
            if over.load(Ordering::SeqCst) {
                break;
            }
            let name = format!("churn-{number}");
            connect.put_config(&name, &other).await.unwrap();
            connect.delete(&name).await.unwrap();
        }
    };
    let recovering = async {
        let attempt = bench.ended(&id).await;
        over.store(true, Ordering::SeqCst);
        attempt
    };
    let ((), attempt) = tokio::join!(churn, recovering);
    let answers = proxy.answers();
    recovered(&attempt, &answers);
    assert_eq!(carried_out(&answers, "PATCH", "/offsets"), 1, "{answers:?}");
    stack.wake_worker(1).unwrap();
    writer.write_some(2).await;
    topic.until(writer.written.last().unwrap().n).await;
    exactly(&writer, &topic, &attempt);
    connect.delete("other").await.unwrap();

    // Whoever holds the connector dies, and the other one is asked: it may be the leader only from then on. That what a dead one
    // held is nobody's for five minutes by default is in the kill matrix.
    fail(connect, &mut writer, &name).await;
    let holder = connect.status(&name).await.unwrap().unwrap().connector.worker_id;
    let dies = stack.workers().iter().position(|worker| worker.url().ends_with(&holder)).unwrap();
    let mut proxy = Proxy::start(stack.workers()[1 - dies].url()).await;
    let mut bench = Bench::new(&proxy.url, "").await;
    proxy.hold("PATCH /offsets");
    let id = bench.begin(&name, Strategy::Salvage).await;
    proxy.held().await;
    proxy.answers();
    stack.kill_worker(dies).unwrap();
    proxy.release();
    let attempt = bench.ended(&id).await;
    let answers = proxy.answers();
    recovered(&attempt, &answers);
    assert_eq!(carried_out(&answers, "PATCH", "/offsets"), 1, "{answers:?}");
    stack.start_worker(dies).await.unwrap();
    writer.write_some(2).await;
    topic.until(writer.written.last().unwrap().n).await;
    let said = attempt.lost.stretch().unwrap();
    let gone = writer.numbers(|at| said.from < at && at < said.to);
    assert_eq!(topic.numbers().intersection(&gone).count(), 0, "{said:?}");
    let after = writer.numbers(|at| at >= said.to);
    assert!(after.is_subset(&topic.numbers()), "{:?} of {after:?}", topic.numbers());
    assert_eq!(topic.twice(), BTreeSet::new());
}
