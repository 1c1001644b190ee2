//! The CRM interface: which path and method does what.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use axum::{
    body::Bytes,
    extract::{OriginalUri, State},
    http::{HeaderMap, HeaderName, Method, Uri},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::{
    association, catalog,
    failure::{self, Failure},
    lists,
    object::{Object, linked, named},
    pipeline, scope, search,
    store::{Link, Record, Store, token},
};
use crate::{
    core::{Core, hold},
    http::{self, Form},
    oauth::Denied,
};

/// Records in a page of a list: the most, and unless told otherwise.
const PAGE: (usize, usize) = (100, 10);
/// Calls allowed in ten seconds, and per day.
const CALLS: (u64, u64) = (110, 500_000);

/// One account.
pub(super) struct Account {
    pub(super) core: Arc<Core>,
    pub(super) store: Mutex<Store>,
    calls: AtomicU64,
}

impl Account {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core, store: Mutex::new(Store::new()), calls: AtomicU64::new(0) }
    }

    /// Puts the records of the start back.
    pub(super) fn reset(&self) {
        *hold(&self.store) = Store::new();
        self.calls.store(0, Ordering::Relaxed);
    }
}

/// Everything under `/crm/v3`, and the schemas at their newer place.
pub(super) async fn crm(
    State(account): State<Arc<Account>>,
    OriginalUri(uri): OriginalUri,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let own = uri.path().strip_prefix("/crm-object-schemas/v3");
    let fourth = uri.path().strip_prefix("/crm/v4");
    let path = own.or(fourth).or_else(|| uri.path().strip_prefix("/crm/v3")).unwrap_or_default();
    let segments: Vec<String> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
        .collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let call = Call { account: &account, method: &method, uri: &uri, headers: &headers, body: &body };
    let answer = call
        .allowed()
        .and_then(|scopes| match fourth {
            Some(_) => association::route(&call, &segments, &scopes),
            None => call.route(&segments, &scopes),
        })
        .unwrap_or_else(IntoResponse::into_response);
    // The search call does not tell about limits.
    if segments.last() == Some(&"search") { answer } else { limits(&account, answer) }
}

fn limits(account: &Account, mut answer: Response) -> Response {
    let (burst, day) = CALLS;
    let used = account.calls.fetch_add(1, Ordering::Relaxed) + 1;
    let left = |most: u64| most.saturating_sub(used % most);
    for (name, value) in [
        ("x-hubspot-ratelimit-daily", day),
        ("x-hubspot-ratelimit-daily-remaining", left(day)),
        ("x-hubspot-ratelimit-interval-milliseconds", 10_000),
        ("x-hubspot-ratelimit-max", burst),
        ("x-hubspot-ratelimit-remaining", left(burst)),
    ] {
        answer = http::with_header(answer, HeaderName::from_static(name), &value.to_string());
    }
    answer
}

/// One call.
pub(super) struct Call<'a> {
    pub(super) account: &'a Account,
    pub(super) method: &'a Method,
    uri: &'a Uri,
    headers: &'a HeaderMap,
    body: &'a Bytes,
}

impl Call<'_> {
    /// The scopes of the caller's token.
    fn allowed(&self) -> Result<String, Failure> {
        let core = &self.account.core;
        match core.oauth.check(self.headers) {
            Ok(access) => Ok(access.scope.unwrap_or_default()),
            Err(_) if http::header_text(self.headers, "authorization") == Some(super::PRIVATE_APP) => {
                Ok(scope::ALL.to_owned())
            }
            Err(Denied::Expired) => Err(failure::expired(core.now())),
            Err(_) => Err(failure::no_credentials()),
        }
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.account.core.now()
    }

    pub(super) fn query(&self) -> Form {
        http::form(self.uri.query().unwrap_or_default().as_bytes())
    }

    fn route(&self, segments: &[&str], scopes: &str) -> Result<Response, Failure> {
        let write = !matches!(self.method.as_str(), "GET") && !matches!(segments.last(), Some(&("search" | "read")));
        match segments {
            ["objects", object, rest @ ..] => {
                let object = known(object)?;
                scope::need(scopes, &scope::object(object, write))?;
                match rest {
                    [] => self.objects(object),
                    ["search"] => self.search(object),
                    ["batch", "read"] => self.read_batch(object),
                    [id] => self.record(object, id),
                    _ => Err(not_found()),
                }
            }
            ["properties", object, rest @ ..] => {
                let object = known(object)?;
                scope::need(scopes, &scope::schema(object, write))?;
                catalog::properties(self, object, rest)
            }
            ["schemas", rest @ ..] => {
                scope::need(scopes, &["crm.schemas.custom.read".to_owned()])?;
                catalog::schemas(self, rest)
            }
            ["lists", rest @ ..] => lists::route(self, rest, scopes),
            ["pipelines", rest @ ..] => pipeline::route(self, rest, scopes),
            ["owners", rest @ ..] => {
                scope::need(scopes, &["crm.objects.owners.read".to_owned()])?;
                catalog::owners(self, rest)
            }
            _ => Err(not_found()),
        }
    }

    pub(super) fn body(&self) -> &[u8] {
        self.body
    }

    /// The body, which must be a JSON object and say so.
    pub(super) fn json(&self) -> Result<Map<String, Value>, Failure> {
        if http::media_type(self.headers).as_deref() != Some("application/json") {
            return Err(Failure { category: None, ..Failure::new(415, "", "HTTP 415 Unsupported Media Type") });
        }
        match serde_json::from_slice(self.body) {
            Ok(Value::Object(members)) => Ok(members),
            Ok(other) => Err(Failure::unreadable(&format!("Cannot construct the request from {}", token(&other)))),
            Err(error) => {
                let message =
                    format!("Invalid input JSON on line {}, column {}: {error}", error.line(), error.column());
                Err(Failure { category: None, ..Failure::new(400, "", message) })
            }
        }
    }

    /// The properties of a create or update call.
    fn values(body: &Map<String, Value>) -> Result<&Map<String, Value>, Failure> {
        match body.get("properties") {
            Some(Value::Object(values)) => Ok(values),
            None | Some(Value::Null) => Err(Failure::unreadable("Some required fields were not set: [properties]")),
            Some(other) => {
                let message =
                    format!("Cannot deserialize value of type `java.util.LinkedHashMap` from {}", token(other));
                Err(Failure::unreadable(&message))
            }
        }
    }

    /// The page that a list call asks for: how many records, and from which identifier.
    pub(super) fn page(query: &Form, most: usize, usual: usize) -> Result<(usize, u64), Failure> {
        let number = |name: &str| match query.get(name).filter(|text| !text.is_empty()) {
            None => Ok(None),
            Some(text) => match text.parse::<u64>() {
                Ok(number) => Ok(Some(number)),
                Err(_) => {
                    Err(Failure::invalid(format!("Unable to read query parameter {name}: \"{text}\" is not a number")))
                }
            },
        };
        let limit = number("limit")?.map_or(usual, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        if !(1..=most).contains(&limit) {
            return Err(Failure::invalid(format!("Page size must be between 1 and {most}, but was {limit}")));
        }
        Ok((limit, number("after")?.unwrap_or(0)))
    }

    fn objects(&self, object: &'static Object) -> Result<Response, Failure> {
        match self.method.as_str() {
            "GET" => {
                let query = self.query();
                let (limit, after) = Self::page(&query, PAGE.0, PAGE.1)?;
                let archived = flag(&query, "archived")?;
                let (wanted, linked) = (names(self.uri, "properties"), links(self.uri)?);
                let store = hold(&self.account.store);
                let mut records = store.records(object, archived).filter(|record| record.id >= after);
                let page: Vec<&Record> = records.by_ref().take(limit).collect();
                let results: Vec<Value> =
                    page.iter().map(|record| store.shown(object, record, &wanted, &linked)).collect();
                let mut answer = json!({ "results": results });
                if let (Some(members), Some(next)) = (answer.as_object_mut(), records.next()) {
                    let link = format!(
                        "{}/crm/v3/objects/{}?limit={limit}&after={}",
                        self.account.core.origin, object.name, next.id
                    );
                    members.insert("paging".to_owned(), json!({"next": {"after": next.id.to_string(), "link": link}}));
                }
                Ok(http::json(200, &answer))
            }
            "POST" => {
                let body = self.json()?;
                let values = Self::values(&body)?;
                let links = associations(object, body.get("associations"))?;
                let mut store = hold(&self.account.store);
                let record = store.create(object, values, &links, self.now())?;
                Ok(http::json(201, &Store::written(object, record, None)))
            }
            _ => Err(not_allowed()),
        }
    }

    /// The records with the identifiers that a body names, at most a page of them; 207 when some are not there.
    fn read_batch(&self, object: &Object) -> Result<Response, Failure> {
        if self.method != Method::POST {
            return Err(not_allowed());
        }
        let body = self.json()?;
        let inputs = body.get("inputs").and_then(Value::as_array);
        let inputs =
            inputs.ok_or_else(|| Failure::unreadable("Some required fields were not set: [inputs]"))?.as_slice();
        if inputs.is_empty() || inputs.len() > PAGE.0 {
            return Err(Failure::invalid(format!(
                "A batch has 1 to {} inputs, but there are {}",
                PAGE.0,
                inputs.len()
            )));
        }
        let wanted: Vec<String> = body
            .get("properties")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        let store = hold(&self.account.store);
        let mut results = Vec::new();
        let mut missing = Vec::new();
        for input in inputs {
            let id = input.get("id").map(crate::crm::text_of).filter(|id| !id.is_empty());
            let id = id.ok_or_else(|| Failure::unreadable("Some required fields were not set: [id]"))?;
            match store.get(object, &id, false) {
                Ok(record) => results.push(store.shown(object, record, &wanted, &[])),
                Err(_) => missing.push(id),
            }
        }
        let mut answer = json!({"status": "COMPLETE", "results": results});
        if let (Some(members), false) = (answer.as_object_mut(), missing.is_empty()) {
            let error = json!({"status": "error", "category": "OBJECT_NOT_FOUND",
                "message": "Could not get some objects, they may be deleted or not exist.", "context": {"ids": missing}});
            members.insert("numErrors".to_owned(), json!(1));
            members.insert("errors".to_owned(), json!([error]));
        }
        Ok(http::json(if missing.is_empty() { 200 } else { 207 }, &answer))
    }

    fn search(&self, object: &Object) -> Result<Response, Failure> {
        if self.method != Method::POST {
            return Err(not_allowed());
        }
        let body = self.json()?;
        Ok(http::json(200, &search::search(&hold(&self.account.store), object, &body)?))
    }

    fn record(&self, object: &'static Object, id: &str) -> Result<Response, Failure> {
        let query = self.query();
        let mut store = hold(&self.account.store);
        let id = match query.get("idProperty") {
            None => id.to_owned(),
            Some(name) if store.property(object, name).is_some_and(|property| property.unique) => {
                store.by_value(object, name, id).map(|record| record.id.to_string()).ok_or_else(Failure::missing)?
            }
            Some(name) => return Err(Failure::invalid(format!("Property {name} is not a unique property"))),
        };
        match self.method.as_str() {
            "GET" => {
                let record = store.get(object, &id, flag(&query, "archived")?)?;
                let answer = store.shown(object, record, &names(self.uri, "properties"), &links(self.uri)?);
                Ok(http::json(200, &answer))
            }
            "PATCH" => {
                let id = store.get(object, &id, false)?.id;
                let body = self.json()?;
                let values = Self::values(&body)?;
                let record = store.update(object, id, values, self.now())?;
                Ok(http::json(200, &Store::written(object, record, Some(values))))
            }
            "DELETE" => {
                store.archive(object, &id, self.now());
                Ok(http::empty(204))
            }
            _ => Err(not_allowed()),
        }
    }
}

/// The object a path names.
pub(super) fn known(text: &str) -> Result<&'static Object, Failure> {
    named(text).ok_or_else(|| Failure::invalid(format!("Unable to infer object type from: {text}")))
}

/// A method that a path does not have.
pub(super) fn not_allowed() -> Failure {
    Failure { category: None, ..Failure::new(405, "", "HTTP 405 Method Not Allowed") }
}

/// A path the provider does not have.
pub(super) fn not_found() -> Failure {
    Failure { category: None, ..Failure::new(404, "", "HTTP 404 Not Found") }
}

fn flag(query: &Form, name: &str) -> Result<bool, Failure> {
    match query.get(name).map(String::as_str) {
        None | Some("" | "false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => {
            Err(Failure::invalid(format!("Unable to read query parameter {name}: \"{other}\" is not a boolean")))
        }
    }
}

/// The names in a parameter that can be repeated and can hold several, parted by commas.
fn names(uri: &Uri, parameter: &str) -> Vec<String> {
    url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
        .filter(|(name, _)| name == parameter)
        .flat_map(|(_, value)| value.split(',').map(|part| part.trim().to_owned()).collect::<Vec<_>>())
        .filter(|name| !name.is_empty())
        .collect()
}

fn links(uri: &Uri) -> Result<Vec<&'static Object>, Failure> {
    names(uri, "associations").iter().map(|name| known(name)).collect()
}

/// The associations that a new record is to have.
fn associations(object: &'static Object, list: Option<&Value>) -> Result<Vec<Link>, Failure> {
    let Some(list) = list.filter(|list| !list.is_null()) else { return Ok(Vec::new()) };
    let list = list.as_array().ok_or_else(|| Failure::unreadable("Cannot deserialize associations: not an array"))?;
    let mut found = Vec::new();
    for entry in list {
        let unset = |name: &str| Failure::unreadable(&format!("Some required fields were not set: [{name}]"));
        let id = match entry.pointer("/to/id") {
            Some(Value::String(text)) => text.parse().ok(),
            Some(Value::Number(number)) => number.as_u64(),
            _ => return Err(unset("to")),
        };
        let id = id.ok_or_else(|| Failure::invalid("The id of an association must be a number"))?;
        let types = entry.get("types").and_then(Value::as_array).ok_or_else(|| unset("types"))?;
        for kind in types {
            let category =
                kind.get("associationCategory").and_then(Value::as_str).ok_or_else(|| unset("associationCategory"))?;
            let number =
                kind.get("associationTypeId").and_then(Value::as_u64).ok_or_else(|| unset("associationTypeId"))?;
            let other = u32::try_from(number).ok().filter(|_| category == "HUBSPOT_DEFINED");
            let other = other.and_then(|number| linked(object, number)).ok_or_else(|| {
                Failure::invalid(format!("Association type {category} {number} is not valid from {}", object.spoken))
            })?;
            found.push((other, id));
        }
    }
    Ok(found)
}
