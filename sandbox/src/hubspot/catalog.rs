//! What the account has besides records: properties, object types of its own, owners.

use axum::response::Response;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::{
    api::{Call, not_allowed, not_found},
    failure::Failure,
    object::{OBJECTS, Object, PORTAL},
    property::{Kind, Property, written},
    seed::{OWNERS, Owner},
    store::Store,
};
use crate::{
    core::{hold, person},
    http,
};

/// When the account was made.
fn epoch() -> String {
    written(DateTime::<Utc>::from_timestamp(1_704_067_200, 0).unwrap_or_default())
}

/// Everything under `/crm/v3/properties/{type}`.
pub(super) fn properties(call: &Call<'_>, object: &'static Object, rest: &[&str]) -> Result<Response, Failure> {
    let mut store = hold(&call.account.store);
    match (call.method.as_str(), rest) {
        ("GET", []) => {
            let archived = call.query().get("archived").is_some_and(|flag| flag == "true");
            let results: Vec<Value> =
                store.properties(object).iter().filter(|_| !archived).map(Property::shown).collect();
            Ok(http::json(200, &json!({ "results": results })))
        }
        ("POST", []) => {
            let property = read(&call.json()?, &store, object, call.now())?;
            let answer = property.shown();
            store.add_property(object, property);
            Ok(http::json(201, &answer))
        }
        ("GET", [name]) => {
            let property = store.property(object, name).ok_or_else(|| unknown(object, name))?;
            Ok(http::json(200, &property.shown()))
        }
        ("DELETE", [name]) => {
            let property = store.property(object, name).ok_or_else(|| unknown(object, name))?;
            if property.built_in {
                return Err(Failure::invalid(format!("Property {name} is defined by HubSpot and cannot be archived.")));
            }
            store.drop_property(object, name);
            Ok(http::empty(204))
        }
        (_, [] | [_]) => Err(not_allowed()),
        _ => Err(not_found()),
    }
}

fn unknown(object: &Object, name: &str) -> Failure {
    let message = format!("There is no property named {name} on object type {}", object.spoken);
    Failure::new(404, "OBJECT_NOT_FOUND", message)
}

/// Reads a property to be added.
fn read(body: &Map<String, Value>, store: &Store, object: &Object, now: DateTime<Utc>) -> Result<Property, Failure> {
    let text = |name: &str| body.get(name).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    let missing: Vec<&str> =
        ["fieldType", "groupName", "label", "name", "type"].into_iter().filter(|name| text(name).is_none()).collect();
    if !missing.is_empty() {
        return Err(Failure::unreadable(&format!("Some required fields were not set: [{}]", missing.join(", "))));
    }
    let of = |name: &str| text(name).unwrap_or_default().to_owned();
    let (name, kind, field, group) = (of("name"), of("type"), of("fieldType"), of("groupName"));
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if !name.bytes().all(plain) || !name.starts_with(|c: char| c.is_ascii_lowercase()) || name.len() > 100 {
        let message = format!(
            "Property name \"{name}\" must start with a letter and hold lower-case letters, digits and _ only."
        );
        return Err(Failure::invalid(message));
    }
    let Some(kind) = Kind::named(&kind) else {
        return Err(Failure::unreadable(&format!(
            "\"{kind}\" is not one of the values accepted for type: [bool, enumeration, date, datetime, string, number]"
        )));
    };
    if !kind.fields().contains(&field.as_str()) {
        return Err(Failure::invalid(format!("fieldType {field} does not go with type {}", kind.name())));
    }
    if !store.properties(object).iter().any(|known| known.group == group) {
        return Err(Failure::invalid(format!("Property group {group} does not exist")));
    }
    if store.property(object, &name).is_some() {
        let message = format!("A property named '{name}' already exists.");
        return Err(Failure::new(409, "OBJECT_ALREADY_EXISTS", message));
    }
    let option = |option: &Value| {
        let text = |name: &str| option.get(name).and_then(Value::as_str).map(str::to_owned);
        text("value").zip(text("label"))
    };
    let options = body.get("options").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let options: Option<Vec<(String, String)>> = options.iter().map(option).collect();
    let options = options.ok_or_else(|| Failure::unreadable("Some required fields were not set: [label, value]"))?;
    if matches!(kind, Kind::Choice) && options.is_empty() {
        return Err(Failure::invalid("Enumeration properties must have at least one option"));
    }
    Ok(Property {
        label: of("label"),
        description: of("description"),
        unique: body.get("hasUniqueValue") == Some(&Value::Bool(true)),
        name,
        kind,
        field,
        group,
        options,
        read_only: false,
        built_in: false,
        stamp: now,
    })
}

/// Everything under `/crm/v3/schemas`: the account's own object types.
pub(super) fn schemas(call: &Call<'_>, rest: &[&str]) -> Result<Response, Failure> {
    let store = hold(&call.account.store);
    let own = || OBJECTS.iter().filter(|object| object.id.starts_with("2-"));
    match (call.method.as_str(), rest) {
        ("GET", []) => {
            let results: Vec<Value> = own().map(|object| schema(&store, object)).collect();
            Ok(http::json(200, &json!({ "results": results })))
        }
        ("GET", [name]) => {
            let object = super::object::named(name).filter(|object| own().any(|own| own.id == object.id));
            Ok(http::json(200, &schema(&store, object.ok_or_else(Failure::missing)?)))
        }
        (_, [] | [_]) => Err(not_allowed()),
        _ => Err(not_found()),
    }
}

fn schema(store: &Store, object: &Object) -> Value {
    let properties: Vec<Value> = store.properties(object).iter().map(Property::shown).collect();
    json!({
        "labels": {"singular": "My Object", "plural": "My Objects"},
        "requiredProperties": object.required,
        "searchableProperties": object.searched,
        "primaryDisplayProperty": "name",
        "secondaryDisplayProperties": ["stage"],
        "archived": false,
        "id": object.id.trim_start_matches("2-"),
        "fullyQualifiedName": format!("p{PORTAL}_{}", object.name),
        "objectTypeId": object.id,
        "name": object.name,
        "createdAt": epoch(),
        "updatedAt": epoch(),
        "properties": properties,
        "associations": [],
    })
}

/// Everything under `/crm/v3/owners`.
pub(super) fn owners(call: &Call<'_>, rest: &[&str]) -> Result<Response, Failure> {
    let query = call.query();
    match (call.method.as_str(), rest) {
        ("GET", []) => {
            let (limit, after) = Call::page(&query, 500, 100)?;
            let from = usize::try_from(after).unwrap_or(usize::MAX);
            let archived = query.get("archived").is_some_and(|flag| flag == "true");
            let email = |owner: &&Owner| {
                query.get("email").is_none_or(|email| email.eq_ignore_ascii_case(person(owner.person).email))
            };
            let found: Vec<&Owner> = OWNERS.iter().filter(email).filter(|_| !archived).collect();
            let results: Vec<Value> = found.iter().skip(from).take(limit).map(|owner| shown(owner)).collect();
            let mut answer = json!({ "results": results });
            let next = from.saturating_add(limit);
            if let Some(members) = answer.as_object_mut().filter(|_| next < found.len()) {
                members.insert("paging".to_owned(), json!({"next": {"after": next.to_string()}}));
            }
            Ok(http::json(200, &answer))
        }
        ("GET", [id]) => {
            let by_user = query.get("idProperty").is_some_and(|name| name == "userId");
            let same = |owner: &&Owner| if by_user { owner.user.to_string() == *id } else { owner.id == *id };
            Ok(http::json(200, &shown(OWNERS.iter().find(same).ok_or_else(Failure::missing)?)))
        }
        (_, [] | [_]) => Err(not_allowed()),
        _ => Err(not_found()),
    }
}

fn shown(owner: &Owner) -> Value {
    let person = person(owner.person);
    json!({
        "id": owner.id,
        "email": person.email,
        "type": "PERSON",
        "firstName": person.given,
        "lastName": person.surname,
        "userId": owner.user,
        "userIdIncludingInactive": owner.user,
        "createdAt": epoch(),
        "updatedAt": epoch(),
        "archived": false,
    })
}
