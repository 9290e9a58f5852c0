//! What `cargo xtask bench-topic` measures: an offsets topic is made and filled (`fill`), and read to its end in the
//! way the daemon does (`replay`; `check` looks at what came of it as well). Each prints one line of JSON.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a measurement, started by xtask"
)]

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::types::RDKafkaErrorCode;
use resumeguard::clock::Clock;
use resumeguard::config::{Sources, load};
use resumeguard::sources::connect::{Client, Listed};
use resumeguard::sources::offsets::Offsets;
use resumeguard_core::domain::ConnectorState;
use std::collections::BTreeMap;
use std::time::Duration;

/// As many as Connect makes by default.
const PARTITIONS: i32 = 25;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["fill", servers, topic, records, keys] => {
            fill(servers, topic, records.parse().unwrap(), keys.parse().unwrap()).await;
        }
        ["replay", servers, topic] => drop(replay(servers, topic).await),
        ["check", servers, topic, records, keys] => {
            check(servers, topic, records.parse().unwrap(), keys.parse().unwrap()).await;
        }
        _ => panic!(
            "fill SERVERS TOPIC RECORDS KEYS | replay SERVERS TOPIC | check SERVERS TOPIC RECORDS KEYS"
        ),
    }
}

/// Records as a MongoDB source connector's worker writes them.
async fn fill(servers: &str, topic: &str, records: u64, keys: u64) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", servers);
    let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
    let new = NewTopic::new(topic, PARTITIONS, TopicReplication::Fixed(1)).set("cleanup.policy", "compact");
    admin.create_topics(&[new], &AdminOptions::new()).await.unwrap()[0].as_ref().unwrap();
    // As Connect's producers, which compress nothing unless they are told to.
    let producer: BaseProducer =
        config.set("linger.ms", "5").set("queue.buffering.max.messages", "200000").create().unwrap();
    for record in 0..records {
        let name = connector(record % keys);
        let key = format!(r#"["{name}",{{"ns":"mongodb://127.0.0.1:27101,127.0.0.1:27102/shop.{name}"}}]"#);
        let value = serde_json::json!({ "_id": token(record) }).to_string();
        loop {
            match producer.send(BaseRecord::to(topic).key(&key).payload(&value)) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                    producer.poll(Duration::from_millis(10));
                }
                Err((error, _)) => panic!("{error}"),
            }
        }
    }
    producer.flush(Duration::from_secs(120)).unwrap();
    println!(r#"{{"records":{records}}}"#);
}

fn connector(key: u64) -> String {
    format!("orders-{key:05}")
}

/// As it is stored with that record.
fn token(record: u64) -> String {
    let (seconds, within) = (0x6B03_B4EA + record / 1_000, record % 1_000);
    format!(
        r#"{{"_data": "82{seconds:08X}{within:08X}2B042C0100296E5A1004BBCFDF90907247ABA61D94DF01D76200461E5F6964002B020804"}}"#
    )
}

/// From nothing to caught up, and what it took.
async fn replay(servers: &str, topic: &str) -> (Offsets, Clock) {
    let _first = rustls::crypto::ring::default_provider().install_default().is_ok();
    let environment = [
        ("RESUMEGUARD__CONNECT__MAIN__URL", "http://127.0.0.1:1"),
        ("RESUMEGUARD__CONNECT__MAIN__OFFSETS", "topic"),
        ("RESUMEGUARD__CONNECT__MAIN__OFFSETS_TOPIC", topic),
        ("RESUMEGUARD__CONNECT__MAIN__KAFKA_BOOTSTRAP_SERVERS", servers),
    ];
    let environment = environment.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let (_, config) = load(&Sources { environment, ..Sources::default() }).unwrap();
    let client = Client::new(&config.connect[0]).unwrap();
    let clock = Clock::start();
    let begun = clock.uptime();
    let mut offsets = Offsets::new(&config.connect[0], &config.poll, &client);
    loop {
        offsets.read(&[], &clock, Duration::from_secs(5)).await;
        let meter = offsets.meters().next().unwrap();
        match &meter.error {
            None => break,
            Some(error) => assert!(error.contains("from its beginning"), "{error}"),
        }
        // Whoever asks more often only disturbs.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let seconds = (clock.uptime() - begun).as_secs_f64();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak_kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    println!(r#"{{"seconds":{seconds},"peak_kib":{peak_kib}}}"#);
    (offsets, clock)
}

/// The same, and what was written last is what is known: a reader that folds nothing would be fast.
async fn check(servers: &str, topic: &str, records: u64, keys: u64) {
    let (mut offsets, clock) = replay(servers, topic).await;
    let some = [0, keys / 2, keys - 1];
    let listed: Vec<Listed> = some.iter().map(|key| listed(connector(*key))).collect();
    let asked = clock.uptime();
    offsets.read(&listed, &clock, Duration::from_secs(5)).await;
    for key in some {
        let last = key + keys * ((records - 1 - key) / keys);
        let known = offsets.of(&connector(key), asked, Duration::from_secs(60)).unwrap();
        let texts: Vec<_> = known.entries.iter().map(|entry| entry.text.clone()).collect();
        assert_eq!(texts, [Some(token(last))], "{}", connector(key));
    }
}

fn listed(name: String) -> Listed {
    let class = "com.mongodb.kafka.connect.MongoSourceConnector".to_owned();
    let (state, config) = (ConnectorState::Running, BTreeMap::new());
    Listed { name, class, version: None, state, failure: None, tasks: vec![], config }
}
