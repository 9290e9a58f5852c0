//! What the daemon must say about each connector.

use serde::Serialize;
use serde_json::{Value, json};

use super::scenario::{FAILED_136, FAILED_286, HEALTHY, IDLE, PAUSED, TOLERANT};

/// One thing that was checked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Check {
    #[serde(rename = "check")]
    pub(super) name: String,
    pub(super) ok: bool,
    pub(super) seen: Value,
}

/// What one connector must look like.
struct Expected {
    connector: &'static str,
    verdict: &'static str,
    on_restart: &'static str,
    task: &'static str,
    code: Option<&'static str>,
    rule: Option<&'static str>,
}

const EXPECTED: [Expected; 6] = [
    Expected {
        connector: HEALTHY,
        verdict: "safe",
        on_restart: "resumes",
        task: "RUNNING",
        code: None,
        rule: None,
    },
    Expected {
        connector: IDLE,
        verdict: "lost",
        on_restart: "fails",
        task: "RUNNING",
        code: None,
        rule: Some("RG001"),
    },
    Expected {
        connector: PAUSED,
        verdict: "lost",
        on_restart: "fails",
        task: "PAUSED",
        code: None,
        rule: Some("RG004"),
    },
    Expected {
        connector: FAILED_286,
        verdict: "lost",
        on_restart: "fails",
        task: "FAILED",
        code: Some("286"),
        rule: Some("RG005"),
    },
    Expected {
        connector: FAILED_136,
        verdict: "lost",
        on_restart: "fails",
        task: "FAILED",
        code: Some("136"),
        rule: Some("RG005"),
    },
    Expected {
        connector: TOLERANT,
        verdict: "lost",
        on_restart: "skips",
        task: "RUNNING",
        code: None,
        rule: Some("RG007"),
    },
];

/// Holds the daemon's status against what was done to the connectors.
pub(super) fn of(status: &Value) -> Vec<Check> {
    EXPECTED.iter().flat_map(|expected| of_connector(expected, status)).collect()
}

fn of_connector(expected: &Expected, status: &Value) -> Vec<Check> {
    let listed = status["connectors"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = listed.iter().find(|connector| connector["connector"] == expected.connector);
    let connector = found.unwrap_or(&Value::Null);
    let task = &connector["tasks"][0];
    let check = |what: &str, ok: bool, seen: &Value| Check {
        name: format!("{}: {what}", expected.connector),
        ok,
        seen: seen.clone(),
    };
    let equals = |what: &str, wanted: &str, seen: &Value| {
        check(&format!("{what} {wanted}"), text(seen).as_deref() == Some(wanted), seen)
    };
    let mut checks = vec![
        equals("verdict", expected.verdict, &connector["verdict"]),
        equals("on restart", expected.on_restart, &connector["on_restart"]),
        equals("task", expected.task, &task["state"]),
    ];
    if let Some(code) = expected.code {
        checks.push(equals("code", code, &task["code"]));
    }
    let rules = rules(connector);
    match expected.rule {
        Some(rule) => {
            let matched = rules.iter().any(|(found, _)| found == rule);
            checks.push(check(&format!("finding {rule}"), matched, &json!(rules)));
        }
        None => {
            let calm = found.is_some() && rules.iter().all(|(_, severity)| severity == "info");
            checks.push(check("no finding worse than info", calm, &json!(rules)));
        }
    }
    checks
}

/// A code may be a number or a text.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn rules(connector: &Value) -> Vec<(String, String)> {
    let findings = connector["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
    let named =
        findings.iter().filter_map(|finding| Some((text(&finding["rule"])?, text(&finding["severity"])?)));
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The status in which everything is as expected.
    fn good() -> Value {
        let connectors: Vec<Value> = EXPECTED
            .iter()
            .map(|expected| {
                let code = expected.code.and_then(|code| code.parse::<u32>().ok());
                let findings = expected.rule.map(|rule| json!({ "rule": rule, "severity": "critical" }));
                json!({
                    "connector": expected.connector,
                    "verdict": expected.verdict,
                    "on_restart": expected.on_restart,
                    "tasks": [{ "state": expected.task, "code": code }],
                    "findings": findings.into_iter().collect::<Vec<_>>(),
                })
            })
            .collect();
        json!({ "connectors": connectors })
    }

    fn failing(status: &Value) -> Vec<String> {
        of(status).into_iter().filter(|check| !check.ok).map(|check| check.name).collect()
    }

    #[test]
    fn all_hold_of_a_good_status() {
        assert_eq!(failing(&good()), Vec::<String>::new());
        assert_eq!(of(&good()).len(), 26);
    }

    #[test]
    fn none_holds_of_an_empty_status() {
        assert_eq!(failing(&json!({})).len(), of(&json!({})).len());
    }

    #[test]
    fn each_difference_is_named() {
        let mut status = good();
        status["connectors"][0]["findings"] = json!([{ "rule": "RG002", "severity": "warning" }]);
        status["connectors"][1]["verdict"] = json!("safe");
        status["connectors"][3]["tasks"][0]["code"] = json!("136");
        status["connectors"][5]["findings"] = json!([]);
        let names = ["healthy: no finding worse than info", "idle: verdict lost", "failed-286: code 286"];
        assert_eq!(failing(&status), [&names[..], &["tolerant: finding RG007"]].concat());
    }
}
