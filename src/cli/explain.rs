//! `explain`: what is known of one connector now, and what was seen of it over time.

use super::{Cli, Connect, Failure, Outcome, ask, status};
use crate::clock::Clock;
use crate::config::Config;
use crate::history::{Query, Story, read_offline};
use crate::publish::status::{Connector, Status};
use crate::publish::story::{DEFAULT_SPAN, lines};
use crate::publish::table;

/// Prints one connector's story.
pub(super) async fn run(
    cli: &Cli,
    wanted: &str,
    connect: &Connect,
    clock: Clock,
) -> Result<Outcome, Failure> {
    let (_, config) = cli.load(&connect.connect)?;
    let seen = match ask::status(cli, connect, clock).await {
        Ok(seen) => seen,
        Err(failure) => return Err(remembered(&config, wanted, failure, clock)),
    };
    let named = |c: &&Connector| c.connector == wanted || id(&c.connect_cluster, &c.connector) == wanted;
    let mut found = seen.connectors.iter().filter(named).peekable();
    if found.peek().is_none() {
        return Err(missing(wanted, &seen));
    }
    for connector in found {
        print(connector, &seen)?;
        match history(&config, connector, clock).await {
            None => {}
            Some(Ok(story)) => {
                status::print(&lines(&story))?;
            }
            Some(Err(line)) => {
                status::print(&format!("\n  no history can be read: {line}\n"))?;
            }
        }
    }
    Ok(Outcome::Done)
}

/// As `probe` says it: a cluster that cannot be read may run it.
fn missing(wanted: &str, seen: &Status) -> Failure {
    let blind = seen.sources.iter().find(|source| source.source == "connect" && !source.up);
    if let Some(error) = blind.and_then(|source| source.error.as_ref()) {
        return Failure::new(Outcome::Unreachable, error);
    }
    let line = format!("no MongoDB source connector is called {wanted}; `resumeguard status` lists them");
    Failure::new(Outcome::Usage, line)
}

fn print(connector: &Connector, seen: &Status) -> Result<Outcome, Failure> {
    status::print(&table::story(connector, seen))
}

fn id(connect_cluster: &str, connector: &str) -> String {
    format!("{connect_cluster}/{connector}")
}

/// From the daemon where there is one, else from the file; `None` where no history is kept.
async fn history(config: &Config, connector: &Connector, clock: Clock) -> Option<Result<Story, String>> {
    let names = [("connect_cluster", &connector.connect_cluster), ("connector", &connector.connector)];
    let mut query = reqwest::Url::parse("http://daemon/api/v1/history").ok()?;
    query.query_pairs_mut().extend_pairs(names);
    let path = format!("{}?{}", query.path(), query.query().unwrap_or_default());
    let Ok(response) = ask::get(config, &path).await else {
        let file = config.history.as_ref()?;
        let query = asked(Some(connector.connect_cluster.clone()), &connector.connector, clock);
        return Some(read_offline(&file.directory, &query).map_err(|error| error.to_string()));
    };
    if response.status() == reqwest::StatusCode::NOT_FOUND {
        return None;
    }
    if !response.status().is_success() {
        let problem: Option<serde_json::Value> = response.json().await.ok();
        let detail = problem.as_ref().and_then(|problem| problem["detail"].as_str());
        return Some(Err(detail.unwrap_or("the daemon gives no answer").to_owned()));
    }
    Some(response.json().await.map_err(|error| error.to_string()))
}

fn asked(connect_cluster: Option<String>, connector: &str, clock: Clock) -> Query {
    let until = clock.now().unix_seconds;
    Query { connect_cluster, connector: Some(connector.to_owned()), since: until - DEFAULT_SPAN, until }
}

/// Nothing can be read now: what was seen before is told all the same, and the command fails as it would have.
fn remembered(config: &Config, wanted: &str, failure: Failure, clock: Clock) -> Failure {
    let Some(file) = &config.history else { return failure };
    let (cluster, connector) = match wanted.split_once('/') {
        Some((cluster, connector)) => (Some(cluster.to_owned()), connector),
        None => (None, wanted),
    };
    if let Ok(story) = read_offline(&file.directory, &asked(cluster, connector, clock))
        && status::print(&format!("{wanted}: cannot be read now\n{}", lines(&story))).is_err()
    {
        tracing::debug!("standard output is closed");
    }
    failure
}
