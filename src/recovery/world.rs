//! One connector and its deployment, read again.

use super::Hands;
use crate::clock::Clock;
use crate::sources::connect::ConnectError;
use resumeguard_core::domain::{ConnectorState, TaskFacts};
use resumeguard_core::recovery::World;
use std::time::Duration;

/// How long one look may take, a second try included: reading offsets has Connect read a topic to its end.
pub(super) const LOOK: Duration = Duration::from_secs(15);

/// Before the second try.
const PAUSE: Duration = Duration::from_millis(300);

/// A connector that is said to be gone is looked for once more after that: to believe it too early leaves it as it is, and a
/// worker that has just started knows none yet.
const GONE: Duration = Duration::from_secs(4);

/// Reads everything anew, the oplog's oldest entry last: a position that it holds by then is held indeed.
///
/// # Errors
/// Whatever keeps Connect from being read, one line. What keeps the oplog from being read is part of the world.
pub(super) async fn read(hands: &Hands, name: &str, clock: &Clock) -> Result<World, String> {
    let mut world = twice(hands, name, clock).await?;
    if world.state.is_none() {
        tokio::time::sleep(GONE).await;
        world = twice(hands, name, clock).await?;
    }
    if world.state.is_some() {
        world.oldest = hands.oldest().await;
    }
    Ok(world)
}

/// What Connect says, at the second try where the first met a bad moment.
async fn twice(hands: &Hands, name: &str, clock: &Clock) -> Result<World, String> {
    let begun = clock.uptime();
    let left = || LOOK.saturating_sub(clock.uptime().saturating_sub(begun));
    let mut read = from_connect(hands, name, left()).await;
    if read.as_ref().is_err_and(is_momentary) && left() > PAUSE {
        tokio::time::sleep(PAUSE).await;
        read = from_connect(hands, name, left()).await;
    }
    read.map_err(|error| error.to_string())
}

/// Its state and tasks alone; `None` where there is no such connector, or nothing is known of it yet.
pub(super) async fn status(
    hands: &Hands,
    name: &str,
) -> Result<Option<(ConnectorState, Vec<TaskFacts>)>, String> {
    hands.connect.status(name, LOOK).await.map_err(|error| error.to_string())
}

async fn from_connect(hands: &Hands, name: &str, deadline: Duration) -> Result<World, ConnectError> {
    let connect = &hands.connect;
    let (config, status, offsets) = tokio::join!(
        connect.config(name, deadline),
        connect.status(name, deadline),
        connect.raw_offsets(name, deadline)
    );
    let oldest = Err(resumeguard_core::domain::Why::NotReadYet);
    let Some(config) = config? else {
        return Ok(World { state: None, tasks: vec![], config: [].into(), offsets: vec![], oldest });
    };
    // Between its creation and its first word it has no state.
    let (state, tasks) = status?.unwrap_or((ConnectorState::Unassigned, Vec::new()));
    Ok(World { state: Some(state), tasks, config, offsets: offsets?, oldest })
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
