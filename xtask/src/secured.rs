//! What makes a stack a secured one: TLS everywhere, and nobody without credentials.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::certificates::{Certificates, STORE_PASSWORD};
use crate::connect::Access;

/// A user of one part of a secured stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub user: &'static str,
    /// Its password.
    pub password: &'static str,
}

impl Account {
    /// MongoDB's user with every right, of all stacks that have one.
    pub const MONGODB_ROOT: Self = Self { user: "root", password: "mongodb-root-secret" };
    /// Kafka's user with every right, which the workers are.
    pub const KAFKA_WORKER: Self = Self { user: "connect", password: "kafka-worker-secret" };
    /// Kafka's user without any right until one is granted ([`crate::Stack::acls`]).
    pub const KAFKA_MONITOR: Self = Self { user: "resumeguard", password: "kafka-monitor-secret" };
    /// Of Connect's REST, for the tests themselves. Connect knows no rights: whoever may in may do everything.
    pub const CONNECT_TESTS: Self = Self { user: "tests", password: "connect-tests-secret" };
    /// Of Connect's REST, for the daemon.
    pub const CONNECT_MONITOR: Self = Self { user: "resumeguard", password: "connect-monitor-secret" };
}

/// Properties, a later one of the same key wins.
pub(crate) type Properties = Vec<(String, String)>;

/// Files and properties of one secured stack.
#[derive(Clone, Debug)]
pub(crate) struct Secured {
    folder: PathBuf,
    tls: Certificates,
}

impl Secured {
    /// Writes what the parts read.
    pub(crate) fn prepare(folder: &Path) -> Result<Self> {
        let tls = Certificates::of_stack(folder)?;
        tls.write_stores()?;
        let secured = Self { folder: folder.to_owned(), tls };
        let users = [Account::CONNECT_TESTS, Account::CONNECT_MONITOR];
        let lines: String = users.iter().map(|of| format!("{}={}\n", of.user, of.password)).collect();
        fs::write(secured.users_path(), lines)?;
        let module = "org.apache.kafka.connect.rest.basic.auth.extension.PropertyFileLoginModule";
        let users = secured.users_path();
        let jaas = format!("KafkaConnect {{ {module} required file=\"{}\"; }};\n", users.display());
        fs::write(secured.jaas_path(), jaas)?;
        Ok(secured)
    }

    fn users_path(&self) -> PathBuf {
        self.folder.join("connect-users.properties")
    }

    fn jaas_path(&self) -> PathBuf {
        self.folder.join("connect-jaas.conf")
    }

    /// Clients speak SASL over TLS; the broker itself, and whoever grants rights, uses a listener without either.
    pub(crate) fn broker(&self, port: u16, internal: u16, controller: u16) -> Properties {
        let login = "org.apache.kafka.common.security";
        let worker = Account::KAFKA_WORKER;
        let monitor = Account::KAFKA_MONITOR;
        let plain = format!(
            "{login}.plain.PlainLoginModule required user_{}=\"{}\" user_{}=\"{}\";",
            worker.user, worker.password, monitor.user, monitor.password
        );
        let scram = format!("{login}.scram.ScramLoginModule required;");
        let own = [
            (
                "listeners",
                format!(
                    "SASL_SSL://127.0.0.1:{port},INTERNAL://127.0.0.1:{internal},CONTROLLER://127.0.0.1:{controller}"
                ),
            ),
            ("advertised.listeners", format!("SASL_SSL://127.0.0.1:{port},INTERNAL://127.0.0.1:{internal}")),
            (
                "listener.security.protocol.map",
                "SASL_SSL:SASL_SSL,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT".to_owned(),
            ),
            ("inter.broker.listener.name", "INTERNAL".to_owned()),
            ("ssl.keystore.type", "PEM".to_owned()),
            ("ssl.keystore.location", self.tls.server().display().to_string()),
            ("ssl.truststore.type", "PEM".to_owned()),
            ("ssl.truststore.location", self.tls.ca().display().to_string()),
            ("ssl.client.auth", "requested".to_owned()),
            ("sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-512".to_owned()),
            ("listener.name.sasl_ssl.plain.sasl.jaas.config", plain),
            ("listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config", scram),
            ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer".to_owned()),
            ("super.users", format!("User:{};User:ANONYMOUS", worker.user)),
        ];
        owned(own)
    }

    /// Arguments for formatting the broker's storage: users of SCRAM are part of it.
    pub(crate) fn format_arguments() -> Vec<String> {
        let users = [Account::KAFKA_WORKER, Account::KAFKA_MONITOR];
        let user = |of: &Account| format!("SCRAM-SHA-512=[name={},password={}]", of.user, of.password);
        users.iter().flat_map(|of| ["--add-scram".to_owned(), user(of)]).collect()
    }

    /// A worker speaks SCRAM over TLS to Kafka, and its own REST asks for a certificate and a password.
    pub(crate) fn worker(&self, port: u16) -> Properties {
        let worker = Account::KAFKA_WORKER;
        let jaas = format!(
            "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"{}\" password=\"{}\";",
            worker.user, worker.password
        );
        let client = [
            ("security.protocol", "SASL_SSL".to_owned()),
            ("sasl.mechanism", "SCRAM-SHA-512".to_owned()),
            ("sasl.jaas.config", jaas),
            ("ssl.truststore.type", "PEM".to_owned()),
            ("ssl.truststore.location", self.tls.ca().display().to_string()),
        ];
        // Connectors' own clients inherit nothing of the worker's.
        let prefixes = ["", "producer.", "consumer.", "admin."];
        let clients = prefixes.iter().flat_map(|prefix| {
            client.iter().map(move |(key, value)| (format!("{prefix}{key}"), value.clone()))
        });
        let extension = "org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension";
        let rest = [
            ("listeners", format!("https://127.0.0.1:{port}")),
            ("rest.advertised.listener", "https".to_owned()),
            ("rest.extension.classes", extension.to_owned()),
            ("listeners.https.ssl.keystore.type", "PKCS12".to_owned()),
            ("listeners.https.ssl.keystore.location", self.tls.server_store().display().to_string()),
            ("listeners.https.ssl.keystore.password", STORE_PASSWORD.to_owned()),
            ("listeners.https.ssl.key.password", STORE_PASSWORD.to_owned()),
            ("listeners.https.ssl.truststore.type", "PKCS12".to_owned()),
            ("listeners.https.ssl.truststore.location", self.tls.trust_store().display().to_string()),
            ("listeners.https.ssl.truststore.password", STORE_PASSWORD.to_owned()),
            ("listeners.https.ssl.client.auth", "required".to_owned()),
        ];
        clients.chain(owned(rest)).collect()
    }

    /// Options of a worker's JVM: who may use its REST, and whom connectors trust.
    pub(crate) fn worker_options(&self) -> [String; 3] {
        [
            format!("-Djava.security.auth.login.config={}", self.jaas_path().display()),
            format!("-Djavax.net.ssl.trustStore={}", self.tls.trust_store().display()),
            format!("-Djavax.net.ssl.trustStorePassword={STORE_PASSWORD}"),
        ]
    }

    /// How the tests themselves reach the workers.
    pub(crate) fn access(&self) -> Access {
        Access { account: Account::CONNECT_TESTS, tls: self.tls.clone() }
    }

    /// The same of a stack that somebody else has started.
    pub(crate) fn found(folder: &Path) -> Option<Self> {
        Some(Self { folder: folder.to_owned(), tls: Certificates::found(folder)? })
    }
}

fn owned<const N: usize>(pairs: [(&str, String); N]) -> Properties {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}
