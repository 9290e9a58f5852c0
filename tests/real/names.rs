//! Two real Connect clusters, the same names in both, and names that trouble a REST interface (Connect 4.1, whose Jetty 12
//! refuses some paths for good: such connectors can never be deleted, so the second cluster is this test's own).

use crate::daemon::Daemon;
use crate::shared::{LONG, Shared, nothing};
use serde_json::Value;
use xtask::{Connect, Progress, Seen, Stack, StackSpec, source_config, wait_until};

/// Names that Connect's REST can address, however they look.
const ADDRESSABLE: [&str; 7] =
    ["with blanks", "ques?tion #1", "quo\"te's", "ünïcode", "🛒 beyond the plane", "...", "{x}"];

/// Names that it lists, and cannot address.
const UNADDRESSABLE: [&str; 4] = ["sla/sh", "back\\slash", "per%cent", ".."];

/// The first connector in `status` of that cluster and name.
fn find<'a>(status: &'a Value, cluster: &str, name: &str) -> Option<&'a Value> {
    let connectors = status["connectors"].as_array()?;
    connectors.iter().find(|one| one["connect_cluster"] == cluster && one["connector"] == name)
}

async fn status(daemon: &Daemon) -> anyhow::Result<Value> {
    Ok(serde_json::from_str(&daemon.get("/api/v1/status").await?)?)
}

async fn until(daemon: &Daemon, what: &str, holds: impl Fn(&Value) -> Result<(), String>) -> Value {
    wait_until(what, LONG, async || {
        // There is none before the first pass.
        let status = match status(daemon).await {
            Ok(status) => status,
            Err(error) => return Ok(Seen::Not(format!("{error:#}"))),
        };
        Ok(match holds(&status) {
            Ok(()) => Seen::Yes(status),
            Err(not) => Seen::Not(not),
        })
    })
    .await
    .unwrap()
}

async fn create(connect: &Connect, uri: &str, name: &str) {
    let code = connect.post(name, &source_config(uri, "names.c", &nothing())).await.unwrap();
    // `{x}` is answered 500, and created.
    assert!(code == 201 || (name == "{x}" && code == 500), "{name}: {code}");
}

/// What REST knows of a connector, or why not.
fn known(status: &Value, cluster: &str, name: &str) -> Result<(), String> {
    let connector = find(status, cluster, name).ok_or_else(|| format!("{name} is not listed"))?;
    let rules = connector["findings"].as_array().into_iter().flatten();
    let rules: Vec<&str> = rules.filter_map(|finding| finding["rule"].as_str()).collect();
    let found = format!("{cluster}/{name}: {} ({}) {rules:?}", connector["verdict"], connector["why"]);
    let unaddressable = UNADDRESSABLE.contains(&name);
    let well = if unaddressable {
        connector["why"] == "name_unaddressable" && rules.contains(&"RG023")
    } else {
        connector["position"].is_object() && !rules.contains(&"RG023")
    };
    if well { Ok(()) } else { Err(found) }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clusters_with_the_same_names_and_awkward_ones() {
    let shared = Shared::take().await;
    let mut spec = StackSpec::unique("names");
    spec.replica_set = spec.replica_set.with_oplog_mib(64);
    let own = Stack::start(spec, &Progress::silent()).await.unwrap();
    let (first, second, mongo) = (shared.connect(), own.connect().unwrap(), own.mongod());
    for name in ADDRESSABLE.iter().chain(&UNADDRESSABLE).chain(&["orders"]) {
        create(second, mongo.uri(), name).await;
    }
    create(first, mongo.uri(), "orders").await;
    let config = format!(
        "[connect.first]\nurl = \"{}\"\n[connect.second]\nurl = \"{}\"\n\
         [poll]\ninterval = \"5s\"\noffset_flush = \"2s\"\nsizes_every = \"1s\"\n",
        first.url(),
        second.url()
    );
    let daemon = Daemon::start(&config);
    let insert = async {
        loop {
            mongo.insert("names.c", mongodb::bson::doc! { "a": 1 }).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        }
    };
    let everywhere = until(&daemon, "every name to be known, or said not to be", |status| {
        known(status, "first", "orders")?;
        let names = ADDRESSABLE.iter().chain(&UNADDRESSABLE).chain(&["orders"]);
        names.copied().try_for_each(|name| known(status, "second", name))
    });
    tokio::select! {
        _ = everywhere => {}
        () = insert => unreachable!("it inserts for ever"),
    }

    // Metrics tell them apart, whatever the name, and escape it.
    let page = daemon.metrics().await;
    for labels in [
        r#"connect_cluster="first",connector="orders""#,
        r#"connect_cluster="second",connector="orders""#,
        r#"connect_cluster="second",connector="quo\"te's""#,
        r#"connect_cluster="second",connector="back\\slash""#,
        r#"connect_cluster="second",connector="🛒 beyond the plane""#,
    ] {
        let series = format!("resumeguard_connector_state{{{labels}");
        assert!(page.lines().any(|line| line.starts_with(&series)), "{series} in {page}");
    }

    // Renamed is deleted and created: the old one is gone, the new one is there.
    second.delete("with blanks").await.unwrap();
    create(second, mongo.uri(), "with other blanks").await;
    until(&daemon, "the renamed connector", |status| {
        let (old, new) = (find(status, "second", "with blanks"), find(status, "second", "with other blanks"));
        if old.is_none() && new.is_some() { Ok(()) } else { Err(format!("{old:?} {new:?}")) }
    })
    .await;
    assert!(!daemon.metrics().await.contains("connector=\"with blanks\""));

    // One cluster that dies takes its own connectors' verdicts, and nothing of the other's.
    own.kill_worker(0).unwrap();
    let status = until(&daemon, "the second cluster to be unreadable", |status| {
        let dead = find(status, "second", "orders").map(|orders| orders["why"].clone());
        if dead == Some("connect_unreadable".into()) { Ok(()) } else { Err(format!("{dead:?}")) }
    })
    .await;
    let alive = find(&status, "first", "orders").unwrap();
    assert!(alive["why"].is_null() && alive["position"].is_object(), "{alive}");
    let up = |name: &str| {
        let sources = status["sources"].as_array().unwrap();
        let source = sources.iter().find(|one| one["source"] == "connect" && one["name"] == name).unwrap();
        source["up"].clone()
    };
    assert_eq!((up("first"), up("second")), (true.into(), false.into()));
    own.start_worker(0).await.unwrap();
    until(&daemon, "the second cluster to be back", |status| known(status, "second", "orders")).await;
    first.delete("orders").await.unwrap();
}
