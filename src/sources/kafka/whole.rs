//! A topic read once from its beginning to where it ends, record by record: for a backup of it.

use super::follow::{offsets, partitions, reader, reader_of};
use super::listener::Listener;
use super::words::{Where, is_transient, words};
use crate::config::KafkaTopic;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers, Message};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const POLL: Duration = Duration::from_millis(200);
/// So many looks in a row may tell nothing at all: a minute.
const SILENT: u32 = 300;
/// Between two looks at whether a transaction is still open.
const AGAIN: Duration = Duration::from_secs(1);
/// So many looks it may stay open. A dead worker's is ended by the brokers: after `transaction.timeout.ms`, a minute by default, for which
/// they look every ten seconds.
const OPEN: u32 = 90;

/// One record, with everything that can be written again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WholeRecord {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    /// Milliseconds since 1970.
    pub(crate) at: Option<i64>,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
}

/// Where each partition began and ended when it was read.
pub(crate) type Ends = BTreeMap<i32, (i64, i64)>;

/// Where the partitions of a topic begin and end now; `None` where there is no such topic. Blocks.
///
/// # Errors
/// One line with what to do.
pub(crate) fn ends(topic: &KafkaTopic) -> Result<Option<Ends>, String> {
    let listener = Listener::default();
    let said =
        |error: &KafkaError| words(topic, "offset.storage.topic", Where::Describe, error, listener.said());
    let consumer = reader(topic, &listener).map_err(|error| said(&error))?;
    match ends_by(&consumer, topic) {
        Ok(ends) => Ok(Some(ends)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(said(&error)),
    }
}

fn is_absent(error: &KafkaError) -> bool {
    let absent = [RDKafkaErrorCode::UnknownTopic, RDKafkaErrorCode::UnknownTopicOrPartition];
    error.rdkafka_error_code().is_some_and(|code| absent.contains(&code))
}

fn ends_by(consumer: &BaseConsumer<Listener>, topic: &KafkaTopic) -> Result<Ends, KafkaError> {
    let ids = partitions(consumer, &topic.topic)?;
    let begins = offsets(consumer, &topic.topic, &ids, Offset::Beginning)?;
    let ends = offsets(consumer, &topic.topic, &ids, Offset::End)?;
    Ok(begins.into_iter().map(|(id, begin)| (id, (begin, ends.get(&id).copied().unwrap_or(begin)))).collect())
}

/// The same once no transaction is open in it: before, the end is only where the first open one begins, and what is committed later would
/// come as a surprise. Blocks.
///
/// # Errors
/// One line with what to do; also where one stays open.
pub(crate) fn settled_ends(topic: &KafkaTopic) -> Result<Option<Ends>, String> {
    let listener = Listener::default();
    let said =
        |error: &KafkaError| words(topic, "offset.storage.topic", Where::Describe, error, listener.said());
    let stable = reader(topic, &listener).map_err(|error| said(&error))?;
    let high = reader_of(topic, &listener, "read_uncommitted").map_err(|error| said(&error))?;
    let mut open = Vec::new();
    for _ in 0..OPEN {
        // In this order: where what is written ends where what is stable ended before, nothing lies between.
        let looked = ends_by(&stable, topic).and_then(|ends| Ok((ends, ends_by(&high, topic)?)));
        match looked {
            Ok((stable, high)) => {
                open = unlike(&stable, &high);
                if open.is_empty() {
                    return Ok(Some(stable));
                }
            }
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(said(&error)),
        }
        std::thread::sleep(AGAIN);
    }
    Err(format!(
        "a transaction stays open in the partitions {open:?} of the topic `{}`, so what it holds is not known: wait until the brokers have ended it (transaction.timeout.ms of the worker that began it), or end it with kafka-transactions.sh abort",
        topic.topic
    ))
}

/// Partitions whose end is another.
fn unlike(stable: &Ends, high: &Ends) -> Vec<i32> {
    let ids: BTreeSet<i32> = stable.keys().chain(high.keys()).copied().collect();
    let end = |of: &Ends, id: &i32| of.get(id).map(|(_, end)| *end);
    ids.into_iter().filter(|id| end(stable, id) != end(high, id)).collect()
}

/// Reads all of a topic, as far as it goes when this is called; up to the first transaction that is open. Blocks.
///
/// # Errors
/// One line with what to do, or what `each` says.
pub(crate) fn read_whole(
    topic: &KafkaTopic,
    each: impl FnMut(WholeRecord) -> Result<(), String>,
) -> Result<Ends, String> {
    read(topic, None, each)
}

/// The same once no transaction is open in it: then nothing is missing. Blocks.
///
/// # Errors
/// One line with what to do, or what `each` says.
pub(crate) fn read_settled(
    topic: &KafkaTopic,
    each: impl FnMut(WholeRecord) -> Result<(), String>,
) -> Result<Ends, String> {
    let ends = settled_ends(topic)?.ok_or_else(|| format!("there is no topic `{}` any more", topic.topic))?;
    read(topic, Some(ends), each)
}

fn read(
    topic: &KafkaTopic,
    ends: Option<Ends>,
    mut each: impl FnMut(WholeRecord) -> Result<(), String>,
) -> Result<Ends, String> {
    let listener = Listener::default();
    let said =
        |at: Where, error: &KafkaError| words(topic, "offset.storage.topic", at, error, listener.said());
    let describe = |error: KafkaError| said(Where::Describe, &error);
    let consumer = reader(topic, &listener).map_err(describe)?;
    let ends = ends.map_or_else(|| ends_by(&consumer, topic), Ok).map_err(describe)?;
    let mut assigned = TopicPartitionList::new();
    for (id, (begin, _)) in &ends {
        assigned.add_partition_offset(&topic.topic, *id, Offset::Offset(*begin)).map_err(describe)?;
    }
    consumer.assign(&assigned).map_err(describe)?;
    let mut next: BTreeMap<i32, i64> = ends.iter().map(|(id, (begin, _))| (*id, *begin)).collect();
    let mut silent = 0;
    while next.iter().any(|(id, next)| *next < ends[id].1) {
        match consumer.poll(POLL) {
            Some(Ok(record)) => {
                silent = 0;
                let at = record.partition();
                // What came after the beginning of this is not of this.
                if record.offset() < ends.get(&at).map_or(i64::MAX, |ends| ends.1) {
                    each(whole(&record))?;
                }
                next.insert(at, record.offset() + 1);
            }
            Some(Err(error)) if !is_transient(&error) && !is_group_right(&error) => {
                return Err(said(Where::Read, &error));
            }
            // The markers of transactions are no records, yet they have offsets.
            Some(Err(_)) | None => {
                silent += 1;
                pass_markers(&consumer, &mut next);
            }
        }
        if silent > SILENT {
            return Err(format!(
                "the topic `{}` could not be read to its end: the brokers tell nothing more",
                topic.topic
            ));
        }
    }
    Ok(ends)
}

/// Nothing joins the group and nothing is committed: no right to it is needed.
fn is_group_right(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::GroupAuthorizationFailed)
}

fn pass_markers(consumer: &BaseConsumer<Listener>, next: &mut BTreeMap<i32, i64>) {
    let Ok(positions) = consumer.position() else { return };
    for element in positions.elements() {
        if let (Offset::Offset(position), Some(next)) = (element.offset(), next.get_mut(&element.partition()))
        {
            *next = position.max(*next);
        }
    }
}

fn whole(record: &rdkafka::message::BorrowedMessage<'_>) -> WholeRecord {
    let headers = record.headers().into_iter().flat_map(|headers| headers.iter());
    WholeRecord {
        partition: record.partition(),
        offset: record.offset(),
        at: record.timestamp().to_millis(),
        key: record.key().map(<[u8]>::to_vec),
        value: record.payload().map(<[u8]>::to_vec),
        headers: headers.map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_open_where_more_is_written_than_is_stable() {
        let stable = Ends::from([(0, (0, 5)), (1, (2, 7)), (2, (0, 0))]);
        assert!(unlike(&stable, &stable).is_empty());
        // Where it begins tells nothing: compaction goes on.
        assert!(unlike(&stable, &Ends::from([(0, (3, 5)), (1, (2, 7)), (2, (0, 0))])).is_empty());
        assert_eq!(unlike(&stable, &Ends::from([(0, (0, 5)), (1, (2, 8)), (3, (0, 0))])), [1, 2, 3]);
    }
}
