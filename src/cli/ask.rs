//! Where a status comes from: the running daemon, or one pass of our own.

use super::{Cli, Connect, Failure, Outcome};
use crate::clock::Clock;
use crate::config::Config;
use crate::control;
use crate::daemon::Watch;
use crate::publish::http::SERVED_BY;
use crate::publish::status::{Status, Tokens};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// The daemon answers from memory; it needs no longer.
const PATIENCE: Duration = Duration::from_secs(3);
/// What may be asked for without anything that is secret.
pub(super) const HEALTH: &str = "/healthz";

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

/// Asks the daemon on this machine: by its control socket, where there is one that lets us in, else by HTTP without
/// credentials.
pub(super) async fn get(config: &Config, path: &str) -> Result<reqwest::Response, String> {
    if let Some(response) = by_socket(config, path).await {
        return Ok(response);
    }
    let address = reachable(config.http.listen);
    let builder = reqwest::Client::builder().timeout(PATIENCE).no_proxy();
    let (scheme, builder) = match &config.http.tls {
        None => ("http", builder),
        // Whether passes advance is no secret, and nothing is shown for it: the certificate's name need not be this machine's.
        Some(_) if path == HEALTH => ("https", builder.tls_danger_accept_invalid_certs(true)),
        Some(_) => {
            return Err(format!(
                "{address} (http.listen) serves TLS: this asks by the control socket, and none answers in recovery.directory"
            ));
        }
    };
    let client = builder.build().map_err(|error| error.to_string())?;
    let response = client.get(format!("{scheme}://{address}{path}")).send().await;
    let response = response.map_err(|_| format!("no daemon answers on {address} (http.listen)"))?;
    if !is_ours(&response) {
        return Err(format!("what answers on {address} (http.listen) is no resumeguard"));
    }
    Ok(response)
}

/// `None` where nobody listens there, or does not let us in.
async fn by_socket(config: &Config, path: &str) -> Option<reqwest::Response> {
    let socket = config.recovery.directory.as_ref()?.join(control::FILE);
    // Whether somebody is behind it shows at once.
    tokio::net::UnixStream::connect(&socket).await.ok()?;
    let client = reqwest::Client::builder().unix_socket(socket).timeout(PATIENCE).build().ok()?;
    // The host is not looked up; the socket is the address.
    let response = client.get(format!("http://daemon{path}")).send().await.ok()?;
    is_ours(&response).then_some(response)
}

fn is_ours(response: &reqwest::Response) -> bool {
    let server = response.headers().get(reqwest::header::SERVER).and_then(|value| value.to_str().ok());
    server == Some(SERVED_BY)
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
