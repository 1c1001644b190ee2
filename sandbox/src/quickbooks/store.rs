//! The company's records.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use super::{
    entity::{ENTITIES, Entity, Kind, named},
    failure::Failure,
    seed,
};

/// A record as it is answered.
pub(super) type Record = Map<String, Value>;

/// All records.
pub(super) struct Store {
    records: BTreeMap<&'static str, BTreeMap<u64, Record>>,
    next: u64,
}

impl Store {
    /// The company as it is at the start.
    pub(super) fn new() -> Self {
        let mut store =
            Self { records: ENTITIES.iter().map(|entity| (entity.name, BTreeMap::new())).collect(), next: 1 };
        seed::fill(&mut store);
        store
    }

    pub(super) fn records(&self, entity: &Entity) -> impl Iterator<Item = &Record> {
        self.records.get(entity.name).into_iter().flat_map(BTreeMap::values)
    }

    pub(super) fn get(&self, entity: &Entity, id: &str) -> Result<&Record, Failure> {
        let number: Option<u64> = id.parse().ok();
        number.and_then(|number| self.records.get(entity.name)?.get(&number)).ok_or_else(Failure::missing)
    }

    /// Checks members; those that the company computes are passed over.
    fn check(&self, entity: &Entity, body: &Record) -> Result<Record, Failure> {
        let mut values = Record::new();
        for (name, value) in body {
            if matches!(name.as_str(), "Id" | "SyncToken" | "sparse" | "MetaData" | "domain" | "FullyQualifiedName") {
                continue;
            }
            let Some((_, kind)) = entity.members.iter().find(|(known, _)| known == name) else {
                let detail = format!("Property Name:Property {name} specified is unsupported or invalid");
                return Err(Failure::invalid("2010", "Request has invalid or unsupported property", detail));
            };
            if matches!(name.as_str(), "Balance" | "CurrentBalance") && entity.list {
                continue;
            }
            values.insert(name.clone(), self.value(name, *kind, value)?);
        }
        Ok(values)
    }

    fn value(&self, name: &str, kind: Kind, value: &Value) -> Result<Value, Failure> {
        let unfit = || {
            let detail = format!("Invalid value for {name}: {value}");
            Failure::invalid("2030", "Invalid ID or value", detail)
        };
        // What is empty is not there.
        if value.is_null() || value.as_str() == Some("") || value.as_array().is_some_and(Vec::is_empty) {
            return Ok(Value::Null);
        }
        match kind {
            Kind::Text => value.as_str().map(Value::from).ok_or_else(unfit),
            Kind::Number => {
                let number = value.as_f64().or_else(|| value.as_str()?.parse().ok());
                number.map(|number| json!(number)).ok_or_else(unfit)
            }
            Kind::Flag => value.as_bool().map(Value::from).ok_or_else(unfit),
            Kind::Date => {
                let text = value.as_str().unwrap_or_default();
                NaiveDate::parse_from_str(text, "%Y-%m-%d").map(|date| date.to_string().into()).map_err(|_| unfit())
            }
            Kind::Object => {
                let mut members = value.as_object().cloned().ok_or_else(unfit)?;
                members.retain(|_, member| !member.is_null() && member.as_str() != Some(""));
                Ok(if members.is_empty() { Value::Null } else { Value::Object(members) })
            }
            Kind::List => value.as_array().filter(|list| !list.is_empty()).map(|_| value.clone()).ok_or_else(unfit),
            Kind::Ref(target) => {
                let id = value.get("value").and_then(Value::as_str).ok_or_else(unfit)?;
                let Some(other) = named(target) else { return Ok(value.clone()) };
                let unknown = |_| {
                    let detail = format!("Invalid Reference Id : {name} {id}");
                    Failure::invalid("2500", "Invalid Reference Id", detail)
                };
                let found = self.get(other, id).map_err(unknown)?;
                let label = found.get("DisplayName").or_else(|| found.get("Name")).cloned().unwrap_or_default();
                Ok(json!({"value": id, "name": label}))
            }
        }
    }

    fn complete(&self, entity: &Entity, record: &mut Record, own: Option<&str>) -> Result<(), Failure> {
        // What is sent empty is cleared.
        record.retain(|_, value| !value.is_null() && value.as_str() != Some(""));
        let filled = |name: &str| record.get(name).is_some_and(|value| value.as_str() != Some(""));
        if let Some(missing) = entity.required.iter().find(|names| !names.split('|').any(filled)) {
            return Err(Failure::required(missing.split('|').next().unwrap_or_default()));
        }
        if entity.members.iter().any(|(name, _)| *name == "DisplayName") && !filled("DisplayName") {
            let part = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let full = format!("{} {}", part("GivenName"), part("FamilyName")).trim().to_owned();
            record.insert("DisplayName".to_owned(), full.into());
        }
        if let Some(unique) = entity.unique {
            let name = record.get(unique).and_then(Value::as_str).unwrap_or_default();
            let taken = self.records(entity).any(|other| {
                other.get("Id").and_then(Value::as_str) != own
                    && other.get(unique).and_then(Value::as_str).is_some_and(|known| known.eq_ignore_ascii_case(name))
            });
            if taken {
                let detail = format!("The name supplied already exists. : {name}");
                return Err(Failure::invalid("6240", "Duplicate Name Exists Error", detail));
            }
        }
        if entity.name == "Account" || entity.name == "Item" {
            let name = record.get("Name").cloned().unwrap_or_default();
            record.insert("FullyQualifiedName".to_owned(), name);
        }
        if let Some(lines) = record.get("Line").and_then(Value::as_array) {
            let amounts: Vec<Option<f64>> =
                lines.iter().map(|line| line.get("Amount").and_then(Value::as_f64)).collect();
            if amounts.iter().any(Option::is_none) && entity.name != "Payment" {
                return Err(Failure::required("Line.Amount"));
            }
            if lines.iter().any(|line| line.get("DetailType").and_then(Value::as_str).is_none())
                && entity.name != "Payment"
            {
                return Err(Failure::required("Line.DetailType"));
            }
            let total: f64 = amounts.into_iter().flatten().sum();
            if entity.name == "JournalEntry" {
                balanced(lines)?;
            }
            if entity.name != "Payment" {
                record.insert("TotalAmt".to_owned(), json!(total));
                if matches!(entity.name, "Invoice" | "Bill") {
                    record.insert("Balance".to_owned(), json!(total));
                }
            }
        }
        Ok(())
    }

    /// Makes a record.
    pub(super) fn create(&mut self, entity: &Entity, body: &Record, now: DateTime<Utc>) -> Result<&Record, Failure> {
        let mut record = self.check(entity, body)?;
        if entity.list {
            record.entry("Active").or_insert(Value::Bool(true));
        } else {
            record.entry("TxnDate").or_insert_with(|| now.date_naive().to_string().into());
        }
        self.complete(entity, &mut record, None)?;
        let id = self.next;
        self.next += 1;
        record.insert("Id".to_owned(), id.to_string().into());
        record.insert("SyncToken".to_owned(), "0".into());
        record.insert("sparse".to_owned(), false.into());
        record.insert("domain".to_owned(), "QBO".into());
        record.insert("MetaData".to_owned(), json!({"CreateTime": stamp(now), "LastUpdatedTime": stamp(now)}));
        let records = self.records.get_mut(entity.name).ok_or_else(Failure::missing)?;
        Ok(records.entry(id).or_insert(record))
    }

    /// The record a body is about, whose token it has to know.
    fn current(&self, entity: &Entity, body: &Record) -> Result<(u64, Record), Failure> {
        let text = |name: &str| body.get(name).and_then(Value::as_str).ok_or_else(|| Failure::required(name));
        let (id, token) = (text("Id")?, text("SyncToken")?);
        let before = self.get(entity, id)?;
        if before.get("SyncToken").and_then(Value::as_str) != Some(token) {
            let detail = "Stale Object Error : You and another user were working on this at the same time. The other user finished before you did, so your work was not saved.";
            return Err(Failure::invalid("5010", "Stale Object Error", detail));
        }
        Ok((id.parse().unwrap_or_default(), before.clone()))
    }

    /// Changes a record: only the members sent where the body is sparse, else all of it.
    pub(super) fn update(&mut self, entity: &Entity, body: &Record, now: DateTime<Utc>) -> Result<&Record, Failure> {
        let (id, before) = self.current(entity, body)?;
        let values = self.check(entity, body)?;
        let sparse = body.get("sparse") == Some(&Value::Bool(true));
        let mut record: Record = before
            .iter()
            .filter(|(name, _)| sparse || !entity.members.iter().any(|(known, _)| known == name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        record.extend(values);
        if entity.list {
            record.entry("Active").or_insert(Value::Bool(true));
        }
        self.complete(entity, &mut record, Some(&id.to_string()))?;
        let token: u64 =
            before.get("SyncToken").and_then(Value::as_str).and_then(|token| token.parse().ok()).unwrap_or_default();
        record.insert("SyncToken".to_owned(), (token + 1).to_string().into());
        if let Some(meta) = record.get_mut("MetaData").and_then(Value::as_object_mut) {
            meta.insert("LastUpdatedTime".to_owned(), stamp(now).into());
        }
        let records = self.records.get_mut(entity.name).ok_or_else(Failure::missing)?;
        records.insert(id, record);
        records.get(&id).ok_or_else(Failure::missing)
    }

    /// Deletes a transaction.
    pub(super) fn delete(&mut self, entity: &Entity, body: &Record) -> Result<String, Failure> {
        if entity.list {
            let detail = format!("Operation delete is not supported for {}", entity.name);
            return Err(Failure::invalid("500", "Unsupported Operation", detail));
        }
        let (id, _) = self.current(entity, body)?;
        if let Some(records) = self.records.get_mut(entity.name) {
            records.remove(&id);
        }
        Ok(id.to_string())
    }
}

/// Debits and credits of a journal entry have to be the same.
fn balanced(lines: &[Value]) -> Result<(), Failure> {
    let side = |wanted: &str| -> f64 {
        let of =
            |line: &&Value| line.pointer("/JournalEntryLineDetail/PostingType").and_then(Value::as_str) == Some(wanted);
        lines.iter().filter(of).filter_map(|line| line.get("Amount").and_then(Value::as_f64)).sum()
    };
    if (side("Debit") - side("Credit")).abs() > 0.004 {
        let detail = "Debits and credits do not balance";
        return Err(Failure::invalid(
            "6000",
            "A business validation error has occurred while processing your request",
            detail,
        ));
    }
    Ok(())
}

fn stamp(now: DateTime<Utc>) -> String {
    now.to_rfc3339_opts(SecondsFormat::Secs, true)
}
