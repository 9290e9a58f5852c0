//! One panel: what it asks and how it draws the answer.

use serde_json::{Map, Value, json};

/// The variable that every panel asks.
pub(super) fn datasource() -> Value {
    json!({ "type": "prometheus", "uid": "$datasource" })
}

/// A link to one connector's dashboard from whatever has its labels.
const TO_CONNECTOR: &str = "/d/resumeguard-connector?${datasource:queryparam}&${job:queryparam}&\
    ${instance:queryparam}&var-connect_cluster=${__field.labels.connect_cluster}&\
    var-connector=${__field.labels.connector}&${__url_time_range}";

/// The same from a row of a table.
const TO_CONNECTOR_OF_ROW: &str = "/d/resumeguard-connector?${datasource:queryparam}&${job:queryparam}&\
    ${instance:queryparam}&var-connect_cluster=${__data.fields.connect_cluster}&\
    var-connector=${__data.fields.connector}&${__url_time_range}";

const GREEN: &str = "green";
const YELLOW: &str = "yellow";
const ORANGE: &str = "orange";
const RED: &str = "red";
const TEXT: &str = "text";

/// What a value means, the worst last: a colour each.
pub(super) const VERDICTS: [(&str, &str); 5] =
    [("safe", GREEN), ("unknown", "purple"), ("at_risk", YELLOW), ("critical", ORANGE), ("lost", RED)];

/// A panel under construction.
#[derive(Debug)]
pub(super) struct Panel {
    kind: &'static str,
    title: &'static str,
    description: &'static str,
    unit: &'static str,
    targets: Vec<Value>,
    thresholds: Vec<(&'static str, f64)>,
    mappings: Vec<Value>,
    overrides: Vec<Value>,
    links: Vec<Value>,
    options: Value,
    custom: Map<String, Value>,
    transformations: Vec<Value>,
    min: Option<f64>,
}

impl Panel {
    fn new(kind: &'static str, title: &'static str, description: &'static str, unit: &'static str) -> Self {
        Self {
            kind,
            title,
            description,
            unit,
            targets: Vec::new(),
            thresholds: vec![(TEXT, f64::NEG_INFINITY)],
            mappings: Vec::new(),
            overrides: Vec::new(),
            links: Vec::new(),
            options: json!({}),
            custom: Map::new(),
            transformations: Vec::new(),
            min: None,
        }
    }

    /// One number, or a few.
    pub(super) fn stat(title: &'static str, description: &'static str, unit: &'static str) -> Self {
        let options = json!({
            "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false },
            "colorMode": "background", "graphMode": "none", "textMode": "auto", "justifyMode": "auto",
        });
        Self { options, ..Self::new("stat", title, description, unit) }
    }

    /// Numbers over time.
    pub(super) fn series(title: &'static str, description: &'static str, unit: &'static str) -> Self {
        let options = json!({
            "legend": { "displayMode": "table", "placement": "bottom", "showLegend": true, "calcs": ["lastNotNull", "min"] },
            "tooltip": { "mode": "multi", "sort": "asc" },
        });
        let custom = json!({ "drawStyle": "line", "lineWidth": 1, "fillOpacity": 0, "showPoints": "never", "spanNulls": false });
        let custom = custom.as_object().cloned().unwrap_or_default();
        Self { options, custom, ..Self::new("timeseries", title, description, unit) }
    }

    /// Words over time.
    pub(super) fn timeline(title: &'static str, description: &'static str) -> Self {
        let options = json!({
            "mergeValues": true, "showValue": "auto", "rowHeight": 0.9, "alignValue": "left",
            "legend": { "displayMode": "list", "placement": "bottom", "showLegend": false },
            "tooltip": { "mode": "single", "sort": "none" },
        });
        Self { options, ..Self::new("state-timeline", title, description, "short") }
    }

    /// Rows of labels, with or without a number.
    pub(super) fn table(title: &'static str, description: &'static str, unit: &'static str) -> Self {
        let options = json!({ "showHeader": true, "cellHeight": "sm", "footer": { "show": false, "reducer": ["sum"], "fields": "" } });
        Self { options, ..Self::new("table", title, description, unit) }
    }

    /// Asks for the values of a range of time.
    pub(super) fn over_time(self, expression: &str, legend: &str) -> Self {
        self.target(expression, legend, "time_series", false)
    }

    /// Asks for the newest values.
    pub(super) fn now(self, expression: &str, legend: &str) -> Self {
        let format = if self.kind == "table" { "table" } else { "time_series" };
        self.target(expression, legend, format, true)
    }

    fn target(mut self, expression: &str, legend: &str, format: &str, instant: bool) -> Self {
        let letter = ["A", "B", "C", "D", "E", "F"].get(self.targets.len()).copied().unwrap_or("Z");
        // One line, whatever it took to write it.
        let expression = expression.split_whitespace().collect::<Vec<_>>().join(" ");
        self.targets.push(json!({
            "datasource": datasource(), "expr": expression, "legendFormat": legend, "refId": letter,
            "format": format, "instant": instant, "range": !instant,
        }));
        self
    }

    /// From these values on it is coloured.
    pub(super) fn thresholds(mut self, first: &'static str, steps: &[(&'static str, f64)]) -> Self {
        self.thresholds = vec![(first, f64::NEG_INFINITY)];
        self.thresholds.extend_from_slice(steps);
        self
    }

    /// A count that should be 0.
    pub(super) fn none_is_good(self) -> Self {
        self.thresholds(GREEN, &[(RED, 1.0)])
    }

    /// A switch that should be on.
    pub(super) fn one_is_good(self) -> Self {
        self.thresholds(RED, &[(GREEN, 1.0)]).words(&[("0", "down", RED), ("1", "up", GREEN)])
    }

    /// A stat that shows what the series is called: the word is in a label.
    pub(super) fn text_of_name(mut self) -> Self {
        self.options["textMode"] = json!("name");
        self.options["colorMode"] = json!("none");
        self
    }

    /// Seconds that are left, coloured by what people can still do.
    pub(super) fn seconds_left(self) -> Self {
        self.thresholds(RED, &[(ORANGE, 1.0), (YELLOW, 7_200.0), (GREEN, 43_200.0)])
    }

    /// Words and colours instead of values.
    pub(super) fn words(mut self, words: &[(&str, &str, &str)]) -> Self {
        let options: Map<String, Value> = words
            .iter()
            .enumerate()
            .map(|(index, (value, text, color))| {
                ((*value).to_owned(), json!({ "text": text, "color": color, "index": index }))
            })
            .collect();
        self.mappings.push(json!({ "type": "value", "options": options }));
        self
    }

    /// What draws a series of that name in a colour.
    pub(super) fn colour(mut self, name: &str, colour: &str) -> Self {
        self.overrides.push(json!({
            "matcher": { "id": "byName", "options": name },
            "properties": [{ "id": "color", "value": { "mode": "fixed", "fixedColor": colour } }],
        }));
        self
    }

    pub(super) fn verdict_colours(self) -> Self {
        VERDICTS.iter().fold(self, |panel, (verdict, colour)| panel.colour(verdict, colour))
    }

    /// One above the other, to their sum.
    pub(super) fn stacked(mut self) -> Self {
        self.custom.insert("stacking".to_owned(), json!({ "mode": "normal", "group": "A" }));
        self.custom.insert("fillOpacity".to_owned(), json!(40));
        self.min = Some(0.0);
        self
    }

    pub(super) fn begins_at_zero(mut self) -> Self {
        self.min = Some(0.0);
        self
    }

    /// Its series lead to their connector's dashboard.
    pub(super) fn leads_to_connector(mut self) -> Self {
        let url = if self.kind == "table" { TO_CONNECTOR_OF_ROW } else { TO_CONNECTOR };
        self.links.push(json!({ "title": "This connector", "url": url, "targetBlank": false }));
        self
    }

    /// The columns of a table in this order, under these names; all others are left out.
    pub(super) fn columns(mut self, columns: &[(&str, &str)]) -> Self {
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let order: Map<String, Value> =
            names.iter().enumerate().map(|(index, name)| ((*name).to_owned(), json!(index))).collect();
        let titles: Map<String, Value> =
            columns.iter().map(|(name, title)| ((*name).to_owned(), json!(title))).collect();
        self.transformations
            .push(json!({ "id": "filterFieldsByName", "options": { "include": { "names": names } } }));
        self.transformations.push(json!({
            "id": "organize", "options": { "indexByName": order, "renameByName": titles, "excludeByName": {} },
        }));
        self
    }

    /// Rows by this column, the smallest first.
    pub(super) fn sorted_by(mut self, title: &str) -> Self {
        self.transformations.push(json!({ "id": "sortBy", "options": { "fields": {}, "sort": [{ "field": title, "desc": false }] } }));
        self
    }

    pub(super) fn json(self) -> Value {
        let steps: Vec<Value> = self
            .thresholds
            .iter()
            .map(|(color, from)| json!({ "color": color, "value": if from.is_finite() { json!(from) } else { Value::Null } }))
            .collect();
        let mut defaults = json!({
            "unit": self.unit, "thresholds": { "mode": "absolute", "steps": steps },
            "mappings": self.mappings, "links": self.links, "custom": self.custom,
        });
        if self.kind != "timeseries" {
            defaults["color"] = json!({ "mode": "thresholds" });
        }
        if let Some(min) = self.min {
            defaults["min"] = json!(min);
        }
        json!({
            "type": self.kind, "title": self.title, "description": self.description, "datasource": datasource(),
            "targets": self.targets, "options": self.options, "transformations": self.transformations,
            "fieldConfig": { "defaults": defaults, "overrides": self.overrides },
        })
    }
}
