//! One connector by itself: what is read again immediately before something is done to it.

use super::client::{Client, ConnectError, OFFSETS_LIMIT, shortened, wrong_form};
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
        let body = found(name, self.get(&url, deadline, OFFSETS_LIMIT).await)?;
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
        let body = found(name, self.get(&url, deadline, OFFSETS_LIMIT).await)?;
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

/// Connect's own 404: there is no such connector, or nothing is known of it. A gateway answers 404 as well while it has no route,
/// with JSON of its own; a connector is gone only where Connect says so, by its name.
fn found(name: &str, answer: Result<Vec<u8>, ConnectError>) -> Result<Option<Vec<u8>>, ConnectError> {
    match answer {
        Ok(body) => Ok(Some(body)),
        Err(ConnectError::Status { status: 404, message, error_code: Some(404), .. })
            if says_absent(name, &message) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// In the words of `AbstractHerder`, `DistributedHerder` and `StandaloneHerder`.
fn says_absent(name: &str, message: &str) -> bool {
    let said = [
        format!("Connector {name} not found"),
        format!("No status found for connector {name}"),
        format!("Unknown connector {name}"),
    ];
    // A long name is cut short as the message was.
    said.iter().any(|said| message.contains(&shortened(said)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::connect::message;

    fn answered(name: &str, error_code: Option<i64>, body: &str) -> Result<bool, ConnectError> {
        let (url, message) = (String::new(), message(body.as_bytes()));
        let answer = Err(ConnectError::Status { url, status: 404, message, error_code });
        found(name, answer).map(|body| body.is_some())
    }

    #[test]
    fn only_connects_own_words_say_that_a_connector_is_gone() {
        for said in ["Connector a b not found", "No status found for connector a b", "Unknown connector a b"]
        {
            let body = format!(r#"{{"error_code":404,"message":"{said}"}}"#);
            assert!(!answered("a b", Some(404), &body).unwrap(), "{said}");
            answered("other", Some(404), &body).unwrap_err();
            answered("a b", None, &body).unwrap_err();
        }
        let long = "x".repeat(300);
        let body = format!(r#"{{"error_code":404,"message":"Connector {long} not found"}}"#);
        assert!(!answered(&long, Some(404), &body).unwrap());
        for foreign in [
            r#"{"message":"no Route matched with those values"}"#,
            r#"{"error_code":404,"message":"HTTP 404 Not Found"}"#,
            r#"{"error_code":404,"message":"Not Found"}"#,
            r#"{"status":404,"error":"Not Found","path":"/connectors/a b/config"}"#,
        ] {
            answered("a b", Some(404), foreign).unwrap_err();
        }
    }
}
