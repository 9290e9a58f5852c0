//! The running daemon: its plans by every way in, words of people, and what it leaves behind.

use super::asked_by_socket;
use crate::cli::{Run, resumeguard};
use crate::fake_connect::{Answer, FakeConnect, offsets};
use crate::leaks::Leaks;
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A connector that failed with 286, as a real worker lists it, at a deployment that nobody can reach.
fn failed() -> Answer {
    let trace = "org.apache.kafka.connect.errors.ConnectException: Failed to resume change stream: Resume of change stream was not possible, as the resume point may no longer be in the oplog. 286\n\tat com.mongodb.kafka.connect.source";
    let listing = serde_json::json!({ "orders": {
        "status": { "name": "orders", "connector": { "state": "RUNNING" }, "type": "source",
            "tasks": [{ "id": 0, "state": "FAILED", "trace": trace, "worker_id": "10.0.0.1:8083" }] },
        "info": { "name": "orders", "config": {
            "connector.class": "com.mongodb.kafka.connect.MongoSourceConnector",
            "connection.uri": "mongodb://127.0.0.1:9/?replicaSet=rs0", "database": "db", "collection": "c",
        } },
    } });
    Answer::Json(listing.to_string())
}

pub(super) struct Daemon {
    child: Child,
    pub(super) address: String,
    directory: tempfile::TempDir,
    config: PathBuf,
    log: Arc<Mutex<String>>,
    leaks: Leaks,
}

impl Daemon {
    fn start(url: &str) -> Self {
        Self::start_in(url, tempfile::tempdir().unwrap())
    }

    fn start_in(url: &str, directory: tempfile::TempDir) -> Self {
        Self::start_with(url, directory, "", "info")
    }

    /// With these lines as well, in `[http]` and after it, and a log of this detail.
    pub(super) fn start_with(url: &str, directory: tempfile::TempDir, more: &str, level: &str) -> Self {
        let config = directory.path().join("resumeguard.toml");
        let state = directory.path().join("state");
        let text = format!(
            "[connect.main]\nurl = \"{url}\"\nmanaged_by = \"none\"\n[poll]\ninterval = \"500ms\"\n[recovery]\nmode = \"approve\"\ndirectory = \"{}\"\n[http]\nlisten = \"127.0.0.1:0\"\n{more}",
            state.display()
        );
        std::fs::write(&config, &text).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_resumeguard"))
            .args(["--config", config.to_str().unwrap(), "run"])
            .env("RUST_LOG", level)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let first = lines.find_map(|line| line.ok().filter(|line| line.contains("listen="))).unwrap();
        let address =
            first.split("listen=").nth(1).and_then(|rest| rest.split(' ').next()).unwrap().to_owned();
        let log = Arc::new(Mutex::new(String::new()));
        let copy = Arc::clone(&log);
        // Nobody may be kept waiting by a pipe that is full.
        std::thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| copy.lock().unwrap().push_str(&(line + "\n")));
        });
        let leaks = Leaks::of_config(&text);
        Self { child, address, directory, config, log, leaks }
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.directory.path().join("state/control.sock")
    }

    pub(super) async fn run(&self, arguments: &[&str]) -> Run {
        run(&self.config, arguments).await
    }

    /// Asks by the socket until the answer is as wanted.
    pub(super) async fn until(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        for _attempt in 0..400 {
            // One that a kill has left is there before anybody answers.
            if std::os::unix::net::UnixStream::connect(self.socket()).is_ok() {
                last = asked_by_socket(&self.socket(), "", None).await.1;
                if wanted(&last) {
                    return last;
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{last}");
    }

    async fn text(&self, path: &str) -> String {
        let response = reqwest::get(format!("http://{}{path}", self.address)).await.unwrap();
        response.text().await.unwrap()
    }

    /// Asks by HTTP until the page says so.
    async fn says(&self, path: &str, wanted: &str) {
        let mut last = String::new();
        for _attempt in 0..400 {
            last = self.text(path).await;
            if last.contains(wanted) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{wanted} in {last}");
    }

    fn end(mut self, signal: rustix::process::Signal) -> tempfile::TempDir {
        self.sweep();
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
        self.child.wait().unwrap();
        std::mem::replace(&mut self.directory, tempfile::tempdir().unwrap())
    }
}

impl Daemon {
    /// Looks for secrets in everything that it tells anybody.
    fn sweep(&mut self) {
        let log = self.log.lock().unwrap().clone();
        self.leaks.sweep(&self.address, &log);
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if !std::thread::panicking() && matches!(self.child.try_wait(), Ok(None)) {
            self.sweep();
        }
        // Already ended where the test went well.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

async fn run(config: &Path, arguments: &[&str]) -> Run {
    let config = config.display().to_string();
    let line = resumeguard(&[&["--config", &config], arguments].concat());
    tokio::task::spawn_blocking(move || line.run()).await.unwrap()
}

fn has_a_plan(overview: &Value) -> bool {
    overview["plans"][0]["plan"]["id"].is_string() && overview["frozen"].is_null()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_shown_everywhere_and_waits_for_a_persons_word() {
    let fake = FakeConnect::start(failed(), offsets(&[])).await;
    let daemon = Daemon::start(&fake.url);
    let overview = daemon.until(has_a_plan).await;
    let plan = &overview["plans"][0]["plan"];
    let id = plan["id"].as_str().unwrap().to_owned();
    assert_eq!(
        (&overview["mode"], &overview["plans"][0]["trigger"]),
        (&"approve".into(), &"history_lost".into())
    );
    assert!(plan["steps"].as_array().unwrap().len() > 2, "{plan}");
    let by_http: Value = serde_json::from_str(&daemon.text("/api/v1/recovery").await).unwrap();
    assert_eq!(by_http["plans"][0]["plan"]["id"], *id);
    daemon.says("/metrics", "resumeguard_recovery_plans{state=\"blocked\"} 1").await;
    daemon.says("/metrics", "resumeguard_recovery_blocked{reason=\"awaits_approval\"} 1").await;
    daemon.says("/metrics", "resumeguard_recovery_mode{mode=\"approve\"} 1").await;
    daemon.says("/api/v1/status", &format!("\"plan\":{{\"id\":\"{id}\"")).await;
    daemon.says("/", &format!("href=\"/recovery/plans/{id}\"")).await;
    daemon.says(&format!("/recovery/plans/{id}"), "because of history lost").await;

    let shown = daemon.run(&["recovery", "plan", "orders"]).await;
    assert!(shown.code == 0 && shown.stdout.contains(&format!("plan {id}:")), "{shown:?}");
    assert!(shown.stdout.contains(&format!("resumeguard recovery approve {id} --reason")), "{shown:?}");
    let other = daemon.run(&["recovery", "plan", "billing"]).await;
    assert!(other.stdout.contains("no connector is in trouble"), "{other:?}");

    let discarded = daemon.run(&["recovery", "discard", &id, "--reason", "not today"]).await;
    assert_eq!(discarded.code, 0, "{discarded:?}");
    let state = |state: &'static str| move |seen: &Value| seen["plans"][0]["plan"]["state"] == state;
    daemon.until(state("discarded")).await;
    daemon.says("/metrics", "resumeguard_recovery_plans{state=\"discarded\"} 1").await;
    let approved = daemon.run(&["recovery", "approve", &id, "--reason", "after all"]).await;
    assert_eq!(approved.code, 0, "{approved:?}");
    let approves = |seen: &Value| !seen["plans"][0]["plan"]["blockers"].to_string().contains("approval");
    let overview = daemon.until(approves).await;
    // What a person cannot decide still blocks: nobody knows the oplog.
    assert_eq!(overview["plans"][0]["plan"]["state"], "blocked", "{overview}");
    assert_eq!(overview["attempts"], serde_json::json!([]));
    let refused = daemon.run(&["recovery", "run", "orders", "--reason", "now"]).await;
    assert_eq!((refused.code, refused.stderr.lines().count()), (1, 1), "{refused:?}");
    let gone = daemon.run(&["recovery", "approve", "000000000000", "--reason", "x"]).await;
    assert!(gone.code == 1 && gone.stderr.contains("no plan 000000000000 stands now"), "{gone:?}");
    let unknown = daemon.run(&["recovery", "run", "orders", "--strategy", "guess", "--reason", "x"]).await;
    assert!(unknown.code == 64 && unknown.stderr.contains("is none of salvage"), "{unknown:?}");

    // Freezing is seen at once by whoever asks.
    let frozen = daemon.run(&["freeze", "--reason", "rain"]).await;
    assert!(frozen.code == 0 && frozen.stdout.contains(": rain"), "{frozen:?}");
    assert!(asked_by_socket(&daemon.socket(), "/freeze", None).await.1["frozen"].is_string());
    daemon.says("/metrics", "resumeguard_recovery_frozen 1").await;
    let thawed = daemon.run(&["unfreeze", "--reason", "sun"]).await;
    assert!(thawed.code == 0 && thawed.stdout.contains("not frozen"), "{thawed:?}");
    daemon.says("/metrics", "resumeguard_recovery_frozen 0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_daemons_socket_keeps_nobody_from_asking_and_an_ended_ones_is_gone() {
    let fake = FakeConnect::start(failed(), offsets(&[])).await;
    let daemon = Daemon::start(&fake.url);
    daemon.until(has_a_plan).await;
    let (config, socket) = (daemon.config.clone(), daemon.socket());
    let directory = daemon.end(rustix::process::Signal::KILL);
    assert!(socket.exists());
    // Nobody is behind it: the commands act themselves, and look twice for a plan.
    let list = run(&config, &["recovery", "list"]).await;
    assert_eq!((list.code, list.stdout.as_str()), (0, "no recovery was attempted\n"), "{list:?}");
    let plan = run(&config, &["recovery", "plan", "--json"]).await;
    let overview: Value = serde_json::from_str(&plan.stdout).unwrap();
    assert!(plan.code == 0 && overview["plans"][0]["plan"]["id"].is_string(), "{plan:?}");
    assert!(!overview.to_string().contains("one_pass"), "{overview}");
    let refused = run(&config, &["recovery", "run", "main/orders", "--reason", "now"]).await;
    assert_eq!(refused.code, 1, "{refused:?}");
    let daemon = Daemon::start_in(&fake.url, directory);
    daemon.until(has_a_plan).await;
    let _directory = daemon.end(rustix::process::Signal::TERM);
    assert!(!socket.exists(), "an orderly end leaves none");
}

/// Everything that can be configured as a secret, a connection string with a password, a trace with a token, and a log that
/// tells all there is: none of it comes out anywhere.
#[tokio::test(flavor = "multi_thread")]
async fn no_secret_comes_out_of_a_daemon_that_has_one_of_each_kind() {
    let uri = "mongodb://monitor:connectors-own-pw@127.0.0.1:9/?replicaSet=rs0";
    let Answer::Json(listing) = failed() else { panic!("a listing is JSON") };
    let token = r#"at {\"_data\": \"826B03B3E1000000012B0229296E04\"} com.mongodb"#;
    let listing =
        listing.replace("mongodb://127.0.0.1:9/?replicaSet=rs0", uri).replace("at com.mongodb", token);
    let own = r#""database":"db","producer.override.sasl.jaas.config":"x required password=\"producers-own-pw\";","ssl.key.password":"keys-own-phrase""#;
    let listing = listing.replace(r#""database":"db""#, own);
    assert!(listing.contains("producers-own-pw"));
    assert!(listing.contains("826B03B3E1") && listing.contains("connectors-own-pw"));
    let stored = offsets(&[("mongodb://127.0.0.1:9/db.c", r#"{"_data": "826B03B3E1000000012B0229296E04"}"#)]);
    let fake = FakeConnect::start(Answer::Json(listing), stored).await;
    let directory = tempfile::tempdir().unwrap();
    let users = directory.path().join("users");
    std::fs::write(&users, format!("ada:{}:change\n", bcrypt::hash("analytical-engine", 4).unwrap()))
        .unwrap();
    let at = |name: &str| format!("{:?}", directory.path().join(name).display().to_string());
    let served = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(directory.path().join("cert"), served.cert.pem()).unwrap();
    std::fs::write(directory.path().join("key"), served.signing_key.serialize_pem()).unwrap();
    std::fs::write(directory.path().join("token"), "token-for-connect-in-a-file\n").unwrap();
    let more = format!(
        "token = \"0123456789abcdef\"\nusers_file = {users:?}\ntls_cert_file = {cert}\ntls_key_file = {key}\n\
         [http.users.bob]\npassword_hash = \"{}\"\n\
         [connect.other]\nurl = \"http://127.0.0.1:9\"\nusername = \"u\"\npassword = \"connect-pw\"\n\
         [connect.third]\nurl = \"https://127.0.0.1:9\"\ntoken_file = {}\nca_file = {cert}\nclient_cert_file = {cert}\nclient_key_file = {key}\n\
         kafka_bootstrap_servers = \"127.0.0.1:9\"\noffsets_topic = \"connect-offsets\"\n\
         [connect.third.kafka]\nsecurity_protocol = \"SASL_PLAINTEXT\"\nsasl_mechanism = \"PLAIN\"\nusername = \"k\"\npassword = \"sasl-password\"\n\
         [connect.third.kafka.properties]\n\"client.rack\" = \"a-rack-of-secrets\"\n\
         [mongodb.one]\nuri = \"mongodb://u:deployment-pw@127.0.0.1:9/?replicaSet=rs0\"\nconnectors = [\"nobody\"]\n",
        bcrypt::hash("builder-pw", 4).unwrap(),
        at("token"),
        cert = at("cert"),
        key = at("key"),
    );
    let mut daemon = Daemon::start_with(&fake.url, directory, &more, "trace");
    daemon.until(has_a_plan).await;
    let client = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).build().unwrap();
    let url = format!("https://{}/api/v1/recovery/freeze", daemon.address);
    for password in ["analytical-engine", "indifference"] {
        let request = client
            .post(&url)
            .basic_auth("ada", Some(password))
            .json(&serde_json::json!({ "reason": "rain" }));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), if password == "analytical-engine" { 200 } else { 401 });
        daemon.leaks.nor_tokens_in("a decision", &answer.text().await.unwrap());
    }
    let shown = client
        .get(url.replace("recovery/freeze", "status"))
        .bearer_auth("0123456789abcdef")
        .send()
        .await
        .unwrap();
    assert!(shown.text().await.unwrap().contains("826B03B3E1"), "whoever may sees it");
    for password in ["analytical-engine", "builder-pw"] {
        daemon.leaks.key("password", password);
    }
    let log = daemon.log.lock().unwrap().clone();
    assert!(log.contains("TRACE") && log.contains("ada"), "the log tells all there is: {}", log.len());
}
