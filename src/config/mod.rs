//! What an operator may set: the raw form as it is written, and the validated form the rest of the program uses.

pub mod http;
mod load;
mod raw;
mod recovery;
mod secret;
mod size;
mod thresholds;

pub use http::Http;
pub use load::{ConfigError, Sources, load};
pub use raw::Raw;
pub use secret::Secret;
pub use size::ByteSize;

use resumeguard_core::assess::Thresholds;
use resumeguard_core::recovery::{ManagedBy, Policies};
use std::path::PathBuf;
use std::time::Duration;
use wildmatch::WildMatch;

/// The example configuration: every key with its default.
pub const EXAMPLE: &str = include_str!("../../config/resumeguard.toml");

/// A validated configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Kafka Connect clusters, by name.
    pub connect: Vec<ConnectCluster>,
    /// MongoDB deployments with credentials of their own.
    pub mongodb: Vec<Deployment>,
    /// Rhythm of the passes.
    pub poll: Poll,
    /// Limits of judgement.
    pub thresholds: Thresholds,
    /// Where and how HTTP is served, and who may do what by it.
    pub http: Http,
    /// Where what was seen is kept; `None` if nowhere.
    pub history: Option<History>,
    /// What may be done about a connector in trouble.
    pub recovery: Recovery,
}

/// What may be done about a connector in trouble.
#[derive(Debug, Clone)]
pub struct Recovery {
    /// Where `journal.db`, `control.sock` and `freeze` are; `None`: nothing is ever done.
    pub directory: Option<PathBuf>,
    /// Who may have what done.
    pub policies: Policies,
    /// All recovery stands still.
    pub freeze: bool,
    /// Files that freeze recovery while they exist; the first is `freeze` in `directory`, where there is one.
    pub freeze_files: Vec<PathBuf>,
    /// Programs that are told.
    pub hooks: Hooks,
}

/// Programs that are run before and after an attempt: argv, no shell.
#[derive(Debug, Clone)]
pub struct Hooks {
    /// One that fails, or takes longer than `timeout`, keeps the attempt from being made.
    pub before: Option<Vec<String>>,
    /// Its outcome changes nothing.
    pub after: Option<Vec<String>>,
    /// How long one may take.
    pub timeout: Duration,
}

/// Where and how much of what was seen is kept.
#[derive(Debug, Clone)]
pub struct History {
    /// The directory; it holds `history.db`.
    pub directory: PathBuf,
    /// What is older goes.
    pub keep: Duration,
    /// Size of the file, bytes; the oldest samples go first.
    pub max_size_bytes: u64,
}

/// One Kafka Connect cluster.
#[derive(Debug, Clone)]
pub struct ConnectCluster {
    /// Name, the label `connect_cluster`.
    pub name: String,
    /// REST address without credentials and without a slash at its end.
    pub url: reqwest::Url,
    /// Basic authentication.
    pub credentials: Option<(String, Secret)>,
    /// Hosts that the connectors' own connection strings may lead to; `None` if they may not be used.
    pub connector_hosts: Option<Vec<WildMatch>>,
    /// Its status topic, where it may be read.
    pub status_topic: Option<StatusTopic>,
    /// Who keeps its connectors as they are; `None` where nobody has said.
    pub managed_by: Option<ManagedBy>,
}

/// A Connect cluster's status topic.
#[derive(Debug, Clone)]
pub struct StatusTopic {
    /// Brokers, `host:port` with commas.
    pub bootstrap_servers: String,
    /// The workers' `status.storage.topic`.
    pub topic: String,
}

/// One MongoDB deployment named in the configuration.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// Name, the label `deployment`.
    pub name: String,
    /// Connection string.
    pub uri: Secret,
    /// Hosts that it serves.
    pub hosts: Vec<WildMatch>,
    /// Connectors that it serves.
    pub connectors: Vec<WildMatch>,
}

/// Rhythm of the passes.
#[derive(Debug, Clone, Copy)]
pub struct Poll {
    /// Time from one pass to the next.
    pub interval: Duration,
    /// Calls for offsets under way at once, per Connect cluster.
    pub offsets_at_once: usize,
    /// Time between two readings of sizes and versions.
    pub sizes_every: Duration,
    /// May servers be asked whether a stored token resumes, where nothing else can tell?
    pub probe: bool,
}
