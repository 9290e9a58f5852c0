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

fn config(broker: &Broker, kafka: &str) -> String {
    format!(
        "[connect.main]\nurl = \"http://127.0.0.1:1\"\noffsets = \"topic\"\noffsets_topic = \"{TOPIC}\"\n\
         kafka_bootstrap_servers = \"{}\"\n[connect.main.kafka]\nsecurity_protocol = \"SASL_SSL\"\n{kafka}",
        broker.bootstrap()
    )
}

fn login(broker: &Broker, mechanism: &str, password: &str) -> String {
    let (ca, user) = (broker.certificates().unwrap().ca(), Account::KAFKA_MONITOR.user);
    let ca = ca.display();
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
    let broker = Broker::start("test-secured", true, &Progress::silent()).await.unwrap();
    make(&broker.internal()).await;
    let (acls, Account { user, password }) = (broker.acls(), Account::KAFKA_MONITOR);
    let (read, describe) = (Acl::read_topic(user, TOPIC), Acl::describe_topic(user, TOPIC));
    let scram = config(&broker, &login(&broker, "SCRAM-SHA-512", password));

    // No right, then the lesser one alone, then what is documented.
    says(&scram, Some("may not see the topic `connect-offsets`: grant Describe and Read")).await;
    acls.allow(&describe).await.unwrap();
    says(&scram, Some("may not read the topic `connect-offsets`: grant Read")).await;
    acls.allow(&read).await.unwrap();
    says(&scram, None).await;
    acls.revoke(&describe).await.unwrap();
    says(&scram, None).await;
    let plain = config(&broker, &login(&broker, "PLAIN", password));
    says(&plain, None).await;

    // What is wrong with the way there.
    let wrong =
        says(&config(&broker, &login(&broker, "PLAIN", "wrong-password")), Some("uthentication")).await;
    assert!(!wrong.contains("wrong-password"), "{wrong}");
    let no_ca = login(&broker, "PLAIN", password);
    let no_ca: String =
        no_ca.lines().filter(|line| !line.starts_with("ca_file")).map(|line| format!("{line}\n")).collect();
    says(&config(&broker, &no_ca), Some("certificate")).await;

    // Taken away, and the broker gone, while it is followed.
    let (cluster, poll) = cluster(&scram);
    let mut offsets = Offsets::new(&cluster, &poll, &Client::new(&cluster).unwrap());
    follow(&mut offsets, None).await;
    acls.revoke(&read).await.unwrap();
    follow(&mut offsets, Some("grant")).await;
    acls.allow(&read).await.unwrap();
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
