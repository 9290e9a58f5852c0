//! Several stored keys: the one that the connector will look up is told from those of earlier configurations.

use crate::election::watch;
use crate::shared::{LONG, Shared, nothing, quick};
use resumeguard_core::domain::{Verdict, Why};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn stale_malformed_and_copying_positions_on_a_real_connect() {
    let shared = Shared::take().await;
    let connect = shared.connect();
    shared.connector("keyed", nothing()).await;
    connect.stop("keyed").await.unwrap();
    connect
        .wait_until("keyed", LONG, |status| status.connector.state == "STOPPED" && status.tasks.is_empty())
        .await
        .unwrap();
    let stored = connect.offsets("keyed").await.unwrap();
    let [live] = stored.as_slice() else { panic!("one key: {stored:?}") };
    // A host list of earlier days, with a token from then.
    let old = json!({ "ns": "mongodb://old.example:27017/shared.keyed" });
    let token = json!({ "_id": "{\"_data\": \"825E8DB54F0000000129296E04\"}" });
    connect.patch_offsets("keyed", &old, &token).await.unwrap();
    assert_eq!(connect.offsets("keyed").await.unwrap().len(), 2);

    let mut watch = watch(&quick(connect.url()));
    let verdict = |snapshot: resumeguard_core::domain::Snapshot| snapshot.connectors[0].verdict;
    assert_eq!(verdict(watch.pass().await), Verdict::Safe, "the ancient token is under another key");

    let partition = live.partition.clone();
    for (id, expected) in [
        ("garbage", Verdict::Unknown(Why::PositionMalformed)),
        ("{\"_id\": 5, \"copyingData\": true}", Verdict::Unknown(Why::Copying)),
    ] {
        connect.patch_offsets("keyed", &partition, &json!({ "_id": id })).await.unwrap();
        assert_eq!(verdict(watch.pass().await), expected, "{id}");
    }
    connect.patch_offsets("keyed", &partition, &json!(null)).await.unwrap();
    let snapshot = watch.pass().await;
    let keyed = &snapshot.connectors[0];
    assert_eq!(keyed.verdict, Verdict::Unknown(Why::NoPosition));
    let no_position = keyed.findings.iter().find(|finding| finding.rule == "RG010").unwrap();
    assert!(no_position.summary.contains("(1 under other keys)"), "{no_position:?}");
}
