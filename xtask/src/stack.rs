//! The whole stack: a replica set, Kafka, Kafka Connect with the MongoDB connector.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::acl::Acls;
use crate::cache::Cache;
use crate::certificates::Certificates;
use crate::connect::Connect;
use crate::kafka::{self, Worker};
use crate::machine::{Need, ensure as ensure_machine};
use crate::mongo::Mongo;
use crate::older::Versions;
use crate::parts::Parts;
use crate::progress::Progress;
use crate::replica_set::ReplicaSet;
use crate::replica_set_spec::ReplicaSetSpec;
use crate::roster::{Book, Roster};
use crate::secured::{Account, Secured};

/// A stack to be started.
#[derive(Clone, Debug)]
pub struct StackSpec {
    /// Its name, unless `unique`: then `name-<pid>-<n>`.
    pub name: String,
    /// Whether several of that name may run side by side.
    pub unique: bool,
    /// The replica set.
    pub replica_set: ReplicaSetSpec,
    /// Workers of the one Connect cluster; 0 for none, and then no Kafka either.
    pub workers: usize,
    /// Properties of every worker, which win over ours.
    pub worker_properties: Vec<(String, String)>,
    /// What it is made of.
    pub versions: Versions,
    /// TLS everywhere, and nobody without credentials ([`crate::Account`], [`crate::Certificates`]).
    pub secured: bool,
}

impl StackSpec {
    /// One member, one broker, one worker, under a name of its own.
    #[must_use]
    pub fn unique(prefix: &str) -> Self {
        Self {
            name: prefix.to_owned(),
            unique: true,
            replica_set: ReplicaSetSpec::default(),
            workers: 1,
            worker_properties: Vec::new(),
            versions: Versions::default(),
            secured: false,
        }
    }

    /// Has every part speak TLS and ask for credentials.
    #[must_use]
    pub fn secured(mut self) -> Self {
        let root = Account::MONGODB_ROOT;
        self.replica_set = self.replica_set.with_tls().with_root(root.user, root.password);
        self.secured = true;
        self
    }

    /// The same under exactly that name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { unique: false, ..Self::unique(name) }
    }

    /// So many workers in the one Connect cluster. The first is its leader until it goes: each is started once the one before serves.
    #[must_use]
    pub fn with_workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Sets a worker property.
    #[must_use]
    pub fn with_worker_property(mut self, key: &str, value: &str) -> Self {
        self.worker_properties.push((key.to_owned(), value.to_owned()));
        self
    }
}

/// What only the one who started a stack has.
#[derive(Debug)]
struct Started {
    roster: Arc<Roster>,
    parts: Parts,
    replica_set: ReplicaSet,
    worker_properties: Vec<(String, String)>,
    secured: Option<Secured>,
}

/// A running stack, started here or attached to. Dropped, a started one ends; an attached one goes on.
#[derive(Debug)]
pub struct Stack {
    folder: std::path::PathBuf,
    started: Option<Started>,
    mongo: Mongo,
    bootstrap: Option<String>,
    workers: Vec<Connect>,
}

impl Stack {
    /// Obtains the parts and starts a stack that ends with this value.
    ///
    /// # Errors
    /// When a part cannot be obtained or does not come up; whatever was started has been stopped by then.
    pub async fn start(spec: StackSpec, progress: &Progress) -> Result<Self> {
        let cache = Cache::from_environment()?;
        let parts = Parts::obtain_versions(spec.versions, &cache, progress).await?;
        let roster = Arc::new(if spec.unique {
            Roster::claim_unique(&cache, &spec.name)?
        } else {
            Roster::claim(&cache, &spec.name)?
        });
        kafka::write_logging(roster.folder())?;
        let secured = if spec.secured {
            ensure_machine(&[Need::Openssl], progress).await?;
            Some(Secured::prepare(roster.folder())?)
        } else {
            None
        };
        let replica_set = async {
            let step = progress.step("start MongoDB");
            let replica_set =
                ReplicaSet::start_in(Arc::clone(&roster), spec.replica_set.clone(), &parts).await?;
            roster.publish(|services| services.mongodb = Some(replica_set.uri().to_owned()))?;
            step.done(replica_set.uri());
            anyhow::Ok(replica_set)
        };
        let connect = Self::start_connect(&roster, &parts, &spec, secured.as_ref(), progress);
        let (replica_set, (bootstrap, workers)) = tokio::try_join!(replica_set, connect)?;
        Ok(Self {
            folder: roster.folder().to_owned(),
            mongo: replica_set.mongo().clone(),
            bootstrap,
            workers,
            started: Some(Started {
                roster,
                parts,
                replica_set,
                worker_properties: spec.worker_properties,
                secured,
            }),
        })
    }

    async fn start_connect(
        roster: &Roster,
        parts: &Parts,
        spec: &StackSpec,
        secured: Option<&Secured>,
        progress: &Progress,
    ) -> Result<(Option<String>, Vec<Connect>)> {
        if spec.workers == 0 {
            return Ok((None, Vec::new()));
        }
        let step = progress.step("start Kafka");
        let kafka::Broker { bootstrap, internal } = kafka::start_broker(roster, parts, secured).await?;
        roster.publish(|services| {
            (services.kafka, services.kafka_internal) = (Some(bootstrap.clone()), internal);
        })?;
        step.done(&bootstrap);
        let mut workers = Vec::new();
        for index in 0..spec.workers {
            let step = progress.step("start Kafka Connect");
            let properties = &spec.worker_properties;
            let worker = Worker { roster, parts, bootstrap: &bootstrap, properties, secured };
            let connect = worker.start(index).await?;
            roster.publish(|services| services.connect.push(connect.url().to_owned()))?;
            step.done(connect.url());
            workers.push(connect);
        }
        Ok((Some(bootstrap), workers))
    }

    /// Attaches to a stack that somebody else runs, by its folder.
    ///
    /// # Errors
    /// When there is no complete stack.
    pub async fn attach(folder: &Path) -> Result<Self> {
        let services = Book::read(folder)?.services;
        let uri = services.mongodb.with_context(|| format!("no MongoDB in {}", folder.display()))?;
        let access = Secured::found(folder).map(|secured| secured.access());
        let workers = services.connect.iter().map(|url| Connect::with(url, access.as_ref()));
        let workers = workers.collect::<Result<_>>()?;
        let mongo = Mongo::connect(&uri).await?;
        Ok(Self { folder: folder.to_owned(), started: None, mongo, bootstrap: services.kafka, workers })
    }

    /// Leaves the stack running when this process ends.
    ///
    /// # Errors
    /// When it is not ours.
    pub fn detach(&self) -> Result<()> {
        self.owned()?.roster.detach()
    }

    /// The stack's folder: book, logs, data.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The book as it stands.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn book(&self) -> Result<Book> {
        Book::read(&self.folder)
    }

    /// A client of the replica set.
    #[must_use]
    pub fn mongod(&self) -> &Mongo {
        &self.mongo
    }

    /// The replica set itself.
    ///
    /// # Errors
    /// When the stack was attached to.
    pub fn replica_set(&self) -> Result<&ReplicaSet> {
        Ok(&self.owned()?.replica_set)
    }

    /// The book keeper: starts and stops further processes as part of the stack.
    ///
    /// # Errors
    /// When the stack was attached to.
    pub fn roster(&self) -> Result<&Roster> {
        Ok(&self.owned()?.roster)
    }

    /// Kafka's bootstrap address.
    ///
    /// # Errors
    /// When the stack has no Kafka.
    pub fn kafka_bootstrap(&self) -> Result<&str> {
        self.bootstrap.as_deref().context("the stack has no Kafka")
    }

    /// Who grants and takes rights in Kafka.
    ///
    /// # Errors
    /// When the stack is no secured one.
    pub fn acls(&self) -> Result<Acls> {
        let internal = self.book()?.services.kafka_internal;
        Ok(Acls::at(&internal.context("only a secured stack's Kafka knows rights")?))
    }

    /// The certificates of a secured stack.
    ///
    /// # Errors
    /// When the stack is no secured one.
    pub fn certificates(&self) -> Result<Certificates> {
        Certificates::found(&self.folder).context("only a secured stack has certificates")
    }

    /// A client of the first worker.
    ///
    /// # Errors
    /// When the stack has no Connect.
    pub fn connect(&self) -> Result<&Connect> {
        self.workers.first().context("the stack has no Kafka Connect")
    }

    /// The first worker's URL.
    ///
    /// # Errors
    /// When the stack has no Connect.
    pub fn connect_url(&self) -> Result<&str> {
        Ok(self.connect()?.url())
    }

    /// Clients of all workers.
    #[must_use]
    pub fn workers(&self) -> &[Connect] {
        &self.workers
    }

    /// Stops the broker; its ports, for [`Self::start_broker`].
    ///
    /// # Errors
    /// When it does not run or is not ours.
    pub fn stop_broker(&self) -> Result<Vec<u16>> {
        let roster = &self.owned()?.roster;
        let ports = roster.process("kafka")?.ports;
        roster.stop("kafka")?;
        Ok(ports)
    }

    /// Starts a stopped broker again, with what it had, at the same addresses.
    ///
    /// # Errors
    /// When it does not come up or is not ours, and for the broker of a secured stack.
    pub async fn start_broker(&self, ports: &[u16]) -> Result<()> {
        let Started { roster, parts, secured, .. } = self.owned()?;
        ensure!(secured.is_none(), "the broker of a secured stack is not started again");
        let ports = ports.try_into().context("a broker has two ports")?;
        kafka::broker_on(roster, parts, ports, &[]).await
    }

    /// Stops a worker in an orderly way.
    ///
    /// # Errors
    /// When it does not run or is not ours.
    pub fn stop_worker(&self, index: usize) -> Result<()> {
        self.owned()?.roster.stop(&kafka::role(index))
    }

    /// Kills a worker: what a crash looks like.
    ///
    /// # Errors
    /// When it does not run or is not ours.
    pub fn kill_worker(&self, index: usize) -> Result<()> {
        self.owned()?.roster.kill(&kafka::role(index))
    }

    /// Starts a stopped worker again, at the same URL.
    ///
    /// # Errors
    /// When it does not come up or is not ours.
    pub async fn start_worker(&self, index: usize) -> Result<()> {
        let Started { roster, parts, worker_properties, secured, .. } = self.owned()?;
        let url = reqwest::Url::parse(self.workers.get(index).context("no such worker")?.url())?;
        let port = url.port().context("a worker's URL without a port")?;
        let bootstrap = self.kafka_bootstrap()?;
        ensure!(!crate::ports::is_listening(port), "worker {index} runs already");
        let secured = secured.as_ref();
        let worker = Worker { roster, parts, bootstrap, properties: worker_properties, secured };
        worker.start_on(index, port).await.map(drop)
    }

    /// Lets a worker stand still, as a virtual machine that is moved does: its connections stay open, and nobody answers.
    ///
    /// # Errors
    /// When it does not run or is not ours.
    pub fn halt_worker(&self, index: usize) -> Result<()> {
        self.signal_worker(index, Signal::STOP)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// When it does not run or is not ours.
    pub fn wake_worker(&self, index: usize) -> Result<()> {
        self.signal_worker(index, Signal::CONT)
    }

    fn signal_worker(&self, index: usize, signal: Signal) -> Result<()> {
        self.owned()?.roster.process(&kafka::role(index))?.identity.signal(signal)
    }

    fn owned(&self) -> Result<&Started> {
        self.started.as_ref().context("this stack was attached to: it is somebody else's to change")
    }
}

/// The configuration of a MongoDB source connector that watches one collection; `more` wins.
#[must_use]
pub fn source_config(uri: &str, namespace: &str, more: &Value) -> Value {
    let (database, collection) = namespace.split_once('.').unwrap_or((namespace, ""));
    let mut config = json!({
        "connector.class": "com.mongodb.kafka.connect.MongoSourceConnector",
        "tasks.max": "1",
        "connection.uri": uri,
        "database": database,
        "collection": collection,
        "topic.prefix": "resumeguard",
        "poll.await.time.ms": "500",
    });
    if let (Some(config), Some(more)) = (config.as_object_mut(), more.as_object()) {
        config.extend(more.clone());
    }
    config
}
