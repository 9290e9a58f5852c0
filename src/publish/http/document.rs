//! `/api/v1/openapi.json`: what is served, drawn from the routes and the types themselves.

use super::headers;
use super::routes::{Doc, Operation, Routes};
use axum::Extension;
use axum::body::Bytes;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Map, Value, json};

/// The document as it is handed out.
#[derive(Debug, Clone)]
pub(super) struct Document(pub(super) Bytes);

pub(super) fn routes() -> Routes {
    let doc =
        Doc::new("openapi", "This document.").returns_kind("application/json", json!({ "type": "object" }));
    Routes::new().get(
        "/api/v1/openapi.json",
        doc,
        async |Extension(Document(bytes)): Extension<Document>| -> Response {
            (headers("application/json"), bytes).into_response()
        },
    )
}

/// OpenAPI 3.1.
pub(super) fn describe(operations: &[Operation]) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    let mut schemas: Map<String, Value> = Map::new();
    for operation in operations {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method] = operation_object(operation);
        for (name, schema) in &operation.doc.schemas {
            schemas.insert(name.clone(), serde_json::to_value(schema).unwrap_or_default());
        }
    }
    schemas.insert("Problem".to_owned(), problem());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "resumeguard",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What resumeguard knows of the resume tokens of MongoDB's Kafka source connectors, and what people let it do. \
                What is not known is null. Every error is a problem (RFC 9457).",
            "license": { "name": "Apache-2.0 OR MIT", "identifier": "Apache-2.0 OR MIT" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer" },
                "basic": { "type": "http", "scheme": "basic" },
                "certificate": { "type": "mutualTLS" },
            },
        },
    })
}

fn operation_object(operation: &Operation) -> Value {
    let Operation { method, doc, .. } = operation;
    let changes = *method == "post";
    let mut answers = Map::new();
    answers.insert("200".to_owned(), json!({ "description": "As it stands.", "content": doc.content }));
    if !changes && doc.content.get("application/json").is_some() {
        answers.insert(
            "304".to_owned(),
            json!({ "description": "Nothing has changed since the ETag of If-None-Match." }),
        );
    }
    // Whoever asks for too much, or is not known, is told so everywhere.
    let always: &[u16] = if changes { &[401, 403, 408, 421, 429, 503] } else { &[401, 421, 429, 503] };
    for status in always.iter().chain(&doc.problems) {
        let content =
            json!({ "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } });
        answers.insert(
            status.to_string(),
            json!({ "description": describe_status(*status), "content": content }),
        );
    }
    let any = json!([{ "bearer": [] }, { "basic": [] }, { "certificate": [] }]);
    let open = json!([{}, { "bearer": [] }, { "basic": [] }, { "certificate": [] }]);
    let mut object = json!({
        "operationId": doc.id,
        "summary": doc.summary,
        "parameters": doc.parameters,
        "responses": answers,
        "security": if changes { any } else { open },
    });
    if let Some(body) = &doc.body {
        object["requestBody"] = body.clone();
    }
    object
}

fn describe_status(status: u16) -> &'static str {
    match status {
        400 => "What is asked cannot be understood.",
        401 => "Needs credentials, or those shown are not known.",
        403 => "May not be done by whoever asks.",
        404 => "There is none.",
        408 => "The body did not come in time.",
        409 => "Something keeps it from being done.",
        413 => "The body is too large.",
        415 => "The body is no JSON.",
        421 => "Asked by a name that is none of the daemon's (http.hosts).",
        422 => "The body lacks something, or has too much.",
        429 => "Asked too often; see Retry-After.",
        503 => "Cannot be told at the moment.",
        _ => "Refused.",
    }
}

fn problem() -> Value {
    json!({
        "type": "object",
        "description": "RFC 9457.",
        "required": ["title", "status", "detail"],
        "properties": {
            "title": { "type": "string" },
            "status": { "type": "integer", "minimum": 400, "maximum": 599 },
            "detail": { "type": "string", "description": "One line, with what to do." },
        },
    })
}
