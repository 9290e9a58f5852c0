//! The JSON of `status --json` and `GET /api/v1/status`; the table and the page are drawn from it too. Names are a
//! contract. What is not known is `null`.

use super::recovery::{Obstacle, Overview};
use super::words;
use resumeguard_core::domain::{
    ConnectorReport, Discontinuity, OplogReport, Outcome, Snapshot, SourceFacts, TaskFacts, Timestamp,
};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use utoipa::ToSchema;

/// May the reader see tokens and traces? They contain document keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tokens {
    /// Whole.
    Shown,
    /// `null`.
    Hidden,
}

/// The whole document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
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
    #[serde(default)]
    pub offsets_from: Option<String>,
    #[serde(default)]
    pub offsets_told: Option<String>,
    pub headroom_seconds: Option<i64>,
    pub headroom_ratio: Option<f64>,
    pub lag_seconds: Option<i64>,
    pub outage_budget_seconds: Option<i64>,
    pub outage_budget_range: Option<Range>,
    pub seconds_until_lost: Option<Range>,
    #[serde(default)]
    pub no_forecast: Option<String>,
    #[serde(default)]
    pub live_stream: Option<String>,
    pub findings: Vec<Finding>,
    pub plan: Option<Plan>,
    pub progress: String,
    pub losses: Vec<Loss>,
    pub rescued: Vec<Stretch>,
}

/// What recovery would do about a connector; `/api/v1/recovery` says more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[expect(missing_docs, reason = "the contract names the fields; their meaning stands at recovery's Proposal")]
pub struct Plan {
    pub id: String,
    pub strategy: String,
    pub state: String,
    pub loses: String,
    pub blockers: Vec<Obstacle>,
}

/// One task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[expect(missing_docs, reason = "the contract names the fields; their meaning stands at TaskFacts")]
pub struct Task {
    pub id: u32,
    pub state: String,
    pub code: Option<u32>,
    pub class: Option<String>,
    #[serde(default)]
    pub trace: Option<String>,
}

/// A stored position.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[expect(missing_docs, reason = "the contract names the fields; their meaning stands at Position")]
pub struct Position {
    pub token: Option<String>,
    pub time: Time,
    pub stored_at: Option<String>,
    pub kind: String,
}

/// A cluster time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Time {
    /// Seconds since 1970.
    pub t: u32,
    /// Increment within the second.
    pub i: u32,
}

/// A range of seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Range {
    /// At the least.
    pub low: i64,
    /// At the most.
    pub high: Option<i64>,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[expect(missing_docs, reason = "the contract names the fields; their meaning stands at the core's Finding")]
pub struct Finding {
    pub rule: String,
    pub name: String,
    pub severity: String,
    pub summary: String,
    pub advice: String,
    pub muted: Option<String>,
}

/// History that was skipped, or may have been. The last few; the metrics count them all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Loss {
    /// Why it was skipped; `null` where it is not proven that it was.
    pub cause: Option<String>,
    /// It is proven, and counted.
    pub proven: bool,
    /// The effective `errors.tolerance` when it was noticed.
    pub tolerance: String,
    /// The effective `startup.mode` when it was noticed.
    pub startup_mode: String,
    /// From where to where, and when it was noticed.
    #[serde(flatten)]
    pub stretch: Stretch,
}

/// A stretch of history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Stretch {
    /// When it was noticed, RFC 3339.
    pub at: String,
    /// The last position known before.
    pub from: Time,
    /// Where the connector went on, at the latest.
    pub to: Time,
    /// Seconds in between: an upper bound.
    pub seconds: u64,
}

/// One member's oplog.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
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
    pub erosion_ratio: Option<f64>,
}

/// One source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
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
            connectors: snapshot.connectors.iter().map(|report| connector(report).shown(tokens)).collect(),
            oplogs: snapshot.oplogs.iter().map(oplog).collect(),
            sources: snapshot.sources.iter().map(source).collect(),
        }
    }

    /// As somebody may see it.
    #[must_use]
    pub fn shown(mut self, tokens: Tokens) -> Self {
        self.connectors = self.connectors.into_iter().map(|connector| connector.shown(tokens)).collect();
        self
    }

    /// The same, with what recovery would do.
    #[must_use]
    pub fn with_plans(mut self, overview: &Overview) -> Self {
        let name = |cluster: &str, connector: &str| (cluster.to_owned(), connector.to_owned());
        let mut plans: HashMap<_, _> = overview
            .plans
            .iter()
            .map(|planned| (name(&planned.connect_cluster, &planned.connector), &planned.plan))
            .collect();
        for connector in &mut self.connectors {
            if let Some(plan) = plans.remove(&name(&connector.connect_cluster, &connector.connector)) {
                let plan = plan.clone();
                connector.plan = Some(Plan {
                    id: plan.id,
                    strategy: plan.strategy,
                    state: plan.state,
                    loses: plan.loses,
                    blockers: plan.blockers,
                });
            }
        }
        self
    }
}

impl Connector {
    /// As somebody may see it.
    #[must_use]
    pub fn shown(mut self, tokens: Tokens) -> Self {
        if tokens == Tokens::Hidden {
            self.position.iter_mut().for_each(|position| position.token = None);
            self.tasks.iter_mut().for_each(|task| task.trace = None);
        }
        self
    }
}

fn connector(report: &ConnectorReport) -> Connector {
    let position = report.position.as_ref().map(|position| Position {
        token: Some(position.token.clone()),
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
        muted: finding.muted.clone(),
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
        offsets_from: report.offsets_from.map(|from| from.code().to_owned()),
        offsets_told: report.offsets_told.clone(),
        headroom_seconds: report.headroom_seconds,
        headroom_ratio: report.headroom_ratio,
        lag_seconds: report.lag_seconds,
        outage_budget_seconds: report.outage_budget_seconds,
        outage_budget_range: report.outage_budget_range.map(range),
        seconds_until_lost: report.until_lost.map(range),
        no_forecast: report.no_forecast.map(|why| why.code().to_owned()),
        live_stream: Some(report.live_stream.code().to_owned()),
        findings: report.findings.iter().map(finding).collect(),
        plan: None,
        progress: report.progress.code().to_owned(),
        losses: report.discontinuities.iter().filter_map(loss).collect(),
        rescued: rescued(report),
    }
}

fn range(range: resumeguard_core::assess::forecast::Range) -> Range {
    Range { low: range.low, high: range.high }
}

fn loss(found: &Discontinuity) -> Option<Loss> {
    let cause = match found.outcome {
        Outcome::Lost(cause) => Some(cause.code().to_owned()),
        Outcome::MaybeLost => None,
        Outcome::Rescued => return None,
    };
    Some(Loss {
        proven: cause.is_some(),
        cause,
        tolerance: found.tolerance.code().to_owned(),
        startup_mode: found.startup_mode.code().to_owned(),
        stretch: stretch(found),
    })
}

fn rescued(report: &ConnectorReport) -> Vec<Stretch> {
    report.discontinuities.iter().filter(|found| found.outcome == Outcome::Rescued).map(stretch).collect()
}

fn stretch(found: &Discontinuity) -> Stretch {
    Stretch {
        at: words::time(found.at),
        from: time(found.from),
        to: time(found.to),
        seconds: found.seconds(),
    }
}

fn task(task: &TaskFacts) -> Task {
    Task {
        id: task.id,
        state: task.state.code().to_uppercase(),
        code: task.failure.and_then(|failure| failure.code),
        class: task.failure.map(|failure| failure.class.code().to_owned()),
        trace: task.trace.as_deref().map(str::to_owned),
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
        erosion_ratio: oplog.erosion_ratio,
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
