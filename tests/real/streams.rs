//! Open change streams: a connector that runs and is dead, and one whose stored position is lost and which lives.

use crate::election::watch;
use crate::shared::{LONG, Shared, nothing, quick};
use resumeguard::daemon::Watch;
use resumeguard_core::domain::{ConnectorReport, LiveStream, Verdict, Why};
use serde_json::json;
use xtask::{ReplicaSet, ReplicaSetSpec, Seen};

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

/// What a member showed before it went away is shown by nobody now.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_is_down_shows_no_streams() {
    let shared = Shared::take().await;
    let connect = shared.connect();
    let set = ReplicaSet::start(ReplicaSetSpec::of(3)).await.unwrap();
    let config = xtask::source_config(set.uri(), "streams.c", &nothing());
    connect.put_config("stopped", &config).await.unwrap();
    xtask::wait_until("a first position", LONG, async || {
        set.mongo().insert("streams.c", mongodb::bson::doc! { "a": 1 }).await?;
        let stored = !connect.offsets("stopped").await?.is_empty();
        Ok(if stored { Seen::Yes(()) } else { Seen::Not("none".into()) })
    })
    .await
    .unwrap();
    connect.stop("stopped").await.unwrap();
    connect
        .wait_until("stopped", LONG, |s| s.connector.state == "STOPPED" && s.tasks.is_empty())
        .await
        .unwrap();

    let mut watch = watch(&quick(connect.url()));
    let found = wait_for_passes(&mut watch, LiveStream::None).await;
    assert_eq!(found.verdict, Verdict::Safe, "{found:?}");
    let primary = set.primary().await.unwrap();
    let secondary = (0..3).find(|member| *member != primary).unwrap();
    set.stop_member(secondary).unwrap();
    let found = watch.pass().await.connectors.remove(0);
    assert_eq!((found.live_stream, found.verdict), (LiveStream::Unproven, Verdict::Safe), "{found:?}");
    set.start_member(secondary).await.unwrap();
    wait_for_passes(&mut watch, LiveStream::None).await;
}

/// Passes until the only connector's stream is this.
async fn wait_for_passes(watch: &mut Watch, wanted: LiveStream) -> ConnectorReport {
    let mut last = None;
    for _pass in 0..20 {
        let found = watch.pass().await.connectors.remove(0);
        if found.live_stream == wanted {
            return found;
        }
        last = Some(found);
    }
    panic!("{last:?}")
}
