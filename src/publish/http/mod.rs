//! HTTP: hands out what was rendered. No request makes any I/O, save those for the history and the journal, whose own
//! threads answer them.

mod answers;
mod asked;
mod board;
mod connectors;
mod document;
mod lists;
mod routes;
pub(in crate::publish) mod stream;

pub(crate) use answers::{etag, headers, json, problem};
pub(crate) use asked::{Asked, Cursor, MOST, Page, Paging};
pub(in crate::publish) use board::fresh;
pub(in crate::publish) use lists::tokens_for;
pub(crate) use routes::{Doc, Routes};
pub use stream::{Change, Changed};

use super::{Board, metrics, page, story};
use crate::daemon::Reloads;
use crate::history::Reader;
use crate::recovery::Desk;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::middleware::{from_fn, map_response};
use axum::response::{IntoResponse, Response};

/// By this header `resumeguard status` recognises a daemon.
pub const SERVED_BY: &str = "resumeguard";

/// Prometheus' text format.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is answered from.
#[derive(Debug, Clone)]
pub struct Room {
    /// The last pass.
    pub board: Board,
    /// What was seen over time, where it is kept.
    pub history: Option<Reader>,
    /// Plans and attempts.
    pub desk: Desk,
    /// By whom the configuration is read again; `None` where nobody does.
    pub reloads: Option<Reloads>,
}

impl FromRef<Room> for Board {
    fn from_ref(room: &Room) -> Self {
        room.board.clone()
    }
}

impl FromRef<Room> for Option<Reader> {
    fn from_ref(room: &Room) -> Self {
        room.history.clone()
    }
}

impl FromRef<Room> for Desk {
    fn from_ref(room: &Room) -> Self {
        room.desk.clone()
    }
}

impl FromRef<Room> for Option<Reloads> {
    fn from_ref(room: &Room) -> Self {
        room.reloads.clone()
    }
}

/// Whether an address tells nothing that anybody may not know: whether passes advance.
#[must_use]
pub fn is_open_to_all(path: &str) -> bool {
    path == "/healthz" || path == "/readyz"
}

/// Every endpoint, and the document that describes those below `/api/v1`. Whoever serves it says first who asks, by a
/// [`Visitor`](crate::server::Visitor) in the request: without one nobody reads tokens or changes anything.
pub fn routes(room: Room) -> (Router, serde_json::Value) {
    let api = Routes::new()
        .and(lists::routes())
        .and(connectors::routes())
        .and(story::routes())
        .and(stream::routes())
        .and(crate::control::routes())
        .and(crate::control::reload_routes())
        .and(document::routes());
    let described = document::describe(api.operations());
    let bytes = Bytes::from(serde_json::to_vec_pretty(&described).unwrap_or_default());
    let router = api
        .router()
        .layer(from_fn(answers::conditional))
        .merge(page::routes())
        .route("/metrics", axum::routing::get(metrics_page))
        .route("/healthz", axum::routing::get(healthz))
        .route("/readyz", axum::routing::get(readyz))
        .layer(axum::Extension(document::Document(bytes)))
        .layer(map_response(answers::every_error_is_a_problem))
        .with_state(room);
    (router, described)
}

/// Every endpoint.
pub fn router(room: Room) -> Router {
    routes(room).0
}

/// What is stale is left out rather than frozen; what the daemon says of itself stays.
async fn metrics_page(State(board): State<Board>) -> Response {
    let page = match board.newest() {
        Some(newest) if board.is_stale(&newest) => newest.own.clone(),
        Some(newest) => Bytes::from([&newest.subjects[..], &newest.own[..]].concat()),
        None => Bytes::from(metrics::own(std::iter::empty(), &metrics::Own::default())),
    };
    (headers(METRICS), page).into_response()
}

async fn healthz(State(board): State<Board>) -> Response {
    if board.is_alive() {
        (headers("text/plain"), "ok: passes advance\n").into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, headers("text/plain"), "no pass has ended for three intervals\n")
            .into_response()
    }
}

async fn readyz(State(board): State<Board>) -> Response {
    if board.newest().is_some() {
        (headers("text/plain"), "ok: a first pass was attempted\n").into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, headers("text/plain"), "the first pass has not ended yet\n")
            .into_response()
    }
}
