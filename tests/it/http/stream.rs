//! Server-sent events.

use super::{Served, published, sample};
use serde_json::Value;
use std::time::Duration;

/// The next event's data; comments are passed over.
async fn next(answer: &mut reqwest::Response, rest: &mut String) -> Value {
    loop {
        if let Some((event, after)) = rest.split_once("\n\n") {
            let data = event.lines().find_map(|line| line.strip_prefix("data: ")).map(str::to_owned);
            assert!(event.starts_with(':') || event.contains("event: pass"), "{event}");
            *rest = after.to_owned();
            if let Some(data) = data {
                return serde_json::from_str(&data).unwrap();
            }
            continue;
        }
        let chunk = tokio::time::timeout(Duration::from_secs(10), answer.chunk()).await.unwrap().unwrap();
        rest.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_comes_with_each_pass_that_changed_something() {
    let served = Served::start("", "").await;
    let mut answer = reqwest::get(served.url("/api/v1/stream")).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut rest = String::new();
    let first = next(&mut answer, &mut rest).await;
    assert_eq!((&first["at"], &first["connectors"]), (&sample().at.into(), &serde_json::json!([])));
    let mut status = sample();
    // Another moment is no change.
    status.at = "2027-01-01T00:00:00Z".into();
    served.board.put(published(&status));
    // A number is one, of nobody in particular.
    status.at = "2027-01-01T00:00:15Z".into();
    status.connectors[0].lag_seconds = Some(1);
    served.board.put(published(&status));
    // A verdict is one, and so is a connector that is gone.
    status.at = "2027-01-01T00:00:30Z".into();
    status.connectors[0].verdict = "safe".into();
    status.connectors.truncate(1);
    served.board.put(published(&status));
    let event = next(&mut answer, &mut rest).await;
    assert_eq!(
        (&event["at"], &event["connectors"]),
        (&"2027-01-01T00:00:15Z".into(), &serde_json::json!([]))
    );
    let event = next(&mut answer, &mut rest).await;
    let named = serde_json::json!([
        { "connect_cluster": "main", "connector": "orders \"eu\"\\", "verdict": "safe" },
        { "connect_cluster": "main", "connector": "<script>", "verdict": null },
    ]);
    assert_eq!((&event["connectors"], &event["more"]), (&named, &false.into()), "{event}");
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_listen_are_counted() {
    let served = Served::start("requests_per_second = 0", "").await;
    let client = reqwest::Client::new();
    let mut listeners = Vec::new();
    for _listener in 0..64 {
        let answer = client.get(served.url("/api/v1/stream")).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        listeners.push(answer);
    }
    let refused = client.get(served.url("/api/v1/stream")).send().await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.headers().contains_key("retry-after")), (429, true));
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    assert_eq!(client.get(served.url("/metrics")).send().await.unwrap().status().as_u16(), 200);
    // Whoever goes makes room.
    drop(listeners);
    for _attempt in 0..200 {
        if client.get(served.url("/api/v1/stream")).send().await.unwrap().status().as_u16() == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("nobody has left");
}
