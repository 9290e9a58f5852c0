//! Connect's status topic (`status.storage.topic`): it shows a task that was restarted between two passes, which the
//! REST interface does not. Optional.

use super::tail::{Fold, Record, Tail};
use crate::config::KafkaTopic;
use serde::Deserialize;
use std::collections::BTreeMap;

/// When tasks last started to run, by connector and task: milliseconds since 1970 by Kafka's clock.
pub type TaskStarts = BTreeMap<(String, u32), i64>;

/// One Connect cluster's status topic, followed.
#[derive(Debug)]
pub struct StatusTopic {
    tail: Tail<Starts>,
}

impl StatusTopic {
    /// Begins to follow it.
    #[must_use]
    pub fn follow(topic: &KafkaTopic) -> Self {
        Self { tail: Tail::follow(topic, "status.storage.topic") }
    }

    /// When tasks last started.
    ///
    /// # Errors
    /// While that is not known: one line with what to do.
    pub fn starts(&self) -> Result<TaskStarts, String> {
        let known = |starts: &Starts| {
            let known = starts.0.iter().filter_map(|(task, seen)| Some((task.clone(), seen.started?)));
            known.collect()
        };
        self.tail.read(known).map_err(|behind| behind.to_string())
    }
}

#[derive(Debug, Default)]
struct Starts(BTreeMap<(String, u32), Seen>);

/// One task's last records.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    started: Option<i64>,
    /// It goes on with the same cursor when it runs again: it was paused.
    keeps_its_cursor: bool,
}

/// The value of a record (`KafkaStatusBackingStore` in Kafka's source, schemaless JSON).
#[derive(Deserialize)]
struct Status {
    state: String,
}

impl Fold for Starts {
    fn record(&mut self, record: &Record<'_>) {
        let Record { key, value, at, .. } = *record;
        let Some(task) = std::str::from_utf8(key).ok().and_then(task_of) else { return };
        let Some(status) = value.and_then(|value| serde_json::from_slice::<Option<Status>>(value).ok()?)
        else {
            self.0.remove(&task);
            return;
        };
        let seen = self.0.entry(task).or_default();
        let runs = status.state == "RUNNING";
        // A task that runs on says so again when it is resumed, and after a rebalance.
        if runs && !seen.keeps_its_cursor {
            seen.started = at;
        }
        seen.keeps_its_cursor = runs || status.state == "PAUSED";
    }
}

/// `status-task-NAME-0`; names may hold dashes.
fn task_of(key: &str) -> Option<(String, u32)> {
    let (name, task) = key.strip_prefix("status-task-")?.rsplit_once('-')?;
    Some((name.to_owned(), task.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(starts: &mut Starts, key: &str, value: Option<&str>, at: i64) {
        let value = value.map(str::as_bytes);
        starts.record(&Record { place: (0, 0), key: key.as_bytes(), value, at: Some(at) });
    }

    fn fold(records: &[(&str, Option<&str>, i64)]) -> BTreeMap<(String, u32), Option<i64>> {
        let mut starts = Starts::default();
        for (key, value, at) in records {
            let value = value.map(|state| {
                format!(r#"{{"state":"{state}","trace":null,"worker_id":"w:1","generation":3}}"#)
            });
            record(&mut starts, key, value.as_deref(), *at);
        }
        starts.0.into_iter().map(|(task, seen)| (task, seen.started)).collect()
    }

    #[test]
    fn a_restart_is_told_from_a_pause() {
        let key = "status-task-my-orders-0";
        let task = ("my-orders".to_owned(), 0);
        let started = |records: &[(&str, i64)]| {
            let records: Vec<_> = records.iter().map(|(state, at)| (key, Some(*state), *at)).collect();
            fold(&records).get(&task).copied().flatten()
        };
        assert_eq!(started(&[("RUNNING", 1)]), Some(1));
        assert_eq!(started(&[("RUNNING", 1), ("PAUSED", 2), ("RUNNING", 3)]), Some(1), "resumed");
        assert_eq!(started(&[("RUNNING", 1), ("RUNNING", 3)]), Some(1), "said again");
        assert_eq!(started(&[("RUNNING", 1), ("UNASSIGNED", 2), ("RUNNING", 3)]), Some(3));
        assert_eq!(started(&[("RUNNING", 1), ("FAILED", 2)]), Some(1));
        assert_eq!(started(&[("RUNNING", 1), ("RESTARTING", 2), ("RUNNING", 3)]), Some(3));
        assert_eq!(started(&[("UNASSIGNED", 2)]), None);
    }

    #[test]
    fn a_tombstone_forgets_and_foreign_keys_are_left_out() {
        let key = "status-task-a-0";
        assert!(fold(&[(key, Some("RUNNING"), 1), (key, None, 2)]).is_empty());
        let others = ["status-connector-a", "status-topic-t:connector-a", "status-task-a", "x"];
        let records: Vec<_> = others.iter().map(|key| (*key, Some("RUNNING"), 1)).collect();
        assert!(fold(&records).is_empty());
        let mut starts = Starts::default();
        record(&mut starts, key, Some("null"), 1);
        record(&mut starts, key, Some("{garbage"), 1);
        assert!(starts.0.is_empty());
    }
}
