//! OpenAPI 3.1 as Swagger 2.0, as far as our own documents go.

use serde_json::{Map, Value, json};

/// The same description in the contract's older form (`swagger: "2.0"`).
///
/// `server` is the root of the paths, `https://host/base`.
pub fn swagger(document: &Value, server: &str) -> Value {
    let part = |name: &str| document.get(name).cloned().unwrap_or_else(|| json!({}));
    let mut told = json!({
        "swagger": "2.0",
        "info": part("info"),
        "consumes": ["application/json"],
        "produces": ["application/json"],
        "paths": members(document.get("paths")).map(|(path, item)| (path.clone(), path_item(item))).collect::<Map<_, _>>(),
        "definitions": members(document.pointer("/components/schemas"))
            .map(|(name, schema)| (name.clone(), older(schema)))
            .collect::<Map<_, _>>(),
        "securityDefinitions": document.pointer("/components/securitySchemes").cloned().unwrap_or_else(|| json!({})),
        "security": part("security"),
    });
    if let (Value::Object(told), Ok(url)) = (&mut told, url::Url::parse(server)) {
        let host = url.host_str().unwrap_or_default();
        let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        told.insert("host".to_owned(), json!(host));
        told.insert("basePath".to_owned(), json!(url.path()));
        told.insert("schemes".to_owned(), json!([url.scheme()]));
    }
    told
}

/// The part of a Swagger 2.0 document that one operation makes up, with the definitions it uses; `None` when there is none
/// of this `operationId`.
pub fn only(document: &Value, operation_id: &str) -> Option<Value> {
    let found = members(document.get("paths")).find_map(|(path, item)| {
        members(Some(item)).find_map(|(method, operation)| {
            let fits = operation.get("operationId").and_then(Value::as_str)?.eq_ignore_ascii_case(operation_id);
            fits.then_some((path, method, operation))
        })
    });
    let (path, method, operation) = found?;
    let mut used: Vec<String> = Vec::new();
    collect(operation, &mut used);
    let known = document.get("definitions").and_then(Value::as_object)?;
    // Definitions do not refer to each other, so one look is enough.
    let definitions: Map<String, Value> =
        used.iter().filter_map(|name| Some((name.clone(), known.get(name)?.clone()))).collect();
    let mut told = document.clone();
    let members = told.as_object_mut()?;
    members.insert("paths".to_owned(), json!({path: {method: operation}}));
    members.insert("definitions".to_owned(), definitions.into());
    Some(told)
}

/// The names of the definitions that `value` refers to.
fn collect(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, names)),
        Value::Object(object) => {
            let name = object.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix("#/definitions/"));
            if let Some(name) = name
                && !names.iter().any(|known| known == name)
            {
                names.push(name.to_owned());
            }
            object.values().for_each(|inner| collect(inner, names));
        }
        _ => {}
    }
}

fn members(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value.and_then(Value::as_object).into_iter().flatten()
}

fn path_item(item: &Value) -> Value {
    members(Some(item))
        .map(|(method, operation)| (method.clone(), self::operation(operation)))
        .collect::<Map<_, _>>()
        .into()
}

fn operation(operation: &Value) -> Value {
    let mut told = Map::new();
    for (name, value) in members(Some(operation)) {
        match name.as_str() {
            "parameters" | "requestBody" => {}
            "responses" => {
                let responses: Map<String, Value> =
                    members(Some(value)).map(|(status, one)| (status.clone(), response(one))).collect();
                told.insert(name.clone(), responses.into());
            }
            _ => {
                told.insert(name.clone(), value.clone());
            }
        }
    }
    let mut parameters: Vec<Value> =
        operation.get("parameters").and_then(Value::as_array).into_iter().flatten().map(parameter).collect();
    if let Some(content) = operation.pointer("/requestBody/content") {
        if let Some(form) = content.get("multipart/form-data") {
            told.insert("consumes".to_owned(), json!(["multipart/form-data"]));
            for (name, _) in members(form.pointer("/schema/properties")) {
                parameters.push(json!({"name": name, "in": "formData", "type": "file", "required": true}));
            }
        } else if let Some(schema) = content.pointer("/application~1json/schema") {
            parameters.push(json!({"name": "body", "in": "body", "required": true, "schema": older(schema)}));
        }
    }
    told.insert("parameters".to_owned(), parameters.into());
    if operation.pointer("/responses/200/content/*~1*").is_some() {
        told.insert("produces".to_owned(), json!(["application/octet-stream"]));
    }
    told.into()
}

/// A parameter with its schema's members beside its own.
fn parameter(parameter: &Value) -> Value {
    let mut told = Map::new();
    for (name, value) in members(Some(parameter)) {
        if name == "schema" {
            told.extend(older(value).as_object().cloned().unwrap_or_default());
        } else {
            told.insert(name.clone(), value.clone());
        }
    }
    if told.get("type") == Some(&json!("array")) {
        told.insert("collectionFormat".to_owned(), json!("csv"));
    }
    told.into()
}

fn response(response: &Value) -> Value {
    let mut told = Map::new();
    for (name, value) in members(Some(response)) {
        match name.as_str() {
            "content" => {
                let (binary, schema) = (value.get("*/*").is_some(), value.pointer("/application~1json/schema"));
                if binary {
                    told.insert("schema".to_owned(), json!({"type": "file"}));
                } else if let Some(schema) = schema {
                    told.insert("schema".to_owned(), older(schema));
                }
            }
            "headers" => {
                let headers: Map<String, Value> =
                    members(Some(value)).map(|(header, one)| (header.clone(), parameter(one))).collect();
                told.insert(name.clone(), headers.into());
            }
            _ => {
                told.insert(name.clone(), value.clone());
            }
        }
    }
    told.into()
}

/// A schema in the older dialect: one type, references to `definitions`, an example instead of examples.
fn older(schema: &Value) -> Value {
    match schema {
        Value::Array(items) => items.iter().map(older).collect::<Vec<_>>().into(),
        Value::Object(schema) => {
            let mut told = Map::new();
            for (name, value) in schema {
                match (name.as_str(), value) {
                    ("$ref", Value::String(to)) => {
                        told.insert(name.clone(), json!(to.replace("#/components/schemas/", "#/definitions/")));
                    }
                    ("type", Value::Array(types)) => {
                        told.insert(name.clone(), types.first().cloned().unwrap_or_default());
                    }
                    ("examples", Value::Array(examples)) => {
                        told.insert("example".to_owned(), examples.first().cloned().unwrap_or_default());
                    }
                    ("enum" | "required" | "default", value) => {
                        told.insert(name.clone(), value.clone());
                    }
                    ("properties", Value::Object(properties)) => {
                        let properties: Map<String, Value> =
                            properties.iter().map(|(name, schema)| (name.clone(), older(schema))).collect();
                        told.insert(name.clone(), properties.into());
                    }
                    (_, value) => {
                        told.insert(name.clone(), older(value));
                    }
                }
            }
            told.into()
        }
        other => other.clone(),
    }
}
