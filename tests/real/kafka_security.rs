//! A real broker with TLS, passwords and rights: with exactly what is documented the topic is read, with one right less
//! it is said which is missing.

use crate::offsets_faults::cluster;
use crate::shared::LONG;
use resumeguard::clock::Clock;
use resumeguard::sources::connect::Client;
use resumeguard::sources::offsets::Offsets;
use std::time::Duration;
use xtask::{Broker, Progress, Secured, Seen, wait_until};

const TOPIC: &str = "connect-offsets";

fn config(secured: &Secured, kafka: &str) -> String {
    format!(
        "[connect.main]\nurl = \"http://127.0.0.1:1\"\noffsets = \"topic\"\noffsets_topic = \"{TOPIC}\"\n\
         kafka_bootstrap_servers = \"{}\"\n[connect.main.kafka]\nsecurity_protocol = \"SASL_SSL\"\n{kafka}",
        secured.bootstrap
    )
}

fn login(secured: &Secured, mechanism: &str, password: &str) -> String {
    let (ca, user) = (secured.ca_file.display(), &secured.user);
    format!(
        "sasl_mechanism = \"{mechanism}\"\nusername = \"{user}\"\npassword = \"{password}\"\nca_file = \"{ca}\"\n"
    )
}

/// Passes until the source says this; `None`: that all is well.
async fn says(toml: &str, words: Option<&str>) -> String {
    let (cluster, poll) = cluster(toml);
    let mut offsets = Offsets::new(&cluster, &poll, &Client::new(&cluster).unwrap());
    follow(&mut offsets, words).await
}

async fn follow(offsets: &mut Offsets, words: Option<&str>) -> String {
    let (clock, offsets) = (Clock::start(), tokio::sync::Mutex::new(offsets));
    wait_until(&format!("{words:?} to be said"), LONG, async || {
        let mut offsets = offsets.lock().await;
        offsets.read(&[], &clock, Duration::from_secs(3)).await;
        let error = offsets.meters().next().unwrap().error.clone();
        let as_wanted = match (&error, words) {
            (None, None) => true,
            (Some(error), Some(words)) => error.contains(words),
            _ => false,
        };
        Ok(if as_wanted { Seen::Yes(error.unwrap_or_default()) } else { Seen::Not(format!("{error:?}")) })
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_the_documented_rights_do_and_one_less_is_named() {
    let _first = rustls::crypto::ring::default_provider().install_default().is_ok();
    let broker = Broker::start_secured("test-secured", &Progress::silent()).await.unwrap();
    let secured = broker.secured().unwrap();
    make(&broker.bootstrap()).await;
    let scram = config(secured, &login(secured, "SCRAM-SHA-512", &secured.password));

    // No right, then the lesser one alone, then what is documented.
    says(&scram, Some("may not see the topic `connect-offsets`: grant Describe and Read")).await;
    broker.acl("add", "DESCRIBE", TOPIC).await.unwrap();
    says(&scram, Some("may not read the topic `connect-offsets`: grant Read")).await;
    broker.acl("add", "READ", TOPIC).await.unwrap();
    says(&scram, None).await;
    broker.acl("remove", "DESCRIBE", TOPIC).await.unwrap();
    says(&scram, None).await;
    let plain = config(secured, &login(secured, "PLAIN", &secured.password));
    says(&plain, None).await;

    // What is wrong with the way there.
    let wrong =
        says(&config(secured, &login(secured, "PLAIN", "wrong-password")), Some("uthentication")).await;
    assert!(!wrong.contains("wrong-password"), "{wrong}");
    let no_ca = login(secured, "PLAIN", &secured.password);
    let no_ca: String =
        no_ca.lines().filter(|line| !line.starts_with("ca_file")).map(|line| format!("{line}\n")).collect();
    says(&config(secured, &no_ca), Some("certificate")).await;

    // Taken away, and the broker gone, while it is followed.
    let (cluster, poll) = cluster(&scram);
    let mut offsets = Offsets::new(&cluster, &poll, &Client::new(&cluster).unwrap());
    follow(&mut offsets, None).await;
    broker.acl("remove", "READ", TOPIC).await.unwrap();
    follow(&mut offsets, Some("grant")).await;
    broker.acl("add", "READ", TOPIC).await.unwrap();
    follow(&mut offsets, None).await;
    broker.stop().unwrap();
    follow(&mut offsets, Some("are the brokers reachable")).await;
    broker.begin().await.unwrap();
    follow(&mut offsets, None).await;
}

async fn make(servers: &str) {
    use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
    let admin: AdminClient<rdkafka::client::DefaultClientContext> =
        rdkafka::ClientConfig::new().set("bootstrap.servers", servers).create().unwrap();
    let topic = NewTopic::new(TOPIC, 5, TopicReplication::Fixed(1)).set("cleanup.policy", "compact");
    admin.create_topics([&topic], &AdminOptions::new()).await.unwrap()[0].as_ref().unwrap();
}
