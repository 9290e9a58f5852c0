//! Files, then the environment, then flags; one clear line for whatever is wrong with them.

use super::http::http;
use super::kafka::RawKafka;
use super::offsets::{offsets, topic};
use super::raw::{RawConnect, RawHistory, RawMongodb};
use super::recovery::{managed_by, recovery};
use super::security::{ConnectSecurity, EntranceSource};
use super::thresholds::thresholds;
use super::worker::worker;
use super::written::Written;
use super::{ByteSize, Config, ConnectCluster, Deployment, History, Poll, Raw, ShardEntrance};
use config::{Environment, File, FileFormat, Value, ValueKind};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use wildmatch::WildMatch;

/// Where a configuration comes from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Files, later ones first in rank.
    pub files: Vec<PathBuf>,
    /// Environment variables; only those that begin with `RESUMEGUARD__` count.
    pub environment: HashMap<String, String>,
    /// `--connect URL`.
    pub connect: Vec<String>,
}

/// What is wrong with a configuration, in one line.
#[derive(Debug, thiserror::Error)]
#[error("{line}")]
pub struct ConfigError {
    line: String,
    /// A file that the configuration names, and that cannot be read or is empty.
    absent: bool,
}

impl ConfigError {
    pub(super) fn at(key: &str, problem: impl std::fmt::Display) -> Self {
        Self::line(format!("{key}: {problem}"))
    }

    /// A line that names its key itself.
    pub(super) fn line(line: String) -> Self {
        Self { line, absent: false }
    }

    /// The secret or certificate that `key` names is not there, or not yet.
    pub(super) fn absent(key: &str, problem: impl std::fmt::Display) -> Self {
        Self { absent: true, ..Self::at(key, problem) }
    }

    /// Whether the same configuration may be good at another time: whoever writes a secret may come after us, at boot or while it is
    /// rotated.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        self.absent
    }
}

/// Reads, merges and validates.
///
/// # Errors
/// The first problem, with the file (or `the environment`) and the path of the key.
pub fn load(sources: &Sources) -> Result<(Raw, Config), ConfigError> {
    let (mut raw, written) = merge(sources)?;
    for url in &sources.connect {
        let (name, connect) = from_flag(url)?;
        raw.connect.insert(name, connect);
    }
    let config = Config { written, ..validate(&raw)? };
    Ok((raw, config))
}

fn merge(sources: &Sources) -> Result<(Raw, Written), ConfigError> {
    let mut builder = config::Config::builder();
    for path in &sources.files {
        // Read here, so that a missing file and a broken one are told apart and named as the user wrote them.
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::at(&path.display().to_string(), error))?;
        text.parse::<toml::Table>().map_err(|error| broken_toml(path, &text, &error))?;
        builder = builder.add_source(File::from(path.as_path()).format(FileFormat::Toml));
    }
    let ours = sources.environment.iter().filter(|(key, _)| key.starts_with("RESUMEGUARD__"));
    let ours = ours.map(|(key, value)| (key.clone(), value.clone())).collect();
    builder = builder.add_source(
        Environment::with_prefix("RESUMEGUARD").prefix_separator("__").separator("__").source(Some(ours)),
    );
    let merged = builder.build().map_err(|error| ConfigError::line(error.to_string()))?;
    let tree = merged.cache.clone();
    let raw = serde_path_to_error::deserialize(merged);
    Ok((raw.map_err(|error| explain(&error, &tree, &sources.files))?, Written::of(&tree)))
}

fn broken_toml(path: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
    ConfigError::line(format!("{}, line {line}: {}", path.display(), error.message().replace('\n', " ")))
}

/// The crate's own errors name the key or the file, seldom both: look the value's origin up in the merged tree.
fn explain(
    error: &serde_path_to_error::Error<config::ConfigError>,
    tree: &Value,
    files: &[PathBuf],
) -> ConfigError {
    let problem = innermost(error.inner());
    let unknown = problem.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
    let mut path: Vec<String> =
        error.path().to_string().split('.').filter(|part| *part != ".").map(str::to_owned).collect();
    path.retain(|part| !part.is_empty());
    if let Some(field) = unknown
        && path.last().map(String::as_str) != Some(field)
    {
        path.push(field.to_owned());
    }
    let origin = origin(tree, &path).unwrap_or_else(|| "the configuration".to_owned());
    // The crate makes paths relative to the working directory: show the file as the user named it.
    let same = |file: &&PathBuf| {
        file.canonicalize().is_ok_and(|file| Path::new(&origin).canonicalize().is_ok_and(|o| o == file))
    };
    let origin = files.iter().find(same).map_or(origin.clone(), |file| file.display().to_string());
    ConfigError::line(format!("{origin}: {}: {problem}", path.join(".")))
}

fn innermost(error: &config::ConfigError) -> String {
    if let config::ConfigError::At { error, .. } = error {
        return innermost(error);
    }
    if let config::ConfigError::Type { unexpected, expected, .. } = error {
        return format!("expected {expected}, found {unexpected}");
    }
    error.to_string().replace('\n', " ")
}

/// Where the value at `path`, or the nearest one above it that says so, comes from.
fn origin(tree: &Value, path: &[String]) -> Option<String> {
    let mut found = None;
    let mut value = tree;
    for part in path {
        let ValueKind::Table(table) = &value.kind else { break };
        let Some(child) = table.get(part) else { break };
        value = child;
        found = any_origin(value).or(found);
    }
    found
}

/// Tables say nothing of where they come from; what stands in them does.
fn any_origin(value: &Value) -> Option<String> {
    if let ValueKind::Table(table) = &value.kind {
        return table.values().find_map(any_origin);
    }
    value.origin().map(str::to_owned)
}

/// `--connect URL`: named by host and port.
fn from_flag(text: &str) -> Result<(String, RawConnect), ConfigError> {
    let url = parse_url("--connect", text)?;
    let host = url.host_str().unwrap_or_default();
    let name = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let connect = RawConnect {
        url: text.to_owned(),
        username: None,
        password: None,
        password_file: None,
        token: None,
        token_file: None,
        ca_file: None,
        client_cert_file: None,
        client_key_file: None,
        use_connector_uris: true,
        connector_hosts: vec!["*".to_owned()],
        kafka_bootstrap_servers: None,
        kafka: RawKafka::default(),
        other_kafka: std::collections::BTreeMap::new(),
        offsets: "auto".to_owned(),
        offsets_topic: None,
        offsets_file: None,
        status_topic: None,
        managed_by: None,
        edit_offsets_file: "when_needed".to_owned(),
        write_offsets_topic: "never".to_owned(),
        stop_worker: None,
        start_worker: None,
    };
    Ok((name, connect))
}

fn validate(raw: &Raw) -> Result<Config, ConfigError> {
    let poll = Poll {
        interval: interval(raw.poll.interval.0)?,
        offsets_at_once: raw.poll.offsets_at_once,
        sizes_every: within("poll.sizes_every", raw.poll.sizes_every.0, 1, 86_400)?,
        probe: raw.poll.probe,
    };
    if !(1..=64).contains(&poll.offsets_at_once) {
        return Err(ConfigError::at("poll.offsets_at_once", "must be from 1 to 64"));
    }
    let history = history(&raw.history)?;
    let offset_flush = within("poll.offset_flush", raw.poll.offset_flush.0, 1, 86_400)?;
    Ok(Config {
        connect: raw.connect.iter().map(|(name, raw)| connect(name, raw)).collect::<Result<_, _>>()?,
        mongodb: raw.mongodb.iter().map(|(name, raw)| mongodb(name, raw)).collect::<Result<_, _>>()?,
        poll,
        thresholds: thresholds(&raw.thresholds, &raw.mutes, offset_flush)?,
        http: http(&raw.http)?,
        recovery: recovery(&raw.recovery, history.as_ref())?,
        history,
        written: Written::default(),
    })
}

/// From a tenth of a second, for those who test, to an hour.
fn interval(value: Duration) -> Result<Duration, ConfigError> {
    if (Duration::from_millis(100)..=Duration::from_secs(3600)).contains(&value) {
        return Ok(value);
    }
    let value = humantime::format_duration(value);
    Err(ConfigError::at("poll.interval", format!("{value} is not between 100ms and 1h")))
}

fn history(raw: &RawHistory) -> Result<Option<History>, ConfigError> {
    const LEAST: ByteSize = ByteSize(1 << 20);
    let keep = raw.keep.0;
    if !(Duration::from_secs(3600)..=Duration::from_secs(365 * 86_400)).contains(&keep) {
        let problem = format!("{} is not between 1h and 365d", humantime::format_duration(keep));
        return Err(ConfigError::at("history.keep", problem));
    }
    if raw.max_size < LEAST {
        let problem = format!("{} is less than {LEAST}, with which nothing can be kept", raw.max_size);
        return Err(ConfigError::at("history.max_size", problem));
    }
    let directory = raw.directory.as_deref().filter(|directory| !directory.is_empty());
    Ok(directory.map(|directory| History {
        directory: PathBuf::from(directory),
        keep,
        max_size_bytes: raw.max_size.0,
    }))
}

pub(super) fn within(key: &str, value: Duration, least: u64, most: u64) -> Result<Duration, ConfigError> {
    if (Duration::from_secs(least)..=Duration::from_secs(most)).contains(&value) {
        return Ok(value);
    }
    let (value, most) =
        (humantime::format_duration(value), humantime::format_duration(Duration::from_secs(most)));
    Err(ConfigError::at(key, format!("{value} is not between {least}s and {most}")))
}

fn parse_url(key: &str, text: &str) -> Result<reqwest::Url, ConfigError> {
    let url = reqwest::Url::parse(text).map_err(|error| {
        ConfigError::at(key, format!("not a URL ({error}); write for example \"http://127.0.0.1:8083\""))
    })?;
    if !["http", "https"].contains(&url.scheme()) || url.host_str().is_none() {
        return Err(ConfigError::at(
            key,
            "not an http or https URL; write for example \"http://127.0.0.1:8083\"",
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        // Addresses are printed, logged and shown in lists of processes.
        let problem =
            "must not hold credentials; set username and password_file of [connect.NAME] in a --config file";
        return Err(ConfigError::at(key, problem));
    }
    Ok(url)
}

fn connect(name: &str, raw: &RawConnect) -> Result<ConnectCluster, ConfigError> {
    let key = |field: &str| format!("connect.{name}.{field}");
    let url = parse_url(&key("url"), &raw.url)?;
    let security = ConnectSecurity::from(name, raw, url.scheme() == "https")?;
    let credentials = security.read()?;
    let hosts = raw.connector_hosts.iter().map(|glob| WildMatch::new(glob)).collect();
    Ok(ConnectCluster {
        name: name.to_owned(),
        url,
        security,
        credentials,
        connector_hosts: raw.use_connector_uris.then_some(hosts),
        offsets: offsets(name, raw)?,
        status_topic: topic(name, "status_topic", raw.status_topic.as_deref(), raw)?,
        worker: worker(name, raw)?,
        managed_by: raw.managed_by.as_deref().map(|word| managed_by(&key("managed_by"), word)).transpose()?,
    })
}

fn mongodb(name: &str, raw: &RawMongodb) -> Result<Deployment, ConfigError> {
    let key = format!("mongodb.{name}");
    let source = EntranceSource::from(&key, &raw.entrance())?;
    let shards = raw.shards.iter().map(|(shard, raw)| {
        let source = EntranceSource::from(&format!("{key}.shards.{shard}"), &raw.entrance())?;
        Ok(ShardEntrance { shard: shard.clone(), entrance: source.read()?, source })
    });
    let retention = raw.retention.map(|retention| retention.0);
    if let Some(retention) = retention {
        within(&format!("{key}.retention"), retention, 60, 30 * 86_400)?;
    }
    let globs = |patterns: &[String]| patterns.iter().map(|pattern| WildMatch::new(pattern)).collect();
    Ok(Deployment {
        name: name.to_owned(),
        entrance: source.read()?,
        source,
        retention,
        shards: shards.collect::<Result<_, _>>()?,
        hosts: globs(&raw.hosts),
        connectors: globs(&raw.connectors),
    })
}
