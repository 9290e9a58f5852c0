//! One connector by itself: what is read again immediately before something is done to it.

use super::client::{Client, ConnectError, OFFSETS_LIMIT, wrong_form};
use super::listing;
use resumeguard_core::domain::{ConnectorState, TaskFacts};
use resumeguard_core::recovery::RawOffset;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

impl Client {
    /// `GET /connectors/NAME/status`; `None` where there is none, as for a connector that was created a moment ago.
    ///
    /// # Errors
    /// Whatever keeps it from being read.
    pub async fn status(
        &self,
        name: &str,
        deadline: Duration,
    ) -> Result<Option<(ConnectorState, Vec<TaskFacts>)>, ConnectError> {
        let url = self.url(&["connectors", name, "status"])?;
        let body = found(self.get(&url, deadline, OFFSETS_LIMIT).await)?;
        body.map(|body| listing::parse_status(&body)).transpose().map_err(|error| wrong_form(&url, &error))
    }

    /// `GET /connectors/NAME/config`: all of it, placeholders unresolved, secrets in clear; `None` where there is no such
    /// connector.
    ///
    /// # Errors
    /// Whatever keeps it from being read.
    pub async fn config(
        &self,
        name: &str,
        deadline: Duration,
    ) -> Result<Option<BTreeMap<String, String>>, ConnectError> {
        let url = self.url(&["connectors", name, "config"])?;
        let body = found(self.get(&url, deadline, OFFSETS_LIMIT).await)?;
        let parse = |body: Vec<u8>| serde_json::from_slice::<BTreeMap<String, Option<String>>>(&body);
        let config = body.map(parse).transpose().map_err(|error| wrong_form(&url, &error))?;
        Ok(config.map(|config| config.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()))
    }

    /// `GET /connectors/NAME/offsets`, every entry as it stands: a key can only be addressed as it was found.
    ///
    /// # Errors
    /// Whatever keeps them from being read.
    pub async fn raw_offsets(&self, name: &str, deadline: Duration) -> Result<Vec<RawOffset>, ConnectError> {
        #[derive(Deserialize)]
        struct Answer {
            offsets: Vec<RawOffset>,
        }
        let url = self.url(&["connectors", name, "offsets"])?;
        let body = self.offsets_body(name, &url, deadline).await?;
        let answer: Answer = serde_json::from_slice(&body).map_err(|error| wrong_form(&url, &error))?;
        Ok(answer.offsets)
    }
}

/// Connect's own 404: there is no such connector, or nothing is known of it.
fn found(answer: Result<Vec<u8>, ConnectError>) -> Result<Option<Vec<u8>>, ConnectError> {
    match answer {
        Ok(body) => Ok(Some(body)),
        Err(ConnectError::Status { status: 404, message, .. }) if !message.contains("HTTP 404") => Ok(None),
        Err(error) => Err(error),
    }
}
