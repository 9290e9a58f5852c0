//! A real standalone worker: its file says what its REST says, before and while it is down, and Java reads what we write.

use crate::shared::{LONG, Shared, nothing, quick};
use mongodb::bson::doc;
use resumeguard::clock::Clock;
use resumeguard::config;
use resumeguard::sources::Observer;
use resumeguard_core::domain::{ConnectorFacts, Facts, JavaMap, OffsetsFrom, Why};
use serde_json::{Value, json};
use std::path::Path;
use xtask::{Need, Progress, Standalone};

const UNICODE: &str = "ü \"\u{1F6D2}\"";

fn observer(url: &str, more: &str) -> Observer {
    let toml = quick(url).replace("[poll]", &format!("{more}\n[poll]"));
    let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    std::fs::write(file.path(), toml).unwrap();
    let sources = config::Sources { files: vec![file.path().to_owned()], ..Default::default() };
    Observer::new(&config::load(&sources).unwrap().1).unwrap()
}

fn of<'a>(facts: &'a Facts, name: &str) -> &'a ConnectorFacts {
    facts.connectors.iter().find(|found| found.id.connector == name).unwrap()
}

fn token(facts: &Facts, name: &str) -> String {
    of(facts, name).position().unwrap_or_else(|| panic!("{:?}", of(facts, name))).token.clone()
}

/// A worker of its own, with connectors that have stored something.
pub(crate) async fn worker(shared: &Shared, names: &[&str]) -> Standalone {
    let namespace = |name: &str| format!("standalone.c{}", name.len());
    let configs: Vec<(&str, Value)> = names
        .iter()
        .map(|name| (*name, xtask::source_config(shared.stack.mongod().uri(), &namespace(name), &nothing())))
        .collect();
    let configs: Vec<(&str, &Value)> = configs.iter().map(|(name, config)| (*name, config)).collect();
    let worker = Standalone::start(shared.stack.kafka_bootstrap().unwrap(), &configs).await.unwrap();
    for name in names {
        worker.connect().wait_until(name, LONG, |status| status.all("RUNNING")).await.unwrap();
        xtask::wait_until("a position", LONG, async || {
            shared.stack.mongod().insert(&namespace(name), doc! { "of": *name }).await?;
            let stored = worker.connect().offsets(name).await?;
            Ok(if stored.is_empty() { xtask::Seen::Not("none".to_owned()) } else { xtask::Seen::Yes(()) })
        })
        .await
        .unwrap();
    }
    worker
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_says_what_rest_says_and_goes_on_while_the_worker_is_down() {
    let shared = Shared::take().await;
    let worker = worker(&shared, &["orders", UNICODE]).await;
    let (url, path) = (worker.connect().url().to_owned(), worker.offsets_file());
    let by_file = format!("offsets = \"file\"\noffsets_file = \"{}\"", path.display());
    let (clock, mut file, mut rest) =
        (Clock::start(), observer(&url, &by_file), observer(&url, "offsets = \"rest\""));

    // The last flush may come in between: the same by both in the end, byte for byte.
    xtask::wait_until("the same position by both", LONG, async || {
        let (ours, theirs) = (file.observe(&clock).await, rest.observe(&clock).await);
        let same = ["orders", UNICODE].iter().all(|name| token(&ours, name) == token(&theirs, name));
        Ok(if same { xtask::Seen::Yes(()) } else { xtask::Seen::Not("they differ".to_owned()) })
    })
    .await
    .unwrap();
    let ours = file.observe(&clock).await;
    assert_eq!(of(&ours, UNICODE).offsets_from, Some(OffsetsFrom::File));
    assert_eq!(of(&rest.observe(&clock).await, UNICODE).offsets_from, Some(OffsetsFrom::Rest));
    let bytes = std::fs::read(&path).unwrap();
    let map = JavaMap::parse(&bytes).unwrap();
    assert_eq!(map.to_bytes().unwrap(), bytes, "what Java wrote is what we write");
    for name in ["orders", UNICODE] {
        let body = reqwest::get(offsets_url(&url, name)).await.unwrap().text().await.unwrap();
        let body: Value = serde_json::from_str(&body).unwrap();
        let found = map.entries().iter().find_map(|(key, value)| {
            let (connector, partition): (String, Value) = serde_json::from_slice((*key)?).ok()?;
            let offset: Value = serde_json::from_slice((*value)?).ok()?;
            (connector == name).then_some(json!({ "partition": partition, "offset": offset }))
        });
        assert_eq!(body["offsets"], json!([found.unwrap()]));
    }

    // While it is down, its file still tells, and what it does is not known.
    worker.stop().unwrap();
    let down = file.observe(&clock).await;
    assert_eq!(of(&down, "orders").state, Err(Why::ConnectUnreadable));
    assert!(of(&down, "orders").position().is_some() && of(&down, "orders").deployment.is_ok());
    assert!(rest.observe(&clock).await.connectors.iter().all(|found| found.offset.is_err()));
    // Who comes to it then knows their names, and nothing else.
    let stranger = observer(&url, &by_file).observe(&clock).await;
    assert_eq!(of(&stranger, UNICODE).state, Err(Why::ConnectUnreadable));
    assert_eq!(of(&stranger, "orders").offset, Err(Why::ConnectUnreadable));
    // Cut off, it is unknown: never "nothing stored", which is what the worker would take it for.
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let cut = observer(&url, &by_file).observe(&clock).await;
    let source = cut.sources.iter().find(|source| source.source == "offsets_file").unwrap();
    assert!(source.error.as_ref().unwrap().contains("finds no position at all"), "{source:?}");

    // Edited, Kafka Connect reads exactly what was written.
    let key = map.entries().iter().find_map(|(key, _)| key.filter(|key| key.starts_with(b"[\"orders\"")));
    let edited = map.replaced(key.unwrap(), None).unwrap().to_bytes().unwrap();
    std::fs::write(&path, &edited).unwrap();
    java_reads(&path, &edited).await;
    worker.start_again().await.unwrap();
    worker.connect().wait_until("orders", LONG, |status| status.all("RUNNING")).await.unwrap();
    let kept = token(&ours, UNICODE);
    let after = rest.observe(&clock).await;
    assert_eq!(token(&after, UNICODE), kept, "the other connector's is untouched");
    assert_eq!(of(&after, "orders").offset, Err(Why::NoPosition));
}

fn offsets_url(url: &str, name: &str) -> reqwest::Url {
    let mut url = reqwest::Url::parse(url).unwrap();
    url.path_segments_mut().unwrap().extend(["connectors", name, "offsets"]);
    url
}

/// A JVM reads the file as Kafka Connect does, and tells what it has found.
async fn java_reads(path: &Path, bytes: &[u8]) {
    xtask::ensure(&[Need::Jdk], &Progress::silent()).await.unwrap();
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/OffsetsFile.java");
    let output = tokio::process::Command::new("java").arg(program).arg(path).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut told: Vec<String> =
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    let hex = |bytes: Option<&[u8]>| {
        bytes.map_or("null".to_owned(), |bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    };
    let map = JavaMap::parse(bytes).unwrap();
    let mut ours: Vec<String> =
        map.entries().iter().map(|(key, value)| format!("{} {}", hex(*key), hex(*value))).collect();
    told.sort();
    ours.sort();
    assert_eq!(told, ours);
}
