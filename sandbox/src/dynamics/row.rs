//! What a client sends for a row, checked; and a row as it is answered.

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Map, Value, json};

use super::{
    failure::Failure,
    schema::{Kind, Table, shown},
    store::{Row, Store, written},
};

/// Checks a body against the columns of its table.
pub(super) fn read(store: &Store, table: &Table, body: &Row, before: Option<&Row>) -> Result<Row, Failure> {
    let mut values = Row::new();
    for (name, value) in body {
        if name.starts_with('@') {
            continue;
        }
        if let Some(property) = name.strip_suffix("@odata.bind") {
            let (column, id) = bind(store, table, property, value)?;
            values.insert(column.to_owned(), id);
            continue;
        }
        if table.property(name).is_some_and(|column| matches!(column.kind, Kind::Lookup(_))) {
            let message =
                "CRM do not support direct update of Entity Reference properties, Use Navigation properties instead.";
            return Err(Failure::query(message));
        }
        let Some(column) = table.column(name).filter(|column| !matches!(column.kind, Kind::Lookup(_))) else {
            let message = format!(
                "Error Message : Invalid property '{name}' was found in entity 'Microsoft.Dynamics.CRM.{}'.",
                table.name
            );
            return Err(Failure::payload(table.set, &message));
        };
        // What a client may not set is passed over.
        if !column.writable {
            continue;
        }
        values.insert(name.clone(), check(table, name, column.kind, value)?);
    }
    state(table, &mut values, before)?;
    Ok(values)
}

fn check(table: &Table, name: &str, kind: Kind, value: &Value) -> Result<Value, Failure> {
    let unfit = |wanted: &str| {
        let message = format!(
            "Cannot convert the literal '{}' to the expected type '{wanted}'. (property '{name}')",
            plain(value)
        );
        Failure::payload(table.set, &message)
    };
    if value.is_null() {
        return Ok(Value::Null);
    }
    match kind {
        Kind::Text(length) => {
            let text = value.as_str().ok_or_else(|| unfit("Edm.String"))?;
            if text.chars().count() > length {
                let message = format!(
                    "A validation error occurred. The length of the '{name}' attribute of the '{}' entity exceeded the maximum allowed length of '{length}'.",
                    table.name
                );
                return Err(Failure::new(400, "0x80044331", message));
            }
            // An empty text is kept as none.
            Ok(if text.is_empty() { Value::Null } else { value.clone() })
        }
        Kind::Memo => value.as_str().map(|_| value.clone()).ok_or_else(|| unfit("Edm.String")),
        Kind::Int => value.as_i64().map(Value::from).ok_or_else(|| unfit("Edm.Int32")),
        Kind::Number | Kind::Money => value.as_f64().map(|_| value.clone()).ok_or_else(|| unfit("Edm.Decimal")),
        Kind::Flag => value.as_bool().map(Value::from).ok_or_else(|| unfit("Edm.Boolean")),
        Kind::Date => {
            let date = value.as_str().and_then(|text| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok());
            date.map(|date| date.to_string().into()).ok_or_else(|| unfit("Edm.Date"))
        }
        Kind::Time => {
            let time = value.as_str().and_then(|text| DateTime::parse_from_rfc3339(text).ok());
            time.map(|time| written(time.with_timezone(&Utc)).into()).ok_or_else(|| unfit("Edm.DateTimeOffset"))
        }
        Kind::Choice(choices) | Kind::State(choices) => {
            let number = value.as_i64().ok_or_else(|| unfit("Edm.Int32"))?;
            if choices.iter().any(|(known, _)| *known == number) {
                return Ok(number.into());
            }
            let message = format!(
                "A validation error occurred. The value {number} of '{name}' on record of type '{}' is outside the valid range.",
                table.name
            );
            Err(Failure::new(400, "0x80044331", message))
        }
        Kind::Key => value.as_str().map(|_| value.clone()).ok_or_else(|| unfit("Edm.Guid")),
        Kind::Lookup(_) => Err(unfit("Edm.Guid")),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The column and the row that a `property@odata.bind` is about.
fn bind(store: &Store, table: &Table, property: &str, value: &Value) -> Result<(&'static str, Value), Failure> {
    let found = table.columns.iter().find_map(|column| match column.kind {
        Kind::Lookup(targets) => {
            targets.iter().find(|(_, name)| *name == property).map(|(target, _)| (column.name, *target))
        }
        _ => None,
    });
    let Some((column, target)) = found else {
        let message = format!(
            "An undeclared property '{property}' which only has property annotations in the payload but no property value was found in the payload. In OData, only declared navigation properties and declared named streams can be represented as properties without values."
        );
        return Err(Failure::payload(table.set, &format!("Error Message : {message}")));
    };
    if value.is_null() {
        return Ok((column, Value::Null));
    }
    let unfit = || {
        Failure::payload(
            table.set,
            &format!("Error Message : The value of '{property}@odata.bind' is not the address of an entity"),
        )
    };
    let text = value.as_str().ok_or_else(unfit)?;
    let tail = text.rsplit('/').next().unwrap_or_default();
    let (set, id) = tail.strip_suffix(')').and_then(|tail| tail.split_once('(')).ok_or_else(unfit)?;
    let other = store.named(target).filter(|other| other.set == set).ok_or_else(unfit)?;
    if store.row(other, id).is_none() {
        return Err(Failure::missing(other.name, id));
    }
    Ok((column, id.into()))
}

/// A reason has to belong to the state; a state alone has the first of its reasons.
fn state(table: &Table, values: &mut Row, before: Option<&Row>) -> Result<(), Failure> {
    let number = |row: &Row, name: &str| row.get(name).and_then(Value::as_i64);
    let state = number(values, "statecode");
    let reason = number(values, "statuscode");
    let current = before.and_then(|before| number(before, "statecode")).unwrap_or_default();
    match (state, reason) {
        (Some(state), None) => {
            if let Some((first, _)) = table.reasons.iter().find(|(_, of)| *of == state) {
                values.insert("statuscode".to_owned(), (*first).into());
            }
            Ok(())
        }
        (state, Some(reason)) => {
            let state = state.unwrap_or(current);
            if table.reasons.iter().any(|(known, of)| *known == reason && *of == state) {
                return Ok(());
            }
            let message = format!(
                "{reason} is not a valid status code for state code {}State.{state} on {}",
                table.label, table.name
            );
            Err(Failure::new(400, "0x80048408", message))
        }
        (None, None) => Ok(()),
    }
}

/// Fills in what the organization computes.
pub(super) fn compute(table: &Table, row: &mut Row, now: DateTime<Utc>) -> Result<(), Failure> {
    if table.column("fullname").is_some() {
        let part = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let full = format!("{} {}", part("firstname"), part("lastname")).trim().to_owned();
        row.insert("fullname".to_owned(), if full.is_empty() { Value::Null } else { full.into() });
    }
    if table.name == "incident" && row.get("customerid").is_none_or(Value::is_null) {
        let message = "You should specify a parent contact or account.";
        return Err(Failure::new(400, "0x80040203", message));
    }
    if table.name == "task" {
        let done = row.get("statecode").and_then(Value::as_i64) == Some(1);
        match (done, row.get("actualend").is_some_and(|end| !end.is_null())) {
            (true, false) => row.insert("actualend".to_owned(), written(now).into()),
            (false, true) => row.insert("actualend".to_owned(), Value::Null),
            _ => None,
        };
    }
    if table.name == "appointment" {
        let time = |name: &str| row.get(name).and_then(Value::as_str).map(str::to_owned);
        let (start, end) = (time("scheduledstart"), time("scheduledend"));
        if start.is_none() || end.is_none() || end < start {
            let message = "The start and the end of an appointment have to be given, the end not before the start.";
            return Err(Failure::new(400, "0x80040203", message));
        }
    }
    Ok(())
}

/// A row in answers; all its columns, or those selected.
pub(super) fn whole(table: &Table, version: u64, row: &Row, select: Option<&[String]>) -> Map<String, Value> {
    let mut answer = Map::new();
    answer.insert("@odata.etag".to_owned(), json!(etag(version)));
    for column in &table.columns {
        let name = shown(column);
        if column.kind == Kind::Key || select.is_none_or(|select| select.contains(&name)) {
            answer.insert(name, row.get(column.name).cloned().unwrap_or_default());
        }
    }
    answer
}

/// A row's version as the interface writes it.
pub(super) fn etag(version: u64) -> String {
    format!("W/\"{version}\"")
}
