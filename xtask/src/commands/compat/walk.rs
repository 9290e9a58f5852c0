//! One combination from its first event to a restart from a lost position.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use mongodb::bson::{Timestamp, doc};
use serde_json::{Value, json};
use xtask::{Connect, Mongo, Progress, ReplicaSetSpec, Seen, Stack, StackSpec, StoredOffset, wait_until};

use super::super::daemon::Daemon;
use super::rows::{Ends, NAMESPACE, Row};

/// The connector, as Connect calls it.
const NAME: &str = "compat";

/// Generous: two loaded cores.
const LONG: Duration = Duration::from_secs(120);

/// For so long a connector that stalls is watched: it tries its stream every 10 s.
const STALLS_FOR: Duration = Duration::from_secs(25);

/// What was shown so far, in a few words.
#[derive(Debug, Default)]
pub(super) struct Walk {
    pub(super) position: Option<String>,
    pub(super) lost: Option<String>,
    pub(super) foretold: Option<String>,
    pub(super) came: Option<String>,
    pub(super) oldest: Option<String>,
}

/// What every part of a walk needs.
struct Scene<'a> {
    row: &'a Row,
    stack: Stack,
    daemon: Daemon,
}

/// Walks through it; what does not come is the error.
pub(super) async fn walk(row: &Row, binary: &Path, shown: &mut Walk) -> Result<()> {
    let spec = StackSpec {
        versions: row.versions,
        replica_set: ReplicaSetSpec { name: "compat".to_owned(), ..ReplicaSetSpec::default() },
        ..StackSpec::unique("compat")
    };
    let stack = Stack::start(spec, &Progress::silent()).await?;
    let daemon = Daemon::begin(stack.roster()?, binary, &settings(&stack, row)?, &[]).await?;
    let scene = Scene { row, stack, daemon };
    let from = if row.tells_offsets() { "REST" } else { "topic" };
    let position = scene.stores().await.context("a stored position")?;
    shown.position = Some(format!("by {from}"));
    scene.loses(position).await.context("a lost position")?;
    shown.lost = Some("lost".to_owned());
    shown.foretold = Some(row.ends.word().to_owned());
    shown.came = Some(scene.restarts(position).await.context("the restart")?);
    if row.snapshot_mode.is_none() && row.tells_offsets() {
        shown.oldest = Some(scene.stands_at_the_oldest().await.context("at the oldest entry")?);
    }
    Ok(())
}

/// By REST where that tells, else from the workers' own topic.
fn settings(stack: &Stack, row: &Row) -> Result<String> {
    let url = stack.connect_url()?;
    let offsets = if row.tells_offsets() {
        "offsets = \"rest\"".to_owned()
    } else {
        let brokers = stack.kafka_bootstrap()?;
        format!(
            "offsets = \"topic\"\nkafka_bootstrap_servers = \"{brokers}\"\noffsets_topic = \"connect-offsets\""
        )
    };
    Ok(format!(
        "[connect.main]\nurl = \"{url}\"\n{offsets}\n[poll]\ninterval = \"2s\"\noffset_flush = \"2s\"\nsizes_every = \"1s\"\n"
    ))
}

impl Scene<'_> {
    fn connect(&self) -> Result<&Connect> {
        self.stack.connect()
    }

    fn mongo(&self) -> &Mongo {
        self.stack.mongod()
    }

    /// Creates the connector, has it deliver events, and waits until the daemon shows the last one's position.
    async fn stores(&self) -> Result<Timestamp> {
        let (connect, mongo) = (self.connect()?, self.mongo());
        mongo.insert(NAMESPACE, doc! { "number": 0 }).await?;
        connect.put_config(NAME, &self.row.config(mongo.uri())).await?;
        connect.wait_until(NAME, LONG, |status| status.all("RUNNING")).await?;
        wait_until("the daemon to show a position", LONG, async || {
            mongo.insert(NAMESPACE, doc! { "number": 1 }).await?;
            // Longer than a flush: the position that is shown need not be that of the last event.
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok(match time(&self.seen().await?["position"]) {
                Some(_) => Seen::Yes(()),
                None => Seen::Not(self.words().await?),
            })
        })
        .await?;
        // Where the last event stands in the oplog its position stands, in whatever form it is stored.
        let last = last_event(mongo).await?;
        let seen = wait_until("the last event's position", LONG, async || {
            let seen = self.seen().await?;
            let well = time(&seen["position"]) == Some(last) && seen["verdict"] != "unknown";
            Ok(if well { Seen::Yes(seen) } else { Seen::Not(format!("{last}: {}", self.words().await?)) })
        })
        .await?;
        ensure!(seen["on_restart"] == "resumes", "a good position: {}", self.words().await?);
        if self.row.tells_offsets() {
            let stored = connect.offsets(NAME).await?;
            let token = stored.first().and_then(token_of);
            ensure!(token.is_some(), "Connect shows {stored:?}");
            let shown = decoded(&self.daemon, token.as_deref().unwrap_or_default()).await?;
            ensure!(shown == last, "Connect's own answer decodes to {shown}, the daemon says {last}");
        }
        Ok(last)
    }

    async fn paused_and_rolled(&self) -> Result<()> {
        let connect = self.connect()?;
        connect.pause(NAME).await?;
        connect.wait_until(NAME, LONG, |status| status.all("PAUSED")).await?;
        self.mongo().roll_oplog_past(self.mongo().last().await?).await.map(drop)
    }

    /// Paused, until the oplog has rolled past the position.
    async fn loses(&self, position: Timestamp) -> Result<()> {
        self.paused_and_rolled().await?;
        let seen = wait_until("the daemon to say that it is lost", LONG, async || {
            let seen = self.seen().await?;
            let lost = seen["verdict"] == "lost" && time(&seen["position"]) == Some(position);
            Ok(if lost { Seen::Yes(seen) } else { Seen::Not(self.words().await?) })
        })
        .await?;
        let foretold = &seen["on_restart"];
        ensure!(foretold == self.row.ends.word(), "foretold is {foretold}, not {}", self.row.ends.word());
        Ok(())
    }

    /// Restarts it and holds what happens against what was foretold.
    async fn restarts(&self, position: Timestamp) -> Result<String> {
        let connect = self.connect()?;
        connect.restart(NAME).await?;
        connect.wait_until(NAME, LONG, |status| status.all("PAUSED")).await?;
        connect.resume(NAME).await?;
        match self.row.ends {
            Ends::Fails(code) => self.fails(code).await,
            Ends::Resnapshots => self.copies_again(position).await,
            Ends::Stalls => self.stalls(position).await,
        }
    }

    async fn fails(&self, code: Option<u32>) -> Result<String> {
        let seen = wait_until("the task to fail", LONG, async || {
            let seen = self.seen().await?;
            let failed = seen["tasks"][0]["state"] == "FAILED";
            Ok(if failed { Seen::Yes(seen) } else { Seen::Not(self.words().await?) })
        })
        .await?;
        let task = &seen["tasks"][0];
        let class = if code.is_some() { "history_lost" } else { "other" };
        let expected = json!({ "id": 0, "state": "FAILED", "code": code, "class": class });
        // Its trace is not for everybody.
        let told =
            json!({ "id": task["id"], "state": task["state"], "code": task["code"], "class": task["class"] });
        if told != expected {
            let status = self.connect()?.status(NAME).await?.context("no status")?;
            bail!("the task is {task}, not {expected}: {status}");
        }
        Ok(code.map_or_else(|| "FAILED, no code".to_owned(), |code| format!("FAILED, {code}")))
    }

    /// Data is delivered again from the beginning, and what is stored afterwards lies within the oplog.
    async fn copies_again(&self, position: Timestamp) -> Result<String> {
        wait_until("a new position", LONG, async || {
            self.mongo().insert(NAMESPACE, doc! { "number": 2 }).await?;
            let seen = self.seen().await?;
            let newer = time(&seen["position"]).is_some_and(|time| time > position);
            let well = newer && seen["tasks"][0]["state"] == "RUNNING" && seen["on_restart"] == "resumes";
            Ok(if well { Seen::Yes(()) } else { Seen::Not(self.words().await?) })
        })
        .await?;
        let log = std::fs::read_to_string(self.stack.roster()?.process("connect-0")?.log)?;
        ensure!(
            log.contains("snapshot will be performed") || log.contains("is no longer available"),
            "no snapshot in the log"
        );
        Ok("RUNNING, copied again".to_owned())
    }

    /// RUNNING all the while, and neither a new event nor time moves it.
    async fn stalls(&self, position: Timestamp) -> Result<String> {
        let connect = self.connect()?;
        connect.wait_until(NAME, LONG, |status| status.all("RUNNING")).await?;
        self.mongo().insert(NAMESPACE, doc! { "number": 2 }).await?;
        tokio::time::sleep(STALLS_FOR).await;
        let status = connect.status(NAME).await?.context("no status")?;
        ensure!(status.all("RUNNING"), "{status}");
        let seen = self.seen().await?;
        ensure!(time(&seen["position"]) == Some(position), "its position moved: {}", self.words().await?);
        let log = std::fs::read_to_string(self.stack.roster()?.process("connect-0")?.log)?;
        // Debezium's driver gives the code's name; MongoDB's connector ends its line with the code.
        let lost = |line: &&str| {
            let own = line.contains("Failed to resume change stream") && line.trim_end().ends_with(" 286");
            own || line.contains("(ChangeStreamHistoryLost)")
        };
        let tried = log.lines().filter(lost).count();
        ensure!(tried > 1, "its log names 286 {tried} times");
        Ok("RUNNING, delivers nothing".to_owned())
    }

    /// Rule J2: a high-water mark of exactly the oldest entry. It resumes, on 4.4 as well.
    async fn stands_at_the_oldest(&self) -> Result<String> {
        let connect = self.connect()?;
        connect.stop(NAME).await?;
        connect.wait_until(NAME, LONG, |status| status.connector.state == "STOPPED").await?;
        let partition = connect.offsets(NAME).await?.first().context("no offset")?.partition.clone();
        let seen = wait_until("a quiet oplog and the mark in it", LONG, async || {
            let first = self.mongo().first().await?;
            let mark = format!("82{:08X}{:08X}2B0229296E04", first.time, first.increment);
            let offset = json!({ "_id": format!("{{\"_data\": \"{mark}\"}}") });
            if let Err(error) = connect.patch_offsets(NAME, &partition, &offset).await {
                return Ok(Seen::Not(format!("{error:#}")));
            }
            // Two passes of the daemon.
            tokio::time::sleep(Duration::from_secs(5)).await;
            let seen = self.seen().await?;
            let stands = self.mongo().first().await? == first && time(&seen["position"]) == Some(first);
            Ok(if stands { Seen::Yes(seen) } else { Seen::Not(self.words().await?) })
        })
        .await?;
        ensure!(
            seen["on_restart"] == "resumes" && seen["verdict"] != "lost",
            "foretold: {}",
            describe(&seen)
        );
        connect.resume(NAME).await?;
        connect.wait_until(NAME, LONG, |status| status.all("RUNNING")).await?;
        let before = self.mongo().last().await?;
        self.mongo().insert(NAMESPACE, doc! { "number": 3 }).await?;
        connect.wait_until_stored(NAME, LONG, |time| time > before).await?;
        Ok("resumes".to_owned())
    }

    /// What the daemon says of the connector.
    async fn seen(&self) -> Result<Value> {
        Ok(self.daemon.status().await?["connectors"][0].clone())
    }

    async fn words(&self) -> Result<String> {
        Ok(describe(&self.seen().await?))
    }
}

fn describe(seen: &Value) -> String {
    let task = &seen["tasks"][0];
    let (verdict, why, on_restart) = (&seen["verdict"], &seen["why"], &seen["on_restart"]);
    format!("{verdict} ({why}), on restart {on_restart}, position {}, task {task}", seen["position"]["time"])
}

fn time(position: &Value) -> Option<Timestamp> {
    let number = |name: &str| u32::try_from(position["time"][name].as_u64()?).ok();
    Some(Timestamp { time: number("t")?, increment: number("i")? })
}

/// The token's text as Connect shows it, of either connector.
fn token_of(stored: &StoredOffset) -> Option<String> {
    let text = stored.offset.get("_id").or_else(|| stored.offset.get("resume_token"))?;
    text.as_str().map(str::to_owned)
}

/// What `resumeguard decode` makes of it.
async fn decoded(daemon: &Daemon, token: &str) -> Result<Timestamp> {
    let (code, said) = daemon.command(&["decode", "--json", token]).await?;
    let answer: Value = serde_json::from_str(said.trim()).with_context(|| format!("{code:?}: {said}"))?;
    let time = &answer["clusterTime"];
    let number = |name: &str| time[name].as_u64().and_then(|number| u32::try_from(number).ok());
    match (number("t"), number("i")) {
        (Some(time), Some(increment)) => Ok(Timestamp { time, increment }),
        _ => bail!("no time in {said}"),
    }
}

/// Where the last change of the watched namespace stands in the oplog.
async fn last_event(mongo: &Mongo) -> Result<Timestamp> {
    let oplog = mongo.collection("local.oplog.rs")?;
    let entry = oplog.find_one(doc! { "ns": NAMESPACE, "op": "i" }).sort(doc! { "$natural": -1 }).await?;
    entry.context("no event in the oplog")?.get_timestamp("ts").context("an oplog entry without ts")
}
