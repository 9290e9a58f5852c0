//! A real Chromium, driven as W3C's WebDriver says: JSON over HTTP to chromedriver, and through it Chromium's own protocol.
//! Debian brings both in fitting versions; axe-core, which looks for what keeps people out, is npm's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::cache::Cache;
use crate::clock::{Seen, wait_until};
use crate::machine::{self, Need};
use crate::parts::AXE;
use crate::ports;
use crate::progress::Progress;
use crate::roster::{Roster, Start};

/// A loaded machine starts Chromium in a few seconds.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Of one command: pages of a thousand rows are looked at whole.
const ASK_LIMIT: Duration = Duration::from_secs(60);
/// Until a page shows what it is waited for.
const SHOW_LIMIT: Duration = Duration::from_secs(60);

/// One window of a running Chromium. Its processes end with the roster.
#[derive(Debug)]
pub struct Browser {
    session: String,
    http: reqwest::Client,
    axe: PathBuf,
}

impl Browser {
    /// Starts chromedriver and opens a window. What is missing is installed, where that is allowed.
    ///
    /// # Errors
    /// When it cannot be had or does not come up; what it said is in the error.
    pub async fn start(roster: &Roster, cache: &Cache, progress: &Progress) -> Result<Self> {
        machine::ensure(&[Need::Chromium, Need::Npm], progress).await?;
        let axe = AXE.obtain(cache, progress).await?.join("axe-core-4.14.1.tgz");
        let [port] = ports::free()?;
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={port}"));
        roster.spawn(Start { role: "chromedriver".to_owned(), command, ports: vec![port], data: None })?;
        let http = reqwest::Client::builder().timeout(ASK_LIMIT).no_proxy().build()?;
        let url = format!("http://127.0.0.1:{port}");
        wait_until("chromedriver to be ready", START_LIMIT, async || {
            Ok(match http.get(format!("{url}/status")).send().await {
                Ok(answer) if answer.status().is_success() => Seen::Yes(()),
                Ok(answer) => Seen::Not(answer.status().to_string()),
                Err(error) => Seen::Not(error.to_string()),
            })
        })
        .await?;
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--hide-scrollbars",
            "--no-first-run",
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "acceptInsecureCerts": true,
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "performance": "ALL", "browser": "ALL" },
        } } });
        let opened = asked(&http, &format!("{url}/session"), &wanted).await;
        let opened = opened
            .with_context(|| format!("Chromium does not start:\n{}", roster.log_end("chromedriver")))?;
        let id = opened["sessionId"].as_str().context("chromedriver gives no session")?;
        Ok(Self { session: format!("{url}/session/{id}"), http, axe })
    }

    async fn ask(&self, what: &str, body: &Value) -> Result<Value> {
        asked(&self.http, &format!("{}/{what}", self.session), body).await
    }

    /// Opens an address and waits until it has loaded.
    ///
    /// # Errors
    /// When nobody answers there.
    pub async fn open(&self, url: &str) -> Result<()> {
        self.ask("url", &json!({ "url": url })).await.map(drop)
    }

    /// What a function's body returns in the page.
    ///
    /// # Errors
    /// When it throws.
    pub async fn run(&self, script: &str) -> Result<Value> {
        self.ask("execute/sync", &json!({ "script": script, "args": [] })).await
    }

    /// Waits until an expression is true in the page; what `else_says` gives is told where it never is.
    ///
    /// # Errors
    /// When it does not become true in time.
    pub async fn until(&self, expression: &str) -> Result<()> {
        wait_until(expression, SHOW_LIMIT, async || {
            // A page that is just being replaced has no answer.
            let seen = self
                .run(&format!(
                    "return [!!({expression}), location.href, document.body.innerText.slice(0, 600)]"
                ))
                .await;
            Ok(match seen {
                Ok(seen) if seen[0] == true => Seen::Yes(()),
                Ok(seen) => Seen::Not(format!("{}: {}", seen[1], seen[2])),
                Err(error) => Seen::Not(error.to_string()),
            })
        })
        .await
    }

    /// Clicks where a person would: on what is seen and not covered.
    ///
    /// # Errors
    /// When there is no such element, or another is in the way.
    pub async fn click(&self, css: &str) -> Result<()> {
        let found = self.ask("element", &json!({ "using": "css selector", "value": css })).await?;
        let id = found.as_object().and_then(|found| found.values().next()?.as_str());
        let id = id.with_context(|| format!("no element {css}"))?;
        self.ask(&format!("element/{id}/click"), &json!({})).await.map(drop)
    }

    /// Presses keys, one after the other. Those without a letter have WebDriver's own characters (`\u{E004}`: tab).
    ///
    /// # Errors
    /// When the page is gone.
    pub async fn press(&self, keys: &str) -> Result<()> {
        let strokes: Vec<Value> = keys
            .chars()
            .flat_map(|key| {
                ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key.to_string() }))
            })
            .collect();
        let body = json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": strokes }] });
        self.ask("actions", &body).await.map(drop)
    }

    /// Chromium's own protocol.
    ///
    /// # Errors
    /// When it refuses.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Result<Value> {
        self.ask("goog/cdp/execute", &json!({ "cmd": command, "params": parameters })).await
    }

    /// A window of that size, in CSS pixels.
    ///
    /// # Errors
    /// When Chromium refuses.
    pub async fn resize(&self, width: u32, height: u32) -> Result<()> {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", size).await.map(drop)
    }

    /// What a person prefers, such as (`prefers-color-scheme`, `dark`).
    ///
    /// # Errors
    /// When Chromium refuses.
    pub async fn prefer(&self, features: &[(&str, &str)]) -> Result<()> {
        let features: Vec<Value> =
            features.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await.map(drop)
    }

    /// Whether pages' own scripts run, from the next page on.
    ///
    /// # Errors
    /// When Chromium refuses.
    pub async fn allow_scripts(&self, allowed: bool) -> Result<()> {
        self.devtools("Emulation.setScriptExecutionDisabled", json!({ "value": !allowed })).await.map(drop)
    }

    /// The whole page, as a PNG.
    ///
    /// # Errors
    /// When it cannot be drawn or written.
    pub async fn picture(&self, path: &Path) -> Result<()> {
        use base64::Engine as _;
        let drawn = self.devtools("Page.captureScreenshot", json!({ "captureBeyondViewport": true })).await?;
        let drawn = drawn["data"].as_str().context("no picture")?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, base64::prelude::BASE64_STANDARD.decode(drawn)?)?;
        Ok(())
    }

    /// Addresses that were asked for since this was last called, of whatever kind.
    ///
    /// # Errors
    /// When chromedriver keeps no log.
    pub async fn requests(&self) -> Result<Vec<String>> {
        let log = self.ask("se/log", &json!({ "type": "performance" })).await?;
        let messages = log.as_array().into_iter().flatten();
        let messages =
            messages.filter_map(|entry| serde_json::from_str::<Value>(entry["message"].as_str()?).ok());
        let sent = messages.filter(|message| {
            let kind = &message["message"]["method"];
            kind == "Network.requestWillBeSent" || kind == "Network.webSocketCreated"
        });
        Ok(sent
            .filter_map(|message| {
                let parameters = &message["message"]["params"];
                let url = parameters["request"]["url"].as_str().or(parameters["url"].as_str())?;
                Some(url.to_owned())
            })
            .collect())
    }

    /// What the console has said since this was last called: errors of scripts, and what a policy has kept from being loaded.
    ///
    /// # Errors
    /// When chromedriver keeps no log.
    pub async fn complaints(&self) -> Result<Vec<String>> {
        let log = self.ask("se/log", &json!({ "type": "browser" })).await?;
        let says = |entry: &Value| entry["message"].as_str().map(str::to_owned);
        Ok(log.as_array().into_iter().flatten().filter_map(says).collect())
    }

    /// What keeps people out of the page, as axe-core sees it: a line each.
    ///
    /// # Errors
    /// When axe-core does not run.
    pub async fn barriers(&self) -> Result<Vec<String>> {
        let unpack = ["-xzO", "-f", &self.axe.display().to_string(), "package/axe.min.js"].map(str::to_owned);
        let source = Command::new("tar").args(unpack).stdin(Stdio::null()).output().context("tar")?;
        ensure!(source.status.success(), "axe-core cannot be unpacked");
        self.run(&String::from_utf8(source.stdout)?).await?;
        let look = "const done = arguments[arguments.length - 1]; \
            axe.run(document, { resultTypes: ['violations'] }).then((found) => done(found.violations.flatMap((rule) => \
            rule.nodes.map((node) => `${rule.id} (${rule.impact}): ${node.target.join(' ')}: ${node.failureSummary}`))), \
            (error) => done([String(error)]))";
        let found = self.ask("execute/async", &json!({ "script": look, "args": [] })).await?;
        let lines = found.as_array().context("axe-core says nothing")?;
        Ok(lines.iter().filter_map(|line| line.as_str().map(str::to_owned)).collect())
    }
}

/// A command's value.
async fn asked(http: &reqwest::Client, url: &str, body: &Value) -> Result<Value> {
    let answer = http.post(url).json(body).send().await?;
    let well = answer.status().is_success();
    let mut answer: Value = answer.json().await?;
    ensure!(well, "{}", answer["value"]["message"]);
    Ok(answer["value"].take())
}
