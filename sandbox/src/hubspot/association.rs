//! Associations of records that are there: the provider's interface for them, version 4.

use axum::response::Response;
use serde_json::{Value, json};

use super::{
    api::{Call, known, not_allowed, not_found},
    failure::Failure,
    object::{Object, kind, linked, primary_kind},
    scope,
    store::{Store, token},
};
use crate::{core::hold, http};

/// Records in a page, the most and the usual number.
const PAGE: usize = 500;

/// Everything under `/crm/v4`.
pub(super) fn route(call: &Call<'_>, segments: &[&str], scopes: &str) -> Result<Response, Failure> {
    if let ["associations", from, to, "labels"] = segments {
        return labels(call, known(from)?, known(to)?, scopes);
    }
    let ["objects", from, id, "associations", rest @ ..] = segments else { return Err(not_found()) };
    let from = known(from)?;
    let write = call.method.as_str() != "GET";
    scope::need(scopes, &scope::object(from, write))?;
    match (call.method.as_str(), rest) {
        ("GET", [to]) => list(call, from, id, known(to)?),
        ("PUT", ["default", to, other]) => {
            let to = known(to)?;
            let number = kind(from, to).ok_or_else(|| unfit(from, "HUBSPOT_DEFINED", 0))?;
            let mut store = hold(&call.account.store);
            let (id, other) = both(&store, from, id, to, other)?;
            store.link(from, id, to, other, None, call.now());
            let made = |from: &Object, id: u64, to: &Object, other: u64, number: u32| {
                json!({"from": {"id": id.to_string()}, "to": {"id": other.to_string()},
                    "associationSpec": {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": number},
                    "fromObjectTypeId": from.id, "toObjectTypeId": to.id})
            };
            let back = kind(to, from).unwrap_or_default();
            let results = [made(from, id, to, other, number), made(to, other, from, id, back)];
            Ok(http::json(200, &json!({"status": "COMPLETE", "results": results})))
        }
        ("PUT", [to, other]) => {
            let to = known(to)?;
            let kinds = kinds(call, from, to)?;
            let mut store = hold(&call.account.store);
            let (id, other) = both(&store, from, id, to, other)?;
            let primary = kinds.iter().any(|number| Some(*number) == primary_kind(from, to));
            store.link(from, id, to, other, primary.then_some(true), call.now());
            let labels: Vec<&str> = primary.then_some("Primary").into_iter().collect();
            let answer = json!({"fromObjectTypeId": from.id, "fromObjectId": id, "toObjectTypeId": to.id,
                "toObjectId": other, "labels": labels});
            Ok(http::json(201, &answer))
        }
        ("DELETE", [to, other]) => {
            let to = known(to)?;
            let mut store = hold(&call.account.store);
            let (id, other) = both(&store, from, id, to, other)?;
            store.unlink(from, id, to, other, call.now());
            Ok(http::empty(204))
        }
        (_, [_] | [_, _] | [_, _, _]) => Err(not_allowed()),
        _ => Err(not_found()),
    }
}

/// The association types from one type of records to another.
fn labels(call: &Call<'_>, from: &Object, to: &Object, scopes: &str) -> Result<Response, Failure> {
    if call.method.as_str() != "GET" {
        return Err(not_allowed());
    }
    scope::need(scopes, &scope::object(from, false))?;
    let shown =
        |number: u32, label: Option<&str>| json!({"category": "HUBSPOT_DEFINED", "typeId": number, "label": label});
    let first = primary_kind(from, to).map(|number| shown(number, Some("Primary")));
    let plain = kind(from, to).map(|number| shown(number, None));
    let results: Vec<Value> = first.into_iter().chain(plain).collect();
    Ok(http::json(200, &json!({ "results": results })))
}

fn list(call: &Call<'_>, from: &'static Object, id: &str, to: &'static Object) -> Result<Response, Failure> {
    let (limit, after) = Call::page(&call.query(), PAGE, PAGE)?;
    let store = hold(&call.account.store);
    let id = store.get(from, id, false)?.id;
    let primary = store.primary(from, id, to);
    let mut others = store.linked(from, id, to).into_iter().filter(|other| *other >= after);
    let shown = |other: u64| {
        let plain = json!({"category": "HUBSPOT_DEFINED", "typeId": kind(from, to), "label": null});
        let first = json!({"category": "HUBSPOT_DEFINED", "typeId": primary_kind(from, to), "label": "Primary"});
        let kinds = if primary == Some(other) { vec![first, plain] } else { vec![plain] };
        json!({"toObjectId": other, "associationTypes": kinds})
    };
    let results: Vec<Value> = others.by_ref().take(limit).map(shown).collect();
    let mut answer = json!({ "results": results });
    if let (Some(members), Some(next)) = (answer.as_object_mut(), others.next()) {
        members.insert("paging".to_owned(), json!({"next": {"after": next.to_string()}}));
    }
    Ok(http::json(200, &answer))
}

/// The identifiers of two records that are there.
fn both(store: &Store, from: &Object, id: &str, to: &Object, other: &str) -> Result<(u64, u64), Failure> {
    Ok((store.get(from, id, false)?.id, store.get(to, other, false)?.id))
}

/// The association types that a body names: a list, not empty.
fn kinds(call: &Call<'_>, from: &Object, to: &Object) -> Result<Vec<u32>, Failure> {
    let list: Value = serde_json::from_slice(call.body()).map_err(|error| Failure::unreadable(&format!("{error}")))?;
    let list = list.as_array().filter(|list| !list.is_empty()).ok_or_else(|| {
        Failure::unreadable(&format!("Cannot deserialize a list of association types from {}", token(&list)))
    })?;
    list.iter()
        .map(|entry| {
            let unset = |name: &str| Failure::unreadable(&format!("Some required fields were not set: [{name}]"));
            let category = entry.get("associationCategory").and_then(Value::as_str);
            let category = category.ok_or_else(|| unset("associationCategory"))?;
            let number = entry.get("associationTypeId").and_then(Value::as_u64);
            let number = number.ok_or_else(|| unset("associationTypeId"))?;
            let small = u32::try_from(number).ok().filter(|_| category == "HUBSPOT_DEFINED");
            small
                .filter(|small| linked(from, *small).is_some_and(|found| found.id == to.id))
                .ok_or_else(|| unfit(from, category, number))
        })
        .collect()
}

fn unfit(from: &Object, category: &str, number: u64) -> Failure {
    Failure::invalid(format!("Association type {category} {number} is not valid from {}", from.spoken))
}
