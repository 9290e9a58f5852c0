//! Everything behind TLS and passwords at once, with least privilege; and every way of saying to MongoDB who we are.

use crate::election::watch;
use crate::recovery::bench::{Bench, story};
use crate::recovery::{Writer, fail};
use crate::rights::documented;
use crate::shared::LONG;
use mongodb::bson::{Document, doc};
use resumeguard_core::domain::{OffsetsFrom, Snapshot, Verdict};
use resumeguard_core::recovery::{Ended, Strategy};
use serde_json::json;
use std::path::Path;
use xtask::{Account, Acl, Certificates, Progress, ReplicaSet, ReplicaSetSpec, Seen, Stack, StackSpec};

const PASSES: &str = "[poll]\ninterval = \"10s\"\noffset_flush = \"2s\"\nsizes_every = \"1s\"\n";
const PASSWORD: &str = "mongodb-monitor-secret";

fn written(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn error_of(snapshot: &Snapshot, kind: &str) -> String {
    let source = snapshot.sources.iter().find(|source| source.source == kind);
    source.unwrap_or_else(|| panic!("no {kind}: {snapshot:?}")).error.clone().unwrap_or_default()
}

/// A user with the documented rights, on a connector of `app.c`.
async fn create_monitor(set: &ReplicaSet) {
    let privileges: Vec<Document> = documented().into_iter().map(|(right, _)| right).collect();
    let role = doc! { "createRole": "resumeguard", "privileges": privileges, "roles": [] };
    set.mongo().admin(role).await.unwrap();
    let role = doc! { "role": "resumeguard", "db": "admin" };
    set.mongo().create_user("resumeguard", PASSWORD, vec![role]).await.unwrap();
}

/// Where everything is, and what it takes to get in.
struct Ground {
    stack: Stack,
    tls: Certificates,
    files: tempfile::TempDir,
}

impl Ground {
    async fn prepare() -> Self {
        let _first = rustls::crypto::ring::default_provider().install_default().is_ok();
        let stack = Stack::start(StackSpec::unique("secured").secured(), &Progress::silent()).await.unwrap();
        create_monitor(stack.replica_set().unwrap()).await;
        let acls = stack.acls().unwrap();
        for right in Self::rights() {
            acls.allow(&right).await.unwrap();
        }
        let tls = stack.certificates().unwrap();
        Self { stack, tls, files: tempfile::tempdir().unwrap() }
    }

    fn rights() -> [Acl; 4] {
        let user = Account::KAFKA_MONITOR.user;
        [
            Acl::read_topic(user, "connect-offsets"),
            Acl::describe_topic(user, "connect-offsets"),
            Acl::read_topic(user, "connect-status"),
            Acl::describe_topic(user, "connect-status"),
        ]
    }

    fn config(&self) -> String {
        let (folder, tls) = (self.files.path(), &self.tls);
        let connect = written(folder, "connect-password", Account::CONNECT_MONITOR.password);
        let kafka = written(folder, "kafka-password", Account::KAFKA_MONITOR.password);
        let mongodb = written(folder, "mongodb-password", PASSWORD);
        let (ca, client) = (tls.ca().display().to_string(), tls.client().display().to_string());
        let url = self.stack.connect_url().unwrap();
        let bootstrap = self.stack.kafka_bootstrap().unwrap();
        let member = self.stack.replica_set().unwrap().address(0);
        format!(
            "[connect.main]\nurl = \"{url}\"\nusername = \"resumeguard\"\npassword_file = \"{connect}\"\n\
             ca_file = \"{ca}\"\nclient_cert_file = \"{client}\"\n\
             offsets = \"topic\"\nkafka_bootstrap_servers = \"{bootstrap}\"\noffsets_topic = \"connect-offsets\"\n\
             status_topic = \"connect-status\"\n\
             [connect.main.kafka]\nsecurity_protocol = \"SASL_SSL\"\nsasl_mechanism = \"SCRAM-SHA-512\"\n\
             username = \"resumeguard\"\npassword_file = \"{kafka}\"\nca_file = \"{ca}\"\n\
             [mongodb.production]\nuri = \"mongodb://{member}/?replicaSet=rs0\"\nusername = \"resumeguard\"\n\
             password_file = \"{mongodb}\"\nca_file = \"{ca}\"\nconnectors = [\"*\"]\n{PASSES}"
        )
    }

    async fn connector(&self, name: &str, more: &serde_json::Value) {
        let Account { user, password } = Account::MONGODB_ROOT;
        let member = self.stack.replica_set().unwrap().address(0);
        let uri = format!("mongodb://{user}:{password}@{member}/?replicaSet=rs0&tls=true");
        let config = xtask::source_config(&uri, "app.c", more);
        let connect = self.stack.connect().unwrap();
        connect.put_config(name, &config).await.unwrap();
        connect.wait_until(name, LONG, |status| status.all("RUNNING")).await.unwrap();
        xtask::wait_until("a first position", LONG, async || {
            self.stack.mongod().insert("app.c", doc! { "a": 1 }).await?;
            let stored = !connect.offsets(name).await?.is_empty();
            Ok(if stored { Seen::Yes(()) } else { Seen::Not("none".into()) })
        })
        .await
        .unwrap();
    }
}

#[track_caller]
fn no_secret_in(snapshot: &Snapshot) {
    let shown = format!("{:?}{:?}", snapshot.sources, snapshot.connectors);
    let accounts = [Account::MONGODB_ROOT, Account::KAFKA_MONITOR, Account::CONNECT_MONITOR];
    for secret in accounts.map(|of| of.password).into_iter().chain([PASSWORD, "PRIVATE KEY"]) {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_and_passwords_everywhere_with_least_privilege() {
    let ground = Ground::prepare().await;
    ground.connector("orders", &json!({ "heartbeat.interval.ms": "500" })).await;
    let config = ground.config();
    let mut all = watch(&config);
    xtask::wait_until("everything to be readable", LONG, async || {
        let snapshot = all.pass().await;
        no_secret_in(&snapshot);
        let orders = snapshot.connectors.first();
        let judged = orders.is_some_and(|orders| {
            (orders.verdict, orders.offsets_from) == (Verdict::Safe, Some(OffsetsFrom::Topic))
        });
        let well = judged && snapshot.sources.iter().all(|source| source.up && source.error.is_none());
        Ok(if well { Seen::Yes(()) } else { Seen::Not(format!("{orders:?} {:?}", snapshot.sources)) })
    })
    .await
    .unwrap();

    // One thing less each time, and what is said of it.
    let stranger = format!("ca_file = \"{}\"", ground.tls.stranger().display());
    let ca = format!("ca_file = \"{}\"", ground.tls.ca().display());
    let client = format!("client_cert_file = \"{}\"\n", ground.tls.client().display());
    let wrong = written(ground.files.path(), "wrong", "guessed");
    let password = |name: &str| format!("password_file = \"{}\"", ground.files.path().join(name).display());
    let wrong = format!("password_file = \"{wrong}\"");
    let mongodb = config.find("[mongodb").unwrap();
    let for_mongodb =
        |from: &str, to: &str| format!("{}{}", &config[..mongodb], config[mongodb..].replace(from, to));
    for (kind, less, said) in [
        ("connect", config.replacen(&ca, "", 1), "not trusted: set connect.main.ca_file"),
        ("connect", config.replacen(&ca, &stranger, 1), "not trusted: set connect.main.ca_file"),
        ("connect", config.replacen(&client, "", 1), "set connect.main.client_cert_file"),
        ("connect", config.replace(&password("connect-password"), &wrong), "refused the credentials (401)"),
        ("mongodb", for_mongodb(&ca, &stranger), "not trusted: set mongodb.NAME.ca_file"),
        ("mongodb", config.replace(&password("mongodb-password"), &wrong), "refused the credentials"),
    ] {
        assert_ne!(less, config);
        let mut less = watch(&less);
        xtask::wait_until(said, LONG, async || {
            let snapshot = less.pass().await;
            no_secret_in(&snapshot);
            let safe = snapshot.connectors.iter().any(|report| report.verdict == Verdict::Safe);
            assert!(!safe, "{snapshot:?}");
            let error = error_of(&snapshot, kind);
            Ok(if error.contains(said) { Seen::Yes(()) } else { Seen::Not(error) })
        })
        .await
        .unwrap();
    }

    // Kafka's rights are looked at with every fetch: one is taken away while it reads.
    let acls = ground.stack.acls().unwrap();
    acls.revoke(&Ground::rights()[0]).await.unwrap();
    xtask::wait_until("the right that is missing", LONG, async || {
        let snapshot = all.pass().await;
        let error = error_of(&snapshot, "offsets_topic");
        let said = error.contains("connect-offsets") && error.contains("grant");
        Ok(if said { Seen::Yes(()) } else { Seen::Not(error) })
    })
    .await
    .unwrap();
    acls.allow(&Ground::rights()[0]).await.unwrap();
    xtask::wait_until("it to be read again", LONG, async || {
        let snapshot = all.pass().await;
        let safe = snapshot.connectors.iter().any(|report| report.verdict == Verdict::Safe);
        Ok(if safe { Seen::Yes(()) } else { Seen::Not(format!("{:?}", snapshot.sources)) })
    })
    .await
    .unwrap();
    drop(all);
    a_tombstone_takes_one_right_more(&ground).await;
}

/// Write on the offsets topic, and nothing else: without it nothing is begun, and it is said which it is.
async fn a_tombstone_takes_one_right_more(ground: &Ground) {
    let config = ground.config();
    let by_topic = "offsets = \"topic\"\nmanaged_by = \"none\"\nwrite_offsets_topic = \"always\"";
    let config = config.replacen("offsets = \"topic\"", by_topic, 1);
    ground.connector("lost", &json!({})).await;
    let connect = ground.stack.connect().unwrap();
    fail(connect, &mut Writer::new(ground.stack.mongod(), "app.c"), "lost").await;
    let mut bench = Bench::with(tempfile::tempdir().unwrap(), &config, "").await;
    let attempt = bench.recover("lost", Strategy::ResetOffsets).await;
    println!("{}", story(&attempt));
    let (ended, says, _) = attempt.ended.clone().unwrap();
    assert!(ended == Ended::PutBack && says.contains("grant Write on it"), "{says}");
    assert_eq!(attempt.taken.len(), 1, "it was asked before the first change");
    let write = Acl::write_topic(Account::KAFKA_MONITOR.user, "connect-offsets");
    ground.stack.acls().unwrap().allow(&write).await.unwrap();
    let attempt = bench.recover("lost", Strategy::ResetOffsets).await;
    println!("{}", story(&attempt));
    assert_eq!(attempt.ended.as_ref().map(|ended| ended.0), Some(Ended::Recovered), "{}", story(&attempt));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_of_saying_to_mongodb_who_we_are() {
    let _first = rustls::crypto::ring::default_provider().install_default().is_ok();
    let spec = ReplicaSetSpec::of(1).with_tls().with_root("root", "root-pw");
    let set = ReplicaSet::start(spec).await.unwrap();
    let tls = Certificates::of_stack(set.folder()).unwrap();
    create_monitor(&set).await;
    let role = doc! { "role": "resumeguard", "db": "admin" };
    let old = doc! {
        "createUser": "old", "pwd": PASSWORD, "roles": [role.clone()], "mechanisms": ["SCRAM-SHA-1"],
    };
    set.mongo().admin(old).await.unwrap();
    let external = set.mongo().client().database("$external");
    let named = doc! { "createUser": tls.client_name(), "roles": [role] };
    external.run_command(named).await.unwrap();

    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), "password", PASSWORD);
    let address = set.address(0);
    let ca = format!("ca_file = \"{}\"\n", tls.ca().display());
    let client = format!("client_cert_file = \"{}\"\n", tls.client().display());
    let with = |options: &str, rest: &str| {
        format!(
            "[mongodb.production]\nuri = \"mongodb://{address}/?replicaSet=rs0{options}\"\n{rest}{PASSES}"
        )
    };
    let user = |name: &str| format!("username = \"{name}\"\npassword_file = \"{path}\"\n{ca}");
    for good in [
        with("", &user("resumeguard")),
        with("&authMechanism=SCRAM-SHA-256", &user("resumeguard")),
        with("&authMechanism=SCRAM-SHA-1", &user("old")),
        with("&authMechanism=MONGODB-X509", &format!("{ca}{client}")),
    ] {
        let mut watch = watch(&good);
        xtask::wait_until("the oplog to be read", LONG, async || {
            let snapshot = watch.pass().await;
            let read = snapshot.oplogs.first().is_some_and(|oplog| oplog.first.is_some());
            Ok(if read { Seen::Yes(()) } else { Seen::Not(format!("{:?}", snapshot.sources)) })
        })
        .await
        .unwrap();
    }
    for (bad, said) in [
        (with("&tls=true", ""), "not trusted: set mongodb.NAME.ca_file"),
        (with("&authMechanism=SCRAM-SHA-256", &user("old")), "refused the credentials"),
        (with("", &ca), "may not read local.oplog.rs"),
    ] {
        let mut watch = watch(&bad);
        xtask::wait_until(said, LONG, async || {
            let error = error_of(&watch.pass().await, "mongodb");
            Ok(if error.contains(said) { Seen::Yes(()) } else { Seen::Not(error) })
        })
        .await
        .unwrap();
    }
    rotated(&set, &path, &with("", &user("resumeguard"))).await;
}

/// The password is changed in the database and in its file, and the next passes go on with the new one.
async fn rotated(set: &ReplicaSet, path: &str, config: &str) {
    let mut watch = watch(config);
    let mut readable = async |expected: bool| {
        xtask::wait_until("the rotated password", LONG, async || {
            let snapshot = watch.pass().await;
            let read = snapshot.oplogs.first().is_some_and(|oplog| oplog.first.is_some());
            let refused = error_of(&snapshot, "mongodb").contains("refused the credentials");
            let as_expected = if expected { read } else { refused };
            Ok(if as_expected { Seen::Yes(()) } else { Seen::Not(format!("{:?}", snapshot.sources)) })
        })
        .await
        .unwrap();
    };
    readable(true).await;
    std::fs::write(path, "another-secret").unwrap();
    readable(false).await;
    set.mongo().admin(doc! { "updateUser": "resumeguard", "pwd": "another-secret" }).await.unwrap();
    readable(true).await;
}
