//! A newcomer's path: every command of the quick start, run as a reader would, on an empty home and a real stack.

use crate::console::{Part, Shell, parts};
use crate::shared::{LONG, Shared, nothing};
use std::process::Command;
use xtask::{Seen, source_config, wait_until};

const PAGE: &str = "docs/guide/quickstart.md";
const NAMESPACE: &str = "shop.orders";

/// Passes and flushes that nobody has to wait for; the page speaks of the defaults.
const QUICK: [(&str, &str); 4] = [
    ("RESUMEGUARD__POLL__INTERVAL", "1s"),
    ("RESUMEGUARD__POLL__OFFSET_FLUSH", "2s"),
    ("RESUMEGUARD__POLL__SIZES_EVERY", "1s"),
    ("RESUMEGUARD__RECOVERY__STABLE_FOR", "2s"),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_quick_start_is_what_happens() {
    let shared = Shared::take().await;
    let (connect, mongod) = (shared.connect(), shared.stack.mongod());
    let config = source_config(mongod.uri(), NAMESPACE, &nothing());
    connect.put_config("orders", &config).await.unwrap();
    connect.wait_until("orders", LONG, |status| status.all("RUNNING")).await.unwrap();
    let begun = mongod.last().await.unwrap();
    wait_until("a first position", LONG, async || {
        mongod.insert(NAMESPACE, mongodb::bson::doc! { "of": "newcomer" }).await?;
        let stored = connect.offsets("orders").await?.iter().any(|offset| offset.time() > Some(begun));
        Ok(if stored { Seen::Yes(()) } else { Seen::Not("none".to_owned()) })
    })
    .await
    .unwrap();
    let [port] = xtask::free_ports().unwrap();
    let (listen, host) =
        (format!("127.0.0.1:{port}"), connect.url().trim_start_matches("http://").to_owned());
    let instead = [("127.0.0.1:8083", host.trim_end_matches('/')), ("127.0.0.1:9286", listen.as_str())];
    let page = std::fs::read_to_string(format!("{}/{PAGE}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let parts = parts(&page, Some("stack"));
    let commands = parts.iter().filter(|part| matches!(part, Part::Command(..))).count();
    assert!(commands > 12, "{commands}");
    let mut shell = Shell::start(&instead, &QUICK);
    for part in &parts {
        match part {
            Part::Meanwhile(words) => meanwhile(words, &shared, &mut shell).await,
            Part::File(..) | Part::Command(..) => tokio::task::block_in_place(|| shell.take(part)),
        }
    }
}

/// What the page says that happens, or waits for.
async fn meanwhile(words: &str, shared: &Shared, shell: &mut Shell) {
    match words {
        "the oplog rolls past the position" => {
            shared.connect().wait_until("orders", LONG, |status| status.tasks.is_empty()).await.unwrap();
            let mongod = shared.stack.mongod();
            mongod.roll_oplog_past(mongod.last().await.unwrap()).await.unwrap();
            said(shell, "resumeguard --config resumeguard.toml status", "lost ").await;
        }
        "there is a plan" => {
            said(shell, "resumeguard --config resumeguard.toml recovery plan orders", "awaits approval\n")
                .await;
        }
        "the connector runs" => {
            shared.connect().wait_until("orders", LONG, |status| status.all("RUNNING")).await.unwrap();
            said(shell, "resumeguard --config resumeguard.toml explain orders", "on restart    resumes")
                .await;
        }
        other => panic!("{PAGE}: {other:?}"),
    }
}

/// Asks until it says so.
async fn said(shell: &mut Shell, command: &str, text: &str) {
    wait_until(text, LONG, async || {
        let (_, said) = tokio::task::block_in_place(|| shell.run(command));
        Ok(if said.contains(text) { Seen::Yes(()) } else { Seen::Not(said) })
    })
    .await
    .unwrap();
}

/// What the pages' commands need beside the program.
#[test]
fn the_tools_of_the_pages_are_there() {
    for tool in ["bash", "curl", "grep"] {
        assert!(
            Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success()),
            "{tool}"
        );
    }
}
