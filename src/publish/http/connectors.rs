//! One connector's whole story.

use super::board::fresh;
use super::lists::tokens_for;
use super::{Asked, Doc, Routes, json, problem};
use crate::history::{Query, Reader, Story};
use crate::publish::Board;
use crate::publish::recovery::{PlannedFor, Tried};
use crate::publish::status::{Connector, Oplog};
use crate::publish::story::{DEFAULT_SPAN, since};
use crate::recovery::Desk;
use crate::server::Visitor;
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Everything that is known of one connector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(super) struct Whole {
    /// When the pass was judged, RFC 3339.
    pub(super) at: String,
    /// As it stands.
    pub(super) connector: Connector,
    /// Of its deployment.
    pub(super) oplogs: Vec<Oplog>,
    /// What recovery would do; `null` where it is in no trouble.
    pub(super) plan: Option<PlannedFor>,
    /// What recovery has done, the newest first.
    pub(super) attempts: Vec<Tried>,
    /// What was seen of it; `null` where that cannot be told.
    pub(super) history: Option<Story>,
    /// Why not.
    pub(super) no_history: Option<String>,
}

pub(super) fn routes() -> Routes {
    let doc = Doc::new("connector", "One connector's whole story: as it stands, its oplogs, its plan, what was attempted, what was seen of it.")
        .path("connect_cluster", "Its Connect cluster, percent-encoded.")
        .path("connector", "Its name, percent-encoded (a slash is %2F). One called `.` or `..` is found by /api/v1/connectors?connector=.. only: clients take these segments away.")
        .since()
        .returns::<Whole>();
    Routes::new().get("/api/v1/connectors/{connect_cluster}/{connector}", doc, whole)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Since {
    since: Option<String>,
}

async fn whole(
    State(board): State<Board>,
    State(reader): State<Option<Reader>>,
    State(desk): State<Desk>,
    visitor: Option<Extension<Visitor>>,
    Path((connect_cluster, connector)): Path<(String, String)>,
    Asked(asked): Asked<Since>,
) -> Result<Response, Response> {
    let newest = fresh(&board)?;
    let found = newest.seen.connectors.iter();
    let mut found = found.filter(|one| one.connect_cluster == connect_cluster && one.connector == connector);
    let Some(found) = found.next().cloned() else {
        let detail = format!(
            "no MongoDB source connector is called {connector} in {connect_cluster}; /api/v1/connectors lists them"
        );
        return Err(problem(StatusCode::NOT_FOUND, &detail));
    };
    let since = asked.since.as_deref();
    let told = history(reader, &connect_cluster, &connector, since).await?;
    let (history, no_history) = match told {
        Ok(story) => (Some(story), None),
        Err(line) => (None, Some(line)),
    };
    let is = |cluster: &str, name: &str| cluster == connect_cluster && name == connector;
    let (plan, attempts) = desk.show(|seen| {
        let plans = seen.overview_of(&is);
        (plans.plans.into_iter().next(), plans.attempts)
    });
    let oplogs =
        newest.seen.oplogs.iter().filter(|oplog| found.deployment.as_ref() == Some(&oplog.deployment));
    Ok(json(&Whole {
        at: newest.seen.at.clone(),
        oplogs: oplogs.cloned().collect(),
        connector: found.shown(tokens_for(visitor.as_ref())),
        plan,
        attempts,
        history,
        no_history,
    }))
}

/// A bad `since` is an error; a history that gives no answer is not: the rest is known.
async fn history(
    reader: Option<Reader>,
    connect_cluster: &str,
    connector: &str,
    asked: Option<&str>,
) -> Result<Result<Story, String>, Response> {
    let now = reader.as_ref().map_or(0, Reader::now);
    let from = asked.map(|text| since(text, now)).transpose();
    let from = from.map_err(|line| problem(StatusCode::BAD_REQUEST, &line))?;
    let Some(reader) = reader else {
        return Ok(Err("no history is kept; set history.directory".to_owned()));
    };
    let query = Query {
        connect_cluster: Some(connect_cluster.to_owned()),
        connector: Some(connector.to_owned()),
        since: from.unwrap_or(now - DEFAULT_SPAN),
        until: now,
    };
    Ok(reader.story(query).await)
}
