//! What the provider fills in by itself: presets, stamps, and fields computed from others.

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{
    super::{
        failure::Failure,
        schema::{Object, Preset, STAGES},
        service,
        store::Tables,
        time,
    },
    Checked, Record,
};

/// Makes a new record of checked values and keeps it; its identifier is returned.
pub(in super::super) fn create(
    object: &Object,
    values: Checked,
    user: &str,
    tables: &mut Tables,
    now: DateTime<Utc>,
) -> Result<String, Failure> {
    let mut record = Record::new();
    for field in &object.fields {
        let preset = match field.preset {
            Preset::None => continue,
            Preset::Choice(choice) => Value::from(choice),
            Preset::Flag(flag) => Value::Bool(flag),
            Preset::Creator => Value::from(user),
        };
        record.insert(field.name.to_owned(), preset);
    }
    // A null for a field with a preset leaves the preset.
    let given = values.into_iter().filter(|(name, value)| !(value.is_null() && record.contains_key(name)));
    let given: Vec<_> = given.collect();
    let named: Vec<String> = given.iter().map(|(name, _)| name.clone()).collect();
    record.extend(given);
    let stamp = Value::from(time::written(now));
    record.insert("CreatedDate".to_owned(), stamp.clone());
    record.insert("CreatedById".to_owned(), user.into());
    touch(&mut record, user, &stamp);
    service::number(object.name, &mut record, tables.records(object.name).count());
    compute(object.name, &mut record, &named, now)?;
    record.retain(|_, value| !value.is_null());
    Ok(tables.insert(object, record))
}

/// Changes a record.
pub(in super::super) fn update(
    object: &Object,
    record: &Record,
    values: Checked,
    user: &str,
    now: DateTime<Utc>,
) -> Result<Record, Failure> {
    let mut record = record.clone();
    let named: Vec<String> = values.keys().cloned().collect();
    record.extend(values);
    touch(&mut record, user, &Value::from(time::written(now)));
    compute(object.name, &mut record, &named, now)?;
    record.retain(|_, value| !value.is_null());
    Ok(record)
}

/// Puts a record into the recycle bin.
pub(in super::super) fn remove(record: &mut Record, user: &str, now: DateTime<Utc>) {
    record.insert("IsDeleted".to_owned(), Value::Bool(true));
    touch(record, user, &Value::from(time::written(now)));
}

fn touch(record: &mut Record, user: &str, stamp: &Value) {
    record.insert("LastModifiedDate".to_owned(), stamp.clone());
    record.insert("LastModifiedById".to_owned(), user.into());
    record.insert("SystemModstamp".to_owned(), stamp.clone());
}

fn text<'a>(record: &'a Record, name: &str) -> Option<&'a str> {
    record.get(name).and_then(Value::as_str)
}

fn put(record: &mut Record, name: &str, value: impl Into<Value>) {
    record.insert(name.to_owned(), value.into());
}

/// Computes fields from others; `named` are the fields the client has sent.
fn compute(object: &str, record: &mut Record, named: &[String], now: DateTime<Utc>) -> Result<(), Failure> {
    match object {
        "Contact" | "Lead" | "User" => {
            let parts = [text(record, "FirstName"), text(record, "LastName")];
            let name = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
            put(record, "Name", name);
        }
        "Opportunity" => opportunity(record, named),
        "Task" => {
            let closed = text(record, "Status") == Some("Completed");
            if closed && record.get("IsClosed") != Some(&Value::Bool(true)) {
                put(record, "CompletedDateTime", time::written(now));
            } else if !closed {
                record.remove("CompletedDateTime");
            }
            put(record, "IsClosed", closed);
            let high = text(record, "Priority") == Some("High");
            put(record, "IsHighPriority", high);
        }
        "Event" => event(record, named)?,
        "Case" => service::compute(record, &time::written(now)),
        _ => {}
    }
    Ok(())
}

/// A stage decides whether an opportunity is closed and won, and how likely it is unless the client says so itself.
fn opportunity(record: &mut Record, named: &[String]) {
    let stage = text(record, "StageName").unwrap_or_default();
    let (_, probability, forecast) =
        STAGES.iter().find(|(name, ..)| *name == stage).copied().unwrap_or(("", 0.0, "Pipeline"));
    let (won, closed) = (stage == "Closed Won", stage.starts_with("Closed "));
    put(record, "IsClosed", closed);
    put(record, "IsWon", won);
    let sent = |name: &str| named.iter().any(|known| known == name);
    if sent("StageName") {
        if !sent("Probability") {
            put(record, "Probability", probability);
        }
        if !sent("ForecastCategoryName") {
            put(record, "ForecastCategoryName", forecast);
        }
        put(record, "ForecastCategory", forecast);
    }
    let number = |name: &str| record.get(name).and_then(Value::as_f64);
    let expected = number("Amount").zip(number("Probability")).map(|(amount, percent)| amount * percent / 100.0);
    put(record, "ExpectedRevenue", json!(expected));
    let close = text(record, "CloseDate").and_then(|day| NaiveDate::parse_from_str(day, "%Y-%m-%d").ok());
    if let Some(day) = close {
        let quarter = day.month0() / 3 + 1;
        put(record, "FiscalYear", day.year());
        put(record, "FiscalQuarter", quarter);
        put(record, "Fiscal", format!("{} {quarter}", day.year()));
    }
}

/// An event has a start and either an end or a duration; the rest follows.
fn event(record: &mut Record, named: &[String]) -> Result<(), Failure> {
    let sent = |name: &str| named.iter().any(|known| known == name);
    let read = |record: &Record, name: &str| text(record, name).and_then(time::moment);
    let start = if sent("ActivityDateTime") && !sent("StartDateTime") { "ActivityDateTime" } else { "StartDateTime" };
    let start = read(record, start).or_else(|| read(record, "ActivityDateTime"));
    let minutes = record.get("DurationInMinutes").and_then(Value::as_i64);
    let from_end = read(record, "EndDateTime").filter(|_| sent("EndDateTime") || minutes.is_none());
    let missing = |fields: [&str; 2]| {
        let message = format!("Required fields are missing: [{}]", fields.join(", "));
        Failure::bad("REQUIRED_FIELD_MISSING", message).about(fields)
    };
    let Some(start) = start else { return Err(missing(["ActivityDateTime", "DurationInMinutes"])) };
    let end = match (from_end, minutes) {
        (Some(end), Some(minutes)) if sent("DurationInMinutes") && (end - start).num_minutes() != minutes => {
            let message = "Duration and end date/time don't agree";
            return Err(Failure::bad("FIELD_INTEGRITY_EXCEPTION", message).about(["DurationInMinutes", "EndDateTime"]));
        }
        (Some(end), _) => end,
        (None, Some(minutes)) => TimeDelta::try_minutes(minutes)
            .and_then(|duration| start.checked_add_signed(duration))
            .ok_or_else(|| missing(["ActivityDateTime", "DurationInMinutes"]))?,
        (None, None) => return Err(missing(["DurationInMinutes", "EndDateTime"])),
    };
    if end < start {
        let message = "The event's duration cannot be less than 0 minutes or more than 14 days";
        return Err(Failure::bad("FIELD_INTEGRITY_EXCEPTION", message).about(["DurationInMinutes"]));
    }
    put(record, "StartDateTime", time::written(start));
    put(record, "ActivityDateTime", time::written(start));
    put(record, "ActivityDate", start.date_naive().to_string());
    put(record, "EndDateTime", time::written(end));
    put(record, "EndDate", end.date_naive().to_string());
    put(record, "DurationInMinutes", (end - start).num_minutes());
    Ok(())
}
