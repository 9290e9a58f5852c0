//! What an operator may set: the raw form as it is written, and the validated form the rest of the program uses.

pub mod http;
mod kafka;
mod load;
mod offsets;
mod raw;
mod recovery;
mod secret;
mod security;
mod size;
mod thresholds;
mod worker;
mod written;

pub use http::Http;
pub use kafka::Kafka;
pub use load::{ConfigError, Sources, load};
pub use offsets::{KafkaTopic, Offsets};
pub use raw::Raw;
pub use secret::Secret;
pub use security::{Authorization, ConnectCredentials, ConnectSecurity, EntranceSource};
pub use size::ByteSize;
pub use worker::Worker;
pub use written::{Place, Written};

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
    /// Which of its keys somebody has written, and where.
    pub written: Written,
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
    /// How much the journal keeps.
    pub journal: crate::journal::Bounds,
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
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// The directory; it holds `history.db`.
    pub directory: PathBuf,
    /// What is older goes.
    pub keep: Duration,
    /// Size of the file, bytes; the oldest samples go first.
    pub max_size_bytes: u64,
}

/// One Kafka Connect cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectCluster {
    /// Name, the label `connect_cluster`.
    pub name: String,
    /// REST address without credentials and without a slash at its end.
    pub url: reqwest::Url,
    /// How it is reached, as it is configured.
    pub security: ConnectSecurity,
    /// The same as it was when the configuration was read.
    pub credentials: ConnectCredentials,
    /// Hosts that the connectors' own connection strings may lead to; `None` if they may not be used.
    pub connector_hosts: Option<Vec<WildMatch>>,
    /// Where its connectors' positions are read.
    pub offsets: Offsets,
    /// Its status topic, where it may be read.
    pub status_topic: Option<KafkaTopic>,
    /// Who keeps its connectors as they are; `None` where nobody has said.
    pub managed_by: Option<ManagedBy>,
    /// The standalone worker that it is, where its file is known and may be edited.
    pub worker: Option<Worker>,
}

/// One MongoDB deployment named in the configuration.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// Name, the label `deployment`.
    pub name: String,
    /// The way in, as it is configured.
    pub source: EntranceSource,
    /// The same as it was when the configuration, or a file that it names, was read last.
    pub entrance: Entrance,
    /// How long Amazon DocumentDB keeps its change stream; nothing else has one.
    pub retention: Option<Duration>,
    /// The ways past a router, by shard.
    pub shards: Vec<ShardEntrance>,
    /// Hosts that it serves.
    pub hosts: Vec<WildMatch>,
    /// Connectors that it serves.
    pub connectors: Vec<WildMatch>,
}

/// One way into MongoDB at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entrance {
    /// Connection string, complete.
    pub uri: Secret,
    /// What stands in the files that it names: another content makes it another way in.
    pub files: Vec<Secret>,
}

/// The way past a router to one shard.
#[derive(Debug, Clone)]
pub struct ShardEntrance {
    /// The shard's name, as `listShards` has it.
    pub shard: String,
    /// As it is configured.
    pub source: EntranceSource,
    /// As it was when it was read last.
    pub entrance: Entrance,
}

/// Rhythm of the passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
