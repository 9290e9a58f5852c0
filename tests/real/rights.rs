//! Least privilege: with exactly the documented rights everything is known; with one less, which one is missing is said.

use crate::election::watch;
use crate::shared::{LONG, Shared, nothing, quick};
use mongodb::bson::{Document, doc};
use resumeguard_core::domain::{Basis, Snapshot, SourceFacts, Verdict, Why};
use xtask::{ReplicaSet, ReplicaSetSpec, Seen};

/// The rights of docs/permissions.md for a connector on `app.c`, and what is said where one of them is missing.
pub(crate) fn documented() -> [(Document, &'static str); 6] {
    let oplog = || doc! { "db": "local", "collection": "oplog.rs" };
    let cluster = || doc! { "cluster": true };
    [
        (doc! { "resource": oplog(), "actions": ["find"] }, "may not read local.oplog.rs"),
        (doc! { "resource": oplog(), "actions": ["collStats"] }, "grant collStats on local.oplog.rs"),
        (doc! { "resource": cluster(), "actions": ["serverStatus"] }, "grant serverStatus"),
        (doc! { "resource": cluster(), "actions": ["inprog"] }, "grant inprog"),
        (
            doc! { "resource": { "db": "app", "collection": "" }, "actions": ["listCollections"] },
            "grant listCollections on app",
        ),
        (
            doc! { "resource": { "db": "app", "collection": "c" }, "actions": ["find", "changeStream"] },
            "may not open a change stream on app.c; grant find and changeStream there",
        ),
    ]
}

/// What is said where `serverStatus` stands in for the oplog.
const STANDS_IN: &str = "grant find on local.oplog.rs";

async fn grant(set: &ReplicaSet, rights: &[Document]) {
    set.mongo().admin(doc! { "updateRole": "resumeguard", "privileges": rights.to_vec() }).await.unwrap();
}

fn source<'a>(snapshot: &'a Snapshot, kind: &str) -> &'a SourceFacts {
    snapshot.sources.iter().find(|source| source.source == kind).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn with_exactly_the_documented_rights_all_is_known_and_with_one_less_it_is_named() {
    let shared = Shared::take().await;
    let connect = shared.connect();
    let set = ReplicaSet::start(ReplicaSetSpec::of(1).with_root("root", "root-pw")).await.unwrap();
    let rights = documented();
    let all: Vec<Document> = rights.iter().map(|(right, _)| right.clone()).collect();
    set.mongo().admin(doc! { "createRole": "resumeguard", "privileges": [], "roles": [] }).await.unwrap();
    grant(&set, &all).await;
    let role = doc! { "role": "resumeguard", "db": "admin" };
    set.mongo().create_user("monitor", "monitor-pw", vec![role]).await.unwrap();
    let begun = set.mongo().last().await.unwrap();
    connect.put_config("rights", &xtask::source_config(set.uri(), "app.c", &nothing())).await.unwrap();
    connect.wait_until("rights", LONG, |status| status.all("RUNNING")).await.unwrap();
    xtask::wait_until("a first position", LONG, async || {
        set.mongo().insert("app.c", doc! { "a": 1 }).await?;
        let stored =
            connect.offsets("rights").await?.iter().any(|o| o.time().is_some_and(|time| time > begun));
        Ok(if stored { Seen::Yes(()) } else { Seen::Not("none".into()) })
    })
    .await
    .unwrap();
    connect.pause("rights").await.unwrap();
    connect.wait_until("rights", LONG, |status| status.all("PAUSED")).await.unwrap();
    let uri = set.uri_as("monitor", "monitor-pw");
    let served =
        format!("{}[mongodb.production]\nuri = \"{uri}\"\nconnectors = [\"*\"]\n", quick(connect.url()));

    let mut watch = watch(&served);
    let snapshot = watch.pass().await;
    assert_eq!(snapshot.connectors[0].verdict, Verdict::Safe, "{snapshot:?}");
    let mongodb = source(&snapshot, "mongodb");
    assert!(mongodb.up && mongodb.error.is_none(), "{mongodb:?}");
    assert!(snapshot.oplogs[0].sizes.max_size_bytes.is_some(), "{snapshot:?}");

    // What helps and is not needed: named, and the verdict stands.
    for (missing, said) in &rights[1..5] {
        let less: Vec<Document> = all.iter().filter(|right| *right != missing).cloned().collect();
        grant(&set, &less).await;
        xtask::wait_until(said, LONG, async || {
            let snapshot = watch.pass().await;
            assert_eq!(snapshot.connectors[0].verdict, Verdict::Safe, "{snapshot:?}");
            let mongodb = source(&snapshot, "mongodb");
            let named = mongodb.up && mongodb.error.as_deref().is_some_and(|error| error.contains(said));
            Ok(if named { Seen::Yes(()) } else { Seen::Not(format!("{mongodb:?}")) })
        })
        .await
        .unwrap();
    }

    // serverStatus stands in for the oplog, and what is missing is named.
    let without_find: Vec<Document> = all[1..].to_vec();
    grant(&set, &without_find).await;
    let mut snapshot = watch.pass().await;
    assert_eq!(snapshot.connectors[0].basis, Some(Basis::Window), "{snapshot:?}");
    let mongodb = source(&snapshot, "mongodb");
    assert!(mongodb.up && mongodb.error.as_deref().is_some_and(|e| e.contains(STANDS_IN)), "{mongodb:?}");

    // Without either nothing is known of it.
    let neither = [&all[1..2], &all[3..]].concat();
    grant(&set, &neither).await;
    snapshot = watch.pass().await;
    assert_eq!(snapshot.connectors[0].verdict, Verdict::Unknown(Why::OplogUnauthorized), "{snapshot:?}");
    let error = source(&snapshot, "mongodb").error.clone().unwrap();
    assert!(error.contains(rights[0].1) && !error.contains("monitor-pw"), "{error}");

    // Then the server is asked, and without that right it says so.
    grant(&set, &neither[..3]).await;
    xtask::wait_until("the probe's complaint", LONG, async || {
        watch.ask(&snapshot);
        snapshot = watch.pass().await;
        let probe = snapshot.sources.iter().find(|source| source.source == "probe");
        let named = probe.and_then(|probe| probe.error.as_deref()).is_some_and(|e| e.contains(rights[5].1));
        Ok(if named { Seen::Yes(()) } else { Seen::Not(format!("{:?}", snapshot.sources)) })
    })
    .await
    .unwrap();
    // Another daemon: this one asks about the same token no sooner than in a minute.
    let mut another = crate::election::watch(&served);
    bounds_by_server_status(&shared, &set, &mut another, &without_find).await;
}

/// `serverStatus` tells where a rolled oplog begins: the entry that it names is gone (`earliestOptime` is the last one that was
/// truncated). That a position is older proves nothing to it; asked, the server says that it is lost.
async fn bounds_by_server_status(
    shared: &Shared,
    set: &ReplicaSet,
    watch: &mut resumeguard::daemon::Watch,
    without_find: &[Document],
) {
    let offsets = shared.connect().offsets("rights").await.unwrap();
    let stored = offsets.iter().filter_map(|offset| offset.time()).max().unwrap();
    grant(set, without_find).await;
    set.mongo().roll_oplog_past(stored).await.unwrap();
    let mut said = false;
    xtask::wait_until("the bounds by serverStatus, and a loss", LONG, async || {
        let (before, snapshot) = (set.mongo().first().await?, watch.pass().await);
        let after = set.mongo().first().await?;
        watch.ask(&snapshot);
        let (report, oplog) = (&snapshot.connectors[0], &snapshot.oplogs);
        let first = oplog.first().and_then(|oplog| oplog.first);
        let first = first.map(|first| mongodb::bson::Timestamp { time: first.t, increment: first.i });
        // Never later than one tick after the oldest: of what was never truncated the entry that is named is there still.
        let next = mongodb::bson::Timestamp { increment: before.increment + 1, ..before };
        let sound = before != after || first.is_some_and(|first| first <= next);
        assert!(sound, "{first:?} {before}");
        said |= first == Some(before);
        let lost = (report.verdict, report.basis) == (Verdict::Lost, Some(Basis::Probe));
        let mongodb = source(&snapshot, "mongodb");
        let named = mongodb.up && mongodb.error.as_deref().is_some_and(|e| e.contains(STANDS_IN));
        Ok(if lost && named { Seen::Yes(()) } else { Seen::Not(format!("{report:?} {before} {mongodb:?}")) })
    })
    .await
    .unwrap();
    println!("serverStatus named the entry before the oldest: {said}");
    shared.connect().delete("rights").await.unwrap();
}
