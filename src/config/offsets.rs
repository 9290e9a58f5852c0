//! Where a Connect cluster's positions are read, and the topics that Connect keeps in Kafka.

use super::Kafka;
use super::kafka::kafka;
use super::load::ConfigError;
use super::raw::RawConnect;
use resumeguard_core::domain::OffsetsFrom;
use resumeguard_core::recovery::WritesTopic;
use std::path::PathBuf;

/// Where positions may be read, in order of preference: what the first cannot tell, the next is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Offsets {
    /// Never empty; one where the operator has chosen, what is there for `auto`.
    pub order: Vec<OffsetsFrom>,
    /// The workers' `offset.storage.topic`; there where `order` has [`OffsetsFrom::Topic`].
    pub topic: Option<KafkaTopic>,
    /// Other brokers, on which connectors may keep their offsets.
    pub elsewhere: Vec<Kafka>,
    /// Whether recovery may write to that topic.
    pub writes: WritesTopic,
    /// A standalone worker's `offset.storage.file.filename`; there where `order` has [`OffsetsFrom::File`].
    pub file: Option<PathBuf>,
}

impl Default for Offsets {
    /// By REST.
    fn default() -> Self {
        Self {
            order: vec![OffsetsFrom::Rest],
            topic: None,
            elsewhere: Vec::new(),
            writes: WritesTopic::Never,
            file: None,
        }
    }
}

/// A topic in Kafka.
#[derive(Debug, Clone, PartialEq)]
pub struct KafkaTopic {
    /// How its brokers are reached.
    pub kafka: Kafka,
    /// Its name.
    pub topic: String,
}

/// What `offsets`, `offsets_topic` and `offsets_file` come to.
pub(super) fn offsets(name: &str, raw: &RawConnect) -> Result<Offsets, ConfigError> {
    let error =
        |field: &str, problem: String| Err(ConfigError::at(&format!("connect.{name}.{field}"), problem));
    let topic = topic(name, "offsets_topic", raw.offsets_topic.as_deref(), raw)?;
    let elsewhere = elsewhere(name, raw)?;
    let file = raw.offsets_file.as_deref().map(PathBuf::from);
    let has = |from: &OffsetsFrom| match from {
        OffsetsFrom::Topic => topic.is_some(),
        OffsetsFrom::File => file.is_some(),
        OffsetsFrom::Rest => true,
    };
    if raw.offsets == "auto" {
        if let (Some(_), Some(_)) = (&topic, &file) {
            let problem = "a worker has either a topic or a file; set offsets to \"topic\" or \"file\", or leave one out";
            return error("offsets_file", problem.to_owned());
        }
        // What costs Connect nothing comes first.
        let order: Vec<_> =
            [OffsetsFrom::Topic, OffsetsFrom::File, OffsetsFrom::Rest].into_iter().filter(has).collect();
        let writes = writes(name, raw, &order)?;
        return Ok(Offsets { order, topic, elsewhere, writes, file });
    }
    let all = [OffsetsFrom::Rest, OffsetsFrom::Topic, OffsetsFrom::File];
    let Some(chosen) = all.into_iter().find(|from| from.code() == raw.offsets) else {
        return error(
            "offsets",
            format!("`{}` is none of \"auto\", \"rest\", \"topic\", \"file\"", raw.offsets),
        );
    };
    if !has(&chosen) {
        return error("offsets", format!("\"{}\" needs offsets_{}", raw.offsets, raw.offsets));
    }
    let writes = writes(name, raw, &[chosen])?;
    Ok(Offsets { order: vec![chosen], topic, elsewhere, writes, file })
}

/// What is written there is read again there.
fn writes(name: &str, raw: &RawConnect, order: &[OffsetsFrom]) -> Result<WritesTopic, ConfigError> {
    let at = |problem: &str| Err(ConfigError::at(&format!("connect.{name}.write_offsets_topic"), problem));
    let writes = match raw.write_offsets_topic.as_str() {
        "never" => return Ok(WritesTopic::Never),
        "when_needed" => WritesTopic::WhenNeeded,
        "always" => WritesTopic::Always,
        word => return at(&format!("`{word}` is none of \"never\", \"when_needed\", \"always\"")),
    };
    if order.contains(&OffsetsFrom::Topic) {
        Ok(writes)
    } else {
        at("needs offsets_topic, and offsets = \"topic\" or \"auto\"")
    }
}

fn elsewhere(name: &str, raw: &RawConnect) -> Result<Vec<Kafka>, ConfigError> {
    let others = raw.other_kafka.iter().map(|(other, raw)| {
        let at = format!("connect.{name}.other_kafka.{other}");
        let others = kafka(&at, Some(&raw.bootstrap_servers), &raw.kafka)?;
        others.ok_or_else(|| ConfigError::at(&at, "needs bootstrap_servers"))
    });
    others.collect()
}

/// A topic with the brokers that have it.
pub(super) fn topic(
    name: &str,
    field: &str,
    topic: Option<&str>,
    raw: &RawConnect,
) -> Result<Option<KafkaTopic>, ConfigError> {
    let key = |field: &str| format!("connect.{name}.{field}");
    let kafka = kafka(&format!("connect.{name}"), raw.kafka_bootstrap_servers.as_deref(), &raw.kafka)?;
    match (kafka, topic) {
        (Some(kafka), Some(topic)) => Ok(Some(KafkaTopic { kafka, topic: topic.to_owned() })),
        (None, Some(_)) => Err(ConfigError::at(&key(field), "needs kafka_bootstrap_servers")),
        (Some(_), None) if raw.offsets_topic.is_none() && raw.status_topic.is_none() => {
            Err(ConfigError::at(&key("kafka_bootstrap_servers"), "needs offsets_topic or status_topic"))
        }
        (_, None) => Ok(None),
    }
}
