//! Where the commands of recovery are answered: by the running daemon over its control socket, or at a desk of our own, for
//! which no daemon may hold the journal.

use super::{Cli, Connect, Failure, Outcome};
use crate::clock::Clock;
use crate::config::Config;
use crate::control::{self, Done, Problem, Shown, Verb, Wanted};
use crate::daemon::Watch;
use crate::journal;
use crate::publish::http::{MOST, Page};
use crate::publish::recovery::{Overview, Told};
use crate::recovery::Desk;
use resumeguard_core::domain::Snapshot;
use resumeguard_core::recovery::PASSES;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixStream;

/// The daemon reads Connect and MongoDB anew before it restores something, and waits for its disk.
const PATIENCE: Duration = Duration::from_secs(60);
/// For so long the freeze files are waited for; a disk that takes longer counts as frozen.
const FIRST_LOOK: Duration = Duration::from_secs(2);
/// A daemon that lives accepts at once.
const ACCEPTS: Duration = Duration::from_secs(5);

/// Whoever answers.
pub(super) enum Counter {
    /// The running daemon.
    Daemon(Daemon),
    /// This process, with what it has seen.
    Own {
        desk: Desk,
        /// Its clients are in use as long as an attempt goes on.
        watch: Option<Box<Watch>>,
    },
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
    let desk = own_desk(config, clock).await;
    match desk.no_journal() {
        Some(problem) => Err(Failure::new(Outcome::Unreachable, problem)),
        None => Ok(Counter::Own { desk, watch: None }),
    }
}

/// The same, and it has looked at the connectors as often as a plan needs. Without a journal there are plans as well: they
/// say that nothing is done without one.
pub(super) async fn seeing(config: &Config, clock: Clock) -> Result<Counter, Failure> {
    let mut counter = able(config, clock).await?;
    counter.look(config).await?;
    Ok(counter)
}

/// One that can look at the connectors, and has not yet.
pub(super) async fn able(config: &Config, clock: Clock) -> Result<Counter, Failure> {
    if let Some(directory) = &config.recovery.directory
        && let Some(daemon) = daemon(directory).await?
    {
        return Ok(Counter::Daemon(daemon));
    }
    if config.connect.is_empty() {
        let line = "no daemon answers, and no Kafka Connect cluster is named that could be looked at; add [connect.NAME] with url = \"…\" to a --config file";
        return Err(Failure::new(Outcome::Configuration, line));
    }
    let desk = own_desk(config, clock).await;
    let watch = Watch::new(config, clock)
        .map_err(|error| Failure::new(Outcome::Unreachable, format!("{error:#}")))?;
    let watch = Some(Box::new(watch.recovering(desk.clone())));
    Ok(Counter::Own { desk, watch })
}

/// One pass, and what can be reached by it.
async fn pass(watch: &mut Watch) -> Result<Snapshot, Failure> {
    let snapshot = watch.pass().await;
    let connects = || snapshot.sources.iter().filter(|source| source.source == "connect");
    if let Some(error) = connects().find_map(|source| source.error.clone())
        && connects().all(|source| !source.up)
    {
        return Err(Failure::new(Outcome::Unreachable, error));
    }
    watch.lend_hands();
    Ok(snapshot)
}

async fn own_desk(config: &Config, clock: Clock) -> Desk {
    let desk = Desk::open(config, clock).await;
    let begun = clock.uptime();
    while !desk.has_looked() && clock.uptime().saturating_sub(begun) < FIRST_LOOK {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    desk
}

/// Whether anything was ever written down. A journal that is only asked must not be begun by that, and where nobody can look, nobody
/// can say that nothing was done.
pub(super) fn is_begun(directory: &Path) -> Result<bool, Failure> {
    let at = directory.display();
    let looked = |path: &Path| {
        path.try_exists().map_err(|error| {
            let line = format!("{}: {error}; run this as the daemon's user, or as root", path.display());
            Failure::new(Outcome::Unreachable, line)
        })
    };
    if !looked(directory)? {
        let line = format!(
            "there is no directory {at}: name the one in which the daemon keeps its journal, by --state DIR or as recovery.directory in a --config file"
        );
        return Err(Failure::new(Outcome::Configuration, line));
    }
    looked(&directory.join(journal::FILE))
}

impl Counter {
    /// Looks at the connectors as often as a plan needs; a daemon has.
    pub(super) async fn look(&mut self, config: &Config) -> Result<(), Failure> {
        let Self::Own { watch: Some(watch), .. } = self else { return Ok(()) };
        for number in 1..=PASSES {
            let snapshot = pass(watch).await?;
            if number < PASSES {
                watch.ask(&snapshot);
                let every = humantime::format_duration(config.poll.interval);
                eprintln!("no daemon answers: looking at the connectors again in {every}");
                tokio::time::sleep(config.poll.interval).await;
            }
        }
        Ok(())
    }

    /// Looks at the connectors once, so that what is open can be gone on with.
    pub(super) async fn reach(&mut self) -> Result<(), Failure> {
        match self {
            Self::Own { watch: Some(watch), .. } => pass(watch).await.map(drop),
            Self::Own { .. } | Self::Daemon(_) => Ok(()),
        }
    }

    /// Everything that recovery is at: every plan, every attempt.
    pub(super) async fn overview(&self) -> Result<Overview, Failure> {
        match self {
            Self::Daemon(daemon) => daemon.overview().await,
            Self::Own { desk, .. } => Ok(control::overview(desk)),
        }
    }

    /// One attempt.
    pub(super) async fn story(&self, attempt: &str) -> Result<Told, Failure> {
        match self {
            Self::Daemon(daemon) => daemon.get(&["attempts", attempt]).await,
            Self::Own { desk, .. } => control::story(desk, attempt).map_err(Failure::from),
        }
    }

    /// Has something done.
    pub(super) async fn carry_out(&self, verb: Verb, wanted: Wanted) -> Result<Done, Failure> {
        match self {
            Self::Daemon(daemon) => daemon.post(verb, &wanted).await,
            Self::Own { desk, .. } => {
                let done = control::carry_out(desk, verb, wanted, control::myself()).await;
                done.map_err(Failure::from)
            }
        }
    }

    /// How it stands with what somebody may decide on.
    pub(super) async fn shown(&self, verb: Verb, wanted: &Wanted) -> Result<Shown, Failure> {
        match self {
            Self::Daemon(daemon) => daemon.show(verb, wanted).await,
            Self::Own { desk, .. } => match control::shown(desk, verb, wanted).await? {
                Some(standing) => Ok(Shown { seen: standing.mark(), says: standing.says }),
                None => Err(nothing_to_see()),
            },
        }
    }

    /// Gives the journal back.
    pub(super) async fn close(self) {
        if let Self::Own { desk, .. } = self {
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

    /// A page: `cursor` says after what.
    async fn page<T: DeserializeOwned>(&self, list: &[&str], cursor: Option<&str>) -> Result<T, Failure> {
        let mut url = self.url(list)?;
        let limit = MOST.to_string();
        let asked = [("limit", Some(limit.as_str())), ("cursor", cursor)];
        let asked = asked.into_iter().filter_map(|(name, value)| Some((name, value?)));
        url.query_pairs_mut().extend_pairs(asked);
        self.answer(self.client.get(url)).await
    }

    async fn overview(&self) -> Result<Overview, Failure> {
        let mut seen: Overview = self.page(&[], None).await?;
        let (plans, attempts) = (seen.next_plans.take(), seen.next_attempts.take());
        seen.plans.extend(self.rest("plans", plans).await?);
        seen.attempts.extend(self.rest("attempts", attempts).await?);
        Ok(seen)
    }

    /// What of a list comes after its first page.
    async fn rest<T: DeserializeOwned>(
        &self,
        list: &str,
        mut next: Option<String>,
    ) -> Result<Vec<T>, Failure> {
        let mut all = Vec::new();
        while let Some(cursor) = next {
            let page: Page<T> = self.page(&[list], Some(&cursor)).await?;
            // A page without entries leads nowhere.
            next = page.next.filter(|_| !page.items.is_empty());
            all.extend(page.items);
        }
        Ok(all)
    }

    async fn post<T: DeserializeOwned>(&self, verb: Verb, wanted: &impl Serialize) -> Result<T, Failure> {
        self.answer(self.client.post(self.url(&[verb.code()])?).json(wanted)).await
    }

    async fn show(&self, verb: Verb, wanted: &Wanted) -> Result<Shown, Failure> {
        if verb == Verb::Freeze {
            return Err(nothing_to_see());
        }
        let mut url = self.url(&[verb.code()])?;
        let about = [
            ("plan", &wanted.plan),
            ("connector", &wanted.connector),
            ("attempt", &wanted.attempt),
            ("strategy", &wanted.strategy),
        ];
        let named = about.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        url.query_pairs_mut().extend_pairs(named);
        self.answer(self.client.get(url)).await
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

fn nothing_to_see() -> Failure {
    Failure::new(Outcome::Usage, "--look: freezing is never refused for what has changed; leave it out")
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
