//! Another configuration while it runs: read and validated first, swapped between two passes, or not at all.

use super::Watch;
use crate::clock::Clock;
use crate::config::{Config, ConnectCluster};
use crate::publish::{Board, metrics, systemd};
use crate::recovery::Desk;
use resumeguard_core::recovery::Mode;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Reads and validates the configuration from where it came from; one line where it is wrong.
pub type Load = Arc<dyn Fn() -> Result<Config, String> + Send + Sync>;

/// A disk that does not answer within this changes nothing.
const PATIENCE: Duration = Duration::from_secs(5);

/// More at once are told to wait.
const AT_ONCE: usize = 8;

/// What came of it: keys whose change takes a restart, or why nothing was changed, one line.
type Reloaded = Result<Vec<&'static str>, String>;

/// Somebody wants the configuration read again.
#[derive(Debug)]
pub(super) struct Request {
    by: String,
    answer: oneshot::Sender<Reloaded>,
}

/// By this the configuration is read again; may be cloned.
#[derive(Debug, Clone)]
pub struct Reloads(mpsc::Sender<Request>);

impl Reloads {
    /// Has it read again between this pass and the next, and waits for that. `by` is who wants it, for the log.
    ///
    /// # Errors
    /// Why nothing was changed, one line.
    pub async fn reload(&self, by: &str) -> Reloaded {
        let (answer, answered) = oneshot::channel();
        let stops = |_| "the daemon stops".to_owned();
        let request = Request { by: by.to_owned(), answer };
        self.0.send(request).await.map_err(|_| stops(()))?;
        answered.await.unwrap_or_else(|_| Err(stops(())))
    }
}

/// Each SIGHUP is a request; nobody waits for its answer but the log.
pub(super) async fn on_hangup(mut hangups: tokio::signal::unix::Signal, reloads: Reloads) {
    while hangups.recv().await.is_some() {
        // What went wrong is logged where it is found.
        reloads.reload("SIGHUP").await.ok();
    }
}

/// The configuration that holds, and how the next one is read.
pub(super) struct Reloading {
    config: Config,
    load: Load,
    requests: mpsc::Receiver<Request>,
    /// Came while a pass was under way.
    waiting: VecDeque<Request>,
    state: metrics::Reload,
    clock: Clock,
}

impl Reloading {
    pub(super) fn new(config: Config, load: Load, clock: Clock) -> (Reloads, Self) {
        let (sender, requests) = mpsc::channel(AT_ONCE);
        let state = metrics::Reload { successful: true, at: clock.now().unix_seconds };
        (Reloads(sender), Self { config, load, requests, waiting: VecDeque::new(), state, clock })
    }

    pub(super) fn state(&self) -> metrics::Reload {
        self.state
    }

    pub(super) fn interval(&self) -> Duration {
        self.config.poll.interval
    }

    /// The next request. Never ends where nobody can ask any more.
    pub(super) async fn wanted(&mut self) -> Request {
        if let Some(request) = self.waiting.pop_front() {
            return request;
        }
        match self.requests.recv().await {
            Some(request) => request,
            None => std::future::pending().await,
        }
    }

    /// A pass, beside which requests may come. They are carried out once it has ended, which may take an interval; what freezes
    /// recovery counts at once.
    pub(super) async fn beside<T>(&mut self, pass: impl Future<Output = T>, desk: &Desk) -> T {
        let mut pass = std::pin::pin!(pass);
        loop {
            tokio::select! {
                ended = &mut pass => return ended,
                Some(request) = self.requests.recv(), if self.waiting.len() < AT_ONCE => {
                    if self.loaded().await.is_ok_and(|config| config.recovery.freeze) {
                        desk.freeze_by_configuration();
                    }
                    self.waiting.push_back(request);
                }
            }
        }
    }

    /// Reads it again and has it hold; where anything is wrong with it, nothing changes.
    pub(super) async fn carry_out(&mut self, request: Request, watch: &mut Watch, board: &Board) {
        systemd::reloading();
        let Request { by, answer } = request;
        let reloaded = self.reload(watch, board).await;
        match &reloaded {
            Ok(held_back) if held_back.is_empty() => {
                tracing::info!(by, "the configuration was read again and holds from now on");
            }
            Ok(held_back) => tracing::warn!(
                by,
                restart_for = held_back.join(", "),
                "the configuration was read again and holds from now on, but for what takes a restart"
            ),
            Err(problem) => {
                tracing::error!(by, problem, "the configuration cannot be used: nothing was changed");
            }
        }
        self.state.successful = reloaded.is_ok();
        if reloaded.is_ok() {
            self.state.at = self.clock.now().unix_seconds;
        }
        watch.tell_reload(self.state, Some(&by));
        systemd::ready();
        // Whoever has gone away need not know.
        answer.send(reloaded).ok();
    }

    /// Away from the thread that answers and stops: files may stand on a disk that hangs.
    async fn loaded(&self) -> Result<Config, String> {
        let load = Arc::clone(&self.load);
        let loading = tokio::time::timeout(PATIENCE, tokio::task::spawn_blocking(move || load()));
        let loaded =
            loading.await.map_err(|_| format!("its files could not be read within {PATIENCE:.0?}"))?;
        loaded.map_err(|error| error.to_string())?
    }

    async fn reload(&mut self, watch: &mut Watch, board: &Board) -> Reloaded {
        let mut config = self.loaded().await?;
        let mut held_back = hold_back(&self.config, &mut config);
        held_back.extend(hold_busy(&self.config, &mut config, &watch.busy()));
        watch.reconfigure(&config).map_err(|error| format!("{error:#}"))?;
        board.reconfigure(config.poll.interval);
        self.config = config;
        Ok(held_back)
    }
}

/// A Connect cluster in which an attempt is under way stays where it is until that has ended: half of it done here and half there
/// would be worse than none. Who manages it counts at once.
fn hold_busy(before: &Config, after: &mut Config, busy: &BTreeSet<String>) -> Option<&'static str> {
    let mut held = None;
    for old in before.connect.iter().filter(|old| busy.contains(&old.name)) {
        match after.connect.iter_mut().find(|new| new.name == old.name) {
            Some(new) => {
                let managed_by = new.managed_by;
                let as_before = ConnectCluster { managed_by, ..old.clone() };
                if *new != as_before {
                    *new = as_before;
                    held = Some("connect, while a recovery is under way there");
                }
            }
            None => {
                after.connect.push(old.clone());
                held = Some("connect, while a recovery is under way there");
            }
        }
    }
    held
}

/// What is bound to something that is open already stays as it was; the keys that want it otherwise.
fn hold_back(before: &Config, after: &mut Config) -> Vec<&'static str> {
    let mut keys = Vec::new();
    let mut keep = |key, same: bool| {
        if !same {
            keys.push(key);
        }
        same
    };
    // What stands in files of it is read again when they change, without any of this.
    if !keep("http", before.http == after.http) {
        after.http.clone_from(&before.http);
    }
    if !keep("history", before.history == after.history) {
        after.history.clone_from(&before.history);
    }
    if !keep("recovery.directory", before.recovery.directory == after.recovery.directory) {
        after.recovery.directory.clone_from(&before.recovery.directory);
    }
    if !keep("recovery.journal_keep", before.recovery.journal == after.recovery.journal) {
        after.recovery.journal = before.recovery.journal;
    }
    // With `off` there may be no journal and no control socket: nothing could be written down, nobody could stop it.
    let was_off = before.recovery.policies.greatest_mode() == Mode::Off;
    if !keep("recovery.mode", !was_off || after.recovery.policies.greatest_mode() == Mode::Off) {
        after.recovery.policies.clone_from(&before.recovery.policies);
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn configured(text: &str) -> Config {
        let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
        std::fs::write(file.path(), text).unwrap();
        config::load(&config::Sources { files: vec![file.path().to_owned()], ..Default::default() })
            .unwrap()
            .1
    }

    #[test]
    fn a_cluster_stays_where_it_is_while_an_attempt_is_under_way_there() {
        let of = |port: u16, by: &str| {
            format!("[connect.a]\nurl = \"http://127.0.0.1:{port}\"\nmanaged_by = \"{by}\"\n")
        };
        let (before, busy) = (configured(&of(1, "none")), BTreeSet::from(["a".to_owned()]));
        let mut moved = configured(&of(2, "gitops"));
        assert!(hold_busy(&before, &mut moved, &busy).is_some());
        assert_eq!(moved.connect[0].url, before.connect[0].url);
        assert_ne!(moved.connect[0].managed_by, before.connect[0].managed_by);
        let mut gone = configured("[connect.b]\nurl = \"http://127.0.0.1:3\"\n");
        assert!(hold_busy(&before, &mut gone, &busy).is_some());
        assert_eq!(gone.connect.len(), 2);
        let mut moved = configured(&of(2, "none"));
        assert_eq!(hold_busy(&before, &mut moved, &BTreeSet::new()), None);
        assert_ne!(moved.connect[0].url, before.connect[0].url);
        let mut same = configured(&of(1, "gitops"));
        assert_eq!(hold_busy(&before, &mut same, &busy), None);
    }
}
