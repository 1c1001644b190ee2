//! Pipelines of deals and tickets, and their stages.

use std::collections::BTreeMap;

use axum::response::Response;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::{
    api::{Call, known, not_allowed, not_found},
    failure::Failure,
    object::Object,
    property::written,
    scope,
};
use crate::{
    core::{hold, random_hex},
    http,
};

/// The pipelines of an account, by object and identifier.
pub(super) type Pipelines = BTreeMap<(&'static str, String), Value>;

/// The pipelines of the start.
pub(super) fn start(now: DateTime<Utc>) -> Pipelines {
    let stamp = written(now);
    let stage = |id: &str, label: &str, order: u32, metadata: Value| {
        json!({"id": id, "label": label, "displayOrder": order, "metadata": metadata,
            "createdAt": stamp, "updatedAt": stamp, "archived": false})
    };
    let deal = [
        ("appointmentscheduled", "Appointment Scheduled", "0.2"),
        ("qualifiedtobuy", "Qualified To Buy", "0.4"),
        ("presentationscheduled", "Presentation Scheduled", "0.6"),
        ("decisionmakerboughtin", "Decision Maker Bought-In", "0.8"),
        ("contractsent", "Contract Sent", "0.9"),
        ("closedwon", "Closed Won", "1.0"),
        ("closedlost", "Closed Lost", "0.0"),
    ];
    let deals: Vec<Value> = (0..)
        .zip(deal)
        .map(|(order, (id, label, probability))| {
            let closed = id.starts_with("closed").to_string();
            stage(id, label, order, json!({"isClosed": closed, "probability": probability}))
        })
        .collect();
    let tickets: Vec<Value> = (1..)
        .zip(["New", "Waiting on contact", "Waiting on us", "Closed"])
        .map(|(order, label)| {
            let state = if label == "Closed" { "CLOSED" } else { "OPEN" };
            stage(&order.to_string(), label, order, json!({"ticketState": state}))
        })
        .collect();
    let pipeline = |id: &str, label: &str, stages: Vec<Value>| {
        json!({"id": id, "label": label, "displayOrder": 0, "createdAt": stamp, "updatedAt": stamp,
            "archived": false, "stages": stages})
    };
    BTreeMap::from([
        (("deals", "default".to_owned()), pipeline("default", "Sales Pipeline", deals)),
        (("tickets", "0".to_owned()), pipeline("0", "Support Pipeline", tickets)),
    ])
}

/// Everything under `/crm/v3/pipelines/{type}`.
pub(super) fn route(call: &Call<'_>, segments: &[&str], scopes: &str) -> Result<Response, Failure> {
    let [object, rest @ ..] = segments else { return Err(not_found()) };
    let object = known(object)?;
    if !matches!(object.name, "deals" | "tickets") {
        return Err(Failure::invalid(format!("{} has no pipelines", object.spoken)));
    }
    let write = call.method.as_str() != "GET";
    let mut scopes_wanted = scope::object(object, write);
    scopes_wanted.extend(scope::schema(object, write));
    scope::need(scopes, &scopes_wanted)?;
    let mut store = hold(&call.account.store);
    let pipelines = &mut store.pipelines;
    match (call.method.as_str(), rest) {
        ("GET", []) => {
            let own = pipelines.iter().filter(|((name, _), _)| *name == object.name).map(|(_, one)| one);
            Ok(http::json(200, &json!({"results": own.collect::<Vec<_>>()})))
        }
        ("POST", []) => {
            let id = random_hex(16);
            let made = read(&call.json()?, object, &id, None, call.now())?;
            pipelines.insert((object.name, id), made.clone());
            Ok(http::json(201, &made))
        }
        (method @ ("GET" | "PUT" | "PATCH" | "DELETE"), [id]) => {
            let key = (object.name, (*id).to_owned());
            let found = pipelines.get(&key).cloned().ok_or_else(Failure::missing)?;
            let changed = match method {
                "GET" => return Ok(http::json(200, &found)),
                "DELETE" => {
                    pipelines.remove(&key);
                    return Ok(http::empty(204));
                }
                "PUT" => read(&call.json()?, object, id, Some(&found), call.now())?,
                _ => {
                    let mut merged = found.as_object().cloned().unwrap_or_default();
                    let body = call.json()?;
                    if let Some(name) = body.keys().find(|name| !matches!(name.as_str(), "label" | "displayOrder")) {
                        return Err(Failure::unreadable(&format!("Unrecognized field \"{name}\"")));
                    }
                    merged.extend(body);
                    merged.insert("updatedAt".to_owned(), written(call.now()).into());
                    Value::Object(merged)
                }
            };
            pipelines.insert(key, changed.clone());
            Ok(http::json(200, &changed))
        }
        (_, [] | [_]) => Err(not_allowed()),
        _ => Err(not_found()),
    }
}

/// A whole pipeline as a client sends it; stages without an identifier of one that was there get a new one.
fn read(
    body: &Map<String, Value>,
    object: &Object,
    id: &str,
    before: Option<&Value>,
    now: DateTime<Utc>,
) -> Result<Value, Failure> {
    let unset = |name: &str| Failure::unreadable(&format!("Some required fields were not set: [{name}]"));
    let label = |from: &Map<String, Value>| {
        from.get("label").and_then(Value::as_str).filter(|label| !label.is_empty()).map(str::to_owned)
    };
    let order = |from: &Map<String, Value>| from.get("displayOrder").and_then(Value::as_i64);
    let stages = body.get("stages").and_then(Value::as_array).ok_or_else(|| unset("stages"))?;
    let needed = if object.name == "deals" { "probability" } else { "ticketState" };
    let stages: Vec<Value> = stages
        .iter()
        .map(|stage| {
            let stage = stage.as_object().ok_or_else(|| unset("stages"))?;
            let metadata = stage.get("metadata").and_then(Value::as_object).cloned().unwrap_or_default();
            if object.name == "deals" && !metadata.get(needed).is_some_and(Value::is_string) {
                return Err(Failure::invalid(format!("A stage's metadata must have {needed}, as text")));
            }
            let own = stage.get("id").or_else(|| stage.get("stageId")).and_then(Value::as_str);
            Ok(json!({
                "id": own.map_or_else(|| random_hex(8), str::to_owned),
                "label": label(stage).ok_or_else(|| unset("label"))?,
                "displayOrder": order(stage).ok_or_else(|| unset("displayOrder"))?,
                "metadata": metadata, "createdAt": written(now), "updatedAt": written(now), "archived": false,
            }))
        })
        .collect::<Result<_, Failure>>()?;
    let created = before.and_then(|before| before.get("createdAt")).cloned();
    Ok(json!({
        "id": id,
        "label": label(body).ok_or_else(|| unset("label"))?,
        "displayOrder": order(body).ok_or_else(|| unset("displayOrder"))?,
        "createdAt": created.unwrap_or_else(|| written(now).into()),
        "updatedAt": written(now), "archived": false, "stages": stages,
    }))
}
