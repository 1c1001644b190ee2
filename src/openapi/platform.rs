//! The platform's own operations, written out of `platform.json`.

use serde_json::{Map, Value, json};

use super::{
    operations::{OF_BODIES, errors, reference},
    schemas, security_schemes,
};

/// The rows: one for each route that no mapping file makes. A test holds them against the router.
const ROWS: &str = include_str!("platform.json");

/// The platform's API: the catalog, instances, links, documentation. `server` is the root of its paths.
pub fn platform(server: &str) -> Value {
    // The file is part of the program; a test reads it.
    let rows: Value = serde_json::from_str(ROWS).unwrap_or_default();
    let mut paths = Map::new();
    for row in rows.get("operations").and_then(Value::as_array).into_iter().flatten() {
        let item = paths.entry(text(row, "path")).or_insert_with(|| json!({}));
        if let Value::Object(item) = item {
            item.insert(text(row, "method").to_lowercase(), operation(row, rows.get("parameters")));
        }
    }
    let mut schemas = rows.get("schemas").and_then(Value::as_object).cloned().unwrap_or_default();
    schemas.insert("error".to_owned(), schemas::error());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Platform", "version": env!("CARGO_PKG_VERSION"),
            "description": "The catalog of hubs and elements, and the instances that connect accounts",
        },
        "servers": [{"url": server}],
        "security": [{"credentials": []}],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": security_schemes()},
    })
}

fn text(row: &Value, member: &str) -> String {
    row.get(member).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn operation(row: &Value, known: Option<&Value>) -> Value {
    let path = text(row, "path");
    let in_path = path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    let in_query = row.get("query").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let parameters: Vec<Value> = in_path
        .chain(in_query)
        .filter_map(|name| {
            let mut parameter = known?.get(name)?.clone();
            parameter.as_object_mut()?.insert("name".to_owned(), json!(name));
            Some(parameter)
        })
        .collect();
    let has = |member: &str| row.get(member) == Some(&Value::Bool(true));
    let mut statuses = vec![400, 404, 409, 503];
    if !has("open") {
        statuses.extend([401, 403, 429]);
    }
    if has("provider") {
        statuses.extend([502, 504]);
    }
    if row.get("body").is_some() {
        statuses.extend(OF_BODIES);
    }
    let mut responses = errors(&statuses);
    responses.insert("200".to_owned(), success(row));
    let mut told = json!({
        "operationId": text(row, "id"),
        "summary": text(row, "summary"),
        "tags": [text(row, "tag")],
        "parameters": parameters,
        "responses": responses,
    });
    if let Value::Object(told) = &mut told {
        if has("open") {
            told.insert("security".to_owned(), json!([]));
        }
        if let Some(body) = row.get("body").and_then(Value::as_str) {
            let content = json!({"application/json": {"schema": schema(body)}});
            told.insert("requestBody".to_owned(), json!({"required": true, "content": content}));
        }
    }
    told
}

fn success(row: &Value) -> Value {
    let content = if let Some(model) = row.get("record").and_then(Value::as_str) {
        json!({"application/json": {"schema": schema(model)}})
    } else if let Some(model) = row.get("list").and_then(Value::as_str) {
        json!({"application/json": {"schema": {"type": "array", "items": schema(model)}}})
    } else if let Some(media) = row.get("answer").and_then(Value::as_str) {
        json!({media: {"schema": {"type": "string", "format": "binary"}}})
    } else {
        return json!({"description": "Done"});
    };
    json!({"description": "It went well", "content": content})
}

fn schema(name: &str) -> Value {
    match name {
        "object" => json!({"type": "object", "additionalProperties": true}),
        "string" => json!({"type": "string"}),
        model => reference(model),
    }
}
