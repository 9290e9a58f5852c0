//! How Kafka is reached: brokers, encryption, credentials, and any other property of its client library.

use super::Secret;
use super::load::ConfigError;
use super::security::{Given, is_there};
use rdkafka::config::ClientConfig;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// What reading depends on is not the operator's to set, nor what runs other code in this process.
const OURS: [&str; 16] = [
    "allow.auto.create.topics",
    "auto.offset.reset",
    "bootstrap.servers",
    "builtin.features",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "isolation.level",
    "metadata.broker.list",
    "plugin.library.paths",
    "statistics.interval.ms",
    "transactional.id",
];

/// `[connect.NAME.kafka]`.
#[derive(Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawKafka {
    /// `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_protocol: Option<String>,
    /// `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sasl_mechanism: Option<String>,
    /// User.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// File that holds the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<String>,
    /// Certificates of those who may sign the brokers', PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// Our own certificate, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_file: Option<String>,
    /// Its private key, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<String>,
    /// Password of the private key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_password: Option<Secret>,
    /// File that holds the password of the private key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_password_file: Option<String>,
    /// Any other property of librdkafka.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, Secret>,
}

/// How the brokers of one Connect cluster are reached.
#[derive(Debug, Clone, PartialEq)]
pub struct Kafka {
    /// Brokers, `host:port` with commas.
    pub bootstrap_servers: String,
    /// Properties of librdkafka; every value counts as a secret, since some are.
    properties: Vec<(String, Secret)>,
    /// Those that stand in files, which may be rotated.
    rotating: Vec<(String, Given)>,
}

impl Kafka {
    /// Brokers without encryption or credentials.
    #[must_use]
    pub fn plain(bootstrap_servers: &str) -> Self {
        Self { bootstrap_servers: bootstrap_servers.to_owned(), properties: Vec::new(), rotating: Vec::new() }
    }

    /// The same with what its files say now; what cannot be read stays as it was. Reads files.
    #[must_use]
    pub fn refreshed(&self) -> Self {
        let mut fresh = self.clone();
        for (property, given) in &self.rotating {
            let known = fresh.properties.iter_mut().find(|(known, _)| known == property);
            if let (Some((_, value)), Ok(read)) = (known, given.read()) {
                *value = read;
            }
        }
        fresh
    }

    /// What every client of these brokers begins with.
    #[must_use]
    pub fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        // A new client waits for half of it before its second try at a broker, which it nearly always needs (sparse connections); it
        // doubles with each failure, up to ten seconds.
        client.set("reconnect.backoff.ms", "20");
        for (key, value) in &self.properties {
            client.set(key, value.expose());
        }
        client.set("bootstrap.servers", &self.bootstrap_servers).set("client.id", "resumeguard");
        client
    }

    /// What the library says about these properties, unless it repeats one that may be a secret, or a part of it.
    #[must_use]
    pub fn screened<'a>(&self, words: &'a str) -> Option<&'a str> {
        const OPEN: [&str; 5] = [
            "security.protocol",
            "sasl.mechanism",
            "ssl.ca.location",
            "ssl.certificate.location",
            "ssl.key.location",
        ];
        // Shorter ones, as `true`, stand in names as well.
        const LEAST: usize = 6;
        const PART: usize = 8;
        let repeats = |(property, value): &(String, Secret)| {
            let value = value.expose().as_bytes();
            let part = value.len().min(PART);
            !OPEN.contains(&property.as_str())
                && value.len() >= LEAST
                && value
                    .windows(part)
                    .any(|part| words.as_bytes().windows(part.len()).any(|said| said == part))
        };
        (!self.properties.iter().any(repeats)).then_some(words)
    }
}

/// `[connect.NAME.other_kafka.ANY]`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RawOtherKafka {
    /// Brokers, as the connectors name them.
    pub bootstrap_servers: String,
    /// `[connect.NAME.other_kafka.ANY.kafka]`.
    #[serde(default, skip_serializing_if = "RawKafka::is_default")]
    pub kafka: RawKafka,
}

impl RawKafka {
    /// Nothing is set.
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What brokers and a table of their properties come to; `at` is the table above it.
pub(super) fn kafka(at: &str, servers: Option<&str>, raw: &RawKafka) -> Result<Option<Kafka>, ConfigError> {
    let key = |field: &str| format!("{at}.kafka.{field}");
    let (properties, rotating) = properties(&key, raw)?;
    let Some(servers) = servers else {
        let unused = properties
            .first()
            .map(|_| ConfigError::at(&format!("{at}.kafka"), "needs kafka_bootstrap_servers"));
        return unused.map_or(Ok(None), Err);
    };
    for (field, file) in
        [("ca_file", &raw.ca_file), ("certificate_file", &raw.certificate_file), ("key_file", &raw.key_file)]
    {
        if let Some(file) = file {
            is_there(&key(field), Path::new(file))?;
        }
    }
    let kafka = Kafka { bootstrap_servers: servers.to_owned(), properties, rotating };
    // The library's own error repeats the value, which may be a secret.
    for (property, value) in &kafka.properties {
        let mut alone = ClientConfig::new();
        alone.set(property, value.expose());
        if alone.create_native_config().is_err() {
            let known = raw.properties.contains_key(property);
            let at = if known { key(&format!("properties.{property}")) } else { key(field_of(property)) };
            return Err(ConfigError::at(
                &at,
                "librdkafka does not know this property, or not this value of it",
            ));
        }
    }
    Ok(Some(kafka))
}

/// The comfortable key that sets a property.
fn field_of(property: &str) -> &str {
    match property {
        "security.protocol" => "security_protocol",
        "sasl.mechanism" => "sasl_mechanism",
        "ssl.ca.location" => "ca_file",
        "ssl.certificate.location" => "certificate_file",
        "ssl.key.location" => "key_file",
        other => other,
    }
}

type Properties = (Vec<(String, Secret)>, Vec<(String, Given)>);

fn properties(key: &impl Fn(&str) -> String, raw: &RawKafka) -> Result<Properties, ConfigError> {
    let password = Given::from(&key("password"), raw.password.as_ref(), raw.password_file.as_deref())?;
    let key_password =
        Given::from(&key("key_password"), raw.key_password.as_ref(), raw.key_password_file.as_deref())?;
    let given = [("sasl.password", &password), ("ssl.key.password", &key_password)];
    let files = given.iter().filter_map(|(property, given)| Some((*property, (*given).clone()?)));
    let rotating =
        files.filter(|(_, given)| given.is_file()).map(|(property, given)| (property.to_owned(), given));
    let rotating: Vec<(String, Given)> = rotating.collect();
    let read = |given: Option<Given>| given.map(|given| given.read()).transpose();
    let (password, key_password) = (read(password)?, read(key_password)?);
    if password.is_some() != raw.username.is_some() {
        let needs = if password.is_some() {
            ("password", "needs username")
        } else {
            ("username", "needs password or password_file")
        };
        return Err(ConfigError::at(&key(needs.0), needs.1));
    }
    let text = |text: &Option<String>| text.clone().map(Secret::from);
    let comfortable = [
        ("security.protocol", text(&raw.security_protocol)),
        ("sasl.mechanism", text(&raw.sasl_mechanism)),
        ("sasl.username", text(&raw.username)),
        ("sasl.password", password),
        ("ssl.ca.location", text(&raw.ca_file)),
        ("ssl.certificate.location", text(&raw.certificate_file)),
        ("ssl.key.location", text(&raw.key_file)),
        ("ssl.key.password", key_password),
    ];
    let mut properties: Vec<(String, Secret)> =
        comfortable.into_iter().filter_map(|(property, value)| Some((property.to_owned(), value?))).collect();
    for (property, value) in &raw.properties {
        let at = key(&format!("properties.{property}"));
        if OURS.contains(&property.as_str()) {
            return Err(ConfigError::at(&at, "is set by resumeguard: what it reads depends on it"));
        }
        if properties.iter().any(|(set, _)| set == property) {
            return Err(ConfigError::at(&at, format!("given twice: it is {} already", field_of(property))));
        }
        properties.push((property.clone(), value.clone()));
    }
    Ok((properties, rotating))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_that_was_rotated_counts_and_one_that_is_gone_stays() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "old\n").unwrap();
        let path = file.path().to_str().unwrap().to_owned();
        let raw = RawKafka { username: Some("u".into()), password_file: Some(path), ..RawKafka::default() };
        let before = kafka("connect.main", Some("b:9092"), &raw).unwrap().unwrap();
        let password = |kafka: &Kafka| kafka.client().get("sasl.password").map(str::to_owned);
        assert_eq!(password(&before).as_deref(), Some("old"));
        assert_eq!(before.refreshed(), before);
        std::fs::write(file.path(), "new\n").unwrap();
        let after = before.refreshed();
        assert_eq!(password(&after).as_deref(), Some("new"));
        assert_ne!(after, before);
        std::fs::remove_file(file.path()).unwrap();
        assert_eq!(password(&after.refreshed()).as_deref(), Some("new"));
    }

    #[test]
    fn words_that_repeat_what_may_be_a_secret_are_not_shown() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        let mut raw = RawKafka { ca_file: Some(path.to_owned()), ..RawKafka::default() };
        raw.properties
            .insert("sasl.oauthbearer.config".to_owned(), Secret::from("principal=admin,x=1".to_owned()));
        let kafka = kafka("connect.main", Some("b:9092"), &raw).unwrap().unwrap();
        let shown =
            ["`fetch.max.bytes` must be >= `message.max.bytes`", &format!("calling fopen({path}, r)")];
        for shown in shown {
            assert_eq!(kafka.screened(shown), Some(shown));
        }
        assert_eq!(kafka.screened("unrecognized beginning at: admin,x=1"), None);
    }
}
