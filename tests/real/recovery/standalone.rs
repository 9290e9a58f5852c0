//! A standalone worker's connectors from tokens that are really lost: by its file while it is down, and by its REST.

use super::bench::{Bench, story};
use super::{Topic, Writer, exactly, fresh, pause};
use crate::shared::{LONG, Shared, nothing};
use resumeguard_core::domain::JavaMap;
use resumeguard_core::recovery::{Attempt, AttemptId, Ended, Step, Strategy};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use xtask::{Seen, Standalone, wait_until};

/// All of a worker's connectors lose their positions at once here.
const CALM: &str = "mass_failure = 100\nmass_failure_ratio = 1.0";

/// A worker whose connectors have failed with 286: what was written first is gone, what was written last is there.
async fn failed<'a>(shared: &'a Shared, names: &[String]) -> (Standalone, Vec<(Writer<'a>, Topic)>) {
    let mongo = shared.stack.mongod();
    let namespace = |name: &str| format!("shared.{}", name.replace('-', "_"));
    let configs: Vec<Value> =
        names.iter().map(|name| xtask::source_config(mongo.uri(), &namespace(name), &nothing())).collect();
    let connectors: Vec<(&str, &Value)> = names.iter().map(String::as_str).zip(&configs).collect();
    let bootstrap = shared.stack.kafka_bootstrap().unwrap();
    let worker = Standalone::start(bootstrap, &connectors).await.unwrap();
    let connect = worker.connect();
    let mut all = Vec::new();
    for name in names {
        connect.wait_until(name, LONG, |status| status.all("RUNNING")).await.unwrap();
        let mut writer = Writer::new(mongo, &namespace(name));
        let mut topic = Topic::of(bootstrap, &writer.namespace);
        writer.write_some(3).await;
        let last = *writer.written.last().unwrap();
        topic.until(last.n).await;
        let at = mongodb::bson::Timestamp { time: last.at.t, increment: last.at.i };
        connect.wait_until_stored(name, LONG, |time| time >= at).await.unwrap();
        all.push((writer, topic));
    }
    for name in names {
        pause(connect, name).await;
    }
    for (writer, _) in &mut all {
        writer.write_some(5).await;
    }
    all[0].0.roll(5).await;
    for ((writer, _), name) in all.iter_mut().zip(names) {
        writer.write_some(3).await;
        connect.restart(name).await.unwrap();
        connect.resume(name).await.unwrap();
        connect.wait_until(name, LONG, |status| status.failed_with(286)).await.unwrap();
    }
    (worker, all)
}

/// Until this step is under way.
async fn comes_to(bench: &Bench, id: &AttemptId, step: &Step) {
    wait_until(step.code(), LONG, async || {
        let attempt = bench.desk.ledger().attempt(id).cloned().unwrap();
        assert!(attempt.ended.is_none(), "{}", story(&attempt));
        let there = attempt.taken.iter().any(|taken| taken.step == *step && taken.outcome.is_none());
        Ok(if there { Seen::Yes(()) } else { Seen::Not(story(&attempt)) })
    })
    .await
    .unwrap();
}

#[track_caller]
fn recovered(attempt: &Attempt, steps: &[&str]) {
    println!("{}", story(attempt));
    assert_eq!(attempt.ended.as_ref().map(|ended| ended.0), Some(Ended::Recovered), "{}", story(attempt));
    let planned: Vec<&str> = attempt.plan.steps.iter().map(Step::code).collect();
    assert_eq!(planned, steps);
}

/// What is written from now on comes, and what was said to be lost is what is missing.
async fn accounted(writer: &mut Writer<'_>, topic: &mut Topic, attempt: &Attempt) -> usize {
    writer.write_some(3).await;
    topic.until(writer.written.last().unwrap().n).await;
    let lost = exactly(writer, topic, attempt);
    println!(
        "{}: {} s lost, {} of {} delivered",
        writer.namespace,
        lost.seconds(),
        topic.numbers().len(),
        writer.written.len()
    );
    topic.numbers().len()
}

fn values(file: &Path) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let bytes = std::fs::read(file).unwrap();
    let map = JavaMap::parse(&bytes).unwrap();
    let mut entries: Vec<_> =
        map.entries().iter().map(|(key, value)| (key.unwrap().to_vec(), value.map(<[u8]>::to_vec))).collect();
    entries.sort();
    entries
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_is_edited_while_the_worker_is_down_and_rest_is_used_where_it_can() {
    let shared = Shared::take().await;
    let names = ["file-reset", "file-salvage", "rest-salvage"].map(fresh);
    let (worker, mut all) = failed(&shared, &names).await;
    let (url, file) = (worker.connect().url().to_owned(), worker.offsets_file());
    let cluster = |more: &str| format!("offsets_file = \"{}\"\n{more}", file.display());

    // The second documented cure, by a person who stops and starts the worker when told.
    let mut bench = Bench::of(&url, &cluster("edit_offsets_file = \"always\""), CALM).await;
    let id = bench.begin(&names[0], Strategy::ResetOffsets).await;
    comes_to(&bench, &id, &Step::StopWorker).await;
    let before = values(&file);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(values(&file), before, "nothing is changed while the worker answers");
    worker.stop().unwrap();
    comes_to(&bench, &id, &Step::StartWorker).await;
    let after = values(&file);
    for ((key, before), (_, after)) in before.iter().zip(&after) {
        let ours = String::from_utf8_lossy(key).contains("file-reset");
        assert_eq!(after, if ours { &None } else { before }, "{}", String::from_utf8_lossy(key));
    }
    let backup = file.with_file_name(format!("connect.offsets.resumeguard-{id}"));
    assert_eq!(values(&backup), before);
    worker.start_again().await.unwrap();
    let attempt = bench.ended(&id).await;
    let steps = ["save", "stop_worker", "remove_offset", "start_worker", "verify"];
    recovered(&attempt, &steps);
    let (writer, topic) = &mut all[0];
    assert_eq!(accounted(writer, topic, &attempt).await, 6, "all that was still in the oplog is dropped");

    // Salvage by the file, by commands that stop and start it.
    let state = tempfile::tempdir().unwrap();
    let command = |word: &str| {
        let flag = state.path().join(word);
        // One that says no has stopped it nevertheless.
        let says = if word == "stop" { 3 } else { 0 };
        let script = format!("touch {0}; while [ -e {0} ]; do sleep 0.1; done; exit {says}", flag.display());
        format!("{word}_worker = [\"/bin/sh\", \"-c\", \"{script}\"]")
    };
    let commands = format!("edit_offsets_file = \"always\"\n{}\n{}", command("stop"), command("start"));
    let mut bench = Bench::of(&url, &cluster(&commands), CALM).await;
    let id = bench.begin(&names[1], Strategy::Salvage).await;
    let obey = async {
        for word in ["stop", "start"] {
            let flag = state.path().join(word);
            wait_until(word, LONG, async || {
                Ok(if flag.exists() { Seen::Yes(()) } else { Seen::Not("no word".to_owned()) })
            })
            .await
            .unwrap();
            match word {
                "stop" => worker.stop().unwrap(),
                _ => worker.start_again().await.unwrap(),
            }
            std::fs::remove_file(flag).unwrap();
        }
    };
    let (attempt, ()) = tokio::join!(bench.ended(&id), obey);
    recovered(&attempt, &["save", "stop_worker", "write_mark", "start_worker", "verify"]);
    let (writer, topic) = &mut all[1];
    assert_eq!(accounted(writer, topic, &attempt).await, 9, "what survives is delivered");

    // Where REST can alter offsets, a standalone worker's can as well, and nothing has to be stopped but the connector.
    let mut bench = Bench::of(&url, &cluster(""), CALM).await;
    let attempt = bench.recover(&names[2], Strategy::Salvage).await;
    recovered(&attempt, &["save", "stop", "write_mark", "resume", "verify"]);
    let (writer, topic) = &mut all[2];
    assert_eq!(accounted(writer, topic, &attempt).await, 9, "what survives is delivered");
}
