//! Where the commands of recovery are answered: by the running daemon over its control socket, or at a desk of our own, for
//! which no daemon may hold the journal.

use super::{Cli, Connect, Failure, Outcome};
use crate::clock::Clock;
use crate::config::Config;
use crate::control::{self, Done, Problem, Verb, Wanted};
use crate::journal;
use crate::publish::recovery::{Overview, Told};
use crate::recovery::Desk;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixStream;

/// The daemon reads Connect and MongoDB anew before it restores something, and waits for its disk.
const PATIENCE: Duration = Duration::from_secs(60);
/// A daemon that lives accepts at once.
const ACCEPTS: Duration = Duration::from_secs(5);

/// Whoever answers.
pub(super) enum Counter {
    /// The running daemon.
    Daemon(Daemon),
    /// This process.
    Own(Desk),
}

/// The daemon at the other end of a control socket.
pub(super) struct Daemon {
    client: reqwest::Client,
    path: PathBuf,
}

/// Which directory is meant.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct State {
    /// Directory of the daemon's journal and control socket, instead of recovery.directory.
    #[arg(long, value_name = "DIR")]
    pub(super) state: Option<PathBuf>,
}

/// The configuration, with the directory that the command line names.
pub(super) fn config(cli: &Cli, state: &State, connect: &Connect) -> Result<Config, Failure> {
    let named = state.state.as_ref().map(|directory| {
        ("RESUMEGUARD__RECOVERY__DIRECTORY".to_owned(), directory.to_string_lossy().into_owned())
    });
    cli.load_with(&connect.connect, named).map(|(_, config)| config)
}

/// The directory, without which there is neither socket nor journal.
pub(super) fn directory(config: &Config) -> Result<&Path, Failure> {
    let line = "where is the journal? set recovery.directory (or history.directory) in a --config file, or add --state DIR";
    config.recovery.directory.as_deref().ok_or_else(|| Failure::new(Outcome::Configuration, line))
}

/// The daemon, where one runs.
pub(super) async fn daemon(directory: &Path) -> Result<Option<Daemon>, Failure> {
    let path = directory.join(control::FILE);
    let unreachable = |problem: &dyn std::fmt::Display| {
        Failure::new(Outcome::Unreachable, format!("{}: {problem}", path.display()))
    };
    match tokio::time::timeout(ACCEPTS, UnixStream::connect(&path)).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        Ok(Err(error)) if error.kind() == ErrorKind::PermissionDenied => {
            return Err(unreachable(&"permission denied; run this as the daemon's user, or as root"));
        }
        Ok(Err(error)) => return Err(unreachable(&error)),
        Err(_) => {
            return Err(unreachable(
                &"the daemon does not accept; is it stopped, or its machine overloaded?",
            ));
        }
    }
    let client = reqwest::Client::builder().unix_socket(path.clone()).timeout(PATIENCE).build();
    let client = client.map_err(|error| unreachable(&error))?;
    Ok(Some(Daemon { client, path }))
}

/// The daemon, or a desk of our own with the journal in its hands.
pub(super) async fn counter(config: &Config, clock: Clock) -> Result<Counter, Failure> {
    let directory = directory(config)?;
    if let Some(daemon) = daemon(directory).await? {
        return Ok(Counter::Daemon(daemon));
    }
    let desk = Desk::open(config, clock).await;
    match desk.no_journal() {
        Some(problem) => Err(Failure::new(Outcome::Unreachable, problem)),
        None => Ok(Counter::Own(desk)),
    }
}

/// Whether anything was ever written down. A journal that is only asked must not be begun by that.
pub(super) fn is_begun(directory: &Path) -> bool {
    directory.join(journal::FILE).exists()
}

impl Counter {
    /// Everything that recovery is at.
    pub(super) async fn overview(&self) -> Result<Overview, Failure> {
        match self {
            Self::Daemon(daemon) => daemon.get(&[]).await,
            Self::Own(desk) => Ok(control::overview(desk)),
        }
    }

    /// One attempt.
    pub(super) async fn story(&self, attempt: &str) -> Result<Told, Failure> {
        match self {
            Self::Daemon(daemon) => daemon.get(&["attempts", attempt]).await,
            Self::Own(desk) => control::story(desk, attempt).map_err(Failure::from),
        }
    }

    /// Has something done.
    pub(super) async fn carry_out(&self, verb: Verb, wanted: Wanted) -> Result<Done, Failure> {
        match self {
            Self::Daemon(daemon) => daemon.post(verb, &wanted).await,
            Self::Own(desk) => {
                let done = control::carry_out(desk, verb, wanted, control::myself()).await;
                done.map_err(Failure::from)
            }
        }
    }

    /// Gives the journal back.
    pub(super) async fn close(self) {
        if let Self::Own(desk) = self {
            desk.close().await;
        }
    }
}

impl Daemon {
    fn url(&self, segments: &[&str]) -> Result<reqwest::Url, Failure> {
        // The host is not looked up; the socket is the address.
        let mut url =
            reqwest::Url::parse("http://daemon/api/v1/recovery").map_err(|error| self.failed(&error))?;
        if let Ok(mut path) = url.path_segments_mut() {
            path.extend(segments);
        }
        Ok(url)
    }

    async fn get<T: DeserializeOwned>(&self, segments: &[&str]) -> Result<T, Failure> {
        self.answer(self.client.get(self.url(segments)?)).await
    }

    async fn post<T: DeserializeOwned>(&self, verb: Verb, wanted: &impl Serialize) -> Result<T, Failure> {
        self.answer(self.client.post(self.url(&[verb.code()])?).json(wanted)).await
    }

    async fn answer<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> Result<T, Failure> {
        let response = request.send().await.map_err(|error| self.failed(&error))?;
        if response.status().is_success() {
            return response.json().await.map_err(|error| self.failed(&error));
        }
        let status = response.status();
        let problem: Result<Problem, _> = response.json().await;
        Err(problem.map_or_else(|_| self.failed(&format!("the daemon answers {status}")), Failure::from))
    }

    fn failed(&self, problem: &dyn std::fmt::Display) -> Failure {
        Failure::new(Outcome::Unreachable, format!("{}: {problem}", self.path.display()))
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let outcome = match problem.status {
            400 | 413 | 415 | 422 => Outcome::Usage,
            404 | 409 => Outcome::Negative,
            _ => Outcome::Unreachable,
        };
        Self::new(outcome, problem.detail)
    }
}
