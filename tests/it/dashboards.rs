//! Grafana's dashboards by the rules of Grafana's own dashboard-linter, which cannot be had here, and by some of ours: what they
//! ask for there is, and their links lead somewhere. That they are what `cargo xtask dashboards` writes: its own test.

use crate::promql::{Page, names, root, selectors};
use crate::rules::{RUNBOOKS, recorded};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Kinds that Grafana 10 and newer draw without a plug-in and has not given up (`graph`, `table-old`, `singlestat` it has).
const KINDS: [&str; 4] = ["stat", "timeseries", "state-timeline", "table"];

/// Those of Grafana's units that we use.
const UNITS: [&str; 9] =
    ["s", "short", "percentunit", "bytes", "reqps", "opm", "dateTimeAsIso", "dateTimeFromNow", "none"];

fn dashboards() -> Vec<(String, Value)> {
    let folder = root().join("dashboards/grafana");
    let files = names(&folder).into_iter().filter(|name| name.ends_with(".json"));
    let read = |name: String| {
        let text = std::fs::read_to_string(folder.join(&name)).unwrap();
        let dashboard = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, dashboard)
    };
    let all: Vec<_> = files.map(read).collect();
    assert_eq!(all.len(), 5);
    all
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Every panel with the name of its dashboard and its own.
fn panels() -> Vec<(String, Value)> {
    let of = |(name, dashboard): (String, Value)| {
        let panels = list(&dashboard["panels"]).to_vec();
        assert!(!panels.is_empty(), "{name}");
        panels.into_iter().map(move |panel| (format!("{name}: {}", text(&panel["title"])), panel))
    };
    dashboards().into_iter().flat_map(of).collect()
}

fn expressions() -> Vec<(String, String)> {
    let of = |(name, panel): (String, Value)| {
        let targets = list(&panel["targets"]).to_vec();
        targets.into_iter().map(move |target| (name.clone(), text(&target["expr"]).to_owned()))
    };
    let all: Vec<_> = panels().into_iter().flat_map(of).collect();
    assert!(all.len() > 40, "{}", all.len());
    all
}

fn source() -> Value {
    json!({ "type": "prometheus", "uid": "$datasource" })
}

/// uneditable; and what provisioning needs: a stable uid, no id, one schema.
#[test]
fn dashboards_can_be_provisioned_and_are_not_edited_in_place() {
    let mut uids = BTreeSet::new();
    for (name, dashboard) in dashboards() {
        assert_eq!(dashboard["editable"], false, "{name}");
        assert_eq!(dashboard["id"], Value::Null, "{name}");
        assert_eq!(dashboard["schemaVersion"], 39, "{name}");
        assert_eq!(dashboard["uid"], format!("resumeguard-{}", name.trim_end_matches(".json")));
        assert!(
            dashboard.get("__inputs").is_none() && list(&dashboard["tags"]).contains(&json!("resumeguard")),
            "{name}"
        );
        assert!(
            !text(&dashboard["title"]).is_empty() && !text(&dashboard["description"]).is_empty(),
            "{name}"
        );
        assert!(uids.insert(text(&dashboard["uid"]).to_owned()));
    }
}

/// template-datasource, template-job, template-instance, template-label-promql, template-on-time-change-reload.
#[test]
fn variables_choose_the_data_source_the_job_and_the_instance() {
    let page = Page::golden();
    for (name, dashboard) in dashboards() {
        let variables = list(&dashboard["templating"]["list"]);
        let of_kind = |kind: &str| variables.iter().filter(|variable| variable["type"] == kind).count();
        assert_eq!((of_kind("datasource"), &variables[0]["name"]), (1, &json!("datasource")), "{name}");
        assert_eq!(
            (&variables[0]["label"], &variables[0]["query"]),
            (&json!("Data source"), &json!("prometheus")),
            "{name}"
        );
        assert_eq!(of_kind("query"), variables.len() - 1, "{name}");
        for wanted in ["job", "instance"] {
            let variable = variables.iter().find(|variable| variable["name"] == wanted);
            let variable = variable.unwrap_or_else(|| panic!("{name} has no variable {wanted}"));
            assert_eq!(
                (&variable["multi"], &variable["allValue"]),
                (&json!(true), &json!(".+")),
                "{name}: {wanted}"
            );
        }
        for variable in &variables[1..] {
            let (query, its_name) = (text(&variable["query"]["query"]), text(&variable["name"]));
            assert_eq!(
                (&variable["datasource"], &variable["refresh"]),
                (&source(), &json!(2)),
                "{name}: {its_name}"
            );
            let asked = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
            let (series, label) =
                asked.and_then(|asked| asked.rsplit_once(", ")).unwrap_or_else(|| panic!("{query}"));
            assert_eq!(label, its_name, "{name}");
            assert_eq!(page.wrong_with(series, &BTreeSet::new()), Vec::<String>::new(), "{name}: {its_name}");
            assert!(!text(&variable["label"]).is_empty(), "{name}: {its_name}");
        }
    }
}

/// panel-datasource, panel-title-description, panel-units, panel-no-targets; and no kind that is deprecated.
#[test]
fn panels_say_what_they_show_and_in_which_unit() {
    for (name, panel) in panels() {
        assert!(KINDS.contains(&text(&panel["type"])), "{name}: {}", panel["type"]);
        assert_eq!(panel["datasource"], source(), "{name}");
        assert!(!text(&panel["title"]).is_empty(), "{name} has no title");
        assert!(text(&panel["description"]).ends_with('.'), "{name} has no description");
        let targets = list(&panel["targets"]);
        assert!(!targets.is_empty(), "{name} asks for nothing");
        let letters: BTreeSet<&str> = targets.iter().map(|target| text(&target["refId"])).collect();
        assert_eq!(letters.len(), targets.len(), "{name}: every target has a letter of its own");
        assert!(targets.iter().all(|target| target["datasource"] == source()), "{name}");
        let unit = text(&panel["fieldConfig"]["defaults"]["unit"]);
        assert!(UNITS.contains(&unit), "{name}: {unit}");
        let named = text(&panel["type"]) == "table"
            || targets.iter().all(|target| !text(&target["legendFormat"]).is_empty());
        assert!(named, "{name}: series without a name");
    }
}

/// Panels stand side by side, none over another.
#[test]
fn panels_do_not_overlap() {
    for (name, dashboard) in dashboards() {
        let mut taken = BTreeSet::new();
        for panel in list(&dashboard["panels"]) {
            let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
            assert!(at("x") + at("w") <= 24, "{name}: {}", panel["title"]);
            for cell in
                (at("x")..at("x") + at("w")).flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y)))
            {
                assert!(taken.insert(cell), "{name}: {} lies over another", panel["title"]);
            }
        }
    }
}

/// target-job, target-instance: each selector keeps to what was chosen.
#[test]
fn every_selector_keeps_to_the_job_and_the_instance() {
    for (name, expression) in expressions() {
        for selector in selectors(&expression) {
            for wanted in ["job", "instance"] {
                let matcher = (wanted.to_owned(), "=~".to_owned(), format!("${wanted}"));
                assert!(
                    selector.matchers.contains(&matcher),
                    "{name}: {} without {wanted}: {expression}",
                    selector.metric
                );
            }
        }
    }
}

/// target-rate-interval, panel-rate-interval, target-counter-agg.
#[test]
fn counters_are_rated_over_the_interval_that_fits() {
    for (name, expression) in expressions() {
        for (at, _) in expression.match_indices('[') {
            let range = expression[at + 1..].split(']').next().unwrap();
            let rated =
                ["rate(", "increase("].iter().any(|function| expression[..at].rfind(function).is_some());
            let fits = range == "$__rate_interval"
                || range == "$__range"
                || (range == "1h" && expression.contains("last_over_time("));
            assert!(fits && (rated || range == "1h"), "{name}: [{range}] in {expression}");
        }
        for selector in selectors(&expression).iter().filter(|selector| {
            ["_total", "_bucket", "_sum", "_count"].iter().any(|ending| selector.metric.ends_with(ending))
        }) {
            let at = expression.find(&selector.metric).unwrap();
            let inside = ["rate(", "increase("].iter().any(|function| expression[..at].ends_with(function));
            assert!(inside, "{name}: {} is a counter, and stands bare in {expression}", selector.metric);
        }
    }
}

/// What is unknown has no number: no query makes a 0 of nothing.
#[test]
fn queries_ask_for_what_there_is_and_invent_nothing() {
    let (page, recorded) = (Page::golden(), recorded());
    for (name, expression) in expressions() {
        assert_eq!(page.wrong_with(&expression, &recorded), Vec::<String>::new(), "{name}");
        assert!(!expression.contains("vector(") && !expression.contains("absent("), "{name}: {expression}");
    }
}

/// The variables that an expression, or a link, uses.
fn used(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices('$') {
        let rest = text[at + 1..].trim_start_matches('{');
        found.insert(rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect());
    }
    found
}

#[test]
fn variables_that_are_used_are_defined_and_those_that_are_defined_used() {
    for (name, dashboard) in dashboards() {
        let variables = list(&dashboard["templating"]["list"]);
        let defined: BTreeSet<String> =
            variables.iter().map(|variable| text(&variable["name"]).to_owned()).collect();
        let all = dashboard["panels"].to_string();
        let all: BTreeSet<String> = used(&all).into_iter().filter(|one| !one.starts_with("__")).collect();
        assert_eq!(all, defined, "{name}");
    }
}

/// To each other by tag, to the runbooks, and from series to their connector.
#[test]
fn links_lead_somewhere() {
    let all = dashboards();
    let uids: BTreeSet<&str> = all.iter().map(|(_, dashboard)| text(&dashboard["uid"])).collect();
    let mut to_connectors = 0;
    for (name, dashboard) in &all {
        let links = list(&dashboard["links"]);
        assert!(
            links.iter().any(|link| link["type"] == "dashboards" && link["tags"] == json!(["resumeguard"])),
            "{name}"
        );
        assert!(links.iter().any(|link| text(&link["url"]).starts_with(RUNBOOKS)), "{name}");
        for link in list(&dashboard["panels"])
            .iter()
            .flat_map(|panel| list(&panel["fieldConfig"]["defaults"]["links"]))
        {
            let uid = text(&link["url"]).strip_prefix("/d/").and_then(|rest| rest.split('?').next());
            assert!(uid.is_some_and(|uid| uids.contains(uid)), "{name}: {link}");
            to_connectors += 1;
        }
    }
    assert!(to_connectors >= 5);
}

/// The example of provisioning names the folder of these files and the data source that they choose.
#[test]
fn the_provisioning_example_is_whole() {
    let read = |path: &str| -> Value {
        let text =
            std::fs::read_to_string(root().join("dashboards/grafana/provisioning").join(path)).unwrap();
        serde_saphyr::from_str(&text).unwrap()
    };
    let provider = &read("dashboards/resumeguard.yaml")["providers"][0];
    assert_eq!((&provider["type"], &provider["folder"]), (&json!("file"), &json!("resumeguard")));
    assert!(text(&provider["options"]["path"]).ends_with("/resumeguard"));
    let datasource = &read("datasources/prometheus.yaml")["datasources"][0];
    assert_eq!(datasource["type"], "prometheus");
    assert!(text(&datasource["url"]).starts_with("http"));
}

/// Whatever is exported is looked at by somebody.
#[test]
fn every_metric_is_on_a_dashboard_or_in_a_rule() {
    let page = std::fs::read_to_string(root().join("tests/golden/metrics.prom")).unwrap();
    let rules = std::fs::read_to_string(root().join("dashboards/prometheus/resumeguard.rules.yaml")).unwrap();
    let asked: Vec<String> =
        expressions().into_iter().map(|(_, expression)| expression).chain([rules]).collect();
    let families = page.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split(' ').next());
    for family in families {
        assert!(asked.iter().any(|expression| expression.contains(family)), "nobody looks at {family}");
    }
}
