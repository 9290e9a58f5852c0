//! A real Prometheus and a real Alertmanager, as processes of a roster.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::clock::{Seen, wait_until};
use crate::ports;
use crate::roster::{Roster, Start};

/// Either is up within a second on an idle machine.
const START_LIMIT: Duration = Duration::from_secs(60);

const ASK_LIMIT: Duration = Duration::from_secs(20);

/// One series of an answer: its labels, and its newest value.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Its labels, the name included.
    pub labels: BTreeMap<String, String>,
    /// The value as Prometheus writes it; of a range the last one.
    pub value: String,
    /// How many values there are that are numbers: a rate of nothing is none.
    pub values: usize,
}

/// A running Prometheus.
#[derive(Clone, Debug)]
pub struct Prometheus {
    /// Its address.
    pub url: String,
    http: reqwest::Client,
}

impl Prometheus {
    /// Starts it with that configuration.
    ///
    /// # Errors
    /// When it does not come up; what it said is in the error.
    pub async fn start(roster: &Roster, program: &Path, config: &str) -> Result<Self> {
        let arguments = |port: u16, config: &Path, data: &Path| {
            vec![
                format!("--config.file={}", config.display()),
                format!("--storage.tsdb.path={}", data.display()),
                format!("--web.listen-address=127.0.0.1:{port}"),
                "--log.level=warn".to_owned(),
            ]
        };
        let (url, http) = started(roster, "prometheus", program, config, arguments).await?;
        Ok(Self { url, http })
    }

    /// Asks for an expression's value now.
    ///
    /// # Errors
    /// When it does not answer, or not with a vector: the expression may be wrong.
    pub async fn query(&self, expression: &str) -> Result<Vec<Sample>> {
        self.asked("query", &[("query", expression)]).await
    }

    /// Asks for an expression's values between two times since 1970, one a `step`.
    ///
    /// # Errors
    /// When it does not answer, or not with a matrix.
    pub async fn query_range(
        &self,
        expression: &str,
        (from, to): (Duration, Duration),
        step: Duration,
    ) -> Result<Vec<Sample>> {
        let [from, to, step] = [from, to, step].map(|time| format!("{:.3}", time.as_secs_f64()));
        let parameters = [("query", expression), ("start", &from), ("end", &to), ("step", &step)];
        self.asked("query_range", &parameters).await
    }

    /// The alerts that fire now.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn firing(&self) -> Result<Vec<Sample>> {
        self.query("ALERTS{alertstate=\"firing\"}").await
    }

    async fn asked(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Vec<Sample>> {
        // Characters that a URL cannot have are percent-encoded by its parser.
        let mut url = reqwest::Url::parse(&format!("{}/api/v1/{path}", self.url))?;
        url.query_pairs_mut().extend_pairs(parameters);
        let answer: Value = self.http.get(url).send().await?.json().await?;
        ensure!(answer["status"] == "success", "{}: {answer}", parameters[0].1);
        let result = answer["data"]["result"].as_array();
        let result = result.with_context(|| format!("{}: {answer}", parameters[0].1))?;
        Ok(result.iter().filter_map(sample).collect())
    }
}

/// `{"metric": …, "value": [time, "1"]}`, or `values`; a scalar is none.
fn sample(series: &Value) -> Option<Sample> {
    let labels = serde_json::from_value(series["metric"].clone()).ok()?;
    let one = std::slice::from_ref(&series["value"]);
    let values = series["values"].as_array().map_or(one, Vec::as_slice);
    let numbers = values.iter().filter(|value| value[1] != "NaN").count();
    Some(Sample { labels, value: values.last()?[1].as_str()?.to_owned(), values: numbers })
}

/// A running Alertmanager.
#[derive(Clone, Debug)]
pub struct Alertmanager {
    /// Its address.
    pub url: String,
}

impl Alertmanager {
    /// Starts it with that configuration.
    ///
    /// # Errors
    /// When it does not come up; what it said is in the error.
    pub async fn start(roster: &Roster, program: &Path, config: &str) -> Result<Self> {
        let arguments = |port: u16, config: &Path, data: &Path| {
            vec![
                format!("--config.file={}", config.display()),
                format!("--storage.path={}", data.display()),
                format!("--web.listen-address=127.0.0.1:{port}"),
                // No other to gossip with.
                "--cluster.listen-address=".to_owned(),
                "--log.level=warn".to_owned(),
            ]
        };
        let (url, _) = started(roster, "alertmanager", program, config, arguments).await?;
        Ok(Self { url })
    }
}

async fn started(
    roster: &Roster,
    role: &str,
    program: &Path,
    config: &str,
    arguments: impl Fn(u16, &Path, &Path) -> Vec<String>,
) -> Result<(String, reqwest::Client)> {
    let path = roster.folder().join(format!("{role}.yaml"));
    fs::write(&path, config)?;
    let data = roster.data_folder(role)?;
    let [port] = ports::free()?;
    let mut command = Command::new(program);
    command.args(arguments(port, &path, &data));
    let start = Start { role: role.to_owned(), command, ports: vec![port], data: Some(data) };
    let process = roster.spawn(start)?;
    let url = format!("http://127.0.0.1:{port}");
    let http = reqwest::Client::builder().timeout(ASK_LIMIT).no_proxy().build()?;
    wait_until(&format!("{role} to be ready"), START_LIMIT, async || {
        ensure!(process.is_alive(), "{role} ended:\n{}", roster.log_end(role));
        Ok(match http.get(format!("{url}/-/ready")).send().await {
            Ok(answer) if answer.status().is_success() => Seen::Yes(()),
            Ok(answer) => Seen::Not(answer.status().to_string()),
            Err(error) => Seen::Not(error.to_string()),
        })
    })
    .await?;
    Ok((url, http))
}
