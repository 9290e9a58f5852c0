//! A Kafka broker in KRaft mode, and Kafka Connect's distributed workers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::clock::{Seen, wait_until};
use crate::connect::Connect;
use crate::parts::Parts;
use crate::ports;
use crate::roster::{Roster, Start};
use crate::secured::Secured;

/// The broker takes 4 s and a worker 15 s on two idle cores.
pub(crate) const START_LIMIT: Duration = Duration::from_secs(180);

const LOGGING: &str = "\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %-5p %c{1}: %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
";

/// The same for Connect 3, which logs with what was log4j 1.
const OLD_LOGGING: &str = "\
log4j.rootLogger=INFO, console
log4j.appender.console=org.apache.log4j.ConsoleAppender
log4j.appender.console.layout=org.apache.log4j.PatternLayout
log4j.appender.console.layout.ConversionPattern=%d{ISO8601} %-5p %c{1}: %m%n
";

/// Properties, one `key=value` a line; a later one of the same key wins, as in Java.
pub(crate) fn properties(pairs: &[(&str, String)], more: &[(String, String)]) -> String {
    let lines = pairs.iter().map(|(key, value)| format!("{key}={value}\n"));
    lines.chain(more.iter().map(|(key, value)| format!("{key}={value}\n"))).collect()
}

/// A JVM that starts quickly rather than runs fast in the long run.
pub(crate) fn java(heap: &str, kafka: &Path, folder: &Path) -> Command {
    let mut command = Command::new("java");
    command.args([heap, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto"]);
    command.arg(format!("-Dlog4j2.configurationFile={}", folder.join("log4j2.properties").display()));
    command.arg(format!("-Dlog4j.configuration=file:{}", folder.join("log4j.properties").display()));
    command.arg("-cp").arg(kafka.join("*"));
    command
}

/// Writes what every JVM of the stack is told about logging.
pub(crate) fn write_logging(folder: &Path) -> Result<()> {
    fs::write(folder.join("log4j.properties"), OLD_LOGGING)?;
    Ok(fs::write(folder.join("log4j2.properties"), LOGGING)?)
}

/// Where a broker is reached.
#[derive(Debug)]
pub(crate) struct Broker {
    /// By its clients.
    pub(crate) bootstrap: String,
    /// Of a secured one: by itself, and by whoever grants rights.
    pub(crate) internal: Option<String>,
}

/// Starts the broker (which is its own controller).
pub(crate) async fn start_broker(
    roster: &Roster,
    parts: &Parts,
    secured: Option<&Secured>,
) -> Result<Broker> {
    let (port, internal) = ports::retried(async || {
        let [port, internal, controller] = ports::free()?;
        let own = secured.map(|secured| secured.broker(port, internal, controller)).unwrap_or_default();
        broker_on(roster, parts, [port, controller], &own).await.map(|()| (port, internal))
    })
    .await?;
    let internal = secured.map(|_| format!("127.0.0.1:{internal}"));
    Ok(Broker { bootstrap: format!("127.0.0.1:{port}"), internal })
}

pub(crate) async fn broker_on(
    roster: &Roster,
    parts: &Parts,
    [port, controller]: [u16; 2],
    own: &[(String, String)],
) -> Result<()> {
    let data = roster.data_folder("kafka")?;
    let config = roster.folder().join("kafka.properties");
    let pairs = [
        ("process.roles", "broker,controller".to_owned()),
        ("node.id", "1".to_owned()),
        ("controller.quorum.voters", format!("1@127.0.0.1:{controller}")),
        ("controller.listener.names", "CONTROLLER".to_owned()),
        ("listeners", format!("PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}")),
        ("advertised.listeners", format!("PLAINTEXT://127.0.0.1:{port}")),
        ("log.dirs", data.display().to_string()),
        ("offsets.topic.replication.factor", "1".to_owned()),
        ("offsets.topic.num.partitions", "1".to_owned()),
        // A group without members and commits, as Connect's workers leave one, is forgotten when this next ticks: by default within 10 min,
        // so at any moment of a test.
        ("offsets.retention.check.interval.ms", "86400000".to_owned()),
        ("transaction.state.log.replication.factor", "1".to_owned()),
        ("transaction.state.log.min.isr", "1".to_owned()),
        ("share.coordinator.state.topic.replication.factor", "1".to_owned()),
        ("share.coordinator.state.topic.min.isr", "1".to_owned()),
        // One worker is the whole group: nobody to wait for.
        ("group.initial.rebalance.delay.ms", "0".to_owned()),
        // The default, 128 MiB, is half of the heap.
        ("log.cleaner.dedupe.buffer.size", "4194304".to_owned()),
        ("num.network.threads", "2".to_owned()),
        ("num.io.threads", "2".to_owned()),
    ];
    fs::write(&config, properties(&pairs, own))?;
    let users = if own.is_empty() { Vec::new() } else { Secured::format_arguments() };
    // One that was stopped has been formatted.
    if !data.join("meta.properties").exists() {
        format_storage(roster, parts, &config, &users).await?;
    }
    let mut command = java("-Xmx384m", &parts.kafka, roster.folder());
    command.arg("kafka.Kafka").arg(&config);
    let start = Start { role: "kafka".to_owned(), command, ports: vec![port, controller], data: Some(data) };
    let process = roster.spawn(start)?;
    wait_until("Kafka to listen", START_LIMIT, async || {
        ensure!(process.is_alive(), "kafka ended:\n{}", roster.log_end("kafka"));
        Ok(if ports::is_listening(port) { Seen::Yes(()) } else { Seen::Not("no connection".to_owned()) })
    })
    .await
}

/// Kafka refuses a data folder that was not formatted for its cluster.
async fn format_storage(roster: &Roster, parts: &Parts, config: &Path, users: &[String]) -> Result<()> {
    let mut command = java("-Xmx128m", &parts.kafka, roster.folder());
    command.args(["kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", &cluster_id()?, "-c"]);
    let mut command = tokio::process::Command::from(command);
    let output = command.arg(config).args(users).stdin(Stdio::null()).kill_on_drop(true).output().await;
    let output = output.context("cannot run java")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cannot format Kafka's storage:\n{said}");
    Ok(())
}

/// 16 random bytes as Kafka writes them: 22 characters of URL-safe base64, which hex digits are too. The last
/// character carries only two bits.
fn cluster_id() -> Result<String> {
    let digits = fs::read_to_string("/proc/sys/kernel/random/uuid")?.trim().replace('-', "");
    Ok(format!("{}A", &digits[..21]))
}

/// One distributed worker.
#[derive(Debug)]
pub(crate) struct Worker<'a> {
    pub(crate) roster: &'a Roster,
    pub(crate) parts: &'a Parts,
    pub(crate) bootstrap: &'a str,
    pub(crate) properties: &'a [(String, String)],
    pub(crate) secured: Option<&'a Secured>,
}

impl Worker<'_> {
    /// Starts worker number `index` on a free port and waits until its REST serves the cluster's connectors.
    pub(crate) async fn start(&self, index: usize) -> Result<Connect> {
        ports::retried(async || {
            let [port] = ports::free()?;
            self.start_on(index, port).await
        })
        .await
    }

    /// The same on a given port: a stopped worker comes back where it was.
    pub(crate) async fn start_on(&self, index: usize, port: u16) -> Result<Connect> {
        let role = role(index);
        let config = self.write_config(&role, port)?;
        let mut command = java("-Xmx512m", &self.parts.connect, self.roster.folder());
        if let Some(secured) = self.secured {
            let path = format!("{0}/*:{1}/*", self.parts.connect.display(), self.parts.basic_auth.display());
            // Of two class paths the later one counts.
            command.arg("-cp").arg(path).args(secured.worker_options());
        }
        command.arg("org.apache.kafka.connect.cli.ConnectDistributed").arg(config);
        let process =
            self.roster.spawn(Start { role: role.clone(), command, ports: vec![port], data: None })?;
        let scheme = self.secured.map_or("http", |_| "https");
        let access = self.secured.map(Secured::access);
        let connect = Connect::with(&format!("{scheme}://127.0.0.1:{port}"), access.as_ref())?;
        wait_until(&format!("{role} to serve"), START_LIMIT, async || {
            ensure!(process.is_alive(), "{role} ended:\n{}", self.roster.log_end(&role));
            Ok(match connect.names().await {
                Ok(_) => Seen::Yes(()),
                Err(error) => Seen::Not(format!("{error:#}")),
            })
        })
        .await?;
        Ok(connect)
    }

    /// A plugin of several jars has to be a folder within an entry of `plugin.path`.
    fn plugins(&self) -> Result<PathBuf> {
        let folder = self.roster.folder().join("plugins");
        fs::create_dir_all(&folder)?;
        let link = folder.join("connector");
        if !link.exists() {
            std::os::unix::fs::symlink(&self.parts.connector, link)?;
        }
        Ok(folder)
    }

    fn write_config(&self, role: &str, port: u16) -> Result<PathBuf> {
        let pairs = [
            ("bootstrap.servers", self.bootstrap.to_owned()),
            ("group.id", "connect".to_owned()),
            ("key.converter", "org.apache.kafka.connect.storage.StringConverter".to_owned()),
            ("value.converter", "org.apache.kafka.connect.storage.StringConverter".to_owned()),
            ("offset.storage.topic", "connect-offsets".to_owned()),
            ("offset.storage.replication.factor", "1".to_owned()),
            ("offset.storage.partitions", "5".to_owned()),
            ("config.storage.topic", "connect-configs".to_owned()),
            ("config.storage.replication.factor", "1".to_owned()),
            ("status.storage.topic", "connect-status".to_owned()),
            ("status.storage.replication.factor", "1".to_owned()),
            ("status.storage.partitions", "2".to_owned()),
            ("listeners", format!("http://127.0.0.1:{port}")),
            ("rest.advertised.host.name", "127.0.0.1".to_owned()),
            ("rest.advertised.port", port.to_string()),
            ("plugin.path", self.plugins()?.display().to_string()),
            // The stored token lags the stream by up to this.
            ("offset.flush.interval.ms", "2000".to_owned()),
            ("scheduled.rebalance.max.delay.ms", "1000".to_owned()),
        ];
        let path = self.roster.folder().join(format!("{role}.properties"));
        let secured = self.secured.map(|secured| secured.worker(port)).unwrap_or_default();
        fs::write(&path, properties(&pairs, &[&secured, self.properties].concat()))?;
        Ok(path)
    }
}

/// The role of worker number `index`.
pub(crate) fn role(index: usize) -> String {
    format!("connect-{index}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_id_is_what_kafka_accepts() {
        let id = cluster_id().unwrap();
        assert!(id.len() == 22 && id.ends_with('A') && id.bytes().all(|b| b.is_ascii_alphanumeric()), "{id}");
        assert_ne!(id, cluster_id().unwrap());
    }

    #[test]
    fn own_properties_come_last_and_so_win() {
        let own = [("offset.flush.interval.ms".to_owned(), "60000".to_owned())];
        let text = properties(&[("offset.flush.interval.ms", "2000".to_owned())], &own);
        assert_eq!(text, "offset.flush.interval.ms=2000\noffset.flush.interval.ms=60000\n");
    }
}
