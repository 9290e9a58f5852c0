//! Waiting until nothing writes a connector's offset any more.

use super::Hands;
use super::away::Away;
use super::take::{done, failed};
use super::walk::{AGAIN, Turn, Walk};
use super::world::{self, LOOK};
use crate::sources::offsets::OffsetsTopic;
use resumeguard_core::domain::TaskState;
use resumeguard_core::recovery::{Attempt, Outcome, TopicRecord};
use serde_json::{Map, Value};
use std::time::Duration;

/// Beyond a flush: a task that was told to stop has `task.shutdown.graceful.timeout.ms` (5 s), and may store once more after it.
const BEYOND: Duration = Duration::from_secs(6);
/// So many flushes may pass while something still writes.
const FLUSHES: u32 = 5;

impl Walk<'_> {
    /// Until no task runs, and nothing new has been stored for longer than a flush takes.
    pub(super) async fn until_still(&mut self, attempt: &Attempt, turn: &Turn, hands: &Hands) -> Outcome {
        let Some(topic) = &hands.topic else { return failed(NO_TOPIC) };
        let away = Away::new(attempt, turn.phase);
        let still_for = self.executor.settings().offset_flush + BEYOND;
        let (begun, name) = (self.uptime(), &attempt.plan.connector.connector);
        let mut since: Option<(Duration, Vec<(i32, i64)>)> = None;
        loop {
            let says = match places(topic, hands, name).await {
                Ok(places) => match &since {
                    Some((first, before)) if *before == places => {
                        if self.uptime().saturating_sub(*first) >= still_for {
                            return done(format!("no task runs, and nothing was stored for {still_for:.0?}"));
                        }
                        "it stands still, and not yet for long enough".to_owned()
                    }
                    _ => {
                        since = Some((self.uptime(), places));
                        "it has just been stored to, or is looked at for the first time".to_owned()
                    }
                },
                Err(says) => {
                    since = None;
                    says
                }
            };
            let waited = self.uptime().saturating_sub(begun);
            if waited >= still_for * FLUSHES {
                return failed(format!("it did not stand still within {:.0?}: {says}", still_for * FLUSHES));
            }
            away.tell(waited, &says);
            tokio::time::sleep(AGAIN).await;
        }
    }
}

pub(super) const NO_TOPIC: &str =
    "its offsets topic is not read any more (connect.NAME.offsets_topic), so nothing is written to it";

/// Where everything stands that the connector has stored, while no task of it runs.
async fn places(topic: &OffsetsTopic, hands: &Hands, name: &str) -> Result<Vec<(i32, i64)>, String> {
    if let Some((state, tasks)) = world::status(hands, name).await?
        && tasks.iter().any(|task| !matches!(task.state, TaskState::Paused | TaskState::Failed))
    {
        return Err(format!("it is {}, and a task of it runs", state.code()));
    }
    let found = topic.stored(name, LOOK).await?;
    Ok(found.into_iter().map(|found| found.place).collect())
}

/// The record of a key: as it stands now, or, where it was removed, as this attempt or the one that it restores has found it.
pub(super) async fn record(
    topic: &OffsetsTopic,
    attempt: &Attempt,
    partition: &Map<String, Value>,
    text: Option<&str>,
) -> Result<Option<TopicRecord>, String> {
    let name = &attempt.plan.connector.connector;
    let now = topic.stored(name, LOOK).await?.into_iter().find(|found| found.raw.partition == *partition);
    let now = now.and_then(|found| found.raw.record);
    let Some(text) = text else { return Ok(now) };
    let saved = attempt.saved.iter().chain(&attempt.source).flat_map(|saved| &saved.offsets);
    let meant = saved.filter(|saved| saved.partition == *partition).find(|saved| saved.text() == Some(text));
    let meant = meant.and_then(|saved| saved.record.clone());
    let meant = meant
        .ok_or("the bytes of what was stored there are not known: let the connector store something first")?;
    // Where the key stands now counts: partitions may have been added since.
    let partition = now.map_or(meant.partition, |now| now.partition);
    Ok(Some(TopicRecord { partition, ..meant }))
}
