//! The documented cure for all connectors of a Connect cluster at once: its offsets topic is deleted while no worker lives, and made anew by
//! the workers that are started then. A person does it, guided by a command; what is stored is kept in a file before.

mod backup;
mod group;
mod settings;
mod steps;
mod write;

pub use backup::{Backup, Head, before_restore};
pub use settings::{lacking, was_cleaned_by};
pub use steps::{Line, Steps};

use super::failpoint::{self, AFTER_EFFECT};
use crate::clock::Clock;
use crate::config::{ConnectCluster, KafkaTopic};
use crate::sources::connect::{Client, ConnectError};
use crate::sources::kafka::{Ends, ends, read_settled, read_whole, settled_ends};
use backup::{Kept, Writing, connectors, keep, stored};
use group::{Before, Group, objection};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::KafkaError;
use rdkafka::producer::{FutureProducer, Producer as _};
use rdkafka::types::RDKafkaErrorCode;
use settings::made_with;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
pub(super) use write::{OLDER, cause};
use write::{differing, right, send};

/// How long brokers may take for one answer.
const ANSWERS: Duration = Duration::from_secs(15);
/// How long a topic may take to vanish, or to appear.
const SETTLES: Duration = Duration::from_secs(90);
const AGAIN: Duration = Duration::from_millis(500);
/// Looks in a row in which a topic must not be there.
const GONE: u32 = 4;
/// Records that are under way at once.
const AT_ONCE: usize = 500;

/// How the workers stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Their group has no member, and nobody answers.
    Down,
    /// At least one lives.
    Up(String),
    /// It cannot be told.
    Unknown(String),
    /// The group that was named is none of workers: no waiting helps.
    Another(String),
}

/// One Connect cluster's offsets topic, and whoever uses it.
#[derive(Debug)]
pub struct WholeTopic {
    connect: Client,
    url: String,
    topic: KafkaTopic,
    group: String,
    /// That group was shown once, with members or without: to this, or to whoever began what this goes on with.
    seen: AtomicBool,
    /// The topic holds a part of what is written back.
    half_written: bool,
    clock: Clock,
}

impl WholeTopic {
    /// The workers' topic of a cluster, whose workers have this `group.id`.
    ///
    /// # Errors
    /// Where no topic is configured, one line.
    pub fn of(cluster: &ConnectCluster, group: &str, clock: Clock) -> Result<Self, String> {
        let topic = cluster.offsets.topic.clone();
        let topic = topic.ok_or_else(|| {
            format!("set connect.{}.offsets_topic, and how its brokers are reached", cluster.name)
        })?;
        let connect = Client::new(cluster).map_err(|error| error.to_string())?;
        let url = connect.base().to_string();
        let (group, seen) = (group.to_owned(), AtomicBool::new(false));
        Ok(Self { connect, url, topic, group, seen, half_written: false, clock })
    }

    /// Goes on with what was begun: a group that was seen then may have been forgotten since.
    #[must_use]
    pub fn going_on(self, steps: &Steps) -> Self {
        let seen = AtomicBool::new(steps.saw(&self.group));
        Self { seen, half_written: steps.is_amid_restore(), ..self }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.topic.topic
    }

    /// How the workers stand. A group that Kafka does not show tells nothing by itself, since it shows none to who may not see it: it
    /// counts only where it was shown before, to this very value, or amid the change that this goes on with.
    pub async fn standing(&self) -> Standing {
        let shown = match self.shown().await {
            Err(line) => return Standing::Unknown(line),
            Ok(shown) => shown,
        };
        let objection = objection(&self.group, shown.as_ref(), self.before());
        // One that is shown without members has had some, and is forgotten at any moment.
        if shown.is_some() && matches!(objection, None | Some(Standing::Up(_))) {
            self.seen.store(true, Ordering::SeqCst);
        }
        if let Some(standing) = objection {
            return standing;
        }
        match self.connect.version(ANSWERS).await {
            Ok(_) => Standing::Up(format!("Kafka Connect answers at {}", self.url)),
            Err(ConnectError::Unreachable { .. }) => Standing::Down,
            // Somebody who stands before the workers, and has none.
            Err(
                ConnectError::Status { status: 502..=504, .. }
                | ConnectError::NotJson { status: 502..=504, .. },
            ) => Standing::Down,
            Err(ConnectError::TimedOut { .. }) => {
                Standing::Unknown(format!("{} neither answers nor refuses", self.url))
            }
            Err(error) => Standing::Up(format!("something answers at {}: {error}", self.url)),
        }
    }

    /// Whether the group was shown: see [`Self::standing`].
    #[must_use]
    pub fn has_seen_group(&self) -> bool {
        self.seen.load(Ordering::SeqCst)
    }

    fn before(&self) -> Before {
        match (self.has_seen_group(), self.half_written) {
            (true, _) => Before::Shown,
            (false, true) => Before::HalfWritten,
            (false, false) => Before::Nothing,
        }
    }

    /// The group; `None` where Kafka shows no such group.
    async fn shown(&self) -> Result<Option<Group>, String> {
        let (admin, group) = (self.admin()?, self.group.clone());
        let listing = tokio::task::spawn_blocking(move || {
            let listed = admin.inner().fetch_group_list(Some(&group), ANSWERS)?;
            let of_it = listed.groups().iter().find(|listed| listed.name() == group);
            Ok::<Option<Group>, KafkaError>(of_it.map(Group::of))
        });
        let listed = listing.await.map_err(|error| error.to_string())?;
        listed
            .map_err(|error| self.words("the group could not be looked at", "Describe on the group", &error))
    }

    /// Where it begins and ends; `None` where there is no such topic.
    ///
    /// # Errors
    /// One line with what to do.
    pub async fn ends(&self) -> Result<Option<Ends>, String> {
        let topic = self.topic.clone();
        tokio::task::spawn_blocking(move || ends(&topic)).await.map_err(|error| error.to_string())?
    }

    /// Names of the connectors that have something stored in it now.
    ///
    /// # Errors
    /// One line with what to do.
    pub async fn connectors(&self) -> Result<BTreeSet<String>, String> {
        // With exactly-once delivery, living workers always have one open for a moment: it is not waited for here.
        Ok(connectors(&self.kept(false).await?))
    }

    /// What is stored; `settled` waits until no transaction is open.
    async fn kept(&self, settled: bool) -> Result<Kept, String> {
        let topic = self.topic.clone();
        let reading = move || {
            let mut kept = Kept::new();
            let each = |record| {
                keep(&mut kept, record);
                Ok(())
            };
            if settled { read_settled(&topic, each) } else { read_whole(&topic, each) }?;
            Ok(stored(kept))
        };
        tokio::task::spawn_blocking(reading).await.map_err(|error| error.to_string())?
    }

    /// How many copies of a partition there are.
    ///
    /// # Errors
    /// One line with what to do.
    pub async fn replication(&self) -> Result<i32, String> {
        let (admin, name) = (self.admin()?, self.name().to_owned());
        let asking = move || {
            let metadata = admin.inner().fetch_metadata(Some(&name), ANSWERS)?;
            let partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
            Ok::<usize, KafkaError>(partitions.map(|partition| partition.replicas().len()).min().unwrap_or(1))
        };
        let found = tokio::task::spawn_blocking(asking).await.map_err(|error| error.to_string())?;
        let found = found.map_err(|error| {
            self.words("the topic could not be described", "Describe on the topic", &error)
        })?;
        Ok(i32::try_from(found.max(1)).unwrap_or(1))
    }

    /// Writes everything that is in it to a file, which is there when this returns, or is not. Waits until no transaction is open in it.
    ///
    /// # Errors
    /// One line with what to do.
    pub async fn back_up(&self, path: &Path, head: Head) -> Result<u64, String> {
        let (topic, path): (KafkaTopic, PathBuf) = (self.topic.clone(), path.to_owned());
        let writing = move || {
            let mut writing = Writing::begin(&path, &head)?;
            let ends = read_settled(&topic, |record| writing.record(&record))?;
            writing.end(&ends)
        };
        tokio::task::spawn_blocking(writing).await.map_err(|error| error.to_string())?
    }

    /// Whether the topic is the one that was backed up, and nothing was written to it since: neither is anything in a transaction that is open.
    /// What it holds is read, since another that is young, or quiet, may end where this ended.
    ///
    /// # Errors
    /// Where there is none any more, or it cannot be read, one line.
    pub async fn is_as_backed_up(&self, backup: &Backup) -> Result<bool, String> {
        let kept = self.kept(true).await?;
        let topic = self.topic.clone();
        let now = tokio::task::spawn_blocking(move || settled_ends(&topic)).await;
        let now = now.map_err(|error| error.to_string())??;
        let now = now.ok_or_else(|| format!("there is no topic `{}` any more", self.name()))?;
        Ok(is_same(backup, &now, &kept))
    }

    /// Whether it is another than the one that was backed up, which is gone then: offsets go back in no topic that lives on.
    pub async fn was_made_anew(&self, backup: &Backup) -> bool {
        self.ends().await.is_ok_and(|now| now.is_some_and(|now| has_gone_back(&backup.ends, &now)))
    }

    /// Deletes it, and waits until it is gone.
    ///
    /// # Errors
    /// One line with what to do.
    pub async fn delete(&self) -> Result<(), String> {
        let admin = self.admin()?;
        let options = AdminOptions::new().operation_timeout(Some(ANSWERS)).request_timeout(Some(ANSWERS));
        let deleted = admin.delete_topics(&[self.name()], &options).await;
        let deleted =
            deleted.map_err(|error| self.words("it could not be deleted", "Delete on the topic", &error))?;
        for outcome in deleted {
            match outcome {
                Ok(_) | Err((_, RDKafkaErrorCode::UnknownTopicOrPartition)) => {}
                Err((_, code)) => {
                    return Err(coded(self.name(), "it could not be deleted", "Delete on the topic", code));
                }
            }
        }
        let begun = self.clock.uptime();
        let mut gone = 0;
        while gone < GONE {
            gone = if self.ends().await?.is_none() { gone + 1 } else { 0 };
            if self.clock.uptime().saturating_sub(begun) > SETTLES {
                return Err("it was accepted, and the topic is still there: does somebody make it anew (auto.create.topics.enable)?".to_owned());
            }
            tokio::time::sleep(AGAIN).await;
        }
        Ok(())
    }

    /// Writes a backup back: what is stored under its keys, and nothing under any other. The topic is made where there is none. Returns
    /// how many records were written. `may` is asked right before the topic is made and before some of the records are written.
    ///
    /// # Errors
    /// One line with what to do, or what `may` says; it can be done again.
    pub async fn write_back(
        &self,
        backup: &Backup,
        may: impl AsyncFn() -> Result<(), String>,
    ) -> Result<usize, String> {
        let now = match self.ends().await? {
            Some(ends) => ends,
            None => {
                may().await?;
                let made = self.create(backup).await?;
                failpoint::passed("create", AFTER_EFFECT);
                made
            }
        };
        if now.len() != backup.ends.len() {
            return Err(format!(
                "the topic has {} partitions, and had {}: Kafka Connect would look for a key in another one; delete it first",
                now.len(),
                backup.ends.len()
            ));
        }
        let records = differing(&backup.kept, &self.kept(true).await?);
        let producer = self.producer()?;
        for (written, some) in records.chunks(AT_ONCE).enumerate() {
            may().await.map_err(|line| {
                format!(
                    "{line}; {} of {} records were written, the rest was not",
                    written * AT_ONCE,
                    records.len()
                )
            })?;
            let sending = some.iter().map(|record| send(&producer, self.name(), record));
            let sent = futures_util::future::join_all(sending).await;
            let errors: Vec<KafkaError> = sent.into_iter().filter_map(Result::err).collect();
            if let Some(code) = cause(&errors, producer.client().fatal_error().map(|(code, _)| code)) {
                return Err(coded(self.name(), "a record could not be written", &right(), code));
            }
            failpoint::passed("write", AFTER_EFFECT);
        }
        let left = differing(&backup.kept, &self.kept(true).await?);
        if left.is_empty() {
            Ok(records.len())
        } else {
            Err(format!("{} keys hold something else than what was written: does a worker live?", left.len()))
        }
    }

    async fn create(&self, backup: &Backup) -> Result<Ends, String> {
        let (admin, partitions) = (self.admin()?, i32::try_from(backup.ends.len()).unwrap_or(1));
        let options = AdminOptions::new().operation_timeout(Some(ANSWERS));
        let mut settings = made_with(backup.head.settings.as_ref());
        loop {
            let new =
                NewTopic::new(self.name(), partitions, TopicReplication::Fixed(backup.head.replication));
            let new = settings.iter().fold(new, |new, (key, value)| new.set(key, value));
            let made = admin.create_topics([&new], &options).await;
            let made =
                made.map_err(|error| self.words("it could not be made", "Create on the topic", &error))?;
            match made.into_iter().next() {
                // One that these brokers do not know keeps none from being made; what differs is said at the end.
                Some(Err((_, RDKafkaErrorCode::InvalidConfig))) if settings.len() > 1 => {
                    settings = made_with(None)
                }
                Some(Err((_, code))) => {
                    return Err(coded(self.name(), "it could not be made", "Create on the topic", code));
                }
                Some(Ok(_)) | None => break,
            }
        }
        let begun = self.clock.uptime();
        loop {
            if let Ok(Some(ends)) = self.ends().await
                && ends.len() == backup.ends.len()
            {
                return Ok(ends);
            }
            if self.clock.uptime().saturating_sub(begun) > SETTLES {
                return Err("the topic was made, and cannot be seen".to_owned());
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    fn admin(&self) -> Result<AdminClient<DefaultClientContext>, String> {
        let mut client = self.topic.kafka.client();
        client.set("allow.auto.create.topics", "false");
        client
            .create()
            .map_err(|_| "no client of Kafka could be made; see the offsets_topic source".to_owned())
    }

    fn producer(&self) -> Result<FutureProducer, String> {
        let mut client = self.topic.kafka.client();
        let within = (ANSWERS * 2).as_millis().to_string();
        client.set("enable.idempotence", "true").set("acks", "all").set("message.timeout.ms", within);
        client.set("allow.auto.create.topics", "false");
        client
            .create()
            .map_err(|_| "no client of Kafka could be made; see the offsets_topic source".to_owned())
    }

    fn words(&self, what: &str, right: &str, error: &KafkaError) -> String {
        match error.rdkafka_error_code() {
            Some(code) => coded(self.name(), what, right, code),
            // Its own words would show values of the configuration.
            None => format!("`{}`: {what}", self.name()),
        }
    }
}

fn coded(name: &str, what: &str, right: &str, code: RDKafkaErrorCode) -> String {
    let refused = code == RDKafkaErrorCode::TopicAuthorizationFailed
        // What an idempotent producer is answered that may write to no topic at all, or before Kafka 3.0 not idempotently.
        || code == RDKafkaErrorCode::ClusterAuthorizationFailed
        || code == RDKafkaErrorCode::GroupAuthorizationFailed;
    if refused { format!("`{name}`: {what}: grant {right}") } else { format!("`{name}`: {what}: {code:?}") }
}

/// One of its partitions ends before it did, or is none any more.
fn has_gone_back(then: &Ends, now: &Ends) -> bool {
    then.iter().any(|(id, (_, end))| now.get(id).is_none_or(|(_, now)| now < end))
}

/// It ends where it ended, and every key's last record is the same in its place, with its time. Where a topic begins is altered by compaction.
fn is_same(backup: &Backup, ends: &Ends, kept: &Kept) -> bool {
    let end = |ends: &Ends| -> Vec<(i32, i64)> { ends.iter().map(|(id, (_, end))| (*id, *end)).collect() };
    end(&backup.ends) == end(ends) && backup.kept == *kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::kafka::WholeRecord;

    #[test]
    fn a_topic_that_ends_where_another_did_is_not_that() {
        let record = |offset, at| WholeRecord {
            partition: 0,
            offset,
            at: Some(at),
            key: Some(b"k".to_vec()),
            value: Some(b"v".to_vec()),
            headers: Vec::new(),
        };
        let kept = |record: WholeRecord| Kept::from([(b"k".to_vec(), record)]);
        let ends = Ends::from([(0, (0, 5)), (1, (0, 0))]);
        let head = Head::new("main", "t", 1, 7, "uid 0", "it");
        let backup = Backup { head, ends: ends.clone(), records: 5, kept: kept(record(4, 100)) };
        assert!(is_same(&backup, &ends, &kept(record(4, 100))));
        let compacted = Ends::from([(0, (4, 5)), (1, (0, 0))]);
        assert!(is_same(&backup, &compacted, &kept(record(4, 100))));
        // Made anew: the same key and value, of another moment or in another place, or nothing yet.
        assert!(!is_same(&backup, &ends, &kept(record(4, 101))));
        assert!(!is_same(&backup, &ends, &kept(record(3, 100))));
        assert!(!is_same(&backup, &ends, &Kept::new()));
        // Gone on.
        for others in [Ends::from([(0, (0, 6)), (1, (0, 0))]), Ends::from([(0, (0, 5))])] {
            assert!(!is_same(&backup, &others, &kept(record(4, 100))));
        }
    }

    #[test]
    fn a_topic_that_ends_before_it_did_is_another() {
        let then = Ends::from([(0, (0, 5)), (1, (2, 7))]);
        assert!(!has_gone_back(&then, &then));
        // Compaction, more records, more partitions.
        assert!(!has_gone_back(&then, &Ends::from([(0, (5, 5)), (1, (2, 9)), (2, (0, 0))])));
        assert!(has_gone_back(&then, &Ends::from([(0, (0, 4)), (1, (2, 9))])));
        assert!(has_gone_back(&then, &Ends::from([(0, (0, 5))])));
    }
}
