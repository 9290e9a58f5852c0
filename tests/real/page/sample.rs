//! Fleets that no stack of ours can have, served as the daemon serves them: the page itself does not know the difference.

use resumeguard::clock::Clock;
use resumeguard::config;
use resumeguard::history::History;
use resumeguard::publish::http::{Room, router};
use resumeguard::publish::status::{Status, Tokens};
use resumeguard::publish::{Board, Published};
use resumeguard::recovery::Desk;
use resumeguard::server::Server;
use resumeguard_core::assess::forecast::Range;
use resumeguard_core::domain::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A server with a board on which a test hangs up what it wants.
pub(super) struct Served {
    pub(super) url: String,
    pub(super) board: Board,
    pub(super) desk: Desk,
    clock: Clock,
    history: History,
    /// Its own: connections that are open end with it.
    server: Option<tokio::runtime::Runtime>,
    directory: tempfile::TempDir,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.die();
    }
}

/// Who may decide, by this password.
pub(super) const PASSWORD: &str = "difference-engine";

impl Served {
    /// With passes of this interval. Ada may decide.
    pub(super) async fn start(interval: Duration) -> Self {
        let hash = bcrypt::hash(PASSWORD, 4).unwrap();
        let ada = format!("[http.users.ada]\npassword_hash = \"{hash}\"\nrights = \"change\"\n");
        Self::with(interval, "requests_per_second = 0", &ada).await
    }

    /// Only ada may look, and as long as [`Self::change_password`] lets her.
    pub(super) async fn behind_a_password(interval: Duration) -> Self {
        let http = "requests_per_second = 0\nread = \"authenticated\"\nusers_file = \"{users}\"";
        Self::with(interval, http, "").await
    }

    /// Another one from now on; the server reads it within moments.
    pub(super) fn change_password(&self, password: &str) {
        write_users(self.directory.path(), password);
    }

    /// Each address asks so much a second.
    pub(super) async fn asked_at_most(interval: Duration, requests_per_second: u32) -> Self {
        Self::with(interval, &format!("requests_per_second = {requests_per_second}"), "").await
    }

    async fn with(interval: Duration, http: &str, users: &str) -> Self {
        let _first = rustls::crypto::ring::default_provider().install_default().is_ok();
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().display().to_string();
        let http = http.replace("{users}", &write_users(directory.path(), PASSWORD).display().to_string());
        let text = format!(
            "[recovery]\nmode = \"approve\"\ndirectory = \"{state}\"\n[history]\ndirectory = \"{state}\"\n\
             [http]\nlisten = \"127.0.0.1:0\"\n{http}\n{users}"
        );
        let file = directory.path().join("resumeguard.toml");
        std::fs::write(&file, text).unwrap();
        let sources = config::Sources { files: vec![file], ..config::Sources::default() };
        let config = config::load(&sources).unwrap().1;
        let clock = Clock::start();
        let desk = Desk::open(&config, clock).await;
        let (history, _) = History::open(config.history.as_ref().unwrap(), clock).await;
        let board = Board::new(clock, interval);
        let room =
            Room { board: board.clone(), history: Some(history.reader()), desk: desk.clone(), reloads: None };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (tell, told) = tokio::sync::oneshot::channel();
        runtime.spawn(async move {
            let server = Server::bind(&config.http, clock).await.unwrap();
            tell.send(format!("http://{}", server.address().unwrap())).unwrap();
            server.serve(router(room)).await;
        });
        let (url, server) = (told.await.unwrap(), Some(runtime));
        Self { url, board, desk, clock, history, server, directory }
    }

    /// Hangs up a pass.
    pub(super) fn put(&self, snapshot: &Snapshot) {
        let status = Status::new(snapshot, Tokens::Shown);
        self.board.put(Published::new(self.clock.uptime(), status, Vec::new(), Vec::new()));
    }

    /// Keeps a pass in the history.
    pub(super) async fn keep(&mut self, snapshot: &Snapshot) {
        let before = self.history.meter().reads;
        let now = Now { unix_seconds: snapshot.at, uptime: self.clock.uptime() };
        self.history.keep(snapshot, &Arc::default(), now);
        while self.history.meter().reads == before {
            tokio::time::sleep(Duration::from_millis(1)).await;
            self.history.settle(&self.clock);
        }
    }

    /// Nobody answers any more.
    pub(super) fn die(&mut self) {
        if let Some(server) = self.server.take() {
            server.shutdown_background();
        }
    }
}

/// A file that knows ada by a password.
fn write_users(directory: &Path, password: &str) -> PathBuf {
    let file = directory.join("users");
    let written = directory.join("users.new");
    std::fs::write(&written, format!("ada:{}\n", bcrypt::hash(password, 4).unwrap())).unwrap();
    std::fs::rename(&written, &file).unwrap();
    file
}

pub(super) fn now() -> i64 {
    Clock::start().now().unix_seconds
}

fn second(at: i64) -> u32 {
    u32::try_from(at).unwrap()
}

/// A window of five hours and twelve minutes.
const WINDOW: i64 = 18_720;

/// A pass over these, now.
pub(super) fn pass(connectors: Vec<ConnectorReport>) -> Snapshot {
    let at = now();
    let member = |deployment: &str, member: &str, role, window: i64| OplogReport {
        deployment: deployment.into(),
        shard: None,
        member: member.into(),
        role,
        first: Some(Timestamp { t: second(at - window), i: 1 }),
        last: Some(Timestamp { t: second(at), i: 4 }),
        window_seconds: Some(window),
        sizes: OplogSizes {
            size_bytes: Some(990 << 20),
            max_size_bytes: Some(1 << 30),
            min_retention_seconds: None,
        },
        never_truncated: Some(false),
        erosion_ratio: Some(1.3),
    };
    let deployments: BTreeSet<&str> = connectors.iter().filter_map(|one| one.deployment.as_deref()).collect();
    let members = |name: &&str| {
        [("db1.example:27017", Role::Primary, WINDOW), ("db2.example:27017", Role::Secondary, 7_200)]
            .map(|(host, role, window)| member(name, host, role, window))
    };
    let oplogs = deployments.iter().flat_map(members).collect();
    let source = |source, name: &str| SourceFacts { source, name: name.into(), up: true, error: None };
    let sources = vec![
        source("connect", "east"),
        source("connect", "west"),
        source("mongodb", "rs0/db1.example:27017"),
    ];
    Snapshot { at, connectors, oplogs, sources }
}

/// A connector that is well, or not.
pub(super) fn connector(name: &str, verdict: Verdict, headroom: Option<i64>) -> ConnectorReport {
    let at = now();
    #[allow(clippy::cast_precision_loss, reason = "a share of a window")]
    let ratio = headroom.map(|headroom| headroom as f64 / WINDOW as f64);
    let position = headroom.map(|headroom| Position {
        token: "826B03B3E1000000012B0229296E04".into(),
        time: Timestamp { t: second(at - WINDOW + headroom), i: 1 },
        stored_at: None,
        kind: TokenKind::HighWaterMark,
        ends: StreamEnd::None,
        collection: None,
        type_bits_missing: false,
    });
    ConnectorReport {
        id: ConnectorId::new("east", name),
        class: "com.mongodb.kafka.connect.MongoSourceConnector".into(),
        version: Some("2.0.1".into()),
        state: Some(ConnectorState::Running),
        failure: None,
        tasks: vec![TaskFacts {
            id: 0,
            state: TaskState::Running,
            failure: None,
            trace: None,
            worker: None,
            started: None,
        }],
        deployment: headroom.is_some().then(|| "rs0".into()),
        mongodb_namespace: format!("shop.{name}"),
        verdict,
        basis: headroom.map(|_| Basis::Window),
        on_restart: match verdict {
            Verdict::Lost => OnRestart::Fails,
            Verdict::Unknown(_) => OnRestart::Unknown,
            Verdict::Safe | Verdict::AtRisk | Verdict::Critical => OnRestart::Resumes,
        },
        offsets_from: Some(OffsetsFrom::Topic),
        offsets_told: None,
        position,
        headroom_seconds: headroom,
        headroom_ratio: ratio,
        lag_seconds: headroom.map(|headroom| (WINDOW - headroom).max(2)),
        outage_budget_seconds: headroom.map(|headroom| (headroom.max(0) * 10) / 13),
        outage_budget_range: None,
        until_lost: None,
        no_forecast: None,
        findings: vec![],
        failures: BTreeMap::new(),
        progress: Progress::Advancing,
        live_stream: LiveStream::Unproven,
        discontinuities: vec![],
        discontinuities_now: 0,
        losses_of_late: 0,
        losses: BTreeMap::new(),
    }
}

fn finding(
    rule: &'static str,
    name: &'static str,
    severity: Severity,
    summary: &str,
    advice: &str,
) -> Finding {
    Finding { rule, name, severity, summary: summary.into(), advice: advice.into(), muted: None }
}

/// One of each kind, as the first sketch had them.
pub(super) fn six() -> Vec<ConnectorReport> {
    let lost = ConnectorReport {
        findings: vec![finding(
            "RG001",
            "lost_while_running",
            Severity::Critical,
            "alive now, dead at the next restart: DO NOT RESTART",
            "Its collection is idle and it sends no heartbeat. One write in shop.billing makes it store a fresh place: nothing is lost.",
        )],
        ..connector("billing", Verdict::Lost, Some(-6_600))
    };
    let critical = ConnectorReport {
        state: Some(ConnectorState::Paused),
        tasks: vec![],
        until_lost: Some(Range { low: 2_160, high: Some(2_880) }),
        findings: vec![finding(
            "RG004",
            "not_running",
            Severity::Critical,
            "paused for 4 h while the oplog moves on",
            "Resume it within 36 minutes, or raise the oplog's retention to 8 h.",
        )],
        ..connector("orders", Verdict::Critical, Some(3_240))
    };
    let at_risk = ConnectorReport {
        id: ConnectorId::new("west", "catalog"),
        until_lost: Some(Range { low: 5_040, high: None }),
        findings: vec![finding(
            "RG013",
            "failover_would_lose",
            Severity::Warning,
            "db2.example:27017 holds only two hours",
            "A failover to it would lose this position; give it as large an oplog as the primary.",
        )],
        ..connector("catalog", Verdict::AtRisk, Some(6_540))
    };
    let unknown = ConnectorReport {
        id: ConnectorId::new("west", "audit"),
        ..connector("audit", Verdict::Unknown(Why::NoPosition), None)
    };
    let [users, carts] = ["users", "carts"].map(|name| connector(name, Verdict::Safe, Some(WINDOW - 2)));
    vec![lost, critical, at_risk, unknown, users, carts]
}

/// A thousand, a few of them ill.
pub(super) fn thousand() -> Vec<ConnectorReport> {
    let mut all = six();
    all.truncate(3);
    for number in 0..997 {
        let name = format!("tenant-{number:03}-events");
        let deployment = format!("rs{}", number % 12);
        let headroom = WINDOW - 2 - (number * 7919) % 9_000;
        let one = match number {
            0..30 => connector(&name, Verdict::Unknown(Why::ConnectUnreadable), None),
            30..90 => connector(&name, Verdict::AtRisk, Some(headroom / 3)),
            _ => connector(&name, Verdict::Safe, Some(headroom)),
        };
        let deployment = one.deployment.is_some().then_some(deployment);
        all.push(ConnectorReport { deployment, ..one });
    }
    all
}
