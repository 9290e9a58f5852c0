//! One dashboard: its variables, its links and the grid that its panels stand on.

use serde_json::{Value, json};

use super::panel::{Panel, datasource};

/// Where the runbooks are served; the same as in the alerting rules.
const RUNBOOKS: &str = "https://resumeguard.example/runbooks/README.md";

/// Grafana's grid is so many units wide.
const WIDTH: u64 = 24;

/// Matchers that every selector begins with: dashboards of several Prometheus jobs, or of several daemons, do not mix.
pub(super) const TARGET: &str = r#"job=~"$job", instance=~"$instance""#;

/// A variable whose values are those of a label.
#[derive(Clone, Copy, Debug)]
pub(super) struct Variable {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    /// A selector of the series whose label it is.
    pub(super) of: &'static str,
    /// Several at once, or all.
    pub(super) many: bool,
}

pub(super) const CONNECT_CLUSTER: Variable = Variable {
    name: "connect_cluster",
    label: "Connect cluster",
    of: r#"resumeguard_connector_info{job=~"$job", instance=~"$instance"}"#,
    many: true,
};

const JOB: Variable = Variable { name: "job", label: "Job", of: "resumeguard_build_info", many: true };

const INSTANCE: Variable = Variable {
    name: "instance",
    label: "Instance",
    of: r#"resumeguard_build_info{job=~"$job"}"#,
    many: true,
};

impl Variable {
    fn json(self) -> Value {
        let query = format!("label_values({}, {})", self.of, self.name);
        let mut variable = json!({
            "name": self.name, "label": self.label, "type": "query", "datasource": datasource(),
            "query": { "query": query, "refId": self.name }, "definition": query,
            // When the time range changes: connectors come and go.
            "refresh": 2, "sort": 1, "hide": 0, "multi": self.many, "includeAll": self.many, "current": {},
        });
        if self.many {
            variable["allValue"] = json!(".+");
            variable["current"] = json!({ "text": "All", "value": "$__all" });
        }
        variable
    }
}

/// A dashboard under construction.
#[derive(Debug)]
pub(super) struct Sheet {
    uid: &'static str,
    title: &'static str,
    description: &'static str,
    variables: Vec<Variable>,
    panels: Vec<Value>,
    row: u64,
}

impl Sheet {
    pub(super) fn new(uid: &'static str, title: &'static str, description: &'static str) -> Self {
        Self { uid, title, description, variables: vec![JOB, INSTANCE], panels: Vec::new(), row: 0 }
    }

    pub(super) fn variable(mut self, variable: Variable) -> Self {
        self.variables.push(variable);
        self
    }

    /// Panels side by side, all equally wide.
    pub(super) fn row<const N: usize>(mut self, height: u64, panels: [Panel; N]) -> Self {
        let width = WIDTH / u64::try_from(N).unwrap_or(1);
        let mut column = 0;
        for panel in panels {
            let mut json = panel.json();
            json["id"] = json!(self.panels.len() + 1);
            json["gridPos"] = json!({ "x": column, "y": self.row, "w": width, "h": height });
            column += width;
            self.panels.push(json);
        }
        self.row += height;
        self
    }

    pub(super) fn json(self) -> Value {
        let source = json!({
            "name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus",
            "refresh": 1, "hide": 0, "current": {},
        });
        let mut variables = vec![source];
        variables.extend(self.variables.iter().map(|variable| variable.json()));
        json!({
            "uid": format!("resumeguard-{}", self.uid), "title": format!("resumeguard: {}", self.title),
            "description": self.description, "tags": ["resumeguard", "mongodb", "kafka-connect"],
            // What Grafana 10 and newer import.
            "schemaVersion": 39, "version": 1, "id": null, "editable": false, "refresh": "30s",
            "timezone": "default", "time": { "from": "now-6h", "to": "now" }, "graphTooltip": 1,
            "annotations": { "list": [] }, "links": links(), "templating": { "list": variables },
            "panels": self.panels,
        })
    }
}

/// To the other dashboards, with the time and the variables; and to what to do.
fn links() -> Value {
    json!([
        { "title": "resumeguard", "type": "dashboards", "tags": ["resumeguard"], "asDropdown": false,
          "includeVars": true, "keepTime": true, "targetBlank": false, "icon": "external link", "tooltip": "", "url": "" },
        { "title": "Runbooks", "type": "link", "url": RUNBOOKS, "tags": [], "asDropdown": false,
          "includeVars": false, "keepTime": false, "targetBlank": true, "icon": "doc", "tooltip": "One page for each alert" },
    ])
}
