//! A standalone Kafka Connect worker: it keeps its positions in a file, and its connectors' configurations in others.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::cache::Cache;
use crate::clock::{Seen, wait_until};
use crate::connect::Connect;
use crate::kafka::{START_LIMIT, java, properties, write_logging};
use crate::parts::Parts;
use crate::ports;
use crate::progress::Progress;
use crate::roster::{Roster, Start};

const ROLE: &str = "standalone";

/// One standalone worker with its connectors. Dropped, it ends with its folder.
#[derive(Debug)]
pub struct Standalone {
    roster: Arc<Roster>,
    kafka: PathBuf,
    port: u16,
    connectors: usize,
    connect: Connect,
}

impl Standalone {
    /// Starts a worker on brokers that are there, with these connectors.
    ///
    /// # Errors
    /// When a part cannot be obtained or the worker does not come up.
    pub async fn start(bootstrap: &str, connectors: &[(&str, &Value)]) -> Result<Self> {
        let parts = Parts::obtain(&Cache::from_environment()?, &Progress::silent()).await?;
        let kafka = parts.kafka.clone();
        Self::start_with(&parts, &kafka, bootstrap, connectors).await
    }

    /// The same with the jars of another version of Kafka Connect in `kafka`.
    ///
    /// # Errors
    /// When the worker does not come up.
    pub async fn start_with(
        parts: &Parts,
        kafka: &std::path::Path,
        bootstrap: &str,
        connectors: &[(&str, &Value)],
    ) -> Result<Self> {
        let roster = Arc::new(Roster::claim_unique(&Cache::from_environment()?, ROLE)?);
        write_logging(roster.folder())?;
        let [port] = ports::free()?;
        let worker = properties(&worker(&roster, parts, bootstrap, port), &[]);
        fs::write(roster.folder().join("worker.properties"), worker)?;
        for (index, (name, config)) in connectors.iter().enumerate() {
            fs::write(
                roster.folder().join(format!("connector-{index}.properties")),
                connector(name, config)?,
            )?;
        }
        let connect = Connect::new(&format!("http://127.0.0.1:{port}"))?;
        let (kafka, connectors) = (kafka.to_owned(), connectors.len());
        let standalone = Self { roster, kafka, port, connectors, connect };
        standalone.start_again().await?;
        Ok(standalone)
    }

    /// A client of its REST.
    #[must_use]
    pub fn connect(&self) -> &Connect {
        &self.connect
    }

    /// The file that it keeps its positions in.
    #[must_use]
    pub fn offsets_file(&self) -> PathBuf {
        self.roster.folder().join("connect.offsets")
    }

    /// Stops it in an orderly way: it stores what its tasks have reached.
    ///
    /// # Errors
    /// When it does not run.
    pub fn stop(&self) -> Result<()> {
        self.roster.stop(ROLE)
    }

    /// Kills it: what a crash looks like.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&self) -> Result<()> {
        self.roster.kill(ROLE)
    }

    /// Starts a stopped one, at the same URL, and waits until it lists its connectors.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start_again(&self) -> Result<()> {
        ensure!(!ports::is_listening(self.port), "the standalone worker runs already");
        let folder = self.roster.folder();
        let mut command = java("-Xmx384m", &self.kafka, folder);
        command.arg("org.apache.kafka.connect.cli.ConnectStandalone").arg(folder.join("worker.properties"));
        command.args((0..self.connectors).map(|index| folder.join(format!("connector-{index}.properties"))));
        let start = Start { role: ROLE.to_owned(), command, ports: vec![self.port], data: None };
        let process = self.roster.spawn(start)?;
        wait_until("the standalone worker to serve", START_LIMIT, async || {
            ensure!(process.is_alive(), "it ended:\n{}", self.roster.log_end(ROLE));
            Ok(match self.connect.names().await {
                Ok(names) if names.len() == self.connectors => Seen::Yes(()),
                Ok(names) => Seen::Not(format!("it has {names:?}")),
                Err(error) => Seen::Not(format!("{error:#}")),
            })
        })
        .await
    }
}

fn worker(roster: &Roster, parts: &Parts, bootstrap: &str, port: u16) -> [(&'static str, String); 7] {
    [
        ("bootstrap.servers", bootstrap.to_owned()),
        ("key.converter", "org.apache.kafka.connect.storage.StringConverter".to_owned()),
        ("value.converter", "org.apache.kafka.connect.storage.StringConverter".to_owned()),
        ("offset.storage.file.filename", roster.folder().join("connect.offsets").display().to_string()),
        ("listeners", format!("http://127.0.0.1:{port}")),
        ("plugin.path", parts.connector.display().to_string()),
        ("offset.flush.interval.ms", "2000".to_owned()),
    ]
}

fn connector(name: &str, config: &Value) -> Result<String> {
    let mut lines = format!("name={}\n", escaped(name));
    for (key, value) in config.as_object().context("a configuration is an object")? {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        lines.push_str(&format!("{key}={}\n", escaped(&value)));
    }
    Ok(lines)
}

/// As `java.util.Properties` reads it, from Latin-1.
fn escaped(text: &str) -> String {
    let escape = |unit: u16| match u8::try_from(unit) {
        Ok(b'\\') => "\\\\".to_owned(),
        Ok(byte @ 0x20..=0x7E) => char::from(byte).to_string(),
        _ => format!("\\u{unit:04X}"),
    };
    text.encode_utf16().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_properties_file_holds_any_name() {
        let config = serde_json::json!({ "tasks.max": 1, "pipeline": "[{\"a\\b\": 1}]" });
        let text = connector("ü \"🛒\"", &config).unwrap();
        assert!(text.starts_with("name=\\u00FC \"\\uD83D\\uDED2\"\n"), "{text}");
        assert!(text.contains("tasks.max=1\n") && text.contains("pipeline=[{\"a\\\\b\": 1}]\n"), "{text}");
    }
}
