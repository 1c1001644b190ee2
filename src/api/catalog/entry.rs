//! Hubs and elements in the contract's shapes.

use serde_json::{Map, Value, json};

use crate::{
    catalog::{Catalog, ConfigurationEntry, Entry, Hub, HubOperation, Identity, Offer, Refused},
    error::Result,
    provider,
};

/// A hub.
pub(super) fn hub(hub: &Hub) -> Value {
    json!({
        "id": hub.id,
        "name": hub.name,
        "key": hub.key,
        "description": hub.description,
        "active": true,
        "videoLink": null,
    })
}

/// An element without resources and configuration.
pub(super) fn abridged(element: &Identity) -> Value {
    Value::Object(members(element))
}

/// An element with resources and configuration.
///
/// # Errors
/// When its mapping files have a fault.
pub(super) fn full(element: &Entry, catalog: &Catalog) -> Result<Value> {
    let mut entry = members(element);
    entry.insert("configuration".to_owned(), configuration(element).into());
    entry.insert("parameters".to_owned(), json!([]));
    entry.insert("resources".to_owned(), resources(element, catalog)?.into());
    entry.insert("hooks".to_owned(), json!([]));
    Ok(Value::Object(entry))
}

fn members(element: &Identity) -> Map<String, Value> {
    let mut entry = json!({
        "id": element.id,
        "name": element.name,
        "key": element.key,
        "description": element.description,
        "image": element.image,
        "logo": element.key,
        "active": true,
        "deleted": false,
        "private": false,
        "extended": false,
        "beta": false,
        "hub": element.hub,
        "typeOauth": element.authentication.usual().needs_consent(),
        "trialAccount": false,
        "authentication": {"type": element.authentication.usual_word()},
        "existingAccountDescription": "",
        "configDescription": "",
        "signupURL": "",
        "transformationsEnabled": false,
        "bulkDownloadEnabled": false,
        "bulkUploadEnabled": false,
        "cloneable": false,
        "extendable": false,
        "useModelsForMetadata": true,
        "protocolType": "http",
    });
    match &mut entry {
        Value::Object(members) => {
            members.extend(element.facts.clone());
            std::mem::take(members)
        }
        _ => Map::new(),
    }
}

/// The configuration entries; defaults are the mapping file's, never the operator's.
pub(super) fn configuration(element: &Identity) -> Vec<Value> {
    element.configuration.iter().zip(1_u64..).map(|(entry, order)| configuration_entry(entry, order)).collect()
}

/// Those entries that one of its authentications has a use for.
pub(super) fn configuration_of(element: &Identity, word: &str) -> Vec<Value> {
    let serves = |entry: &ConfigurationEntry| entry.choices.is_empty() || entry.choices.iter().any(|one| one == word);
    let entries = element.configuration.iter().zip(1_u64..).filter(|(entry, _)| serves(entry));
    entries.map(|(entry, order)| configuration_entry(entry, order)).collect()
}

fn configuration_entry(entry: &ConfigurationEntry, order: u64) -> Value {
    let options: Vec<Value> =
        entry.options.iter().map(|(value, description)| json!({"value": value, "description": description})).collect();
    let mut row = json!({
        "id": order,
        "name": entry.name,
        "key": entry.key,
        "description": entry.description,
        "type": entry.kind,
        "required": entry.required,
        "hideFromConsole": entry.hide_from_console,
        "internal": entry.hide_from_console,
        "active": true,
        "displayOrder": order,
        "groupControl": false,
        "resellerConfig": false,
        "companyConfig": false,
        "isPrivate": false,
    });
    if let Value::Object(row) = &mut row {
        if let Some(default) = entry.default.as_ref().filter(|_| !entry.secret) {
            row.insert("defaultValue".to_owned(), json!(default));
        }
        if !options.is_empty() {
            row.insert("options".to_owned(), options.into());
        }
    }
    row
}

/// What can be called through an instance of this element.
fn resources(element: &Entry, catalog: &Catalog) -> Result<Vec<Value>> {
    let Some(hub) = catalog.hub(&element.hub) else { return Ok(Vec::new()) };
    let mut rows = Vec::new();
    for (operation, path) in element.offer(hub)?.paths() {
        rows.push(json!({
            "id": rows.len() + 1,
            "description": operation.summary,
            "path": format!("/hubs/{}/{}", element.hub, path.trim_start_matches('/')),
            "method": operation.method,
            "type": "api",
            "kind": "system",
            "objectName": operation.resource,
            "operationId": operation.id(),
            "parameters": [],
            "hooks": [],
        }));
    }
    Ok(rows)
}

/// What an element can do; with `expand`, all of it.
///
/// The capability matrix (`capabilities`) is an addition to the contract.
///
/// # Errors
/// When its mapping files have a fault.
pub(super) fn metadata(element: &Entry, catalog: &Catalog, expand: bool) -> Result<Value> {
    let none = || json!({"supported": false, "methods": []});
    let mut metadata = json!({
        "id": element.id,
        "key": element.key,
        "name": element.name,
        "description": element.description,
        "events": none(),
    });
    if !expand {
        return Ok(metadata);
    }
    let neither =
        || json!({"upload": {"supported": false, "native": false}, "download": {"supported": false, "native": false}});
    let hub = catalog.hub(&element.hub);
    let offer = hub.map(|hub| element.offer(hub)).transpose()?;
    let carried = |operation: &HubOperation| offer.is_some_and(|offer| offer.has(operation));
    let resources = hub.map(|hub| {
        let rows = hub.resources.values().filter_map(|resource| {
            let operations: Vec<&str> = resource
                .operations
                .iter()
                .filter(|operation| carried(operation))
                .map(|operation| operation.name.as_str())
                .collect();
            (!operations.is_empty()).then(|| {
                json!({
                    "canonicalName": resource.name,
                    "operations": operations,
                    "events": {"supported": false, "methods": [], "eventTypes": []},
                    "bulk": neither(),
                    "customField": {"get": false, "create": false, "update": false, "delete": false},
                })
            })
        });
        rows.collect::<Vec<_>>()
    });
    let discovers = offer.is_some_and(Offer::describes);
    let capabilities = hub.map(|hub| Ok::<_, &Refused>(provider::capabilities(element.element()?, hub))).transpose()?;
    let further = json!({
        "image": element.image,
        "displayOrder": element.id,
        "active": true,
        "beta": false,
        "transformations": false,
        "elementType": "system",
        "churros": false,
        "normalizedPaging": true,
        "swaggerValidated": false,
        "cloneable": false,
        "authenticationType": element.authentication.usual_word(),
        "hub": element.hub,
        "discovery": {
            "customFields": discovers,
            "customObjects": discovers,
            "endpointCustomFields": discovers,
            "endpointCustomObjects": discovers,
        },
        "bulk": {"upload": false, "download": false},
        "api": {"type": "rest", "contentType": "application/json"},
        "resources": resources.unwrap_or_default(),
        "capabilities": capabilities,
    });
    if let (Value::Object(metadata), Value::Object(further)) = (&mut metadata, further) {
        metadata.extend(further);
    }
    Ok(metadata)
}
