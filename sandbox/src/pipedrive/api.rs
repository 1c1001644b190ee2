//! The interface: which path and method does what.

use std::sync::{Arc, Mutex};

use axum::{
    body::Bytes,
    extract::{OriginalUri, State},
    http::{HeaderMap, Method, Uri},
    response::Response,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::{
    TOKEN, failure,
    schema::{CUSTOM, OBJECTS, Object, STAGES, named},
    seed,
};
use crate::{
    core::{Core, hold, random_hex},
    crm::{self, Check, Row, Tables, Test, Wrong},
    http::{self, Form},
};

/// Records in a page: the most, and unless told otherwise.
const PAGE: (usize, usize) = (500, 100);

/// One company.
pub(super) struct Company {
    core: Arc<Core>,
    tables: Mutex<Tables>,
}

type Refused = (u16, String);

impl Company {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core, tables: Mutex::new(seed::tables()) }
    }

    /// Puts the records of the start back.
    pub(super) fn reset(&self) {
        *hold(&self.tables) = seed::tables();
    }

    /// The number of the user that calls.
    fn caller(&self, headers: &HeaderMap, query: &Form) -> Result<u32, Refused> {
        let refused = || (401, "unauthorized access".to_owned());
        let key = http::header_text(headers, "x-api-token").or_else(|| query.get("api_token").map(String::as_str));
        if let Some(key) = key {
            return if key == TOKEN { Ok(1) } else { Err(refused()) };
        }
        self.core.oauth.check(headers).map(|access| access.account).map_err(|_| refused())
    }
}

/// Everything under both versions.
pub(super) async fn call(
    State(company): State<Arc<Company>>,
    OriginalUri(uri): OriginalUri,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path().trim_start_matches("/api").trim_start_matches('/').to_owned();
    let (version, path) = path.split_once('/').unwrap_or((path.as_str(), ""));
    let query = http::form(uri.query().unwrap_or_default().as_bytes());
    let call = Call { company: &company, method: &method, uri: &uri, body: &body, query: &query };
    let answer = company.caller(&headers, &query).and_then(|user| call.route(version, path.trim_matches('/'), user));
    match answer {
        Ok((status, body)) => http::json(status, &body),
        Err((status, error)) => failure(status, &error),
    }
}

struct Call<'a> {
    company: &'a Company,
    method: &'a Method,
    uri: &'a Uri,
    body: &'a Bytes,
    query: &'a Form,
}

impl Call<'_> {
    fn route(&self, version: &str, path: &str, user: u32) -> Result<(u16, Value), Refused> {
        let mut tables = hold(&self.company.tables);
        let now = self.company.core.now();
        let method = self.method.as_str();
        if let Some(object) = path.strip_suffix("Fields").filter(|_| version == "v2" && method == "GET") {
            return fields(object, self.query);
        }
        if (version, path, method) == ("v2", "stages", "GET") {
            let stages: Vec<Value> = STAGES
                .iter()
                .map(|(id, name, probability)| {
                    json!({"id": id, "name": name,
                "deal_probability": probability, "pipeline_id": 1, "order_nr": id, "is_deleted": false})
                })
                .collect();
            return Ok((200, json!({"success": true, "data": stages, "additional_data": {"next_cursor": null}})));
        }
        let (name, rest) = path.split_once('/').unwrap_or((path, ""));
        let missing = || (404, "unknown method".to_owned());
        let object = named(name).filter(|object| object.version == version).ok_or_else(missing)?;
        let writes = object.name != "users";
        let change = if object.name == "notes" { "PUT" } else { "PATCH" };
        match (method, rest) {
            ("GET", "") if version == "v2" => self.page(&tables, object),
            ("GET", "") => self.numbered(&tables, object),
            ("GET", "me") if object.name == "users" => found(&tables, object, &user.to_string()),
            ("GET", "search") if !object.searched.is_empty() => self.search(&tables, object),
            ("POST", "") if writes => {
                let id = make(&mut tables, object, self.json()?, user, now).map_err(|error| (400, error))?;
                found(&tables, object, &crm::text_of(&id)).map(|(_, body)| (201, body))
            }
            ("GET", id) => found(&tables, object, id),
            (given, id) if writes && given == change && !id.is_empty() => {
                self.change(&mut tables, object, id, now)?;
                found(&tables, object, id)
            }
            ("DELETE", id) if writes && !id.is_empty() => {
                found(&tables, object, id)?;
                tables.remove(object.name, id);
                let id = id.parse::<u64>().map_or_else(|_| json!(id), |id| json!(id));
                // Version 1 answers notes with a flag alone.
                let data = if object.name == "notes" { json!(true) } else { json!({ "id": id }) };
                Ok((200, json!({"success": true, "data": data})))
            }
            _ => Err(missing()),
        }
    }

    fn json(&self) -> Result<Row, Refused> {
        match serde_json::from_slice(self.body) {
            Ok(Value::Object(members)) => Ok(members),
            _ => Err((400, "Bad request: the body is not a JSON object".to_owned())),
        }
    }

    fn number(&self, name: &str, usual: usize) -> Result<usize, Refused> {
        match self.query.get(name) {
            None => Ok(usual),
            Some(text) => text.parse().map_err(|_| (400, format!("Validation failed: {name}: must be a number"))),
        }
    }

    /// The rows that the parameters of a list leave.
    fn narrowed<'t>(&self, tables: &'t Tables, object: &Object, known: &[&str]) -> Result<Vec<&'t Row>, Refused> {
        let mut tests = Vec::new();
        for (name, value) in self.query {
            match name.as_str() {
                _ if known.contains(&name.as_str()) => {}
                "ids" => {
                    tests.push(Test::At("id".to_owned(), Check::In(value.split(',').map(|id| json!(id)).collect())));
                }
                "updated_since" | "updated_until" if object.version == "v2" => {
                    if DateTime::parse_from_rfc3339(value).is_err() {
                        return Err((400, format!("Validation failed: {name}: must be a time in RFC 3339")));
                    }
                    let holds =
                        if name == "updated_since" { std::cmp::Ordering::is_ge } else { std::cmp::Ordering::is_lt };
                    tests.push(Test::At("update_time".to_owned(), Check::Order(holds, json!(value))));
                }
                name if object.narrows.contains(&name) => {
                    tests.push(Test::At(name.to_owned(), Check::In(vec![json!(value)])));
                }
                _ => return Err((400, format!("Validation failed: {name}: is not allowed"))),
            }
        }
        let test = Test::All(tests);
        Ok(tables.rows(object.name).iter().filter(|row| test.passes(row)).collect())
    }

    /// A page of version 2.
    fn page(&self, tables: &Tables, object: &Object) -> Result<(u16, Value), Refused> {
        let known = [
            "limit",
            "cursor",
            "sort_by",
            "sort_direction",
            "include_fields",
            "include_option_labels",
            "include_labels",
            "custom_fields",
            "api_token",
        ];
        let mut rows = self.narrowed(tables, object, &known)?;
        let sort = self.query.get("sort_by").map_or("id", String::as_str);
        if !["id", "update_time", "add_time", "due_date"].contains(&sort) {
            return Err((400, "Validation failed: sort_by: must be one of id, update_time, add_time".to_owned()));
        }
        crm::sort(&mut rows, sort, self.query.get("sort_direction").is_some_and(|word| word == "desc"));
        let (data, next) = self.cut(&rows)?;
        Ok((200, json!({"success": true, "data": data, "additional_data": {"next_cursor": next}})))
    }

    fn cut(&self, rows: &[&Row]) -> Result<(Vec<Value>, Option<String>), Refused> {
        let limit = self.number("limit", PAGE.1)?;
        if !(1..=PAGE.0).contains(&limit) {
            return Err((400, format!("Validation failed: limit: must be between 1 and {}", PAGE.0)));
        }
        let start = match self.query.get("cursor") {
            None => 0,
            Some(cursor) => STANDARD
                .decode(cursor)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok()?.strip_prefix("at:")?.parse::<usize>().ok())
                .ok_or_else(|| (400, "Validation failed: cursor: is not valid".to_owned()))?,
        };
        let data: Vec<Value> = rows.iter().skip(start).take(limit).map(|row| json!(row)).collect();
        let end = start + data.len();
        Ok((data, (end < rows.len()).then(|| STANDARD.encode(format!("at:{end}")))))
    }

    /// A page of version 1.
    fn numbered(&self, tables: &Tables, object: &Object) -> Result<(u16, Value), Refused> {
        let rows = self.narrowed(tables, object, &["start", "limit", "sort", "api_token"])?;
        let (start, limit) = (self.number("start", 0)?, self.number("limit", PAGE.1)?.min(PAGE.0));
        let data: Vec<&&Row> = rows.iter().skip(start).take(limit).collect();
        if object.name == "users" {
            return Ok((200, json!({"success": true, "data": rows})));
        }
        let more = start + data.len() < rows.len();
        let mut pagination = json!({"start": start, "limit": limit, "more_items_in_collection": more});
        if let (true, Some(members)) = (more, pagination.as_object_mut()) {
            members.insert("next_start".to_owned(), json!(start + data.len()));
        }
        // An empty list is null in this version.
        let data = if data.is_empty() && object.name == "notes" { Value::Null } else { json!(data) };
        Ok((200, json!({"success": true, "data": data, "additional_data": {"pagination": pagination}})))
    }

    fn search(&self, tables: &Tables, object: &Object) -> Result<(u16, Value), Refused> {
        let term = self.query.get("term").map(String::as_str).unwrap_or_default();
        let exact = self.query.get("exact_match").is_some_and(|flag| flag == "true");
        if term.chars().count() < if exact { 1 } else { 2 } {
            return Err((400, "Validation failed: term: must have at least 2 characters".to_owned()));
        }
        let check = |path: &&str| {
            let check = if exact {
                Check::In(vec![json!(term)])
            } else {
                Check::Part { text: term.to_owned(), start: false, end: false }
            };
            Test::At((*path).to_owned(), check)
        };
        let test = Test::Any(object.searched.iter().map(check).collect());
        let rows: Vec<&Row> = tables.rows(object.name).iter().filter(|row| test.passes(row)).collect();
        let (data, next) = self.cut(&rows)?;
        let items: Vec<Value> = data
            .into_iter()
            .map(|row| {
                let values = |list: &str| -> Vec<Value> {
                    let list = row.get(list).and_then(Value::as_array).into_iter().flatten();
                    list.filter_map(|one| one.get("value").cloned()).collect()
                };
                let (name, title) = (row.get("name"), row.get("title"));
                let item = json!({"id": row.get("id"), "type": object.label, "name": name, "title": title,
                    "emails": values("emails"), "phones": values("phones"), "visible_to": row.get("visible_to")});
                json!({"result_score": 0.5, "item": item})
            })
            .collect();
        Ok((200, json!({"success": true, "data": {"items": items}, "additional_data": {"next_cursor": next}})))
    }

    fn change(
        &self,
        tables: &mut Tables,
        object: &'static Object,
        id: &str,
        now: DateTime<Utc>,
    ) -> Result<(), Refused> {
        found(tables, object, id)?;
        let body = self.json()?;
        let mut row = tables.row(object.name, id).cloned().unwrap_or_default();
        // What was read may be sent back.
        let mut body: Row = body.into_iter().filter(|(name, value)| row.get(name) != Some(value)).collect();
        check(tables, object, &body, false).map_err(|error| (400, error))?;
        if let Some(Value::Object(own)) = body.remove("custom_fields")
            && let Some(kept) = row.get_mut("custom_fields").and_then(Value::as_object_mut)
        {
            kept.extend(own);
        }
        row.extend(body);
        row.insert("update_time".to_owned(), json!(stamp(object, now)));
        complete(object, &mut row);
        if let Some(kept) = tables.row_mut(object.name, id) {
            *kept = row;
        }
        tracing::trace!(uri = %self.uri, "changed");
        Ok(())
    }
}

fn found(tables: &Tables, object: &Object, id: &str) -> Result<(u16, Value), Refused> {
    let mut label = object.label.to_owned();
    if let Some(first) = label.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let row = tables.row(object.name, id).ok_or_else(|| (404, format!("{label} not found")))?;
    Ok((200, json!({"success": true, "data": row})))
}

fn check(tables: &Tables, object: &Object, body: &Row, new: bool) -> Result<(), String> {
    let exists = |object: &str, id: &Value| {
        id.is_string() == (object == "leads") && tables.row(object, &crm::text_of(id)).is_some()
    };
    let problems = crm::problems(object.fields, body, new, &exists);
    if let Some((name, wrong)) = problems.first() {
        let what = match wrong {
            Wrong::Unknown => "is not allowed".to_owned(),
            Wrong::Fixed => "cannot be changed".to_owned(),
            Wrong::Missing => "is required".to_owned(),
            Wrong::Kind(kind) => format!("must be a {kind:?}").to_lowercase(),
            Wrong::Choice => "is not one of the allowed values".to_owned(),
            Wrong::Link(other) => format!("is not one of the {other}"),
        };
        return Err(format!("Validation failed: {name}: {what}"));
    }
    let own = body.get("custom_fields").and_then(Value::as_object);
    for (key, value) in own.into_iter().flatten() {
        let Some((.., kind)) = CUSTOM.iter().find(|(of, known, ..)| *of == object.name && known == key) else {
            return Err(format!("Validation failed: custom_fields: {key}: is not allowed"));
        };
        if !value.is_null() && value.is_number() != (*kind == "double") {
            return Err(format!("Validation failed: custom_fields: {key}: is not of type {kind}"));
        }
    }
    for list in ["emails", "phones"] {
        let items = body.get(list).and_then(Value::as_array);
        if items.is_some_and(|items| items.iter().any(|item| !item.get("value").is_some_and(Value::is_string))) {
            return Err(format!("Validation failed: {list}: value: is required"));
        }
    }
    let people = body.get("participants").and_then(Value::as_array);
    if people.into_iter().flatten().any(|one| !one.get("person_id").is_some_and(|id| exists("persons", id))) {
        return Err("Validation failed: participants: person_id: is not one of the persons".to_owned());
    }
    let stage = body.get("stage_id").and_then(Value::as_u64);
    if stage.is_some_and(|stage| !STAGES.iter().any(|(id, ..)| *id == stage)) {
        return Err("Validation failed: stage_id: stage not found".to_owned());
    }
    let subjects = ["deal_id", "person_id", "org_id", "lead_id"];
    if new && object.name == "notes" && !subjects.iter().any(|name| body.get(*name).is_some_and(|id| !id.is_null())) {
        return Err("One of deal_id, person_id, org_id or lead_id is required".to_owned());
    }
    let of_lead = ["person_id", "organization_id"];
    if new && object.name == "leads" && !of_lead.iter().any(|name| body.get(*name).is_some_and(|id| !id.is_null())) {
        return Err("A lead must be linked to a person or an organization".to_owned());
    }
    Ok(())
}

/// Makes a record; answers with its identifier.
pub(super) fn make(
    tables: &mut Tables,
    object: &'static Object,
    mut row: Row,
    user: u32,
    now: DateTime<Utc>,
) -> Result<Value, String> {
    check(tables, object, &row, true)?;
    let rows: usize = OBJECTS.iter().map(|object| tables.rows(object.name).len()).sum();
    let last = tables.rows(object.name).iter().filter_map(|row| row.get("id").and_then(Value::as_u64)).max();
    let id = if object.name == "leads" {
        let hex = random_hex(16);
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
        json!(format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)))
    } else {
        json!(last.map_or(rows as u64 + 1, |last| last + 1))
    };
    row.insert("id".to_owned(), id.clone());
    row.insert("update_time".to_owned(), json!(stamp(object, now)));
    row.entry("add_time").or_insert(json!(stamp(object, now)));
    let owner = if object.name == "notes" { "user_id" } else { "owner_id" };
    row.entry(owner).or_insert(json!(user));
    if object.version == "v2" {
        row.insert("is_deleted".to_owned(), json!(false));
        row.entry("visible_to").or_insert(json!(3));
    }
    for field in object.fields {
        let empty = if field.kind == crm::Kind::List { json!([]) } else { Value::Null };
        row.entry(field.name).or_insert(empty);
    }
    if let Some(own) = row.get_mut("custom_fields") {
        let mut all: Row = CUSTOM
            .iter()
            .filter(|(of, ..)| *of == object.name)
            .map(|(_, key, ..)| ((*key).to_owned(), Value::Null))
            .collect();
        all.extend(own.as_object().cloned().unwrap_or_default());
        *own = Value::Object(all);
    }
    complete(object, &mut row);
    tables.add(object.name, row);
    Ok(id)
}

/// Sets the members that follow from others.
fn complete(object: &Object, row: &mut Row) {
    let mut default = |name: &str, value: Value| {
        if row.get(name).is_none_or(Value::is_null) {
            row.insert(name.to_owned(), value);
        }
    };
    match object.name {
        "deals" => {
            for (name, value) in [
                ("stage_id", json!(1)),
                ("pipeline_id", json!(1)),
                ("status", json!("open")),
                ("value", json!(0)),
                ("currency", json!("EUR")),
                ("is_archived", json!(false)),
            ] {
                default(name, value);
            }
        }
        "activities" => {
            default("type", json!("call"));
            default("done", json!(false));
            // The person of an activity is its primary participant.
            let people = row.get("participants").and_then(Value::as_array);
            let primary = people.into_iter().flatten().find(|one| one.get("primary") == Some(&json!(true)));
            let person = primary.and_then(|one| one.get("person_id")).cloned().unwrap_or_default();
            row.insert("person_id".to_owned(), person);
        }
        "persons" => {
            let name = row.get("name").map(crm::text_of).unwrap_or_default();
            let (first, last) = name.rsplit_once(' ').unwrap_or(("", &name));
            let (first, last) = (first.to_owned(), last.to_owned());
            row.insert("first_name".to_owned(), json!(first));
            row.insert("last_name".to_owned(), json!(last));
            for list in ["emails", "phones"] {
                let items = row.get_mut(list).and_then(Value::as_array_mut);
                for (index, item) in items.into_iter().flatten().enumerate() {
                    if let Some(item) = item.as_object_mut() {
                        item.entry("primary").or_insert(json!(index == 0));
                        item.entry("label").or_insert(json!("work"));
                    }
                }
            }
        }
        _ => {}
    }
}

/// The fields of an object, as version 2 tells them.
fn fields(label: &str, query: &Form) -> Result<(u16, Value), Refused> {
    let object = OBJECTS.iter().find(|object| object.label == label && object.version == "v2");
    let object = object.ok_or_else(|| (404, "unknown method".to_owned()))?;
    let start: usize = query.get("cursor").and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
    let limit: usize = query.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(PAGE.0);
    let standard = object.fields.iter().filter(|field| field.name != "custom_fields").map(|field| {
        let kind = match field.kind {
            crm::Kind::Number if field.name == "id" => "int",
            crm::Kind::Number => "double",
            crm::Kind::Flag => "boolean",
            crm::Kind::Date => "date",
            crm::Kind::Moment => "datetime",
            crm::Kind::List => "array",
            crm::Kind::Map => "address",
            crm::Kind::Text if !field.choices.is_empty() => "enum",
            crm::Kind::Text => "varchar",
        };
        let options: Vec<Value> = field.choices.iter().map(|choice| json!({"id": choice, "label": choice})).collect();
        json!({"field_name": field.label, "field_code": field.name, "field_type": kind, "description": null,
            "is_custom_field": false, "is_optional_response_field": false, "options": if options.is_empty() { Value::Null } else { json!(options) }})
    });
    let own = CUSTOM.iter().filter(|(of, ..)| *of == object.name).map(|(_, key, name, kind)| {
        json!({"field_name": name, "field_code": key, "field_type": kind, "description": "", "is_custom_field": true,
            "is_optional_response_field": false, "options": null})
    });
    let all: Vec<Value> = standard.chain(own).collect();
    let end = (start + limit).min(all.len());
    let next = (end < all.len()).then(|| end.to_string());
    let data = all.get(start..end).unwrap_or_default();
    Ok((200, json!({"success": true, "data": data, "additional_data": {"next_cursor": next}})))
}

/// A time as the provider writes it: version 1 without a zone.
fn stamp(object: &Object, at: DateTime<Utc>) -> String {
    if object.name == "notes" {
        return at.format("%Y-%m-%d %H:%M:%S").to_string();
    }
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
