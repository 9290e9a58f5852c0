//! What a row expects the daemon to say of one connector, and whether it says so. Pure.

use std::fmt;

use serde_json::Value;

/// All of it must stand in one and the same status.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Expected {
    pub(super) verdict: Option<&'static str>,
    /// The reason of `unknown`.
    pub(super) why: Option<&'static str>,
    pub(super) on_restart: Option<&'static str>,
    /// Code of the failed task.
    pub(super) code: Option<u64>,
    /// Class of the failed task.
    pub(super) class: Option<&'static str>,
    /// Rules that must match; `RG016 warning` asks for the severity as well.
    pub(super) findings: &'static [&'static str],
    /// Rules that must not match.
    pub(super) without: &'static [&'static str],
    /// At least so many proven losses of history.
    pub(super) losses: usize,
    /// The loss of its position did no harm, and that is said.
    pub(super) rescued: bool,
}

impl Expected {
    /// Whether the daemon says all of it.
    pub(super) fn holds(&self, connector: &Value) -> bool {
        let is = |wanted: Option<&str>, seen: &Value| wanted.is_none_or(|wanted| seen == wanted);
        let task = |matches: &dyn Fn(&Value) -> bool| list(&connector["tasks"]).iter().any(matches);
        is(self.verdict, &connector["verdict"])
            && is(self.why, &connector["why"])
            && is(self.on_restart, &connector["on_restart"])
            && self.code.is_none_or(|code| task(&|task| task["code"] == code))
            && self.class.is_none_or(|class| task(&|task| task["class"] == class))
            && self.findings.iter().all(|wanted| matched(connector, wanted))
            && !self.without.iter().any(|unwanted| matched(connector, unwanted))
            && proven_losses(connector) >= self.losses
            && (!self.rescued || is_rescued(connector))
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> = match (self.verdict, self.why) {
            (Some(verdict), Some(why)) => vec![format!("{verdict}({why})")],
            (verdict, _) => verdict.iter().map(|verdict| (*verdict).to_owned()).collect(),
        };
        parts.extend(self.on_restart.map(str::to_owned));
        parts.extend(self.code.map(|code| code.to_string()));
        parts.extend(self.class.map(str::to_owned));
        parts.extend(self.findings.iter().map(|rule| (*rule).to_owned()));
        parts.extend(self.without.iter().map(|rule| format!("no {rule}")));
        parts.extend((self.losses > 0).then(|| format!("losses ≥ {}", self.losses)));
        parts.extend(self.rescued.then(|| "rescued".to_owned()));
        f.write_str(&parts.join(" "))
    }
}

/// What the daemon says of the connector, in the same words.
pub(super) fn seen(connector: &Value) -> String {
    if connector.is_null() {
        return "not listed".to_owned();
    }
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let mut parts = vec![match connector["why"].as_str() {
        Some(why) => format!("{}({why})", text(&connector["verdict"])),
        None => text(&connector["verdict"]),
    }];
    parts.push(text(&connector["on_restart"]));
    for task in list(&connector["tasks"]).iter().filter(|task| task["state"] == "FAILED") {
        parts.push(task["code"].as_u64().map_or_else(|| "FAILED".to_owned(), |code| code.to_string()));
        parts.push(text(&task["class"]));
    }
    parts.extend(findings(connector).map(|(rule, severity)| match severity {
        "info" => format!("({rule})"),
        _ => rule.to_owned(),
    }));
    let losses = proven_losses(connector);
    parts.extend((losses > 0).then(|| format!("losses {losses}")));
    parts.extend(is_rescued(connector).then(|| "rescued".to_owned()));
    parts.join(" ")
}

/// Findings of any severity above `info`: what a healthy connector must never have.
pub(super) fn alarms(connector: &Value) -> Vec<String> {
    let loud = findings(connector).filter(|(_, severity)| *severity != "info");
    loud.map(|(rule, severity)| format!("{rule} {severity}")).collect()
}

/// The entry of one connector.
pub(super) fn find<'a>(status: &'a Value, name: &str) -> &'a Value {
    list(&status["connectors"]).iter().find(|entry| entry["connector"] == name).unwrap_or(&Value::Null)
}

fn findings(connector: &Value) -> impl Iterator<Item = (&str, &str)> {
    let named = list(&connector["findings"]).iter();
    named.filter_map(|finding| Some((finding["rule"].as_str()?, finding["severity"].as_str()?)))
}

fn matched(connector: &Value, wanted: &str) -> bool {
    let (rule, severity) = wanted.split_once(' ').map_or((wanted, None), |(rule, s)| (rule, Some(s)));
    findings(connector).any(|found| found.0 == rule && severity.is_none_or(|severity| found.1 == severity))
}

/// Losses of history that nobody doubts.
pub(super) fn proven_losses(connector: &Value) -> usize {
    list(&connector["losses"]).iter().filter(|loss| loss["proven"] == true).count()
}

/// At least one event.
fn is_rescued(connector: &Value) -> bool {
    !list(&connector["rescued"]).is_empty()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn failed() -> Value {
        json!({
            "connector": "orders", "verdict": "lost", "why": null, "on_restart": "fails",
            "tasks": [{ "state": "FAILED", "code": 286, "class": "history_lost" }],
            "findings": [{ "rule": "RG005", "severity": "critical" }, { "rule": "RG020", "severity": "info" }],
        })
    }

    const EXPECTED: Expected = Expected {
        verdict: Some("lost"),
        why: None,
        on_restart: Some("fails"),
        code: Some(286),
        class: Some("history_lost"),
        findings: &["RG005 critical", "RG020"],
        without: &["RG001", "RG020 warning"],
        losses: 0,
        rescued: false,
    };

    #[test]
    fn every_part_of_it_decides() {
        assert!(EXPECTED.holds(&failed()));
        for (path, other) in [
            ("/verdict", json!("safe")),
            ("/on_restart", json!("skips")),
            ("/tasks/0/code", json!(136)),
            ("/tasks/0/class", json!("transient")),
            ("/findings/0/severity", json!("warning")),
            ("/findings/1/severity", json!("warning")),
            ("/findings/1/rule", json!("RG001")),
            ("/findings", json!([])),
        ] {
            let mut status = failed();
            *status.pointer_mut(path).unwrap() = other;
            assert!(!EXPECTED.holds(&status), "{path}");
        }
        assert!(!EXPECTED.holds(&Value::Null), "a connector that is not listed");
        assert!(!Expected { losses: 1, ..EXPECTED }.holds(&failed()));
        assert!(!Expected { rescued: true, ..EXPECTED }.holds(&failed()));
        assert!(!Expected { why: Some("copying"), ..EXPECTED }.holds(&failed()));
    }

    #[test]
    fn losses_that_are_only_possible_do_not_count() {
        let losses = json!([{ "proven": false }, { "proven": true }, { "proven": null }, {}]);
        let connector = json!({ "losses": losses, "rescued": [{ "seconds": 1 }] });
        assert_eq!(proven_losses(&connector), 1);
        for rescued in [json!([]), json!(1), json!(true), json!({}), json!(null)] {
            assert!(!is_rescued(&json!({ "rescued": rescued })), "{rescued}");
        }
        assert!(Expected { losses: 1, rescued: true, ..Expected::default() }.holds(&connector));
        assert!(!Expected { losses: 2, ..Expected::default() }.holds(&connector));
    }

    #[test]
    fn expected_and_seen_read_alike() {
        assert_eq!(
            EXPECTED.to_string(),
            "lost fails 286 history_lost RG005 critical RG020 no RG001 no RG020 warning"
        );
        assert_eq!(seen(&failed()), "lost fails 286 history_lost RG005 (RG020)");
        assert_eq!(alarms(&failed()), ["RG005 critical"]);
    }
}
