//! Products that speak MongoDB's protocol and are none. They cannot be had: a stand-in says hello as they do, no more.

use crate::fake_connect::{FakeConnect, listing, offsets};
use resumeguard::clock::Clock;
use resumeguard::config::{Sources, load};
use resumeguard::daemon::Watch;
use resumeguard_core::domain::{Snapshot, Verdict, Why};
use std::time::Duration;
use xtask::{Router, Seen, wait_until};

/// What is said of a connector with this token at a server that calls its set this.
async fn judged(set: &str, token: &str, retention: &str, settled: impl Fn(&Snapshot) -> bool) -> Snapshot {
    let _first = rustls::crypto::ring::default_provider().install_default().is_ok();
    let server = Router::greeting(set).await.unwrap();
    let uri = format!("mongodb://{}/?replicaSet={set}", server.address());
    let ns = format!("mongodb://{}/db.c", server.address());
    let connect = FakeConnect::start(listing("orders", &uri), offsets(&[(&ns, token)])).await;
    let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    let text = format!(
        "[connect.main]\nurl = '{}'\n[mongodb.cloud]\nuri = '{uri}'\nconnectors = ['*']\n{retention}\n[poll]\ninterval = '5s'\n",
        connect.url
    );
    std::fs::write(file.path(), text).unwrap();
    let config = load(&Sources { files: vec![file.path().to_owned()], ..Sources::default() }).unwrap().1;
    let mut watch = Watch::new(&config, Clock::start()).unwrap();
    wait_until("a verdict", Duration::from_secs(60), async || {
        let snapshot = watch.pass().await;
        Ok(if settled(&snapshot) { Seen::Yes(snapshot) } else { Seen::Not(format!("{snapshot:?}")) })
    })
    .await
    .unwrap()
}

/// A token of Amazon DocumentDB's, so many seconds old.
fn document_db(age: i64) -> String {
    let seconds = Clock::start().now().unix_seconds - age;
    format!("{{\"_data\": \"01{seconds:08X}000000010100000001000000A7\"}}")
}

#[tokio::test]
async fn document_db_is_judged_by_its_retention() {
    const HOUR: i64 = 3600;
    for (age, verdict) in [
        (HOUR, Verdict::Safe),
        (2 * HOUR, Verdict::AtRisk),
        (3 * HOUR - 600, Verdict::Critical),
        (3 * HOUR + 60, Verdict::Lost),
    ] {
        let settled = |snapshot: &Snapshot| snapshot.oplogs.first().is_some_and(|o| o.first.is_some());
        let snapshot = judged("rs0", &document_db(age), "retention = '3h'", settled).await;
        assert_eq!(snapshot.connectors[0].verdict, verdict, "{age}: {snapshot:?}");
        assert_eq!(snapshot.oplogs[0].window_seconds, Some(3 * HOUR));
    }
}

#[tokio::test]
async fn without_a_retention_its_tokens_prove_nothing_and_with_one_no_others_do() {
    let settled = |snapshot: &Snapshot| {
        snapshot.connectors.first().is_some_and(|c| c.verdict != Verdict::Unknown(Why::NotReadYet))
    };
    let snapshot = judged("rs0", &document_db(60), "", settled).await;
    assert_eq!(snapshot.connectors[0].verdict, Verdict::Unknown(Why::PositionOpaque), "{snapshot:?}");
    let mongodb = r#"{"_data": "826B03B3E1000000012B0229296E04"}"#;
    let snapshot = judged("rs0", mongodb, "retention = '3h'", settled).await;
    assert_eq!(snapshot.connectors[0].verdict, Verdict::Unknown(Why::PositionOpaque), "{snapshot:?}");
}

#[tokio::test]
async fn cosmos_db_is_unknown_and_named() {
    let settled = |snapshot: &Snapshot| {
        snapshot.connectors.first().is_some_and(|c| c.verdict == Verdict::Unknown(Why::NoOplog))
    };
    let mongodb = r#"{"_data": "826B03B3E1000000012B0229296E04"}"#;
    let snapshot = judged("globaldb", mongodb, "", settled).await;
    let source = snapshot.sources.iter().find(|source| source.source == "mongodb").unwrap();
    assert!(source.error.as_deref().unwrap().contains("is Azure Cosmos DB"), "{source:?}");
}
