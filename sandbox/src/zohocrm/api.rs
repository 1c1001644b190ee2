//! The interface: which path and method does what.

use std::sync::{Arc, Mutex};

use axum::{
    body::Bytes,
    extract::{OriginalUri, State},
    http::{HeaderMap, Method},
    response::Response,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{
    coql, describe,
    outcome::Failure,
    rows::{change, make, shown, told, user_id},
    schema::{Module, named},
    search::criterion,
    seed,
};
use crate::{
    core::{Core, hold},
    crm::{self, Check, Kind, Row, Tables, Test},
    http::{self, Form},
};

/// Records in a page, and how many are reached by the page's number.
const PAGE: (usize, usize) = (200, 2000);
/// Rows in one call, and fields in one list.
const ROWS: (usize, usize) = (100, 50);

/// One organization.
pub(super) struct Organization {
    core: Arc<Core>,
    tables: Mutex<Tables>,
}

impl Organization {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core, tables: Mutex::new(seed::tables()) }
    }

    /// Puts the records of the start back.
    pub(super) fn reset(&self) {
        *hold(&self.tables) = seed::tables();
    }

    /// The number of the user that calls; the scheme is the provider's own.
    fn caller(&self, headers: &HeaderMap) -> Result<u32, Failure> {
        let header = http::header_text(headers, "authorization")
            .ok_or_else(|| Failure::new(401, "AUTHENTICATION_FAILURE", "Authentication failed"))?;
        let token = header.strip_prefix("Zoho-oauthtoken ");
        token
            .and_then(|token| self.core.oauth.check_token(token.trim()).ok())
            .map(|access| access.account)
            .ok_or_else(|| Failure::new(401, "INVALID_TOKEN", "invalid oauth token"))
    }
}

/// Takes a grant back; the token is in the query.
pub(super) async fn revoke(State(organization): State<Arc<Organization>>, OriginalUri(uri): OriginalUri) -> Response {
    let query = http::form(uri.query().unwrap_or_default().as_bytes());
    match query.get("token") {
        Some(token) if organization.core.oauth.revoke_grant(token) => http::json(200, &json!({"status": "success"})),
        _ => http::json(200, &json!({"error": "invalid_code"})),
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
    let path = uri.path().strip_prefix("/crm/v8/").unwrap_or_default().to_owned();
    let query = http::form(uri.query().unwrap_or_default().as_bytes());
    let call = Call { organization: &organization, method: &method, headers: &headers, body: &body, query: &query };
    let answer = organization.caller(&headers).and_then(|user| call.route(path.trim_matches('/'), user));
    match answer {
        Ok(Some((status, body))) => http::json(status, &body),
        // Nothing is told by having nothing to tell.
        Ok(None) => http::empty(204),
        Err(failure) if failure.status == 304 => http::empty(304),
        Err(failure) => failure.answer(),
    }
}

struct Call<'a> {
    organization: &'a Organization,
    method: &'a Method,
    headers: &'a HeaderMap,
    body: &'a Bytes,
    query: &'a Form,
}

type Answer = Result<Option<(u16, Value)>, Failure>;

impl Call<'_> {
    fn route(&self, path: &str, user: u32) -> Answer {
        let mut tables = hold(&self.organization.tables);
        let now = self.organization.core.now();
        let segments: Vec<&str> = path.split('/').collect();
        let wrong =
            || Failure::new(404, "INVALID_URL_PATTERN", "Please check if the URL trying to access is a correct one");
        match (self.method.as_str(), segments.as_slice()) {
            ("GET", ["org"]) => Ok(Some((
                200,
                json!({"org": [{"id": "554023000000000001", "company_name": "Sandbox Inc.",
                "zgid": "60001", "country": "SE", "currency": "EUR"}]}),
            ))),
            ("GET", ["users"]) => {
                let me = self.query.get("type").is_some_and(|kind| kind == "CurrentUser");
                let (per, page) = (self.number("per_page", PAGE.0)?, self.number("page", 1)?);
                let all: Vec<&Row> = tables
                    .rows("users")
                    .iter()
                    .filter(|row| !me || row.get("id") == Some(&json!(user_id(user))))
                    .collect();
                let users: Vec<&&Row> = all.iter().skip(per.saturating_mul(page.saturating_sub(1))).take(per).collect();
                if users.is_empty() {
                    return Ok(None);
                }
                let more = per.saturating_mul(page) < all.len();
                let info = json!({"per_page": per, "count": users.len(), "page": page, "more_records": more});
                Ok(Some((200, json!({"users": users, "info": info}))))
            }
            ("GET", ["users", id]) => {
                let row = tables.row("users", id).ok_or_else(Failure::unknown_id)?;
                Ok(Some((200, json!({ "users": [row] }))))
            }
            ("PUT", ["users", id]) => {
                let body: Value = serde_json::from_slice(self.body).unwrap_or_default();
                let change = body.pointer("/users/0").and_then(Value::as_object).ok_or_else(|| {
                    Failure::new(400, "MANDATORY_NOT_FOUND", "required field not found")
                        .with(json!({"api_name": "users"}))
                })?;
                let row = tables.row_mut("users", id).ok_or_else(Failure::unknown_id)?;
                let own = ["first_name", "last_name", "phone", "mobile"];
                if let Some(name) = change.keys().find(|name| !own.contains(&name.as_str())) {
                    return Err(Failure::new(400, "INVALID_DATA", "invalid data").with(json!({"api_name": name})));
                }
                row.extend(change.clone());
                let done =
                    json!({"code": "SUCCESS", "details": {"id": id}, "message": "User updated", "status": "success"});
                Ok(Some((200, json!({"users": [done]}))))
            }
            ("GET", ["settings", "modules"]) => Ok(Some((200, json!({ "modules": describe::modules() })))),
            ("GET", ["settings", "fields"]) => Ok(Some((200, describe::fields(self.query)?))),
            ("POST", ["coql"]) => self.coql(&tables),
            (method, [name, rest @ ..]) => {
                let module = named(name)
                    .ok_or_else(|| Failure::new(400, "INVALID_MODULE", "the module name given seems to be invalid"))?;
                match (method, rest) {
                    ("GET", []) => self.page(&tables, module),
                    ("GET", ["search"]) => self.search(&tables, module),
                    ("GET", [id, "Notes"]) => self.notes(&tables, module, id),
                    ("GET" | "PUT" | "DELETE", [id]) if !id.bytes().all(|byte| byte.is_ascii_digit()) => {
                        Err(Failure::unknown_id())
                    }
                    ("GET", [id]) => Ok(tables
                        .row(module.name, id)
                        .map(|row| (200, json!({"data": [shown(&tables, module, row, None)]})))),
                    ("POST", []) => {
                        let rows = self.rows()?;
                        let outcomes = rows
                            .into_iter()
                            .map(|row| make(&mut tables, module, row, user, now).map(|id| (id, "record added")));
                        let outcomes: Vec<_> = outcomes.collect();
                        Ok(Some(told(201, &outcomes, user, now)))
                    }
                    ("PUT", [] | [_]) => {
                        let mut outcomes = Vec::new();
                        for row in self.rows()? {
                            let id =
                                rest.first().map(|id| (*id).to_owned()).or_else(|| row.get("id").map(crm::text_of));
                            let done = change(&mut tables, module, &id.unwrap_or_default(), row, user, now);
                            outcomes.push(done.map(|id| (id, "record updated")));
                        }
                        Ok(Some(told(200, &outcomes, user, now)))
                    }
                    ("DELETE", [] | [_]) => {
                        let ids = self.query.get("ids").cloned().unwrap_or_default();
                        let ids: Vec<&str> = rest.first().map_or_else(|| ids.split(',').collect(), |id| vec![*id]);
                        let outcomes: Vec<_> = ids
                            .into_iter()
                            .map(|id| {
                                let gone = tables.remove(module.name, id);
                                if gone { Ok((id.to_owned(), "record deleted")) } else { Err(Failure::unknown_id()) }
                            })
                            .collect();
                        Ok(Some(told(200, &outcomes, user, now)))
                    }
                    _ => Err(wrong()),
                }
            }
            _ => Err(wrong()),
        }
    }

    /// The rows of a body.
    fn rows(&self) -> Result<Vec<Row>, Failure> {
        let body: Value = serde_json::from_slice(self.body)
            .map_err(|_| Failure::new(400, "INVALID_DATA", "body is not valid JSON"))?;
        let rows = body.get("data").and_then(Value::as_array).filter(|rows| !rows.is_empty());
        let rows = rows.ok_or_else(|| {
            Failure::new(400, "MANDATORY_NOT_FOUND", "required field not found").with(json!({"api_name": "data"}))
        })?;
        if rows.len() > ROWS.0 {
            return Err(Failure::new(400, "INVALID_DATA", "more than 100 records are given"));
        }
        Ok(rows.iter().map(|row| row.as_object().cloned().unwrap_or_default()).collect())
    }

    fn number(&self, name: &str, usual: usize) -> Result<usize, Failure> {
        let invalid = || Failure::new(400, "INVALID_DATA", "invalid data").with(json!({ "param": name }));
        self.query.get(name).map_or(Ok(usual), |text| text.parse().map_err(|_| invalid()))
    }

    /// The notes of a record: of those that are nobody's nothing is told.
    fn notes(&self, tables: &Tables, module: &Module, id: &str) -> Answer {
        let fields = self.fields()?;
        let notes = named("Notes").filter(|_| tables.row(module.name, id).is_some()).ok_or_else(Failure::unknown_id)?;
        let at = |row: &Row, path: &str| row.get("Parent_Id").and_then(|parent| parent.pointer(path)).map(crm::text_of);
        let rows: Vec<&Row> = tables
            .rows("Notes")
            .iter()
            .filter(|row| at(row, "/id").as_deref() == Some(id))
            .filter(|row| at(row, "/module/api_name").as_deref() == Some(module.name))
            .collect();
        self.cut(tables, notes, &rows, Some(fields))
    }

    /// The fields that a list names, as it has to.
    fn fields(&self) -> Result<&String, Failure> {
        let fields = self.query.get("fields").filter(|fields| !fields.is_empty()).ok_or_else(|| {
            Failure::new(400, "REQUIRED_PARAM_MISSING", "One of the expected parameter is missing")
                .with(json!({"param": "fields"}))
        })?;
        if fields.split(',').count() > ROWS.1 {
            return Err(Failure::new(400, "LIMIT_EXCEEDED", "more than 50 fields are asked for"));
        }
        Ok(fields)
    }

    fn page(&self, tables: &Tables, module: &Module) -> Answer {
        let fields = self.fields()?;
        let mut rows: Vec<&Row> = tables.rows(module.name).iter().collect();
        if let Some(since) = http::header_text(self.headers, "if-modified-since").and_then(crm::moment) {
            rows.retain(|row| {
                row.get("Modified_Time").and_then(Value::as_str).and_then(crm::moment).is_some_and(|at| at > since)
            });
            if rows.is_empty() {
                return Err(Failure::new(304, "NOT_MODIFIED", ""));
            }
        }
        let sort = self.query.get("sort_by").map_or("id", String::as_str);
        if !["id", "Created_Time", "Modified_Time"].contains(&sort) {
            return Err(Failure::new(400, "INVALID_DATA", "invalid data").with(json!({"param": "sort_by"})));
        }
        crm::sort(&mut rows, sort, self.query.get("sort_order").is_some_and(|word| word == "desc"));
        self.cut(tables, module, &rows, Some(fields))
    }

    fn cut(&self, tables: &Tables, module: &Module, rows: &[&Row], fields: Option<&String>) -> Answer {
        let (per, page) = (self.number("per_page", PAGE.0)?, self.number("page", 1)?);
        if !(1..=PAGE.0).contains(&per) || page == 0 {
            return Err(Failure::new(400, "INVALID_DATA", "invalid data").with(json!({"param": "per_page"})));
        }
        let start = match self.query.get("page_token") {
            Some(token) => URL_SAFE_NO_PAD
                .decode(token)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok()?.parse::<usize>().ok())
                .ok_or_else(|| {
                    Failure::new(400, "INVALID_DATA", "invalid data").with(json!({"param": "page_token"}))
                })?,
            None if page.saturating_mul(per) > PAGE.1 => {
                return Err(Failure::new(
                    400,
                    "DISCRETE_PAGINATION_LIMIT_EXCEEDED",
                    "only the first 2000 records can be fetched without page_token",
                ));
            }
            None => (page - 1) * per,
        };
        let data: Vec<Row> = rows.iter().skip(start).take(per).map(|row| shown(tables, module, row, fields)).collect();
        if data.is_empty() {
            return Ok(None);
        }
        let end = start + data.len();
        let more = end < rows.len();
        let next = more.then(|| URL_SAFE_NO_PAD.encode(end.to_string()));
        let info = json!({"per_page": per, "count": data.len(), "page": page, "sort_by": "id", "sort_order": "desc",
            "more_records": more, "next_page_token": next, "previous_page_token": null, "page_token_expiry": null});
        Ok(Some((200, json!({"data": data, "info": info}))))
    }

    fn search(&self, tables: &Tables, module: &Module) -> Answer {
        let any = |names: &[&str], text: &str| {
            let part = |name: &&str| {
                Test::At((*name).to_owned(), Check::Part { text: text.to_owned(), start: false, end: false })
            };
            Test::Any(names.iter().map(part).collect())
        };
        let test = if let Some(email) = self.query.get("email") {
            Test::At("Email".to_owned(), Check::In(vec![json!(email)]))
        } else if let Some(phone) = self.query.get("phone") {
            any(&["Phone", "Mobile", "Fax"], phone)
        } else if let Some(word) = self.query.get("word").filter(|word| word.chars().count() >= 2) {
            let texts: Vec<&str> =
                module.fields.iter().filter(|field| field.kind == Kind::Text).map(|field| field.name).collect();
            any(&texts, word)
        } else if let Some(criteria) = self.query.get("criteria") {
            criterion(criteria.trim(), module)?
        } else {
            return Err(Failure::new(400, "REQUIRED_PARAM_MISSING", "One of the expected parameter is missing"));
        };
        let rows: Vec<&Row> = tables.rows(module.name).iter().filter(|row| test.passes(row)).collect();
        self.cut(tables, module, &rows, self.query.get("fields"))
    }

    fn coql(&self, tables: &Tables) -> Answer {
        let body: Value = serde_json::from_slice(self.body).unwrap_or_default();
        let source = body.get("select_query").and_then(Value::as_str).ok_or_else(|| {
            Failure::new(400, "MANDATORY_NOT_FOUND", "required field not found")
                .with(json!({"api_name": "select_query"}))
        })?;
        let query = coql::parse(source)?;
        let mut rows: Vec<&Row> = tables.rows(query.module.name).iter().filter(|row| query.test.passes(row)).collect();
        for (name, descending) in query.order.iter().rev() {
            crm::sort(&mut rows, name, *descending);
        }
        let fields = query.fields.join(",");
        let data: Vec<Row> = rows
            .iter()
            .skip(query.offset)
            .take(query.limit)
            .map(|row| {
                let mut row = shown(tables, query.module, row, Some(&fields));
                // Links come with their identifier alone.
                for value in row.values_mut() {
                    if let Some(id) = value.get("id").cloned() {
                        *value = json!({ "id": id });
                    }
                }
                row
            })
            .collect();
        if data.is_empty() {
            return Ok(None);
        }
        let more = query.offset + data.len() < rows.len();
        Ok(Some((200, json!({"info": {"count": data.len(), "more_records": more}, "data": data}))))
    }
}
