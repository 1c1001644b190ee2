//! JSON Schemas of models, of an account's objects, and of errors.

use serde_json::{Map, Value, json};

use crate::{
    catalog::{
        Element,
        hub::{Field, FieldKind, Model},
    },
    provider::FieldDescription,
};

/// The schema of a model; of an element without the fields it declares unsupported.
pub(super) fn model(model: &Model, element: Option<&Element>) -> Value {
    let lacks = |field: &Field| {
        element.is_some_and(|element| {
            let mut plans = element
                .operations
                .values()
                .filter(|operation| operation.model.as_ref().is_some_and(|of| of.name == model.name))
                .map(|operation| &operation.plan)
                .peekable();
            plans.peek().is_some() && plans.all(|plan| plan.unsupported.iter().any(|(name, _)| *name == field.name))
        })
    };
    let mut properties = Map::new();
    for field in model.fields.iter().filter(|field| !field.hidden && !lacks(field)) {
        let steps: Vec<&str> = field.name.split('.').collect();
        insert(&mut properties, &steps, of_field(field));
    }
    properties.insert("raw".to_owned(), json!({
        "type": "object", "description": "The provider's own record, with `raw=true`", "additionalProperties": true, "readOnly": true,
    }));
    json!({"type": "object", "properties": properties})
}

fn insert(properties: &mut Map<String, Value>, steps: &[&str], schema: Value) {
    match steps {
        [] => {}
        [last] => {
            properties.insert((*last).to_owned(), schema);
        }
        [first, rest @ ..] => {
            let inner =
                properties.entry((*first).to_owned()).or_insert_with(|| json!({"type": "object", "properties": {}}));
            if let Some(inner) = inner.get_mut("properties").and_then(Value::as_object_mut) {
                insert(inner, rest, schema);
            }
        }
    }
}

fn of_field(field: &Field) -> Value {
    let mut schema = of_kind(field.kind);
    if let Value::Object(members) = &mut schema {
        if !field.description.is_empty() {
            members.insert("description".to_owned(), json!(field.description));
        }
        if field.read_only {
            members.insert("readOnly".to_owned(), json!(true));
        }
    }
    schema
}

/// The schema of a value of this kind.
pub(super) fn of_kind(kind: FieldKind) -> Value {
    match kind {
        FieldKind::Text => json!({"type": "string"}),
        FieldKind::Integer => json!({"type": "integer", "format": "int64"}),
        FieldKind::Number => json!({"type": "number"}),
        FieldKind::Boolean => json!({"type": "boolean"}),
        FieldKind::Timestamp => {
            json!({"type": ["integer", "string"], "description": "Milliseconds since 1970, or RFC 3339 with `isoDates=true`"})
        }
        FieldKind::DateTime => json!({"type": "string", "format": "date-time"}),
        FieldKind::Date => json!({"type": "string", "format": "date"}),
        FieldKind::List => json!({"type": "array", "items": {"type": "string"}}),
        FieldKind::Map => json!({"type": "object", "additionalProperties": true}),
    }
}

/// What a schema of an account's object is called, apart from those of models.
pub(super) fn object_name(object: &str) -> String {
    let plain: String =
        object.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' || c == '-' { c } else { '_' }).collect();
    format!("object.{plain}")
}

/// The schema of an account's object, from the provider's own description.
pub(super) fn object(fields: &[FieldDescription]) -> Value {
    let properties: Map<String, Value> =
        fields.iter().map(|field| (field.name.clone(), of_description(field))).collect();
    json!({"type": "object", "properties": properties, "additionalProperties": true})
}

fn of_description(field: &FieldDescription) -> Value {
    let mut schema = match field.kind.as_str() {
        "number" => json!({"type": "number"}),
        "integer" | "int" => json!({"type": "integer"}),
        "boolean" => json!({"type": "boolean"}),
        "date" => json!({"type": "string", "format": "date"}),
        "datetime" => json!({"type": "string", "format": "date-time"}),
        "array" | "list" => json!({"type": "array", "items": {}}),
        "object" => json!({"type": "object", "additionalProperties": true}),
        _ => json!({"type": "string"}),
    };
    if let Value::Object(members) = &mut schema {
        if let Some(label) = field.record.get("vendorDisplayName").filter(|label| label.is_string()) {
            members.insert("title".to_owned(), label.clone());
        }
        if field.record.get("vendorReadOnly") == Some(&Value::Bool(true)) {
            members.insert("readOnly".to_owned(), json!(true));
        }
        let choices: Vec<Value> = field
            .record
            .get("picklistValues")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|choice| choice.get("value").cloned())
            .collect();
        if !choices.is_empty() && field.record.get("restrictedPicklist") == Some(&Value::Bool(true)) {
            members.insert("enum".to_owned(), choices.into());
        } else if !choices.is_empty() {
            members.insert("examples".to_owned(), choices.into());
        }
    }
    schema
}

/// The one error body.
pub(super) fn error() -> Value {
    json!({
        "type": "object", "required": ["requestId", "message"],
        "properties": {
            "requestId": {"type": "string", "description": "Also in the header Elements-Request-Id and in the logs"},
            "message": {"type": "string", "description": "What was wrong, and what would be right"},
            "providerMessage": {"type": "string", "description": "The provider's own words"},
            "code": {"type": "string", "description": "The kind of error"},
            "errors": {"type": "array", "items": {"type": "object", "properties": {
                "pointer": {"type": "string"}, "detail": {"type": "string"},
            }}},
            "provider": {"type": "object", "properties": {
                "status": {"type": "integer"}, "code": {"type": "string"},
            }},
        },
    })
}
