//! The only place that changes anything outside: requests to Connect that write, commands to MongoDB that write, and, in `edit`,
//! a standalone worker's file, in `record` the offsets topic.

use super::Hands;
use super::away::Away;
use super::marker::Marker;
use super::world::LOOK;
use crate::clock::Clock;
use crate::sources::connect::message;
use crate::sources::mongodb::reach::{self, to_its_end};
use mongodb::bson::{Document, doc};
use mongodb::error::{Error, ErrorKind, WriteFailure};
use mongodb::options::{Acknowledgment, WriteConcern};
use mongodb::{Client, Collection};
use reqwest::{Method, StatusCode};
use resumeguard_core::recovery::Step;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Connect itself answers 500 to what has not ended after 90 s (`RestServer.java`), and its word is better than none.
const REQUEST: Duration = Duration::from_secs(95);

/// How long a worker that refuses for the moment is asked again: rebalances take seconds, `scheduled.rebalance.max.delay.ms` is
/// 5 min by default.
pub(super) const BUSY: Duration = Duration::from_secs(360);
/// The same without another look at what somebody may have changed meanwhile.
const WITHOUT_A_LOOK: Duration = Duration::from_secs(10);
/// The same where it says that the connector is not stopped, and its status says that it is.
const NOT_STOPPED: Duration = Duration::from_secs(15);
const FIRST_PAUSE: Duration = Duration::from_millis(300);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long a write to MongoDB may take, and how long the driver is waited for.
const WRITE: Duration = Duration::from_secs(10);
const DRIVER: Duration = Duration::from_secs(25);

/// What came of sending something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sent {
    /// It was accepted.
    Accepted,
    /// It was refused, and nothing is changed.
    Refused(String),
    /// Nobody knows whether it is carried out.
    Uncertain(String),
    /// It is so already: nothing was sent.
    Needless(String),
    /// Nothing was done, and for the moment nothing can be: it is to be looked at again before it is asked for once more.
    NotNow(String),
    /// Nothing was done, and it must not be sent now: recovery was frozen meanwhile.
    Held,
}

/// Whoever refuses it has done nothing of it. A command may have stopped a worker all the same, and a server that breaks off a
/// write may have made it.
pub(super) fn is_whole(step: &Step) -> bool {
    !matches!(
        step,
        Step::StopWorker | Step::StartWorker | Step::InsertMarker { .. } | Step::RemoveMarker { .. }
    )
}

/// Sends to one connector, as long as nobody has frozen recovery.
pub(super) struct Writer<'a> {
    pub(super) hands: &'a Hands,
    pub(super) name: &'a str,
    pub(super) clock: Clock,
    pub(super) frozen: &'a (dyn Fn() -> bool + Sync),
    /// How long who refuses for the moment is asked again.
    pub(super) away: &'a Away,
}

impl Writer<'_> {
    /// `PUT …/stop`, `…/resume`, `…/pause`.
    pub(super) async fn order(&self, verb: &str) -> Sent {
        self.send(Method::PUT, verb, None, None).await
    }

    /// `POST …/restart`: what has failed, and nothing else.
    pub(super) async fn restart_failed(&self) -> Sent {
        self.send(Method::POST, "restart", Some("includeTasks=true&onlyFailed=true"), None).await
    }

    /// `POST …/restart`: all of it.
    pub(super) async fn restart(&self) -> Sent {
        self.send(Method::POST, "restart", Some("includeTasks=true&onlyFailed=false"), None).await
    }

    /// `PATCH …/offsets` of one partition, as it was found; `None` removes what is stored there.
    pub(super) async fn store(
        &self,
        partition: &Map<String, Value>,
        offset: Option<&Map<String, Value>>,
    ) -> Sent {
        let body = json!({ "offsets": [{ "partition": partition, "offset": offset }] });
        self.send(Method::PATCH, "offsets", None, Some(&body)).await
    }

    /// `PATCH …/config` (3.8), or the whole configuration as it was read a moment ago with these keys changed.
    pub(super) async fn configure(
        &self,
        read: &BTreeMap<String, String>,
        to: &BTreeMap<String, Option<String>>,
    ) -> Sent {
        if self.hands.capabilities.patch_config {
            return self.send(Method::PATCH, "config", None, Some(&json!(to))).await;
        }
        if let Err(sent) = self.is_as_read(read).await {
            return sent;
        }
        // All of it is written: each time it has to be read before.
        let once = Duration::ZERO;
        let mut config = read.clone();
        for (key, value) in to {
            match value {
                Some(value) => config.insert(key.clone(), value.clone()),
                None => config.remove(key),
            };
        }
        self.send_for(once, Method::PUT, "config", None, Some(&json!(config))).await
    }

    async fn send(&self, method: Method, verb: &str, query: Option<&str>, body: Option<&Value>) -> Sent {
        self.send_for(WITHOUT_A_LOOK, method, verb, query, body).await
    }

    /// Sends until the answer is not that of a worker that cannot now, so long at the most.
    async fn send_for(
        &self,
        limit: Duration,
        method: Method,
        verb: &str,
        query: Option<&str>,
        body: Option<&Value>,
    ) -> Sent {
        let begun = self.clock.uptime();
        let mut pause = FIRST_PAUSE;
        loop {
            let (line, limit) = match self.send_once(method.clone(), verb, query, body).await {
                Answer::Final(sent) => return sent,
                Answer::NotNow(line) => (Ok(line), limit),
                Answer::NotStopped(line) => (Err(line), NOT_STOPPED),
            };
            if self.clock.uptime().saturating_sub(begun) >= limit {
                return match line {
                    Ok(line) => self.give_way(line).await,
                    Err(line) => Sent::Refused(line),
                };
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// It cannot be done for the moment: a while later everything is looked at again, or it is given up.
    pub(super) async fn give_way(&self, line: String) -> Sent {
        let sent = self.away.not_now(line);
        if let Sent::NotNow(_) = sent {
            tokio::time::sleep(self.away.pause()).await;
        }
        sent
    }

    async fn send_once(
        &self,
        method: Method,
        verb: &str,
        query: Option<&str>,
        body: Option<&Value>,
    ) -> Answer {
        let called = format!("{method} …/{verb}");
        let request = match self.hands.connect.request(method, &["connectors", self.name, verb], query) {
            Ok(request) => request.timeout(REQUEST),
            Err(error) => return Answer::Final(Sent::Refused(error.to_string())),
        };
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let Some(sending) = self.unless_frozen(|| request.send()) else { return Answer::Final(Sent::Held) };
        match sending.await {
            Ok(response) => {
                let status = response.status();
                // What is not read to its end says nothing less: the status counts.
                let body = response.bytes().await.unwrap_or_default();
                answer(&called, status, &shown(&message(&body)))
            }
            // Nobody was there: nothing was sent.
            Err(error) if error.is_connect() => {
                Answer::NotNow(format!("{called}: no Kafka Connect answers there"))
            }
            Err(error) if error.is_timeout() => {
                Answer::Final(Sent::Uncertain(format!("{called} was not answered within {REQUEST:.0?}")))
            }
            Err(_) => Answer::Final(Sent::Uncertain(format!("{called}: the connection was cut"))),
        }
    }
}

enum Answer {
    Final(Sent),
    /// Nothing was done: a moment later it may be.
    NotNow(String),
    /// The same; or somebody has started it.
    NotStopped(String),
}

/// What Connect says may quote a configuration, and so its credentials.
fn shown(message: &str) -> String {
    if message.contains("://") || message.contains("Invalid value") {
        return "its words are left out, since they quote a configuration; see the worker's log".to_owned();
    }
    message.to_owned()
}

/// What Connect's answer means. 409 while it rebalances; 500 after 90 s, and whatever stands before it answers 502 to 504, while
/// the change may still be made.
fn answer(called: &str, status: StatusCode, message: &str) -> Answer {
    let line = format!("{called} was answered {}: {message}", status.as_u16());
    match status.as_u16() {
        200..=299 => Answer::Final(Sent::Accepted),
        409 => Answer::NotNow(line),
        // Its tasks are gone from the status a moment before the leader counts them as gone.
        400 if message.contains("must be in the STOPPED state") => Answer::NotStopped(line),
        500..=599 => Answer::Final(Sent::Uncertain(line)),
        _ => Answer::Final(Sent::Refused(line)),
    }
}

impl Writer<'_> {
    /// The last look at freeze, immediately before anything is sent: whatever came before may have taken seconds.
    pub(super) fn unless_frozen<T>(&self, send: impl FnOnce() -> T) -> Option<T> {
        if (self.frozen)() { None } else { Some(send()) }
    }

    async fn primary(&self) -> Result<Client, Sent> {
        let begun = self.clock.uptime();
        loop {
            let line = match self.hands.primary().await {
                Ok(primary) => return Ok(primary),
                Err(line) => line,
            };
            if self.clock.uptime().saturating_sub(begun) >= self.away.no_primary() {
                return Err(self.give_way(line).await);
            }
            tokio::time::sleep(LONGEST_PAUSE).await;
            if (self.frozen)() {
                return Err(Sent::Held);
            }
        }
    }

    /// The whole configuration must be put where keys cannot be: it has to be the one that was looked at, since asking about a
    /// mark takes seconds.
    async fn is_as_read(&self, read: &BTreeMap<String, String>) -> Result<(), Sent> {
        let begun = self.clock.uptime();
        loop {
            let line = match self.hands.connect.config(self.name, LOOK).await {
                Ok(Some(config)) if config == *read => return Ok(()),
                Ok(_) => {
                    let line = "its configuration was changed by somebody at this moment";
                    return Err(Sent::Refused(line.to_owned()));
                }
                Err(error) => error.to_string(),
            };
            if self.clock.uptime().saturating_sub(begun) > BUSY {
                return Err(self.give_way(line).await);
            }
            tokio::time::sleep(LONGEST_PAUSE).await;
            if (self.frozen)() {
                return Err(Sent::Held);
            }
        }
    }

    /// Inserts a marker. One that is there already is as good.
    pub(super) async fn insert_marker(&self, marker: &Marker) -> Sent {
        let primary = match self.primary().await {
            Ok(primary) => primary,
            Err(sent) => return sent,
        };
        let (database, collection) = marker.names();
        let collection = primary.database(database).collection::<Document>(collection);
        let document = marker.document.clone();
        let target = collection.clone();
        let insert = async move { target.insert_one(document).write_concern(durable()).await.map(drop) };
        let Some(writing) = self.unless_frozen(|| to_its_end(DRIVER, insert)) else { return Sent::Held };
        match writing.await {
            Some(Err(error)) if is_duplicate(&error) => stands(collection, marker).await,
            outcome => written("the marker", outcome),
        }
    }

    /// Removes a marker. One that is gone already is as good.
    pub(super) async fn remove_marker(&self, marker: &Marker) -> Sent {
        let primary = match self.primary().await {
            Ok(primary) => primary,
            Err(sent) => return sent,
        };
        let (database, collection) = marker.names();
        let collection = primary.database(database).collection::<Document>(collection);
        let filter = doc! { "_id": marker.id() };
        let delete = async move { collection.delete_one(filter).write_concern(durable()).await.map(drop) };
        let Some(writing) = self.unless_frozen(|| to_its_end(DRIVER, delete)) else { return Sent::Held };
        written("the marker's removal", writing.await)
    }

    /// `replSetResizeOplog` on the primary; the other members keep their size. It would shrink one that is larger by now, which
    /// cannot be undone: what it drops is gone.
    pub(super) async fn resize_oplog(&self, size_mb: u64) -> Sent {
        let primary = match self.primary().await {
            Ok(primary) => primary,
            Err(sent) => return sent,
        };
        match reach::max_size(primary.clone(), WRITE).await {
            Some(bytes) if bytes >= size_mb.saturating_mul(MB) => {
                let mb = bytes / MB;
                return Sent::Needless(format!(
                    "the oplog may grow to {mb} MB already: it is never made smaller"
                ));
            }
            Some(_) => {}
            None => {
                let line = "how large the oplog may grow cannot be read (collStats of local.oplog.rs on the primary), and it must not be made smaller";
                return Sent::Refused(line.to_owned());
            }
        }
        // The command takes a double; sizes below 2^53 MB are exact.
        #[expect(clippy::cast_precision_loss, reason = "sizes below 2^53")]
        let command = doc! { "replSetResizeOplog": 1, "size": size_mb as f64, "maxTimeMS": millis(WRITE) };
        let target = primary.clone();
        let resize = async move { target.database("admin").run_command(command).await.map(drop) };
        let Some(writing) = self.unless_frozen(|| to_its_end(DRIVER, resize)) else { return Sent::Held };
        let sent = written("replSetResizeOplog", writing.await);
        if sent == Sent::Accepted { has_grown(primary, size_mb).await } else { sent }
    }
}

/// What the server says of it is believed, and not that it took the command.
async fn has_grown(primary: Client, size_mb: u64) -> Sent {
    match reach::max_size(primary, WRITE).await {
        Some(bytes) if bytes >= size_mb.saturating_mul(MB) => Sent::Accepted,
        Some(bytes) => Sent::Uncertain(format!(
            "replSetResizeOplog was taken, and the oplog may grow to {} MB only",
            bytes / MB
        )),
        None => Sent::Uncertain(
            "replSetResizeOplog was taken, and how large the oplog may grow cannot be read".to_owned(),
        ),
    }
}

/// The server's megabyte: `replSetResizeOplog` multiplies by that.
const MB: u64 = 1 << 20;

/// Any unique index may refuse a document. Ours stands only where it is found.
async fn stands(collection: Collection<Document>, marker: &Marker) -> Sent {
    let filter = doc! { "_id": marker.id() };
    let find = async move { collection.find_one(filter).max_time(WRITE).await };
    match to_its_end(DRIVER, find).await {
        Some(Ok(Some(_))) => Sent::Accepted,
        Some(Ok(None)) => Sent::Refused(
            "the server refused the marker with error 11000: a unique index has what it would hold; set recovery.marker to fields that it takes".to_owned(),
        ),
        Some(Err(_)) | None => Sent::Uncertain("whether the marker stands is not known".to_owned()),
    }
}

fn written(what: &str, outcome: Option<Result<(), Error>>) -> Sent {
    match outcome {
        Some(Ok(())) => Sent::Accepted,
        // The server's own text may quote the document.
        Some(Err(error)) => match code(&error) {
            Some(code) => Sent::Refused(format!("the server refused {what} with error {code}")),
            None => Sent::Uncertain(format!("whether the server has taken {what} is not known")),
        },
        None => Sent::Uncertain(format!("{what} was not answered within {DRIVER:.0?}")),
    }
}

fn code(error: &Error) -> Option<i32> {
    if let ErrorKind::Command(command) = error.kind.as_ref() {
        return Some(command.code);
    }
    if let ErrorKind::Write(WriteFailure::WriteError(write)) = error.kind.as_ref() {
        return Some(write.code);
    }
    None
}

/// `DuplicateKey`.
fn is_duplicate(error: &Error) -> bool {
    code(error) == Some(11000)
}

/// A change stream shows what a majority has, and so does a document that must not come back.
fn durable() -> WriteConcern {
    WriteConcern::builder().w(Acknowledgment::Majority).w_timeout(WRITE).build()
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ConnectCluster;
    use resumeguard_core::recovery::Capabilities;

    #[test]
    fn answers_are_certain_or_said_not_to_be() {
        let of = |status: u16, message: &str| match answer(
            "PUT …/stop",
            StatusCode::from_u16(status).unwrap(),
            message,
        ) {
            Answer::NotNow(_) | Answer::NotStopped(_) => "again",
            Answer::Final(Sent::Accepted) => "accepted",
            Answer::Final(Sent::Refused(_)) => "refused",
            Answer::Final(Sent::Uncertain(_)) => "uncertain",
            Answer::Final(Sent::Held | Sent::Needless(_) | Sent::NotNow(_)) => "not sent",
        };
        assert_eq!([of(200, ""), of(202, ""), of(204, "")], ["accepted"; 3]);
        assert_eq!([of(400, "no"), of(401, ""), of(403, ""), of(404, ""), of(405, "")], ["refused"; 5]);
        assert_eq!([of(500, "Request timed out"), of(502, ""), of(503, ""), of(504, "")], ["uncertain"; 4]);
        let quoting = "Invalid value mongodb://user:hunter2@h/ for configuration connection.uri";
        assert!(!shown(quoting).contains("hunter2") && shown("Request timed out") == "Request timed out");
        let early = "Connectors must be in the STOPPED state before their offsets can be modified.";
        assert_eq!([of(409, "rebalance"), of(400, early)], ["again"; 2]);
    }

    /// Connect before 3.8 takes a whole configuration only, which is read once more before it is put.
    #[tokio::test]
    async fn what_is_frozen_while_a_configuration_is_read_again_is_not_put() {
        use axum::routing::get;
        use std::sync::Arc;
        use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
        let _first = rustls::crypto::ring::default_provider().install_default().is_ok();
        let (frozen, puts) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (freezes, counts) = (Arc::clone(&frozen), Arc::clone(&puts));
        let read = move || async move {
            freezes.store(true, Ordering::SeqCst);
            axum::Json(json!({ "a": "1" }))
        };
        let put = move || async move {
            counts.fetch_add(1, Ordering::SeqCst);
        };
        let router = axum::Router::new().route("/connectors/orders/config", get(read).put(put));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let cluster = ConnectCluster {
            name: "main".into(),
            url,
            security: crate::config::ConnectSecurity::default(),
            credentials: crate::config::ConnectCredentials::default(),
            worker: None,
            connector_hosts: None,
            offsets: crate::config::Offsets::default(),
            status_topic: None,
            managed_by: None,
        };
        let unknown = resumeguard_core::domain::Why::NotReadYet;
        let hands = Hands {
            connect: crate::sources::connect::Client::new(&cluster).unwrap(),
            capabilities: Capabilities::of("3.7.2"),
            selection: Err(unknown),
            members: Err(unknown),
            worker: None,
            topic: None,
        };
        let is_frozen = || frozen.load(Ordering::SeqCst);
        let away = Away::of_nothing();
        let writer =
            Writer { hands: &hands, name: "orders", clock: Clock::start(), frozen: &is_frozen, away: &away };
        let config = BTreeMap::from([("a".to_owned(), "1".to_owned())]);
        let to = BTreeMap::from([("b".to_owned(), Some("2".to_owned()))]);
        assert_eq!(writer.configure(&config, &to).await, Sent::Held);
        assert_eq!(writer.order("stop").await, Sent::Held, "nor anything else");
        assert_eq!(puts.load(Ordering::SeqCst), 0);
        server.abort();
    }
}
