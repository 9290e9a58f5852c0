//! Open change streams: a connector that runs and is dead, and one whose stored position is lost and which lives.

use crate::election::watch;
use crate::shared::{LONG, Shared, nothing, quick};
use resumeguard_core::domain::{ConnectorReport, Verdict, Why};
use serde_json::json;

fn rules(report: &ConnectorReport) -> Vec<&'static str> {
    report.findings.iter().map(|finding| finding.rule).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_token_runs_dead_and_an_idle_stream_is_proven_alive() {
    let shared = Shared::take().await;
    let connect = shared.connect();
    shared.connector("idle", nothing()).await;
    shared.connector("dead", nothing()).await;
    connect.stop("dead").await.unwrap();
    connect.wait_until("dead", LONG, |s| s.connector.state == "STOPPED" && s.tasks.is_empty()).await.unwrap();
    let partition = connect.offsets("dead").await.unwrap()[0].partition.clone();
    // A document, so that the connector takes it for a token; no hexadecimal digits, so that the server does not.
    let garbage = json!({ "_id": "{\"_data\": \"82ZZ\"}" });
    connect.patch_offsets("dead", &partition, &garbage).await.unwrap();
    connect.resume("dead").await.unwrap();
    connect.wait_until("dead", LONG, |status| status.all("RUNNING")).await.unwrap();

    let mut watch = watch(&quick(connect.url()));
    watch.pass().await;
    let snapshot = watch.pass().await;
    let of = |name: &str| snapshot.connectors.iter().find(|c| c.id.connector == name).unwrap();
    assert_eq!(of("dead").verdict, Verdict::Unknown(Why::PositionMalformed));
    assert!(rules(of("dead")).contains(&"RG006"), "{:?}", of("dead"));
    assert!(!rules(of("idle")).contains(&"RG006"), "{:?}", of("idle"));
    connect.delete("dead").await.unwrap();

    // Until its position moves while there is no other, the one stream might be somebody else's.
    let event = shared.stack.mongod().last().await.unwrap();
    shared.stack.mongod().insert("shared.idle", mongodb::bson::doc! { "of": "idle" }).await.unwrap();
    connect.wait_until_stored("idle", LONG, |time| time > event).await.unwrap();
    watch.pass().await;

    let last = shared.stack.mongod().last().await.unwrap();
    shared.stack.mongod().roll_oplog_past(last).await.unwrap();
    let proven = async || {
        let snapshot = watch.pass().await;
        let idle = &snapshot.connectors[0];
        let proven = idle
            .findings
            .iter()
            .any(|f| f.rule == "RG001" && f.summary.contains("nothing is lost while it lives"));
        Ok(if proven { xtask::Seen::Yes(()) } else { xtask::Seen::Not(format!("{idle:?}")) })
    };
    xtask::wait_until("RG001 with a proven stream", LONG, proven).await.unwrap();
}
