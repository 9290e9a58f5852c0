//! Questions to a daemon from wherever a test stands, `drop` included: in a thread of its own, in the clear or by TLS.

use std::time::Duration;

/// Nobody takes longer to answer: what would be put back is looked at first. The stream of events would go on for ever.
const PATIENCE: Duration = Duration::from_secs(20);
/// What a listener is told at once.
const LISTENS: Duration = Duration::from_millis(400);
/// How often whoever asks too often is asked to wait.
const AGAIN: usize = 20;

/// One question.
#[derive(Debug, Clone)]
pub(super) struct Question {
    url: String,
    /// Kind and content of what is sent.
    body: Option<(&'static str, String)>,
    bearer: Option<String>,
    listens: bool,
}

/// What was answered.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) status: u16,
    pub(super) body: String,
    head: String,
}

impl Asked {
    pub(super) fn whole(&self) -> String {
        format!("{}\n{}", self.head, self.body)
    }
}

impl std::fmt::Display for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", if self.body.is_some() { "POST" } else { "GET" }, self.url)
    }
}

impl Question {
    pub(super) fn get(url: String) -> Self {
        Self { url, body: None, bearer: None, listens: false }
    }

    /// What comes within a moment of a stream without end.
    pub(super) fn stream(url: String) -> Self {
        Self { listens: true, ..Self::get(url) }
    }

    pub(super) fn post(url: String, kind: &'static str, body: String) -> Self {
        Self { body: Some((kind, body)), ..Self::get(url) }
    }

    /// The same of somebody who may do everything.
    pub(super) fn by(&self, bearer: &str) -> Self {
        Self { bearer: Some(bearer.to_owned()), ..self.clone() }
    }

    /// `None` where nobody answers.
    pub(super) fn asked(&self) -> Option<Asked> {
        let asked = std::thread::scope(|scope| scope.spawn(|| on_own_runtime(self.ask())).join());
        asked.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    async fn ask(&self) -> Option<Asked> {
        let client = client();
        for _attempt in 0..AGAIN {
            let (method, body) = match &self.body {
                None => (reqwest::Method::GET, None),
                Some((kind, body)) => (reqwest::Method::POST, Some((kind, body.clone()))),
            };
            let accept = if self.url.contains("/api/") { "application/json" } else { "text/html" };
            let mut request = client.request(method, &self.url).header("accept", accept);
            if let Some((kind, body)) = body {
                request =
                    request.header("content-type", *kind).header("sec-fetch-site", "same-origin").body(body);
            }
            if let Some(token) = &self.bearer {
                request = request.bearer_auth(token);
            }
            let mut answer = tokio::time::timeout(PATIENCE, request.send()).await.ok()?.ok()?;
            // What is asked too often is not answered, and would hide what the answer tells.
            if answer.status().as_u16() == 429 && !self.listens {
                tokio::time::sleep(Duration::from_millis(250)).await;
                continue;
            }
            let head = format!("{} {:?}", answer.status(), answer.headers());
            let mut bytes = Vec::new();
            let patience = if self.listens { LISTENS } else { PATIENCE };
            // What came before it took too long counts as well.
            while let Ok(Ok(Some(chunk))) = tokio::time::timeout(patience, answer.chunk()).await {
                bytes.extend_from_slice(&chunk);
            }
            let status = answer.status().as_u16();
            return Some(Asked { status, body: String::from_utf8_lossy(&bytes).into_owned(), head });
        }
        panic!("{self} is always asked too often");
    }
}

/// Each request has a connection of its own: runtimes come and go.
fn client() -> &'static reqwest::Client {
    static CLIENT: std::sync::OnceLock<reqwest::Client> = std::sync::OnceLock::new();
    CLIENT.get_or_init(made)
}

fn made() -> reqwest::Client {
    let _first = rustls::crypto::ring::default_provider().install_default().is_ok();
    let builder = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    builder.pool_max_idle_per_host(0).tls_danger_accept_invalid_certs(true).build().unwrap()
}

fn on_own_runtime<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// Where a daemon is, as it serves itself.
pub(super) fn origin(address: &str) -> String {
    let answers = |origin: &String| Question::get(format!("{origin}/healthz")).asked().is_some();
    let found = ["http", "https"].map(|scheme| format!("{scheme}://{address}")).into_iter().find(answers);
    found.unwrap_or_else(|| panic!("nobody answers at {address}: what it tells cannot be looked at"))
}
