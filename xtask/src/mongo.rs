//! A client of a test's replica set: what drives the oplog, and what looks at it.

use std::time::Duration;

use anyhow::{Context as _, Result};
use mongodb::bson::{Document, Timestamp, doc};
use mongodb::options::ClientOptions;
use mongodb::{Client, Collection};

use crate::clock::{Deadline, Seen, wait_until};

/// Long enough for an election.
const SELECTION_LIMIT: Duration = Duration::from_secs(20);

/// A 1 MiB oplog rolls in a second or two; this is for a machine that is busy with other things.
const ROLL_LIMIT: Duration = Duration::from_secs(120);

/// Between two rounds of filling, so that live cursors are read in time and only stored tokens fall behind.
const ROLL_PAUSE: Duration = Duration::from_millis(50);

/// A connected client.
#[derive(Clone, Debug)]
pub struct Mongo {
    client: Client,
    uri: String,
}

impl Mongo {
    /// Connects; nothing is sent before the first operation.
    ///
    /// # Errors
    /// When the connection string cannot be understood.
    pub async fn connect(uri: &str) -> Result<Self> {
        crate::tls::install();
        let mut options =
            ClientOptions::parse(uri).await.with_context(|| format!("not a MongoDB URI: {uri}"))?;
        options.server_selection_timeout = Some(SELECTION_LIMIT);
        Ok(Self { client: Client::with_options(options)?, uri: uri.to_owned() })
    }

    /// The driver's client, for everything that is not here.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The connection string.
    #[must_use]
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// A collection by its namespace, `database.collection`.
    ///
    /// # Errors
    /// When there is no dot in it.
    pub fn collection(&self, namespace: &str) -> Result<Collection<Document>> {
        let (database, name) =
            namespace.split_once('.').with_context(|| format!("not a namespace: {namespace}"))?;
        Ok(self.client.database(database).collection(name))
    }

    /// Inserts one document.
    ///
    /// # Errors
    /// The server's.
    pub async fn insert(&self, namespace: &str, document: Document) -> Result<()> {
        self.collection(namespace)?.insert_one(document).await?;
        Ok(())
    }

    /// Runs a command on `admin`.
    ///
    /// # Errors
    /// The server's.
    pub async fn admin(&self, command: Document) -> Result<Document> {
        Ok(self.client.database("admin").run_command(command).await?)
    }

    /// The oldest entry of the primary's oplog.
    ///
    /// # Errors
    /// The server's, or that the oplog is empty.
    pub async fn first(&self) -> Result<Timestamp> {
        self.oplog_end(1).await
    }

    /// The newest entry of the primary's oplog.
    ///
    /// # Errors
    /// The server's, or that the oplog is empty.
    pub async fn last(&self) -> Result<Timestamp> {
        self.oplog_end(-1).await
    }

    /// Writes into a scratch namespace until the oplog's first entry is newer than `past`; returns that entry.
    ///
    /// # Errors
    /// The server's, or that the oplog did not roll within a generous bound: is it 1 MiB, with a short `syncdelay`?
    pub async fn roll_oplog_past(&self, past: Timestamp) -> Result<Timestamp> {
        let scratch = self.collection("resumeguard_scratch.filler")?;
        let deadline = Deadline::after(ROLL_LIMIT);
        loop {
            let first = self.first().await?;
            if first > past {
                return Ok(first);
            }
            anyhow::ensure!(!deadline.passed(), "the oplog still begins at {first}, not after {past}");
            let filler = "x".repeat(20_000);
            let documents: Vec<Document> = (0..40).map(|_| doc! { "filler": &filler }).collect();
            scratch.insert_many(documents).await?;
            tokio::time::sleep(ROLL_PAUSE).await;
        }
    }

    /// Makes the primary step down and waits until there is a primary again.
    ///
    /// # Errors
    /// The server's, or that no primary was elected.
    pub async fn step_down(&self) -> Result<()> {
        // Without electable secondaries only force makes it step down; then it is elected again itself.
        self.admin(doc! { "replSetStepDown": 5, "secondaryCatchUpPeriodSecs": 2, "force": true }).await?;
        wait_until("a primary after the step-down", Duration::from_secs(60), async || {
            Ok(match self.admin(doc! { "hello": 1 }).await {
                Ok(hello) if hello.get_bool("isWritablePrimary").unwrap_or(false) => Seen::Yes(()),
                Ok(_) => Seen::Not("no primary".to_owned()),
                Err(error) => Seen::Not(format!("{error:#}")),
            })
        })
        .await
    }

    /// Creates a user in `admin` with these roles, e.g. `[{"role": "readAnyDatabase", "db": "admin"}]`.
    ///
    /// # Errors
    /// The server's.
    pub async fn create_user(&self, name: &str, password: &str, roles: Vec<Document>) -> Result<()> {
        self.admin(doc! { "createUser": name, "pwd": password, "roles": roles }).await?;
        Ok(())
    }

    async fn oplog_end(&self, direction: i32) -> Result<Timestamp> {
        let oplog = self.collection("local.oplog.rs")?;
        let find = oplog.find_one(doc! {}).sort(doc! { "$natural": direction }).projection(doc! { "ts": 1 });
        let entry = find.await?.context("the oplog is empty")?;
        entry.get_timestamp("ts").context("an oplog entry without ts")
    }
}
