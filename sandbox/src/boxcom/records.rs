//! What has an id and is no item: comments, collaborations, groups, users, webhooks, templates.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    Call,
    failure::{Failure, Outcome},
};

/// Records by what they are and their id.
#[derive(Default)]
pub(super) struct Records(BTreeMap<(&'static str, u64), Value>);

impl Records {
    /// Keeps a record.
    pub(super) fn put(&mut self, kind: &'static str, id: u64, record: Value) {
        self.0.insert((kind, id), record);
    }

    /// The records of a kind, the oldest first.
    pub(super) fn of(&self, kind: &'static str) -> impl Iterator<Item = &Value> {
        self.0.range((kind, 0)..=(kind, u64::MAX)).map(|(_, record)| record)
    }

    /// One record.
    pub(super) fn one(&self, kind: &'static str, id: &str) -> Outcome<&Value> {
        let number = id.parse().ok();
        let record = number.and_then(|number| self.0.get(&(kind, number)));
        record.ok_or_else(|| Failure::NotFound { kind, id: id.to_owned() })
    }

    /// Changes members of a record.
    pub(super) fn change(&mut self, kind: &'static str, id: &str, members: Map<String, Value>) -> Outcome<Value> {
        let record = id.parse().ok().and_then(|number| self.0.get_mut(&(kind, number)));
        let record = record.ok_or_else(|| Failure::NotFound { kind, id: id.to_owned() })?;
        if let Some(known) = record.as_object_mut() {
            known.extend(members);
        }
        Ok(record.clone())
    }

    /// Forgets a record.
    pub(super) fn remove(&mut self, kind: &'static str, id: &str) -> Outcome<()> {
        let gone = id.parse().ok().and_then(|number| self.0.remove(&(kind, number)));
        gone.map(drop).ok_or_else(|| Failure::NotFound { kind, id: id.to_owned() })
    }
}

/// What is at a pointer into a record; null where nothing is.
pub(super) fn at<'a>(record: &'a Value, pointer: &str) -> &'a Value {
    record.pointer(pointer).unwrap_or(&Value::Null)
}

/// Puts a member into a record.
pub(super) fn set(record: &mut Value, name: &str, value: Value) {
    if let Some(members) = record.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}

/// A page by offset.
pub(super) fn by_offset(call: &Call<'_>, all: &[Value]) -> Outcome<Value> {
    let limit = call.number("limit", 100, 1000)?;
    let offset = call.number("offset", 0, super::folders::OFFSET_LIMIT)?;
    let entries: Vec<&Value> = all.iter().skip(offset).take(limit).collect();
    Ok(json!({ "total_count": all.len(), "limit": limit, "offset": offset, "entries": entries }))
}

/// A page by marker, which is the place of the next entry.
pub(super) fn by_marker(call: &Call<'_>, all: &[Value], most: u64) -> Outcome<Value> {
    let limit = call.number("limit", 100.min(most), most)?;
    let from: usize = match call.query.get("marker").filter(|marker| !marker.is_empty()) {
        None => 0,
        Some(marker) => marker.parse().map_err(|_| Failure::invalid("marker", "The marker is not valid."))?,
    };
    let entries: Vec<&Value> = all.iter().skip(from).take(limit).collect();
    let next = from + entries.len();
    let mut page = json!({ "limit": limit, "entries": entries });
    if next < all.len() {
        set(&mut page, "next_marker", json!(next.to_string()));
    }
    Ok(page)
}
