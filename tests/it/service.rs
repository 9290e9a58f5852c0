//! The daemon as a service: what it tells systemd, and its configuration read again while it runs.

use crate::fake_connect::{Answer, FakeConnect, offsets};
use crate::leaks::Leaks;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead as _, BufReader};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const TOKEN: &str = "0123456789abcdef-reload";

struct Service {
    child: Child,
    address: String,
    directory: tempfile::TempDir,
    url: String,
    log: Arc<Mutex<String>>,
    told: Mutex<Receiver<String>>,
}

impl Service {
    fn start(url: &str) -> Self {
        Self::told_to(url, true)
    }

    /// `read`: whether anybody reads what systemd is told.
    fn told_to(url: &str, read: bool) -> Self {
        let _first = rustls::crypto::ring::default_provider().install_default().is_ok();
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("notify");
        let socket_of_it = UnixDatagram::bind(&socket).unwrap();
        let (tell, told) = channel();
        if !read {
            // To its last place: whoever sends one more waits.
            let sender = UnixDatagram::unbound().unwrap();
            sender.set_nonblocking(true).unwrap();
            while sender.send_to(b"full", &socket).is_ok() {}
        }
        std::thread::spawn(move || {
            if !read {
                // It stays open, and full.
                loop {
                    std::thread::park();
                }
            }
            let mut bytes = [0; 4096];
            while let Ok(length) = socket_of_it.recv(&mut bytes) {
                let Ok(()) = tell.send(String::from_utf8_lossy(&bytes[..length]).into_owned()) else {
                    return;
                };
            }
        });
        let told = Mutex::new(told);
        write(directory.path(), url, "");
        let mut child = Command::new(env!("CARGO_BIN_EXE_resumeguard"))
            .args(["--config", directory.path().join("resumeguard.toml").to_str().unwrap(), "run"])
            .env("NOTIFY_SOCKET", &socket)
            .env("WATCHDOG_USEC", "400000")
            .env_remove("RUST_LOG")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let address = first.split("listen=").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
        let (address, log) = (address.to_owned(), Arc::new(Mutex::new(String::new())));
        let copy = Arc::clone(&log);
        std::thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| copy.lock().unwrap().push_str(&(line + "\n")));
        });
        Self { child, address, directory, url: url.to_owned(), log, told }
    }

    /// What systemd is told next that begins like this.
    fn until_told(&self, begin: &str) -> String {
        loop {
            let told = self.told.lock().unwrap().recv_timeout(Duration::from_secs(30));
            let told = told.unwrap_or_else(|error| panic!("no {begin}: {error}"));
            if told.starts_with(begin) {
                return told;
            }
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Reads this as its configuration, by SIGHUP.
    fn reload(&self, more: &str) {
        write(self.directory.path(), &self.url, more);
        self.signal(Signal::HUP);
        let told = self.until_told("RELOADING=1");
        // Two messages would be two moments: systemd wants one.
        assert!(told.contains("\nMONOTONIC_USEC="), "{told}");
        self.until_told("READY=1");
    }

    async fn get(&self, path: &str) -> String {
        reqwest::get(format!("http://{}{path}", self.address)).await.unwrap().text().await.unwrap()
    }

    /// Asks until a page says so.
    async fn says(&self, path: &str, wanted: &str) {
        let mut last = String::new();
        for _attempt in 0..400 {
            last = self.get(path).await;
            if last.contains(wanted) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{wanted} in {last}; {}", self.log.lock().unwrap());
    }

    /// Asks until so many passes were made.
    async fn until_passes(&self, wanted: u64) {
        for _attempt in 0..400 {
            let page = self.get("/metrics").await;
            let passes = page.lines().find_map(|line| line.strip_prefix("resumeguard_passes_total "));
            if passes.and_then(|passes| passes.parse::<u64>().ok()).is_some_and(|passes| passes >= wanted) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("no {wanted} passes; {}", self.log.lock().unwrap());
    }

    async fn post_reload(&self, token: Option<&str>) -> (u16, String) {
        let request = reqwest::Client::new().post(format!("http://{}/-/reload", self.address));
        let request = token.iter().fold(request, |request, token| request.bearer_auth(token));
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if !std::thread::panicking() && matches!(self.child.try_wait(), Ok(None)) {
            let log = self.log.lock().unwrap().clone();
            Leaks::of_file(&self.directory.path().join("resumeguard.toml")).sweep(&self.address, &log);
        }
        // Already ended where the test went well.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn write(directory: &std::path::Path, url: &str, more: &str) {
    let state = directory.join("state").display().to_string();
    let poll = if more.contains("[poll]") { "" } else { "[poll]\ninterval = \"300ms\"\n" };
    let text = format!(
        "[connect.main]\nurl = \"{url}\"\nmanaged_by = \"none\"\n[http]\nlisten = \"127.0.0.1:0\"\ntoken = \"{TOKEN}\"\n\
         {poll}[recovery]\ndirectory = \"{state}\"\n{more}\n"
    );
    std::fs::write(directory.join("resumeguard.toml"), text).unwrap();
}

async fn nobody() -> FakeConnect {
    FakeConnect::start(Answer::Json("{}".to_owned()), offsets(&[])).await
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_is_told_when_it_is_ready_that_passes_advance_and_when_it_stops() {
    let fake = nobody().await;
    let mut service = Service::start(&fake.url);
    service.until_told("READY=1");
    service.until_told("STATUS=connectors: none seen; recovery plan");
    service.until_told("WATCHDOG=1");
    service.signal(Signal::TERM);
    service.until_told("STOPPING=1");
    assert!(service.child.wait().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_nothing_of_what_they_are_told_holds_nothing_up() {
    let fake = nobody().await;
    let mut service = Service::told_to(&fake.url, false);
    service.until_passes(3).await;
    service.signal(Signal::TERM);
    assert!(service.child.wait().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_is_read_again_holds_and_a_broken_one_changes_nothing() {
    let fake = nobody().await;
    let service = Service::start(&fake.url);
    service.until_told("READY=1");
    service.says("/metrics", "resumeguard_config_last_reload_successful 1").await;
    service.says("/api/v1/recovery/freeze", "\"frozen\":null").await;

    service.reload("freeze = true\nmode = \"approve\"");
    service.says("/api/v1/recovery/freeze", "recovery.freeze is set in the configuration").await;
    service.says("/metrics", "resumeguard_recovery_mode{mode=\"approve\"} 1").await;
    service.says("/metrics", "resumeguard_config_last_reload_successful 1").await;
    assert!(service.log.lock().unwrap().contains("the greatest mode of recovery is another one"));

    service.reload("freeze = false\nmode = \"perhaps\"");
    service.says("/metrics", "resumeguard_config_last_reload_successful 0").await;
    service.says("/api/v1/recovery/freeze", "recovery.freeze is set in the configuration").await;
    service.says("/metrics", "resumeguard_recovery_mode{mode=\"approve\"} 1").await;
    let log = service.log.lock().unwrap().clone();
    assert!(log.contains("nothing was changed") && log.contains("recovery.mode"), "{log}");

    // Whoever may change things may have it read as well.
    let (status, problem) = service.post_reload(Some(TOKEN)).await;
    assert!(
        status == 422 && problem.contains("recovery.mode") && problem.contains("perhaps"),
        "{status} {problem}"
    );
    assert_eq!(service.post_reload(None).await.0, 401);
    write(service.directory.path(), &service.url, "freeze = false");
    let (status, answer) = service.post_reload(Some(TOKEN)).await;
    assert_eq!((status, answer.as_str()), (200, "{\"restart_for\":[]}"));
    service.says("/api/v1/recovery/freeze", "\"frozen\":null").await;
    service.says("/metrics", "resumeguard_config_last_reload_successful 1").await;
}

/// A pass waits for whoever does not answer, for an interval at the most; who freezes does not.
#[tokio::test(flavor = "multi_thread")]
async fn a_freeze_that_is_read_again_does_not_wait_for_a_pass() {
    // Never accepts: the kernel does, and nobody answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let service = Service::start(&format!("http://{}", silent.local_addr().unwrap()));
    service.until_told("READY=1");
    service.reload("[poll]\ninterval = \"15s\"");
    let reloads = || service.log.lock().unwrap().matches("the configuration was read again").count();
    service.says("/api/v1/recovery/freeze", "\"frozen\":null").await;
    write(service.directory.path(), &service.url, "freeze = true\n[poll]\ninterval = \"15s\"");
    service.signal(Signal::HUP);
    service.says("/api/v1/recovery/freeze", "recovery.freeze is set in the configuration").await;
    assert_eq!(reloads(), 1, "the rest of it waits for the pass: {}", service.log.lock().unwrap());
    // Whoever looks for leaks asks it as well.
    drop(silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_a_restart_is_said_and_the_rest_holds() {
    let fake = nobody().await;
    let service = Service::start(&fake.url);
    service.until_told("READY=1");
    write(
        service.directory.path(),
        &service.url,
        "freeze = true\n[history]\ndirectory = \"/nowhere/at/all\"",
    );
    let (status, answer) = service.post_reload(Some(TOKEN)).await;
    assert_eq!((status, answer.as_str()), (200, "{\"restart_for\":[\"history\"]}"));
    service.says("/api/v1/recovery/freeze", "recovery.freeze is set in the configuration").await;
}

/// What is watched can be another cluster from one pass to the next; what stays is not forgotten while it is away.
#[tokio::test(flavor = "multi_thread")]
async fn clusters_come_and_go_with_the_configuration_and_those_that_stay_keep_what_they_know() {
    let listing = serde_json::json!({ "orders": {
        "status": { "name": "orders", "connector": { "state": "RUNNING" }, "type": "source", "tasks": [] },
        "info": { "name": "orders", "config": { "connector.class": "com.mongodb.kafka.connect.MongoSourceConnector",
            "connection.uri": "mongodb://127.0.0.1:9/?replicaSet=rs0" } },
    } });
    let (fake, other) =
        (FakeConnect::start(Answer::Json(listing.to_string()), offsets(&[])).await, nobody().await);
    let service = Service::start(&fake.url);
    service.says("/api/v1/status", "\"connector\":\"orders\"").await;
    fake.answer_listing_with(Answer::Status(500, "away"));
    service.says("/metrics", "resumeguard_source_up{source=\"connect\",name=\"main\"} 0").await;
    service.reload(&format!("[connect.second]\nurl = \"{}\"", other.url));
    service.says("/metrics", "resumeguard_source_up{source=\"connect\",name=\"second\"} 1").await;
    service.says("/api/v1/status", "\"connector\":\"orders\"").await;
    service.reload("");
    for _attempt in 0..400 {
        if !service.get("/metrics").await.contains("name=\"second\"") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{}", service.get("/metrics").await);
}
