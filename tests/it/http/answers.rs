//! What is answered: pages, ETags, problems, and who sees tokens.

use super::{Served, published, sample};
use crate::history::{BEGIN, Kept, kept_in, report, snapshot};
use resumeguard::history::Happening;
use resumeguard_core::domain::{ConnectorId, Verdict};
use serde_json::Value;

async fn get(url: &str) -> (u16, Value) {
    let answer = reqwest::get(url).await.unwrap();
    let status = answer.status().as_u16();
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    assert_eq!(kind, if status == 200 { "application/json" } else { "application/problem+json" }, "{url}");
    (status, answer.json().await.unwrap())
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_read_page_by_page_and_filtered() {
    let served = Served::start("", "").await;
    for (path, lengths) in [
        ("connectors?limit=1", &[1, 1][..]),
        ("oplogs?limit=1", &[1]),
        ("sources", &[1]),
        ("findings", &[1]),
        ("rules?limit=20", &[20, 3]),
        ("recovery/plans", &[0]),
        ("recovery/attempts", &[0]),
        ("connectors?verdict=lost", &[1]),
        ("connectors?connector=nobody", &[0]),
        ("findings?severity=info", &[0]),
        ("findings?rule=RG005&connect_cluster=main", &[1]),
    ] {
        let mut cursor = String::new();
        for (number, length) in lengths.iter().enumerate() {
            let (status, page) = get(&served.url(&format!("/api/v1/{path}{cursor}"))).await;
            assert_eq!(
                (status, page["items"].as_array().map(Vec::len)),
                (200, Some(*length)),
                "{path}: {page}"
            );
            assert_eq!(page["next"].is_null(), number + 1 == lengths.len(), "{path}: {page}");
            cursor = format!("&cursor={}", page["next"].as_str().unwrap_or_default());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_is_found_whatever_its_name_is() {
    let served = Served::start("", "").await;
    let names = ["a/b", "100%", "orders \"eu\"\\", "ü🛒", "a?b#c", "%2F", "..."];
    let mut status = sample();
    let one = status.connectors[0].clone();
    status.connectors = names
        .iter()
        .map(|&name| resumeguard::publish::status::Connector { connector: name.into(), ..one.clone() })
        .collect();
    served.board.put(published(&status));
    for name in names {
        let (code, whole) = get(&served.url(&format!("/api/v1/connectors/main/{}", encoded(name)))).await;
        assert_eq!((code, &whole["connector"]["connector"]), (200, &name.into()), "{whole}");
        assert_eq!(
            (&whole["oplogs"][0]["deployment"], &whole["history"]),
            (&"rs0".into(), &Value::Null),
            "{whole}"
        );
        assert!(whole["no_history"].as_str().unwrap().contains("set history.directory"), "{whole}");
    }
    for (path, status, says) in [
        ("/api/v1/connectors/main/nobody", 404, "no MongoDB source connector is called nobody in main"),
        ("/api/v1/connectors/main/%FF", 400, "Invalid"),
        ("/api/v1/connectors/main/a%2Fb?since=x", 400, "since: `x` is no time"),
        ("/api/v1/connectors?limit=0", 400, "limit: must be from 1 to 500"),
        ("/api/v1/connectors?limit=x", 400, "limit"),
        ("/api/v1/connectors?verdict=good", 400, "`good` is none of safe"),
        ("/api/v1/connectors?cursor=x", 400, "cursor: is none"),
        ("/api/v1/connectors?verdict=lost&verdict=safe", 400, "duplicate field"),
        ("/api/v1/connectors?what=x", 400, "unknown field"),
        ("/api/v1/nonsense", 404, "nothing is called so here"),
        ("/nonsense", 404, "nothing is called so here"),
        ("/api/v1/recovery/attempts/x", 404, "no attempt x"),
        ("/api/v1/events", 404, "no history is kept"),
    ] {
        let (code, problem) = get(&served.url(path)).await;
        assert_eq!((code, &problem["status"]), (status, &status.into()), "{path}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(says), "{path}: {problem}");
    }
}

/// What has not changed is not sent again, whichever pass says it.
#[tokio::test(flavor = "multi_thread")]
async fn an_etag_stands_for_the_content() {
    let served = Served::start("", "").await;
    let client = reqwest::Client::new();
    let paths =
        ["status", "connectors", "oplogs", "sources", "findings", "rules", "recovery", "openapi.json"];
    let ask = async |path: &str, tag: &str| {
        let request = client.get(served.url(&format!("/api/v1/{path}"))).header("if-none-match", tag);
        let answer = request.send().await.unwrap();
        let tag = answer.headers()["etag"].to_str().unwrap().to_owned();
        assert_eq!(answer.headers()["cache-control"], "private, no-cache");
        (answer.status().as_u16(), tag, answer.bytes().await.unwrap().len())
    };
    let mut tags = Vec::new();
    for path in paths {
        let (status, tag, length) = ask(path, "\"x\"").await;
        assert!(status == 200 && length > 2, "{path}: {status}");
        let (status, again, length) = ask(path, &tag).await;
        assert_eq!((status, &again, length), (304, &tag, 0), "{path}");
        tags.push(tag);
    }
    let mut later = sample();
    later.at = "2027-01-01T00:00:00Z".to_owned();
    later.oplogs[0].window_seconds = Some(1);
    served.board.put(published(&later));
    let mut statuses = Vec::new();
    for (path, tag) in paths.iter().zip(&tags) {
        statuses.push(ask(path, tag).await.0);
    }
    assert_eq!(statuses, [200, 304, 200, 304, 304, 304, 304, 304]);
    let head = client.head(served.url("/api/v1/connectors")).send().await.unwrap();
    assert_eq!((head.status().as_u16(), head.headers()["etag"].to_str().unwrap()), (200, &*tags[1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_told_the_newest_first_page_by_page() {
    let directory = tempfile::tempdir().unwrap();
    let (mut kept, _) = Kept::open(kept_in(directory.path())).await;
    for number in 0..5 {
        let connector = Some(ConnectorId::new("main", if number % 2 == 0 { "orders" } else { "other" }));
        let detail = serde_json::json!({ "number": number });
        kept.history.tell(Happening { connector, kind: "rescued", detail });
        kept.pass(&snapshot(BEGIN + number, vec![report("orders", Verdict::Safe)])).await;
    }
    let served = Served::start_with("", "", Some(&kept.history)).await;
    let mut told = Vec::new();
    let mut cursor = String::new();
    while let (200, page) = get(&served.url(&format!("/api/v1/events?limit=2{cursor}"))).await {
        told.extend(page["items"].as_array().unwrap().iter().map(|event| event["detail"]["number"].clone()));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(told, [4, 3, 2, 1, 0]);
    let (_, of_one) = get(&served.url("/api/v1/events?connector=other")).await;
    assert_eq!(of_one["items"].as_array().unwrap().len(), 2, "{of_one}");
    let since = jiff::Timestamp::from_second(BEGIN + 3).unwrap();
    let (_, late) = get(&served.url(&format!("/api/v1/events?since={since}"))).await;
    assert_eq!(late["items"].as_array().unwrap().len(), 2, "{late}");
    assert_eq!(get(&served.url("/api/v1/events?cursor=WyJ4Il0")).await.0, 400);
}

/// Tokens and traces hold document keys: whoever may not see them is told `null`, everywhere.
#[tokio::test(flavor = "multi_thread")]
async fn only_those_with_the_right_see_tokens_and_traces() {
    let hash = |password| bcrypt::hash(password, 4).unwrap();
    let users = format!(
        "[http.users.looks]\npassword_hash = \"{}\"\n[http.users.sees]\npassword_hash = \"{}\"\nrights = \"tokens\"\n",
        hash("looks-pw"),
        hash("sees-pw")
    );
    let served = Served::start(&format!("token = \"0123456789abcdef\"\n{users}"), "").await;
    let client = reqwest::Client::new();
    let connector = format!("/api/v1/connectors/main/{}", encoded("orders \"eu\"\\"));
    for path in ["/api/v1/status", "/api/v1/connectors", &connector] {
        let ask = |who: &str| {
            let request = client.get(served.url(path));
            match who {
                "nobody" => request,
                "token" => request.bearer_auth("0123456789abcdef"),
                user => request.basic_auth(user, Some(format!("{user}-pw"))),
            }
        };
        for (who, may) in [("nobody", false), ("looks", false), ("sees", true), ("token", true)] {
            let answer = ask(who).send().await.unwrap();
            assert_eq!(answer.status().as_u16(), 200, "{who}");
            let text = answer.text().await.unwrap();
            assert_eq!(text.contains("826B03B3E1"), may, "{path} for {who}: {text}");
            assert_eq!(text.contains("no longer in the oplog"), may, "{path} for {who}: {text}");
        }
    }
    for path in ["/", "/metrics", "/api/v1/findings", "/api/v1/recovery"] {
        let answer = client.get(served.url(path)).bearer_auth("0123456789abcdef").send().await.unwrap();
        assert!(!answer.text().await.unwrap().contains("826B03B3E1"), "{path}");
    }
}
