//! Recovery on real connectors, from tokens that are really lost: what was written, what was delivered, what was said to be lost.

pub(crate) mod bench;
mod cures;
mod old_topic;
mod races;
mod rebalance;
mod room;
mod salvage;
mod settled;
mod standalone;
mod topic;

use crate::shared::{LONG, Shared};
use mongodb::bson::{Document, doc};
use resumeguard_core::domain::Timestamp;
use resumeguard_core::recovery::{Attempt, Stretch};
use serde_json::Value;
use std::collections::BTreeSet;
use topic::Topic;
use xtask::{Connect, Mongo};

/// A document that was written, and when by the oplog's clock.
#[derive(Debug, Clone, Copy)]
struct Written {
    n: i32,
    at: Timestamp,
}

/// Documents of one collection, in the order in which they were written.
pub(crate) struct Writer<'a> {
    mongo: &'a Mongo,
    namespace: String,
    written: Vec<Written>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(mongo: &'a Mongo, namespace: &str) -> Self {
        Self { mongo, namespace: namespace.to_owned(), written: Vec::new() }
    }

    async fn write(&mut self) -> Written {
        let n = i32::try_from(self.written.len()).unwrap();
        let (database, collection) = self.namespace.split_once('.').unwrap();
        let command = doc! { "insert": collection, "documents": [{ "n": n }] };
        let reply = self.mongo.client().database(database).run_command(command).await.unwrap();
        let at = reply.get_timestamp("operationTime").unwrap();
        let written = Written { n, at: Timestamp { t: at.time, i: at.increment } };
        self.written.push(written);
        written
    }

    async fn write_some(&mut self, count: usize) {
        for _ in 0..count {
            self.write().await;
        }
    }

    /// Writes on, with much else between, until some of it, but not all, has left the oplog.
    async fn roll(&mut self, leave: usize) {
        self.write_some(leave).await;
        let past = self.written.last().unwrap().at;
        let filler = "x".repeat(20_000);
        let documents: Vec<Document> = (0..5).map(|_| doc! { "filler": &filler }).collect();
        xtask::wait_until("the oplog to roll", LONG, async || {
            let (scratch, all) = (self.mongo.collection("resumeguard_scratch.filler")?, documents.clone());
            scratch.insert_many(all).await?;
            self.write().await;
            let first = self.first().await;
            Ok(if first > past { xtask::Seen::Yes(()) } else { xtask::Seen::Not(format!("{first:?}")) })
        })
        .await
        .unwrap();
    }

    async fn first(&self) -> Timestamp {
        let first = self.mongo.first().await.unwrap();
        Timestamp { t: first.time, i: first.increment }
    }

    fn numbers(&self, of: impl Fn(Timestamp) -> bool) -> BTreeSet<i32> {
        self.written.iter().filter(|written| of(written.at)).map(|written| written.n).collect()
    }
}

/// A name that no earlier run has used: its topic and its offsets are empty.
fn fresh(name: &str) -> String {
    format!("{name}-{}", std::process::id())
}

fn namespace_of(name: &str) -> String {
    format!("shared.{}", name.replace('-', "_"))
}

async fn pause(connect: &Connect, name: &str) {
    connect.pause(name).await.unwrap();
    connect.wait_until(name, LONG, |status| status.all("PAUSED")).await.unwrap();
}

/// A connector of its own deployment or stack that has delivered and stored what was written so far.
async fn running(connect: &Connect, writer: &mut Writer<'_>, topic: &mut Topic, name: &str, more: Value) {
    let config = xtask::source_config(writer.mongo.uri(), &writer.namespace, &more);
    connect.put_config(name, &config).await.unwrap();
    connect.wait_until(name, LONG, |status| status.all("RUNNING")).await.unwrap();
    writer.write_some(3).await;
    let Written { n, at } = *writer.written.last().unwrap();
    topic.until(n).await;
    let at = mongodb::bson::Timestamp { time: at.t, increment: at.i };
    connect.wait_until_stored(name, LONG, |time| time >= at).await.unwrap();
}

/// Has its task fail with 286, with something written meanwhile: some of it is gone, some of it still in the oplog.
pub(crate) async fn fail(connect: &Connect, writer: &mut Writer<'_>, name: &str) {
    pause(connect, name).await;
    writer.roll(10).await;
    connect.restart(name).await.unwrap();
    connect.resume(name).await.unwrap();
    connect.wait_until(name, LONG, |status| status.failed_with(286)).await.unwrap();
}

/// The same of the shared deployment.
async fn failed<'a>(shared: &'a Shared, name: &str, more: Value) -> Writer<'a> {
    shared.connector(name, more).await;
    let mut writer = Writer::new(shared.stack.mongod(), &namespace_of(name));
    fail(shared.connect(), &mut writer, name).await;
    writer
}

/// What the attempt says is lost is what is missing, by document, and nothing comes twice.
#[track_caller]
fn exactly(writer: &Writer<'_>, topic: &Topic, attempt: &Attempt) -> Stretch {
    let lost = attempt.lost.stretch().unwrap_or_else(|| panic!("no stretch: {attempt:?}"));
    let gone = writer.numbers(|at| lost.from < at && at < lost.to);
    let missing: BTreeSet<i32> = writer.numbers(|_| true).difference(&topic.numbers()).copied().collect();
    assert_eq!(missing, gone, "missing, and said to be lost: {lost:?}");
    assert_eq!(topic.twice(), BTreeSet::new(), "delivered twice");
    lost
}
