//! One connector and its deployment, read again.

use super::Hands;
use super::still::NO_TOPIC;
use super::worker::{Standing, Worker};
use crate::clock::Clock;
use crate::sources::connect::ConnectError;
use crate::sources::offsets::OffsetsTopic;
use crate::sources::offsets::file::{Stored, read_whole, stored};
use resumeguard_core::domain::{ConnectorState, TaskFacts, Why};
use resumeguard_core::recovery::{Attempt, RawOffset, Step, World};
use std::time::Duration;

/// How long one look may take, a second try included: reading offsets has Connect read a topic to its end.
pub(super) const LOOK: Duration = Duration::from_secs(15);

/// How long a worker's file may take to hold still.
const FILE: Duration = Duration::from_secs(2);

/// Before the second try.
const PAUSE: Duration = Duration::from_millis(300);

/// A connector that is said to be gone is looked for once more after that: to believe it too early leaves it as it is, and a
/// worker that has just started knows none yet.
const GONE: Duration = Duration::from_secs(4);

/// Reads everything anew, the oplog's oldest entry last: a position that it holds by then is held indeed.
///
/// # Errors
/// Whatever keeps Connect from being read, one line. What keeps the oplog from being read is part of the world.
pub(super) async fn read(
    hands: &Hands,
    name: &str,
    clock: &Clock,
    attempt: Option<&Attempt>,
) -> Result<World, String> {
    if let Some(world) = down(hands, name, clock, attempt).await? {
        return Ok(World { oldest: hands.oldest().await, ..world });
    }
    let by_topic = attempt.is_some_and(Attempt::is_by_topic);
    let mut world = twice(hands, name, clock, by_topic).await?;
    if world.state.is_none() {
        tokio::time::sleep(GONE).await;
        world = twice(hands, name, clock, by_topic).await?;
    }
    if world.state.is_some() {
        world.oldest = hands.oldest().await;
    }
    Ok(world)
}

/// The world of an attempt at a standalone worker that is down: as good as a stopped connector, whose offsets are in the file.
async fn down(
    hands: &Hands,
    name: &str,
    clock: &Clock,
    attempt: Option<&Attempt>,
) -> Result<Option<World>, String> {
    let by_file = |attempt: &&Attempt| attempt.plan.steps.contains(&Step::StopWorker);
    let (Some(attempt), Some(worker)) = (attempt.filter(by_file), &hands.worker) else { return Ok(None) };
    if worker.standing().await != Standing::Down {
        return Ok(None);
    }
    Ok(Some(World {
        state: Some(ConnectorState::Stopped),
        tasks: Vec::new(),
        // While it is down nobody can be asked; what it starts with is looked at once it is up.
        config: attempt.expected_config().unwrap_or_default(),
        offsets: in_file(worker, name, *clock).await?,
        down: true,
        oldest: Err(Why::NotReadYet),
    }))
}

/// What is stored for a connector, wherever that can be read.
pub(super) async fn offsets(
    hands: &Hands,
    name: &str,
    clock: Clock,
    at: Kept,
) -> Result<Vec<RawOffset>, String> {
    let by_rest = hands.rest_tells();
    match (&hands.worker, &hands.topic) {
        (Some(worker), _) if at == Kept::File || (!by_rest && at != Kept::Topic) => {
            in_file(worker, name, clock).await
        }
        (_, Some(topic)) if at == Kept::Topic || !by_rest => in_topic(topic, name).await,
        _ if at == Kept::Topic => Err(NO_TOPIC.to_owned()),
        _ => hands.connect.raw_offsets(name, LOOK).await.map_err(|error| error.to_string()),
    }
}

/// Where offsets are looked for, as far as an attempt says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// Wherever Connect tells them.
    Anywhere,
    /// In the file of a worker that is down.
    File,
    /// In the topic, with their bytes.
    Topic,
}

impl Kept {
    pub(super) fn of(attempt: &Attempt, world: &World) -> Self {
        match attempt.is_by_topic() {
            true => Self::Topic,
            false if world.down => Self::File,
            false => Self::Anywhere,
        }
    }
}

async fn in_topic(topic: &OffsetsTopic, name: &str) -> Result<Vec<RawOffset>, String> {
    topic.stored(name, LOOK).await
}

async fn in_file(worker: &Worker, name: &str, clock: Clock) -> Result<Vec<RawOffset>, String> {
    let path = worker.file().to_owned();
    let reading = tokio::task::spawn_blocking(move || read_whole(&path, clock, FILE));
    let whole = match tokio::time::timeout(LOOK, reading).await {
        Ok(Ok(whole)) => whole.map_err(|error| error.to_string())?,
        Ok(Err(_)) | Err(_) => return Err(format!("{} does not answer", worker.file().display())),
    };
    let map = whole.map().map_err(|error| error.to_string())?;
    let entries = map.entries().iter().filter_map(|(key, value)| stored((*key)?, *value));
    Ok(entries.filter(|entry| entry.connector == name).filter_map(Stored::raw).collect())
}

/// What Connect says, at the second try where the first met a bad moment.
async fn twice(hands: &Hands, name: &str, clock: &Clock, by_topic: bool) -> Result<World, String> {
    let begun = clock.uptime();
    let left = || LOOK.saturating_sub(clock.uptime().saturating_sub(begun));
    let by_rest = hands.rest_tells() && !by_topic;
    let mut read = from_connect(hands, name, by_rest, left()).await;
    if read.as_ref().is_err_and(is_momentary) && left() > PAUSE {
        tokio::time::sleep(PAUSE).await;
        read = from_connect(hands, name, by_rest, left()).await;
    }
    let mut world = read.map_err(|error| error.to_string())?;
    if world.state.is_some() && !by_rest {
        let at = if by_topic { Kept::Topic } else { Kept::Anywhere };
        world.offsets = offsets(hands, name, *clock, at).await?;
    }
    Ok(world)
}

/// Its state and tasks alone; `None` where there is no such connector, or nothing is known of it yet.
pub(super) async fn status(
    hands: &Hands,
    name: &str,
) -> Result<Option<(ConnectorState, Vec<TaskFacts>)>, String> {
    hands.connect.status(name, LOOK).await.map_err(|error| error.to_string())
}

async fn from_connect(
    hands: &Hands,
    name: &str,
    by_rest: bool,
    deadline: Duration,
) -> Result<World, ConnectError> {
    let connect = &hands.connect;
    let (config, status, offsets) = tokio::join!(
        connect.config(name, deadline),
        connect.status(name, deadline),
        from_rest(hands, name, by_rest, deadline)
    );
    let (down, oldest) = (false, Err(Why::NotReadYet));
    let Some(config) = config? else {
        return Ok(World { state: None, tasks: vec![], config: [].into(), offsets: vec![], down, oldest });
    };
    // Between its creation and its first word it has no state.
    let (state, tasks) = status?.unwrap_or((ConnectorState::Unassigned, Vec::new()));
    Ok(World { state: Some(state), tasks, config, offsets: offsets?, down, oldest })
}

/// Of a Connect without an endpoint for offsets (before 3.5) they are in its topic, or in its worker's file.
async fn from_rest(
    hands: &Hands,
    name: &str,
    by_rest: bool,
    deadline: Duration,
) -> Result<Vec<RawOffset>, ConnectError> {
    if !by_rest {
        return Ok(Vec::new());
    }
    hands.connect.raw_offsets(name, deadline).await
}

/// It may be over in a moment: a rebalance, a connection that was cut, a worker that starts.
fn is_momentary(error: &ConnectError) -> bool {
    match error {
        ConnectError::Unreachable { .. }
        | ConnectError::TimedOut { .. }
        | ConnectError::Rebalancing { .. } => true,
        ConnectError::Status { status, .. } | ConnectError::NotJson { status, .. } => *status >= 500,
        ConnectError::Unauthorized { .. }
        | ConnectError::Tls { .. }
        | ConnectError::TooLarge { .. }
        | ConnectError::OffsetsUnsupported
        | ConnectError::Unaddressable
        | ConnectError::WrongForm { .. }
        | ConnectError::NoClient(_) => false,
    }
}
