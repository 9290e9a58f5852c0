//! A stand-in for Connect's REST interface, for answers that a real worker cannot be made to give on demand: HTML from a
//! proxy, 409, a body without end, silence. Its 401 is that of a real worker's basic authentication (same status and body).

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What to answer.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Html,
    Status(u16, &'static str),
    Json(String),
    Endless,
    Silence,
}

#[derive(Debug)]
struct Script {
    listing: Answer,
    offsets: Answer,
}

/// A running stand-in.
#[derive(Debug)]
pub(crate) struct FakeConnect {
    pub(crate) url: String,
    script: Arc<Mutex<Script>>,
    pub(crate) listings: Arc<AtomicUsize>,
    server: tokio::task::JoinHandle<()>,
}

impl FakeConnect {
    pub(crate) async fn start(listing: Answer, offsets: Answer) -> Self {
        let script = Arc::new(Mutex::new(Script { listing, offsets }));
        let listings = Arc::new(AtomicUsize::new(0));
        let router = Router::new().fallback(answer).with_state((Arc::clone(&script), Arc::clone(&listings)));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, script, listings, server }
    }

    pub(crate) fn answer_listing_with(&self, answer: Answer) {
        self.script.lock().unwrap().listing = answer;
    }
}

impl Drop for FakeConnect {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(
    State((script, listings)): State<(Arc<Mutex<Script>>, Arc<AtomicUsize>)>,
    uri: Uri,
) -> Response {
    let answer = match uri.path() {
        "/connectors" => {
            listings.fetch_add(1, Ordering::SeqCst);
            script.lock().unwrap().listing.clone()
        }
        "/connector-plugins" => Answer::Json("[]".into()),
        path if path.contains("-hangs/") => Answer::Silence,
        _ => script.lock().unwrap().offsets.clone(),
    };
    match answer {
        Answer::Html => ([("content-type", "text/html")], "<!doctype html><html><body>Welcome</body></html>")
            .into_response(),
        Answer::Status(code, body) => (StatusCode::from_u16(code).unwrap(), body).into_response(),
        Answer::Json(body) => ([("content-type", "application/json")], body).into_response(),
        Answer::Endless => {
            let chunk = || Ok::<_, std::io::Error>(vec![b'['; 1 << 16]);
            Body::from_stream(futures_util::stream::repeat_with(chunk)).into_response()
        }
        Answer::Silence => {
            tokio::time::sleep(Duration::from_secs(600)).await;
            StatusCode::OK.into_response()
        }
    }
}

/// A listing with one connector of this name and this `connection.uri`.
pub(crate) fn listing(name: &str, uri: &str) -> Answer {
    listing_of(&[name], uri)
}

/// A listing with these connectors. The offsets of those whose name ends with `-hangs` are never answered.
pub(crate) fn listing_of(names: &[&str], uri: &str) -> Answer {
    let named: Vec<(&str, String)> = names.iter().map(|name| (*name, uri.to_owned())).collect();
    listing_with(&named)
}

/// The same, each with a `connection.uri` of its own.
pub(crate) fn listing_with(named: &[(&str, String)]) -> Answer {
    let entry = |name: &str, uri: &str| {
        serde_json::json!({
            "status": { "name": name, "connector": { "state": "RUNNING" }, "tasks": [{ "id": 0, "state": "RUNNING" }], "type": "source" },
            "info": { "name": name, "config": {
                "connector.class": "com.mongodb.kafka.connect.MongoSourceConnector",
                "connection.uri": uri, "database": "db", "collection": "c",
            } },
        })
    };
    let body: serde_json::Map<_, _> =
        named.iter().map(|(name, uri)| ((*name).to_owned(), entry(name, uri))).collect();
    Answer::Json(serde_json::Value::Object(body).to_string())
}

/// Offsets with these partitions and `_id` texts.
pub(crate) fn offsets(entries: &[(&str, &str)]) -> Answer {
    let entries: Vec<_> = entries
        .iter()
        .map(|(ns, id)| serde_json::json!({ "partition": { "ns": ns }, "offset": { "_id": id } }))
        .collect();
    Answer::Json(serde_json::json!({ "offsets": entries }).to_string())
}
