//! Asking real servers whether stored tokens resume.

use crate::daemon::Daemon;
use crate::election::watch;
use crate::shared::{LONG, Shared, nothing, quick};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mongodb::bson::{Document, doc};
use resumeguard::sources::mongodb::{Asked, Question};
use resumeguard_core::domain::{Basis, OnRestart, ProbeAnswer, Snapshot, Verdict, Why};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;
use xtask::{Connect, Mongo, ReplicaSet, ReplicaSetSpec, Seen};

const ENOUGH: Duration = Duration::from_secs(5);

/// The token of the event that `change` makes in a collection.
async fn token_of(mongo: &Mongo, namespace: &str, change: impl AsyncFnOnce()) -> String {
    let mut stream = mongo.collection(namespace).unwrap().watch().await.unwrap();
    change().await;
    let event = loop {
        if let Some(event) = stream.next_if_any().await.unwrap() {
            break event;
        }
    };
    let id = mongodb::bson::serialize_to_document(&event.id).unwrap();
    let mut stored = json!({ "_data": id.get_str("_data").unwrap() });
    if let Ok(bits) = id.get_binary_generic("_typeBits") {
        stored["_typeBits"] = json!({ "$binary": { "base64": STANDARD.encode(bits), "subType": "00" } });
    }
    stored.to_string()
}

fn question(namespace: &str, more: &[(&str, &str)], token: &str) -> Question {
    let (database, collection) = namespace.split_once('.').unwrap_or((namespace, ""));
    let mut config = BTreeMap::from([
        ("database".to_owned(), database.to_owned()),
        ("collection".to_owned(), collection.to_owned()),
    ]);
    config.extend(more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    Question::new(&config, token).unwrap()
}

async fn ask(mongo: &Mongo, question: &Question, max_time: Duration) -> Asked {
    let members = [("it".to_owned(), mongo.client().clone())];
    let asked = question.ask(&members, max_time, None).await;
    assert_eq!(ours_open(mongo).await, 0, "a cursor was left open");
    asked
}

async fn margin(mongo: &Mongo, question: &Question, seconds: u32) -> Option<i64> {
    let members = [("it".to_owned(), mongo.client().clone())];
    let asked = question.ask(&members, ENOUGH, Some(seconds)).await;
    assert_eq!((asked.answer, ours_open(mongo).await), (ProbeAnswer::Resumes, 0));
    asked.margin_seconds
}

fn mark_at(t: u32, i: u32) -> String {
    json!({ "_data": format!("82{t:08X}{i:08X}2B0229296E04") }).to_string()
}

/// Cursors that a probe has opened and not closed.
async fn ours_open(mongo: &Mongo) -> usize {
    let pipeline = [
        doc! { "$currentOp": { "allUsers": true, "idleCursors": true } },
        doc! { "$match": { "type": "idleCursor", "cursor.originatingCommand.comment": "resumeguard probe" } },
    ];
    let mut open = mongo.client().database("admin").aggregate(pipeline).await.unwrap();
    let mut count = 0;
    while open.advance().await.unwrap() {
        count += 1;
    }
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_answer_and_no_cursor_left_open() {
    let _first = rustls::crypto::ring::default_provider().install_default().is_ok();
    let set = ReplicaSet::start(ReplicaSetSpec::of(1).with_oplog_mib(64)).await.unwrap();
    let mongo = set.mongo();
    let insert = async || mongo.insert("p.c", doc! { "a": 1 }).await.unwrap();
    let code_of = |asked: &Asked| (asked.answer.code(), asked.code);

    // The cursor of a plain change stream is seen by the same query: the count counts.
    let command = doc! { "aggregate": "c", "pipeline": [{ "$changeStream": {} }], "cursor": {}, "comment": "resumeguard probe" };
    let reply = mongo.client().database("p").run_command(command).await.unwrap();
    assert_eq!(ours_open(mongo).await, 1);
    let id = reply.get_document("cursor").unwrap().get_i64("id").unwrap();
    mongo.client().database("p").run_command(doc! { "killCursors": "c", "cursors": [id] }).await.unwrap();

    let token = token_of(mongo, "p.c", insert).await;
    let own = question("p.c", &[], &token);
    let other = question("p.other", &[], &token);
    // Nothing after it: its own event is found in its own stream, and in no other.
    assert_eq!(code_of(&ask(mongo, &own, ENOUGH).await), ("resumes", None));
    assert_eq!(code_of(&ask(mongo, &other, ENOUGH).await), ("not_contradicted", None));
    // Entries of other collections advance the token that the server hands out, and prove nothing.
    mongo.insert("p.third", doc! { "a": 1 }).await.unwrap();
    assert_eq!(code_of(&ask(mongo, &other, ENOUGH).await), ("not_contradicted", None));
    mongo.insert("p.other", doc! { "a": 1 }).await.unwrap();
    assert_eq!(code_of(&ask(mongo, &other, ENOUGH).await), ("wrong_stream", Some(280)));
    insert().await;
    assert_eq!(code_of(&ask(mongo, &own, ENOUGH).await), ("resumes", None));
    // The connector's own pipeline and scope count.
    for (namespace, more) in [("p", &[][..]), ("", &[("pipeline", "[{\"$match\": {\"ns.coll\": \"c\"}}]")])] {
        assert_eq!(code_of(&ask(mongo, &question(namespace, more, &token), ENOUGH).await), ("resumes", None));
    }
    let filtered =
        question("p.c", &[("pipeline", "[{\"$match\": {\"fullDocument.a\": {\"$gt\": 1}}}]")], &token);
    assert_eq!(code_of(&ask(mongo, &filtered, ENOUGH).await), ("not_contradicted", None));

    for (bad, code) in [("82ZZ", 9), ("", 40649), ("82", 15), ("016353A45900000001010000000100000000", 50811)]
    {
        let asked = ask(mongo, &question("p.c", &[], &json!({ "_data": bad }).to_string()), ENOUGH).await;
        assert_eq!(code_of(&asked), ("malformed", Some(code)), "{bad}");
    }
    assert_eq!(code_of(&ask(mongo, &question("p.c", &[], "{}"), ENOUGH).await), ("malformed", Some(40647)));

    // A drop is accepted, though the stream ends there: accepted is not well.
    let dropped = token_of(mongo, "p.other", async || {
        mongo.collection("p.other").unwrap().drop().await.unwrap();
    })
    .await;
    assert_eq!(code_of(&ask(mongo, &question("p.other", &[], &dropped), ENOUGH).await), ("resumes", None));

    let last = mongo.last().await.unwrap();
    for (ahead, answer) in [(0, "resumes"), (3600, "not_contradicted")] {
        let mark = question("p.c", &[], &mark_at(last.time + ahead, last.increment));
        assert_eq!(code_of(&ask(mongo, &mark, ENOUGH).await), (answer, None), "{ahead} s in the future");
    }
    // Nothing was ever truncated: the server accepts any older time, which proves nothing.
    assert_eq!(margin(mongo, &own, 1).await, None);
}

/// A document key that cannot be told without its type bits; and the error that an event's size alone causes.
#[tokio::test(flavor = "multi_thread")]
async fn missing_type_bits_and_an_event_over_sixteen_megabytes() {
    let _first = rustls::crypto::ring::default_provider().install_default().is_ok();
    let set = ReplicaSet::start(ReplicaSetSpec::of(1).with_oplog_mib(64)).await.unwrap();
    let mongo = set.mongo();
    let whole =
        token_of(mongo, "p.c", async || mongo.insert("p.c", doc! { "_id": 7.25 }).await.unwrap()).await;
    let mut cut: Value = serde_json::from_str(&whole).unwrap();
    assert!(cut.as_object_mut().unwrap().remove("_typeBits").is_some(), "{whole}");
    assert_eq!(ask(mongo, &question("p.c", &[], &whole), ENOUGH).await.answer, ProbeAnswer::Resumes);
    let asked = ask(mongo, &question("p.c", &[], &cut.to_string()), ENOUGH).await;
    assert_eq!((asked.answer.code(), asked.code), ("malformed", Some(50810)));

    let images = doc! { "create": "big", "changeStreamPreAndPostImages": { "enabled": true } };
    mongo.client().database("p").run_command(images).await.unwrap();
    let nine_megabytes = doc! { "_id": 1, "a": "x".repeat(9_000_000) };
    let token = token_of(mongo, "p.big", async || mongo.insert("p.big", nine_megabytes).await.unwrap()).await;
    mongo
        .collection("p.big")
        .unwrap()
        .update_one(doc! { "_id": 1 }, doc! { "$set": { "b": 1 } })
        .await
        .unwrap();
    let both = [
        ("change.stream.full.document", "updateLookup"),
        ("change.stream.full.document.before.change", "whenAvailable"),
    ];
    let asked = ask(mongo, &question("p.big", &both, &token), ENOUGH).await;
    assert_eq!((asked.answer.code(), asked.code), ("event_too_large", Some(10334)));
    assert_eq!(ask(mongo, &question("p.big", &both[..1], &token), ENOUGH).await.answer, ProbeAnswer::Resumes);
}

/// On a quiet namespace the server reads the rest of the oplog before it answers.
#[tokio::test(flavor = "multi_thread")]
async fn a_scan_that_outlasts_its_time_proves_nothing() {
    let _first = rustls::crypto::ring::default_provider().install_default().is_ok();
    let set = ReplicaSet::start(ReplicaSetSpec::of(1).with_oplog_mib(990)).await.unwrap();
    let mongo = set.mongo();
    let token =
        token_of(mongo, "p.quiet", async || mongo.insert("p.quiet", doc! { "a": 1 }).await.unwrap()).await;
    let last = mongo.last().await.unwrap();
    let mark = mark_at(last.time, last.increment + 1);
    let busy = mongo.collection("p.busy").unwrap();
    for _round in 0..15 {
        let documents: Vec<Document> = (0..10_000).map(|i| doc! { "i": i }).collect();
        busy.insert_many(documents).await.unwrap();
    }
    let short = Duration::from_millis(20);
    let asked = ask(mongo, &question("p.quiet", &[], &mark), short).await;
    assert_eq!((asked.answer, asked.code), (ProbeAnswer::Inconclusive, Some(50)));
    let problem = asked.problem.unwrap();
    assert!(problem.contains("still reading its oplog for an event of p.quiet"), "{problem}");
    assert_eq!(ask(mongo, &question("p.quiet", &[], &token), short).await.code, Some(50));
    assert_eq!(ask(mongo, &question("p.quiet", &[], &token), LONG).await.answer, ProbeAnswer::Resumes);
    assert_eq!(ask(mongo, &question("p.quiet", &[], &mark), LONG).await.answer, ProbeAnswer::Resumes);
}

/// Headroom that is proven without a look at the oplog: as much as there is, and no more.
#[tokio::test(flavor = "multi_thread")]
async fn a_margin_is_proven_up_to_the_oldest_entry() {
    let _first = rustls::crypto::ring::default_provider().install_default().is_ok();
    let set = ReplicaSet::start(ReplicaSetSpec::of(1)).await.unwrap();
    let mongo = set.mongo();
    let last = mongo.last().await.unwrap();
    mongo.roll_oplog_past(last).await.unwrap();
    // Seconds of oplog time between the oldest entry and an event.
    let headroom = async || {
        let token =
            token_of(mongo, "p.c", async || mongo.insert("p.c", doc! { "a": 1 }).await.unwrap()).await;
        let (first, now) = (mongo.first().await.unwrap(), mongo.last().await.unwrap());
        (token, i64::from(now.time) - i64::from(first.time))
    };
    let (token, seconds) = xtask::wait_until("some headroom", LONG, async || {
        let (token, seconds) = headroom().await;
        Ok(if seconds >= 3 { Seen::Yes((token, seconds)) } else { Seen::Not(format!("{seconds} s")) })
    })
    .await
    .unwrap();
    let own = question("p.c", &[], &token);
    assert_eq!(margin(mongo, &own, 1).await, Some(1));
    assert_eq!(margin(mongo, &own, u32::try_from(seconds).unwrap() + 1).await, None);
}

/// Runs the program: its exit status, and what it printed.
async fn probe(toml: &str, arguments: &[&str]) -> (i32, String, String) {
    let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    std::fs::write(file.path(), toml).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_resumeguard"));
    command.args(["--config", file.path().to_str().unwrap(), "probe"]).args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (said, error) = (text(output.stdout), text(output.stderr));
    crate::leaks::Leaks::of_config(toml).none_in("probe", &format!("{said}{error}"));
    (output.status.code().unwrap_or(-1), said, error)
}

/// Passes with questions between them, until one is as wanted.
async fn passes_until(
    what: &str,
    watch: &mut resumeguard::daemon::Watch,
    wanted: impl Fn(&Snapshot) -> bool,
) -> Snapshot {
    xtask::wait_until(what, LONG, async || {
        let snapshot = watch.pass().await;
        watch.ask(&snapshot);
        Ok(if wanted(&snapshot) { Seen::Yes(snapshot) } else { Seen::Not(format!("{snapshot:?}")) })
    })
    .await
    .unwrap()
}

/// Streams that probes have opened, by the server's own log of slow operations at a threshold of nothing.
fn questions(shared: &Shared) -> usize {
    let log = std::fs::read_to_string(shared.stack.folder().join("mongod-rs0-0.log")).unwrap();
    let parts = ["Slow query", "\"comment\":\"resumeguard probe\"", "$changeStream"];
    log.lines().filter(|line| parts.iter().all(|part| line.contains(part))).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loss_is_confirmed_once_and_a_healthy_connector_is_never_asked_about() {
    let shared = Shared::take().await;
    let (connect, mongod) = (shared.connect(), shared.stack.mongod());
    shared.connector("asked", nothing()).await;
    mongod.admin(doc! { "profile": 0, "slowms": -1 }).await.unwrap();
    let before = questions(&shared);
    let config = quick(connect.url());
    let mut watch = watch(&config);
    for _pass in 0..3 {
        let snapshot = watch.pass().await;
        watch.ask(&snapshot);
        assert_eq!(snapshot.connectors[0].basis, Some(Basis::Window), "{snapshot:?}");
        assert!(snapshot.sources.iter().all(|source| source.source != "probe"), "{snapshot:?}");
    }
    assert_eq!(questions(&shared), before, "nobody asked about a healthy connector");
    let (code, answer, _) = probe(&config, &["asked"]).await;
    assert!((code, answer.contains("main/asked: resumes")) == (0, true), "{code} {answer}");
    let by_hand = questions(&shared);
    assert!(by_hand > before, "the count counts");

    connect.pause("asked").await.unwrap();
    connect.wait_until("asked", LONG, |status| status.all("PAUSED")).await.unwrap();
    let last = mongod.last().await.unwrap();
    mongod.roll_oplog_past(last).await.unwrap();
    connect.resume("asked").await.unwrap();
    connect.restart("asked").await.unwrap();
    connect.wait_until("asked", LONG, |status| status.failed_with(286)).await.unwrap();
    let asked = passes_until("the answer", &mut watch, |snapshot| {
        snapshot.sources.iter().any(|source| source.source == "probe" && source.up)
    })
    .await;
    assert_eq!(
        (asked.connectors[0].verdict, asked.connectors[0].basis),
        (Verdict::Lost, Some(Basis::Window))
    );
    for _pass in 0..3 {
        let snapshot = watch.pass().await;
        watch.ask(&snapshot);
        assert_eq!(snapshot.connectors[0].verdict, Verdict::Lost, "{snapshot:?}");
    }
    assert_eq!(questions(&shared), by_hand + 1, "once for one token");
    let (code, answer, _) = probe(&config, &["asked", "--json"]).await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((code, &answer["answer"], &answer["code"]), (1, &json!("lost"), &json!(286)), "{answer}");
    assert_eq!(answer["on_restart"], "fails");
    mongod.admin(doc! { "profile": 0, "slowms": 100 }).await.unwrap();

    connect.stop("asked").await.unwrap();
    connect
        .wait_until("asked", LONG, |s| s.connector.state == "STOPPED" && s.tasks.is_empty())
        .await
        .unwrap();
    let partition = connect.offsets("asked").await.unwrap()[0].partition.clone();
    // A document for the connector, and no token for the server.
    connect.patch_offsets("asked", &partition, &json!({ "_id": "{\"_data\": \"82ZZ\"}" })).await.unwrap();
    let (code, answer, _) = probe(&config, &["main/asked"]).await;
    assert!(code == 1 && answer.contains("main/asked: malformed (error 9)"), "{code} {answer}");
    assert!(answer.contains("on restart    stalls"), "{answer}");
    connect.delete_offsets("asked").await.unwrap();

    let (code, _, error) = probe(&config, &["nobody"]).await;
    assert_eq!((code, error.lines().count()), (64, 1), "{error}");
}

/// A deployment, and a paused connector whose user may open its stream and read nothing of `local`; another user may do
/// neither.
async fn streams_only(connect: &Connect) -> ReplicaSet {
    let set = ReplicaSet::start(ReplicaSetSpec::of(1).with_root("root", "root-pw")).await.unwrap();
    let user = async |name: &str, db: &str| {
        let roles = vec![doc! { "role": "read", "db": db }];
        set.mongo().create_user(name, "secret-pw", roles).await.unwrap();
    };
    user("reader", "app").await;
    user("stranger", "elsewhere").await;
    let config = xtask::source_config(&set.uri_as("reader", "secret-pw"), "app.c", &nothing());
    connect.put_config("streams-only", &config).await.unwrap();
    connect.wait_until("streams-only", LONG, |status| status.all("RUNNING")).await.unwrap();
    xtask::wait_until("a first position", LONG, async || {
        set.mongo().insert("app.c", doc! { "a": 1 }).await?;
        let stored = !connect.offsets("streams-only").await?.is_empty();
        Ok(if stored { Seen::Yes(()) } else { Seen::Not("none".into()) })
    })
    .await
    .unwrap();
    connect.pause("streams-only").await.unwrap();
    connect.wait_until("streams-only", LONG, |status| status.all("PAUSED")).await.unwrap();
    set
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_right_on_local_the_server_itself_is_the_basis() {
    let shared = Shared::take().await;
    let connect = shared.connect();
    let set = streams_only(connect).await;
    let base = quick(connect.url());
    // A limit that a window of seconds can prove.
    let limits = "[thresholds]\nat_risk = \"1s\"\ncritical = \"1s\"\n";
    let mut watch_with = watch(&format!("{base}{limits}"));
    let first = watch_with.pass().await;
    assert_eq!(first.connectors[0].verdict, Verdict::Unknown(Why::OplogUnauthorized), "{first:?}");
    watch_with.ask(&first);
    let by_probe = |snapshot: &Snapshot| snapshot.connectors[0].basis == Some(Basis::Probe);
    let answered = passes_until("an answer", &mut watch_with, by_probe).await;
    let report = &answered.connectors[0];
    // Nothing was ever truncated, so that an older position proves no margin.
    assert_eq!((report.verdict, report.on_restart), (Verdict::AtRisk, OnRestart::Resumes), "{report:?}");
    assert_eq!((report.headroom_seconds, report.outage_budget_seconds), (None, None));

    let off = format!("{base}probe = false\n");
    let mut watch_off = watch(&off);
    for _pass in 0..3 {
        let snapshot = watch_off.pass().await;
        watch_off.ask(&snapshot);
        assert_eq!(snapshot.connectors[0].verdict, Verdict::Unknown(Why::OplogUnauthorized));
    }

    // Who may not open the stream is told which right is missing.
    let served = |user: &str| {
        let uri = set.uri_as(user, "secret-pw");
        format!("{base}[mongodb.mine]\nuri = \"{uri}\"\nconnectors = [\"*\"]\n")
    };
    let (code, answer, _) = probe(&served("stranger"), &["streams-only"]).await;
    assert_eq!(code, 3, "{answer}");
    assert!(
        answer.contains("may not open a change stream on app.c; grant find and changeStream"),
        "{answer}"
    );
    assert!(!answer.contains("secret-pw"), "{answer}");

    // The daemon does all that by itself. A position that is still being flushed is asked about anew.
    let daemon = Daemon::start(&base);
    xtask::wait_until("an answer in the status", LONG, async || {
        let Ok(text) = daemon.get("/api/v1/status").await else { return Ok(Seen::Not("no pass yet".into())) };
        let status: Value = serde_json::from_str(&text)?;
        let by_probe = status["connectors"][0]["basis"] == "probe";
        Ok(if by_probe { Seen::Yes(()) } else { Seen::Not(text) })
    })
    .await
    .unwrap();
    assert!(daemon.metrics().await.contains("resumeguard_source_up{source=\"probe\",name=\"rs0\"} 1"));
    drop(daemon);

    let last = set.mongo().last().await.unwrap();
    set.mongo().roll_oplog_past(last).await.unwrap();
    let mut watch_lost = watch(&base);
    let lost = passes_until("a loss", &mut watch_lost, by_probe).await;
    assert_eq!(
        (lost.connectors[0].verdict, lost.connectors[0].on_restart),
        (Verdict::Lost, OnRestart::Fails)
    );
    assert_eq!(lost.connectors[0].headroom_seconds, None);
    assert_eq!(ours_open(set.mongo()).await, 0);
    connect.delete("streams-only").await.unwrap();
}
