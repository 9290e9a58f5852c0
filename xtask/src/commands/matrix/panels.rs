//! `--prometheus`: a real Prometheus scrapes the daemon while the matrix plays, and is then asked everything that the dashboards ask.
//! Where a panel stays empty among so many faults, its query asks for something that there is not.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use mongodb::bson::doc;
use serde::Serialize;
use serde_json::{Value, json};
use xtask::{Cache, Progress, Prometheus, Roster, Seen, Stopwatch, prometheus, source_config, wait_until};

use super::super::cargo::workspace;
use super::super::daemon::Daemon;
use super::super::dashboards;
use super::ground::{Ground, LONG};
use super::scene::roll_oplog;

/// A pass takes two seconds.
const SCRAPE_SECONDS: u64 = 2;

/// Between two points of an answer; a fault stands for longer.
const STEP: Duration = Duration::from_secs(2);

/// What Grafana would put in place of `$__rate_interval` here is less; a minute holds any pass.
const RATE_INTERVAL: &str = "1m";

/// After the last row: the newest pages are scraped, and a rate has two points.
const SETTLE: Duration = Duration::from_secs(3 * SCRAPE_SECONDS + 1);

/// A Prometheus that scrapes the daemons of the run.
#[derive(Debug)]
pub(super) struct Panels {
    prometheus: Prometheus,
    roster: Roster,
    targets: Vec<String>,
    watch: Stopwatch,
}

/// One query and what came of it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Asked {
    /// Dashboard and panel, or variable.
    panel: String,
    query: String,
    /// Series that had a number at some time.
    series: usize,
}

impl Panels {
    /// Starts it with our rules, and with the daemon as its target.
    pub(super) async fn start(daemon: &Daemon, progress: &Progress) -> Result<Self> {
        let cache = Cache::from_environment()?;
        let program = prometheus(&cache.tools(), progress).await?;
        let roster = Roster::claim_unique(&cache, "matrix-prometheus")?;
        let step = progress.step("start Prometheus");
        let rules = workspace()?.join("dashboards/prometheus/resumeguard.rules.yaml");
        let config = json!({
            "global": { "scrape_interval": format!("{SCRAPE_SECONDS}s"), "evaluation_interval": format!("{SCRAPE_SECONDS}s") },
            "rule_files": [rules],
            "scrape_configs": [{
                "job_name": "resumeguard",
                "file_sd_configs": [{ "files": [roster.folder().join("targets.json")], "refresh_interval": "2s" }],
            }],
        });
        // JSON is YAML.
        let started = Prometheus::start(&roster, &program, &config.to_string()).await?;
        step.done(&started.url);
        let mut panels = Self { prometheus: started, roster, targets: Vec::new(), watch: Stopwatch::start() };
        panels.scrape(daemon)?;
        Ok(panels)
    }

    /// One more target. Prometheus looks at the file again and again.
    fn scrape(&mut self, daemon: &Daemon) -> Result<()> {
        self.targets.push(daemon.url.trim_start_matches("http://").to_owned());
        let path = self.roster.folder().join("targets.json");
        let new = path.with_extension("new");
        std::fs::write(&new, json!([{ "targets": self.targets }]).to_string())?;
        Ok(std::fs::rename(new, path)?)
    }

    /// What the rows do not bring about: a recovery by a daemon that may, and a minimum retention.
    pub(super) async fn encore(&mut self, ground: &Ground, binary: &Path, progress: &Progress) -> Result<()> {
        let step = progress.step("a recovery");
        let mongo = ground.healthy.mongo();
        // 36 s: little enough to be rolled past.
        mongo.admin(doc! { "replSetResizeOplog": 1, "minRetentionHours": 0.01 }).await?;
        let roster = Roster::claim_unique(&Cache::from_environment()?, "matrix-encore")?;
        let state = roster.folder().join("state");
        let settings = format!(
            "[connect.main]\nurl = \"{}\"\nmanaged_by = \"none\"\n[poll]\ninterval = \"2s\"\noffset_flush = \"2s\"\nsizes_every = \"1s\"\n\
             [recovery]\nmode = \"approve\"\ndirectory = {state:?}\nstable_for = \"3s\"\nmass_failure = 1000\nmass_failure_ratio = 1.0\n",
            ground.connect.url()
        );
        let daemon = Daemon::begin(&roster, binary, &settings, &[]).await?;
        self.scrape(&daemon)?;
        // Not one of an earlier run on the same stack, whose offsets would be found.
        let name = &format!("encore-{}", std::process::id());
        let outcome = recovered(ground, &daemon, name).await;
        tokio::time::sleep(SETTLE).await;
        ground.connect.delete(name).await?;
        outcome?;
        step.done("done");
        Ok(())
    }

    /// Asks every query of every dashboard, and every variable, over the whole run.
    pub(super) async fn ask(&self) -> Result<Vec<Asked>> {
        let now = self.prometheus.query("vector(time())").await?;
        let now: f64 = now.first().context("Prometheus has no time")?.value.parse()?;
        let to = Duration::from_secs_f64(now);
        let over = self.watch.elapsed();
        let mut all = Vec::new();
        for (panel, query) in queries() {
            let query = substituted(&query, over);
            let series = self.prometheus.query_range(&query, (to.saturating_sub(over), to), STEP).await?;
            let series = series.iter().filter(|series| series.values > 0).count();
            all.push(Asked { panel, query, series });
        }
        Ok(all)
    }

    /// The alerts that were pending or fired at some time: which faults the rules have noticed.
    pub(super) async fn alerts(&self) -> Result<Vec<String>> {
        let query =
            format!("max by (alertname) (max_over_time(ALERTS[{}s]))", self.watch.elapsed().as_secs());
        let seen = self.prometheus.query(&query).await?;
        Ok(seen.into_iter().filter_map(|mut sample| sample.labels.remove("alertname")).collect())
    }
}

/// A connector that fails with 286, and is brought back.
async fn recovered(ground: &Ground, daemon: &Daemon, name: &str) -> Result<()> {
    let (connect, mongo) = (&ground.connect, ground.healthy.mongo());
    let namespace = "healthy.encore";
    connect.put_config(name, &source_config(mongo.uri(), namespace, &json!({}))).await?;
    connect.wait_until(name, LONG, |status| status.all("RUNNING")).await?;
    wait_until(&format!("{name} to store a position"), LONG, async || {
        mongo.insert(namespace, doc! { "of": name }).await?;
        let stored = connect.offsets(name).await?.len();
        Ok(if stored > 0 { Seen::Yes(()) } else { Seen::Not("nothing stored".to_owned()) })
    })
    .await?;
    connect.pause(name).await?;
    connect.wait_until(name, LONG, |status| status.all("PAUSED")).await?;
    roll_oplog(mongo).await?;
    connect.restart(name).await?;
    connect.resume(name).await?;
    connect.wait_until(name, LONG, |status| status.failed_with(286)).await?;
    wait_until("the recovery", LONG, async || {
        let (code, said) =
            daemon.command(&["recovery", "run", name, "--reason", "for the dashboards"]).await?;
        Ok(if code == Some(0) { Seen::Yes(()) } else { Seen::Not(said) })
    })
    .await?;
    ensure!(daemon.is_alive(), "resumeguard ended");
    Ok(())
}

/// Everything that the dashboards ask: panels, and the variables that fill their menus.
fn queries() -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut all = Vec::new();
    for (file, dashboard) in dashboards::all() {
        for variable in
            list(&dashboard["templating"]["list"]).iter().filter(|variable| variable["type"] == "query")
        {
            let asked = text(&variable["definition"]);
            let asked = asked.trim_start_matches("label_values(").trim_end_matches(')');
            if let Some((series, label)) = asked.rsplit_once(", ") {
                all.push((format!("{file}: ${label}"), format!("count by ({label}) ({series})")));
            }
        }
        for panel in list(&dashboard["panels"]) {
            let title = format!("{file}: {}", text(&panel["title"]));
            all.extend(list(&panel["targets"]).iter().map(|target| (title.clone(), text(&target["expr"]))));
        }
    }
    all
}

/// With everything chosen, as it is when a dashboard is opened.
fn substituted(query: &str, over: Duration) -> String {
    let query = query
        .replace("$__rate_interval", RATE_INTERVAL)
        .replace("$__range", &format!("{}s", over.as_secs().max(60)));
    // The longest first: one name begins like another.
    ["connect_cluster", "connector", "deployment", "instance", "job"]
        .iter()
        .fold(query, |query, variable| query.replace(&format!("\"${variable}\""), "\".+\""))
}

/// Prints what stayed empty; true if nothing did.
pub(super) fn report(asked: &[Asked], alerts: &[String]) -> bool {
    let empty: Vec<&Asked> = asked.iter().filter(|asked| asked.series == 0).collect();
    println!("dashboards: {} of {} queries have data", asked.len() - empty.len(), asked.len());
    empty.iter().for_each(|asked| println!("  nothing: {}: {}", asked.panel, asked.query));
    println!(
        "alerts that were pending or fired: {}",
        if alerts.is_empty() { "none".to_owned() } else { alerts.join(", ") }
    );
    empty.is_empty() && !asked.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_grafana_is_left_in_a_query() {
        let all = queries();
        assert!(all.len() > 60, "{}", all.len());
        for (panel, query) in all {
            let query = substituted(&query, Duration::from_secs(300));
            assert!(!query.contains('$'), "{panel}: {query}");
        }
    }

    #[test]
    fn an_empty_answer_fails() {
        let asked = |series| Asked { panel: "a".to_owned(), query: "b".to_owned(), series };
        assert!(report(&[asked(1)], &[]));
        assert!(!report(&[asked(1), asked(0)], &[]));
        assert!(!report(&[], &[]));
    }
}
