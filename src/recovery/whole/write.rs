//! Records that are written back.

use super::backup::Kept;
use crate::sources::kafka::WholeRecord;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::types::RDKafkaErrorCode;

/// What an idempotent producer needs besides `Write`. Whoever lacks it gets the same code as whoever may write to no topic at all
/// (`KafkaApis.handleInitProducerIdRequest`).
pub(in crate::recovery) const OLDER: &str = "before Kafka 3.0 IdempotentWrite on the cluster as well";

/// The right without which none is written back.
pub(super) fn right() -> String {
    format!("Write on the topic ({OLDER})")
}

/// Why records were not written. Behind one that is refused, an idempotent producer gives up all others, and says of them only that.
pub(in crate::recovery) fn cause(
    errors: &[KafkaError],
    fatal: Option<RDKafkaErrorCode>,
) -> Option<RDKafkaErrorCode> {
    let codes = || errors.iter().map(|error| error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail));
    let given_up = |code: &RDKafkaErrorCode| {
        matches!(
            code,
            RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight | RDKafkaErrorCode::Fatal
        )
    };
    codes().find(|code| !given_up(code)).or_else(|| codes().next().map(|code| fatal.unwrap_or(code)))
}

/// What has to be written so that one becomes the other: values, and tombstones for what is stored besides.
pub(super) fn differing(wanted: &Kept, now: &Kept) -> Vec<WholeRecord> {
    let same = |key: &Vec<u8>, record: &WholeRecord| {
        now.get(key).is_some_and(|there| there.value == record.value && there.partition == record.partition)
    };
    let values = wanted.iter().filter(|(key, record)| !same(key, record)).map(|(_, record)| record.clone());
    let elsewhere = |key: &Vec<u8>, there: &WholeRecord| {
        wanted.get(key).is_none_or(|record| record.partition != there.partition)
    };
    let removed = now.iter().filter(|(key, there)| elsewhere(key, there)).map(|(_, there)| WholeRecord {
        value: None,
        headers: Vec::new(),
        at: None,
        ..there.clone()
    });
    removed.chain(values).collect()
}

pub(super) async fn send(
    producer: &FutureProducer,
    topic: &str,
    record: &WholeRecord,
) -> Result<(), KafkaError> {
    let mut written = FutureRecord::<[u8], [u8]>::to(topic).partition(record.partition);
    if let Some(key) = &record.key {
        written = written.key(key);
    }
    if let Some(value) = &record.value {
        written = written.payload(value);
    }
    if !record.headers.is_empty() {
        let headers = record.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header { key, value: value.as_ref() })
        });
        written = written.headers(headers);
    }
    producer.send(written, super::ANSWERS).await.map(drop).map_err(|(error, _)| error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_that_was_refused_is_the_cause_and_none_that_was_given_up_behind_it() {
        use RDKafkaErrorCode::{Fatal, MessageTimedOut, PurgeQueue, TopicAuthorizationFailed};
        let errors = |codes: &[RDKafkaErrorCode]| -> Vec<KafkaError> {
            codes.iter().map(|code| KafkaError::MessageProduction(*code)).collect()
        };
        let refused = Some(TopicAuthorizationFailed);
        assert_eq!(cause(&errors(&[PurgeQueue, TopicAuthorizationFailed, PurgeQueue]), None), refused);
        assert_eq!(cause(&errors(&[PurgeQueue, Fatal]), refused), refused);
        assert_eq!(cause(&errors(&[PurgeQueue]), None), Some(PurgeQueue));
        assert_eq!(cause(&errors(&[MessageTimedOut]), refused), Some(MessageTimedOut));
        assert_eq!(cause(&[], refused), None);
    }

    #[test]
    fn a_producer_that_is_refused_is_told_of_the_right_that_older_brokers_want_as_well() {
        use RDKafkaErrorCode::{ClusterAuthorizationFailed, TopicAuthorizationFailed};
        for code in [TopicAuthorizationFailed, ClusterAuthorizationFailed] {
            let line = super::super::coded("offs", "a record could not be written", &right(), code);
            assert!(line.contains("grant Write on the topic (before Kafka 3.0 IdempotentWrite"), "{line}");
        }
    }

    #[test]
    fn what_is_written_back_is_what_differs() {
        let record = |key: &str, value: &str, partition| {
            let bytes = |text: &str| Some(text.as_bytes().to_vec());
            WholeRecord {
                partition,
                offset: 0,
                at: Some(1),
                key: bytes(key),
                value: bytes(value),
                headers: vec![],
            }
        };
        let kept = |records: &[WholeRecord]| {
            records.iter().map(|record| (record.key.clone().unwrap(), record.clone())).collect::<Kept>()
        };
        let wanted = kept(&[
            record("same", "1", 0),
            record("other", "2", 0),
            record("moved", "3", 1),
            record("gone", "4", 0),
        ]);
        let now = kept(&[
            record("same", "1", 0),
            record("other", "x", 0),
            record("moved", "3", 2),
            record("new", "5", 3),
        ]);
        let mut written: Vec<(String, Option<String>, i32)> = differing(&wanted, &now)
            .into_iter()
            .map(|record| {
                let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
                (text(record.key.unwrap()), record.value.map(text), record.partition)
            })
            .collect();
        written.sort();
        let expected = [
            ("gone", Some("4"), 0),
            ("moved", None, 2),
            ("moved", Some("3"), 1),
            ("new", None, 3),
            ("other", Some("2"), 0),
        ];
        let expected = expected.map(|(key, value, at)| (key.to_owned(), value.map(str::to_owned), at));
        assert_eq!(written, expected);
        assert!(differing(&wanted, &wanted).is_empty());
    }
}
