//! Kafka's errors in one line with what to do.

use crate::config::{Kafka, KafkaTopic};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode::{
    self, AllBrokersDown, BrokerTransportFailure, CoordinatorLoadInProgress, CoordinatorNotAvailable,
    LeaderNotAvailable, NetworkException, NotLeaderForPartition, OperationTimedOut, RequestTimedOut, Resolve,
    TopicAuthorizationFailed, UnknownTopic, UnknownTopicOrPartition,
};

/// What was being done: each needs a right of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Where {
    /// Partitions and where they end.
    Describe,
    /// Records.
    Read,
}

/// Brokers that come back by themselves.
pub(super) fn is_transient(error: &KafkaError) -> bool {
    const TRANSIENT: [RDKafkaErrorCode; 10] = [
        AllBrokersDown,
        BrokerTransportFailure,
        CoordinatorLoadInProgress,
        CoordinatorNotAvailable,
        LeaderNotAvailable,
        NetworkException,
        NotLeaderForPartition,
        OperationTimedOut,
        RequestTimedOut,
        Resolve,
    ];
    error.rdkafka_error_code().is_some_and(|code| TRANSIENT.contains(&code))
}

/// `setting` is the worker's property that names the topic; `said` the library's own words about a connection.
pub(super) fn words(
    topic: &KafkaTopic,
    setting: &str,
    at: Where,
    error: &KafkaError,
    said: Option<String>,
) -> String {
    if let KafkaError::ClientConfig(_, problem, property, _) = error {
        return format!("Kafka's client refuses `{property}`: {problem}");
    }
    let Some(code) = error.rdkafka_error_code() else {
        return no_client(&topic.kafka, error, said);
    };
    let topic = &topic.topic;
    if [UnknownTopic, UnknownTopicOrPartition].contains(&code) {
        return format!("there is no topic `{topic}`; see {setting} in the workers' properties");
    }
    if code == TopicAuthorizationFailed && at == Where::Describe {
        return format!(
            "may not see the topic `{topic}`: grant Describe and Read on it (Read on a topic implies Describe)"
        );
    }
    if code == TopicAuthorizationFailed {
        return format!("may not read the topic `{topic}`: grant Read on it");
    }
    match said {
        Some(said) => format!("{said}; are the brokers reachable with these settings? ({code:?})"),
        None => format!("{code:?}; are the brokers reachable?"),
    }
}

/// Its `Display` would show values of the configuration.
pub(super) fn no_client(kafka: &Kafka, error: &KafkaError, said: Option<String>) -> String {
    let told = if let KafkaError::ClientCreation(told) = error { kafka.screened(told.trim()) } else { None };
    let problem = told
        .map(str::to_owned)
        .or(said)
        .unwrap_or_else(|| "is a certificate or key file missing, or of another form?".to_owned());
    format!("no client of Kafka could be made: {problem}")
}
