//! Connect 3.4.1, which can neither stop a connector nor tell or alter what it has stored: its offsets topic is read and written to.

use super::bench::{Bench, story};
use super::{Topic, Writer, exactly, pause};
use crate::shared::{LONG, nothing};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{FutureProducer, FutureRecord};
use resumeguard_core::domain::{ConnectorId, Timestamp};
use resumeguard_core::recovery::{Actor, Attempt, Blocker, Ended, Planned, Step, Strategy};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;
use xtask::{Deadline, Progress, Seen, Stack, StackSpec, Versions, wait_until};

const CALM: &str = "mass_failure = 100\nmass_failure_ratio = 1.0";

fn cluster(stack: &Stack, more: &str) -> String {
    let bootstrap = stack.kafka_bootstrap().unwrap();
    format!("kafka_bootstrap_servers = \"{bootstrap}\"\noffsets_topic = \"connect-offsets\"\n{more}")
}

async fn started() -> Stack {
    let _first = rustls::crypto::ring::default_provider().install_default().is_ok();
    let versions = Versions { connect: "3.4.1", ..Versions::default() };
    let spec = StackSpec { versions, ..StackSpec::unique("old-topic") };
    Stack::start(spec, &Progress::silent()).await.unwrap()
}

/// Passes until a position is stored that is no older than this.
async fn stored(bench: &mut Bench, name: &str, at: Timestamp) {
    let (id, deadline) = (ConnectorId::new("main", name), Deadline::after(LONG));
    loop {
        let snapshot = bench.pass().await;
        let report = snapshot.connectors.iter().find(|report| report.id == id);
        if report.and_then(|report| report.position.as_ref()).is_some_and(|position| position.time >= at) {
            return;
        }
        assert!(!deadline.passed(), "{report:?} {:?}", snapshot.sources);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// A connector that has delivered and stored what was written.
async fn running<'a>(stack: &'a Stack, bench: &mut Bench, name: &str) -> (Writer<'a>, Topic) {
    let (connect, mongo) = (stack.connect().unwrap(), stack.mongod());
    let mut writer = Writer::new(mongo, &format!("old.{name}"));
    let mut topic = Topic::of(stack.kafka_bootstrap().unwrap(), &writer.namespace);
    let config = xtask::source_config(mongo.uri(), &writer.namespace, &nothing());
    connect.put_config(name, &config).await.unwrap();
    connect.wait_until(name, LONG, |status| status.all("RUNNING")).await.unwrap();
    writer.write_some(3).await;
    let last = *writer.written.last().unwrap();
    topic.until(last.n).await;
    stored(bench, name, last.at).await;
    (writer, topic)
}

/// Partition, key and value of every record of a connector in the offsets topic.
fn records(bootstrap: &str, name: &str) -> Vec<Found> {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", bootstrap).set("group.id", "look").set("enable.partition.eof", "true");
    let consumer: BaseConsumer = client.create().unwrap();
    let mut all = rdkafka::TopicPartitionList::new();
    for partition in 0..5 {
        all.add_partition_offset("connect-offsets", partition, rdkafka::Offset::Beginning).unwrap();
    }
    consumer.assign(&all).unwrap();
    let (mut found, mut ended) = (Vec::new(), BTreeSet::new());
    let deadline = Deadline::after(LONG);
    while ended.len() < 5 {
        assert!(!deadline.passed(), "the topic has no end");
        match consumer.poll(Duration::from_millis(200)) {
            Some(Ok(record)) => {
                let key = record.key().unwrap_or_default().to_vec();
                if key.starts_with(format!("[\"{name}\",").as_bytes()) {
                    found.push((record.partition(), key, record.payload().map(<[u8]>::to_vec)));
                }
            }
            Some(Err(rdkafka::error::KafkaError::PartitionEOF(partition))) => drop(ended.insert(partition)),
            Some(Err(error)) => panic!("{error}"),
            None => {}
        }
    }
    found
}

/// Writes to the offsets topic as somebody who should not.
async fn write(bootstrap: &str, partition: i32, key: &[u8], value: Option<&[u8]>) {
    let producer: FutureProducer = ClientConfig::new().set("bootstrap.servers", bootstrap).create().unwrap();
    let mut record = FutureRecord::to("connect-offsets").partition(partition).key(key);
    if let Some(value) = value {
        record = record.payload(value);
    }
    producer.send(record, LONG).await.unwrap();
}

type Found = (i32, Vec<u8>, Option<Vec<u8>>);

/// Connect looks a key up by its bytes: which of these two is its own, nobody knows.
async fn two_keys_that_say_the_same(bench: &mut Bench, bootstrap: &str, (partition, key, value): &Found) {
    let twin = String::from_utf8(key.clone()).unwrap().replacen(",{", ", {", 1).into_bytes();
    assert_ne!(*key, twin);
    write(bootstrap, *partition, &twin, value.as_deref()).await;
    let unknown =
        |planned: &Planned| planned.blockers.iter().any(|blocker| matches!(blocker, Blocker::Unknown { .. }));
    let planned = bench.plan("failing", unknown).await;
    assert_eq!(planned.plan.expects.partition, None, "{planned:?}");
    write(bootstrap, *partition, &twin, None).await;
    bench.plan("failing", |planned| !unknown(planned)).await;
}

/// Something is stored for the connector once it has been found to stand still, and before the tombstone is written.
async fn stored_to_after_it_stood_still(bench: &mut Bench, bootstrap: &str, (partition, ..): &Found) {
    let (stray, by) = (br#"["failing",{"ns":"of a stray task"}]"#, || Actor::Person("it".to_owned()));
    let id = bench.begin("failing", Strategy::ResetOffsets).await;
    let at = async |wanted: &str| {
        wait_until(&format!("{id} to be {wanted}"), LONG, async || {
            let attempt = bench.desk.ledger().attempt(&id).cloned().unwrap();
            let last = attempt.taken.iter().find(|taken| taken.step == Step::AwaitStill);
            let is = last.map(|last| last.outcome.as_ref().map_or("waiting", |(outcome, _)| outcome.code()));
            Ok(if is == Some(wanted) { Seen::Yes(()) } else { Seen::Not(story(&attempt)) })
        })
        .await
        .unwrap();
    };
    at("waiting").await;
    bench.desk.freeze(by(), "to look closer".to_owned()).await.unwrap();
    at("done").await;
    write(bootstrap, *partition, stray, Some(br#"{"_id":"x"}"#)).await;
    let count = records(bootstrap, "failing").len();
    bench.desk.unfreeze(by(), "seen".to_owned()).await.unwrap();
    let attempt = bench.ended(&id).await;
    println!("{}", story(&attempt));
    assert_eq!(attempt.ended.as_ref().map(|ended| ended.0), Some(Ended::PutBack), "{}", story(&attempt));
    assert!(story(&attempt).contains("after it had stood still"), "{}", story(&attempt));
    assert_eq!(records(bootstrap, "failing").len(), count, "nothing was written");
    write(bootstrap, *partition, stray, None).await;
}

#[track_caller]
fn recovered(attempt: &Attempt, steps: &[&str]) {
    println!("{}", story(attempt));
    assert_eq!(attempt.ended.as_ref().map(|ended| ended.0), Some(Ended::Recovered), "{}", story(attempt));
    let planned: Vec<&str> = attempt.plan.steps.iter().map(Step::code).collect();
    assert_eq!(planned, steps);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offset_is_removed_by_a_tombstone_under_its_own_key() {
    let stack = started().await;
    let (connect, bootstrap) = (stack.connect().unwrap(), stack.kafka_bootstrap().unwrap());
    let writes = cluster(&stack, "write_offsets_topic = \"when_needed\"");
    let mut bench = Bench::of(connect.url(), &writes, CALM).await;
    let (mut failing, mut topic) = running(&stack, &mut bench, "failing").await;
    let (mut living, mut lives) = running(&stack, &mut bench, "living").await;

    // Failed with 286: its task is over, and writes nothing any more.
    pause(connect, "failing").await;
    failing.roll(10).await;
    connect.restart("failing").await.unwrap();
    connect.resume("failing").await.unwrap();
    connect.wait_until("failing", LONG, |status| status.failed_with(286)).await.unwrap();
    let (before, others) = (records(bootstrap, "failing"), records(bootstrap, "living").len());
    two_keys_that_say_the_same(&mut bench, bootstrap, &before[0]).await;
    stored_to_after_it_stood_still(&mut bench, bootstrap, &before[0]).await;
    let count = records(bootstrap, "failing").len();
    let attempt = bench.recover("failing", Strategy::ResetOffsets).await;
    recovered(&attempt, &["save", "await_still", "remove_offset", "restart", "verify"]);
    let after = records(bootstrap, "failing");
    let last = after.last().unwrap();
    assert!(after.len() == count + 1 && last.2.is_none(), "one tombstone: {after:?}");
    assert_eq!((last.0, &last.1), (before[0].0, &before[0].1), "where and as the key was found");
    assert_eq!(records(bootstrap, "living").len(), others, "nobody else's");
    failing.write_some(3).await;
    let newest = *failing.written.last().unwrap();
    topic.until(newest.n).await;
    exactly(&failing, &topic, &attempt);
    stored(&mut bench, "failing", newest.at).await;

    // Whoever wants the lost position back gets it, and what it was after it failed of that again.
    let by = Actor::Person("it".to_owned());
    let id = bench.desk.restore(&attempt.id, by, "it was wrong".to_owned()).await.unwrap();
    let restored = bench.ended(&id).await;
    println!("{}", story(&restored));
    assert_eq!(restored.ended.as_ref().map(|ended| ended.0), Some(Ended::PutBack), "{}", story(&restored));
    assert!(story(&restored).contains("restore_offset done"), "{}", story(&restored));
    let lost = before.last().unwrap();
    assert!(records(bootstrap, "failing").contains(lost), "byte for byte");
    connect.wait_until("failing", LONG, |status| status.all("RUNNING")).await.unwrap();

    // Running and idle, its position lost: it is paused for it.
    stored(&mut bench, "living", living.written.last().unwrap().at).await;
    let mut other = Writer::new(stack.mongod(), "old.other");
    other.roll(5).await;
    let attempt = bench.recover("living", Strategy::ResetOffsets).await;
    let steps = ["save", "pause", "await_still", "remove_offset", "restart", "resume", "verify"];
    recovered(&attempt, &steps);
    living.write_some(3).await;
    lives.until(living.written.last().unwrap().n).await;
    assert_eq!((lives.numbers(), lives.twice()), (living.numbers(|_| true), BTreeSet::new()));

    // What is to be restored later has to be in the oplog.
    for (name, writer) in [("failing", &mut failing), ("living", &mut living)] {
        let newest = writer.write().await;
        stored(&mut bench, name, newest.at).await;
    }
    drop(bench);
    the_whole_topic(&stack, [(failing, topic), (living, lives)]).await;
}

/// `resumeguard` as a person starts it, its standard output line by line.
struct Command {
    child: tokio::process::Child,
    lines: tokio::io::Lines<tokio::io::BufReader<tokio::process::ChildStdout>>,
    said: Vec<String>,
    leaks: crate::leaks::Leaks,
}

impl Command {
    fn begin(config: &Path, verb: &str, backup: &Path, more: &[&str]) -> Self {
        use tokio::io::AsyncBufReadExt as _;
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_resumeguard"));
        command
            .arg("--config")
            .arg(config)
            .args(["recovery", verb, "main", "--group", "connect", "--reason", "it"]);
        command
            .arg("--backup")
            .arg(backup)
            .args(more)
            .kill_on_drop(true)
            .stdout(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = tokio::io::BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines, said: Vec::new(), leaks: crate::leaks::Leaks::of_file(config) }
    }

    /// Until a line begins like this.
    async fn until(&mut self, begins: &str) {
        let reading = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                println!("> {line}");
                let found = line.starts_with(begins);
                self.said.push(line);
                if found {
                    return true;
                }
            }
            false
        };
        let found = tokio::time::timeout(LONG * 2, reading).await;
        assert_eq!(found, Ok(true), "{begins:?} was never said");
    }

    async fn code(mut self) -> (Option<i32>, String) {
        while let Some(line) = self.lines.next_line().await.unwrap() {
            println!("> {line}");
            self.said.push(line);
        }
        let said = self.said.join("\n");
        self.leaks.none_in("delete-offset-topic", &said);
        (self.child.wait().await.unwrap().code(), said)
    }
}

/// The last value of every key.
fn live(bootstrap: &str, names: &[&str]) -> BTreeMap<(i32, Vec<u8>), Vec<u8>> {
    let mut live = BTreeMap::new();
    for (partition, key, value) in names.iter().flat_map(|name| records(bootstrap, name)) {
        match value {
            Some(value) => live.insert((partition, key), value),
            None => live.remove(&(partition, key)),
        };
    }
    live
}

/// The documented cure for all of them: the topic is deleted while the workers are really down, and they are really started again.
async fn the_whole_topic(stack: &Stack, mut all: [(Writer<'_>, Topic); 2]) {
    let (connect, bootstrap) = (stack.connect().unwrap(), stack.kafka_bootstrap().unwrap());
    let names = ["failing", "living"];
    let folder = tempfile::tempdir().unwrap();
    let (config, backup) = (folder.path().join("c.toml"), folder.path().join("offsets.jsonl"));
    let recovery = format!("[recovery]\nmode = \"approve\"\ndirectory = \"{}\"\n", folder.path().display());
    let toml = format!(
        "[connect.main]\nurl = \"{}\"\nmanaged_by = \"none\"\n{}\n{recovery}",
        connect.url(),
        cluster(stack, "")
    );
    std::fs::write(&config, toml).unwrap();

    let (code, said) = Command::begin(&config, "delete-offset-topic", &backup, &[]).code().await;
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("  failing: loses everything") && said.contains("  living: loses everything"),
        "{said}"
    );
    assert!(!backup.exists());

    let confirm = ["--confirm", "connect-offsets"];
    let mut command = Command::begin(&config, "delete-offset-topic", &backup, &confirm);
    command.until("STOP EVERY WORKER").await;
    let before = live(bootstrap, &names);
    stack.stop_worker(0).unwrap();
    let stood = live(bootstrap, &names);
    command.until("START THE WORKERS").await;
    // It is killed here, and the same command goes on.
    drop(command);
    for (writer, _) in &mut all {
        writer.write_some(2).await;
    }
    let mut command = Command::begin(&config, "delete-offset-topic", &backup, &confirm);
    command.until("START THE WORKERS").await;
    stack.start_worker(0).await.unwrap();
    let (code, said) = command.code().await;
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("is there, and compacted") && said.contains("every connector that was looked at runs"),
        "{said}"
    );
    assert!(stood.len() == 2 && before.len() == 2);
    let mut marks = Vec::new();
    for (writer, topic) in &mut all {
        writer.write_some(3).await;
        let last = writer.written.last().unwrap().n;
        topic.until(last).await;
        let skipped: BTreeSet<i32> = writer.numbers(|_| true).difference(&topic.numbers()).copied().collect();
        assert!(
            skipped.contains(&(last - 4)) && skipped.contains(&(last - 3)),
            "what was written meanwhile is lost: {skipped:?}"
        );
        marks.push(last);
    }

    let mut command = Command::begin(&config, "restore-offset-topic", &backup, &confirm);
    command.until("STOP EVERY WORKER").await;
    stack.stop_worker(0).unwrap();
    command.until("START THE WORKERS").await;
    assert_eq!(live(bootstrap, &names), stood, "byte for byte, and in its partitions");
    let kept = folder.path().join("offsets.jsonl.before-restore");
    assert!(std::fs::read_to_string(kept).unwrap().lines().count() > 2, "what was stored since is not gone");
    stack.start_worker(0).await.unwrap();
    let (code, said) = command.code().await;
    assert_eq!(code, Some(0), "{said}");
    // Back where it was, what had been skipped is delivered.
    for ((writer, topic), last) in all.iter_mut().zip(marks) {
        topic.until(last - 4).await;
        topic.until(last - 3).await;
        writer.write().await;
        topic.until(last + 1).await;
    }
}
