//! Where a status comes from: the running daemon, or one pass of our own.

use super::{Cli, Connect, Failure, Outcome};
use crate::clock::Clock;
use crate::config::Config;
use crate::daemon::Watch;
use crate::publish::http::SERVED_BY;
use crate::publish::status::{Status, Tokens};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// The daemon answers from memory; it needs no longer.
const PATIENCE: Duration = Duration::from_secs(3);

/// The daemon's status where it runs and no cluster is named on the command line, else that of one pass.
pub(super) async fn status(cli: &Cli, connect: &Connect, clock: Clock) -> Result<Status, Failure> {
    if connect.connect.is_empty() {
        let (_, config) = cli.load(&[])?;
        if let Some(status) = of_daemon(&config).await {
            return Ok(status);
        }
    }
    let (_, config) = cli.watched(connect)?;
    one_pass(&config, clock).await
}

/// One pass. Where no Connect cluster can be read there is nothing to show.
pub(super) async fn one_pass(config: &Config, clock: Clock) -> Result<Status, Failure> {
    let unreachable = |line: String| Failure::new(Outcome::Unreachable, line);
    let mut watch = Watch::new(config, clock).map_err(|error| unreachable(format!("{error:#}")))?;
    let status = Status::new(&watch.pass().await, Tokens::Shown);
    let mut connects = status.sources.iter().filter(|source| source.source == "connect").peekable();
    let first_error = connects.peek().and_then(|source| source.error.clone());
    match first_error {
        Some(error) if connects.all(|source| !source.up) => Err(unreachable(error)),
        _ => Ok(status),
    }
}

async fn of_daemon(config: &Config) -> Option<Status> {
    let response = get(config, "/api/v1/status").await.ok()?;
    if !response.status().is_success() {
        return None;
    }
    response.json().await.ok()
}

/// Asks the daemon on this machine.
pub(super) async fn get(config: &Config, path: &str) -> Result<reqwest::Response, String> {
    let address = reachable(config.listen);
    let client =
        reqwest::Client::builder().timeout(PATIENCE).no_proxy().build().map_err(|error| error.to_string())?;
    let response = client.get(format!("http://{address}{path}")).send().await;
    let response = response.map_err(|_| format!("no daemon answers on {address} (http.listen)"))?;
    let server = response.headers().get(reqwest::header::SERVER).and_then(|value| value.to_str().ok());
    if server != Some(SERVED_BY) {
        return Err(format!("what answers on {address} (http.listen) is no resumeguard"));
    }
    Ok(response)
}

/// A daemon that listens on every address is asked on the loopback one.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let loopback = match listen.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(loopback, listen.port())
}
