//! A proxy before a real Connect worker: counts what is asked, can hold a call up to do something in the middle, and can answer
//! in the worker's place.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use std::sync::{Arc, Mutex};
use tokio::sync::{Notify, mpsc};

struct Inner {
    target: String,
    calls: Mutex<Vec<String>>,
    /// The same calls once they were answered, with what they were answered.
    answers: Mutex<Vec<(String, u16)>>,
    /// A call whose path ends like this waits until it is released.
    hold: Mutex<Option<String>>,
    held: mpsc::UnboundedSender<()>,
    release: Notify,
    rules: Mutex<Vec<Rule>>,
    /// Method and path of what is let through, if not everything; a segment in capitals is any.
    allowed: Mutex<Option<Vec<(String, String)>>>,
}

/// What becomes of some calls.
struct Rule {
    /// `METHOD` and the end of the path.
    method: &'static str,
    suffix: &'static str,
    /// How often.
    left: u32,
    /// The worker sees them all the same.
    passes: bool,
    status: u16,
    body: String,
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
            answers: Mutex::default(),
            hold: Mutex::default(),
            held: held_sender,
            release: Notify::new(),
            rules: Mutex::default(),
            allowed: Mutex::default(),
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

    /// `METHOD path?query` of every call that was answered since the last time, with the status.
    pub(crate) fn answers(&self) -> Vec<(String, u16)> {
        std::mem::take(&mut self.inner.answers.lock().unwrap())
    }

    /// From now on refuses with 403 whatever `docs/permissions.md` does not list.
    pub(crate) fn allow_what_is_documented(&self) {
        let page = include_str!("../../docs/permissions.md");
        let (_, from) = page.split_once("\n## Kafka Connect\n").unwrap();
        let (section, _) = from.split_once("\n## ").unwrap();
        let listed = section.split("```").skip(1).step_by(2).flat_map(str::split_whitespace);
        let listed: Vec<String> = listed.map(str::to_owned).collect();
        let path = |listed: &str| listed.split('?').next().unwrap().to_owned();
        let pairs: Vec<_> = listed.chunks(2).map(|pair| (pair[0].clone(), path(&pair[1]))).collect();
        assert!(pairs.len() > 10, "{pairs:?}");
        *self.inner.allowed.lock().unwrap() = Some(pairs);
    }

    /// What was refused for that.
    pub(crate) fn refused(&self) -> Vec<String> {
        let refused = self.answers().into_iter().filter(|(_, status)| *status == 403);
        refused.map(|(call, _)| call).collect()
    }

    /// Answers the next `times` calls in the worker's place.
    pub(crate) fn answer(
        &self,
        method: &'static str,
        suffix: &'static str,
        times: u32,
        status: u16,
        body: &str,
    ) {
        let rule = Rule { method, suffix, left: times, passes: false, status, body: body.to_owned() };
        self.inner.rules.lock().unwrap().push(rule);
    }

    /// From now on the worker itself answers everything.
    pub(crate) fn no_more(&self) {
        self.inner.rules.lock().unwrap().clear();
    }

    /// Has the worker do what the next `times` calls want, and tells the caller otherwise.
    pub(crate) fn answer_after(
        &self,
        method: &'static str,
        suffix: &'static str,
        times: u32,
        status: u16,
        body: &str,
    ) {
        let rule = Rule { method, suffix, left: times, passes: true, status, body: body.to_owned() };
        self.inner.rules.lock().unwrap().push(rule);
    }

    /// Holds the next call whose path ends with `suffix`, or `METHOD suffix`.
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
    let call = format!("{} {path}", request.method());
    inner.calls.lock().unwrap().push(call.clone());
    let response = answered(&inner, request, &path).await;
    inner.answers.lock().unwrap().push((call, response.status().as_u16()));
    response
}

fn is_allowed(allowed: &[(String, String)], request: &Request) -> bool {
    let fits = |listed: &str| {
        let listed: Vec<&str> = listed.split('/').collect();
        let asked: Vec<&str> = request.uri().path().split('/').collect();
        let is_any = |segment: &str| !segment.is_empty() && segment.chars().all(|c| c.is_ascii_uppercase());
        listed.len() == asked.len()
            && listed.iter().zip(&asked).all(|(one, other)| is_any(one) || one == other)
    };
    allowed.iter().any(|(method, listed)| request.method().as_str() == method && fits(listed))
}

async fn answered(inner: &Inner, request: Request, path: &str) -> Response {
    if inner.allowed.lock().unwrap().as_ref().is_some_and(|allowed| !is_allowed(allowed, &request)) {
        let refused = Response::builder().status(403).header("content-type", "application/json");
        return refused.body(Body::from("{\"message\": \"not allowed\"}")).unwrap();
    }
    let held = |suffix: &mut String| {
        let (method, suffix) = suffix.split_once(' ').unwrap_or(("", suffix));
        (method.is_empty() || request.method() == method) && request.uri().path().ends_with(suffix)
    };
    let holds = inner.hold.lock().unwrap().take_if(held);
    if holds.is_some() {
        inner.held.send(()).unwrap();
        inner.release.notified().await;
    }
    let (method, path_alone) = (request.method().clone(), request.uri().path().to_owned());
    let instead = {
        let mut rules = inner.rules.lock().unwrap();
        let fits =
            |rule: &&mut Rule| rule.left > 0 && method == rule.method && path_alone.ends_with(rule.suffix);
        rules.iter_mut().find(fits).map(|rule| {
            rule.left -= 1;
            (rule.passes, rule.status, rule.body.clone())
        })
    };
    let as_told = |status: u16, body: String| {
        let response = Response::builder().status(status).header("content-type", "application/json");
        response.body(Body::from(body)).unwrap()
    };
    if let Some((false, status, body)) = instead {
        return as_told(status, body);
    }
    let kind = request.headers().get("content-type").cloned();
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
    let mut call = reqwest::Client::new().request(method, format!("{}{path}", inner.target)).body(body);
    if let Some(kind) = kind {
        call = call.header("content-type", kind);
    }
    let Ok(answer) = call.send().await else {
        return as_told(503, "{\"message\": \"no worker\"}".to_owned());
    };
    if let Some((true, status, body)) = instead {
        return as_told(status, body);
    }
    let mut response = Response::builder().status(answer.status());
    if let Some(kind) = answer.headers().get("content-type") {
        response = response.header("content-type", kind);
    }
    response.body(Body::from(answer.bytes().await.unwrap())).unwrap()
}
