//! A Kafka broker by itself, without Connect: in the clear, or besides with TLS, passwords and rights of each user.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

use crate::cache::Cache;
use crate::kafka::{self, Extra};
use crate::machine::{self, Need};
use crate::parts::Parts;
use crate::ports;
use crate::progress::Progress;
use crate::roster::Roster;

/// Gives and takes rights by Kafka's own client: nothing else of the parts can.
const ACLS: &str = include_str!("../kafka/Acls.java");
/// Guards a key that is made for one test.
const STORE: &str = "of-a-test";

/// A running broker; it ends with this value.
#[derive(Debug)]
pub struct Broker {
    roster: Roster,
    parts: Parts,
    ports: [u16; 2],
    extra: Extra,
    secured: Option<Secured>,
}

/// The listener with TLS and passwords. Whoever comes by the other one may do everything.
#[derive(Clone, Debug)]
pub struct Secured {
    /// Its address.
    pub bootstrap: String,
    /// The certificate that signs the broker's, PEM.
    pub ca_file: PathBuf,
    /// A user, who may do nothing yet, by SCRAM-SHA-512 and by PLAIN.
    pub user: String,
    /// The user's password.
    pub password: String,
}

impl Broker {
    /// Starts a broker in the clear.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start(prefix: &str, progress: &Progress) -> Result<Self> {
        Self::start_with(prefix, false, progress).await
    }

    /// Starts a broker that besides listens with TLS, passwords and rights.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start_secured(prefix: &str, progress: &Progress) -> Result<Self> {
        machine::ensure(&[Need::Jdk], progress).await?;
        Self::start_with(prefix, true, progress).await
    }

    async fn start_with(prefix: &str, is_secured: bool, progress: &Progress) -> Result<Self> {
        let cache = Cache::from_environment()?;
        let parts = Parts::obtain(&cache, progress).await?;
        let roster = Roster::claim_unique(&cache, prefix)?;
        kafka::write_logging(roster.folder())?;
        let [port, controller, tls] = ports::free()?;
        let (extra, secured) = if is_secured {
            let (extra, secured) = secured(&roster, [port, controller, tls]).await?;
            (extra, Some(secured))
        } else {
            (Extra::default(), None)
        };
        let broker = Self { roster, parts, ports: [port, controller], extra, secured };
        broker.begin().await?;
        Ok(broker)
    }

    /// Stops it, as if its machine were gone.
    ///
    /// # Errors
    /// When it does not run.
    pub fn stop(&self) -> Result<()> {
        self.roster.stop("kafka")
    }

    /// Starts it again, with what it had, at the same addresses.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn begin(&self) -> Result<()> {
        kafka::broker_on(&self.roster, &self.parts, self.ports, &self.extra).await
    }

    /// Its address in the clear.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.ports[0])
    }

    /// Its other listener.
    ///
    /// # Errors
    /// When it has none.
    pub fn secured(&self) -> Result<&Secured> {
        self.secured.as_ref().context("this broker is not secured")
    }

    /// Gives (`add`) or takes (`remove`) the user a right to a topic: `READ`, `DESCRIBE`, `WRITE`…
    ///
    /// # Errors
    /// When the broker refuses.
    pub async fn acl(&self, verb: &str, operation: &str, topic: &str) -> Result<()> {
        let source = self.roster.folder().join("Acls.java");
        std::fs::write(&source, ACLS)?;
        let mut command = kafka::java("-Xmx128m", &self.parts.kafka, self.roster.folder());
        let user = &self.secured()?.user;
        command.arg(source).args([&self.bootstrap(), verb, user, operation, topic]);
        let output = Command::from(command).stdin(Stdio::null()).kill_on_drop(true).output().await?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }
}

/// A key and a certificate for the loopback address, and what makes a broker use them.
async fn secured(roster: &Roster, [port, controller, tls]: [u16; 3]) -> Result<(Extra, Secured)> {
    let folder = roster.folder();
    let (store, ca_file) = (folder.join("broker.p12"), folder.join("ca.pem"));
    let keytool = async |arguments: &[&str]| {
        let mut command = Command::new("keytool");
        command.args(arguments).args(["-alias", "broker", "-storepass", STORE, "-keystore"]).arg(&store);
        let output =
            command.stdin(Stdio::null()).kill_on_drop(true).output().await.context("cannot run keytool")?;
        ensure!(output.status.success(), "keytool: {}", String::from_utf8_lossy(&output.stdout));
        Ok(output.stdout)
    };
    let pair =
        ["-genkeypair", "-keyalg", "RSA", "-keysize", "2048", "-storetype", "PKCS12", "-validity", "30"];
    keytool(&[&pair[..], &["-dname", "CN=127.0.0.1", "-ext", "SAN=IP:127.0.0.1"]].concat()).await?;
    std::fs::write(&ca_file, keytool(&["-exportcert", "-rfc"]).await?)?;
    let (user, password) = ("watcher".to_owned(), "pass-word of a test".to_owned());
    let login = "org.apache.kafka.common.security";
    let listener = "listener.name.sasl_ssl";
    let properties = [
        (
            "listeners",
            format!(
                "PLAINTEXT://127.0.0.1:{port},SASL_SSL://127.0.0.1:{tls},CONTROLLER://127.0.0.1:{controller}"
            ),
        ),
        ("advertised.listeners", format!("PLAINTEXT://127.0.0.1:{port},SASL_SSL://127.0.0.1:{tls}")),
        (
            "listener.security.protocol.map",
            "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL".to_owned(),
        ),
        ("inter.broker.listener.name", "PLAINTEXT".to_owned()),
        ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer".to_owned()),
        ("super.users", "User:ANONYMOUS".to_owned()),
        ("sasl.enabled.mechanisms", "SCRAM-SHA-512,PLAIN".to_owned()),
        (
            &format!("{listener}.scram-sha-512.sasl.jaas.config"),
            format!("{login}.scram.ScramLoginModule required;"),
        ),
        (
            &format!("{listener}.plain.sasl.jaas.config"),
            format!("{login}.plain.PlainLoginModule required user_{user}=\"{password}\";"),
        ),
        ("ssl.keystore.location", store.display().to_string()),
        ("ssl.keystore.type", "PKCS12".to_owned()),
        ("ssl.keystore.password", STORE.to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value));
    let scram = format!("SCRAM-SHA-512=[name={user},password=\"{password}\"]");
    let extra = Extra {
        properties: properties.into(),
        format: vec!["--add-scram".to_owned(), scram],
        ports: vec![tls],
    };
    let bootstrap = format!("127.0.0.1:{tls}");
    Ok((extra, Secured { bootstrap, ca_file, user, password }))
}
