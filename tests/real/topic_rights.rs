//! The cure of a whole offsets topic on a real broker with TLS, passwords and rights: with exactly what docs/permissions.md says it works, and
//! without one of them the one that is missing is named. What is set on the topic comes back with it.

use crate::offsets_faults::cluster;
use crate::shared::LONG;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{FutureProducer, FutureRecord};
use resumeguard::clock::Clock;
use resumeguard::recovery::whole::{Backup, Head, Standing, WholeTopic};
use std::collections::BTreeMap;
use std::time::Duration;
use xtask::{Account, Acl, Broker, Progress, Seen, wait_until};

const TOPIC: &str = "connect-offsets";
const GROUP: &str = "not-workers";

fn config(broker: &Broker) -> String {
    let (ca, Account { user, password }) = (broker.certificates().unwrap().ca(), Account::KAFKA_MONITOR);
    format!(
        "[connect.main]\nurl = \"http://127.0.0.1:1\"\noffsets = \"topic\"\noffsets_topic = \"{TOPIC}\"\n\
         kafka_bootstrap_servers = \"{}\"\n[connect.main.kafka]\nsecurity_protocol = \"SASL_SSL\"\n\
         sasl_mechanism = \"SCRAM-SHA-512\"\nusername = \"{user}\"\npassword = \"{password}\"\nca_file = \"{}\"\n",
        broker.bootstrap(),
        ca.display()
    )
}

fn client(servers: &str) -> rdkafka::ClientConfig {
    let mut client = rdkafka::ClientConfig::new();
    client.set("bootstrap.servers", servers).set("group.id", GROUP);
    client
}

/// Two connectors' offsets, in a topic with settings of its own.
async fn make(servers: &str) {
    let admin: AdminClient<DefaultClientContext> = client(servers).create().unwrap();
    let topic = NewTopic::new(TOPIC, 5, TopicReplication::Fixed(1))
        .set("cleanup.policy", "compact")
        .set("segment.bytes", "1048576")
        .set("min.compaction.lag.ms", "60000");
    admin.create_topics([&topic], &AdminOptions::new()).await.unwrap()[0].as_ref().unwrap();
    let producer: FutureProducer = client(servers).create().unwrap();
    for name in ["orders", "billing"] {
        let key = format!("[\"{name}\",{{\"ns\":\"mongodb://h/db.c\"}}]");
        let record = FutureRecord::to(TOPIC).partition(3).key(&key).payload("{\"_id\":\"x\"}");
        producer.send(record, LONG).await.unwrap();
    }
}

/// Rights count a moment after they were granted.
async fn until<T>(
    what: &str,
    ask: impl AsyncFn() -> Result<T, String>,
    wanted: impl Fn(&Result<T, String>) -> bool,
) -> Option<T> {
    wait_until(what, LONG, async || {
        let answer = ask().await;
        if wanted(&answer) {
            return Ok(Seen::Yes(answer.ok()));
        }
        Ok(Seen::Not(answer.err().unwrap_or_else(|| "done".to_owned())))
    })
    .await
    .unwrap()
}

async fn refused<T>(right: &str, ask: impl AsyncFn() -> Result<T, String>) {
    until(right, ask, |answer| answer.as_ref().is_err_and(|line| line.contains(right))).await;
}

async fn works<T>(what: &str, ask: impl AsyncFn() -> Result<T, String>) -> T {
    until(what, ask, Result::is_ok).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_topic_is_cured_with_exactly_its_rights_and_one_less_is_named() {
    let _first = rustls::crypto::ring::default_provider().install_default().is_ok();
    let broker = Broker::start("topic-rights", true, &Progress::silent()).await.unwrap();
    let (servers, acls, user) = (broker.internal(), broker.acls(), Account::KAFKA_MONITOR.user);
    make(&servers).await;
    let whole = WholeTopic::of(&cluster(&config(&broker)).0, GROUP, Clock::start()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backup");

    // Read: to look into it, and to keep it.
    refused("grant Describe and Read", async || whole.connectors().await).await;
    acls.allow(&Acl::read_topic(user, TOPIC)).await.unwrap();
    let names = works("the topic to be read", async || whole.connectors().await).await;
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["billing", "orders"]);

    // DescribeConfigs: what is set on it.
    refused("grant DescribeConfigs on the topic", async || whole.settings().await).await;
    assert_eq!(whole.is_compacted().await, None);
    acls.allow(&Acl::describe_configs_of_topic(user, TOPIC)).await.unwrap();
    let settings = works("its settings", async || whole.settings().await).await;
    let set =
        [("cleanup.policy", "compact"), ("min.compaction.lag.ms", "60000"), ("segment.bytes", "1048576")];
    let set: BTreeMap<String, String> = set.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    assert_eq!(settings, set, "and no default of the broker's");
    let head = Head { settings: Some(settings), ..Head::new("main", TOPIC, 1, 1, "it", "it") };
    assert_eq!(whole.back_up(&path, head).await, Ok(2));
    let backup = Backup::read(&path).unwrap().unwrap();
    assert_eq!(backup.head.settings.as_ref(), Some(&set));

    // Describe on the group. One that is somebody else's is told from the workers', which takes the right to see it.
    let member: BaseConsumer = client(&servers).create().unwrap();
    member.subscribe(&[TOPIC]).unwrap();
    let stands = async |wanted: &str| {
        wait_until(wanted, LONG, async || {
            member.poll(Duration::from_millis(50));
            let line = match whole.standing().await {
                Standing::Unknown(line) | Standing::Another(line) | Standing::Up(line) => line,
                Standing::Down => panic!("nobody has seen the workers go down"),
            };
            Ok(if line.contains(wanted) { Seen::Yes(()) } else { Seen::Not(line) })
        })
        .await
        .unwrap();
    };
    stands("Describe on the group").await;
    acls.allow(&Acl::describe_group(user, GROUP)).await.unwrap();
    stands("no group of Kafka Connect's workers").await;
    drop(member);

    // Delete, and to write it back Create and Write.
    refused("grant Delete on the topic", async || whole.delete().await).await;
    assert_eq!(whole.is_as_backed_up(&backup).await, Ok(true), "nothing of it is gone");
    acls.allow(&Acl::delete_topic(user, TOPIC)).await.unwrap();
    works("it to be deleted", async || whole.delete().await).await;
    assert_eq!(whole.ends().await, Ok(None));
    let write_back = async || whole.write_back(&backup, async || Ok(())).await;
    refused("grant Create on the topic", write_back).await;
    assert_eq!(whole.ends().await, Ok(None));
    acls.allow(&Acl::create_topic(user, TOPIC)).await.unwrap();
    refused("grant Write on the topic", write_back).await;
    acls.allow(&Acl::write_topic(user, TOPIC)).await.unwrap();
    works("it to be written back", write_back).await;
    assert_eq!(whole.settings().await, Ok(set), "what was set on it is set again");
    let names = works("it to be read again", async || whole.connectors().await).await;
    assert_eq!(names.len(), 2);
    // There is nothing left to write, and nothing to make.
    acls.revoke(&Acl::create_topic(user, TOPIC)).await.unwrap();
    assert_eq!(works("it to be as it was", write_back).await, 0);
}
