//! The cure of a whole offsets topic: `recovery delete-offset-topic` and `restore-offset-topic` are killed after the backup, before and after the
//! deletion, once the topic is made anew, and while it is written to; each time the same command goes on.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use mongodb::bson::{Timestamp, doc};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout};
use xtask::{Progress, Seen, Stack, StackSpec, StoredOffset, source_config, wait_until};

use super::scene::{LONG, Lane};

/// What it is called among the rows.
pub(super) const NAME: &str = "whole-topic-killed-at-every-step";

/// Workers go down and come up, on loaded cores.
const SAYS: Duration = Duration::from_secs(150);

/// What `abort` ends with.
const SIGABRT: i32 = 6;

const CONNECTORS: [&str; 2] = ["whole-one", "whole-two"];
const DELETE: &str = "delete-offset-topic";
const RESTORE: &str = "restore-offset-topic";
const STARTS: &str = "START THE WORKERS";
const WENT_ON: &str = "connect-offsets was backed up and deleted before";

/// A stack of its own, since its worker is stopped and started.
struct Bench {
    stack: Stack,
    binary: PathBuf,
    folder: PathBuf,
}

/// A command under way.
struct Order {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    said: String,
}

/// Walks all of it on one stack.
pub(super) async fn run(lane: &Lane) -> Result<String> {
    let stack = Stack::start(StackSpec::unique("kill-topic"), &Progress::to_stderr()).await?;
    let number = lane.rows.fetch_add(1, Ordering::SeqCst);
    let folder = lane.roster.folder().join(number.to_string());
    let bench = Bench { stack, binary: lane.binary.clone(), folder };
    bench.lay_out().await?;
    bench.deleted_once().await?;
    bench.started_too_early().await?;
    bench.written_back().await?;
    Ok("killed 7 times; each topic was deleted once, each backup is whole".to_owned())
}

impl Bench {
    async fn lay_out(&self) -> Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        let (connect, bootstrap) = (self.stack.connect()?, self.stack.kafka_bootstrap()?);
        for name in CONNECTORS {
            let config = source_config(self.stack.mongod().uri(), &format!("kill.{name}"), &json!({}));
            connect.put_config(name, &config).await?;
            connect.wait_until(name, LONG, |status| status.all("RUNNING")).await?;
        }
        self.stores().await?;
        let settings = format!(
            "[connect.main]\nurl = \"{}\"\nmanaged_by = \"none\"\nkafka_bootstrap_servers = \"{bootstrap}\"\n\
             offsets_topic = \"connect-offsets\"\n[recovery]\nmode = \"approve\"\ndirectory = \"{}\"\n",
            connect.url(),
            self.folder.join("state").display()
        );
        std::fs::create_dir_all(self.folder.join("state"))?;
        std::fs::write(self.folder.join("c.toml"), settings)?;
        Ok(())
    }

    /// Every connector stores a position that is newer than anything before.
    async fn stores(&self) -> Result<()> {
        let (connect, mongo) = (self.stack.connect()?, self.stack.mongod());
        let begun = mongo.last().await?;
        for name in CONNECTORS {
            wait_until(&format!("{name} to store"), LONG, async || {
                mongo.insert(&format!("kill.{name}"), doc! { "of": name }).await?;
                tokio::time::sleep(Duration::from_millis(300)).await;
                let newest = connect.offsets(name).await?.iter().filter_map(StoredOffset::time).max();
                Ok(if newest > Some(begun) { Seen::Yes(()) } else { Seen::Not(format!("{newest:?}")) })
            })
            .await?;
        }
        Ok(())
    }

    fn order(&self, verb: &str, backup: &str, failpoint: Option<&str>) -> Result<Order> {
        let mut command = tokio::process::Command::new(&self.binary);
        command.arg("--config").arg(self.folder.join("c.toml")).args(["recovery", verb, "main"]);
        command.args(["--group", "connect", "--reason", "kill matrix", "--confirm", "connect-offsets"]);
        command.arg("--backup").arg(self.backup(backup)).env("HOME", &self.folder);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        if let Some(failpoint) = failpoint {
            command.env("RESUMEGUARD_FAILPOINT", failpoint);
        }
        let mut child = command.spawn()?;
        let lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        Ok(Order { child, lines, said: String::new() })
    }

    fn backup(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Dies there, with the worker down.
    async fn dies(&self, verb: &str, backup: &str, failpoint: &str) -> Result<()> {
        let (status, said) = self.order(verb, backup, Some(failpoint))?.ends().await?;
        ensure!(status.signal() == Some(SIGABRT), "{failpoint} was not reached: {status}:\n{said}");
        Ok(())
    }

    /// The same from a worker that is up: it is stopped when that is asked for.
    async fn stops_and_dies(&self, backup: &str, failpoint: &str) -> Result<()> {
        let mut order = self.order(DELETE, backup, Some(failpoint))?;
        order.until("STOP EVERY WORKER").await?;
        self.stack.stop_worker(0)?;
        let (status, said) = order.ends().await?;
        ensure!(status.signal() == Some(SIGABRT), "{failpoint} was not reached: {status}:\n{said}");
        Ok(())
    }

    /// Has the worker started when that is asked for, and ends well.
    async fn goes_on(&self, verb: &str, backup: &str, starts: bool) -> Result<String> {
        let mut order = self.order(verb, backup, None)?;
        order.until(STARTS).await?;
        if starts {
            self.stack.start_worker(0).await?;
        }
        let (status, said) = order.ends().await?;
        ensure!(status.code() == Some(0), "{verb} ended with {status}:\n{said}");
        Ok(said)
    }

    /// Killed after the backup, before the deletion and after it; then it is finished, and asked for once more.
    async fn deleted_once(&self) -> Result<()> {
        self.stops_and_dies("one", "backed_up:after_effect").await?;
        is_whole(&self.backup("one"), 2)?;
        let kept = std::fs::read(self.backup("one"))?;
        self.dies(DELETE, "one", "delete:after_intent").await?;
        self.dies(DELETE, "one", "delete:after_effect").await?;
        let said = self.goes_on(DELETE, "one", true).await?;
        ensure!(said.contains(WENT_ON), "it did not go on:\n{said}");
        ensure!(std::fs::read(self.backup("one"))? == kept, "the backup was written over");
        // What is stored since would be gone if it were deleted once more.
        self.stores().await?;
        let before = self.positions().await?;
        let said = self.goes_on(DELETE, "one", false).await?;
        ensure!(said.contains(WENT_ON), "it did not go on:\n{said}");
        let after = self.positions().await?;
        let kept = before.iter().zip(&after).all(|(before, after)| before.is_some() && after >= before);
        ensure!(kept, "positions are gone: {before:?}, and now {after:?}");
        Ok(())
    }

    /// Killed after the deletion, and the workers were started before anybody has looked.
    async fn started_too_early(&self) -> Result<()> {
        self.stops_and_dies("two", "delete:after_effect").await?;
        is_whole(&self.backup("two"), 2)?;
        self.stack.start_worker(0).await?;
        for name in CONNECTORS {
            self.stack.connect()?.wait_until(name, LONG, |status| status.all("RUNNING")).await?;
        }
        let said = self.goes_on(DELETE, "two", false).await?;
        ensure!(said.contains(WENT_ON), "it did not go on:\n{said}");
        self.stores().await
    }

    /// The first backup is written back where there is no topic: killed once that is made, once records are written, and before that is noted.
    async fn written_back(&self) -> Result<()> {
        let mut order = self.order(DELETE, "three", None)?;
        order.until("STOP EVERY WORKER").await?;
        self.stack.stop_worker(0)?;
        order.until(STARTS).await?;
        drop(order);
        for failpoint in ["create:after_effect", "write:after_effect", "restore:after_effect"] {
            self.dies(RESTORE, "one", failpoint).await?;
        }
        let said = self.goes_on(RESTORE, "one", true).await?;
        ensure!(said.contains("0 records were written"), "they were written before:\n{said}");
        is_whole(&self.backup("one"), 2)?;
        is_whole(&self.backup("one.before-restore"), 0)?;
        is_whole(&self.backup("one.before-restore.2"), 2)?;
        self.stores().await
    }

    /// The newest position of each connector.
    async fn positions(&self) -> Result<Vec<Option<Timestamp>>> {
        let mut newest = Vec::new();
        for name in CONNECTORS {
            let stored = self.stack.connect()?.offsets(name).await?;
            newest.push(stored.iter().filter_map(StoredOffset::time).max());
        }
        Ok(newest)
    }
}

impl Order {
    async fn until(&mut self, begins: &str) -> Result<()> {
        let reading = async {
            while let Some(line) = self.lines.next_line().await? {
                self.said.push_str(&line);
                self.said.push('\n');
                if line.starts_with(begins) {
                    return Ok(());
                }
            }
            Err(anyhow::anyhow!("it ended"))
        };
        let outcome = tokio::time::timeout(SAYS, reading).await;
        outcome
            .context("it went on too long")
            .flatten()
            .with_context(|| format!("{begins:?} was never said:\n{}", self.said))
    }

    async fn ends(mut self) -> Result<(ExitStatus, String)> {
        let ending = async {
            while let Some(line) = self.lines.next_line().await? {
                self.said.push_str(&line);
                self.said.push('\n');
            }
            if let Some(mut errors) = self.child.stderr.take() {
                errors.read_to_string(&mut self.said).await?;
            }
            anyhow::Ok(self.child.wait().await?)
        };
        let status = tokio::time::timeout(SAYS * 2, ending).await;
        let status = status.context("it does not end").flatten().with_context(|| self.said.clone())?;
        Ok((status, self.said))
    }
}

/// A file that nobody else may read, with so many records at the least, as its last line says.
fn is_whole(path: &Path, least: u64) -> Result<()> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let last: Value = serde_json::from_str(text.lines().last().context("it is empty")?)?;
    let records = last["records"].as_u64().context("it has no end")?;
    ensure!(u64::try_from(text.lines().count())? == records + 2, "{} has lost lines", path.display());
    ensure!(records >= least, "{} has {records} records", path.display());
    let mode = std::fs::metadata(path)?.permissions().mode() & 0o7777;
    ensure!(mode == 0o600, "{} may be read by others: {mode:o}", path.display());
    Ok(())
}
