//! Changes over HTTP: only for whoever shows the token, and never for a page of somebody else's.

use crate::http::Served;
use serde_json::{Value, json};

const TOKEN: &str = "0123456789abcdef";

struct Server {
    served: Served,
    url: String,
    client: reqwest::Client,
}

impl Server {
    async fn start(token: Option<&str>) -> Self {
        let http = token.map(|token| format!("token = \"{token}\"")).unwrap_or_default();
        let served = Served::start(&http, "").await;
        let url = format!("{}/api/v1/recovery", served.url);
        Self { served, url, client: reqwest::Client::new() }
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let response = self.client.get(format!("{}{path}", self.url)).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap_or_default())
    }

    async fn post(&self, verb: &str, headers: &[(&str, &str)], body: String) -> (u16, Value) {
        let mut request = self.client.post(format!("{}/{verb}", self.url)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        assert_eq!(status == 401, response.headers().contains_key("www-authenticate"));
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        assert_eq!(kind, if status == 200 { "application/json" } else { "application/problem+json" });
        (status, response.json().await.unwrap())
    }
}

fn bearer() -> (&'static str, &'static str) {
    ("authorization", "Bearer 0123456789abcdef")
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_in_the_configuration_nobody_changes_anything() {
    let server = Server::start(None).await;
    for verb in ["freeze", "unfreeze", "approve", "discard", "run", "restore", "acknowledge"] {
        let (status, problem) =
            server.post(verb, &[JSON, bearer()], json!({ "reason": "x" }).to_string()).await;
        let detail = problem["detail"].as_str().unwrap();
        assert_eq!(status, 403, "{verb}: {problem}");
        assert!(detail.starts_with("refused: no credentials are configured (http.token_file)"), "{detail}");
    }
    assert_eq!(server.served.desk.ledger().frozen, None);
    // Looking is free.
    let (status, overview) = server.get("").await;
    assert_eq!(
        (status, &overview["mode"], &overview["plans"]),
        (200, &json!("plan"), &json!([])),
        "{overview}"
    );
    for path in ["/plans", "/attempts", "/freeze"] {
        assert_eq!(server.get(path).await.0, 200, "{path}");
    }
    let (status, problem) = server.get("/attempts/nonsense").await;
    assert_eq!(status, 404, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("resumeguard recovery list"), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_token_opens_and_no_page_of_another_origin() {
    let server = Server::start(Some(TOKEN)).await;
    let body = json!({ "reason": "rain" }).to_string();
    let host = server.url.strip_prefix("http://").unwrap().split('/').next().unwrap().to_owned();
    let own = format!("http://{host}");
    for (headers, wanted) in [
        (&[][..], 401),
        (&[("authorization", "Bearer 0123456789abcdeF")], 401),
        (&[("authorization", "Basic 0123456789abcdef")], 401),
        (&[bearer(), ("origin", "https://evil.example")], 403),
        (&[bearer(), ("sec-fetch-site", "cross-site")], 403),
        (&[("origin", "https://evil.example")], 403),
    ] {
        let (status, problem) = server.post("freeze", &[headers, &[JSON]].concat(), body.clone()).await;
        assert_eq!(status, wanted, "{headers:?}: {problem}");
        assert!(!problem.to_string().contains(TOKEN));
        assert_eq!(server.served.desk.ledger().frozen, None, "{headers:?}");
    }
    let (status, done) = server.post("freeze", &[JSON, bearer(), ("origin", &own)], body).await;
    assert_eq!((status, &done["frozen"]), (200, &json!("token: rain")), "{done}");
    let (by, reason) = server.served.desk.ledger().frozen.clone().unwrap();
    assert_eq!((by.to_string().as_str(), reason.as_str()), ("token", "rain"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_is_bounded_and_checked() {
    let server = Server::start(Some(TOKEN)).await;
    let entry = |reason: &str| json!({ "reason": reason }).to_string();
    for (verb, body, wanted, says) in [
        ("freeze", "{".to_owned(), 400, "EOF"),
        ("freeze", "7".to_owned(), 422, "expected"),
        ("freeze", entry(" "), 400, "reason: must say why"),
        ("freeze", "{}".to_owned(), 400, "reason: must say why"),
        ("freeze", entry("a\u{1b}[2Jb"), 400, "reason: one line"),
        ("freeze", entry(&"x".repeat(501)), 400, "at most 500 characters"),
        ("freeze", entry(&"x".repeat(20 << 10)), 413, "length limit"),
        ("freeze", json!({ "reason": "x", "plans": "y" }).to_string(), 422, "unknown field"),
        ("approve", entry("x"), 400, "plan: is missing"),
        ("approve", json!({ "reason": "x", "plan": "y" }).to_string(), 404, "no plan y stands now"),
        ("run", json!({ "reason": "x", "connector": "y" }).to_string(), 404, "no plan and no attempt"),
        (
            "acknowledge",
            json!({ "reason": "x", "connector": "y" }).to_string(),
            404,
            "no plan and no attempt",
        ),
        ("restore", json!({ "reason": "x", "attempt": "y" }).to_string(), 404, "no attempt y"),
        ("explode", entry("x"), 404, "nothing is called so here"),
    ] {
        let (status, problem) = server.post(verb, &[JSON, bearer()], body).await;
        assert_eq!(status, wanted, "{verb}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(says), "{verb}: {problem}");
    }
    let (status, problem) = server.post("freeze", &[bearer()], entry("x")).await;
    assert_eq!(status, 415, "forms of other pages need no permission to be sent: {problem}");
    assert_eq!(server.served.desk.ledger().frozen, None);
}
