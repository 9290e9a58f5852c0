//! A sharded cluster: two real shards behind a stand-in for the router, which is not to be had ([`xtask::Router`]).

use crate::election::watch;
use crate::shared::{LONG, Shared, nothing, quick};
use mongodb::bson::doc;
use resumeguard_core::domain::{Basis, Snapshot, Verdict, Why};
use xtask::{ReplicaSet, ReplicaSetSpec, Router, Seen, ShardSpec};

async fn shard(name: &str, oplog_mib: u32) -> ReplicaSet {
    let spec = ReplicaSetSpec { name: name.to_owned(), oplog_mib, ..ReplicaSetSpec::default() };
    let spec = ReplicaSetSpec { options: vec!["--shardsvr".to_owned()], ..spec };
    ReplicaSet::start(spec).await.unwrap()
}

fn error_of(snapshot: &Snapshot, name: &str) -> String {
    let source = snapshot.sources.iter().find(|source| source.source == "mongodb" && source.name == name);
    source.unwrap().error.clone().unwrap_or_default()
}

/// The shard that holds none of the data decides, because its oplog is the shortest: so it is with a router, which opens
/// the stream on every shard.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
async fn the_shard_that_holds_least_decides_and_one_that_nobody_reads_leaves_it_unknown() {
    let shared = Shared::take().await;
    let connect = shared.connect();
    let (zero, one) = (shard("s0", 50).await, shard("s1", 1).await);
    let spec = |set: &ReplicaSet, name: &str| ShardSpec {
        name: name.to_owned(),
        set: name.to_owned(),
        primary: set.address(0),
    };
    let router = Router::start(vec![spec(&zero, "s0"), spec(&one, "s1")]).await.unwrap();
    let uri = format!("mongodb://{}/", router.address());
    let begun = zero.mongo().last().await.unwrap();
    connect.put_config("routed", &xtask::source_config(&uri, "shop.orders", &nothing())).await.unwrap();
    connect.wait_until("routed", LONG, |status| status.all("RUNNING")).await.unwrap();
    xtask::wait_until("a first position", LONG, async || {
        zero.mongo().insert("shop.orders", doc! { "a": 1 }).await?;
        let stored =
            connect.offsets("routed").await?.iter().any(|o| o.time().is_some_and(|time| time > begun));
        Ok(if stored { Seen::Yes(()) } else { Seen::Not("none".into()) })
    })
    .await
    .unwrap();
    connect.pause("routed").await.unwrap();
    connect.wait_until("routed", LONG, |status| status.all("PAUSED")).await.unwrap();

    let base = quick(connect.url());
    let cluster = format!("{base}[mongodb.shop]\nuri = \"{uri}\"\nconnectors = [\"routed\"]\n");
    let way =
        |set: &ReplicaSet, name: &str| format!("[mongodb.shop.shards.{name}]\nuri = \"{}\"\n", set.uri());

    // Without a way past it the router is asked about the token, which tells that it resumes, not for how long.
    let mut blind = watch(&cluster);
    let mut snapshot = blind.pass().await;
    assert_eq!(snapshot.connectors[0].verdict, Verdict::Unknown(Why::Sharded), "{snapshot:?}");
    xtask::wait_until("the router's answer", LONG, async || {
        blind.ask(&snapshot);
        snapshot = blind.pass().await;
        let routed = &snapshot.connectors[0];
        let answered = (routed.verdict, routed.basis) == (Verdict::AtRisk, Some(Basis::Probe));
        Ok(if answered { Seen::Yes(()) } else { Seen::Not(format!("{routed:?}")) })
    })
    .await
    .unwrap();

    // With one of two it is not better.
    let snapshot = watch(&format!("{cluster}{}", way(&zero, "s0"))).pass().await;
    assert_eq!(snapshot.connectors[0].verdict, Verdict::Unknown(Why::Sharded), "{snapshot:?}");
    let said = error_of(&snapshot, "shop");
    assert_eq!(said, "nobody reads s1: add a [mongodb.shop.shards.SHARD] for each");
    let wrong = format!("{cluster}{}{}", way(&zero, "s0"), way(&zero, "s1"));
    let snapshot = watch(&wrong).pass().await;
    assert_eq!(snapshot.connectors[0].verdict, Verdict::Unknown(Why::Contradictory), "{snapshot:?}");
    let said = error_of(&snapshot, "shop");
    assert!(said.starts_with("mongodb.shop.shards.s1 leads to the set s0, the router says s1"), "{said}");

    let mut all = watch(&format!("{cluster}{}{}", way(&zero, "s0"), way(&one, "s1")));
    // An oplog that has just begun has to fill for a moment before anybody can say how fast it does.
    let snapshot = xtask::wait_until("a verdict by all shards", LONG, async || {
        let snapshot = all.pass().await;
        let safe = snapshot.connectors[0].verdict == Verdict::Safe;
        Ok(if safe { Seen::Yes(snapshot) } else { Seen::Not(format!("{snapshot:?}")) })
    })
    .await
    .unwrap();
    assert_eq!(snapshot.connectors[0].deployment.as_deref(), Some("shop"));
    let shards: Vec<_> =
        snapshot.oplogs.iter().map(|o| (o.deployment.as_str(), o.shard.as_deref())).collect();
    assert_eq!(shards, [("shop", Some("s0")), ("shop", Some("s1"))]);
    assert!(snapshot.sources.iter().all(|source| source.up), "{:?}", snapshot.sources);

    let last = one.mongo().last().await.unwrap().max(zero.mongo().last().await.unwrap());
    one.mongo().roll_oplog_past(last).await.unwrap();
    let mut snapshot = all.pass().await;
    let routed = &snapshot.connectors[0];
    assert_eq!((routed.verdict, routed.basis), (Verdict::Lost, Some(Basis::Window)), "{snapshot:?}");
    assert!(routed.headroom_seconds.is_some_and(|seconds| seconds <= 0), "{routed:?}");
    // Asked, the router confirms it.
    xtask::wait_until("the router's confirmation", LONG, async || {
        all.ask(&snapshot);
        snapshot = all.pass().await;
        let answered = snapshot.sources.iter().any(|source| source.source == "probe" && source.up);
        Ok(if answered { Seen::Yes(()) } else { Seen::Not(format!("{:?}", snapshot.sources)) })
    })
    .await
    .unwrap();
    assert_eq!(snapshot.connectors[0].verdict, Verdict::Lost, "{snapshot:?}");

    // And the connector fails as said.
    connect.restart("routed").await.unwrap();
    connect.wait_until("routed", LONG, |status| status.all("PAUSED")).await.unwrap();
    connect.resume("routed").await.unwrap();
    let failed = connect.wait_until("routed", LONG, |s| s.tasks.iter().any(|task| task.state == "FAILED"));
    let trace = format!("{:?}", failed.await.unwrap().tasks);
    assert!(trace.contains("286"), "{trace}");
    connect.delete("routed").await.unwrap();
}
