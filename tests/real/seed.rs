//! The scenario that the project exists for: store a token, pause, roll the oplog, restart.

use crate::daemon::Daemon;
use crate::shared::{LONG, Shared, nothing, quick};

#[tokio::test]
async fn a_paused_connector_is_lost_before_the_restart_and_fails_with_286_after_it() {
    let shared = Shared::take().await;
    let connect = shared.connect();
    shared.connector("seed", nothing()).await;
    let daemon = Daemon::start(&quick(connect.url()));
    let lost = ["resumeguard_connector_verdict{", "connector=\"seed\"", "verdict=\"lost\"", "} 1"];
    daemon.passes_until(&["connector_verdict{", "connector=\"seed\"", "verdict=\"lost\"", "} 0"]).await;

    // It has just begun to measure: mostly it does not know for how long the position lasts, and never says that it lasts a month.
    let gate = daemon.ask(&["gate", "--connector", "seed", "--duration", "30d"]);
    assert!([2, 3].contains(&gate.0) && gate.1.contains("main/seed"), "{gate:?}");
    let gate = daemon.ask(&["gate", "--connector", "seed", "--duration", "0s"]);
    assert!(gate.0 == 0 && gate.1.ends_with("go: all 1 connectors would survive a restart\n"), "{gate:?}");
    connect.pause("seed").await.unwrap();
    connect.wait_until("seed", LONG, |status| status.all("PAUSED")).await.unwrap();
    // What was on its way when it was paused is stored with the next flush.
    let last = shared.stack.mongod().last().await.unwrap();
    shared.stack.mongod().roll_oplog_past(last).await.unwrap();
    assert!(daemon.passes_until(&lost).await <= 1, "lost within one pass, before any restart");
    assert!(!daemon.metrics().await.contains("connector_task_failed{"), "nothing has failed yet");
    assert!(
        daemon
            .metrics()
            .await
            .contains("connector=\"seed\",rule=\"RG004\",name=\"not_running\",severity=\"critical\"")
    );

    // The gate before a restart names it, and asks the running daemon.
    let gate = daemon.ask(&["gate", "--connector", "seed"]);
    assert_eq!((gate.0, gate.1.lines().next()), (2, Some("fails: main/seed (lost)")), "{gate:?}");

    connect.restart("seed").await.unwrap();
    connect.resume("seed").await.unwrap();
    connect.wait_until("seed", LONG, |status| status.failed_with(286)).await.unwrap();
    let failed = ["connector_task_failed{", "connector=\"seed\"", "code=\"286\"", "class=\"history_lost\""];
    assert!(daemon.passes_until(&failed).await <= 1, "the failure within one pass");
    let page = daemon.metrics().await;
    assert!(
        page.contains("connector=\"seed\",rule=\"RG005\",name=\"task_failed\",severity=\"critical\"} 1"),
        "{page}"
    );
    assert!(page.contains("connector_failures_total{connect_cluster=\"main\",connector=\"seed\",code=\"286\",class=\"history_lost\"} 1"));
}
