//! Positions from Connect's offsets topic, on a real broker: the same as by REST, byte for byte.

use crate::election::watch;
use crate::shared::{LONG, Shared, nothing};
use resumeguard::daemon::Watch;
use resumeguard_core::domain::{ConnectorReport, OffsetsFrom, Snapshot, Verdict, Why};
use serde_json::json;
use xtask::{Connect, Progress, Seen, Stack, StackSpec, wait_until};

/// The same Connect cluster twice: by REST, and by its topic.
pub(crate) fn both(url: &str, bootstrap: &str) -> String {
    format!(
        "[connect.rest]\nurl = \"{url}\"\noffsets = \"rest\"\n\
         [connect.topic]\nurl = \"{url}\"\noffsets = \"topic\"\nkafka_bootstrap_servers = \"{bootstrap}\"\n\
         offsets_topic = \"connect-offsets\"\n\
         [poll]\ninterval = \"10s\"\noffset_flush = \"2s\"\nsizes_every = \"1s\"\n"
    )
}

pub(crate) fn of<'a>(snapshot: &'a Snapshot, cluster: &str, name: &str) -> &'a ConnectorReport {
    let found =
        snapshot.connectors.iter().find(|r| r.id.connect_cluster == cluster && r.id.connector == name);
    found.unwrap_or_else(|| panic!("no {cluster}/{name}"))
}

/// A pass in which the topic tells as much as REST does.
pub(crate) async fn caught_up(watch: &mut Watch) -> Snapshot {
    let watch = tokio::sync::Mutex::new(watch);
    wait_until("the topic to be read to its end", LONG, async || {
        let snapshot = watch.lock().await.pass().await;
        let down = snapshot.sources.iter().find(|source| source.source.starts_with("offsets") && !source.up);
        Ok(match down {
            None => Seen::Yes(snapshot),
            Some(source) => Seen::Not(format!("{source:?}")),
        })
    })
    .await
    .unwrap()
}

pub(crate) async fn stop(connect: &Connect, name: &str) {
    connect.stop(name).await.unwrap();
    let stopped =
        |status: &xtask::ConnectorStatus| status.connector.state == "STOPPED" && status.tasks.is_empty();
    connect.wait_until(name, LONG, stopped).await.unwrap();
}

/// That both tell the same of this connector, and from where.
#[track_caller]
pub(crate) fn same(snapshot: &Snapshot, name: &str) {
    let (rest, topic) = (of(snapshot, "rest", name), of(snapshot, "topic", name));
    let token =
        |report: &ConnectorReport| report.position.as_ref().map(|p| (p.token.clone(), p.time, p.kind));
    assert_eq!(token(topic), token(rest), "{name}");
    assert_eq!((topic.verdict, topic.headroom_seconds), (rest.verdict, rest.headroom_seconds), "{name}");
    assert_eq!((topic.offsets_from, rest.offsets_from), (Some(OffsetsFrom::Topic), Some(OffsetsFrom::Rest)));
}

#[tokio::test(flavor = "multi_thread")]
async fn rest_and_topic_tell_the_same() {
    let shared = Shared::take().await;
    let connect = shared.connect();
    let names = ["equal", "equal \"ü🛒\" name", "equal-with-heartbeat", "equal-reset"];
    for name in names {
        let more =
            if name.ends_with("heartbeat") { json!({ "heartbeat.interval.ms": "500" }) } else { nothing() };
        shared.connector(name, more).await;
    }
    // Nothing moves while both are read.
    for name in names {
        stop(connect, name).await;
    }
    connect.delete_offsets("equal-reset").await.unwrap();

    let mut watch = watch(&both(connect.url(), shared.stack.kafka_bootstrap().unwrap()));
    let snapshot = caught_up(&mut watch).await;
    for name in names {
        same(&snapshot, name);
    }
    let stored_at = of(&snapshot, "topic", "equal").position.as_ref().unwrap().stored_at.unwrap();
    assert!((snapshot.at - stored_at).abs() < 600, "{stored_at} {}", snapshot.at);
    assert_eq!(of(&snapshot, "rest", "equal").position.as_ref().unwrap().stored_at, None);
    assert_eq!(
        of(&snapshot, "topic", "equal-reset").verdict,
        Verdict::Unknown(Why::NoPosition),
        "a tombstone"
    );

    // Live: what is stored between two passes is in the second, whichever way.
    let ns = json!({ "ns": connect.offsets("equal").await.unwrap()[0].partition["ns"] });
    let token = json!({ "_id": "{\"_data\": \"825E8DB54F000000012B0229296E04\"}" });
    connect.patch_offsets("equal", &ns, &token).await.unwrap();
    let snapshot = watch.pass().await;
    same(&snapshot, "equal");
    assert_eq!(of(&snapshot, "topic", "equal").position.as_ref().unwrap().time.t, 0x5E8D_B54F);
    // Whoever uses the name next does not begin there.
    connect.delete_offsets("equal").await.unwrap();
}

/// A worker with exactly-once support writes positions in transactions, and a connector's own topic as well as its own.
#[tokio::test(flavor = "multi_thread")]
async fn so_they_do_for_a_worker_with_exactly_once_support() {
    let _first = rustls::crypto::ring::default_provider().install_default().is_ok();
    let spec =
        StackSpec::unique("test-exactly-once").with_worker_property("exactly.once.source.support", "enabled");
    let stack = Stack::start(spec, &Progress::silent()).await.unwrap();
    let connect = stack.connect().unwrap();
    let names = ["in-the-workers", "in-its-own"];
    for name in names {
        let own = json!({ "offsets.storage.topic": "own-offsets" });
        let more = if name == "in-its-own" { own } else { nothing() };
        let namespace = format!("once.{name}");
        let config = xtask::source_config(stack.mongod().uri(), &namespace, &more);
        connect.put_config(name, &config).await.unwrap();
        wait_until("a position", LONG, async || {
            stack.mongod().insert(&namespace, mongodb::bson::doc! { "of": name }).await?;
            let stored = connect.offsets(name).await?;
            Ok(if stored.is_empty() { Seen::Not("none".to_owned()) } else { Seen::Yes(()) })
        })
        .await
        .unwrap();
        stop(connect, name).await;
    }
    let mut watch = watch(&both(connect.url(), stack.kafka_bootstrap().unwrap()));
    let snapshot = caught_up(&mut watch).await;
    for name in names {
        same(&snapshot, name);
        assert!(of(&snapshot, "topic", name).position.is_some(), "{name}");
    }
    // What is altered goes to the connector's own topic first: only that one has it for certain.
    let ns = json!({ "ns": connect.offsets("in-its-own").await.unwrap()[0].partition["ns"] });
    let token = json!({ "_id": "{\"_data\": \"825E8DB54F000000012B0229296E04\"}" });
    connect.patch_offsets("in-its-own", &ns, &token).await.unwrap();
    let snapshot = watch.pass().await;
    same(&snapshot, "in-its-own");
    assert_eq!(of(&snapshot, "topic", "in-its-own").position.as_ref().unwrap().time.t, 0x5E8D_B54F);
}
