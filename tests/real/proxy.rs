//! A proxy before a real Connect worker: counts what is asked, and can hold a call up to do something in mid-pass.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use std::sync::{Arc, Mutex};
use tokio::sync::{Notify, mpsc};

struct Inner {
    target: String,
    calls: Mutex<Vec<String>>,
    /// A call whose path ends like this waits until it is released.
    hold: Mutex<Option<String>>,
    held: mpsc::UnboundedSender<()>,
    release: Notify,
}

/// A running proxy.
pub(crate) struct Proxy {
    pub(crate) url: String,
    inner: Arc<Inner>,
    held: mpsc::UnboundedReceiver<()>,
    server: tokio::task::JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn start(target: &str) -> Self {
        let (held_sender, held) = mpsc::unbounded_channel();
        let inner = Arc::new(Inner {
            target: target.trim_end_matches('/').to_owned(),
            calls: Mutex::default(),
            hold: Mutex::default(),
            held: held_sender,
            release: Notify::new(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(forward).with_state(Arc::clone(&inner));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, inner, held, server }
    }

    /// `METHOD path?query` of every call since the last time.
    pub(crate) fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.inner.calls.lock().unwrap())
    }

    /// Holds the next call whose path ends with `suffix`.
    pub(crate) fn hold(&self, suffix: &str) {
        *self.inner.hold.lock().unwrap() = Some(suffix.to_owned());
    }

    /// Waits until a call is held.
    pub(crate) async fn held(&mut self) {
        self.held.recv().await.unwrap();
    }

    pub(crate) fn release(&self) {
        self.inner.release.notify_one();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn forward(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    inner.calls.lock().unwrap().push(format!("{} {path}", request.method()));
    let holds = inner.hold.lock().unwrap().take_if(|suffix| request.uri().path().ends_with(suffix.as_str()));
    if holds.is_some() {
        inner.held.send(()).unwrap();
        inner.release.notified().await;
    }
    let answer = reqwest::Client::new()
        .request(request.method().clone(), format!("{}{path}", inner.target))
        .send()
        .await
        .unwrap();
    let mut response = Response::builder().status(answer.status());
    if let Some(kind) = answer.headers().get("content-type") {
        response = response.header("content-type", kind);
    }
    response.body(Body::from(answer.bytes().await.unwrap())).unwrap()
}
