//! One member, over one client that is connected to it alone.

use super::commands::{self, Hello, ReadError};
use super::streams;
use mongodb::Client;
use mongodb::options::{ClientOptions, ServerAddress};
use resumeguard_core::domain::{ChangeStream, FirstEntry, OplogSizes, Timestamp, Why};
use std::future::Future;
use std::time::Duration;
use tokio::task::JoinHandle;

/// What one phase of a pass saw of a member.
#[derive(Debug, Clone)]
pub(super) struct FirstReading {
    pub(super) hello: Hello,
    pub(super) first: Result<FirstEntry, ReadError>,
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
    /// A reading that ran into its deadline and is left to end: the driver's futures must not be dropped (RUST-937).
    overdue: Option<JoinHandle<()>>,
    /// The same for what is optional: it must not keep what is needed from being read.
    optional_overdue: Option<JoinHandle<()>>,
    /// Open change streams; `None` where they could not be seen, or not all of them.
    pub(super) streams: Option<Vec<ChangeStream>>,
    pub(super) sizes: OplogSizes,
    pub(super) sizes_read_at: Option<Duration>,
}

impl Member {
    /// Connects when it is first read.
    pub(super) fn new(options: &ClientOptions, address: &str) -> Result<Self, ReadError> {
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
        options.server_selection_timeout = Some(Duration::from_secs(5));
        let client = Client::with_options(options).map_err(|error| ReadError::from_driver(&error))?;
        Ok(Self {
            client,
            overdue: None,
            optional_overdue: None,
            streams: None,
            sizes: OplogSizes::default(),
            sizes_read_at: None,
        })
    }

    /// For a probe, which is a lane of its own.
    pub(super) fn client(&self) -> Client {
        self.client.clone()
    }

    /// `hello` and the oldest entry.
    pub(super) async fn first(&mut self, deadline: Duration) -> Result<FirstReading, ReadError> {
        let client = self.client.clone();
        bounded(&mut self.overdue, deadline, async move {
            let hello = commands::hello(&client, deadline).await?;
            let first = commands::first(&client, deadline).await;
            Ok(FirstReading { hello, first })
        })
        .await
    }

    /// `hello` and the newest entry.
    pub(super) async fn last(&mut self, deadline: Duration) -> Result<LastReading, ReadError> {
        let client = self.client.clone();
        bounded(&mut self.overdue, deadline, async move {
            let last = commands::last(&client, deadline).await;
            let hello = commands::hello(&client, deadline).await?;
            Ok(LastReading { hello, last })
        })
        .await
    }

    /// What helps and is not needed: open change streams, and sizes when they are due. Sizes that were known stay where
    /// nothing new could be read; streams do not.
    pub(super) async fn read_optional(&mut self, now: Duration, sizes_are_due: bool, deadline: Duration) {
        self.streams = None;
        let client = self.client.clone();
        let outcome = bounded(&mut self.optional_overdue, deadline, async move {
            let share = deadline / 3;
            let streams = streams::streams(&client, share).await.ok();
            let sizes = if sizes_are_due { Some(commands::sizes(&client, share).await) } else { None };
            Ok((streams, sizes))
        })
        .await;
        if sizes_are_due {
            self.sizes_read_at = Some(now);
        }
        if let Ok((streams, sizes)) = outcome {
            self.streams = streams;
            self.sizes = sizes.unwrap_or(self.sizes);
        }
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
