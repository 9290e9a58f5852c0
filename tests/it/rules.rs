//! The alerting rules are whole: every alert has its words, its runbook and its four cases, and asks for what there is.
//! Whether the cases come out is `promtool`'s to say: `tests/real/rules.rs`.

use crate::promql::{Page, names, root};
use serde_json::Value;
use std::collections::BTreeSet;

/// Where the runbooks are served; to be replaced by whoever serves them.
pub(crate) const RUNBOOKS: &str = "https://resumeguard.example/runbooks/";

/// Every alert is shown to fire, not to fire, to make of nothing what it should, and to get over a restart.
const CASES: [&str; 4] = ["fires", "does not fire", "missing series", "restart"];

/// What somebody needs who was woken up.
const HEADINGS: [&str; 4] = ["## What has happened", "## Look", "## Do", "## Over when"];

fn yaml(path: &str) -> Value {
    let text = std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn rules() -> Vec<Value> {
    let file = yaml("dashboards/prometheus/resumeguard.rules.yaml");
    list(&file["groups"]).iter().flat_map(|group| list(&group["rules"]).to_vec()).collect()
}

fn alerts() -> Vec<Value> {
    let alerts: Vec<Value> = rules().into_iter().filter(|rule| rule["alert"].is_string()).collect();
    assert!(alerts.len() >= 15, "the rules were read");
    alerts
}

fn alert_names() -> BTreeSet<String> {
    alerts().iter().map(|alert| text(&alert["alert"]).to_owned()).collect()
}

/// The names of the recording rules.
pub(crate) fn recorded() -> BTreeSet<String> {
    rules().iter().filter_map(|rule| rule["record"].as_str().map(str::to_owned)).collect()
}

#[test]
fn every_alert_says_how_bad_it_is_what_it_is_and_what_to_do() {
    for alert in alerts() {
        let name = text(&alert["alert"]);
        let camel = name.strip_prefix("Resumeguard").is_some_and(|rest| {
            rest.starts_with(|c: char| c.is_ascii_uppercase())
                && rest.chars().all(|c| c.is_ascii_alphanumeric())
        });
        assert!(camel, "{name}");
        assert!(
            ["critical", "warning", "info"].contains(&text(&alert["labels"]["severity"])),
            "{name}: severity"
        );
        assert!(
            alert["for"].is_string() && alert["keep_firing_for"].is_string(),
            "{name}: for, keep_firing_for"
        );
        let annotations = &alert["annotations"];
        let summary = text(&annotations["summary"]);
        assert!(
            summary.ends_with('.') && !summary.contains("{{"),
            "{name}: one sentence that is always the same"
        );
        // Whoever has nothing but the message knows which, and what to type.
        let description = text(&annotations["description"]);
        let told = description.contains("{{") || description.contains("resumeguard ");
        assert!(told && description.len() > 80, "{name}: {description}");
        assert_eq!(text(&annotations["runbook_url"]), format!("{RUNBOOKS}{name}.md"));
    }
    let running = alerts().into_iter().find(|alert| alert["alert"] == "ResumeguardLostWhileRunning").unwrap();
    assert!(text(&running["annotations"]["summary"]).starts_with("DO NOT RESTART"));
}

#[test]
fn every_alert_has_a_runbook_and_every_runbook_an_alert() {
    let folder = root().join("docs/runbooks");
    let mut wanted: BTreeSet<String> = alert_names().iter().map(|name| format!("{name}.md")).collect();
    wanted.insert("README.md".to_owned());
    assert_eq!(names(&folder).into_iter().collect::<BTreeSet<_>>(), wanted);
    let index = std::fs::read_to_string(folder.join("README.md")).unwrap();
    for name in alert_names() {
        assert!(index.contains(&format!("]({name}.md)")), "the index leads to {name}");
        let runbook = std::fs::read_to_string(folder.join(format!("{name}.md"))).unwrap();
        assert!(runbook.starts_with(&format!("# {name}\n")), "{name}");
        let mut rest = runbook.as_str();
        for heading in HEADINGS {
            let behind = rest.split_once(&format!("\n{heading}\n"));
            rest = behind.unwrap_or_else(|| panic!("{name} has no {heading}, or not in this order")).1;
        }
        assert!(runbook.contains("```sh\n"), "{name}: commands");
        for link in runbook.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            assert!(
                link.is_empty() || folder.join(link).exists(),
                "{name} leads to {link}, which is not there"
            );
        }
    }
}

#[test]
fn every_alert_has_its_four_cases() {
    let tested: BTreeSet<String> = names(&root().join("dashboards/prometheus/tests"))
        .iter()
        .map(|file| file.trim_end_matches(".yaml").to_owned())
        .collect();
    assert_eq!(tested, alert_names());
    for name in tested {
        let file = yaml(&format!("dashboards/prometheus/tests/{name}.yaml"));
        assert_eq!(file["rule_files"], serde_json::json!(["../resumeguard.rules.yaml"]), "{name}");
        let tests = list(&file["tests"]);
        let cases: Vec<&str> = tests.iter().map(|case| text(&case["name"])).collect();
        assert_eq!(cases, CASES, "{name}");
        let expected = |case: &Value| -> Vec<usize> {
            let checks = list(&case["alert_rule_test"]);
            assert!(checks.iter().all(|check| check["alertname"] == name.as_str()), "{name}");
            checks.iter().map(|check| list(&check["exp_alerts"]).len()).collect()
        };
        assert!(expected(&tests[0]).last().is_some_and(|alerts| *alerts > 0), "{name} is shown to fire");
        let quiet = expected(&tests[1]);
        assert!(!quiet.is_empty() && quiet.iter().all(|alerts| *alerts == 0), "{name} is shown not to fire");
        assert!(!expected(&tests[2]).is_empty(), "{name} without its series");
        restarts(&name, &tests[3]);
    }
}

/// Something is asked before, and after a gap.
fn restarts(name: &str, case: &Value) {
    let away = |series: &Value| {
        let values = text(&series["values"]);
        values.contains("stale") || (text(&series["series"]).starts_with("up{") && values.contains("0x"))
    };
    assert!(list(&case["input_series"]).iter().any(away), "{name}: nothing is away for a while");
    let asked = list(&case["promql_expr_test"]);
    assert!(asked.len() >= 2, "{name}: before and after");
    let firing = format!("count(ALERTS{{alertname=\"{name}\", alertstate=\"firing\"}})");
    assert!(asked.iter().all(|one| one["expr"] == firing.as_str()), "{name}");
    assert!(asked.iter().any(|one| list(&one["exp_samples"]).len() == 1), "{name}: it fires at some time");
}

#[test]
fn rules_ask_for_metrics_labels_and_words_that_there_are() {
    let (page, recorded) = (Page::golden(), recorded());
    for rule in rules() {
        let wrong = page.wrong_with(text(&rule["expr"]), &recorded);
        assert_eq!(wrong, Vec::<String>::new(), "{rule}");
    }
}

/// What needs somebody to set something up is a ticket, every other reason wakes somebody: no reason is in both, none in neither.
#[test]
fn every_reason_to_be_blind_is_told_once() {
    let blind = alerts().into_iter().filter(|alert| alert["alert"] == "ResumeguardBlind");
    let reasons = |expression: &str, operator: &str| -> BTreeSet<String> {
        let all = crate::promql::selectors(expression);
        let why = all
            .iter()
            .flat_map(|one| &one.matchers)
            .find(|(label, found, _)| label == "why" && found == operator);
        why.map(|(_, _, value)| value.split('|').map(str::to_owned).collect()).unwrap_or_default()
    };
    let expressions: Vec<String> = blind.map(|alert| text(&alert["expr"]).to_owned()).collect();
    assert_eq!(expressions.len(), 2);
    let (mut not_paged, ticket) = (reasons(&expressions[0], "!~"), reasons(&expressions[1], "=~"));
    assert!(not_paged.remove("copying") && not_paged.remove("no_position"), "states of a connector");
    assert!(!ticket.is_empty() && ticket == not_paged, "{ticket:?} {not_paged:?}");
}

/// Inhibition and routing name alerts that there are.
#[test]
fn alertmanagers_example_names_alerts_that_there_are() {
    let path = root().join("dashboards/alertmanager/alertmanager.yaml");
    let example = std::fs::read_to_string(path).unwrap();
    let words = example.split(|c: char| !c.is_ascii_alphanumeric());
    let named: BTreeSet<String> = words
        .filter(|word| word.starts_with("Resumeguard") && *word != "Resumeguard")
        .map(str::to_owned)
        .collect();
    assert!(named.len() > 4 && named.is_subset(&alert_names()), "{named:?}");
}

/// Every command of ours in a runbook or a message is one that there is, with options that it has.
#[test]
fn commands_in_runbooks_exist() {
    let folder = root().join("docs/runbooks");
    let books = names(&folder).into_iter().map(|name| std::fs::read_to_string(folder.join(name)).unwrap());
    // Between backticks, one or three, stands code.
    let code = |book: String| book.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let mut texts: Vec<String> = books.flat_map(code).collect();
    texts.extend(alerts().iter().map(|alert| text(&alert["annotations"]["description"]).to_owned()));
    let mut checked = BTreeSet::new();
    for words in texts.iter().flat_map(|text| commands(text)) {
        let options: Vec<&String> = words.iter().filter(|word| word.starts_with("--")).collect();
        let subcommands: Vec<&String> = words.iter().take_while(|word| is_subcommand(word)).take(2).collect();
        let nested =
            subcommands.first().is_some_and(|first| ["recovery", "config"].contains(&first.as_str()));
        let named = &subcommands[..subcommands.len().min(if nested { 2 } else { 1 })];
        if named.is_empty() {
            continue;
        }
        let output =
            std::process::Command::new(env!("CARGO_BIN_EXE_resumeguard")).args(named).arg("--help").output();
        let output = output.unwrap();
        let help = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "resumeguard {named:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        options
            .iter()
            .for_each(|option| assert!(help.contains(option.as_str()), "{named:?} has no {option}"));
        checked.insert(format!("{named:?}"));
    }
    assert!(checked.len() >= 12, "{checked:?}");
}

fn is_subcommand(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '-')
}

/// What follows each `resumeguard` that begins a command: a line of code, or what a message ends with.
fn commands(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("resumeguard ") {
        let before = text[..at].trim_end_matches(' ');
        if before.is_empty() || before.ends_with(['\n', ':']) || before.ends_with("then") {
            let line = text[at + "resumeguard ".len()..].split(['\n', '#', '&', '|', ',', ';', '"']).next();
            let words = line.unwrap_or_default().split_whitespace();
            found.push(words.map(|word| word.trim_end_matches('.').to_owned()).collect());
        }
    }
    found
}
