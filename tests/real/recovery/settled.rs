//! Requests of unknown outcome that come after all, and a connector that stood and is started: none is left otherwise than it was
//! in silence.

use super::bench::{Bench, story};
use super::{Writer, failed, fresh, namespace_of, pause};
use crate::proxy::Proxy;
use crate::shared::{LONG, Shared, nothing};
use resumeguard_core::recovery::{Attempt, Ended, Outcome, Phase, Strategy};
use serde_json::json;
use xtask::{Seen, wait_until};

#[track_caller]
fn put_back(attempt: &Attempt) -> String {
    println!("{}", story(attempt));
    assert_eq!(attempt.ended.as_ref().map(|ended| ended.0), Some(Ended::PutBack), "{}", story(attempt));
    story(attempt)
}

/// A gateway answers 504 to the stop that Connect carries out, and its task is shown for longer than a request may take to settle.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_that_nobody_was_told_of_is_taken_back() {
    let (shared, name) = (Shared::take().await, fresh("untold"));
    let _writer = failed(&shared, &name, nothing()).await;
    let mut proxy = Proxy::start(shared.connect().url()).await;
    let mut bench = Bench::new(&proxy.url, "").await;
    proxy.hold("PUT /stop");
    let id = bench.begin(&name, Strategy::Salvage).await;
    proxy.held().await;
    let slow = json!({
        "name": name, "type": "source",
        "connector": { "state": "STOPPED", "worker_id": "w" },
        "tasks": [{ "id": 0, "state": "RUNNING", "worker_id": "w" }],
    });
    proxy.answer_after("PUT", "/stop", 1, 504, "<html>gateway time-out</html>");
    // A look every 400 ms: for longer than 15 s.
    proxy.answer("GET", "/status", 45, 200, &slow.to_string());
    proxy.answer("PATCH", "/offsets", u32::MAX, 400, "{\"message\": \"refused by a test\"}");
    proxy.release();
    let attempt = bench.ended(&id).await;
    let story = put_back(&attempt);
    assert!(story.contains("Forward stop done") && story.contains("Back resume done"), "{story}");
    shared.connect().wait_until(&name, LONG, |status| status.failed_with(286)).await.unwrap();
    let stops = proxy.calls().into_iter().filter(|call| call.ends_with("/stop")).count();
    assert_eq!(stops, 2, "what nobody had seen was asked for once more, and not again on the way back");
}

/// Never seen, it is put back, and then it comes: queued by a worker that was busy.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_that_comes_after_it_was_put_back_is_put_back_once_more() {
    let (shared, name) = (Shared::take().await, fresh("late"));
    let _writer = failed(&shared, &name, nothing()).await;
    let connect = shared.connect();
    let proxy = Proxy::start(connect.url()).await;
    let mut bench = Bench::new(&proxy.url, "").await;
    proxy.answer("PUT", "/stop", u32::MAX, 504, "<html>gateway time-out</html>");
    let id = bench.begin(&name, Strategy::Salvage).await;
    let resumed = |attempt: &Attempt| {
        attempt.taken.last().is_some_and(|last| {
            last.phase == Phase::Back && last.step.code() == "verify" && last.outcome.is_none()
        })
    };
    wait_until("its resume", LONG * 3, async || {
        let attempt = bench.desk.ledger().attempt(&id).cloned().unwrap();
        Ok(if resumed(&attempt) { Seen::Yes(()) } else { Seen::Not(story(&attempt)) })
    })
    .await
    .unwrap();
    connect.stop(&name).await.unwrap();
    let attempt = bench.ended(&id).await;
    let story = put_back(&attempt);
    let again = |taken: &&resumeguard_core::recovery::Taken| {
        matches!(taken.outcome, Some((Outcome::Again { .. }, _)))
    };
    assert_eq!(attempt.taken.iter().filter(again).count(), 1, "{story}");
    connect.wait_until(&name, LONG, |status| status.failed_with(286)).await.unwrap();
}

const LOW: &str = "[recovery.policies.low]\nconnectors = [\"*\"]\non = [\"low_headroom\"]\nthreshold = \"30days\"\nmode = \"approve\"";

/// Nothing happens in its namespace: there is nothing newer to be stored, and nothing to wait for.
#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connector_that_is_resumed_is_well() {
    let (shared, name) = (Shared::take().await, fresh("idle-resumed"));
    let connect = shared.connect();
    shared.connector(&name, nothing()).await;
    connect.wait_until_stored(&name, LONG, |_| true).await.unwrap();
    pause(connect, &name).await;
    let mut bench = Bench::new(connect.url(), LOW).await;
    let attempt = bench.recover(&name, Strategy::Resume).await;
    println!("{}", story(&attempt));
    assert_eq!(attempt.ended.as_ref().map(|ended| ended.0), Some(Ended::Recovered), "{}", story(&attempt));
    connect.wait_until(&name, LONG, |status| status.all("RUNNING")).await.unwrap();
}

/// Its position rolls away between the plan and the request: it fails with 286, and is paused as it was.
#[tokio::test(flavor = "multi_thread")]
async fn a_connector_that_fails_once_it_is_resumed_is_paused_again() {
    let (shared, name) = (Shared::take().await, fresh("paused-resumed"));
    let connect = shared.connect();
    shared.connector(&name, nothing()).await;
    connect.wait_until_stored(&name, LONG, |_| true).await.unwrap();
    pause(connect, &name).await;
    let mut proxy = Proxy::start(connect.url()).await;
    let mut bench = Bench::new(&proxy.url, LOW).await;
    proxy.hold("PUT /resume");
    let id = bench.begin(&name, Strategy::Resume).await;
    proxy.held().await;
    Writer::new(shared.stack.mongod(), &namespace_of(&name)).roll(10).await;
    // What was paused keeps its stream: begun anew, it has none.
    connect.restart(&name).await.unwrap();
    proxy.release();
    let attempt = bench.ended(&id).await;
    let story = put_back(&attempt);
    assert!(story.contains("286") && story.contains("Back pause done"), "{story}");
    connect.wait_until(&name, LONG, |status| status.connector.state == "PAUSED").await.unwrap();
}
