//! The JSON of `status --json` and `GET /api/v1/status`; the table and the page are drawn from it too. Names are a
//! contract. What is not known is `null`.

use super::words;
use resumeguard_core::domain::{ConnectorReport, OplogReport, Snapshot, SourceFacts, TaskFacts, Timestamp};
use serde::{Deserialize, Serialize};

/// May the reader see tokens? They contain document keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tokens {
    /// Whole.
    Shown,
    /// `null`.
    Hidden,
}

/// The whole document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// When the pass was judged, RFC 3339.
    pub at: String,
    /// Connectors, worst first.
    pub connectors: Vec<Connector>,
    /// Oplogs.
    pub oplogs: Vec<Oplog>,
    /// Sources.
    pub sources: Vec<Source>,
}

/// One connector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the contract names the fields; their meaning stands at ConnectorReport")]
pub struct Connector {
    pub connect_cluster: String,
    pub connector: String,
    pub class: String,
    pub version: Option<String>,
    pub state: Option<String>,
    pub tasks: Vec<Task>,
    pub deployment: Option<String>,
    pub mongodb_namespace: String,
    pub verdict: String,
    pub why: Option<String>,
    pub basis: Option<String>,
    pub on_restart: String,
    pub position: Option<Position>,
    pub headroom_seconds: Option<i64>,
    pub headroom_ratio: Option<f64>,
    pub lag_seconds: Option<i64>,
    pub outage_budget_seconds: Option<i64>,
    pub seconds_until_lost: Option<Range>,
    pub findings: Vec<Finding>,
    pub plan: Option<serde_json::Value>,
}

/// One task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the contract names the fields; their meaning stands at TaskFacts")]
pub struct Task {
    pub id: u32,
    pub state: String,
    pub code: Option<u32>,
    pub class: Option<String>,
}

/// A stored position.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the contract names the fields; their meaning stands at Position")]
pub struct Position {
    pub token: Option<String>,
    pub time: Time,
    pub stored_at: Option<String>,
    pub kind: String,
}

/// A cluster time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Time {
    /// Seconds since 1970.
    pub t: u32,
    /// Increment within the second.
    pub i: u32,
}

/// A range of seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Range {
    /// At the least.
    pub low: i64,
    /// At the most.
    pub high: Option<i64>,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the contract names the fields; their meaning stands at the core's Finding")]
pub struct Finding {
    pub rule: String,
    pub name: String,
    pub severity: String,
    pub summary: String,
    pub advice: String,
}

/// One member's oplog.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the contract names the fields; their meaning stands at OplogReport")]
pub struct Oplog {
    pub deployment: String,
    pub shard: Option<String>,
    pub member: String,
    pub role: String,
    pub first: Option<Time>,
    pub last: Option<Time>,
    pub window_seconds: Option<i64>,
    pub size_bytes: Option<u64>,
    pub max_size_bytes: Option<u64>,
    pub min_retention_seconds: Option<u64>,
    pub never_truncated: Option<bool>,
}

/// One source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the contract names the fields; their meaning stands at SourceFacts")]
pub struct Source {
    pub source: String,
    pub name: String,
    pub up: bool,
    pub error: Option<String>,
}

impl Status {
    /// Draws up a snapshot.
    #[must_use]
    pub fn new(snapshot: &Snapshot, tokens: Tokens) -> Self {
        Self {
            at: words::time(snapshot.at),
            connectors: snapshot.connectors.iter().map(|report| connector(report, tokens)).collect(),
            oplogs: snapshot.oplogs.iter().map(oplog).collect(),
            sources: snapshot.sources.iter().map(source).collect(),
        }
    }
}

fn connector(report: &ConnectorReport, tokens: Tokens) -> Connector {
    let position = report.position.as_ref().map(|position| Position {
        token: (tokens == Tokens::Shown).then(|| position.token.clone()),
        time: time(position.time),
        stored_at: position.stored_at.map(words::time),
        kind: position.kind.code().to_owned(),
    });
    let finding = |finding: &resumeguard_core::domain::Finding| Finding {
        rule: finding.rule.to_owned(),
        name: finding.name.to_owned(),
        severity: finding.severity.code().to_owned(),
        summary: finding.summary.clone(),
        advice: finding.advice.clone(),
    };
    Connector {
        connect_cluster: report.id.connect_cluster.clone(),
        connector: report.id.connector.clone(),
        class: report.class.clone(),
        version: report.version.clone(),
        state: report.state.map(|state| state.code().to_uppercase()),
        tasks: report.tasks.iter().map(task).collect(),
        deployment: report.deployment.clone(),
        mongodb_namespace: report.mongodb_namespace.clone(),
        verdict: report.verdict.code().to_owned(),
        why: report.why().map(|why| why.code().to_owned()),
        basis: report.basis.map(|basis| basis.code().to_owned()),
        on_restart: report.on_restart.code().to_owned(),
        position,
        headroom_seconds: report.headroom_seconds,
        headroom_ratio: report.headroom_ratio,
        lag_seconds: report.lag_seconds,
        outage_budget_seconds: report.outage_budget_seconds,
        seconds_until_lost: report.until_lost.map(|range| Range { low: range.low, high: range.high }),
        findings: report.findings.iter().map(finding).collect(),
        plan: None,
    }
}

fn task(task: &TaskFacts) -> Task {
    Task {
        id: task.id,
        state: task.state.code().to_uppercase(),
        code: task.failure.and_then(|failure| failure.code),
        class: task.failure.map(|failure| failure.class.code().to_owned()),
    }
}

fn oplog(oplog: &OplogReport) -> Oplog {
    Oplog {
        deployment: oplog.deployment.clone(),
        shard: oplog.shard.clone(),
        member: oplog.member.clone(),
        role: oplog.role.code().to_owned(),
        first: oplog.first.map(time),
        last: oplog.last.map(time),
        window_seconds: oplog.window_seconds,
        size_bytes: oplog.sizes.size_bytes,
        max_size_bytes: oplog.sizes.max_size_bytes,
        min_retention_seconds: oplog.sizes.min_retention_seconds,
        never_truncated: oplog.never_truncated,
    }
}

fn source(source: &SourceFacts) -> Source {
    Source {
        source: source.source.to_owned(),
        name: source.name.clone(),
        up: source.up,
        error: source.error.clone(),
    }
}

fn time(time: Timestamp) -> Time {
    Time { t: time.t, i: time.i }
}
