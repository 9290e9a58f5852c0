//! The book of one stack: its folder, its processes, its owner. Written before and after every start, so that
//! whoever comes later can end what a killed run left behind.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::cache::Cache;
use crate::identity::{self, Identity};
use crate::machine;
use crate::ports;

/// Every child carries it: even one that was started but not yet written down is found.
const MARK: &str = "RESUMEGUARD_STACK_DIR";

const FILE: &str = "stack.json";

/// After that a part is killed. Connect, the slowest, stops its tasks within about 5 s.
const GRACE: Duration = Duration::from_secs(20);

/// One process of a stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// What it is: `mongod-0`, `kafka`, `connect-0`, …
    pub role: String,
    /// Which process it is.
    #[serde(flatten)]
    pub identity: Identity,
    /// The ports that it listens on, all on 127.0.0.1.
    pub ports: Vec<u16>,
    /// Its data folder, where it has one.
    pub data: Option<PathBuf>,
    /// Its log.
    pub log: PathBuf,
}

/// Where the services of a stack are reached; what is not there is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Services {
    /// The replica set's connection string.
    pub mongodb: Option<String>,
    /// Kafka's bootstrap address.
    pub kafka: Option<String>,
    /// The broker's own listener of a secured stack: whoever connects there may do everything.
    #[serde(default)]
    pub kafka_internal: Option<String>,
    /// Kafka Connect's REST, one URL a worker.
    pub connect: Vec<String>,
}

/// What `stack.json` holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Book {
    /// Whose death makes the stack a leftover; `None` once it was left running on purpose.
    pub owner: Option<Identity>,
    /// In the order of their start.
    pub processes: Vec<Process>,
    /// Where the services are.
    pub services: Services,
}

impl Book {
    /// Reads the book of the stack in `folder`.
    ///
    /// # Errors
    /// When there is none or it cannot be understood.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("cannot understand {}", path.display()))
    }

    /// Never leaves a torn file: writes beside it, then renames.
    fn write(&self, folder: &Path) -> Result<()> {
        let (path, new) = (folder.join(FILE), folder.join(".stack.json.new"));
        fs::write(&new, serde_json::to_vec_pretty(self)?)
            .and_then(|()| fs::rename(&new, &path))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// A stack is a leftover when its owner died, or when it was left running and nothing of it runs any more.
    #[must_use]
    pub fn is_leftover(&self) -> bool {
        match self.owner {
            Some(owner) => !owner.is_alive(),
            None => !self.processes.iter().any(|process| process.identity.is_alive()),
        }
    }
}

/// What a part needs to be started.
#[derive(Debug)]
pub struct Start {
    /// Its role, unique within the stack; a stopped one may be started again.
    pub role: String,
    /// Program, arguments, environment.
    pub command: Command,
    /// The ports that it will listen on.
    pub ports: Vec<u16>,
    /// Its data folder.
    pub data: Option<PathBuf>,
}

/// A stack's folder and processes. Dropped, it ends the processes and removes the folder, unless it was detached.
#[derive(Debug)]
pub struct Roster {
    folder: PathBuf,
    book: Mutex<Book>,
    ours: AtomicBool,
}

impl Roster {
    /// Claims a name, owned by this process.
    ///
    /// # Errors
    /// When a stack of that name is there already.
    pub fn claim(cache: &Cache, name: &str) -> Result<Self> {
        ensure!(
            !name.is_empty() && !name.starts_with('.') && !name.contains('/'),
            "not a stack's name: {name:?}"
        );
        let owner = Identity::current()?;
        let book = Book { owner: Some(owner), processes: Vec::new(), services: Services::default() };
        // The folder appears under its name with the book already in it: nobody can take it for a leftover.
        let new = cache.stacks().join(format!(".new-{}-{}-{name}", owner.pid, owner.started));
        let folder = cache.stacks().join(name);
        fs::create_dir_all(&new).with_context(|| format!("cannot create {}", new.display()))?;
        book.write(&new)?;
        if let Err(error) = fs::rename(&new, &folder) {
            fs::remove_dir_all(&new)?;
            return Err(error).with_context(|| format!("there is a stack {name:?} already"));
        }
        Ok(Self { folder, book: Mutex::new(book), ours: AtomicBool::new(true) })
    }

    /// Claims a name that nobody else has: `prefix-<pid>-<n>`.
    ///
    /// # Errors
    /// When the cache cannot be written.
    pub fn claim_unique(cache: &Cache, prefix: &str) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self::claim(cache, &format!("{prefix}-{}-{number}", std::process::id()))
    }

    /// The stack's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A copy of the book as it stands.
    #[must_use]
    pub fn book(&self) -> Book {
        self.locked().clone()
    }

    /// Makes a data folder for a part.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn data_folder(&self, role: &str) -> Result<PathBuf> {
        let data = self.folder.join("data").join(role);
        fs::create_dir_all(&data).with_context(|| format!("cannot create {}", data.display()))?;
        Ok(data)
    }

    /// The log of a part.
    #[must_use]
    pub fn log(&self, role: &str) -> PathBuf {
        self.folder.join(format!("{role}.log"))
    }

    /// The last lines of a part's log: what goes into an error about it.
    #[must_use]
    pub fn log_end(&self, role: &str) -> String {
        let text = fs::read(self.log(role)).unwrap_or_default();
        machine::last_lines(&String::from_utf8_lossy(&text), 15)
    }

    /// Starts a part in a process group of its own, so that Ctrl-C in the terminal reaches only us.
    ///
    /// # Errors
    /// When the program cannot be run or the book cannot be written.
    pub fn spawn(&self, start: Start) -> Result<Identity> {
        let Start { role, mut command, ports, data } = start;
        let log_path = self.log(&role);
        let log = File::options().create(true).append(true).open(&log_path)?;
        let mut child = command
            .env(MARK, &self.folder)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {role}: {}", command.get_program().display()))?;
        let identity = Identity::of(child.id());
        // Reaps it whenever it ends: a zombie would hold the pid.
        std::thread::spawn(move || child.wait());
        let identity = identity.with_context(|| format!("{role} ended at once"))?;
        let mut book = self.locked();
        book.processes.retain(|process| process.role != role);
        book.processes.push(Process { role, identity, ports, data, log: log_path });
        book.write(&self.folder)?;
        Ok(identity)
    }

    /// Stops one part, and keeps its data and log.
    ///
    /// # Errors
    /// When there is no such part or it cannot be stopped.
    pub fn stop(&self, role: &str) -> Result<()> {
        self.stop_within(role, GRACE)
    }

    /// Kills one part: what a crash looks like.
    ///
    /// # Errors
    /// When there is no such part or it cannot be killed.
    pub fn kill(&self, role: &str) -> Result<()> {
        let process = self.process(role)?;
        process.identity.signal(rustix::process::Signal::KILL)?;
        self.stop_within(role, GRACE)
    }

    fn stop_within(&self, role: &str, grace: Duration) -> Result<()> {
        let process = self.process(role)?;
        identity::stop(&[process.identity], grace).with_context(|| format!("cannot stop {role}"))?;
        let mut book = self.locked();
        book.processes.retain(|process| process.role != role);
        book.write(&self.folder)
    }

    /// The entry of one part.
    ///
    /// # Errors
    /// When it is not running.
    pub fn process(&self, role: &str) -> Result<Process> {
        let book = self.locked();
        let found = book.processes.iter().find(|process| process.role == role);
        found.cloned().with_context(|| format!("no {role} runs in {}", self.folder.display()))
    }

    /// Writes down where a service is.
    ///
    /// # Errors
    /// When the book cannot be written.
    pub fn publish(&self, change: impl FnOnce(&mut Services)) -> Result<()> {
        let mut book = self.locked();
        change(&mut book.services);
        book.write(&self.folder)
    }

    /// Leaves the stack running when we end.
    ///
    /// # Errors
    /// When the book cannot be written.
    pub fn detach(&self) -> Result<()> {
        let mut book = self.locked();
        book.owner = None;
        book.write(&self.folder)?;
        self.ours.store(false, Ordering::Relaxed);
        Ok(())
    }

    fn locked(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Roster {
    fn drop(&mut self) {
        if !self.ours.load(Ordering::Relaxed) {
            return;
        }
        if let Err(error) = demolish(&self.folder) {
            eprintln!("{}: {error:#}", self.folder.display());
        }
    }
}

/// Ends every process of the stack in `folder`, last started first, and removes the folder.
///
/// # Errors
/// When a process cannot be stopped; the folder then stays.
pub fn demolish(folder: &Path) -> Result<()> {
    if let Ok(book) = Book::read(folder) {
        for process in book.processes.iter().rev() {
            identity::stop(&[process.identity], GRACE)
                .with_context(|| format!("cannot stop {}", process.role))?;
        }
    }
    // Whatever was started but not written down.
    identity::stop(&processes_of(folder), GRACE)?;
    fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))
}

/// Every process that was started as part of the stack in `folder`, written down or not.
#[must_use]
pub fn processes_of(folder: &Path) -> Vec<Identity> {
    identity::with_environment(&format!("{MARK}={}", folder.display()))
}

/// What is left of a stack that should be gone, in words; empty when nothing is.
#[must_use]
pub fn remains(folder: &Path, book: &Book) -> Vec<String> {
    let recorded = book.processes.iter().filter(|process| process.identity.is_alive());
    let mut remains: Vec<String> =
        recorded.map(|process| format!("process {} ({})", process.identity.pid, process.role)).collect();
    remains.extend(processes_of(folder).iter().map(|process| format!("process {}", process.pid)));
    let ports = book.processes.iter().flat_map(|process| &process.ports);
    remains.extend(ports.filter(|port| ports::is_listening(**port)).map(|port| format!("port {port}")));
    if folder.exists() {
        remains.push(folder.display().to_string());
    }
    remains
}
