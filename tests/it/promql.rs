//! What expressions of Prometheus ask for, held against the golden page of metrics: names, labels, and values of closed lists.

use resumeguard_core::domain::Why;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A metric that an expression selects, and the labels that it matches on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Selector {
    pub(crate) metric: String,
    /// Label, operator, value.
    pub(crate) matchers: Vec<(String, String, String)>,
}

/// Metrics that are nobody's but Prometheus's own or the process library's.
const FOREIGN: [&str; 2] = ["up", "ALERTS"];

/// Words of the language that stand where a metric could.
const WORDS: [&str; 8] = ["and", "or", "unless", "bool", "inf", "nan", "by", "without"];

/// Clauses whose parentheses hold labels.
const CLAUSES: [&str; 7] = ["on", "ignoring", "by", "without", "group_left", "group_right", "offset"];

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

/// Every selector of an expression. Knows no grammar, only where names can stand: `promtool` has checked the rest.
pub(crate) fn selectors(expression: &str) -> Vec<Selector> {
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(c) = rest.chars().next() {
        if c == '"' {
            rest = after_string(&rest[1..]);
        } else if c == '[' {
            rest = rest.split_once(']').map_or("", |(_, rest)| rest);
        } else if c.is_ascii_digit() {
            // A number, or a duration.
            rest = rest.trim_start_matches(|c: char| is_name(c) || c == '.');
        } else if is_name(c) || c == '$' {
            let end = rest.find(|c| !is_name(c) && c != '$').unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            let next = after.trim_start();
            if CLAUSES.contains(&word) {
                rest = if next.starts_with('(') {
                    next.split_once(')').map_or("", |(_, rest)| rest)
                } else {
                    after
                };
            } else if WORDS.contains(&word.to_ascii_lowercase().as_str())
                || next.starts_with('(')
                || is_aggregation(word)
            {
                rest = after;
            } else if let Some(labels) = next.strip_prefix('{') {
                let (matchers, after) = matchers(labels);
                found.push(Selector { metric: word.to_owned(), matchers });
                rest = after;
            } else {
                found.push(Selector { metric: word.to_owned(), matchers: Vec::new() });
                rest = after;
            }
        } else {
            rest = &rest[c.len_utf8()..];
        }
    }
    found
}

/// `sum without (…) (…)`: the parenthesis comes later.
fn is_aggregation(word: &str) -> bool {
    ["sum", "min", "max", "avg", "count", "topk", "bottomk", "quantile", "group"].contains(&word)
}

fn after_string(text: &str) -> &str {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '\\' if !escaped => escaped = true,
            '"' if !escaped => return &text[at + 1..],
            _ => escaped = false,
        }
    }
    ""
}

/// The text behind `{`, up to and without `}`; and what follows.
fn matchers(text: &str) -> (Vec<(String, String, String)>, &str) {
    let (mut all, mut rest) = (Vec::new(), text.trim_start());
    while !rest.starts_with('}') && !rest.is_empty() {
        let (label, after) = rest.split_at(rest.find(|c| !is_name(c)).unwrap_or(rest.len()));
        let (operator, after) = after.trim_start().split_once('"').unwrap_or((after, ""));
        let behind = after_string(after);
        let value = &after[..after.len().saturating_sub(behind.len() + 1)];
        all.push((label.to_owned(), operator.trim().to_owned(), value.to_owned()));
        rest = behind.trim_start().trim_start_matches(',').trim_start();
    }
    (all, rest.strip_prefix('}').unwrap_or(""))
}

/// The golden page: of every series' name the values of every label.
pub(crate) struct Page(BTreeMap<String, BTreeMap<String, BTreeSet<String>>>);

impl Page {
    pub(crate) fn golden() -> Self {
        let text = std::fs::read_to_string(root().join("tests/golden/metrics.prom")).unwrap();
        let mut series: BTreeMap<String, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
        // A family without a series on the golden page is one all the same; its labels are not known.
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            for Selector { metric, matchers } in selectors(line) {
                let labels = series.entry(metric).or_default();
                for (label, _, value) in matchers {
                    labels.entry(label).or_default().insert(value);
                }
            }
        }
        assert!(series.len() > 40, "the golden page was understood: {:?}", series.keys());
        Self(series)
    }

    /// What is wrong with an expression; `recorded` are the names of recording rules.
    pub(crate) fn wrong_with(&self, expression: &str, recorded: &BTreeSet<String>) -> Vec<String> {
        let all = selectors(expression);
        let mut wrong = Vec::new();
        if all.is_empty() && !expression.contains("vector(") {
            wrong.push(format!("nothing is selected by: {expression}"));
        }
        for Selector { metric, matchers } in all {
            if FOREIGN.contains(&metric.as_str()) || metric.starts_with("process_") {
                continue;
            }
            let labels = self.0.get(&metric);
            if labels.is_none() && !recorded.contains(&metric) {
                wrong.push(format!("{metric} is no metric of ours"));
            }
            for (label, operator, value) in matchers {
                let target = ["job", "instance"].contains(&label.as_str()) || metric.contains(':');
                let values = labels.and_then(|labels| labels.get(&label));
                if values.is_none() && !target {
                    wrong.push(format!("{metric} has no label {label}"));
                }
                let alternatives = value.split('|').filter(|one| one.chars().all(is_name) && !one.is_empty());
                let unknown = alternatives.filter(|one| !is_value(&label, one, values));
                wrong
                    .extend(unknown.map(|one| format!("{metric}{{{label}{operator}{one}}} matches nothing")));
            }
        }
        wrong
    }
}

/// Whether a label of a closed list can have the value; any other label can have any.
fn is_value(label: &str, value: &str, golden: Option<&BTreeSet<String>>) -> bool {
    match label {
        "why" => Why::ALL.iter().any(|why| why.code() == value),
        "rule" => findings().iter().any(|name| name.starts_with(value)),
        "verdict" | "state" | "mode" | "reason" | "outcome" | "bound" | "cause" | "strategy" => {
            golden.is_none_or(|known| known.contains(value))
        }
        _ => true,
    }
}

fn findings() -> Vec<String> {
    names(&root().join("docs/findings"))
}

/// The names of a folder's files, sorted.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn selectors_are_found_wherever_they_stand() {
    let text = r#"max without (a, b) (x:y{l="1", m!~"a|\"b}"}) * on (l) group_left (c) info[5m] offset 23h unless foo > 1.5e3"#;
    let found = selectors(text);
    let named: Vec<&str> = found.iter().map(|selector| selector.metric.as_str()).collect();
    assert_eq!(named, ["x:y", "info", "foo"]);
    let matchers = [("l", "=", "1"), ("m", "!~", "a|\\\"b}")].map(|(l, o, v)| (l.into(), o.into(), v.into()));
    assert_eq!(found[0].matchers, matchers);
    assert_eq!(selectors("sum(rate(n_total{}[$__rate_interval])) or vector(0)").len(), 1);
}

#[test]
fn what_is_wrong_is_found() {
    let page = Page::golden();
    let wrong = |text: &str| page.wrong_with(text, &BTreeSet::new());
    assert_eq!(wrong(r#"resumeguard_connector_verdict{job="x", verdict="lost"} == 1"#), Vec::<String>::new());
    for (text, expected) in [
        ("resumeguard_nothing", "resumeguard_nothing is no metric of ours"),
        (r#"resumeguard_connector_verdict{code="1"}"#, "resumeguard_connector_verdict has no label code"),
        (
            r#"resumeguard_connector_verdict{verdict=~"lost|gone"}"#,
            "resumeguard_connector_verdict{verdict=~gone} matches nothing",
        ),
        (
            r#"resumeguard_connector_finding{rule="RG999"}"#,
            "resumeguard_connector_finding{rule=RG999} matches nothing",
        ),
        ("1 + 1", "nothing is selected by: 1 + 1"),
    ] {
        assert_eq!(wrong(text), [expected]);
    }
}
