//! A Kafka broker by itself, without Connect: it can be taken away and come back.

use anyhow::{Context as _, Result};

use crate::acl::Acls;
use crate::cache::Cache;
use crate::certificates::Certificates;
use crate::kafka;
use crate::parts::Parts;
use crate::ports;
use crate::progress::Progress;
use crate::roster::Roster;
use crate::secured::Secured;

/// A broker; it ends with this value.
#[derive(Debug)]
pub struct Broker {
    roster: Roster,
    parts: Parts,
    /// For clients, for the controller, and of a secured one for whoever may do everything.
    ports: [u16; 3],
    secured: Option<Secured>,
}

impl Broker {
    /// Starts a broker; a secured one asks clients for TLS and a password.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start(prefix: &str, is_secured: bool, progress: &Progress) -> Result<Self> {
        let cache = Cache::from_environment()?;
        let parts = Parts::obtain(&cache, progress).await?;
        let roster = Roster::claim_unique(&cache, prefix)?;
        kafka::write_logging(roster.folder())?;
        let secured = is_secured.then(|| Secured::prepare(roster.folder())).transpose()?;
        let broker = Self { roster, parts, ports: ports::free()?, secured };
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
        let [port, controller, internal] = self.ports;
        let own = self.secured.as_ref().map(|secured| secured.broker(port, internal, controller));
        kafka::broker_on(&self.roster, &self.parts, [port, controller], &own.unwrap_or_default()).await
    }

    /// Its address for clients.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.ports[0])
    }

    /// The address of a secured one at which everybody may do everything.
    #[must_use]
    pub fn internal(&self) -> String {
        format!("127.0.0.1:{}", self.ports[2])
    }

    /// Grants and takes rights at a secured one.
    #[must_use]
    pub fn acls(&self) -> Acls {
        Acls::at(&self.internal())
    }

    /// The certificates of a secured one.
    ///
    /// # Errors
    /// When it has none.
    pub fn certificates(&self) -> Result<Certificates> {
        Certificates::found(self.roster.folder()).context("only a secured broker has certificates")
    }
}
