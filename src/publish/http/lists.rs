//! The status whole, and in lists that can be read page by page.

use super::board::fresh;
use super::{Asked, Cursor, Doc, Paging, Routes, answers, json};
use crate::config::http::Right;
use crate::publish::Board;
use crate::publish::status::{Connector, Finding, Oplog, Source, Status, Tokens};
use crate::server::Visitor;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use resumeguard_core::assess::RULES;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

type Answer = Result<Response, Response>;

pub(super) fn routes() -> Routes {
    let of_connector = |doc: Doc| {
        doc.query("connect_cluster", "Of this Connect cluster only.")
            .query("connector", "Of the connector of this name only.")
    };
    let verdicts = ["safe", "at_risk", "critical", "lost", "unknown"];
    Routes::new()
        .get("/api/v1/status", Doc::new("status", "Everything that the last pass has concluded, connectors worst first. Tokens and traces are null for whoever may not see them.").returns::<Status>(), status)
        .get("/api/v1/connectors", of_connector(Doc::new("connectors", "Connectors, by name.").returns_page_of::<Connector>().query_of("verdict", &verdicts, "With this verdict only.")), connectors)
        .get("/api/v1/oplogs", Doc::new("oplogs", "Oplogs of all members.").returns_page_of::<Oplog>().query("deployment", "Of this deployment only."), oplogs)
        .get("/api/v1/sources", Doc::new("sources", "What is read, and whether it can be.").returns_page_of::<Source>(), sources)
        .get("/api/v1/findings", of_connector(Doc::new("findings", "Findings that match now, by connector and rule.").returns_page_of::<Found>().query("rule", "Of this rule only, such as RG001.").query_of("severity", &["info", "warning", "critical"], "Of this severity only.")), findings)
        .get("/api/v1/rules", Doc::new("rules", "Every numbered rule, and how many connectors it matches now.").returns_page_of::<Rule>(), rules)
}

/// A finding and whose it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(super) struct Found {
    /// The Connect cluster.
    pub(super) connect_cluster: String,
    /// The connector.
    pub(super) connector: String,
    /// What was found.
    #[serde(flatten)]
    pub(super) finding: Finding,
}

/// A numbered rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(super) struct Rule {
    /// Its id.
    pub(super) rule: String,
    /// Its name.
    pub(super) name: String,
    /// Connectors that it matches now.
    pub(super) matches: usize,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfList {
    limit: Option<usize>,
    cursor: Option<String>,
    connect_cluster: Option<String>,
    connector: Option<String>,
    #[serde(default, deserialize_with = "verdict")]
    verdict: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfFindings {
    limit: Option<usize>,
    cursor: Option<String>,
    connect_cluster: Option<String>,
    connector: Option<String>,
    rule: Option<String>,
    #[serde(default, deserialize_with = "severity")]
    severity: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfOplogs {
    limit: Option<usize>,
    cursor: Option<String>,
    deployment: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfAll {
    limit: Option<usize>,
    cursor: Option<String>,
}

fn word<'de, D: serde::Deserializer<'de>>(d: D, known: &[&str]) -> Result<Option<String>, D::Error> {
    let word = String::deserialize(d)?;
    if known.contains(&word.as_str()) {
        return Ok(Some(word));
    }
    Err(serde::de::Error::custom(format!("`{word}` is none of {}", known.join(", "))))
}

fn verdict<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    word(d, &["safe", "at_risk", "critical", "lost", "unknown"])
}

fn severity<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    word(d, &["info", "warning", "critical"])
}

/// What somebody may see of connectors.
pub(in crate::publish) fn tokens_for(visitor: Option<&Extension<Visitor>>) -> Tokens {
    let may = visitor.is_some_and(|Extension(visitor)| visitor.may(Right::Tokens));
    if may { Tokens::Shown } else { Tokens::Hidden }
}

async fn status(State(board): State<Board>, visitor: Option<Extension<Visitor>>) -> Answer {
    let newest = fresh(&board)?;
    Ok(match tokens_for(visitor.as_ref()) {
        Tokens::Hidden => answers::rendered(newest.status.clone(), &newest.etag),
        Tokens::Shown => json(&*newest.seen),
    })
}

async fn connectors(
    State(board): State<Board>,
    visitor: Option<Extension<Visitor>>,
    Asked(asked): Asked<OfList>,
) -> Answer {
    let paging = Paging::new(asked.limit, asked.cursor.as_deref())?;
    let newest = fresh(&board)?;
    let wanted = |found: &&Connector| {
        is(asked.connect_cluster.as_ref(), &found.connect_cluster)
            && is(asked.connector.as_ref(), &found.connector)
            && is(asked.verdict.as_ref(), &found.verdict)
    };
    let found = newest.seen.connectors.iter().filter(wanted);
    let page = paging.page(found, |found| Cursor::of([&found.connect_cluster, &found.connector]));
    let tokens = tokens_for(visitor.as_ref());
    let items: Vec<Connector> = page.items.into_iter().map(|found| found.clone().shown(tokens)).collect();
    Ok(json(&super::Page { items, next: page.next }))
}

async fn oplogs(State(board): State<Board>, Asked(asked): Asked<OfOplogs>) -> Answer {
    let paging = Paging::new(asked.limit, asked.cursor.as_deref())?;
    let newest = fresh(&board)?;
    let found = newest.seen.oplogs.iter().filter(|found| is(asked.deployment.as_ref(), &found.deployment));
    Ok(json(&paging.page(found, |found| {
        Cursor::of([&found.deployment, found.shard.as_deref().unwrap_or_default(), &found.member])
    })))
}

async fn sources(State(board): State<Board>, Asked(asked): Asked<OfAll>) -> Answer {
    let paging = Paging::new(asked.limit, asked.cursor.as_deref())?;
    let newest = fresh(&board)?;
    Ok(json(&paging.page(newest.seen.sources.iter(), |found| Cursor::of([&found.source, &found.name]))))
}

async fn findings(State(board): State<Board>, Asked(asked): Asked<OfFindings>) -> Answer {
    let paging = Paging::new(asked.limit, asked.cursor.as_deref())?;
    let newest = fresh(&board)?;
    let of = newest.seen.connectors.iter().filter(|found| {
        is(asked.connect_cluster.as_ref(), &found.connect_cluster)
            && is(asked.connector.as_ref(), &found.connector)
    });
    let all = of.flat_map(|connector| connector.findings.iter().map(move |finding| (connector, finding)));
    let wanted = all.filter(|(_, finding)| {
        is(asked.rule.as_ref(), &finding.rule) && is(asked.severity.as_ref(), &finding.severity)
    });
    let page = paging.page(wanted, |(connector, finding)| {
        Cursor::of([&connector.connect_cluster, &connector.connector, &finding.rule])
    });
    let items: Vec<Found> =
        page.items.into_iter().map(|(connector, finding)| found(connector, finding)).collect();
    Ok(json(&super::Page { items, next: page.next }))
}

fn found(connector: &Connector, finding: &Finding) -> Found {
    Found {
        connect_cluster: connector.connect_cluster.clone(),
        connector: connector.connector.clone(),
        finding: finding.clone(),
    }
}

async fn rules(State(board): State<Board>, Asked(asked): Asked<OfAll>) -> Answer {
    let paging = Paging::new(asked.limit, asked.cursor.as_deref())?;
    let newest = fresh(&board)?;
    let matches = |id: &str| newest.tally.rule(id);
    let rule = |rule: &resumeguard_core::assess::Rule| Rule {
        rule: rule.id.to_owned(),
        name: rule.name.to_owned(),
        matches: matches(rule.id),
    };
    Ok(json(&paging.page(RULES.iter().map(rule), |rule| Cursor::of([&rule.rule]))))
}

fn is(wanted: Option<&String>, found: &str) -> bool {
    wanted.is_none_or(|wanted| wanted == found)
}
