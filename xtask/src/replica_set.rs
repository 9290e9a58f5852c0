//! A replica set of real `mongod`s.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use mongodb::bson::doc;

use crate::cache::Cache;
use crate::certificates::Certificates;
use crate::clock::{Seen, wait_until};
use crate::mongo::Mongo;
use crate::older;
use crate::parts::Parts;
use crate::ports;
use crate::progress::Progress;
use crate::replica_set_spec::{Credentials, ReplicaSetSpec};
use crate::roster::{Roster, Start};

/// From the start of a `mongod` to its first answer, and from initiation to a primary: seconds, minutes when loaded.
const START_LIMIT: Duration = Duration::from_secs(90);

/// A running replica set. Dropped, it ends (with the stack that it is part of, if it is).
#[derive(Debug)]
pub struct ReplicaSet {
    roster: Arc<Roster>,
    spec: ReplicaSetSpec,
    reach: Reach,
    mongod: PathBuf,
    ports: Vec<u16>,
    mongo: Mongo,
}

impl ReplicaSet {
    /// Starts a set by itself, in a stack of its own.
    ///
    /// # Errors
    /// When a part cannot be obtained or the set does not come up.
    pub async fn start(spec: ReplicaSetSpec) -> Result<Self> {
        let cache = Cache::from_environment()?;
        let parts = Parts::obtain(&cache, &Progress::silent()).await?;
        let roster = Arc::new(Roster::claim_unique(&cache, &spec.name)?);
        let set = Self::start_in(roster, spec, &parts).await?;
        set.roster.publish(|services| services.mongodb = Some(set.uri().to_owned()))?;
        Ok(set)
    }

    /// Starts a set among the processes of `roster`, which ends it; its name must be its own there.
    ///
    /// # Errors
    /// When the set does not come up.
    pub async fn start_in(roster: Arc<Roster>, spec: ReplicaSetSpec, parts: &Parts) -> Result<Self> {
        ensure!(
            spec.members.first().is_some_and(|member| !member.arbiter),
            "the first member must hold data"
        );
        let launch = Launch { roster: &roster, mongod: &parts.mongod, spec: &spec };
        launch.write_key()?;
        let reach = Reach::of(&spec, &roster)?;
        let mut ports = Vec::new();
        for index in 0..spec.members.len() {
            ports.push(launch.on_a_free_port(index).await?);
        }
        initiate(&spec, &reach, &ports).await?;
        let uri = uri(&spec, &reach, &ports, spec.root.as_ref());
        let mongo = Mongo::connect(&uri).await?;
        settled(&mongo, spec.members.len()).await?;
        let mongod = parts.mongod.clone();
        Ok(Self { roster, spec, reach, mongod, ports, mongo })
    }

    /// The root user's, or anybody's, client of the set.
    #[must_use]
    pub fn mongo(&self) -> &Mongo {
        &self.mongo
    }

    /// The set's connection string, with the root user's credentials where there are any.
    #[must_use]
    pub fn uri(&self) -> &str {
        self.mongo.uri()
    }

    /// The connection string for another user of `admin`.
    #[must_use]
    pub fn uri_as(&self, user: &str, password: &str) -> String {
        let credentials = Credentials { user: user.to_owned(), password: password.to_owned() };
        uri(&self.spec, &self.reach, &self.ports, Some(&credentials))
    }

    /// The connection string without anybody's credentials.
    #[must_use]
    pub fn uri_of_nobody(&self) -> String {
        uri(&self.spec, &self.reach, &self.ports, None)
    }

    /// `127.0.0.1:port` of a member.
    #[must_use]
    pub fn address(&self, member: usize) -> String {
        address(self.ports[member])
    }

    /// A client of one member only, which may be a secondary or hidden.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub async fn member(&self, member: usize) -> Result<Mongo> {
        Mongo::connect(&self.reach.direct_uri(self.ports[member], self.spec.root.as_ref())).await
    }

    /// Which member is primary now.
    ///
    /// # Errors
    /// When there is none.
    pub async fn primary(&self) -> Result<usize> {
        let hello = self.mongo.admin(doc! { "hello": 1 }).await?;
        let primary = hello.get_str("primary").context("there is no primary")?;
        let found = (0..self.ports.len()).find(|member| self.address(*member) == primary);
        found.with_context(|| format!("{primary} is none of ours"))
    }

    /// Stops a member in an orderly way; its data stays.
    ///
    /// # Errors
    /// When it does not run.
    pub fn stop_member(&self, member: usize) -> Result<()> {
        self.roster.stop(&self.role(member))
    }

    /// Kills a member: what a crash looks like.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill_member(&self, member: usize) -> Result<()> {
        self.roster.kill(&self.role(member))
    }

    /// Starts a stopped member again, on its data and its port.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn start_member(&self, member: usize) -> Result<()> {
        let launch = Launch { roster: &self.roster, mongod: &self.mongod, spec: &self.spec };
        launch.on(member, self.ports[member]).await?;
        settled(&self.mongo, self.spec.members.len()).await
    }

    /// Makes a member begin again with nothing: after its initial synchronisation its oplog begins there.
    ///
    /// # Errors
    /// When it does not stop or does not come back.
    pub async fn resync_member(&self, member: usize) -> Result<()> {
        self.stop_member(member)?;
        fs::remove_dir_all(self.roster.data_folder(&self.role(member))?)?;
        self.start_member(member).await
    }

    /// Makes that member primary, in an election that it calls itself.
    ///
    /// # Errors
    /// The server's, or that it does not win.
    pub async fn step_up(&self, member: usize) -> Result<()> {
        let client = self.member(member).await?;
        wait_until(&format!("member {member} to be primary"), START_LIMIT, async || {
            // A candidate that lost asks again.
            let asked = client.admin(doc! { "replSetStepUp": 1 }).await;
            let hello = client.admin(doc! { "hello": 1 }).await?;
            let primary = hello.get_bool("isWritablePrimary").unwrap_or(false);
            Ok(if primary { Seen::Yes(()) } else { Seen::Not(format!("{asked:?}")) })
        })
        .await
    }

    /// Puts another deployment behind the same addresses and the same name: every member begins again with nothing.
    ///
    /// # Errors
    /// When a member does not stop, or the new set does not come up.
    pub async fn replace(&self) -> Result<()> {
        for member in 0..self.ports.len() {
            self.stop_member(member)?;
            fs::remove_dir_all(self.roster.data_folder(&self.role(member))?)?;
        }
        let launch = Launch { roster: &self.roster, mongod: &self.mongod, spec: &self.spec };
        for (member, port) in self.ports.iter().enumerate() {
            launch.on(member, *port).await?;
        }
        initiate(&self.spec, &self.reach, &self.ports).await?;
        settled(&self.mongo, self.spec.members.len()).await
    }

    /// Stops every member that runs; a set that shares its roster with others would go on until that ends.
    ///
    /// # Errors
    /// When a member does not stop.
    pub fn stop(&self) -> Result<()> {
        let roles = (0..self.ports.len()).map(|member| self.role(member));
        for role in roles.filter(|role| self.roster.process(role).is_ok()) {
            self.roster.stop(&role)?;
        }
        Ok(())
    }

    /// The stack's folder: logs and data.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.roster.folder()
    }

    fn role(&self, member: usize) -> String {
        role(&self.spec, member)
    }
}

fn role(spec: &ReplicaSetSpec, member: usize) -> String {
    format!("mongod-{}-{member}", spec.name)
}

fn address(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

fn prefix(credentials: Option<&Credentials>) -> String {
    credentials.map_or_else(String::new, |root| format!("{}:{}@", root.user, root.password))
}

/// Lists what a person would list: members that hold data and are not hidden.
fn uri(spec: &ReplicaSetSpec, reach: &Reach, ports: &[u16], credentials: Option<&Credentials>) -> String {
    let listed = spec.members.iter().zip(ports).filter(|(member, _)| !member.hidden && !member.arbiter);
    let hosts: Vec<String> = listed.map(|(_, port)| address(*port)).collect();
    let (prefix, tls) = (prefix(credentials), reach.options());
    format!("mongodb://{prefix}{}/?replicaSet={}{tls}", hosts.join(","), spec.name)
}

/// What a connection string needs besides names: the authority's certificate, where TLS is spoken.
#[derive(Debug)]
struct Reach(Option<Certificates>);

impl Reach {
    fn of(spec: &ReplicaSetSpec, roster: &Roster) -> Result<Self> {
        Ok(Self(spec.tls.then(|| Certificates::of_stack(roster.folder())).transpose()?))
    }

    fn options(&self) -> String {
        self.0.as_ref().map_or_else(String::new, |tls| format!("&tls=true&tlsCAFile={}", tls.ca().display()))
    }

    fn direct_uri(&self, port: u16, credentials: Option<&Credentials>) -> String {
        let (prefix, tls) = (prefix(credentials), self.options());
        format!("mongodb://{prefix}{}/?directConnection=true{tls}", address(port))
    }
}

/// What it takes to start one member.
struct Launch<'a> {
    roster: &'a Roster,
    mongod: &'a Path,
    spec: &'a ReplicaSetSpec,
}

impl Launch<'_> {
    fn key_path(&self) -> PathBuf {
        self.roster.folder().join(format!("{}.key", self.spec.name))
    }

    /// Members of a set with access control know each other by a shared secret.
    fn write_key(&self) -> Result<()> {
        if self.spec.root.is_some() {
            let path = self.key_path();
            fs::write(&path, fs::read_to_string("/proc/sys/kernel/random/uuid")?.replace('-', ""))?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o400))?;
        }
        Ok(())
    }

    async fn on_a_free_port(&self, member: usize) -> Result<u16> {
        ports::retried(async || {
            let [port] = ports::free()?;
            self.on(member, port).await.map(|()| port)
        })
        .await
    }

    async fn on(&self, member: usize, port: u16) -> Result<()> {
        let role = role(self.spec, member);
        let data = self.roster.data_folder(&role)?;
        let mut command = Command::new(self.mongod);
        // Older ones come with libraries that this machine has no more.
        if let Some(folder) = self.mongod.parent().filter(|folder| folder.join("libssl.so.1.1").exists()) {
            command.env("LD_LIBRARY_PATH", folder);
        }
        command.args(["--bind_ip", "127.0.0.1", "--port", &port.to_string(), "--replSet", &self.spec.name]);
        // 3 s between checkpoints: the oplog is truncated only up to the last one.
        let oplog_mib = self.spec.members[member].oplog_mib.unwrap_or(self.spec.oplog_mib);
        command.args(["--oplogSize", &oplog_mib.to_string()]);
        command.args(["--syncdelay", "3", "--wiredTigerCacheSizeGB", "0.25"]);
        // A signalled primary would wait 15 s for somebody to take over.
        command.args(["--setParameter", older::without_a_wait(self.mongod)]);
        command.args(["--setParameter", "diagnosticDataCollectionEnabled=false", "--nounixsocket"]);
        command.arg("--dbpath").arg(&data).args(&self.spec.options);
        if self.spec.root.is_some() {
            command.arg("--keyFile").arg(self.key_path());
        }
        let reach = Reach::of(self.spec, self.roster)?;
        if let Some(tls) = &reach.0 {
            command.args(["--tlsMode", "requireTLS", "--tlsAllowConnectionsWithoutCertificates"]);
            command.arg("--tlsCAFile").arg(tls.ca()).arg("--tlsCertificateKeyFile").arg(tls.server());
        }
        let start = Start { role: role.clone(), command, ports: vec![port], data: Some(data) };
        let process = self.roster.spawn(start)?;
        let client = Mongo::connect(&reach.direct_uri(port, None)).await?;
        wait_until(&format!("{role} to answer"), START_LIMIT, async || {
            ensure!(process.is_alive(), "{role} ended:\n{}", self.roster.log_end(&role));
            // The driver takes its time over a refused connection; a socket tells at once.
            if !ports::is_listening(port) {
                return Ok(Seen::Not("no connection".to_owned()));
            }
            Ok(match client.admin(doc! { "hello": 1 }).await {
                Ok(_) => Seen::Yes(()),
                Err(error) => Seen::Not(format!("{error:#}")),
            })
        })
        .await
    }
}

/// Initiates the set and creates the root user, both through the exception for local connections.
async fn initiate(spec: &ReplicaSetSpec, reach: &Reach, ports: &[u16]) -> Result<()> {
    let members = spec.members.iter().zip(ports).zip(0_i32..).map(|((member, port), id)| {
        let mut entry = doc! { "_id": id, "host": address(*port), "priority": member.priority };
        entry.insert("hidden", member.hidden);
        entry.insert("arbiterOnly", member.arbiter);
        if !member.tags.is_empty() {
            entry.insert("tags", member.tags.clone());
        }
        entry
    });
    // The default 10 s would be the first election's delay on top of every failover test.
    let settings = doc! { "electionTimeoutMillis": 2000, "heartbeatIntervalMillis": 500 };
    let config = doc! { "_id": &spec.name, "members": members.collect::<Vec<_>>(), "settings": settings };
    let first = Mongo::connect(&reach.direct_uri(ports[0], None)).await?;
    first.admin(doc! { "replSetInitiate": config }).await.context("replSetInitiate")?;
    let primary = wait_until("a primary", START_LIMIT, async || {
        let hello = first.admin(doc! { "hello": 1 }).await?;
        let Ok(elected) = hello.get_str("primary") else { return Ok(Seen::Not(hello.to_string())) };
        let port = elected
            .rsplit(':')
            .next()
            .and_then(|port| port.parse().ok())
            .context("a primary without a port")?;
        let primary = Mongo::connect(&reach.direct_uri(port, None)).await?;
        let hello = primary.admin(doc! { "hello": 1 }).await?;
        let writable = hello.get_bool("isWritablePrimary").unwrap_or(false);
        Ok(if writable { Seen::Yes(primary) } else { Seen::Not(hello.to_string()) })
    })
    .await?;
    if let Some(root) = &spec.root {
        let roles = vec![doc! { "role": "root", "db": "admin" }];
        primary.create_user(&root.user, &root.password, roles).await.context("create the root user")?;
    }
    Ok(())
}

/// Waits until every member is primary, secondary or arbiter.
async fn settled(mongo: &Mongo, members: usize) -> Result<()> {
    wait_until("all members to settle", START_LIMIT, async || {
        let status = match mongo.admin(doc! { "replSetGetStatus": 1 }).await {
            Ok(status) => status,
            Err(error) => return Ok(Seen::Not(format!("{error:#}"))),
        };
        let listed = status.get_array("members").context("replSetGetStatus without members")?;
        let states = listed.iter().filter_map(|member| member.as_document()?.get_i32("state").ok());
        let states: Vec<i32> = states.collect();
        let well = states.len() == members && states.iter().all(|state| matches!(state, 1 | 2 | 7));
        Ok(if well && states.contains(&1) { Seen::Yes(()) } else { Seen::Not(format!("states {states:?}")) })
    })
    .await
}
