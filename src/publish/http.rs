//! HTTP: hands out what was rendered. No request makes any I/O, save those for the history and the journal, whose own
//! threads answer them.

use super::{Board, metrics, story};
use crate::history::Reader;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// By this header `resumeguard status` recognises a daemon.
pub const SERVED_BY: &str = "resumeguard";

/// Prometheus' text format.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Nothing is loaded from anywhere; the style stands in the page itself.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// Every endpoint.
pub fn router(board: Board, history: Option<Reader>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/metrics", get(metrics_page))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/api/v1/status", get(status))
        .with_state(board)
        .merge(story::router(history))
}

async fn page(State(board): State<Board>) -> Response {
    match board.newest() {
        Some(newest) if !board.is_stale(&newest) => {
            let policy = (header::CONTENT_SECURITY_POLICY, POLICY);
            (headers("text/html; charset=utf-8"), [policy], newest.page.clone()).into_response()
        }
        Some(_) => problem("the last pass is older than three intervals; see the log"),
        None => problem("the first pass has not ended yet; try again in some seconds"),
    }
}

async fn status(State(board): State<Board>) -> Response {
    match board.newest() {
        Some(newest) if !board.is_stale(&newest) => {
            (headers("application/json"), newest.status.clone()).into_response()
        }
        Some(_) => problem("the last pass is older than three intervals; see the log"),
        None => problem("the first pass has not ended yet; try again in some seconds"),
    }
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

pub(crate) fn headers(content_type: &'static str) -> [(HeaderName, HeaderValue); 4] {
    [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (header::SERVER, HeaderValue::from_static(SERVED_BY)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ]
}

fn problem(detail: &str) -> Response {
    problem_with(StatusCode::SERVICE_UNAVAILABLE, detail)
}

/// RFC 9457.
pub(crate) fn problem_with(status: StatusCode, detail: &str) -> Response {
    let title = match status {
        StatusCode::BAD_REQUEST => "bad request",
        StatusCode::SERVICE_UNAVAILABLE => "not available",
        other => other.canonical_reason().unwrap_or("not available"),
    };
    let body = serde_json::json!({ "title": title, "status": status.as_u16(), "detail": detail }).to_string();
    (status, headers("application/problem+json"), body).into_response()
}
