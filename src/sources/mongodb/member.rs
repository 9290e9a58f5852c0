//! One member, over one client that is connected to it alone.

use super::commands::{self, Hello, ReadError};
use super::product::Product;
use super::rights::Right;
use super::server_status::{self, Bounds, LastSizes};
use super::streams;
use mongodb::Client;
use mongodb::options::{ClientOptions, ServerAddress};
use resumeguard_core::domain::{ChangeStream, FirstEntry, Timestamp, Why};
use std::collections::BTreeSet;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;

/// What one phase of a pass saw of a member.
#[derive(Debug, Clone)]
pub(super) struct FirstReading {
    pub(super) hello: Hello,
    pub(super) first: Result<FirstEntry, ReadError>,
    /// The oplog itself may not be read: `serverStatus` has told.
    pub(super) by_status: bool,
}

/// What the closing phase saw.
#[derive(Debug, Clone)]
pub(super) struct LastReading {
    pub(super) hello: Hello,
    pub(super) last: Result<(Timestamp, Option<i64>), ReadError>,
}

/// One member.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) client: Client,
    address: String,
    /// How long Amazon DocumentDB keeps its change stream, for a member of one: it has no oplog.
    retention: Option<Duration>,
    /// A reading that ran into its deadline and is left to end: the driver's futures must not be dropped (RUST-937).
    overdue: Option<JoinHandle<()>>,
    /// The same for what is optional: it must not keep what is needed from being read.
    optional_overdue: Option<JoinHandle<()>>,
    /// Open change streams; `None` where they could not be seen, or not all of them.
    pub(super) streams: Option<Vec<ChangeStream>>,
    pub(super) sizes: LastSizes,
    /// Rights without which something was not told when it was last read.
    streams_lack: BTreeSet<Right>,
    sizes_lack: BTreeSet<Right>,
    /// What came of a reading after its deadline.
    late: Late,
}

/// What kept a reading that had run into its deadline from success: by then nobody listens, and the next one says it.
type Late = Arc<Mutex<Option<ReadError>>>;

/// How a member is to be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    pub(super) retention: Option<Duration>,
    /// How long a reading has: the driver gives up looking for the server before that, so that it says why.
    pub(super) patience: Duration,
}

impl Member {
    /// Connects when it is first read.
    pub(super) fn new(options: &ClientOptions, address: &str, manner: Manner) -> Result<Self, ReadError> {
        let host = address.to_owned();
        let address = ServerAddress::parse(address)
            .map_err(|error| ReadError::new(Why::UriInvalid, format!("no address: {error}")))?;
        let mut options = options.clone();
        options.hosts = vec![address];
        options.direct_connection = Some(true);
        // With a direct connection the name of the set would only turn a wrong name into a time-out.
        options.repl_set_name = None;
        options.app_name = Some("resumeguard".to_owned());
        // Readings of a member follow each other, so one connection serves them all.
        options.min_pool_size = Some(1);
        // What is needed, what is optional, and a probe: none of them waits for another's connection.
        options.max_pool_size = Some(3);
        options.connect_timeout = Some(Duration::from_secs(5));
        options.server_selection_timeout = Some(manner.patience.min(Duration::from_secs(5)));
        let client = Client::with_options(options).map_err(|error| ReadError::from_driver(&error))?;
        Ok(Self {
            client,
            address: host,
            retention: manner.retention,
            overdue: None,
            optional_overdue: None,
            streams: None,
            sizes: LastSizes::default(),
            streams_lack: BTreeSet::new(),
            sizes_lack: BTreeSet::new(),
            late: Late::default(),
        })
    }

    /// For a probe, which is a lane of its own.
    pub(super) fn client(&self) -> Client {
        self.client.clone()
    }

    /// `hello` and the oldest entry.
    pub(super) async fn first(&mut self, deadline: Duration) -> Result<FirstReading, ReadError> {
        let (client, address, retention) = (self.client.clone(), self.address.clone(), self.retention);
        let reading = async move {
            let hello = commands::hello(&client, &address, deadline).await?;
            if let Some(kept) = by_time(&hello, retention) {
                return Ok(FirstReading { hello, first: kept.map(|bounds| bounds.first), by_status: false });
            }
            Ok(match commands::first(&client, deadline).await {
                Err(error) if error.why == Why::OplogUnauthorized => {
                    let bounds = server_status::bounds(&client, deadline, error).await;
                    FirstReading { hello, by_status: bounds.is_ok(), first: bounds.map(|b| b.first) }
                }
                first => FirstReading { hello, first, by_status: false },
            })
        };
        bounded_saying(&mut self.overdue, deadline, reading, &self.late).await
    }

    /// `hello` and the newest entry.
    pub(super) async fn last(&mut self, deadline: Duration) -> Result<LastReading, ReadError> {
        let (client, address, retention) = (self.client.clone(), self.address.clone(), self.retention);
        let reading = async move {
            let last = match retention {
                // Its own clock is in what it says of itself.
                Some(_) => Err(ReadError::new(Why::NoOplog, "has no oplog")),
                None => match commands::last(&client, deadline).await {
                    Err(error) if error.why == Why::OplogUnauthorized => {
                        let bounds = server_status::bounds(&client, deadline, error).await;
                        bounds.map(|bounds| (bounds.last, None))
                    }
                    last => last,
                },
            };
            let hello = commands::hello(&client, &address, deadline).await?;
            let last = match by_time(&hello, retention) {
                Some(kept) => kept.map(|bounds| (bounds.last, None)),
                None => last,
            };
            Ok(LastReading { hello, last })
        };
        bounded_saying(&mut self.overdue, deadline, reading, &self.late).await
    }

    /// Rights without which something is not told.
    pub(super) fn lacks(&self) -> impl Iterator<Item = &Right> {
        self.streams_lack.iter().chain(&self.sizes_lack)
    }

    /// It does not answer: sizes that were known go as where readings fail.
    pub(super) fn could_not_be_asked(&mut self, now: Duration, sizes_every: Duration) {
        self.streams = None;
        if self.sizes.fall_due(now, sizes_every) {
            self.sizes.after(None);
        }
    }

    /// What helps and is not needed: open change streams, and sizes when they are due. Sizes that were known stay for a while
    /// where nothing new could be read; streams do not.
    pub(super) async fn read_optional(&mut self, now: Duration, sizes_every: Duration, deadline: Duration) {
        self.streams = None;
        if self.retention.is_some() {
            return;
        }
        let sizes_are_due = self.sizes.fall_due(now, sizes_every);
        let client = self.client.clone();
        let outcome = bounded(&mut self.optional_overdue, deadline, async move {
            let share = deadline / 3;
            let streams = streams::streams(&client, share).await;
            let sizes = if sizes_are_due { Some(server_status::sizes(&client, share).await) } else { None };
            Ok((streams, sizes))
        })
        .await;
        let read = outcome.as_ref().ok().and_then(|(_, sizes)| sizes.as_ref()).map(|(sizes, _)| *sizes);
        if sizes_are_due {
            self.sizes.after(read);
        }
        if let Ok((streams, sizes)) = outcome {
            let refused = streams.as_ref().is_err_and(|error| error.why == Why::OplogUnauthorized);
            self.streams_lack = refused.then_some(Right::InProg).into_iter().collect();
            self.streams = streams.ok();
            if let Some((_, lack)) = sizes {
                self.sizes_lack = lack;
            }
        }
    }
}

/// The bounds of what Amazon DocumentDB keeps, by its own clock: everything for as long as it is told to, whatever is written.
fn by_time(hello: &Hello, retention: Option<Duration>) -> Option<Result<Bounds, ReadError>> {
    let Some(retention) = retention else {
        let text = "is Amazon DocumentDB, which has no oplog: set mongodb.NAME.retention to its change_stream_log_retention_duration";
        return (hello.product == Some(Product::DocumentDb)).then(|| Err(ReadError::new(Why::NoOplog, text)));
    };
    let Some(now) = hello.local_time else {
        return Some(Err(ReadError::new(
            Why::MemberUnreadable,
            "does not tell its time (localTime of hello)",
        )));
    };
    let kept = u32::try_from(retention.as_secs()).unwrap_or(u32::MAX);
    let first = FirstEntry { time: Timestamp { t: now.saturating_sub(kept), i: 0 }, initiating: false };
    Some(Ok(Bounds { first, last: Timestamp { t: now, i: u32::MAX } }))
}

/// The same as [`bounded`]; what a reading comes to after its deadline is said by the next one that runs into its own.
async fn bounded_saying<T, F>(
    overdue: &mut Option<JoinHandle<()>>,
    deadline: Duration,
    reading: F,
    late: &Late,
) -> Result<T, ReadError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, ReadError>> + Send + 'static,
{
    let said = Arc::clone(late);
    let outcome = bounded(overdue, deadline, async move {
        let outcome = reading.await;
        *said.lock().unwrap_or_else(PoisonError::into_inner) = outcome.as_ref().err().cloned();
        outcome
    })
    .await;
    let ran_late = overdue.is_some();
    match (outcome, late.lock().unwrap_or_else(PoisonError::into_inner).clone()) {
        (Err(_), Some(error)) if ran_late => Err(error),
        (outcome, _) => outcome,
    }
}

/// Runs a reading with a deadline. One that runs into it goes on by itself, and the member is skipped until then.
pub(super) async fn bounded<T, F>(
    overdue: &mut Option<JoinHandle<()>>,
    deadline: Duration,
    reading: F,
) -> Result<T, ReadError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, ReadError>> + Send + 'static,
{
    if overdue.as_ref().is_some_and(|task| !task.is_finished()) {
        return Err(ReadError::new(Why::MemberUnreadable, "an earlier reading has not ended yet"));
    }
    *overdue = None;
    let (send, receive) = tokio::sync::oneshot::channel();
    let task = tokio::spawn(async move {
        // Nobody listens any more once the deadline has passed.
        let _unheard = send.send(reading.await).is_err();
    });
    match tokio::time::timeout(deadline, receive).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(ReadError::new(Why::MemberUnreadable, "the reading ended without an outcome")),
        Err(_) => {
            *overdue = Some(task);
            Err(ReadError::new(Why::MemberUnreadable, format!("did not answer within {deadline:.1?}")))
        }
    }
}
