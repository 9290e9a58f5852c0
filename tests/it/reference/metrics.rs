//! Every metric: kind, unit, labels, and who asks for it.

use super::{code, same_as_page};
use crate::promql::{root, selectors};
use resumeguard::publish::metrics;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const BEFORE: &str = "# Metrics

`/metrics` is a page in Prometheus' text format, made once a pass and handed out as it is: a scrape asks nobody and never waits.

- What is not known has no series. No metric is 0 because nothing could be read.
- A series vanishes with its subject: a connector that is deleted, a member that has left.
- Times are Unix timestamps by the clock of whoever they are of, not ages; durations are seconds, sizes bytes.
- `connect_cluster` is the NAME of `[connect.NAME]`; `deployment` that of `[mongodb.NAME]`, else the replica set's name.
- Closed lists of values, such as those of `why` and `reason`, stand in [Words](words.md).

Below each stand the alerts and dashboards of ours that ask for it.

";

#[derive(Default)]
struct Metric {
    help: String,
    kind: String,
    labels: Vec<String>,
}

/// Every family of the page, in its order.
fn families(page: &str) -> Vec<(String, Metric)> {
    let mut found: Vec<(String, Metric)> = Vec::new();
    for line in page.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            found.push((name.to_owned(), Metric { help: help.to_owned(), ..Metric::default() }));
        } else if let Some((_, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            kind.clone_into(&mut found.last_mut().unwrap().1.kind);
        } else if let Some((_, metric)) = found.last_mut() {
            let labels = selectors(line).into_iter().flat_map(|selector| selector.matchers);
            let new = labels.map(|(label, _, _)| label).filter(|label| label != "le");
            let new: Vec<_> = new.filter(|label| !metric.labels.contains(label)).collect();
            metric.labels.extend(new);
        }
    }
    found
}

/// The unit, which the name ends with.
fn unit(name: &str) -> &'static str {
    let name = name.trim_end_matches("_total");
    let units = [
        ("_timestamp_seconds", "Unix time in seconds"),
        ("_seconds", "seconds"),
        ("_seconds_until_lost", "seconds"),
        ("_bytes", "bytes"),
        ("_ratio", "ratio"),
    ];
    units.iter().find(|(end, _)| name.ends_with(end)).map_or("", |(_, unit)| unit)
}

/// Names of the metrics that an expression asks for, recording rules looked through.
fn asked(expression: &str, recordings: &BTreeMap<String, String>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for selector in selectors(expression) {
        match recordings.get(&selector.metric) {
            Some(behind) => found.extend(asked(behind, recordings)),
            None => {
                let name =
                    ["_bucket", "_sum", "_count"].iter().find_map(|end| selector.metric.strip_suffix(end));
                found.extend(name.map(str::to_owned));
                found.insert(selector.metric);
            }
        }
    }
    found
}

/// Which alerts and which dashboards ask for each metric.
fn askers() -> BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)> {
    let text = std::fs::read_to_string(root().join("dashboards/prometheus/resumeguard.rules.yaml")).unwrap();
    let file: Value = serde_saphyr::from_str(&text).unwrap();
    let rules: Vec<&Value> = file["groups"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap())
        .collect();
    let named = |rule: &Value, kind: &str| {
        Some((rule[kind].as_str()?.to_owned(), rule["expr"].as_str().unwrap().to_owned()))
    };
    let recordings: BTreeMap<String, String> =
        rules.iter().filter_map(|rule| named(rule, "record")).collect();
    let mut all: BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)> = BTreeMap::new();
    for (alert, expression) in rules.iter().filter_map(|rule| named(rule, "alert")) {
        for metric in asked(&expression, &recordings) {
            all.entry(metric).or_default().0.insert(alert.clone());
        }
    }
    for name in crate::promql::names(&root().join("dashboards/grafana")) {
        let Some(dashboard) = name.strip_suffix(".json") else { continue };
        let text = std::fs::read_to_string(root().join("dashboards/grafana").join(&name)).unwrap();
        let file: Value = serde_json::from_str(&text).unwrap();
        let panels = file["panels"].as_array().unwrap().iter();
        for target in panels.flat_map(|panel| panel["targets"].as_array().cloned().unwrap_or_default()) {
            for metric in asked(target["expr"].as_str().unwrap_or_default(), &recordings) {
                all.entry(metric).or_default().1.insert(dashboard.to_owned());
            }
        }
    }
    all
}

/// The page of a daemon that has seen everything that there can be.
fn page() -> String {
    let mut snapshot = crate::golden::snapshot();
    for connector in &mut snapshot.connectors {
        if let Some(position) = &mut connector.position {
            position.stored_at = Some(1_700_000_060);
        }
    }
    let (plans, ledger) = (crate::recovery::sample::plans(), crate::recovery::sample::ledger());
    let seen = crate::recovery::sample::seen(&plans, &ledger);
    let meter = resumeguard::sources::Meter::new("connect", "main");
    let mut meter = meter;
    meter.last_success = Some(1_700_011_505);
    let own = metrics::Own {
        reload: Some(metrics::Reload { successful: true, at: 1_700_000_500 }),
        ..metrics::Own::default()
    };
    let parts = [
        metrics::subjects(&snapshot),
        metrics::plans(&seen),
        metrics::recovery(&seen),
        metrics::own([&meter].into_iter(), &own),
    ];
    String::from_utf8(parts.concat()).unwrap()
}

/// Of these stands one table each.
const GROUPS: [(&str, &[&str]); 4] = [
    ("Connectors", &["resumeguard_connector_"]),
    ("Oplogs", &["resumeguard_oplog_"]),
    ("Recovery", &["resumeguard_recovery_"]),
    (
        "Sources and the daemon itself",
        &["resumeguard_source_", "resumeguard_pass", "resumeguard_config_", "resumeguard_build_"],
    ),
];

/// One metric: what it is, what it says, who asks for it.
fn entry(name: &str, metric: &Metric, (alerts, dashboards): &(BTreeSet<String>, BTreeSet<String>)) -> String {
    let kind = [metric.kind.as_str(), unit(name)].join(", ");
    let labels: Vec<String> = metric.labels.iter().map(|label| code(label)).collect();
    let labels = if labels.is_empty() { "no labels".to_owned() } else { labels.join(", ") };
    let help = metric.help.replace('<', "&lt;");
    let mut text = format!("### `{name}`\n\n*{}*; {labels}\n\n{help}\n\n", kind.trim_end_matches(", "));
    let alerts: Vec<String> =
        alerts.iter().map(|alert| format!("[{alert}](../runbooks/{alert}.md)")).collect();
    let dashboards: Vec<String> = dashboards.iter().cloned().collect();
    for (who, all) in [("Alerts", alerts), ("Dashboards", dashboards)] {
        if !all.is_empty() {
            text.push_str(&format!("{who}: {}.\n\n", all.join(", ")));
        }
    }
    text
}

#[test]
fn metrics_and_who_asks_for_them() {
    let (families, askers) = (families(&page()), askers());
    let source = std::fs::read_to_string(root().join("src/publish/metrics.rs")).unwrap();
    let declared =
        source.lines().filter(|line| line.contains("gauge(\"") || line.contains("Family::")).count();
    assert!(families.len() >= 40 && declared > 30, "{} {declared}", families.len());
    let mut text = BEFORE.to_owned();
    let mut shown = 0;
    for (title, prefixes) in GROUPS {
        text.push_str(&format!("## {title}\n\n"));
        let of_it = |name: &str| prefixes.iter().any(|prefix| name.starts_with(prefix));
        for (name, metric) in families.iter().filter(|(name, _)| of_it(name)) {
            text.push_str(&entry(name, metric, &askers.get(name).cloned().unwrap_or_default()));
            shown += 1;
        }
    }
    assert_eq!(shown, families.len(), "every family stands in a group");
    text.push_str("## Process\n\nThe customary `process_*` of the daemon's process: processor time, memory, file descriptors, start time.\n");
    same_as_page("metrics.md", &text);
}
