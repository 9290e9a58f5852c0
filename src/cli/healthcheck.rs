//! `healthcheck`: for containers, which may have no shell.

use super::{Failure, Outcome, ask, status};
use crate::config::Config;

/// Asks the daemon's `/healthz`.
pub(super) async fn run(config: &Config) -> Result<Outcome, Failure> {
    let response =
        ask::get(config, ask::HEALTH).await.map_err(|line| Failure::new(Outcome::Unreachable, line))?;
    let healthy = response.status().is_success();
    let text = response.text().await.unwrap_or_default();
    status::print(&text)?;
    Ok(if healthy { Outcome::Done } else { Outcome::Negative })
}
