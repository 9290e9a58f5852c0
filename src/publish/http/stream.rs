//! `/api/v1/stream`: an event for each pass in which something has changed, as server-sent events.

use super::{Doc, Routes, problem};
use crate::publish::Board;
use crate::publish::status::{Connector, Status};
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};
use utoipa::ToSchema;

/// Listeners at once.
pub(in crate::publish) const LISTENERS: usize = 64;
/// Events that a listener may be behind; then it is let go, and asks again.
const BEHIND: usize = 16;
/// Connectors that one event names.
const NAMED: usize = 100;
/// A comment is sent where nothing else was for so long: whoever has gone is noticed, and proxies stay open.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// What has changed in a pass.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Changed {
    /// When it was judged, RFC 3339.
    pub at: String,
    /// Connectors that are new, gone, or of which more than a number has changed; at most a hundred.
    pub connectors: Vec<Change>,
    /// There are more than are named.
    pub more: bool,
}

/// One connector that has changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// Its Connect cluster.
    pub connect_cluster: String,
    /// Its name.
    pub connector: String,
    /// Its verdict; `null` where it is gone.
    pub verdict: Option<String>,
}

/// Those who listen, and what they are told.
#[derive(Debug, Clone)]
pub(in crate::publish) struct Listeners {
    events: broadcast::Sender<Arc<Changed>>,
    places: Arc<Semaphore>,
}

impl Default for Listeners {
    fn default() -> Self {
        Self { events: broadcast::Sender::new(BEHIND), places: Arc::new(Semaphore::new(LISTENERS)) }
    }
}

impl Listeners {
    /// Tells them what has changed, where anything has.
    pub(in crate::publish) fn tell(&self, before: Option<&Status>, after: &Status) {
        if let Some(changed) = changed(before, after) {
            // Nobody may be listening.
            self.events.send(Arc::new(changed)).ok();
        }
    }
}

/// `None` where everything but the moment is as it was.
fn changed(before: Option<&Status>, after: &Status) -> Option<Changed> {
    if before.is_some_and(|before| Status { at: after.at.clone(), ..before.clone() } == *after) {
        return None;
    }
    let mut old: BTreeMap<_, &Connector> =
        before.iter().flat_map(|status| &status.connectors).map(|one| (name(one), one)).collect();
    let mut named = Vec::new();
    for one in &after.connectors {
        if old.remove(&name(one)).is_none_or(|before| kind(before) != kind(one)) {
            named.push(change(name(one), Some(one.verdict.clone())));
        }
    }
    named.extend(old.into_keys().map(|gone| change(gone, None)));
    let more = named.len() > NAMED;
    named.truncate(NAMED);
    Some(Changed { at: after.at.clone(), connectors: named, more })
}

fn name(one: &Connector) -> (&str, &str) {
    (&one.connect_cluster, &one.connector)
}

fn change((connect_cluster, connector): (&str, &str), verdict: Option<String>) -> Change {
    Change { connect_cluster: connect_cluster.to_owned(), connector: connector.to_owned(), verdict }
}

/// A connector without the numbers that move at each pass.
fn kind(one: &Connector) -> serde_json::Value {
    let findings: Vec<_> = one.findings.iter().map(|found| (&found.rule, &found.severity)).collect();
    let plan = one.plan.as_ref().map(|plan| (&plan.id, &plan.state));
    let tasks: Vec<_> = one.tasks.iter().map(|task| (task.id, &task.state, task.code)).collect();
    json!([one.verdict, one.why, one.on_restart, one.state, one.losses.len(), findings, plan, tasks])
}

pub(super) fn routes() -> Routes {
    let doc = Doc::new("stream", "Server-sent events: `pass`, whenever something has changed, with a `Changed` as its data; the first one at once. Whoever is too slow is let go, and asks again.")
        .returns::<Changed>()
        .returns_kind("text/event-stream", json!({ "type": "string" }));
    Routes::new().get("/api/v1/stream", doc, listen)
}

async fn listen(State(board): State<Board>) -> Response {
    let Ok(place) = Arc::clone(&board.listeners.places).try_acquire_owned() else {
        let full =
            problem(StatusCode::TOO_MANY_REQUESTS, "too many listen already; ask for /api/v1/status instead");
        return ([(header::RETRY_AFTER, HeaderValue::from_static("15"))], full).into_response();
    };
    let events = board.listeners.events.subscribe();
    let now = board.newest().and_then(|newest| changed(None, &newest.seen)).map(|now| Changed {
        connectors: Vec::new(),
        more: false,
        ..now
    });
    let listener = Listener { first: now.into_iter().map(Arc::new).collect(), events, _place: place };
    let stream = futures_util::stream::unfold(listener, async |mut listener| {
        let changed = listener.next().await?;
        let event = Event::default().event("pass").data(serde_json::to_string(&*changed).ok()?);
        Some((Ok::<_, Infallible>(event), listener))
    });
    let mut response = Sse::new(stream).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::SERVER, HeaderValue::from_static(super::SERVED_BY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // nginx would keep events back until it has a buffer full of them.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

struct Listener {
    first: VecDeque<Arc<Changed>>,
    events: broadcast::Receiver<Arc<Changed>>,
    _place: OwnedSemaphorePermit,
}

impl Listener {
    /// `None` where it is too far behind.
    async fn next(&mut self) -> Option<Arc<Changed>> {
        match self.first.pop_front() {
            Some(first) => Some(first),
            None => self.events.recv().await.ok(),
        }
    }
}
