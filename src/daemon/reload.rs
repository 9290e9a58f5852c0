//! Another configuration while it runs: read and validated first, swapped between two passes, or not at all.

use super::Watch;
use crate::clock::Clock;
use crate::config::Config;
use crate::publish::{Board, metrics, systemd};
use resumeguard_core::recovery::Mode;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Reads and validates the configuration from where it came from; one line where it is wrong.
pub type Load<'a> = &'a (dyn Fn() -> Result<Config, String> + Sync);

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
pub(super) struct Reloading<'a> {
    config: Config,
    load: Load<'a>,
    requests: mpsc::Receiver<Request>,
    state: metrics::Reload,
    clock: Clock,
}

impl<'a> Reloading<'a> {
    pub(super) fn new(config: Config, load: Load<'a>, clock: Clock) -> (Reloads, Self) {
        let (sender, requests) = mpsc::channel(AT_ONCE);
        let state = metrics::Reload { successful: true, at: clock.now().unix_seconds };
        (Reloads(sender), Self { config, load, requests, state, clock })
    }

    pub(super) fn state(&self) -> metrics::Reload {
        self.state
    }

    pub(super) fn interval(&self) -> Duration {
        self.config.poll.interval
    }

    /// The next request. Never ends where nobody can ask any more.
    pub(super) async fn wanted(&mut self) -> Request {
        match self.requests.recv().await {
            Some(request) => request,
            None => std::future::pending().await,
        }
    }

    /// Reads it again and has it hold; where anything is wrong with it, nothing changes.
    pub(super) fn carry_out(&mut self, request: Request, watch: &mut Watch, board: &Board) {
        systemd::reloading();
        let Request { by, answer } = request;
        let reloaded = self.reload(watch, board);
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

    fn reload(&mut self, watch: &mut Watch, board: &Board) -> Reloaded {
        let mut config = (self.load)()?;
        let held_back = hold_back(&self.config, &mut config);
        watch.reconfigure(&config).map_err(|error| format!("{error:#}"))?;
        board.reconfigure(config.poll.interval);
        self.config = config;
        Ok(held_back)
    }
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
    // With `off` there may be no journal and no control socket: nothing could be written down, nobody could stop it.
    let was_off = before.recovery.policies.greatest_mode() == Mode::Off;
    if !keep("recovery.mode", !was_off || after.recovery.policies.greatest_mode() == Mode::Off) {
        after.recovery.policies.clone_from(&before.recovery.policies);
    }
    keys
}
