//! Configuration of where positions are read, and of how Kafka is reached.

use crate::config::load_with;
use resumeguard_core::domain::OffsetsFrom;

fn with(more: &str) -> String {
    format!("[connect.main]\nurl = \"http://h:8083\"\n{more}")
}

#[track_caller]
fn refused(more: &str, expected: &str) {
    let error = load_with(&with(more), &[]).map(drop).expect_err(more);
    assert_eq!(error, format!("connect.main.{expected}"));
    assert!(!error.contains("hunter2"), "{error}");
}

const TOPIC: &str = "kafka_bootstrap_servers = \"b:9092\"\noffsets_topic = \"t\"\n";

#[test]
fn auto_asks_what_is_configured_and_then_rest() {
    let order = |more: &str| load_with(&with(more), &[]).unwrap().1.connect[0].offsets.order.clone();
    assert_eq!(order(""), [OffsetsFrom::Rest]);
    assert_eq!(order(TOPIC), [OffsetsFrom::Topic, OffsetsFrom::Rest]);
    assert_eq!(order("offsets_file = \"/f\""), [OffsetsFrom::File, OffsetsFrom::Rest]);
    assert_eq!(order(&format!("{TOPIC}offsets = \"rest\"")), [OffsetsFrom::Rest]);
    assert_eq!(order(&format!("{TOPIC}offsets = \"topic\"")), [OffsetsFrom::Topic]);
    refused("offsets = \"topic\"", "offsets: \"topic\" needs offsets_topic");
    refused("offsets = \"kafka\"", "offsets: `kafka` is none of \"auto\", \"rest\", \"topic\", \"file\"");
    refused("offsets_topic = \"t\"", "offsets_topic: needs kafka_bootstrap_servers");
    refused(
        "kafka_bootstrap_servers = \"b:9092\"",
        "kafka_bootstrap_servers: needs offsets_topic or status_topic",
    );
}

#[test]
fn what_reading_depends_on_is_not_to_be_set_and_no_value_is_repeated() {
    let kafka = |more: &str| format!("{TOPIC}[connect.main.kafka]\n{more}");
    let property = |line: &str| kafka(&format!("[connect.main.kafka.properties]\n{line}"));
    let unknown = "librdkafka does not know this property, or not this value of it";
    refused(&kafka("password = \"hunter2\""), "kafka.password: needs username");
    refused(&kafka("username = \"u\""), "kafka.username: needs password or password_file");
    refused(&kafka("security_protocol = \"hunter2\""), &format!("kafka.security_protocol: {unknown}"));
    refused(&property("\"no.such\" = \"hunter2\""), &format!("kafka.properties.no.such: {unknown}"));
    let ours = "is set by resumeguard: what it reads depends on it";
    for key in ["group.id", "isolation.level", "plugin.library.paths"] {
        refused(&property(&format!("\"{key}\" = \"hunter2\"")), &format!("kafka.properties.{key}: {ours}"));
    }
    refused(
        &kafka("ca_file = \"/a\"\n[connect.main.kafka.properties]\n\"ssl.ca.location\" = \"/b\""),
        "kafka.properties.ssl.ca.location: given twice: it is ca_file already",
    );
    refused("[connect.main.kafka]\nca_file = \"/a\"", "kafka: needs kafka_bootstrap_servers");

    let whole = kafka(
        "username = \"u\"\npassword = \"hunter2\"\nsasl_mechanism = \"PLAIN\"\nsecurity_protocol = \"SASL_SSL\"",
    ) + "\n[connect.main.kafka.properties]\n\"ssl.key.password\" = \"hunter2\"\n";
    let (raw, config) = load_with(&with(&whole), &[]).unwrap();
    let shown = toml::to_string(&raw).unwrap() + &format!("{raw:?} {config:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    let client = config.connect[0].offsets.topic.as_ref().unwrap().kafka.client();
    assert_eq!(client.get("sasl.password"), Some("hunter2"));
}
