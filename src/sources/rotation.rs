//! Secrets and certificates that stand in files: looked at before every pass, so that what was rotated counts in it. What
//! cannot be read stays as it was.

use crate::config::{Config, ConnectCredentials, ConnectSecurity, Deployment};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Files are small and near; a disk that does not answer must not keep a pass.
const PATIENCE: Duration = Duration::from_millis(500);

/// What was read.
#[derive(Debug, Clone)]
pub(super) struct Reread {
    /// By Connect cluster.
    pub(super) connects: Vec<(String, ConnectCredentials)>,
    /// Every deployment, with what could be read anew.
    pub(super) deployments: Vec<Deployment>,
    /// One line each.
    problems: Vec<String>,
}

/// Reads them again and again.
#[derive(Debug)]
pub(super) struct Rotation {
    connects: Vec<(String, ConnectSecurity)>,
    deployments: Vec<Deployment>,
    reading: Option<JoinHandle<Reread>>,
    said: Vec<String>,
}

impl Rotation {
    pub(super) fn new(config: &Config) -> Self {
        let connects = config.connect.iter().filter(|connect| connect.security.rotates());
        Self {
            connects: connects.map(|connect| (connect.name.clone(), connect.security.clone())).collect(),
            deployments: config.mongodb.clone(),
            reading: None,
            said: Vec::new(),
        }
    }

    /// What stands in the files now; `None` where there are none, or they could not be read in time.
    pub(super) async fn turn(&mut self) -> Option<Reread> {
        if self.connects.is_empty() && !self.deployments.iter().any(rotates) {
            return None;
        }
        let mut reading = self.reading.take().unwrap_or_else(|| {
            let (connects, deployments) = (self.connects.clone(), self.deployments.clone());
            tokio::task::spawn_blocking(move || read(&connects, deployments))
        });
        let Ok(read) = tokio::time::timeout(PATIENCE, &mut reading).await else {
            self.reading = Some(reading);
            return None;
        };
        let read = read.ok()?;
        if self.said != read.problems {
            for problem in &read.problems {
                tracing::warn!(problem, "a rotated secret cannot be used; the one before it stays in use");
            }
            self.said.clone_from(&read.problems);
        }
        self.deployments.clone_from(&read.deployments);
        Some(read)
    }
}

fn rotates(deployment: &Deployment) -> bool {
    deployment.source.rotates() || deployment.shards.iter().any(|shard| shard.source.rotates())
}

fn read(connects: &[(String, ConnectSecurity)], mut deployments: Vec<Deployment>) -> Reread {
    let mut problems = Vec::new();
    let mut known = Vec::new();
    for (name, security) in connects {
        match security.read() {
            Ok(credentials) => known.push((name.clone(), credentials)),
            Err(error) => problems.push(error.to_string()),
        }
    }
    for deployment in &mut deployments {
        let own = std::iter::once((&deployment.source, &mut deployment.entrance));
        let shards = deployment.shards.iter_mut().map(|shard| (&shard.source, &mut shard.entrance));
        for (source, entrance) in own.chain(shards).filter(|(source, _)| source.rotates()) {
            match source.read() {
                Ok(read) => *entrance = read,
                Err(error) => problems.push(error.to_string()),
            }
        }
    }
    Reread { connects: known, deployments, problems }
}
