//! Templates of metadata, and what files have under them.

use axum::response::Response;
use serde_json::{Map, Value, json};

use super::{
    In,
    body::Members,
    failure::{FORBIDDEN, Failure, Outcome, answer},
    records::{at, by_marker, set},
    store::Drive,
};
use crate::{
    core::random_hex,
    http::{empty, json as json_response, media_type},
};

const TYPES: &[&str] = &["string", "float", "date", "enum", "multiSelect", "integer"];

/// The scope of an account's own enterprise.
fn enterprise(account: u32) -> String {
    format!("enterprise_{}", 27_335 + u64::from(account))
}

/// The full name of a scope.
fn full(scope: &str, account: u32) -> Outcome<String> {
    match scope {
        "global" => Ok(scope.to_owned()),
        "enterprise" => Ok(enterprise(account)),
        own if own == enterprise(account) => Ok(own.to_owned()),
        _ => Err(FORBIDDEN),
    }
}

fn missing(key: &str) -> Failure {
    Failure::NotFound { kind: "metadata_template", id: key.to_owned() }
}

/// A template's number and itself.
fn find(drive: &Drive, scope: &str, key: &str) -> Outcome<Value> {
    let same = |known: &&Value| at(known, "/scope") == scope && at(known, "/templateKey") == key;
    drive.records.of("template").find(same).cloned().ok_or_else(|| missing(key))
}

/// A field as the body describes it.
fn field(given: &Value) -> Outcome<Value> {
    let text = |name: &str| given.get(name).and_then(Value::as_str);
    let kind = text("type").filter(|kind| TYPES.contains(kind));
    let kind = kind.ok_or_else(|| Failure::invalid("type", "The type of the field is unknown or missing"))?;
    let title = text("displayName").ok_or_else(|| Failure::missing("displayName"))?;
    let key = text("key").map_or_else(|| key_of(title), str::to_owned);
    let mut made = json!({ "id": random_hex(16), "type": kind, "key": key, "displayName": title, "hidden": false });
    if let Some(options) = given.get("options") {
        set(&mut made, "options", options.clone());
    }
    Ok(made)
}

fn key_of(title: &str) -> String {
    let mut key = String::new();
    for (index, word) in title.split(|letter: char| !letter.is_alphanumeric()).enumerate() {
        let mut letters = word.chars();
        let first = letters.next().into_iter().flat_map(|letter| {
            if index == 0 { letter.to_lowercase().collect::<Vec<_>>() } else { letter.to_uppercase().collect() }
        });
        key.extend(first.chain(letters));
    }
    key
}

/// `POST /metadata_templates/schema`
pub(super) async fn create_template(input: In) -> Response {
    answer((|| {
        let (api, call) = input.admit()?;
        if input.scope != "schema" {
            return Err(Failure::Other(405, "method_not_allowed", "Method Not Allowed"));
        }
        let members = Members::read(&input.body)?;
        let scope = full(members.needed_text("scope")?, call.account)?;
        if scope == "global" {
            return Err(FORBIDDEN);
        }
        let title = members.needed_text("displayName")?;
        let key = members.text("templateKey")?.map_or_else(|| key_of(title), str::to_owned);
        let fields = match members.all().get("fields") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(fields)) => fields.iter().map(field).collect::<Outcome<Vec<_>>>()?,
            Some(_) => return Err(Failure::invalid("fields", "'fields' should be a list")),
        };
        api.drive(call.account, |drive| {
            if find(drive, &scope, &key).is_ok() {
                return Err(Failure::Other(400, "bad_request", "A template with this key already exists"));
            }
            let number = drive.fresh_id();
            let template = json!({
                "id": random_hex(16), "type": "metadata_template", "scope": scope, "templateKey": key,
                "displayName": title, "hidden": members.all().get("hidden") == Some(&json!(true)), "fields": fields,
                "copyInstanceOnItemCopy": members.all().get("copyInstanceOnItemCopy") == Some(&json!(true)),
            });
            let mut kept = template.clone();
            set(&mut kept, "number", json!(number.to_string()));
            drive.records.put("template", number, kept);
            Ok(json_response(201, &template))
        })
    })())
}

/// A template without what only this imitation knows.
fn shown(mut template: Value) -> Value {
    if let Some(members) = template.as_object_mut() {
        members.remove("number");
    }
    template
}

/// `GET /metadata_templates/{scope}`
pub(super) async fn templates(input: In) -> Response {
    answer((|| {
        let (api, call) = input.admit()?;
        let scope = full(&input.scope, call.account)?;
        api.drive(call.account, |drive| {
            let all = drive.records.of("template").filter(|known| at(known, "/scope") == scope.as_str());
            let all: Vec<Value> = all.cloned().map(shown).collect();
            Ok(json_response(200, &by_marker(&call, &all, 1000)?))
        })
    })())
}

/// `GET /metadata_templates/{scope}/{key}/schema`
pub(super) async fn template(input: In) -> Response {
    answer((|| {
        let (api, call) = input.admit()?;
        let scope = full(&input.scope, call.account)?;
        api.drive(call.account, |drive| Ok(json_response(200, &shown(find(drive, &scope, &input.key)?))))
    })())
}

/// The operations of a patch, which has a media type of its own.
fn operations(input: &In) -> Outcome<Vec<Map<String, Value>>> {
    if media_type(&input.headers).as_deref() != Some("application/json-patch+json") {
        return Err(Failure::Other(415, "unsupported_media_type", "Unsupported Media Type"));
    }
    serde_json::from_slice(&input.body)
        .map_err(|_| Failure::invalid("entity-body", "The body should be a list of operations"))
}

/// `PUT /metadata_templates/{scope}/{key}/schema`
pub(super) async fn update_template(input: In) -> Response {
    answer((|| {
        let (api, call) = input.admit()?;
        let scope = full(&input.scope, call.account)?;
        let operations = operations(&input)?;
        api.drive(call.account, |drive| {
            let mut template = find(drive, &scope, &input.key)?;
            for operation in &operations {
                edit(&mut template, operation)?;
            }
            let number = at(&template, "/number").as_str().unwrap_or_default().to_owned();
            let members = template.as_object().cloned().unwrap_or_default();
            Ok(json_response(200, &shown(drive.records.change("template", &number, members)?)))
        })
    })())
}

fn edit(template: &mut Value, operation: &Map<String, Value>) -> Outcome<()> {
    let data = operation.get("data").cloned().unwrap_or_default();
    let mut fields = at(template, "/fields").as_array().cloned().unwrap_or_default();
    let wanted = operation.get("fieldKey").cloned().unwrap_or_default();
    let place = fields.iter().position(|field| at(field, "/key") == &wanted);
    let unknown = || Failure::invalid("fieldKey", "The template has no such field");
    match operation.get("op").and_then(Value::as_str) {
        Some("addField") => fields.push(field(&data)?),
        Some("removeField") => drop(fields.remove(place.ok_or_else(unknown)?)),
        Some("editField") => {
            let known = fields.get_mut(place.ok_or_else(unknown)?).and_then(Value::as_object_mut);
            if let (Some(known), Value::Object(data)) = (known, data) {
                known.extend(data);
            }
        }
        Some("editTemplate") => {
            for name in ["displayName", "hidden", "copyInstanceOnItemCopy"] {
                if let Some(value) = data.get(name) {
                    set(template, name, value.clone());
                }
            }
        }
        _ => return Err(Failure::invalid("op", "The operation is unknown")),
    }
    set(template, "fields", Value::Array(fields));
    Ok(())
}

/// `DELETE /metadata_templates/{scope}/{key}/schema`: with all that files have under it.
pub(super) async fn delete_template(input: In) -> Response {
    answer((|| {
        let (api, call) = input.admit()?;
        let scope = full(&input.scope, call.account)?;
        api.drive(call.account, |drive| {
            let template = find(drive, &scope, &input.key)?;
            drive.records.remove("template", at(&template, "/number").as_str().unwrap_or_default())?;
            for item in drive.all_mut() {
                item.metadata.remove(&(scope.clone(), input.key.clone()));
            }
            Ok(empty(204))
        })
    })())
}

/// `GET /files/{id}/metadata`
pub(super) async fn all(input: In) -> Response {
    answer((|| {
        let (api, call) = input.admit()?;
        api.drive(call.account, |drive| {
            let entries: Vec<Value> = drive.file(&input.id)?.metadata.values().cloned().collect();
            Ok(json_response(200, &json!({ "entries": entries, "limit": 100 })))
        })
    })())
}

fn none(key: &str) -> Failure {
    Failure::NotFound { kind: "instance", id: key.to_owned() }
}

/// `GET /files/{id}/metadata/{scope}/{key}`
pub(super) async fn read(input: In) -> Response {
    answer((|| {
        let (api, call) = input.admit()?;
        let place = (full(&input.scope, call.account)?, input.key.clone());
        api.drive(call.account, |drive| {
            let found = drive.file(&input.id)?.metadata.get(&place);
            Ok(json_response(200, found.ok_or_else(|| none(&input.key))?))
        })
    })())
}

/// Whether a value is one of a template's field.
fn fits(template: &Value, key: &str, value: &Value) -> Outcome<()> {
    let fields = at(template, "/fields").as_array().into_iter().flatten();
    let field = fields.into_iter().find(|field| at(field, "/key") == key);
    let right = field.is_some_and(|field| match at(field, "/type").as_str() {
        Some("float" | "integer") => value.is_number(),
        Some("multiSelect") => value.is_array(),
        _ => value.is_string(),
    });
    if right { Ok(()) } else { Err(Failure::invalid(key, "The value does not fit the template")) }
}

/// `POST /files/{id}/metadata/{scope}/{key}`
pub(super) async fn create(input: In) -> Response {
    answer((|| {
        let (api, call) = input.admit()?;
        let place = (full(&input.scope, call.account)?, input.key.clone());
        let members = Members::read(&input.body)?;
        api.drive(call.account, |drive| {
            let number = drive.file(&input.id)?.id;
            let template = find(drive, &place.0, &place.1)?;
            for (key, value) in members.all() {
                fits(&template, key, value)?;
            }
            let mut made = json!({
                "$id": random_hex(16), "$type": format!("{}-{}", place.1, random_hex(8)),
                "$parent": format!("file_{number}"), "$template": place.1, "$scope": place.0, "$version": 0,
                "$typeVersion": 0, "$canEdit": true,
            });
            if let Some(made) = made.as_object_mut() {
                made.extend(members.all().clone());
            }
            let item = drive.item_mut(number).ok_or(FORBIDDEN)?;
            if item.metadata.contains_key(&place) {
                return Err(Failure::Other(409, "tuple_already_exists", "Tuple already exists"));
            }
            item.metadata.insert(place, made.clone());
            Ok(json_response(201, &made))
        })
    })())
}

/// `PUT /files/{id}/metadata/{scope}/{key}`
pub(super) async fn update(input: In) -> Response {
    answer((|| {
        let (api, call) = input.admit()?;
        let place = (full(&input.scope, call.account)?, input.key.clone());
        let operations = operations(&input)?;
        api.drive(call.account, |drive| {
            let number = drive.file(&input.id)?.id;
            let mut found = drive.file(&input.id)?.metadata.get(&place).cloned().ok_or_else(|| none(&place.1))?;
            let template = find(drive, &place.0, &place.1)?;
            for operation in &operations {
                patch(&template, &mut found, operation)?;
            }
            let version = at(&found, "/$version").as_u64().unwrap_or_default() + 1;
            set(&mut found, "$version", json!(version));
            let item = drive.item_mut(number).ok_or(FORBIDDEN)?;
            item.metadata.insert(place, found.clone());
            Ok(json_response(200, &found))
        })
    })())
}

fn patch(template: &Value, found: &mut Value, operation: &Map<String, Value>) -> Outcome<()> {
    let text = |name: &str| operation.get(name).and_then(Value::as_str);
    let key = text("path").and_then(|path| path.strip_prefix('/')).filter(|key| !key.starts_with('$'));
    let key = key.ok_or_else(|| Failure::invalid("path", "The path should be that of a field"))?;
    let value = operation.get("value").cloned().unwrap_or_default();
    let members = found.as_object_mut().ok_or(FORBIDDEN)?;
    let there = members.contains_key(key);
    match text("op") {
        Some("add") => {
            fits(template, key, &value)?;
            members.insert(key.to_owned(), value);
        }
        Some("replace") if there => {
            fits(template, key, &value)?;
            members.insert(key.to_owned(), value);
        }
        Some("remove") if there => drop(members.remove(key)),
        Some("test") if members.get(key) == Some(&value) => {}
        Some("replace" | "remove" | "test") => {
            return Err(Failure::invalid("path", "Nothing is there, or something else"));
        }
        _ => return Err(Failure::invalid("op", "The operation is unknown")),
    }
    Ok(())
}

/// `DELETE /files/{id}/metadata/{scope}/{key}`
pub(super) async fn remove(input: In) -> Response {
    answer((|| {
        let (api, call) = input.admit()?;
        let place = (full(&input.scope, call.account)?, input.key.clone());
        api.drive(call.account, |drive| {
            let number = drive.file(&input.id)?.id;
            let item = drive.item_mut(number).ok_or(FORBIDDEN)?;
            item.metadata.remove(&place).ok_or_else(|| none(&place.1))?;
            Ok(empty(204))
        })
    })())
}
