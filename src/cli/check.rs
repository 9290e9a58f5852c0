//! `check-config`.

use super::{Failure, Outcome, ask, status};
use crate::clock::Clock;
use crate::config::{Config, ConnectCluster, Kafka};
use crate::sources::kafka;

/// The configuration was read already, so it is good, if Kafka's client takes its properties together; with `connectivity` every source is
/// read once as well.
pub(super) async fn run(config: &Config, connectivity: bool, clock: Clock) -> Result<Outcome, Failure> {
    for cluster in &config.connect {
        if let Some(refusal) = brokers(cluster).find_map(kafka::refusal) {
            let line = format!("connect.{}.kafka: {refusal}", cluster.name);
            return Err(Failure::new(Outcome::Configuration, line));
        }
    }
    let summary = format!(
        "configuration is good: {} Connect clusters, {} MongoDB deployments\n",
        config.connect.len(),
        config.mongodb.len()
    );
    status::print(&summary)?;
    if config.connect.is_empty() {
        // As the shipped example is: good, and no use yet.
        status::print(
            "nothing is watched yet: add [connect.NAME] with url = \"…\" for each Kafka Connect cluster\n",
        )?;
    }
    if !connectivity {
        return Ok(Outcome::Done);
    }
    let seen = ask::one_pass(config, clock).await?;
    let mut all_up = true;
    for source in &seen.sources {
        all_up &= source.up;
        let state = match (source.up, source.error.as_deref()) {
            (true, None) => "readable".to_owned(),
            (true, Some(lacking)) => format!("readable; {lacking}"),
            (false, error) => error.unwrap_or("not read").to_owned(),
        };
        status::print(&format!("{} {}: {state}\n", source.source, source.name))?;
    }
    Ok(if all_up { Outcome::Done } else { Outcome::Unreachable })
}

/// How each of the brokers that it names is reached.
fn brokers(cluster: &ConnectCluster) -> impl Iterator<Item = &Kafka> {
    let topics = cluster.offsets.topic.iter().chain(&cluster.status_topic);
    topics.map(|topic| &topic.kafka).chain(&cluster.offsets.elsewhere)
}
