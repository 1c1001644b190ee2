//! What is done to a record: checking what a client sends, filling in what the provider computes, showing the result.

mod derive;
mod input;

use serde_json::{Map, Value, json};

pub(super) use self::{
    derive::{create, remove, update},
    input::{Checked, check},
};
use super::{
    API,
    schema::{Field, Kind},
};

/// A record as it is kept: its fields' values by their exact names; what is absent is null.
pub(super) type Record = Map<String, Value>;

/// Whether a record is in the recycle bin.
pub(super) fn is_deleted(record: &Record) -> bool {
    record.get("IsDeleted") == Some(&Value::Bool(true))
}

/// The `attributes` member of a record in answers.
pub(super) fn attributes(object: &str, record: &Record) -> Value {
    let id = record.get("Id").and_then(Value::as_str).unwrap_or_default();
    json!({"type": object, "url": format!("{API}/sobjects/{object}/{id}")})
}

/// A field's value in answers.
pub(super) fn shown(field: &Field, record: &Record) -> Value {
    if field.kind == Kind::Address {
        return address(field, record);
    }
    record.get(field.name).cloned().unwrap_or(match field.kind {
        Kind::Boolean => Value::Bool(false),
        _ => Value::Null,
    })
}

/// A record in answers, all fields or those given.
pub(super) fn whole<'a>(object: &str, fields: impl Iterator<Item = &'a Field>, record: &Record) -> Value {
    let mut answer = Map::new();
    answer.insert("attributes".to_owned(), attributes(object, record));
    answer.extend(fields.map(|field| (field.name.to_owned(), shown(field, record))));
    Value::Object(answer)
}

/// A compound address: null when all of its parts are.
fn address(field: &Field, record: &Record) -> Value {
    let prefix = field.name.strip_suffix("Address").unwrap_or_default();
    let part = |name: &str| record.get(&format!("{prefix}{name}")).cloned().unwrap_or(Value::Null);
    let parts = [part("City"), part("Country"), part("PostalCode"), part("State"), part("Street")];
    if parts.iter().all(Value::is_null) {
        return Value::Null;
    }
    let [city, country, code, state, street] = parts;
    json!({
        "city": city,
        "country": country,
        "geocodeAccuracy": null,
        "latitude": null,
        "longitude": null,
        "postalCode": code,
        "state": state,
        "street": street,
    })
}
