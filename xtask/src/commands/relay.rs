//! Stands between the daemon and the real Connect: counts what it asks for, can show it one connector only, and can pretend to
//! be an older Connect.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use serde_json::Value;
use tokio::sync::{Notify, watch};

/// More than any configuration or offset is long.
const BODY_BYTES: usize = 4 << 20;

/// Longer than the 90 s after which Connect itself gives up.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);

/// One request that changes something, and how it was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) body: String,
    pub(super) status: u16,
}

impl Change {
    /// `PATCH offsets`, `PUT stop`, …: what a person would call it.
    pub(super) fn kind(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        let last = path.rsplit('/').next().unwrap_or_default();
        let removes = self.body.contains("\"offset\":null");
        let what = if last == "offsets" && removes { "offsets null" } else { last };
        format!("{} {what}", self.method)
    }

    pub(super) fn took_effect(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// A running relay.
#[derive(Debug)]
pub(super) struct Relay {
    pub(super) url: String,
    inner: Arc<Inner>,
    server: tokio::task::JoinHandle<()>,
}

#[derive(Debug)]
struct Inner {
    target: String,
    /// The only one that is shown; all of them where none is named.
    connector: Option<String>,
    /// What `GET /` says instead; it has no `PATCH …/offsets` then.
    version: Option<&'static str>,
    http: reqwest::Client,
    calls: AtomicU64,
    changes: Mutex<Vec<Change>>,
    /// A change whose path ends like this is held back once it was answered.
    hold: Mutex<Option<&'static str>>,
    held: watch::Sender<bool>,
    release: Notify,
    /// Changes that are answered 400 and not carried out: method, and the end of the path.
    refused: Mutex<Option<(Method, &'static str)>>,
}

impl Inner {
    fn changes(&self) -> MutexGuard<'_, Vec<Change>> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refuses(&self, method: &Method, path: &str) -> bool {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.as_ref().is_some_and(|(verb, suffix)| verb == method && path.ends_with(suffix))
    }
}

impl Relay {
    pub(super) async fn start(
        target: &str,
        connector: Option<&str>,
        version: Option<&'static str>,
    ) -> Result<Self> {
        let http = reqwest::Client::builder().timeout(ANSWER_LIMIT).no_proxy().build()?;
        let inner = Arc::new(Inner {
            target: target.to_owned(),
            connector: connector.map(str::to_owned),
            version,
            http,
            calls: AtomicU64::new(0),
            changes: Mutex::default(),
            hold: Mutex::default(),
            held: watch::Sender::new(false),
            release: Notify::new(),
            refused: Mutex::default(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let router = Router::new().fallback(relayed).with_state(Arc::clone(&inner));
        let server = tokio::spawn(async move {
            // It ends with the task.
            axum::serve(listener, router).await.ok();
        });
        Ok(Self { url, inner, server })
    }

    /// All requests so far.
    pub(super) fn calls(&self) -> u64 {
        self.inner.calls.load(Ordering::Relaxed)
    }

    /// Everything so far that changes something.
    pub(super) fn changes(&self) -> Vec<Change> {
        self.inner.changes().clone()
    }

    /// Holds back the answer to the next change whose path ends like this, though it is carried out.
    pub(super) fn hold(&self, suffix: &'static str) {
        *self.inner.hold.lock().unwrap_or_else(PoisonError::into_inner) = Some(suffix);
    }

    /// From now on, refuses changes by this method whose path ends like this.
    pub(super) fn refuse(&self, method: Method, suffix: &'static str) {
        *self.inner.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some((method, suffix));
    }

    /// Waits until an answer is held back.
    pub(super) async fn held(&self, limit: Duration) -> Result<()> {
        let mut held = self.inner.held.subscribe();
        let waited = tokio::time::timeout(limit, held.wait_for(|held| *held)).await;
        waited.context("the change that was to be held back never came")??;
        Ok(())
    }

    /// Lets it go.
    pub(super) fn release(&self) {
        self.inner.release.notify_one();
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn relayed(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    answer(&inner, request).await.unwrap_or_else(|error| {
        let mut response = Response::new(Body::from(format!("{error:#}")));
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        response
    })
}

async fn answer(inner: &Inner, request: Request) -> Result<Response> {
    let (head, body) = request.into_parts();
    let path = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let body = to_bytes(body, BODY_BYTES).await?;
    // A validation is a PUT that changes nothing.
    let changes = head.method != Method::GET && !head.uri.path().ends_with("/config/validate");
    inner.calls.fetch_add(1, Ordering::Relaxed);
    let (status, answer) = if inner.version.is_some() && lacking(&head.method, head.uri.path()) {
        (StatusCode::METHOD_NOT_ALLOWED, Vec::new())
    } else if inner.refuses(&head.method, head.uri.path()) {
        (StatusCode::BAD_REQUEST, b"{\"error_code\": 400, \"message\": \"refused\"}".to_vec())
    } else {
        let mut asked = inner.http.request(head.method.clone(), format!("{}{path}", inner.target));
        if !body.is_empty() {
            asked = asked.header("content-type", "application/json").body(body.to_vec());
        }
        let answered = asked.send().await?;
        (answered.status(), answered.bytes().await?.to_vec())
    };
    if changes {
        let (method, body) = (head.method.to_string(), String::from_utf8_lossy(&body).into_owned());
        inner.changes().push(Change { method, path: path.clone(), body, status: status.as_u16() });
        held_back(inner, head.uri.path()).await;
    }
    let answer = shown(inner, head.uri.path(), answer);
    let response = Response::builder().status(status).header("content-type", "application/json");
    Ok(response.body(Body::from(answer))?)
}

/// What came with Kafka 3.6 and 3.8.
fn lacking(method: &Method, path: &str) -> bool {
    *method == Method::PATCH && (path.ends_with("/offsets") || path.ends_with("/config"))
        || *method == Method::DELETE && path.ends_with("/offsets")
}

async fn held_back(inner: &Inner, path: &str) {
    let taken =
        inner.hold.lock().unwrap_or_else(PoisonError::into_inner).take_if(|suffix| path.ends_with(*suffix));
    if taken.is_some() {
        inner.held.send_replace(true);
        inner.release.notified().await;
    }
}

/// Other rows' connectors are none of this daemon's business.
fn shown(inner: &Inner, path: &str, answer: Vec<u8>) -> Vec<u8> {
    let is_hidden = |name: &str| inner.connector.as_deref().is_some_and(|shown| shown != name);
    let Ok(mut value) = serde_json::from_slice::<Value>(&answer) else { return answer };
    match (path.trim_end_matches('/'), &mut value) {
        ("/connectors", Value::Object(all)) => all.retain(|name, _| !is_hidden(name)),
        ("/connectors", Value::Array(all)) => {
            all.retain(|name| name.as_str().is_none_or(|name| !is_hidden(name)))
        }
        ("", Value::Object(root)) => {
            if let Some(version) = inner.version {
                root.insert("version".to_owned(), version.into());
            }
        }
        _ => return answer,
    }
    serde_json::to_vec(&value).unwrap_or(answer)
}
