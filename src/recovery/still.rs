//! Waiting until nothing writes a connector's offset any more.

use super::Hands;
use super::actions::{Sent, Writer};
use super::away::Away;
use super::take::{done, failed};
use super::walk::{AGAIN, Turn, Walk};
use super::world::{self, LOOK};
use crate::sources::offsets::OffsetsTopic;
use resumeguard_core::domain::TaskState;
use resumeguard_core::recovery::{Attempt, Outcome, RawOffset, Step, TopicRecord};
use serde_json::{Map, Value};
use std::time::Duration;

/// Beyond a flush: a task that was told to stop has `task.shutdown.graceful.timeout.ms` (5 s), and may store once more after it.
const BEYOND: Duration = Duration::from_secs(6);
/// So many flushes may pass while something still writes.
const FLUSHES: u32 = 5;

/// Where everything stands that is stored for a connector.
pub(super) type Places = Vec<(i32, i64)>;

impl Walk<'_> {
    /// Until no task runs, and nothing new has been stored for longer than a flush takes.
    pub(super) async fn until_still(&mut self, attempt: &Attempt, turn: &Turn, hands: &Hands) -> Outcome {
        let Some(topic) = &hands.topic else { return failed(NO_TOPIC) };
        let away = Away::new(attempt, turn.phase);
        let still_for = self.executor.settings().offset_flush + BEYOND;
        let (begun, name) = (self.uptime(), &attempt.plan.connector.connector);
        self.still = None;
        let mut since: Option<(Duration, Places)> = None;
        loop {
            let says = match places(topic, hands, name).await {
                Ok(places) => match &since {
                    Some((first, before)) if *before == places => {
                        if self.uptime().saturating_sub(*first) >= still_for {
                            self.still = Some(places);
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

    /// Before the offsets topic is written to, it is known that nothing moves there: by the step before, or, where another process has taken
    /// that, once more. What comes of it where something does.
    pub(super) async fn unless_still(
        &mut self,
        attempt: &Attempt,
        (turn, first): (&Turn, bool),
        hands: &Hands,
    ) -> Option<Outcome> {
        if !attempt.is_by_topic() {
            return None;
        }
        if turn.step.partition().is_none() {
            self.still = None;
            return None;
        }
        if first && self.still.is_some() {
            return None;
        }
        let outcome = self.until_still(attempt, turn, hands).await;
        let stands = matches!(outcome, Outcome::Done { .. });
        // Of what was sent before this, something may be there.
        self.untouched = first && !stands;
        (!stands).then_some(outcome)
    }

    /// Writes the record that an offset is kept in, or a tombstone.
    pub(super) async fn alter_record(
        &self,
        attempt: &Attempt,
        partition: &Map<String, Value>,
        offset: Option<&Map<String, Value>>,
        writer: &Writer<'_>,
    ) -> Sent {
        let Some(topic) = &writer.hands.topic else { return Sent::Refused(NO_TOPIC.to_owned()) };
        let text = offset.map(|offset| offset.get("_id").and_then(Value::as_str).unwrap_or_default());
        match record(topic, attempt, partition, text).await {
            Ok(Some(record)) => {
                write_while_still(self.still.as_ref(), topic, (&record, offset.is_none()), writer).await
            }
            Ok(None) => Sent::Needless("nothing is stored under this key".to_owned()),
            Err(line) => Sent::Refused(line),
        }
    }
}

pub(super) const NO_TOPIC: &str =
    "its offsets topic is not read any more (connect.NAME.offsets_topic), so nothing is written to it";

/// Where everything stands that the connector has stored, while no task of it runs.
async fn places(topic: &OffsetsTopic, hands: &Hands, name: &str) -> Result<Places, String> {
    if let Some((state, tasks)) = world::status(hands, name).await?
        && tasks.iter().any(|task| !matches!(task.state, TaskState::Paused | TaskState::Failed))
    {
        return Err(format!("it is {}, and a task of it runs", state.code()));
    }
    topic.places(name, LOOK).await
}

/// Writes the value of a record, or a tombstone, under its key, where nothing has moved since the connector was found to stand still: that is
/// looked at last.
async fn write_while_still(
    still: Option<&Places>,
    topic: &OffsetsTopic,
    (record, tombstone): (&TopicRecord, bool),
    writer: &Writer<'_>,
) -> Sent {
    match places(topic, writer.hands, writer.name).await {
        Ok(now) if still == Some(&now) => writer.write_record(topic, record, tombstone).await,
        Ok(_) => Sent::Refused(MOVED.to_owned()),
        Err(line) => writer.give_way(line).await,
    }
}

const MOVED: &str = "something was stored for it after it had stood still: nothing is written beside that; does another connector, or another Connect cluster, store under its name?";

/// The record of a key: as it stands now, or, where it was removed, as this attempt or the one that it restores has found it.
async fn record(
    topic: &OffsetsTopic,
    attempt: &Attempt,
    partition: &Map<String, Value>,
    text: Option<&str>,
) -> Result<Option<TopicRecord>, String> {
    let stored = topic.stored(&attempt.plan.connector.connector, LOOK).await?;
    let saved = attempt.saved.iter().chain(&attempt.source).flat_map(|saved| &saved.offsets);
    meant(&stored, saved, partition, text)
}

/// The same, of what is stored and of what was saved. Two keys may be one as JSON and differ in their bytes, by which Connect looks them up:
/// nobody knows then which of them is its own.
fn meant<'a>(
    stored: &[RawOffset],
    saved: impl Iterator<Item = &'a RawOffset>,
    partition: &Map<String, Value>,
    text: Option<&str>,
) -> Result<Option<TopicRecord>, String> {
    let now = only(stored, partition)?.and_then(|now| now.record.clone());
    let Some(text) = text else { return Ok(now) };
    let mut meant = saved
        .filter(|saved| saved.partition == *partition && saved.text() == Some(text))
        .filter_map(|saved| saved.record.as_ref());
    let first = meant
        .next()
        .ok_or("the bytes of what was stored there are not known: let the connector store something first")?;
    let key = now.as_ref().map_or(&first.key, |now| &now.key);
    if *key != first.key || meant.any(|other| other.key != first.key) {
        return Err(TWO_KEYS.to_owned());
    }
    // Where the key stands now counts: partitions may have been added since.
    let partition = now.as_ref().map_or(first.partition, |now| now.partition);
    Ok(Some(TopicRecord { partition, ..first.clone() }))
}

const TWO_KEYS: &str = "two of its keys in the offsets topic differ in their bytes and not in what they say: which of them Kafka Connect looks up is not known; write a tombstone under the other one by hand";

/// The one key that says this; `None` where nothing is stored under it.
///
/// # Errors
/// Where there are two.
fn only<'a>(
    stored: &'a [RawOffset],
    partition: &Map<String, Value>,
) -> Result<Option<&'a RawOffset>, String> {
    let mut same = stored.iter().filter(|stored| stored.partition == *partition);
    match (same.next(), same.next()) {
        (found, None) => Ok(found),
        (_, Some(_)) => Err(TWO_KEYS.to_owned()),
    }
}

/// Whether a key of the plan's is told from every other by what it says.
///
/// # Errors
/// Where it is not, one line.
pub(super) fn is_unambiguous(attempt: &Attempt, offsets: &[RawOffset]) -> Result<(), String> {
    let named = attempt.plan.steps.iter().filter_map(Step::partition);
    let same = |partition: &&str| offsets.iter().filter(|offset| offset.ns() == Some(*partition)).count() > 1;
    named.into_iter().find(same).map_or(Ok(()), |_| Err(TWO_KEYS.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(key: &str, text: &str, partition: i32) -> RawOffset {
        let value = format!(r#"{{"_id":"{text}"}}"#);
        let ns: (String, Map<String, Value>) = serde_json::from_str(key).unwrap();
        let record = TopicRecord { partition, key: key.to_owned(), value: value.clone() };
        RawOffset { partition: ns.1, offset: serde_json::from_str(&value).unwrap(), record: Some(record) }
    }

    const KEY: &str = r#"["orders",{"ns":"mongodb://h/db.\u00fc"}]"#;
    const OTHERS: [&str; 3] = [
        r#"["orders",{"ns":"mongodb://h/db.ü"}]"#,
        r#"["orders", {"ns":"mongodb://h/db.\u00fc"}]"#,
        r#"["orders",{"ns":"mongodb://h/db.\u00FC"}]"#,
    ];

    #[test]
    fn a_key_is_written_under_in_its_own_bytes_and_under_none_that_only_says_the_same() {
        let own = raw(KEY, "a", 3);
        let bytes = |found: Result<Option<TopicRecord>, String>| found.unwrap().unwrap();
        let none = std::iter::empty::<&RawOffset>;
        let removed = bytes(meant(std::slice::from_ref(&own), none(), &own.partition, None));
        assert_eq!((removed.key.as_str(), removed.partition), (KEY, 3));
        assert!(meant(&[], none(), &own.partition, None).unwrap().is_none());
        // Put back where nothing is left, and where partitions were added since.
        let saved = raw(KEY, "a", 1);
        let back = bytes(meant(&[], [&saved].into_iter(), &own.partition, Some("a")));
        assert_eq!((back.key.as_str(), back.partition), (KEY, 1));
        let back = bytes(meant(std::slice::from_ref(&own), [&saved].into_iter(), &own.partition, Some("a")));
        assert_eq!((back.key.as_str(), back.partition), (KEY, 3));
        for key in OTHERS {
            let other = raw(key, "a", 2);
            assert_eq!(other.partition, own.partition, "the same as JSON");
            let both = [own.clone(), other.clone()];
            let refused = |found: Result<Option<TopicRecord>, String>| {
                assert_eq!(found.map(|found| found.is_some()), Err(TWO_KEYS.to_owned()));
            };
            refused(meant(&both, none(), &own.partition, None));
            refused(meant(&both, [&saved].into_iter(), &own.partition, Some("a")));
            // What was saved is not what stands there now, and two were saved.
            refused(meant(std::slice::from_ref(&other), [&saved].into_iter(), &own.partition, Some("a")));
            refused(meant(&[], [&saved, &other].into_iter(), &own.partition, Some("a")));
        }
        let unknown = meant(&[], none(), &own.partition, Some("a")).err().unwrap();
        assert!(unknown.contains("are not known"), "{unknown}");
    }
}
