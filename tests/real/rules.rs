//! The alerting rules by Prometheus' own tool: they are rules, and every case of every alert comes out.

use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) fn prometheus_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("dashboards/prometheus")
}

/// Runs `promtool` and returns what it said.
fn promtool(folder: &Path, arguments: &[&str]) -> String {
    let program = std::env::var_os("RESUMEGUARD_PROMTOOL").expect("run `cargo xtask test`");
    let output = Command::new(program).args(arguments).current_dir(folder).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "promtool {arguments:?}: {said}");
    said
}

#[test]
fn promtool_accepts_the_rules_and_the_example_configuration() {
    let said = promtool(&prometheus_folder(), &["check", "config", "prometheus.yaml"]);
    assert!(said.contains("SUCCESS") && !said.contains("FAILED"), "{said}");
    let said = promtool(
        &prometheus_folder(),
        &["check", "rules", "--lint=all", "--lint-fatal", "resumeguard.rules.yaml"],
    );
    let count = said.split_once("SUCCESS: ").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
    assert!(count.is_some_and(|rules: usize| rules >= 20), "{said}");
}

/// That every alert has its four cases: `tests/it/rules.rs`.
#[test]
fn every_case_of_every_alert_comes_out() {
    let tests = prometheus_folder().join("tests");
    let files = std::fs::read_dir(&tests).unwrap().map(|entry| entry.unwrap().file_name());
    let files: Vec<String> = files.map(|name| name.to_string_lossy().into_owned()).collect();
    assert!(files.len() >= 15, "{files:?}");
    let mut arguments = vec!["test", "rules"];
    arguments.extend(files.iter().map(String::as_str));
    let said = promtool(&tests, &arguments);
    assert_eq!(said.matches("SUCCESS").count(), files.len(), "{said}");
}

/// Every query of every dashboard is PromQL, with something in place of Grafana's variables.
#[test]
fn promtool_accepts_every_query_of_every_dashboard() {
    let folder = prometheus_folder().join("../grafana");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut rules = Vec::new();
    for path in files.filter(|path| path.extension().is_some_and(|extension| extension == "json")) {
        let dashboard: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        for panel in dashboard["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().unwrap() {
                let expression = target["expr"].as_str().unwrap();
                let expression = expression.replace("$__rate_interval", "1m").replace("$__range", "6h");
                rules.push(
                    serde_json::json!({ "record": format!("query:{}", rules.len()), "expr": expression }),
                );
            }
        }
    }
    assert!(rules.len() > 40, "{}", rules.len());
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    // JSON is YAML.
    let groups = serde_json::json!({ "groups": [{ "name": "dashboards", "rules": rules }] });
    std::fs::write(file.path(), groups.to_string()).unwrap();
    let said = promtool(&prometheus_folder(), &["check", "rules", file.path().to_str().unwrap()]);
    assert!(said.contains(&format!("SUCCESS: {} rules", rules.len())), "{said}");
}
