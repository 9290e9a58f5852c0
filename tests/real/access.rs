//! What a MongoDB user may read decides what can be known, and what is missing is said.

use crate::election::watch;
use crate::shared::{LONG, Shared, nothing, quick};
use mongodb::bson::doc;
use resumeguard_core::domain::{Verdict, Why};
use xtask::{ReplicaSet, ReplicaSetSpec};

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_rights_on_local_leaves_it_unknown_and_a_deployment_of_its_own_cures_that() {
    let shared = Shared::take().await;
    let set = ReplicaSet::start(ReplicaSetSpec::of(1).with_root("root", "root-pw")).await.unwrap();
    let role = |role: &str, db: &str| doc! { "role": role, "db": db };
    set.mongo().create_user("reader", "reader-pw", vec![role("read", "app")]).await.unwrap();
    set.mongo().create_user("monitor", "monitor-pw", vec![role("clusterMonitor", "admin")]).await.unwrap();
    let config = xtask::source_config(&set.uri_as("reader", "reader-pw"), "app.c", &nothing());
    shared.connect().put_config("limited", &config).await.unwrap();
    shared.connect().wait_until("limited", LONG, |status| status.all("RUNNING")).await.unwrap();
    xtask::wait_until("a first position", LONG, async || {
        set.mongo().insert("app.c", doc! { "a": 1 }).await?;
        let stored = !shared.connect().offsets("limited").await?.is_empty();
        Ok(if stored { xtask::Seen::Yes(()) } else { xtask::Seen::Not("none".into()) })
    })
    .await
    .unwrap();

    let base = quick(shared.connect().url());
    let snapshot = watch(&base).pass().await;
    assert_eq!(snapshot.connectors[0].verdict, Verdict::Unknown(Why::OplogUnauthorized), "{snapshot:?}");
    let mongodb = snapshot.sources.iter().find(|source| source.source == "mongodb").unwrap();
    let error = mongodb.error.as_deref().unwrap();
    assert!(!mongodb.up && error.contains("may not read local.oplog.rs; grant clusterMonitor"), "{error}");
    assert!(!error.contains("reader-pw"), "{error}");

    let served = |user: &str, password: &str| {
        format!(
            "{base}[mongodb.production]\nuri = \"{}\"\nconnectors = [\"limited\"]\n",
            set.uri_as(user, password)
        )
    };
    let snapshot = watch(&served("monitor", "monitor-pw")).pass().await;
    assert_eq!(snapshot.connectors[0].verdict, Verdict::Safe, "{snapshot:?}");
    assert_eq!(snapshot.connectors[0].deployment.as_deref(), Some("production"));
    assert_eq!(snapshot.oplogs[0].never_truncated, Some(true), "a fresh oplog loses nothing");
    assert!(snapshot.oplogs[0].sizes.max_size_bytes.is_some(), "{snapshot:?}");

    let snapshot = watch(&served("monitor", "wrong-pw")).pass().await;
    assert_eq!(snapshot.connectors[0].verdict, Verdict::Unknown(Why::MongodbUnauthenticated), "{snapshot:?}");
    let said = format!("{:?}", snapshot.sources);
    assert!(said.contains("refused the credentials") && !said.contains("wrong-pw"), "{said}");
}

/// A URI behind `${file:…}`: REST shows the placeholder only, so that nobody but Connect knows where it leads.
#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_uri_is_unknown_until_a_deployment_serves_the_connector() {
    let shared = Shared::take().await;
    let secrets = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secrets.path(), format!("uri={}\n", shared.stack.mongod().uri())).unwrap();
    let placeholder = format!("${{file:{}:uri}}", secrets.path().display());
    shared.connector("hidden", serde_json::json!({ "connection.uri": placeholder })).await;

    let base = quick(shared.connect().url());
    let snapshot = watch(&base).pass().await;
    assert_eq!(snapshot.connectors[0].verdict, Verdict::Unknown(Why::UriPlaceholder), "{snapshot:?}");
    let uri = shared.stack.mongod().uri();
    let served = format!("{base}[mongodb.production]\nuri = \"{uri}\"\nconnectors = [\"hidden\"]\n");
    let snapshot = watch(&served).pass().await;
    let hidden = &snapshot.connectors[0];
    assert!(!matches!(hidden.verdict, Verdict::Unknown(_) | Verdict::Lost), "{snapshot:?}");
    assert_eq!(hidden.deployment.as_deref(), Some("production"));
}
