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
        Self::of(Served::start(&http, "").await)
    }

    fn of(served: Served) -> Self {
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

/// What has changed since it was shown is not decided on: by the mark that goes with it. Freezing waits for nobody.
#[tokio::test(flavor = "multi_thread")]
async fn a_decision_is_about_what_was_shown() {
    let http = format!("token = \"{TOKEN}\"");
    let served = Served::start_after(&http, "", super::sample::events()).await;
    let server = Server::of(served);
    let served = &server.served;
    let look = async |path: &str| {
        let request = server.client.get(format!("{}{path}", server.url)).bearer_auth(TOKEN);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    assert_eq!(server.get("/acknowledge?connector=x").await.0, 403, "for whoever may decide");
    let name = "orders \"eu\"\\";
    let path = format!(
        "/acknowledge?connector={}",
        percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC)
    );
    let (status, shown) = look(&path).await;
    assert!(status == 200 && shown["says"].to_string().contains("could not be put back"), "{shown}");
    let body = |seen: &Value| json!({ "reason": "seen", "connector": name, "seen": seen }).to_string();
    // Somebody else was quicker: it may have failed again since.
    assert_eq!(server.post("acknowledge", &[JSON, bearer()], body(&Value::Null)).await.0, 200);
    let before = served.desk.ledger().acknowledged.clone();
    let (status, problem) = server.post("acknowledge", &[JSON, bearer()], body(&shown["seen"])).await;
    assert_eq!(status, 409, "{problem}");
    assert_eq!(
        problem["detail"],
        "what was acknowledged of it has changed since this was shown; look again, and decide then"
    );
    assert_eq!(served.desk.ledger().acknowledged, before);
    let (_, shown) = look(&path).await;
    assert_eq!(server.post("acknowledge", &[JSON, bearer()], body(&shown["seen"])).await.0, 200);
    assert_eq!(server.post("acknowledge", &[JSON, bearer()], body(&"nonsense".into())).await.0, 409);

    // Who freezes it for another reason meanwhile is not overruled.
    let by = |name: &str| resumeguard_core::recovery::Actor::Person(name.into());
    served.desk.freeze(by("bob"), "rain".into()).await.unwrap();
    let (_, shown) = look("/unfreeze").await;
    assert!(shown["says"][0] == "frozen by bob: rain", "{shown}");
    served.desk.freeze(by("eve"), "the disk is full".into()).await.unwrap();
    let body = json!({ "reason": "sun", "seen": shown["seen"] }).to_string();
    let (status, problem) = server.post("unfreeze", &[JSON, bearer()], body.clone()).await;
    assert!(
        status == 409 && problem["detail"].as_str().unwrap().starts_with("why it is frozen has"),
        "{problem}"
    );
    let frozen = server.post("freeze", &[JSON, bearer()], body).await;
    assert_eq!(frozen.0, 200, "whatever was seen: {}", frozen.1);
    assert_eq!(look("/restore?attempt=a1").await.0, 409, "in mode plan nothing is put back");
    assert_eq!(look("/restore?attempt=a9").await.0, 404);
    assert_eq!(look("/approve?plan=x").await.0, 404);
    assert_eq!(look("/approve").await.0, 400);
}

/// What is lifted is what a person has frozen, even where something else freezes it as well and is named first.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_unfreezes_has_been_shown_every_reason() {
    let served = Served::start(&format!("token = \"{TOKEN}\""), "freeze = true").await;
    let by = |name: &str| resumeguard_core::recovery::Actor::Person(name.into());
    served.desk.freeze(by("bob"), "rain".into()).await.unwrap();
    let client = reqwest::Client::new();
    let url = served.url("/api/v1/recovery/unfreeze");
    let shown = client.get(&url).bearer_auth(TOKEN).send().await.unwrap();
    let shown: Value = shown.json().await.unwrap();
    let says = shown["says"].to_string();
    assert!(says.contains("in the configuration") && says.contains("bob: rain"), "{says}");
    served.desk.freeze(by("eve"), "the disk is full".into()).await.unwrap();
    let body = json!({ "reason": "sun", "seen": shown["seen"] });
    let answer = client.post(&url).bearer_auth(TOKEN).json(&body).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 409);
    assert!(served.desk.ledger().frozen.is_some(), "eve's stands");
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
