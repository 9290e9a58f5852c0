//! What may become of an offsets topic while it is followed, on a real broker: nothing of it may leave a stale number.

use crate::election::watch;
use crate::offsets_topic::stop;
use crate::shared::{LONG, Shared, nothing, quick};
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use resumeguard::clock::Clock;
use resumeguard::config::{ConnectCluster, Sources, load};
use resumeguard::sources::connect::{Client, Listed};
use resumeguard::sources::offsets::Offsets;
use resumeguard_core::domain::{ConnectorState, Observed, Verdict, Why};
use std::collections::BTreeMap;
use std::time::Duration;
use xtask::{Seen, wait_until};

const PASS: Duration = Duration::from_secs(5);

/// A topic of offsets that a test writes itself, and what is read of it.
pub(crate) struct Topic {
    admin: AdminClient<DefaultClientContext>,
    servers: String,
    name: String,
    clock: Clock,
    offsets: Offsets,
    listed: Listed,
}

pub(crate) fn cluster(toml: &str) -> (ConnectCluster, resumeguard::config::Poll) {
    let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    std::fs::write(file.path(), toml).unwrap();
    let sources = Sources { files: vec![file.path().to_owned()], ..Sources::default() };
    let mut config = load(&sources).unwrap().1;
    (config.connect.remove(0), config.poll)
}

fn listed(name: &str, config: BTreeMap<String, String>) -> Listed {
    let class = "com.mongodb.kafka.connect.MongoSourceConnector".to_owned();
    let (state, name) = (ConnectorState::Running, name.to_owned());
    Listed { name, class, version: None, state, failure: None, tasks: vec![], config }
}

impl Topic {
    async fn create(shared: &Shared, name: &str, partitions: i32) -> Self {
        let servers = shared.stack.kafka_bootstrap().unwrap().to_owned();
        let admin = ClientConfig::new().set("bootstrap.servers", &servers).create().unwrap();
        let (cluster, poll) = cluster(&format!(
            "[connect.main]\nurl = \"http://127.0.0.1:1\"\noffsets = \"topic\"\n\
             kafka_bootstrap_servers = \"{servers}\"\noffsets_topic = \"{name}\"\n"
        ));
        make(&admin, name, partitions).await;
        Self {
            offsets: Offsets::new(&cluster, &poll, &Client::new(&cluster).unwrap()),
            admin,
            servers,
            name: name.to_owned(),
            clock: Clock::start(),
            listed: listed("orders", BTreeMap::new()),
        }
    }

    async fn delete(&self) {
        self.admin.delete_topics(&[&self.name], &AdminOptions::new()).await.unwrap()[0].as_ref().unwrap();
    }

    fn producer(&self, more: &[(&str, &str)]) -> ThreadedProducer<DefaultProducerContext> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.servers);
        for (key, value) in more {
            config.set(*key, *value);
        }
        config.create().unwrap()
    }

    /// Stores a text under the connector's key.
    fn store(&self, partition: i32, text: Option<&str>) {
        let producer = self.producer(&[]);
        send(&producer, &self.name, partition, text);
        producer.flush(LONG).unwrap();
    }

    /// One pass: the text that is stored, the age of that reading, and the source's error.
    async fn pass(&mut self) -> (Observed<Option<String>>, Option<String>) {
        let begun = self.clock.uptime();
        self.offsets.read(std::slice::from_ref(&self.listed), &self.clock, PASS).await;
        // Nothing but what this pass has read.
        let read = self.offsets.of("orders", begun, Duration::ZERO);
        let fresh = read.and_then(|reading| if reading.at >= begun { Ok(reading) } else { Err(Why::Stale) });
        let text = fresh.map(|reading| reading.entries.first().and_then(|entry| entry.text.clone()));
        (text, self.offsets.meters().next().unwrap().error.clone())
    }

    /// Passes until that text is read.
    async fn reads(&mut self, text: Option<&str>) {
        let expected = Ok(text.map(str::to_owned));
        let this = tokio::sync::Mutex::new(self);
        wait_until(&format!("{text:?} to be read"), LONG, async || {
            let (read, error) = this.lock().await.pass().await;
            Ok(if read == expected { Seen::Yes(()) } else { Seen::Not(format!("{read:?} {error:?}")) })
        })
        .await
        .unwrap();
    }

    /// Passes until nothing is read and the source says this; a number never stands beside it.
    async fn says(&mut self, words: &str) {
        let this = tokio::sync::Mutex::new(self);
        wait_until(&format!("{words:?} to be said"), LONG, async || {
            let (read, error) = this.lock().await.pass().await;
            let said = error.as_ref().is_some_and(|error| error.contains(words));
            assert!(read.is_err() || !said, "{read:?} beside {error:?}");
            Ok(if said { Seen::Yes(()) } else { Seen::Not(format!("{read:?} {error:?}")) })
        })
        .await
        .unwrap();
    }
}

async fn make(admin: &AdminClient<DefaultClientContext>, name: &str, partitions: i32) {
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1)).set("cleanup.policy", "compact");
    wait_until("the topic to be made", LONG, async || {
        // One of that name may still be on its way out.
        let made = admin.create_topics([&topic], &AdminOptions::new()).await?;
        Ok(match &made[0] {
            Ok(_) => Seen::Yes(()),
            Err((_, code)) => Seen::Not(format!("{code:?}")),
        })
    })
    .await
    .unwrap();
}

fn send(
    producer: &ThreadedProducer<DefaultProducerContext>,
    topic: &str,
    partition: i32,
    text: Option<&str>,
) {
    let value = text.map(|text| serde_json::json!({ "_id": text }).to_string());
    let key = r#"["orders",{"ns":"mongodb://h:27017/shop.orders"}]"#;
    let record = BaseRecord::<str, str>::to(topic).partition(partition).key(key);
    let record = if let Some(value) = &value { record.payload(value.as_str()) } else { record };
    producer.send(record).map_err(|(error, _)| error).unwrap();
}

/// What was stored before a pass is in it, whatever happens to the topic in between.
#[tokio::test(flavor = "multi_thread")]
async fn deleted_made_anew_and_given_partitions() {
    let shared = Shared::take().await;
    let mut topic = Topic::create(&shared, "faults-anew", 2).await;
    topic.reads(None).await;
    for text in ["first", "second", "third"] {
        topic.store(1, Some(text));
        assert_eq!(topic.pass().await, (Ok(Some(text.to_owned())), None));
    }
    topic.delete().await;
    topic.says("there is no topic `faults-anew`").await;
    make(&topic.admin, "faults-anew", 2).await;
    topic.reads(None).await;
    // Made anew between two passes, shorter than before.
    topic.store(1, Some("old"));
    topic.store(1, Some("older"));
    topic.reads(Some("older")).await;
    topic.delete().await;
    make(&topic.admin, "faults-anew", 2).await;
    topic.store(1, Some("new"));
    topic.reads(Some("new")).await;

    // And as long as before, so that only its id tells.
    topic.store(1, Some("newer"));
    topic.reads(Some("newer")).await;
    topic.delete().await;
    make(&topic.admin, "faults-anew", 2).await;
    topic.store(1, Some("another's"));
    topic.store(1, Some("of another"));
    let (read, _) = topic.pass().await;
    assert_ne!(read, Ok(Some("newer".to_owned())), "a stale number");
    topic.reads(Some("of another")).await;

    let more = NewPartitions::new("faults-anew", 3);
    topic.admin.create_partitions([&more], &AdminOptions::new()).await.unwrap()[0].as_ref().unwrap();
    topic.store(2, Some("in the third partition"));
    topic.reads(Some("in the third partition")).await;
    topic.store(2, None);
    topic.store(1, None);
    assert_eq!(topic.pass().await, (Ok(None), None), "tombstones");
    topic.delete().await;
}

/// A worker with exactly-once support writes in transactions; one that died leaves the last one open for a while.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_hangs_is_told_and_hides_nothing_for_long() {
    let shared = Shared::take().await;
    let mut topic = Topic::create(&shared, "faults-hang", 1).await;
    let transactional = |id: &str| {
        let producer = topic.producer(&[("transactional.id", id), ("transaction.timeout.ms", "25000")]);
        producer.init_transactions(LONG).unwrap();
        producer.begin_transaction().unwrap();
        producer
    };
    let (good, aborted, hanging) =
        (transactional("faults-1"), transactional("faults-2"), transactional("faults-3"));
    send(&good, "faults-hang", 0, Some("committed"));
    good.commit_transaction(LONG).unwrap();
    topic.reads(Some("committed")).await;
    send(&aborted, "faults-hang", 0, Some("aborted"));
    aborted.flush(LONG).unwrap();
    aborted.abort_transaction(LONG).unwrap();
    assert_eq!(topic.pass().await, (Ok(Some("committed".to_owned())), None), "its markers have offsets, too");

    send(&hanging, "faults-hang", 0, Some("never committed"));
    hanging.flush(LONG).unwrap();
    good.begin_transaction().unwrap();
    send(&good, "faults-hang", 0, Some("hidden"));
    good.commit_transaction(LONG).unwrap();
    assert_eq!(topic.pass().await.0, Ok(Some("committed".to_owned())), "as a worker would see it");
    topic.says("a transaction that stays open").await;
    // The broker ends it.
    topic.reads(Some("hidden")).await;
    topic.delete().await;
}

/// `offsets.storage.topic` of a connector: what it holds counts before the workers' topic.
#[tokio::test(flavor = "multi_thread")]
async fn a_connectors_own_topic_lies_over_the_workers() {
    let shared = Shared::take().await;
    let mut topic = Topic::create(&shared, "faults-worker", 1).await;
    topic.store(0, Some("the workers'"));
    topic.reads(Some("the workers'")).await;
    let own = |more: &[(&str, &str)]| {
        let own = [("offsets.storage.topic", "faults-own")];
        let config = own.iter().chain(more).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        listed("orders", config)
    };
    topic.listed = own(&[]);
    topic.says("there is no topic `faults-own`; see offsets.storage.topic of the connector").await;
    make(&topic.admin, "faults-own", 3).await;
    topic.reads(Some("the workers'")).await;
    let producer = topic.producer(&[]);
    send(&producer, "faults-own", 2, Some("its own"));
    producer.flush(LONG).unwrap();
    assert_eq!(topic.pass().await, (Ok(Some("its own".to_owned())), None));

    let servers = topic.servers.clone();
    topic.listed = own(&[("producer.override.bootstrap.servers", "elsewhere.example:9092")]);
    topic.says("orders keeps its offsets on elsewhere.example:9092").await;
    topic.listed = own(&[("producer.override.bootstrap.servers", &servers)]);
    topic.reads(Some("its own")).await;
    topic.delete().await;
    topic.admin.delete_topics(&["faults-own"], &AdminOptions::new()).await.unwrap()[0].as_ref().unwrap();
}

/// `offsets = "auto"`: what the topic does not tell is told by REST in the same pass, with the reason, and by the topic once it can again.
#[tokio::test(flavor = "multi_thread")]
async fn auto_goes_over_to_rest_within_the_pass_and_comes_back() {
    let shared = Shared::take().await;
    let connect = shared.connect();
    let name = &format!("both-ways-{}", std::process::id());
    shared.connector(name, nothing()).await;
    // What is stored does not move from now on.
    stop(connect, name).await;
    // The workers' own topic cannot be deleted under them: a copy of what it holds.
    let topic = Topic::create(&shared, "faults-auto", 1).await;
    let fill = async || {
        let stored = connect.offsets(name).await.unwrap().remove(0);
        let key = serde_json::json!([name, stored.partition]).to_string();
        let value = stored.offset.to_string();
        let producer = topic.producer(&[]);
        let record = BaseRecord::<str, str>::to("faults-auto").key(&key).payload(&value);
        producer.send(record).map_err(|(error, _)| error).unwrap();
        producer.flush(LONG).unwrap();
    };
    fill().await;
    let at = format!("url = \"{}\"\n", connect.url());
    let more = format!(
        "{at}offsets = \"auto\"\nkafka_bootstrap_servers = \"{}\"\noffsets_topic = \"faults-auto\"\n",
        topic.servers
    );
    let watch = tokio::sync::Mutex::new(watch(&quick(connect.url()).replace(&at, &more)));
    let position = std::cell::RefCell::new(None);
    let told = async |begins: &str, because: &str| {
        wait_until(&format!("{begins:?} to be told"), LONG, async || {
            let snapshot = watch.lock().await.pass().await;
            let report = &snapshot.connectors[0];
            // Whoever tells it, it is the same position, in each pass.
            let time = report.position.as_ref().map(|position| position.time).unwrap();
            assert_eq!(*position.borrow_mut().get_or_insert(time), time, "{report:?}");
            assert_eq!(report.verdict, Verdict::Safe, "{report:?}");
            let told = report.offsets_told.clone().unwrap_or_default();
            let errors: Vec<_> =
                snapshot.sources.iter().filter_map(|source| source.error.as_deref()).collect();
            let well = told.starts_with(begins) && errors.concat().contains(because);
            Ok(if well { Seen::Yes(()) } else { Seen::Not(format!("{told} {errors:?}")) })
        })
        .await
        .unwrap();
    };
    told("topic faults-auto (", "").await;
    topic.delete().await;
    told("REST (the topic does not tell: ", "there is no topic `faults-auto`").await;
    make(&topic.admin, "faults-auto", 1).await;
    fill().await;
    told("topic faults-auto (", "").await;
    topic.delete().await;
    connect.delete(name).await.unwrap();
}
