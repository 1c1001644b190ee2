//! The interface: which path and method does what.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use axum::{
    body::Bytes,
    extract::{OriginalUri, State},
    http::{HeaderMap, HeaderName, Method, Uri},
    response::Response,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::{
    KEY,
    failure::{self, Failure},
    schema::{CUSTOM, DEAL_STATUSES, LEAD_STATUSES, OBJECTS, Object, named},
    search, seed,
};
use crate::{
    core::{Core, hold, random_hex},
    crm::{self, Row, Tables},
    http::{self, Form},
};

/// Records in a page of a list, and how many can be skipped.
const PAGE: (usize, usize) = (100, 10_000);
/// Calls in a minute.
const CALLS: u64 = 240;

/// One organization.
pub(super) struct Organization {
    pub(super) core: Arc<Core>,
    pub(super) tables: Mutex<Tables>,
    calls: AtomicU64,
}

impl Organization {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core, tables: Mutex::new(seed::tables()), calls: AtomicU64::new(0) }
    }

    /// Puts the records of the start back.
    pub(super) fn reset(&self) {
        *hold(&self.tables) = seed::tables();
    }

    /// The user that calls.
    fn caller(&self, headers: &HeaderMap) -> Result<&'static str, Failure> {
        let refused =
            || Failure::error(401, "The server could not verify that you are authorized to access the URL requested.");
        let header = http::header_text(headers, "authorization").ok_or_else(refused)?;
        if let Some(encoded) = header.strip_prefix("Basic ") {
            let given = STANDARD.decode(encoded.trim()).map_err(|_| refused())?;
            // The key is the user; there is no password.
            return if given == format!("{KEY}:").as_bytes() { Ok(seed::user(1)) } else { Err(refused()) };
        }
        let access = self.core.oauth.check(headers).map_err(|_| refused())?;
        Ok(seed::user(access.account))
    }
}

/// Everything under the root.
pub(super) async fn call(
    State(organization): State<Arc<Organization>>,
    OriginalUri(uri): OriginalUri,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path().strip_prefix("/api/v1").unwrap_or_default();
    if !path.ends_with('/') {
        let to = format!("{}/", uri.path());
        return http::with_header(http::empty(301), HeaderName::from_static("location"), &to);
    }
    let call = Call { organization: &organization, method: &method, uri: &uri, body: &body };
    let answer = match organization.caller(&headers) {
        Ok(user) => call.route(path.trim_matches('/'), user),
        Err(failure) => Err(failure),
    };
    let answer = answer.map_or_else(|failure| failure.answer(), |body| http::json(200, &body));
    let used = organization.calls.fetch_add(1, Ordering::Relaxed) % CALLS;
    failure::rate(answer, CALLS - used, 60)
}

struct Call<'a> {
    organization: &'a Organization,
    method: &'a Method,
    uri: &'a Uri,
    body: &'a Bytes,
}

impl Call<'_> {
    fn route(&self, path: &str, user: &str) -> Result<Value, Failure> {
        let mut tables = hold(&self.organization.tables);
        let now = self.organization.core.now();
        let found = OBJECTS.iter().find_map(|object| {
            let rest = path.strip_prefix(object.name)?;
            (rest.is_empty() || rest.starts_with('/')).then(|| (object, rest.trim_start_matches('/')))
        });
        match (self.method.as_str(), path, found) {
            ("GET", "me", _) => {
                let me = tables.row("user", user).cloned().unwrap_or_default();
                Ok(Value::Object(me))
            }
            ("POST", "data/search", _) => search::search(&tables, &self.json()?),
            ("GET", "activity", _) => {
                let rows: Vec<&Row> = OBJECTS
                    .iter()
                    .filter(|object| object.kind.is_some())
                    .flat_map(|object| tables.rows(object.name))
                    .collect();
                page(&tables, None, &rows, &self.query())
            }
            ("GET", "status/lead", _) => Ok(listed(&statuses(&LEAD_STATUSES.map(|(id, label)| (id, label, None))))),
            ("GET", "status/opportunity", _) => {
                Ok(listed(&statuses(&DEAL_STATUSES.map(|(id, label, kind)| (id, label, Some(kind))))))
            }
            ("GET", path, _) if path.starts_with("custom_field/") => {
                custom_fields(path.trim_start_matches("custom_field/"))
            }
            ("GET", _, Some((object, ""))) => {
                let query = self.query();
                let rows: Vec<&Row> = tables.rows(object.name).iter().filter(|row| wanted(row, &query)).collect();
                page(&tables, Some(object), &rows, &query)
            }
            ("POST", _, Some((object, ""))) if object.made => {
                let id = make(&mut tables, object, self.json()?, user, now)?;
                shown(&tables, object, &id)
            }
            ("GET", _, Some((object, id))) if !id.is_empty() => shown(&tables, object, id),
            ("PUT", _, Some((object, id))) if !id.is_empty() && object.name != "user" => {
                change(&mut tables, object, id, self.json()?, user, now)?;
                shown(&tables, object, id)
            }
            ("DELETE", _, Some((object, id))) if !id.is_empty() && object.name != "user" => {
                remove(&mut tables, object, id)?;
                Ok(json!({}))
            }
            (_, _, Some(_)) => Err(Failure::error(405, "The method is not allowed for the requested URL.")),
            _ => Err(Failure::error(404, "The requested URL was not found on the server.")),
        }
    }

    fn query(&self) -> Form {
        http::form(self.uri.query().unwrap_or_default().as_bytes())
    }

    fn json(&self) -> Result<Row, Failure> {
        match serde_json::from_slice(self.body) {
            Ok(Value::Object(members)) if !members.is_empty() => Ok(members),
            _ => Err(Failure::invalid("A JSON object with at least one member is needed.")),
        }
    }
}

fn listed(items: &[Value]) -> Value {
    json!({"data": items, "has_more": false, "total_results": items.len()})
}

fn statuses(list: &[(&str, &str, Option<&str>)]) -> Vec<Value> {
    let one = |(id, label, kind): &(&str, &str, Option<&str>)| {
        let mut status = json!({"id": id, "label": label, "organization_id": seed::ORGANIZATION});
        if let (Some(kind), Some(members)) = (kind, status.as_object_mut()) {
            members.insert("type".to_owned(), json!(kind));
        }
        status
    };
    list.iter().map(one).collect()
}

fn custom_fields(object: &str) -> Result<Value, Failure> {
    if !matches!(object, "lead" | "contact" | "opportunity" | "activity") {
        return Err(Failure::error(404, "The requested URL was not found on the server."));
    }
    let one = |(_, name, label, kind, choices): &(&str, &str, &str, &str, &[&str])| {
        let mut field = json!({"id": name.trim_start_matches("custom."), "name": label, "type": kind, "description": "",
            "accepts_multiple_values": false, "editable_with_roles": [], "organization_id": seed::ORGANIZATION});
        if let (false, Some(members)) = (choices.is_empty(), field.as_object_mut()) {
            members.insert("choices".to_owned(), json!(choices));
        }
        field
    };
    Ok(listed(&CUSTOM.iter().filter(|own| own.0 == object).map(one).collect::<Vec<_>>()))
}

/// Whether a row meets the parameters of a list that narrow it.
fn wanted(row: &Row, query: &Form) -> bool {
    query.iter().filter(|(name, _)| !matches!(name.as_str(), "_skip" | "_limit" | "_fields" | "_order_by")).all(
        |(name, value)| {
            let (name, operator) = name.split_once("__").unwrap_or((name, "eq"));
            let Some(held) = row.get(name) else { return false };
            let order = crm::compare(held, &json!(value));
            match operator {
                "lt" => order.is_some_and(std::cmp::Ordering::is_lt),
                "lte" => order.is_some_and(std::cmp::Ordering::is_le),
                "gt" => order.is_some_and(std::cmp::Ordering::is_gt),
                "gte" => order.is_some_and(std::cmp::Ordering::is_ge),
                "in" => value.split(',').any(|one| crm::text_of(held) == one),
                _ => order.is_some_and(std::cmp::Ordering::is_eq),
            }
        },
    )
}

fn page(tables: &Tables, object: Option<&Object>, rows: &[&Row], query: &Form) -> Result<Value, Failure> {
    let number = |name: &str, usual: usize| match query.get(name) {
        None => Ok(usual),
        Some(text) => text.parse::<usize>().map_err(|_| Failure::parameter(name, "Not a valid integer.")),
    };
    let (skip, limit) = (number("_skip", 0)?, number("_limit", PAGE.0)?);
    if !(1..=PAGE.0).contains(&limit) {
        return Err(Failure::parameter("_limit", format!("Must be between 1 and {}.", PAGE.0)));
    }
    if skip > PAGE.1 {
        return Err(Failure::invalid(format!("The max skip you can set for this resource is {}.", PAGE.1)));
    }
    let data: Vec<Value> = rows
        .iter()
        .skip(skip)
        .take(limit)
        .map(|row| narrowed(view(tables, object, row), query.get("_fields")))
        .collect();
    Ok(json!({"has_more": skip + data.len() < rows.len(), "total_results": rows.len(), "data": data}))
}

fn narrowed(row: Row, fields: Option<&String>) -> Value {
    let Some(fields) = fields else { return Value::Object(row) };
    let wanted: Vec<&str> = fields.split(',').collect();
    Value::Object(row.into_iter().filter(|(name, _)| wanted.contains(&name.as_str())).collect())
}

/// A row as the provider shows it: leads with their contacts and opportunities.
pub(super) fn view(tables: &Tables, object: Option<&Object>, row: &Row) -> Row {
    let mut shown = row.clone();
    if object.is_some_and(|object| object.name == "lead") {
        let id = row.get("id");
        for (member, object) in [("contacts", "contact"), ("opportunities", "opportunity")] {
            let theirs: Vec<&Row> = tables.rows(object).iter().filter(|row| row.get("lead_id") == id).collect();
            shown.insert(member.to_owned(), json!(theirs));
        }
    }
    shown
}

fn shown(tables: &Tables, object: &Object, id: &str) -> Result<Value, Failure> {
    let row = tables.row(object.name, id).ok_or_else(|| Failure::missing(object.label))?;
    Ok(Value::Object(view(tables, Some(object), row)))
}

/// Makes a record; answers with its identifier.
pub(super) fn make(
    tables: &mut Tables,
    object: &'static Object,
    mut body: Row,
    user: &str,
    now: DateTime<Utc>,
) -> Result<String, Failure> {
    let exists = |object: &str, id: &Value| tables.row(object, &crm::text_of(id)).is_some();
    let problems = crm::problems(object.fields, &body, true, &exists);
    if !problems.is_empty() {
        return Err(Failure::fields(&problems));
    }
    if object.name == "activity/email" && !body.contains_key("sender") {
        let status = body.get("status").and_then(Value::as_str).unwrap_or_default();
        if !matches!(status, "draft" | "sent") {
            return Err(Failure::parameter("sender", "This field is required."));
        }
    }
    let id = format!("{}_{}", object.prefix, random_hex(22).get(..43).unwrap_or_default());
    let people = body.remove("contacts");
    let at = stamp(now);
    for (name, value) in [
        ("id", json!(id)),
        ("organization_id", json!(seed::ORGANIZATION)),
        ("created_by", json!(user)),
        ("updated_by", json!(user)),
        ("date_created", json!(at)),
        ("date_updated", json!(at)),
    ] {
        body.insert(name.to_owned(), value);
    }
    if let Some(kind) = object.kind {
        body.insert("_type".to_owned(), json!(kind));
    }
    complete(tables, object, &mut body, user);
    tables.add(object.name, body);
    for person in people.as_ref().and_then(Value::as_array).into_iter().flatten() {
        let mut person = person.as_object().cloned().unwrap_or_default();
        person.insert("lead_id".to_owned(), json!(id));
        if let Some(contact) = named("contact") {
            make(tables, contact, person, user, now)?;
        }
    }
    Ok(id)
}

fn change(
    tables: &mut Tables,
    object: &'static Object,
    id: &str,
    body: Row,
    user: &str,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let mut row = tables.row(object.name, id).cloned().ok_or_else(|| Failure::missing(object.label))?;
    // What was read may be sent back: what only the provider writes counts when it differs.
    let before = view(tables, Some(object), &row);
    let body: Row = body.into_iter().filter(|(name, value)| before.get(name) != Some(value)).collect();
    if object.name == "activity/email" && row.get("status").is_some_and(|status| status != "draft") {
        return Err(Failure::invalid("Only draft emails can be modified."));
    }
    let exists = |object: &str, id: &Value| tables.row(object, &crm::text_of(id)).is_some();
    let problems = crm::problems(object.fields, &body, false, &exists);
    if !problems.is_empty() {
        return Err(Failure::fields(&problems));
    }
    row.extend(body);
    row.insert("date_updated".to_owned(), json!(stamp(now)));
    row.insert("updated_by".to_owned(), json!(user));
    complete(tables, object, &mut row, user);
    if let Some(kept) = tables.row_mut(object.name, id) {
        *kept = row;
    }
    Ok(())
}

fn remove(tables: &mut Tables, object: &Object, id: &str) -> Result<(), Failure> {
    if !tables.remove(object.name, id) {
        return Err(Failure::missing(object.label));
    }
    if object.name == "lead" {
        for other in &OBJECTS {
            let of_lead = |row: &&Row| row.get("lead_id").is_some_and(|lead| lead == id);
            let ids: Vec<String> = tables
                .rows(other.name)
                .iter()
                .filter(of_lead)
                .filter_map(|row| row.get("id").map(crm::text_of))
                .collect();
            for id in ids {
                tables.remove(other.name, &id);
            }
        }
    }
    Ok(())
}

/// Sets the members that follow from others.
fn complete(tables: &Tables, object: &Object, row: &mut Row, user: &str) {
    let text = |row: &Row, name: &str| row.get(name).map(crm::text_of).unwrap_or_default();
    let name_of = |object: &str, id: &str, member: &str| {
        tables.row(object, id).and_then(|row| row.get(member)).cloned().unwrap_or(Value::Null)
    };
    match object.name {
        "lead" => {
            let status = text(row, "status_id");
            let (id, label) = LEAD_STATUSES.iter().find(|(id, _)| *id == status).copied().unwrap_or(LEAD_STATUSES[0]);
            let name = text(row, "name");
            row.insert("status_id".to_owned(), json!(id));
            row.insert("status_label".to_owned(), json!(label));
            row.insert("display_name".to_owned(), json!(if name.is_empty() { "Untitled" } else { &name }));
            row.entry("addresses").or_insert_with(|| json!([]));
            let url = format!("https://app.close.com/lead/{}/", text(row, "id"));
            row.insert("html_url".to_owned(), json!(url));
        }
        "contact" => {
            let name = text(row, "name");
            row.insert("display_name".to_owned(), json!(name));
            for list in ["emails", "phones", "urls"] {
                row.entry(list).or_insert_with(|| json!([]));
            }
        }
        "opportunity" => {
            let status = text(row, "status_id");
            let (id, label, kind) =
                DEAL_STATUSES.iter().find(|(id, ..)| *id == status).copied().unwrap_or(DEAL_STATUSES[0]);
            let owner = Some(text(row, "user_id")).filter(|id| !id.is_empty()).unwrap_or_else(|| user.to_owned());
            let lead = name_of("lead", &text(row, "lead_id"), "display_name");
            for (name, value) in [
                ("status_id", json!(id)),
                ("status_label", json!(label)),
                ("status_type", json!(kind)),
                ("user_id", json!(owner)),
                ("user_name", name_of("user", &owner, "first_name")),
                ("lead_name", lead),
                ("value_currency", json!("USD")),
            ] {
                row.insert(name.to_owned(), value);
            }
            row.entry("confidence").or_insert(json!(50));
            row.entry("value").or_insert(Value::Null);
            row.entry("value_period").or_insert(json!("one_time"));
            row.entry("date_won").or_insert(Value::Null);
        }
        "task" => {
            let owner = Some(text(row, "assigned_to")).filter(|id| !id.is_empty()).unwrap_or_else(|| user.to_owned());
            let (lead, date) = (text(row, "lead_id"), row.get("date").cloned().unwrap_or(Value::Null));
            for (name, value) in [
                ("_type", json!("lead")),
                ("assigned_to", json!(owner)),
                ("assigned_to_name", name_of("user", &owner, "first_name")),
                ("lead_name", name_of("lead", &lead, "display_name")),
                ("is_dateless", json!(date.is_null())),
                ("due_date", date.clone()),
                ("date", date),
                ("view", json!("inbox")),
            ] {
                row.insert(name.to_owned(), value);
            }
            row.entry("is_complete").or_insert(json!(false));
        }
        _ if object.kind.is_some() => {
            let owner = Some(text(row, "user_id")).filter(|id| !id.is_empty()).unwrap_or_else(|| user.to_owned());
            row.insert("user_name".to_owned(), name_of("user", &owner, "first_name"));
            row.insert("user_id".to_owned(), json!(owner));
            if object.name == "activity/email" {
                let direction = if text(row, "status") == "inbox" { "incoming" } else { "outgoing" };
                row.insert("direction".to_owned(), json!(direction));
            }
        }
        _ => {}
    }
}

/// A time as the provider writes it.
pub(super) fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, false)
}
