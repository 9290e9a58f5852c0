//! The part of `actions` that writes to the topic in which Kafka Connect keeps offsets: one record, under the very bytes of a key and
//! into the partition in which it was found. Whoever alters that topic has to know that nobody else does at the moment.

use super::actions::{Sent, Writer};
use super::whole::{OLDER, cause};
use crate::config::KafkaTopic;
use crate::sources::offsets::OffsetsTopic;
use rdkafka::error::KafkaError;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use rdkafka::types::RDKafkaErrorCode;
use resumeguard_core::recovery::TopicRecord;
use std::time::Duration;

/// How long the brokers may take to have a record on all their disks.
const WRITES: Duration = Duration::from_secs(30);
/// The same where they are only asked whether they would.
const ASKED: Duration = Duration::from_secs(15);
/// Files of secrets are small and near.
const FILES: Duration = Duration::from_millis(500);

impl Writer<'_> {
    /// Writes the value of this record, or a tombstone, under its key.
    pub(super) async fn write_record(
        &self,
        topic: &OffsetsTopic,
        record: &TopicRecord,
        tombstone: bool,
    ) -> Sent {
        let topic = &fresh(topic).await;
        let producer = match producer(topic, WRITES) {
            Ok(producer) => producer,
            Err(error) => return Sent::Refused(words(topic, &error)),
        };
        let mut written =
            FutureRecord::<str, str>::to(&topic.topic).partition(record.partition).key(&record.key);
        if !tombstone {
            written = written.payload(&record.value);
        }
        let Some(sending) = self.unless_frozen(|| producer.send(written, WRITES)) else { return Sent::Held };
        match sending.await {
            Ok(_) => Sent::Accepted,
            Err((error, _)) => {
                let error = cause_of(error, &producer);
                let line = words(topic, &error);
                if is_refusal(&error) { Sent::Refused(line) } else { Sent::Uncertain(line) }
            }
        }
    }
}

/// Whether a record would be written to the topic. A compacted one refuses a record without a key, once it has seen that whoever sends it
/// may write at all: nothing is written by asking.
///
/// # Errors
/// Why it would not, one line.
pub(super) async fn rehearse(topic: &OffsetsTopic) -> Result<(), String> {
    let topic = &fresh(topic).await;
    let producer = producer(topic, ASKED).map_err(|error| words(topic, &error))?;
    let asks =
        FutureRecord::<str, str>::to(&topic.topic).payload("resumeguard asks whether it may write here");
    match producer.send(asks, ASKED).await {
        Err((error, _)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::InvalidRecord) => Ok(()),
        Err((error, _)) => Err(words(topic, &cause_of(error, &producer))),
        Ok(_) => Err(format!(
            "the topic `{}` is not compacted, which Kafka Connect needs: cleanup.policy=compact on it; a record without a key was let in, which Connect leaves out, and nothing else was done",
            topic.topic
        )),
    }
}

/// Where the producer has given up, and its word on the record is only that: what has made it do so.
fn cause_of(error: KafkaError, producer: &FutureProducer) -> KafkaError {
    // What was under way may have arrived.
    if error.rdkafka_error_code() == Some(RDKafkaErrorCode::PurgeInflight) {
        return error;
    }
    let fatal = producer.client().fatal_error().map(|(code, _)| code);
    cause(std::slice::from_ref(&error), fatal).map_or(error, KafkaError::MessageProduction)
}

/// With the credentials of this moment, as far as their files can be read in time.
async fn fresh(topic: &OffsetsTopic) -> KafkaTopic {
    let known = topic.topic().clone();
    let again = known.clone();
    let reading = tokio::task::spawn_blocking(move || KafkaTopic { kafka: again.kafka.refreshed(), ..again });
    tokio::time::timeout(FILES, reading).await.ok().and_then(Result::ok).unwrap_or(known)
}

/// Idempotent, and with an answer of all brokers that have a copy.
fn producer(topic: &KafkaTopic, within: Duration) -> Result<FutureProducer, KafkaError> {
    let mut client = topic.kafka.client();
    client
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("message.timeout.ms", within.as_millis().to_string())
        .set("linger.ms", "0")
        .set("allow.auto.create.topics", "false");
    client.create()
}

/// Nothing was written, and nothing of it is under way.
fn is_refusal(error: &KafkaError) -> bool {
    const REFUSALS: [RDKafkaErrorCode; 8] = [
        RDKafkaErrorCode::TopicAuthorizationFailed,
        RDKafkaErrorCode::ClusterAuthorizationFailed,
        RDKafkaErrorCode::SaslAuthenticationFailed,
        RDKafkaErrorCode::UnknownTopicOrPartition,
        RDKafkaErrorCode::UnknownTopic,
        RDKafkaErrorCode::UnknownPartition,
        RDKafkaErrorCode::InvalidRecord,
        RDKafkaErrorCode::MessageSizeTooLarge,
    ];
    error.rdkafka_error_code().is_some_and(|code| REFUSALS.contains(&code))
}

fn words(topic: &KafkaTopic, error: &KafkaError) -> String {
    let name = &topic.topic;
    let Some(code) = error.rdkafka_error_code() else {
        // Its own words would show values of the configuration.
        return "no client of Kafka could be made; see the offsets_topic source".to_owned();
    };
    if [RDKafkaErrorCode::TopicAuthorizationFailed, RDKafkaErrorCode::ClusterAuthorizationFailed]
        .contains(&code)
    {
        return format!("may not write to the topic `{name}`: grant Write on it ({OLDER})");
    }
    format!("nothing could be written to the topic `{name}`: {code:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_certain_and_a_missing_right_is_named() {
        let error = |code| KafkaError::MessageProduction(code);
        assert!(is_refusal(&error(RDKafkaErrorCode::TopicAuthorizationFailed)));
        assert!(!is_refusal(&error(RDKafkaErrorCode::MessageTimedOut)), "it may have been written");
        assert!(!is_refusal(&error(RDKafkaErrorCode::BrokerTransportFailure)));
        let topic = KafkaTopic { kafka: crate::config::Kafka::plain("b:9092"), topic: "offs".to_owned() };
        for code in [RDKafkaErrorCode::TopicAuthorizationFailed, RDKafkaErrorCode::ClusterAuthorizationFailed]
        {
            let line = words(&topic, &error(code));
            assert!(line.contains("grant Write on it (before Kafka 3.0 IdempotentWrite"), "{line}");
        }
    }
}
