//! Checking the body of a create or update call.

use chrono::NaiveDate;
use serde_json::{Map, Value};

use super::{
    super::{
        failure::Failure,
        id,
        schema::{Field, Kind, Object, Schema},
        store::Tables,
        time,
    },
    Record,
};

/// Fields with the values they are to have; null clears a field.
pub(in super::super) type Checked = Record;

/// Reads a body for an object: every field known, writable, and of the right type.
///
/// `id` is that of the record to be changed; there is none when a record is to be created.
pub(in super::super) fn check(
    object: &Object,
    body: &Map<String, Value>,
    id: Option<&str>,
    schema: &Schema,
    tables: &Tables,
) -> Result<Checked, Failure> {
    let creating = id.is_none();
    let mut values = Checked::new();
    let mut closed = Vec::new();
    // Everything that fails while the body is being read comes before the checks of fields and values.
    let mut read = Vec::new();
    for (name, value) in body.iter().filter(|(name, _)| *name != "attributes") {
        let Some(field) = object.field(name) else {
            let message = format!("No such column '{name}' on sobject of type {}", object.name);
            return Err(Failure::bad("INVALID_FIELD", message));
        };
        if field.kind == Kind::Id {
            let message = "The Id field should not be specified in the sobject data.";
            return Err(Failure::bad("INVALID_FIELD", message));
        }
        if field.kind == Kind::Address {
            closed.push(field.name);
            continue;
        }
        read.push((field, parse(field, value)?));
    }
    for (field, value) in read {
        if if creating { field.createable } else { field.updateable } {
            values.insert(field.name.to_owned(), value);
        } else {
            closed.push(field.name);
        }
    }
    if !closed.is_empty() {
        let message = format!(
            "Unable to create/update fields: {}. Please check the security settings of this field and verify that it is read/write \
             for your profile or permission set.",
            closed.join(", ")
        );
        return Err(Failure::bad("INVALID_FIELD_FOR_INSERT_UPDATE", message).about(closed));
    }
    required(object, &values, creating)?;
    for (name, value) in &mut values {
        if let Some(field) = object.field(name) {
            fits(field, value, schema, tables)?;
        }
    }
    unique(object, &values, id, tables)?;
    Ok(values)
}

/// Refuses a record without its required fields; on update, one that would clear them.
fn required(object: &Object, values: &Checked, creating: bool) -> Result<(), Failure> {
    let without = |field: &&Field| match values.get(field.name) {
        Some(value) => value.is_null(),
        None => creating && field.preset == super::super::schema::Preset::None,
    };
    let missing: Vec<_> =
        object.fields.iter().filter(|field| field.required).filter(without).map(|field| field.name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!("Required fields are missing: [{}]", missing.join(", "));
    Err(Failure::bad("REQUIRED_FIELD_MISSING", message).about(missing))
}

/// Reads a JSON value as the field's type; an empty text is null.
fn parse(field: &Field, value: &Value) -> Result<Value, Failure> {
    let kind = field.kind;
    match (kind, value) {
        (Kind::Boolean, Value::Null) => {
            let message = format!("{}: value not of required type: ", field.label);
            Err(Failure::bad("INVALID_TYPE_ON_FIELD_IN_RECORD", message).about([field.name]))
        }
        (_, Value::Null) => Ok(Value::Null),
        (Kind::Boolean, Value::Bool(_)) => Ok(value.clone()),
        (Kind::Boolean, Value::String(text)) => match text.to_ascii_lowercase().as_str() {
            "true" | "1" => Ok(true.into()),
            "false" | "0" => Ok(false.into()),
            _ => Err(unreadable(field, value)),
        },
        (Kind::Int, Value::Number(number)) => match number.as_i64() {
            Some(whole) => Ok(whole.into()),
            None => Err(unreadable(field, value)),
        },
        (Kind::Int, Value::String(text)) => match text.trim().parse::<i64>() {
            Ok(whole) => Ok(whole.into()),
            Err(_) => Err(unreadable(field, value)),
        },
        (_, Value::Number(number)) if kind.is_number() => match number.as_f64() {
            Some(number) => Ok(number.into()),
            None => Err(unreadable(field, value)),
        },
        (_, Value::String(text)) if kind.is_number() => match text.trim().parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number.into()),
            _ => Err(unreadable(field, value)),
        },
        (Kind::Date, Value::String(text)) => match NaiveDate::parse_from_str(text, "%Y-%m-%d") {
            Ok(date) if text.len() == 10 => Ok(date.to_string().into()),
            _ => Err(unreadable(field, value)),
        },
        (Kind::DateTime, Value::String(text)) => match time::moment(text) {
            Some(moment) => Ok(time::written(moment).into()),
            None => Err(unreadable(field, value)),
        },
        (_, Value::String(text)) if !kind.is_number() => {
            let trimmed = text.trim();
            Ok(if trimmed.is_empty() { Value::Null } else { trimmed.into() })
        }
        _ => Err(unreadable(field, value)),
    }
}

/// A value of the wrong JSON type, or a text that is none of the field's type.
fn unreadable(field: &Field, value: &Value) -> Failure {
    let shown = match value {
        Value::String(text) => format!("VALUE_STRING value {text}"),
        Value::Number(_) => format!("{} value {value}", token(value)),
        _ => token(value).to_owned(),
    };
    let kind = match field.kind {
        Kind::Text => "string",
        kind => kind.name(),
    };
    let message = format!(
        "Cannot deserialize instance of {kind} from {shown} or request may be missing a required field at [line:1, column:1]"
    );
    Failure::bad("JSON_PARSER_ERROR", message)
}

/// The JSON parser's name for a value.
fn token(value: &Value) -> &'static str {
    match value {
        Value::Null => "VALUE_NULL",
        Value::Bool(true) => "VALUE_TRUE",
        Value::Bool(false) => "VALUE_FALSE",
        Value::Number(number) if number.is_f64() => "VALUE_NUMBER_FLOAT",
        Value::Number(_) => "VALUE_NUMBER_INT",
        Value::String(_) => "VALUE_STRING",
        Value::Array(_) => "START_ARRAY",
        Value::Object(_) => "START_OBJECT",
    }
}

/// Refuses a value of the right type that the field does not take; references become 18 characters long.
fn fits(field: &Field, value: &mut Value, schema: &Schema, tables: &Tables) -> Result<(), Failure> {
    match (field.kind, &*value) {
        (Kind::Reference, Value::String(text)) => {
            let wrong = || {
                let message = format!("{}: id value of incorrect type: {text}", field.label);
                Failure::bad("MALFORMED_ID", message).about([field.name])
            };
            let id = id::normal(text).ok_or_else(wrong)?;
            let object = schema.of_id(&id).filter(|object| field.refers.contains(&object.name)).ok_or_else(|| {
                let message = format!("{}: id value of incorrect type: {text}", field.label);
                let code = if id.starts_with("00D") { "MALFORMED_ID" } else { "FIELD_INTEGRITY_EXCEPTION" };
                Failure::bad(code, message).about([field.name])
            })?;
            match tables.any(object.name, &id) {
                None => {
                    return Err(
                        Failure::bad("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id").about([field.name])
                    );
                }
                Some(record) if super::is_deleted(record) => {
                    return Err(Failure::bad("ENTITY_IS_DELETED", "entity is deleted").about([field.name]));
                }
                Some(user) if field.name == "OwnerId" && user.get("IsActive") == Some(&Value::Bool(false)) => {
                    let message = format!("operation performed with inactive user [{id}] as owner");
                    return Err(Failure::bad("INACTIVE_OWNER_OR_USER", message).about(Vec::<String>::new()));
                }
                Some(_) => *value = id.into(),
            }
        }
        (Kind::Email, Value::String(text)) if !is_email(text) => {
            let message = format!("{}: invalid email address: {text}", field.label);
            return Err(Failure::bad("INVALID_EMAIL_ADDRESS", message).about([field.name]));
        }
        (Kind::Picklist, Value::String(text)) if field.restricted && !field.choices.contains(&text.as_str()) => {
            let message = format!("{}: bad value for restricted picklist field: {text}", field.label);
            return Err(Failure::bad("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message).about([field.name]));
        }
        (_, Value::String(text)) if field.length > 0 && text.chars().count() > field.length => {
            let message = format!("{}: data value too large: {text} (max length={})", field.label, field.length);
            return Err(Failure::bad("STRING_TOO_LONG", message).about([field.name]));
        }
        (_, Value::Number(number)) => {
            let (digits, scale) = field.digits;
            let limit = 10_f64.powi(i32::try_from(digits.saturating_sub(scale)).unwrap_or(18));
            if number.as_f64().is_none_or(|number| number.abs() >= limit) {
                let message = format!("{}: value outside of valid range on numeric field: {number}", field.label);
                return Err(Failure::bad("NUMBER_OUTSIDE_VALID_RANGE", message).about([field.name]));
            }
        }
        _ => {}
    }
    Ok(())
}

/// Refuses a second record with the same value of a unique field.
fn unique(object: &Object, values: &Checked, id: Option<&str>, tables: &Tables) -> Result<(), Failure> {
    for field in object.fields.iter().filter(|field| field.external) {
        let Some(value) = values.get(field.name).and_then(Value::as_str) else { continue };
        let same = |other: &&Record| {
            !super::is_deleted(other)
                && other.get("Id").and_then(Value::as_str) != id
                && other.get(field.name).and_then(Value::as_str).is_some_and(|known| known.eq_ignore_ascii_case(value))
        };
        if let Some(other) = tables.records(object.name).find(same) {
            let id = other.get("Id").and_then(Value::as_str).unwrap_or_default();
            let message = format!("duplicate value found: {} duplicates value on record with id: {id}", field.name);
            return Err(Failure::bad("DUPLICATE_VALUE", message).about(Vec::<String>::new()));
        }
    }
    Ok(())
}

/// Whether a text looks like an e-mail address to the provider.
fn is_email(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*/=?^_+-`{|}~.".contains(&byte);
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let labels: Vec<&str> = domain.split('.').collect();
    let label =
        |label: &&str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    !local.is_empty() && local.bytes().all(allowed) && labels.len() > 1 && labels.iter().all(label)
}
