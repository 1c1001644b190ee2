//! Instances and configuration items on their way out, in the contract's shapes.

use chrono::SecondsFormat;
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use crate::{
    catalog::{Entry, Identity},
    gateway::connect::settings,
    instance::configuration::{Item, MASK, Values},
    store::{InstanceRecord, User},
};

/// The instance as POST, GET, PUT and PATCH answer it; without `configuration` when it is not asked for.
pub(super) fn instance(
    record: &InstanceRecord,
    element: Option<&Entry>,
    user: Option<&User>,
    effective: Option<&Values>,
) -> Value {
    let mut answer = json!({
        "id": record.id,
        "name": record.name,
        "createdDate": record.created_at.to_rfc3339_opts(SecondsFormat::Secs, true),
        "updatedDate": record.updated_at.to_rfc3339_opts(SecondsFormat::Secs, true),
        "token": record.token.expose_secret(),
        "element": element.map_or_else(
            || json!({"id": record.element_id, "key": record.element_key}),
            |element| summary(element, effective),
        ),
        "elementId": record.element_id,
        "tags": record.tags,
        "provisionInteractions": [],
        "valid": record.valid,
        "disabled": record.disabled,
        "maxCacheSize": record.max_cache_size,
        "cacheTimeToLive": record.cache_ttl_s,
        "cachingEnabled": record.caching_enabled,
        "eventsEnabled": record.events_enabled,
        "traceLoggingEnabled": record.trace_logging,
        "externalAuthentication": record.external_authentication,
        "user": user.map_or_else(|| json!({"id": record.user_id}), owner),
    });
    if let (Some(members), Some(effective)) = (answer.as_object_mut(), effective) {
        members.insert("configuration".to_owned(), Value::Object(configuration(element, effective)));
    }
    answer
}

fn configuration(element: Option<&Entry>, effective: &Values) -> Map<String, Value> {
    let mut values = effective.masked();
    // The token itself is in the sealed grant; callers expect to see that there is one.
    if element.is_some_and(|element| settings::chosen(element, effective).1.uses_tokens()) {
        values.insert("oauth.user.token".to_owned(), Value::String(MASK.to_owned()));
    }
    values
}

fn summary(element: &Identity, effective: Option<&Values>) -> Value {
    let word = match effective {
        Some(effective) => settings::chosen(element, effective).0,
        None => element.authentication.usual_word(),
    };
    json!({
        "id": element.id,
        "key": element.key,
        "name": element.name,
        "hub": element.hub,
        "authentication": {"type": word},
    })
}

fn owner(user: &User) -> Value {
    json!({
        "id": user.id,
        "emailAddress": user.email,
        "firstName": user.first_name,
        "lastName": user.last_name,
    })
}

/// One configuration item.
pub(super) fn item(item: &Item) -> Value {
    json!({
        "id": item.id,
        "key": item.key,
        "name": item.name,
        "description": item.description,
        "propertyValue": item.value,
        "type": item.kind,
        "active": true,
        "required": item.required,
        "hideFromConsole": item.hide_from_console,
    })
}
