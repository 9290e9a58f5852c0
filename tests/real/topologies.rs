//! A set whose members hold different stretches: each connector is judged by the member that it would read from, now and
//! after an election, and fails, or does not, as was said.

use crate::election::watch;
use crate::shared::{LONG, Shared, nothing, quick};
use mongodb::bson::doc;
use resumeguard_core::domain::{Role, Snapshot, Verdict, Why};
use xtask::{Connect, MemberSpec, ReplicaSet, ReplicaSetSpec, Seen};

const NAMESPACE: &str = "topology.events";

/// Two members of 50 MiB and, in their middle, one of 1 MiB. The first becomes primary.
async fn uneven() -> ReplicaSet {
    let large = |priority| MemberSpec { priority, tags: doc! { "size": "large" }, ..MemberSpec::default() };
    let small = MemberSpec { tags: doc! { "size": "small" }, oplog_mib: Some(1), ..MemberSpec::default() };
    let members = vec![large(2.0), small, large(1.0)];
    ReplicaSet::start(ReplicaSetSpec { members, oplog_mib: 50, ..ReplicaSetSpec::default() }).await.unwrap()
}

/// Name and connection string of a connector for every way of selecting members.
fn readers(set: &ReplicaSet) -> Vec<(&'static str, String)> {
    let by = |options: &str| format!("{}&{options}", set.uri());
    let only = |member| format!("mongodb://{}/?directConnection=true", set.address(member));
    vec![
        ("primary", by("readPreference=primary")),
        ("primary-preferred", by("readPreference=primaryPreferred")),
        ("secondary", by("readPreference=secondary")),
        ("secondary-preferred", by("readPreference=secondaryPreferred")),
        ("nearest", by("readPreference=nearest")),
        ("tagged-large", by("readPreference=secondary&readPreferenceTags=size:large")),
        ("tagged-small", by("readPreference=secondary&readPreferenceTags=size:small")),
        ("direct-small", only(1)),
        ("direct-large", only(2)),
    ]
}

/// Creates them, waits until each has stored a position, and pauses them.
async fn paused(connect: &Connect, set: &ReplicaSet, readers: &[(&str, String)]) {
    let begun = set.mongo().last().await.unwrap();
    for (name, uri) in readers {
        connect.put_config(name, &xtask::source_config(uri, NAMESPACE, &nothing())).await.unwrap();
    }
    for (name, _) in readers {
        connect.wait_until(name, LONG, |status| status.all("RUNNING")).await.unwrap();
        xtask::wait_until(&format!("{name}'s first position"), LONG, async || {
            set.mongo().insert(NAMESPACE, doc! { "a": 1 }).await?;
            let offsets = connect.offsets(name).await?;
            let stored = offsets.iter().any(|o| o.time().is_some_and(|time| time > begun));
            Ok(if stored { Seen::Yes(()) } else { Seen::Not("none".into()) })
        })
        .await
        .unwrap();
        connect.pause(name).await.unwrap();
    }
    for (name, _) in readers {
        connect.wait_until(name, LONG, |status| status.all("PAUSED")).await.unwrap();
    }
}

/// Verdicts by connector, and whether RG013 is there.
#[track_caller]
fn check(snapshot: &Snapshot, expected: &[(&str, Verdict, bool)]) {
    for (name, verdict, warned) in expected {
        let report = snapshot.connectors.iter().find(|report| report.id.connector == *name).unwrap();
        let rg013 = report.findings.iter().any(|finding| finding.rule == "RG013");
        assert_eq!((report.verdict, rg013), (*verdict, *warned), "{name}: {report:?}\n{:?}", snapshot.oplogs);
    }
}

/// Rolls the oplog of one member past everything that is stored; those of the others are larger.
async fn roll(set: &ReplicaSet, member: usize) {
    let past = set.mongo().last().await.unwrap();
    let of_it = set.member(member).await.unwrap();
    xtask::wait_until("the small oplog to roll", LONG, async || {
        let filler = "x".repeat(20_000);
        let documents: Vec<_> = (0..20).map(|_| doc! { "filler": &filler }).collect();
        set.mongo().collection("scratch.filler")?.insert_many(documents).await?;
        let first = of_it.first().await?;
        Ok(if first > past { Seen::Yes(()) } else { Seen::Not(format!("{first}")) })
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
async fn every_read_preference_is_judged_by_the_member_in_use_before_and_after_a_failover() {
    use Verdict::{Critical, Lost, Safe, Unknown};
    let shared = Shared::take().await;
    let connect = shared.connect();
    let set = uneven().await;
    if set.primary().await.unwrap() != 0 {
        set.step_up(0).await.unwrap();
    }
    let readers = readers(&set);
    paused(connect, &set, &readers).await;
    let mut watch = watch(&quick(connect.url()).replace("interval = \"2s\"", "interval = \"10s\""));
    let snapshot = watch.pass().await;
    check(&snapshot, &readers.iter().map(|(name, _)| (*name, Safe, false)).collect::<Vec<_>>());

    // A member in RECOVERING says so itself: nobody can be reading from it, so it makes nothing unknown.
    let third = set.member(2).await.unwrap();
    third.admin(doc! { "replSetMaintenance": true }).await.unwrap();
    let address = set.address(2);
    let snapshot = xtask::wait_until("a member in RECOVERING", LONG, async || {
        let snapshot = watch.pass().await;
        let recovers = snapshot.oplogs.iter().any(|o| o.member == address && o.role == Role::Other);
        Ok(if recovers { Seen::Yes(snapshot) } else { Seen::Not(format!("{:?}", snapshot.oplogs)) })
    })
    .await
    .unwrap();
    check(&snapshot, &[("secondary", Safe, false), ("nearest", Safe, false), ("primary", Safe, false)]);
    third.admin(doc! { "replSetMaintenance": false }).await.unwrap();
    xtask::wait_until("it to be a secondary again", LONG, async || {
        let hello = third.admin(doc! { "hello": 1 }).await?;
        let well = hello.get_bool("secondary").unwrap_or(false);
        Ok(if well { Seen::Yes(()) } else { Seen::Not(hello.to_string()) })
    })
    .await
    .unwrap();

    roll(&set, 1).await;
    let snapshot = watch.pass().await;
    check(
        &snapshot,
        &[
            ("primary", Safe, true),
            // While there is a primary it reads from that; without one, from the small member too.
            ("primary-preferred", Critical, true),
            ("secondary", Lost, false),
            ("secondary-preferred", Lost, false),
            ("nearest", Lost, false),
            ("tagged-large", Safe, false),
            ("tagged-small", Lost, false),
            ("direct-small", Lost, false),
            ("direct-large", Safe, false),
        ],
    );

    set.step_up(1).await.unwrap();
    let mut snapshot = watch.pass().await;
    if snapshot.connectors.iter().any(|report| report.verdict == Unknown(Why::Election)) {
        snapshot = watch.pass().await;
    }
    let after = [
        ("primary", Lost, false),
        ("primary-preferred", Lost, false),
        // Both that are secondaries now hold it; the small one, should it become one again, does not.
        ("secondary", Safe, true),
        ("secondary-preferred", Critical, true),
        ("nearest", Lost, false),
        ("tagged-large", Safe, false),
        ("tagged-small", Unknown(Why::NoMemberSelected), false),
        ("direct-small", Lost, false),
        ("direct-large", Safe, false),
    ];
    check(&snapshot, &after);

    // Now it is put to the test. A paused task that is restarted opens a new cursor once it is resumed.
    let tried = ["primary", "primary-preferred", "secondary", "tagged-large", "direct-small", "direct-large"];
    for name in tried {
        connect.restart(name).await.unwrap();
    }
    for name in tried {
        connect.wait_until(name, LONG, |status| status.all("PAUSED")).await.unwrap();
        connect.resume(name).await.unwrap();
    }
    for (name, verdict, _) in after.iter().filter(|(name, ..)| tried.contains(name)) {
        if *verdict == Lost {
            let failed =
                connect.wait_until(name, LONG, |status| status.tasks.iter().any(|t| t.state == "FAILED"));
            let trace = format!("{:?}", failed.await.unwrap().tasks);
            assert!(trace.contains("286") || trace.contains("ResumeToken not found"), "{name}: {trace}");
        } else {
            connect.wait_until(name, LONG, |status| status.all("RUNNING")).await.unwrap();
        }
    }
    let passed = set.mongo().last().await.unwrap();
    xtask::wait_until("those that resumed to move on", LONG, async || {
        set.mongo().insert(NAMESPACE, doc! { "after": 1 }).await?;
        let mut behind = Vec::new();
        for name in ["secondary", "tagged-large", "direct-large"] {
            let moved =
                connect.offsets(name).await?.iter().any(|o| o.time().is_some_and(|time| time > passed));
            if !moved {
                behind.push(name);
            }
        }
        Ok(if behind.is_empty() { Seen::Yes(()) } else { Seen::Not(format!("{behind:?}")) })
    })
    .await
    .unwrap();
    for (name, _) in &readers {
        connect.delete(name).await.unwrap();
    }
}
