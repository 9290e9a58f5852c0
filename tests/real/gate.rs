//! `gate` before a real worker is restarted: it names exactly the connectors that then fail, and those that skip.

use crate::daemon::Daemon;
use crate::shared::{LONG, quick};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use xtask::{Progress, Seen, Stack, StackSpec, source_config, wait_until};

/// Names behind a word of `gate`'s lines: `fails: main/orders (lost)`.
fn named(gate: &str, word: &str) -> BTreeSet<String> {
    let of = |line: &str| Some(line.strip_prefix(&format!("{word}: main/"))?.split(' ').next()?.to_owned());
    gate.lines().filter_map(of).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gate_names_exactly_those_that_a_restart_of_the_worker_breaks() {
    let _first = rustls::crypto::ring::default_provider().install_default().is_ok();
    let spec = StackSpec::unique("gate");
    let stack = Stack::start(spec, &Progress::to_stderr()).await.unwrap();
    let names = ["busy", "idle", "beating", "tolerant"];
    let more = |name: &str| match name {
        "beating" => json!({ "heartbeat.interval.ms": "1000" }),
        "tolerant" => json!({ "errors.tolerance": "all" }),
        _ => Value::Null,
    };
    for name in names {
        let more = if more(name).is_null() { json!({}) } else { more(name) };
        let config = source_config(stack.mongod().uri(), &format!("gate.{name}"), &more);
        stack.connect().unwrap().put_config(name, &config).await.unwrap();
    }
    for name in names {
        wait_until(&format!("{name}'s first position"), LONG, async || {
            stack.mongod().insert(&format!("gate.{name}"), mongodb::bson::doc! { "of": name }).await?;
            let stored = stack.connect()?.offsets(name).await?;
            Ok(if stored.is_empty() { Seen::Not("none".to_owned()) } else { Seen::Yes(()) })
        })
        .await
        .unwrap();
    }
    let last = stack.mongod().last().await.unwrap();
    stack.mongod().roll_oplog_past(last).await.unwrap();
    let daemon = Daemon::start(&quick(stack.connect_url().unwrap()));
    // The busy one moves on by an event, the beating one by its heartbeat; nothing moves the others.
    let gate = wait_until("a gate that is settled", LONG, async || {
        stack.mongod().insert("gate.busy", mongodb::bson::doc! { "of": "busy" }).await?;
        let (code, said) = daemon.ask(&["gate", "--duration", "1s"]);
        let settled =
            code == 2 && !said.contains("busy") && !said.contains("beating") && !said.contains("unknown");
        tokio::time::sleep(Duration::from_millis(300)).await;
        Ok(if settled { Seen::Yes(said) } else { Seen::Not(said) })
    })
    .await
    .unwrap();
    assert_eq!(
        (named(&gate, "fails"), named(&gate, "skips")),
        (set(&["idle"]), set(&["tolerant"])),
        "{gate}"
    );

    stack.stop_worker(0).unwrap();
    stack.start_worker(0).await.unwrap();
    let connect = stack.connect().unwrap();
    connect.wait_until("idle", LONG, |status| status.failed_with(286)).await.unwrap();
    for name in ["busy", "beating", "tolerant"] {
        connect.wait_until(name, LONG, |status| status.all("RUNNING")).await.unwrap();
    }
    let lost = ["connector_finding{", "connector=\"tolerant\"", "rule=\"RG008\""];
    daemon.passes_until(&lost).await;
    let losses = daemon.metrics().await;
    let lost: Vec<&str> = losses
        .lines()
        .filter(|line| line.contains("history_losses_total{") && !line.ends_with(" 0"))
        .collect();
    assert!(
        matches!(lost[..], [one] if one.contains("connector=\"tolerant\",cause=\"tolerated\"} 1")),
        "{lost:?}"
    );
}
