//! Which connection string may be used to read the oplog that a connector depends on.

use crate::config::{Config, Deployment, Entrance, Secret};
use resumeguard_core::domain::{ConnectionString, ConnectorId, Observed, Refusal, Why, with_port};
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;
use wildmatch::WildMatch;

/// A way into one deployment, or past its router to one of its shards.
#[derive(Debug, Clone)]
pub struct Access {
    /// Name from the configuration, where it stands there; of a shard `DEPLOYMENT/SHARD`.
    pub configured: Option<String>,
    /// Connection string.
    pub uri: Secret,
    /// Hosts that may be dialled, whoever names them; `None` for one that an operator has configured.
    pub allowed: Option<Vec<WildMatch>>,
    /// How long Amazon DocumentDB keeps its change stream, where an operator has said so.
    pub retention: Option<Duration>,
    /// The deployment and the shard, for a way past a router.
    pub shard: Option<(String, String)>,
    /// Of a router: the shards to which there is a way past it.
    pub shards: BTreeSet<String>,
    /// Tells it from every other one: the string, and what stands in the files that it names.
    key: Secret,
}

impl Access {
    /// The ways that an operator has configured: into the deployment, and past its router, if it has one.
    pub fn configured(deployment: &Deployment) -> impl Iterator<Item = Self> {
        let shards = deployment.shards.iter().map(|entrance| {
            let name = format!("{}/{}", deployment.name, entrance.shard);
            let way = Self::new(Some(name.clone()), &entrance.entrance, None);
            // One string for two shards is a mistake that has to be seen.
            let key = Secret::from(format!("{}#{name}", way.key.expose()));
            Self { shard: Some((deployment.name.clone(), entrance.shard.clone())), key, ..way }
        });
        std::iter::once(Self::of(deployment)).chain(shards)
    }

    fn of(deployment: &Deployment) -> Self {
        Self {
            retention: deployment.retention,
            shards: deployment.shards.iter().map(|entrance| entrance.shard.clone()).collect(),
            ..Self::new(Some(deployment.name.clone()), &deployment.entrance, None)
        }
    }

    /// A connector's own string, with the hosts that it may lead to.
    #[must_use]
    pub fn of_a_stranger(uri: Secret, allowed: Option<Vec<WildMatch>>) -> Self {
        Self::new(None, &Entrance { uri, files: Vec::new() }, allowed)
    }

    fn new(configured: Option<String>, entrance: &Entrance, allowed: Option<Vec<WildMatch>>) -> Self {
        let uri = entrance.uri.clone();
        let key = if entrance.files.is_empty() {
            uri.clone()
        } else {
            let mut hasher = DefaultHasher::new();
            entrance.files.iter().for_each(|file| file.expose().hash(&mut hasher));
            Secret::from(format!("{}#{:x}", uri.expose(), hasher.finish()))
        };
        Self { configured, uri, allowed, retention: None, shard: None, shards: BTreeSet::new(), key }
    }

    /// What tells it from every other one. It holds credentials: nobody prints it.
    #[must_use]
    pub fn key(&self) -> &str {
        self.key.expose()
    }

    /// Hosts of the string, with their ports.
    #[must_use]
    pub fn hosts(&self) -> BTreeSet<String> {
        let parsed = ConnectionString::parse(self.uri.expose());
        let hosts = parsed.as_ref().ok().and_then(|parsed| parsed.hosts().ok()).unwrap_or_default();
        hosts.iter().map(|host| with_port(host)).collect()
    }

    /// The string's `replicaSet`.
    #[must_use]
    pub fn set_name(&self) -> Option<String> {
        ConnectionString::parse(self.uri.expose()).ok()?.replica_set().map(str::to_owned)
    }

    /// A stranger's server may name any host as its neighbour: it is dialled only if it is allowed as well.
    #[must_use]
    pub fn may_dial(&self, host: &str) -> bool {
        self.allowed.as_ref().is_none_or(|allowed| allowed.iter().any(|glob| matches_host(glob, host)))
    }
}

/// The rules that decide, from the configuration.
#[derive(Debug, Clone)]
pub struct AccessRules {
    deployments: Vec<Deployment>,
    /// By Connect cluster: the hosts towards which connectors' own strings may be used, if at all.
    connector_hosts: Vec<(String, Option<Vec<WildMatch>>)>,
}

impl AccessRules {
    /// Takes what it needs from a configuration.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            deployments: config.mongodb.clone(),
            connector_hosts: config
                .connect
                .iter()
                .map(|c| (c.name.clone(), c.connector_hosts.clone()))
                .collect(),
        }
    }

    /// Takes over what has been read anew.
    pub fn adopt(&mut self, deployments: &[Deployment]) {
        self.deployments = deployments.to_vec();
    }

    /// The `[mongodb.NAME]` that serves a connector: by the connector's name first, then by a host of its string.
    #[must_use]
    pub fn configured(&self, id: &ConnectorId, uri: &str) -> Option<&Deployment> {
        let full = id.to_string();
        let by_name = self
            .deployments
            .iter()
            .find(|d| d.connectors.iter().any(|glob| glob.matches(&id.connector) || glob.matches(&full)));
        by_name.or_else(|| {
            let parsed = ConnectionString::parse(uri).ok()?;
            let hosts = parsed.hosts().ok()?;
            let serves = |d: &&Deployment| {
                d.hosts.iter().any(|glob| hosts.iter().any(|host| matches_host(glob, host)))
            };
            self.deployments.iter().find(serves)
        })
    }

    /// The way into the deployment that a connector with this `connection.uri` reads from.
    ///
    /// # Errors
    /// Why there is none: a placeholder, no connection string, or one that may not be used.
    pub fn access(&self, id: &ConnectorId, uri: &str) -> Observed<Access> {
        if let Some(deployment) = self.configured(id, uri) {
            return Ok(Access::of(deployment));
        }
        let parsed = ConnectionString::parse(uri)?;
        let rules = self.connector_hosts.iter().find(|(name, _)| *name == id.connect_cluster);
        let allowed = rules.and_then(|(_, hosts)| hosts.as_deref()).ok_or(Why::UriRefused)?;
        if !parsed.hosts()?.iter().all(|host| allowed.iter().any(|glob| matches_host(glob, host))) {
            return Err(Why::UriRefused);
        }
        let uri = parsed.for_reading().map_err(|refusal| match refusal {
            Refusal::Placeholder => Why::UriPlaceholder,
            Refusal::Option(_) | Refusal::Mechanism(_) => Why::UriRefused,
        })?;
        Ok(Access::of_a_stranger(uri.into(), Some(allowed.to_vec())))
    }
}

/// A glob may name the port or leave it out.
fn matches_host(glob: &WildMatch, host: &str) -> bool {
    glob.matches(host) || host.rsplit_once(':').is_some_and(|(name, _)| glob.matches(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Sources, load};

    fn rules(toml: &str) -> AccessRules {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), toml).unwrap();
        let sources = Sources { files: vec![file.path().to_owned()], ..Sources::default() };
        AccessRules::new(&load(&sources).unwrap().1)
    }

    #[test]
    fn a_configured_deployment_serves_by_connector_or_host() {
        let rules = rules(
            "[connect.c]\nurl='http://h'\nuse_connector_uris=false\n\
             [mongodb.named]\nuri='mongodb://n/'\nconnectors=['c/secret-*']\n\
             [mongodb.hosted]\nuri='mongodb://h/'\nhosts=['db?.example']",
        );
        let access =
            |name: &str, uri: &str| rules.access(&ConnectorId::new("c", name), uri).map(|a| a.configured);
        assert_eq!(access("secret-1", "${file:/x:uri}"), Ok(Some("named".into())));
        assert_eq!(access("x", "mongodb://u:p@db1.example:27017/"), Ok(Some("hosted".into())));
        assert_eq!(access("x", "mongodb://other/"), Err(Why::UriRefused), "switched off");
        assert_eq!(access("x", "${file:/x:uri}"), Err(Why::UriPlaceholder));
    }

    #[test]
    fn strangers_strings_lead_to_allowed_hosts_only() {
        let rules = rules("[connect.c]\nurl='http://h'\nconnector_hosts=['*.example']");
        let access =
            |uri: &str| rules.access(&ConnectorId::new("c", "x"), uri).map(|a| a.uri.expose().to_owned());
        assert_eq!(access("mongodb://a.example:1/"), Ok("mongodb://a.example:1/".into()));
        assert_eq!(access("mongodb://a.example,169.254.169.254/"), Err(Why::UriRefused));
        assert_eq!(access("mongodb://a.example/?tlsCAFile=/etc/shadow"), Err(Why::UriRefused));
    }
}
