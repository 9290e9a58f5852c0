//! A real scrape: Prometheus' own tool accepts it, and what is gone leaves nothing behind.

use crate::daemon::Daemon;
use crate::shared::{Shared, nothing, quick};
use std::io::Write;
use std::process::{Command, Stdio};

#[tokio::test]
async fn promtool_accepts_the_page_and_a_deleted_connectors_series_are_gone_at_the_next_pass() {
    let shared = Shared::take().await;
    shared.connector("kept", nothing()).await;
    shared.connector("short-lived \"ü🛒\" name", nothing()).await;
    let daemon = Daemon::start(&quick(shared.connect().url()));
    let safe = ["connector_verdict{", "short-lived \\\"ü🛒\\\" name", "verdict=\"unknown\"", "} 0"];
    daemon.passes_until(&safe).await;
    promtool_check(&daemon.metrics().await);

    shared.connect().delete("short-lived \"ü🛒\" name").await.unwrap();
    let deleted_at = daemon.passes().await;
    xtask::wait_until("a pass after the deletion", crate::shared::LONG, async || {
        let passes = daemon.passes().await;
        // The next to end may have listed before.
        Ok(if passes >= deleted_at + 2 { xtask::Seen::Yes(()) } else { xtask::Seen::Not(passes.to_string()) })
    })
    .await
    .unwrap();
    let page = daemon.metrics().await;
    assert!(!page.contains("short-lived"), "{page}");
    assert!(page.contains("connector=\"kept\""), "{page}");
    promtool_check(&page);
}

/// Exit status 0 and not a word: `promtool` also fails on what it only advises against.
fn promtool_check(page: &str) {
    let promtool = std::env::var_os("RESUMEGUARD_PROMTOOL").expect("run `cargo xtask test`");
    let mut child = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    // Which `promtool` does not look for.
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    let mut series: Vec<&str> =
        lines.filter_map(|line| line.rsplit_once(' ')).map(|(series, _)| series).collect();
    series.sort_unstable();
    assert!(series.windows(2).all(|pair| pair[0] != pair[1]), "a series stands twice: {page}");
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.trim().is_empty(), "{said}\n{page}");
}
