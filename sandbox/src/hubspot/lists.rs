//! Lists of records and their members: the provider's interface for them, version 3.

use std::collections::BTreeMap;

use axum::response::Response;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::{
    api::{Call, known, not_allowed, not_found},
    failure::Failure,
    object::{Object, named},
    property::written,
    scope,
    store::{Store, token},
};
use crate::{core::hold, http};

/// Members in a page, and lists in a page: the most, and unless told otherwise.
const MEMBERS: (usize, usize) = (250, 100);
const LISTS: (usize, usize) = (500, 20);

/// A list.
#[derive(Clone, Debug)]
pub(super) struct List {
    name: String,
    /// The type of its members.
    object: &'static Object,
    /// `MANUAL`, `DYNAMIC` or `SNAPSHOT`.
    processing: String,
    created: DateTime<Utc>,
    updated: DateTime<Utc>,
    /// When each record was put on it.
    members: BTreeMap<u64, DateTime<Utc>>,
}

/// All lists, by their numbers.
pub(super) type Lists = BTreeMap<u64, List>;

impl List {
    /// A list of records that are put on it one by one.
    pub(super) fn manual(name: &str, object: &'static Object, members: &[u64], now: DateTime<Utc>) -> Self {
        Self {
            name: name.to_owned(),
            object,
            processing: "MANUAL".to_owned(),
            created: now,
            updated: now,
            members: members.iter().map(|id| (*id, now)).collect(),
        }
    }

    /// The members that are records still.
    fn present<'a>(&'a self, store: &'a Store) -> impl Iterator<Item = (u64, DateTime<Utc>)> + 'a {
        let there = |id: &u64| store.get(self.object, &id.to_string(), false).is_ok();
        self.members.iter().filter(move |(id, _)| there(id)).map(|(id, at)| (*id, *at))
    }

    fn shown(&self, id: u64, store: &Store) -> Map<String, Value> {
        let shown = json!({
            "listId": id.to_string(), "listVersion": 1, "name": self.name, "objectTypeId": self.object.id,
            "processingType": self.processing, "processingStatus": "COMPLETE", "size": self.present(store).count(),
            "createdById": "9586504", "updatedById": "9586504", "createdAt": written(self.created),
            "updatedAt": written(self.updated), "filtersUpdatedAt": written(self.created)
        });
        shown.as_object().cloned().unwrap_or_default()
    }

    /// As a search tells it: the size stands among properties of its own, as text.
    fn found(&self, id: u64, store: &Store) -> Value {
        let mut shown = self.shown(id, store);
        let size = shown.remove("size").unwrap_or_default().to_string();
        shown.insert("additionalProperties".to_owned(), json!({"hs_list_size": size}));
        Value::Object(shown)
    }
}

/// Everything under `/crm/v3/lists`.
pub(super) fn route(call: &Call<'_>, segments: &[&str], scopes: &str) -> Result<Response, Failure> {
    let write = call.method.as_str() != "GET" && segments != ["search"];
    scope::need(scopes, &[format!("crm.lists.{}", if write { "write" } else { "read" })])?;
    match (call.method.as_str(), segments) {
        ("POST", []) => create(call),
        ("POST", ["search"]) => search(call),
        ("GET", ["records", object, id, "memberships"]) => lists_of(call, known(object)?, id),
        ("GET", [id]) => {
            let store = hold(&call.account.store);
            let (id, list) = one(&store, id)?;
            Ok(http::json(200, &json!({"list": list.shown(id, &store)})))
        }
        ("PUT", [id, "update-list-name"]) => rename(call, id),
        ("DELETE", [id]) => {
            let mut store = hold(&call.account.store);
            let (id, _) = one(&store, id)?;
            store.lists.remove(&id);
            Ok(http::empty(204))
        }
        ("GET", [id, "memberships"]) => members(call, id),
        ("DELETE", [id, "memberships"]) => change(call, id, &[], &[], true),
        ("PUT", [id, "memberships", verb @ ("add" | "remove")]) => {
            let body: Value = serde_json::from_slice(call.body()).unwrap_or_default();
            let ids = ids(&body)?;
            if *verb == "add" { change(call, id, &ids, &[], false) } else { change(call, id, &[], &ids, false) }
        }
        ("PUT", [id, "memberships", "add-and-remove"]) => {
            let body = call.json()?;
            let of = |name: &str| body.get(name).map_or_else(|| Ok(Vec::new()), ids);
            change(call, id, &of("recordIdsToAdd")?, &of("recordIdsToRemove")?, false)
        }
        (_, [] | [_] | [_, "memberships"]) => Err(not_allowed()),
        _ => Err(not_found()),
    }
}

fn one<'s>(store: &'s Store, id: &str) -> Result<(u64, &'s List), Failure> {
    let number: Option<u64> = id.parse().ok();
    let found = number.and_then(|number| Some((number, store.lists.get(&number)?)));
    found.ok_or_else(|| Failure::new(404, "OBJECT_NOT_FOUND", format!("List does not exist with ID {id}.")))
}

fn ids(body: &Value) -> Result<Vec<String>, Failure> {
    let texts = body
        .as_array()
        .and_then(|list| list.iter().map(|id| id.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>());
    texts.ok_or_else(|| Failure::unreadable(&format!("Cannot deserialize a list of record ids from {}", token(body))))
}

/// Refuses a name that another list has.
fn free(store: &Store, name: &str, own: Option<u64>) -> Result<(), Failure> {
    let taken = store.lists.iter().any(|(id, list)| Some(*id) != own && list.name.eq_ignore_ascii_case(name));
    if taken { Err(Failure::invalid(format!("A list with the name {name} already exists."))) } else { Ok(()) }
}

fn create(call: &Call<'_>) -> Result<Response, Failure> {
    let body = call.json()?;
    let text = |name: &str| body.get(name).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    let missing: Vec<&str> =
        ["name", "objectTypeId", "processingType"].into_iter().filter(|name| text(name).is_none()).collect();
    if !missing.is_empty() {
        return Err(Failure::unreadable(&format!("Some required fields were not set: [{}]", missing.join(", "))));
    }
    let (name, processing) = (text("name").unwrap_or_default(), text("processingType").unwrap_or_default());
    let object = text("objectTypeId").and_then(named);
    let object = object.ok_or_else(|| Failure::invalid("The objectTypeId is not valid"))?;
    if !matches!(processing, "MANUAL" | "DYNAMIC" | "SNAPSHOT") {
        return Err(Failure::unreadable(&format!("\"{processing}\" is not one of [MANUAL, DYNAMIC, SNAPSHOT]")));
    }
    if processing == "DYNAMIC" && !body.get("filterBranch").is_some_and(Value::is_object) {
        return Err(Failure::invalid("A filterBranch is required for a list whose processing type is DYNAMIC."));
    }
    let mut store = hold(&call.account.store);
    free(&store, name, None)?;
    let id = store.lists.keys().next_back().map_or(1, |last| last + 1);
    let list = List { processing: processing.to_owned(), ..List::manual(name, object, &[], call.now()) };
    let answer = json!({"list": list.shown(id, &store)});
    store.lists.insert(id, list);
    Ok(http::json(200, &answer))
}

fn rename(call: &Call<'_>, id: &str) -> Result<Response, Failure> {
    let query = call.query();
    let mut store = hold(&call.account.store);
    let (id, list) = one(&store, id)?;
    let name = query.get("listName").filter(|name| !name.is_empty()).unwrap_or(&list.name).clone();
    free(&store, &name, Some(id))?;
    let list = List { name, updated: call.now(), ..list.clone() };
    let answer = json!({"updatedList": list.shown(id, &store)});
    store.lists.insert(id, list);
    Ok(http::json(200, &answer))
}

fn search(call: &Call<'_>) -> Result<Response, Failure> {
    let body = call.json()?;
    let number = |name: &str, usual: usize| match body.get(name) {
        None | Some(Value::Null) => Ok(usual),
        Some(value) => value.as_u64().and_then(|number| usize::try_from(number).ok()).ok_or_else(|| {
            Failure::unreadable(&format!("Cannot deserialize value of type `int` from {} ({name})", token(value)))
        }),
    };
    let (offset, count) = (number("offset", 0)?, number("count", LISTS.1)?);
    if !(1..=LISTS.0).contains(&count) {
        return Err(Failure::invalid(format!("count must be between 1 and {}, but was {count}", LISTS.0)));
    }
    let query = body.get("query").and_then(Value::as_str).unwrap_or_default().to_lowercase();
    let store = hold(&call.account.store);
    let found: Vec<(&u64, &List)> =
        store.lists.iter().filter(|(_, list)| list.name.to_lowercase().contains(&query)).collect();
    let page: Vec<Value> = found.iter().skip(offset).take(count).map(|(id, list)| list.found(**id, &store)).collect();
    let end = offset.saturating_add(page.len());
    let answer = json!({"lists": page, "offset": end, "hasMore": end < found.len(), "total": found.len()});
    Ok(http::json(200, &answer))
}

fn members(call: &Call<'_>, id: &str) -> Result<Response, Failure> {
    let (limit, after) = Call::page(&call.query(), MEMBERS.0, MEMBERS.1)?;
    let store = hold(&call.account.store);
    let (_, list) = one(&store, id)?;
    let mut rest = list.present(&store).filter(|(id, _)| *id >= after);
    let shown =
        |(id, at): (u64, DateTime<Utc>)| json!({"recordId": id.to_string(), "membershipTimestamp": written(at)});
    let results: Vec<Value> = rest.by_ref().take(limit).map(shown).collect();
    let mut answer = json!({"results": results, "total": list.present(&store).count()});
    if let (Some(members), Some((next, _))) = (answer.as_object_mut(), rest.next()) {
        members.insert("paging".to_owned(), json!({"next": {"after": next.to_string()}}));
    }
    Ok(http::json(200, &answer))
}

/// The lists that a record stands on.
fn lists_of(call: &Call<'_>, object: &Object, id: &str) -> Result<Response, Failure> {
    let store = hold(&call.account.store);
    let record = store.get(object, id, false)?.id;
    let on = store.lists.iter().filter(|(_, list)| list.object.id == object.id);
    let results: Vec<Value> = on
        .filter_map(|(list, held)| {
            let at = written(*held.members.get(&record)?);
            Some(json!({"listId": list.to_string(), "listVersion": 1, "firstAddedTimestamp": at, "lastAddedTimestamp": at}))
        })
        .collect();
    Ok(http::json(200, &json!({"total": results.len(), "results": results})))
}

fn change(call: &Call<'_>, id: &str, add: &[String], remove: &[String], clear: bool) -> Result<Response, Failure> {
    let mut store = hold(&call.account.store);
    let (id, list) = one(&store, id)?;
    if list.processing == "DYNAMIC" {
        return Err(Failure::invalid("The members of a list whose processing type is DYNAMIC cannot be changed."));
    }
    let mut list = list.clone();
    let (mut added, mut removed, mut missing) = (Vec::new(), Vec::new(), Vec::new());
    for record in add {
        match store.get(list.object, record, false) {
            Ok(found) if list.members.contains_key(&found.id) => {}
            Ok(found) => {
                list.members.insert(found.id, call.now());
                added.push(record);
            }
            Err(_) => missing.push(record),
        }
    }
    for record in remove {
        match store.get(list.object, record, false).map(|found| found.id) {
            Ok(found) if list.members.remove(&found).is_some() => removed.push(record),
            Ok(_) => {}
            Err(_) => missing.push(record),
        }
    }
    if clear {
        list.members.clear();
    }
    let answer = json!({"recordsIdsAdded": added, "recordIdsRemoved": removed, "recordIdsMissing": missing});
    store.lists.insert(id, list);
    Ok(if clear { http::empty(204) } else { http::json(200, &answer) })
}
