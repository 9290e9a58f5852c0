//! `probe`: asks the server whether a connector's stored token resumes.

use super::{Failure, Outcome, status};
use crate::clock::Clock;
use crate::config::Config;
use crate::publish::time;
use crate::sources::mongodb::Asked;
use crate::sources::{NotAsked, Observer};
use resumeguard_core::assess::{Memory, assess};
use resumeguard_core::domain::{
    ConnectorFacts, ConnectorId, ConnectorReport, Facts, OnRestart, ProbeAnswer, TokenKind, Why,
};
use serde::Serialize;
use std::time::Duration;

/// What is asked, and how.
#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// CONNECTOR or CONNECT_CLUSTER/CONNECTOR.
    connector: String,
    /// The Connect cluster, where several run a connector of this name.
    #[arg(long, value_name = "NAME")]
    connect_cluster: Option<String>,
    /// How long the server may look for an event, in each of the one to two questions to each member.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = humantime::parse_duration)]
    max_time: Duration,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

/// The whole answer; names are a contract.
#[derive(Debug, Serialize)]
struct Report {
    connect_cluster: String,
    connector: String,
    deployment: Option<String>,
    mongodb_namespace: String,
    members: Vec<String>,
    position: Option<Position>,
    answer: &'static str,
    code: Option<u32>,
    problem: Option<String>,
    proves: &'static str,
    does_not_prove: &'static str,
    verdict: &'static str,
    why: Option<&'static str>,
    on_restart: &'static str,
    #[serde(skip)]
    sentence: Option<&'static str>,
}

/// The time of what was asked about; the token itself holds a document's key.
#[derive(Debug, Serialize)]
struct Position {
    t: u32,
    i: u32,
    kind: &'static str,
}

/// One pass of its own, then the question.
pub(super) async fn run(config: &Config, which: &Which, clock: Clock) -> Result<Outcome, Failure> {
    let unreachable = |line: String| Failure::new(Outcome::Unreachable, line);
    let mut observer = Observer::new(config).map_err(|error| unreachable(error.to_string()))?;
    let mut facts = observer.observe(&clock).await;
    let id = which.find(&facts)?;
    let (asked, probe) =
        observer.probe(&id, which.max_time, &clock).await.map_err(|why| not_asked(&id, &why))?;
    if asked.members.is_empty() {
        return Err(nobody(&id, &facts));
    }
    if let Some(connector) = facts.connectors.iter_mut().find(|connector| connector.id == id) {
        connector.probe = Some(probe);
    }
    let (snapshot, _) = assess(&Memory::default(), &facts, &config.thresholds, clock.now());
    let judged = snapshot.connectors.iter().find(|report| report.id == id);
    let seen = facts.connectors.iter().find(|connector| connector.id == id);
    let (Some(judged), Some(seen)) = (judged, seen) else { return Err(not_asked(&id, &NotAsked::NotListed)) };
    let report = Report::new(seen, judged, asked, probe.answer);
    if which.json {
        let text = serde_json::to_string(&report).map_err(|error| Failure::new(Outcome::Unknown, error))?;
        status::print_exactly(&(text + "\n"))?;
    } else {
        status::print(&report.text())?;
    }
    Ok(outcome(probe.answer, judged))
}

/// An accepted token at which the stream ends is no good answer: a restart skips. Nor is one about a token that may not be
/// the live one, or that other evidence contradicts.
fn outcome(answer: ProbeAnswer, judged: &ConnectorReport) -> Outcome {
    match answer {
        ProbeAnswer::Resumes
            if matches!(judged.why(), Some(Why::KeyAmbiguous | Why::Contradictory | Why::Stale)) =>
        {
            Outcome::Unknown
        }
        ProbeAnswer::Resumes if matches!(judged.on_restart, OnRestart::Resumes | OnRestart::Unknown) => {
            Outcome::Done
        }
        ProbeAnswer::Resumes | ProbeAnswer::Refused(_) => Outcome::Negative,
        ProbeAnswer::NotContradicted | ProbeAnswer::Unauthorized | ProbeAnswer::Inconclusive => {
            Outcome::Unknown
        }
    }
}

impl Which {
    fn find(&self, facts: &Facts) -> Result<ConnectorId, Failure> {
        let wanted = |id: &&ConnectorId| {
            let cluster = self.connect_cluster.as_ref().is_none_or(|name| *name == id.connect_cluster);
            cluster && (id.connector == self.connector || id.to_string() == self.connector)
        };
        let found: Vec<&ConnectorId> = facts.connectors.iter().map(|c| &c.id).filter(wanted).collect();
        match found.as_slice() {
            [one] => Ok((*one).clone()),
            [] => Err(self.missing(facts)),
            several => {
                let clusters: Vec<&str> = several.iter().map(|id| id.connect_cluster.as_str()).collect();
                let line = format!(
                    "{} runs in several clusters: add --connect-cluster with one of {}",
                    self.connector,
                    clusters.join(", ")
                );
                Err(Failure::new(Outcome::Usage, line))
            }
        }
    }

    /// A cluster that cannot be read may run it.
    fn missing(&self, facts: &Facts) -> Failure {
        let blind = facts.sources.iter().find(|source| source.source == "connect" && !source.up);
        if let Some(error) = blind.and_then(|source| source.error.as_ref()) {
            return Failure::new(Outcome::Unreachable, error);
        }
        let line = format!(
            "no MongoDB source connector is called {}; `resumeguard status` lists them",
            self.connector
        );
        Failure::new(Outcome::Usage, line)
    }
}

fn not_asked(id: &ConnectorId, why: &NotAsked) -> Failure {
    let outcome = match why {
        NotAsked::Unknown(Why::ConnectUnreadable | Why::OffsetsUnreadable) => Outcome::Unreachable,
        NotAsked::NotListed | NotAsked::Unknown(_) | NotAsked::NoQuestion(_) => Outcome::Unknown,
    };
    Failure::new(outcome, format!("{id}: {why}"))
}

/// Nobody could be asked: the deployment says why.
fn nobody(id: &ConnectorId, facts: &Facts) -> Failure {
    let connector = facts.connectors.iter().find(|connector| connector.id == *id);
    let deployment = connector.and_then(|connector| connector.deployment.as_ref().ok());
    let why = deployment
        .and_then(|name| facts.deployments.get(name))
        .and_then(|deployment| deployment.members.as_ref().err());
    let why = why.copied().unwrap_or(Why::NoMemberSelected);
    Failure::new(Outcome::Unreachable, format!("{id}: {}", why.sentence()))
}

impl Report {
    fn new(seen: &ConnectorFacts, judged: &ConnectorReport, asked: Asked, answer: ProbeAnswer) -> Self {
        let position = seen.position();
        let mark = position.is_some_and(|position| position.kind == TokenKind::HighWaterMark);
        let ends = position.is_some_and(|position| seen.settings.ends_at(position.ends));
        let (proves, does_not_prove) = if ends && answer == ProbeAnswer::Resumes {
            (
                "these members accept the token, and the stream ends at its event: a restart opens without it",
                "anything of what came after that event",
            )
        } else {
            meaning(answer, mark)
        };
        Self {
            connect_cluster: seen.id.connect_cluster.clone(),
            connector: seen.id.connector.clone(),
            deployment: judged.deployment.clone(),
            mongodb_namespace: judged.mongodb_namespace.clone(),
            members: asked.members,
            position: position.map(|position| Position {
                t: position.time.t,
                i: position.time.i,
                kind: position.kind.code(),
            }),
            answer: answer.code(),
            code: asked.code,
            problem: asked.problem,
            proves,
            does_not_prove,
            verdict: judged.verdict.code(),
            why: judged.why().map(Why::code),
            sentence: judged.why().map(Why::sentence),
            on_restart: judged.on_restart.code(),
        }
    }

    fn text(&self) -> String {
        let namespace =
            if self.mongodb_namespace.is_empty() { "everything" } else { self.mongodb_namespace.as_str() };
        let code = self.code.map(|code| format!(" (error {code})")).unwrap_or_default();
        let after = self.position.as_ref().map_or_else(
            || "what is stored".to_owned(),
            |at| format!("{} ({},{}), {}", time(i64::from(at.t)), at.t, at.i, at.kind),
        );
        let mut lines = vec![
            format!("{}/{}: {}{code}", self.connect_cluster, self.connector, self.answer),
            format!("  asked         {} for {namespace} after {after}", self.members.join(", ")),
        ];
        lines.extend(self.problem.as_ref().map(|problem| format!("  problem       {problem}")));
        lines.push(format!("  proves        {}", self.proves));
        lines.push(format!("  not proven    {}", self.does_not_prove));
        let why = self.sentence.map(|sentence| format!(": {sentence}")).unwrap_or_default();
        lines.push(format!("  verdict       {}{why}", self.verdict));
        lines.push(format!("  on restart    {}", self.on_restart));
        lines.join("\n") + "\n"
    }
}

/// What an answer proves, and what it does not.
fn meaning(answer: ProbeAnswer, mark: bool) -> (&'static str, &'static str) {
    use resumeguard_core::domain::FailureClass::{
        EventTooLarge, HistoryLost, Other, TokenMalformed, Transient, Unauthorized, WrongStream,
    };
    let later = "for how long: the oplog moves on; `resumeguard status` compares it";
    match answer {
        ProbeAnswer::Resumes if mark => {
            ("these members hold everything since that time: a restart now goes on from there", later)
        }
        ProbeAnswer::Resumes => {
            ("these members find the token in this very stream: a restart now goes on from there", later)
        }
        ProbeAnswer::NotContradicted => (
            "these members hold the history since the token and accept it",
            "that the token is of this stream: with nothing after it a foreign one is accepted too, and refused with 280 at the next event",
        ),
        ProbeAnswer::Refused(failure) => match failure.class {
            HistoryLost => (
                "the oplog no longer holds the position: no restart resumes there",
                "that a running connector has lost anything yet: its open stream does not need the token",
            ),
            TokenMalformed => (
                "the server cannot read the token (or an option of the stream): a restart runs and delivers nothing",
                "anything of the oplog: it was not looked at",
            ),
            EventTooLarge => (
                "the token is good, and the first event after it exceeds 16 MB with this connector's options",
                "what follows that event",
            ),
            WrongStream | Unauthorized | Transient | Other => (
                "the token is not in this stream: another deployment, namespace, pipeline or option, or type bits were lost",
                "that the oplog has rolled: a larger one does not help",
            ),
        },
        ProbeAnswer::Unauthorized => {
            ("nothing of the token", "whether it resumes: the connector's own user may be allowed more")
        }
        ProbeAnswer::Inconclusive => ("nothing of the token", "whether it resumes"),
    }
}
