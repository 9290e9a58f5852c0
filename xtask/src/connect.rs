//! A client of Kafka Connect's REST, for driving connectors in tests.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use mongodb::bson::Timestamp;
use reqwest::{Certificate, Client, Identity, Method, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::certificates::Certificates;
use crate::clock::{Deadline, Seen, wait_until};
use crate::connector::{ConnectorStatus, StoredOffset};
use crate::secured::Account;

/// Longer than the 90 s after which Connect itself gives up on a request would hide a hanging worker.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);

/// While the group rebalances every change is answered with 409; that takes seconds.
const REBALANCE_LIMIT: Duration = Duration::from_secs(60);

const BETWEEN_TRIES: Duration = Duration::from_millis(200);

/// A client of one worker's REST.
#[derive(Clone, Debug)]
pub struct Connect {
    url: Url,
    http: Client,
    account: Option<Account>,
}

/// How a secured worker is reached.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    pub(crate) account: Account,
    pub(crate) tls: Certificates,
}

impl Connect {
    /// A client of the worker at `url`, e.g. `http://127.0.0.1:8083`.
    ///
    /// # Errors
    /// When it is not a URL.
    pub fn new(url: &str) -> Result<Self> {
        crate::tls::install();
        let url = Url::parse(url).with_context(|| format!("not a URL: {url}"))?;
        let http = Client::builder().timeout(REQUEST_LIMIT).no_proxy().build()?;
        Ok(Self { url, http, account: None })
    }

    /// The same of a worker of a secured stack, where `access` says how.
    pub(crate) fn with(url: &str, access: Option<&Access>) -> Result<Self> {
        let plain = Self::new(url)?;
        let Some(Access { account, tls }) = access else { return Ok(plain) };
        let client = Client::builder().timeout(REQUEST_LIMIT).no_proxy();
        let client = client.tls_certs_only([Certificate::from_pem(&std::fs::read(tls.ca())?)?]);
        let client = client.identity(Identity::from_pem(&std::fs::read(tls.client())?)?);
        Ok(Self { http: client.build()?, account: Some(*account), ..plain })
    }

    /// The worker's URL without a trailing slash.
    #[must_use]
    pub fn url(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    /// The names of all connectors.
    ///
    /// # Errors
    /// The worker's; so of every method here.
    pub async fn names(&self) -> Result<Vec<String>> {
        let path = ["connectors"];
        Ok(serde_json::from_value(self.ask(Method::GET, self.at(&path)?, None).await?)?)
    }

    /// Creates a connector, or gives it another configuration.
    ///
    /// # Errors
    /// The worker's.
    pub async fn put_config(&self, name: &str, config: &Value) -> Result<()> {
        let url = self.at(&["connectors", name, "config"])?;
        self.ask(Method::PUT, url, Some(config)).await.map(drop)
    }

    /// Creates a connector whose name no path can hold; the answer's status. It may be there all the same when that is an
    /// error.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn post(&self, name: &str, config: &Value) -> Result<u16> {
        let body = json!({ "name": name, "config": config });
        let (code, _) = self.send(Method::POST, self.at(&["connectors"])?, Some(&body)).await?;
        Ok(code.as_u16())
    }

    /// A connector's configuration.
    ///
    /// # Errors
    /// The worker's.
    pub async fn config(&self, name: &str) -> Result<Value> {
        self.ask(Method::GET, self.at(&["connectors", name, "config"])?, None).await
    }

    /// A connector's state; `None` right after its creation, when nobody has reported yet.
    ///
    /// # Errors
    /// The worker's.
    pub async fn status(&self, name: &str) -> Result<Option<ConnectorStatus>> {
        let url = self.at(&["connectors", name, "status"])?;
        let (code, body) = self.send(Method::GET, url, None).await?;
        match code {
            StatusCode::NOT_FOUND => Ok(None),
            code if code.is_success() => Ok(Some(serde_json::from_value(body)?)),
            code => bail!("status of {name}: {code} {body}"),
        }
    }

    /// Pauses: the tasks stay and do nothing.
    ///
    /// # Errors
    /// The worker's.
    pub async fn pause(&self, name: &str) -> Result<()> {
        self.order(Method::PUT, name, "pause").await
    }

    /// Resumes a paused or stopped connector.
    ///
    /// # Errors
    /// The worker's.
    pub async fn resume(&self, name: &str) -> Result<()> {
        self.order(Method::PUT, name, "resume").await
    }

    /// Stops: the tasks are gone, the offsets may be changed.
    ///
    /// # Errors
    /// The worker's.
    pub async fn stop(&self, name: &str) -> Result<()> {
        self.order(Method::PUT, name, "stop").await
    }

    /// Restarts the connector and all its tasks.
    ///
    /// # Errors
    /// The worker's.
    pub async fn restart(&self, name: &str) -> Result<()> {
        let mut url = self.at(&["connectors", name, "restart"])?;
        url.set_query(Some("includeTasks=true&onlyFailed=false"));
        self.ask(Method::POST, url, None).await.map(drop)
    }

    /// Deletes the connector; its offsets stay.
    ///
    /// # Errors
    /// The worker's.
    pub async fn delete(&self, name: &str) -> Result<()> {
        self.ask(Method::DELETE, self.at(&["connectors", name])?, None).await.map(drop)
    }

    /// What the connector has stored.
    ///
    /// # Errors
    /// The worker's.
    pub async fn offsets(&self, name: &str) -> Result<Vec<StoredOffset>> {
        #[derive(Deserialize)]
        struct Answer {
            offsets: Vec<StoredOffset>,
        }
        let answer = self.ask(Method::GET, self.at(&["connectors", name, "offsets"])?, None).await?;
        Ok(serde_json::from_value::<Answer>(answer)?.offsets)
    }

    /// Overwrites a stopped connector's offsets.
    ///
    /// # Errors
    /// The worker's.
    pub async fn patch_offsets(&self, name: &str, partition: &Value, offset: &Value) -> Result<()> {
        let url = self.at(&["connectors", name, "offsets"])?;
        let body = json!({ "offsets": [{ "partition": partition, "offset": offset }] });
        self.ask(Method::PATCH, url, Some(&body)).await.map(drop)
    }

    /// Deletes a stopped connector's offsets.
    ///
    /// # Errors
    /// The worker's.
    pub async fn delete_offsets(&self, name: &str) -> Result<()> {
        let url = self.at(&["connectors", name, "offsets"])?;
        self.ask(Method::DELETE, url, None).await.map(drop)
    }

    /// Waits until the status is as wanted, and returns it.
    ///
    /// # Errors
    /// When it is not within `limit`; the error holds the last status.
    pub async fn wait_until(
        &self,
        name: &str,
        limit: Duration,
        wanted: impl Fn(&ConnectorStatus) -> bool,
    ) -> Result<ConnectorStatus> {
        wait_until(&format!("connector {name}"), limit, async || {
            Ok(match self.status(name).await? {
                Some(status) if wanted(&status) => Seen::Yes(status),
                Some(status) => Seen::Not(status.to_string()),
                None => Seen::Not("no status yet".to_owned()),
            })
        })
        .await
    }

    /// Waits until the connector has stored a token whose time is as wanted, and returns that time.
    ///
    /// # Errors
    /// When it has not within `limit`.
    pub async fn wait_until_stored(
        &self,
        name: &str,
        limit: Duration,
        wanted: impl Fn(Timestamp) -> bool,
    ) -> Result<Timestamp> {
        wait_until(&format!("{name}'s stored position"), limit, async || {
            let offsets = self.offsets(name).await?;
            let time = offsets.first().and_then(StoredOffset::time);
            Ok(match time {
                Some(time) if wanted(time) => Seen::Yes(time),
                _ => Seen::Not(format!("{time:?} in {offsets:?}")),
            })
        })
        .await
    }

    async fn order(&self, method: Method, name: &str, verb: &str) -> Result<()> {
        self.ask(method, self.at(&["connectors", name, verb])?, None).await.map(drop)
    }

    /// Names are escaped: they may hold blanks, `?` or `#`.
    fn at(&self, path: &[&str]) -> Result<Url> {
        let mut url = self.url.clone();
        let Ok(mut segments) = url.path_segments_mut() else { bail!("{} has no path", self.url) };
        segments.clear().extend(path);
        drop(segments);
        Ok(url)
    }

    /// Sends until the answer is not a rebalance's 409; any other failure is an error.
    async fn ask(&self, method: Method, url: Url, body: Option<&Value>) -> Result<Value> {
        let deadline = Deadline::after(REBALANCE_LIMIT);
        loop {
            let (code, answer) = self.send(method.clone(), url.clone(), body).await?;
            if code.is_success() {
                return Ok(answer);
            }
            if code != StatusCode::CONFLICT || deadline.passed() {
                bail!("{method} {url}: {code} {answer}");
            }
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
    }

    async fn send(&self, method: Method, url: Url, body: Option<&Value>) -> Result<(StatusCode, Value)> {
        let mut request = self.http.request(method, url);
        if let Some(Account { user, password }) = self.account {
            request = request.basic_auth(user, Some(password));
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await?;
        let code = answer.status();
        let text = answer.text().await?;
        // 204 has no body, and a proxy's or Jetty's own error page is HTML.
        Ok((code, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped() {
        let connect = Connect::new("http://127.0.0.1:8083/").unwrap();
        assert_eq!(connect.url(), "http://127.0.0.1:8083");
        let url = connect.at(&["connectors", "a b?#c", "status"]).unwrap();
        assert_eq!(url.as_str(), "http://127.0.0.1:8083/connectors/a%20b%3F%23c/status");
    }
}
