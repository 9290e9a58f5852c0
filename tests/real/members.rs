//! Which member a connector reads from decides by which oplog it is judged.

use crate::election::watch;
use crate::shared::{LONG, Shared, nothing, quick};
use mongodb::bson::doc;
use resumeguard_core::domain::{Snapshot, Verdict, Why};
use xtask::{Connect, MemberSpec, ReplicaSet, ReplicaSetSpec, Seen};

fn verdict_of(snapshot: &Snapshot, name: &str) -> Verdict {
    snapshot.connectors.iter().find(|connector| connector.id.connector == name).unwrap().verdict
}

async fn start(connect: &Connect, set: &ReplicaSet, name: &str, uri: &str) {
    let config = xtask::source_config(uri, &format!("members.{name}"), &nothing());
    // An offset left by an earlier run under this name must not count.
    let begun = set.mongo().last().await.unwrap();
    connect.put_config(name, &config).await.unwrap();
    connect.wait_until(name, LONG, |status| status.all("RUNNING")).await.unwrap();
    xtask::wait_until(&format!("{name}'s first position"), LONG, async || {
        set.mongo().insert(&format!("members.{name}"), doc! { "a": 1 }).await?;
        let stored = connect.offsets(name).await?.iter().any(|o| o.time().is_some_and(|time| time > begun));
        Ok(if stored { Seen::Yes(()) } else { Seen::Not("none".into()) })
    })
    .await
    .unwrap();
}

/// A secondary that was synchronised anew begins its oplog there: lost for a connector that reads from it, directly
/// or because its connection string names that one host; safe for one that reads from the primary.
#[tokio::test(flavor = "multi_thread")]
async fn the_member_that_a_connector_reads_from_decides() {
    let shared = Shared::take().await;
    let connect = shared.connect();
    let set = ReplicaSet::start(ReplicaSetSpec::of(3)).await.unwrap();
    let primary = set.primary().await.unwrap();
    let secondary = (0..3).find(|member| *member != primary).unwrap();
    let (first, second) = (set.address(primary), set.address(secondary));
    let everything = set.uri().to_owned();
    let port = second.rsplit(':').next().unwrap();
    for (name, uri) in [
        ("by-primary", everything),
        // A single host without replicaSet: the Java driver connects to it alone. And by an alias of it.
        ("by-secondary", format!("mongodb://{second}/")),
        ("by-alias", format!("mongodb://localhost:{port}/?directConnection=true")),
        ("by-one-seed", format!("mongodb://{first}/?replicaSet=rs0")),
    ] {
        start(connect, &set, name, &uri).await;
    }
    let names = ["by-primary", "by-secondary", "by-alias", "by-one-seed"];
    for name in names {
        connect.pause(name).await.unwrap();
        connect.wait_until(name, LONG, |status| status.all("PAUSED")).await.unwrap();
    }
    let mut watch = watch(&quick(connect.url()).replace("interval = \"2s\"", "interval = \"10s\""));
    let snapshot = watch.pass().await;
    for name in names {
        assert_eq!(verdict_of(&snapshot, name), Verdict::Safe, "{name}: {snapshot:?}");
    }
    assert_eq!(snapshot.oplogs.len(), 3, "one deployment, whatever the strings: {:?}", snapshot.oplogs);

    // The new oplog begins with what is the newest entry by then: one that no connector has stored.
    set.mongo().insert("elsewhere.c", doc! { "a": 1 }).await.unwrap();
    let last = set.mongo().last().await.unwrap();
    set.resync_member(secondary).await.unwrap();
    xtask::wait_until("the secondary's new oplog", LONG, async || {
        let first = set.member(secondary).await?.first().await;
        Ok(match first {
            Ok(first) if first >= last => Seen::Yes(()),
            other => Seen::Not(format!("{other:?}")),
        })
    })
    .await
    .unwrap();
    let mut snapshot = watch.pass().await;
    // The first pass may meet the connection that the restart has broken.
    if verdict_of(&snapshot, "by-secondary") != Verdict::Lost {
        snapshot = watch.pass().await;
    }
    for (name, verdict) in [
        ("by-primary", Verdict::Safe),
        ("by-secondary", Verdict::Lost),
        ("by-alias", Verdict::Lost),
        ("by-one-seed", Verdict::Safe),
    ] {
        assert_eq!(verdict_of(&snapshot, name), verdict, "{name}: {snapshot:?}");
    }
    // Asked itself, the member that the connector reads from confirms it. The primary would contradict.
    xtask::wait_until("an answer", LONG, async || {
        watch.ask(&snapshot);
        snapshot = watch.pass().await;
        let answered = snapshot.sources.iter().any(|source| source.source == "probe" && source.up);
        Ok(if answered { Seen::Yes(()) } else { Seen::Not(format!("{:?}", snapshot.sources)) })
    })
    .await
    .unwrap();
    assert_eq!(verdict_of(&snapshot, "by-secondary"), Verdict::Lost, "{snapshot:?}");
    assert_eq!(verdict_of(&snapshot, "by-alias"), Verdict::Lost, "{snapshot:?}");
    let by_primary = snapshot.connectors.iter().find(|c| c.id.connector == "by-primary").unwrap();
    assert!(by_primary.findings.iter().any(|finding| finding.rule == "RG013"), "{by_primary:?}");
    for name in names {
        connect.delete(name).await.unwrap();
    }
}

/// The set names a hidden member to nobody, and an arbiter has no oplog. A connector that reads from the hidden one is judged by it, also
/// where others led to the set before.
#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_member_is_read_once_a_connector_reads_from_it() {
    let shared = Shared::take().await;
    let connect = shared.connect();
    let hidden = MemberSpec { hidden: true, priority: 0.0, ..MemberSpec::default() };
    let arbiter = MemberSpec { arbiter: true, ..MemberSpec::default() };
    let members = vec![MemberSpec::default(), hidden, arbiter];
    let set = ReplicaSet::start(ReplicaSetSpec { members, oplog_mib: 50, ..ReplicaSetSpec::default() });
    let set = set.await.unwrap();
    start(connect, &set, "before-hidden", set.uri()).await;
    let mut watch = watch(&quick(connect.url()).replace("interval = \"2s\"", "interval = \"10s\""));
    let snapshot = watch.pass().await;
    assert_eq!(verdict_of(&snapshot, "before-hidden"), Verdict::Safe, "{snapshot:?}");
    let read = |snapshot: &Snapshot| snapshot.oplogs.iter().map(|o| o.member.clone()).collect::<Vec<_>>();
    assert_eq!(read(&snapshot), [set.address(0)]);

    let address = set.address(1);
    start(connect, &set, "by-hidden", &format!("mongodb://{address}/?directConnection=true")).await;
    // Found, merged, and then followed from pass to pass.
    for pass in 0..3 {
        let snapshot = watch.pass().await;
        for name in ["before-hidden", "by-hidden"] {
            assert_eq!(verdict_of(&snapshot, name), Verdict::Safe, "{name} in pass {pass}: {snapshot:?}");
        }
        let mut oplogs = read(&snapshot);
        oplogs.sort();
        let mut expected = [set.address(0), address.clone()];
        expected.sort();
        assert_eq!(oplogs, expected, "one deployment, in pass {pass}");
    }
    connect.delete("by-hidden").await.unwrap();
    let snapshot = watch.pass().await;
    assert_eq!(read(&snapshot), [set.address(0)], "nobody reads from it any more");
    connect.delete("before-hidden").await.unwrap();
}

/// Nobody is read with credentials that did not lead to him: who may not read a hidden member leaves it unknown and troubles nobody else,
/// and who comes with other credentials is heard anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_member_is_read_by_the_credentials_that_lead_to_it() {
    let shared = Shared::take().await;
    let connect = shared.connect();
    let hidden = MemberSpec { hidden: true, priority: 0.0, ..MemberSpec::default() };
    let members = vec![MemberSpec::default(), hidden];
    let spec = ReplicaSetSpec { members, oplog_mib: 50, ..ReplicaSetSpec::default() };
    let set = ReplicaSet::start(spec.with_root("root", "root-pw")).await.unwrap();
    let role = |role: &str, db: &str| doc! { "role": role, "db": db };
    let (read, monitor) = (role("readAnyDatabase", "admin"), role("clusterMonitor", "admin"));
    for (user, roles) in [
        ("reader", vec![read.clone()]),
        ("first", vec![read.clone(), monitor.clone()]),
        ("second", vec![read, monitor]),
    ] {
        set.mongo().create_user(user, &format!("{user}-pw"), roles).await.unwrap();
    }
    let uri = |user: &str| {
        format!("mongodb://{user}:{user}-pw@{}/?directConnection=true&authSource=admin", set.address(1))
    };
    start(connect, &set, "before-guarded", &set.uri_as("first", "first-pw")).await;
    start(connect, &set, "by-guarded", &uri("reader")).await;
    let mut watch = watch(&quick(connect.url()).replace("interval = \"2s\"", "interval = \"10s\""));
    for pass in 0..3 {
        let snapshot = watch.pass().await;
        assert_eq!(verdict_of(&snapshot, "before-guarded"), Verdict::Safe, "in pass {pass}: {snapshot:?}");
        let guarded = verdict_of(&snapshot, "by-guarded");
        assert_eq!(guarded, Verdict::Unknown(Why::OplogUnauthorized), "in pass {pass}: {snapshot:?}");
    }
    for user in ["first", "second"] {
        let config = xtask::source_config(&uri(user), "members.by-guarded", &nothing());
        connect.put_config("by-guarded", &config).await.unwrap();
        xtask::wait_until(&format!("a look as {user}"), LONG, async || {
            let snapshot = watch.pass().await;
            assert_eq!(verdict_of(&snapshot, "before-guarded"), Verdict::Safe, "as {user}: {snapshot:?}");
            let safe = verdict_of(&snapshot, "by-guarded") == Verdict::Safe && snapshot.oplogs.len() == 2;
            Ok(if safe { Seen::Yes(()) } else { Seen::Not(format!("{snapshot:?}")) })
        })
        .await
        .unwrap();
    }
    // Back to whom may not: what was read with more is given up.
    let config = xtask::source_config(&uri("reader"), "members.by-guarded", &nothing());
    connect.put_config("by-guarded", &config).await.unwrap();
    xtask::wait_until("a look without rights", LONG, async || {
        let snapshot = watch.pass().await;
        assert_eq!(verdict_of(&snapshot, "before-guarded"), Verdict::Safe, "{snapshot:?}");
        let unknown = verdict_of(&snapshot, "by-guarded") == Verdict::Unknown(Why::OplogUnauthorized);
        Ok(if unknown { Seen::Yes(()) } else { Seen::Not(format!("{snapshot:?}")) })
    })
    .await
    .unwrap();
    for name in ["before-guarded", "by-guarded"] {
        connect.delete(name).await.unwrap();
    }
}
