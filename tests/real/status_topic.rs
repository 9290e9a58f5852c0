//! Connect's status topic on a real broker: a restart between two passes is seen. That a pause is none stands in the
//! source's own tests.

use crate::shared::{LONG, Shared, nothing};
use resumeguard::config::{Kafka, KafkaTopic};
use resumeguard::sources::kafka::{StatusTopic, TaskStarts};
use xtask::{Seen, wait_until};

fn topic(shared: &Shared, topic: &str) -> KafkaTopic {
    KafkaTopic { kafka: Kafka::plain(shared.stack.kafka_bootstrap().unwrap()), topic: topic.to_owned() }
}

async fn starts(topic: &StatusTopic, enough: impl Fn(&TaskStarts) -> bool) -> TaskStarts {
    wait_until("the status topic to tell", LONG, async || {
        Ok(match topic.starts() {
            Ok(starts) if enough(&starts) => Seen::Yes(starts),
            other => Seen::Not(format!("{other:?}")),
        })
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn a_restart_is_seen() {
    let shared = Shared::take().await;
    let connect = shared.connect();
    shared.connector("status-topic", nothing()).await;
    let task = ("status-topic".to_owned(), 0);
    let topic = StatusTopic::follow(&topic(&shared, "connect-status"));
    let before = starts(&topic, |starts| starts.contains_key(&task)).await[&task];
    connect.restart("status-topic").await.unwrap();
    let after = starts(&topic, |starts| starts.get(&task) != Some(&before)).await[&task];
    assert!(after > before, "{after} {before}");
}

#[tokio::test]
async fn a_topic_that_is_not_there_is_said_in_one_line() {
    let shared = Shared::take().await;
    let topic = StatusTopic::follow(&topic(&shared, "no-such-topic"));
    wait_until("the missing topic to be told", LONG, async || {
        let said = topic.starts().unwrap_err();
        Ok(if said.contains("there is no topic `no-such-topic`") { Seen::Yes(()) } else { Seen::Not(said) })
    })
    .await
    .unwrap();
}
