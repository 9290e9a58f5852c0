//! From a token that is really lost to the message on somebody's pager, and to the one that it is over: real Prometheus with our
//! rules, real Alertmanager with our routes.
//!
//! Waiting times are cut, in copies: nobody waits two minutes for a test. Expressions, labels, words, routes and inhibition are
//! those of the files; that the times are right is `dashboards/prometheus/tests`' to show.

use crate::daemon::Daemon;
use crate::rules::prometheus_folder;
use crate::shared::{LONG, Shared, nothing, quick};
use axum::extract::{Json, State};
use axum::http::Uri;
use serde_json::Value;
use std::sync::{Arc, Mutex};
use xtask::{Alertmanager, Cache, Progress, Prometheus, Roster, Seen, Stopwatch, wait_until};

/// What Alertmanager delivers: one alert of a notification, and to whom.
#[derive(Debug, Clone)]
struct Told {
    receiver: String,
    alert: Value,
}

/// What is said of a position that is gone.
const LOST: [&str; 2] = ["ResumeguardFailedHistoryLost", "ResumeguardPositionLost"];

/// Where the notifications go.
#[derive(Clone, Default)]
struct Pager(Arc<Mutex<Vec<Told>>>);

impl Pager {
    /// Takes whatever is posted to it from now on; returns its address.
    async fn listen(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let router = axum::Router::new().fallback(notified).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        address
    }

    fn all(&self) -> Vec<Told> {
        self.0.lock().unwrap().clone()
    }

    /// What was said last of that alert about that connector.
    fn last(&self, name: &str, connector: &str) -> Option<Value> {
        let all = self.all();
        let of_it = |told: &&Told| {
            let labels = &told.alert["labels"];
            labels["alertname"] == name && labels["connector"] == connector
        };
        all.iter().rev().find(of_it).map(|told| told.alert["status"].clone())
    }

    /// Waits until an alert of that name about that connector, if it names one, was delivered in that state.
    async fn hears(&self, name: &str, connector: &str, status: &str) -> Told {
        wait_until(&format!("{name} {status}"), LONG, async || {
            let all = self.all();
            let found = all.iter().find(|told| {
                let labels = &told.alert["labels"];
                labels["alertname"] == name
                    && labels["connector"].as_str().is_none_or(|named| named == connector)
                    && told.alert["status"] == status
            });
            Ok(found.map_or_else(|| Seen::Not(summary(&all)), |told| Seen::Yes(told.clone())))
        })
        .await
        .unwrap()
    }
}

async fn notified(State(pager): State<Pager>, uri: Uri, Json(message): Json<Value>) {
    let alerts = message["alerts"].as_array().cloned().unwrap_or_default();
    let receiver = uri.path().trim_start_matches('/').to_owned();
    let told = alerts.into_iter().map(|alert| Told { receiver: receiver.clone(), alert });
    pager.0.lock().unwrap().extend(told);
}

fn summary(all: &[Told]) -> String {
    let line = |told: &Told| {
        format!("{} {} {}", told.receiver, told.alert["labels"]["alertname"], told.alert["status"])
    };
    all.iter().map(line).collect::<Vec<_>>().join(", ")
}

/// Every waiting time of the rules but 1 s.
fn hurried(rules: &str) -> String {
    let cut = |line: &str| match line.trim_start().split_once(": ") {
        Some((key @ ("for" | "keep_firing_for"), _)) => {
            format!("{}{key}: 1s", &line[..line.len() - line.trim_start().len()])
        }
        _ => line.to_owned(),
    };
    rules.lines().map(cut).collect::<Vec<_>>().join("\n")
}

fn replaced(text: &str, pairs: &[(&str, &str)]) -> String {
    pairs.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from} is not in the example any more");
        text.replace(from, to)
    })
}

/// Prometheus and Alertmanager with our files; both end with the roster.
async fn monitored(roster: &Roster, daemon: &Daemon, pager: &str) -> Prometheus {
    let (tools, progress) = (Cache::from_environment().unwrap().tools(), Progress::silent());
    let read = |path: &str| std::fs::read_to_string(prometheus_folder().join(path)).unwrap();
    let routes = replaced(
        &read("../alertmanager/alertmanager.yaml"),
        &[
            ("group_wait: 30s", "group_wait: 1s"),
            ("group_wait: 10s", "group_wait: 1s"),
            ("group_interval: 5m", "group_interval: 2s"),
            ("127.0.0.1:9099", pager),
        ],
    );
    let program = xtask::alertmanager(&tools, &progress).await.unwrap();
    let alertmanager = Alertmanager::start(roster, &program, &routes).await.unwrap();
    std::fs::write(roster.folder().join("resumeguard.rules.yaml"), hurried(&read("resumeguard.rules.yaml")))
        .unwrap();
    let config = replaced(
        &read("prometheus.yaml"),
        &[
            ("scrape_interval: 15s", "scrape_interval: 1s"),
            ("evaluation_interval: 15s", "evaluation_interval: 1s"),
            ("127.0.0.1:9093", alertmanager.url.trim_start_matches("http://")),
            ("127.0.0.1:9286", &daemon.address),
        ],
    );
    let program = xtask::prometheus(&tools, &progress).await.unwrap();
    Prometheus::start(roster, &program, &config).await.unwrap()
}

/// What Prometheus has evaluated of our rules without an error.
async fn rules_that_work(prometheus: &Prometheus) -> (usize, Vec<Value>) {
    let answer = reqwest::get(format!("{}/api/v1/rules", prometheus.url))
        .await
        .unwrap()
        .json::<Value>()
        .await
        .unwrap();
    let groups = answer["data"]["groups"].as_array().unwrap().clone();
    let rules: Vec<Value> =
        groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect();
    let bad = rules.iter().filter(|rule| rule["health"] != "ok").cloned().collect();
    (rules.len(), bad)
}

/// Whoever is woken up is told which, where, and what to do.
#[track_caller]
fn on_call_knows(told: &Told, name: &str, deployment: &str) {
    assert_eq!(told.receiver, "on-call", "{told:?}");
    let labels = &told.alert["labels"];
    assert_eq!(labels["deployment"], *deployment, "{told:?}");
    assert_eq!(labels["severity"], "critical");
    let annotations = &told.alert["annotations"];
    assert!(
        annotations["description"].as_str().unwrap().contains(&format!("resumeguard recovery plan {name}")),
        "{annotations}"
    );
    assert!(
        annotations["runbook_url"].as_str().unwrap().ends_with("/ResumeguardFailedHistoryLost.md"),
        "{annotations}"
    );
}

/// As the runbook says.
async fn salvage(shared: &Shared, state: &std::path::Path, name: &str) {
    let socket = format!("[recovery]\ndirectory = {:?}\n", state);
    let file = state.join("ask.toml");
    std::fs::write(&file, quick(shared.connect().url()) + &socket).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_resumeguard"));
    command.arg("--config").arg(&file);
    command.args([
        "recovery",
        "run",
        name,
        "--strategy",
        "salvage",
        "--reason",
        "ResumeguardFailedHistoryLost",
    ]);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    crate::leaks::Leaks::of_file(&file).none_in("recovery run", &said);
    assert!(output.status.success(), "{said}");
}

/// Until its task has failed of it. First it is lost, and told so, while it is paused.
async fn lose(shared: &Shared, pager: &Pager, name: &str) {
    let (connect, mongod) = (shared.connect(), shared.stack.mongod());
    connect.pause(name).await.unwrap();
    connect.wait_until(name, LONG, |status| status.all("PAUSED")).await.unwrap();
    mongod.roll_oplog_past(mongod.last().await.unwrap()).await.unwrap();
    pager.hears("ResumeguardPositionLost", name, "firing").await;
    connect.restart(name).await.unwrap();
    connect.resume(name).await.unwrap();
    connect.wait_until(name, LONG, |status| status.failed_with(286)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_token_reaches_the_pager_and_so_does_its_recovery() {
    let shared = Shared::take().await;
    // Not one of an earlier run, whose offsets would be found.
    let name = &format!("paged-{}", std::process::id());
    shared.connector(name, nothing()).await;
    let state = tempfile::tempdir().unwrap();
    let config = quick(shared.connect().url()).replace("[poll]", "managed_by = \"none\"\n[poll]");
    let recovery =
        format!("[recovery]\nmode = \"approve\"\ndirectory = {:?}\nstable_for = \"3s\"\n", state.path());
    let daemon = Daemon::start(&(config + &recovery));
    daemon
        .passes_until(&["connector_verdict{", &format!("connector=\"{name}\""), "verdict=\"unknown\"", "} 0"])
        .await;
    let roster = Roster::claim_unique(&Cache::from_environment().unwrap(), "alerts").unwrap();
    let pager = Pager::default();
    let prometheus = monitored(&roster, &daemon, &pager.listen().await).await;
    wait_until("the first evaluation", LONG, async || {
        let seen =
            prometheus.query(&format!("resumeguard:connector_verdict:info{{connector=\"{name}\"}}")).await?;
        Ok(if seen.is_empty() { Seen::Not("no recording".to_owned()) } else { Seen::Yes(()) })
    })
    .await
    .unwrap();
    let (rules, bad) = rules_that_work(&prometheus).await;
    assert!(rules >= 20 && bad.is_empty(), "{rules} rules; {bad:?}");
    let deployment =
        prometheus.query(&format!("resumeguard_connector_info{{connector=\"{name}\"}}")).await.unwrap();

    let clock = Stopwatch::start();
    lose(&shared, &pager, name).await;
    let failed_at = clock.elapsed();
    let told = pager.hears("ResumeguardFailedHistoryLost", name, "firing").await;
    println!(
        "from 286 to the pager: {:.1} s (2 s passes, 1 s for all else)",
        (clock.elapsed() - failed_at).as_secs_f64()
    );
    on_call_knows(&told, name, &deployment[0].labels["deployment"]);
    // The first of the two took itself back when the second came.
    pager.hears("ResumeguardPositionLost", name, "resolved").await;
    // The plan that would help waits for a person: a ticket.
    assert_eq!(pager.hears("ResumeguardRecoveryAwaitsApproval", name, "firing").await.receiver, "tickets");
    let over = |told: &Told| {
        told.alert["labels"]["alertname"] == "ResumeguardFailedHistoryLost"
            && told.alert["status"] == "resolved"
    };
    assert!(!pager.all().iter().any(over), "it is not over before it is");

    salvage(&shared, state.path(), name).await;
    let recovered_at = clock.elapsed();
    // While it was stopped for it, it was lost and not failed: both are over.
    wait_until("all of it to be over", LONG, async || {
        let firing = prometheus.firing().await?;
        let firing = firing.iter().any(|sample| LOST.contains(&sample.labels["alertname"].as_str()));
        let over =
            LOST.iter().all(|alert| pager.last(alert, name).is_some_and(|status| status == "resolved"));
        Ok(if over && !firing { Seen::Yes(()) } else { Seen::Not(summary(&pager.all())) })
    })
    .await
    .unwrap();
    println!(
        "from the end of the recovery to the last message that it is over: {:.1} s",
        clock.elapsed().saturating_sub(recovered_at).as_secs_f64()
    );
    shared.connect().wait_until(name, LONG, |status| status.all("RUNNING")).await.unwrap();
    let names = pager.all().iter().map(|told| told.alert["labels"]["alertname"].clone()).collect::<Vec<_>>();
    // Others are told as well, with their waits cut; but the watcher was never gone.
    assert!(!names.contains(&"ResumeguardTargetDown".into()), "{names:?}");
    println!("{}", summary(&pager.all()));
}

/// Alertmanager itself, with our example as it stands: what it holds back, and whom it would tell of the rest.
#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_in_danger_is_one_page_and_hides_nothing_else() {
    let _first = rustls::crypto::ring::default_provider().install_default().is_ok();
    let cache = Cache::from_environment().unwrap();
    let roster = Roster::claim_unique(&cache, "routes").unwrap();
    let program = xtask::alertmanager(&cache.tools(), &Progress::silent()).await.unwrap();
    let example =
        std::fs::read_to_string(prometheus_folder().join("../alertmanager/alertmanager.yaml")).unwrap();
    let alertmanager = Alertmanager::start(&roster, &program, &example).await.unwrap();
    let url = format!("{}/api/v2/alerts", alertmanager.url);
    // Name, severity, deployment; then whether it is held back, and who is told.
    let cases = [
        ("ResumeguardDeploymentInDanger", "critical", "rs0", "active", "on-call"),
        ("ResumeguardFailedHistoryLost", "critical", "rs0", "suppressed", "on-call"),
        ("ResumeguardPositionLost", "critical", "rs0", "suppressed", "on-call"),
        ("ResumeguardOutageBudgetLow", "critical", "rs0", "suppressed", "on-call"),
        ("ResumeguardLostWhileRunning", "warning", "rs0", "active", "tickets"),
        ("ResumeguardHistorySkipped", "critical", "rs0", "active", "on-call"),
        ("ResumeguardErrorsTolerated", "warning", "rs0", "suppressed", "tickets"),
        ("ResumeguardFailedHistoryLost", "critical", "other", "active", "on-call"),
        ("ResumeguardOutageBudgetLow", "warning", "other", "active", "tickets"),
    ];
    let alerts: Vec<Value> = cases
        .iter()
        .map(|(name, severity, deployment, ..)| {
            let connector = (*name != "ResumeguardDeploymentInDanger").then_some("orders");
            serde_json::json!({ "labels": {
                "alertname": name, "severity": severity, "job": "resumeguard", "deployment": deployment,
                "connect_cluster": if *deployment == "rs0" { "main" } else { "second" },
                "connector": connector.unwrap_or_default(),
            } })
        })
        .collect();
    let http = reqwest::Client::new();
    http.post(&url).json(&alerts).send().await.unwrap().error_for_status().unwrap();
    let told =
        |held: &[Value], (name, severity, deployment, state, receiver): (&str, &str, &str, &str, &str)| {
            held.iter().any(|alert| {
                let (labels, receivers) = (&alert["labels"], &alert["receivers"]);
                labels["alertname"] == name
                    && labels["severity"] == severity
                    && labels["deployment"] == deployment
                    && alert["status"]["state"] == state
                    && receivers.as_array().is_some_and(|all| all.len() == 1)
                    && receivers[0]["name"] == receiver
            })
        };
    wait_until("routes and inhibition", LONG, async || {
        let held: Vec<Value> = http.get(&url).send().await?.json().await?;
        let missing: Vec<_> = cases.iter().filter(|case| !told(&held, **case)).collect();
        Ok(if missing.is_empty() { Seen::Yes(()) } else { Seen::Not(format!("{missing:?} in {held:?}")) })
    })
    .await
    .unwrap();
}
