//! The HTTP API, from the OpenAPI document that the daemon serves.

use super::{code, head, row, same_as_page};
use crate::promql::root;
use serde_json::Value;

const BEFORE: &str = "# HTTP API

`/api/v1/openapi.json` is the same as OpenAPI 3.1. Beside it there are `/` ([the page](../guide/page.md)), `/metrics`, `/healthz`
(passes advance) and `/readyz` (a first pass was attempted); [HTTP](../guide/http.md) tells who may ask for what.

- A list is `{\"items\": […], \"next\": …}`; `next` goes into `cursor` for the following page, `limit` is 500 at the most.
- An answer carries an `ETag`: with `If-None-Match`, what has not changed is a 304.
- Every error is a problem (RFC 9457, `application/problem+json`) with one line that says what to do.
- What is not known is `null`. Tokens and traces are `null` for whoever may not see them.

";

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The name of a type: `string`, `array of Connector`, `integer or null`.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap_or(name);
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(all) =
        schema["oneOf"].as_array().or(schema["anyOf"].as_array()).or(schema["allOf"].as_array())
    {
        return all.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    match &schema["type"] {
        Value::Array(all) => {
            all.iter().map(text).map(|one| one_kind(one, schema)).collect::<Vec<_>>().join(" or ")
        }
        Value::String(one) => one_kind(one, schema),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => "any".to_owned(),
    }
}

fn one_kind(one: &str, schema: &Value) -> String {
    if one == "array" { format!("array of {}", kind(&schema["items"])) } else { one.to_owned() }
}

fn operations(document: &Value) -> String {
    let mut table = head(&["request", "says", "query", "statuses"]);
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let queries = operation["parameters"].as_array().cloned().unwrap_or_default();
            let queries = queries.iter().filter(|one| one["in"] == "query");
            let queries: Vec<String> = queries.map(|one| code(text(&one["name"]))).collect();
            let statuses: Vec<&str> =
                operation["responses"].as_object().unwrap().keys().map(String::as_str).collect();
            let request = code(&format!("{} {path}", method.to_uppercase()));
            table.push_str(&row(&[
                &request,
                text(&operation["summary"]),
                &queries.join(", "),
                &statuses.join(" "),
            ]));
        }
    }
    table + "\n"
}

fn schemas(document: &Value) -> String {
    let mut all = String::new();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        all.push_str(&format!("### {name}\n\n{}\n\n", text(&schema["description"])));
        let Some(properties) = schema["properties"].as_object().filter(|all| !all.is_empty()) else {
            continue;
        };
        all.push_str(&head(&["field", "type", "says"]));
        for (field, property) in properties {
            all.push_str(&row(&[&code(field), &kind(property), text(&property["description"])]));
        }
        all.push('\n');
    }
    all
}

#[test]
fn http_api() {
    let file = std::fs::read_to_string(root().join("tests/golden/openapi.json")).unwrap();
    let document: Value = serde_json::from_str(&file).unwrap();
    let (operations, schemas) = (operations(&document), schemas(&document));
    same_as_page(
        "api.md",
        &format!("{BEFORE}## Requests\n\n{operations}## What they answer with\n\n{schemas}"),
    );
}
