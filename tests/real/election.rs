//! A primary that steps down while a pass is reading.

use crate::proxy::Proxy;
use crate::shared::{LONG, Shared, nothing, quick};
use resumeguard::{clock::Clock, config, daemon::Watch};
use resumeguard_core::domain::{Verdict, Why};
use xtask::{ReplicaSet, ReplicaSetSpec};

pub(crate) fn watch(toml: &str) -> Watch {
    let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    std::fs::write(file.path(), toml).unwrap();
    let sources = config::Sources { files: vec![file.path().to_owned()], ..Default::default() };
    Watch::new(&config::load(&sources).unwrap().1, Clock::start()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_down_in_mid_pass_is_unknown_for_that_pass_and_right_again_within_two() {
    let shared = Shared::take().await;
    let set = ReplicaSet::start(ReplicaSetSpec::of(3)).await.unwrap();
    let config = xtask::source_config(set.uri(), "elections.c", &nothing());
    shared.connect().put_config("elected", &config).await.unwrap();
    shared.connect().wait_until("elected", LONG, |status| status.all("RUNNING")).await.unwrap();
    xtask::wait_until("a first position", LONG, async || {
        set.mongo().insert("elections.c", mongodb::bson::doc! { "a": 1 }).await?;
        let stored = !shared.connect().offsets("elected").await?.is_empty();
        Ok(if stored { xtask::Seen::Yes(()) } else { xtask::Seen::Not("none".into()) })
    })
    .await
    .unwrap();

    let mut proxy = Proxy::start(shared.connect().url()).await;
    // Deadlines that a step-down of some seconds fits into.
    let mut watch = watch(&quick(&proxy.url).replace("interval = \"2s\"", "interval = \"60s\""));
    let before = watch.pass().await;
    assert_eq!(before.connectors[0].verdict, Verdict::Safe, "{before:?}");
    assert_eq!(before.oplogs.len(), 3, "{before:?}");

    // Positions are read between `first` and `last`: hold that call while another member is elected.
    proxy.hold("/offsets");
    let old = set.primary().await.unwrap();
    let step_down = async {
        proxy.held().await;
        set.mongo().step_down().await.unwrap();
        xtask::wait_until("another primary", LONG, async || {
            Ok(match set.primary().await {
                Ok(now) if now != old => xtask::Seen::Yes(()),
                other => xtask::Seen::Not(format!("{other:?}")),
            })
        })
        .await
        .unwrap();
        proxy.release();
    };
    let (snapshot, ()) = tokio::join!(watch.pass(), step_down);
    assert_eq!(snapshot.connectors[0].verdict, Verdict::Unknown(Why::Election), "{snapshot:?}");
    assert_eq!(snapshot.connectors[0].headroom_seconds, None);

    let mut verdicts = Vec::new();
    for _pass in 0..2 {
        let snapshot = watch.pass().await;
        verdicts.push(snapshot.connectors[0].verdict);
    }
    assert_eq!(verdicts.last(), Some(&Verdict::Safe), "{verdicts:?}");
    shared.connect().delete("elected").await.unwrap();
}
